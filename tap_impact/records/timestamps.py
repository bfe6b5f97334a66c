"""Timestamps as impact.com and Singer write them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

ONE_DAY = timedelta(days=1)

EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
"""Years before impact.com was there."""


def iso(at: datetime) -> str:
    """Write a timestamp as `2026-06-30T06:10:00Z`, a form that Singer and impact.com take."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def parse_timestamp(text: str) -> datetime:
    """Read an ISO-8601 date or date-time as UTC; a date alone is its midnight, no zone is UTC.

    What is older than anything of impact.com is `EARLIEST`: no time could be taken from year 1.

    Raises:
        ValueError: It is not ISO-8601.
        OverflowError: It is beyond the ends of time in UTC.
    """
    at = datetime.fromisoformat(text)
    utc = at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    return max(utc, EARLIEST)


def parse_with_offset(written: str) -> datetime:
    """Read an ISO-8601 date-time, in the offset that it was written in.

    Raises:
        ValueError: It is none, or has no offset.
    """
    at = datetime.fromisoformat(written)
    if at.tzinfo is None:
        raise ValueError
    return at
