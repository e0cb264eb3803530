"""Every function, at every port, meets an error that quotes the document: no log repeats it."""

from __future__ import annotations

from typing import Any

import pytest

from ragline import wiring
from ragline.settings import settings
from tests.integration.test_handlers import aws, handle, raises, take, upload
from tests.written_log import written_log

__all__ = ["aws"]

TEXT = "Zwetschgendatschi"
SIGNED = "https://bucket.test/key?X-Amz-Signature=0123"
QUOTING = [ValueError(f"cannot use {TEXT!r}"), KeyError(TEXT), OSError(f"GET {SIGNED}: {TEXT}")]

PLACES = [
    ("splitter", "ledger", "begin"),
    ("splitter", "ledger", "record_whole"),
    ("splitter", "objects", "fetch"),
    ("splitter", "objects", "put"),
    ("splitter", "queues", "send_parts"),
    ("embedder", "ledger", "record_chunks"),
    ("embedder", "objects", "get"),
    ("embedder", "objects", "put"),
    ("embedder", "embedder", "embed"),
    ("embedder", "queues", "send_ops"),
    ("indexer", "ledger", "record_chunks"),
    ("indexer", "ledger", "settle"),
    ("indexer", "objects", "get"),
    ("indexer", "index", "upsert"),
]


def work_for(function: str) -> Any:
    """The event that the function is handed of a document that came so far."""
    created = upload(f"# {TEXT}\n\nA {TEXT} is baked on a tray.")
    if function == "splitter":
        return created
    handle("splitter", created)
    parts = take(settings().chunks_queue_url, "embedder")
    if function == "embedder":
        return parts
    handle("embedder", parts)
    return take(settings().index_ops_queue_url, "indexer")


@pytest.mark.parametrize("error", QUOTING, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize(("function", "port", "method"), PLACES)
def test_an_error_that_quotes_the_text_or_a_url_is_logged_without_it(
    aws: None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    function: str,
    port: str,
    method: str,
    error: Exception,
) -> None:
    event = work_for(function)
    capsys.readouterr()
    target: Any = getattr(wiring, port)()
    monkeypatch.setattr(target, method, raises(error))
    said = ""
    with written_log() as log:
        try:
            handle(function, event)
        except Exception as raised:  # Lambda logs what leaves a handler
            said = str(raised)
    written = capsys.readouterr()
    told = log.getvalue() + written.out + written.err + said
    assert f'"{type(error).__name__}"' in log.getvalue(), "it is logged at all"
    assert TEXT not in told
    assert "X-Amz-Signature" not in told
