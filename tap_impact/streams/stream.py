"""What a stream declares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from tap_impact.records.fields import RecordMap
    from tap_impact.sources.source import Source


@dataclass(frozen=True, kw_only=True)
class Stream:
    """The declaration of a table: its source, keys and fields.

    Streams that share a source share its requests, whichever of them are selected.
    """

    name: str
    source: Source
    keys: tuple[str, ...]
    record_map: RecordMap
    ids_are_global: bool = False
    """Whether the keys are unique across accounts; else the connection's label is added to them."""
    replication_key: str | None = None
    """None for a stream that is read as a whole each time."""
    selected: bool = True
    """Whether it is selected by default."""
    part: str = ""
    """Which part of what the source reads becomes its rows; empty if there is but one."""
    rows_of: Callable[[Mapping[str, Any]], Iterable[dict[str, Any]]] | None = None
    """The rows that a row of the source holds, for a list within it; None for the row itself."""
