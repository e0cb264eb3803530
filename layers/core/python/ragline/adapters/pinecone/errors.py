"""What the Pinecone client raises, in our words. No text of the service's own crosses: it may hold
data; it stays with the original error, as the cause."""

from __future__ import annotations

from pinecone.errors import (
    ApiError,
    ForbiddenError,
    NotFoundError,
    PayloadTooLargeError,
    PaymentRequiredError,
    PineconeConnectionError,
    PineconeError,
    PineconeTimeoutError,
    PineconeTypeError,
    PineconeValueError,
    RateLimitError,
    ResponseParsingError,
    UnauthorizedError,
)

from ragline.domain.errors import (
    LimitExceeded,
    RaglineError,
    ServiceUnavailable,
    SetupError,
    Throttled,
)

_MIGHT_PASS = frozenset({408, 425})


def translate(error: PineconeError, host: str, secret: str) -> RaglineError:
    """The same failure as one of our errors.

    ``host`` is the index's address, ``secret`` names where its API key is kept.
    """
    if isinstance(error, ApiError):
        return _of_status(error, host, secret)
    name = type(error).__name__
    if isinstance(error, PineconeValueError | PineconeTypeError):
        return SetupError(
            f"the Pinecone client refuses to call {host} ({name}): check the setting PINECONE_HOST "
            f"and the API key in {secret}."
        )
    if isinstance(error, PineconeTimeoutError | PineconeConnectionError):
        return ServiceUnavailable(f"the Pinecone index at {host} could not be reached ({name}).")
    if isinstance(error, ResponseParsingError):
        return ServiceUnavailable(f"{host} answers, but not as a Pinecone index does.")
    return ServiceUnavailable(f"the Pinecone index at {host} failed ({name}).")


def _of_status(error: ApiError, host: str, secret: str) -> RaglineError:
    status = error.status_code
    if isinstance(error, RateLimitError):
        asked = f" for {error.retry_after:g} s" if error.retry_after else ""
        return Throttled(f"Pinecone asked to slow down{asked}; or a monthly limit is reached.")
    if status >= 500 or status in _MIGHT_PASS:
        return ServiceUnavailable(f"the Pinecone index at {host} failed with status {status}.")
    if isinstance(error, PayloadTooLargeError):
        return LimitExceeded("Pinecone takes no row as large as this one.")
    if isinstance(error, UnauthorizedError):
        return SetupError(
            f"Pinecone does not accept the API key in {secret}: put a valid key of the project "
            "that owns the index there."
        )
    if isinstance(error, ForbiddenError | PaymentRequiredError):
        return SetupError(
            f"Pinecone refuses the API key in {secret} (status {status}): give it the right to "
            "read and write the index, and look at the project's quota and billing."
        )
    if isinstance(error, NotFoundError):
        return SetupError(
            f"there is no Pinecone index at {host}: make one as docs/pinecone.md says, and give "
            "its host as PineconeHost."
        )
    code = f" {error.error_code}" if error.error_code else ""
    return SetupError(
        f"the Pinecone index at {host} refuses the request ({status}{code}): it was probably not "
        "made with the fields that docs/pinecone.md names."
    )
