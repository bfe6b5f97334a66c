"""All that the package uses of the SDK beyond what the SDK documents; nothing else imports it.

Read in singer-sdk 0.54.4, 0.54.9 and 0.55.0b7. If a new version of the SDK breaks the package, this
is the list to go through.
"""

from __future__ import annotations

from typing import Final

from singer_sdk import Stream, Tap
from singer_sdk.configuration._dict_config import parse_environment_config
from singer_sdk.helpers._batch import BatchConfig, SDKBatchMessage
from singer_sdk.helpers._classproperty import classproperty
from singer_sdk.mapper import SameRecordTransform
from singer_sdk.plugin_base import _ConfigInput as ConfigInput
from singer_sdk.tap_base import CliTestOptionValue

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
        "_increment_stream_state": "overridden: bookmarks are written by checkpoints",
        "_stream_version": "read: the version of RECORD messages",
        "_tap": "read",
        "_write_starting_replication_value": "overridden: bookmarks are written by checkpoints",
        "_write_state_message": "called: at a checkpoint",
        "mask": "read: which properties are selected",
        "state_manager": "its `is_flushed` is reset, else a STATE is not written twice",
    },
    SameRecordTransform: {"flattening_enabled": "read: whether records keep their shape"},
    Tap: {
        "_config": "read: before it is validated",
        "_env_var_config": "overridden: a value that cannot be parsed is explained",
        "_env_var_prefix": "read",
        "_handle_termination": "overridden: signals",
        "_validate_config": "overridden: all wrong settings are named at once",
        "append_builtin_config": "called: the settings of the SDK's own features",
    },
}
"""What the stream adapter and the tap use of the SDK's classes, and what for."""
