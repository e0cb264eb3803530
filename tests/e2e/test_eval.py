"""`ragline eval` as a person runs it: on the prepared model here, and through the running stack."""

from __future__ import annotations

import pytest

from ragline.embedding.prepare import model_dir
from tests import judged
from tests.e2e.stack import CommandLine, Stack, until

pytestmark = pytest.mark.e2e

HERE = ("--model", str(model_dir("int8")))
"""The command has another home here, and so another cache."""


@pytest.fixture(scope="module")
def ragline(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> CommandLine:
    line = CommandLine(tmp_path_factory.mktemp("evaluation"), stack.endpoint_url)
    judged.write(line.folder / "tiny")
    return line


def test_the_stack_finds_what_the_code_in_process_finds(ragline: CommandLine, stack: Stack) -> None:
    [here] = ragline("eval", "tiny", *HERE)["datasets"]
    [there] = ragline("eval", "tiny", "--through-stack")["datasets"]
    for told in (here, there):
        assert told["ended"] == {"indexed": 30}
        assert told["chunks"] == 30
        assert list(told["modes"]) == ["dense", "bm25", "hybrid", "hybrid+rerank"]
        assert told["modes"]["hybrid"]["nDCG@10"] > 0.9
    for part in ("embedder", "reranker"):
        assert here[part] == there[part]
    for mode in ("dense", "hybrid", "hybrid+rerank"):
        assert there["modes"][mode]["nDCG@10"] == pytest.approx(
            here["modes"][mode]["nDCG@10"], abs=0.02
        ), mode
    assert stack.documents("eval-tiny") == [], "it takes its documents away again"


def test_documents_that_are_kept_are_found_by_the_next_run(
    ragline: CommandLine, stack: Stack
) -> None:
    words = ("eval", "tiny", "--modes", "bm25", "--through-stack", "--sample", "18")
    ragline(*words, "--keep")
    assert len(stack.documents("eval-tiny")) == 18
    [again] = ragline(*words)["datasets"]
    assert again["build_kept"]
    assert "a sample of 18 of 30 documents" in again["notes"][0]
    until(lambda: not stack.documents("eval-tiny"), "the documents to be removed")


def test_a_person_reads_a_table(ragline: CommandLine) -> None:
    shown = ragline.screen("eval", "tiny", "--modes", "bm25", *HERE)
    assert "nDCG@10" in shown
    assert "30 documents (30 indexed)" in shown


def test_a_folder_that_is_no_collection_is_refused(ragline: CommandLine) -> None:
    (ragline.folder / "notes").mkdir()
    told = ragline("eval", "notes", code=2)
    assert "notes is no collection in the layout of BEIR" in told["error"]["message"]
