"""Repairing what the doctor found, by the same queues and rules as everything else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ragline.domain.documents import Document, Status
from ragline.domain.errors import PERMANENT_CODES, MalformedMessage
from ragline.domain.keys import just_after, parse_recognised_key, parse_stored_key
from ragline.domain.ledger import Work
from ragline.domain.messages import Delete, Uploaded, new_nonce
from ragline.ports import Ledger, Objects, Queues
from ragline.usecases.doctor import Finding, Kind
from ragline.usecases.identify import identify
from ragline.usecases.remove import clear_dead, clear_leftover, remove
from ragline.usecases.resume import resume
from ragline.usecases.settle import settle
from ragline.usecases.split_again import start_over


@dataclass(frozen=True, slots=True)
class _Ports:
    ledger: Ledger
    objects: Objects
    queues: Queues


def repair(
    findings: Sequence[Finding], *, ledger: Ledger, objects: Objects, queues: Queues
) -> list[Finding]:
    """Set right what can be; the findings that cannot be, by anyone but the document's owner.

    Most of it is done by the queues: examine again when they are empty. Repairing twice, or what
    was no fault after all, changes nothing.
    """
    ports = _Ports(ledger, objects, queues)
    return [finding for finding in findings if not _REPAIRS[finding.kind](finding, ports)]


def _recount(finding: Finding, ports: _Ports) -> bool:
    document = _known(finding)
    ports.ledger.recount(document)
    settle(document, ledger=ports.ledger, queues=ports.queues)
    return True


def _recount_tenant(finding: Finding, ports: _Ports) -> bool:
    """One whose documents are on the move is left for the next examination."""
    return ports.ledger.recount_tenant(finding.subject)


def _settle(finding: Finding, ports: _Ports) -> bool:
    settle(_known(finding), ledger=ports.ledger, queues=ports.queues)
    return True


def _resume(finding: Finding, ports: _Ports) -> bool:
    document = _known(finding)
    if document.status is Status.DELETED:
        return _remove(finding, ports)
    resume(document, ledger=ports.ledger, queues=ports.queues)
    return True


def _remove(finding: Finding, ports: _Ports) -> bool:
    """Order away the generations that do not count of a document, or of one that nobody knows."""
    if finding.partition is None:
        return False
    document = ports.ledger.get(finding.partition.tenant, finding.subject)
    if document is not None and document.partition == finding.partition:
        clear_dead(document, queues=ports.queues, nonce=new_nonce())
        return True
    removal = Delete(
        nonce=new_nonce(),
        tenant=finding.partition.tenant,
        collection=finding.partition.collection,
        document_id=finding.subject,
        generation=max(1, finding.generation),
        below=finding.generation + 1,  # what was seen, and nothing that may have come since
    )
    ports.queues.send_ops([removal])
    return True


def _extra_rows(finding: Finding, ports: _Ports) -> bool:
    """Rows of a dead generation go; those of a chunk that failed on the way back are written."""
    return _embed_again(finding, ports) if finding.ordinals else _remove(finding, ports)


def _embed_again(finding: Finding, ports: _Ports) -> bool:
    """Vectors and rows are made anew from the stored chunks; what the ledger says stays."""
    document = _known(finding)
    if document.live_generation not in {0, document.generation}:
        # Only what is worked on is embedded, and the live one was to be replaced.
        why = document.reason.code if document.reason else ""
        return why not in PERMANENT_CODES and _start_over(finding, ports)
    parts = Work(ports.ledger.ranges(document)).parts(document, finding.ordinals)
    if not {n for part in parts for n in part.ordinals}.issuperset(finding.ordinals):
        return _start_over(finding, ports)  # rows of chunks that never were
    ports.queues.send_parts(parts, nonce=new_nonce(), trace_id=document.trace_id)
    return True


def _start_over(finding: Finding, ports: _Ports) -> bool:
    """From the uploaded bytes, as the next generation; the old one answers until it is there."""
    document = _known(finding)
    if ports.objects.size(document.upload_key) is None:
        return False
    start_over(document, ports.queues)
    return True


def _delete_orphans(finding: Finding, ports: _Ports) -> bool:
    """Asked again for each: a new version may have come since the doctor read the ledger."""
    ports.objects.delete(key for key in finding.keys if not _counts(key, ports.ledger))
    return True


def _counts(key: str, ledger: Ledger) -> bool:
    recognised = parse_recognised_key(key)
    if recognised is not None:
        partition, document_id = recognised
        document = ledger.get(partition.tenant, document_id)
        if document is None or document.status is Status.DELETED:
            return False
        return document.partition == partition
    stored = parse_stored_key(key)
    if stored is None:
        return False
    document = ledger.get(stored.partition.tenant, stored.document_id)
    if document is None or document.status is Status.DELETED:
        return False
    return document.partition == stored.partition and stored.generation in {
        document.live_generation,
        document.generation,
    }


def _delete_damaged(finding: Finding, ports: _Ports) -> bool:
    """What only they held is a finding of its own."""
    ports.objects.delete(finding.keys)
    return True


def _take_in(finding: Finding, ports: _Ports) -> bool:
    """Bytes that no document has are split as if their event had just come, or cleared away."""
    try:
        upload, _ = identify(finding.subject, ports.ledger)
    except MalformedMessage:
        return False  # no document can be of this key: move it or delete it
    owner = ports.ledger.get(upload.partition.tenant, upload.document_id)
    if owner is not None and owner.status is Status.DELETED and owner.delete_requested:
        clear_leftover(owner, ledger=ports.ledger, objects=ports.objects, queues=ports.queues)
        return True
    sequencer = just_after(owner.sequencer if owner else "")
    again = Uploaded(nonce=new_nonce(), key=finding.subject, sequencer=sequencer)
    ports.queues.send_pages([again])
    return True


def _delete_child(finding: Finding, ports: _Ports) -> bool:
    """Its parent may have come back since the doctor read the ledger."""
    document = _known(finding)
    tenant = document.partition.tenant
    parent = ports.ledger.get(tenant, document.parent)
    if parent is None or parent.status is Status.DELETED:
        remove(
            tenant,
            document.document_id,
            ledger=ports.ledger,
            objects=ports.objects,
            queues=ports.queues,
        )
    return True


def _leave(finding: Finding, ports: _Ports) -> bool:
    return False


def _known(finding: Finding) -> Document:
    if finding.document is None:
        raise AssertionError(f"{finding.kind} is about a document")
    return finding.document


_REPAIRS: dict[Kind, Callable[[Finding, _Ports], bool]] = {
    Kind.MISCOUNTED: _recount,
    Kind.FALSE_STATUS: _start_over,
    Kind.UNSETTLED: _settle,
    Kind.STUCK: _resume,
    Kind.MISSING_UPLOAD: _leave,
    Kind.ORPHAN_UPLOAD: _take_in,
    Kind.MISSING_CHUNKS: _start_over,
    Kind.MISSING_VECTORS: _embed_again,
    Kind.DAMAGED_VECTORS: _delete_damaged,
    Kind.ORPHAN_OBJECTS: _delete_orphans,
    Kind.MISSING_ROWS: _embed_again,
    Kind.EXTRA_ROWS: _extra_rows,
    Kind.DUPLICATE_ROWS: _start_over,
    Kind.MISCOUNTED_TENANT: _recount_tenant,
    Kind.ORPHAN_CHILD: _delete_child,
}
