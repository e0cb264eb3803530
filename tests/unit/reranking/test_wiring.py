"""`RERANKER` and what it needs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ragline import wiring
from ragline.domain.errors import SetupError
from ragline.embedding.adopt import adopt, adopt_reranker
from ragline.embedding.model import REVISION
from ragline.settings import settings
from tests.unit.embedding.checkpoints import write_checkpoint


@pytest.fixture(autouse=True)
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("RAGLINE_CACHE", str(tmp_path / "cache"))

    def forget() -> None:
        for cached in (settings, wiring._onnx_embedder, wiring.reranker):
            cached.cache_clear()

    forget()
    yield
    forget()


def test_there_can_be_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RERANKER", "none")
    assert wiring.reranker() is None


def test_late_interaction_reads_with_the_embedding_model_that_is_loaded_anyway(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_checkpoint(tmp_path / "tiny")
    monkeypatch.setenv("MODEL_DIR", str(adopt(str(tmp_path / "tiny"), "int8")))
    monkeypatch.setenv("RERANKER", "late-interaction")
    reranker = wiring.reranker()
    assert reranker is wiring.reranker()
    assert reranker is not None
    assert reranker.name == f"late interaction, {wiring.embedder().fingerprint}"
    assert reranker.scores("the cat", ["the cat", "ocean"])[0] == pytest.approx(1, abs=0.3)


def test_a_cross_encoder_is_read_from_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_checkpoint(tmp_path / "judge", labels=1)
    monkeypatch.setenv("RERANKER", "cross-encoder")
    monkeypatch.setenv("RERANKER_DIR", str(adopt_reranker(str(tmp_path / "judge"), "int8")))
    reranker = wiring.reranker()
    assert reranker is not None
    assert reranker.name.startswith(f"cross-encoder, judge-{REVISION}-int8-")


def test_a_folder_without_a_cross_encoder_says_how_to_get_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RERANKER", "cross-encoder")
    monkeypatch.setenv("RERANKER_DIR", str(tmp_path))
    with pytest.raises(SetupError, match=r"does not hold a reranker.*ragline model --reranker"):
        wiring.reranker()


def test_bedrock_needs_the_arn_of_a_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("RERANKER", "bedrock")
    with pytest.raises(SetupError, match="RERANKER_MODEL_ARN=''"):
        wiring.reranker()
    arn = "arn:aws:bedrock:us-west-2::foundation-model/amazon.rerank-v1:0"
    monkeypatch.setenv("RERANKER_MODEL_ARN", arn)
    settings.cache_clear()
    reranker = wiring.reranker()
    assert reranker is not None
    assert reranker.name == "reranking model amazon.rerank-v1:0"


def test_another_word_is_refused_with_the_name_of_the_setting_and_those_that_there_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("RERANKER", "best")
    with pytest.raises(SetupError, match=r"RERANKER='best'.*'late-interaction'"):
        wiring.reranker()
