"""The catalogue of our own metrics: what code measures, dashboards show and alarms watch.

Each has one name, one unit and one meaning, said here only; ``docs/observability.md`` and
``infra/observability.yaml`` are compared with it by tests. All carry the dimensions ``service``
and ``stack``; a metric that is told apart further names that dimension (``by``). No tenant and no
document is ever a dimension: each value of one is a metric of its own, and is paid for.

Percentiles come from the metric itself: CloudWatch keeps the distribution of what EMF sends it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from ragline.domain.documents import Status
from ragline.domain.ledger import ChunkState

NAMESPACE = "Ragline"
DIMENSIONS = ("service", "stack")

Unit = Literal["Count", "Milliseconds", "Percent"]


@dataclass(frozen=True, slots=True)
class Metric:
    """``by`` is a dimension beside ``DIMENSIONS``, '' for none."""

    name: str
    unit: Unit
    meaning: str
    by: str = ""


# ── The API ───────────────────────────────────────────────────────────────────────────────────────
REQUESTS = Metric("Requests", "Count", "requests that the API function answered")
SERVER_ERRORS = Metric("ServerErrors", "Count", "of these, answers with a status of 500 or more")
QUERIES = Metric("Queries", "Count", "queries answered")
EMPTY_LEG = Metric(
    "EmptyLeg", "Count", "queries of which this leg found nothing (`dense` or `bm25`)", by="leg"
)
QUERY_STAGES: Mapping[str, Metric] = {
    stage: Metric(f"Query{stage.capitalize()}", "Milliseconds", meaning)
    for stage, meaning in {
        "total": "a query, from the request that was read to the hits",
        "embed": "making the query's vector",
        "dense": "the nearest vectors, from the index",
        "bm25": "the best keyword matches, from the index",
        "ledger": "asking the ledger which candidates are live",
        "passages": "fetching the text of the hits that are shown",
        "rerank": "putting the first hits in order by the reranker",
        "sections": "reading the sections around the hits, where a collection returns them",
    }.items()
}
"""Stage of a query, as ``timings_ms`` names it → its metric."""

# ── Documents, as the ledger sees them end ────────────────────────────────────────────────────────
ENDED: Mapping[Status, Metric] = {
    Status.INDEXED: Metric("DocumentsIndexed", "Count", "documents that became `indexed`"),
    Status.PARTIAL: Metric("DocumentsPartial", "Count", "documents that became `partial`"),
    Status.FAILED: Metric("DocumentsFailed", "Count", "documents that became `failed`"),
    Status.EMPTY: Metric("DocumentsEmpty", "Count", "documents that became `empty`"),
    Status.DELETED: Metric("DocumentsDeleted", "Count", "documents that became `deleted`"),
}
FAILURES = Metric(
    "Failures", "Count", "documents that became `failed` or `partial`, by the code why", by="code"
)
CHUNKS: Mapping[ChunkState, Metric] = {
    ChunkState.EMBEDDED: Metric("ChunksEmbedded", "Count", "chunks that got their vector"),
    ChunkState.INDEXED: Metric("ChunksIndexed", "Count", "chunks whose row is in the index"),
    ChunkState.FAILED: Metric("ChunksFailed", "Count", "chunks that were set apart"),
}
TIME_AWAITING = Metric("TimeAwaiting", "Milliseconds", "registered until its bytes were seen")
TIME_SPLITTING = Metric("TimeSplitting", "Milliseconds", "bytes seen until the last chunk was cut")
TIME_PROCESSING = Metric("TimeProcessing", "Milliseconds", "cut until the last chunk was indexed")
TIME_TO_SEARCHABLE = Metric("TimeToSearchable", "Milliseconds", "bytes seen until searchable")

# ── The pipeline's functions ──────────────────────────────────────────────────────────────────────
OBJECTS = Metric("Objects", "Count", "events of the bucket that the splitter took")
PAGE_WORK = Metric("PageRanges", "Count", "messages that the splitter took from the Pages queue")
CHUNKS_RECEIVED = Metric("ChunksReceived", "Count", "chunks of the parts that an embedder took")
CHUNKS_REUSED = Metric("ChunksReused", "Count", "of these, those whose vector was known before")
EMBED_BATCH = Metric("EmbedBatch", "Count", "chunks that one invocation encoded")
EMBED_TOKENS = Metric("EmbedTokens", "Count", "tokens that one invocation encoded")
ENCODE_TIME = Metric("EncodeTime", "Milliseconds", "time that one invocation spent encoding")
INDEX_OPS = Metric("IndexOps", "Count", "operations that the indexer took")
MESSAGES_PAUSED = Metric(
    "MessagesPaused", "Count", "messages put back unharmed: a service was overloaded, or time over"
)
MESSAGES_RETURNED = Metric(
    "MessagesReturned", "Count", "messages returned to their queue: an error"
)
DEAD_LETTERS = Metric("DeadLetters", "Count", "messages that were given up, and are on record")
WAITED: Mapping[str, Metric] = {
    "pages": Metric("WaitPages", "Milliseconds", "a message's wait in the Pages queue, so far"),
    "chunks": Metric("WaitChunks", "Milliseconds", "a message's wait in the Chunks queue, so far"),
    "analyses": Metric("WaitAnalyses", "Milliseconds", "an analysis' wait in its queue, so far"),
    "index_ops": Metric("WaitIndexOps", "Milliseconds", "the indexer's lag: sent until taken"),
}
"""Source of a batch → how long its oldest message had waited, one value a batch."""

PAGES_ANALYSED = Metric("PagesAnalysed", "Count", "pages that the vision model was asked about")

# ── Telling others ────────────────────────────────────────────────────────────────────────────────
DELIVERIES: Mapping[str, Metric] = {
    "delivered": Metric("DeliveriesMade", "Count", "webhook deliveries that were taken"),
    "again": Metric("DeliveriesPutOff", "Count", "webhook deliveries to be tried once more"),
    "given_up": Metric("DeliveriesGivenUp", "Count", "webhook deliveries that nobody took"),
    "dropped": Metric("DeliveriesDropped", "Count", "webhook deliveries nobody wants any more"),
}
"""Outcome of a delivery → its metric."""
CHANGES_REFUSED = Metric("ChangesRefused", "Count", "changes of the ledger that make no sense")

# ── Every function ────────────────────────────────────────────────────────────────────────────────
BUSY = Metric(
    "Busy", "Percent", "CPU time over duration of an invocation; 100 is one core", by="function"
)
COLD_START = Metric("ColdStart", "Count", "invocations that began a process", by="function")

# ── Maintenance ───────────────────────────────────────────────────────────────────────────────────
VERDICTS: Mapping[str, Metric] = {
    verdict: Metric(f"Documents{verdict.title().replace('_', '')}", "Count", meaning)
    for verdict, meaning in {
        "moving": "documents whose lease was over and that had moved meanwhile",
        "starved": "documents whose messages wait behind others",
        "repaired": "documents that stood still and were set going again",
        "expired": "documents whose upload never came",
        "removed": "documents whose upload was gone before it was split",
        "gave_up": "documents that repairs did not help, and that were failed",
    }.items()
}
"""Verdict of the reconciler → its metric."""
BACKLOG: Mapping[str, Metric] = {
    "pages": Metric("BacklogPages", "Count", "messages on the Pages queue"),
    "chunks": Metric("BacklogChunks", "Count", "messages on the Chunks queue"),
    "index_ops": Metric("BacklogIndexOps", "Count", "messages on the IndexOps queue"),
}
"""What waits, is held back or is in hand, every five minutes, where there is no AWS/SQS too."""
ROWS_COMPARED = Metric("RowsCompared", "Count", "indexed chunks that were compared with their rows")
ROWS_MISSING = Metric("RowsMissing", "Count", "of these, those that the index does not hold")
ROWS_SURPLUS = Metric("RowsSurplus", "Count", "rows of these documents that the ledger has not")

CATALOGUE: tuple[Metric, ...] = (
    REQUESTS, SERVER_ERRORS, QUERIES, *QUERY_STAGES.values(), EMPTY_LEG,
    *ENDED.values(), FAILURES, *CHUNKS.values(),
    TIME_AWAITING, TIME_SPLITTING, TIME_PROCESSING, TIME_TO_SEARCHABLE,
    OBJECTS, PAGE_WORK, CHUNKS_RECEIVED, CHUNKS_REUSED, EMBED_BATCH, EMBED_TOKENS, ENCODE_TIME,
    INDEX_OPS, MESSAGES_PAUSED, MESSAGES_RETURNED, DEAD_LETTERS, *WAITED.values(),
    PAGES_ANALYSED,
    *DELIVERIES.values(), CHANGES_REFUSED, BUSY, COLD_START,
    *VERDICTS.values(), *BACKLOG.values(), ROWS_COMPARED, ROWS_MISSING, ROWS_SURPLUS,
)  # fmt: skip
