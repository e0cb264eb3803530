"""Collections of any size for the index: real sentences with rare words, vectors around real ones.

Rows are made by number, so any run of them can be made at any time, and is the same every time.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ragline.adapters.memory.ledger import MemoryLedger
from ragline.domain.chunks import Chunk, Row
from ragline.domain.documents import Document, Partition
from ragline.domain.ledger import ChunkState, NewDocument
from ragline.domain.pages import PageCounts
from ragline.embedding.onnx import OnnxEmbedder
from tests.bench import material

PARTITION = Partition("default", "bench")
VOCABULARY = 200_000
RARE_WORDS = 6
NEARNESS = 0.75
"""Length of the noise that is added to a real vector of length 1: a cosine of about 0.8 to it."""

_SYLLABLES = [a + b for a in "bdfgklmnprstvz" for b in ("a", "e", "i", "o", "u", "an", "er", "ol")]


class Corpus:
    """Rows of one collection; documents have ``per_document`` rows each.

    ``centres`` are real vectors, of the texts that the first rows have.
    """

    def __init__(
        self,
        texts: Sequence[str],
        centres: NDArray[np.float32],
        *,
        per_document: int = 20,
        name: str = "made",
    ) -> None:
        self._texts = texts
        self._centres = centres
        self.per_document = per_document
        self._name = name

    def rows(self, first: int, count: int) -> list[Row]:
        """The rows ``first`` … ``first + count - 1``."""
        vectors = self._vectors(first, count)
        return [self._row(first + at, vectors[at]) for at in range(count)]

    def document_id(self, row: int) -> str:
        return f"{self._name}-{row // self.per_document:07d}"

    def _row(self, number: int, vector: NDArray[np.float32]) -> Row:
        text = self._texts[number] if number < len(self._texts) else made_text(number)
        chunk = Chunk(
            ordinal=number % self.per_document,
            text=text,
            tokens=material.TOKENS,
            start=0,
            end=len(text),
            headings=("Measured", f"Section {number % 7}"),
        )
        document = self.document_id(number)
        return Row(document, 1, chunk, f"{document}.md", vector, {"year": 2000 + number % 25})

    def _vectors(self, first: int, count: int) -> NDArray[np.float32]:
        width = self._centres.shape[1]
        made = np.empty((count, width), np.float32)
        for at in range(count):
            number = first + at
            if number < len(self._centres):
                made[at] = self._centres[number]
                continue
            chance = np.random.default_rng(number)
            noise = chance.standard_normal(width, dtype=np.float32) * (NEARNESS / width**0.5)
            near = self._centres[chance.integers(len(self._centres))] + noise
            made[at] = near / np.linalg.norm(near)
        return made


def made_text(number: int) -> str:
    """Eight real sentences, with some words that few other texts have."""
    pick, known = random.Random(number), material.sentences()
    parts = pick.choices(known, k=8)
    for _ in range(RARE_WORDS):
        # The rank in a Zipf distribution: log-uniform. https://en.wikipedia.org/wiki/Zipf%27s_law
        rank = int(VOCABULARY ** pick.random())
        parts[pick.randrange(len(parts))] += f" {_word(rank)}"
    return " ".join(parts)


def real(count: int, model: Path) -> tuple[list[str], NDArray[np.float32]]:
    """Texts as ``made_text`` makes them, and the vectors that the model gives them."""
    texts = [made_text(number) for number in range(count)]
    return texts, OnnxEmbedder(model).embed(texts)


class AllLive(MemoryLedger):
    """Shows generation 1 of any document that it is asked about: no collection is too large."""

    def __init__(self) -> None:
        super().__init__()
        make_live(self, "one", 1)
        self._one = self.get(PARTITION.tenant, "one")

    def get_many(self, tenant: str, document_ids: Collection[str]) -> dict[str, Document]:
        if self._one is None:
            return {}
        return {one: replace(self._one, document_id=one) for one in document_ids}


def make_live(ledger: MemoryLedger, document_id: str, chunks: int) -> None:
    """As if the document had come all the way: queries see its generation 1."""
    document = begin(ledger, document_id, chunks)
    ledger.record_chunks(document, range(chunks), ChunkState.INDEXED)
    ledger.settle(PARTITION.tenant, document_id, 1)


def begin(
    ledger: MemoryLedger, document_id: str, chunks: int, partition: Partition = PARTITION
) -> Document:
    """A document that was cut into ``chunks`` chunks, none of them indexed yet."""
    name = f"{document_id}.md"
    document = ledger.begin(NewDocument(partition, document_id, name, f"uploads/{name}"), "1", "")
    if document is None:
        raise ValueError(f"the ledger knows {document_id} already")
    ledger.plan_ranges(document, 1, 0)
    ledger.record_range(document, 0, chunks, PageCounts())
    return document


@cache
def _word(rank: int) -> str:
    """A word for a rank; different for each."""
    word = ""
    while rank or not word:
        rank, at = divmod(rank, len(_SYLLABLES))
        word += _SYLLABLES[at]
    return f"{word}x"
