"""The doctor: does the index hold what the ledger says, and the bucket what both need?

At rest, indexed means that every chunk is found, and deleted that none is. What is still on its way
to be cleared, or was dropped a moment ago, is a finding until it is done: look again then.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from ragline.domain.documents import Document, Partition, Status
from ragline.domain.errors import StoredDataLost
from ragline.domain.keys import Stored, parse_stored_key, part_key
from ragline.domain.ledger import Audit, ChunkState, Work
from ragline.domain.lifecycle import WORK_LEASE
from ragline.domain.times import iso, later
from ragline.ports import Ledger, Objects, VectorIndex
from ragline.usecases.parts import read_vectors
from ragline.usecases.reconcile import UPLOAD_EXPIRED


class Kind(StrEnum):
    """What can be wrong."""

    MISCOUNTED = "miscounted"
    FALSE_STATUS = "false_status"
    UNSETTLED = "unsettled"
    STUCK = "stuck"
    MISSING_UPLOAD = "missing_upload"
    ORPHAN_UPLOAD = "orphan_upload"
    MISSING_CHUNKS = "missing_chunks"
    MISSING_VECTORS = "missing_vectors"
    DAMAGED_VECTORS = "damaged_vectors"
    ORPHAN_OBJECTS = "orphan_objects"
    MISSING_ROWS = "missing_rows"
    EXTRA_ROWS = "extra_rows"
    DUPLICATE_ROWS = "duplicate_rows"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong. ``subject`` is a document's id, or an upload's key.

    ``document`` is what the ledger knows of it, None for nothing. ``ordinals`` are the chunks that
    it is about, ``keys`` the objects, ``partition`` and ``generation`` those of its rows.
    """

    kind: Kind
    subject: str
    detail: str
    document: Document | None = None
    partition: Partition | None = None
    ordinals: Sequence[int] = ()
    keys: Sequence[str] = ()
    generation: int = 0


@dataclass(frozen=True, slots=True)
class Report:
    """``totals``: how much was compared, by what it is."""

    findings: Sequence[Finding]
    totals: Mapping[str, int]

    @property
    def healthy(self) -> bool:
        return not self.findings


_Generation = tuple[str, str, int]  # tenant, document id, generation


@dataclass(slots=True)
class _Examination:
    """What the ledger says, and what was found so far.

    ``work`` has the records of every generation whose chunks are to be there: the live one, and
    the one that is worked on, or that failed and can be retried.
    """

    now: str
    documents: dict[tuple[str, str], Document] = field(default_factory=dict)
    work: dict[_Generation, Work] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    totals: Counter[str] = field(default_factory=Counter)

    def find(
        self, kind: Kind, document: Document, detail: str, ordinals: Sequence[int] = ()
    ) -> None:
        subject, partition = document.document_id, document.partition
        self.findings.append(Finding(kind, subject, detail, document, partition, ordinals))

    def counted(self) -> Iterator[tuple[Document, _Generation, Work]]:
        for where, work in self.work.items():
            yield self.documents[where[:2]], where, work


def examine(*, ledger: Ledger, objects: Objects, index: VectorIndex, now: datetime) -> Report:
    """Compare ledger, uploads, chunks, vectors and index rows, of all tenants.

    It reads the whole ledger and all vectors: some minutes, and some cents, at a million chunks.
    Memory grows with the chunks, by some 200 bytes each.
    """
    seen = _Examination(iso(now))
    for audit in ledger.audit():
        _check_document(audit, seen)
    _check_uploads(objects, seen)
    chunks = _stored(objects, "chunks/", seen)
    _check_chunks(chunks, seen)
    _check_vectors(_stored(objects, "vectors/", seen), objects, seen)
    _check_rows(index, seen)
    return Report(seen.findings, dict(seen.totals))


def _check_document(audit: Audit, seen: _Examination) -> None:
    """Its counts against its records, its status against its counts."""
    document, progress = audit.document, audit.document.progress
    tenant, document_id = document.partition.tenant, document.document_id
    seen.documents[tenant, document_id] = document
    seen.totals["documents"] += 1
    if document.status is Status.DELETED:
        if audit.removal_pending and _still(document, seen.now):
            seen.find(Kind.STUCK, document, "deleted long ago, and not cleared away yet.")
        return
    if document.status is Status.AWAITING_UPLOAD:
        return  # its generations, if it has any, are those of a deleted document
    for generation in {document.live_generation, document.generation} - {0}:
        work = audit.work.get(generation, Work())
        seen.work[tenant, document_id, generation] = work
        seen.totals["chunks"] += len(work.ordinals)
    counts = audit.work.get(document.generation, Work()).counts()
    wrong = {name: n for name, n in counts.items() if getattr(progress, name) != n}
    if wrong:
        said = ", ".join(f"{name} {getattr(progress, name)}" for name in wrong)
        held = ", ".join(f"{name} {n}" for name, n in wrong.items())
        seen.find(Kind.MISCOUNTED, document, f"the document says {said}; its records say {held}.")
    _check_status(document, seen)


def _check_status(document: Document, seen: _Examination) -> None:
    progress, status = document.progress, document.status
    told = f"{status}, with {progress.indexed} of {progress.chunks_total} chunks indexed"
    if not document.terminal:
        if progress.complete:
            seen.find(Kind.UNSETTLED, document, f"{told}, and none left to do.")
        elif _still(document, seen.now):
            seen.find(Kind.STUCK, document, f"{told}; nothing moved since {document.updated_at}.")
        return
    failed = status is Status.FAILED
    if failed and progress.complete and progress.outcome() is not Status.FAILED:
        seen.find(Kind.UNSETTLED, document, f"{told}, and none left to do.")
    if failed and document.reason is None:
        seen.find(Kind.FALSE_STATUS, document, "failed, and does not say why.")
    if status is Status.PARTIAL:
        true = 0 < progress.indexed < progress.chunks_total
    else:
        true = failed or (progress.complete and progress.outcome() is status)
    if not true:
        seen.find(Kind.FALSE_STATUS, document, f"{told}, {progress.failed} failed.")
    if not failed and document.live_generation != document.generation:
        live = document.live_generation
        seen.find(Kind.FALSE_STATUS, document, f"{told}; but queries see generation {live}.")


def _check_uploads(objects: Objects, seen: _Examination) -> None:
    """Every document has its bytes, and all bytes have their document."""
    owners = {document.upload_key: document for document in seen.documents.values()}
    there = {key for key in objects.list("uploads/") if not key.endswith("/")}
    seen.totals["uploads"] = len(there)
    for key, document in owners.items():
        if key not in there and _has_its_bytes(document):
            seen.find(Kind.MISSING_UPLOAD, document, f"{key} is not in the bucket.")
    for key in sorted(there):
        owner = owners.get(key)
        if owner is None or owner.status is Status.DELETED:
            what = "belongs to a deleted document" if owner else "belongs to no document"
            seen.findings.append(Finding(Kind.ORPHAN_UPLOAD, key, f"{what}.", owner, keys=[key]))


def _has_its_bytes(document: Document) -> bool:
    """Whether they must have arrived, and were not removed."""
    if document.reason and document.reason.code == UPLOAD_EXPIRED:
        return False
    return document.status not in {Status.AWAITING_UPLOAD, Status.DELETED}


def _stored(
    objects: Objects, prefix: str, seen: _Examination
) -> dict[_Generation, list[tuple[Stored, str]]]:
    """Objects below ``prefix`` by generation; those of no generation that counts are found."""
    kept: dict[_Generation, list[tuple[Stored, str]]] = defaultdict(list)
    orphans: dict[tuple[Partition, str], list[str]] = defaultdict(list)
    for key in objects.list(prefix):
        seen.totals[f"{prefix.rstrip('/')} objects"] += 1
        stored = parse_stored_key(key)
        if stored is None:
            orphans[Partition("", ""), ""].append(key)
            continue
        where = (stored.partition.tenant, stored.document_id, stored.generation)
        if where in seen.work and seen.documents[where[:2]].partition == stored.partition:
            kept[where].append((stored, key))
        else:
            orphans[stored.partition, stored.document_id].append(key)
    for (partition, document_id), keys in orphans.items():
        document = seen.documents.get((partition.tenant, document_id))
        others = f" and {len(keys) - 1} more are" if len(keys) > 1 else " is"
        detail = f"{keys[0]}{others} of no generation that counts."
        subject = document_id or keys[0]
        seen.findings.append(
            Finding(Kind.ORPHAN_OBJECTS, subject, detail, document, partition, keys=keys)
        )
    return kept


def _check_chunks(
    stored: Mapping[_Generation, Sequence[tuple[Stored, str]]], seen: _Examination
) -> None:
    for document, where, work in seen.counted():
        there = {key for _, key in stored.get(where, ())}
        parts = work.parts(document, work.ordinals, generation=where[2])
        lost = [part for part in parts if part_key(part) not in there]
        if lost:
            ordinals = [n for part in lost for n in part.ordinals]
            detail = f"generation {where[2]}: {len(lost)} of {len(parts)} stored parts are gone."
            seen.find(Kind.MISSING_CHUNKS, document, detail, ordinals=ordinals)


def _check_vectors(
    stored: Mapping[_Generation, Sequence[tuple[Stored, str]]],
    objects: Objects,
    seen: _Examination,
) -> None:
    for document, where, work in seen.counted():
        there: set[int] = set()
        for _, key in stored.get(where, ()):
            try:
                there |= read_vectors(objects, key).keys()
            except StoredDataLost:
                # Of no use to anyone; the vectors that only it had are missing, and found as such.
                seen.findings.append(
                    Finding(
                        Kind.DAMAGED_VECTORS,
                        document.document_id,
                        f"{key} cannot be read.",
                        document,
                        document.partition,
                        keys=[key],
                    )
                )
        lost = sorted(_in(work, ChunkState.EMBEDDED, ChunkState.INDEXED) - there)
        if lost:
            detail = f"generation {where[2]}: the vectors of {len(lost)} chunks are gone."
            seen.find(Kind.MISSING_VECTORS, document, detail, ordinals=lost)


def _check_rows(index: VectorIndex, seen: _Examination) -> None:
    """The index has a row for each chunk that the ledger calls indexed, and no other."""
    partitions = {document.partition for document in seen.documents.values()}
    for partition in sorted({*partitions, *index.partitions()}, key=str):
        rows: dict[tuple[str, int], Counter[int]] = defaultdict(Counter)
        for document_id, generation, ordinal in index.entries(partition):
            rows[document_id, generation][ordinal] += 1
            seen.totals["rows"] += 1
        for (document_id, generation), ordinals in rows.items():
            _check_generation_rows(partition, document_id, generation, ordinals, seen)
        for document, where, work in seen.counted():
            if document.partition != partition:
                continue
            lost = sorted(_in(work, ChunkState.INDEXED) - rows[where[1], where[2]].keys())
            if lost:
                detail = f"generation {where[2]}: {len(lost)} indexed chunks have no row."
                seen.find(Kind.MISSING_ROWS, document, detail, ordinals=lost)


def _check_generation_rows(
    partition: Partition,
    document_id: str,
    generation: int,
    ordinals: Mapping[int, int],
    seen: _Examination,
) -> None:
    document = seen.documents.get((partition.tenant, document_id))
    work = seen.work.get((partition.tenant, document_id, generation))
    if document is None or work is None or document.partition != partition:
        detail = f"{len(ordinals)} rows of generation {generation}, which does not count."
        seen.findings.append(
            Finding(
                Kind.EXTRA_ROWS, document_id, detail, document, partition, generation=generation
            )
        )
        return
    # While it is under way, rows are committed before the ledger says so.
    right: Collection[int] = (
        _in(work, ChunkState.INDEXED) if document.terminal else set(work.ordinals)
    )
    extra = sorted(set(ordinals) - set(right))
    if extra:
        detail = f"generation {generation}: {len(extra)} rows of chunks that are not indexed."
        seen.find(Kind.EXTRA_ROWS, document, detail, ordinals=extra)
    twice = sorted(n for n, times in ordinals.items() if times > 1)
    if twice:
        detail = f"generation {generation}: {len(twice)} chunks have more than one row."
        seen.find(Kind.DUPLICATE_ROWS, document, detail, ordinals=twice)


def _in(work: Work, *states: ChunkState) -> set[int]:
    return {n for n, state in work.chunks.items() if state in states}


def _still(document: Document, now: str) -> bool:
    """Whether nothing has moved for twice a lease: the reconciler should have come by now."""
    return later(document.updated_at, 2 * WORK_LEASE) <= now
