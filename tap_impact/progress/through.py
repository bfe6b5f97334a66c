"""Up to when lists were read that can be filtered by what is newer. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from tap_impact.progress.coverage import OVERLAP
from tap_impact.records.timestamps import iso, parse_timestamp

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime


class Through(NamedTuple):
    """What the bookmark of such a stream says."""

    through: datetime
    """All rows were read as they were then."""
    since: datetime | None = None
    """The start of history then; None if there is none."""
    open_since: datetime | None = None
    """The date of the oldest row that may still change without being found as new."""

    @classmethod
    def of_bookmark(cls, bookmark: Mapping[str, Any]) -> Through | None:
        """Read it from Singer state; None if there is none yet.

        Raises:
            ValueError, TypeError: It is none that can be used.
        """
        names = ("replication_key_value", "history_since", "open_since")
        written = (bookmark.get(name) for name in names)
        through, since, open_since = (parse_timestamp(each) if each else None for each in written)
        return cls(through, since, open_since) if through else None

    def bookmark(self, replication_key: str) -> dict[str, str]:
        """Write it as Singer state."""
        written = {"replication_key": replication_key, "replication_key_value": iso(self.through)}
        written |= {"history_since": iso(self.since)} if self.since else {}
        return written | ({"open_since": iso(self.open_since)} if self.open_since else {})

    def common(self, other: Through) -> Through:
        """What two streams of one list both have."""
        since = [each for each in (self.since, other.since) if each]
        opened = [each for each in (self.open_since, other.open_since) if each]
        return Through(
            min(self.through, other.through),
            max(since) if since else None,
            min(opened) if opened else None,
        )

    def next_start(self, now: datetime) -> datetime:
        """From when on the next run reads.

        Rows become visible minutes after their own timestamp. A bookmark may be ahead of
        impact.com by as much as its machines' clocks differ.
        """
        recent = min(self.through, now) - OVERLAP
        return min(recent, self.open_since) if self.open_since else recent
