"""Whose items are loaded, action by action, and whose come next. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from singer_sdk.exceptions import FatalAPIError

from tap_impact.progress.coverage import OVERLAP, Coverage, Purpose
from tap_impact.progress.windows import Window, doubling, newest_first, oldest_first
from tap_impact.records.instants import parse_instant

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime

# A list of actions is one request whatever it holds, their items one each: a run that may have to
# stop soon begins with short lists.
FIRST_WIDTH = timedelta(days=2)


class Action(NamedTuple):
    """What is needed of an action to ask for its items."""

    id: str
    event_date: datetime
    event_day: str
    digest: str
    """Of the whole row: the API does not say when an action changed."""

    @classmethod
    def of_json(cls, line: bytes) -> Action:
        """Read the JSON of a record of the stream `actions`.

        Raises:
            FatalAPIError: It has no event date.
        """
        record = msgspec.json.decode(line)
        if not record["event_date"]:
            raise FatalAPIError(f"Action {record['id']} has no EventDate. State is safe.")
        return cls(
            record["id"],
            parse_instant(record["event_date"]),
            record["event_day"],
            blake2b(line, digest_size=6).hexdigest(),
        )


@dataclass
class Progress:
    """Whose items are held. A run may stop between any two actions, so it is more than Coverage.

    Catch-up goes from list to list of what changed; what it did of an unfinished list is `recent`.
    History goes back from action to action: newest first, and by id where they happened at once.
    An action that history has yet to come to is left to it.
    """

    coverage: Coverage
    last_id: str | None = None
    """How far history is among the actions that happened at `coverage.since`; None: done."""
    recent: dict[str, str] = field(default_factory=dict)
    """By id, the digests of actions that the next catch-up may list although nothing changed."""

    @classmethod
    def of_bookmark(cls, coverage: Coverage, bookmark: Mapping[str, Any]) -> Progress:
        """Read what stands beside the coverage in Singer state.

        Raises:
            ValueError, TypeError, AttributeError: It is none that this version wrote.
        """
        last_id, recent = bookmark.get("history_last_id"), bookmark.get("recent") or {}
        if not all(isinstance(each, str) for each in (last_id or "", *recent.values())):
            raise TypeError
        return cls(coverage, last_id, dict(recent))

    def details(self) -> dict[str, Any]:
        """Write what stands beside the coverage in Singer state."""
        details = {"history_last_id": self.last_id, "recent": dict(self.recent)}
        return {name: value for name, value in details.items() if value}

    def lists(
        self, *, now: datetime, start: datetime, reach: datetime
    ) -> Iterator[tuple[Purpose, Window]]:
        """Which lists of actions to go through, in order: catch-up to `now`, history to `start`.

        Rows become visible up to OVERLAP after their own timestamp. That last stretch is a list
        by itself, because the next run reads it again.
        """
        since, through = self.coverage
        if through <= now:
            changed = max(through - OVERLAP, reach)
            settled = max(now - OVERLAP, changed)
            for window in oldest_first(changed, settled, doubling(FIRST_WIDTH)):
                yield Purpose.CATCH_UP, window
            yield Purpose.CATCH_UP, Window(settled, now)
        for window in newest_first(start, since, doubling(FIRST_WIDTH)):
            yield Purpose.HISTORY, window
        if since == start and self.last_id is not None:
            yield Purpose.HISTORY, Window(start, start)

    def awaits(self, action: Action, start: datetime) -> bool:
        """Whether history has yet to come to an action."""
        since = self.coverage.since
        if start <= action.event_date == since:
            return self.last_id is not None and action.id > self.last_id
        return start <= action.event_date < since

    def to_ask(self, purpose: Purpose, listed: Iterable[Action], start: datetime) -> list[Action]:
        """Which of the listed actions to ask for their items, in order."""
        by_id = sorted(listed, key=lambda action: action.id)
        ordered = sorted(by_id, key=lambda action: action.event_date, reverse=True)
        if purpose is Purpose.HISTORY:
            return [action for action in ordered if self.awaits(action, start)]
        return [
            action
            for action in ordered
            if not self.awaits(action, start) and self.recent.get(action.id) != action.digest
        ]

    def asked(self, purpose: Purpose, action: Action) -> None:
        """Note that the items of an action are held."""
        if purpose is Purpose.HISTORY:
            self.coverage = self.coverage._replace(since=action.event_date)
            self.last_id = action.id
        else:
            self.recent[action.id] = action.digest

    def finished(
        self, purpose: Purpose, window: Window, listed: Iterable[Action], now: datetime
    ) -> None:
        """Note that a list was gone through to its end."""
        if purpose is Purpose.HISTORY:
            self.coverage = self.coverage._replace(since=window.start)
            self.last_id = None
            return
        through = max(self.coverage.through, min(window.end + OVERLAP, now))
        self.coverage = self.coverage._replace(through=through)
        if window.end == now:
            self.recent = {action.id: action.digest for action in listed}
        else:
            for action in listed:
                self.recent.pop(action.id, None)
