"""`ragline eval`: what it shows, what it refuses, and what it leaves on a stack."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray
from typer.testing import Result

from ragline.cli.eval_stack import collection_of
from ragline.domain.documents import check_name
from ragline.embedding.hashing import HashEmbedder
from tests import judged
from tests.unit.cli.fakes import API_URL, KEY, FakeApi, hit, outside, problem, run
from tests.unit.pipeline import WordTokenizer


class Words(HashEmbedder):
    """Tokens are words, whose vectors are those of texts of one word."""

    def tokens(self, text: str, *, query: bool, limit: int) -> NDArray[np.float32]:
        return self.embed(text.split()[:limit])


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    return judged.write(tmp_path / "tiny")


@pytest.fixture
def no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hashes in place of the prepared model."""
    monkeypatch.setattr("ragline.embedding.onnx.OnnxEmbedder", lambda folder: Words())
    monkeypatch.setattr(
        "ragline.embedding.tokenizer.WordPieceTokenizer", lambda folder: WordTokenizer()
    )


def evaluate(*words: object, code: int = 0, **options: Any) -> Result:
    result = run(outside(**options), "eval", *map(str, words))
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    return result


def answers(*words: object, **options: Any) -> list[dict[str, Any]]:
    told = json.loads(evaluate(*words, "--json", **options).stdout)
    return list(told["datasets"])


@pytest.mark.usefixtures("no_model")
class TestInProcess:
    def test_gives_each_mode_its_figures_and_their_differences(self, tiny: Path) -> None:
        [told] = answers(tiny, "--reranker", "late-interaction")
        assert list(told["modes"]) == ["dense", "bm25", "hybrid", "hybrid+rerank"]
        assert told["modes"]["bm25"]["nDCG@10"] > 0.9
        assert "late" in told["reranker"]
        assert told["notes"] == []
        assert (told["documents"], told["queries"], told["ended"]) == (30, 12, {"indexed": 30})
        assert told["embedder"] == "hash-1-64"
        compared = {(one["mode"], one["against"]) for one in told["differences"]}
        assert compared >= {("bm25", "dense"), ("hybrid", "bm25"), ("hybrid+rerank", "hybrid")}
        for one in told["differences"]:
            assert one["low"] <= one["mean"] <= one["high"]

    def test_says_that_nothing_was_reranked_and_why(self, tiny: Path) -> None:
        [told] = answers(tiny, "--reranker", "none")
        assert told["notes"] == ["hybrid+rerank was left out: no reranker is configured."]
        result = evaluate(tiny, "--modes", "hybrid+rerank", "--reranker", "none", "--json", code=2)
        assert "no reranker is configured" in json.loads(result.stdout)["error"]["message"]

    def test_shows_a_table_that_fits_a_terminal(self, tiny: Path) -> None:
        shown = evaluate(tiny, "--modes", "dense,bm25").stdout
        header, *rows = shown.splitlines()
        assert header.split()[:3] == ["collection", "mode", "nDCG@10"]
        assert [row.split()[0] for row in rows[:2]] == ["tiny", "bm25"]
        assert "bm25 - dense" in shown
        assert len(header.rstrip()) <= 80

    def test_takes_all_collections_below_a_folder_into_one_table(self, tmp_path: Path) -> None:
        for name in ("one", "two/en"):
            judged.write(tmp_path / "data" / name)
        named = answers(tmp_path / "data", "--modes", "bm25")
        assert [told["dataset"] for told in named] == ["one", "two/en"]
        environ = {"RAGLINE_DATA": str(tmp_path / "data")}
        assert len(answers("--modes", "bm25", environ=environ)) == 2

    def test_a_second_run_only_searches(self, tiny: Path, tmp_path: Path) -> None:
        words = (tiny, "--modes", "bm25", "--workdir", tmp_path / "work")
        first, second = answers(*words), answers(*words)
        assert (first[0]["build_kept"], second[0]["build_kept"]) == (False, True)
        assert first[0]["modes"]["bm25"]["nDCG@10"] == second[0]["modes"]["bm25"]["nDCG@10"]

    def test_a_sample_is_called_one(self, tiny: Path) -> None:
        [told] = answers(tiny, "--modes", "bm25", "--sample", 20, "--limit-queries", 3)
        assert (told["documents"], told["queries"]) == (20, 3)
        assert "a sample of 20 of 30 documents" in told["notes"][0]

    def test_saves_runs_and_report(self, tiny: Path, tmp_path: Path) -> None:
        evaluate(tiny, "--modes", "bm25", "--save", tmp_path / "runs")
        assert {path.name for path in (tmp_path / "runs").iterdir()} == {
            "tiny.json",
            "tiny.bm25.run",
        }


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["nowhere"], "there is no folder nowhere"),
        ([], "RAGLINE_DATA"),
        (["{tiny}", "--split", "dev"], "no split 'dev': its splits are test"),
        (["{tiny}", "--modes", "dense,magic"], "mode 'magic' is not known"),
        (["{tiny}", "--through-stack", "--workdir", "x"], "go without --through-stack"),
        (["{tiny}", "--sample", "0"], "--sample"),
        (["{tiny}", "--reranker", "magic"], "--reranker"),
    ],
)
def test_what_is_asked_wrongly_is_refused(tiny: Path, words: list[str], told: str) -> None:
    result = evaluate(*[word.format(tiny=tiny) for word in words], code=2)
    assert told in " ".join(result.output.split())


class Searching(FakeApi):
    """Finds the documents whose bytes hold the longest word of a query."""

    reranker = ""

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/query"):
            return self._query(json.loads(request.content))
        return super().__call__(request)

    def _query(self, body: dict[str, Any]) -> httpx.Response:
        self.bodies.append(body)
        if body["rerank"] and not self.reranker:
            return problem(400, "invalid_request", "no reranker is configured.")
        word = max(body["query"].split(), key=len).encode()
        found = [one for one, data in self.bytes.items() if word in data]
        hits = [hit(rank, document_id=one) for rank, one in enumerate(found, start=1)]
        return httpx.Response(200, json={"hits": hits, "reranker": self.reranker or None})


@pytest.fixture
def stack() -> Searching:
    return Searching()


def test_through_a_stack_documents_are_pushed_asked_for_and_removed(
    tiny: Path, stack: Searching
) -> None:
    [told] = answers(tiny, "--through-stack", api=stack)
    assert set(stack.bytes) == {f"doc{at}" for at in range(1, 31)}
    assert stack.documents == {}, "all that was pushed is removed"
    assert told["ended"] == {"indexed": 30}
    assert list(told["modes"]) == ["dense", "bm25", "hybrid"]
    assert told["modes"]["bm25"]["Recall@100"] > 0.5
    asked = [body for body in stack.bodies if "query" in body]
    assert {(body["collection"], body["top_k"]) for body in asked} == {("eval-tiny", 100)}
    assert not any(body["rerank"] for body in asked[1:])


def test_a_stack_that_reranks_is_asked_to(tiny: Path, stack: Searching) -> None:
    stack.reranker = "late-interaction"
    [told] = answers(tiny, "--through-stack", "--modes", "hybrid+rerank", api=stack)
    assert told["reranker"] == "late-interaction"
    assert told["notes"] == []


def test_what_is_kept_is_not_sent_again(tiny: Path, stack: Searching) -> None:
    answers(tiny, "--through-stack", "--modes", "bm25", "--keep", api=stack)
    assert len(stack.documents) == 30
    [told] = answers(tiny, "--through-stack", "--modes", "bm25", "--keep", api=stack)
    assert told["build_kept"]
    assert len([one for one in stack.requests if one.method == "PUT"]) == 30


def test_only_pages_are_removed(tiny: Path, stack: Searching) -> None:
    stack.add("mine", collection="eval-tiny", filename="report.pdf")
    answers(tiny, "--through-stack", "--modes", "bm25", api=stack)
    assert list(stack.documents) == ["mine"]


def test_a_document_of_another_run_is_no_answer(tiny: Path, stack: Searching) -> None:
    stack.add("mine", collection="eval-tiny", filename="report.pdf")
    stack.bytes["mine"] = b"electricity"
    result = evaluate(tiny, "--through-stack", "--modes", "bm25", "--json", code=3, api=stack)
    assert "of another run" in json.loads(result.stdout)["error"]["message"]
    assert list(stack.documents) == ["mine"], "what was pushed is removed all the same"


def test_without_any_searchable_document_there_is_nothing_to_measure(tiny: Path) -> None:
    stack = Searching(path=("failed",), reason={"code": "corrupt", "message": "it is damaged."})
    result = evaluate(tiny, "--through-stack", "--json", code=1, api=stack)
    assert "it is damaged." in json.loads(result.stdout)["error"]["message"]


def test_without_a_stack_it_is_said_how_to_get_one(tiny: Path) -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    environ = {"RAGLINE_API_URL": API_URL, "RAGLINE_API_KEY": KEY}
    result = evaluate(tiny, "--through-stack", "--json", code=3, api=refuse, environ=environ)
    assert "ragline up" in json.loads(result.stdout)["error"]["message"]


@pytest.mark.parametrize("name", ["SciFact", "xquad/zh", "a b", "--x", "é", "x" * 90, "中文"])
def test_a_collection_is_named_after_the_dataset(name: str) -> None:
    assert check_name(collection_of(name), "collection").startswith("eval")
