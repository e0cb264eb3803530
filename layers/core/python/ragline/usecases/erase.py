"""Deleting a tenant, whole, and looking whether anything is left.

In this order, so that nothing that is under way brings anything back:

1. The tenant is closed: its keys open nothing, it has room for nothing (caps of 0), and its
   webhooks are told no more.
2. Every document is deleted, as its owner would: the ledger says so, the upload goes, and what was
   made of it is ordered away behind all that the index is still to do with it.
3. When the queues are empty, nobody works on a message about it any more. Till then the ledger
   keeps its documents, deleted: work that is late finds them, and ends.
4. Then what is left goes: objects, rows, and last the ledger's records.

The caps stay behind, so that a URL that was given out cannot open the tenant again: what comes by
it ends as failed. Doing all of it again is safe, and clears that away too.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

from ragline.domain.documents import Partition
from ragline.domain.messages import Drop, new_nonce
from ragline.domain.tenants import Caps
from ragline.ports import (
    Indexes,
    Keys,
    Ledger,
    Objects,
    Queues,
    Records,
    TenantSecrets,
    UsagePlans,
    Webhooks,
)
from ragline.usecases.remove import remove

PLACES = ("uploads", "chunks", "vectors", "ocr")
DEAD_LETTERS = "dead-letters"

CLOSED = Caps(documents=0, bytes=0, chunks=0)
"""Of a tenant that is deleted."""

_KEYS_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True)
class Places:
    """Wherever a tenant may have left something."""

    ledger: Ledger
    records: Records
    objects: Objects
    queues: Queues
    indexes: Indexes
    keys: Keys
    plans: UsagePlans
    webhooks: Webhooks
    secrets: TenantSecrets


def close(tenant: str, places: Places) -> int:
    """Let nobody in as the tenant, and tell nobody of it: how many keys it had."""
    known = len(places.keys.of(tenant))
    plan = places.keys.plan(tenant)
    if plan is not None:
        places.plans.remove(plan)
    places.keys.forget(tenant)
    for webhook in places.webhooks.of(tenant):
        places.webhooks.remove(tenant, webhook.webhook_id)
    places.secrets.remove(places.secrets.of(tenant))
    places.ledger.cap(tenant, CLOSED)
    return known


def delete_documents(tenant: str, places: Places) -> int:
    """Delete every document, those that were deleted before too: what they left may be there."""
    found = list(places.records.documents(tenant))
    for document_id in found:
        remove(
            tenant,
            document_id,
            ledger=places.ledger,
            objects=places.objects,
            queues=places.queues,
        )
    return len(found)


def drop_rows(tenant: str, places: Places) -> int:
    """Order away the tenant's tables, by the queue: a partition has one writer. How many."""
    drops = [
        Drop(
            nonce=new_nonce(),
            tenant=tenant,
            collection=partition.collection,
            fingerprint=fingerprint,
        )
        for partition in _partitions(tenant, places.indexes)
        for fingerprint in places.indexes.fingerprints(partition)
    ]
    places.queues.send_ops(drops)
    return len(drops)


def erase(tenant: str, places: Places) -> dict[str, int]:
    """Delete the objects and, last, the records; how many of each. Only when all is at rest."""
    for key, upload_id in list(places.objects.open_uploads(f"uploads/{tenant}/")):
        places.objects.drop_parts(key, upload_id)
    gone = {place: _clear(_objects(tenant, place, places.objects), places) for place in PLACES}
    gone[DEAD_LETTERS] = _clear(_letters(tenant, places.objects), places)
    gone["records"] = places.records.erase(tenant)
    return gone


def left(tenant: str, places: Places) -> dict[str, int]:
    """What is there of the tenant, by where; all of it looked for anew. All 0: nothing."""
    found = {place: _count(_objects(tenant, place, places.objects)) for place in PLACES}
    found["open uploads"] = _count(places.objects.open_uploads(f"uploads/{tenant}/"))
    found[DEAD_LETTERS] = _count(_letters(tenant, places.objects))
    found["index rows"] = sum(_rows(tenant, places.indexes).values())
    found["keys"] = len(places.keys.of(tenant))
    found["secrets"] = len(places.secrets.of(tenant))
    found["records"] = sum(places.records.of(tenant).values())
    return found


def _rows(tenant: str, indexes: Indexes) -> Mapping[Partition, int]:
    return {
        partition: sum(
            indexes.of(fingerprint).count(partition)
            for fingerprint in indexes.fingerprints(partition)
        )
        for partition in _partitions(tenant, indexes)
    }


def _partitions(tenant: str, indexes: Indexes) -> Iterator[Partition]:
    return (partition for partition in indexes.partitions() if partition.tenant == tenant)


def _objects(tenant: str, place: str, objects: Objects) -> Iterator[str]:
    return iter(objects.list(f"{place}/{tenant}/"))


def _letters(tenant: str, objects: Objects) -> Iterator[str]:
    """Dead letters that tell of the tenant; their keys do not, so each is read."""
    for key in objects.list(f"{DEAD_LETTERS}/"):
        data = objects.get(key)
        if data is not None and _tells_of(data, tenant):
            yield key


def _tells_of(letter: bytes, tenant: str) -> bool:
    """Whether a message about the tenant is in it, or the key of an upload of its own."""
    text = letter.decode(errors="replace")
    try:
        body = json.loads(text)["body"]
        text, message = body, json.loads(body)
    except (ValueError, KeyError, TypeError):
        return f"uploads/{tenant}/" in text
    owner = message.get("tenant") if isinstance(message, dict) else None
    return owner == tenant or f"uploads/{tenant}/" in text


def _clear(keys: Iterator[str], places: Places) -> int:
    cleared = 0
    found = iter(list(keys))  # what is listed must not change while it is
    while some := list(islice(found, _KEYS_AT_ONCE)):
        places.objects.delete(some)
        cleared += len(some)
    return cleared


def _count(found: Iterable[object]) -> int:
    return sum(1 for _ in found)
