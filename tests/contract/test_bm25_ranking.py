"""LanceDB's keyword leg ranks like the textbook: small texts here, real collections on demand."""

from __future__ import annotations

import csv
import json
import math
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ragline.adapters import lancedb_index
from ragline.adapters.lancedb_index import LanceIndex
from ragline.adapters.memory_index import MemoryIndex, okapi
from ragline.domain.chunks import Chunk, Filter, Row
from ragline.domain.documents import Partition

ACME = Partition("acme", "handbook")

PASSAGES = """
A lighthouse keeper trims the lamp at dusk and logs every passing ship before midnight.
The lamp of the lighthouse was converted from oil to electricity in 1923.
Ships that pass the headland at night rely on the lighthouse and on a fog horn.
Fog forms when warm, moist air moves over cold water and cools below its dew point.
The horn sounds twice a minute in fog; keepers once struck a bell instead.
Bread dough rises because yeast turns sugar into carbon dioxide and alcohol.
Knead the dough for ten minutes, then let it rise in a warm place until it has doubled.
A sourdough starter is flour and water in which wild yeast and bacteria live together.
Bakers score the loaf before baking so that steam can escape along the cut.
Steam in the first minutes of baking keeps the crust soft and lets the loaf expand.
The engine lost power when the fuel filter clogged, and the ship drifted for two hours.
Replace the fuel filter every 500 hours, or every year if the engine runs less than that.
A clogged filter starves the injectors; the engine then runs rough and may stall under load.
Coolant should be changed every two years because its corrosion inhibitors wear out.
Check the coolant level only when the engine is cold: a hot system is under pressure.
Honey bees dance to tell the hive in which direction and how far away flowers are.
A hive may hold fifty thousand bees in summer and a tenth of that in winter.
Beekeepers leave enough honey in the hive for the colony to survive the winter.
Flowers that are pollinated by moths are often white and open at night.
Moths find flowers by scent; bees rely more on colour and on patterns we cannot see.
The library lends books for three weeks; a loan can be renewed twice unless it is reserved.
Reserved books are held at the desk for seven days and then returned to the shelf.
Fines are charged per day for books that are returned late, up to the price of the book.
Members under sixteen pay no fines, and their loans are renewed automatically.
The reading room is open on Sundays, but no books can be borrowed on that day.
Glaciers carve valleys into the shape of a U; rivers cut them into the shape of a V.
Meltwater under a glacier lubricates its bed, so it moves faster in summer than in winter.
Rivers drop sand and gravel where the valley widens and the water slows down.
Cold winters with little snow harm winter wheat, because snow shelters the seedlings.
Wheat flour with much protein makes strong dough and a loaf that rises well.
""".strip().splitlines()

QUERIES = (
    "when was the lighthouse lamp converted to electricity",
    "how does fog form over cold water",
    "why does bread dough rise",
    "steam while baking a loaf",
    "replacing a clogged fuel filter in the engine",
    "how often to change coolant",
    "how do bees tell where flowers are",
    "honey for the winter",
    "are books returned late charged fines",
    "can a loan be renewed",
    "what shape do glaciers carve valleys into",
    "snow and winter wheat",
)


def rows(texts: Sequence[str]) -> list[Row]:
    vector = np.ones(1, dtype=np.float32)
    return [
        Row(str(i), 1, Chunk(0, text, 0, 0, len(text)), "f.txt", vector)
        for i, text in enumerate(texts)
    ]


def found(index: LanceIndex | MemoryIndex, query: str, limit: int = 10) -> list[int]:
    return [int(hit.document_id) for hit in index.bm25(ACME, query, limit, Filter())]


def lance_of(path: Path, texts: Sequence[str], *, folded: bool) -> LanceIndex:
    index = LanceIndex(str(path), dimensions=1)
    index.upsert(ACME, rows(texts))
    if folded:
        index._on_table(ACME, lancedb_index._fold)
    return index


@pytest.mark.parametrize("folded", [False, True])
def test_scores_are_those_of_the_textbook_on_the_same_words(tmp_path: Path, folded: bool) -> None:
    index = lance_of(tmp_path, PASSAGES, folded=folded)
    table: Any = index._handles[ACME].table

    def words(text: str) -> list[str]:
        return [token.text for token in table.tokenize(text, column="text")]

    counts = [Counter(words(passage)) for passage in PASSAGES]
    for query in QUERIES:
        expected = okapi(words(query), counts)
        hits = index.bm25(ACME, query, len(PASSAGES), Filter())
        assert {int(hit.document_id) for hit in hits} == {
            i for i, score in enumerate(expected) if score > 0
        }
        for hit in hits:
            # Lengths are kept in one byte once indexed, as Lucene keeps them.
            assert hit.score == pytest.approx(expected[int(hit.document_id)], rel=0.02), query


def test_the_fake_ranks_much_like_lancedb_though_it_does_not_stem(tmp_path: Path) -> None:
    lance, memory = lance_of(tmp_path, PASSAGES, folded=True), MemoryIndex()
    memory.upsert(ACME, rows(PASSAGES))
    overlaps = []
    for query in QUERIES:
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
    data = Path(os.environ["RAGLINE_DATA"]) / folder
    documents = _lines(data / "corpus.jsonl")
    names = [document["_id"] for document in documents]
    texts = [f"{document.get('title') or ''} {document['text']}".strip() for document in documents]
    queries = {query["_id"]: query["text"] for query in _lines(data / "queries.jsonl")}
    judged: dict[str, dict[str, int]] = {}
    with (data / "qrels" / "test.tsv").open(newline="") as file:
        for line in csv.DictReader(file, delimiter="\t"):
            judged.setdefault(line["query-id"], {})[line["corpus-id"]] = int(line["score"])
    index = lance_of(tmp_path, texts, folded=True)
    scores = [
        _ndcg([relevant.get(names[i], 0) for i in found(index, queries[query])], relevant.values())
        for query, relevant in judged.items()
    ]
    assert sum(scores) / len(scores) > least


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def _ndcg(gains: Sequence[int], all_gains: Any) -> float:
    def discounted(values: Sequence[int]) -> float:
        return sum(value / math.log2(i + 2) for i, value in enumerate(values[:10]))

    return discounted(gains) / discounted(sorted(all_gains, reverse=True))
