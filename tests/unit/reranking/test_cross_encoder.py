from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ragline.domain.errors import SetupError
from ragline.embedding.adopt import adopt_reranker
from ragline.embedding.model import CARD_FILE, GRAPH_FILE, REVISION, TOKENIZER_FILE, Precision
from ragline.reranking.cross_encoder import CrossEncoder
from tests.unit.embedding.bert_oracle import classify, exact
from tests.unit.embedding.checkpoints import (
    EPSILON,
    HEADS,
    POSITIONS,
    WORDS,
    Tensors,
    write_checkpoint,
)

PASSAGES = ["the ocean", "The cats sat.", "世界", ""]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RAGLINE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "tiny-marco"


def expected(tensors: Tensors, question: list[str], passage: list[str]) -> float:
    words = ["[CLS]", *question, "[SEP]", *passage, "[SEP]"]
    segments = [0] * (len(question) + 2) + [1] * (len(passage) + 1)
    ids = [WORDS.index(word) for word in words]
    return classify(exact(tensors), ids, segments, heads=HEADS, epsilon=EPSILON)


def by_hand(tensors: Tensors) -> list[float]:
    read = [["the", "ocean"], ["the", "cat", "##s", "sat", "."], ["世", "界"], []]
    return [expected(tensors, ["deep", "ocean", "?"], passage) for passage in read]


def test_the_fp32_graph_computes_the_classifier_to_the_last_float32_digits(folder: Path) -> None:
    tensors = write_checkpoint(folder, labels=1, prefix="bert.")
    reranker = CrossEncoder(adopt_reranker(str(folder), "fp32"))
    scores = reranker.scores("Deep ocean?", PASSAGES)
    np.testing.assert_allclose(scores, by_hand(tensors), atol=1e-5)
    assert len(set(scores)) == 4


def test_the_int8_graph_stays_close_to_it(folder: Path) -> None:
    tensors = write_checkpoint(folder, labels=1)
    scores = CrossEncoder(adopt_reranker(str(folder), "int8")).scores("Deep ocean?", PASSAGES)
    exactly = by_hand(tensors)
    np.testing.assert_allclose(scores, exactly, atol=0.15 * np.ptp(exactly))


@pytest.mark.parametrize("precision", ["int8", "fp32"])
def test_question_and_passage_are_not_interchangeable(precision: Precision, folder: Path) -> None:
    write_checkpoint(folder, labels=1)
    reranker = CrossEncoder(adopt_reranker(str(folder), precision))
    assert reranker.scores("cat", ["ocean"]) != reranker.scores("ocean", ["cat"])


def test_a_pair_that_is_too_long_loses_the_end_of_the_longer_text(folder: Path) -> None:
    write_checkpoint(folder, labels=1)
    reranker = CrossEncoder(adopt_reranker(str(folder), "fp32"))
    room = POSITIONS - 3 - 2  # what frames the pair, and the question
    whole, longer = reranker.scores("deep ocean", ["cat " * room, "cat " * room + "ocean"])
    assert whole == longer
    assert reranker.scores("deep " * 99, ["cat"]) != reranker.scores("deep " * 99, ["ocean"])


@pytest.mark.parametrize("name", [GRAPH_FILE, TOKENIZER_FILE, CARD_FILE])
def test_a_reranker_with_a_missing_file_says_how_to_get_it(name: str, folder: Path) -> None:
    write_checkpoint(folder, labels=1)
    made = adopt_reranker(str(folder), "int8")
    (made / name).unlink()
    with pytest.raises(SetupError, match="ragline model --reranker"):
        CrossEncoder(made)


def test_the_name_says_which_model_it_is(folder: Path) -> None:
    write_checkpoint(folder, labels=1)
    name = CrossEncoder(adopt_reranker(str(folder), "int8")).name
    assert name.startswith(f"cross-encoder, tiny-marco-{REVISION}-int8-")


@pytest.mark.torch
def test_it_gives_the_logits_that_sentence_transformers_gives(folder: Path) -> None:
    published = pytest.importorskip("sentence_transformers")
    torch = pytest.importorskip("torch")
    tokenizer = {"tokenizer_class": "PreTrainedTokenizerFast", "pad_token": "[PAD]"}
    tokenizer["model_input_names"] = ["input_ids", "token_type_ids", "attention_mask"]  # type: ignore[assignment]
    files = {"tokenizer_config.json": tokenizer}
    write_checkpoint(folder, labels=1, prefix="bert.", files=files)
    theirs = published.CrossEncoder(str(folder), device="cpu", activation_fn=torch.nn.Identity())
    passages = [*PASSAGES, "the cat " * 40]
    expected = theirs.predict([("Deep ocean?", passage) for passage in passages])
    ours = CrossEncoder(adopt_reranker(str(folder), "fp32")).scores("Deep ocean?", passages)
    np.testing.assert_allclose(ours, expected, atol=1e-4)
