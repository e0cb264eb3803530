"""Orders housekeeping of the index where it was left untidy.

Whoever writes an index tidies it as it goes. What remains when the writing stops (some fragments
that every query opens, files of old versions) is found here, by the names of the files alone: the
indexer looks closer, and does it in its order.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import takewhile

from ragline.domain.documents import Partition
from ragline.domain.keys import index_prefix, parse_index_data_key
from ragline.domain.messages import Optimize
from ragline.ports import Objects, Queues

MANY_FILES = 8
"""A table that was tidied has one for each million rows."""


_STEP = (math.sqrt(5) - 1) / 2
_RUN_SECONDS = 300


def tidy(
    *, objects: Objects, queues: Queues, now: datetime, deadline: float = math.inf
) -> Sequence[Partition]:
    """Ask the indexer to look after the partitions whose tables have many files; which they are.

    An order that was given less than five minutes ago is not given again: the queue drops it.
    What is not listed by ``deadline``, in seconds of ``time.monotonic``, is not looked at; so that
    it is another time, the first table to be looked at is another one every five minutes.
    """
    tables = Counter(map(parse_index_data_key, _files(objects, now, deadline)))
    untidy = {table[0] for table, files in tables.items() if table and files >= MANY_FILES}
    partitions = sorted(untidy, key=str)
    queues.send_ops([Optimize(tenant=one.tenant, collection=one.collection) for one in partitions])
    return partitions


def _files(objects: Objects, now: datetime, deadline: float) -> Iterator[str]:
    """All files of the index, from the first table of this run on and round to it again."""

    def in_time(_: str = "") -> bool:
        return time.monotonic() <= deadline

    if not in_time():  # before the first page is asked for, too
        return
    tables = list(takewhile(in_time, objects.folders(index_prefix())))
    first = tables[_place(now, len(tables))] if tables else ""
    yield from takewhile(in_time, objects.list(index_prefix(), since=first))
    before = takewhile(lambda key: key < first, objects.list(index_prefix()))
    if first and in_time():
        yield from takewhile(in_time, before)


def _place(now: datetime, tables: int) -> int:
    """Where to begin. Steps of the golden ratio leave no part of a circle unvisited for long.

    https://en.wikipedia.org/wiki/Low-discrepancy_sequence#Additive_recurrence
    """
    run = int(now.timestamp()) // _RUN_SECONDS
    return int(run * _STEP % 1 * tables)
