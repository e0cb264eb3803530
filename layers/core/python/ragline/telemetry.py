"""Logs, metrics and traces by Powertools; only handlers import this.

One structured line and one set of metrics per invocation. Never logged: documents' text, API keys,
presigned URLs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from aws_lambda_powertools import Logger, Metrics, Tracer

logger = Logger()
metrics = Metrics()
tracer = Tracer()

F = TypeVar("F", bound=Callable[..., Any])


def observed(handler: F) -> F:
    """A Lambda handler with its request id on every line, its metrics flushed, its segment kept."""
    traced = tracer.capture_lambda_handler(capture_response=False)(handler)
    measured = metrics.log_metrics(traced, capture_cold_start_metric=True)
    return cast("F", logger.inject_lambda_context(measured, clear_state=True))
