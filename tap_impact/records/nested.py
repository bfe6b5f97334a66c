"""Fields that hold objects, or lists of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from tap_impact.records.anomalies import Role
from tap_impact.records.fields import (
    Field,
    UnreadableValue,
    described,
    is_blank,
    listed,
    nullable,
)
from tap_impact.records.names import column_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from tap_impact.records.anomalies import Path, RowAnomalies


def nested(source: str, description: str, *fields: Field) -> Field:
    """An object. It has exactly these properties; null if it is empty.

    What its fields do not know, or cannot read, is kept under the row's `additional_fields`, by a
    path like `Terms.EventPayouts[0].Payout`.
    """
    reader = ObjectReader.of(fields)
    schema = nullable("object", description) | reader.json_schema()
    return Field(source, column_name(source), schema, read_blank, read_within=reader.read_object)


def nested_list(source: str, description: str, *fields: Field) -> Field:
    """A list of objects, as `nested`, whichever way a list of the API's XML was turned to JSON."""
    reader = ObjectReader.of(fields)
    items = {"type": "object"} | reader.json_schema()
    schema = nullable("array", description) | {"items": items}
    return Field(source, column_name(source), schema, read_blank, read_within=reader.read_list)


def objects(value: object, fields: Iterable[Field]) -> Iterator[Mapping[str, Any]]:
    """The objects of a list as sent, which have these fields: for streams whose rows they are.

    What is no object is the only field of one, which no stream knows and so keeps as sent.
    """
    known = {field.source for field in fields}
    for item in listed(value, known):
        if item != {} and not is_blank(item):
            yield item if isinstance(item, Mapping) else {"Value": item}


def length(source: str, name: str, description: str, fields: Sequence[Field]) -> Field:
    """How many objects a list holds, which have these fields."""

    def read_length(value: object) -> int:
        return sum(1 for _ in objects(value, fields))

    return Field(source, name, described("integer", description), read_length)


def read_blank(value: object) -> None:
    """What a text is where an object should be."""
    if not is_blank(value):
        raise UnreadableValue


class ObjectReader(NamedTuple):
    """Makes objects of the API objects of a record."""

    fields: tuple[Field, ...]
    known: frozenset[str]
    """What such an object may have, by the API's names."""

    @classmethod
    def of(cls, fields: tuple[Field, ...]) -> ObjectReader:
        """Take the fields in the order of the schema's properties."""
        return cls(fields, frozenset(field.source for field in fields))

    def json_schema(self) -> dict[str, Any]:
        """The properties."""
        return {"properties": {field.name: field.json_schema for field in self.fields}}

    def read_object(self, value: object, found: RowAnomalies, path: Path) -> dict[str, Any] | None:
        """What `nested` makes of a value."""
        if isinstance(value, list) and len(value) <= 1:
            (value,) = value or (None,)
        return self._record(value, found, path) if value != {} and not is_blank(value) else None

    def read_list(
        self, value: object, found: RowAnomalies, path: Path
    ) -> list[dict[str, Any]] | None:
        """What `nested_list` makes of a value."""
        records = []
        for position, item in enumerate(listed(value, self.known)):
            try:
                if item != {} and not is_blank(item):
                    records.append(self._record(item, found, path.item(position)))
            except UnreadableValue:
                found.add_unreadable(path.item(position), Role.OTHER, item)
        return records or None

    def _record(self, value: object, found: RowAnomalies, path: Path) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            raise UnreadableValue
        for name, sent in value.items():
            if name not in self.known and not is_blank(sent):
                found.add_unknown(path.at(name), sent)
        return {
            field.name: field.value(value.get(field.source), found, path) for field in self.fields
        }
