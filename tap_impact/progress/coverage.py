"""Coverage: the interval that is loaded completely, and what to read next.

It is the one idea of progress for every list that is read by windows: rows of impact.com cannot
tell what is new (an Action has no last-updated field), only a window that was read to its end can.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple

from tap_impact.progress.windows import Window, newest_first, oldest_first
from tap_impact.records.timestamps import iso, parse_timestamp

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# Rows become visible minutes after their own timestamp, so each run looks back over the last one.
OVERLAP = timedelta(hours=2)


class Purpose(Enum):
    """Why a window is read, which decides the filter that finds its rows."""

    SETTLEMENT = "settlement"
    """What was locked: approval and clearing change a row without counting as an update."""
    CATCH_UP = "catch-up"
    """What is new or changed since the last run."""
    HISTORY = "history"
    """What happened before the first run."""


class Step(NamedTuple):
    """One window to read, and the coverage once it was read to its end."""

    purpose: Purpose
    window: Window
    coverage: Coverage


class Coverage(NamedTuple):
    """The interval `[since, through]`, UTC, that is loaded completely."""

    since: datetime
    through: datetime

    @classmethod
    def of_bookmark(cls, bookmark: Mapping[str, Any], *, start: datetime) -> Coverage | None:
        """Read a stream's bookmark from Singer state; None if there is none yet.

        A bookmark without `history_since`, edited by hand or from another tap, counts as complete
        back to `start`.

        Raises:
            ValueError: The bookmark holds something that is no date.
        """
        through = bookmark.get("replication_key_value")
        if not through:
            return None
        through = parse_timestamp(through).replace(microsecond=0)
        since = bookmark.get("history_since")
        return cls(min(parse_timestamp(since) if since else start, through), through)

    def common(self, other: Coverage) -> Coverage | None:
        """What both cover; None if they do not meet."""
        since, through = max(self.since, other.since), min(self.through, other.through)
        return Coverage(since, through) if since <= through else None

    def bookmark(self, replication_key: str) -> dict[str, str]:
        """Write it as Singer state, under the names that every Singer tool expects."""
        return {
            "replication_key": replication_key,
            "replication_key_value": iso(self.through),
            "history_since": iso(self.since),
        }

    def steps(
        self,
        *,
        now: datetime,
        start: datetime,
        reach: datetime,
        settlement_lookback: timedelta | None = None,
    ) -> Iterator[Step]:
        """What to read, in order: settlement and catch-up up to `now`, then history to `start`.

        Settlement comes first because only catch-up moves `through`: whoever stops in between reads
        it again. Nothing older than `reach` is requested.
        """
        covered = self
        if covered.through < now:
            recent = max(covered.through - OVERLAP, reach)
            if settlement_lookback is not None:
                # Nothing locks before it happens, and some accounts refuse what is before them.
                oldest = max(recent - settlement_lookback, reach, min(start, covered.since))
                for window in oldest_first(min(oldest, now), now):
                    yield Step(Purpose.SETTLEMENT, window, covered)
            for window in oldest_first(recent, now):
                covered = covered._replace(through=max(covered.through, window.end))
                yield Step(Purpose.CATCH_UP, window, covered)
        for window in newest_first(max(start, reach), covered.since):
            covered = covered._replace(since=window.start)
            yield Step(Purpose.HISTORY, window, covered)
