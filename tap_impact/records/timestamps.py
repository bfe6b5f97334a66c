"""Moments as impact.com and Singer write them."""

from __future__ import annotations

from datetime import UTC, datetime


def iso(instant: datetime) -> str:
    """Write an instant as `2026-06-30T06:10:00Z`, the form that both Singer and impact.com take."""
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")


def parse_timestamp(text: str) -> datetime:
    """Read an ISO-8601 date or date-time as UTC; a date alone is its midnight, no zone is UTC.

    Raises:
        ValueError: It is not ISO-8601.
    """
    instant = datetime.fromisoformat(text)
    return instant.astimezone(UTC) if instant.tzinfo else instant.replace(tzinfo=UTC)


def parse_with_offset(written: str) -> datetime:
    """A moment in the offset that it was written in.

    Raises:
        ValueError: It is no ISO-8601 date-time with an offset.
    """
    moment = datetime.fromisoformat(written)
    if moment.tzinfo is None:
        raise ValueError
    return moment
