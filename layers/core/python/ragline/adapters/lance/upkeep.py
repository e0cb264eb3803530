"""Housekeeping of a Lance table: when it is due, what is done, and how long it may take.

Only speed depends on it. Rows that no index covers yet are scanned by both legs, so a row is found
as soon as it is written, and while the table is folded.
"""

from __future__ import annotations

import logging
import threading
import time
from datetime import datetime, timedelta
from typing import Any

from ragline.adapters.lance.tables import Handle
from ragline.domain.documents import Partition
from ragline.domain.stop_words import STOP_WORDS

TEXT_INDEX = "text_idx"
VECTOR_INDEX = "vector_idx"

KEEP_OLD_VERSIONS = timedelta(minutes=10)
"""A reader may be in the middle of a query on a version that compaction has just replaced."""

MAX_COMMITS = 25
MAX_UNINDEXED = 1_000
PER_ROWS = 25
"""When to fold the table: after ``MAX_COMMITS`` commits (each leaves a fragment that every query
opens), or with ``MAX_UNINDEXED`` rows outside the indexes (they are scanned, 40-70 µs each, and
scored by other statistics: https://github.com/lance-format/lance/issues/9058). Folding rewrites
the table, so a large one waits for a 25th of its rows (the commits: as if of 160 rows each), or
until ten times as long has passed as the last fold took: then folding is 9 % of the time at most.
"""

REST = 10

IDLE_COMMITS = 5
IDLE = timedelta(minutes=11)
"""A table that was not written for so long is folded after fewer commits, and loses what only its
old versions need, which are all out of use by then."""

ANN_FROM_ROWS = 10_000
"""From here on the dense leg has an index: below, reading every vector is as fast (6 ms)."""

FOLD_SECONDS = 45
"""How long a caller waits for a fold. The indexer has 120 s in all; a fold of 300,000 rows takes
2 s of CPU, and reads and writes the table once."""

logger = logging.getLogger(__name__)


def survey(handle: Handle) -> None:
    """Ask once how the table stands, then keep count: asking costs four requests."""
    if handle.known:
        return
    covered = handle.table.index_stats(TEXT_INDEX)
    if covered is None:  # a table just created, or one whose creator died before this
        handle.table.create_index("text", config=_keyword_index(), name=TEXT_INDEX)
    else:
        handle.indexed, handle.unindexed = covered.num_indexed_rows, covered.num_unindexed_rows
        handle.commits = handle.table.stats()["fragment_stats"]["num_fragments"]
    handle.known = True


def is_due(handle: Handle) -> bool:
    """Whether folding pays now; what was tried in vain waits for as much again."""
    share = (handle.indexed + handle.unindexed) // PER_ROWS
    if time.monotonic() - handle.folded_at >= REST * handle.fold_took:
        share = 0
    commits = handle.commits - handle.tried_at
    unindexed = handle.unindexed - handle.tried_with
    return commits > 0 and (
        commits >= max(MAX_COMMITS, share // 160) or unindexed >= max(MAX_UNINDEXED, share)
    )


def was_just_written(handle: Handle) -> bool:
    """By us: then the counts are known to say all."""
    return handle.known and time.monotonic() - handle.written_at < IDLE.total_seconds()


def lies_untidy(handle: Handle) -> bool:
    """Whether the table was left, by whomever, with things to clear up. Reads its history."""
    if was_just_written(handle):
        return False
    versions = handle.table.list_versions()
    last: datetime = versions[-1]["timestamp"]
    age = datetime.now(last.tzinfo) - last
    return age >= IDLE and (handle.commits >= IDLE_COMMITS or len(versions) > 1)


def fold_in_time(handle: Handle, partition: Partition) -> None:
    """Fold, but wait for ``FOLD_SECONDS`` at most: then it goes on beside the next writes.

    It never raises: everything is committed, and the next write tries again.
    """
    if handle.is_folding:
        return

    def work() -> None:
        try:
            fold(handle)
        except Exception:
            handle.folded_in_vain()
            logger.warning("could not fold the index of %s", partition, exc_info=True)

    handle.folding = threading.Thread(target=work, name="fold", daemon=True)
    started = time.monotonic()
    handle.folding.start()
    handle.folding.join(FOLD_SECONDS)
    if handle.folding.is_alive():
        handle.folded_in_vain()
        logger.warning(
            "folding the index of %s takes more than %d s: give the indexer more memory and time, "
            "or spread the documents over more collections",
            partition,
            time.monotonic() - started,
        )


def fold(handle: Handle) -> None:
    """Fold fragments together, cover all rows by the indexes, drop old versions.

    Lance splits the partitions of the vector index as it grows: from 10,000 to 300,000 rows, its
    recall@100 stayed 1.000.
    """
    commits, unindexed, started = handle.commits, handle.unindexed, time.monotonic()
    handle.table.optimize(cleanup_older_than=KEEP_OLD_VERSIONS)
    if handle.indexed + unindexed >= ANN_FROM_ROWS and not _has_ann(handle):
        handle.table.create_index("vector", config=_vector_index(), name=VECTOR_INDEX)
    # Writes may have come meanwhile.
    handle.indexed += unindexed
    handle.commits, handle.unindexed = handle.commits - commits, handle.unindexed - unindexed
    handle.tried_at = handle.tried_with = 0
    handle.folded_at = time.monotonic()
    handle.fold_took = handle.folded_at - started


def _has_ann(handle: Handle) -> bool:
    return any(index.name == VECTOR_INDEX for index in handle.table.list_indices())


def _keyword_index() -> Any:
    """Words by Unicode segmentation, so that any script is found; English stems."""
    from lancedb.index import FTS

    # LanceDB's own stop words hold the digits 0-9 too: no query for "article 3".
    return FTS(base_tokenizer="icu/split", custom_stop_words=sorted(STOP_WORDS))


def _vector_index() -> Any:
    """One byte a number, half the bytes of the vectors: 100,000 rows take 2 s to build."""
    from lancedb.index import IvfSq

    return IvfSq(distance_type="cosine")
