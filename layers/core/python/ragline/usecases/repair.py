"""Repairing what the doctor found, by the same queues and rules as everything else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ragline.domain.documents import Document, Status
from ragline.domain.keys import just_after
from ragline.domain.messages import Delete, Uploaded, new_nonce
from ragline.ports import Ledger, Objects, Queues
from ragline.usecases.doctor import Finding, Kind
from ragline.usecases.remove import delete_op
from ragline.usecases.resume import resume, start_over
from ragline.usecases.settle import settle


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
    """Clear away all that does not count of a document, or of one that nobody knows."""
    document, nonce = finding.document, new_nonce()
    if document is not None and document.partition == finding.partition:
        below = document.live_generation or document.generation
        if document.status is Status.DELETED:
            below = document.generation + 1
        ports.queues.send_ops([delete_op(document, below=below, nonce=nonce)])
    elif finding.partition is not None:
        ports.queues.send_ops(
            [
                Delete(
                    nonce=nonce,
                    tenant=finding.partition.tenant,
                    collection=finding.partition.collection,
                    document_id=finding.subject,
                    generation=1,
                )
            ]
        )
    return True


def _extra_rows(finding: Finding, ports: _Ports) -> bool:
    """Rows of a dead generation go; those of a chunk that failed on the way back are written."""
    return _embed_again(finding, ports) if finding.ordinals else _remove(finding, ports)


def _embed_again(finding: Finding, ports: _Ports) -> bool:
    """Vectors and rows are made anew from the stored chunks; what the ledger says stays."""
    document = _known(finding)
    if document.generation not in {0, document.live_generation} and document.live_generation:
        return _start_over(finding, ports)  # the live one is not the one that is worked on
    parts = ports.ledger.work(document).parts(document, finding.ordinals)
    ports.queues.send_parts(parts, nonce=new_nonce())
    return True


def _start_over(finding: Finding, ports: _Ports) -> bool:
    """From the uploaded bytes, as the next generation; the old one answers until it is there."""
    document = _known(finding)
    if ports.objects.size(document.upload_key) is None:
        return False
    start_over(document, ports.queues)
    return True


def _delete_objects(finding: Finding, ports: _Ports) -> bool:
    ports.objects.delete(finding.keys)
    return True


def _take_in(finding: Finding, ports: _Ports) -> bool:
    """Bytes that no document has are split as if their event had just come, or cleared away."""
    sequencer = finding.document.sequencer if finding.document else ""
    again = Uploaded(nonce=new_nonce(), key=finding.subject, sequencer=just_after(sequencer))
    ports.queues.send_pages([again])
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
    Kind.ORPHAN_OBJECTS: _delete_objects,
    Kind.MISSING_ROWS: _embed_again,
    Kind.EXTRA_ROWS: _extra_rows,
    Kind.DUPLICATE_ROWS: _start_over,
}
