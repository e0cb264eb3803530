"""Every error that the Pinecone SDK raises is one of ours."""

from __future__ import annotations

import inspect

import pytest
from pinecone import errors
from pinecone.errors import PineconeError

from ragline.adapters.pinecone.errors import translate
from ragline.domain.errors import (
    LimitExceeded,
    RaglineError,
    ServiceUnavailable,
    SetupError,
    Throttled,
)

HOST, SECRET = "https://x.pinecone.io", "arn:aws:secretsmanager:eu:1:secret:pinecone"

KNOWN: dict[PineconeError, type[RaglineError]] = {
    errors.RateLimitError(retry_after=3): Throttled,
    errors.ServiceError("m", 503): ServiceUnavailable,
    errors.ApiError("m", 408): ServiceUnavailable,
    errors.ApiError("m", 425): ServiceUnavailable,
    errors.PineconeTimeoutError("m"): ServiceUnavailable,
    errors.PineconeConnectionError("m"): ServiceUnavailable,
    errors.ResponseParsingError("m"): ServiceUnavailable,
    errors.IndexInitFailedError("m"): ServiceUnavailable,
    errors.IndexTerminatedError("m", "Terminating"): ServiceUnavailable,
    errors.PineconeError("m"): ServiceUnavailable,
    errors.PayloadTooLargeError(): LimitExceeded,
    errors.UnauthorizedError(): SetupError,
    errors.ForbiddenError(): SetupError,
    errors.PaymentRequiredError(): SetupError,
    errors.NotFoundError(): SetupError,
    errors.ConflictError(): SetupError,
    errors.FailedPreconditionError(): SetupError,
    errors.ApiError("m", 400, error_code="INVALID_ARGUMENT"): SetupError,
    errors.PineconeValueError("m"): SetupError,
    errors.PineconeTypeError("m"): SetupError,
}


@pytest.mark.parametrize(
    ("error", "kind"), KNOWN.items(), ids=[type(error).__name__ for error in KNOWN]
)
def test_each_error_is_translated_and_says_nothing_of_the_service_s_own(
    error: PineconeError, kind: type[RaglineError]
) -> None:
    error.message = "the secret text of a passage"
    ours = translate(error, HOST, SECRET)
    assert type(ours) is kind
    assert "secret text" not in str(ours)
    assert str(ours).endswith(".")


def test_no_error_of_the_sdk_is_missing_above() -> None:
    raised = {
        one
        for _, one in inspect.getmembers(errors, inspect.isclass)
        if issubclass(one, PineconeError)
    }
    assert raised == {type(error) for error in KNOWN}


def test_the_code_of_a_refusal_is_told() -> None:
    refused = errors.ApiError("m", 400, error_code="INVALID_ARGUMENT")
    assert "(400 INVALID_ARGUMENT)" in str(translate(refused, HOST, SECRET))
