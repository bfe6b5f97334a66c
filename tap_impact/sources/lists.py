"""Sources for a single object, and for a list that is read completely."""

from __future__ import annotations

from dataclasses import dataclass, replace
from operator import attrgetter, methodcaller
from typing import TYPE_CHECKING, Any

import msgspec
from singer_sdk.exceptions import FatalAPIError, RetriableAPIError
from typing_extensions import override

from tap_impact.api.scopes import Need
from tap_impact.errors import TooManyPages, Unreachable
from tap_impact.sources.source import Batch, Source

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping, Sequence

    from tap_impact.api.client import ImpactClient, Page
    from tap_impact.api.pages import PageBody
    from tap_impact.api.scopes import Scope
    from tap_impact.records.fields import Row
    from tap_impact.settings import Settings
    from tap_impact.sources.source import Sync

# Larger pages of small lists bring 5xx; only actions and their updates take 20,000. Some lists may
# take no more than the 100 that is their default.
LIST_PAGE_SIZE = 1000
DEFAULT_PAGE_SIZE = 100


@dataclass(frozen=True)
class ObjectSource(Source):
    """An endpoint that answers with one object."""

    path: str
    scope: Scope

    @override
    def needs(self, settings: Settings) -> list[Need]:
        return [Need(self.scope, self.path)]

    @override
    def read(self, sync: Sync) -> Iterator[Batch]:
        yield Batch([sync.client.get_object(self.path)], sync.streams)


@dataclass(frozen=True)
class ListSource(Source):
    """A list that is read as a whole."""

    path: str
    data_key: str
    """Where the rows of a page stand."""
    scope: Scope
    row_keys: tuple[str, ...] = ("Id",)
    """The API's fields that tell its rows apart."""
    max_pages: int | None = None
    """How many pages impact.com gives of the list; None if it does not say."""

    @override
    def needs(self, settings: Settings) -> list[Need]:
        return [Need(self.scope, self.path, {"PageSize": 1})]

    @override
    def read(self, sync: Sync) -> Iterator[Batch]:
        for rows in self.all_rows(sync, {}):
            yield Batch(rows, sync.streams)

    def whole_list(self, sync: Sync) -> Iterator[Sequence[Row]]:
        """All rows as they are now, as dicts: for what other streams ask about each of them."""
        yield from self.all_rows(replace(sync, as_dicts=True), {})

    def pages_once(self, client: ImpactClient) -> Iterator[Page]:
        """The pages of the list, read once; rows are dicts."""
        return client.pages(self.path, {"PageSize": DEFAULT_PAGE_SIZE}, self.data_key)

    def all_rows(self, sync: Sync, filters: Mapping[str, Any]) -> Iterator[Sequence[Row]]:
        """The rows that filters find, in pages as large as impact.com gives of small lists."""
        try:
            has_repeats = yield from self.pages(sync, {**filters, "PageSize": LIST_PAGE_SIZE})
        except (TooManyPages, RetriableAPIError) as error:
            if isinstance(error, Unreachable):
                raise
            has_repeats = True
        if has_repeats:
            yield from self.pages(sync, {**filters, "PageSize": DEFAULT_PAGE_SIZE})

    def pages(self, sync: Sync, params: Mapping[str, Any]) -> Generator[Sequence[Row], None, bool]:
        """The rows of a list page by page, each at least once.

        A list that changes while it is read shifts the rows of the pages to come, and a row may be
        passed over. Totals need not show it, where rows that came hide those that went. So a list
        of several pages is read twice, and the second reading gives what the first has not given;
        pages that are the same once more are not decoded again.
        One page is read again if it holds less than it announced, or neither a list nor a total:
        that an answer is blank is believed when it comes twice. So it is that a row is listed
        twice: as many rows as announced came, and the second reading gives no other.

        Returns:
            Whether several pages had a row twice in both readings. The list may have it twice, or
            one page may repeat it in place of another row, as pages of another size would not.

        Raises:
            TooManyPages: The list is longer than `max_pages`.
            FatalAPIError: Rows are missing again.
        """
        is_of_one = len(sync.streams) == 1 and not sync.as_dicts
        row_type = sync.streams[0].row_type if is_of_one else None
        seen: set[str] = set()
        known: dict[int, PageBody] = {}
        announced = count = 0
        for is_second in (False, True):
            number = 0
            is_blank = has_new = False
            pages = sync.client.pages(
                self.path,
                params,
                self.data_key,
                row_type=row_type,
                max_pages=self.max_pages,
                known=known,
            )
            for page in pages:
                number += 1
                # What an answer without a total does not say, it does not take back either.
                announced = page.total or announced
                is_blank = is_blank or page.is_blank
                identities = [*identities_of(page.rows, self.row_keys)]
                if not is_second:
                    count += len(page.rows)
                    yield page.rows
                elif rows := [
                    row
                    for row, identity in zip(page.rows, identities, strict=True)
                    if identity not in seen
                ]:
                    has_new = True
                    yield rows
                seen.update(identities)
            are_listed_twice = is_second and not has_new and count >= announced
            is_short = len(seen) < announced and not are_listed_twice
            if not is_short and (is_second or (number == 1 and not is_blank)):
                return number > 1 and not has_new and count > len(seen)
            if is_short:
                came = f"impact.com announced {announced} rows and sent {len(seen)}"
                again = "" if is_second else " Reading the list again."
                sync.logger.warning("%s: %s.%s", sync.name, came, again)
        raise FatalAPIError(f"{sync.name}: {came}, twice. State is safe: run again.")


def identities_of(rows: Sequence[Row], keys: Sequence[str]) -> Iterator[str]:
    """What tells each row from the others, as sent. Rows are all of one type."""
    if rows and isinstance(rows[0], msgspec.Struct):
        columns = [map(attrgetter(key), rows) for key in keys]
    else:
        columns = [map(methodcaller("get", key), rows) for key in keys]
    return map(" ".join, zip(*(map(str, column) for column in columns), strict=True))
