"""What the floor and the plain tap do with a row: the same as the tap, written straight down."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

BLANKS = {"", "null", "n/a", "NA"}
BLANKS_OF_PLACES = BLANKS - {"NA"}
CONNECTION = {"connection_label": None, "connection_currency": None}


class Cleaning:
    """How to clean the rows of one kind.

    Args:
        kinds: a file that has, by kind of field, its properties and the API's names for them.
    """

    def __init__(self, kinds: Path) -> None:
        """Read which fields there are."""
        found = json.loads(kinds.read_text())
        self.texts = [*found["read_text"].items(), *found.get("read_key", {}).items()]
        self.verbatim = [*found["read_verbatim"].items()]
        self.places = [*found.get("read_place", {}).items()]
        self.numbers = [*found["read_decimal"].items()]
        self.timestamps = [*found["read_timestamp"].items()]
        self.days = [*found.get("read_day", {}).items()]
        self.flags = [*found.get("read_flag", {}).items()]
        self.sources = {source for names in found.values() for source in names.values()}

    def clean(self, row: dict[str, Any]) -> dict[str, Any]:
        """Make a row a record."""
        get = row.get
        record = {
            name: None if (value := get(source)) is None or value.strip() in BLANKS else value
            for name, source in self.texts
        }
        for name, source in self.verbatim:
            value = get(source)
            record[name] = value if value is not None and value.strip() else None
        for name, source in self.places:
            value = get(source)
            is_blank = value is None or value.strip() in BLANKS_OF_PLACES
            record[name] = None if is_blank else value
        for name, source in self.numbers:
            value = get(source)
            record[name] = Decimal(value) if value and value not in BLANKS else None
        for name, source in self.timestamps:
            value = get(source)
            record[name] = utc(value) if value and value not in BLANKS else None
        for name, source in self.days:
            value = get(source)
            record[name] = value[:10] if value and value not in BLANKS else None
        for name, source in self.flags:
            value = get(source)
            record[name] = value == "true" if value and value not in BLANKS else None
        unknown = row.keys() - self.sources
        record["additional_fields"] = {name: row[name] for name in unknown} or None
        return record | CONNECTION


def utc(value: str) -> str:
    """A timestamp in UTC."""
    return datetime.fromisoformat(value).astimezone(UTC).isoformat().replace("+00:00", "Z")
