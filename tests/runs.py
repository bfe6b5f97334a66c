"""Running the tap as its users do, and reading the messages that it prints."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from decimal import Decimal
from functools import cache, cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec

from tap_impact.tap import TapImpact

MESSAGE = msgspec.json.Decoder(float_hook=Decimal)
COMMAND = Path(sys.executable).with_name("tap-impact")


@dataclass(frozen=True)
class Run:
    """What one process of the tap left: its messages, its log and its exit code."""

    stdout: str
    stderr: str
    exit_code: int

    @cached_property
    def messages(self) -> list[dict[str, Any]]:
        return [*map(MESSAGE.decode, self.stdout.splitlines())]

    @property
    def states(self) -> list[dict[str, Any]]:
        return [message["value"] for message in self.messages if message["type"] == "STATE"]

    @property
    def state(self) -> dict[str, Any]:
        return self.states[-1]

    def records(self, stream: str) -> list[dict[str, Any]]:
        return [
            message["record"]
            for message in self.messages
            if message["type"] == "RECORD" and message["stream"] == stream
        ]


def run_tap(
    config: dict[str, Any],
    *args: str,
    state: dict[str, Any] | None = None,
    catalog: dict[str, Any] | None = None,
) -> Run:
    """Run the tap in a process of its own."""
    with TemporaryDirectory() as folder:
        options = [*args]
        for name, content in (("config", config), ("state", state), ("catalog", catalog)):
            if content is not None:
                path = Path(folder, f"{name}.json")
                path.write_text(json.dumps(content))
                options += [f"--{name}", str(path)]
        done = subprocess.run([COMMAND, *options], capture_output=True, text=True, check=False)
    return Run(done.stdout, done.stderr, done.returncode)


@cache
def discovered() -> dict[str, str]:
    """The catalog's entry of each stream, as JSON."""
    streams = TapImpact(config={}, validate_config=False).catalog_dict["streams"]
    return {stream["tap_stream_id"]: json.dumps(stream) for stream in streams}


def all_streams() -> list[str]:
    return [*discovered()]


def catalog(*selected: str, replication_method: str | None = None) -> dict[str, Any]:
    """The discovered catalog with just these streams selected, all if none is named.

    The others are without properties, which take the SDK longer than a short run.
    """
    streams = []
    for name, entry in discovered().items():
        is_selected = name in selected or not selected
        stream = json.loads(entry) if is_selected else without_properties(name)
        if replication_method:
            stream["replication_method"] = replication_method
        streams.append(stream)
    return only({"streams": streams}, *(selected or discovered()))


def without_properties(stream: str) -> dict[str, Any]:
    return {
        "tap_stream_id": stream,
        "stream": stream,
        "schema": {"type": "object", "properties": {}},
        "metadata": [{"breadcrumb": [], "metadata": {}}],
    }


def only(found: dict[str, Any], *selected: str) -> dict[str, Any]:
    """A catalog with just these streams selected."""
    for stream in found["streams"]:
        for entry in stream["metadata"]:
            if entry["breadcrumb"] == []:
                entry["metadata"]["selected"] = stream["tap_stream_id"] in selected
    return found
