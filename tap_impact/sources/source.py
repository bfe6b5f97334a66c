"""The interface of sources, and what a source knows of its streams.

A source yields batches; each batch is written before the next is requested. So a source that
changes bookmarks and then calls `checkpoint` never covers a row that is not written.
"""

from __future__ import annotations

import abc
from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import date, datetime, tzinfo

    from tap_impact.api.client import ImpactClient
    from tap_impact.api.scopes import Need, Scope
    from tap_impact.errors import AccessDenied
    from tap_impact.records.anomalies import Anomalies
    from tap_impact.records.columns import Columns
    from tap_impact.records.fields import RecordMap, Row
    from tap_impact.settings import Settings

# What impact.com allows unless it agreed to more (its page on rate limits).
EVENTS_AN_HOUR = 500
OTHERS_AN_HOUR = 1000


class SelectedStream(Protocol):
    """A stream that is loaded in this run, as its source sees it."""

    @property
    def name(self) -> str:
        """The stream's name."""

    @property
    def part(self) -> str:
        """Which part of what the source reads becomes its rows; empty if there is but one."""

    @property
    def record_map(self) -> RecordMap:
        """What its records are made of."""

    @property
    def row_type(self) -> type | None:
        """What the rows of a page may be decoded to; None for dicts."""

    @property
    def is_full_table(self) -> bool:
        """Whether all of it is read each time."""

    @property
    def bookmark(self) -> dict[str, Any]:
        """Its bookmark in Singer state, to be changed in place."""

    @property
    def anomalies(self) -> Anomalies:
        """The anomalies in its rows."""


class Batch(NamedTuple):
    """Some rows, and who takes them."""

    rows: Sequence[Row] | Columns
    streams: Sequence[SelectedStream]


@dataclass
class AccountStart:
    """The start of the account's data, shared by all sources of a run."""

    known: datetime | None = None

    def bound(self, day: date, zone: tzinfo | None) -> date:
        """The later of a day and the account's first, by its calendar, or by UTC if not known.

        The day before its first may be refused, and would be requested by every run.
        """
        return max(day, self.known.astimezone(zone or UTC).date()) if self.known else day


@dataclass(frozen=True)
class Sync:
    """One run of a source."""

    client: ImpactClient
    settings: Settings
    logger: logging.Logger
    streams: Sequence[SelectedStream]
    """All that are selected, one at least, in the order of the run."""
    state: dict[str, Any]
    """What the source itself keeps: the bookmark of its first stream, selected or not."""
    account_start: AccountStart
    give_up: Callable[[Sequence[Any], Exception], None]
    """Continues without streams that failed: logs the error, and sets the exit code."""
    checkpoint: Callable[[], None]
    """Writes the bookmarks as a STATE message."""
    as_dicts: bool = False
    """Whether rows are not those of the streams, or not before they are changed."""

    @property
    def name(self) -> str:
        """The streams, for messages."""
        return " and ".join(stream.name for stream in self.streams)

    @property
    def skipped_rows(self) -> int:
        """How many rows could not be loaded so far, because their key or date cannot be read."""
        return sum(stream.anomalies.skipped_rows for stream in self.streams)


class Estimate(NamedTuple):
    """The requests that a source will send."""

    next_run: int
    """Requests of the next run."""
    whole: int
    """Requests until all history is loaded, the next run included."""
    an_hour: int
    """How many of them impact.com allows in an hour."""
    note: str = ""


class Source(abc.ABC):
    """A way of reading, and the scope that it needs."""

    scope: Scope
    always_incremental: ClassVar[bool] = False
    """Whether a catalog cannot choose the full table."""

    @property
    def dated_by(self) -> str | None:
        """The API's field that the rows are dated by; None if they have no date of their own."""
        return None

    @abc.abstractmethod
    def needs(self, settings: Settings) -> list[Need]:
        """The scopes that its streams need."""

    def check_bookmark(self, bookmark: Mapping[str, Any]) -> None:  # noqa: B027 - some have none
        """Look at a bookmark before anything is requested.

        Raises:
            ValueError, TypeError, KeyError, AttributeError: It is none that can be used.
        """

    def parameter_problems(self, client: ImpactClient, stream: SelectedStream) -> list[str]:
        """What is wrong with the parameters of a stream's requests, a sentence each.

        Raises:
            AccessDenied, NotFound, FatalAPIError, RetriableAPIError: as the client says.
        """
        del client, stream
        return []

    @abc.abstractmethod
    def read(self, sync: Sync) -> Iterator[Batch]:
        """Every batch that this run loads.

        Raises:
            AccessDenied, NotFound, FatalAPIError, RetriableAPIError: as the client says.
        """

    def scope_lacking(self, error: AccessDenied) -> Scope:
        """The scope that an error shows to be missing."""
        del error
        return self.scope

    def oldest_gap(self, sync: Sync) -> date | None:
        """The oldest day of history that is not loaded yet; None if it is whole. Asks nothing."""
        del sync
        return None

    def estimate(self, sync: Sync) -> Estimate:
        """The requests of the next run and of the full history.

        Raises:
            FatalAPIError, RetriableAPIError: impact.com was asked for a count, and gave none.
        """
        del sync
        return Estimate(1, 1, OTHERS_AN_HOUR)
