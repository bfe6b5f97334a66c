"""docs/reports.md: what it says is so, and its examples run as they stand."""

from __future__ import annotations

import json
import re
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from impact_sandbox.world import World

from tap_impact.inspect.cli import cli
from tap_impact.streams.action_items import ACTION_ITEMS
from tap_impact.streams.reports import PRESETS
from tests.conftest import ROOT
from tests.projects import Project
from tests.report_runs import ReportRuns

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result
    from impact_sandbox.server import Sandbox

    from tests.conftest import SandboxFactory, Warehouse

AT = datetime(2026, 6, 30, 20, 10, tzinfo=UTC)
PAGE = (ROOT / "docs/reports.md").read_text()
(EXAMPLE,) = re.findall(r"```json\n([\s\S]+?)```", PAGE)
REPORTS: list[Any] = json.loads(EXAMPLE)["reports"]
STREAMS = re.findall(r"`(report_\w+)`", PAGE.partition("makes ")[2].partition(".")[0])


@pytest.fixture
def impact(sandbox: SandboxFactory) -> Sandbox:
    world = World(seed="page", opened=date(2026, 4, 1), actions_per_day=3, clicks_per_day=5)
    return sandbox(world=world, at=AT, job_life=["COMPLETED"])


def test_the_example_loads_the_streams_that_it_names(impact: Sandbox) -> None:
    runs = ReportRuns(impact, REPORTS, {"start_date": "2026-05-01"})
    run = runs.run()
    assert run.exit_code == 0, run.stderr
    assert {*runs.tables} == {*STREAMS}
    assert len(STREAMS) == 4
    assert all(runs.tables.values())
    margins = {row["margin"] for row in runs.table("report_advanced_actions")}
    assert len(margins) > 5, "percentages are numbers"
    vias = {row["report"]: row["via"] for row in runs.table("report_periods")}
    assert vias["report_advanced_actions"] == "export"


@pytest.mark.slow
def test_meltano_takes_the_example_from_the_environment(
    impact: Sandbox, database_port: int, tmp_path: Path, warehouse: Warehouse
) -> None:
    (tmp_path / "project").mkdir()
    settings = impact.settings() | {
        "start_date": "2026-06-01",
        "end_date": AT.isoformat(),
        "reports": json.dumps(REPORTS),
    }
    environment = {f"TAP_IMPACT_{name.upper()}": value for name, value in settings.items()}
    project = Project(
        tmp_path / "project",
        TARGET_POSTGRES_PORT=str(database_port),
        TARGET_POSTGRES_DEFAULT_TARGET_SCHEMA=warehouse.schema,
        **environment,
    )
    done = project.attempt("meltano run tap-impact target-postgres")
    assert done.returncode == 0, done.stdout
    for stream in STREAMS:
        ((count,),) = warehouse.query(f"SELECT count(*) FROM {stream}")  # noqa: S608
        assert count > 0


def test_the_table_of_presets_is_that_of_the_code() -> None:
    rows = re.findall(r"^\| `(\w+)` \| `(\w+)` \| (\w+) \| `([\w, ]+)` \|", PAGE, re.MULTILINE)
    assert {name: tuple(others) for name, *others in rows} == {
        name: (preset.id, preset.every.value, ", ".join(preset.keys))
        for name, preset in PRESETS.items()
    }


@pytest.mark.slow
def test_every_preset_loads_from_the_sandbox(sandbox: SandboxFactory) -> None:
    world = World(seed="money", opened=date(2025, 10, 1), actions_per_day=8, clicks_per_day=2)
    impact = sandbox(world=world, at=AT, job_life=["COMPLETED"])
    days = {"preset": "payable_clicks", "start_date": "2026-06-20"}
    others = [name for name in PRESETS if name != "payable_clicks"]
    runs = ReportRuns(impact, [*others, days], {"start_date": "2026-01-01"})
    run = runs.run()
    assert run.exit_code == 0, run.stderr
    assert "fields that this version does not know" not in run.stderr
    for name, preset in PRESETS.items():
        rows = runs.table(f"report_{name}")
        assert rows, name
        for row in rows:
            assert row["additional_fields"] is None
            assert None not in {row[key] for key in preset.keys}


def test_the_columns_that_a_report_lacks_of_an_item_are_named(impact: Sandbox) -> None:
    runs = ReportRuns(
        impact,
        [],
        {"start_date": "2026-06-01", "action_items_source": "report"},
        others=("action_items",),
    )
    runs.run()
    rows = runs.table("action_items")
    lacking = {
        field.name
        for field in ACTION_ITEMS.record_map.fields
        if all(row[field.name] is None for row in rows)
    }
    listed = PAGE.partition("so these are null: ")[2].partition(".")[0]
    named = {*re.findall(r"`(\w+)`", listed), "sale_amount_currency", "payout_currency"}
    assert named == lacking


# -- tap-impact-inspect ----------------------------------------------------------------------------


def inspect(impact: Sandbox, folder: Path, *args: str) -> Result:
    config = folder / "config.json"
    config.write_text(json.dumps(impact.settings()))
    return CliRunner().invoke(cli, ["--config", str(config), *args])


def test_the_list_of_reports_says_which_can_be_loaded(impact: Sandbox, tmp_path: Path) -> None:
    said = inspect(impact, tmp_path, "reports")
    assert said.exit_code == 0, said.output
    lines = {line.split()[0]: line.split() for line in said.output.splitlines()}
    assert lines["partner_performance_by_day"][1:3] == ["yes", "daily_performance"]
    assert lines["mp_earnings_by_campaign"][1] == "no"
    assert "adv_action_listing_2001" in lines


@pytest.mark.parametrize("report_id", ["adv_action_listing_2001", "partner_performance_by_day"])
def test_the_setting_to_paste_loads_the_columns_that_it_shows(
    impact: Sandbox, tmp_path: Path, report_id: str
) -> None:
    said = inspect(impact, tmp_path, "report", report_id)
    assert said.exit_code == 0, said.output
    assert "  START_DATE" in said.output
    reports = json.loads(said.output.partition("Setting: reports: ")[2])
    shown = re.findall(r"^(\w+)  +\S+  +\S.*  +\S", said.output, re.MULTILINE)[1:]
    runs = ReportRuns(impact, reports, {"start_date": "2026-06-01"})
    runs.run()
    (stream,) = {*runs.tables} - {"report_periods"}
    assert {*shown} <= {*runs.table(stream)[0]}
    assert len(shown) >= 7


def test_a_report_that_there_is_not_is_said(impact: Sandbox, tmp_path: Path) -> None:
    said = inspect(impact, tmp_path, "report", "no_such_report")
    assert said.exit_code == 1
    assert "404" in said.output
    assert "Traceback" not in said.output


def test_the_estimate_counts_the_periods(impact: Sandbox, tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    settings = impact.settings() | {"start_date": "2026-01-01", "reports": ["daily_performance"]}
    config.write_text(json.dumps(settings))
    said = CliRunner().invoke(cli, ["--config", str(config), "estimate"])
    assert said.exit_code == 0, said.output
    assert "report_periods, report_daily_performance: the next run 6 requests" in said.output
