"""Source for lists that are read by windows of time, with coverage in state."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from singer_sdk.exceptions import FatalAPIError, RetriableAPIError
from typing_extensions import override

from tap_impact.api.client import MAX_PAGES
from tap_impact.api.scopes import Need
from tap_impact.errors import (
    OF_ALL_REQUESTS,
    AccessDenied,
    NotFound,
    QueryRefused,
    TooManyPages,
    Unreachable,
)
from tap_impact.progress.coverage import Coverage, Purpose
from tap_impact.progress.dated import DatedProgress
from tap_impact.progress.queries import Query, without_unanswered
from tap_impact.progress.windows import NARROWEST, WIDEST, Window, newest_first
from tap_impact.records.fields import as_text, timestamp_of, value_of
from tap_impact.records.timestamps import iso, parse_with_offset
from tap_impact.settings import MAX_PAGE_SIZE, MIN_PAGE_SIZE
from tap_impact.sources.lists import ListSource
from tap_impact.sources.source import EVENTS_AN_HOUR, Batch, Estimate

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import date, datetime

    from tap_impact.progress.coverage import Step
    from tap_impact.records.fields import Row
    from tap_impact.settings import Settings
    from tap_impact.sources.source import SelectedStream, Sync

# How many queries may stay unanswered.
MAX_UNANSWERED = 10

# After this number of queries that failed in a row, the cause is not one query.
MAX_FAILED_QUERIES = 2

# Errors that concern all queries of a list.
OF_ALL_QUERIES = (*OF_ALL_REQUESTS, AccessDenied, NotFound, TooManyPages)

# How exactly the beginning of an account is found, if impact.com does not tell it.
ONE_HOUR = timedelta(hours=1)


class Feed(NamedTuple):
    """A pair of filters that finds rows by one of their dates."""

    start: str
    end: str

    def within(self, window: Window) -> dict[str, str]:
        """The query for a window. One filter without the other is an error of the API."""
        return {self.start: iso(window.start), self.end: iso(window.end)}


@dataclass(frozen=True, kw_only=True)
class DatedSource(ListSource):
    """A list that impact.com gives by windows of time only."""

    replication_key: str
    date_field: str
    """The API's field that history goes by."""
    feeds: Mapping[Purpose, Feed]
    """Which filters find the rows for each purpose."""
    campaigns: ListSource
    """Where the campaigns are listed."""
    max_pages: int | None = field(default=MAX_PAGES)

    @property
    @override
    def dated_by(self) -> str:
        return self.date_field

    @override
    def needs(self, settings: Settings) -> list[Need]:
        second = Window(settings.now - NARROWEST, settings.now)
        query = self.feeds[Purpose.CATCH_UP].within(second) | {"PageSize": settings.page_size}
        return [Need(self.scope, self.path, query)]

    @override
    def check_bookmark(self, bookmark: Mapping[str, Any]) -> None:
        DatedProgress.of_bookmark(bookmark)

    @override
    def read(self, sync: Sync) -> Iterator[Batch]:
        settings = sync.settings
        if any(stream.is_full_table for stream in sync.streams):
            reading = DatedReader(self, sync, DatedProgress())
            for window in newest_first(settings.start, settings.now):
                for rows in reading.history(window):
                    yield Batch(rows, sync.streams)
            reading.raise_unanswered()
            return
        yield from DatedReader(self, sync, load_progress(sync)).all_steps()

    @override
    def oldest_gap(self, sync: Sync) -> date | None:
        progress = load_progress(sync)
        steps = self.steps(sync.settings, progress)
        gaps = [step.window for step in steps if step.purpose is Purpose.HISTORY]
        gaps += [query.window for query in progress.unanswered]
        return min((window.start.date() for window in gaps), default=None)

    @override
    def estimate(self, sync: Sync) -> Estimate:
        windows = len(self.steps(sync.settings, load_progress(sync)))
        number = windows * len(sync.settings.campaign_ids or (None,))
        return Estimate(number, number, EVENTS_AN_HOUR, "More where pages are full.")

    def steps(self, settings: Settings, progress: DatedProgress) -> list[Step]:
        """What a run reads, given what is covered."""
        now, start = settings.now, settings.start
        covered = progress.coverage or Coverage(now, now)
        start = max(start, progress.account_start_for(start) or start)
        lookback = settings.settlement_lookback if Purpose.SETTLEMENT in self.feeds else None
        steps = covered.steps(
            now=now, start=start, reach=settings.reach, settlement_lookback=lookback
        )
        return [*steps]

    def within(self, sync: Sync, window: Window, purpose: Purpose) -> Iterator[Sequence[Row]]:
        """The rows of a window, in as many queries as the API wants.

        Raises:
            FatalAPIError: Some cannot be had by any query.
        """
        reading = DatedReader(self, sync, DatedProgress())
        if purpose is Purpose.HISTORY:
            yield from reading.history(window)
        else:
            yield from reading.window(purpose, window)
        reading.raise_unanswered()

    def rows_per_day(self, sync: Sync) -> float:
        """The average number of rows per day in the last weeks."""
        settings, found = sync.settings, 0
        window = Window(max(settings.start, settings.now - WIDEST), settings.now)
        query = self.feeds[Purpose.HISTORY].within(window) | {"PageSize": str(settings.page_size)}
        for campaign_id in settings.campaign_ids or (None,):
            of_campaign = {"CampaignId": campaign_id} if campaign_id else {}
            try:
                pages = sync.client.pages(
                    self.path, query | of_campaign, self.data_key, max_pages=self.max_pages
                )
                first = next(pages)
                found += first.total or len(first.rows)
            except TooManyPages:
                found += MAX_PAGES * settings.page_size
        return found / ((window.end - window.start).total_seconds() / 86_400)


class DatedReader:
    """One run through a dated list."""

    def __init__(self, source: DatedSource, sync: Sync, progress: DatedProgress) -> None:
        """Send nothing yet."""
        self.source = source
        self.sync = sync
        self.progress = progress
        self.largest_page = MAX_PAGE_SIZE
        covered = progress.coverage
        # whether impact.com has answered for a part of history
        self.has_history = covered is not None and covered.since < sync.settings.now
        self._failed_in_a_row = 0
        self._last_error: Exception | None = None

    def all_steps(self) -> Iterator[Batch]:
        """Catch up, then repeat unanswered queries, then continue with history.

        Raises:
            FatalAPIError, RetriableAPIError: Some rows could not be had; all others were loaded.
        """
        sync, source = self.sync, self.source
        is_new = self.progress.coverage is None
        if (account_start := sync.account_start.known) and sync.settings.start < account_start:
            self._save_account_start(account_start)
        steps = source.steps(sync.settings, self.progress)
        to_repeat = [*self.progress.unanswered]
        total = 0
        for done, step in enumerate(steps, start=1):
            if step.purpose is Purpose.HISTORY:
                yield from self._repeat(to_repeat)
                to_repeat = []
            count = 0
            for rows in self._of_step(step, since=steps[-1].coverage.since):
                count += len(rows)
                yield Batch(rows, sync.streams)
            total += count
            coverage, account_start = step.coverage, sync.account_start.known
            if step.purpose is Purpose.HISTORY and account_start:
                coverage = coverage._replace(since=max(coverage.since, account_start))
            self._save(coverage)
            sync.logger.info(
                "%s: %s %s: %d rows. %d of %d windows done.",
                sync.name,
                step.purpose.value,
                step.window,
                count,
                done,
                len(steps),
            )
            if coverage != step.coverage:
                break
        yield from self._repeat(to_repeat)
        if to_repeat and self.progress.coverage:
            self._save(self.progress.coverage)
        if is_new and not total:
            self._say_that_nothing_was_found()
        self.raise_unanswered()
        if self._last_error:
            raise self._last_error

    def history(self, window: Window) -> Iterator[Sequence[Row]]:
        """The rows of a window of history, if the account existed then.

        Raises:
            QueryRefused: impact.com answers for no part of history at all.
        """
        if account_start := self.sync.account_start.known:
            if window.end <= account_start:
                return
            window = window._replace(start=max(window.start, account_start))
        try:
            yield from self.window(Purpose.HISTORY, window)
        except QueryRefused as error:
            yield from self._find_account_start(window, error)

    def window(
        self, purpose: Purpose, window: Window, since: datetime | None = None
    ) -> Iterator[Sequence[Row]]:
        """The rows of a window; what cannot be placed leaves it to the next run.

        Args:
            purpose: why it is read.
            window: what to read.
            since: where history begins. What locks or changes now may have happened before, where
                the table would have days in part.
        """
        skipped_rows = self.sync.skipped_rows
        for rows in self.rows(purpose, window):
            yield [row for row in rows if self._is_of(row, since)] if since else rows
        # Settlement is read again for weeks anyway.
        if self.sync.skipped_rows > skipped_rows and purpose is not Purpose.SETTLEMENT:
            self.progress.add_unanswered(Query(purpose, window))

    def rows(self, purpose: Purpose, window: Window) -> Iterator[Sequence[Row]]:
        """The rows of a window, in as many queries as the API wants."""
        for campaign_id in self.sync.settings.campaign_ids or (None,):
            query = Query(purpose, window, campaign_id)
            known = [each for each in self.progress.unanswered if each.state]
            for part in without_unanswered(query, known, self.progress.campaigns):
                yield from self._query(part)

    def raise_unanswered(self) -> None:
        """Report the queries that are too large in every form.

        Raises:
            FatalAPIError: There is such a query.
        """
        if too_large := [query for query in self.progress.unanswered if query.state]:
            raise FatalAPIError(
                f"{self.sync.name}: impact.com gives no more than {MAX_PAGES} pages of "
                f"{self.largest_page} rows, and these hold more: {'; '.join(map(str, too_large))}. "
                "The next run requests them again; all other rows are loaded."
            )

    def _of_step(self, step: Step, *, since: datetime) -> Iterator[Sequence[Row]]:
        """The rows of a step; if it fails, it is left to the next run.

        Raises:
            FatalAPIError, RetriableAPIError: So did the one before, or all would.
        """
        if step.purpose is Purpose.HISTORY:
            found = self.history(step.window)
        else:
            found = self.window(step.purpose, step.window, since=since)
        yield from self._or_leave_unanswered(Query(step.purpose, step.window), found)
        if self._last_error and self._failed_in_a_row == MAX_FAILED_QUERIES:
            raise self._last_error

    def _or_leave_unanswered(
        self, query: Query, found: Iterator[Sequence[Row]]
    ) -> Iterator[Sequence[Row]]:
        """The rows that a query finds; if it fails, it is left to the next run.

        Raises:
            FatalAPIError, RetriableAPIError: That fails all queries.
        """
        try:
            yield from found
        except OF_ALL_QUERIES:
            raise
        except (FatalAPIError, RetriableAPIError) as error:
            if isinstance(error, QueryRefused) and not self.has_history:
                raise
            self._failed_in_a_row += 1
            self._last_error = error
            self.sync.logger.warning("%s: %s failed. %s", self.sync.name, query, error)
            # Settlement is read again for weeks anyway.
            if query.purpose is not Purpose.SETTLEMENT:
                self.progress.add_unanswered(query)
        else:
            self._failed_in_a_row = 0

    def _repeat(self, queries: Sequence[Query]) -> Iterator[Batch]:
        """Repeat queries that earlier runs left unanswered, unless some fail in a row."""
        for unanswered in queries:
            if self._failed_in_a_row == MAX_FAILED_QUERIES:
                break
            if unanswered not in self.progress.unanswered:
                continue  # it became one with another that is to be repeated by the next run
            self.progress.unanswered.remove(unanswered)
            query = unanswered.within(self.sync.settings.reach)
            if query is None:
                self.sync.logger.warning(
                    "%s: impact.com no longer gives %s, which was not loaded whole.",
                    self.sync.name,
                    unanswered,
                )
                continue
            if query.state:
                found = self._query(query)
            elif query.purpose is Purpose.HISTORY:
                found = self.history(query.window)
            else:
                found = self.window(query.purpose, query.window)
            for rows in self._or_leave_unanswered(query, found):
                yield Batch(rows, self.sync.streams)
        self._failed_in_a_row = 0

    def _query(self, query: Query) -> Iterator[Sequence[Row]]:
        """One query; narrower ones if its result is more than the API returns."""
        page_size = self.largest_page
        # Larger pages of a window that can be narrowed down are no help.
        if query.window.can_be_halved:
            page_size = min(page_size, self.sync.settings.page_size)
        params = self.source.feeds[query.purpose].within(query.window)
        params |= {"PageSize": str(page_size)}
        params |= {"CampaignId": query.campaign_id} if query.campaign_id else {}
        params |= {"State": query.state} if query.state else {}
        try:
            for rows in self.source.pages(self.sync, params):
                self.has_history = self.has_history or query.purpose is Purpose.HISTORY
                self.progress.campaigns |= campaigns_of(rows)
                yield rows
        except TooManyPages:
            by_campaign = not query.window.can_be_halved and query.campaign_id is None
            narrower = query.narrower(self._campaign_ids() if by_campaign else ())
            if not narrower:
                self.progress.unanswered.append(query)
                # More than a few point to a wrong query, and each costs a search of its own.
                if sum(bool(each.state) for each in self.progress.unanswered) > MAX_UNANSWERED:
                    raise
        except RetriableAPIError as error:
            if isinstance(error, Unreachable) or page_size == MIN_PAGE_SIZE:
                raise
            self.largest_page = MIN_PAGE_SIZE
            self.sync.logger.warning(
                "%s: going on with pages of %d rows.", self.sync.name, MIN_PAGE_SIZE
            )
            narrower = [query]
        else:
            return
        for part in narrower:
            yield from self._query(part)

    def _campaign_ids(self) -> list[str]:
        """All campaigns of the account: the listed ones, and those that any row ever named."""
        campaigns, sync = self.source.campaigns, self.sync
        listed: set[str] = set()
        try:
            for page in campaigns.pages_once(sync.client):
                listed |= campaigns_of(page.rows)
        except (FatalAPIError, RetriableAPIError) as error:
            sync.logger.warning(
                "%s: too many rows share one timestamp, so they are requested by campaign; only "
                "the campaigns that rows have named are known. %s",
                sync.name,
                error,
            )
        return sorted(listed | self.progress.campaigns)

    def _is_of(self, row: Row, since: datetime) -> bool:
        """Whether a row is dated at or after a timestamp; True if its date cannot be read."""
        dated = timestamp_of(row, self.source.date_field)
        return dated is None or dated >= since

    def _find_account_start(self, window: Window, refusal: QueryRefused) -> Iterator[Sequence[Row]]:
        """Find from when on impact.com answers within a window that it refused, and read it.

        It refuses what begins before the account did.

        Raises:
            QueryRefused: It answers for no part of history at all, or for the oldest one, so that
                the account's age is not the reason.
        """
        oldest = self.sync.settings.start
        if self._is_answered(Window(oldest, min(oldest + ONE_HOUR, window.end))):
            raise refusal
        refused, answered = window.start, window.end
        activated = self._activated()
        if activated and refused < activated < answered:
            try:
                yield from self.window(Purpose.HISTORY, Window(activated, answered))
            except QueryRefused:
                refused = activated
            else:
                refused = answered = activated
        while answered - refused > ONE_HOUR:
            middle = Window(refused, answered).halves()[0].end
            try:
                yield from self.window(Purpose.HISTORY, Window(middle, answered))
            except QueryRefused:
                refused = middle
            else:
                answered = middle
        if not self.has_history:
            raise refusal
        self._save_account_start(answered)
        self.sync.logger.warning(
            "%s: impact.com has no data before %s, so history starts there. %s",
            self.sync.name,
            iso(answered),
            refusal,
        )

    def _say_that_nothing_was_found(self) -> None:
        self.sync.logger.info(
            "%s: nothing found from %s to %s. Usual reasons: the account earned nothing then; "
            "campaign_ids excludes what it earned; SID and token are of another account.",
            self.sync.name,
            iso(self.sync.settings.start),
            iso(self.sync.settings.now),
        )

    def _is_answered(self, window: Window) -> bool:
        """Whether impact.com answers for a part of history."""
        try:
            for _ in self.rows(Purpose.HISTORY, window):
                pass
        except QueryRefused:
            return False
        return True

    def _activated(self) -> datetime | None:
        """When the account was activated; None if that cannot be read."""
        try:
            found = parse_with_offset(as_text(self.sync.client.get("")["DateActivated"]))
            return found.astimezone(UTC)
        except (FatalAPIError, RetriableAPIError, LookupError, TypeError, ValueError):
            return None

    def _save_account_start(self, account_start: datetime) -> None:
        self.sync.account_start.known = self.progress.account_start = account_start
        self.progress.refused_start = self.sync.settings.start

    def _save(self, coverage: Coverage) -> None:
        self.progress.coverage = coverage
        save_coverage(self.sync, coverage, self.source.replication_key, **self.progress.details())


# A bookmark may be ahead of impact.com by as much as its machines' clocks differ.
CLOCKS_AGREE = timedelta(minutes=5)


def load_progress(sync: Sync) -> DatedProgress:
    """What all streams of a source have loaded."""
    found = [progress_of(sync, stream) for stream in sync.streams]
    progress = found[0]
    for other in found[1:]:
        covered = progress.coverage
        progress.coverage = covered and other.coverage and covered.common(other.coverage)
        progress.unanswered += other.unanswered
        progress.campaigns |= other.campaigns
    if account_start := progress.account_start_for(sync.settings.start):
        sync.account_start.known = account_start
    return progress


def progress_of(sync: Sync, stream: SelectedStream) -> DatedProgress:
    """What one stream has loaded; nothing, if not for all campaigns that are requested."""
    settings = sync.settings
    progress = DatedProgress.of_bookmark(stream.bookmark, start=settings.start)
    covered_ids = stream.bookmark.get("campaign_ids")
    if covered_ids and not (settings.campaign_ids and {*settings.campaign_ids} <= {*covered_ids}):
        sync.logger.info("%s: campaigns were added; history is loaded again.", stream.name)
        return DatedProgress()
    covered = progress.coverage
    if covered and covered.through > settings.clock + CLOCKS_AGREE:
        # Written by a machine whose clock was ahead by an unknown amount.
        through = max(settings.clock - WIDEST, covered.since)
        sync.logger.warning(
            "State: the bookmark of %s is in the future (%s). It is reset to %s.",
            stream.name,
            iso(covered.through),
            iso(min(through, settings.clock)),
        )
        progress.coverage = Coverage(
            min(covered.since, settings.clock), min(through, settings.clock)
        )
    return progress


def save_coverage(sync: Sync, coverage: Coverage, replication_key: str, **details: Any) -> None:
    """Checkpoint at once: whatever breaks later, this window is not read again."""
    for stream in sync.streams:
        bookmark: dict[str, Any] = coverage.bookmark(replication_key) | details
        if sync.settings.campaign_ids:
            bookmark["campaign_ids"] = [*sync.settings.campaign_ids]
        stream.bookmark.clear()
        stream.bookmark.update(bookmark)
    sync.checkpoint()


def campaigns_of(rows: Sequence[Row]) -> set[str]:
    """The campaigns that rows name."""
    named = (value_of(row, "CampaignId") for row in rows)
    return {str(each) for each in named if each and isinstance(each, str | int)}
