"""Reading the items of actions: one request for each action, and where that stopped."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cached_property
from itertools import islice
from math import ceil
from multiprocessing.pool import ThreadPool
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from singer_sdk.exceptions import FatalAPIError, RetriableAPIError
from typing_extensions import override

from tap_impact.api.scopes import Need
from tap_impact.errors import AccessDenied, NotFound
from tap_impact.progress.coverage import Coverage, Purpose
from tap_impact.progress.dated import EARLIEST
from tap_impact.progress.items import Action, Progress
from tap_impact.progress.windows import newest_first
from tap_impact.records.anomalies import Anomalies
from tap_impact.records.columns import RecordEncoder
from tap_impact.records.instants import iso
from tap_impact.sources.dated import load_progress as load_list_progress
from tap_impact.sources.dated import save_coverage
from tap_impact.sources.lists import LIST_PAGE_SIZE
from tap_impact.sources.source import EVENTS_AN_HOUR, Batch, Estimate, Source

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from tap_impact.api.client import ImpactClient
    from tap_impact.api.scopes import Scope
    from tap_impact.progress.windows import Window
    from tap_impact.records.fields import RecordMap, Row
    from tap_impact.settings import Settings
    from tap_impact.sources.dated import DatedSource
    from tap_impact.sources.source import Sync

ONE_DAY = timedelta(days=1)

# State is written after so many actions: a run that is killed has asked for no more in vain.
ACTIONS_PER_STATE = 20


@dataclass(frozen=True, kw_only=True)
class ActionItemsSource(Source):
    """The items of actions, at one request for each action.

    Only a modification or reversal changes an item, and both count as updates of the action, so
    the feed of updates finds them all; approval and clearing leave items as they are, so nothing
    is read again for them.
    """

    actions: DatedSource
    """Where the actions are listed."""
    action_map: RecordMap
    """What a record of an action is made of."""
    scope: Scope
    replication_key: str
    item_keys: tuple[str, ...]
    """By which the rows of a page of items may go."""
    in_flight: int = 10
    """How many requests are under way at once: as many as connections stay open in `requests`."""

    @override
    def needs(self, settings: Settings) -> list[Need]:
        return [Need(self.scope, self.path("0"))]

    @override
    def check_bookmark(self, bookmark: Mapping[str, Any]) -> None:
        self.actions.check_bookmark(bookmark)
        Progress.of_bookmark(Coverage(EARLIEST, EARLIEST), bookmark)

    @override
    def read(self, sync: Sync) -> Iterator[Batch]:
        settings = sync.settings
        if any(stream.is_full_table for stream in sync.streams):
            for window in newest_first(settings.start, settings.now):
                for _, rows in self._ask(sync, self._listed(sync, window, Purpose.HISTORY)):
                    yield Batch(rows, sync.streams)
        else:
            yield from self._continue(sync)

    @override
    def scope_lacking(self, error: AccessDenied) -> Scope:
        return self.actions.scope if isinstance(error, ActionsDenied) else self.scope

    @override
    def estimate(self, sync: Sync) -> Estimate:
        settings, progress = sync.settings, load_progress(sync)
        start = settings.start
        lists = len([*progress.lists(now=settings.now, start=start, reach=settings.reach)])
        left = max(progress.coverage.since - start, timedelta())
        left += max(settings.now - progress.coverage.through, timedelta())
        number = ceil(self.actions.rows_per_day(sync) * (left / ONE_DAY))
        most = settings.action_items_per_run
        note = (
            f"The whole history has about {number} actions, in {ceil(number / most)} runs of "
            f"{most} actions."
        )
        return Estimate(min(number, most) + lists, number + lists, EVENTS_AN_HOUR, note)

    def path(self, action_id: str) -> str:
        """Path of an action's items."""
        return f"{self.actions.path}/{quote(action_id, safe='')}/Items"

    def rows_of(self, client: ImpactClient, action: Action, now: datetime) -> list[dict[str, Any]]:
        """The items of an action, which do not say themselves whose they are."""
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
                "EventDate": iso(action.event_date),
                "EventDay": action.event_day,
                "ItemCount": len(sent),
                "ItemsReadAt": iso(now),
            }
            rows.append(row | added)
        return rows

    def sent(self, client: ImpactClient, action_id: str) -> list[dict[str, Any]]:
        """The items as sent; none if the action went to another partner meanwhile."""
        query = {"PageSize": LIST_PAGE_SIZE}
        try:
            pages = client.pages(self.path(action_id), query, *self.item_keys)
            return [row for page in pages for row in page.rows]
        except NotFound:
            return []

    def _continue(self, sync: Sync) -> Iterator[Batch]:
        """Go on where the state says that the last run stopped, for as many actions as allowed."""
        settings, start = sync.settings, sync.settings.start
        progress = load_progress(sync)
        allowed = settings.action_items_per_run
        for purpose, window in progress.lists(now=settings.now, start=start, reach=settings.reach):
            listed = self._listed(sync, window, purpose)
            to_ask = progress.to_ask(purpose, listed, start)
            asked = items = 0
            try:
                for action, rows in self._ask(sync, islice(to_ask, allowed)):
                    yield Batch(rows, sync.streams)
                    progress.asked(purpose, action)
                    asked += 1
                    items += len(rows)
                    if asked % ACTIONS_PER_STATE == 0:
                        self._save(sync, progress)
            except (FatalAPIError, RetriableAPIError):
                self._save(sync, progress)
                raise
            allowed -= asked
            if asked == len(to_ask):
                progress.finished(purpose, window, listed, settings.now)
            self._save(sync, progress)
            sync.logger.info(
                "%s: %s %s: %d actions, %d of them to ask for, %d asked, %d items.",
                sync.name,
                purpose.value,
                window,
                len(listed),
                len(to_ask),
                asked,
                items,
            )
            if asked < len(to_ask):
                sync.logger.info(
                    "%s: action_items_per_run is %d; the next run goes on from here.",
                    sync.name,
                    settings.action_items_per_run,
                )
                return

    def _save(self, sync: Sync, progress: Progress) -> None:
        save_coverage(sync, progress.coverage, self.replication_key, **progress.details())

    def _listed(self, sync: Sync, window: Window, purpose: Purpose) -> list[Action]:
        """The actions of a window, each once."""
        # The pages are decoded by the actions' own map, not by that of the items.
        listing = replace(sync, streams=[Listed(self.action_map)])
        try:
            found = [
                action
                for rows in self.actions.within(listing, window, purpose)
                for action in self.listed(rows)
            ]
        except AccessDenied as error:
            raise ActionsDenied(str(error)) from None
        return [*{action.id: action for action in found}.values()]

    def listed(self, rows: Sequence[Row]) -> Iterator[Action]:
        """What is needed of actions to ask for their items."""
        lines = self._encoder.encode(rows)
        if lines.size < len(rows):
            raise FatalAPIError("action_items: an action has no Id. State is safe.")
        yield from map(Action.of_json, lines.json.splitlines())

    @cached_property
    def _encoder(self) -> RecordEncoder:
        names = [field.name for field in self.action_map.fields]
        return RecordEncoder(self.action_map, names, {}, Anomalies())

    def _ask(
        self, sync: Sync, actions: Iterable[Action]
    ) -> Iterator[tuple[Action, list[dict[str, Any]]]]:
        """Each action with the rows of its items, in order, some requests under way at once."""

        def ask(action: Action) -> list[dict[str, Any]]:
            return self.rows_of(sync.client, action, sync.settings.now)

        with ThreadPool(self.in_flight) as pool:
            under_way = deque[Any]()
            for action in actions:
                under_way.append((action, pool.apply_async(ask, (action,))))
                if len(under_way) == self.in_flight:
                    first, answer = under_way.popleft()
                    yield first, answer.get()
            for first, answer in under_way:
                yield first, answer.get()


@dataclass(frozen=True)
class Listed:
    """The actions, where they are only listed and become rows of no table."""

    record_map: RecordMap
    name: str = "action_items: the list of actions"
    part: str = ""
    is_full_table: bool = False
    unplaced: int = 0
    bookmark: dict[str, Any] = field(default_factory=dict)
    anomalies: Anomalies = field(default_factory=Anomalies)

    @property
    def row_type(self) -> type:
        """What the rows of a page are decoded to."""
        return self.record_map.row_type


def load_progress(sync: Sync) -> Progress:
    """Where the state says that the last run stopped."""
    if covered := load_list_progress(sync).coverage:
        return Progress.of_bookmark(covered, sync.streams[0].bookmark)
    return Progress(Coverage(sync.settings.now, sync.settings.now))


class ActionsDenied(AccessDenied):
    """The token may not list actions, without which their items cannot be asked for."""
