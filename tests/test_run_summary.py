"""What a run says of itself, in one line of JSON."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import TYPE_CHECKING, Any

from impact_sandbox import faults
from impact_sandbox.faults import ALWAYS
from impact_sandbox.switches import SCOPES, Switches

from tests.inside import run_inside
from tests.report_runs import ReportRuns
from tests.runs import catalog
from tests.small_account import impact, settings

if TYPE_CHECKING:
    from tests.runs import Run

STREAMS = ("actions", "action_updates", "campaigns", "click_exports", "daily_clicks")
SUMMARY = re.compile(r'\{"run_summary": .*\}$', re.MULTILINE)


def summary(run: Run) -> dict[str, Any]:
    (line,) = SUMMARY.findall(run.stderr)
    found: dict[str, Any] = json.loads(line)["run_summary"]
    return found


def test_a_run_tells_its_rows_requests_limits_and_gaps() -> None:
    with impact() as sandbox:
        config = settings(sandbox) | {"log_run_summary": True, "click_exports_per_day": 2}
        told = summary(run := run_inside(config, catalog=catalog(*STREAMS)))
        sent = Counter(seen.resource.split("/")[0] for seen in sandbox.requests)

    written = Counter(each["stream"] for each in run.messages if each["type"] == "RECORD")
    assert {name: of["rows"] for name, of in told["streams"].items()} == {
        name: written[name] for name in STREAMS
    }
    assert told["rows"] == written.total()
    assert sum(told["requests"].values()) == sent.total()
    assert {"Actions", "ActionUpdates", "Campaigns"} <= told["requests"].keys()
    assert told["requests"]["Actions"] == sent["Actions"]
    of_actions = next(each for each in told["quotas"] if "Actions" in each["endpoints"])
    assert 0 < of_actions["left"] < of_actions["limit"]
    assert told["seconds"] >= 0
    # two exports were allowed, of the newest days
    assert told["streams"]["daily_clicks"]["oldest_gap"] == "2026-06-26" == told["oldest_gap"]
    assert told["streams"]["actions"]["oldest_gap"] is None
    assert (told["failed"], told["skipped"]) == ([], [])


def test_a_run_that_fails_tells_as_well() -> None:
    endless = faults.status(500).at("Actions", after=2, times=ALWAYS)
    scopes = SCOPES - {"Retrieve action updates"}
    with impact(faults=[endless], switches=Switches(scopes=scopes, largest_page=15)) as sandbox:
        config = settings(sandbox) | {"log_run_summary": True}
        run = run_inside(config, catalog=catalog("actions", "action_updates", "campaigns"))
    assert run.exit_code == 1
    told = summary(run)
    assert (told["failed"], told["skipped"]) == (["actions"], ["action_updates"])
    assert told["oldest_gap"] == told["streams"]["actions"]["oldest_gap"] == config["start_date"]
    assert told["streams"]["campaigns"]["rows"] > 0


def test_items_that_are_still_to_be_requested_are_a_gap_whichever_way_they_come() -> None:
    of_items = catalog("action_items")
    gaps = []
    with impact(switches=Switches(job_life=("COMPLETED",))) as sandbox:
        config = settings(sandbox) | {"log_run_summary": True}
        run = run_inside(config | {"action_items_per_run": 20}, catalog=of_items)
        gaps.append(summary(run)["oldest_gap"])
        run = run_inside(config, catalog=of_items, state=run.state)
        gaps.append(summary(run)["oldest_gap"])
        config["action_items_source"] = "report"
        failing = faults.status(403).at("ReportExport", times=ALWAYS)
        for each in ([failing], ()):
            sandbox.spoil(each)
            run = run_inside(config, catalog=of_items, state=run.state)
            gaps.append(summary(run)["oldest_gap"])
    # the report is read by months
    assert gaps == [config["start_date"], None, "2026-05-01", None]


def test_periods_of_a_report_that_are_still_to_be_read_are_a_gap() -> None:
    report = {"preset": "daily_performance", "period": "day"}
    told = []
    with impact() as sandbox:
        runs = ReportRuns(sandbox, [report], {"start_date": "2026-06-10", "log_run_summary": True})
        for answered in (0, 3, 99):
            sandbox.spoil([faults.status(500).at("Reports", after=answered, times=ALWAYS)])
            told.append(summary(runs.run())["streams"]["report_daily_performance"])
    assert [each["oldest_gap"] for each in told] == ["2026-06-10", "2026-06-10", None]


def test_what_is_read_as_a_whole_leaves_no_gap() -> None:
    with impact() as sandbox:
        config = settings(sandbox) | {"log_run_summary": True}
        run = run_inside(config, catalog=catalog("actions", replication_method="FULL_TABLE"))
    assert summary(run)["oldest_gap"] is None


def test_streams_that_share_their_requests_are_named_one_by_one() -> None:
    failing = faults.status(403).at("ClickExport", times=ALWAYS)
    broken = faults.status(400).at("Invoices", times=ALWAYS)
    selected = catalog("click_exports", "daily_clicks", "invoices", "invoice_line_items")
    with impact(faults=[failing, broken]) as sandbox:
        run = run_inside(settings(sandbox) | {"log_run_summary": True}, catalog=selected)
    told = summary(run)
    assert told["skipped"] == ["click_exports", "daily_clicks"]
    assert told["failed"] == ["invoices", "invoice_line_items"]


def test_without_being_asked_for_and_without_an_account_nothing_is_told() -> None:
    with impact() as sandbox:
        config = settings(sandbox)
        quiet = run_inside(config, catalog=catalog("campaigns"))
        asked = config | {"log_run_summary": True, "auth_token": "wrong-token"}
        unknown = run_inside(asked, catalog=catalog("campaigns"))
    assert quiet.exit_code == 0
    assert unknown.exit_code == 1
    for run in (quiet, unknown):
        assert not SUMMARY.search(run.stderr)
