"""The ledger in one DynamoDB table: what the rules of ``lifecycle`` decide, written atomically.

Two ways of writing. A document changes by reading META, asking the rule, and writing on the
condition that what the rule looked at is still so, else again (``documents``). Counts change only
in one transaction with the record of the chunk or range that they count, on the condition that this
record is still as it was read: so a count moves exactly when a record does, whoever repeats it
(``counting``).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from ragline.adapters.dynamodb import items, writes
from ragline.adapters.dynamodb.analyses import drop_analyses
from ragline.adapters.dynamodb.children import Children
from ragline.adapters.dynamodb.collections import Collections
from ragline.adapters.dynamodb.counting import Counting
from ragline.adapters.dynamodb.documents import STATE
from ragline.adapters.dynamodb.upkeep import Upkeep
from ragline.domain import lifecycle
from ragline.domain.documents import Document, Partition, Reason, Status
from ragline.domain.errors import WriteConflict
from ragline.domain.ledger import Failure, Multipart, NewDocument, counts_of
from ragline.domain.lifecycle import MAX_FAILURES, Record
from ragline.domain.tenants import NO_CAPS, Caps

if TYPE_CHECKING:
    from ragline.adapters.dynamodb.items import Item

_FAILURES_KEPT = timedelta(days=90)


class DynamoLedger(Counting, Upkeep, Collections, Children):
    """``ports.Ledger``. Threads may share it, as they may its client."""

    def create(self, new: NewDocument, caps: Caps = NO_CAPS) -> Document:
        old, record = self._change(
            new.partition.tenant,
            new.document_id,
            lambda old: lifecycle.created(old, new, self._now()),
            first=lambda: self._add_fields(new),
            whole=True,
            caps=caps,
        )
        made = record or old
        assert made is not None  # noqa: S101 - the rule never refuses
        return made.document

    def begin(
        self,
        new: NewDocument,
        sequencer: str,
        fingerprint: str,
        *,
        known: Document | None = None,
    ) -> Document | None:
        _, record = self._change(
            new.partition.tenant,
            new.document_id,
            lambda old: lifecycle.begun(old, new, sequencer, fingerprint, self._now()),
            first=lambda: self._add_fields(new),
            whole=True,
            guess=_unread(known),
        )
        return record.document if record else None

    def identify(self, document: Document, checksum: str) -> None:
        self._change(
            document.partition.tenant,
            document.document_id,
            lambda old: lifecycle.identified(old, document.generation, checksum, self._now()),
            guard=(*STATE, "checksum"),
            known=document,
        )

    def settle(
        self,
        tenant: str,
        document_id: str,
        generation: int,
        *,
        advice: str = "",
        known: Document | None = None,
    ) -> Document | None:
        _, record = self._change(
            tenant,
            document_id,
            lambda old: lifecycle.settled(
                old, generation, advice, self._now(), lambda: self._why_unread(old)
            ),
            # The times are written as one: those that were read long ago are not to come back.
            guard=(*STATE, *items.COUNTS, "timings"),
            guess=_unread(known) if known and _ends_well(known) else None,
        )
        return record.document if record else None

    def fail(
        self, tenant: str, document_id: str, generation: int, reason: Reason, *, advice: str = ""
    ) -> None:
        self._change(
            tenant,
            document_id,
            lambda old: lifecycle.failed(old, generation, reason, advice, self._now()),
        )

    def open_upload(self, document: Document, upload: Multipart | None, seconds: int = 0) -> bool:
        _, record = self._change(
            document.partition.tenant,
            document.document_id,
            lambda old: lifecycle.uploading(old, upload, seconds, self._now()),
            guard=(*STATE, "upload"),
        )
        return record is not None

    def retry(
        self, document: Document, left: Reason | None = None, *, split: bool = False
    ) -> Document | None:
        _, record = self._change(
            document.partition.tenant,
            document.document_id,
            lambda old: lifecycle.retried(old, document.generation, left, self._now(), split),
            guard=(*STATE, *items.COUNTS),
        )
        return record.document if record else None

    def expire(self, tenant: str, document_id: str, reason: Reason) -> bool:
        _, record = self._change(
            tenant, document_id, lambda old: lifecycle.expired(old, reason, self._now())
        )
        return record is not None

    def renew(self, document: Document, *, repaired: bool) -> None:
        self._change(
            document.partition.tenant,
            document.document_id,
            lambda old: lifecycle.renewed(old, document.generation, repaired, self._now()),
            guard=(*STATE, "lease_until"),
        )

    def forget(
        self,
        tenant: str,
        document_id: str,
        below: int,
        keep: int = 0,
        *,
        deadline: float = math.inf,
    ) -> None:
        self._drop_records(tenant, document_id, below, keep, deadline)
        self._drop_children(tenant, document_id, below, keep)
        document = self.get(tenant, document_id)
        if document is not None and document.status is Status.DELETED:
            drop_analyses(self._table, items.document_pk(tenant, document_id))
        self._change(tenant, document_id, lambda old: lifecycle.purged(old, below - 1))

    def recount(self, document: Document) -> None:
        def rule(old: Record | None) -> Record | None:
            # Read after META: a record that moves meanwhile moves what is guarded; the time too,
            # since moves can make up for one another in the counts.
            return lifecycle.recounted(old, document.generation, self._counts(document))

        self._change(
            document.partition.tenant,
            document.document_id,
            rule,
            guard=(*STATE, *items.COUNTS, "updated_at"),
        )

    def claim_content(
        self, partition: Partition, checksum: str, document_id: str, *, arrived: bool = False
    ) -> str:
        claim: Item = {
            **items.key(items.claim_pk(partition, checksum), items.CLAIM),
            "document_id": {"S": document_id},
        }
        raw: Item | None = None
        for _ in self._table.backoff.attempts():
            write = writes.put_unchanged(self._table.name, raw, claim, ["document_id"])
            if self._table.put(write):
                return document_id
            raw = self._table.get(claim["PK"]["S"], items.CLAIM)
            owner = raw["document_id"]["S"] if raw else ""
            holder = self.get(partition.tenant, owner) if owner else None
            if owner and lifecycle.owns(holder, partition, checksum, arrived):
                return owner
        raise WriteConflict(f"the claim of content {checksum} keeps changing.")

    def content_owner(self, partition: Partition, checksum: str) -> str:
        found = self._table.get(items.claim_pk(partition, checksum), items.CLAIM)
        return found["document_id"]["S"] if found else ""

    def record_failure(self, tenant: str, document_id: str, failure: Failure) -> None:
        sk = items.failure_sk(failure.generation, failure.reason)
        key = items.key(items.document_pk(tenant, document_id), sk)
        ttl = int((self._clock() + _FAILURES_KEPT).timestamp())
        # False: this very letter was counted before.
        self._table.update(writes.count_failure(self._table.name, key, failure, self._now(), ttl))

    def failures(self, tenant: str, document_id: str) -> Sequence[Failure]:
        """The newest generation's first; at most ``MAX_FAILURES``."""
        answer = self._table.query(
            KeyConditionExpression="PK = :pk AND begins_with(SK, :prefix)",
            ExpressionAttributeValues={
                ":pk": {"S": items.document_pk(tenant, document_id)},
                ":prefix": {"S": "FAILURE#"},
            },
            ConsistentRead=True,
            ScanIndexForward=False,
            Limit=MAX_FAILURES,
        )
        return [items.read_failure(item) for item in answer["Items"]]

    def metadata_fields(self, partition: Partition) -> frozenset[str]:
        found = self._table.get(items.collection_pk(partition), items.META)
        return frozenset(found["fields"]["SS"]) if found else frozenset()

    def _counts(self, document: Document) -> dict[str, int]:
        """What the records of the generation say, read page by page."""
        ranges = self.ranges(document)
        return counts_of(ranges.values(), Counter(state for _, state in self._chunks(document)))

    def _add_fields(self, new: NewDocument) -> None:
        """Keep the metadata's field names, before a document that has them can be found."""
        if not new.metadata:
            return
        added = lifecycle.new_fields(self.metadata_fields(new.partition), new)
        if added:
            self._table.apply(
                {
                    "TableName": self._table.name,
                    "Key": items.key(items.collection_pk(new.partition), items.META),
                    "UpdateExpression": "ADD #fields :fields",
                    "ExpressionAttributeNames": {"#fields": "fields"},
                    "ExpressionAttributeValues": {":fields": {"SS": added}},
                }
            )


def _ends_well(document: Document) -> bool:
    """Whether it is to end, and nothing failed: why it did, only the records know."""
    progress = document.progress
    whole = not progress.failed and not progress.unread
    return progress.complete and whole and not document.terminal


def _unread(document: Document | None) -> Record | None:
    """The record of a document that was read without it, where a change of status comes next.

    As if it held a lease and had been repaired: a change of status writes or removes both, and
    whether there are such attributes to remove is not known here, nor does it matter.
    """
    return Record(document, lease_until="unread", repairs=1) if document else None
