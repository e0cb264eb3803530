"""How a row is written as a Pinecone document, and what the index must look like."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pinecone import SchemaBuilder

from ragline.adapters.pinecone.documents import (
    MAX_METADATA_BYTES,
    MAX_REQUEST_BYTES,
    MAX_REQUEST_DOCUMENTS,
    Document,
    batches,
    condition,
    dead,
    id_prefix,
    parse_id,
    schema,
    to_candidate,
    to_document,
    to_passage,
)
from ragline.domain.chunks import Candidate, Chunk, Filter, Row, chunk_id
from ragline.domain.documents import Metadata
from ragline.domain.errors import LimitExceeded


def row(text: str = "a fox", metadata: Metadata | None = None, **options: object) -> Row:
    chunk = Chunk(7, text, 2, 10, 15, **options)  # type: ignore[arg-type]
    vector = np.array([0.6, -0.8, 1 / 3], dtype=np.float32)
    return Row("doc", 2, chunk, "Füchse.pdf", vector, metadata or {})


def test_the_schema_is_what_the_sdk_s_builder_makes() -> None:
    built = (
        SchemaBuilder()
        .add_dense_vector_field("vector", dimension=384, metric="cosine")
        .add_string_field("terms", full_text_search={"language": "en", "stemming": True})
        .build()
    )
    assert schema(384) == built


def test_a_row_comes_back_as_it_was() -> None:
    before = row(
        "Füchse \ud83e jagen",
        {"lang": "de", "year": 2024, "half": 0.5, "draft": True},
        headings=("Tiere", 'Der "Bau"'),
        page=3,
        page_end=4,
    )
    sent = json.loads(json.dumps(to_document(before)))
    after = to_passage(sent)
    assert to_candidate(sent, 0.5) == Candidate("doc", 2, 7, 0.5)
    assert (after.chunk_id, after.filename) == ("doc:2:7", "Füchse.pdf")
    assert (after.chunk.headings, after.chunk.page, after.chunk.page_end) == (
        ("Tiere", 'Der "Bau"'),
        3,
        4,
    )
    assert after.metadata == before.metadata
    assert (after.chunk.start, after.chunk.end, after.chunk.tokens) == (10, 15, 2)
    assert after.chunk.text == "Füchse ? jagen", "half a surrogate pair has no UTF-8"


def test_headings_are_searched_with_the_text_and_not_given_back_with_it() -> None:
    sent = to_document(row(headings=("Animals",)))
    assert sent["terms"] == "animals fox"
    assert to_passage(sent).chunk.text == "a fox"


def test_what_a_row_does_not_have_is_left_out_for_pinecone_keeps_no_null() -> None:
    assert {"page_first", "page_last"}.isdisjoint(to_document(row()))
    assert (to_document(row(page=3))["page_first"], to_document(row(page=3))["page_last"]) == (3, 3)
    assert "terms" not in to_document(row("?!"))
    assert None not in to_document(row(page=3)).values()


def test_numbers_of_a_vector_are_short_and_exact_enough() -> None:
    vector = to_document(row())["vector"]
    assert vector == [0.6, -0.8, 0.333333]


def test_a_chunk_s_id_can_be_read_and_listed_by_document() -> None:
    assert parse_id(chunk_id("a-b_c", 12, 300_001)) == ("a-b_c", 12, 300_001)
    assert chunk_id("doc", 1, 2).startswith(id_prefix("doc"))
    assert not chunk_id("docs", 1, 2).startswith(id_prefix("doc"))


def test_filters_in_pinecone_s_language() -> None:
    assert condition(Filter()) is None
    assert condition(Filter(document_ids=("a", "b"))) == {"document_id": {"$in": ["a", "b"]}}
    everything = condition(Filter(("a",), {"lang": "de"}, page_from=2, page_to=3))
    assert everything is not None
    assert [next(iter(one)) for one in everything["$and"]] == [
        "document_id",
        "tags",
        "page_last",
        "page_first",
    ]
    assert dead("a", None, 0) == {"document_id": {"$eq": "a"}}
    assert dead("a", 3, 2) == {
        "$and": [
            {"document_id": {"$eq": "a"}},
            {"generation": {"$lt": 3}},
            {"generation": {"$ne": 2}},
        ]
    }


@pytest.mark.parametrize("size", [39_000, 41_000])
def test_metadata_is_measured_as_it_is_sent(size: int) -> None:
    try:
        sent = to_document(row("é" * (size // 2)))
    except LimitExceeded as error:
        assert size == 41_000
        assert error.chunk == 7
    else:
        kept = {k: v for k, v in sent.items() if k not in {"_id", "vector", "terms"}}
        assert 38_000 < len(json.dumps(kept, ensure_ascii=False).encode()) <= MAX_METADATA_BYTES


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(0, 900_000), max_size=8))
def test_requests_keep_the_order_and_the_limits(sizes: list[int]) -> None:
    documents: list[Document] = [
        {"_id": str(n), "vector": [0.5], "text": "x" * size} for n, size in enumerate(sizes)
    ]
    parts = list(batches(documents))
    assert [one for part in parts for one in part] == documents
    for part in parts:
        assert len(part) <= MAX_REQUEST_DOCUMENTS
        assert len(json.dumps({"documents": part})) <= MAX_REQUEST_BYTES + 50
