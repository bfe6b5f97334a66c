from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
import requests
from impact_sandbox.world import World

if TYPE_CHECKING:
    from pathlib import Path

COMMAND = [sys.executable, "-c", "from impact_sandbox.cli import main; main()"]
AT = "2026-06-30T06:10:00Z"


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, **environment},
    )


def test_truth() -> None:
    span, *told = run(
        "truth", "--at", AT, "--since", "2026-06-01", "--seed", "7"
    ).stdout.splitlines()
    assert span.startswith("Actions from 2026-06-01T00:00:00+00:00 to ")
    at, since = datetime.fromisoformat(AT), datetime(2026, 6, 1, tzinfo=UTC)
    expected = World("7").totals(at, since)
    words = [line.split() for line in told]
    assert [(w[0], int(w[1]), w[3]) for w in words] == [
        (state, count, "USD") for state, (count, _) in expected.items()
    ]
    assert [w[2].replace(",", "") for w in words] == [f"{p:.6f}" for _, p in expected.values()]


def test_serve() -> None:
    arguments = ["serve", "--at", AT, "--switch", "hourly_other=1", "--seed", "7"]
    with subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline().split() for _ in range(3)]
        found = dict(lines)
        url = f"{found['api_url']}/Mediapartners/{found['account_sid']}.json"
        auth = found["account_sid"], found["auth_token"]
        codes = [requests.get(url, auth=auth, timeout=10).status_code for _ in range(2)]
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 1
    assert codes == [200, 429]


@pytest.mark.parametrize("switch", ["gzip", "gzipped=1", "click_export=maybe", "scopes=All"])
def test_a_wrong_switch(switch: str) -> None:
    answer = run("serve", "--switch", switch)
    assert answer.returncode == 1
    assert answer.stderr.startswith("Error: ")


def test_it_is_the_tap_with_the_sandbox_behind_it(tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"start_date": "2026-06-20T00:00:00Z", "end_date": AT}))
    ran = run("--config", str(config), TAP_IMPACT_SANDBOX_SEED="7")
    assert ran.returncode == 0, ran.stderr
    messages = [json.loads(line) for line in ran.stdout.splitlines()]
    ids = {m["record"]["id"] for m in messages if m.get("stream") == "actions" and "record" in m}
    since = int(datetime(2026, 6, 20, tzinfo=UTC).timestamp())
    truth = World("7").seen(datetime.fromisoformat(AT), since)
    assert ids >= {action.life.id for action in truth}
    assert World("7").auth_token not in ran.stdout + ran.stderr


def test_discovery_and_about_need_no_config() -> None:
    assert json.loads(run("--discover").stdout)["streams"]
    assert json.loads(run("--about", "--format=json").stdout)["name"] == "tap-impact"


def test_exit_codes_pass_through(tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"end_date": "yesterday"}))
    failed = run("--config", str(config))
    assert failed.returncode == 1
    assert "end_date" in failed.stderr
    assert "Traceback" not in failed.stderr
