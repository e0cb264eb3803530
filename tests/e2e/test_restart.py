"""A local cloud that keeps what it holds, through a stop and a new start."""

from __future__ import annotations

from pathlib import Path

import pytest

from ragline.local import cloud
from tests.e2e.stack import deployed, opened, texts

pytestmark = pytest.mark.e2e

TEXT = b"The archive keeps the maps of the old harbour."


def test_a_kept_stack_answers_the_same_query_after_a_restart(tmp_path: Path, port: int) -> None:
    try:
        first = cloud.start(tmp_path, port=port, keep=True, say=print)
        outputs = deployed(first.endpoint_url)
        with opened(first.endpoint_url, outputs) as stack:
            document_id = stack.upload("maps.txt", TEXT, "kept")
            stack.indexed(document_id)
            before = stack.query("maps of the harbour", "kept")["hits"]
        assert cloud.stop(tmp_path, print)

        second = cloud.start(tmp_path, port=port, keep=True, say=print)
        assert second.pid != first.pid
        with opened(second.endpoint_url, outputs) as stack:
            assert stack.query("maps of the harbour", "kept")["hits"] == before
            assert [hit["text"] for hit in before] == [TEXT.decode()]
            # and it still takes documents in
            stack.indexed(stack.upload("more.txt", b"A later map shows the reef.", "kept"))
            assert len(texts(stack.query("maps", "kept"))) == 2
            assert stack.document(document_id)["status"] == "indexed"
    finally:
        cloud.stop(tmp_path, print)
