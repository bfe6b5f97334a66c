"""All that the tap uses of singer-sdk and that the SDK does not document.

Read in singer-sdk 0.54.9. Whatever is not listed here may change without harm.
"""

# ruff: noqa: SLF001

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from singer_sdk.mapper import SameRecordTransform

if TYPE_CHECKING:
    from singer_sdk import Stream, Tap


def prepare_sync(tap: Tap) -> None:
    """What `Tap.sync_all` does before its first stream."""
    tap._reset_state_progress_markers()
    tap._set_compatible_replication_methods()


def write_schema(stream: Stream) -> None:
    """Write the SCHEMA messages of a stream: one for each of its stream maps."""
    stream._write_schema_message()


def begin_version(stream: Stream) -> None:
    """Give the records of a stream that is read as a whole a version of their own."""
    stream._stream_version = stream._initialized_at // 1000


def activate_version(stream: Stream) -> None:
    """Write ACTIVATE_VERSION: older rows of the stream are no longer there."""
    if stream._stream_version is not None:
        stream._write_activate_version_message(stream._stream_version)


def version_of(stream: Stream) -> int | None:
    """The version of a stream's records, None if it is not read as a whole."""
    return stream._stream_version


def write_record(stream: Stream, record: dict[str, Any]) -> None:
    """Write a record by selection, stream maps and flattening."""
    stream._write_record_message(record)


def is_selected(stream: Stream, name: str) -> bool:
    """Whether the catalog selects a property."""
    return stream.mask["properties", name]


def has_nested_selection(stream: Stream) -> bool:
    """Whether the catalog selects or deselects something within a property."""
    return any(len(breadcrumb) > len(("properties", "name")) for breadcrumb in stream.mask)


def has_stream_maps(stream: Stream) -> bool:
    """Whether stream maps or flattening change, filter or double records."""
    return any(
        type(stream_map) is not SameRecordTransform or stream_map.flattening_enabled
        for stream_map in stream.stream_maps
    )
