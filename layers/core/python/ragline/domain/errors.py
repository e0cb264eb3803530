"""Every error Ragline raises on purpose.

RaglineError
├── PermanentError          retrying cannot help: recorded with its reason, the message is consumed
│   ├── EmptyFile               the object has no bytes
│   ├── UnsupportedType         the bytes are of no format that we read
│   ├── EncryptedDocument       a password is needed to read it
│   ├── CorruptDocument         the format is known, the bytes are not readable as such
│   ├── NoText                  there is no text in it, as far as can be seen
│   ├── LimitExceeded           a limit was passed; names the limit
│   │   ├── FileTooLarge            more bytes than one file, or a part of it, may have
│   │   ├── TooManyPages            more pages than one file may have
│   │   ├── Bomb                    it unpacks, nests or repeats as only an attack does
│   │   └── ParsingTimeout          reading it took too long
│   ├── QuotaExceeded           a cap on what the tenant holds is reached; names the cap
│   ├── DuplicateContent        another document of the collection holds the same bytes
│   ├── EmbeddingFailed         a chunk that the model cannot embed
│   ├── ModelRefused            a vision model that takes no such page or prompt
│   ├── StoredDataLost          chunks or vectors in the bucket are missing or damaged
│   └── MalformedMessage        a queue message or event that no version of Ragline wrote
├── TransientError          retrying can help: raised, retried with backoff, then dead-lettered
│   ├── Throttled               a service asked us to slow down
│   ├── ServiceUnavailable      a service failed or could not be reached
│   ├── WriteConflict           another writer was faster; read again and retry
│   ├── OutOfTime               the function's time is nearly over; the rest was not tried
│   └── NewerMessage            a message that a later version of Ragline wrote
├── RequestError            the caller's mistake: a 4xx with a stable code
│   ├── InvalidRequest          a field is missing, malformed or out of bounds
│   ├── UnknownField            a filter names a field that no document of the collection has
│   ├── Unauthorised            nothing says who calls, or what says it is not accepted
│   ├── Forbidden               the caller is known, and may not do this
│   ├── NotFound                no such document (or not this tenant's: the answer is the same)
│   ├── Conflict                the document's state does not allow this
│   └── TooLarge                the body is larger than this route takes
└── SetupError              the installation or its settings are wrong; says what to do
    └── ModelMismatch           an index is of another embedding model than the one that is used

The HTTP status of each is one table, in ``ragline.api.problems``.
"""

from __future__ import annotations

from typing import ClassVar


class RaglineError(Exception):
    """Base of the tree. ``code`` is stable: clients and dashboards match on it, never on text."""

    code: ClassVar[str] = "internal_error"


class PermanentError(RaglineError):
    """Retrying cannot help.

    ``page`` (from 1) and ``chunk`` (an ordinal) say where, when that is known.
    """

    code = "permanent_error"

    def __init__(self, message: str, *, page: int | None = None, chunk: int | None = None) -> None:
        super().__init__(message)
        self.page = page
        self.chunk = chunk


class EmptyFile(PermanentError):
    code = "empty_file"


class UnsupportedType(PermanentError):
    code = "unsupported_type"


class EncryptedDocument(PermanentError):
    code = "encrypted"


class CorruptDocument(PermanentError):
    code = "corrupt"


class NoText(PermanentError):
    code = "no_text"


class LimitExceeded(PermanentError):
    code = "limit_exceeded"


class FileTooLarge(LimitExceeded):
    code = "too_large"


class TooManyPages(LimitExceeded):
    code = "too_many_pages"


class Bomb(LimitExceeded):
    code = "bomb"


class ParsingTimeout(LimitExceeded):
    code = "timeout"


class QuotaExceeded(PermanentError):
    code = "quota_exceeded"


class DuplicateContent(PermanentError):
    code = "duplicate"


class EmbeddingFailed(PermanentError):
    code = "embedding_failed"


class ModelRefused(PermanentError):
    code = "model_refused"


class StoredDataLost(PermanentError):
    code = "stored_data_lost"


class MalformedMessage(PermanentError):
    code = "malformed_message"


class TransientError(RaglineError):
    """Retrying can help."""

    code = "transient_error"


class Throttled(TransientError):
    code = "throttled"


class ServiceUnavailable(TransientError):
    code = "service_unavailable"


class WriteConflict(TransientError):
    code = "write_conflict"


class OutOfTime(TransientError):
    code = "out_of_time"


class NewerMessage(TransientError):
    code = "newer_message"


class RequestError(RaglineError):
    """The caller's mistake; the message says which field and what is allowed."""

    code = "bad_request"


class InvalidRequest(RequestError):
    code = "invalid_request"


class UnknownField(RequestError):
    code = "unknown_field"


class Unauthorised(RequestError):
    code = "unauthorised"


class Forbidden(RequestError):
    code = "forbidden"


class NotFound(RequestError):
    code = "not_found"


class Conflict(RequestError):
    code = "conflict"


class TooLarge(RequestError):
    code = "too_large"


class SetupError(RaglineError):
    """The installation or its settings are wrong; the message says what to do about it."""

    code = "setup_error"


class ModelMismatch(SetupError):
    code = "model_mismatch"


def _codes(kind: type[RaglineError]) -> frozenset[str]:
    return frozenset({kind.code}.union(*map(_codes, kind.__subclasses__())))


PERMANENT_CODES = _codes(PermanentError) - {QuotaExceeded.code}
"""The codes of what no retry can mend, as they stand in reasons and failures.

A cap can be raised, or room be made: what failed for it is worth another try."""
