"""Handlers whose use is measured and kept, where the setting says so."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import wraps
from typing import Any

from aws_lambda_powertools import Logger

from ragline import wiring
from ragline.domain.times import utc_now
from ragline.domain.usage import month_of
from ragline.meter import meter

FUNCTIONS = ("api", "splitter", "embedder", "indexer", "dead-letters", "maintenance", "analyst")
"""Those that are measured: what their names end with, behind the stack's. Others do little, and
have no right to write into a tenant's part of the ledger."""

logger = Logger(child=True)


def metered(handler: Callable[..., Any]) -> Callable[..., Any]:
    """The handler; what each invocation uses is added to what its tenants used this month."""

    @wraps(handler)
    def run(event: Any, context: Any, *args: Any, **kwargs: Any) -> Any:
        function = function_of(str(getattr(context, "function_name", "")))
        if not function or not wiring.settings().measure_usage:
            return handler(event, context, *args, **kwargs)
        began, cpu = time.monotonic(), time.process_time()
        try:
            return handler(event, context, *args, **kwargs)
        finally:
            meter().invoked(
                event,
                seconds=time.monotonic() - began,
                cpu_seconds=time.process_time() - cpu,
                megabytes=int(context.memory_limit_in_mb),
            )
            _keep(function)

    return run


def function_of(name: str) -> str:
    """Which of ``FUNCTIONS`` a deployed function is, by its name; '' if none."""
    return next((one for one in FUNCTIONS if name.endswith(f"-{one}")), "")


def _keep(function: str) -> None:
    """Whatever goes wrong here, the work was done: only the count of it is lost."""
    try:
        month = month_of(utc_now())
        for tenant, counts in meter().drain(wiring.settings().usage_write_milliseconds).items():
            wiring.usage_book().add(tenant, month, function, counts)
    except Exception as error:
        logger.warning("usage was not kept", extra={"reason": type(error).__name__})
