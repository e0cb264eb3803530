"""Rows that an index cannot keep are set apart, so that they hold up no other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from ragline.domain.chunks import Row
from ragline.domain.documents import Document, Partition, Reason
from ragline.domain.errors import ModelMismatch, PermanentError, RaglineError
from ragline.ports import Ledger, VectorIndex
from ragline.usecases.failures import fail_chunks

Refusal = tuple[Row, RaglineError]


def upsert_what_fits(
    index: VectorIndex, partition: Partition, rows: Sequence[Row]
) -> list[Refusal]:
    """Write the rows of one model; those that the index refuses are returned, all others written.

    An index need not say which they are: they are found by halving. If it is the length of their
    vectors, it is all of them, for one model has one length.
    """
    try:
        index.upsert(partition, rows)
    except ModelMismatch as error:
        return [(row, error) for row in rows]
    except PermanentError as error:
        if len(rows) == 1:
            return [(rows[0], error)]
        middle = len(rows) // 2
        return [
            refusal
            for half in (rows[:middle], rows[middle:])
            for refusal in upsert_what_fits(index, partition, half)
        ]
    return []


def set_apart(
    refused: Sequence[Refusal],
    touched: Mapping[str, tuple[Document, list[int]]],
    stage: str,
    ledger: Ledger,
) -> None:
    """Record the chunks of refused rows as failed, and take them off the ordinals of ``touched``.

    Those that are not among them are left as they are: their records are closed.
    Of each document the first refusal is the reason that is given for all of them.
    """
    by_document: dict[str, list[Refusal]] = defaultdict(list)
    for row, error in refused:
        document, ordinals = touched.get(row.document_id, (None, []))
        if document and document.wants(row.generation) and row.chunk.ordinal in ordinals:
            by_document[row.document_id].append((row, error))
    for document_id, some in by_document.items():
        document, ordinals = touched[document_id]
        row, error = some[0]
        reason = Reason(error.code, str(error), stage, row.chunk.page, row.chunk.ordinal)
        lost = {row.chunk.ordinal for row, _ in some}
        fail_chunks(document, sorted(lost), reason, ledger)
        ordinals[:] = [ordinal for ordinal in ordinals if ordinal not in lost]
