"""The ways in which streams read impact.com: a single object, a list, or windows of time."""

from __future__ import annotations

import abc
from datetime import UTC, datetime, timedelta
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import msgspec
from singer_sdk import Stream
from singer_sdk.exceptions import FatalAPIError, FatalSyncError
from singer_sdk.helpers.conform import TypeConformanceLevel
from singer_sdk.singerlib.catalog import REPLICATION_FULL_TABLE
from typing_extensions import override

from tap_impact.api.client import MAX_PAGES, AccessDenied, NotFound, TooManyPages
from tap_impact.progress.coverage import Coverage, Purpose, Step
from tap_impact.progress.windows import NARROWEST, Window, newest_first
from tap_impact.records.fields import (
    ADDITIONAL_FIELDS,
    UnreadableField,
    as_text,
    is_blank,
    nullable,
)
from tap_impact.records.instants import iso, zoned
from tap_impact.singer.batch_files import Table
from tap_impact.singer.fast_path import encoder_of, needs_sdk

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from singer_sdk.helpers.types import Context, Record
    from singer_sdk.metrics import Counter

    from tap_impact.api.client import ImpactClient
    from tap_impact.records.columns import RecordEncoder
    from tap_impact.records.fields import RecordMap, Row
    from tap_impact.settings import Settings
    from tap_impact.tap import TapImpact

# Larger pages of small lists bring 5xx; only actions and their updates take 20,000.
LIST_PAGE_SIZE = 1000

CONNECTION_PROPERTIES = {
    "connection_label": nullable("string", "The setting `label` of the row's connection."),
    "connection_currency": nullable("string", "The setting `currency` of the row's connection."),
}


class Scope(NamedTuple):
    """What a token must be allowed, by the names that impact.com shows."""

    category: str
    name: str
    required: bool = True

    def __str__(self) -> str:
        """Read like `Actions > Retrieve actions`."""
        return f"{self.category} > {self.name}"


class Need(NamedTuple):
    """A scope that a stream needs, and a small request that tells whether the token has it."""

    scope: Scope
    path: str | None
    """None if asking would spend more than a request."""
    query: Mapping[str, Any] = MappingProxyType({})


class Feed(NamedTuple):
    """A pair of filters that finds rows by one of their dates."""

    start: str
    end: str

    def within(self, window: Window) -> dict[str, str]:
        """The query for a window. One filter without the other is an error of the API."""
        return {self.start: iso(window.start), self.end: iso(window.end)}


class ImpactStream(Stream, abc.ABC):
    """A stream whose records are mapped from the API's rows."""

    path: ClassVar[str]
    record_map: ClassVar[RecordMap]
    scope: ClassVar[Scope]

    # A RecordMap types every value, so the SDK need not look at each again.
    TYPE_CONFORMANCE_LEVEL = TypeConformanceLevel.NONE

    _tap: TapImpact

    def __init__(self, tap: TapImpact) -> None:
        """Give the SDK the schema: the row's own and the connection's columns."""
        schema = self.row_schema()
        schema["properties"] |= CONNECTION_PROPERTIES
        super().__init__(tap, schema=schema)
        self._unknown_fields: set[str] = set()

    @classmethod
    def row_schema(cls) -> dict[str, Any]:
        """JSON schema of the records, without the connection's columns."""
        return cls.record_map.json_schema()

    def refuse_future(self, through: datetime) -> None:
        """Stop at a bookmark that would hide all that happens until then.

        Raises:
            FatalSyncError: It is more than a day ahead of this machine's clock.
        """
        if through > datetime.now(UTC) + timedelta(days=1):
            raise FatalSyncError(
                f"State: the bookmark of {self.name} is in the future ({iso(through)})."
            )

    @property
    def settings(self) -> Settings:
        """What the config means for this run; discovery needs none."""
        return self._tap.settings

    @property
    def client(self) -> ImpactClient:
        """The conversation with impact.com, shared by all streams."""
        return self._tap.client

    @cached_property
    def connection(self) -> dict[str, str | None]:
        """What tells the rows of one connection from those of another."""
        return {
            "connection_label": self.settings.label,
            "connection_currency": self.settings.currency,
        }

    def needs(self) -> list[Need]:
        """The scopes without which the stream is less than whole."""
        return [Need(self.scope, self.path)]

    @abc.abstractmethod
    def read(self) -> Iterator[Record]:
        """Every record that this run loads, in the order of the messages."""

    @override
    def get_records(self, context: Context | None) -> Iterator[Record]:
        try:
            yield from self.read()
        except AccessDenied as error:
            self.skip_stream(error)
        except NotFound as error:
            if self.scope.required:
                raise
            self.logger.warning("%s is left out. %s", self.name, error)
        else:
            self._tap.message_writer.stream_complete(
                stream_map.stream_alias for stream_map in self.stream_maps
            )
        self._tap.message_writer.flush()

    def skip_stream(self, error: AccessDenied) -> None:
        """Go on without this stream, which the token does not allow."""
        self._tap.skip_stream(self.name, self.scope, error)

    def records(self, rows: Sequence[Row]) -> Iterator[Record]:
        """The records of rows that are left for the SDK to write: all, or none."""
        if rows and not self._write(rows):
            yield from self.made(rows)

    def made(self, rows: Iterable[Row]) -> Iterator[Record]:
        """The records of rows, made one by one.

        Raises:
            FatalAPIError: A field cannot be read.
        """
        for row in rows:
            yield self.record(
                msgspec.structs.asdict(row) if isinstance(row, msgspec.Struct) else row
            )

    def _write(self, rows: Sequence[Row]) -> bool:
        """Write rows without the SDK, if neither it nor the map has to look at each by itself."""
        if self.needs_sdk:
            return False
        try:
            records = self.encoder.encode(rows)
        except (ValueError, TypeError, ArithmeticError):
            return False
        self.put(records, len(rows))
        return True

    def put(self, records: bytes, count: int) -> None:
        """Write the JSON of records, a line each, without the SDK."""
        table = Table(self.name, self._stream_version)
        self._tap.message_writer.write_records(table, records, datetime.now(UTC))
        self._counter.increment(count)

    @cached_property
    def needs_sdk(self) -> bool:
        """Whether the SDK must see each record."""
        return needs_sdk(self)

    @cached_property
    def encoder(self) -> RecordEncoder:
        """How rows are written without the SDK."""
        return encoder_of(self)

    @override
    def get_record_counter(self, **kwargs: Any) -> Counter:
        self._counter = super().get_record_counter(**kwargs)
        return self._counter

    @override
    def get_batch_config(self, config: Mapping[str, Any]) -> None:
        """Batches are made by `MessageWriter` from what would be RECORDs, not by the SDK.

        Its own pass by selection and stream maps, and write a STATE before the rows it covers.
        """

    def record(self, row: Mapping[str, Any]) -> Record:
        """Make a row of the API a record.

        Raises:
            FatalAPIError: A field cannot be read. The message names stream, row and field.
        """
        try:
            record = self.record_map.record(row)
        except UnreadableField as error:
            raise FatalAPIError(
                f"{self.name}: field {error} of row {self.identity(row)} cannot be read. "
                "Nothing was skipped and state is safe."
            ) from None
        self._name_once(record[ADDITIONAL_FIELDS])
        return record | self.connection

    def additional(self, row: Mapping[str, Any]) -> dict[str, Any] | None:
        """What a row holds and the map does not know, named in the log when it is new."""
        found = self.record_map.additional(row)
        self._name_once(found)
        return found

    def identity(self, row: Mapping[str, Any]) -> str:
        """What tells a row from the others, as sent."""
        return next(self.record_map.identities([row]))

    def _name_once(self, additional: Mapping[str, Any] | None) -> None:
        fields = (additional or {}).keys()
        if new := sorted(fields - self._unknown_fields):
            self._unknown_fields.update(new)
            self.logger.info(
                "%s: impact.com sends fields that this version does not know; they are kept under "
                "%s: %s",
                self.name,
                ADDITIONAL_FIELDS,
                ", ".join(new),
            )

    # The SDK would move bookmarks row by row. Rows of impact.com cannot tell what is new (an Action
    # has no last-updated field), so progress is what DatedStream writes after whole windows.

    @override
    def _increment_stream_state(self, latest_record: Record, **kwargs: Any) -> None:
        pass

    @override
    def _write_starting_replication_value(self, context: Context | None) -> None:
        pass

    @override
    def get_replication_key_signpost(self, context: Context | None = None) -> None:
        pass


class ObjectStream(ImpactStream):
    """A stream of one record: an endpoint that answers with an object."""

    @override
    def read(self) -> Iterator[Record]:
        yield self.record(self.client.get(self.path))


class ListStream(ImpactStream):
    """A stream that reads a list whole."""

    data_key: ClassVar[str]
    max_pages: ClassVar[int | None] = None
    """How many pages impact.com gives of a list; None if it does not say."""

    @override
    def needs(self) -> list[Need]:
        return [Need(self.scope, self.path, {"PageSize": 1})]

    @override
    def read(self) -> Iterator[Record]:
        for rows in self.list({"PageSize": LIST_PAGE_SIZE}):
            yield from self.records(rows)

    def list(self, params: Mapping[str, Any]) -> Iterator[Sequence[Row]]:
        """The rows of a list page by page, each at least once.

        A list that changes while it is read shifts the rows of the pages to come. Fewer distinct
        rows than its first page announced means that some were passed over. So may pages that
        announce different totals, where rows that came hide those that were passed over. It is
        read once more then.

        Raises:
            FatalAPIError: It came short again.
        """
        row_type = None if self.needs_sdk else self.record_map.row_type
        for moved_before in (False, True):
            announced: list[int] = []
            seen: set[str] = set()
            for page in self.client.pages(
                self.path, params, self.data_key, row_type=row_type, max_pages=self.max_pages
            ):
                announced.append(page.total)
                seen.update(self.record_map.identities(page.rows))
                yield page.rows
            moved = len({*announced}) > 1
            if len(seen) >= announced[0] and (moved_before or not moved):
                return
            totals = " then ".join(map(str, dict.fromkeys(announced)))
            came = f"impact.com announced {totals} rows and gave {len(seen)}"
            self.logger.warning("%s: %s. Reading them once more.", self.name, came)
        raise FatalAPIError(f"{self.name}: {came}, twice. State is safe: run again.")


class DatedStream(ListStream):
    """A stream that reads windows of time, and knows the interval that it holds completely."""

    max_pages = MAX_PAGES
    happened: ClassVar[str]
    """The API's field that history goes by."""
    feeds: ClassVar[Mapping[Purpose, Feed]]
    """Which filter finds the rows for each purpose."""

    @override
    def needs(self) -> list[Need]:
        now = self.settings.now
        second = self.feeds[Purpose.CATCH_UP].within(Window(now - NARROWEST, now))
        return [Need(self.scope, self.path, second | {"PageSize": self.settings.page_size})]

    @override
    def read(self) -> Iterator[Record]:
        if self.replication_method == REPLICATION_FULL_TABLE:
            for window in newest_first(self.settings.start, self.settings.now):
                for rows in self.within(window, Purpose.HISTORY):
                    yield from self.records(rows)
            return
        held = self.held()
        steps = self.steps(held)
        total = 0
        for done, step in enumerate(steps, start=1):
            count = 0
            for rows in self.within(step.window, step.purpose):
                if step.purpose is not Purpose.HISTORY:
                    # What locks or changes now may have happened before history begins. There the
                    # table would hold days in part.
                    since = steps[-1].coverage.since
                    rows = [row for row in rows if self._is_of(row, since)]  # noqa: PLW2901
                count += len(rows)
                yield from self.records(rows)
            total += count
            self._hold(step.coverage)
            self.logger.info(
                "%s: %s %s: %d rows. %d of %d windows done.",
                self.name,
                step.purpose.value,
                step.window,
                count,
                done,
                len(steps),
            )
        if held is None and not total:
            self.logger.info(
                "%s: nothing found from %s to %s. Usual reasons: the account earned nothing then; "
                "campaign_ids leaves out what it earned; SID and token are of another account.",
                self.name,
                iso(self.settings.start),
                iso(self.settings.now),
            )

    def steps(self, held: Coverage | None) -> list[Step]:
        """What a run reads, given what is held."""
        now = self.settings.now
        lookback = self.settings.settlement_lookback if Purpose.SETTLEMENT in self.feeds else None
        steps = (held or Coverage(now, now)).steps(
            now=now,
            start=self.settings.start,
            reach=self.settings.reach,
            settlement_lookback=lookback,
        )
        return [*steps]

    def within(self, window: Window, purpose: Purpose) -> Iterator[Sequence[Row]]:
        """The rows of a window, in as many queries as the API wants."""
        for campaign_id in self.settings.campaign_ids or (None,):
            yield from self._query(window, purpose, campaign_id)

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
        self, window: Window, purpose: Purpose, campaign_id: str | None
    ) -> Iterator[Sequence[Row]]:
        """One query; narrower ones if its result is more than the API hands out.

        A month's actions can lock at one instant, where only the campaign can narrow it further.
        """
        params = self.feeds[purpose].within(window) | {"PageSize": str(self.settings.page_size)}
        if campaign_id:
            params["CampaignId"] = campaign_id
        try:
            yield from self.list(params)
        except TooManyPages:
            if window.can_be_halved:
                narrower = [(half, campaign_id) for half in window.halves()]
            elif campaign_id is None:
                narrower = [(window, each) for each in self._tap.all_campaign_ids()]
                self.logger.warning(
                    "%s: %s holds more than impact.com gives at once, so it is asked for by "
                    "campaign. A campaign that /Campaigns does not list is not in it; campaign_ids "
                    "can name it.",
                    self.name,
                    window,
                )
            else:
                raise
        else:
            return
        for part, each in narrower:
            yield from self._query(part, purpose, each)

    def held(self) -> Coverage | None:
        """What the state says is held; None if nothing, or if not for all campaigns asked for."""
        bookmark = self.stream_state
        campaigns_held = bookmark.get("campaign_ids")
        if campaigns_held and not (
            self.settings.campaign_ids and {*self.settings.campaign_ids} <= {*campaigns_held}
        ):
            self.logger.info("%s: campaigns were added; history is loaded again.", self.name)
            return None
        try:
            held = Coverage.of_bookmark(bookmark, start=self.settings.start)
        except (TypeError, ValueError):
            raise FatalSyncError(
                f"State: the bookmark of {self.name} holds no date that can be read."
            ) from None
        if held:
            self.refuse_future(held.through)
        return held

    def _hold(self, coverage: Coverage, **details: Any) -> None:
        """Write state at once: whatever breaks later, this window is not read again."""
        bookmark: dict[str, Any] = coverage.bookmark(self.replication_key or "") | details
        if self.settings.campaign_ids:
            bookmark["campaign_ids"] = [*self.settings.campaign_ids]
        self.stream_state.clear()
        self.stream_state.update(bookmark)
        self.state_manager.is_flushed = False
        self._write_state_message()
