"""How a row is written into a Lance table, read back, and filtered for."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ragline.domain.chunks import Candidate, Chunk, Filter, Passage, Row
from ragline.domain.documents import Metadata, Scalar

if TYPE_CHECKING:
    import pyarrow as pa

ENTRY = ("document_id", "generation", "ordinal")
"""What tells a row's chunk. Of 100,000 rows, they are one request of 130 kB in all; ``chunk_id``,
which says the same, would be a megabyte in several."""

COLUMNS = (
    *ENTRY,
    "page",
    "page_end",
    "headings",
    "text",
    "context",
    "span_start",
    "span_end",
    "tokens",
    "filename",
    "metadata",
)
"""What a passage is made of (``context``: where it begins in ``text``).

``tags`` and ``vector`` are only searched, never read.
"""

ROW_ID = "_rowid"
"""Where a row lies, as Lance calls it: until a fold rewrites it, and no other row ever lies there
as long as the table lives."""


def schema(dimensions: int) -> pa.Schema:
    """The table's columns. ``chunk_id`` is the unenforced primary key.

    Without the key, two merges of the same rows at the same time would leave both copies:
    https://github.com/lance-format/lance/pull/6018.
    Vectors are half floats: half the bytes of every exact search, for a recall@10 of 0.9995 and
    cosines that are off by 4e-5 at most.
    """
    import pyarrow as pa

    text, texts, whole = pa.string(), pa.list_(pa.string()), pa.int64()
    key = {"lance-schema:unenforced-primary-key": "true"}
    return pa.schema(
        [
            pa.field("chunk_id", text, nullable=False, metadata=key),
            pa.field("document_id", text),
            pa.field("generation", whole),
            pa.field("ordinal", whole),
            pa.field("page", whole),
            pa.field("page_end", whole),
            pa.field("headings", texts),
            pa.field("text", text),
            pa.field("context", whole),
            pa.field("span_start", whole),
            pa.field("span_end", whole),
            pa.field("tokens", whole),
            pa.field("filename", text),
            pa.field("metadata", text),
            pa.field("tags", texts),
            pa.field("vector", pa.list_(pa.float16(), dimensions)),
        ]
    )


def to_arrow(rows: Sequence[Row], dimensions: int) -> pa.Table:
    """Rows as a table of ``schema(dimensions)``; of rows with one chunk_id the last one counts."""
    import numpy as np
    import pyarrow as pa

    last = list({row.chunk_id: row for row in rows}.values())
    flat = np.concatenate([np.asarray(row.vector, dtype=np.float16) for row in last])
    target = schema(dimensions)
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(flat), dimensions)
    others = pa.Table.from_pylist(
        [_record(row) for row in last], schema=target.remove(target.get_field_index("vector"))
    )
    return others.append_column(target.field("vector"), vectors)


def to_candidate(record: Mapping[str, Any], score: float) -> Candidate:
    document_id, generation, ordinal = (record[name] for name in ENTRY)
    return Candidate(document_id, generation, ordinal, score, hint=record[ROW_ID])


def to_passage(record: Mapping[str, Any]) -> Passage:
    return Passage(
        document_id=record["document_id"],
        generation=record["generation"],
        chunk=Chunk(
            ordinal=record["ordinal"],
            text=record["text"][record["context"] :],
            tokens=record["tokens"],
            start=record["span_start"],
            end=record["span_end"],
            headings=tuple(record["headings"]),
            page=record["page"],
            page_end=record["page_end"],
        ),
        filename=record["filename"],
        metadata=json.loads(record["metadata"]),
    )


def condition(where: Filter) -> str:
    """The filter as a DataFusion SQL expression; '' if it lets everything through.

    One that lets nothing through has none: no query is to be asked.
    A passage that runs over pages 3 to 4 is on both; one without pages is on none.
    """
    terms = []
    if where.document_ids is not None:
        terms.append(f"document_id IN ({literals(where.document_ids)})")
    terms += [f"array_has(tags, {literal(tag)})" for tag in _tags(where.metadata)]
    if where.page_from is not None:
        terms.append(f"coalesce(page_end, page) >= {int(where.page_from)}")
    if where.page_to is not None:
        terms.append(f"page <= {int(where.page_to)}")
    return " AND ".join(terms)


def literals(texts: Iterable[str]) -> str:
    """SQL string literals for ``IN (…)``."""
    return ", ".join(map(literal, texts))


def literal(text: str) -> str:
    """A SQL string literal. Backslashes are plain characters in DataFusion."""
    return "'" + clean(text).replace("'", "''") + "'"


def clean(text: str) -> str:
    """Without lone surrogates, which have no UTF-8 and so no place in an Arrow string."""
    return text.encode(errors="replace").decode()


def _record(row: Row) -> dict[str, Any]:
    chunk = row.chunk
    return {
        "chunk_id": row.chunk_id,
        "document_id": row.document_id,
        "generation": row.generation,
        "ordinal": chunk.ordinal,
        "page": chunk.page,
        "page_end": chunk.page_end,
        "headings": [clean(heading) for heading in chunk.headings],
        "text": clean(chunk.searched),
        "context": len(chunk.searched) - len(chunk.text),
        "span_start": chunk.start,
        "span_end": chunk.end,
        "tokens": chunk.tokens,
        "filename": clean(row.filename),
        "metadata": json.dumps(dict(row.metadata)),
        "tags": _tags(row.metadata),
    }


def _tags(metadata: Metadata) -> list[str]:
    return [_tag(key, value) for key, value in metadata.items()]


def _tag(key: str, value: Scalar) -> str:
    """``"key"=value`` in JSON: the type stays visible, so 1, 1.0, "1" and true are four values.

    JSON escapes all but ASCII, and a quoted key cannot be mistaken for part of the value.
    """
    if isinstance(value, float):
        value += 0.0  # -0.0 equals 0.0 but is written otherwise
    return f"{json.dumps(key)}={json.dumps(value)}"
