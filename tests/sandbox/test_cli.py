from __future__ import annotations

import signal
import subprocess
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
import requests
from click.testing import CliRunner, Result
from impact_sandbox.cli import main
from impact_sandbox.options import ALWAYS
from impact_sandbox.rules import Rule
from impact_sandbox.switches import CHOICES
from impact_sandbox.world import World

from tests.inside import run_inside
from tests.runs import COMMAND as TAP

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import SandboxFactory

COMMAND = TAP.with_name("impact-sandbox")
AT = "2026-06-30T06:10:00Z"


def run(*arguments: object, **environment: str) -> Result:
    return CliRunner().invoke(main, [*map(str, arguments)], env=environment)


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
    with subprocess.Popen([COMMAND, *arguments], stdout=subprocess.PIPE, text=True) as process:
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
    assert answer.exit_code == 1
    assert answer.stderr.startswith("Error: ")


def test_the_environment_says_the_same_as_the_options() -> None:
    few = {"IMPACT_SANDBOX_ACTIONS_PER_DAY": "2"}
    told = run("truth", IMPACT_SANDBOX_AT=AT, IMPACT_SANDBOX_SEED="7", **few)
    options = ["--at", AT, "--seed", "7", "--actions-per-day", "2"]
    assert told.stdout == run("truth", *options).stdout
    wrong = run("serve", IMPACT_SANDBOX_SWITCHES="gzip=true;scopes=Retrieve actions,All")
    assert wrong.stderr == "Error: no such scope: All\n"


def test_help_names_every_switch_with_its_values() -> None:
    said = " ".join(run("serve", "--help", COLUMNS="500").stdout.split())
    for name, choices in CHOICES.items():
        assert f" {name}=" in said
        assert ", ".join(choices) in said
    for rule in Rule:
        assert rule in said
    for each in ALWAYS:
        assert each in said


def test_a_time_that_is_none() -> None:
    answer = run("truth", "--at", "yesterday")
    assert answer.exit_code == 2
    assert "yesterday is not like 2026-06-30T06:10:00Z" in answer.stderr


def test_check_names_the_rules_that_a_client_broke(tmp_path: Path) -> None:
    log = tmp_path / "requests.ndjson"
    arguments = [str(COMMAND), "serve", "--at", AT, "--log", str(log), "--switch", "hourly_other=1"]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        found = dict(process.stdout.readline().split() for _ in range(3))
        auth = found["account_sid"], found["auth_token"]
        url = f"{found['api_url']}/Mediapartners/{found['account_sid']}"
        good = {"IR-Version": "16", "Accept": "application/json"}
        for path, headers in [
            ("/Actions?StartDate=2026-06-01T00:00:00Z", good),
            ("/Actions?StartDate=2026-06-01T00:00:00Z", good),
            ("/Actions?Colour=red", {}),
            ("/ClickExport?Date=2026-06-01", good),
            ("/Campaigns", good),
            ("/Campaigns", good),
        ]:
            requests.get(url + path, auth=auth, headers=headers, timeout=10)
        process.send_signal(signal.SIGTERM)
    told = run("check", log)
    assert told.exit_code == 1
    lines = [line.split(maxsplit=1) for line in told.stdout.splitlines() if line]
    counts = {text.partition(":")[0].partition(";")[0]: count for count, text in lines}
    assert counts == {
        "requests": "6",
        "200 OK": "2",
        "400 Bad Request": "2",
        "429 Too Many Requests": "2",
        "rules": "Broken",
        "both ends of a pair of dates are sent": "2",
        "Accept": "1",
        "IR-Version is sent": "1",
        "parameters are those of the endpoint": "1",
        "requests stay within the limits of the hour and the day": "1",
        "after a 429, nothing is asked before Retry-After is over": "1",
        **{line[1].partition(":")[0]: "first:" for line in lines if line[0] == "first:"},
    }
    assert "StartDate=2026-06-01T00:00:00Z" in told.stdout
    assert found["auth_token"] not in log.read_text()


def test_check_of_a_client_that_broke_none(tmp_path: Path) -> None:
    log = tmp_path / "requests.ndjson"
    log.write_text('{"at": "2026-06-30T06:10:00Z", "method": "GET", "path": "/", "status": 200}')
    told = run("check", log)
    assert (told.exit_code, told.stdout.splitlines()[-1]) == (0, "No rule was broken.")
    log.write_text("not a log")
    assert run("check", log).stderr.startswith(f"Error: {log} is no log of `serve --log`: ")


def test_a_client_that_keeps_every_rule(sandbox: SandboxFactory) -> None:
    impact = sandbox(job_life=["COMPLETED"])
    run_inside(impact.settings() | {"start_date": "2026-06-20", "end_date": AT})
    assert len(impact.requests) > 5
    assert [seen for seen in impact.requests + impact.file_requests if seen.broken] == []
