"""Reading lists by windows of time, and knowing which interval is covered completely."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from singer_sdk.exceptions import FatalSyncError
from typing_extensions import override

from tap_impact.api.client import MAX_PAGES
from tap_impact.api.scopes import Need
from tap_impact.errors import AccessDenied, TooManyPages
from tap_impact.progress.coverage import Coverage, Purpose
from tap_impact.progress.windows import NARROWEST, Window, newest_first
from tap_impact.records.fields import as_text, is_blank
from tap_impact.records.instants import iso, zoned
from tap_impact.sources.lists import LIST_PAGE_SIZE, ListSource
from tap_impact.sources.source import EVENTS_AN_HOUR, Batch, Estimate

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime, timedelta

    from tap_impact.progress.coverage import Step
    from tap_impact.records.fields import Row
    from tap_impact.settings import Settings
    from tap_impact.sources.source import FedStream, Sync


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
    happened: str
    """The API's field that history goes by."""
    feeds: Mapping[Purpose, Feed]
    """Which filters find the rows for each purpose."""
    campaigns: ListSource
    """Where the campaigns are listed: the last way to narrow a query down."""
    max_pages: int | None = field(default=MAX_PAGES)

    @override
    def needs(self, settings: Settings) -> list[Need]:
        second = Window(settings.now - NARROWEST, settings.now)
        query = self.feeds[Purpose.CATCH_UP].within(second) | {"PageSize": settings.page_size}
        return [Need(self.scope, self.path, query)]

    @override
    def read(self, sync: Sync) -> Iterator[Batch]:
        settings = sync.settings
        if any(stream.is_full_table for stream in sync.streams):
            for window in newest_first(settings.start, settings.now):
                for rows in self.within(sync, window, Purpose.HISTORY):
                    yield Batch(rows, sync.streams)
            return
        covered = load_coverage(sync)
        steps = self.steps(settings, covered)
        total = 0
        for done, step in enumerate(steps, start=1):
            count = 0
            for rows in self.within(sync, step.window, step.purpose):
                if step.purpose is not Purpose.HISTORY:
                    # What locks or changes now may have happened before history begins. There the
                    # table would have days in part.
                    since = steps[-1].coverage.since
                    rows = [row for row in rows if self._is_of(row, since)]  # noqa: PLW2901
                count += len(rows)
                yield Batch(rows, sync.streams)
            total += count
            save_coverage(sync, step.coverage, self.replication_key)
            sync.logger.info(
                "%s: %s %s: %d rows. %d of %d windows done.",
                sync.name,
                step.purpose.value,
                step.window,
                count,
                done,
                len(steps),
            )
        if covered is None and not total:
            sync.logger.info(
                "%s: nothing found from %s to %s. Usual reasons: the account earned nothing then; "
                "campaign_ids leaves out what it earned; SID and token are of another account.",
                sync.name,
                iso(settings.start),
                iso(settings.now),
            )

    @override
    def estimate(self, sync: Sync) -> Estimate:
        windows = len(self.steps(sync.settings, load_coverage(sync)))
        number = windows * len(sync.settings.campaign_ids or (None,))
        return Estimate(number, number, EVENTS_AN_HOUR, "More where pages are full.")

    def steps(self, settings: Settings, covered: Coverage | None) -> list[Step]:
        """What a run reads, given what is covered."""
        now = settings.now
        lookback = settings.settlement_lookback if Purpose.SETTLEMENT in self.feeds else None
        steps = (covered or Coverage(now, now)).steps(
            now=now, start=settings.start, reach=settings.reach, settlement_lookback=lookback
        )
        return [*steps]

    def within(self, sync: Sync, window: Window, purpose: Purpose) -> Iterator[Sequence[Row]]:
        """The rows of a window, in as many queries as the API wants."""
        for campaign_id in sync.settings.campaign_ids or (None,):
            yield from self._query(sync, window, purpose, campaign_id)

    def actions_per_day(self, sync: Sync, widest: timedelta) -> float:
        """How many rows happened on a day, as the last weeks had it."""
        settings, found = sync.settings, 0
        window = Window(max(settings.start, settings.now - widest), settings.now)
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

    def _is_of(self, row: Row, since: datetime) -> bool:
        """Whether a row happened at or after an instant; one that cannot tell, for all we know."""
        if isinstance(row, msgspec.Struct):
            value = getattr(row, self.happened)
        else:
            value = row.get(self.happened)
        try:
            return is_blank(value) or zoned(as_text(value)) >= since
        except (TypeError, ValueError):
            return True

    def _query(
        self, sync: Sync, window: Window, purpose: Purpose, campaign_id: str | None
    ) -> Iterator[Sequence[Row]]:
        """One query; narrower ones if its result is more than the API hands out.

        A month's actions can lock at one instant, where only the campaign can narrow it further.
        """
        params = self.feeds[purpose].within(window) | {"PageSize": str(sync.settings.page_size)}
        if campaign_id:
            params["CampaignId"] = campaign_id
        try:
            yield from self.pages(sync, params)
        except TooManyPages:
            if window.can_be_halved:
                narrower = [(half, campaign_id) for half in window.halves()]
            elif campaign_id is None:
                narrower = [(window, each) for each in self._all_campaign_ids(sync)]
                sync.logger.warning(
                    "%s: %s holds more than impact.com gives at once, so it is asked for by "
                    "campaign. A campaign that /Campaigns does not list is not in it; campaign_ids "
                    "can name it.",
                    sync.name,
                    window,
                )
            else:
                raise
        else:
            return
        for part, each in narrower:
            yield from self._query(sync, part, purpose, each)

    def _all_campaign_ids(self, sync: Sync) -> list[str]:
        campaigns = self.campaigns
        query: dict[str, Any] = {"PageSize": LIST_PAGE_SIZE}
        try:
            pages = sync.client.pages(campaigns.path, query, campaigns.data_key)
            return [row["CampaignId"] for page in pages for row in page.rows]
        except AccessDenied as error:
            raise FatalSyncError(
                f"More actions share one instant than impact.com gives in one query, so they must "
                f"be asked for by campaign. {error} Tick {campaigns.scope} for the token, or set "
                "campaign_ids."
            ) from None


def load_coverage(sync: Sync) -> Coverage | None:
    """What all streams of a source cover; None if one covers nothing, or not all campaigns.

    Raises:
        FatalSyncError: A bookmark cannot be used.
    """
    coverages = [coverage_of(sync, stream) for stream in sync.streams]
    covered = coverages[0]
    for other in coverages[1:]:
        covered = covered and other and covered.common(other)
    return covered


def coverage_of(sync: Sync, stream: FedStream) -> Coverage | None:
    """What one stream covers, as `load_coverage` says."""
    bookmark, campaign_ids = stream.bookmark, sync.settings.campaign_ids
    campaigns_covered = bookmark.get("campaign_ids")
    if campaigns_covered and not (campaign_ids and {*campaign_ids} <= {*campaigns_covered}):
        sync.logger.info("%s: campaigns were added; history is loaded again.", stream.name)
        return None
    try:
        covered = Coverage.of_bookmark(bookmark, start=sync.settings.start)
    except (TypeError, ValueError):
        raise FatalSyncError(
            f"State: the bookmark of {stream.name} holds no date that can be read."
        ) from None
    if covered:
        sync.settings.refuse_future(stream.name, covered.through)
    return covered


def save_coverage(sync: Sync, coverage: Coverage, replication_key: str, **details: Any) -> None:
    """Checkpoint at once: whatever breaks later, this window is not read again."""
    for stream in sync.streams:
        bookmark: dict[str, Any] = coverage.bookmark(replication_key) | details
        if sync.settings.campaign_ids:
            bookmark["campaign_ids"] = [*sync.settings.campaign_ids]
        stream.bookmark.clear()
        stream.bookmark.update(bookmark)
    sync.checkpoint()
