"""A collection goes through the pipeline's own code and can be searched after it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from ragline.embedding.hashing import HashEmbedder
from ragline.evaluation import building, datasets, sources
from ragline.evaluation.asking import Variant, run, searcher
from ragline.evaluation.building import Built, Means
from ragline.evaluation.datasets import Dataset, Entry
from ragline.evaluation.measures import score
from tests import judged
from tests.unit.pipeline import LIMITS, WordTokenizer

Builder = Callable[..., Built]


@pytest.fixture
def means() -> Means:
    return Means(HashEmbedder(), WordTokenizer(), LIMITS, workers=2)


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return datasets.load(judged.write(tmp_path / "tiny"), "tiny")


@pytest.fixture(params=[building.build, building.kept])
def builder(request: pytest.FixtureRequest) -> Builder:
    found: Builder = request.param
    return found


def found(built: Built, dataset: Dataset, mode: str = "bm25") -> dict[str, list[str]]:
    ask = searcher(built, HashEmbedder(), None)
    return run(dataset, Variant.parse(mode), ask, lambda _: None).found


def test_every_document_is_indexed_and_found(
    tmp_path: Path, means: Means, dataset: Dataset, builder: Builder
) -> None:
    done: list[int] = []
    built = builder(dataset.entries, means, tmp_path / "work", done.append)
    assert sum(done) == 30
    assert built.ended == {"indexed": 30}
    assert built.chunks > 30, "passages are longer than a chunk here"
    assert built.seconds > 0
    assert not built.reasons
    scores = score(dataset.qrels, found(built, dataset))
    assert scores["nDCG@10"].mean() > 0.9


def test_several_commits_index_as_one_would(
    tmp_path: Path, means: Means, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = building.build(dataset.entries, means, tmp_path / "whole", lambda _: None)
    monkeypatch.setattr(building, "TOGETHER", 4)
    parts = building.build(dataset.entries, means, tmp_path / "parts", lambda _: None)
    assert found(parts, dataset, "dense") == found(whole, dataset, "dense")
    assert (parts.chunks, parts.ended) == (whole.chunks, whole.ended)


def test_a_document_without_text_ends_as_empty_and_says_so(
    tmp_path: Path, means: Means, builder: Builder
) -> None:
    entries = [Entry("471", "", " "), Entry("472", "On fog", "Fog forms.")]
    built = builder(entries, means, tmp_path / "work", lambda _: None)
    assert built.ended == {"empty": 1, "indexed": 1}
    assert [reason.split(":")[0] for reason in built.reasons] == ["471"]


def test_the_same_words_twice_are_two_documents(
    tmp_path: Path, means: Means, builder: Builder
) -> None:
    entries = [Entry("1", "", "Fog forms."), Entry("2", "", "Fog forms.")]
    assert builder(entries, means, tmp_path / "work", lambda _: None).ended == {"indexed": 2}


def test_a_kept_index_answers_as_the_new_one_did(
    tmp_path: Path, means: Means, dataset: Dataset
) -> None:
    first = building.kept(dataset.entries, means, tmp_path, lambda _: None)
    second = building.kept(dataset.entries, means, tmp_path, lambda _: pytest.fail("built anew"))
    assert (first.kept, second.kept) == (False, True)
    assert found(second, dataset) == found(first, dataset)
    for part in ("chunks", "ended", "reasons", "seconds", "entries"):
        assert getattr(second, part) == getattr(first, part)


@pytest.mark.parametrize(
    "change",
    [
        lambda entries, means: ([*entries, Entry("new", "", "More fog.")], means),
        lambda entries, means: (entries, replace(means, embedder=HashEmbedder(32))),
        lambda entries, means: (entries, replace(means, limits=replace(LIMITS, chunk_tokens=20))),
    ],
    ids=["entries", "model", "limits"],
)
def test_an_index_of_anything_else_is_not_used(
    tmp_path: Path, means: Means, dataset: Dataset, change: Callable[..., tuple[list[Entry], Means]]
) -> None:
    building.kept(dataset.entries, means, tmp_path, lambda _: None)
    entries, others = change(dataset.entries, means)
    done: list[int] = []
    assert not building.kept(entries, others, tmp_path, done.append).kept
    assert sum(done) == len(entries)


def test_an_index_made_by_other_code_is_not_used(
    tmp_path: Path, means: Means, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    building.kept(dataset.entries, means, tmp_path, lambda _: None)
    monkeypatch.setattr(sources, "digest", lambda module: "changed")
    assert not building.kept(dataset.entries, means, tmp_path, lambda _: None).kept


def test_a_build_that_was_cut_short_is_never_used_but_its_vectors_are(
    tmp_path: Path, means: Means, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(building, "TOGETHER", 4)

    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        building.kept(dataset.entries, means, tmp_path, interrupt)
    assert [path.name for path in tmp_path.iterdir() if path.name != "tiny"] == ["vectors"]
    assert not building.kept(dataset.entries, means, tmp_path, lambda _: None).kept


def test_an_error_of_the_embedder_ends_the_build(tmp_path: Path, dataset: Dataset) -> None:
    class Broken(HashEmbedder):
        def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
            raise RuntimeError("out of memory")

    means = Means(Broken(), WordTokenizer(), LIMITS, workers=2)
    with pytest.raises(RuntimeError, match="out of memory"):
        building.build(dataset.entries, means, tmp_path / "work", lambda _: None)
