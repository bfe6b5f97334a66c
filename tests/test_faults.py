"""What a person sees when something goes wrong, and how the run goes on or ends."""

from __future__ import annotations

import json
import logging
import os
import re
import signal
import subprocess
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest
from impact_sandbox import faults
from impact_sandbox.faults import ALWAYS
from impact_sandbox.server import Sandbox
from impact_sandbox.world import World

from tap_impact.api.client import ImpactClient
from tap_impact.errors import RateLimited
from tests.inside import command_inside, run_inside
from tests.leaks import leaks
from tests.nights import NIGHTS, QUIET, STREAMS, Night
from tests.runs import COMMAND, Run, catalog

if TYPE_CHECKING:
    from collections.abc import Sequence

    from impact_sandbox.faults import Fault

NOW = datetime(2026, 6, 30, 6, 10, tzinfo=UTC)
WORLD = World(seed="faults", actions_per_day=1, opened=date(2026, 5, 1))
CONFIG = {"start_date": "2026-06-01", "end_date": NOW.isoformat()}


def spend(night: Night) -> tuple[Run, Sandbox]:
    switches = {"hourly_detail": 10**6, "hourly_other": 10**6} | night.switches
    with Sandbox(WORLD, at=NOW, faults=night.spoilt, **switches) as sandbox:
        run = run_inside(
            sandbox.settings() | CONFIG | night.config,
            catalog=catalog(*STREAMS),
            state=night.state,
            sleep=sandbox.advance,
            log_level=logging.DEBUG,
        )
    return run, sandbox


def said(template: str, log: str) -> bool:
    """Whether a line of a log is a message with any texts in place of its ellipses."""
    pattern = ".+".join(map(re.escape, template.split("…")))
    return any(re.search(pattern, line) for line in log.splitlines())


@pytest.mark.parametrize("night", NIGHTS.values(), ids=NIGHTS.keys())
def test_a_night(night: Night) -> None:
    run, sandbox = spend(night)
    assert said(night.says, run.stderr), run.stderr
    assert run.exit_code == night.exit_code, run.stderr
    assert "Traceback" not in run.stderr
    assert not leaks(run, WORLD)
    if night.tries:
        asked = [seen for seen in sandbox.requests if seen.resource == "Actions"]
        assert len(asked) == night.tries
    for stream in STREAMS:
        if stream in night.lost or night.exit_code == 0:
            assert bool(run.records(stream)) == (stream not in night.lost), stream


def ids(run: Run) -> set[str]:
    return {record["id"] for record in run.records("actions")}


def truth() -> set[str]:
    start = datetime(2026, 6, 1, tzinfo=UTC)
    rows = WORLD.actions(NOW)
    return {row["Id"] for row in rows if datetime.fromisoformat(row["EventDate"]) >= start}


def arrival(body: dict[str, Any]) -> dict[str, Any]:
    """A page with one row more, just posted."""
    first = body["Actions"][0]
    return body | {"Actions": [*body["Actions"], first | {"Id": "2001.1.1"}]}


@pytest.mark.parametrize("page", [1, 2])
@pytest.mark.parametrize("shift", [1, 3, -3])
@pytest.mark.parametrize("came", [False, True])
def test_a_list_that_changes_while_it_is_read_is_loaded_whole(
    page: int,
    shift: int,
    came: bool,  # noqa: FBT001 - a case of the test
) -> None:
    spoilt = [faults.shifted(shift).at("Actions", after=page)]
    if came:
        after = page + 1 if page == 1 else 0
        spoilt.append(faults.Fault("arrival", edits=arrival).at("Actions", after=after))
    run, _ = spend(Night("", spoilt, switches={"largest_page": 8}))
    assert run.exit_code == 0
    assert ids(run) >= truth()


def test_pages_that_go_round_in_a_circle_are_left() -> None:
    def back(body: dict[str, Any]) -> dict[str, Any]:
        return body | {"@nextpageuri": body["@firstpageuri"]}

    spoilt = [faults.Fault("back", edits=back).at("Actions", times=ALWAYS)]
    run, sandbox = spend(Night("", spoilt, switches={"largest_page": 8}))
    assert run.exit_code == 1
    assert said("impact.com names a page of … as its own successor.", run.stderr)
    assert sum(seen.resource == "Actions" for seen in sandbox.requests) < 5


@pytest.mark.parametrize("shape", [faults.one_object(), faults.wrapped()])
def test_a_list_in_another_shape_is_read(shape: Fault) -> None:
    run, _ = spend(Night("", [shape.at("Campaigns")]))
    expected, _ = spend(Night(""))
    for campaign in expected.records("campaigns"):
        assert campaign in run.records("campaigns")


# -- how fast, as a limit comes near -------------------------------------------------------------


def client(sandbox: Sandbox, log: list[str], rate_limit_wait_seconds: int = 3600) -> ImpactClient:
    """A client whose waits move the sandbox's clock, and whose clock is that one."""
    logger = logging.Logger("limits")  # noqa: LOG001 - of this test alone
    logger.addHandler(Listener(log))
    return ImpactClient(
        api_url=sandbox.url,
        account_sid=WORLD.account_sid,
        auth_token=WORLD.auth_token,
        api_version=16,
        user_agent="test",
        timeout_seconds=30,
        logger=logger,
        sleep=sandbox.advance,
        clock=lambda: sandbox.at.timestamp(),  # noqa: PLW0108 - the clock moves
        rate_limit_wait_seconds=rate_limit_wait_seconds,
    )


class Listener(logging.Handler):
    def __init__(self, lines: list[str]) -> None:
        super().__init__(logging.INFO)
        self.lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


def test_a_limit_is_not_run_into() -> None:
    log: list[str] = []
    with Sandbox(WORLD, at=NOW, hourly_other=200) as sandbox:
        asking = client(sandbox, log)
        for _ in range(450):
            asking.get("/Campaigns")
        assert {seen.status for seen in sandbox.requests} == {200}
        hours = Counter(seen.at.hour for seen in sandbox.requests)
    assert [*hours.values()] == [200, 200, 50]
    said_so = [line for line in log if "10 of 200 requests per hour remain" in line]
    assert len(said_so) == 2


def test_threads_share_what_is_left_of_a_limit() -> None:
    """Their pretended waits do not pass side by side, so that a few may meet at the very end."""
    with Sandbox(WORLD, at=NOW, hourly_other=200) as sandbox:
        asking = client(sandbox, [])
        with ThreadPoolExecutor(4) as pool:
            answers = [*pool.map(lambda _: asking.get("/Campaigns"), range(450))]
        statuses = Counter(seen.status for seen in sandbox.requests)
    assert len(answers) == statuses[200] == 450
    assert statuses[429] <= 2 * 3


def test_the_last_requests_of_an_hour_are_a_minute_apart() -> None:
    with Sandbox(WORLD, at=NOW, hourly_other=200) as sandbox:
        asking = client(sandbox, [])
        for _ in range(201):
            asking.get("/Campaigns")
        gaps = [
            (later.at - sooner.at).total_seconds() for sooner, later in pairwise(sandbox.requests)
        ]
    assert gaps[:190] == [0] * 190
    assert gaps[190:199] == [60] * 9
    assert sandbox.requests[-1].at == NOW.replace(hour=7, minute=0, second=1)


def test_a_limit_that_is_renewed_too_late_is_used_up_at_once() -> None:
    log: list[str] = []
    with Sandbox(WORLD, at=NOW, hourly_other=40) as sandbox:
        asking = client(sandbox, log, rate_limit_wait_seconds=600)
        for _ in range(40):
            asking.get("/Campaigns")
        with pytest.raises(RateLimited, match="State is safe"):
            asking.get("/Campaigns")
        assert sandbox.at == NOW
    assert not [line for line in log if "requests an hour" in line]


def test_a_limit_that_ran_out_leaves_the_state_of_the_last_whole_window() -> None:
    night = Night(
        "",
        switches={"hourly_detail": 2},
        config={"start_date": "2026-01-01", "rate_limit_wait_seconds": 0},
    )
    run, sandbox = spend(night)
    assert run.exit_code == 1
    assert said("… It resets in 3000 s, but rate_limit_wait_seconds allows …", run.stderr)
    assert run.state["bookmarks"]["actions"]["history_since"] == "2026-04-03T06:10:00Z"
    assert sandbox.at == NOW


# -- how a run ends ------------------------------------------------------------------------------


def started(
    sandbox: Sandbox,
    folder: Path,
    stdout: Any,
    *,
    unbuffered: str = "",
    selected: Sequence[str] = STREAMS,
) -> subprocess.Popen[bytes]:
    config, streams = folder / "config.json", folder / "catalog.json"
    config.write_text(json.dumps(sandbox.settings() | CONFIG))
    streams.write_text(json.dumps(catalog(*selected)))
    command = [str(COMMAND), "--config", str(config), "--catalog", str(streams)]
    environment = os.environ | {"PYTHONUNBUFFERED": unbuffered}
    return subprocess.Popen(command, stdout=stdout, stderr=subprocess.PIPE, env=environment)


@pytest.mark.slow
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_signals_in_the_middle_of_a_line_let_it_be_whole(tmp_path: Path, unbuffered: str) -> None:
    """The line is longer than the pipe, so its second half waits for the reader."""
    long = faults.field_of_row("Name", "x" * 1_000_000).at("Account", times=ALWAYS)
    with (
        Sandbox(WORLD, at=NOW, faults=[long]) as sandbox,
        started(
            sandbox, tmp_path, subprocess.PIPE, unbuffered=unbuffered, selected=["account"]
        ) as process,
    ):
        assert process.stdout
        begun = process.stdout.readline() + process.stdout.read(1000)
        assert b'"RECORD"' in begun
        process.send_signal(signal.SIGINT)
        begun += process.stdout.read(1000)
        process.send_signal(signal.SIGTERM)
        lines = (begun + process.stdout.read()).splitlines(keepends=True)
        assert process.wait() in {130, 143}
    assert lines[-1].endswith(b"}\n")
    assert len(json.loads(lines[-1])["record"]["name"]) == 1_000_000


@pytest.mark.slow
def test_two_signals_end_a_run_whose_reader_is_stuck(tmp_path: Path) -> None:
    long = faults.field_of_row("Name", "x" * 1_000_000).at("Account", times=ALWAYS)
    with (
        Sandbox(WORLD, at=NOW, faults=[long]) as sandbox,
        started(sandbox, tmp_path, subprocess.PIPE, selected=["account"]) as process,
    ):
        assert process.stdout
        assert b'"RECORD"' in process.stdout.readline() + process.stdout.read(1000)
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) in {130, 143}  # five, and what a busy machine adds


def test_a_reader_that_ends_is_one_message(tmp_path: Path) -> None:
    with (
        Sandbox(WORLD, at=NOW) as sandbox,
        started(sandbox, tmp_path, stdout=subprocess.PIPE) as process,
    ):
        assert process.stdout
        process.stdout.readline()
        process.stdout.close()
        _, log = process.communicate()
    assert process.returncode == 1
    assert said(READER_ENDED, log.decode())
    assert b"Traceback" not in log
    assert b"Exception ignored" not in log


def test_a_full_disk_is_one_message(tmp_path: Path) -> None:
    with (
        Sandbox(WORLD, at=NOW) as sandbox,
        Path("/dev/full").open("wb") as full,
        started(sandbox, tmp_path, stdout=full) as process,
    ):
        _, log = process.communicate()
    assert process.returncode == 1
    assert said(DISK_FULL, log.decode())
    assert b"Traceback" not in log
    assert b"Exception ignored" not in log


@pytest.mark.parametrize("level", ["info", "debug"])
def test_what_nobody_foresaw_is_one_message_without_content(level: str) -> None:
    logging_level = logging.getLevelNamesMapping()[level.upper()]
    with (
        Sandbox(WORLD, at=NOW) as sandbox,
        mock.patch.object(ImpactClient, "get", side_effect=KeyError("jane@example.com")),
    ):
        run = run_inside(
            sandbox.settings() | CONFIG, catalog=catalog("account"), log_level=logging_level
        )
    assert run.exit_code == 1
    assert said(UNFORESEEN, run.stderr)
    assert "jane" not in run.stderr
    assert ("in read" in run.stderr) == (level == "debug")


def test_what_an_error_of_the_api_says_twice_is_said_once() -> None:
    body = {"Message": "Account is closed.", "Errors": [{"Message": "Account is closed."}]}
    refused = faults.status(418, json.dumps(body).encode()).at("Account", times=ALWAYS)
    with Sandbox(WORLD, at=NOW, faults=[refused]) as sandbox:
        run = run_inside(sandbox.settings() | CONFIG, catalog=catalog("account"))
    assert run.exit_code == 1
    assert "impact.com answered 418 to /: Account is closed.\n" in run.stderr


# -- what a person hands in ----------------------------------------------------------------------


def test_bad_settings_of_the_environment_are_named_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in {
        "ACCOUNT_SID": "IRx",
        "PAGE_SIZE": "many",
        "SETTLEMENT_LOOKBACK_DAYS": "",
        "CURRENCY": "dollars",
        "STREAM_MAPS": "{",
    }.items():
        monkeypatch.setenv(f"TAP_IMPACT_{name}", value)
    run = command_inside("--config=ENV")
    assert run.exit_code == 1
    (message,) = [line for line in run.stderr.splitlines() if "ERROR" in line]
    for name in ("auth_token", "page_size", "settlement_lookback_days", "currency", "stream_maps"):
        assert f"{name}" in message


@pytest.mark.parametrize(
    ("option", "content", "words"),
    [
        ("--state", "[]", "--state is JSON, but not an object"),
        ("--state", "\xff", "--state is not JSON"),
        ("--state", '{"bookmarks": []}', "State: its bookmarks are not an object"),
        ("--state", '{"bookmarks": null}', "State: its bookmarks are not an object"),
        ("--catalog", "null", "--catalog is JSON, but not an object"),
        ("--catalog", '{"streams": [{}]}', "--catalog is not a catalog"),
        ("--catalog", '{"streams": 1}', "--catalog is not a catalog"),
    ],
)
def test_a_file_that_cannot_be_used_is_one_message(
    option: str, content: str, words: str, tmp_path: Path
) -> None:
    path, config = tmp_path / "content.json", tmp_path / "config.json"
    path.write_bytes(content.encode("latin-1"))
    config.write_text('{"account_sid": "IRx", "auth_token": "t"}')
    run = command_inside("--config", str(config), option, str(path))
    assert run.exit_code == 1
    assert words in run.stderr
    assert "Traceback" not in run.stderr


# -- the page ----------------------------------------------------------------------------------

PAGE = Path(__file__).parents[1] / "docs/troubleshooting.md"
READER_ENDED = "The messages cannot be written: the target has exited; see its log."
DISK_FULL = "The messages cannot be written: No space left on device. State is safe: run again."
NO_LONGER_GIVEN = "…: impact.com no longer gives …, which was not loaded whole."
UNFORESEEN = "… in …, line …. This is a bug in the tap; please report it …"
ENDED = (
    "Stopped by …. State is safe: the next run continues from the last state that the loader "
    "confirmed."
)


def explained() -> set[str]:
    """The messages in the first column of the page's table."""
    lines = PAGE.read_text().splitlines()
    rows = [line.split("|") for line in lines if line.startswith("|")]
    return {message for row in rows for message in re.findall("`([^`]+)`", row[1])}


def test_the_page_explains_what_is_really_said() -> None:
    said_here = {night.says for night in NIGHTS.values()} - {QUIET}
    assert explained() == said_here | {
        READER_ENDED,
        DISK_FULL,
        NO_LONGER_GIVEN,
        UNFORESEEN,
        ENDED,
    }


def test_a_signal_is_said_as_the_page_has_it(tmp_path: Path) -> None:
    with Sandbox(WORLD, at=NOW) as sandbox, started(sandbox, tmp_path, subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate()
    assert process.returncode == 143
    assert said(ENDED, log.decode())
