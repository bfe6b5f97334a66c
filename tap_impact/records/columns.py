"""Records written as JSON, column by column: what the plain path would write, for a fraction of it.

The values of a column repeat (campaigns, states, days, blanks), so each text is read and written
once and then looked up; what is left to do is to put the values of a row next to each other.
"""

from __future__ import annotations

from itertools import repeat
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from tap_impact.records.fields import ADDITIONAL_FIELDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from tap_impact.records.fields import Field, RecordMap, Row

# What a stream map may make that JSON has no type for is written as text, as by the SDK.
encoder = msgspec.json.Encoder(decimal_format="number", enc_hook=str)
to_json = encoder.encode
to_json_lines = encoder.encode_lines

# Texts remembered for each kind of field: enough for what repeats, little enough for the memory.
MAX_CACHED = 5_000

# How many values tell whether a column's repeat.
SAMPLE = 50

# Few enough rows for the processor's cache, enough to spread the cost of each step.
ROWS_AT_ONCE = 200


class ParseCache(dict[str, bytes]):
    """The JSON of what a reader makes of each text that it met."""

    def __init__(self, read: Callable[[Any], Any]) -> None:
        """Remember nothing yet."""
        super().__init__()
        self.read = read

    def __missing__(self, value: Any) -> bytes:
        """Read a value. Only texts are remembered: `1`, `1.0` and `True` would pass for equal."""
        json = to_json(self.read(value))
        if isinstance(value, str):
            if len(self) >= MAX_CACHED:
                self.clear()
            self[value] = json
        return json


class Column:
    """How the values of one field become JSON."""

    def __init__(self, field: Field, remembered: ParseCache) -> None:
        """Share with the fields of the same kind what is remembered."""
        self.source = field.source
        self._read_texts = field.read_texts
        self._is_scalar = not {"array", "object"} & {*field.json_schema["type"]}
        self._remembered = remembered

    def json(self, values: Sequence[Any]) -> Iterable[bytes]:
        """The JSON of each value's property, by the shortest way; a `repeat` if it is but one."""
        if not self._is_scalar:
            return map(to_json, map(self._remembered.read, values))
        if is_one(values):
            return repeat(self._remembered[values[0]], len(values))
        if self._read_texts and len({*values[:SAMPLE]}) > SAMPLE / 2:
            try:
                return to_json_lines(self._read_texts(values)).splitlines()
            except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
                pass  # one is no text, or no text of this kind
        return map(self._remembered.__getitem__, values)


def is_one(values: Sequence[Any]) -> bool:
    """Whether all are the same text, or null; `1`, `1.0` and `True` would pass for the same."""
    first, last = values[0], values[-1]
    return isinstance(first, str | None) and first == last and values.count(first) == len(values)


class Columns(NamedTuple):
    """The JSON of rows' values, by property."""

    values: dict[str, Iterable[bytes]]
    """A `repeat` where all are the same."""
    size: int
    """How many rows."""

    def listed(self) -> Columns:
        """The same, to be read more than once."""
        return self._replace(values={name: [*column] for name, column in self.values.items()})


class RecordEncoder:
    """Makes rows the JSON of one stream's records.

    Args:
        record_map: what the records are made of.
        selected: the properties to write, in this order.
        constants: values of properties that are the same in every record.
        additional: what a row holds and the map does not know; `RecordMap.additional`, or more.
    """

    def __init__(
        self,
        record_map: RecordMap,
        selected: Iterable[str],
        constants: Mapping[str, Any],
        additional: Callable[[Mapping[str, Any]], dict[str, Any] | None],
    ) -> None:
        """Decide now what is the same for all rows."""
        caches = {field.read: ParseCache(field.read) for field in record_map.sent}
        self._record_map = record_map
        self._columns = {field.name: Column(field, caches[field.read]) for field in record_map.sent}
        self._sources = record_map.sources
        self._values_of = itemgetter(*record_map.sources)
        self._additional = additional
        self._pieces: list[tuple[bytes, str]] = []
        before = b"{"
        for name in selected:
            before += to_json(name) + b":"
            if name in constants:
                before += to_json(constants[name]) + b","
            else:
                self._pieces.append((before, name))
                before = b","
        self._end = before.removesuffix(b",") + b"}\n"

    def encode(self, rows: Sequence[Row] | Columns) -> bytes:
        """The JSON of each row's record, a line each. Rows are all of the map's row type, or dicts.

        Raises:
            UnreadableField: Some value is not of its field's type.
        """
        if isinstance(rows, Columns):
            return self._lines(rows)
        lines = []
        for start in range(0, len(rows), ROWS_AT_ONCE):
            some = rows[start : start + ROWS_AT_ONCE]
            lines.append(self._lines(self.columns(some)))
        return b"".join(lines)

    def columns(self, rows: Sequence[Any]) -> Columns:
        """The JSON of the rows' values, by property.

        Raises:
            UnreadableField: Some value is not of its field's type.
        """
        additional: Iterable[bytes] = repeat(b"null", len(rows))
        by_row: Iterable[Iterable[Any]]
        if isinstance(rows[0], msgspec.Struct):
            by_row = map(msgspec.structs.astuple, rows)
        elif self._are_whole(rows):
            by_row = map(self._values_of, rows)
        else:
            by_row = ([row.get(source) for source in self._sources] for row in rows)
            additional = [*map(to_json, map(self._additional, rows))]
        values = dict(zip(self._sources, zip(*by_row, strict=True), strict=True))
        columns: dict[str, Iterable[bytes]] = {ADDITIONAL_FIELDS: additional}
        for name, column in self._columns.items():
            try:
                found = column.json(values[column.source])
                columns[name] = found if isinstance(found, repeat) else [*found]
            except (ValueError, TypeError, ArithmeticError):
                self._name_unreadable(rows)
                raise
        return Columns(columns, len(rows))

    def _name_unreadable(self, rows: Sequence[Any]) -> None:
        for row in rows:
            self._record_map.record(
                msgspec.structs.asdict(row) if isinstance(row, msgspec.Struct) else row
            )

    def _are_whole(self, rows: Sequence[Mapping[str, Any]]) -> bool:
        """Whether each has all fields that the map knows, and no others."""
        return all(len(row) == len(self._sources) and row.keys() == self._sources for row in rows)

    def _lines(self, columns: Columns) -> bytes:
        """Put the values of each row next to each other.

        What is given as a `repeat` is put into the line once for all.
        """
        line = [b""]
        columns_at = {}
        for before, name in self._pieces:
            line[-1] += before
            column = columns.values[name]
            if isinstance(column, repeat):
                line[-1] += next(column)
            else:
                columns_at[len(line)] = column
                line += b"null", b""
        line[-1] += self._end
        values = line * columns.size
        for place, column in columns_at.items():
            values[place :: len(line)] = column
        return b"".join(values)
