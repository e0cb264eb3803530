"""Every error as ``application/problem+json`` (RFC 9457), and the table of their HTTP statuses."""

from __future__ import annotations

import traceback
from collections.abc import Mapping, Sequence
from functools import cache
from http import HTTPStatus
from typing import Any

from aws_lambda_powertools import Logger
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from ragline.domain import errors

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = 2
TRACE_KEY = "ragline.trace_id"

STATUS: Mapping[type[errors.RaglineError], int] = {
    errors.PermanentError: 422,
    errors.EmptyFile: 400,
    errors.UnsupportedType: 415,
    errors.LimitExceeded: 413,
    errors.QuotaExceeded: 409,
    errors.MalformedMessage: 400,
    errors.TransientError: 503,
    errors.RequestError: 400,
    errors.Unauthorised: 401,
    errors.Forbidden: 403,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.TooLarge: 413,
    errors.SetupError: 500,
    errors.ModelMismatch: 409,
    errors.RaglineError: 500,
}
"""An error that is not listed has the status of its nearest listed ancestor."""

_UNTOLD = {
    500: "Something went wrong on our side; it is logged under this trace_id.",
    503: "A service that this needs is busy or unreachable; try again shortly.",
}
"""What callers read of our own troubles; the log holds the rest."""


class FieldError(BaseModel):
    """One field of the request that is wrong."""

    field: str
    message: str


class Problem(BaseModel):
    """What every error answers. Match on ``code``: it is stable, texts are not."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    field: str | None = None
    errors: list[FieldError] | None = None
    trace_id: str


def status_of(error: type[errors.RaglineError]) -> int:
    return next(STATUS[kind] for kind in error.__mro__ if kind in STATUS)


def problem(
    scope: Scope,
    status: int,
    code: str,
    detail: str,
    *,
    headers: Mapping[str, str] | None = None,
    wrong: Sequence[FieldError] = (),
) -> Response:
    """The answer to a request that failed."""
    body = Problem(
        type=f"urn:ragline:problem:{code}",
        title=code.replace("_", " ").capitalize(),
        status=status,
        code=code,
        detail=detail,
        field=wrong[0].field if wrong else None,
        errors=list(wrong) or None,
        trace_id=scope.get(TRACE_KEY, ""),
    )
    retry = {"retry-after": str(RETRY_AFTER_SECONDS)} if status == 503 else {}
    return Response(
        body.model_dump_json(exclude_none=True),
        status,
        headers={**retry, **(headers or {})},
        media_type=MEDIA_TYPE,
    )


async def on_ragline_error(request: Request, error: Exception) -> Response:
    kind = type(error) if isinstance(error, errors.RaglineError) else errors.RaglineError
    status = status_of(kind)
    if status >= 500:
        log_trouble(request.scope, error)
    detail = _UNTOLD.get(status) or str(error)
    return problem(request.scope, status, kind.code, detail)


async def on_http_exception(request: Request, error: Exception) -> Response:
    """Starlette's own refusals: no such route, wrong method, unreadable form."""
    if not isinstance(error, HTTPException):
        return on_unexpected(request.scope, error)
    method, path = request.method, request.url.path
    known = {
        400: (errors.InvalidRequest.code, f"The body cannot be read: {error.detail}."),
        404: ("no_such_route", f"There is no route {path}; see /api/v2/openapi.json."),
        405: ("method_not_allowed", f"{path} does not take {method}."),
        413: (errors.TooLarge.code, "The body is too large."),
    }
    fallback = (HTTPStatus(error.status_code).name.lower(), str(error.detail))
    code, detail = known.get(error.status_code, fallback)
    return problem(request.scope, error.status_code, code, detail, headers=error.headers)


async def on_invalid_request(request: Request, error: Exception) -> Response:
    """FastAPI's validation errors, in our words; the values are not repeated."""
    if not isinstance(error, RequestValidationError):
        return on_unexpected(request.scope, error)
    wrong = [_field_error(one) for one in error.errors()]
    first = f"{wrong[0].field}: {wrong[0].message}"
    more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
    code = errors.InvalidRequest.code
    status = status_of(errors.InvalidRequest)
    return problem(request.scope, status, code, f"{first}{more}.", wrong=wrong)


def on_unexpected(scope: Scope, error: BaseException) -> Response:
    """A defect of ours: logged, and told without any of its details."""
    log_trouble(scope, error)
    return problem(scope, 500, errors.RaglineError.code, _UNTOLD[500])


def log_trouble(scope: Scope, error: BaseException) -> None:
    """One line: what and where. A foreign message may quote a text or a URL, so it stays out."""
    ours = isinstance(error, errors.RaglineError)
    frames = traceback.extract_tb(error.__traceback__)
    _log().error(
        "request failed",
        extra={
            "error_type": type(error).__name__,
            "error_message": str(error) if ours else "",
            "error_cause": type(error.__cause__).__name__ if error.__cause__ else "",
            "error_at": [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames[-8:]],
            "method": scope.get("method", ""),
            "path": scope.get("path", ""),
            "trace_id": scope.get(TRACE_KEY, ""),
        },
    )


@cache
def _log() -> Logger:
    return Logger(child=True)


def _field_error(error: Mapping[str, Any]) -> FieldError:
    place = [str(part) for part in error["loc"]]
    kind = error["type"]
    if kind == "json_invalid":
        reason = error.get("ctx", {}).get("error", "")
        return FieldError(field="body", message=f"no JSON at character {place[-1]}: {reason}")
    if place == ["body"] and kind in {"missing", "model_attributes_type", "dict_type"}:
        return FieldError(
            field="body", message="send a JSON object, as content-type application/json"
        )
    if kind == "extra_forbidden":
        message = "there is no such field"
    else:
        message = str(error["msg"]).removeprefix("Value error, ")
    return FieldError(field=".".join(place[1:]) or "body", message=message.rstrip("."))
