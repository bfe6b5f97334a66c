"""Queries without a complete answer, which later runs repeat. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tap_impact.progress.coverage import Purpose
from tap_impact.progress.windows import NARROWEST, WIDEST, Window
from tap_impact.records.timestamps import iso, parse_timestamp

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping
    from datetime import datetime

# The states that can be filtered by (List Actions).
STATES = ("PENDING", "APPROVED", "REVERSED")


class Query(NamedTuple):
    """What to ask a dated list for."""

    purpose: Purpose
    window: Window
    campaign_id: str | None = None
    state: str | None = None

    def __str__(self) -> str:
        """Read like `settlement 2026-06-28T07:00:00Z to ... of campaign 2044, APPROVED`."""
        words = f"{self.purpose.value} {self.window}"
        words += f" of campaign {self.campaign_id}" if self.campaign_id else ""
        return words + (f", {self.state}" if self.state else "")

    @classmethod
    def of_bookmark(cls, written: Mapping[str, str]) -> Query:
        """Read it from Singer state.

        Raises:
            ValueError, KeyError, TypeError: It is none that this version wrote.
        """
        window = Window(parse_timestamp(written["start"]), parse_timestamp(written["end"]))
        purpose = Purpose(written["purpose"])
        return cls(purpose, window, written.get("campaign_id"), written.get("state"))

    def bookmark(self) -> dict[str, str]:
        """Write it as Singer state."""
        written = {
            "purpose": self.purpose.value,
            "start": iso(self.window.start),
            "end": iso(self.window.end),
            "campaign_id": self.campaign_id,
            "state": self.state,
        }
        return {name: value for name, value in written.items() if value}

    def within(self, reach: datetime) -> Query | None:
        """What of it can still be requested, from the oldest time that can be; None for nothing."""
        if self.window.end <= reach:
            return None
        return self._replace(window=Window(max(self.window.start, reach), self.window.end))

    def merged(self, other: Query) -> Query | None:
        """One query for the windows of two; None if they do not meet or are for some rows only."""
        (start, end), (its_start, its_end) = self.window, other.window
        both = Query(self.purpose, Window(min(start, its_start), max(end, its_end)))
        meet = max(start, its_start) <= min(end, its_end)
        is_narrow = both.window.end - both.window.start <= WIDEST
        are_whole = {self, other} == {
            both._replace(window=window) for window in (self.window, other.window)
        }
        return both if meet and is_narrow and are_whole else None

    def narrower(self, campaign_ids: Iterable[str]) -> list[Query]:
        """Queries that together find the same rows; none if it cannot be narrowed down.

        A month's actions can lock in one second, where only campaign and state tell them apart.
        """
        if self.window.can_be_halved:
            return [self._replace(window=half) for half in self.window.halves()]
        if self.campaign_id is None:
            return [self._replace(campaign_id=each) for each in campaign_ids]
        if self.state is None:
            return [self._replace(state=each) for each in STATES]
        return []


def without_unanswered(
    query: Query, unanswered: Collection[Query], campaign_ids: Collection[str]
) -> Iterator[Query]:
    """Queries that together find what one does, but for those that are known to have no answer.

    The search for the seconds of the latter, and for the campaigns that are too large there, is
    not repeated.
    """
    known = {
        each.window
        for each in unanswered
        if each.purpose is query.purpose
        and each.state
        and query.campaign_id in {None, each.campaign_id}
        and query.window.start <= each.window.start
        and each.window.end <= query.window.end
    }
    start = query.window.start
    for window in sorted(known):
        if start < window.start:
            yield query._replace(window=Window(start, window.start - NARROWEST))
        too_large = {each.campaign_id for each in unanswered if each.window == window}
        campaigns = (
            [query.campaign_id]
            if query.campaign_id
            else sorted({*campaign_ids, *filter(None, too_large)})
        )
        for campaign_id in campaigns:
            there = query._replace(window=window, campaign_id=campaign_id)
            if campaign_id not in too_large:
                yield there
                continue
            yield from (each for each in there.narrower(()) if each not in unanswered)
        start = window.end + NARROWEST
    if not known or start <= query.window.end:
        yield query._replace(window=Window(start, query.window.end))
