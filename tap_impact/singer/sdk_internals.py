"""All that the package uses of the SDK beyond what the SDK documents; nothing else imports it.

Read in singer-sdk 0.54.4, 0.54.9 and 0.55.0b7. If a new version of the SDK breaks the package, this
is the list to go through.
"""

# ruff: noqa: SLF001

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from singer_sdk import Stream, Tap
from singer_sdk.configuration._dict_config import parse_environment_config
from singer_sdk.helpers._batch import BatchConfig, SDKBatchMessage
from singer_sdk.helpers._classproperty import classproperty
from singer_sdk.mapper import SameRecordTransform
from singer_sdk.plugin_base import _ConfigInput as ConfigInput
from singer_sdk.tap_base import CliTestOptionValue

if TYPE_CHECKING:
    from collections.abc import Iterator

    from singer_sdk.singerlib import SchemaMessage

__all__ = [
    "ATTRIBUTES",
    "BatchConfig",
    "CliTestOptionValue",
    "ConfigInput",
    "SDKBatchMessage",
    "SameRecordTransform",
    "classproperty",
    "parse_environment_config",
]

ATTRIBUTES: Final = {
    Stream: {
        "_generate_schema_messages": "called: before the first row",
        "_increment_stream_state": "overridden: bookmarks are written by checkpoints",
        "_initialized_at": "read: the version of a stream that is read as a whole",
        "_stream_version": "read and set: the version of RECORD messages",
        "_tap": "read",
        "_write_activate_version_message": "called: after the rows of a stream that is whole",
        "_write_record_message": "called: by selection, stream maps and flattening",
        "_write_starting_replication_value": "overridden: bookmarks are written by checkpoints",
        "mask": "read: which properties are selected",
    },
    SameRecordTransform: {"flattening_enabled": "read: whether records keep their shape"},
    Tap: {
        "_config": "read: before it is validated",
        "_env_var_config": "overridden: a value that cannot be parsed is explained",
        "_env_var_prefix": "read",
        "_handle_termination": "overridden: signals",
        "_reset_state_progress_markers": "called: before the first stream",
        "_set_compatible_replication_methods": "called: before the first stream",
        "_validate_config": "overridden: all wrong settings are named at once",
        "append_builtin_config": "called: the settings of the SDK's own features",
    },
}
"""What the stream adapter and the tap use of the SDK's classes, and what for."""


def prepare_sync(tap: Tap) -> None:
    """What `Tap.sync_all` does before its first stream."""
    tap._reset_state_progress_markers()
    tap._set_compatible_replication_methods()


def schema_messages(stream: Stream) -> Iterator[SchemaMessage]:
    """The SCHEMA messages of a stream: one for each of its stream maps."""
    return stream._generate_schema_messages()


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
