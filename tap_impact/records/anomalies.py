"""Anomalies in the rows of a stream: for the log, the checkpoint and the exit code.

Pure, and of constant size: a count and one row's id for each field, never a value.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

# An id of impact.com has up to 39 characters; what is sent in place of one may have any number.
MAX_ROW_ID = 80


class Role(Enum):
    """What a value that cannot be read means for its row and for the run."""

    KEY = "key"
    """The row cannot be told from others, so it cannot be placed."""
    DATE = "date"
    """What the stream is dated by: the row belongs to no window, so it cannot be placed."""
    MONEY = "money"
    """The row is emitted, and somebody has to look."""
    OTHER = "other"
    """The row is emitted."""


# A row with such a value is not emitted.
SKIPS_ROW = frozenset({Role.KEY, Role.DATE})


class Path(NamedTuple):
    """Where a value stands in a row."""

    field: str
    """Like `Terms.EventPayouts.Payout`."""
    place: str
    """The same with the positions in lists: `Terms.EventPayouts[0].Payout`."""

    def at(self, name: str) -> Path:
        """A field of the object that stands here."""
        return Path(f"{self.field}.{name}", f"{self.place}.{name}")

    def item(self, position: int) -> Path:
        """An item of the list that stands here."""
        return Path(self.field, f"{self.place}[{position}]")


@dataclass
class RowAnomalies:
    """The anomalies of one row."""

    unreadable: dict[str, Role] = field(default_factory=dict)
    """The fields that cannot be read, within objects by their path."""
    unknown: set[str] = field(default_factory=set)
    """The fields of its objects that the schema does not know, by their path."""
    as_sent: dict[str, Any] = field(default_factory=dict)
    """The values of both, by their place."""

    def add_unreadable(self, path: Path, role: Role, sent: Any) -> None:
        """Note a value that cannot be read."""
        self.unreadable[path.field] = role
        self.as_sent[path.place] = sent

    def add_unknown(self, path: Path, sent: Any) -> None:
        """Note a value within an object that no property has."""
        self.unknown.add(path.field)
        self.as_sent[path.place] = sent


@dataclass
class UnreadableValues:
    """The values of one field that could not be read."""

    field: str
    """As impact.com calls it; within objects by its path, like `Terms.EventPayouts.Payout`."""
    role: Role
    first_row: str
    """The id of the first row that had one."""
    rows: int = 0
    """How many rows had one."""


class Anomalies:
    """The anomalies of one stream, collected over a run.

    Who writes the stream's records reads them as follows:

    - `skipped_rows` grows by each row that is not emitted. A window during which it grew is not
      complete: do not checkpoint it.
    - `unreadable` has each field once; log it at the end, with `rows` and `first_row`.
    - `fails_run` tells whether the run ends with exit code 1 after everything else is loaded.
    - `unknown_fields` grows by the names of fields that the schema does not know; log new ones.

    A row that is read twice counts twice.

    Args:
        dated_by: The API's name of the field that the stream is dated by, if it is.
    """

    def __init__(self, dated_by: str | None = None) -> None:
        """Start empty."""
        self.dated_by = dated_by
        self.unreadable: dict[str, UnreadableValues] = {}
        """By field, in the order of their first occurrence."""
        self.unknown_fields: set[str] = set()
        """Within objects by their path."""
        self.skipped_rows = 0

    @property
    def fails_run(self) -> bool:
        """Whether a key, what the stream is dated by, or money could not be read."""
        return any(each.role is not Role.OTHER for each in self.unreadable.values())

    def count(self, unreadable: Mapping[str, Role], row_id: str) -> bool:
        """Count the fields of one row that cannot be read; returns whether the row is kept."""
        roles = {
            name: Role.DATE if name == self.dated_by and role is not Role.KEY else role
            for name, role in unreadable.items()
        }
        for name, role in roles.items():
            found = self.unreadable.setdefault(
                name, UnreadableValues(name, role, row_id[:MAX_ROW_ID])
            )
            found.rows += 1
        is_kept = SKIPS_ROW.isdisjoint(roles.values())
        self.skipped_rows += not is_kept
        return is_kept
