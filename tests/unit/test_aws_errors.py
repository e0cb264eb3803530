"""Every error that botocore is known to raise here becomes one of ours, and tells no secrets."""

from __future__ import annotations

from typing import Any

import pytest
from botocore import exceptions as boto
from botocore.exceptions import BotoCoreError, ClientError

from ragline.adapters.aws_errors import cancellation_codes, of_code, translate, translated
from ragline.domain.errors import (
    LimitExceeded,
    PermanentError,
    RaglineError,
    ServiceUnavailable,
    SetupError,
    Throttled,
    WriteConflict,
)


def client_error(code: str, status: int = 400, **more: Any) -> ClientError:
    response: Any = {
        "Error": {"Code": code, "Message": "arn:aws:iam::123456789012:role/secret"},
        "ResponseMetadata": {"HTTPStatusCode": status},
        **more,
    }
    return ClientError(response, "PutItem")


@pytest.mark.parametrize(
    ("code", "status", "ours"),
    [
        ("ProvisionedThroughputExceededException", 400, Throttled),
        ("RequestLimitExceeded", 400, Throttled),
        ("ThrottlingException", 400, Throttled),
        ("SlowDown", 503, Throttled),
        ("RequestThrottled", 403, Throttled),
        ("OverLimit", 403, Throttled),
        ("SomethingNew", 429, Throttled),
        ("ConditionalCheckFailedException", 400, WriteConflict),
        ("TransactionCanceledException", 400, WriteConflict),
        ("TransactionConflictException", 400, WriteConflict),
        ("TransactionInProgressException", 400, WriteConflict),
        ("PreconditionFailed", 412, WriteConflict),
        ("OperationAborted", 409, WriteConflict),
        ("InternalServerError", 500, ServiceUnavailable),
        ("InternalError", 500, ServiceUnavailable),
        ("RequestTimeout", 400, ServiceUnavailable),
        ("SomethingNew", 502, ServiceUnavailable),
        ("ItemCollectionSizeLimitExceededException", 400, PermanentError),
        ("KeyTooLongError", 400, PermanentError),
        ("EntityTooLarge", 400, LimitExceeded),
        ("AccessDenied", 403, SetupError),
        ("AccessDeniedException", 400, SetupError),
        ("ExpiredToken", 400, SetupError),
        ("InvalidAccessKeyId", 403, SetupError),
        ("NoSuchBucket", 404, SetupError),
        ("QueueDoesNotExist", 400, SetupError),
        ("AWS.SimpleQueueService.NonExistentQueue", 400, SetupError),
        ("ResourceNotFoundException", 400, SetupError),
        ("ValidationException", 400, SetupError),
        ("SomethingNew", 418, SetupError),
    ],
)
def test_an_error_code_becomes_the_error_that_it_means(
    code: str, status: int, ours: type[RaglineError]
) -> None:
    error = translate(client_error(code, status), "table ledger")
    assert type(error) is ours
    assert str(error).startswith(f"PutItem on table ledger: {code}")
    assert "arn:" not in str(error)


@pytest.mark.parametrize(
    ("error", "ours"),
    [
        (boto.EndpointConnectionError(endpoint_url="https://x"), ServiceUnavailable),
        (boto.ConnectTimeoutError(endpoint_url="https://x"), ServiceUnavailable),
        (boto.ReadTimeoutError(endpoint_url="https://x"), ServiceUnavailable),
        (boto.ConnectionClosedError(endpoint_url="https://x"), ServiceUnavailable),
        (boto.ProxyConnectionError(proxy_url="https://u:p@x"), ServiceUnavailable),
        (boto.SSLError(endpoint_url="https://x", error=OSError()), ServiceUnavailable),
        (boto.HTTPClientError(error="?"), ServiceUnavailable),
        (boto.ResponseStreamingError(error="?"), ServiceUnavailable),
        (boto.IncompleteReadError(actual_bytes=1, expected_bytes=2), ServiceUnavailable),
        (boto.CredentialRetrievalError(provider="p", error_msg="?"), ServiceUnavailable),
        (boto.NoCredentialsError(), SetupError),
        (boto.PartialCredentialsError(provider="p", cred_var="c"), SetupError),
        (boto.NoRegionError(), SetupError),
        (boto.ParamValidationError(report="secret value"), SetupError),
    ],
)
def test_a_failure_of_the_client_itself_becomes_ours(
    error: BotoCoreError, ours: type[RaglineError]
) -> None:
    translation = translate(error, "bucket documents")
    assert type(translation) is ours
    assert str(translation).startswith("bucket documents")
    assert "u:p@" not in str(translation)
    assert "secret" not in str(translation)


def test_the_original_is_kept_as_the_cause() -> None:
    original = client_error("ThrottlingException")
    with pytest.raises(Throttled) as caught, translated("table ledger"):
        raise original
    assert caught.value.__cause__ is original


def test_what_is_not_botocores_passes_through() -> None:
    with pytest.raises(ZeroDivisionError), translated("table ledger"):
        raise ZeroDivisionError
    with pytest.raises(LimitExceeded), translated("table ledger"):
        raise LimitExceeded("ours")


def test_only_a_cancelled_transaction_has_reasons() -> None:
    reasons = [{"Code": "None"}, {"Code": "TransactionConflict"}, {}]
    cancelled = client_error("TransactionCanceledException", CancellationReasons=reasons)
    assert cancellation_codes(cancelled) == ["None", "TransactionConflict", "None"]
    assert cancellation_codes(client_error("ValidationException")) == []


def test_a_setup_error_says_what_to_do() -> None:
    said = str(of_code("ResourceNotFoundException", "table ledger", "GetItem"))
    assert said == (
        "GetItem on table ledger: ResourceNotFoundException: "
        "it does not exist; deploy the stack, or correct the setting that names it."
    )
