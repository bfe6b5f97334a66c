"""From a row of impact.com to a record: names, types and blanks, declared once per schema.

Scalars of the API are strings whatever its specification says, and "no value" has several
spellings. A record has exactly its schema's properties: timestamps in UTC, money as exact decimals,
blanks as null.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from tap_impact.records.anomalies import Path, Role, RowAnomalies
from tap_impact.records.names import column_name
from tap_impact.records.timestamps import iso, parse_with_offset

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from collections.abc import Set as AbstractSet
    from datetime import datetime

    from tap_impact.records.anomalies import Anomalies

    Row = Mapping[str, Any] | msgspec.Struct
    """A row of the API: as sent, or of its map's `row_type`."""

# Seen on the wire where a value is missing, the words in Click objects.
BLANKS = frozenset({"", "null", "n/a", "NA"})
# NA is also Namibia, Naples and North America.
BLANKS_OF_PLACES = BLANKS - {"NA"}

TRUE = frozenset({"true", "1", "yes", "y"})
FALSE = frozenset({"false", "0", "no", "n"})

# Numbers that JSON and `Decimal` write in the same way, a space behind each.
NUMBERS = re.compile(r"(?:-?(?:0|[1-9][0-9]*)(?:\.[0-9]{1,6})? )*").fullmatch
GROUPED_THOUSANDS = re.compile(r"-?\d{1,3}(,\d{3})+(\.\d+)?")

MONTH_YEAR = re.compile(r"(?P<month>0?[1-9]|1[0-2])(?P<year>[0-9]{4})").fullmatch

ADDITIONAL_FIELDS = "additional_fields"

DAY = {"format": "date"}
DATE_TIME = {"format": "date-time"}


class UnreadableValue(ValueError):
    """A value is not of its field's type. No message: it might show the value."""


class UnreadableField(UnreadableValue):
    """A field of a row cannot be read. The message names the field, never the value."""


class Field(NamedTuple):
    """How one property of a record is made from one field of the API's row."""

    source: str
    """The API's name; empty if no row holds the field, and who reads the rows gives the values."""
    name: str
    json_schema: dict[str, Any]
    read: Callable[[Any], Any]
    """Pure, and one function for all fields of a kind: what it makes of a text can be cached.

    It raises `UnreadableValue`; any other exception is an error of the program.
    """
    read_texts: Callable[[Sequence[str | None]], list[Any]] | None = None
    """The same for many texts and nulls at once, quicker.

    It raises `UnreadableValue` where one is not written in the usual form, readable or not.
    """
    role: Role = Role.OTHER
    """What it means if a value cannot be read."""
    read_within: Callable[[Any, RowAnomalies, Path], Any] | None = None
    """In place of `read` for objects and lists of them: notes what is wrong within.

    What it raises is the same.
    """

    def named(self, name: str) -> Field:
        """The same, where the API's name would make no good column."""
        return self._replace(name=name)

    def value(self, sent: Any, found: RowAnomalies, parent: Path | None = None) -> Any:
        """What the property is; null if it cannot be read, and then noted in `found`."""
        try:
            if self.read_within is None:
                return self.read(sent)
            return self.read_within(sent, found, self.path(parent))
        except UnreadableValue:
            found.add_unreadable(self.path(parent), self.role, sent)
            return None

    def path(self, parent: Path | None) -> Path:
        """Where it stands; without a parent, in the row itself."""
        return parent.at(self.source) if parent else Path(self.source, self.source)


class Omitted(NamedTuple):
    """A field of the API that is read into nothing: no record, no log, no state."""

    source: str
    reason: str


class RecordMap:
    """The fields of one kind of row, in order: its JSON schema, and its rows made records."""

    def __init__(self, *fields: Field | Omitted) -> None:
        """Take the fields in the order of the schema's properties."""
        self.fields = [field for field in fields if isinstance(field, Field)]
        self.omitted = [field for field in fields if isinstance(field, Omitted)]
        self.sent = [field for field in self.fields if field.source]
        # Rows that the tap makes itself hold nothing that it does not know.
        self.is_from_api = not self.sent or any(field.read is not as_given for field in self.sent)
        self.keys = [field for field in self.fields if field.json_schema["type"] == ["string"]]
        omitted = [field.source for field in self.omitted]
        self.sources = dict.fromkeys([field.source for field in self.sent] + omitted).keys()

    @cached_property
    def row_type(self) -> type[msgspec.Struct]:
        """A row that holds no field but the map's: quicker to decode than a dict, and smaller."""
        return msgspec.defstruct(
            "Row",
            [(source, Any, None) for source in self.sources],
            forbid_unknown_fields=True,
            gc=False,
        )

    def json_schema(self) -> dict[str, Any]:
        """JSON schema of the records."""
        properties = {field.name: field.json_schema for field in self.fields}
        if self.is_from_api:
            properties[ADDITIONAL_FIELDS] = {
                "type": ["object", "null"],
                "description": "Fields that impact.com sends and no other property has, as sent.",
            }
        required = [field.name for field in self.keys]
        return {"type": "object", "properties": properties, "required": required}

    def record(self, row: Mapping[str, Any], anomalies: Anomalies | None = None) -> dict[str, Any]:
        """Make a row a record.

        Without anomalies to count in, each value that cannot be read is an error.

        Raises:
            UnreadableField: The row cannot be placed, because its key or what it is dated by cannot
                be read; it is counted.
        """
        found = RowAnomalies()
        record = {field.name: field.value(row.get(field.source), found) for field in self.sent}
        if self.is_from_api:
            unknown = anomalies.unknown_fields if anomalies else set[str]()
            record[ADDITIONAL_FIELDS] = self.additional(row, found, unknown)
        unreadable = found.unreadable
        if unreadable and not (anomalies and anomalies.count(unreadable, self.identity(row))):
            raise UnreadableField(next(iter(unreadable)))
        return record

    def additional(
        self, row: Mapping[str, Any], found: RowAnomalies, unknown: set[str]
    ) -> dict[str, Any] | None:
        """What a row holds and no other property has, as sent; None if there is nothing.

        Args:
            row: as sent.
            found: the anomalies of its fields.
            unknown: where the names of fields that the map does not know are added.
        """
        additional = {
            name: value
            for name, value in row.items()
            if name not in self.sources and not is_blank(value)
        }
        unknown.update(additional, found.unknown)
        return additional | found.as_sent or None

    def identity(self, row: Row) -> str:
        """What names a row in the log: its keys as sent, or its `Id` if it has none."""
        names = [field.source for field in self.keys if field.source] or ["Id"]
        sent = (value_of(row, name) for name in names)
        return " ".join("?" if isinstance(value, Mapping | list) else str(value) for value in sent)


def value_of(row: Row, name: str) -> Any:
    """A field of a row, as sent; None if it is not there."""
    return getattr(row, name, None) if isinstance(row, msgspec.Struct) else row.get(name)


def timestamp_of(row: Row, name: str) -> datetime | None:
    """A point in time that a row has; None if it is missing or cannot be read."""
    value = value_of(row, name)
    try:
        return None if is_blank(value) else parse_with_offset(as_text(value).strip())
    except ValueError:
        return None


def is_blank(value: object) -> bool:
    """Whether the API means "no value": null, white space, or one of its words for it."""
    return value is None or (isinstance(value, str) and value.strip() in BLANKS)


def computed(name: str, description: str, **more: Any) -> Field:
    """Text that no row holds: the source gives it."""
    return Field("", name, described("string", description) | more, str)


def given(name: str, schema: dict[str, Any]) -> Field:
    """A value that the source made, under the property's own name and of its type."""
    return Field(name, name, schema, as_given)


def as_given(value: object) -> Any:
    """What `given` makes of a value."""
    return value


def key(source: str, description: str) -> Field:
    """Text that identifies a row and is never blank."""
    schema = described("string", description)
    return Field(source, column_name(source), schema, read_key, read_keys, Role.KEY)


def key_timestamp(source: str, description: str) -> Field:
    """A point in time that identifies a row and is never blank."""
    schema = described("string", description) | DATE_TIME
    return Field(source, column_name(source), schema, read_key_timestamp, role=Role.KEY)


def key_number(source: str, description: str) -> Field:
    """A position that the tap counted, and that identifies a row."""
    return Field(source, column_name(source), described("integer", description), as_given)


def text(source: str, description: str) -> Field:
    """Text in impact.com's own vocabulary, where words like `n/a` stand for nothing."""
    schema = nullable("string", description)
    return Field(source, column_name(source), schema, read_text, read_texts)


def verbatim(source: str, description: str) -> Field:
    """Text that a brand or partner chose: `n/a` may be a sub id."""
    schema = nullable("string", description)
    return Field(source, column_name(source), schema, read_verbatim, read_verbatims)


def place(source: str, description: str) -> Field:
    """A country, region or city: `n/a` is none, but `NA` is one."""
    schema = nullable("string", description)
    return Field(source, column_name(source), schema, read_place, read_places)


def money(source: str, description: str) -> Field:
    """An amount of money, kept to the digit. One that cannot be read ends the run with 1."""
    return decimal(source, description)._replace(role=Role.MONEY)


def decimal(source: str, description: str) -> Field:
    """A quantity or a rate, kept to the digit."""
    schema = nullable("number", description)
    return Field(source, column_name(source), schema, read_decimal, read_decimals)


def flag(source: str, description: str) -> Field:
    """A boolean, however it is spelled."""
    return Field(source, column_name(source), nullable("boolean", description), read_flag)


def timestamp(source: str, description: str) -> Field:
    """A point in time, in UTC. The API writes it in the account's offset, summer time included."""
    schema = nullable("string", description) | DATE_TIME
    return Field(source, column_name(source), schema, read_timestamp, read_timestamps)


def day(name: str, source: str, description: str) -> Field:
    """The calendar day of a timestamp in the account's own offset: the day that a person reads."""
    schema = nullable("string", description) | DAY
    return Field(source, name, schema, read_day, read_days)


def month(name: str, source: str, description: str) -> Field:
    """The first day of a month, which the API writes as `42021`."""
    schema = nullable("string", description) | DAY
    return Field(source, name, schema, read_month)


def text_list(source: str, description: str) -> Field:
    """A list of texts, whichever way a list of the API's XML was turned into JSON."""
    schema = nullable("array", description) | {"items": {"type": "string"}}
    return Field(source, column_name(source), schema, read_text_list)


def read_key(value: object) -> str:
    """What `key` makes of a value."""
    if is_blank(value):
        raise UnreadableValue
    return as_text(value)


def read_key_timestamp(value: object) -> str:
    """What `key_timestamp` makes of a value."""
    if (found := read_timestamp(value)) is None:
        raise UnreadableValue
    return found


def read_keys(values: Sequence[str | None]) -> list[str]:
    """`read_key` of many."""
    keys = [value for value in values if value is not None]
    if len(keys) < len(values) or not BLANKS.isdisjoint(map(str.strip, keys)):
        raise UnreadableValue
    return keys


def read_text(value: object) -> str | None:
    """What `text` makes of a value."""
    return None if is_blank(value) else as_text(value)


def read_texts(values: Sequence[str | None]) -> list[str | None]:
    """`read_text` of many."""
    return [value if value and value.strip() not in BLANKS else None for value in values]


def read_verbatim(value: object) -> str | None:
    """What `verbatim` makes of a value."""
    if value is None:
        return None
    text = as_text(value)
    return text if text.strip() else None


def read_verbatims(values: Sequence[str | None]) -> list[str | None]:
    """`read_verbatim` of many."""
    return [value if value and not value.isspace() else None for value in values]


def read_place(value: object) -> str | None:
    """What `place` makes of a value."""
    if value is None:
        return None
    text = as_text(value)
    return text if text.strip() not in BLANKS_OF_PLACES else None


def read_places(values: Sequence[str | None]) -> list[str | None]:
    """`read_place` of many."""
    return [value if value and value.strip() not in BLANKS_OF_PLACES else None for value in values]


def read_decimal(value: object) -> Decimal | None:
    """What `money` and `decimal` make of a value."""
    return None if is_blank(value) else exact_decimal(value)


def read_decimals(values: Sequence[str | None]) -> list[msgspec.Raw | None]:
    """`read_decimal` of many, as JSON: what is written like a number of JSON is one."""
    written = [*filter(None, values)]
    text = " ".join([*written, ""])
    if text.count(" ") != len(written) or not NUMBERS(text):
        raise UnreadableValue
    return [msgspec.Raw(value) if value else None for value in values]


def read_flag(value: object) -> bool | None:
    """What `flag` makes of a value."""
    if is_blank(value):
        return None
    word = as_text(value).strip().lower()
    if word not in TRUE | FALSE:
        raise UnreadableValue
    return word in TRUE


def read_timestamp(value: object) -> str | None:
    """What `timestamp` makes of a value."""
    if is_blank(value):
        return None
    try:
        return iso(parse_with_offset(as_text(value).strip()))
    except (ValueError, OverflowError):
        raise UnreadableValue from None


def read_timestamps(values: Sequence[str | None]) -> list[str | None]:
    """`read_timestamp` of many that are written like `2026-06-29T23:10:00-07:00`.

    Rows share their hours, and minutes and seconds are the same in all offsets of whole hours.
    """
    return [
        UTC_HOURS[value[:13] + value[19:]] + WITHIN_HOUR[value[13:19]] if value else None
        for value in values
    ]


def read_day(value: object) -> str | None:
    """What `day` makes of a value."""
    if is_blank(value):
        return None
    try:
        return parse_with_offset(as_text(value).strip()).date().isoformat()
    except ValueError:
        raise UnreadableValue from None


def read_days(values: Sequence[str | None]) -> list[str | None]:
    """`read_day` of many that are written like `2026-06-29T23:10:00-07:00`."""
    return [
        DAYS[value[:13] + value[19:]] if value and WITHIN_HOUR[value[13:19]] else None
        for value in values
    ]


def read_month(value: object) -> str | None:
    """What `month` makes of a value."""
    if is_blank(value):
        return None
    if not (written := MONTH_YEAR(as_text(value).strip())):
        raise UnreadableValue
    return f"{written['year']}-{int(written['month']):02}-01"


def read_text_list(value: object) -> list[str] | None:
    """What `text_list` makes of a value."""
    items = map(unwrapped, listed(unwrapped(value)))
    return [as_text(item) for item in items if not is_blank(item)] or None


def unwrapped(value: object) -> object:
    """What an object with one field alone holds; anything else as it is."""
    if isinstance(value, Mapping) and len(value) == 1:
        (value,) = value.values()
    return value


def nullable(json_type: str, description: str) -> dict[str, Any]:
    """JSON schema of a property that may be null."""
    return {"type": [json_type, "null"], "description": description}


def described(json_type: str, description: str) -> dict[str, Any]:
    """JSON schema of a property that is never null."""
    return {"type": [json_type], "description": description}


def as_text(value: object) -> str:
    """A scalar as text, written as in JSON.

    Raises:
        UnreadableValue: It is a list or an object.
    """
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case int() | float() | Decimal():
            return str(value)
        case _:
            raise UnreadableValue


def exact_decimal(value: object) -> Decimal:
    """A number to the digit, thousands grouped by commas or not.

    Raises:
        UnreadableValue: It is no finite decimal number.
    """
    digits = as_text(value).strip()
    # `Decimal` would take other alphabets' digits, and drop underscores.
    if not digits.isascii() or "_" in digits:
        raise UnreadableValue
    if "," in digits and GROUPED_THOUSANDS.fullmatch(digits):
        digits = digits.replace(",", "")
    try:
        number = Decimal(digits)
    except InvalidOperation:
        raise UnreadableValue from None
    if not number.is_finite():
        raise UnreadableValue
    return number


class HourCache(dict[str, str]):
    """Something about hours like `2026-06-29T23-07:00`, worked out once for each."""

    def __init__(self, of: Callable[[datetime], str]) -> None:
        """Take what to work out from an hour's beginning."""
        super().__init__()
        self.of = of

    def __missing__(self, hour: str) -> str:
        """Work it out.

        Raises:
            UnreadableValue: It is none, or its offset is not of whole hours.
        """
        if not WHOLE_HOUR(hour):
            raise UnreadableValue
        try:
            found = self.of(parse_with_offset(f"{hour[:13]}:00:00{hour[13:]}"))
        except (ValueError, OverflowError):
            raise UnreadableValue from None
        if len(self) >= MAX_CACHED_HOURS:
            self.clear()
        self[hour] = found
        return found


class UsualForms(dict[str, str]):
    """What to make of texts of a usual form."""

    def __missing__(self, text: str) -> str:
        """Leave all others to a reader of one value."""
        raise UnreadableValue


MAX_CACHED_HOURS = 10_000
WHOLE_HOUR = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3])[+-][0-9]{2}:00").fullmatch
WITHIN_HOUR = UsualForms(
    {f":{i // 60:02}:{i % 60:02}": f":{i // 60:02}:{i % 60:02}Z" for i in range(3600)}
)
UTC_HOURS = HourCache(lambda hour: iso(hour)[:13])
DAYS = HourCache(lambda hour: hour.date().isoformat())


def listed(value: object, known: AbstractSet[str] = frozenset()) -> list[Any]:
    """The items of a list that may have lost its shape on the way from XML to JSON.

    A list, an object that wraps one, a lone item, one that is wrapped, and null are all met.

    Args:
        value: as sent.
        known: the fields of the items, if they are objects: one that has any is no wrapper.
    """
    if is_blank(value):
        return []
    if isinstance(value, Mapping) and len(value) == 1 and known.isdisjoint(value):
        (wrapped,) = value.values()
        if isinstance(wrapped, list):
            return wrapped
        if known and (is_blank(wrapped) or not known.isdisjoint(fields_of(wrapped))):
            return listed(wrapped, known)
    return value if isinstance(value, list) else [value]


def fields_of(value: object) -> Iterable[str]:
    """The names of an object's fields; none if it is no object."""
    return value if isinstance(value, Mapping) else ()
