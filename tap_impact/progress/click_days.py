"""Days of clicks: which are over, which are loaded, and which are next."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from typing import TYPE_CHECKING, Any

from tap_impact.progress.coverage import OVERLAP
from tap_impact.records.timestamps import ONE_DAY, parse_timestamp

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

# Where a calendar day ends last.
WESTERNMOST = timezone(timedelta(hours=-12))


@dataclass(frozen=True)
class Days:
    """The days from `since` to `through`, both included, without those that are `missing`."""

    since: date
    through: date
    missing: frozenset[date] = frozenset()

    @classmethod
    def of_bookmark(cls, bookmark: Mapping[str, Any], *, start: date) -> Days | None:
        """Read a stream's bookmark from Singer state; None if there is none yet.

        A bookmark without `history_since`, edited by hand, counts as complete back to `start`.

        Raises:
            ValueError: The bookmark holds something that is no date.
        """
        value = bookmark.get("replication_key_value")
        if not value:
            return None
        through = parse_timestamp(value).date()
        since = bookmark.get("history_since")
        return cls(
            min(parse_timestamp(since).date() if since else start, through),
            through,
            frozenset(date.fromisoformat(day) for day in bookmark.get("missing_days") or ()),
        )

    def bookmark(self, replication_key: str) -> dict[str, Any]:
        """Write them as Singer state, under the names that every Singer tool expects."""
        return {
            "replication_key": replication_key,
            "replication_key_value": self.through.isoformat(),
            "history_since": self.since.isoformat(),
            "missing_days": [day.isoformat() for day in sorted(self.missing)],
        }

    def __contains__(self, day: date) -> bool:
        """Whether a day is loaded."""
        return self.since <= day <= self.through and day not in self.missing

    def until(self, last: date) -> Days | None:
        """Those up to a day; None if there are none."""
        if self.since > last:
            return None
        return replace(self, through=min(self.through, last))

    def plus(self, day: date) -> Days:
        """The days with one more; those in between are missing."""
        between = {*days_back(day - ONE_DAY, self.through + ONE_DAY)}
        between |= {*days_back(self.since - ONE_DAY, day + ONE_DAY)}
        return replace(
            self,
            since=min(self.since, day),
            through=max(self.through, day),
            missing=(self.missing | between) - {day},
        )


def days_back(last: date, start: date) -> Iterator[date]:
    """Each day from `last` back to `start`, both included."""
    while last >= start:
        yield last
        last -= ONE_DAY


def last_day_over(now: datetime, zone: tzinfo | None) -> date:
    """The newest day whose clicks are all known: over in `zone`, or everywhere if that is None.

    An export's data are never refreshed, and clicks are processed while their day lasts ("Best
    practices for exporting clicks"), so a day gets the same while to settle as any other row.
    """
    return (now - OVERLAP).astimezone(zone or WESTERNMOST).date() - ONE_DAY


def complete_at(day: date, zone: tzinfo | None) -> datetime:
    """From when on all clicks of a day are known: it is one of those of `last_day_over` then."""
    end = datetime.combine(day + ONE_DAY, time.min, tzinfo=zone or WESTERNMOST)
    return end.astimezone(UTC) + OVERLAP


def days_to_load(loaded: Iterable[Days | None], *, start: date, last: date) -> list[date]:
    """Each day from `last` back to `start` that some stream has not loaded."""
    of_streams = [*loaded]
    return [
        day
        for day in days_back(last, start)
        if any(days is None or day not in days for days in of_streams)
    ]
