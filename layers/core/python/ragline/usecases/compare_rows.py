"""The ledger against the rows of the indexes: what counts is found, and nothing else is there."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping

from ragline.domain.documents import Partition
from ragline.domain.ledger import ChunkState, Work
from ragline.ports import Indexes
from ragline.usecases.findings import Examination, Finding, Kind


def check_rows(indexes: Indexes, seen: Examination, collection: str | None = None) -> None:
    """The index has a row for each chunk that the ledger calls indexed, and no other."""
    index = indexes.of(seen.fingerprint)
    partitions = {document.partition for document in seen.documents.values()}
    for partition in sorted({*partitions, *indexes.partitions()}, key=str):
        if collection not in {None, partition.collection}:
            continue
        rows: dict[tuple[str, int], Counter[int]] = defaultdict(Counter)
        for document_id, generation, ordinal in index.entries(partition):
            rows[document_id, generation][ordinal] += 1
            seen.totals["rows"] += 1
        for (document_id, generation), ordinals in rows.items():
            _check_generation_rows(partition, document_id, generation, ordinals, seen)
        for document, where, work in seen.counted():
            if document.partition != partition:
                continue
            lost = sorted(in_state(work, ChunkState.INDEXED) - rows[where[1], where[2]].keys())
            if lost:
                detail = f"generation {where[2]}: {len(lost)} indexed chunks have no row."
                seen.find(Kind.MISSING_ROWS, document, detail, lost, where[2])


def check_other_models(indexes: Indexes, seen: Examination) -> None:
    """Of models that are not deployed there may be any rows of what counts, and no others."""
    for partition in indexes.partitions():
        for other in set(indexes.fingerprints(partition)) - {seen.fingerprint}:
            _check_other_rows(partition, other, indexes, seen)


def _check_other_rows(
    partition: Partition, fingerprint: str, indexes: Indexes, seen: Examination
) -> None:
    rows: Counter[tuple[str, int]] = Counter()
    for document_id, generation, _ in indexes.of(fingerprint).entries(partition):
        rows[document_id, generation] += 1
        seen.totals["rows of other models"] += 1
    for (document_id, generation), number in rows.items():
        if not _counts(partition, document_id, generation, seen):
            detail = f"{number} rows of generation {generation} by model {fingerprint}"
            _find_dead(partition, document_id, generation, f"{detail}, which does not count.", seen)


def _counts(partition: Partition, document_id: str, generation: int, seen: Examination) -> bool:
    document = seen.documents.get((partition.tenant, document_id))
    known = (partition.tenant, document_id, generation) in seen.work
    return known and document is not None and document.partition == partition


def _find_dead(
    partition: Partition, document_id: str, generation: int, detail: str, seen: Examination
) -> None:
    document = seen.documents.get((partition.tenant, document_id))
    seen.findings.append(
        Finding(Kind.EXTRA_ROWS, document_id, detail, document, partition, generation=generation)
    )


def _check_generation_rows(
    partition: Partition,
    document_id: str,
    generation: int,
    ordinals: Mapping[int, int],
    seen: Examination,
) -> None:
    document = seen.documents.get((partition.tenant, document_id))
    work = seen.work.get((partition.tenant, document_id, generation))
    if document is None or work is None or document.partition != partition:
        detail = f"{len(ordinals)} rows of generation {generation}, which does not count."
        _find_dead(partition, document_id, generation, detail, seen)
        return
    # While it is under way, rows are committed before the ledger says so.
    right: Collection[int] = (
        in_state(work, ChunkState.INDEXED) if document.terminal else set(work.ordinals)
    )
    extra = sorted(set(ordinals) - set(right))
    if extra:
        detail = f"generation {generation}: {len(extra)} rows of chunks that are not indexed."
        seen.find(Kind.EXTRA_ROWS, document, detail, extra, generation)
    twice = sorted(n for n, times in ordinals.items() if times > 1)
    if twice:
        detail = f"generation {generation}: {len(twice)} chunks have more than one row."
        seen.find(Kind.DUPLICATE_ROWS, document, detail, twice, generation)


def in_state(work: Work, *states: ChunkState) -> set[int]:
    return {n for n, state in work.chunks.items() if state in states}
