"""Source for the items of actions: one request for each action, resumed in the next run."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cached_property
from itertools import chain
from math import ceil
from multiprocessing.pool import ThreadPool
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

import msgspec
from singer_sdk.exceptions import FatalAPIError, RetriableAPIError
from typing_extensions import override

from tap_impact.api.scopes import Need
from tap_impact.errors import (
    OF_LATER_REQUESTS,
    AccessDenied,
    ActionsDenied,
    ConsecutiveFailures,
    ItemsMissing,
    NotFound,
    RowsWithoutKey,
)
from tap_impact.progress.coverage import Coverage, Purpose
from tap_impact.progress.items import MAX_OPEN, RUNS_UNTIL_GONE, Action, ItemsProgress, fingerprint
from tap_impact.progress.windows import Window, newest_first, oldest_first
from tap_impact.records.anomalies import Anomalies
from tap_impact.records.columns import RecordEncoder
from tap_impact.records.timestamps import EARLIEST, ONE_DAY, iso
from tap_impact.sources.dated import load_progress, save_coverage
from tap_impact.sources.lists import DEFAULT_PAGE_SIZE
from tap_impact.sources.source import EVENTS_AN_HOUR, Batch, Estimate, Source

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
    from datetime import date, datetime

    from tap_impact.api.client import ImpactClient
    from tap_impact.api.scopes import Scope
    from tap_impact.records.fields import RecordMap, Row
    from tap_impact.settings import Settings
    from tap_impact.sources.dated import DatedSource
    from tap_impact.sources.source import Sync

T = TypeVar("T")

# State is written after this number of actions, which limits what a killed run repeats.
ACTIONS_PER_STATE = 20

# After this number of errors in a row, the cause is not one action.
MAX_CONSECUTIVE_ERRORS = 3

MAX_NAMED = 10

# Errors that concern all actions.
OF_ALL_ACTIONS = (AccessDenied, *OF_LATER_REQUESTS)

# Errors that concern one action only.
OF_ONE_ACTION = (ItemsMissing, NotFound)


@dataclass(frozen=True)
class LookupList:
    """A list that is read for its ids and changes; its rows are not loaded."""

    source: DatedSource
    record_map: RecordMap
    name: str
    part: str = ""
    is_full_table: bool = False
    bookmark: dict[str, Any] = field(default_factory=dict)
    anomalies: Anomalies = field(default_factory=Anomalies)

    @property
    def row_type(self) -> type:
        """What the rows of a page are decoded to."""
        return self.record_map.row_type

    def within(self, sync: Sync, window: Window, purpose: Purpose) -> Iterator[bytes]:
        """The JSON of the records of a window.

        Raises:
            RowsWithoutKey: Some rows have none; all others were given.
        """
        without_key = 0
        # The pages are decoded by the list's own map, not by that of the items.
        for rows in self.source.within(replace(sync, streams=[self]), window, purpose):
            lines = self.lines(rows)
            without_key += len(rows) - len(lines)
            yield from lines
        if without_key:
            raise RowsWithoutKey(f"{self.name} has {without_key} without an id that can be read.")

    def lines(self, rows: Sequence[Row]) -> list[bytes]:
        """The JSON of the records of rows, but for those without a key."""
        return [line for some in self._encoder.encode(rows) for line in some.json.splitlines()]

    @cached_property
    def _encoder(self) -> RecordEncoder:
        names = [field.name for field in self.record_map.fields]
        return RecordEncoder(self.record_map, names, {}, Anomalies())


@dataclass(frozen=True, kw_only=True)
class ActionItemsSource(Source):
    """The items of actions, at one request for each action.

    Only a modification or reversal changes an item, and both count as updates of the action, so
    the feed of updates finds them all; approval and clearing leave items as they are, so nothing
    is read again for them.
    """

    actions: LookupList
    """All actions whose items there are."""
    updates: LookupList
    """Shows changes of items that do not change the action's own row."""
    scope: Scope
    replication_key: str
    item_keys: tuple[str, ...]
    """By which the rows of a page of items may go."""
    concurrent_requests: int = 10
    """How many requests are under way at once: as many as connections stay open in `requests`."""

    @override
    def needs(self, settings: Settings) -> list[Need]:
        return [Need(self.scope, self.path("0"))]

    @override
    def check_bookmark(self, bookmark: Mapping[str, Any]) -> None:
        self.actions.source.check_bookmark(bookmark)
        ItemsProgress.of_bookmark(Coverage(EARLIEST, EARLIEST), bookmark)

    @override
    def read(self, sync: Sync) -> Iterator[Batch]:
        if any(stream.is_full_table for stream in sync.streams):
            yield from self._read_all(sync)
        else:
            yield from IncrementalReader(self, sync).read()

    @override
    def scope_lacking(self, error: AccessDenied) -> Scope:
        return self.actions.source.scope if isinstance(error, ActionsDenied) else self.scope

    @override
    def oldest_gap(self, sync: Sync) -> date | None:
        settings, progress = sync.settings, load_items_progress(sync)
        start = max(settings.start, sync.account_start.known or settings.start)
        windows = progress.windows(now=settings.now, start=start, reach=settings.reach)
        gaps = [window.start for purpose, window in windows if purpose is Purpose.HISTORY]
        gaps += [each.event_date for each in progress.open.values()]
        return min(gaps).date() if gaps else None

    @override
    def estimate(self, sync: Sync) -> Estimate:
        settings, progress = sync.settings, load_items_progress(sync)
        start = settings.start
        lists = len([*progress.windows(now=settings.now, start=start, reach=settings.reach)])
        left = max(progress.coverage.since - start, timedelta())
        left += max(settings.now - progress.coverage.through, timedelta())
        number = ceil(self.actions.source.rows_per_day(sync) * (left / ONE_DAY))
        most = settings.action_items_per_run
        note = (
            f"The whole history has about {number} actions, in {ceil(number / most)} runs of "
            f"{most} actions."
        )
        return Estimate(min(number, most) + lists, number + lists, EVENTS_AN_HOUR, note)

    def path(self, action_id: str) -> str:
        """Path of an action's items."""
        return f"{self._action_path(action_id)}/Items"

    def action(self, client: ImpactClient, action_id: str) -> dict[str, Any]:
        """An action as sent."""
        return client.get_object(self._action_path(action_id))

    def rows_of(self, client: ImpactClient, action: Action, now: datetime) -> list[dict[str, Any]]:
        """The items of an action, with the action's id and dates added.

        Raises:
            ItemsMissing, NotFound, ...: as `sent` says.
        """
        ordinals = Counter[str]()
        sent = self.sent(client, action.id)
        rows = []
        for row in sent:
            sku = "" if row.get("Sku") is None else str(row["Sku"])
            ordinals[sku] += 1
            added = {
                "ActionId": action.id,
                "Sku": sku,
                "SkuOrdinal": ordinals[sku],
                "EventDate": iso(action.event_date) if action.event_day else None,
                "EventDay": action.event_day or None,
                "ItemCount": len(sent),
                "ItemsReadAt": iso(now),
            }
            rows.append(row | added)
        return rows

    def sent(self, client: ImpactClient, action_id: str) -> list[dict[str, Any]]:
        """The items as sent.

        Raises:
            ItemsMissing: Not all of them came.
            NotFound: impact.com knows no such action; it may have gone to another partner.
            AccessDenied, FatalAPIError, RetriableAPIError: as the client says.
        """
        path = self.path(action_id)
        pages = [*client.pages(path, {"PageSize": DEFAULT_PAGE_SIZE}, *self.item_keys)]
        rows = [row for page in pages for row in page.rows]
        announced = max(page.total for page in pages)
        if len(rows) < announced:
            raise ItemsMissing(
                f"impact.com announced {announced} items at {path} and sent {len(rows)}."
            )
        if pages[0].is_blank:
            raise ItemsMissing(f"impact.com's answer to {path} holds neither items nor a total.")
        return rows

    def ask(
        self, sync: Sync, actions: Sequence[Action]
    ) -> Iterator[tuple[Action, list[dict[str, Any]] | Exception]]:
        """Each action with the rows of its items, or with what went wrong with it alone.

        In order, some requests under way at once.

        Raises:
            AccessDenied, RateLimited, WrongCredentials, ConsecutiveFailures: None can be had.
        """

        def answer(action: Action) -> list[dict[str, Any]] | Exception:
            try:
                return self.rows_of(sync.client, action, sync.settings.now)
            except OF_ALL_ACTIONS:
                raise
            except (FatalAPIError, RetriableAPIError) as error:
                return error

        if not actions:
            return
        with ThreadPool(min(self.concurrent_requests, len(actions))) as pool:
            in_a_row = 0
            for action, coming in prefetch(
                self.concurrent_requests,
                ((action, pool.apply_async(answer, (action,))) for action in actions),
            ):
                found = coming.get()
                yield action, found
                is_own = not isinstance(found, Exception) or isinstance(found, OF_ONE_ACTION)
                in_a_row = 0 if is_own else in_a_row + 1
                if in_a_row == MAX_CONSECUTIVE_ERRORS:
                    raise ConsecutiveFailures(str(found))

    def listed(
        self, sync: Sync, window: Window, purpose: Purpose, failures: Failures
    ) -> list[Action]:
        """The actions of a window, each once; those without an id are noted as failed."""
        found: dict[str, Action] = {}
        try:
            for line in self.actions.within(sync, window, purpose):
                action = Action.of_json(line, undated=window.start)
                found[action.id] = action
        except AccessDenied as error:
            raise ActionsDenied(str(error)) from None
        except RowsWithoutKey as error:
            failures.without_key = str(error)
        return [*found.values()]

    def action_of(self, row: Row) -> Action:
        """What is needed of an action to request its items.

        Raises:
            RowsWithoutKey: It has no id.
        """
        for line in self.actions.lines([row]):
            return Action.of_json(line, undated=EARLIEST)
        raise RowsWithoutKey("An action has no id that can be read.")

    def _action_path(self, action_id: str) -> str:
        return f"{self.actions.source.path}/{quote(action_id, safe='')}"

    def _read_all(self, sync: Sync) -> Iterator[Batch]:
        """Ask for the items of every action, without regard to the state."""
        failures = Failures(sync)
        windows = newest_first(sync.settings.start, sync.settings.now)
        lists = (self.listed(sync, window, Purpose.HISTORY, failures) for window in windows)
        # The second time it is those that the first time did not bring.
        for actions in chain(lists, map(Failures.to_retry, [failures])):
            for action, answer in self.ask(sync, actions):
                if isinstance(answer, Exception):
                    failures.add(action, answer)
                else:
                    failures.drop(action)
                    yield Batch(answer, sync.streams)
        failures.raise_if_any([*failures.found], "All other items are loaded.")


@dataclass
class Failures:
    """The actions whose items were not received in this run, with the errors."""

    sync: Sync
    found: dict[str, tuple[Action, Exception]] = field(default_factory=dict)
    without_key: str = ""
    """What a list said of actions without an id; nothing can be requested for them."""

    def add(self, action: Action, error: Exception) -> None:
        """Note what went wrong with an action."""
        if action.id not in self.found:
            self.sync.logger.warning("%s: %s", self.sync.name, error)
        self.found[action.id] = action, error

    def drop(self, action: Action) -> None:
        """Note that an action's items were received."""
        self.found.pop(action.id, None)

    def to_retry(self) -> list[Action]:
        """The actions to request once more: those whose requests the client did not repeat."""
        return [
            action
            for action, error in self.found.values()
            if not isinstance(error, RetriableAPIError)
        ]

    def raise_if_any(self, action_ids: Sequence[str], outcome: str) -> None:
        """Report all actions without items.

        Raises:
            FatalAPIError: There are some.
        """
        said = []
        if action_ids:
            named = ", ".join(action_ids[:MAX_NAMED])
            if others := action_ids[MAX_NAMED:]:
                named += f" and {len(others)} more"
            said = [f"impact.com did not return the items of these actions: {named}."]
            said += [f"Last error: {error}" for _, error in self.found.values()][-1:]
            said.append(outcome)
        if self.without_key:
            said.append(f"{self.without_key} Their items cannot be requested.")
        if said:
            raise FatalAPIError(f"{self.sync.name}: {' '.join(said)}")


class IncrementalReader:
    """A run that continues from the state of the last one."""

    def __init__(self, source: ActionItemsSource, sync: Sync) -> None:
        """Read the state; nothing is sent yet."""
        self._source = source
        self._sync = sync
        self._progress = load_items_progress(sync)
        self._allowed = sync.settings.action_items_per_run
        self._failures = Failures(sync)
        self._is_cut = False
        settings = sync.settings
        self._catch_up_window = self._progress.catch_up_window(
            now=settings.now, reach=settings.reach
        )

    def read(self) -> Iterator[Batch]:
        """Every batch of the run: for as many actions as are allowed.

        Raises:
            FatalAPIError: After all else was loaded: some actions are still open.
        """
        # Items that are never received must leave requests for the others.
        some = self._allowed // 2
        try:
            with suppress(ConsecutiveFailures):
                yield from self._ask(self._progress.open_actions()[:some])
            yield from self._lists()
            with suppress(ConsecutiveFailures):
                yield from self._ask(self._not_requested())
                yield from self._ask(self._failures.to_retry())
        except (FatalAPIError, RetriableAPIError):
            self._save()
            raise
        self._end()

    def _lists(self) -> Iterator[Batch]:
        """Go from list to list of actions until no more may be requested."""
        sync, settings, progress = self._sync, self._sync.settings, self._progress
        start = settings.start
        for purpose, window in progress.windows(
            now=settings.now, start=start, reach=settings.reach
        ):
            listed = self._listed(window, purpose)
            # Nobody knows whether the next run lists them, too.
            for action in listed:
                if not action.event_day:
                    progress.add_open(action)
            listed = [action for action in listed if action.event_day]
            to_request = progress.to_request(purpose, listed, start)
            asked, items = yield from self._ask(to_request, purpose)
            if asked == len(to_request):
                progress.mark_complete(purpose, window, listed, settings.now)
            self._save()
            sync.logger.info(
                "%s: %s %s: %d actions, %d need a request, %d requested, %d items.",
                sync.name,
                purpose.value,
                window,
                len(listed),
                len(to_request),
                asked,
                items,
            )
            if asked < len(to_request):
                self._is_cut = True
                return

    def _not_requested(self) -> list[Action]:
        """The open actions that were not requested in this run."""
        found = self._failures.found
        return [action for action in self._progress.open_actions() if action.id not in found]

    def _ask(
        self, actions: Sequence[Action], purpose: Purpose | None = None
    ) -> Generator[Batch, None, tuple[int, int]]:
        """Load the items of actions in order; how many actions that were, and the number of items.

        Args:
            actions: those beyond what the run is allowed are left out.
            purpose: why they were listed; None if progress had come past them before.
        """
        sync, progress, failures = self._sync, self._progress, self._failures
        asked = items = 0
        for action, answer in self._source.ask(sync, actions[: self._allowed]):
            if isinstance(answer, Exception):
                failures.add(action, answer)
                if not progress.add_open(action):
                    raise FatalAPIError(
                        f"{sync.name}: the items of {MAX_OPEN} actions did not come, and now "
                        f"those of {action.id}: {answer} State is safe: run again."
                    )
            else:
                yield Batch(answer, sync.streams)
                failures.drop(action)
                progress.close(action)
                items += len(answer)
            if purpose:
                progress.mark_requested(purpose, action)
            asked += 1
            self._allowed -= 1
            if asked % ACTIONS_PER_STATE == 0:
                self._save()
        return asked, items

    def _listed(self, window: Window, purpose: Purpose) -> list[Action]:
        """The actions of a window that matter, and what is known of their updates."""
        listed = [
            action
            for action in self._source.listed(self._sync, window, purpose, self._failures)
            if self._progress.is_in_range(action, self._sync.settings.start)
        ]
        if purpose is Purpose.HISTORY or not listed:
            return listed
        updates = self._updates
        return [
            action._replace(updates=None if updates is None else frozenset(updates[action.id]))
            for action in listed
        ]

    @cached_property
    def _updates(self) -> dict[str, set[str]] | None:
        """By action, the digests of its updates since the last run; None if they are not available.

        They are requested before the items, so a change in between is met by the next run.
        """
        found = defaultdict[str, set[str]](set)
        try:
            for window in oldest_first(*self._catch_up_window):
                for line in self._source.updates.within(self._sync, window, Purpose.CATCH_UP):
                    update = msgspec.json.decode(line)
                    found[update["action_id"]].add(fingerprint(update["id"].encode()))
        except OF_LATER_REQUESTS:
            raise
        except (FatalAPIError, RetriableAPIError) as error:
            self._sync.logger.warning(
                "%s: %s Without the updates, every action that changed since the last run is "
                "requested again.",
                self._sync.name,
                error,
            )
            return None
        return found

    def _end(self) -> None:
        """Count this run for each failed action, and report the open ones."""
        sync, progress, failures = self._sync, self._progress, self._failures
        for action, error in failures.found.values():
            if progress.count_failed_run(action.id, not_found=isinstance(error, NotFound)):
                sync.logger.warning(
                    "%s: impact.com answered 404 to action %s in %d runs, so it went to another "
                    "partner. It is requested again when it is listed as changed.",
                    sync.name,
                    action.id,
                    RUNS_UNTIL_GONE,
                )
        self._save()
        not_requested = {action.id for action in self._not_requested()}
        if self._is_cut or not_requested:
            sync.logger.info(
                "%s: action_items_per_run is %d; the next run continues from here.",
                sync.name,
                sync.settings.action_items_per_run,
            )
        failures.raise_if_any(
            [
                each
                for each in progress.open
                if each not in not_requested or progress.open[each].runs
            ],
            "The next run requests them first; other actions are not affected.",
        )

    def _save(self) -> None:
        replication_key = self._source.replication_key
        save_coverage(
            self._sync, self._progress.coverage, replication_key, **self._progress.details()
        )


def prefetch(number: int, items: Iterable[T]) -> Iterator[T]:
    """The same items, as many of them drawn at once."""
    drawn = deque[T]()
    for item in items:
        drawn.append(item)
        if len(drawn) == number:
            yield drawn.popleft()
    yield from drawn


def load_items_progress(sync: Sync) -> ItemsProgress:
    """The progress that the last run saved."""
    if covered := load_progress(sync).coverage:
        return ItemsProgress.of_bookmark(covered, sync.streams[0].bookmark)
    return ItemsProgress(Coverage(sync.settings.now, sync.settings.now))
