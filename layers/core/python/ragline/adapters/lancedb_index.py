"""The vector index on LanceDB: a folder or a bucket of Lance tables, no server.

Nothing of LanceDB is imported until an index is built: it takes a second and 100 MB.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from ragline.adapters.lance_errors import means_missing, translated
from ragline.adapters.lance_rows import (
    COLUMNS,
    ENTRY,
    clean,
    condition,
    literal,
    schema,
    to_arrow,
    to_candidate,
)
from ragline.domain.chunks import Candidate, Filter, Row
from ragline.domain.documents import Partition, check_name
from ragline.domain.errors import InvalidRequest, ServiceUnavailable, SetupError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

T = TypeVar("T")

TEXT_INDEX = "text_idx"
STOP_WORDS = (
    "a an and are as at be but by for if in into is it no not of on or such that the their then "
    "there these they this to was will with"
)
"""Lucene's English list. LanceDB's own drops the digits 0-9 too: no query for "article 3"."""

KEEP_OLD_VERSIONS = timedelta(minutes=10)
"""A reader may be in the middle of a query on a version that compaction has just replaced."""

MAX_COMMITS = 25
MAX_UNINDEXED = 1_000
PER_ROWS = 25
"""When to fold the table: after ``MAX_COMMITS`` commits (each leaves a fragment that every query
opens), or with ``MAX_UNINDEXED`` rows outside the keyword index (they are scanned, 40-70 µs each,
and scored by other statistics: https://github.com/lance-format/lance/issues/9058). Folding rewrites
the table, so a large one waits for a 25th of its rows (the commits: as if of 160 rows each).
"""

NAMES_PER_PAGE = 1_000
ENTRIES_PER_BATCH = 10_000

logger = logging.getLogger(__name__)


def storage_options(endpoint_url: str, region: str) -> dict[str, str]:
    """How to reach S3, or the endpoint of a local cloud ('' means AWS itself).

    Credentials come from the usual AWS environment. Requests give up early: a queue
    retries better than a function that waits out its time.
    """
    options = {
        "region": region,
        "timeout": "15s",
        "connect_timeout": "5s",
        "client_max_retries": "3",
        "client_retry_timeout": "10",
    }
    if endpoint_url:
        options |= {"endpoint": endpoint_url, "virtual_hosted_style_request": "false"}
        options["allow_http"] = str(endpoint_url.startswith("http:")).lower()
    return options


@dataclass(slots=True)
class _Handle:
    """An open table, and (for the writer) how far it is from wanting to be folded."""

    table: Any
    known: bool = False
    commits: int = 0
    indexed: int = 0
    unindexed: int = 0

    @property
    def wants_folding(self) -> bool:
        share = (self.indexed + self.unindexed) // PER_ROWS
        return self.commits >= max(MAX_COMMITS, share // 160) or self.unindexed >= max(
            MAX_UNINDEXED, share
        )


class LanceIndex:
    """A VectorIndex of one Lance table per partition, at ``uri``: a folder or ``s3://bucket/…``.

    Both legs filter before they rank, and see every commit that came before the query. The dense
    leg is exact: it reads every vector of the partition, 0.8 MB per 1,000 rows; from some 50,000
    rows on S3 an ANN index (IVF_RQ) pays.

    Commits are safe from many writers (conditional PUT) but slow with them: let one process write.
    Every method raises ``TransientError``; ``SetupError`` if the storage refuses us, or if vectors
    have another length than the table's.
    """

    def __init__(
        self,
        uri: str,
        *,
        storage_options: Mapping[str, str] | None = None,
        dimensions: int = 384,
    ) -> None:
        import lancedb

        self._dimensions = dimensions
        self._handles: dict[Partition, _Handle] = {}
        with translated():
            self._connection = lancedb.connect(
                uri,
                storage_options=dict(storage_options or {}) or None,
                read_consistency_interval=timedelta(0),
            )

    def upsert(self, partition: Partition, rows: Sequence[Row]) -> None:
        if not rows:
            return
        for row in rows:
            self._check(row.vector)
        with translated():
            data = to_arrow(rows, self._dimensions)

            def merge(handle: _Handle) -> bool:
                self._survey(handle)
                builder = handle.table.merge_insert("chunk_id")
                builder.when_matched_update_all().when_not_matched_insert_all().execute(data)
                handle.commits += 1
                handle.unindexed += data.num_rows
                return True

            if not self._on_table(partition, merge):
                merge(self._create(partition))

    def delete(
        self, partition: Partition, document_id: str, *, below: int | None = None, keep: int = 0
    ) -> None:
        where = f"document_id = {literal(document_id)}"
        if below is not None:
            where += f" AND generation < {int(below)}"
        if keep:
            where += f" AND generation != {int(keep)}"

        def remove(handle: _Handle) -> bool:
            handle.table.delete(where)
            handle.commits += 1
            return True

        with translated():
            self._on_table(partition, remove)

    def dense(
        self, partition: Partition, vector: NDArray[np.float32], limit: int, where: Filter
    ) -> list[Candidate]:
        from lancedb.query import LanceVectorQueryBuilder

        self._check(vector)

        def search(handle: _Handle) -> Any:
            # Built directly: Table.search would ask the storage for the schema first.
            return LanceVectorQueryBuilder(handle.table, vector, "vector").distance_type("cosine")

        return self._search(
            partition, search, limit, where, "_distance", lambda distance: 1 - distance
        )

    def bm25(self, partition: Partition, query: str, limit: int, where: Filter) -> list[Candidate]:
        from lancedb.query import LanceFtsQueryBuilder, MatchQuery

        # A MatchQuery takes the words as they are: no character in them is an operator.
        words = MatchQuery(clean(query), "text")

        def search(handle: _Handle) -> Any:
            return LanceFtsQueryBuilder(handle.table, words)

        return self._search(partition, search, limit, where, "_score", float)

    def count(self, partition: Partition, document_id: str | None = None) -> int:
        where = f"document_id = {literal(document_id)}" if document_id is not None else None
        with translated():
            return (
                self._on_table(partition, lambda handle: int(handle.table.count_rows(where))) or 0
            )

    def partitions(self) -> list[Partition]:
        found: list[Partition] = []
        token: str | None = None
        with translated():
            while True:
                page = self._connection.list_tables(page_token=token, limit=NAMES_PER_PAGE)
                found += [one for one in map(_partition, page.tables) if one is not None]
                token = page.page_token
                if not token:
                    return sorted(found, key=lambda one: (one.tenant, one.collection))

    def entries(self, partition: Partition) -> Iterator[tuple[str, int, int]]:
        """As the port says, of one version of the table: no later commit changes what is seen.

        A batch of rows at a time and three columns of them, whatever the size of the table.
        """
        from lancedb.query import LanceEmptyQueryBuilder

        def scan(handle: _Handle) -> Any:
            query = LanceEmptyQueryBuilder(handle.table).select(list(ENTRY))
            return query.to_batches(batch_size=ENTRIES_PER_BATCH)

        with translated():
            for batch in self._on_table(partition, scan) or ():
                columns = [batch.column(name).to_pylist() for name in ENTRY]
                yield from zip(*columns, strict=True)

    def optimize(self, partition: Partition) -> None:
        """If it is due: fold fragments together, cover all rows by the keyword index, drop old
        versions. It takes 0.5 s at 10,000 rows and seconds at 100,000."""
        handle = self._handles.get(partition)
        if handle is None or not handle.wants_folding:
            return
        try:
            _fold(handle)
        except Exception:
            # Everything is committed; the next write tries again.
            logger.warning("could not fold the index of %s", partition, exc_info=True)

    def _search(
        self,
        partition: Partition,
        builder: Callable[[_Handle], Any],
        limit: int,
        where: Filter,
        measure: str,
        score: Callable[[float], float],
    ) -> list[Candidate]:
        """``score`` makes the column ``measure`` what a candidate's score is."""
        if limit < 1:
            return []

        def run(handle: _Handle) -> list[Candidate]:
            query = builder(handle).select([*COLUMNS, measure]).limit(limit)
            if expression := condition(where):
                query = query.where(expression, prefilter=True)
            return [
                to_candidate(record, score(record[measure]))
                for record in query.to_arrow().to_pylist()
            ]

        with translated():
            return self._on_table(partition, run) or []

    def _on_table(self, partition: Partition, run: Callable[[_Handle], T]) -> T | None:
        """Run on the partition's table; None if there is none.

        A handle kept from earlier may have outlived its table: then it is opened anew, once.
        """
        handle = self._handles.get(partition)
        if handle is not None:
            try:
                return run(handle)
            except Exception as error:
                if not means_missing(error):
                    raise
                # Both legs of a search may find that out at once.
                self._handles.pop(partition, None)
        handle = self._open(partition)
        return None if handle is None else run(handle)

    def _open(self, partition: Partition) -> _Handle | None:
        try:
            table = self._connection.open_table(_name(partition))
        except Exception as error:
            if means_missing(error):
                return None
            raise
        width = table.schema.field("vector").type.list_size
        if width != self._dimensions:
            raise SetupError(
                f"the index of {partition} holds vectors of {width} numbers, the model gives "
                f"{self._dimensions}: use another collection, or delete this one and index it anew."
            )
        return self._handles.setdefault(partition, _Handle(table))

    def _create(self, partition: Partition) -> _Handle:
        self._connection.create_table(
            _name(partition), schema=schema(self._dimensions), exist_ok=True
        )
        handle = self._open(partition)
        if handle is None:
            raise ServiceUnavailable(f"the index of {partition} vanished while it was created.")
        return handle

    def _survey(self, handle: _Handle) -> None:
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

    def _check(self, vector: NDArray[np.float32]) -> None:
        if vector.shape != (self._dimensions,):
            raise SetupError(
                f"a vector of shape {vector.shape} met an index of {self._dimensions} dimensions: "
                "index and queries must use the same embedding model."
            )


def _fold(handle: _Handle) -> None:
    handle.table.optimize(cleanup_older_than=KEEP_OLD_VERSIONS)
    handle.indexed += handle.unindexed
    handle.commits, handle.unindexed = 0, 0


def _name(partition: Partition) -> str:
    """The partition's table. Names have no dot, so no two partitions share a table."""
    tenant = check_name(partition.tenant, "tenant")
    return f"{tenant}.{check_name(partition.collection, 'collection')}"


def _partition(name: str) -> Partition | None:
    """The partition whose table it is; None if the table is not one of ours."""
    tenant, _, collection = name.partition(".")
    try:
        return Partition(check_name(tenant, "tenant"), check_name(collection, "collection"))
    except InvalidRequest:
        return None


def _keyword_index() -> Any:
    """Words by Unicode segmentation, so that any script is found; English stems."""
    from lancedb.index import FTS

    return FTS(base_tokenizer="icu/split", custom_stop_words=STOP_WORDS.split())
