"""LanceDB's keyword leg ranks like the textbook: small texts here, real collections on demand."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ragline.adapters.lance import upkeep as lance_upkeep
from ragline.adapters.lance.index import LanceIndex
from ragline.adapters.memory.index import MemoryIndex, okapi
from ragline.domain.chunks import Chunk, Filter, Row
from ragline.domain.documents import Partition
from ragline.evaluation import datasets
from ragline.evaluation.measures import score
from tests.judged import JUDGED, PASSAGES

ACME = Partition("acme", "handbook")


def rows(texts: Sequence[str]) -> list[Row]:
    vector = np.ones(1, dtype=np.float32)
    return [
        Row(str(i), 1, Chunk(0, text, 0, 0, len(text)), "f.txt", vector)
        for i, text in enumerate(texts)
    ]


def found(index: LanceIndex | MemoryIndex, query: str, limit: int = 10) -> list[int]:
    return [int(hit.document_id) for hit in index.bm25(ACME, query, limit, Filter())]


def lance_of(path: Path, texts: Sequence[str], *, folded: bool) -> LanceIndex:
    index = LanceIndex(str(path))
    index.upsert(ACME, rows(texts))
    if folded:
        index._tables.run(ACME, lance_upkeep.fold)
    return index


@pytest.mark.parametrize("folded", [False, True])
def test_scores_are_those_of_the_textbook_on_the_same_words(tmp_path: Path, folded: bool) -> None:
    index = lance_of(tmp_path, PASSAGES, folded=folded)
    table: Any = index._tables._handles[ACME].table

    def words(text: str) -> list[str]:
        return [token.text for token in table.tokenize(text, column="text")]

    counts = [Counter(words(passage)) for passage in PASSAGES]
    for query in JUDGED:
        expected = okapi(words(query), counts)
        hits = index.bm25(ACME, query, len(PASSAGES), Filter())
        assert {int(hit.document_id) for hit in hits} == {
            i for i, score in enumerate(expected) if score > 0
        }
        for hit in hits:
            assert hit.score == pytest.approx(expected[int(hit.document_id)], rel=1e-5), query


def test_the_fake_ranks_much_like_lancedb_though_it_does_not_stem(tmp_path: Path) -> None:
    lance, memory = lance_of(tmp_path, PASSAGES, folded=True), MemoryIndex()
    memory.upsert(ACME, rows(PASSAGES))
    overlaps = []
    for query in JUDGED:
        theirs, ours = found(lance, query, 3), found(memory, query, 3)
        overlaps.append(len(set(theirs) & set(ours)) / max(len(theirs), len(ours)))
    assert sum(overlaps) / len(overlaps) > 0.8


@pytest.mark.data
@pytest.mark.skipif("RAGLINE_DATA" not in os.environ, reason="RAGLINE_DATA is not set")
@pytest.mark.parametrize(
    ("folder", "least"),
    [
        ("scifact", 0.68),
        ("cranfield", 0.37),
        ("cacm", 0.485),
        ("xquad/en", 0.96),
        ("xquad/zh", 0.955),
        ("xquad/th", 0.96),
    ],
)
def test_ndcg_on_a_judged_collection(tmp_path: Path, folder: str, least: float) -> None:
    dataset = datasets.load(Path(os.environ["RAGLINE_DATA"]) / folder, folder)
    names = [entry.id for entry in dataset.entries]
    texts = [f"{entry.title} {entry.text}".strip() for entry in dataset.entries]
    index = lance_of(tmp_path, texts, folded=True)
    answers = {
        name: [names[at] for at in found(index, query)] for name, query in dataset.queries.items()
    }
    assert score(dataset.qrels, answers)["nDCG@10"].mean() > least
