"""Items of actions: one request for each action, so each is asked for no more than needed."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import blake2b
from itertools import islice
from multiprocessing.pool import ThreadPool
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple
from urllib.parse import quote

from singer_sdk.exceptions import FatalAPIError
from singer_sdk.singerlib.catalog import REPLICATION_FULL_TABLE
from typing_extensions import override

from tap_impact.errors import AccessDenied, NotFound
from tap_impact.progress.coverage import OVERLAP, Coverage, Purpose
from tap_impact.progress.windows import Window, doubling, newest_first, oldest_first
from tap_impact.records.fields import (
    Field,
    RecordMap,
    decimal,
    described,
    instant,
    key,
    nullable,
    text,
    verbatim,
)
from tap_impact.records.instants import iso, parse_instant
from tap_impact.streams.actions import HAPPENED, UPDATED, Actions
from tap_impact.streams.base import LIST_PAGE_SIZE, DatedStream, Need, Scope

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime

    from singer_sdk.helpers.types import Record

    from tap_impact.tap import TapImpact

# A list of actions is one request whatever it holds, their items one each: a run that may have to
# stop soon begins with short lists.
FIRST_WIDTH = timedelta(days=2)

# State is written after so many actions: a run that is killed has asked for no more in vain.
ACTIONS_PER_STATE = 20


class Action(NamedTuple):
    """What is needed of an action to ask for its items."""

    id: str
    event_date: datetime
    event_day: str
    digest: str
    """Of the whole row: the API does not say when an action changed."""

    @classmethod
    def of_record(cls, record: Mapping[str, Any]) -> Action:
        """Read a record of the stream `actions`.

        Raises:
            FatalAPIError: It has no event date.
        """
        if not record["event_date"]:
            raise FatalAPIError(f"Action {record['id']} has no EventDate. State is safe.")
        row = repr([record[each.name] for each in Actions.record_map.fields]).encode()
        return cls(
            record["id"],
            parse_instant(record["event_date"]),
            record["event_day"],
            blake2b(row, digest_size=6).hexdigest(),
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
        """Read what stands beside the coverage in Singer state."""
        return cls(coverage, bookmark.get("history_last_id"), dict(bookmark.get("recent") or {}))

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


class ActionItems(DatedStream):
    """Items of the actions, each in its present state.

    https://integrations.impact.com/impact-publisher/reference/list-items

    Only a modification or reversal changes an item, and both count as updates of the action, so
    the feed of updates finds them all; approval and clearing leave items as they are, so nothing
    is read again for them.
    """

    name = "action_items"
    path = Actions.path
    data_key = Actions.data_key
    item_keys = ("ActionItems", "Items")
    """The specification has the former, a client the latter."""
    scope = Scope("Actions", "Retrieve action items")
    primary_keys = ("action_id", "sku", "sku_ordinal")
    replication_key = "event_date"
    selected_by_default = False
    feeds: ClassVar = {Purpose.HISTORY: HAPPENED, Purpose.CATCH_UP: UPDATED}
    in_flight: ClassVar = 10
    """How many requests are under way at once: as many as connections stay open in `requests`."""
    record_map = RecordMap(
        key("ActionId", "The action that the item belongs to."),
        Field(
            "Sku",
            "sku",
            described("string", "SKU of the item; empty if the brand gives none."),
            str,
        ),
        Field(
            "SkuOrdinal",
            "sku_ordinal",
            described("integer", "Counts the items of one SKU in one action, from 1."),
            int,
        ),
        verbatim("ItemName", "Name of the item."),
        verbatim("Category", "Category of the item, as the brand has it."),
        decimal("Quantity", "How many of the item."),
        decimal("SaleAmount", "Sale amount, in sale_amount_currency."),
        text("SaleAmountCurrency", "ISO 4217 code of sale_amount."),
        decimal("Payout", "Commission, in payout_currency."),
        text("PayoutCurrency", "ISO 4217 code of payout."),
        decimal("Rebate", "Rebate, in rebate_currency."),
        text("RebateCurrency", "ISO 4217 code of rebate."),
        instant("AdjustmentDate", "When the item was adjusted last; null if never."),
        text("AdjustmentReason", "Why it was adjusted, like ITEM_RETURNED or ORDER_UPDATE."),
        instant("EventDate", "When the action happened: its event_date."),
        Field(
            "EventDay",
            "event_day",
            nullable("string", "Day of the action as the account's calendar has it.")
            | {"format": "date"},
            str,
        ),
        Field(
            "ItemCount",
            "item_count",
            described("integer", "How many items the action had when they were read."),
            int,
        ),
        instant(
            "ItemsReadAt",
            "Start of the run that read the action's items. Rows of an action that are older than "
            "its newest are of items that it no longer has.",
        ),
        text("Uri", "Path of the item in the API."),
    )

    @override
    def needs(self) -> list[Need]:
        return [Need(self.scope, items_path("0"))]

    def __init__(self, tap: TapImpact) -> None:
        """Read actions as their own stream does."""
        super().__init__(tap)
        self._actions = Actions(tap)

    @override
    def read(self) -> Iterator[Record]:
        settings = self.settings
        start = settings.start
        if self.replication_method == REPLICATION_FULL_TABLE:
            for window in newest_first(start, settings.now):
                for _, records in self._ask(self._listed(window, Purpose.HISTORY)):
                    yield from records
        else:
            yield from self._read_on(start)

    @override
    def skip_stream(self, error: AccessDenied) -> None:
        scope = Actions.scope if isinstance(error, ActionsDenied) else self.scope
        self._tap.skip_stream(self.name, scope, error)

    def _read_on(self, start: datetime) -> Iterator[Record]:
        """Go on where the state says that the last run stopped, for as many actions as allowed."""
        settings = self.settings
        progress = self.progress()
        allowed = settings.action_items_per_run
        lists = progress.lists(now=settings.now, start=start, reach=settings.reach)
        for purpose, window in lists:
            listed = self._listed(window, purpose)
            to_ask = progress.to_ask(purpose, listed, start)
            asked = items = 0
            try:
                for action, records in self._ask(islice(to_ask, allowed)):
                    yield from records
                    progress.asked(purpose, action)
                    asked += 1
                    items += len(records)
                    if asked % ACTIONS_PER_STATE == 0:
                        self._hold(progress.coverage, **progress.details())
            except Exception:
                self._hold(progress.coverage, **progress.details())
                raise
            allowed -= asked
            if asked == len(to_ask):
                progress.finished(purpose, window, listed, settings.now)
            self._hold(progress.coverage, **progress.details())
            self.logger.info(
                "%s: %s %s: %d actions, %d of them to ask for, %d asked, %d items.",
                self.name,
                purpose.value,
                window,
                len(listed),
                len(to_ask),
                asked,
                items,
            )
            if asked < len(to_ask):
                self.logger.info(
                    "%s: action_items_per_run is %d; the next run goes on from here.",
                    self.name,
                    settings.action_items_per_run,
                )
                return

    def progress(self) -> Progress:
        """Where the state says that the last run stopped."""
        if held := self.held():
            return Progress.of_bookmark(held, self.stream_state)
        return Progress(Coverage(self.settings.now, self.settings.now))

    def _listed(self, window: Window, purpose: Purpose) -> list[Action]:
        """The actions of a window, each once."""
        pages = self._actions.within(window, purpose)
        try:
            listed = {
                record["id"]: Action.of_record(record)
                for rows in pages
                for record in self._actions.made(rows)
            }
        except AccessDenied as error:
            raise ActionsDenied(str(error)) from None
        return [*listed.values()]

    def _ask(self, actions: Iterable[Action]) -> Iterator[tuple[Action, list[Record]]]:
        """Each action with the records of its items, in order, some requests under way at once."""
        with ThreadPool(self.in_flight) as pool:
            under_way = deque[Any]()
            for action in actions:
                under_way.append((action, pool.apply_async(self.rows_of, (action,))))
                if len(under_way) == self.in_flight:
                    first, answer = under_way.popleft()
                    yield first, self.records_of(first, answer.get())
            for first, answer in under_way:
                yield first, self.records_of(first, answer.get())

    def rows_of(self, action: Action) -> list[dict[str, Any]]:
        """The items of an action as sent; none if it went to another partner meanwhile."""
        pages = self.client.pages(
            items_path(action.id), {"PageSize": LIST_PAGE_SIZE}, *self.item_keys
        )
        try:
            return [row for page in pages for row in page.rows]
        except NotFound:
            return []

    def records_of(self, action: Action, rows: list[dict[str, Any]]) -> list[Record]:
        """The records of an action's items, which do not say themselves whose they are."""
        ordinals = Counter[str]()
        records = []
        for row in rows:
            sku = "" if row.get("Sku") is None else str(row["Sku"])
            ordinals[sku] += 1
            added = {
                "ActionId": action.id,
                "Sku": sku,
                "SkuOrdinal": ordinals[sku],
                "EventDate": iso(action.event_date),
                "EventDay": action.event_day,
                "ItemCount": len(rows),
                "ItemsReadAt": iso(self.settings.now),
            }
            records.append(self.record(row | added))
        return records


def items_path(action_id: str) -> str:
    """Path of an action's items."""
    return f"{Actions.path}/{quote(action_id, safe='')}/Items"


class ActionsDenied(AccessDenied):
    """The token may not list actions, without which their items cannot be asked for."""
