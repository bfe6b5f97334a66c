"""The Meltano plugin's executable: the tap as a child, with a sandbox behind it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from impact_sandbox.world import World

from tests.runs import COMMAND as TAP

if TYPE_CHECKING:
    from pathlib import Path

COMMAND = TAP.with_name("tap-impact-sandbox")
pytestmark = pytest.mark.slow
AT = "2026-06-30T06:10:00Z"


def run(
    *arguments: object, config: dict[str, Any] | None = None, folder: Path, **environment: str
) -> subprocess.CompletedProcess[str]:
    if config is not None:
        (folder / "config.json").write_text(json.dumps(config))
        arguments = (*arguments, "--config", folder / "config.json")
    return subprocess.run(
        [COMMAND, *map(str, arguments)],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, **environment},
    )


def test_the_tap_reads_a_sandbox_at_the_time_that_is_named(tmp_path: Path) -> None:
    log = tmp_path / "requests.ndjson"
    ran = run(
        config={"start_date": "2026-06-20T00:00:00Z", "auth_token": "another account's"},
        folder=tmp_path,
        IMPACT_SANDBOX_AT=AT,
        IMPACT_SANDBOX_SEED="7",
        IMPACT_SANDBOX_LOG=str(log),
    )
    assert ran.returncode == 0, ran.stderr
    messages = [json.loads(line) for line in ran.stdout.splitlines()]
    ids = {m["record"]["id"] for m in messages if m.get("stream") == "actions" and "record" in m}
    since = int(datetime(2026, 6, 20, tzinfo=UTC).timestamp())
    truth = World("7").seen(datetime.fromisoformat(AT), since)
    assert ids >= {action.life.id for action in truth}
    assert World("7").auth_token not in ran.stdout + ran.stderr
    asked = [json.loads(line) for line in log.read_text().splitlines()]
    assert {request["at"] for request in asked} == {AT}


def test_discovery_and_about_need_no_config(tmp_path: Path) -> None:
    assert json.loads(run("--discover", folder=tmp_path).stdout)["streams"]
    about = run("--about", "--format=json", folder=tmp_path)
    assert json.loads(about.stdout)["name"] == "tap-impact"


def test_exit_codes_pass_through(tmp_path: Path) -> None:
    failed = run(config={"end_date": "yesterday"}, folder=tmp_path, IMPACT_SANDBOX_AT=AT)
    assert failed.returncode == 1
    assert "end_date" in failed.stderr
    assert "Traceback" not in failed.stderr


CHILD = """
import os, signal, sys
print("ready", sys.stdin.readline().strip(), os.getpgrp() != os.getppid(), flush=True)
number = signal.sigwait({signal.SIGINT, signal.SIGTERM})
sys.exit(40 + number)
"""
BLOCKED = "import signal; signal.pthread_sigmask(signal.SIG_BLOCK, {2, 15})\n"
PARENT = """
import os, sys
from impact_sandbox.tap import run
sys.exit(run([sys.executable, "-c", os.environ["CHILD"]], dict(os.environ)))
"""


def start(child: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PARENT],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "CHILD": child},
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_and_streams_reach_the_tap(number: signal.Signals) -> None:
    with start(BLOCKED + CHILD) as parent:
        assert parent.stdin is not None
        assert parent.stdout is not None
        parent.stdin.write("a line\n")
        parent.stdin.flush()
        assert parent.stdout.readline() == "ready a line True\n"
        parent.send_signal(number)
        assert parent.wait(10) == 40 + number


def test_a_tap_that_is_killed_ends_as_in_a_shell() -> None:
    with start("import os; os.kill(os.getpid(), 9)") as parent:
        assert parent.wait(10) == 128 + 9


def test_without_the_tap_it_says_what_to_install(tmp_path: Path) -> None:
    code = (
        "import sysconfig; sysconfig.get_path = lambda *_: 'nowhere'\n"
        "from impact_sandbox.tap import main; main()"
    )
    said = subprocess.run(
        [sys.executable, "-c", code, "--discover"],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "PATH": str(tmp_path)},
    )
    assert (said.returncode, said.stderr) == (
        1,
        "Error: tap-impact is not installed. Install it: pip install tap-impact-partner\n",
    )
