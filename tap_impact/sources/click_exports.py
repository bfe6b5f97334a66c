"""Source for clicks: one export per day, ten a day, and the totals of their files.

One export serves all streams of the source. A day enters a stream's bookmark after the rows of all
selected streams were written; until then its job stays in state, from where a finished export can
be had again.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from contextlib import closing
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from itertools import islice, repeat
from math import ceil
from typing import TYPE_CHECKING, Any, ClassVar

from singer_sdk.exceptions import FatalAPIError
from typing_extensions import override

from tap_impact.api.export_files import CLICK_FORM, file_format, rows
from tap_impact.api.exports import (
    NO_JOB,
    REQUESTS_PER_EXPORT,
    ExportQuery,
    Exports,
    Ledger,
    download_need,
)
from tap_impact.api.pages import decode
from tap_impact.api.scopes import Need, Scope, Verdict
from tap_impact.errors import AccessDenied, DownloadDenied, NotFound, UnreadableFile
from tap_impact.progress.click_days import Days, complete_at, days_to_load, last_day_over
from tap_impact.records.anomalies import Anomalies
from tap_impact.records.columns import ROWS_AT_ONCE, Columns, RecordEncoder, to_json
from tap_impact.records.fields import listed
from tap_impact.records.ordinals import Ordinals
from tap_impact.records.timestamps import EARLIEST, iso
from tap_impact.sources.lists import LIST_PAGE_SIZE
from tap_impact.sources.source import OTHERS_AN_HOUR, Batch, Estimate, Source

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import tzinfo

    from tap_impact.api.client import ImpactClient
    from tap_impact.api.exports import Export
    from tap_impact.records.fields import RecordMap
    from tap_impact.settings import Settings
    from tap_impact.sources.source import SelectedStream, Sync

# The parts of an export that become rows.
EACH, DAILY, EXPORT = "each click", "daily totals", "the export"

# What tap-impact-inspect needs to show a click; no stream does.
CLICK_LOOKUP = Scope("Clicks", "Retrieve click", required=False)

# "Job data is kept for 90 days" (Jobs overview).
JOBS_KEPT = timedelta(days=90)

DEFAULT_HISTORY = timedelta(days=30)

# What daily figures are made of.
TOTAL_COLUMNS = ("campaign_id", "ad_id", "unique_click", "payout")


@dataclass
class Totals:
    """Totals of clicks."""

    clicks: int = 0
    unique_clicks: int = 0
    payout: Decimal = Decimal()

    def add(self, clicks: int, payout: Decimal | None, *, unique: bool | None) -> None:
        """Count clicks that are counts."""
        self.clicks += clicks
        self.unique_clicks += clicks if unique else 0
        self.payout += clicks * (payout or 0)


@dataclass(frozen=True)
class ExportNeed(Need):
    """The scope to export clicks, looked for without an export: even an impossible one may count.

    A day has ten.
    """

    account_sid: str = ""
    since: date | None = None

    @override
    def _ask(self, client: ImpactClient) -> Verdict:
        query = {"CreatedAfter": str(self.since), "PageSize": LIST_PAGE_SIZE}
        try:
            found = client.get(self.path, query)
            jobs = found.get("Jobs") if isinstance(found, dict) else found
        except (AccessDenied, NotFound):
            jobs = None
        exports = [
            str(job.get("CreatedDate"))
            for job in listed(jobs)
            if isinstance(job, dict)
            and (job.get("Type"), job.get("CreatedBy")) == ("ClickExport", self.account_sid)
        ]
        if exports:
            return Verdict(has=True, note=f"it made an export on {max(exports)[:10]}")
        unknown = "only an export would tell, and a day has ten"
        if Need(CLICK_LOOKUP, "/Clicks/0").check(client).has is False:
            unknown += (
                f". It lacks {CLICK_LOOKUP}; see whether it has {CLICK_LOOKUP.category} at all"
            )
        return Verdict(has=None, note=unknown)


@dataclass(frozen=True, kw_only=True)
class ClickExportSource(Source):
    """Exports of clicks."""

    scope: Scope
    download_scope: Scope
    job_scope: Scope
    replication_key: str
    click_map: RecordMap
    """What a record of a click is made of; `click_key` and `click_day` are given by the source."""
    identity: tuple[str, ...]
    """What makes a click itself, and so its key, which is the same whenever it is loaded."""

    always_incremental: ClassVar[bool] = True

    @override
    def needs(self, settings: Settings) -> list[Need]:
        since = (settings.now - JOBS_KEPT).date()
        return [
            ExportNeed(self.scope, "/Jobs", account_sid=settings.account_sid, since=since),
            download_need(self.download_scope),
            Need(self.job_scope, f"/Jobs/{NO_JOB}"),
        ]

    @override
    def check_bookmark(self, bookmark: Mapping[str, Any]) -> None:
        Days.of_bookmark(bookmark, start=EARLIEST.date())
        Ledger.of_bookmark(bookmark, today=EARLIEST.date())
        date.fromisoformat(bookmark.get("first_day", "2000-01-01"))

    @override
    def scope_lacking(self, error: AccessDenied) -> Scope:
        return self.download_scope if isinstance(error, DownloadDenied) else self.scope

    @override
    def read(self, sync: Sync) -> Iterator[Batch]:
        start, last, days = days_left(sync)
        if not sync.settings.click_start:
            sync.state.setdefault("first_day", default_start(sync).isoformat())
        ledger = load_ledger(sync)
        # A run that replays the past leaves the jobs of later days alone.
        keys = {day.isoformat() for day in days}
        known = ledger.jobs.keys() | ledger.failures.keys()
        ledger.retain(key for key in known if key in keys or key > last.isoformat())

        def save() -> None:
            sync.state.update(ledger.bookmark())
            sync.checkpoint()

        exports = Exports(
            sync.client,
            ledger,
            save,
            max_per_day=sync.settings.click_exports_per_day,
            wait_seconds=sync.settings.export_wait_seconds,
            logger=sync.logger,
        )
        left = {*days}
        for export in exports.fetch_all(query_of(day, sync.settings.zone) for day in days):
            day = date.fromisoformat(export.key)
            targets = [
                stream
                for stream in sync.streams
                if not ((covered := load_days(sync, stream, start)) and day in covered)
            ]
            totals: dict[tuple[str, str], Totals] = {}
            try:
                yield from self._batches(export, targets, totals)
            except FatalAPIError as error:
                exports.fail(export.key, error)
                continue
            clicks = sum(each.clicks for each in totals.values())
            left.discard(day)
            for stream in sync.streams:
                add_day(sync, stream, day, start, self.replication_key)
            ledger.loaded(export.key)
            save()
            sync.logger.info(
                "Clicks of %s: %d, of which %d unique. Exports left today: %d. Days left: %d.",
                day,
                clicks,
                sum(each.unique_clicks for each in totals.values()),
                exports.left_today,
                len(left),
            )
        if not left:
            sync.logger.info("Clicks are complete from %s to %s.", start, last)
        else:
            sync.logger.info(
                "Clicks: %d days left, %s to %s%s%s.",
                len(left),
                min(left),
                max(left),
                f": {exports.stop_reason}" if exports.stop_reason else "",
                f". Failed so far: {ledger.failing()}" if ledger.failures else "",
            )
        if exports.last_error:
            raise exports.last_error

    @override
    def oldest_gap(self, sync: Sync) -> date | None:
        _, _, days = days_left(sync)
        return min(days, default=None)

    @override
    def estimate(self, sync: Sync) -> Estimate:
        _, _, days = days_left(sync)
        a_day = sync.settings.click_exports_per_day
        ledger = load_ledger(sync)
        new = [day for day in days if day.isoformat() not in ledger.jobs]
        now = min(len(new), max(a_day - ledger.asked, 0))
        later = ceil((len(new) - now) / a_day)
        adopted = len(days) - len(new)
        note = (
            f"The next run requests {now} exports and adopts {adopted}; the whole history is "
            f"{len(new)} exports, which take {later} more days at {a_day} a day."
        )
        return Estimate(
            REQUESTS_PER_EXPORT * (now + adopted),
            REQUESTS_PER_EXPORT * len(days),
            OTHERS_AN_HOUR,
            note,
        )

    def keyed(self, click_rows: Iterable[dict[str, Any]], day: str) -> Columns:
        """The columns of all clicks of a day, or of all of one id."""
        some = [*click_rows]
        with Ordinals() as ordinals:
            columns = self._encoder().columns(some).listed()
            return Columns(self._with_keys(columns.values, ordinals, day), len(some))

    def _batches(
        self, export: Export, streams: Sequence[SelectedStream], totals: dict[Any, Totals]
    ) -> Iterator[Batch]:
        """The rows of an export for all streams, each click first; fills in the totals.

        Raises:
            FatalAPIError: The file, or a field of a row, cannot be read.
        """
        day = export.key
        with closing(export.file.content), Ordinals() as ordinals:
            of_each = [stream for stream in streams if stream.part == EACH]
            counts = Counter[tuple[bytes, ...]]()
            for columns in self._columns(export, of_each or streams):
                counts.update(zip(*(columns.values[name] for name in TOTAL_COLUMNS), strict=True))
                if of_each:
                    keyed = self._with_keys(columns.values, ordinals, day)
                    yield Batch(Columns(keyed, columns.size), of_each)
            totals |= totals_of(counts)
            yield Batch(
                [
                    {
                        "click_day": day,
                        "campaign_id": campaign_id,
                        "ad_id": ad_id,
                        "clicks": each.clicks,
                        "unique_clicks": each.unique_clicks,
                        "payout": each.payout,
                    }
                    for (campaign_id, ad_id), each in sorted(totals.items())
                ],
                [stream for stream in streams if stream.part == DAILY],
            )
            row = {
                "click_day": day,
                "job_id": export.job_id,
                "requested_at": iso(export.requested),
                "completed_at": iso(export.completed) if export.completed else None,
                "clicks": sum(each.clicks for each in totals.values()),
                "unique_clicks": sum(each.unique_clicks for each in totals.values()),
                "file_bytes": export.file.size,
                "file_format": file_format(export.file.content),
            }
            yield Batch([row], [stream for stream in streams if stream.part == EXPORT])

    def _columns(self, export: Export, streams: Sequence[SelectedStream]) -> Iterator[Columns]:
        """The clicks of an export's file in its order, some at once, as JSON by property."""
        encoder = self._encoder(*streams)
        left = rows(export.file.content, CLICK_FORM)
        read = 0
        try:
            while some := [*islice(left, ROWS_AT_ONCE)]:
                read += len(some)
                yield encoder.columns(some).listed()
        except UnreadableFile as error:
            raise FatalAPIError(
                f"clicks: the export of {export.key} cannot be read: {error}. State is safe: the "
                "next run downloads it again."
            ) from None
        export.check_rows(read)

    def _encoder(self, *streams: SelectedStream) -> RecordEncoder:
        anomalies = streams[0].anomalies if streams else Anomalies()
        return RecordEncoder(self.click_map, (), {}, anomalies)

    def _with_keys(
        self, values: dict[str, Iterable[bytes]], ordinals: Ordinals, day: str
    ) -> dict[str, Iterable[bytes]]:
        # Identical clicks of a day are told apart by their ordinal.
        identities = zip(*(values[name] for name in self.identity), strict=True)
        keys = [to_json(ordinals.key(each)) for each in identities]
        return {**values, "click_key": keys, "click_day": repeat(to_json(day), len(keys))}


def query_of(day: date, zone: tzinfo | None) -> ExportQuery:
    """How a day's clicks are requested ("Export clicks")."""
    return ExportQuery(
        key=day.isoformat(),
        title=f"Clicks of {day}",
        path="/ClickExport",
        query={"Date": day.isoformat(), "ResultFormat": "JSON"},
        complete_at=complete_at(day, zone),
    )


def totals_of(counts: Counter[tuple[bytes, ...]]) -> dict[tuple[str, str], Totals]:
    """The totals by campaign and ad, given how many clicks share their values of TOTAL_COLUMNS."""
    totals: defaultdict[tuple[str, str], Totals] = defaultdict(Totals)
    for values, count in counts.items():
        campaign_id, ad_id, unique, payout = map(decode, values)
        totals[campaign_id or "", ad_id or ""].add(count, payout, unique=unique)
    return dict(totals)


def load_days(sync: Sync, stream: SelectedStream, start: date) -> Days | None:
    """The days whose rows a stream has written; None if there are none.

    Days that are not over yet were written by a machine whose clock was ahead.
    """
    covered = Days.of_bookmark(stream.bookmark, start=start)
    last = last_day_over(sync.settings.clock, sync.settings.zone)
    return covered and covered.until(last)


def add_day(
    sync: Sync, stream: SelectedStream, day: date, start: date, replication_key: str
) -> None:
    """Put a day into a stream's bookmark."""
    covered = load_days(sync, stream, start)
    days = covered.plus(day) if covered else Days(day, day)
    stream.bookmark.update(days.bookmark(replication_key))


def days_left(sync: Sync) -> tuple[date, date, list[date]]:
    """The first and the last day that can be loaded, and those that are still to be."""
    start = first_day(sync)
    last = last_day_over(sync.settings.now, sync.settings.zone)
    covered = [load_days(sync, stream, start) for stream in sync.streams]
    return start, last, days_to_load(covered, start=start, last=last)


def first_day(sync: Sync) -> date:
    """The oldest day to load; that of the first run is kept in state."""
    start = sync.settings.click_start or default_start(sync)
    return sync.account_start.bound(start, sync.settings.zone)


def default_start(sync: Sync) -> date:
    """The oldest day of the first run, which all later runs keep."""
    if kept := sync.state.get("first_day"):
        return date.fromisoformat(kept)
    return (sync.settings.now - DEFAULT_HISTORY).date()


def load_ledger(sync: Sync) -> Ledger:
    """What the runs before left."""
    return Ledger.of_bookmark(sync.state, today=sync.settings.clock.date())
