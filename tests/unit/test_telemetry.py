"""Logs say what happened, where and to which document, and quote nothing that passes through."""

from __future__ import annotations

import io
import json
import logging
import traceback
import warnings
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from pydantic import BaseModel, ValidationError

from ragline import telemetry
from ragline.domain.errors import ServiceUnavailable, StoredDataLost
from ragline.embedding.hashing import HashEmbedder
from ragline.embedding.watched import Watched
from ragline.telemetry import UnexpectedError, cause, follow, logger, new_trace, observed
from tests.written_log import written_log

TEXT = "Zwetschgendatschi"
CONTEXT = SimpleNamespace(
    function_name="ragline-api",
    memory_limit_in_mb=512,
    invoked_function_arn="arn:aws:lambda:us-east-1:123456789012:function:ragline-api",
    aws_request_id="8476a536",
)


class Passage(BaseModel):
    page: int


def quoting_pydantic() -> None:
    Passage.model_validate({"page": TEXT})


def quoting_aws() -> None:
    answer = {"Error": {"Code": "ValidationException", "Message": f"{TEXT} is no number"}}
    raise ClientError(answer, "PutItem")  # type: ignore[arg-type]


def quoting_botocore() -> None:
    raise EndpointConnectionError(endpoint_url=f"https://bucket/?X-Amz-Signature={TEXT}")


def quoting_json() -> None:
    json.loads(TEXT)


def quoting_key() -> None:
    known: dict[str, int] = {}
    known[TEXT] += 1


def quoting_its_cause() -> None:
    try:
        quoting_key()
    except KeyError as error:
        raise StoredDataLost("the stored chunks are damaged; upload the document again.") from error


def quoting_notes() -> None:
    error = ValueError("not this one")
    error.add_note(TEXT)
    raise error


FAULTS = [
    quoting_pydantic, quoting_aws, quoting_botocore, quoting_json, quoting_key,
    quoting_its_cause, quoting_notes,
]  # fmt: skip


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """What the logger writes: it holds on to the stdout of when it was made."""
    with written_log() as stream:
        yield stream


@pytest.mark.parametrize("fault", FAULTS)
def test_an_exception_is_logged_by_type_and_place_without_its_words(
    fault: Callable[[], None], log: io.StringIO
) -> None:
    try:
        fault()
    except Exception:
        logger.exception("it failed", document_id="d1")
    written = log.getvalue()
    assert TEXT not in written
    told = json.loads(written)
    assert told["document_id"] == "d1"
    assert fault.__name__ in " ".join(told["error_at"])


@pytest.mark.parametrize("fault", [one for one in FAULTS if one is not quoting_its_cause])
def test_what_leaves_a_handler_quotes_nothing_for_lambda_logs_it_too(
    fault: Callable[[], None], log: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    @observed
    def handler(event: Any, context: Any) -> None:
        fault()

    with pytest.raises(UnexpectedError) as raised:
        handler({}, CONTEXT)
    assert TEXT not in str(raised.value) + capsys.readouterr().out + log.getvalue()
    assert "invocation failed" in log.getvalue()
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__
    assert fault.__name__ in str(raised.value)


def test_our_own_errors_leave_a_handler_as_they_are() -> None:
    @observed
    def handler(event: Any, context: Any) -> None:
        raise ServiceUnavailable("the bucket did not answer.")

    with pytest.raises(ServiceUnavailable):
        handler({}, CONTEXT)


def test_what_our_own_error_came_from_stays_behind(log: io.StringIO) -> None:
    @observed
    def handler(event: Any, context: Any) -> None:
        quoting_its_cause()

    with pytest.raises(StoredDataLost) as raised:
        handler({}, CONTEXT)
    assert TEXT not in "".join(traceback.format_exception(raised.value)).replace("{}[TEXT]", "")
    assert json.loads(log.getvalue())["error_cause"] == "KeyError"


def test_causes_are_told_in_our_words_or_by_type_and_code() -> None:
    assert cause(ServiceUnavailable("no answer.")) == "ServiceUnavailable: no answer."
    assert cause(KeyError(TEXT)) == "KeyError"
    with pytest.raises(ClientError) as raised:
        quoting_aws()
    assert cause(raised.value) == "ClientError: ValidationException in PutItem"
    with pytest.raises(ValidationError) as invalid:
        quoting_pydantic()
    assert cause(invalid.value) == "ValidationError"


@pytest.fixture
def root() -> Iterator[io.StringIO]:
    """What a root logger writes that has one handler, as Lambda's runtime gives it one."""
    written = io.StringIO()
    handler, root = logging.StreamHandler(written), logging.getLogger()
    before, raising = root.handlers, logging.raiseExceptions
    root.handlers = [handler]
    logging.captureWarnings(False)  # pytest has its own way with them, test by test
    telemetry._settle_in.cache_clear()
    yield written
    root.handlers, logging.raiseExceptions = before, raising
    logging.captureWarnings(False)


def test_what_libraries_log_and_warn_of_is_said_without_their_words(
    root: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    @observed
    def handler(event: Any, context: Any) -> None:
        logging.getLogger("pdfreader").warning("cannot make sense of %r", TEXT)
        warnings.showwarning(UserWarning(f"odd sheet {TEXT}"), UserWarning, "sheets.py", 1)

    handler({}, CONTEXT)
    printed = capsys.readouterr()
    assert TEXT not in root.getvalue() + printed.out + printed.err
    told = [json.loads(line) for line in root.getvalue().splitlines()]
    messages = [line["message"] for line in told if "message" in line]
    assert "a library's message (pdfreader)" in messages
    assert "a library's message (py.warnings)" in messages


def test_our_own_modules_words_are_logged(log: io.StringIO) -> None:
    logging.getLogger("ragline.usecases.search").warning("not reranked: %s failed", "it")
    assert json.loads(log.getvalue())["message"] == "not reranked: it failed"


def test_a_trace_is_x_ray_s_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    root = "1-679cc2a1-0123456789abcdef01234567"
    monkeypatch.setenv("_X_AMZN_TRACE_ID", f"Root={root};Parent=0123456789abcdef;Sampled=1")
    assert new_trace() == root
    monkeypatch.delenv("_X_AMZN_TRACE_ID")
    assert len(new_trace()) == 32
    assert new_trace() != new_trace()


def test_the_traces_of_a_batch_are_annotations_each_once(monkeypatch: pytest.MonkeyPatch) -> None:
    put: list[tuple[str, str]] = []

    class Segment:
        def __enter__(self) -> Any:
            return SimpleNamespace(put_annotation=lambda key, value: put.append((key, value)))

        def __exit__(self, *_: object) -> None: ...

    provider = SimpleNamespace(in_subsegment=lambda name: Segment())
    monkeypatch.setattr(telemetry.tracer, "provider", provider)
    assert follow(["t2", "t1", "", "t2"]) == ["t1", "t2"]
    assert put == [("trace_id", "t1"), ("trace_id", "t2")]


def test_a_watched_embedder_counts_what_it_is_given_and_changes_nothing() -> None:
    plain, watched = HashEmbedder(), Watched(HashEmbedder())
    vectors = watched.embed(["one", "two"])
    assert np.array_equal(vectors, plain.embed(["one", "two"]))
    assert np.array_equal(watched.embed_query("one"), plain.embed_query("one"))
    assert (watched.texts, watched.tokens) == (2, 0)
    assert watched.milliseconds > 0
    assert (watched.fingerprint, watched.dimensions) == (plain.fingerprint, plain.dimensions)
