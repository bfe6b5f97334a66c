"""Reports as streams: what their tables hold is what the reports say, whatever breaks."""

from __future__ import annotations

import json
import re
import signal
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from impact_sandbox import faults
from impact_sandbox.exchange import Answer
from impact_sandbox.switches import SCOPES
from impact_sandbox.world import World
from singer_sdk.exceptions import ConfigValidationError

from tap_impact.streams.reports import Entry, report_of
from tap_impact.tap import TapImpact
from tests.conftest import ROOT
from tests.inside import run_inside
from tests.pipeline import Wherever
from tests.report_runs import ReportRuns, identity
from tests.signal_at import SignalAt
from tests.tables import Tables, load

if TYPE_CHECKING:
    from pathlib import Path

    from impact_sandbox.faults import Fault
    from impact_sandbox.server import Sandbox

    from tests.conftest import SandboxFactory, Warehouse

AT = datetime(2026, 6, 30, 6, 10, tzinfo=UTC)
OF_CLICKS = {"Export clicks", "Retrieve click"}
DAILY = "report_daily_performance"
SUBIDS = "report_performance_by_subid"
WORLD = World(seed="periods", actions_per_day=3, clicks_per_day=4, opened=date(2026, 3, 1))


@pytest.mark.slow
def test_two_years_of_days_take_few_requests_and_no_scope_of_clicks(
    sandbox: SandboxFactory,
) -> None:
    impact = sandbox(
        at=AT,
        opened=date(2024, 6, 1),
        actions_per_day=4,
        clicks_per_day=8,
        scopes=SCOPES - OF_CLICKS,
    )
    runs = ReportRuns(impact, ["daily_performance"], {"start_date": "2024-07-01T00:00:00-07:00"})
    run = runs.run()
    assert run.exit_code == 0, run.stderr
    assert len(impact.requests) <= 30
    days = {row["day"] for row in runs.table(DAILY)}
    assert min(days) == "2024-07-01"
    assert len(days) >= 728

    # Beside the streams of clicks and actions, for which the token has all scopes again.
    impact.switch(scopes=SCOPES, job_life=["COMPLETED"])
    beside = ReportRuns(
        impact,
        ["daily_performance"],
        {"start_date": "2026-05-01T00:00:00-07:00", "click_start_date": "2026-06-22"},
        others=("actions", "daily_clicks"),
    )
    beside.run()
    clicks: Counter[str] = Counter()
    for row in beside.table("daily_clicks"):
        clicks[row["click_day"]] += row["unique_clicks"]
    actions = Counter(
        row["event_day"] for row in beside.table("actions") if row["state"] != "REVERSED"
    )
    held = {row["day"]: row for row in beside.table(DAILY)}
    assert len(clicks) >= 7
    assert {day: held[day]["clicks"] for day in clicks} == {**clicks}
    assert sum(actions.values()) > 100
    assert {day: row["actions"] for day, row in held.items() if row["actions"]} == {**actions}


@given(
    st.sampled_from(["day", "month"]),
    st.lists(st.tuples(st.integers(0, 20), st.integers(0, 6)), max_size=4),
)
@settings(max_examples=6)
def test_any_partition_into_periods_and_runs_gives_the_same_table(
    period: str, broken_runs: list[tuple[int, int]]
) -> None:
    """Runs that break after some requests, days apart; in the end the table is the report."""
    from impact_sandbox.server import Sandbox  # noqa: PLC0415

    with Sandbox(WORLD, at=AT - timedelta(days=45), hourly_other=10**6) as impact:
        entry = {"preset": "daily_performance", "period": period, "lookback_days": 25}
        runs = ReportRuns(impact, [entry], {"start_date": "2026-05-10T00:00:00-07:00"})
        for later, number in broken_runs:
            impact.advance(timedelta(days=later).total_seconds())
            impact.spoil([faults.status(401).at("Reports", after=number, times=faults.ALWAYS)])
            runs.run()
        impact.spoil(())
        impact.set_time(max(impact.at, AT))
        run = runs.run()
        assert run.exit_code == 0, run.stderr
        first = date(2026, 5, 10) if period == "day" else date(2026, 5, 1)
        last = runs.today
        shown = runs.truth(DAILY, first, last)
        assert sorted(map(identity, runs.current(DAILY))) == sorted(map(identity, shown))


@pytest.mark.slow
@pytest.mark.parametrize("via", ["sync", "export"])
def test_each_period_within_the_lookback_is_the_report_after_each_run(
    sandbox: SandboxFactory, via: str
) -> None:
    impact = sandbox(at=AT - timedelta(days=30), world=WORLD, job_life=["QUEUED", "COMPLETED"])
    entries = [
        {"preset": "daily_performance", "lookback_days": 45, "via": via},
        {"preset": "performance_by_subid", "period": "month", "lookback_days": 45, "via": via},
        {"preset": "sku_actions", "lookback_days": 45, "via": via},
    ]
    runs = ReportRuns(impact, entries, {"start_date": "2026-03-01T00:00:00-08:00"})
    changed = 0
    before: list[str] = []
    for _ in range(30):
        run = runs.run(sleep=impact.advance)
        assert run.exit_code == 0, run.stderr
        today = runs.today
        since = (today - timedelta(days=45)).replace(day=1)
        for stream in (DAILY, SUBIDS, "report_sku_actions"):
            for first in months(since, today):
                last = min(end_of_month(first), today)
                assert not runs.wrong(stream, first, last), (stream, first)
        now = sorted(map(identity, runs.truth(DAILY, since, today - timedelta(days=2))))
        changed += [each for each in now if each not in before] != []
        before = now
        impact.advance(timedelta(days=1).total_seconds())
    assert changed > 20, "a report that never changes shows nothing"
    if via == "export":
        assert {job.asked for job in impact.jobs.all} == {1}
        assert max(job.replays for job in impact.jobs.all) > 20


def months(first: date, last: date) -> list[date]:
    days = (first + timedelta(days=number) for number in range((last - first).days + 1))
    return [day for day in days if day.day == 1]


def end_of_month(day: date) -> date:
    return (day.replace(day=1) + timedelta(days=32)).replace(day=1) - timedelta(days=1)


# -- whatever breaks -------------------------------------------------------------------------------

TWO = [
    {"preset": "daily_performance", "lookback_days": 20},
    {"preset": "performance_by_subid", "lookback_days": 20, "via": "export"},
]


def two_reports_and_clicks(impact: Sandbox) -> ReportRuns:
    return ReportRuns(
        impact,
        TWO,
        {"start_date": "2026-05-01T00:00:00-07:00", "click_start_date": "2026-06-27"},
        others=("click_exports", "daily_clicks"),
    )


def kept(tables: Tables) -> Tables:
    """What tables hold, but for when and by which job it was read."""
    return {
        stream: {
            key: {name: row[name] for name in row if name not in {"read_at", "job_id"}}
            for key, row in rows.items()
        }
        for stream, rows in tables.items()
    }


@pytest.mark.slow
def test_kill_9_at_every_request_loses_nothing_and_asks_for_no_export_twice(
    sandbox: SandboxFactory, tmp_path: Path
) -> None:
    options: dict[str, Any] = {"world": WORLD, "at": AT, "job_life": ["QUEUED", "COMPLETED"]}
    whole = two_reports_and_clicks(sandbox(**options))
    assert whole.run().exit_code == 0
    requests = len(whole.sandbox.requests) + len(whole.sandbox.file_requests)
    exports = len(whole.sandbox.jobs.all)
    assert exports == 2 + 2, "a month each of sub ids, a day each of clicks"
    for number in range(1, requests + 1):
        impact = sandbox(**options)
        runs = two_reports_and_clicks(impact)
        killing = SignalAt(number, signal.SIGKILL)
        impact.spoil(killing)
        killed = killing.run(runs.config, runs.catalog(), tmp_path)
        assert killed.exit_code == -signal.SIGKILL, f"request {number}"
        impact.spoil(())
        runs.state = load(runs.tables, killed, whole=False)
        again = runs.run(sleep=impact.advance)
        assert again.exit_code == 0, again.stderr
        assert kept(runs.tables) == kept(whole.tables), f"killed at request {number}"
        # The request that it died of may have been counted, and it cannot know.
        asked = [job.asked for job in impact.jobs.all]
        assert len(asked) == exports
        assert sum(asked) <= exports + (killing.resource in {"ReportExport", "ClickExport"})


@pytest.mark.slow
def test_sub_ids_by_day_add_up_to_the_days_in_a_database(
    sandbox: SandboxFactory, warehouse: Warehouse
) -> None:
    # Two accounts in one schema, told apart by their labels.
    for label, seed in (("north", 1), ("south", 2)):
        world = World(seed, opened=date(2026, 3, 1), actions_per_day=3, clicks_per_day=6)
        runs = ReportRuns(
            sandbox(world=world, at=AT - timedelta(days=5)),
            ["daily_performance", {"preset": "performance_by_subid", "period": "day"}],
            {"start_date": "2026-06-01T00:00:00-07:00", "label": label},
        )
        for _ in range(2):
            warehouse.load(runs.run().stdout)
            runs.sandbox.advance(timedelta(days=5).total_seconds())
    by_day, of_now = documented_sql()[0], "SELECT * FROM of_now"
    query = f"WITH of_now AS ({by_day}) {of_now}"
    assert warehouse.query(query)
    differing = warehouse.query(
        f"""
        WITH of_now AS ({by_day}), sums AS (
          SELECT connection_label, period_start AS day, sum(clicks) AS clicks,
                 sum(actions) AS actions, sum(sale_amount) AS sale_amount,
                 sum(earnings) AS earnings
          FROM of_now GROUP BY connection_label, period_start
        )
        SELECT days.* FROM report_daily_performance AS days
        LEFT JOIN sums USING (connection_label, day)
        WHERE (days.clicks, days.actions, days.sale_amount, days.total_cost)
          IS DISTINCT FROM (sums.clicks, sums.actions, sums.sale_amount, sums.earnings)
          AND days.clicks + days.actions > 0
        """  # noqa: S608
    )
    assert differing == []
    ((days,),) = warehouse.query("SELECT count(*) FROM report_daily_performance")
    assert days >= 2 * 29


def documented_sql() -> list[str]:
    """The queries of the documentation, without their semicolons."""
    page = (ROOT / "docs/reports.md").read_text()
    return re.findall(r"```sql\n([\s\S]+?);\n```", page)


def test_a_row_that_left_its_period_is_no_longer_of_now(sandbox: SandboxFactory) -> None:
    rows = [{"pubsubid1_": name, "Clicks": "1"} for name in ("stays", "goes")]
    impact = sandbox(at=AT, world=WORLD)
    runs = ReportRuns(impact, ["performance_by_subid"], {"start_date": "2026-06-01T00:00:00-07:00"})

    def answer(*some: dict[str, str]) -> None:
        page = {"Records": [*some], "@total": str(len(some))}
        edited = faults.Fault("edited", edits=lambda body: body | page)
        impact.spoil([edited.at("Reports", times=faults.ALWAYS)])

    def held() -> set[str]:
        return {row["sub_id1"] for row in runs.current(SUBIDS)}

    answer(*rows)
    runs.run()
    assert held() == {"stays", "goes"}
    impact.advance(3600)
    answer(rows[0])
    runs.run()
    assert held() == {"stays"}
    assert len(runs.table(SUBIDS)) == 2
    impact.advance(3600)
    answer()
    runs.run()
    assert held() == set()
    impact.advance(3600)
    answer(*rows)
    runs.run()
    assert held() == {"stays", "goes"}


# -- one trouble stops one thing -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("via", "fault", "says", "exit_code"),
    [
        ("sync", faults.status(403), "is skipped. impact.com answered 403", 0),
        ("sync", faults.status(404), "is skipped. impact.com answered 404", 0),
        ("sync", faults.status(400), "failed. impact.com answered 400", 1),
        ("sync", faults.status(503), "failed. impact.com answered 503", 1),
        ("export", faults.status(404), "is skipped. impact.com answered 404", 0),
        ("export", faults.status(503), "failed.", 1),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_what_one_report_meets_stops_no_other(
    sandbox: SandboxFactory, via: str, fault: Fault, says: str, exit_code: int
) -> None:
    impact = sandbox(at=AT, world=WORLD, job_life=["COMPLETED"])
    path = f"{'Reports' if via == 'sync' else 'ReportExport'}/partner_performance_by_day"
    impact.spoil(Wherever(lambda seen: fault if seen.path.endswith(path) else None))
    runs = ReportRuns(
        impact,
        [
            {"preset": "daily_performance", "via": via},
            {"preset": "performance_by_subid", "via": via},
            {"preset": "sku_actions", "via": via},
        ],
        {"start_date": "2026-05-01T00:00:00-07:00"},
        others=("account",),
    )
    run = runs.run()
    assert run.exit_code == exit_code
    assert f"{DAILY} {says}" in run.stderr
    assert not runs.table(DAILY)
    for stream in (SUBIDS, "report_sku_actions"):
        assert {row["period"] for row in runs.current(stream)} == {"2026-05", "2026-06"}
    assert runs.table("account")
    # What was missing comes as soon as it can be had.
    impact.spoil(())
    impact.advance(7200)
    run = runs.run()
    assert run.exit_code == 0, run.stderr
    assert {row["period"] for row in runs.current(DAILY)} == {"2026-05", "2026-06"}


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (faults.status(400), "impact.com answered 400"),
        (faults.status(500), "impact.com answered 500"),
        (faults.envelope("@total", "99"), "impact.com announced 99 rows"),
    ],
    ids=["400", "500", "fewer rows"],
)
def test_a_period_that_fails_stops_no_other(
    sandbox: SandboxFactory, fault: Fault, says: str
) -> None:
    impact = sandbox(at=AT, world=WORLD)
    broken = {"2026-06-01", "2026-04-01"}
    impact.spoil(Wherever(lambda seen: fault if seen.query.get("START_DATE") in broken else None))
    entry = {"preset": "daily_performance", "lookback_days": 0}
    runs = ReportRuns(impact, [entry], {"start_date": "2026-03-01T00:00:00-08:00"})

    def read() -> set[str]:
        return {row["period"] for row in runs.table("report_periods")}

    run = runs.run()
    assert run.exit_code == 1
    assert says in run.stderr
    assert f"{DAILY}: 2026-04 failed" in run.stderr
    assert read() == {"2026-05", "2026-03"}
    impact.spoil(())
    impact.advance(3600)
    run = runs.run()
    assert run.exit_code == 0, run.stderr
    assert read() == {"2026-06", "2026-05", "2026-04", "2026-03"}
    assert len(runs.asked("Reports")) == 2


@pytest.mark.parametrize(
    ("fault", "exit_code", "says"),
    [
        (faults.status(403), 0, "is skipped. impact.com answered 403"),
        (faults.status(404), 0, "is skipped. impact.com answered 404"),
        (
            faults.Fault("list", edits=lambda metadata: [metadata]),
            1,
            "failed. impact.com answered /Reports/partner_performance_by_subid/MetaData with no",
        ),
    ],
    ids=["403", "404", "a list"],
)
def test_a_report_by_id_whose_metadata_cannot_be_had_is_left_out_alone(
    sandbox: SandboxFactory, fault: Fault, exit_code: int, says: str
) -> None:
    impact = sandbox(at=AT, world=WORLD)
    impact.spoil(Wherever(lambda seen: fault if seen.path.endswith("MetaData") else None))
    runs = ReportRuns(
        impact,
        ["daily_performance", {"id": "partner_performance_by_subid", "name": "mine"}],
        {"start_date": "2026-06-01T00:00:00-07:00"},
    )
    run = runs.run()
    assert run.exit_code == exit_code, run.stderr
    assert f"report_mine {says}" in run.stderr
    assert runs.table(DAILY)
    assert "report_mine" not in runs.tables


def test_a_parameter_that_the_report_does_not_know_ends_before_any_report(
    sandbox: SandboxFactory,
) -> None:
    impact = sandbox(at=AT, world=WORLD)
    entry = {"preset": "daily_performance", "parameters": {"CAMPAIGN_ID": "1000"}}
    runs = ReportRuns(impact, [entry], {}, others=("account", "actions"))
    run = runs.run()
    assert run.exit_code == 1
    assert "report_daily_performance has no parameter 'CAMPAIGN_ID'" in run.stderr
    assert "START_DATE, END_DATE" in run.stderr
    assert "Traceback" not in run.stderr
    assert {seen.path.rpartition("/")[2] for seen in impact.requests} == {"MetaData"}


def test_a_known_parameter_is_sent(sandbox: SandboxFactory) -> None:
    impact = sandbox(at=AT, world=WORLD)
    entry = {"preset": "daily_performance", "parameters": {"SUBAID": ["1000", "1001"]}}
    runs = ReportRuns(impact, [entry], {"start_date": "2026-06-01T00:00:00-07:00"})
    assert runs.run().exit_code == 0
    (seen,) = (seen for seen in runs.asked("Reports") if not seen.path.endswith("MetaData"))
    assert seen.query["SUBAID"] in {"1000", "1001"}


@pytest.mark.parametrize(
    ("reports", "says"),
    [
        (["daily"], "there is no preset 'daily'; there are daily_performance"),
        ([{}], "an entry has either a preset or an id"),
        ([{"preset": "withdrawals", "id": "x"}], "an entry has either a preset or an id"),
        (["withdrawals", "withdrawals"], "report_withdrawals is taken"),
        ([{"id": "x", "name": "periods"}], "report_periods is taken"),
        ([{"id": "x", "name": "Mine!"}], "reports.0.name"),
        ([{"id": "x", "period": "week"}], "reports.0.period: 'week' is not one of"),
        ([{"id": "x", "via": "mail"}], "reports.0.via"),
        ([{"id": "x", "lookback_days": -1}], "reports.0.lookback_days"),
        ([{"id": "x", "start_date": "soon"}], "start_date of report_x is not a date"),
        ([{"id": "x", "columns": ["a"]}], "'columns' was unexpected"),
        ([{"preset": "withdrawals", "keys": ["id"]}], "report_withdrawals has no column 'id'"),
        ([{"id": "x", "parameters": {"END_DATE": "2026-01-01"}}], "END_DATE of report_x is not"),
        ("daily_performance", "reports: 'daily_performance' is not"),
        ([{"preset": ["withdrawals"]}], "reports.0.preset: ['withdrawals'] is not of type"),
        ([{"id": "x", "parameters": 5}], "reports.0.parameters: 5 is not of type 'object'"),
        ([7], "reports.0: 7 is not of type 'string', 'object'"),
    ],
)
def test_wrong_settings_are_named_before_any_request(
    sandbox: SandboxFactory, reports: Any, says: str
) -> None:
    impact = sandbox(at=AT, world=WORLD)
    run = run_inside(impact.settings() | {"reports": reports, "page_size": 1})
    assert run.exit_code == 1
    assert says in run.stderr
    assert "page_size" in run.stderr, "all that is wrong is named together"
    assert not impact.requests


def test_discovery_names_what_is_wrong_with_reports() -> None:
    wrong = {"reports": [{"id": "x", "period": "week"}]}
    with pytest.raises(ConfigValidationError) as raised:
        TapImpact(config=wrong, validate_config=False).discover_streams()
    assert raised.value.errors == [
        "Settings: reports.0.period: 'week' is not one of ['day', 'month', 'all']."
    ]


@pytest.mark.parametrize(
    "other",
    [
        {"preset": "daily_performance", "period": "day"},
        {"preset": "daily_performance", "parameters": {"SUBAID": "1000"}},
        {"preset": "performance_by_program", "name": "daily_performance"},
    ],
    ids=["period", "parameters", "report"],
)
def test_another_report_under_the_same_name_is_refused_alone(
    sandbox: SandboxFactory, other: dict[str, Any]
) -> None:
    impact = sandbox(at=AT, world=WORLD)
    runs = ReportRuns(impact, [*TWO], {"start_date": "2026-06-01T00:00:00-07:00"})
    impact.switch(job_life=["COMPLETED"])
    assert runs.run().exit_code == 0
    before = dict(runs.tables[DAILY])
    runs.reports[0] = other
    impact.advance(3600)
    run = runs.run()
    assert run.exit_code == 1
    assert "the state is of another report, other parameters or another period" in run.stderr
    assert runs.tables[DAILY] == before
    assert {row["read_at"] for row in runs.current(SUBIDS)} == {"2026-06-30T07:10:00Z"}


def test_a_whole_span_is_one_query_and_replaces_itself(sandbox: SandboxFactory) -> None:
    impact = sandbox(at=AT, world=WORLD)
    runs = ReportRuns(impact, [{"preset": "performance_by_subid", "period": "all"}], {})
    runs.run()
    (seen,) = runs.asked("Reports")
    first, last = (date.fromisoformat(seen.query[name]) for name in ("START_DATE", "END_DATE"))
    assert (last - first).days == 364
    rows = len(runs.table(SUBIDS))
    impact.advance(86_400)
    assert runs.run().exit_code == 0
    assert len(runs.table(SUBIDS)) == rows == len(runs.current(SUBIDS))
    assert not runs.wrong(SUBIDS, first + timedelta(days=1), runs.today)
    too_long = [{"preset": "performance_by_subid", "period": "all", "start_date": "2025-01-01"}]
    run = ReportRuns(impact, too_long, {}).run()
    assert run.exit_code == 1
    assert "impact.com answers for 365 days at most" in run.stderr


def test_what_fills_a_page_is_exported_from_then_on(sandbox: SandboxFactory) -> None:
    impact = sandbox(at=AT, world=WORLD, job_life=["COMPLETED"])
    runs = ReportRuns(impact, ["daily_performance"], {"start_date": "2026-04-01T00:00:00-07:00"})
    large = faults.envelope("@numpages", "2")
    impact.spoil([large.at("Reports", times=faults.ALWAYS)])
    run = runs.run()
    assert run.exit_code == 0, run.stderr
    assert "2026-06 fills more than a page, so it is exported from now on" in run.stderr
    assert (len(runs.asked("Reports")), len(runs.asked("ReportExport"))) == (1, 3)
    assert {row["via"] for row in runs.table("report_periods")} == {"export"}
    impact.advance(86_400)
    impact.spoil(())
    runs.run()
    # Old months by a replay of the same jobs, the present one, which has a day more, by a new one.
    assert (len(runs.asked("Reports")), len(runs.asked("ReportExport"))) == (0, 1)
    assert not runs.wrong(DAILY, date(2026, 4, 1), runs.today)


def test_a_month_that_cannot_be_replayed_stays_open_and_stops_no_other(
    sandbox: SandboxFactory,
) -> None:
    impact = sandbox(at=AT, world=WORLD, job_life=["COMPLETED"], replay_life=["COMPLETED"])
    entry = {"preset": "performance_by_subid", "via": "export"}
    runs = ReportRuns(impact, [entry], {"start_date": "2026-05-01T00:00:00-07:00"})
    assert runs.run().exit_code == 0
    impact.switch(scopes=SCOPES - {"Replay job"})
    impact.advance(86_400)
    run = runs.run()
    assert run.exit_code == 1
    assert f"{SUBIDS} of 2026-05: the export was made before all of its data" in run.stderr
    assert "cannot be replayed (the token lacks Jobs Management > Replay job)" in run.stderr
    read = {row["period"]: row["read_at"][:10] for row in runs.table("report_periods")}
    assert read == {"2026-05": "2026-06-30", "2026-06": "2026-07-01"}
    assert runs.state
    assert runs.state["bookmarks"][SUBIDS]["open_periods"] == ["2026-05"]
    impact.switch(scopes=SCOPES)
    assert runs.run().exit_code == 0
    assert not runs.wrong(SUBIDS, date(2026, 5, 1), date(2026, 5, 31))


def test_a_report_of_any_columns_loads_with_types_from_its_metadata(
    sandbox: SandboxFactory,
) -> None:
    impact = sandbox(at=AT, world=WORLD)

    def edit(body: dict[str, Any]) -> dict[str, Any]:
        if "Attributes" in body:
            return body | {
                "Attributes": [
                    {"Name": "Sale_zzzAmount", "DataType": "Decimal", "Description": "Sales."},
                    {"Name": "Campaign Id", "DataType": "Integer"},
                    {"Name": "Clicks", "DataType": "Integer"},
                    {"Name": "When", "DataType": "Date (yyyy-MM-dd'T'HH:mm:ssZZ)"},
                    {"Name": "pubsubid1_", "DataType": "Hologram"},
                    {"Name": "period", "DataType": "String"},
                    {"Name": "Yes?", "DataType": "Boolean"},
                ]
            }
        row = {
            "Sale_zzzAmount": "1,234.500000000000000000",
            "Campaign Id": 1000,
            "Clicks": "1,000",
            "When": "Aug 3, 2026",
            "pubsubid1_": {"a": [1]},
            "period": "Q3",
            "Yes?": "true",
            "Brand new": "x",
        }
        return body | {"Records": [row, row], "@total": "2"}

    impact.spoil([faults.Fault("odd", edits=edit).at("Reports", times=faults.ALWAYS)])
    runs = ReportRuns(impact, [{"id": "partner_performance_by_day", "name": "odd"}], {})
    runs.settings["start_date"] = "2026-06-01T00:00:00-07:00"
    run = runs.run()
    assert run.exit_code == 0, run.stderr
    first, second = runs.current("report_odd")
    ours = {"row_key", "period_end", "read_at", "connection_label", "connection_currency"}
    expected = {
        "sale_amount": Decimal("1234.500000"),
        "campaign_id": "1000",
        "clicks": 1000,
        "when_": "2026-08-03T00:00:00Z",
        "pubsubid1": '{"a":[1]}',
        "period": "2026-06",
        "period_2": "Q3",
        "yes": True,
        "period_start": "2026-06-01",
        "report_id": "partner_performance_by_day",
        "additional_fields": {"Brand new": "x"},
    }
    assert {name: first[name] for name in first if name not in ours} == expected
    assert first["row_key"].rpartition("-")[0] == second["row_key"].rpartition("-")[0]
    assert first["row_key"] != second["row_key"]


@pytest.mark.parametrize("keys", [["period", "row_key"], ["row_key"]], ids=str)
def test_a_report_without_texts_is_keyed_by_the_order_of_its_rows(
    sandbox: SandboxFactory, keys: list[str]
) -> None:
    impact = sandbox(at=AT, world=WORLD)
    page = {
        "Attributes": [{"Name": "Clicks", "DataType": "Integer"}],
        "Records": [{"Clicks": "1"}, {"Clicks": "2"}],
        "@total": "2",
    }
    numbers = faults.Fault("numbers", edits=lambda body: body | page)
    impact.spoil([numbers.at("Reports", times=faults.ALWAYS)])
    entry = {"id": "partner_performance_by_day", "name": "sums", "keys": keys}
    runs = ReportRuns(impact, [entry], {"start_date": "2026-05-01"})
    run = runs.run()
    assert run.exit_code == 0, run.stderr
    held = Counter((row["period"], row["clicks"]) for row in runs.table("report_sums"))
    periods = {row["period"] for row in runs.table("report_periods")}
    assert held == Counter((period, clicks) for period in periods for clicks in (1, 2))


def test_rows_that_nothing_tells_apart_are_refused_and_not_overwritten(
    sandbox: SandboxFactory,
) -> None:
    impact = sandbox(at=AT, world=WORLD)

    def renamed(body: dict[str, Any]) -> dict[str, Any]:
        return body | {"Records": [{"Partner word": "a"}, {"Partner word": "b"}], "@total": "2"}

    impact.spoil([faults.Fault("renamed", edits=renamed).at("Reports", times=faults.ALWAYS)])
    start = {"start_date": "2026-06-01"}
    runs = ReportRuns(impact, ["performance_by_subid"], start)
    run = runs.run()
    assert run.exit_code == 1
    assert "report_performance_by_subid: the report has no column 'sub_id1'" in run.stderr
    assert "it has Partner word. Set `keys`" in run.stderr
    assert not runs.table(SUBIDS)
    keys = ["period", "row_key"]
    runs = ReportRuns(impact, [{"preset": "performance_by_subid", "keys": keys}], start)
    assert runs.run().exit_code == 0
    assert len(runs.table(SUBIDS)) == 2


@pytest.mark.parametrize("edit", [{}, {"Date": "soon"}], ids=["no day", "unreadable"])
@pytest.mark.parametrize("preset", ["other_earnings", "payable_clicks", "sku_actions"])
def test_rows_that_nothing_places_in_time_are_those_of_their_periods(
    sandbox: SandboxFactory, preset: str, edit: dict[str, str]
) -> None:
    rows = [{"SKU": "7", "Earnings": "1"} | edit] * 2
    impact = sandbox(at=AT, world=WORLD)
    same = faults.Fault("same", edits=lambda body: body | {"Records": rows, "@total": "2"})
    impact.spoil([same.at("Reports", times=faults.ALWAYS)])
    entry = {"preset": preset, "via": "sync", "start_date": "2026-05-01"}
    runs = ReportRuns(impact, [entry], {})
    for _ in range(2):
        run = runs.run()
        assert run.exit_code == 0, run.stderr
        periods = Counter(row["period"] for row in runs.table(f"report_{preset}"))
        assert {*periods.values()} == {2}
        assert len(periods) == len(runs.table("report_periods")) >= 2
        impact.advance(3600)


@pytest.mark.parametrize("preset", ["daily_performance", "other_earnings"])
@pytest.mark.parametrize("sent", ["Date", "date_display"])
def test_a_day_is_found_under_each_name_that_reports_give_it(
    sandbox: SandboxFactory, preset: str, sent: str
) -> None:
    impact = sandbox(at=AT, world=WORLD)
    page = {"Records": [{sent: "Jun 3, 2026"}], "@total": "1"}
    renamed = faults.Fault("renamed", edits=lambda body: body | page)
    impact.spoil([renamed.at("Reports", times=faults.ALWAYS)])
    runs = ReportRuns(impact, [preset], {"start_date": "2026-06-01"})
    assert runs.run().exit_code == 0
    assert [row["day"] for row in runs.table(f"report_{preset}")] == ["2026-06-03"]


@pytest.mark.parametrize("name", ["pub_sub_id{}", "pubsubid{}", "pub_subid{}"])
@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_a_sub_id_is_found_under_each_of_its_spellings(name: str, number: int) -> None:
    names = report_of(Entry.of("sku_actions")).names
    assert names.renamed({name.format(number): "mine"}) == {f"sub_id{number}": "mine"}


# -- items from a report ---------------------------------------------------------------------------


@pytest.mark.slow
def test_items_from_a_report_are_those_of_each_action(sandbox: SandboxFactory) -> None:
    world = World(seed="items", actions_per_day=6, opened=date(2026, 3, 1), clicks_per_day=1)
    impact = sandbox(world=world, at=AT, job_life=["COMPLETED"], hourly_detail=10**6)
    start = {"start_date": "2026-05-01T07:00:00Z"}
    one_by_one = ReportRuns(
        impact, [], start | {"action_items_per_run": 10**6}, others=("action_items",)
    )
    assert one_by_one.run().exit_code == 0
    requests = len(impact.requests)
    runs = ReportRuns(
        impact, [], start | {"action_items_source": "report"}, others=("action_items",)
    )
    run = runs.run()
    assert run.exit_code == 0, run.stderr
    assert len(impact.requests) * 20 < requests
    lacking = {
        *("item_name", "sale_amount_currency", "payout_currency", "rebate", "rebate_currency"),
        *("adjustment_date", "adjustment_reason", "uri", "items_read_at"),
    }
    held, expected = (
        sorted(
            json.dumps(
                {name: str(row[name]) for name in row if name not in lacking}, sort_keys=True
            )
            for row in table.table("action_items")
        )
        for table in (runs, one_by_one)
    )
    assert held == expected
    assert len(held) > 500
    assert {row[name] for row in runs.table("action_items") for name in lacking} == {
        None,
        "2026-06-30T06:10:00Z",
    }


@pytest.mark.slow
def test_items_follow_a_modified_action_however_old(sandbox: SandboxFactory) -> None:
    world = World(seed="modified", actions_per_day=6, opened=date(2025, 9, 1), clicks_per_day=1)
    impact = sandbox(world=world, at=AT, job_life=["COMPLETED"])
    runs = ReportRuns(
        impact,
        [],
        {"start_date": "2025-10-01T07:00:00Z", "action_items_source": "report"},
        others=("action_items",),
    )
    assert runs.run().exit_code == 0
    old = max(
        row["event_day"] for row in runs.table("action_items") if row["event_day"] < "2025-12"
    )
    impact.advance(2 * 86_400)

    def modified(page: dict[str, Any]) -> dict[str, Any]:
        rows = [row | {"ActionDate": f"{old}T12:00:00-08:00"} for row in page["ActionUpdates"][:1]]
        return page | {"ActionUpdates": rows, "@total": str(len(rows))}

    impact.spoil([faults.Fault("modified", edits=modified).at("ActionUpdates")])
    assert runs.run().exit_code == 0
    spans = {seen.query["START_DATE"] for seen in runs.asked("ReportExport")}
    read = {row["period"] for row in runs.table("report_periods") if row["read_at"] > "2026-07"}
    assert read == {old[:7], *(f"2026-0{month}" for month in (3, 4, 5, 6, 7))}
    assert spans == {"2026-06-01", "2026-07-01"}, "those with new days; others are replayed"


def test_updates_are_asked_for_since_the_run_before_wherever_the_account_is(
    sandbox: SandboxFactory,
) -> None:
    impact = sandbox(at=AT.replace(hour=11), job_life=["COMPLETED"])
    items = {"action_items_source": "report", "timezone": "Pacific/Kiritimati"}  # UTC+14
    start = {"start_date": "2026-06-20T07:00:00Z"}
    runs = ReportRuns(impact, [], start | items, others=("action_items",))
    assert runs.run().exit_code == 0
    before = impact.at
    impact.advance(86_400)
    assert runs.run().exit_code == 0
    asked = [
        datetime.fromisoformat(seen.query["StartDate"]) for seen in runs.asked("ActionUpdates")
    ]
    assert min(asked) <= before - timedelta(hours=2)


@pytest.mark.parametrize("sent", ["", "soon", {"day": "2026-06-21"}], ids=str)
def test_an_item_whose_date_cannot_be_read_has_no_day_and_stops_nothing(
    sandbox: SandboxFactory, sent: Any
) -> None:
    item = {"Action_Id": "2001.1.1", "Action_Date": sent, "SKU": "7", "Sale_Amount": "1"}
    rows = Answer(200, {"Records": [item]})
    impact = sandbox(at=AT, faults=[faults.Fault("odd", rows).at("ReportExport", times=9)])
    settings = {"start_date": "2026-06-20T07:00:00Z", "action_items_source": "report"}
    runs = ReportRuns(impact, ["daily_performance"], settings, others=("action_items",))
    run = runs.run()
    assert run.exit_code == 0, run.stderr
    (row,) = runs.table("action_items")
    assert (row["sku"], row["event_date"], row["event_day"]) == ("7", None, None)
    assert row["additional_fields"] == ({"EventDate": sent} if sent else None)


def test_items_from_a_report_and_from_the_list_keep_their_own_state(
    sandbox: SandboxFactory,
) -> None:
    impact = sandbox(at=AT, world=WORLD, job_life=["COMPLETED"])
    runs = ReportRuns(impact, [], {"start_date": "2026-06-20T07:00:00Z"}, others=("action_items",))
    runs.settings["action_items_per_run"] = 10**6
    assert runs.run().exit_code == 0
    impact.advance(3600)
    runs.settings["action_items_source"] = "report"
    assert runs.run().exit_code == 0
    impact.advance(3600)
    runs.settings["action_items_source"] = "items"
    run = runs.run()
    assert run.exit_code == 0, run.stderr
    assert len(runs.asked("Actions")) < 30, "it goes on, and does not begin anew"


def test_reports_keep_to_the_limits_of_their_kinds(sandbox: SandboxFactory) -> None:
    impact = sandbox(at=AT, world=WORLD, hourly_aggregate=25, hourly_detail=100)
    pauses: list[float] = []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        impact.advance(seconds)

    sums = {"preset": "daily_performance", "period": "day", "start_date": "2026-06-05"}
    listing = {"id": "mp_action_listing_fast", "period": "day", "start_date": "2026-06-05"}
    runs = ReportRuns(impact, [sums, listing], {})
    run = runs.run(sleep=sleep)
    assert run.exit_code == 0, run.stderr
    assert len(runs.asked("Reports")) >= 50
    # The 25 sums use up their hour; that of single actions is another.
    assert sum(pauses) < 120
    assert 429 not in {seen.status for seen in impact.requests}


# -- money -----------------------------------------------------------------------------------------


def test_each_withdrawal_is_asked_for_its_actions_and_they_add_up(sandbox: SandboxFactory) -> None:
    world = World(seed="money", opened=date(2025, 10, 1), actions_per_day=8, clicks_per_day=1)
    impact = sandbox(world=world, at=AT)

    def without_paystub(body: dict[str, Any]) -> dict[str, Any]:
        rows = [
            {name: row[name] for name in row if name != "Paystub_Id"} for row in body["Records"]
        ]
        return body | {"Records": rows}

    def twice(body: dict[str, Any]) -> dict[str, Any]:
        return body | {"Records": body["Records"] * 2}

    # Nobody has seen the report name the withdrawal in its rows.
    odd = {
        "action_listing_withdrawal": faults.Fault("plain", edits=without_paystub),
        "mp_paystub_history": faults.Fault("twice", edits=twice),
    }
    impact.spoil(Wherever(lambda seen: odd.get(seen.path.rpartition("/")[2])))
    runs = ReportRuns(
        impact, ["withdrawals", "withdrawal_actions"], {"start_date": "2025-10-01T07:00:00Z"}
    )
    run = runs.run()
    assert run.exit_code == 0, run.stderr
    amounts = {row["paystub_id"]: row["amount"] for row in runs.current("report_withdrawals")}
    assert len(amounts) >= 2
    actions: dict[str, set[str]] = {}
    for row in runs.current("report_withdrawal_actions"):
        actions.setdefault(row["paystub_id"], set()).add(row["action_id"])
    assert actions == {
        each.id: {action.life.id for action in each.actions()}
        for each in world.withdrawals(impact.at)
    }
    assert actions.keys() == amounts.keys()
    asked = [seen.query.get("Paystub_Id") for seen in runs.asked("Reports")]
    assert Counter(filter(None, asked)) == Counter(amounts.keys())


def test_withdrawals_that_nothing_names_are_no_empty_report(sandbox: SandboxFactory) -> None:
    impact = sandbox(at=AT, world=WORLD)
    page = {"Records": [{"Withdrawn": "7"}], "@total": "1"}
    renamed = faults.Fault("renamed", edits=lambda body: body | page)
    impact.spoil([renamed.at("Reports", times=faults.ALWAYS)])
    runs = ReportRuns(impact, ["withdrawal_actions"], {"start_date": "2026-06-01"})
    run = runs.run()
    assert run.exit_code == 1
    assert "mp_paystub_history: no row has a column 'paystub_id', by which action_" in run.stderr
    assert "they have Withdrawn. Request one alone by Paystub_Id in `parameters`" in run.stderr
    assert not runs.table("report_periods")


def test_a_token_without_a_scope_is_told_which(sandbox: SandboxFactory) -> None:
    impact = sandbox(at=AT, job_life=["COMPLETED"], clicks_per_day=0)
    entries = [{"preset": "daily_performance", "via": "sync"}]
    entries.append({"preset": "performance_by_subid", "via": "export"})
    for scope, stream in (
        ("Run report", DAILY),
        ("Export report", SUBIDS),
        ("Download export jobs", SUBIDS),
    ):
        impact.switch(scopes=SCOPES - {scope})
        runs = ReportRuns(impact, entries, {"start_date": "2026-06-01"})
        run = runs.run()
        assert run.exit_code == 0, run.stderr
        category = "Jobs Management" if "jobs" in scope else "Reports"
        told = [line for line in run.stderr.splitlines() if f"{category} > {scope}" in line]
        assert len(told) == 1
        assert f"{stream} is skipped" in told[0]
        impact.advance(3600)
    impact.switch(scopes=SCOPES - {"Retrieve reports", "Retrieve report metadata", "Retrieve job"})
    run = runs.run()
    assert run.exit_code == 0, run.stderr
    assert {row["clicks"] for row in runs.table(DAILY)} == {0}, "an account without clicks"
    assert runs.current(SUBIDS)


@pytest.mark.parametrize(
    ("rows", "indistinct"),
    [
        ([{"Paystub_Id": "7", "Amount": "1"}, {"Paystub_Id": "7", "Amount": "2"}], 1),
        ([{"Paystub_Id": "", "Amount": "1"}], 1),
        ([{"Paystub_Id": "7", "Amount": "1"}, {"Paystub_Id": "7", "Amount": "1"}], 0),
    ],
)
def test_rows_of_one_key_fail_the_report_unless_they_are_the_same(
    sandbox: SandboxFactory, rows: list[dict[str, str]], indistinct: int
) -> None:
    impact = sandbox(at=AT, world=WORLD)
    of_report = faults.Fault("rows", edits=lambda body: body | {"Records": rows, "@total": "0"})
    impact.spoil([of_report.at("Reports", times=faults.ALWAYS)])
    runs = ReportRuns(impact, ["withdrawals"], {"start_date": "2026-06-02"})
    run = runs.run()
    said = f"in 2026-06, {indistinct} of {len(rows)} rows have no paystub_id of their own"
    assert (said in run.stderr) == bool(run.exit_code) == bool(indistinct)
    assert bool(runs.table("report_periods")) == (not indistinct)
    keys = ["period", "row_key"]
    runs = ReportRuns(impact, [{"preset": "withdrawals", "keys": keys}], runs.settings)
    assert runs.run().exit_code == 0
    assert len(runs.table("report_withdrawals")) == len(rows)


def test_a_report_whose_metadata_names_no_columns_is_kept_as_sent(sandbox: SandboxFactory) -> None:
    impact = sandbox(at=AT, world=WORLD)
    page = {"Attributes": None, "Records": [{"Amount": "7.50"}], "@total": "1"}
    nameless = faults.Fault("nameless", edits=lambda body: body | page)
    impact.spoil([nameless.at("Reports", times=faults.ALWAYS)])
    runs = ReportRuns(impact, [{"id": "other_earnings"}], {"start_date": "2026-06-02"})
    run = runs.run()
    assert run.exit_code == 0, run.stderr
    (row,) = runs.table("report_other_earnings")
    assert row["additional_fields"] == {"Amount": "7.50"}
