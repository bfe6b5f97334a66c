"""From a row of impact.com to a record: names, types and blanks, declared once per schema.

Scalars of the API are strings whatever its specification says, and "no value" has several
spellings. A record has exactly its schema's properties: instants in UTC, money as exact decimals,
blanks as null.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, NamedTuple

import inflection

from tap_impact.windows import iso

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

# Seen on the wire where a value is missing, the words in Click objects.
BLANKS = frozenset({"", "null", "n/a", "NA"})

TRUE = frozenset({"true", "1", "yes", "y"})
FALSE = frozenset({"false", "0", "no", "n"})

GROUPED_THOUSANDS = re.compile(r"-?\d{1,3}(,\d{3})+(\.\d+)?")

ADDITIONAL_FIELDS = "additional_fields"


class UnreadableField(ValueError):
    """A value is not of its field's type. The message names the field, never the value."""


class Field(NamedTuple):
    """How one property of a record is made from one field of the API's row."""

    source: str
    name: str
    json_schema: dict[str, Any]
    read: Callable[[Any], Any]


class RecordMap:
    """The fields of one kind of row, in order: its JSON schema, and its rows made records."""

    def __init__(self, *fields: Field) -> None:
        """Take the fields in the order of the schema's properties."""
        self.fields = fields
        self.keys = [field for field in fields if field.json_schema["type"] == ["string"]]
        self.sources = frozenset(field.source for field in fields)

    def json_schema(self) -> dict[str, Any]:
        """JSON schema of the records."""
        properties = {field.name: field.json_schema for field in self.fields}
        properties[ADDITIONAL_FIELDS] = {
            "type": ["object", "null"],
            "description": "Fields that impact.com sends and this schema does not know, as sent.",
        }
        required = [field.name for field in self.keys]
        return {"type": "object", "properties": properties, "required": required}

    def record(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Make a row a record.

        Raises:
            UnreadableField: A value is not of its field's type.
        """
        record = {}
        for field in self.fields:
            try:
                record[field.name] = field.read(row.get(field.source))
            except (ValueError, TypeError, ArithmeticError):
                raise UnreadableField(field.source) from None
        record[ADDITIONAL_FIELDS] = {
            name: row[name] for name in row.keys() - self.sources if not is_blank(row[name])
        } or None
        return record


def is_blank(value: object) -> bool:
    """Whether the API means "no value": null, white space, or one of its words for it."""
    return value is None or (isinstance(value, str) and value.strip() in BLANKS)


def key(source: str, description: str) -> Field:
    """Text that identifies a row and is never blank."""

    def read(value: object) -> str:
        if is_blank(value):
            raise ValueError
        return str(value)

    return Field(source, underscored(source), described("string", description), read)


def text(source: str, description: str) -> Field:
    """Text in impact.com's own words, where words like `n/a` stand for nothing."""

    def read(value: object) -> str | None:
        return None if is_blank(value) else as_text(value)

    return Field(source, underscored(source), nullable("string", description), read)


def verbatim(source: str, description: str) -> Field:
    """Text that a brand, partner or customer chose: `NA` may be a sub id, or Namibia."""

    def read(value: object) -> str | None:
        return as_text(value) if value is not None and str(value).strip() else None

    return Field(source, underscored(source), nullable("string", description), read)


def decimal(source: str, description: str) -> Field:
    """Money or a quantity, kept to the digit."""

    def read(value: object) -> Decimal | None:
        return None if is_blank(value) else exact_decimal(value)

    return Field(source, underscored(source), nullable("number", description), read)


def flag(source: str, description: str) -> Field:
    """A boolean, however it is spelled."""

    def read(value: object) -> bool | None:
        if is_blank(value):
            return None
        word = str(value).strip().lower()
        if word not in TRUE | FALSE:
            raise ValueError
        return word in TRUE

    return Field(source, underscored(source), nullable("boolean", description), read)


def instant(source: str, description: str) -> Field:
    """A moment, in UTC. The API writes it in the account's offset, which moves with the season."""

    def read(value: object) -> str | None:
        return None if is_blank(value) else iso(zoned(value))

    schema = nullable("string", description) | {"format": "date-time"}
    return Field(source, underscored(source), schema, read)


def day(name: str, source: str, description: str) -> Field:
    """The calendar day of a moment in the account's own offset: the day that a person reads."""

    def read(value: object) -> str | None:
        return None if is_blank(value) else zoned(value).date().isoformat()

    schema = nullable("string", description) | {"format": "date"}
    return Field(source, name, schema, read)


def words(source: str, description: str) -> Field:
    """A list of texts, whichever way a list of the API's XML was turned into JSON."""

    def read(value: object) -> list[str] | None:
        return [str(item) for item in listed(value) if not is_blank(item)] or None

    schema = nullable("array", description) | {"items": {"type": "string"}}
    return Field(source, underscored(source), schema, read)


def underscored(source: str) -> str:
    """A property's name: the API's, in snake case."""
    return inflection.underscore(source)


def nullable(json_type: str, description: str) -> dict[str, Any]:
    """JSON schema of a property that may be null."""
    return {"type": [json_type, "null"], "description": description}


def described(json_type: str, description: str) -> dict[str, Any]:
    """JSON schema of a property that is never null."""
    return {"type": [json_type], "description": description}


def as_text(value: object) -> str:
    """A scalar as text.

    Raises:
        TypeError: It is a list or an object.
    """
    if isinstance(value, Mapping | list):
        raise TypeError
    return value if isinstance(value, str) else str(value)


def exact_decimal(value: object) -> Decimal:
    """A number to the digit, thousands grouped by commas or not.

    Raises:
        ValueError: It is no finite decimal number.
    """
    digits = as_text(value).strip()
    if GROUPED_THOUSANDS.fullmatch(digits):
        digits = digits.replace(",", "")
    try:
        number = Decimal(digits)
    except InvalidOperation:
        raise ValueError from None
    if not number.is_finite():
        raise ValueError
    return number


def zoned(value: object) -> datetime:
    """A moment in the offset that it was written in.

    Raises:
        ValueError: It is no ISO-8601 date-time with an offset.
    """
    moment = datetime.fromisoformat(as_text(value).strip())
    if moment.tzinfo is None:
        raise ValueError
    return moment


def listed(value: object) -> Iterable[Any]:
    """The items of a list that may have lost its shape on the way from XML to JSON.

    A list, an object that wraps one list, a lone item, and null are all met for lists.
    """
    if is_blank(value):
        return []
    if isinstance(value, Mapping) and len(value) == 1:
        (wrapped,) = value.values()
        if isinstance(wrapped, list):
            return wrapped
    return value if isinstance(value, list) else [value]
