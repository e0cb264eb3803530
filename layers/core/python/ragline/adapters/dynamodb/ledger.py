"""The ledger in one DynamoDB table: what the rules of ``lifecycle`` decide, written atomically.

Two ways of writing. A document changes by reading META, asking the rule, and writing on the
condition that what the rule looked at is still so, else again. Counts change only in one
transaction with the record of the chunk or range that they count, on the condition that this
record is still as it was read: so a count moves exactly when a record does, whoever repeats it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal, TypeAlias

from ragline.adapters.backoff import Backoff
from ragline.adapters.cursors import EARLIEST, LATEST, decode_cursor, encode_cursor
from ragline.adapters.dynamodb import items, writes
from ragline.adapters.dynamodb.table import TRANSACTION, Table, Written
from ragline.adapters.dynamodb.upkeep import Upkeep
from ragline.domain import lifecycle
from ragline.domain.documents import TERMINAL, Document, Partition, Reason, Status
from ragline.domain.errors import Throttled, WriteConflict
from ragline.domain.ledger import ChunkState, DocumentPage, Failure, Multipart, NewDocument
from ragline.domain.lifecycle import MAX_FAILURES, Record
from ragline.domain.tenants import NO_CAPS, Caps, Holdings, held_by
from ragline.domain.times import check_time, iso, utc_now
from ragline.ports import LedgerWatch

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import TransactWriteItemTypeDef

    from ragline.adapters.dynamodb.items import Item

_STATE = ("status", "generation", "sequencer", "delete_requested")
"""What every rule looks at; rules that look at counts guard those as well."""

_HELD = ("chunks_total", "size")
"""What of META moves what its tenant holds, and may do so without a change of state."""

Guess: TypeAlias = ChunkState | Literal["read"] | None
"""Where chunks are, unread: in that state, not recorded yet (None), or not to be guessed."""

TERMINAL_OR_IDLE = sorted({*TERMINAL, Status.AWAITING_UPLOAD})
"""Statuses in which no chunk is made pending: nobody would take it up."""

_FAILURES_KEPT = timedelta(days=90)

_PAGE = 100
_PAGES_PER_LIST = 10


class DynamoLedger(Upkeep):
    """``ports.Ledger``. Threads may share it, as they may its client."""

    def __init__(
        self,
        table_name: str,
        *,
        client: DynamoDBClient,
        now: Callable[[], datetime] = utc_now,
        backoff: Backoff | None = None,
        watch: LedgerWatch | None = None,
    ) -> None:
        self._table = Table(table_name, client, backoff or Backoff())
        self._clock = now
        self._watch = watch

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
            guard=(*_STATE, "checksum"),
            known=document,
        )

    def plan_ranges(self, document: Document, ranges: int, pages: int) -> None:
        self._change(
            document.partition.tenant,
            document.document_id,
            lambda old: lifecycle.planned(old, document.generation, ranges, pages, self._now()),
            guard=(*_STATE, "ranges_total"),
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
            lambda old: lifecycle.settled(old, generation, advice, self._now()),
            # The times are written as one: those that were read long ago are not to come back.
            guard=(*_STATE, *items.COUNTS, "timings"),
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

    def delete(self, tenant: str, document_id: str, sequencer: str = "") -> Document | None:
        old, record = self._change(
            tenant, document_id, lambda old: lifecycle.removed(old, sequencer, self._now())
        )
        return old.document if old and record and lifecycle.deletes(old, record) else None

    def record_range(self, document: Document, number: int, chunks: int, pages: int) -> None:
        now = self._now()
        counts = {"ranges_done": 1, "chunks_total": chunks, "pages_done": pages}
        meta = writes.add_counts(self._table.name, document, counts, now)
        item = items.range_item(document, number, chunks, pages, now)
        place: TransactWriteItemTypeDef = {"Put": writes.put_absent(self._table.name, item)}
        totals = self._held(document, Holdings(chunks=chunks))
        last: Written = "conflict"
        for _ in self._table.backoff.attempts():
            last = self._table.transact([meta, place, *totals])
            if last in {"done", "stale"}:
                break
            if last == "refused":
                return
        else:
            raise _gave_up(document, last)
        # Also when the range was recorded before: whoever did may have died right here.
        self._change(
            document.partition.tenant,
            document.document_id,
            lambda old: lifecycle.split(old, document.generation, self._now()),
        )

    def record_whole(self, document: Document, chunks: int, pages: int) -> Document | None:
        """As the port says: in one transaction, where nothing of the generation is recorded yet."""
        # As if it had been repaired once: a change of status ends that, and whether there is such
        # an attribute to remove is not known here, nor does it matter.
        old, now = Record(document, repairs=1), self._now()
        new = lifecycle.cut_whole(old, document.generation, chunks, pages, now)
        if new is not None:
            raw, item = items.meta_item(old), items.meta_item(new)
            # The times are written as one: those of a document read long ago are not to come back.
            guard = (*_STATE, *items.COUNTS, "timings")
            meta = writes.update_unchanged(self._table.name, raw, item, guard)
            place = writes.put_absent(
                self._table.name, items.range_item(document, 0, chunks, pages, now)
            )
            totals = self._held(document, Holdings(chunks=chunks))
            for _ in self._table.backoff.attempts():
                last = self._table.transact([{"Update": meta}, {"Put": place}, *totals])
                if last == "done":
                    self._tell(old, new)
                    return new.document
                if last in {"refused", "stale"}:
                    break
        self.plan_ranges(document, 1, pages)
        self.record_range(document, 0, chunks, pages)
        return self.get(document.partition.tenant, document.document_id)

    def record_chunks(
        self,
        document: Document,
        ordinals: Sequence[int],
        state: ChunkState,
        reason: Reason | None = None,
    ) -> None:
        wanted = sorted(set(ordinals))
        step = TRANSACTION - 1  # META is one of them
        guess = _guess(document, len(wanted), state)
        for start in range(0, len(wanted), step):
            if not self._advance(document, wanted[start : start + step], state, reason, guess):
                return

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

    def open_upload(self, document: Document, upload: Multipart | None, seconds: int = 0) -> bool:
        _, record = self._change(
            document.partition.tenant,
            document.document_id,
            lambda old: lifecycle.uploading(old, upload, seconds, self._now()),
            guard=(*_STATE, "upload"),
        )
        return record is not None

    def upload(self, tenant: str, document_id: str) -> Multipart | None:
        found = self._table.get(items.document_pk(tenant, document_id), items.META)
        return items.read_record(found).upload if found else None

    def get(self, tenant: str, document_id: str) -> Document | None:
        found = self._table.get(items.document_pk(tenant, document_id), items.META)
        return items.read_record(found).document if found else None

    def get_many(self, tenant: str, document_ids: Collection[str]) -> dict[str, Document]:
        wanted = sorted(set(document_ids))
        keys = [items.key(items.document_pk(tenant, one), items.META) for one in wanted]
        found = (items.read_record(item).document for item in self._table.batch_get(keys))
        return {document.document_id: document for document in found}

    def list(
        self,
        partition: Partition,
        *,
        status: Status | None = None,
        since: str | None = None,
        until: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> DocumentPage:
        """As the port says, of ``since <= created_at < until``.

        The index only says which documents there are; what they are is read consistently.
        """
        low = check_time(since, "since") if since else EARLIEST
        high = check_time(until, "until") if until else LATEST
        if cursor:
            # A bound, not a start key: DynamoDB refuses one that other bounds leave out.
            high = min(high, decode_cursor(partition, cursor)[0])
        found: list[Document] = []
        start: Item | None = None
        for _ in range(_PAGES_PER_LIST if low < high else 0):
            page, start = self._page(partition, low, high, start)
            for position, (place, document) in enumerate(page, start=1):
                if lifecycle.listed(document, partition, status):
                    found.append(document)
                if len(found) == limit:
                    more = start or position < len(page)
                    return DocumentPage(found, encode_cursor(partition, place) if more else None)
            if start is None:
                break
        last = encode_cursor(partition, start["GSI1SK"]["S"]) if start else None
        return DocumentPage(found, last)

    def retry(self, document: Document, left: Reason | None = None) -> Document | None:
        _, record = self._change(
            document.partition.tenant,
            document.document_id,
            lambda old: lifecycle.retried(old, document.generation, left, self._now()),
            guard=(*_STATE, *items.COUNTS),
        )
        return record.document if record else None

    def reopen(self, document: Document, ordinals: Sequence[int]) -> bool:
        now = self.get(document.partition.tenant, document.document_id)
        if now is None or now.terminal or not now.wants(document.generation):
            return False  # asked here as well, since writes only ask when a chunk has failed
        step = TRANSACTION - 1  # META is one of them
        wanted = sorted(set(ordinals))
        runs = (wanted[start : start + step] for start in range(0, len(wanted), step))
        return all(self._reopen(document, run) for run in runs)

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
            guard=(*_STATE, "lease_until"),
        )

    def forget(self, tenant: str, document_id: str, below: int, keep: int = 0) -> None:
        self._drop_records(tenant, document_id, below, keep)
        self._change(tenant, document_id, lambda old: lifecycle.purged(old, below - 1))

    def recount(self, document: Document) -> None:
        def rule(old: Record | None) -> Record | None:
            # Read after META: a record that moves meanwhile moves what is guarded; the time too,
            # since moves can make up for one another in the counts.
            return lifecycle.recounted(old, document.generation, self.work(document).counts())

        self._change(
            document.partition.tenant,
            document.document_id,
            rule,
            guard=(*_STATE, *items.COUNTS, "updated_at"),
        )

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

    def _now(self) -> str:
        return iso(self._clock())

    def _change(
        self,
        tenant: str,
        document_id: str,
        rule: Callable[[Record | None], Record | None],
        *,
        guard: Sequence[str] = _STATE,
        first: Callable[[], None] | None = None,
        whole: bool = False,
        known: Document | None = None,
        caps: Caps = NO_CAPS,
        guess: Record | None = None,
    ) -> tuple[Record | None, Record | None]:
        """Read META, ask the rule, write if nothing in ``guard`` changed meanwhile, else again.

        Returns what was read and what the rule made of it (None: refused). ``first`` is done
        before a write. ``whole`` replaces the item, else only what the rule changed is written.
        ``known`` is what the caller read a moment ago: it is tried before anything is read (and
        nothing is returned of it), where the rule moves nothing of a record but its document.
        ``guess`` stands for what would be read first: the condition proves it, where ``guard``
        holds all that the rule looks at.
        What the tenant holds moves with the write that changes it, within the ``caps``.

        Raises:
            QuotaExceeded: it would pass one of them.
        """
        if known is not None and self._moved_on(known, rule, guard):
            return None, None
        last: Written = "conflict"
        for attempt in self._table.backoff.attempts():
            if guess is not None and not attempt:
                raw: Item | None = items.meta_item(guess)
            else:
                raw = self._table.get(items.document_pk(tenant, document_id), items.META)
            old = items.read_record(raw) if raw else None
            new = rule(old)
            if new is None or new == old:
                return old, new
            if first:
                first()
            by = held_by(new.document) - held_by(old.document if old else None)
            item = items.meta_item(new)
            # What it holds was worked out from these: they must not move meanwhile, unseen.
            held = _HELD if by or whole else ()
            still = (*guard, *(name for name in held if name not in guard))
            write: TransactWriteItemTypeDef
            if whole or raw is None:
                write = {"Put": writes.put_unchanged(self._table.name, raw, item, still)}
            else:
                write = {"Update": writes.update_unchanged(self._table.name, raw, item, still)}
            last = self._write(write, new.document, by, caps)
            if last == "done":
                self._tell(old, new)
                return old, new
        if last == "throttled":
            raise Throttled(f"document {document_id} could not be written: the table is throttled.")
        raise WriteConflict(f"document {document_id} keeps changing.")

    def _write(
        self, write: TransactWriteItemTypeDef, document: Document, by: Holdings, caps: Caps
    ) -> Written:
        """Write META, and with it what its tenant holds if that changes.

        Raises:
            QuotaExceeded: a cap leaves no room for it.
        """
        if not by:
            update = write.get("Update")
            done = self._table.update(update) if update else self._table.put(write["Put"])
            return "done" if done else "conflict"
        tenant = document.partition.tenant
        totals = writes.move_totals(self._table.name, tenant, by, caps)
        last = self._table.transact([write, totals])
        if last == "stale":
            # None raised: room was made a moment ago.
            self.tenant(tenant).check_room(by, document.filename)
        return last

    def _held(self, document: Document, by: Holdings) -> Sequence[TransactWriteItemTypeDef]:
        """The write that moves what the document's tenant holds; none if nothing moves."""
        if not by:
            return []
        return [writes.move_totals(self._table.name, document.partition.tenant, by)]

    def _tell(self, old: Record | None, new: Record) -> None:
        """Whoever wrote a change tells of it, so it is told once; or never, if it died here."""
        before = old.document.status if old else None
        if self._watch is not None and before is not new.document.status:
            self._watch.moved(new.document)

    def _moved_on(
        self, known: Document, rule: Callable[[Record | None], Record | None], guard: Sequence[str]
    ) -> bool:
        """Write what the rule makes of what is known; False if it has to be read after all."""
        old = Record(known)
        new = rule(old)
        if new is None or new == old:
            return False
        raw, item = items.meta_item(old), items.meta_item(new)
        return self._table.update(writes.update_unchanged(self._table.name, raw, item, guard))

    def _advance(
        self,
        document: Document,
        ordinals: Sequence[int],
        state: ChunkState,
        reason: Reason | None,
        guess: Guess = "read",
    ) -> bool:
        """Move the chunks of one transaction; False if their generation is unwanted.

        A ``guess`` of where they are is tried first: the conditions of the writes prove it.
        """
        last: Written = "conflict"
        name, cause = self._table.name, reason if state is ChunkState.FAILED else None
        for attempt in self._table.backoff.attempts():
            if guess == "read" or attempt:
                present = self._states(document, ordinals)
            else:
                present = dict.fromkeys(ordinals, guess) if guess else {}
            moving = lifecycle.advancing(present, ordinals, state)
            if not moving:
                return True
            now, by = self._now(), lifecycle.deltas(present, moving, state)
            counts = {which.name.lower(): change for which, change in by.items()}
            meta = writes.add_counts(name, document, counts, now, cause)
            last = self._table.transact(
                [meta]
                + [
                    writes.put_chunk(name, document, n, present.get(n), state, cause, now)
                    for n in moving
                ]
            )
            if last == "done" and self._watch is not None:
                self._watch.counted(state, len(moving))
            if last in {"done", "refused"}:
                return last == "done"
        raise _gave_up(document, last)

    def _reopen(self, document: Document, ordinals: Sequence[int]) -> bool:
        """Make the failed chunks of one transaction pending; False if the work is not under way."""
        last: Written = "conflict"
        name = self._table.name
        for _ in self._table.backoff.attempts():
            present = self._states(document, ordinals)
            moving = [n for n in ordinals if present.get(n) is ChunkState.FAILED]
            if not moving:
                return True
            counts = {"failed": -len(moving)}
            meta = writes.add_counts(name, document, counts, self._now(), unless=TERMINAL_OR_IDLE)
            drops = [writes.drop_failed(name, document, n) for n in moving]
            last = self._table.transact([meta, *drops])
            if last in {"done", "refused"}:
                return last == "done"
        raise _gave_up(document, last)

    def _states(self, document: Document, ordinals: Sequence[int]) -> dict[int, ChunkState]:
        pk = items.document_pk(document.partition.tenant, document.document_id)
        by_sk = {items.chunk_sk(document.generation, n): n for n in ordinals}
        found = self._table.batch_get([items.key(pk, sk) for sk in by_sk])
        return {by_sk[item["SK"]["S"]]: items.read_state(item) for item in found}

    def _page(
        self, partition: Partition, low: str, high: str, start: Item | None
    ) -> tuple[Sequence[tuple[str, Document]], Item | None]:
        """One page of ``low <= place < high``, newest first, and where the next one starts."""
        after = {"ExclusiveStartKey": start} if start else {}
        answer = self._table.query(
            IndexName=items.BY_COLLECTION,
            KeyConditionExpression="GSI1PK = :pk AND GSI1SK BETWEEN :low AND :high",
            ExpressionAttributeValues={
                ":pk": {"S": items.collection_pk(partition)},
                ":low": {"S": low},
                ":high": {"S": high},
            },
            ProjectionExpression="GSI1SK",
            ScanIndexForward=False,
            Limit=_PAGE,
            **after,
        )
        places = [item["GSI1SK"]["S"] for item in answer["Items"]]
        ids = {place: place.partition("#")[2] for place in places if place < high}
        known = self.get_many(partition.tenant, ids.values())
        page = [(place, known[one]) for place, one in ids.items() if one in known]
        return page, answer.get("LastEvaluatedKey")

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


def _guess(document: Document, chunks: int, state: ChunkState) -> Guess:
    """Where so many chunks are that go to ``state``: told by the counts if there are so many there.

    A wrong guess costs the writes of a cancelled transaction, where reading first costs one read a
    chunk; so what was most likely done before, as by an earlier delivery, is read.
    """
    counts = document.progress
    if state is ChunkState.INDEXED and counts.embedded >= chunks:
        return ChunkState.EMBEDDED
    pending = counts.chunks_total - counts.embedded - counts.indexed - counts.failed
    return None if state is ChunkState.EMBEDDED and pending >= chunks else "read"


def _ends_well(document: Document) -> bool:
    """Whether it is to end, and no chunk failed: why one did, only the record knows."""
    progress = document.progress
    return progress.complete and not progress.failed and not document.terminal


def _unread(document: Document | None) -> Record | None:
    """The record of a document that was read without it, where a change of status comes next.

    As if it held a lease and had been repaired: a change of status writes or removes both, and
    whether there are such attributes to remove is not known here, nor does it matter.
    """
    return Record(document, lease_until="unread", repairs=1) if document else None


def _gave_up(document: Document, last: Written) -> Throttled | WriteConflict:
    what = f"document {document.document_id}: counts could not be written"
    if last == "throttled":
        return Throttled(f"{what}: the table is throttled.")
    return WriteConflict(f"{what}: other writers were faster every time.")
