"""Where a declared stream meets the SDK.

A stream's records are made in one place, by its `RecordEncoder`, as lines of JSON. Where no feature
of the SDK looks at single records, the lines go out as they are (the fast path): the SDK decides
for each record anew what is the same for all of them, at several times the cost of making it. Else
the lines are decoded, and the SDK writes each record. Which way is taken is decided before the
first row, from schema, selection and settings.
"""

from __future__ import annotations

import abc
import logging
from contextlib import ExitStack
from datetime import UTC, datetime
from decimal import Decimal
from functools import cached_property
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import singer_sdk
from singer_sdk.helpers.conform import TypeConformanceLevel
from singer_sdk.singerlib.catalog import REPLICATION_FULL_TABLE, REPLICATION_INCREMENTAL
from typing_extensions import override

from tap_impact.api.pages import decode
from tap_impact.records.anomalies import SKIPS_ROW, Anomalies, Role
from tap_impact.records.columns import Columns, Lines, RecordEncoder
from tap_impact.records.fields import ADDITIONAL_FIELDS, described, nullable
from tap_impact.singer import sdk_internals
from tap_impact.singer.batch_files import Table
from tap_impact.sources.source import AccountStart, Sync

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from singer_sdk.helpers.types import Context, Record
    from singer_sdk.metrics import Counter

    from tap_impact.api.client import ImpactClient
    from tap_impact.records.fields import RecordMap, Row
    from tap_impact.settings import Settings
    from tap_impact.singer.message_writer import MessageWriter
    from tap_impact.sources.source import Source
    from tap_impact.streams.stream import Stream

LABEL = "connection_label"
CONNECTION_PROPERTIES = {
    LABEL: nullable("string", "The setting `label` of the row's connection."),
    "connection_currency": nullable("string", "The setting `currency` of the row's connection."),
}

# What the SDK's loaders make DECIMAL(38, 9) of: the most digits that Snowflake, BigQuery, Redshift,
# DuckDB and Databricks all take. impact.com sends up to six decimals.
SINGER_DECIMAL = {"format": "x-singer.decimal", "precision": 38, "scale": 9}

# The bookmark's entry that identifies the account.
ACCOUNT_DIGEST = "account"


class ImpactTap(singer_sdk.Tap, abc.ABC):
    """What a stream needs of its tap."""

    message_writer: MessageWriter
    account_start: AccountStart

    @property
    @abc.abstractmethod
    def settings(self) -> Settings:
        """What the config means for this run."""

    @property
    @abc.abstractmethod
    def client(self) -> ImpactClient:
        """The client of impact.com, one for all streams."""

    @property
    @abc.abstractmethod
    def impact_streams(self) -> dict[str, ImpactStream]:
        """All streams by name, in the order of a run."""

    @abc.abstractmethod
    def give_up(self, streams: Sequence[ImpactStream], error: Exception) -> None:
        """Continue without streams that failed."""

    def groups(self) -> list[list[ImpactStream]]:
        """The streams by source, in the order of a run."""
        groups: dict[int, list[ImpactStream]] = {}
        for stream in self.impact_streams.values():
            groups.setdefault(id(stream.source), []).append(stream)
        return [*groups.values()]


class ImpactStream(singer_sdk.Stream):
    """A declared stream, as the SDK and its source see it."""

    # A RecordMap types every value, so the SDK need not check each again.
    TYPE_CONFORMANCE_LEVEL = TypeConformanceLevel.NONE

    _tap: ImpactTap
    _counter: Counter

    def __init__(self, tap: ImpactTap, declaration: Stream) -> None:
        """Give the SDK the schema: the row's own and the connection's columns."""
        self.declaration = declaration
        self.record_map: RecordMap = declaration.record_map
        self.part = declaration.part
        self.selected_by_default = declaration.selected
        schema = self.record_map.json_schema()
        schema["properties"] |= CONNECTION_PROPERTIES
        self._adds_label = bool(tap.config.get("label")) and not declaration.ids_are_global
        if self._adds_label:
            schema["properties"][LABEL] = described("string", "The row's connection: `label`.")
            schema["required"] = [*schema["required"], LABEL]
        if tap.config.get("use_singer_decimal"):
            schema["properties"] = {
                name: as_singer_decimal(of) if is_number(of) else of
                for name, of in schema["properties"].items()
            }
        super().__init__(tap, schema=schema, name=declaration.name)
        self.primary_keys = self._keys_of(declaration.keys)
        self.replication_key = declaration.replication_key
        self.anomalies = Anomalies(dated_by=declaration.source.dated_by)
        self._named_fields: set[str] = set()
        self.rows_written = 0

    # What a source sees (SelectedStream).

    @property
    def source(self) -> Source:
        """Where the rows come from."""
        return self.declaration.source

    @property
    def bookmark(self) -> dict[str, Any]:
        """The stream's bookmark in Singer state, to be changed in place."""
        return self.stream_state

    @property
    def is_full_table(self) -> bool:
        """Whether all of it is read each time."""
        return self.replication_method == REPLICATION_FULL_TABLE

    @property
    def row_type(self) -> type | None:
        """What the rows of a page may be decoded to; None for dicts."""
        return None if self.declaration.rows_of else self.record_map.row_type

    # What writes the messages.

    def begin(self) -> None:
        """Announce the stream to the target."""
        self.log("Beginning sync of '%s' in %s mode", self.name, self.replication_method.lower())
        for message in sdk_internals.schema_messages(self):
            # The SDK's catalog keeps a format, but not its precision and scale.
            for of in message.schema["properties"].values():
                if is_singer_decimal(of):
                    of.update(SINGER_DECIMAL)
            # The catalog may have been discovered before the connection had a label.
            if (*(message.key_properties or ()),) == self.declaration.keys:
                message.key_properties = self._keys_of(self.declaration.keys)
            self._tap.write_message(message)
        if self.is_full_table and self.emit_activate_version_messages:
            sdk_internals.begin_version(self)

    def emit(self, rows: Sequence[Row] | Columns) -> None:
        """Write the records of rows."""
        table = Table(self.name, sdk_internals.version_of(self))
        for lines, count in self._lines(rows):
            if not self.is_fast:
                for record in self._decoded(lines):
                    sdk_internals.write_record(self, record)
            elif count:
                self._tap.message_writer.write_encoded(table, lines, datetime.now(UTC))
            self._counter.increment(count)
            self.rows_written += count

    def to_records(self, rows: Sequence[Row] | Columns) -> Iterator[Record]:
        """The records of rows, one by one."""
        for lines in self._lines(rows):
            yield from self._decoded(lines.json)

    def finish(self) -> None:
        """Tell the target that the stream was read to its end, if nothing of it is missing."""
        if not self.anomalies.skipped_rows:
            sdk_internals.activate_version(self)

    def report_unreadable(self) -> None:
        """Name each field that could not be read, and what became of its rows."""
        for each in self.anomalies.unreadable.values():
            self.logger.log(
                logging.WARNING if each.role is Role.OTHER else logging.ERROR,
                "%s: %s cannot be read in %d row%s, such as %s. %s",
                self.name,
                each.field,
                each.rows,
                "s"[: each.rows != 1],
                each.first_row,
                "These rows are skipped; the next run requests them again."
                if each.role in SKIPS_ROW
                else f"The column is null; the value as sent is in {ADDITIONAL_FIELDS}.",
            )

    def _name_new_fields(self) -> None:
        if not self.record_map.is_from_api:
            return
        if new := sorted(self.anomalies.unknown_fields - self._named_fields):
            self._named_fields.update(new)
            self.logger.info(
                "%s: impact.com sends fields that this version does not know; they are kept under "
                "%s: %s",
                self.name,
                ADDITIONAL_FIELDS,
                ", ".join(new),
            )

    @cached_property
    def is_fast(self) -> bool:
        """Whether the fast path is used: no feature of the SDK handles single records."""
        return not (sdk_internals.has_nested_selection(self) or sdk_internals.has_stream_maps(self))

    @cached_property
    def encoder(self) -> RecordEncoder:
        """What makes the records: of the selected properties, or of all for the SDK to select."""
        names = self.schema["properties"]
        if self.is_fast and self.selected:
            names = [name for name in names if sdk_internals.is_selected(self, name)]
        connection = {
            LABEL: self._tap.settings.label,
            "connection_currency": self._tap.settings.currency,
        }
        # The schema may be that of a catalog which was discovered by other settings.
        quoted = [
            name
            for name, of in self.effective_schema["properties"].items()
            if is_singer_decimal(of)
        ]
        return RecordEncoder(self.record_map, names, connection, self.anomalies, quoted)

    def _lines(self, rows: Sequence[Row] | Columns) -> Iterator[Lines]:
        """The JSON of the records of rows, some at a time."""
        if (rows_of := self.declaration.rows_of) and not isinstance(rows, Columns):
            rows = [own for row in rows for own in rows_of(row)]  # type: ignore[arg-type]
        yield from self.encoder.encode(rows)
        self._name_new_fields()

    def _decoded(self, lines: bytes) -> Iterator[Record]:
        """Records with exact decimals, which stream maps may calculate with."""
        for line in lines.splitlines():
            record: Record = decode(line)
            for name in self._number_names:
                if isinstance(record.get(name), int):
                    record[name] = Decimal(record[name])
            yield record

    @cached_property
    def _number_names(self) -> list[str]:
        return [name for name, of in self.schema["properties"].items() if is_number(of)]

    def _keys_of(self, keys: Sequence[str]) -> tuple[str, ...]:
        """The keys, with the label where the keys alone are not unique across accounts."""
        return (*keys, LABEL) if self._adds_label and LABEL not in keys else tuple(keys)

    # What the SDK asks for.

    @property
    @override
    def replication_method(self) -> str:
        if self.source.always_incremental:
            return REPLICATION_INCREMENTAL
        return super().replication_method

    @override
    def get_records(self, context: Context | None) -> Iterator[Record]:
        """The records of this stream by itself, for the SDK's dry runs."""
        for batch in self.source.read(sync_of(self._tap, [self])):
            if self in batch.streams:
                yield from self.to_records(batch.rows)

    @override
    def get_record_counter(self, **kwargs: Any) -> Counter:
        self._counter = super().get_record_counter(**kwargs)
        return self._counter

    @override
    def get_batch_config(self, config: Mapping[str, Any]) -> None:
        """Batches are made by `MessageWriter` from what would be RECORDs, not by the SDK.

        Its own pass by selection and stream maps, and write a STATE before the rows it covers.
        """

    # The SDK would move bookmarks row by row. Rows of impact.com cannot tell what is new (an Action
    # has no last-updated field), so progress is what the sources checkpoint after whole steps.

    @override
    def _increment_stream_state(self, latest_record: Record, **kwargs: Any) -> None:
        pass

    @override
    def _write_starting_replication_value(self, context: Context | None) -> None:
        pass

    @override
    def get_replication_key_signpost(self, context: Context | None = None) -> None:
        pass


def is_number(schema: Mapping[str, Any]) -> bool:
    """Whether a property holds decimals."""
    return "number" in schema["type"]


def is_singer_decimal(schema: Mapping[str, Any]) -> bool:
    """Whether a property holds decimals as text."""
    return schema.get("format") == SINGER_DECIMAL["format"]


def as_singer_decimal(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of decimals written as text, of which the SDK's loaders make DECIMAL columns."""
    types = ["string" if each == "number" else each for each in schema["type"]]
    return {**schema, "type": types, **SINGER_DECIMAL}


def account_digest(account_sid: str | None) -> str:
    """Identifies the account in state without naming it."""
    return sha256(f"impact.com {account_sid}".encode()).hexdigest()[:12]


def sync_of(tap: ImpactTap, streams: Sequence[ImpactStream]) -> Sync:
    """One run of the source that streams share."""
    source = streams[0].source

    def checkpoint() -> None:
        for stream in (first, *streams):
            if stream.bookmark:
                stream.bookmark[ACCOUNT_DIGEST] = account_digest(tap.config["account_sid"])
        tap.state_writer.write_state(tap.state)

    first = next(each for each in tap.impact_streams.values() if each.source is source)
    return Sync(
        client=tap.client,
        settings=tap.settings,
        logger=streams[0].logger,
        streams=streams,
        state=first.bookmark,
        account_start=tap.account_start,
        give_up=tap.give_up,
        checkpoint=checkpoint,
    )


def sync_source(tap: ImpactTap, streams: Sequence[ImpactStream]) -> None:
    """Load streams that share a source, by one and the same requests."""
    sync = sync_of(tap, streams)
    with ExitStack() as measured:
        for stream in streams:
            stream.begin()
            measured.enter_context(stream.get_record_counter())
            measured.enter_context(stream.get_sync_timer())
        try:
            for batch in streams[0].source.read(sync):
                for stream in streams:
                    if stream in batch.streams:
                        stream.emit(batch.rows)
        finally:
            for stream in streams:
                stream.report_unreadable()
    for stream in streams:
        stream.finish()
    sync.checkpoint()
