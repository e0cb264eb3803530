"""The doctor: does the index hold what the ledger says, and the bucket what both need?

At rest, indexed means that every chunk is found, and deleted that none is. What is still on its way
to be cleared, or was dropped a moment ago, is a finding until it is done: look again then.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime

from ragline.domain.documents import Document, Partition, Status
from ragline.domain.errors import StoredDataLost
from ragline.domain.keys import Stored, parse_recognised_key, parse_stored_key, part_key
from ragline.domain.ledger import Audit, ChunkState, Work
from ragline.domain.lifecycle import WORK_LEASE
from ragline.domain.times import iso, later
from ragline.ports import Indexes, Ledger, Objects
from ragline.usecases.compare_rows import check_other_models, check_rows, in_state
from ragline.usecases.compare_tenants import check_tenants, look
from ragline.usecases.findings import Examination, Finding, Generation, Kind, Report
from ragline.usecases.parts import read_vectors
from ragline.usecases.reconcile import UPLOAD_EXPIRED

__all__ = ["Finding", "Kind", "Report", "examine", "examine_rows"]


def examine(
    *, ledger: Ledger, objects: Objects, indexes: Indexes, fingerprint: str, now: datetime
) -> Report:
    """Compare ledger, uploads, chunks, vectors and index rows, of all tenants.

    Every chunk must be found by the deployed model, which ``fingerprint`` names. Of other models
    there may be any part of what counts, but nothing else: one is on its way, or kept for a return.

    It reads the whole ledger and all vectors: some minutes, and some cents, at a million chunks.
    Memory grows with the chunks, by some 200 bytes each.
    """
    seen = Examination(iso(now), fingerprint)
    tenants = look(ledger)
    for audit in ledger.audit():
        _check_document(audit, seen)
    check_tenants(tenants, ledger, seen)
    _check_children(seen)
    _check_uploads(objects, seen)
    chunks = _stored(objects, "chunks/", seen)
    _check_chunks(chunks, seen)
    _check_vectors(_stored(objects, "vectors/", seen), objects, seen)
    _check_recognised(objects, seen)
    check_rows(indexes, seen)
    check_other_models(indexes, seen)
    return Report(seen.findings, dict(seen.totals))


def examine_rows(
    *,
    ledger: Ledger,
    indexes: Indexes,
    fingerprint: str,
    now: datetime,
    collection: str | None = None,
) -> Report:
    """Compare the ledger with the rows by one model, deployed or not; of one collection, if named.

    What ``examine`` would find of them if that model were deployed.
    """
    seen = Examination(iso(now), fingerprint)
    for audit in ledger.audit():
        if collection in {None, audit.document.partition.collection}:
            seen.add(audit)
    check_rows(indexes, seen, collection)
    return Report(seen.findings, dict(seen.totals))


def _check_document(audit: Audit, seen: Examination) -> None:
    """Its counts against its records, its status against its counts."""
    document, progress = audit.document, audit.document.progress
    seen.add(audit)
    if document.status is Status.DELETED:
        if audit.removal_pending and _still(document, seen.now):
            seen.find(Kind.STUCK, document, "deleted long ago, and not cleared away yet.")
        return
    if document.status is Status.AWAITING_UPLOAD:
        return
    counts = audit.work.get(document.generation, Work()).counts()
    wrong = {name: n for name, n in counts.items() if getattr(progress, name) != n}
    if wrong:
        said = ", ".join(f"{name} {getattr(progress, name)}" for name in wrong)
        held = ", ".join(f"{name} {n}" for name, n in wrong.items())
        seen.find(Kind.MISCOUNTED, document, f"the document says {said}; its records say {held}.")
    _check_status(document, seen)


def _check_status(document: Document, seen: Examination) -> None:
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
        lacking = progress.unread or not progress.split
        true = progress.indexed > 0 and (lacking or progress.indexed < progress.chunks_total)
    else:
        true = failed or (progress.complete and progress.outcome() is status)
    if not true:
        seen.find(Kind.FALSE_STATUS, document, f"{told}, {progress.failed} failed.")
    if not failed and document.live_generation != document.generation:
        live = document.live_generation
        seen.find(Kind.FALSE_STATUS, document, f"{told}; but queries see generation {live}.")


def _check_children(seen: Examination) -> None:
    """Nothing outlives the document that it came in."""
    for (tenant, _), document in list(seen.documents.items()):
        if document.status is Status.DELETED or not document.origin:
            continue
        parent = seen.documents.get((tenant, document.parent))
        if parent is None or parent.status is Status.DELETED:
            what = "is deleted" if parent else "is unknown"
            detail = f"document {document.parent}, in which it came, {what}."
            seen.find(Kind.ORPHAN_CHILD, document, detail)


def _check_uploads(objects: Objects, seen: Examination) -> None:
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
    objects: Objects, prefix: str, seen: Examination
) -> dict[Generation, list[tuple[Stored, str]]]:
    """Objects below ``prefix`` by generation; those of no generation that counts are found."""
    kept: dict[Generation, list[tuple[Stored, str]]] = defaultdict(list)
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


def _check_recognised(objects: Objects, seen: Examination) -> None:
    """What OCR read is kept as long as its document is."""
    orphans: dict[str, list[str]] = defaultdict(list)
    for key in objects.list("ocr/"):
        seen.totals["ocr objects"] += 1
        partition, document_id = parse_recognised_key(key) or (Partition("", ""), "")
        document = seen.documents.get((partition.tenant, document_id))
        if document is None or document.partition != partition or document.status is Status.DELETED:
            orphans[document_id or key].append(key)
    for subject, keys in orphans.items():
        detail = f"{keys[0]} is kept of no document that there is, one of {len(keys):,}."
        seen.findings.append(Finding(Kind.ORPHAN_OBJECTS, subject, detail, keys=keys))


def _check_chunks(
    stored: Mapping[Generation, Sequence[tuple[Stored, str]]], seen: Examination
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
    stored: Mapping[Generation, Sequence[tuple[Stored, str]]],
    objects: Objects,
    seen: Examination,
) -> None:
    for document, where, work in seen.counted():
        there: set[int] = set()
        for kept, key in stored.get(where, ()):
            if kept.fingerprint != seen.fingerprint:
                continue
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
        lost = sorted(in_state(work, ChunkState.EMBEDDED, ChunkState.INDEXED) - there)
        if lost:
            detail = f"generation {where[2]}: the vectors of {len(lost)} chunks are gone."
            seen.find(Kind.MISSING_VECTORS, document, detail, ordinals=lost)


def _still(document: Document, now: str) -> bool:
    """Whether nothing has moved for twice a lease: the reconciler should have come by now."""
    return later(document.updated_at, 2 * WORK_LEASE) <= now
