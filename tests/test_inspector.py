"""`tap-impact-inspect`, and the check that it shares with `tap-impact --test`."""

from __future__ import annotations

import json
import re
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest
from click.testing import CliRunner
from impact_sandbox import faults
from impact_sandbox.exchange import Answer
from impact_sandbox.switches import SCOPES
from impact_sandbox.world import World

from tap_impact.api.client import ImpactClient
from tap_impact.errors import OF_ALL_REQUESTS, RateLimited
from tap_impact.inspect.cli import cli
from tap_impact.singer.signals import SignalHandler
from tap_impact.tap import TapImpact
from tests.inside import run_inside
from tests.runs import Run, catalog

if TYPE_CHECKING:
    from pathlib import Path

    import click
    from impact_sandbox.server import Sandbox

    from tests.conftest import SandboxFactory

NOW = datetime(2026, 3, 2, 16, 10, tzinfo=UTC)
START = "2026-02-25T00:00:00Z"


def world() -> World:
    return World(seed="inspect", actions_per_day=12, clicks_per_day=150, opened=date(2026, 2, 1))


def settings(sandbox: Sandbox, **others: Any) -> dict[str, Any]:
    times = {"start_date": START, "click_start_date": START, "end_date": NOW.isoformat()}
    return sandbox.settings() | times | {"label": "shop", "click_exports_per_day": 2} | others


def inspect(config: dict[str, Any], *args: str, command: click.Command = cli) -> Run:
    """Run the command with its settings in the environment."""
    variables = {f"TAP_IMPACT_{name.upper()}": str(value) for name, value in config.items()}
    done = CliRunner().invoke(command, args, env=variables)
    assert isinstance(done.exception, SystemExit | None)
    assert config["auth_token"] not in done.output
    return Run(done.stdout, done.stderr, done.exit_code)


def by_tap(config: dict[str, Any]) -> Run:
    """Run `tap-impact --test`."""
    return inspect(config, "--test", command=TapImpact.cli)


def printed(run: Run) -> list[dict[str, Any]]:
    """The JSON documents that a command printed."""
    assert run.exit_code == 0, run.stderr
    decoder, text, found = json.JSONDecoder(parse_float=Decimal), run.stdout.strip(), []
    while text:
        document, end = decoder.raw_decode(text)
        found.append(document)
        text = text[end:].lstrip()
    return found


def verdicts(output: str) -> dict[str, str]:
    """What the table says of each scope."""
    rows = [line.split("  ") for line in output.splitlines() if " > " in line and "  " in line]
    cells = [[cell.strip() for cell in row if cell.strip()] for row in rows]
    return {scope: verdict.partition(":")[0] for _, scope, _, verdict in cells}


EXPORT = "Clicks > Export clicks"
DOWNLOAD = "Jobs Management > Download export jobs"
LOOK = "Jobs Management > Retrieve job"
ITEMS = "Actions > Retrieve action items"
GRANTED = {
    "Account > Retrieve account home": "has",
    "Campaigns > Retrieve campaigns": "has",
    "Actions > Retrieve actions": "has",
    "Actions > Retrieve action updates": "has",
    EXPORT: "not known",
    DOWNLOAD: "has",
    LOOK: "has",
    ITEMS: "has",
    "Contracts > Retrieve contracts": "has",
    "Invoices > Retrieve invoices": "has",
    "Reports > Retrieve reports": "has",
    "Ads > Retrieve ads": "has",
    "Promo Codes > Retrieve promo codes": "has",
    "Media Properties > Retrieve media properties": "has",
    "Deals > Retrieve deals": "has",
    "Catalogs > Retrieve catalogs": "has",
    "Action Inquiries > Retrieve action inquiries": "has",
    "Tasks > Retrieve tasks": "has",
    "Promotions > Retrieve promotions": "has",
    "Stores > Retrieve stores": "has",
    "Exception Lists > Retrieve exception list items": "has",
    "Promo Code Exception Lists > Retrieve promo code exception list items": "has",
}
CLICKS = {"Export clicks", "Retrieve click"}
JOBS = {"Retrieve jobs", "Retrieve job", "Download export jobs", "Replay job"}


@pytest.mark.parametrize("by_test", [False, True], ids=["access", "--test"])
@pytest.mark.parametrize(
    ("missing", "exit_code", "otherwise"),
    [
        (set(), 0, {}),
        (CLICKS, 0, {}),
        (JOBS, 1, {DOWNLOAD: "lacks", LOOK: "lacks"}),
        ({"Retrieve job"}, 0, {LOOK: "lacks"}),
        ({"Retrieve action updates"}, 1, {"Actions > Retrieve action updates": "lacks"}),
        ({"Retrieve action items"}, 0, {ITEMS: "lacks"}),
        ({"Retrieve account home"}, 0, {"Account > Retrieve account home": "lacks"}),
    ],
    ids=["all", "no Clicks", "no Jobs", "no job", "no updates", "no items", "no account"],
)
def test_access_tells_each_scope_and_spends_no_export(
    sandbox: SandboxFactory,
    missing: set[str],
    exit_code: int,
    otherwise: dict[str, str],
    *,
    by_test: bool,
) -> None:
    running = sandbox(world=world(), at=NOW, scopes=SCOPES - missing)
    config = settings(running)
    run = by_tap(config) if by_test else inspect(config, "access")
    assert verdicts(run.stdout) == GRANTED | otherwise
    assert run.exit_code == exit_code, run.stderr
    assert ("It lacks Clicks > Retrieve click" in run.stdout) == (missing == CLICKS)
    assert " of 500 requests are left for " in run.stdout
    assert not [request for request in running.requests if "ClickExport" in request.path]
    assert len(running.requests) <= len(GRANTED) + 2  # the clock is asked first


def test_the_tap_is_tested_by_a_file_wherever_it_is_named(
    sandbox: SandboxFactory, tmp_path: Path
) -> None:
    file = tmp_path / "config.json"
    file.write_text(json.dumps(settings(sandbox(world=world(), at=NOW))))
    for order in (["--test", "--config"], ["--config"]):
        arguments = [*order, str(file), *([] if "--test" in order else ["--test"])]
        done = CliRunner().invoke(TapImpact.cli, arguments, env={"TAP_IMPACT_PAGE_SIZE": "1"})
        assert done.exit_code == 0, done.output
        assert verdicts(done.stdout) == GRANTED


def test_help_says_what_the_test_of_the_tap_does() -> None:
    said = " ".join(CliRunner().invoke(TapImpact.cli, ["--help"]).stdout.split())
    assert "--test TEXT Tell whether the token is valid, and which scopes it has" in said
    assert "Without --config, TAP_IMPACT_* variables are read." in said


def test_an_export_that_was_made_shows_that_the_token_may(sandbox: SandboxFactory) -> None:
    running = sandbox(world=world(), at=NOW)
    assert run_inside(settings(running), catalog=catalog("click_exports", "clicks")).exit_code == 0
    run = inspect(settings(running), "access")
    assert verdicts(run.stdout)[EXPORT] == "has"
    assert "it made an export on 2026-03-02" in run.stdout


@pytest.mark.parametrize("by_test", [False, True], ids=["access", "--test"])
def test_a_wrong_token_is_one_message(sandbox: SandboxFactory, *, by_test: bool) -> None:
    running = sandbox(world=world(), at=NOW)
    config = settings(running, auth_token="mistyped")  # noqa: S106
    run = by_tap(config) if by_test else inspect(config, "access")
    assert run.exit_code == 1
    assert "the account SID or the auth token is wrong" in run.stderr
    assert "Traceback" not in run.stderr
    assert not run.stdout
    assert len(running.requests) == 1


def test_a_limit_that_ran_out_is_said_at_once(sandbox: SandboxFactory) -> None:
    running = sandbox(world=world(), at=NOW, hourly_detail=0)
    run = inspect(settings(running), "access")
    assert run.exit_code == 1
    assert "rate limit exceeded" in run.stderr


def test_bad_settings_are_one_message(sandbox: SandboxFactory) -> None:
    running = sandbox(world=world(), at=NOW)
    run = inspect(settings(running, page_size="many"), "access")
    assert run.exit_code == 1
    assert "page_size" in run.stderr
    assert not running.requests


def test_each_look_up_prints_what_the_stream_emits(sandbox: SandboxFactory) -> None:
    running = sandbox(world=world(), at=NOW, several_clicks="list")
    config = settings(running)
    run = run_inside(config, catalog=catalog("actions", "action_items", "action_updates", "clicks"))
    assert run.exit_code == 0, run.stderr
    items: dict[str, list[dict[str, Any]]] = {}
    for record in run.records("action_items"):
        items.setdefault(record["action_id"], []).append(record)
    several = max(items.values(), key=len)
    strange = next(each for each in run.records("action_items") if "/" in each["sku"])
    twice = next(each for each in run.records("action_items") if each["sku_ordinal"] == 2)
    for of_action in (several, items[strange["action_id"]], items[twice["action_id"]]):
        action_id = of_action[0]["action_id"]
        action = next(each for each in run.records("actions") if each["id"] == action_id)
        assert printed(inspect(config, "action", action_id)) == [action]
        assert printed(inspect(config, "action", action_id, "--items")) == [action, *of_action]
    for record in (strange, twice):
        assert printed(inspect(config, "item", record["action_id"], record["sku"])) == [
            each for each in items[record["action_id"]] if each["sku"] == record["sku"]
        ]
    for update in run.records("action_updates")[:3]:
        assert printed(inspect(config, "action-update", update["id"])) == [update]
    clicks = run.records("clicks")
    journeys = {
        click["id"]: [each for each in clicks if each["id"] == click["id"]] for click in clicks
    }
    for click_id in sorted(journeys, key=lambda each: len(journeys[each]))[-2:]:
        assert len(journeys[click_id]) > 1
        assert printed(inspect(config, "click", click_id)) == journeys[click_id]


def test_raw_prints_what_impact_com_sends(sandbox: SandboxFactory) -> None:
    running = sandbox(world=world(), at=NOW)
    config = settings(running)
    action = next(running.world.actions(NOW))
    items = running.world.items(action["Id"], NOW)
    update = next(running.world.action_updates(NOW))
    assert printed(inspect(config, "action", action["Id"], "--items", "--raw")) == [action, *items]
    assert printed(inspect(config, "action-update", update["Id"], "--raw")) == [update]
    for each in running.world.actions(NOW):
        for row in running.world.items(each["Id"], NOW)[:1]:
            if not row["Sku"].isalnum():
                assert printed(inspect(config, "item", each["Id"], row["Sku"], "--raw")) == [row]
                return


def test_a_job_is_typed(sandbox: SandboxFactory) -> None:
    running = sandbox(world=world(), at=NOW)
    config = settings(running)
    run = run_inside(config, catalog=catalog("click_exports"))
    export = run.records("click_exports")[0]
    (job,) = printed(inspect(config, "job", export["job_id"]))
    assert job["id"] == export["job_id"]
    assert job["completed_date"] == export["completed_at"]
    assert job["replayable"] is True
    (row,) = printed(inspect(config, "job", export["job_id"], "--raw"))
    assert row["Id"] == job["id"]
    running.spoil([faults.field_of_row("PercentageComplete", "all").at("Jobs")])
    (odd,) = printed(inspect(config, "job", export["job_id"]))
    unread = {"percentage_complete": None, "additional_fields": {"PercentageComplete": "all"}}
    assert odd == job | unread


@pytest.mark.parametrize("sent", [faults.ABSENT, "soon"], ids=["absent", "not a date"])
def test_a_click_whose_date_cannot_be_read_is_shown(sandbox: SandboxFactory, sent: Any) -> None:
    running = sandbox(world=world(), at=NOW)
    click_id = next(iter(running.world.clicks(date(2026, 2, 20), NOW)))["Id"]
    running.spoil([faults.field_of_row("EventDate", sent).at("Clicks")])
    (click,) = printed(inspect(settings(running), "click", click_id))
    assert (click["id"], click["event_date"], click["click_day"]) == (click_id, None, "")


def test_access_is_told_where_the_list_of_jobs_stands_bare(sandbox: SandboxFactory) -> None:
    bare = faults.Fault("bare", edits=lambda page: page["Jobs"])
    running = sandbox(world=world(), at=NOW, faults=[bare.at("Jobs")])
    run = inspect(settings(running), "access")
    assert run.exit_code == 0, run.stderr
    assert verdicts(run.stdout) == GRANTED


@pytest.mark.parametrize(
    ("fault", "scope", "verdict"),
    [
        (
            faults.status(503).at("Stores", times=faults.ALWAYS),
            "Stores > Retrieve stores",
            "not known: impact.com answered 503 to /Stores",
        ),
        (faults.status(400).at("Jobs"), EXPORT, "not known: impact.com answered 400 to /Jobs"),
        (faults.status(404).at("Jobs"), EXPORT, "not known: only an export would tell"),
        (
            faults.Fault("no job", edits=lambda page: page | {"Jobs": ["x"]}).at("Jobs"),
            EXPORT,
            "not known: only an export would tell",
        ),
    ],
    ids=["503", "400", "404", "no job"],
)
def test_an_odd_answer_leaves_one_scope_unknown(
    sandbox: SandboxFactory, fault: faults.Fault, scope: str, verdict: str
) -> None:
    running = sandbox(world=world(), at=NOW, faults=[fault])
    with mock.patch.object(SignalHandler, "sleep"):
        run = inspect(settings(running), "access")
    assert run.exit_code == 0, run.stderr
    assert verdicts(run.stdout) == GRANTED | {scope: "not known"}
    assert verdict in run.stdout


@pytest.mark.parametrize("error", OF_ALL_REQUESTS)
@pytest.mark.parametrize("command", ["access", "estimate"])
def test_what_every_request_would_meet_ends_the_command(
    sandbox: SandboxFactory, command: str, error: type[Exception]
) -> None:
    words = ("No use.", None) if error is RateLimited else ("No use.",)
    refuse = mock.Mock(side_effect=error(*words))
    with mock.patch.multiple(ImpactClient, get=refuse, pages=refuse):
        run = inspect(settings(sandbox(world=world(), at=NOW)), command)
    assert (run.stderr, run.exit_code) == ("Error: No use.\n", 1)
    assert refuse.call_count == 1


@pytest.mark.parametrize(
    ("command", "what"),
    [("action", "/Actions/x"), ("action-update", "/ActionUpdates/x"), ("click", "/Clicks/x")],
)
def test_what_is_not_there_is_said(sandbox: SandboxFactory, command: str, what: str) -> None:
    run = inspect(settings(sandbox(world=world(), at=NOW)), command, "x")
    assert run.exit_code == 1
    assert run.stderr == f"Error: impact.com answered 404 to {what}: not found in this account.\n"


@pytest.mark.parametrize("body", [["x"], [{}], [], {}, {"Odd": "x"}], ids=str)
@pytest.mark.parametrize("command", ["action", "action-update", "click", "job"])
def test_an_answer_of_another_shape_is_one_message(
    sandbox: SandboxFactory, command: str, body: Any
) -> None:
    odd = faults.Fault("odd", Answer(200, body))
    run = inspect(settings(sandbox(world=world(), at=NOW, faults=[odd])), command, "x")
    assert (run.stdout, run.exit_code) == ("", 1)
    said = r"Error: impact\.com (answered /\w+/x with no (object|click)|sent no Id .*)\.\n"
    assert re.fullmatch(said, run.stderr), run.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["action", ".."],
        ["action-update", "."],
        ["click", ".."],
        ["item", "1000.1.1", "..", "--raw"],
        ["job", "."],
        ["report", ".."],
    ],
    ids=" ".join,
)
def test_what_no_url_can_name_is_not_requested(
    sandbox: SandboxFactory, arguments: list[str]
) -> None:
    running = sandbox(world=world(), at=NOW)
    run = inspect(settings(running), *arguments)
    assert run.exit_code == 1
    assert "cannot be requested: no URL can name what is . or .." in run.stderr
    assert not running.requests


def test_reports_are_listed_without_one_that_has_no_id(sandbox: SandboxFactory) -> None:
    config = settings(running := sandbox(world=world(), at=NOW))
    whole = inspect(config, "reports").stdout.splitlines()
    running.spoil([faults.field_of_row("Id", faults.ABSENT).at("Reports")])
    run = inspect(config, "reports")
    assert run.exit_code == 1
    assert run.stderr == "Error: The list has 1 more without an Id that can be read.\n"
    assert len(run.stdout.splitlines()) == len(whole) - 1


def test_the_estimate_of_requests_comes_true(sandbox: SandboxFactory, tmp_path: Path) -> None:
    running = sandbox(world=world(), at=NOW)
    config = settings(running, action_items_per_run=20)
    first = inspect(config, "estimate").stdout
    # the clock, how many actions there are, the parents of deals and of two kinds of lists
    assert Counter(request.resource for request in running.requests) == {
        "Account": 1,
        "Actions": 1,
        "Campaigns": 1,
        "Contracts": 2 * 5,
    }
    running.requests.clear()
    run = run_inside(config, catalog=catalog("actions", "action_updates", "action_items"))
    for stream, path in (("actions", "/Actions"), ("action_updates", "/ActionUpdates")):
        sent = sum(request.path.endswith(path) for request in running.requests)
        sent -= 3 if stream == "actions" else 0  # lists for the items
        assert f"{stream}: the next run {sent} request" in first
    state = tmp_path / "state.json"
    state.write_text(json.dumps({"singer_state": run.state}))
    tomorrow = NOW + timedelta(days=1)
    running.set_time(tomorrow)
    config["end_date"] = tomorrow.isoformat()
    then = inspect(config, "estimate", "--state", str(state)).stdout
    assert "actions: the next run 2 requests" in then
    assert "\naction_updates: the next run 1 request " in then


def test_the_estimate_goes_on_without_what_the_token_may_not_count(sandbox: SandboxFactory) -> None:
    lacking = SCOPES - {"Retrieve actions", "Retrieve campaigns"}
    run = inspect(settings(sandbox(world=world(), at=NOW, scopes=lacking)), "estimate")
    assert run.exit_code == 0, run.stderr
    assert "action_items: not known. impact.com answered 403 to /Actions" in run.stdout
    assert "deals: not known. impact.com answered 403 to /Campaigns" in run.stdout
    assert "\nNext run, total without deals, action_items: " in run.stdout
