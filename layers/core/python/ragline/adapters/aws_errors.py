"""What botocore raises, in our words. No text of the service's own crosses: it may hold data."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    HTTPClientError,
    IncompleteReadError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
)
from botocore.exceptions import (
    ConnectionError as BotoConnectionError,
)

from ragline.domain.errors import (
    LimitExceeded,
    PermanentError,
    RaglineError,
    ServiceUnavailable,
    SetupError,
    Throttled,
    WriteConflict,
)

_BY_CODE: dict[str, type[RaglineError]] = {
    **dict.fromkeys(
        (
            "BandwidthLimitExceeded",
            "KmsThrottled",
            "OverLimit",
            "PriorRequestNotComplete",
            "ProvisionedThroughputExceeded",
            "ProvisionedThroughputExceededException",
            "RequestLimitExceeded",
            "RequestThrottled",
            "RequestThrottledException",
            "ServiceQuotaExceededException",
            "SlowDown",
            "ThrottledException",
            "Throttling",
            "ThrottlingError",
            "ThrottlingException",
            "TooManyRequestsException",
        ),
        Throttled,
    ),
    **dict.fromkeys(
        (
            "ConditionalCheckFailed",
            "ConditionalCheckFailedException",
            "ConditionalRequestConflict",
            "InvalidPart",  # it was sent again meanwhile
            "OperationAborted",
            "PreconditionFailed",
            "TransactionCanceledException",
            "TransactionConflict",
            "TransactionConflictException",
            "TransactionInProgressException",
        ),
        WriteConflict,
    ),
    **dict.fromkeys(
        (
            "BadGatewayException",
            "DependencyFailedException",
            "InternalError",
            "InternalFailure",
            "InternalServerError",
            "InternalServerException",
            "RequestTimeout",
            "RequestTimeoutException",
            "ServiceUnavailable",
        ),
        ServiceUnavailable,
    ),
    **dict.fromkeys(
        (
            "EntityTooLarge",
            "InvalidMessageContents",
            "ItemCollectionSizeLimitExceededException",
            "KeyTooLongError",
        ),
        PermanentError,
    ),
    "EntityTooLarge": LimitExceeded,
}

_ADVICE: dict[str, str] = {
    **dict.fromkeys(
        ("AccessDenied", "AccessDeniedException", "403"),
        "not allowed; grant this action to the role that runs this.",
    ),
    **dict.fromkeys(
        (
            "AWS.SimpleQueueService.NonExistentQueue",
            "NoSuchBucket",
            "QueueDoesNotExist",
            "ResourceNotFoundException",
        ),
        "it does not exist; deploy the stack, or correct the setting that names it.",
    ),
    **dict.fromkeys(
        (
            "ExpiredToken",
            "ExpiredTokenException",
            "InvalidAccessKeyId",
            "InvalidClientTokenId",
            "SignatureDoesNotMatch",
            "UnrecognizedClientException",
        ),
        "the credentials are not accepted; renew them.",
    ),
    "RequestTimeTooSkewed": "this machine's clock is wrong; set it.",
}


@contextmanager
def translated(resource: str) -> Iterator[None]:
    """Everything that botocore raises inside leaves as an error of ours that names ``resource``."""
    try:
        yield
    except (ClientError, BotoCoreError) as error:
        raise translate(error, resource) from error


def translate(error: ClientError | BotoCoreError, resource: str) -> RaglineError:
    """The error of ours that ``error`` means; ``resource`` such as "table ledger"."""
    if isinstance(error, ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return of_code(error_code(error), resource, error.operation_name, status)
    name = type(error).__name__
    if isinstance(error, (BotoConnectionError, HTTPClientError, IncompleteReadError)):
        return ServiceUnavailable(f"{resource} could not be reached: {name}.")
    if isinstance(error, CredentialRetrievalError):
        return ServiceUnavailable(f"{resource}: credentials could not be fetched: {name}.")
    if isinstance(error, (NoCredentialsError, PartialCredentialsError)):
        return SetupError(f"{resource}: no AWS credentials found; set AWS_PROFILE or a role.")
    if isinstance(error, NoRegionError):
        return SetupError(f"{resource}: no AWS region is set; set AWS_REGION.")
    return SetupError(f"{resource}: the AWS client refused the call: {name}.")


def of_code(code: str, resource: str, operation: str, http_status: int = 0) -> RaglineError:
    """The error that a service's error code means; unknown ones by their HTTP status."""
    what = f"{operation} on {resource}: {code}"
    if known := _BY_CODE.get(code):
        return known(f"{what}.")
    if http_status == 429:
        return Throttled(f"{what}.")
    if http_status >= 500:
        return ServiceUnavailable(f"{what}.")
    return SetupError(f"{what}: {_ADVICE.get(code, 'the service refused the call.')}")


def error_code(error: ClientError) -> str:
    return error.response.get("Error", {}).get("Code", "unknown")


def cancellation_codes(error: ClientError) -> list[str]:
    """Why a DynamoDB transaction was cancelled: one code per item, in order, "None" if it was fine.

    Empty if the error is of another kind.
    """
    reasons: object = error.response.get("CancellationReasons", [])
    if error_code(error) != "TransactionCanceledException" or not isinstance(reasons, list):
        return []
    return [str(reason.get("Code", "None")) for reason in reasons]
