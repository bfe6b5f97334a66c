"""Neither secrets nor records in anything but the records' own messages, at any log level."""

from __future__ import annotations

import json
import logging
import socket
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import pytest
from impact_sandbox import faults
from impact_sandbox.exchange import Answer
from impact_sandbox.faults import ALWAYS, Chaos
from impact_sandbox.server import Sandbox
from impact_sandbox.world import World

from tests.inside import run_inside
from tests.leaks import credentials, leaks, texts_of_records
from tests.nights import STREAMS
from tests.ports import free_port
from tests.runs import Run, catalog, run_tap

if TYPE_CHECKING:
    from collections.abc import Sequence

    from impact_sandbox.faults import Fault

NOW = datetime(2026, 6, 30, 6, 10, tzinfo=UTC)
WORLD = World(seed="secrets", actions_per_day=1, clicks_per_day=20, opened=date(2026, 5, 1))
TOKEN = WORLD.auth_token
SID = WORLD.account_sid
CREDENTIALS = credentials(WORLD)
CONFIG = {
    "start_date": "2026-06-10",
    "end_date": NOW.isoformat(),
    "click_start_date": "2026-06-28",
}
ECHO = {
    "Status": "ERROR",
    "Message": f"page for {SID} refused, Authorization: Basic {CREDENTIALS}, password {TOKEN}",
}


def sync(spoilt: Any = (), streams: Sequence[str] = (), **config: Any) -> tuple[Run, Sandbox]:
    """A sync of some streams, or of all, its log at debug level."""
    with Sandbox(WORLD, at=NOW, faults=spoilt, largest_page=15) as sandbox:
        run = run_inside(
            sandbox.settings() | CONFIG | config,
            catalog=catalog(*streams),
            log_level=logging.DEBUG,
        )
    return run, sandbox


def test_a_debug_log_of_a_whole_sync_holds_no_secret_and_no_record() -> None:
    run, _ = sync()
    assert run.exit_code == 0, run.stderr
    assert "GET /Actions?" in run.stderr
    assert len(texts_of_records(run)) > 50
    assert not leaks(run, WORLD)


def test_a_night_of_failures_shows_no_secret_and_no_record() -> None:
    run, _ = sync(Chaos(1, 0.4))
    assert not leaks(run, WORLD)


@pytest.mark.parametrize(
    "fault",
    [
        faults.status(400, json.dumps(ECHO).encode()),
        faults.status(418, json.dumps(ECHO).encode()),
        faults.Fault("echo", edits=lambda _: ECHO),
        faults.envelope("@nextpageuri", f"https://{SID}:{TOKEN}@127.0.0.2/"),
        faults.envelope("@nextpageuri", f"/Mediapartners/{SID}/Other?Token={TOKEN}"),
        faults.field_of_row("Payout", f"{TOKEN} {SID}"),
        faults.field_of_row("EventDate", "Jane Doe, Main Street"),
    ],
    ids=lambda fault: fault.name,
)
def test_what_impact_com_repeats_is_not_shown(fault: Fault) -> None:
    run, _ = sync([fault.at("Actions", times=ALWAYS)], STREAMS)
    assert run.exit_code == 1
    assert not leaks(run, WORLD)
    assert "Jane" not in run.stderr


def test_the_sid_is_shown_by_its_last_characters() -> None:
    echo = faults.Fault("echo", edits=lambda _: ECHO)
    run, _ = sync([echo.at("Actions", times=ALWAYS)], ["actions"])
    assert f"for ...{SID[-4:]} refused" in run.stderr


def test_an_address_that_nobody_answers_shows_no_secret() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    config = {"account_sid": SID, "auth_token": TOKEN, "api_url": url}
    run = run_inside(config | CONFIG, catalog=catalog("account"), log_level=logging.DEBUG)
    assert run.exit_code == 1
    assert "refused the connection" in run.stderr
    assert not leaks(run, WORLD)


def test_no_credentials_reach_another_host() -> None:
    with socket.create_server(("127.0.0.1", 0)) as elsewhere:
        elsewhere.setblocking(False)
        host = f"127.0.0.1:{elsewhere.getsockname()[1]}"
        for uri in (f"http://{host}/x", f"//{host}/x"):
            run, _ = sync([faults.envelope("@nextpageuri", uri).at("Actions")], STREAMS)
            assert run.exit_code == 1
        moved = faults.Fault(
            "moved", Answer(302, b"", {"Location": f"http://{host}/x"}, "text/plain")
        )
        run, _ = sync([moved.at("Actions")], STREAMS)
        assert run.exit_code == 1
        with pytest.raises(BlockingIOError):
            elsewhere.accept()


def test_the_command_prints_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGLEVEL", "debug")
    with Sandbox(WORLD, at=NOW, faults=[faults.status(503).at("Account", after=1)]) as sandbox:
        run = run_tap(
            sandbox.settings() | CONFIG | {"auth_token": TOKEN}, catalog=catalog("account")
        )
    assert not leaks(run, WORLD)
    assert "Retrying" in run.stderr


@pytest.mark.parametrize(
    ("setting", "value", "words"),
    [
        ("auth_token", f"{TOKEN}\n", "auth_token: a character that no token has"),
        ("auth_token", f"{TOKEN}\u2026", "auth_token: a character that no token has"),
        ("account_sid", f"{SID} ", "account_sid: a character that no SID has"),
        ("account_sid", f"{SID}/../x", "account_sid: a character that no SID has"),
        ("api_url", f"https://{SID}:{TOKEN}@127.0.0.1", "api_url: holds a user or a password"),
        ("api_url", f"http://{SID}:{TOKEN}@127.0.0.1", "api_url: holds a user or a password"),
        ("api_url", "https://[", "api_url: "),
        ("api_url", "http://127.0.0.1.elsewhere.example", "not https"),
        ("api_url", "http://127.0.0.1@elsewhere.example", "api_url: holds a user or a password"),
    ],
)
def test_settings_that_would_leak_or_break_are_refused(
    setting: str, value: str, words: str
) -> None:
    config = {"account_sid": SID, "auth_token": TOKEN} | CONFIG
    run = run_inside(config | {setting: value})
    assert run.exit_code == 1
    assert words in run.stderr
    assert "Traceback" not in run.stderr
    assert TOKEN not in run.stderr
    assert SID not in run.stderr


@pytest.mark.parametrize(
    "config",
    [
        {"reports": [TOKEN]},
        {"reports": [{"preset": "daily_performance", "keys": [TOKEN]}]},
        {TOKEN: 1},
    ],
    ids=["preset", "key", "name"],
)
def test_a_token_that_was_pasted_elsewhere_is_not_repeated(config: dict[str, Any]) -> None:
    with Sandbox(WORLD, at=NOW) as sandbox:
        run = run_inside(
            sandbox.settings() | CONFIG | {"auth_token": TOKEN} | config, catalog=catalog("account")
        )
    assert "(the value of auth_token)" in run.stderr
    assert TOKEN not in run.stderr


def test_a_token_that_is_part_of_any_word_changes_no_record() -> None:
    world = World(seed="short", opened=date(2026, 6, 1))
    world.auth_token = world.currency
    with Sandbox(world, at=NOW) as sandbox:
        run = run_inside(sandbox.settings() | CONFIG, catalog=catalog("account"))
    assert [row["currency"] for row in run.records("account")] == ["USD"]
