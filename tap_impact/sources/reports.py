"""Reading reports: by periods, each at once (/Reports) or by an export (/ReportExport).

A period's rows are what the report says of it now, so a period that is read again replaces itself:
`report_periods` names the run that read it last, and rows that an earlier run read are gone from
the report. One ledger serves the exports of all reports, because they share one quota.
"""

from __future__ import annotations

from collections import Counter
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from enum import Enum
from itertools import islice, repeat
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple
from urllib.parse import quote

from singer_sdk.exceptions import FatalAPIError, RetriableAPIError
from typing_extensions import override

from tap_impact.api.export_files import RowForm, rows
from tap_impact.api.exports import REQUESTS_PER_EXPORT, ExportQuery, Exports, Ledger, download_need
from tap_impact.api.scopes import Need
from tap_impact.errors import (
    OF_ALL_REQUESTS,
    AccessDenied,
    DownloadDenied,
    ExportDenied,
    NotFound,
    TooManyPages,
    UnreadableFile,
    WrongCredentials,
)
from tap_impact.progress.click_days import WESTERNMOST
from tap_impact.progress.periods import (
    MAX_SPAN,
    Every,
    Period,
    PeriodCoverage,
    begun,
    due,
    oldest_gap,
)
from tap_impact.records.columns import ROWS_AT_ONCE, Columns, RecordEncoder, to_json
from tap_impact.records.fields import is_blank, listed
from tap_impact.records.ordinals import Ordinals
from tap_impact.records.timestamps import EARLIEST, iso
from tap_impact.sources.source import Batch, Estimate, Source

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from tap_impact.api.client import ImpactClient
    from tap_impact.api.exports import Export
    from tap_impact.api.scopes import Scope
    from tap_impact.records.fields import RecordMap
    from tap_impact.records.report_columns import ColumnNames
    from tap_impact.settings import Settings
    from tap_impact.sources.source import SelectedStream, Sync

# "ReportExport: 100 a day" (page on rate limits).
EXPORTS_A_DAY = 100

# "Aggregated reports: 250 an hour" (page on rate limits).
REPORTS_AN_HOUR = 250

# "Page size is fixed at 20,000 rows" (Run a report).
PAGE_ROWS = 20_000

# So many periods in a row that fail are no accident of one of them.
MAX_FAILURES = 2

# The JSON of what has no value.
NO_VALUE = {b"null", b'""'}

# The part of what is read that tells about the reading itself.
PERIODS = "periods"


class Attribute(NamedTuple):
    """A column, as a report's metadata describe it."""

    name: str
    data_type: str
    description: str


class Metadata(NamedTuple):
    """What impact.com tells of a report."""

    filters: tuple[str, ...]
    """Its parameters. Any other is ignored without a word."""
    attributes: tuple[Attribute, ...]


def metadata(client: ImpactClient, report_id: str) -> Metadata:
    """Ask for the metadata of a report ("Retrieve report metadata").

    Raises:
        AccessDenied, NotFound, FatalAPIError, RetriableAPIError: as the client says.
    """
    found = client.get_object(f"/Reports/{quote(report_id, safe='')}/MetaData")
    filters, attributes = (
        [each for each in listed(found.get(name)) if isinstance(each, dict) and each.get("Name")]
        for name in ("Filters", "Attributes")
    )
    return Metadata(
        tuple(str(each["Name"]) for each in filters),
        tuple(
            Attribute(*(str(each.get(name) or "") for name in ("Name", "DataType", "Description")))
            for each in attributes
        ),
    )


def unknown_parameters(
    stream: str, parameters: Mapping[str, Any], filters: Sequence[str]
) -> Iterator[str]:
    """The parameters that a report would ignore, a sentence each."""
    for name in parameters:
        # Which of a report's tables is no filter ("Run a report").
        if name not in filters and name != "RQueryIDx":
            yield (
                f"reports: {stream} has no parameter {name!r}, and impact.com would ignore it; it "
                f"has {', '.join(filters) or 'none'}"
            )


class Via(Enum):
    """How a report is requested."""

    SYNC = "sync"
    """At once, 20,000 rows a page."""
    EXPORT = "export"
    """By a job, whatever its size; 100 a day."""


class Per(NamedTuple):
    """What a report is asked by, one query for each: the rows of another report."""

    report: Report
    column: str
    """The column of that report whose values are requested."""
    parameter: str
    """The parameter that takes them."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """A report as it is requested, and what its rows become."""

    id: str
    """What impact.com calls it, like `partner_performance_by_day`."""
    record_map: RecordMap
    names: ColumnNames
    """What the columns that are sent are called in the rows."""
    identity: tuple[str, ...] | None = None
    """The properties that make a row's `row_key`, without any its period; None if it has no such
    key."""
    placed_by: str = ""
    """That of them which places a row in one period; the period itself stands in where it is blank,
    lest rows of several periods overwrite each other."""
    key_columns: tuple[str, ...] = ()
    """The columns without which no row can be told from another."""
    key_has_period: bool = True
    """Whether rows of several periods differ by their key, where those columns are blank."""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    every: Every = Every.MONTH
    start: date | None = None
    """How far back history is loaded; None for as far as everything else."""
    lookback: timedelta = timedelta(days=90)
    via: Via | None = None
    """None: at once, but by exports as soon as a period has more rows than a page."""
    per: Per | None = None
    """What it is asked by within a period; None if the period is enough."""
    state_key: str = ""
    """Under which its progress stands in the bookmark, if not in the bookmark itself."""

    @property
    def path(self) -> str:
        """Its identity in a path."""
        return quote(self.id, safe="")

    def asked(self, first: date, last: date) -> dict[str, Any]:
        """The query for a span ("Run a report")."""
        span = {"START_DATE": first.isoformat(), "END_DATE": last.isoformat()}
        return {**self.parameters, **span}

    def made_of(self, found: Iterable[dict[str, Any]], read_at: str) -> Iterable[Mapping[str, Any]]:
        """What the rows of a period become, before they are records."""
        del read_at
        return found

    def identities(
        self, values: Mapping[str, Iterable[bytes]], size: int, period: Period
    ) -> Iterable[tuple[bytes, ...]]:
        """What tells each row of a period from others, given the JSON of the rows' properties."""
        of_period = to_json(period.name)
        if not self.identity:
            return repeat((of_period,), size)
        columns = {name: values[name] for name in self.identity}
        if self.placed_by:
            columns[self.placed_by] = [
                of_period if each in NO_VALUE else each for each in columns[self.placed_by]
            ]
        return zip(*columns.values(), strict=True)

    def indistinct(self, values: Mapping[str, Iterable[bytes]], ordinals: Ordinals) -> int:
        """How many rows would overwrite others in the table, given the JSON of their properties."""
        names = [field.name for field in self.record_map.sent if field.source in self.key_columns]
        if self.identity is not None or not names:
            return 0
        found = 0
        keys = zip(*(values[name] for name in names), strict=True)
        for key, row in zip(keys, zip(*values.values(), strict=True), strict=True):
            has_no_key = not self.key_has_period and NO_VALUE.issuperset(key)
            found += ordinals.overwrites(key, row) or has_no_key
        return found

    def start_after(self, start: date) -> date:
        """How far back history is loaded, given how far everything else is."""
        return max(self.start or start, start)

    def progress_in(self, bookmark: Mapping[str, Any]) -> Mapping[str, Any]:
        """The part of a stream's bookmark that is about this report."""
        found: Mapping[str, Any] = bookmark.get(self.state_key, {}) if self.state_key else bookmark
        return found

    def save_progress(self, bookmark: dict[str, Any], progress: Mapping[str, Any]) -> None:
        """Put progress into that part."""
        (bookmark.setdefault(self.state_key, {}) if self.state_key else bookmark).update(progress)

    def changed_days(self, sync: Sync, through: date | None) -> set[date]:
        """Days of which it is known that something changed since the last run."""
        del sync, through
        return set()


@dataclass(frozen=True, kw_only=True)
class ReportsSource(Source):
    """All reports that the settings name."""

    reports: Mapping[str, Report]
    """By the part of their streams."""
    scope: Scope
    export_scope: Scope
    download_scope: Scope
    replication_key: str

    always_incremental: ClassVar[bool] = True

    @override
    def needs(self, settings: Settings) -> list[Need]:
        needs = [Need(self.scope, "/Reports/0")]
        if any(report.via is Via.EXPORT for report in self.reports.values()):
            needs.append(download_need(self.download_scope))
        return needs

    @override
    def check_bookmark(self, bookmark: Mapping[str, Any]) -> None:
        for progress in (bookmark, bookmark.get("report") or {}):
            # That of action_items may be of another source.
            if "period" in progress:
                PeriodCoverage.of_bookmark(progress)
        Ledger.of_bookmark(bookmark, today=EARLIEST.date())

    @override
    def parameter_problems(self, client: ImpactClient, stream: SelectedStream) -> list[str]:
        report = self.reports.get(stream.part)
        if not report or not report.parameters:
            return []
        filters = metadata(client, report.id).filters
        return [*unknown_parameters(stream.name, report.parameters, filters)]

    @override
    def scope_lacking(self, error: AccessDenied) -> Scope:
        if isinstance(error, DownloadDenied):
            return self.download_scope
        return self.export_scope if isinstance(error, ExportDenied) else self.scope

    @override
    def read(self, sync: Sync) -> Iterator[Batch]:
        yield from Run(self, sync).read()

    @override
    def oldest_gap(self, sync: Sync) -> date | None:
        run = Run(self, sync)
        gaps = []
        for stream in sync.streams:
            if report := self.reports.get(stream.part):
                covered = None
                with suppress(KeyError, TypeError, ValueError):  # such a report was not read either
                    covered = PeriodCoverage.of_bookmark(report.progress_in(stream.bookmark))
                start = report.start_after(run.start)
                gaps.append(oldest_gap(covered, report.every, start=start, today=run.today))
        return min(filter(None, gaps), default=None)

    @override
    def estimate(self, sync: Sync) -> Estimate:
        counts = Counter[Via]()
        for reading in Run(self, sync).readings():
            counts[reading.via or Via.SYNC] += len(reading.left)
        at_once, exports = counts[Via.SYNC], counts[Via.EXPORT]
        note = f"{exports} periods are exports, {EXPORTS_A_DAY} a day." if exports else ""
        return Estimate(
            at_once + REQUESTS_PER_EXPORT * min(exports, EXPORTS_A_DAY),
            at_once + REQUESTS_PER_EXPORT * exports,
            REPORTS_AN_HOUR,
            note,
        )


class Reading:
    """One report in one run: what is read and what is left."""

    def __init__(
        self,
        report: Report,
        stream: SelectedStream,
        sync: Sync,
        *,
        today: date,
        start: date,
        replication_key: str,
    ) -> None:
        """Find what to read, given the state.

        Raises:
            FatalAPIError: The state is of another report, or the span is longer than one query.
            AccessDenied, FatalAPIError, RetriableAPIError: as the client says.
        """
        self.report = report
        self.stream = stream
        self.today = today
        self._replication_key = replication_key
        progress = report.progress_in(stream.bookmark)
        asked = {"report_id": report.id, "parameters": {**report.parameters}}
        was = {name: progress.get(name, now) for name, now in asked.items()}
        covered = PeriodCoverage.of_bookmark(progress)
        if was != asked or (covered and covered.every is not report.every):
            raise FatalAPIError(
                f"{stream.name}: the state is of another report, other parameters or another "
                "period, whose rows would mix with the new ones. Give the entry in `reports` a "
                "name of its own, or take the stream out of the state and drop its table."
            )
        start = report.start_after(start)
        if report.every is Every.ALL and report.start is None:
            start = max(start, today - MAX_SPAN)
        elif report.every is Every.ALL and today - start > MAX_SPAN:
            raise FatalAPIError(
                f"{stream.name}: impact.com answers for 365 days at most, and its start_date is "
                "further back. With the period `month` or `day` it can be."
            )
        self.left = due(
            covered,
            report.every,
            start=start,
            today=today,
            lookback=report.lookback,
            changed=report.changed_days(sync, covered.through if covered else None),
        )
        self.number = len(self.left)
        self.via = report.via or (Via.EXPORT if progress.get("via") == "export" else None)
        if self.left:
            self.coverage = begun(
                covered, report.every, self.left, today=today, lookback=report.lookback
            )
        self._asked = asked

    def end_of(self, period: Period) -> date:
        """The last day of a period that has begun."""
        return min(period.last, self.today)

    def key(self, period: Period) -> str:
        """The name of a period's export in the ledger; one that goes on is another tomorrow."""
        return f"{self.stream.part} {period.name} {self.end_of(period)}"

    def query(self, period: Period) -> dict[str, Any]:
        """What to request."""
        return self.report.asked(period.first, self.end_of(period))

    def done(self, period: Period, *, is_whole: bool) -> None:
        """Put a period that was written into the bookmark; it stays open if rows are missing."""
        self.left.remove(period)
        self.coverage = self.coverage.plus(period)
        if not is_whole:
            self.coverage = replace(self.coverage, open=self.coverage.open | {period.name})
        progress = self.coverage.bookmark(self._replication_key) | self._asked
        if self.via and not self.report.via:
            progress["via"] = self.via.value
        self.report.save_progress(self.stream.bookmark, progress)


class Run:
    """One run of all reports."""

    def __init__(self, source: ReportsSource, sync: Sync) -> None:
        """Send nothing yet."""
        self.source = source
        self.sync = sync
        # A day that has not begun in the account's own zone has rows of nothing.
        self.today = sync.settings.now.astimezone(sync.settings.zone or WESTERNMOST).date()
        self.ledger = Ledger.of_bookmark(sync.state, today=sync.settings.clock.date())
        self.start = sync.account_start.bound(sync.settings.start.date(), sync.settings.zone)

    def read(self) -> Iterator[Batch]:
        """The rows of every report; what one meets stops no other.

        Raises:
            WrongCredentials: impact.com answers no more.
        """
        readings = [*self.readings()]
        self._forget_exports(readings)
        for reading in readings:
            if reading.via is not Via.EXPORT:
                yield from self._alone(reading, self._at_once(reading))
        for reading in readings:
            if reading.via is Via.EXPORT:
                yield from self._alone(reading, self._by_exports(reading))

    def readings(self) -> Iterator[Reading]:
        """What each selected report has to read, in the order of the run."""
        for stream in self.sync.streams:
            if report := self.source.reports.get(stream.part):
                try:
                    yield Reading(
                        report,
                        stream,
                        self.sync,
                        today=self.today,
                        start=self.start,
                        replication_key=self.source.replication_key,
                    )
                except WrongCredentials:
                    raise
                except (FatalAPIError, RetriableAPIError) as error:
                    self.sync.give_up([stream], error)
                except (KeyError, TypeError, ValueError):
                    words = f"{stream.name}: its bookmark in the state cannot be read."
                    self.sync.give_up([stream], FatalAPIError(words))

    def _alone(self, reading: Reading, batches: Iterator[Batch]) -> Iterator[Batch]:
        """The batches of one report; an error ends them alone."""
        try:
            yield from batches
        except WrongCredentials:
            raise
        except AccessDenied as error:
            is_own = isinstance(error, DownloadDenied) or reading.via is not Via.EXPORT
            self.sync.give_up([reading.stream], error if is_own else ExportDenied(str(error)))
        except (FatalAPIError, RetriableAPIError) as error:
            self.sync.give_up([reading.stream], error)

    def _at_once(self, reading: Reading) -> Iterator[Batch]:
        """Read the periods one by one, until they turn out to be too large.

        Raises:
            FatalAPIError, RetriableAPIError: What the first period that failed met. The others were
                read, unless what it met is of the whole report, or others met the same in a row.
        """
        first_error: Exception | None = None
        failures_in_row = 0
        for period in [*reading.left]:
            try:
                yield from self._period(reading, period, self._pages(reading, period))
            except TooManyPages:
                reading.via = Via.EXPORT
                self.sync.logger.info(
                    "%s: %s fills more than a page, so it is exported from now on.",
                    reading.stream.name,
                    period.name,
                )
                return
            except (AccessDenied, NotFound, *OF_ALL_REQUESTS):
                raise
            except (FatalAPIError, RetriableAPIError) as error:
                first_error = first_error or error
                failures_in_row += 1
                self.sync.logger.warning(
                    "%s: %s failed. %s", reading.stream.name, period.name, error
                )
                if failures_in_row == MAX_FAILURES:
                    break
            else:
                failures_in_row = 0
        if first_error:
            raise first_error

    def _pages(self, reading: Reading, period: Period) -> Iterator[dict[str, Any]]:
        """The rows of a period, by one request.

        Raises:
            TooManyPages: They are more than a page, and may be exported.
            FatalAPIError: Fewer came than impact.com announced, or nothing says what to ask by.
        """
        report, per = reading.report, reading.report.per
        one_page = None if reading.via else 1
        if per is None or per.parameter in report.parameters:
            yield from self._rows(report, reading.query(period), one_page)
            return
        # The dates of what belongs to a row may be far from its own.
        last = reading.end_of(period)
        wide = report.asked(last - MAX_SPAN, last)
        columns: set[str] = set()
        asked = set()
        for sent in self._rows(per.report, per.report.asked(period.first, last)):
            row = per.report.names.renamed(sent)
            columns |= row.keys()
            value = row.get(per.column)
            # Several rows of one value would give each row that belongs to it as often.
            if not is_blank(value) and str(value) not in asked:
                asked.add(str(value))
                for found in self._rows(report, wide | {per.parameter: value}):
                    yield {per.parameter: value} | found
        if columns and per.column not in columns:
            raise FatalAPIError(
                f"/Reports/{per.report.path}: no row has a column {per.column!r}, by which "
                f"{report.id} is requested; they have {', '.join(sorted(columns))}. Request one "
                f"alone by {per.parameter} in `parameters` of its entry in `reports`."
            )

    def _rows(
        self, report: Report, query: Mapping[str, Any], max_pages: int | None = None
    ) -> Iterator[dict[str, Any]]:
        """The rows of a query.

        Raises:
            TooManyPages: They are more than that.
            FatalAPIError: Fewer came than impact.com announced.
        """
        path = f"/Reports/{report.path}"
        came = announced = 0
        for page in self.sync.client.pages(path, query, "Records", max_pages=max_pages):
            if max_pages and len(page.rows) >= PAGE_ROWS:
                raise TooManyPages(path)
            came, announced = came + len(page.rows), page.total
            yield from page.rows
        if came < announced:
            raise FatalAPIError(
                f"{path}: impact.com announced {announced} rows from {query['START_DATE']} to "
                f"{query['END_DATE']} and gave {came}. State is safe: the next run asks again."
            )

    def _by_exports(self, reading: Reading) -> Iterator[Batch]:
        """Read the periods as their exports arrive."""
        sync = self.sync
        exports = Exports(
            sync.client,
            self.ledger,
            self._keep,
            max_per_day=EXPORTS_A_DAY,
            wait_seconds=sync.settings.export_wait_seconds,
            logger=sync.logger,
        )
        periods = {reading.key(period): period for period in reading.left}
        form = RowForm(reading.report.names.knows)
        for export in exports.fetch_all(self._export_query(reading, each) for each in reading.left):
            with closing(export.file.content):
                try:
                    yield from self._period(
                        reading, periods[export.key], file_rows(export, form), export
                    )
                except FatalAPIError as error:
                    exports.fail(export.key, error)
                    continue
            # The same job is replayed for the period's next rows, which costs no export.
            self.ledger.loaded(export.key, is_final=False)
            self._keep()
        if reading.left:
            sync.logger.info(
                "%s: %d of %d periods are left%s.",
                reading.stream.name,
                len(reading.left),
                reading.number,
                f": {exports.stop_reason}" if exports.stop_reason else "",
            )
        if exports.last_error:
            raise exports.last_error

    def _export_query(self, reading: Reading, period: Period) -> ExportQuery:
        """How a period's export is requested ("Export a report").

        A job from before this run has old rows, which a replay makes anew. To ask again with the
        same parameters would give the same job with the same rows ("Best practices").
        """
        return ExportQuery(
            key=reading.key(period),
            title=f"{reading.stream.name} of {period.name}",
            path=f"/ReportExport/{reading.report.path}",
            query=reading.query(period) | {"ResultFormat": "JSON"},
            complete_at=self.sync.settings.now,
            path_is_of_data=True,
        )

    def _period(
        self,
        reading: Reading,
        period: Period,
        found: Iterable[dict[str, Any]],
        export: Export | None = None,
    ) -> Iterator[Batch]:
        """The rows of a period, and the one that tells of them; then it is put into the state."""
        stream, report = reading.stream, reading.report
        skipped, count = stream.anomalies.skipped_rows, 0
        read_at = iso(self.sync.settings.clock)
        given = {
            "period": period.name,
            "period_start": period.first.isoformat(),
            "period_end": reading.end_of(period).isoformat(),
            "report_id": report.id,
            "read_at": read_at,
        }
        indistinct = 0
        encoder = RecordEncoder(report.record_map, (), {}, stream.anomalies)
        left = iter(report.made_of(map(report.names.renamed, found), read_at))
        with Ordinals() as ordinals:
            while some := [*islice(left, ROWS_AT_ONCE)]:
                count += len(some)
                self._require_keys(reading, some)
                values, size = encoder.columns(some).listed()
                indistinct += report.indistinct(values, ordinals)
                if report.identity is not None:
                    identities = report.identities(values, size, period)
                    values["row_key"] = [to_json(ordinals.key(each)) for each in identities]
                values |= {name: repeat(to_json(value), size) for name, value in given.items()}
                yield Batch(Columns(values, size), [stream])
        if indistinct:
            raise FatalAPIError(
                f"{stream.name}: in {period.name}, {indistinct} of {count} rows have no "
                f"{' and '.join(report.key_columns)} of their own, so they would overwrite others. "
                "Set `keys` of its entry in `reports`, such as `period, row_key`, take the stream "
                "out of the state and drop its table."
            )
        row = given | {
            "report": stream.name,
            "row_count": count,
            "via": (Via.EXPORT if export else Via.SYNC).value,
            "job_id": export.job_id if export else None,
        }
        yield Batch([row], [each for each in self.sync.streams if each.part == PERIODS])
        reading.done(period, is_whole=stream.anomalies.skipped_rows == skipped)
        self._keep()
        self.sync.logger.info(
            "%s: %s: %d rows. %d of %d periods done.",
            stream.name,
            period.name,
            count,
            reading.number - len(reading.left),
            reading.number,
        )

    def _require_keys(self, reading: Reading, some: Sequence[Mapping[str, Any]]) -> None:
        """See that the rows have what tells them apart, under whichever name.

        Raises:
            FatalAPIError: They would overwrite each other in the table.
        """
        for name in reading.report.key_columns:
            if not any(name in row for row in some):
                raise FatalAPIError(
                    f"{reading.stream.name}: the report has no column {name!r}, which its key is "
                    f"made of; it has {', '.join(some[0])}. Set `keys` of its entry in `reports`."
                )

    def _keep(self) -> None:
        self.sync.state.update(self.ledger.bookmark())
        self.sync.checkpoint()

    def _forget_exports(self, readings: Iterable[Reading]) -> None:
        """Leave out of the ledger what nobody waits for any more.

        The exports of reports that are not selected stay, and so do those of later days in a run
        that replays the past.
        """
        wanted = {reading.key(period) for reading in readings for period in reading.left}
        parts = {reading.stream.part for reading in readings}
        known = self.ledger.jobs.keys() | self.ledger.failures.keys()
        self.ledger.retain(
            key
            for key in known
            if key in wanted
            or key.split(" ")[0] not in parts
            or key.split(" ")[-1] > self.today.isoformat()
        )


def file_rows(export: Export, form: RowForm) -> Iterator[dict[str, Any]]:
    """The rows of an export's file.

    Raises:
        FatalAPIError: It cannot be read, or is not whole.
    """
    count = 0
    try:
        for row in rows(export.file.content, form):
            count += 1
            yield row
    except UnreadableFile as error:
        raise FatalAPIError(
            f"its file cannot be read: {error}. State is safe: a later run downloads it again."
        ) from None
    export.check_rows(count)
