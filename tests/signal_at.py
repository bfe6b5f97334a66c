"""A process of the tap that gets a signal at a request of its own."""

from __future__ import annotations

import json
import os
import subprocess
from threading import Event
from typing import TYPE_CHECKING, Any

from tests.runs import COMMAND, Run

if TYPE_CHECKING:
    from pathlib import Path

    from impact_sandbox.faults import Fault
    from impact_sandbox.server import SeenRequest


class SignalAt:
    """Sends the tap a signal the moment that it asks for the nth time."""

    def __init__(self, number: int, signum: int) -> None:
        self.number = number
        self.signum = signum
        self.started = Event()
        self.pid = 0
        self.resource = ""

    def strike(self, seen: SeenRequest) -> Fault | None:
        if seen.number == self.number:
            self.resource = seen.resource
            self.started.wait()
            os.kill(self.pid, self.signum)
        return None

    def run(self, settings: dict[str, Any], catalog: dict[str, Any], folder: Path) -> Run:
        """Run the tap in a process of its own, to its end by the signal."""
        config, streams = folder / "config.json", folder / "catalog.json"
        config.write_text(json.dumps(settings))
        streams.write_text(json.dumps(catalog))
        with subprocess.Popen(
            [COMMAND, "--config", config, "--catalog", streams],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            self.pid = process.pid
            self.started.set()
            stdout, stderr = process.communicate()
        return Run(stdout, stderr, process.returncode)
