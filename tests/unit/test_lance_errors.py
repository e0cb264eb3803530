"""What LanceDB 0.40 raises: texts recorded from faults put between it and an S3 server, shortened.

Not seen in a run but inferred: a 429 in mid-query, the commit conflict, the OSError, the KeyError.
"""

from __future__ import annotations

import pytest

from ragline.adapters.lance.errors import means_missing, translate, translated
from ragline.domain.errors import (
    InvalidRequest,
    RaglineError,
    ServiceUnavailable,
    SetupError,
    Throttled,
    WriteConflict,
)

_LIST = (
    "lance error: LanceError(IO): Generic S3 error: Error performing list request: Error "
    "performing GET http://s3/bucket?list-type=2&prefix=index%2Facme.docs.lance%2F_versions%2F in "
    "417.139286ms, after 3 retries, max_retries: 3, retry_timeout: 10s  - Server returned non-2xx "
    "status code: {status}: <Error><Code>{code}</Code><Message>m</Message></Error>, "
    "lance-io-13.0.0/src/object_store.rs:1506:92"
)
_CONNECT = (
    'Invalid input, Failed to connect to namespace: IO {{ source: Generic {{ store: "S3", source: '
    "ListRequest {{ source: RetryError(RetryErrorImpl {{ method: GET, uri: Some(http://s3/bucket), "
    "retries: 3, max_retries: 3, elapsed: 477ms, retry_timeout: 10s, inner: Status {{ status: "
    '{status}, body: Some("<Error><Code>{code}</Code></Error>") }} }}) }} }}, backtrace: None }}'
)
_REFUSED = (
    'Invalid input, Failed to connect to namespace: IO { source: Generic { store: "S3", source: '
    "ListRequest { source: RetryError(RetryErrorImpl { retries: 3, inner: Http(HttpError { kind: "
    "Connect, source: reqwest::Error { kind: Request, source: hyper_util::client::legacy::Error("
    'Connect, ConnectError("tcp connect error", 127.0.0.1:24899, Os { code: 111, kind: '
    'ConnectionRefused, message: "Connection refused" })) } }) }) } } }'
)
_DENIED_PUT = (
    "lance error: LanceError(IO): single PUT of index/acme.docs.lance/data/0f.lance failed after "
    "41.7ms: The operation lacked the necessary privileges to complete for path index/acme.docs."
    "lance/data/0f.lance: Error performing PUT http://s3/x in 41.6ms - Server returned non-2xx "
    "status code: 403 Forbidden: "
)
_TOO_MANY = (
    "lance error: Too many concurrent writers. Attempted 9 times, but failed on retry_timeout of "
    "30.000 seconds., lance-13.0.0/src/io/commit.rs:128:5"
)
# Pieced together from the strings in its binary.
_CONFLICT = (
    "lance error: Retryable commit conflict for version 7: This Update transaction was preempted "
    "by concurrent transaction Rewrite at version 7. Please retry., lance-13.0.0/src/io/commit.rs"
)
_GONE = (
    "lance error: Not found: index/acme.docs.lance/_versions, lance-table-13.0.0/src/io/commit.rs"
)
_FILE_GONE = (
    "lance error: LanceError(IO): Generic N/A error: Wrapped error: Not found: "
    "index/acme.docs.lance/data/0101.lance, result.rs:1896:29"
)
_UNKNOWN = "Table 'acme.docs' was not found"

KNOWN: list[tuple[Exception, type[RaglineError]]] = [
    (RuntimeError(_LIST.format(status="503 Service Unavailable", code="SlowDown")), Throttled),
    (RuntimeError(_LIST.format(status="429 Too Many Requests", code="x")), Throttled),
    (ValueError(_CONNECT.format(status=503, code="SlowDown")), Throttled),
    (ValueError(_CONNECT.format(status=429, code="TooManyRequests")), Throttled),
    (RuntimeError(_TOO_MANY), WriteConflict),
    (RuntimeError(_CONFLICT), WriteConflict),
    (ValueError(_CONNECT.format(status=404, code="NoSuchBucket")), SetupError),
    (RuntimeError(_LIST.format(status="404 Not Found", code="NoSuchBucket")), SetupError),
    (ValueError(_CONNECT.format(status=403, code="AccessDenied")), SetupError),
    (ValueError(_CONNECT.format(status=403, code="InvalidAccessKeyId")), SetupError),
    (RuntimeError(_LIST.format(status="403 Forbidden", code="AccessDenied")), SetupError),
    (RuntimeError(_DENIED_PUT), SetupError),
    (
        RuntimeError(_LIST.format(status="503 Service Unavailable", code="ServiceUnavailable")),
        ServiceUnavailable,
    ),
    (
        RuntimeError(_LIST.format(status="500 Internal Server Error", code="InternalError")),
        ServiceUnavailable,
    ),
    (ValueError(_CONNECT.format(status=500, code="InternalError")), ServiceUnavailable),
    (ValueError(_CONNECT.format(status=400, code="ExpiredToken")), ServiceUnavailable),
    (ValueError(_REFUSED), ServiceUnavailable),
    (RuntimeError(_FILE_GONE), ServiceUnavailable),
    (OSError("No space left on device (os error 28)"), ServiceUnavailable),
    (KeyError("vector"), ServiceUnavailable),
]


@pytest.mark.parametrize(("raised", "kind"), KNOWN)
def test_every_known_failure_of_lancedb_is_one_of_ours(
    raised: Exception, kind: type[RaglineError]
) -> None:
    translation = translate(raised)
    assert type(translation) is kind
    assert "lance error" not in str(translation)
    assert "http" not in str(translation)


def test_the_foreign_error_stays_as_the_cause() -> None:
    foreign = RuntimeError(_TOO_MANY)
    with pytest.raises(WriteConflict) as caught, translated():
        raise foreign
    assert caught.value.__cause__ is foreign


def test_our_own_errors_pass_untouched() -> None:
    ours = InvalidRequest("tenant '..' is not a valid name")
    with pytest.raises(InvalidRequest) as caught, translated():
        raise ours
    assert caught.value is ours


@pytest.mark.parametrize(
    "error", [ValueError(_UNKNOWN), RuntimeError(_GONE), RuntimeError(_FILE_GONE)]
)
def test_a_missing_table_or_file_is_recognised(error: Exception) -> None:
    assert means_missing(error)


@pytest.mark.parametrize(
    "raised", [raised for raised, _ in KNOWN if "0101.lance" not in str(raised)]
)
def test_no_other_failure_is_taken_for_a_missing_table(raised: Exception) -> None:
    assert not means_missing(raised)
