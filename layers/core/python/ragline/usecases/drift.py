"""Whether the index still holds what the ledger says: a sample, compared every hour of what is new
and once a day of anything.

`ragline doctor` compares everything and takes minutes; this takes a few reads, and is for an alarm.
The comparison travels through the queue of the index's one writer, so it comes after every write
that was ordered before it, and nothing is written while it counts.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ragline.domain.documents import SEARCHABLE, Document, Partition
from ragline.domain.keys import index_prefix, parse_index_data_key
from ragline.domain.lifecycle import WORK_LEASE
from ragline.domain.messages import Optimize
from ragline.domain.times import iso
from ragline.ports import Indexes, Ledger, Objects, Queues

PARTITIONS = 20
"""Partitions that one sample is of."""

NEWEST = 50
"""Of so many of a partition's newest documents some are compared: most faults are recent ones."""

DOCUMENTS = 5
"""Documents of a partition that are compared."""

RECENT = timedelta(hours=2)
"""What ended before that is compared in the first hour of a day (UTC) only. Nothing writes to it,
and each comparison wakes the indexer, whose metrics are paid by the hour in which they are sent."""


@dataclass(frozen=True, slots=True)
class Drift:
    """Chunks that the ledger has as indexed (``compared``), those of them that have no row
    (``missing``), and rows of the same documents that the ledger does not account for
    (``surplus``)."""

    compared: int = 0
    missing: int = 0
    surplus: int = 0

    def __add__(self, other: Drift) -> Drift:
        return Drift(
            self.compared + other.compared,
            self.missing + other.missing,
            self.surplus + other.surplus,
        )


def order_comparison(
    *, ledger: Ledger, objects: Objects, queues: Queues, now: datetime
) -> Sequence[Optimize]:
    """Have the indexer compare a random sample; what was asked for.

    Partitions are known by their files, so with an index that is elsewhere there are none.
    """
    tables = {
        table[0] for table in map(parse_index_data_key, objects.list(index_prefix())) if table
    }
    known = sorted(tables, key=str)
    chosen = random.sample(known, min(PARTITIONS, len(known)))
    asked = [one for one in (_order(partition, ledger, now) for partition in chosen) if one]
    queues.send_ops(asked)
    return asked


def compare(
    partition: Partition, document_ids: Collection[str], *, ledger: Ledger, indexes: Indexes
) -> Drift:
    """Count the rows of these documents; one that changed meanwhile tells nothing."""
    before = ledger.get_many(partition.tenant, document_ids)
    wanted = {name: one for name, one in before.items() if _settled(one, partition)}
    found = {name: _compared(partition, one, indexes) for name, one in wanted.items()}
    after = ledger.get_many(partition.tenant, list(wanted))
    still = [drift for name, drift in found.items() if after.get(name) == wanted[name]]
    return sum(still, Drift())


def _order(partition: Partition, ledger: Ledger, now: datetime) -> Optimize | None:
    """What ended long enough ago that the rows of the version before are gone, too."""
    page = ledger.list(partition, until=iso(now - WORK_LEASE), limit=NEWEST)
    since, until = "" if now.hour == 0 else iso(now - RECENT), iso(now - WORK_LEASE)
    names = [
        one.document_id
        for one in page.documents
        if _settled(one, partition) and since <= one.updated_at < until
    ]
    if not names:
        return None
    some = tuple(sorted(random.sample(names, min(DOCUMENTS, len(names)))))
    return Optimize(tenant=partition.tenant, collection=partition.collection, compare=some)


def _settled(document: Document, partition: Partition) -> bool:
    """Whether its rows are of one generation, and all written."""
    live = document.live_generation == document.generation
    return document.partition == partition and document.status in SEARCHABLE and live


def _compared(partition: Partition, document: Document, indexes: Indexes) -> Drift:
    """By the model whose rows match best: another one's are being written while it is changed."""
    indexed = document.progress.indexed
    counts = [
        indexes.of(fingerprint).count(partition, document.document_id)
        for fingerprint in indexes.fingerprints(partition)
    ]
    rows = min(counts, key=lambda count: abs(count - indexed), default=0)
    return Drift(indexed, max(0, indexed - rows), max(0, rows - indexed))
