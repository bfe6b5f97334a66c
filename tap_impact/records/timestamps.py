"""Moments as impact.com and Singer write them."""

from __future__ import annotations

from datetime import UTC, datetime

EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
"""Years before impact.com was there."""


def iso(instant: datetime) -> str:
    """Write an instant as `2026-06-30T06:10:00Z`, the form that both Singer and impact.com take."""
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")


def parse_timestamp(text: str) -> datetime:
    """Read an ISO-8601 date or date-time as UTC; a date alone is its midnight, no zone is UTC.

    What is older than anything of impact.com is `EARLIEST`: no time could be taken from year 1.

    Raises:
        ValueError: It is not ISO-8601.
        OverflowError: It is beyond the ends of time in UTC.
    """
    instant = datetime.fromisoformat(text)
    utc = instant.astimezone(UTC) if instant.tzinfo else instant.replace(tzinfo=UTC)
    return max(utc, EARLIEST)


def parse_with_offset(written: str) -> datetime:
    """A moment in the offset that it was written in.

    Raises:
        ValueError: It is no ISO-8601 date-time with an offset.
    """
    moment = datetime.fromisoformat(written)
    if moment.tzinfo is None:
        raise ValueError
    return moment
