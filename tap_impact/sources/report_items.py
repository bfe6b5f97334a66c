"""Items of actions from a report: an export for each month, not a request for each action.

The report gives less of an item than /Actions/{id}/Items, and it goes by the day of the action. So
the months in which an action was changed since the last run are read again, whichever they are.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from hashlib import blake2b
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any

import msgspec

from tap_impact.api.pages import decode
from tap_impact.errors import AccessDenied, RowsWithoutKey
from tap_impact.progress.coverage import Purpose
from tap_impact.progress.windows import oldest_first
from tap_impact.records.columns import to_json
from tap_impact.records.fields import UnreadableValue, as_text, is_blank
from tap_impact.records.ordinals import Ordinals
from tap_impact.records.report_columns import parse_any_timestamp, read_dimension
from tap_impact.records.timestamps import ONE_DAY
from tap_impact.sources.reports import Report

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from tap_impact.sources.action_items import LookupList
    from tap_impact.sources.source import Sync

# What an item is called in the report, cleaned, and by /Actions/{id}/Items.
RENAMED = {
    "category": "Category",
    "quantity": "Quantity",
    "sale_amount": "SaleAmount",
    "earnings": "Payout",
}

# What the report says of the action that the item belongs to, which `actions` has.
OF_THE_ACTION = {"action_status", "sub_id1", "sub_id2", "sub_id3", "sub_id4"}


@dataclass(frozen=True, kw_only=True)
class ItemsReport(Report):
    """The report of items, whose rows become those of `action_items`."""

    updates: LookupList
    """What tells which actions changed."""
    state_key: str = "report"

    def made_of(self, found: Iterable[dict[str, Any]], read_at: str) -> Iterator[Mapping[str, Any]]:
        """The items of a period, each with how many its action has.

        They wait on disk until all are counted.
        """
        counts = Counter[str]()
        with TemporaryFile() as spool, Ordinals() as ordinals:
            for row in found:
                counts[read_dimension(row.get("action_id"))] += 1
                spool.write(to_json(row) + b"\n")
            spool.seek(0)
            for line in spool:
                yield item_of(decode(line), counts, ordinals, read_at)

    def changed_days(self, sync: Sync, through: date | None) -> set[date]:
        """The days of the actions that changed since the last run, in the account's calendar.

        Only a modification or reversal changes an item, and both are updates of the action.
        """
        if through is None:
            return set()
        # That day began where the account is, up to 14 hours before it did in UTC; and what
        # happened in the hours before it may have become visible since.
        since = datetime.combine(through - ONE_DAY, time.min, tzinfo=UTC)
        days = set()
        try:
            for window in oldest_first(max(since, sync.settings.reach), sync.settings.now):
                for line in self.updates.within(sync, window, Purpose.CATCH_UP):
                    if day := msgspec.json.decode(line)["event_day"]:
                        days.add(date.fromisoformat(day))
        except (AccessDenied, RowsWithoutKey) as error:
            sync.logger.warning(
                "action_items: %s So changes of items are seen for %d days alone.",
                error,
                self.lookback.days,
            )
        return days


def item_of(
    row: dict[str, Any], counts: Mapping[str, int], ordinals: Ordinals, read_at: str
) -> dict[str, Any]:
    """A row of the report as one of /Actions/{id}/Items with what the stream adds."""
    action_id, sku = (read_dimension(row.pop(name, None)) for name in ("action_id", "sku"))
    identity = blake2b(to_json([action_id, sku]), digest_size=16).digest()
    event_date, event_day = moment_of(row.pop("action_date", None))
    others = {RENAMED.get(name, name): row[name] for name in row if name not in OF_THE_ACTION}
    return others | {
        "ActionId": action_id,
        "Sku": sku,
        "SkuOrdinal": ordinals.earlier(identity) + 1,
        "EventDate": event_date,
        "EventDay": event_day,
        "ItemCount": counts[action_id],
        "ItemsReadAt": read_at,
    }


def moment_of(sent: object) -> tuple[object, str | None]:
    """The time and the day of an action; a day alone tells no time. As sent if it is neither."""
    try:
        found = None if is_blank(sent) else parse_any_timestamp(as_text(sent))
    except UnreadableValue:
        return sent, None
    if found is None:
        return None, None
    return found.isoformat() if found.tzinfo else None, found.date().isoformat()
