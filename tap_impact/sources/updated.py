"""Reading lists that can be filtered by what was updated since, or created since."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import reduce
from typing import TYPE_CHECKING, Any, NamedTuple

from singer_sdk.exceptions import FatalAPIError, RetriableAPIError
from typing_extensions import override

from tap_impact.errors import OF_ALL_REQUESTS, AccessDenied
from tap_impact.progress.through import Through
from tap_impact.progress.windows import Window
from tap_impact.records.fields import timestamp_of
from tap_impact.sources.dated import MAX_FAILED_QUERIES
from tap_impact.sources.lists import LIST_PAGE_SIZE, ListSource
from tap_impact.sources.source import OTHERS_AN_HOUR, Batch, Estimate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime

    from tap_impact.records.fields import Row
    from tap_impact.sources.dated import Feed
    from tap_impact.sources.source import Sync


class UpdateQuery(NamedTuple):
    """A part of a list, and the filters that find what is new in it."""

    feed: Feed
    filters: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class UpdatedSource(ListSource):
    """A list whose filters find every row that is new or was updated."""

    replication_key: str
    queries: tuple[UpdateQuery, ...]
    """Asked one after the other; without their feeds, they find all rows."""
    later_queries: tuple[UpdateQuery, ...] = ()
    """What is asked beside them once all rows were read."""

    @override
    def check_bookmark(self, bookmark: Mapping[str, Any]) -> None:
        Through.of_bookmark(bookmark)

    @override
    def read(self, sync: Sync) -> Iterator[Batch]:
        progress, now = load_through(sync), sync.settings.now
        skipped_rows = sync.skipped_rows
        new = Window(progress.next_start(now), now) if progress else None
        filters = [
            {**query.filters, **(query.feed.within(new) if new else {})}
            for query in self._queries(progress)
        ]
        for rows in self._all_found(sync, filters):
            yield Batch(rows, sync.streams)
        if sync.skipped_rows == skipped_rows:
            save_through(sync, Through(now), self.replication_key)

    @override
    def whole_list(self, sync: Sync) -> Iterator[Sequence[Row]]:
        filters = [query.filters for query in self.queries]
        yield from self._all_found(replace(sync, as_dicts=True), filters)

    @override
    def estimate(self, sync: Sync) -> Estimate:
        number = len(self._queries(load_through(sync)))
        return Estimate(number, number, OTHERS_AN_HOUR, f"More beyond {LIST_PAGE_SIZE:,} rows.")

    def _all_found(
        self, sync: Sync, filters: Sequence[Mapping[str, str]]
    ) -> Iterator[Sequence[Row]]:
        """The rows that each of some queries finds.

        Raises:
            FatalAPIError, RetriableAPIError: One failed; the others were asked nevertheless, unless
                two failed in a row.
        """
        first_error: Exception | None = None
        failed_in_a_row = 0
        for each in filters:
            try:
                yield from self.all_rows(sync, each)
            except (*OF_ALL_REQUESTS, AccessDenied):
                raise
            except (FatalAPIError, RetriableAPIError) as error:
                first_error = first_error or error
                failed_in_a_row += 1
                if failed_in_a_row == MAX_FAILED_QUERIES:
                    break
            else:
                failed_in_a_row = 0
        if first_error:
            raise first_error

    def _queries(self, progress: Through | None) -> tuple[UpdateQuery, ...]:
        return self.queries + self.later_queries if progress else self.queries


@dataclass(frozen=True, kw_only=True)
class OpenRowsSource(ListSource):
    """A list of rows that are found by their creation, and change until they are closed.

    Each run reads from the oldest row on that was open in the run before.
    """

    replication_key: str
    date_field: str
    """The API's field that tells when a row was created."""
    created: Feed
    is_open: Callable[[Row], bool]
    """Whether a row, as sent, may still change."""

    @property
    @override
    def dated_by(self) -> str:
        return self.date_field

    @override
    def check_bookmark(self, bookmark: Mapping[str, Any]) -> None:
        Through.of_bookmark(bookmark)

    @override
    def read(self, sync: Sync) -> Iterator[Batch]:
        progress, settings = load_through(sync), sync.settings
        start = settings.start
        if progress and progress.since and progress.since <= start:
            start = progress.next_start(settings.now)  # rows before `start` may be open too
        skipped_rows = sync.skipped_rows
        open_since: datetime | None = None
        for rows in self.all_rows(sync, self.created.within(Window(start, settings.now))):
            # A row whose date cannot be read is not loaded either.
            opened = (timestamp_of(row, self.date_field) for row in rows if self.is_open(row))
            dates = [each for each in (open_since, *opened) if each]
            open_since = min(dates) if dates else None
            yield Batch(rows, sync.streams)
        if sync.skipped_rows == skipped_rows:
            since = progress.since if progress and progress.since else settings.start
            done = Through(settings.now, min(since, settings.start), open_since)
            save_through(sync, done, self.replication_key)


def load_through(sync: Sync) -> Through | None:
    """What all streams of a source have; None if one of them has nothing, or is to have all."""
    if any(stream.is_full_table for stream in sync.streams):
        return None
    found = [Through.of_bookmark(stream.bookmark) for stream in sync.streams]
    known = [each for each in found if each]
    return reduce(Through.common, known) if len(known) == len(found) else None


def save_through(sync: Sync, progress: Through, replication_key: str) -> None:
    """Checkpoint: whatever breaks later, this is not read again."""
    for stream in sync.streams:
        if not stream.is_full_table:
            stream.bookmark.clear()
            stream.bookmark.update(progress.bookmark(replication_key))
    sync.checkpoint()
