"""Logs, metrics and traces by Powertools: what functions tell of themselves.

Logs are JSON and carry ids. Never logged: documents' text, questions, API keys, presigned URLs.
Our own errors say what happened without quoting any of these. What a library says of its errors
and warnings may quote its input, so it stays out: of these the log has the type and the place.
"""

from __future__ import annotations

import logging
import os
import re
import time
import traceback
import uuid
from collections.abc import Callable, Iterable
from datetime import datetime
from functools import cache, wraps
from typing import Any, TypeVar, cast

from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.logging.formatter import LambdaPowertoolsFormatter
from aws_lambda_powertools.metrics import EphemeralMetrics
from botocore.exceptions import BotoCoreError, ClientError

from ragline.domain.documents import SEARCHABLE, Document, Status
from ragline.domain.errors import RaglineError
from ragline.domain.ledger import ChunkState
from ragline.domain.lifecycle import TROUBLED
from ragline.metered import metered
from ragline.metrics import (
    BUSY,
    CHUNKS,
    COLD_START,
    ENDED,
    FAILURES,
    NAMESPACE,
    TIME_AWAITING,
    TIME_PROCESSING,
    TIME_SPLITTING,
    TIME_TO_SEARCHABLE,
    Metric,
)
from ragline.settings import settings

FRAMES = 8
"""Places of a traceback that are logged, the innermost."""

TRACES = 10
"""Of one batch, the documents' traces that are joined with the invocation's."""


class Telling(LambdaPowertoolsFormatter):
    """JSON lines in which an exception is its type and place, and foreign messages are left out."""

    def format(self, record: logging.LogRecord) -> str:
        told = logging.makeLogRecord(record.__dict__)
        if not told.name.startswith(OURS):
            told.msg, told.args = f"a library's message ({told.name})", None
        if told.exc_info and told.exc_info[1]:
            told.__dict__.update(_told(told.exc_info[1]))
        told.exc_info = told.exc_text = told.stack_info = None
        return super().format(told)


logger = Logger(logger_formatter=Telling(use_rfc3339=True, utc=True))
metrics = Metrics(namespace=NAMESPACE)
tracer = Tracer()

OURS = ("ragline", logger.service)
"""What our own loggers' names begin with."""

COUNTED_TOGETHER = (Status.INDEXED, Status.PARTIAL, Status.FAILED, Status.EMPTY)
"""Each is counted, as 1 or 0, when any is: an alarm divides one by the sum."""

_OUR_CODE = re.compile(r"/handler\.py:|/ragline/(?!telemetry\.py|metered\.py)")

F = TypeVar("F", bound=Callable[..., Any])


class UnexpectedError(Exception):
    """What goes out of a function in place of a foreign exception, whose words may quote."""


def observed(handler: F) -> F:
    """A Lambda handler with its request id on every line, its metrics flushed, its segment kept,
    its use measured."""
    return _observed(handler, at_rest=False)


def observed_at_rest(handler: F) -> F:
    """As ``observed``, of what runs while nobody asks: without ``Busy`` and ``ColdStart``, since
    each metric that is sent costs, and these would be sent in every month."""
    return _observed(handler, at_rest=True)


def _observed(handler: F, *, at_rest: bool) -> F:
    @wraps(handler)
    def told(event: Any, context: Any) -> Any:
        wall, cpu = time.perf_counter(), time.process_time()
        try:
            return handler(event, context)
        except RaglineError as error:
            logger.exception("invocation failed")
            raise error from None  # what it came from may quote
        except Exception as error:
            logger.exception("invocation failed")
            raise UnexpectedError(f"{cause(error)} ({_place(error)})") from None
        finally:
            share = (time.process_time() - cpu) / max(time.perf_counter() - wall, 1e-6)
            if not at_rest:
                measure(BUSY, round(100 * share, 1), context.function_name)
            if metrics.metric_set:  # Powertools' own decorator warns of an invocation without any
                metrics.flush_metrics()

    traced = tracer.capture_lambda_handler(capture_response=False, capture_error=False)(told)
    logged = logger.inject_lambda_context(traced, clear_state=True)

    @wraps(handler)
    def first(event: Any, context: Any) -> Any:
        _settle_in("" if at_rest else context.function_name)
        return logged(event, context)

    return cast("F", metered(first))


def measure(metric: Metric, value: float, of: str = "") -> None:
    """Add one value; ``of`` is that of the metric's own dimension, where it has one."""
    if not metric.by:
        metrics.add_metric(metric.name, metric.unit, value)
        return
    single = EphemeralMetrics(namespace=NAMESPACE)  # unlike single_metric, it can be switched off
    for name, its in {**_dimensions(), metric.by: of}.items():
        single.add_dimension(name, its)
    single.add_metric(metric.name, metric.unit, value)
    single.flush_metrics()


def measure_any(metric: Metric, value: float) -> None:
    """Add a count unless it is 0. What is never sent costs nothing, and no alarm takes silence
    for trouble."""
    if value:
        measure(metric, value)


def cause(error: BaseException) -> str:
    """What may be logged of an error: our own words, AWS's code and operation, or a type alone."""
    name = type(error).__name__
    if isinstance(error, RaglineError):
        return f"{name}: {error}"
    if isinstance(error, ClientError):
        code = error.response.get("Error", {}).get("Code", "unknown")
        return f"{name}: {code} in {error.operation_name}"
    if isinstance(error, BotoCoreError):
        return f"{name}: {error.fmt}"
    return name


def new_trace() -> str:
    """For work that comes without one: X-Ray's id of this invocation, as the API uses it too."""
    found = re.search(r"Root=([^;]+)", os.environ.get("_X_AMZN_TRACE_ID", ""))
    return found[1] if found else uuid.uuid4().hex


def follow(trace_ids: Iterable[str]) -> list[str]:
    """Join the invocation's trace with those of the documents that it works on; which they are.

    Each is an annotation that X-Ray finds it by: ``annotation.trace_id = "…"``.
    """
    found = sorted({one for one in trace_ids if one})
    for trace_id in found[:TRACES]:
        with tracer.provider.in_subsegment("## document") as segment:
            if segment is not None:
                segment.put_annotation("trace_id", trace_id)
    return found


class LedgerWatch:
    """``ports.LedgerWatch``: a line of every change of status, metrics of every end."""

    def moved(self, document: Document) -> None:
        code = document.reason.code if document.reason else None
        tell = logger.warning if document.status is Status.FAILED else logger.info
        tell(
            "document moved",
            document_id=document.document_id,
            generation=document.generation,
            status=document.status.value,
            chunks=document.progress.chunks_total,
            code=code,
            trace_id=document.trace_id,
        )
        if document.status is Status.DELETED:
            measure(ENDED[Status.DELETED], 1)
        if document.status not in COUNTED_TOGETHER:
            return
        for status in COUNTED_TOGETHER:
            measure(ENDED[status], int(status is document.status))
        if document.status in TROUBLED:
            measure(FAILURES, 1, code or "unknown")
        for metric, milliseconds in durations(document):
            measure(metric, milliseconds)

    def counted(self, state: ChunkState, chunks: int) -> None:
        measure(CHUNKS[state], chunks)


def durations(document: Document) -> list[tuple[Metric, float]]:
    """How long a document that ended was in each stage, in milliseconds.

    None of one that was retried, whose times are of several attempts; nor of one that was deleted.
    """
    at = {name: datetime.fromisoformat(time) for name, time in document.timings.items()}
    if "retried" in at or "uploaded" not in at or document.status is Status.DELETED:
        return []
    seen = at["uploaded"]
    found = []
    if document.generation == 1:
        found.append((TIME_AWAITING, datetime.fromisoformat(document.created_at), seen))
    if "split" in at:
        found.append((TIME_SPLITTING, seen, at["split"]))
    if "indexed" in at and document.status in SEARCHABLE:
        found.append((TIME_PROCESSING, at.get("split", seen), at["indexed"]))
        found.append((TIME_TO_SEARCHABLE, seen, at["indexed"]))
    return [(metric, (end - start).total_seconds() * 1_000) for metric, start, end in found]


@cache
def _settle_in(function: str) -> None:
    """Once a process: the stack on every metric, and no line but in our form."""
    if function:
        measure(COLD_START, 1, function)
    metrics.set_default_dimensions(**_dimensions())
    logging.captureWarnings(True)
    logging.raiseExceptions = False  # a line that cannot be written would be quoted on stderr
    for handler in logging.getLogger().handlers:
        handler.setFormatter(Telling(use_rfc3339=True, utc=True))


def _dimensions() -> dict[str, str]:
    return {"stack": settings().stack}


def _told(error: BaseException) -> dict[str, Any]:
    told: dict[str, Any] = {"error": cause(error), "error_at": _places(error)}
    if error.__cause__:
        told["error_cause"] = cause(error.__cause__)
    return told


def _place(error: BaseException) -> str:
    """The innermost that is ours; else the innermost that is not Python's or a library's."""
    places = _places(error)
    ours = [one for one in places if _OUR_CODE.search(one)]
    others = [one for one in places if "/lib/python3" not in one]
    return (ours or others or places)[-1]


def _places(error: BaseException) -> list[str]:
    frames = traceback.extract_tb(error.__traceback__)[-FRAMES:]
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames] or ["nowhere"]
