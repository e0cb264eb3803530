"""Times as text: ISO 8601, UTC, milliseconds, so that they sort as they follow one another."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from ragline.domain.errors import InvalidRequest


def utc_now() -> datetime:
    return datetime.now(UTC)


def iso(moment: datetime) -> str:
    """``2026-01-31T12:00:00.000Z``, of fixed length; a time without zone is taken as UTC."""
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def later(time: str, by: timedelta) -> str:
    """A time as ``iso`` gives it, so much later."""
    return iso(datetime.fromisoformat(time) + by)


def check_time(value: str, what: str) -> str:
    """Any ISO 8601 date or time, in the form of ``iso``.

    Raises:
        InvalidRequest: it is none.
    """
    try:
        return iso(datetime.fromisoformat(value))
    except (ValueError, OverflowError) as error:
        raise InvalidRequest(
            f"{what} {value[:40]!r} is not a time: use ISO 8601, such as 2026-01-31T12:00:00Z."
        ) from error
