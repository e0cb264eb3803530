"""A client of Ragline's HTTP API: typed answers, errors of our own tree, patience when asked."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import httpx
from pydantic import ValidationError

import ragline
from ragline.cli.answers import (
    Answer,
    ArrivedPart,
    ArrivedParts,
    DocumentView,
    Failures,
    Hits,
    Listing,
    PartTarget,
    PartTargets,
    Redriven,
    RedrivePage,
    Registered,
    Retried,
    Upload,
)
from ragline.cli.outside import Outside
from ragline.cli.target import Address
from ragline.domain.documents import check_document_id
from ragline.domain.errors import (
    Conflict,
    InvalidRequest,
    NotFound,
    RaglineError,
    ServiceUnavailable,
    SetupError,
    Throttled,
    TooLarge,
)

A = TypeVar("A", bound=Answer)

REDRIVE_PAGE = 10
"""Documents of one request: thousands of chunks each must not outlast API Gateway's patience."""

ATTEMPTS = 6
QUICK_ATTEMPTS = 2
LONGEST_PAUSE = 20.0
_ASKS_FOR_PATIENCE = {429, 503}
_BY_STATUS: dict[int, type[RaglineError]] = {
    400: InvalidRequest,
    404: NotFound,
    409: Conflict,
    413: TooLarge,
    422: InvalidRequest,
    429: Throttled,
}


class Client:
    """One API. Safe to share among threads; close it by ``with``."""

    def __init__(self, address: Address, outside: Outside) -> None:
        self.address = address
        self._sleep = outside.sleep
        headers = {"user-agent": f"ragline/{ragline.__version__}"}
        if address.token:
            headers["authorization"] = f"Bearer {address.token}"
        elif address.key:
            headers["x-api-key"] = address.key
        timeout = httpx.Timeout(60.0, connect=10.0)
        self._api = httpx.Client(
            base_url=address.url, headers=headers, timeout=timeout, transport=outside.transport
        )
        # The bucket gets neither our headers nor our key.
        self._bucket = httpx.Client(
            timeout=httpx.Timeout(300.0, connect=10.0), transport=outside.transport
        )

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self._api.close()
        self._bucket.close()

    def info(self) -> dict[str, Any]:
        answer = self._json(self._send("GET", "/api/v2/info"))
        return answer if isinstance(answer, dict) else {}

    def usage(self, month: str) -> dict[str, Any]:
        """The caller's own tenant's month."""
        answer = self._json(self._send("GET", "/api/v2/usage", params={"month": month}))
        if not isinstance(answer, dict) or not {"costs", "usd", "usd_per_chunk"} <= set(answer):
            raise self._foreign()
        return answer

    def register(self, document: Mapping[str, Any]) -> Registered:
        return self._read(Registered, self._send("POST", "/api/v2/documents", json=document))

    def upload(self, upload: Upload, path: Path) -> None:
        """PUT the file's bytes; the file is opened anew for each attempt.

        Raises:
            OSError: the file cannot be read.
            ServiceUnavailable, InvalidRequest: the bucket did not take it.
        """

        def attempt() -> httpx.Response:
            with path.open("rb") as body:
                return self._bucket.request(
                    upload.method, upload.url, headers=dict(upload.headers), content=body
                )

        self._bring(attempt)

    def parts(self, document_id: str, upload_id: str) -> list[ArrivedPart]:
        path = f"{_document_path(document_id)}/parts"
        answer = self._send("GET", path, params={"upload_id": upload_id})
        return self._read(ArrivedParts, answer).arrived

    def sign_parts(
        self, document_id: str, upload_id: str, checksums: Mapping[int, str]
    ) -> list[PartTarget]:
        wanted = [{"number": n, "checksum": checksum} for n, checksum in checksums.items()]
        body = {"upload_id": upload_id, "parts": wanted}
        answer = self._send("POST", f"{_document_path(document_id)}/parts", json=body)
        return self._read(PartTargets, answer).parts

    def put_part(self, part: PartTarget, data: bytes) -> None:
        """Raises ServiceUnavailable or InvalidRequest: the bucket did not take it."""
        headers = dict(part.headers)
        self._bring(lambda: self._bucket.put(part.url, headers=headers, content=data))

    def complete(self, document_id: str, upload_id: str) -> None:
        path = f"{_document_path(document_id)}/complete"
        self._send("POST", path, json={"upload_id": upload_id})

    def _bring(self, attempt: Callable[[], httpx.Response]) -> None:
        response = self._patiently(attempt, "the documents bucket")
        if response.is_error:
            found = re.search(r"<Code>(\w+)</Code>", response.text)
            why = found[1] if found else f"HTTP {response.status_code}"
            kind = ServiceUnavailable if response.status_code >= 500 else InvalidRequest
            raise kind(f"the documents bucket refused the upload ({why}); push the file again.")

    def document(self, document_id: str) -> DocumentView:
        return self._read(DocumentView, self._send("GET", _document_path(document_id)))

    def failures(self, document_id: str) -> Failures:
        return self._read(Failures, self._send("GET", f"{_document_path(document_id)}/failures"))

    def retry(self, document_id: str, body: Mapping[str, Any]) -> Retried:
        path = f"{_document_path(document_id)}/retry"
        return self._read(Retried, self._send("POST", path, json=dict(body)))

    def redrive(self, body: Mapping[str, Any]) -> Iterator[Redriven]:
        """What failed tried again, page by page; each document once, though it may fail again."""
        asked, seen = {"limit": REDRIVE_PAGE, **body}, set[str]()
        while True:
            page = self._read(RedrivePage, self._send("POST", "/api/v2/redrive", json=asked))
            fresh = [one for one in page.documents if one.document_id not in seen]
            yield from fresh
            seen.update(one.document_id for one in fresh)
            if not page.cursor or (page.documents and not fresh):
                return
            asked["cursor"] = page.cursor

    def delete(self, document_id: str) -> None:
        self._send("DELETE", _document_path(document_id))

    def documents(
        self, collection: str, *, status: str | None = None, limit: int | None = None
    ) -> Iterator[DocumentView]:
        """Newest first, page by page."""
        params = {"collection": collection, **({"status": status} if status else {})}
        return self._documents(params, limit)

    def children(self, document_id: str) -> Iterator[DocumentView]:
        """The documents that came in this one, by path, page by page."""
        return self._documents({"parent": document_id, "limit": "100"}, None)

    def _documents(self, params: dict[str, str], left: int | None) -> Iterator[DocumentView]:
        while True:
            page = self._read(Listing, self._send("GET", "/api/v2/documents", params=params))
            for document in page.documents:
                if left is not None and left <= 0:
                    return
                yield document
                left = None if left is None else left - 1
            if not page.cursor or left == 0:
                return
            params["cursor"] = page.cursor

    def query(self, body: Mapping[str, Any]) -> Hits:
        return self._read(Hits, self._send("POST", "/api/v2/query", json=body))

    def ask(self, model: type[A], method: str, path: str, **parts: Any) -> A:
        """What a route answers, as this model reads it."""
        return self._read(model, self._send(method, path, **parts))

    def tell(self, method: str, path: str) -> None:
        """Call a route that has nothing to answer."""
        self._send(method, path)

    def _send(self, method: str, path: str, **parts: Any) -> httpx.Response:
        response = self._patiently(
            lambda: self._api.request(method, path, **parts), f"the API at {self.address.place}"
        )
        if not response.is_success:
            raise error_of(response, self.address.place)
        return response

    def _patiently(self, attempt: Callable[[], httpx.Response], what: str) -> httpx.Response:
        """Try again, with growing random pauses, when asked to slow down or not answered.

        https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/ (full jitter)
        """
        for number in range(ATTEMPTS - 1):
            try:
                response = attempt()
            except httpx.ConnectError:
                # Nobody listens: a short wait covers a restart, a long one only delays the news.
                if number >= QUICK_ATTEMPTS:
                    break
                self._sleep(0.2)
            except httpx.HTTPError:
                self._sleep(_pause(number))
            else:
                if response.status_code not in _ASKS_FOR_PATIENCE or _used_up(response):
                    return response
                self._sleep(max(_retry_after(response), _pause(number)))
        try:
            return attempt()
        except httpx.ConnectError as error:
            raise SetupError(
                f"{what} cannot be reached. Is it running? `ragline up` starts a local one."
            ) from error
        except httpx.HTTPError as error:
            raise ServiceUnavailable(f"{what} did not answer ({type(error).__name__}).") from error

    def _json(self, response: httpx.Response) -> Any:
        try:
            return response.json()
        except ValueError as error:
            raise self._foreign() from error

    def _read(self, model: type[A], response: httpx.Response) -> A:
        try:
            return model.model_validate(self._json(response))
        except ValidationError as error:
            raise self._foreign() from error

    def _foreign(self) -> SetupError:
        return SetupError(
            f"{self.address.place} does not answer as a Ragline API of this version does. "
            "Check the address, or update the stack."
        )


def error_of(response: httpx.Response, place: str) -> RaglineError:
    """Our error for an answer that is none: by its code if it is problem+json, else by status."""
    try:
        problem = response.json()
    except ValueError:
        problem = None
    status = response.status_code
    if status == 401:
        return SetupError(
            f"{place} does not know the caller (HTTP 401): RAGLINE_TOKEN or RAGLINE_API_KEY is "
            "wrong, revoked or over, or --stack is another one."
        )
    if isinstance(problem, dict) and isinstance(problem.get("code"), str):
        return _of_problem(status, problem)
    if status == 403:
        return SetupError(
            f"{place} refused the caller (HTTP 403): no role here. Set RAGLINE_API_KEY to another "
            "key, or check --stack."
        )
    if status == 404:
        return SetupError(f"there is no Ragline API at {place} (HTTP 404). Check the address.")
    kind = _BY_STATUS.get(status, ServiceUnavailable)
    return kind(f"{place} answered HTTP {status}. `ragline logs api` may say why.")


def _of_problem(status: int, problem: Mapping[str, Any]) -> RaglineError:
    code = problem["code"]
    detail = str(problem.get("detail") or problem.get("title") or code)
    if code == "no_such_route":
        return SetupError(f"{detail} The stack may be older than this command: deploy it anew.")
    if status == 403:
        return SetupError(
            f"{detail} Ask who runs the stack for a key that may (`ragline keys create --role …`)."
        )
    if status >= 500 and problem.get("trace_id"):
        detail += f" (trace_id {problem['trace_id']}; see `ragline logs api`)"
    kind = _known_errors().get(code) or _BY_STATUS.get(status, ServiceUnavailable)
    return kind(detail)


def _known_errors() -> dict[str, type[RaglineError]]:
    found: dict[str, type[RaglineError]] = {}
    waiting: list[type[RaglineError]] = [RaglineError]
    while waiting:
        kind = waiting.pop()
        found[kind.code] = kind
        waiting.extend(kind.__subclasses__())
    return found


def _pause(number: int) -> float:
    return random.uniform(0, min(LONGEST_PAUSE, 0.5 * 2**number))  # noqa: S311 (no secret)


def _used_up(response: httpx.Response) -> bool:
    """Whether it is the day's quota that is passed, which no pause of ours mends."""
    return response.status_code == 429 and (
        "daily_quota_exceeded" in response.text or "Limit Exceeded" in response.text
    )


def _retry_after(response: httpx.Response) -> float:
    value = response.headers.get("retry-after", "")
    return min(LONGEST_PAUSE, float(value)) if value.isdigit() else 0.0


def _document_path(document_id: str) -> str:
    return f"/api/v2/documents/{check_document_id(document_id)}"
