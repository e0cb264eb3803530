"""What an examination of the stores finds, and what it has seen of the ledger by then."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from ragline.domain.documents import Document, Partition, Status
from ragline.domain.ledger import Audit, Work


class Kind(StrEnum):
    """What can be wrong."""

    MISCOUNTED = "miscounted"
    MISCOUNTED_TENANT = "miscounted_tenant"
    ORPHAN_CHILD = "orphan_child"
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
    """One thing that is wrong. ``subject`` is a document's id, an upload's key or a tenant.

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


Generation = tuple[str, str, int]  # tenant, document id, generation


@dataclass(slots=True)
class Examination:
    """What the ledger says, and what was found so far.

    ``fingerprint`` is that of the model by which all must be found. ``work`` has the records of
    every generation whose chunks are to be there: the live one, and the one that is worked on, or
    that failed and can be retried.
    """

    now: str
    fingerprint: str
    documents: dict[tuple[str, str], Document] = field(default_factory=dict)
    work: dict[Generation, Work] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    totals: Counter[str] = field(default_factory=Counter)

    def add(self, audit: Audit) -> None:
        """Take in what the ledger says of one document."""
        document = audit.document
        where = document.partition.tenant, document.document_id
        self.documents[where] = document
        self.totals["documents"] += 1
        if document.status in {Status.DELETED, Status.AWAITING_UPLOAD}:
            return  # generations of one that awaits its upload are those of a deleted document
        for generation in {document.live_generation, document.generation} - {0}:
            work = audit.work.get(generation, Work())
            self.work[*where, generation] = work
            self.totals["chunks"] += len(work.ordinals)

    def find(
        self,
        kind: Kind,
        document: Document,
        detail: str,
        ordinals: Sequence[int] = (),
        generation: int = 0,
    ) -> None:
        subject, partition = document.document_id, document.partition
        finding = Finding(
            kind, subject, detail, document, partition, ordinals, generation=generation
        )
        self.findings.append(finding)

    def counted(self) -> Iterator[tuple[Document, Generation, Work]]:
        for where, work in self.work.items():
            yield self.documents[where[:2]], where, work
