"""Which streams' rows may pass the SDK by on their way to a message.

The SDK decides for each record anew what is the same for all of them: which properties are
selected, which stream map holds, which types to conform to. It costs several times the work itself.
Where none of its features is in play, `ImpactStream` writes rows by a `RecordEncoder` and leaves
nothing for the SDK's loop, which still runs around it: SCHEMA, ACTIVATE_VERSION and STATE messages,
metrics and errors are the SDK's.

No method of the SDK is replaced for it beyond its documented hooks (`get_records`,
`get_record_counter`, `message_writer_class`, `get_batch_config`). It looks at these, which are not
documented, in singer-sdk 0.54: `Stream.mask`, `Stream._stream_version`,
`singer_sdk.mapper.SameRecordTransform`, `StreamMap.flattening_enabled`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_impact.records.columns import RecordEncoder
from tap_impact.singer.sdk_internals import SameRecordTransform

if TYPE_CHECKING:
    from tap_impact.streams.base import ImpactStream


def encoder_of(stream: ImpactStream) -> RecordEncoder:
    """How to write a stream's rows: the properties that its catalog selects."""
    selected = [name for name in stream.schema["properties"] if stream.mask["properties", name]]
    return RecordEncoder(
        stream.record_map, selected, stream.connection, additional=stream.additional
    )


def needs_sdk(stream: ImpactStream) -> bool:
    """Whether a feature of the SDK changes, counts or follows single records."""
    return (
        stream.ABORT_AT_RECORD_COUNT is not None
        or bool(stream.child_streams)
        or has_nested_selection(stream)
        or any(
            type(stream_map) is not SameRecordTransform or stream_map.flattening_enabled
            for stream_map in stream.stream_maps
        )
    )


def has_nested_selection(stream: ImpactStream) -> bool:
    """Whether the catalog selects or deselects something within a property."""
    return any(len(breadcrumb) > len(("properties", "name")) for breadcrumb in stream.mask)
