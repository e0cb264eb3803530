"""Times as people give them to ``--since``: so long ago, or a moment."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import typer

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def moment(since: str, now: datetime) -> datetime:
    """``30s``, ``10m``, ``2h`` or ``1d`` before ``now``, or a time in ISO 8601; in UTC.

    A time without zone is of this machine's.
    """
    try:
        if ago := re.fullmatch(r"(\d{1,6})([smhd])", since):
            return (now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})).astimezone(UTC)
        return datetime.fromisoformat(since).astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        raise typer.BadParameter(
            f"--since {since!r}: use 30s, 10m, 2h, 1d or a time in ISO 8601."
        ) from None
