"""Doing with documents what their scripts say, as a client that tries again what failed."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx

from ragline.domain.documents import TERMINAL, Status
from tests.chaos.load import Action, Script, Step
from tests.e2e.stack import Stack

HANDS = 12
"""Scripts under way at once; most of them sleep."""

REQUESTS = threading.BoundedSemaphore(3)
UPLOADS = threading.Lock()
UPLOAD_SECONDS = 0.2
"""From one upload to the next. Each request and each upload that comes while others are under way
starts a worker, and a dozen cold starts at once are all that a small machine does for a while.
"""

ATTEMPTS = 20
PATIENCE_SECONDS = 20
"""For the step before to be through; then the next one comes, whatever it meets."""

UNKNOWN_SECONDS = 180
"""For a dropped file to be known: the splitter may be killed until it is given up."""


def perform(stack: Stack, scripts: Sequence[Script]) -> None:
    """Every script to its end; the pipeline works on for a while after that."""
    with ThreadPoolExecutor(HANDS) as pool:
        for _ in pool.map(lambda script: _perform(stack, script), scripts):
            pass


def ask(stack: Stack, method: str, path: str, **how: Any) -> httpx.Response:
    """The API's answer, once it is one: a worker that was killed is a 5xx, so ask again."""
    for attempt in range(ATTEMPTS):
        with REQUESTS:
            answer = stack.api.request(method, path, **how)
        if answer.status_code < 500 and answer.status_code != 429:
            return answer
        time.sleep(min(2.0, 0.1 * 2**attempt))
    raise AssertionError(f"{method} {path}: {answer.status_code} {answer.text}")


def document(stack: Stack, script: Script) -> Any:
    """The document as the API shows it; None while it is not known."""
    answer = ask(stack, "GET", f"/api/v2/documents/{script.document_id}")
    return answer.json() if answer.status_code == 200 else None


def _perform(stack: Stack, script: Script) -> None:
    for number, action in enumerate(script.actions):
        if action.pause is None:
            _await_step(stack, script, script.actions[number - 1].step)
        else:
            time.sleep(action.pause)
        _DO[action.step](stack, script, action)


def _await_step(stack: Stack, script: Script, step: Step) -> None:
    def through() -> bool:
        found = document(stack, script)
        if step is Step.PUT:
            return found is not None and found["status"] in TERMINAL
        return found is None or found["status"] == Status.DELETED

    _await(through, PATIENCE_SECONDS)


def _put(stack: Stack, script: Script, action: Action) -> None:
    data = script.text(action.version)
    if not script.registered:
        with _paced():
            stack.s3.put_object(Bucket=stack.bucket, Key=script.key, Body=data)
        return
    body = {
        "filename": script.filename,
        "size": len(data),
        "collection": script.collection,
        "document_id": script.document_id,
    }
    answer = ask(stack, "POST", "/api/v2/documents", json=body)
    assert answer.status_code in (200, 201), answer.text
    target = answer.json()["upload"]
    with _paced():
        put = stack.anyone.put(target["url"], headers=target["headers"], content=data)
    assert put.status_code == 200, put.text


@contextlib.contextmanager
def _paced() -> Iterator[None]:
    with UPLOADS:
        yield
        time.sleep(UPLOAD_SECONDS)


def _api_delete(stack: Stack, script: Script, action: Action) -> None:
    """One that was dropped is not known before its splitter, or its dead letter, has begun it."""
    path = f"/api/v2/documents/{script.document_id}"
    gone = _await(lambda: ask(stack, "DELETE", path).status_code == 204, UNKNOWN_SECONDS)
    assert gone, f"{path} is still unknown after {UNKNOWN_SECONDS} s"


def _bucket_delete(stack: Stack, script: Script, action: Action) -> None:
    stack.s3.delete_object(Bucket=stack.bucket, Key=script.key)


_DO: dict[Step, Callable[[Stack, Script, Action], None]] = {
    Step.PUT: _put,
    Step.API_DELETE: _api_delete,
    Step.BUCKET_DELETE: _bucket_delete,
}


def _await(check: Callable[[], bool], seconds: float) -> bool:
    """Whether it came true in time."""
    deadline = time.monotonic() + seconds
    while not (true := check()) and time.monotonic() < deadline:
        time.sleep(0.3)
    return true
