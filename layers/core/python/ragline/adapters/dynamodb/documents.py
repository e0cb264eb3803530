"""One document's META: read, and changed as the rules of ``lifecycle`` say."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, TypeAlias

from ragline.adapters.backoff import Backoff
from ragline.adapters.dynamodb import items, writes
from ragline.adapters.dynamodb.table import Table, Written
from ragline.adapters.dynamodb.tenants import Tenants
from ragline.domain.documents import Document
from ragline.domain.errors import Throttled, WriteConflict
from ragline.domain.ledger import Multipart
from ragline.domain.lifecycle import Record
from ragline.domain.tenants import NO_CAPS, Caps, Holdings, held_by
from ragline.domain.times import iso, utc_now
from ragline.ports import LedgerWatch

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import TransactWriteItemTypeDef

    from ragline.adapters.dynamodb.items import Item

Rule: TypeAlias = Callable[[Record | None], Record | None]
"""What a record becomes; None if it is to stay as it is."""

STATE = ("status", "generation", "sequencer", "delete_requested")
"""What every rule looks at; rules that look at counts guard those as well."""

HELD_BY_META = ("chunks_total", "size")
"""What of META moves what its tenant holds, and may do so without a change of state."""


class Documents(Tenants):
    """The part of ``DynamoLedger`` that reads and changes documents one by one."""

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

    def get(self, tenant: str, document_id: str) -> Document | None:
        found = self._table.get(items.document_pk(tenant, document_id), items.META)
        return items.read_record(found).document if found else None

    def get_many(self, tenant: str, document_ids: Collection[str]) -> dict[str, Document]:
        wanted = sorted(set(document_ids))
        keys = [items.key(items.document_pk(tenant, one), items.META) for one in wanted]
        found = (items.read_record(item).document for item in self._table.batch_get(keys))
        return {document.document_id: document for document in found}

    def upload(self, tenant: str, document_id: str) -> Multipart | None:
        found = self._table.get(items.document_pk(tenant, document_id), items.META)
        return items.read_record(found).upload if found else None

    def _now(self) -> str:
        return iso(self._clock())

    def _change(
        self,
        tenant: str,
        document_id: str,
        rule: Rule,
        *,
        guard: Sequence[str] = STATE,
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
        ``guess`` stands for what would be read first, where the rule makes a write of it: the
        condition proves it, where ``guard`` holds all that the rule looks at.
        What the tenant holds moves with the write that changes it, within the ``caps``.

        Raises:
            QuotaExceeded: it would pass one of them.
        """
        if known is not None and self._moved_on(known, rule, guard):
            return None, None
        if guess is not None and rule(guess) in (None, guess):
            guess = None  # there is no condition to prove a refusal
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
            held = HELD_BY_META if by or whole else ()
            # A whole item replaces the count of its children, which moves while the state stays.
            held = (*held, "children") if whole else held
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

    def _tell(self, old: Record | None, new: Record) -> None:
        """Whoever wrote a change tells of it, so it is told once; or never, if it died here."""
        before = old.document.status if old else None
        if self._watch is not None and before is not new.document.status:
            self._watch.moved(new.document)

    def _moved_on(self, known: Document, rule: Rule, guard: Sequence[str]) -> bool:
        """Write what the rule makes of what is known; False if it has to be read after all."""
        old = Record(known)
        new = rule(old)
        if new is None or new == old:
            return False
        raw, item = items.meta_item(old), items.meta_item(new)
        return self._table.update(writes.update_unchanged(self._table.name, raw, item, guard))
