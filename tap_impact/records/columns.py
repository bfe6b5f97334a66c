"""Records written as JSON, column by column: what the plain path would write, for a fraction of it.

The values of a column repeat (campaigns, states, days, blanks), so each text is read and written
once and then looked up; what is left to do is to join the values of each row.
"""

from __future__ import annotations

from collections import defaultdict
from itertools import compress, repeat
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from tap_impact.records.anomalies import RowAnomalies
from tap_impact.records.fields import ADDITIONAL_FIELDS, UnreadableValue

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from tap_impact.records.anomalies import Anomalies
    from tap_impact.records.fields import Field, RecordMap, Row

# What a stream map may make that JSON has no type for is written as text, as by the SDK.
encoder = msgspec.json.Encoder(decimal_format="number", enc_hook=str)
to_json = encoder.encode
to_json_lines = encoder.encode_lines

# Texts cached for each kind of field: enough for what repeats, little enough for the memory.
MAX_CACHED = 5_000

# How many values tell whether a column's repeat.
SAMPLE = 50

# Few enough rows for the processor's cache, enough to spread the cost of each step.
ROWS_AT_ONCE = 200

NO_ANOMALIES = RowAnomalies()

# What the values of most columns are, and what can be cached: `1`, `1.0` and `True` are equal.
TEXTS = frozenset({str, type(None)})


class ParseCache(dict[str | None, bytes]):
    """The JSON of what a reader makes of each text, or null, that it has read."""

    def __init__(self, read: Callable[[Any], Any]) -> None:
        """Begin empty."""
        super().__init__()
        self.read = read

    def __missing__(self, text: str | None) -> bytes:
        """Read a text.

        Raises:
            UnreadableValue: It is not of the reader's type.
        """
        json = to_json(self.read(text))
        if len(self) >= MAX_CACHED:
            self.clear()
        self[text] = json
        return json


class Column:
    """How the values of one field become JSON."""

    def __init__(self, field: Field, cache: ParseCache) -> None:
        """Share a cache with the fields of the same kind."""
        self._field = field
        self._cache = cache

    def json(self, values: Sequence[Any], anomalies: Mapping[int, RowAnomalies]) -> Iterable[bytes]:
        """The JSON of each value's property, by the shortest way; a `repeat` if it is but one.

        Args:
            values: of the rows, as sent.
            anomalies: where to note by row what cannot be read; null stands for it.
        """
        if TEXTS.issuperset(map(type, values)):
            try:
                return self._json_of_texts(values)
            except UnreadableValue:
                pass
        return [
            to_json(self._field.value(value, anomalies[row])) for row, value in enumerate(values)
        ]

    def _json_of_texts(self, texts: Sequence[str | None]) -> Iterable[bytes]:
        first = texts[0]
        if first == texts[-1] and texts.count(first) == len(texts):
            return repeat(self._cache[first], len(texts))
        read_texts = self._field.read_texts
        if read_texts and len({*texts[:SAMPLE]}) > SAMPLE / 2:
            try:
                return to_json_lines(read_texts(texts)).splitlines()
            except UnreadableValue:
                pass  # of another form, which the cache knows how to read, or which is unreadable
        return [*map(self._cache.__getitem__, texts)]


class Columns(NamedTuple):
    """The JSON of rows' values, by property."""

    values: dict[str, Iterable[bytes]]
    """A `repeat` where all are the same."""
    size: int
    """How many rows."""

    def listed(self) -> Columns:
        """The same, to be read more than once."""
        return self._replace(values={name: [*column] for name, column in self.values.items()})


class Lines(NamedTuple):
    """The JSON of records."""

    json: bytes
    """A line each."""
    size: int
    """How many records."""


class RecordEncoder:
    """Makes rows the JSON of one stream's records.

    Args:
        record_map: what the records are made of.
        selected: the properties to write, in this order.
        constants: values of properties that are the same in every record.
        anomalies: where to count what is wrong in the rows.
        quoted: the properties whose numbers are written as text.
    """

    def __init__(
        self,
        record_map: RecordMap,
        selected: Iterable[str],
        constants: Mapping[str, Any],
        anomalies: Anomalies,
        quoted: Collection[str] = (),
    ) -> None:
        """Decide now what is the same for all rows."""
        caches = {field.read: ParseCache(field.read) for field in record_map.sent}
        self._map = record_map
        self._columns = [(field, Column(field, caches[field.read])) for field in record_map.sent]
        self._anomalies = anomalies
        self._quoted = frozenset(quoted)
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

    def encode(self, rows: Sequence[Row] | Columns) -> Iterator[Lines]:
        """The JSON of the records of rows, which are all of the map's row type, or dicts.

        Rows that cannot be placed are left out, and counted as anomalies.
        """
        if isinstance(rows, Columns):
            yield Lines(self._joined(rows), rows.size)
            return
        for start in range(0, len(rows), ROWS_AT_ONCE):
            columns = self.columns(rows[start : start + ROWS_AT_ONCE])
            yield Lines(self._joined(columns), columns.size)

    def columns(self, rows: Sequence[Any]) -> Columns:
        """The JSON of the rows' values, by property; as for `encode`. There is at least one row."""
        by_row: defaultdict[int, RowAnomalies] = defaultdict(RowAnomalies)
        are_whole = self._are_whole(rows)
        values = self._values(rows, are_whole=are_whole)
        columns: dict[str, Iterable[bytes]] = {
            field.name: column.json(values[field.source], by_row) for field, column in self._columns
        }
        is_clean = not any(each.as_sent for each in by_row.values())
        if is_clean and are_whole:
            columns[ADDITIONAL_FIELDS] = repeat(b"null", len(rows))
        else:
            unknown = self._anomalies.unknown_fields
            columns[ADDITIONAL_FIELDS] = [
                to_json(self._map.additional(as_sent(row), by_row.get(each, NO_ANOMALIES), unknown))
                for each, row in enumerate(rows)
            ]
        if is_clean:
            return Columns(columns, len(rows))
        is_kept = [True] * len(rows)
        for row in sorted(by_row):
            if unreadable := by_row[row].unreadable:
                is_kept[row] = self._anomalies.count(unreadable, self._map.identity(rows[row]))
        size = sum(is_kept)
        placed: dict[str, Iterable[bytes]] = {
            name: repeat(next(column), size)
            if isinstance(column, repeat)
            else [*compress(column, is_kept)]
            for name, column in columns.items()
        }
        return Columns(placed, size)

    def _values(self, rows: Sequence[Any], *, are_whole: bool) -> dict[str, Sequence[Any]]:
        """The values of the rows by source, as sent."""
        sources = self._map.sources
        by_row: Iterable[Iterable[Any]]
        if isinstance(rows[0], msgspec.Struct):
            by_row = map(msgspec.structs.astuple, rows)
        elif are_whole and len(sources) > 1:
            by_row = map(itemgetter(*sources), rows)
        else:
            by_row = ([row.get(source) for source in sources] for row in rows)
        return dict(zip(sources, zip(*by_row, strict=True), strict=True))

    def _are_whole(self, rows: Sequence[Any]) -> bool:
        """Whether each has all fields that the map knows, and no others."""
        sources = self._map.sources
        return isinstance(rows[0], msgspec.Struct) or all(
            len(row) == len(sources) and row.keys() == sources for row in rows
        )

    def _joined(self, columns: Columns) -> bytes:
        """Put the values of each row next to each other.

        What is given as a `repeat` is put into the line once for all.
        """
        if not columns.size:
            return b""
        line = [b""]
        columns_at = {}
        for before, name in self._pieces:
            line[-1] += before
            column = columns.values[name]
            if name in self._quoted:
                column = in_quotes(column)
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


def in_quotes(numbers: Iterable[bytes]) -> Iterable[bytes]:
    """Numbers of JSON as strings of JSON; null stays null. A `repeat` stays one."""
    if isinstance(numbers, repeat):
        number = next(numbers)
        return repeat(number if number == b"null" else b'"%b"' % number)
    return [number if number == b"null" else b'"%b"' % number for number in numbers]


def as_sent(row: Row) -> Mapping[str, Any]:
    """A row by the API's names."""
    return msgspec.structs.asdict(row) if isinstance(row, msgspec.Struct) else row
