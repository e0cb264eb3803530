"""What every reranker does alike: the same tests against the fake and the real ones."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from ragline.embedding.adopt import adopt_reranker
from ragline.embedding.onnx import OnnxEmbedder
from ragline.ports import Reranker
from ragline.reranking.bedrock import MAX_CHARACTERS, BedrockReranker
from ragline.reranking.cross_encoder import CrossEncoder
from ragline.reranking.late_interaction import LateInteraction
from tests.overlap import OverlapReranker
from tests.unit.embedding.checkpoints import write_checkpoint

PASSAGES = [
    "The invoice is due within thirty days of receipt.",
    "short",
    "海洋の深い流れは気候を運ぶ。",
    "",
    "🦜 parrots 👩‍👩‍👧‍👦 and naïve Æther",
    "A much longer passage, which fills more of the window. " * 400,
    "عقد الإيجار ينتهي في مارس",
    "lone \ud83d surrogate",
    " \n\t",
    "\0",
]
QUERY = "When is the invoice due?"


class Service:
    """Bedrock as documented: so many texts of such a size, best first, in pages of three."""

    def __init__(self) -> None:
        self.judge = OverlapReranker()

    def rerank(self, **request: Any) -> dict[str, Any]:
        [query] = request["queries"]
        sources = request["sources"]
        texts = [one["inlineDocumentSource"]["textDocument"]["text"] for one in sources]
        assert 1 <= len(texts) <= 1_000
        for text in (query["textQuery"]["text"], *texts):
            assert 1 <= len(text) <= MAX_CHARACTERS
            text.encode()  # what JSON is sent as: no lone surrogates
        scores = self.judge.scores(query["textQuery"]["text"], texts)
        ranked = sorted(range(len(texts)), key=lambda at: -scores[at])
        start = int(request.get("nextToken", 0))
        page = [{"index": at, "relevanceScore": scores[at]} for at in ranked[start : start + 3]]
        more = {"nextToken": str(start + 3)} if start + 3 < len(ranked) else {}
        return {"results": page, **more}


@pytest.fixture(
    scope="module",
    params=[
        "overlap",
        "bedrock",
        "cross-encoder",
        pytest.param("late-interaction", marks=pytest.mark.model),
    ],
)
def reranker(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Reranker:
    if request.param == "overlap":
        return OverlapReranker()
    if request.param == "bedrock":
        return BedrockReranker(Service(), "arn:aws:bedrock:us-west-2::foundation-model/judge")
    if request.param == "cross-encoder":
        return CrossEncoder(random_cross_encoder(tmp_path_factory.mktemp("judge")))
    return LateInteraction(OnnxEmbedder(request.getfixturevalue("int8_dir")))


def random_cross_encoder(folder: Path) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAGLINE_CACHE", str(folder / "cache"))
        write_checkpoint(folder / "judge", labels=1)
        return adopt_reranker(str(folder / "judge"), "int8")


def scores(reranker: Reranker, passages: Sequence[str], query: str = QUERY) -> list[float]:
    return list(reranker.scores(query, passages))


def test_each_passage_gets_one_finite_number(reranker: Reranker) -> None:
    found = scores(reranker, PASSAGES)
    assert len(found) == len(PASSAGES)
    assert all(isinstance(score, float) and math.isfinite(score) for score in found)


def test_no_passages_get_no_scores(reranker: Reranker) -> None:
    assert scores(reranker, []) == []


def test_a_score_depends_on_no_other_passage_nor_on_the_order(reranker: Reranker) -> None:
    together = scores(reranker, PASSAGES)
    assert [scores(reranker, [passage])[0] for passage in PASSAGES] == together
    assert scores(reranker, PASSAGES[::-1]) == together[::-1]
    assert scores(reranker, [*PASSAGES, *PASSAGES]) == together * 2


def test_asked_again_it_says_the_same(reranker: Reranker) -> None:
    assert scores(reranker, PASSAGES) == scores(reranker, PASSAGES)


@pytest.mark.parametrize(
    "query", ["海洋", "?!", "🦜", "lone \ud83d surrogate", "word " * 400, "\0", " "]
)
def test_any_query_is_answered(query: str, reranker: Reranker) -> None:
    found = scores(reranker, PASSAGES, query)
    assert len(found) == len(PASSAGES)
    assert all(map(math.isfinite, found))


def test_forty_passages_and_more_are_ranked_at_once(reranker: Reranker) -> None:
    passages = list(itertools.islice(itertools.cycle(PASSAGES[:5]), 45))
    assert scores(reranker, passages) == scores(reranker, PASSAGES[:5]) * 9


def test_it_has_a_name_for_people_and_a_share_in_the_order(reranker: Reranker) -> None:
    assert reranker.name.strip()
    assert reranker.name.isprintable()
    assert 0 < reranker.weight("a question") <= 1


def test_what_answers_the_question_comes_before_what_does_not(reranker: Reranker) -> None:
    if isinstance(reranker, CrossEncoder):
        pytest.skip("its weights are random")
    near, far = scores(
        reranker, ["The invoice is due in thirty days.", "Parrots are colourful tropical birds."]
    )
    assert near > far
