"""Periods of reports: how a span is cut to them, which are loaded, and which are next. Pure.

A report is a snapshot: its rows say how a period looks now. So what was read is read again
while it may change, and a period is the unit in which rows come, are replaced, and are missing.
"""

from __future__ import annotations

from calendar import monthrange
from dataclasses import dataclass, replace
from datetime import date, timedelta
from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple

from tap_impact.records.timestamps import ONE_DAY, parse_timestamp

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

# "A report can be run for at most 365 days" (help pages on reports), both ends included.
MAX_SPAN = timedelta(days=364)


class Every(Enum):
    """How a report's span is cut: its rows are sums over one period each."""

    DAY = "day"
    MONTH = "month"
    ALL = "all"
    """Not cut: one query for the whole span, by every run."""


class Period(NamedTuple):
    """Days that one query requests, both ends included."""

    name: str
    """`2026-06-29`, `2026-06` or `all`: the same whenever it is read."""
    first: date
    last: date

    @classmethod
    def around(cls, day: date, every: Every) -> Period:
        """The day or the month that a day belongs to."""
        if every is Every.DAY:
            return cls(day.isoformat(), day, day)
        first, length = day.replace(day=1), monthrange(day.year, day.month)[1]
        return cls(f"{day:%Y-%m}", first, day.replace(day=length))


def periods_back(every: Every, start: date, today: date) -> Iterator[Period]:
    """The periods from that of `today` back to that of `start`, whole ones at both ends."""
    if every is Every.ALL:
        yield Period(every.value, start, today)
        return
    while today >= start:
        period = Period.around(today, every)
        yield period
        today = period.first - ONE_DAY


@dataclass(frozen=True)
class PeriodCoverage:
    """The periods from `since` to `through` were read, but for those that are `open`."""

    every: Every
    since: date
    """First day of the oldest period that was read."""
    through: date
    """The newest day that was requested; its period may have gone on since."""
    open: frozenset[str] = frozenset()
    """The names of periods in between that are still to be read, or to be read again."""

    @classmethod
    def of_bookmark(cls, bookmark: Mapping[str, Any]) -> PeriodCoverage | None:
        """Read it from Singer state; None if nothing was read yet.

        Raises:
            ValueError, KeyError, TypeError: It is none that this version wrote.
        """
        if not bookmark.get("replication_key_value"):
            return None
        return cls(
            Every(bookmark["period"]),
            parse_timestamp(bookmark["history_since"]).date(),
            parse_timestamp(bookmark["replication_key_value"]).date(),
            frozenset(map(str, bookmark.get("open_periods") or ())),
        )

    def bookmark(self, replication_key: str) -> dict[str, Any]:
        """Write it as Singer state, under the names that every Singer tool expects."""
        return {
            "replication_key": replication_key,
            "replication_key_value": self.through.isoformat(),
            "history_since": self.since.isoformat(),
            "period": self.every.value,
            "open_periods": sorted(self.open),
        }

    def holds(self, period: Period) -> bool:
        """Whether a period was read when it was over."""
        inside = self.since <= period.first and period.last <= self.through
        return inside and period.name not in self.open

    def plus(self, period: Period) -> PeriodCoverage:
        """The same with one more period; those in between are open."""
        older = periods_back(self.every, period.first, self.since - ONE_DAY)
        between = {each.name for each in older if self.every is not Every.ALL}
        return replace(
            self,
            since=min(self.since, period.first),
            open=(self.open | between) - {period.name},
        )


def due(
    covered: PeriodCoverage | None,
    every: Every,
    *,
    start: date,
    today: date,
    lookback: timedelta,
    changed: Collection[date] = (),
) -> list[Period]:
    """What a run reads, newest first: what is new, what may have changed, what is missing.

    What may have changed lies within `lookback` of the last run, however long ago that was.

    Args:
        covered: what was read so far.
        every: how the span is cut.
        start: how far back history goes.
        today: the newest day.
        lookback: for how long what was read may change.
        changed: days of which it is known that something changed since the last run.
    """
    periods = [*periods_back(every, start, today)]
    if covered is None or every is Every.ALL:
        return periods
    changing = min(covered.through, today) - lookback
    return [
        each
        for each in periods
        if each.last >= changing
        or not covered.holds(each)
        or any(each.first <= day <= each.last for day in changed)
    ]


def oldest_gap(
    covered: PeriodCoverage | None, every: Every, *, start: date, today: date
) -> date | None:
    """The first day of the oldest period that is still to be read; None if there is none."""
    if every is Every.ALL:
        return None
    missing = [
        each.first
        for each in periods_back(every, start, today)
        if covered is None or each.first < covered.since or each.name in covered.open
    ]
    return min(missing, default=None)


def begun(
    covered: PeriodCoverage | None,
    every: Every,
    periods: Sequence[Period],
    *,
    today: date,
    lookback: timedelta,
) -> PeriodCoverage:
    """The coverage of a run that has yet to read these periods, newest first, one at least.

    Whatever breaks on the way, each of them is open until it was read; so is what this run leaves
    out because its span begins later than that of a run before.
    """
    if covered is None:
        newest = periods[0]
        return PeriodCoverage(every, newest.first, today, frozenset({newest.name}))
    left_out = due(covered, every, start=covered.since, today=today, lookback=lookback)
    again = {each.name for each in (*left_out, *periods) if each.first >= covered.since}
    return replace(covered, through=max(covered.through, today), open=covered.open | again)
