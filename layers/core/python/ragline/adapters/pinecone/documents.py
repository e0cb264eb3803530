"""How a row is written as a Pinecone document, read back, and filtered for; and what may not fit.

A document index ranks by the fields that its schema names: ``vector`` and ``terms``. All others are
metadata: some are filtered by, ``text`` and ``rest`` are only given back. Limits are Pinecone's:
https://docs.pinecone.io/reference/api/database-limits/operation-limits
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ragline.adapters.pinecone.terms import terms
from ragline.domain.chunks import Candidate, Chunk, Filter, Passage, Row, chunk_id
from ragline.domain.documents import Metadata, Scalar
from ragline.domain.errors import LimitExceeded

VECTOR, TERMS = "vector", "terms"
RETURNED = ("text", "rest")
FILTERABLE = ("document_id", "generation", "page_first", "page_last", "tags")

MAX_METADATA_BYTES = 40_000
MAX_TEXT_BYTES = 100_000
MAX_TEXT_TOKENS = 10_000
MAX_QUERY_BYTES = 10_000
MAX_REQUEST_BYTES = 1_900_000
"""Pinecone takes 2 MB; ours is estimated."""

MAX_REQUEST_DOCUMENTS = 1_000
BYTES_PER_NUMBER = 12

Document = dict[str, Any]


def schema(dimensions: int) -> dict[str, Any]:
    """What the index must be created with; it cannot be changed later."""
    return {
        "fields": {
            VECTOR: {"type": "dense_vector", "dimension": dimensions, "metric": "cosine"},
            TERMS: {"type": "string", "full_text_search": {"language": "en", "stemming": True}},
        }
    }


def namespace_schema() -> dict[str, Any]:
    """The metadata that is filtered by; Pinecone would index all of it."""
    return {"fields": {name: {"filterable": True} for name in FILTERABLE}}


def to_document(row: Row) -> Document:
    """The row as it is sent.

    Raises:
        LimitExceeded: the row is larger than Pinecone keeps; names the chunk and the limit.
    """
    chunk = row.chunk
    words = list(terms(chunk.searched))
    metadata: Document = {
        "document_id": row.document_id,
        "generation": row.generation,
        "tags": _tags(row.metadata),
        "text": _clean(chunk.text),
        "rest": _rest(row),
    }
    last = chunk.page if chunk.page_end is None else chunk.page_end
    pages = {"page_first": chunk.page, "page_last": last}
    metadata |= {name: page for name, page in pages.items() if page is not None}
    joined = " ".join(words)
    _check(row, "text, headings and metadata", _bytes(metadata), MAX_METADATA_BYTES, "bytes")
    _check(row, "words", len(joined.encode()), MAX_TEXT_BYTES, "bytes")
    _check(row, "words", len(words), MAX_TEXT_TOKENS, "words")
    # Six decimals are half the bytes of all; a cosine is off by 1e-6 at most.
    vector = row.vector.astype("float64").round(6).tolist()
    document = {"_id": row.chunk_id, VECTOR: vector, **metadata}
    return document | {TERMS: joined} if joined else document


def to_candidate(found: Mapping[str, Any], score: float) -> Candidate:
    """With the passage in its hint: it came in the same answer, at no other request's cost."""
    passage = to_passage(found)
    return Candidate(
        passage.document_id, passage.generation, passage.chunk.ordinal, score, hint=passage
    )


def to_passage(found: Mapping[str, Any]) -> Passage:
    document_id, generation, ordinal = parse_id(found["_id"])
    rest = json.loads(found["rest"])
    return Passage(
        document_id=document_id,
        generation=generation,
        chunk=Chunk(
            ordinal=ordinal,
            text=found["text"],
            tokens=rest["tokens"],
            start=rest["start"],
            end=rest["end"],
            headings=tuple(rest["headings"]),
            page=rest["page"],
            page_end=rest["page_end"],
        ),
        filename=rest["filename"],
        metadata=rest["metadata"],
    )


def parse_id(name: str) -> tuple[str, int, int]:
    """The document's id, generation and ordinal that a chunk's id is made of."""
    document_id, generation, ordinal = name.rsplit(":", 2)
    return document_id, int(generation), int(ordinal)


def id_prefix(document_id: str) -> str:
    """What the ids of all its chunks start with, and no other's."""
    return chunk_id(document_id, 0, 0).removesuffix("0:0")


def condition(where: Filter) -> dict[str, Any] | None:
    """The filter in Pinecone's language; None if it lets everything through.

    A passage that runs over pages 3 to 4 is on both; one without pages is on none.
    """
    wanted: list[dict[str, Any]] = []
    if where.document_ids is not None:
        wanted.append({"document_id": {"$in": list(where.document_ids)}})
    wanted += [{"tags": {"$in": [tag]}} for tag in _tags(where.metadata)]
    if where.page_from is not None:
        wanted.append({"page_last": {"$gte": where.page_from}})
    if where.page_to is not None:
        wanted.append({"page_first": {"$lte": where.page_to}})
    return all_of(wanted) if wanted else None


def dead(document_id: str, below: int | None, keep: int) -> dict[str, Any]:
    """The filter for what ``VectorIndex.delete`` removes."""
    wanted: list[dict[str, Any]] = [{"document_id": {"$eq": document_id}}]
    if below is not None:
        wanted.append({"generation": {"$lt": below}})
    if keep:
        wanted.append({"generation": {"$ne": keep}})
    return all_of(wanted)


def all_of(wanted: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return wanted[0] if len(wanted) == 1 else {"$and": list(wanted)}


def keywords(query: str) -> str:
    """The query's words, each once, as many as Pinecone takes; '' if there are none."""
    kept: list[str] = []
    size = 0
    for term in dict.fromkeys(terms(query)):
        size += len(term.encode()) + 1
        if size > MAX_QUERY_BYTES:
            break
        kept.append(term)
    return " ".join(kept)


def batches(documents: Sequence[Document]) -> Iterator[list[Document]]:
    """Runs of documents that fit into one request each."""
    batch: list[Document] = []
    size = 0
    for document in documents:
        more = _estimate(document)
        if batch and (size + more > MAX_REQUEST_BYTES or len(batch) == MAX_REQUEST_DOCUMENTS):
            yield batch
            batch, size = [], 0
        batch.append(document)
        size += more
    if batch:
        yield batch


def _estimate(document: Document) -> int:
    """At least as many bytes as the document takes in a request."""
    vector = document[VECTOR]
    others = {name: value for name, value in document.items() if name != VECTOR}
    return len(vector) * BYTES_PER_NUMBER + _bytes(others) + 100


def _rest(row: Row) -> str:
    chunk = row.chunk
    rest = {
        "tokens": chunk.tokens,
        "start": chunk.start,
        "end": chunk.end,
        "headings": list(chunk.headings),
        "page": chunk.page,
        "page_end": chunk.page_end,
        "filename": row.filename,
        "metadata": dict(row.metadata),
    }
    return _clean(json.dumps(rest, ensure_ascii=False, separators=(",", ":")))


def _check(row: Row, what: str, size: int, limit: int, unit: str) -> None:
    if size > limit:
        raise LimitExceeded(
            f"chunk {row.chunk.ordinal} of {row.document_id}: its {what} are {size:,} {unit}, and "
            f"Pinecone keeps at most {limit:,} a row. Give the document less metadata, or split "
            "its text.",
            chunk=row.chunk.ordinal,
        )


def _tags(metadata: Metadata) -> list[str]:
    return [_tag(key, value) for key, value in metadata.items()]


def _tag(key: str, value: Scalar) -> str:
    """Stands for ``"key"=value`` in JSON, where the type is visible: 1, 1.0, "1" and true are four.

    A digest of 128 bits, for a value may be long, and Pinecone counts it among the metadata again.
    """
    if isinstance(value, float):
        value += 0.0  # -0.0 equals 0.0 but is written otherwise
    text = f"{json.dumps(key)}={json.dumps(value)}"
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _bytes(value: Mapping[str, Any]) -> int:
    return len(json.dumps(value, ensure_ascii=False).encode())


def _clean(text: str) -> str:
    """Without lone surrogates, which have no UTF-8."""
    return text.encode(errors="replace").decode()
