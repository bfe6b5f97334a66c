"""Clicks, their daily figures, and the exports that they come from.

impact.com gives one day per export and ten exports a day, so one export serves all three streams:
`click_exports` drives, and the others are its children in the sense of the SDK, which keeps them
from running by themselves. A day enters a stream's bookmark after the rows of all selected streams
were written; until then its job stays in state, from where a finished export can be had again.
"""

from __future__ import annotations

import abc
from collections import Counter, defaultdict, deque
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from itertools import islice, repeat
from typing import TYPE_CHECKING, Any

from singer_sdk.exceptions import FatalAPIError, FatalSyncError
from singer_sdk.singerlib.catalog import REPLICATION_INCREMENTAL
from typing_extensions import override

from tap_impact.api.export_files import file_format, rows
from tap_impact.api.exports import ExportQuery, Exports, Ledger
from tap_impact.api.pages import decode
from tap_impact.errors import DownloadDenied, UnreadableFile
from tap_impact.progress.click_days import Days, complete_at, days_to_load, last_day_over
from tap_impact.records.columns import ROWS_AT_ONCE, to_json
from tap_impact.records.fields import (
    RecordMap,
    decimal,
    described,
    flag,
    instant,
    nullable,
    text,
    verbatim,
)
from tap_impact.records.instants import iso
from tap_impact.records.ordinals import Occurrences
from tap_impact.streams.base import ImpactStream, Need, Scope

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from singer_sdk.helpers.types import Context, Record

    from tap_impact.api.exports import Export
    from tap_impact.errors import AccessDenied

# Of a job's form, but the id of none.
NO_JOB = "00000000-0000-0000-0000-000000000000"

DEFAULT_HISTORY = timedelta(days=30)

INSTANT = {"format": "date-time"}
DAY = {"format": "date"}

# What makes a click itself, and so its key, which is the same whenever the click is loaded. Names
# that stand beside an id are left out, for they may change; so is what the API will add.
IDENTITY = (
    *("id", "campaign_id", "profile_id", "ip_address", "event_date", "media_id", "ad_id"),
    *("ad_type", "product_sku", "ad_campaign", "ad_group", "keyword", "match_type", "channel"),
    *("deal_name", "deal_type", "deal_scope", "customer_area", "customer_city"),
    *("customer_region", "customer_country", "device_type", "device_family", "browser", "os"),
    *("referring_url", "referring_domain", "landing_page_url", "traffic_category"),
    *("traffic_source", "bid_keyword", "search_text", "shared_id", "sub_id1", "sub_id2"),
    *("sub_id3", "cpc_bid", "payout", "unique_click"),
)

# What daily figures are made of.
FIGURED = ("campaign_id", "ad_id", "unique_click", "payout")


@dataclass
class Figures:
    """What some clicks come to."""

    clicks: int = 0
    unique_clicks: int = 0
    payout: Decimal = Decimal()

    def add(self, clicks: int, payout: Decimal | None, *, unique: bool | None) -> None:
        """Count clicks that are alike."""
        self.clicks += clicks
        self.unique_clicks += clicks if unique else 0
        self.payout += clicks * (payout or 0)


class ReadExport:
    """An export whose file is read by the first who needs it, and counted on the way."""

    def __init__(self, export: Export, clicks: Clicks) -> None:
        """Read nothing yet."""
        self.export = export
        self.day = export.key
        self._clicks = clicks
        self._figures: dict[tuple[str, str], Figures] | None = None

    def clicks(self) -> Iterator[tuple[list[dict[str, Any]], dict[str, list[bytes]]]]:
        """Rows in the order of the file, some at once, and the JSON of their values by property.

        Raises:
            FatalAPIError: The file, or a field of a row, cannot be read.
        """
        alike = Counter[tuple[bytes, ...]]()
        left = rows(self.export.file.content)
        read = 0
        try:
            while some := [*islice(left, ROWS_AT_ONCE)]:
                read += len(some)
                columns = self._clicks.columns(some)
                alike.update(zip(*(columns[name] for name in FIGURED), strict=True))
                yield some, columns
        except UnreadableFile as error:
            raise FatalAPIError(
                f"clicks: the export of {self.day} cannot be read: {error}. State is safe: the "
                "next run downloads it again."
            ) from None
        self.export.check_rows(read)
        figures: defaultdict[tuple[str, str], Figures] = defaultdict(Figures)
        for values, count in alike.items():
            campaign_id, ad_id, unique, payout = map(decode, values)
            figures[campaign_id or "", ad_id or ""].add(count, payout, unique=unique)
        self._figures = figures

    @property
    def figures(self) -> dict[tuple[str, str], Figures]:
        """What the whole file comes to, by campaign and ad."""
        while self._figures is None:
            deque(self.clicks(), maxlen=0)
        return self._figures


class ClickStream(ImpactStream):
    """One of the streams that an export of clicks serves."""

    scope = Scope("Clicks", "Export clicks")
    download_scope = Scope("Jobs Management", "Download export jobs")
    look_scope = Scope("Jobs Management", "Retrieve job", required=False)
    replication_key = "click_day"

    @override
    def needs(self) -> list[Need]:
        # Asking for an export, even for an impossible one, may count as one of the ten of a day.
        return [
            Need(self.scope, None),
            Need(self.download_scope, f"/Jobs/{NO_JOB}/Download"),
            Need(self.look_scope, f"/Jobs/{NO_JOB}"),
        ]

    @property
    @override
    def replication_method(self) -> str:
        """Incremental whatever a catalog says: ten exports a day cannot fill a table at once."""
        return REPLICATION_INCREMENTAL

    def held(self, start: date) -> Days | None:
        """The days whose rows this stream has written."""
        try:
            held = Days.of_bookmark(self.stream_state, start=start)
        except (TypeError, ValueError):
            raise FatalSyncError(
                f"State: the bookmark of {self.name} holds no day that can be read."
            ) from None
        if held:
            self.refuse_future(datetime.combine(held.through, time.min, tzinfo=UTC))
        return held

    def hold(self, day: date, start: date) -> None:
        """Put a day into the bookmark."""
        held = self.held(start)
        days = held.plus(day) if held else Days(day, day)
        self.stream_state.update(days.bookmark(self.replication_key))


class ClickExports(ClickStream):
    """The exports themselves, one row for each day whose clicks were loaded.

    https://integrations.impact.com/impact-publisher/reference/export-clicks-1
    """

    name = "click_exports"
    primary_keys = ("click_day",)

    @classmethod
    @override
    def row_schema(cls) -> dict[str, Any]:
        properties = {
            "click_day": described("string", "Day whose clicks were exported.") | DAY,
            "job_id": nullable("string", "Job of the export; null if it was answered at once."),
            "requested_at": described("string", "When the export was asked for.") | INSTANT,
            "completed_at": nullable(
                "string", "When it was completed; null if the token may not look at jobs."
            )
            | INSTANT,
            "rows": described("integer", "Clicks in the export."),
            "unique_rows": described("integer", "Clicks that impact.com counts as unique."),
            "bytes": described("integer", "Size of the export's file, uncompressed."),
            "format": described("string", "Format of the export's file: JSON or CSV."),
        }
        return {"type": "object", "properties": properties, "required": ["click_day"]}

    @override
    def generate_child_contexts(
        self, record: Record, context: Context | None
    ) -> Iterator[Context | None]:
        # The children run before this stream's row, which counts what they wrote.
        yield from ()

    @override
    def skip_stream(self, error: AccessDenied) -> None:
        scope = self.download_scope if isinstance(error, DownloadDenied) else self.scope
        names = " and ".join(each.name for each in (self, *self.children) if each.selected)
        self._tap.skip_stream(names, scope, error)

    @property
    def children(self) -> list[ExportedStream]:
        """The other streams that an export serves."""
        return [child for child in self.child_streams if isinstance(child, ExportedStream)]

    @override
    def read(self) -> Iterator[Record]:
        start, last, days = self.days_left()
        served = [each for each in (self, *self.children) if each.selected]
        ledger = self.ledger()
        # A run that plays the past leaves the jobs of later days alone.
        keys = {day.isoformat() for day in days}
        known = ledger.jobs.keys() | ledger.failures.keys()
        ledger.keep(key for key in known if key in keys or key > last.isoformat())

        def keep() -> None:
            self.stream_state.update(ledger.bookmark())
            self.state_manager.is_flushed = False
            self._write_state_message()

        exports = Exports(
            self.client,
            ledger,
            keep,
            most_per_day=self.settings.click_exports_per_day,
            patience_seconds=self.settings.export_wait_seconds,
            logger=self.logger,
        )
        clicks = next(child for child in self.children if isinstance(child, Clicks))
        left = {*days}
        for export in exports.arriving(map(self._query, days)):
            day = date.fromisoformat(export.key)
            try:
                record = self._load(export, clicks, start)
            except FatalAPIError as error:
                exports.fail(export.key, error)
                continue
            yield record
            left.discard(day)
            for each in served:
                each.hold(day, start)
            ledger.loaded(export.key)
            keep()
            self.logger.info(
                "Clicks of %s: %d, of which %d unique. Exports left today: %d. Days left: %d.",
                day,
                record["rows"],
                record["unique_rows"],
                exports.left_today,
                len(left),
            )
        if not left:
            self.logger.info("Clicks are complete from %s to %s.", start, last)
        else:
            self.logger.info(
                "Clicks: %d days left, %s to %s%s%s.",
                len(left),
                min(left),
                max(left),
                f": {exports.refusal}" if exports.refusal else "",
                f". Cannot be had: {ledger.failing()}" if ledger.failures else "",
            )
        if exports.trouble:
            raise exports.trouble

    def _query(self, day: date) -> ExportQuery:
        return ExportQuery(
            key=day.isoformat(),
            title=f"Clicks of {day}",
            path="/ClickExport",
            query={"Date": day.isoformat(), "ResultFormat": "JSON"},
            complete_at=complete_at(day, self.settings.zone),
        )

    def _load(self, export: Export, clicks: Clicks, start: date) -> Record:
        """Let the other streams write their rows of an export; return this stream's own.

        Raises:
            FatalAPIError: The file, or a field of a row, cannot be read.
        """
        with closing(export.file.content):
            read = ReadExport(export, clicks)
            for child in self.children:
                held = child.held(start)
                if child.selected and not (held and date.fromisoformat(export.key) in held):
                    child.load(read)
            return self._record(read)

    def days_left(self) -> tuple[date, date, list[date]]:
        """The first and the last day that can be loaded, and those that are still to be."""
        start, last = self._start(), last_day_over(self.settings.now, self.settings.zone)
        held = [each.held(start) for each in (self, *self.children) if each.selected]
        return start, last, days_to_load(held, start=start, last=last)

    def ledger(self) -> Ledger:
        """What the runs before left."""
        try:
            return Ledger.of_bookmark(self.stream_state, today=self.settings.clock.date())
        except (AttributeError, KeyError, TypeError, ValueError):
            raise FatalSyncError(
                f"State: the bookmark of {self.name} holds jobs that cannot be read."
            ) from None

    def _start(self) -> date:
        """The oldest day to load; that of the first run is kept in state."""
        if self.settings.click_start:
            return self.settings.click_start
        default = (self.settings.now - DEFAULT_HISTORY).date()
        try:
            return date.fromisoformat(
                self.stream_state.setdefault("first_day", default.isoformat())
            )
        except (TypeError, ValueError):
            raise FatalSyncError(
                f"State: first_day of {self.name} is no day that can be read."
            ) from None

    def _record(self, read: ReadExport) -> Record:
        export = read.export
        return {
            "click_day": read.day,
            "job_id": export.job_id,
            "requested_at": iso(export.requested),
            "completed_at": iso(export.completed) if export.completed else None,
            "rows": sum(each.clicks for each in read.figures.values()),
            "unique_rows": sum(each.unique_clicks for each in read.figures.values()),
            "bytes": export.file.size,
            "format": file_format(export.file.content),
        } | self.connection


class ExportedStream(ClickStream):
    """A stream that has its rows from the exports."""

    parent_stream_type = ClickExports
    state_partitioning_keys = ()

    def load(self, read: ReadExport) -> None:
        """Write the rows of one export."""
        self._read_export = read
        self.sync()

    @override
    def read(self) -> Iterator[Record]:
        yield from self.of_export(self._read_export)

    @abc.abstractmethod
    def of_export(self, read: ReadExport) -> Iterator[Record]:
        """The rows of one export."""


class Clicks(ExportedStream):
    """Clicks on the partner's links, one row each.

    A click has no id of its own: `id` stands for a consumer's journey, and rows may even be
    identical. So its key is a hash of the row, and its ordinal among the identical rows of the day.
    """

    name = "clicks"
    primary_keys = ("click_key",)
    record_map = RecordMap(
        text("Id", "Consumer's journey (im_ref, irclickid); several clicks may share it."),
        text("CampaignId", "Campaign (program) of the brand."),
        verbatim("CampaignName", "Name of the campaign."),
        text("ProfileId", "impact.com's id of a consumer on a device."),
        text("IpAddress", "Hash of the address that the click came from."),
        instant("EventDate", "When the click happened."),
        text("MediaId", "Partner (media) that made the click."),
        verbatim("MediaName", "Name of the partner."),
        text("AdId", "Ad that was clicked."),
        verbatim("AdName", "Name of the ad."),
        text("AdType", "Kind of the ad, like BANNER or TEXT_LINK."),
        verbatim("ProductSku", "SKU of the product that the ad shows."),
        text("AdCampaign", "Ad campaign, as the brand has it."),
        text("AdGroup", "Ad group, as the brand has it."),
        text("Keyword", "Keyword, as the brand has it."),
        text("MatchType", "How the click was matched to a consumer."),
        text("Channel", "Channel that made the click."),
        verbatim("DealName", "Name of the deal."),
        text("DealType", "Kind of the deal, like FREE_SHIPPING."),
        text("DealScope", "What the deal holds for, like ENTIRE_STORE."),
        text("CustomerArea", "Designated market area of the customer."),
        text("CustomerCity", "City of the customer."),
        text("CustomerRegion", "Region or state of the customer."),
        verbatim("CustomerCountry", "Country of the customer, ISO 3166 (NA is Namibia)."),
        text("DeviceType", "Kind of device, like DESKTOP or PHONE."),
        text("DeviceFamily", "Family of the device, like IPHONE."),
        text("Browser", "Browser, like CHROME_MOBILE."),
        text("Os", "Operating system, like IOS."),
        text("ReferringUrl", "Page where the click happened."),
        text("ReferringDomain", "Domain where the click happened."),
        text("LandingPageUrl", "Page that the click led to."),
        text("TrafficCategory", "Kind of traffic, like Content."),
        text("TrafficSource", "Site that the traffic came from."),
        verbatim("BidKeyword", "Keyword of paid search."),
        verbatim("SearchText", "What was searched for, in paid search."),
        verbatim("SharedId", "Shared id of the link."),
        verbatim("SubId1", "First sub id of the link."),
        verbatim("SubId2", "Second sub id of the link."),
        verbatim("SubId3", "Third sub id of the link."),
        decimal("CpcBid", "Bid per click."),
        decimal("Payout", "What the click itself pays."),
        flag("UniqueClick", "Whether the click is unique by the standards of the IAB."),
    )

    @classmethod
    @override
    def row_schema(cls) -> dict[str, Any]:
        schema = super().row_schema()
        schema["properties"] = {
            "click_key": described(
                "string", "Hash of the click, and its ordinal among identical ones of the day."
            ),
            "click_day": described("string", "Day of the click, as the export was asked for.")
            | DAY,
        } | schema["properties"]
        schema["required"] = ["click_key", "click_day"]
        return schema

    @override
    def identity(self, row: Mapping[str, Any]) -> str:
        return str(row.get("Id"))

    @override
    def of_export(self, read: ReadExport) -> Iterator[Record]:
        with Occurrences() as occurrences:
            for some, columns in read.clicks():
                keys = [
                    *map(occurrences.key, zip(*(columns[name] for name in IDENTITY), strict=True))
                ]
                if self.needs_sdk:
                    for key, row in zip(keys, some, strict=True):
                        yield {"click_key": key, "click_day": read.day, **self.record(row)}
                else:
                    own = {
                        "click_key": map(to_json, keys),
                        "click_day": repeat(to_json(read.day), len(some)),
                    }
                    self.put(self.encoder.lines({**columns, **own}, len(some)), len(some))

    def columns(self, some: Sequence[dict[str, Any]]) -> dict[str, list[bytes]]:
        """The JSON of the values of some rows, by property.

        Raises:
            FatalAPIError: A field of a row cannot be read.
        """
        try:
            columns = self.encoder.columns(some)
            return {name: [*column] for name, column in columns.items()}
        except (ValueError, TypeError, ArithmeticError):
            records = [self.record(row) for row in some]
            return {name: [to_json(each[name]) for each in records] for name in records[0]}

    def keyed(self, records: Iterable[Record], day: str) -> Iterator[Record]:
        """All clicks of a day, or all of one id, with their keys."""
        with Occurrences() as occurrences:
            for record in records:
                key = occurrences.key(to_json(record[name]) for name in IDENTITY)
                yield {"click_key": key, "click_day": day, **record}


class DailyClicks(ExportedStream):
    """Clicks per day, campaign and ad."""

    name = "daily_clicks"
    primary_keys = ("click_day", "campaign_id", "ad_id")

    @classmethod
    @override
    def row_schema(cls) -> dict[str, Any]:
        properties = {
            "click_day": described("string", "Day of the clicks.") | DAY,
            "campaign_id": described("string", "Campaign (program); empty if clicks name none."),
            "ad_id": described("string", "Ad that was clicked; empty if clicks name none."),
            "clicks": described("integer", "Clicks."),
            "unique_clicks": described("integer", "Clicks that impact.com counts as unique."),
            "payout": described("number", "What the clicks themselves pay."),
        }
        return {"type": "object", "properties": properties, "required": [*cls.primary_keys]}

    @override
    def of_export(self, read: ReadExport) -> Iterator[Record]:
        for (campaign_id, ad_id), figures in sorted(read.figures.items()):
            yield {
                "click_day": read.day,
                "campaign_id": campaign_id,
                "ad_id": ad_id,
                "clicks": figures.clicks,
                "unique_clicks": figures.unique_clicks,
                "payout": figures.payout,
            } | self.connection
