"""Which actions' items are loaded, and which are next. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from tap_impact.progress.coverage import OVERLAP, Coverage, Purpose
from tap_impact.progress.windows import Window, doubling, newest_first, oldest_first
from tap_impact.records.timestamps import iso, parse_timestamp

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime

# A list of actions is one request whatever it holds, their items one each: a run that may have to
# stop soon begins with short lists.
FIRST_WIDTH = timedelta(days=2)

# Each open action costs a place in every STATE, and a request or two in every run.
MAX_OPEN = 200

# A 404 may be transient. In so many runs in a row it means that the action went to another partner.
RUNS_UNTIL_GONE = 3


class Action(NamedTuple):
    """What is needed of an action to request its items."""

    id: str
    event_date: datetime
    event_day: str
    """Empty if the date cannot be read; `event_date` is then within the window of the list."""
    digest: str = ""
    """Of the whole row: the API does not say when an action changed."""
    updates: frozenset[str] | None = frozenset()
    """Digests of its updates in the catch-up window; None if they are not available.

    An item may take another's place at the same price, which leaves the action's own row as it was.
    """

    @property
    def fingerprints(self) -> frozenset[str]:
        """Changes whenever its items may have changed."""
        return (self.updates or frozenset()) | {self.digest}

    @classmethod
    def of_json(cls, line: bytes, undated: datetime) -> Action:
        """Read the JSON of a record of the stream `actions`.

        Args:
            line: the record.
            undated: its place in time if its date cannot be read.
        """
        record = msgspec.json.decode(line)
        digest = fingerprint(line, 6)
        if not record["event_date"]:
            return cls(record["id"], undated, "", digest)
        return cls(record["id"], parse_timestamp(record["event_date"]), record["event_day"], digest)


class Open(NamedTuple):
    """An action whose items were requested and not received."""

    event_date: datetime
    event_day: str
    runs: int = 0
    """How many runs ended without them."""
    runs_not_found: int = 0
    """How many of the last runs ended with a 404 for them."""


@dataclass
class ItemsProgress:
    """Whose items are loaded. A run may stop between any two actions: that is more than Coverage.

    Catch-up goes from list to list of what changed; what it did of an unfinished list is `recent`.
    History goes back from action to action: newest first, and by id where they happened at once.
    An action that history has yet to come to is left to it. An action whose items do not come is
    `open` until they do; nothing waits for it.
    """

    coverage: Coverage
    last_id: str | None = None
    """How far history is among the actions that happened at `coverage.since`; None: done."""
    recent: dict[str, frozenset[str]] = field(default_factory=dict)
    """By id, fingerprints of actions that the next catch-up may list though nothing changed."""
    open: dict[str, Open] = field(default_factory=dict)
    """By id, the actions whose items to request again; at most MAX_OPEN."""

    @classmethod
    def of_bookmark(cls, coverage: Coverage, bookmark: Mapping[str, Any]) -> ItemsProgress:
        """Read the entries beside the coverage in Singer state.

        Raises:
            ValueError: It is none that this version wrote, or one before.
        """
        try:
            kept = msgspec.convert(bookmark, Details)
        except msgspec.ValidationError as error:
            raise ValueError(str(error)) from None
        return cls(
            coverage,
            kept.history_last_id,
            {
                action_id: frozenset(fingerprints.split())
                for action_id, fingerprints in kept.recent.items()
            },
            {
                action_id: Open(
                    parse_timestamp(each.event_date), each.event_day, each.runs, each.runs_not_found
                )
                for action_id, each in kept.open.items()
            },
        )

    def details(self) -> dict[str, Any]:
        """Write the entries beside the coverage in Singer state."""
        details = {
            "history_last_id": self.last_id,
            "recent": {
                action_id: " ".join(sorted(fingerprints))
                for action_id, fingerprints in self.recent.items()
            },
            "open": {
                action_id: each._asdict() | {"event_date": iso(each.event_date)}
                for action_id, each in self.open.items()
            },
        }
        return {name: value for name, value in details.items() if value}

    def catch_up_window(self, *, now: datetime, reach: datetime) -> Window:
        """What catch-up lists: all since the last run, and OVERLAP before."""
        return Window(max(self.coverage.through - OVERLAP, reach), now)

    def windows(
        self, *, now: datetime, start: datetime, reach: datetime
    ) -> Iterator[tuple[Purpose, Window]]:
        """Which lists of actions to go through, in order: catch-up to `now`, history to `start`.

        Rows become visible up to OVERLAP after their own timestamp. That last stretch is a list
        by itself, because the next run reads it again.
        """
        since, through = self.coverage
        if through <= now:
            changed, _ = self.catch_up_window(now=now, reach=reach)
            settled = max(now - OVERLAP, changed)
            for window in oldest_first(changed, settled, doubling(FIRST_WIDTH)):
                yield Purpose.CATCH_UP, window
            yield Purpose.CATCH_UP, Window(settled, now)
        for window in newest_first(start, since, doubling(FIRST_WIDTH)):
            yield Purpose.HISTORY, window
        if since == start and self.last_id is not None:
            yield Purpose.HISTORY, Window(start, start)

    def is_in_range(self, action: Action, start: datetime) -> bool:
        """Whether an action's items belong in the table, which has no days in part."""
        return action.event_date >= min(start, self.coverage.since)

    def is_left_to_history(self, action: Action, start: datetime) -> bool:
        """Whether history will read an action later."""
        since = self.coverage.since
        if start <= action.event_date == since:
            return self.last_id is not None and action.id > self.last_id
        return start <= action.event_date < since

    def to_request(
        self, purpose: Purpose, listed: Iterable[Action], start: datetime
    ) -> list[Action]:
        """The listed actions whose items to request, in order."""
        by_id = sorted(listed, key=lambda action: action.id)
        ordered = sorted(by_id, key=lambda action: action.event_date, reverse=True)
        if purpose is Purpose.HISTORY:
            return [action for action in ordered if self.is_left_to_history(action, start)]
        return [
            action
            for action in ordered
            if self.is_in_range(action, start)
            and not self.is_left_to_history(action, start)
            and self._may_have_changed(action)
        ]

    def _may_have_changed(self, action: Action) -> bool:
        """Whether anything is new since an action's items were requested."""
        return action.updates is None or not action.fingerprints <= self.recent.get(
            action.id, frozenset()
        )

    def mark_requested(self, purpose: Purpose, action: Action) -> None:
        """Note that an action's items were requested."""
        if purpose is Purpose.HISTORY:
            self.coverage = self.coverage._replace(since=action.event_date)
            self.last_id = action.id
        else:
            self.recent[action.id] = action.fingerprints

    def close(self, action: Action) -> None:
        """Note that an action's items were received."""
        self.open.pop(action.id, None)

    def add_open(self, action: Action) -> bool:
        """Keep an action open whose items were not received; False if too many are open."""
        if action.id not in self.open and len(self.open) >= MAX_OPEN:
            return False
        self.open.setdefault(action.id, Open(action.event_date, action.event_day))
        return True

    def open_actions(self) -> list[Action]:
        """The open actions, those with the fewest failed runs first."""
        ordered = sorted(self.open.items(), key=lambda item: (item[1].runs, item[0]))
        return [Action(action_id, each.event_date, each.event_day) for action_id, each in ordered]

    def count_failed_run(self, action_id: str, *, not_found: bool) -> bool:
        """Count a run without an action's items; True if the action is closed for it."""
        before = self.open[action_id]
        runs_not_found = before.runs_not_found + 1 if not_found else 0
        if runs_not_found == RUNS_UNTIL_GONE:
            del self.open[action_id]
            return True
        after = before._replace(runs=before.runs + 1, runs_not_found=runs_not_found)
        self.open[action_id] = after
        return False

    def mark_complete(
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
            self.recent = {action.id: action.fingerprints for action in listed}
        else:
            for action in listed:
                self.recent.pop(action.id, None)


class OpenDetails(msgspec.Struct):
    """An open action in Singer state."""

    event_date: str
    event_day: str
    runs: int = 0
    runs_not_found: int = 0


class Details(msgspec.Struct):
    """The entries beside the coverage in Singer state."""

    history_last_id: str | None = None
    recent: dict[str, str] = {}
    """By action, its fingerprints with a blank between them."""
    open: dict[str, OpenDetails] = {}


def fingerprint(content: bytes, size: int = 4) -> str:
    """A short name of what can be compared and not read."""
    return blake2b(content, digest_size=size).hexdigest()
