"""The dbt package on PostgreSQL and on DuckDB: the same rows, and what they have to add up to."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from impact_sandbox.server import Sandbox
from impact_sandbox.switches import Switches
from impact_sandbox.world import World

from tests import duck
from tests.dbt import on_duckdb, on_postgres
from tests.duck import SCHEMA, change, rows
from tests.inside import run_inside
from tests.model_tables import contracts
from tests.runs import catalog

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Warehouse

pytestmark = pytest.mark.slow

AT = datetime(2026, 6, 30, 6, 10, tzinfo=UTC)
STREAMS = ("actions", "action_updates", "campaigns", "clicks", "daily_clicks", "click_exports")


def messages(world: World, clicks_since: date, *streams: str, **settings: Any) -> str:
    """What the tap prints of an account that exports as many days as one likes."""
    switches = Switches(daily_click_exports=1000, hourly_other=10_000, click_export="sync")
    with Sandbox(world, at=AT, switches=switches) as impact:
        config = impact.settings() | {
            "start_date": world.opened.isoformat(),
            "end_date": AT.isoformat(),
            "click_start_date": clicks_since.isoformat(),
            "click_exports_per_day": 1000,
            "timezone": world.zone.key,
        }
        run = run_inside(config | settings, catalog=catalog(*(streams or STREAMS)))
    assert run.exit_code == 0, run.stderr
    return run.stdout


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "impact.duckdb"


def named(sub_id: str) -> str:
    """A SubId as the model has it."""
    return sub_id if sub_id.strip() else "(unset)"


# DuckDB divides in floating point, so that a last digit may differ.
RATIOS = {"epc", "conversion_rate", "reversal_rate", "days_to_locking", "forecast"}
RATIOS |= {"past_error", "past_naive_error", "past_off_by", "observed", "usual"}


def comparable(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """A row without the ways in which drivers differ."""
    return tuple(
        value.astimezone(UTC).isoformat() if isinstance(value, datetime) else value for value in row
    )


def test_postgresql_and_duckdb_hold_the_same_rows(
    warehouse: Warehouse, tmp_path: Path, file: Path
) -> None:
    shop = World(seed=1, opened=date(2026, 2, 1), actions_per_day=10, clicks_per_day=20)
    blog = World(
        seed=2,
        opened=date(2026, 3, 1),
        actions_per_day=4,
        clicks_per_day=0.7,
        timezone="Europe/Berlin",
        currency="EUR",
    )
    for label, world, since in (("shop", shop, (6, 10)), ("blog", blog, (6, 20))):
        printed = messages(world, date(2026, *since), label=label)
        warehouse.load(printed)
        duck.load(printed, file)
    # May came to be empty after its rows were read
    report = """
        CREATE TABLE {0}.report_daily_performance AS
        SELECT day, CASE WHEN day < '2026-06-01' THEN '2026-05' ELSE '2026-06' END AS period,
            timestamp '2026-06-28 06:10:00' AS read_at,
            'shop' AS connection_label, 'USD' AS connection_currency, 30 AS clicks, 40 AS raw_clicks
        FROM (SELECT DISTINCT event_day AS day FROM {0}.actions WHERE event_day >= '2026-05-01') d;
        CREATE TABLE {0}.report_periods AS
        SELECT 'report_daily_performance' AS report, '2026-05' AS period,
            timestamp '2026-06-29 06:10:00' AS read_at, 'shop' AS connection_label
    """
    change(file, report.format(SCHEMA))
    warehouse.connection.execute(report.format(warehouse.schema))
    warehouse.connection.commit()
    for name in ("on_postgres", "on_duckdb"):
        (tmp_path / name).mkdir()
    variables = {"impact_as_of": f"{AT:%Y-%m-%d %H:%M:%S}", "impact_watch_days": 60}
    dbt = on_postgres(tmp_path / "on_postgres", warehouse.port, warehouse.schema)
    dbt.build(**variables)
    assert " PASS freshness of impact.actions " in dbt.run("source", "freshness").stdout
    assert dbt.run("docs", "generate", **variables).returncode == 0
    on_duckdb(tmp_path / "on_duckdb", file, SCHEMA).build(**variables)

    for model, columns in contracts().items():
        exact = ", ".join(columns.keys() - RATIOS)
        everything = f"SELECT {exact} FROM {model}"  # noqa: S608
        of_postgres = Counter(map(comparable, warehouse.query(everything)))
        of_duckdb = Counter(map(comparable, rows(file, everything)))
        assert [*(of_postgres - of_duckdb)] == [*(of_duckdb - of_postgres)], model
        assert of_postgres or model == "impact_alerts"
        for ratio in columns.keys() & RATIOS:
            total = f"SELECT count({ratio}), coalesce(sum({ratio}), 0) FROM {model}"  # noqa: S608
            (of_postgres_all,), (of_duckdb_all,) = warehouse.query(total), rows(file, total)
            assert of_postgres_all[0] == of_duckdb_all[0]
            assert abs(of_postgres_all[1] - of_duckdb_all[1]) <= of_duckdb_all[0] / 10**5, ratio

    # each way to know a day's clicks is there, and each way not to know those of a SubId
    sources = rows(file, "SELECT DISTINCT clicks_source FROM impact_daily_performance ORDER BY 1")
    assert sources == [("daily_clicks",), ("report_daily_performance",), (None,)]
    reported = "SELECT min(day) FROM impact_click_days WHERE clicks_source <> 'daily_clicks'"
    assert rows(file, reported) == [(date(2026, 6, 1),)]
    words = rows(
        file,
        "SELECT count(*) FILTER (WHERE sub_id1 = '(unset)') > 0, "
        "count(*) FILTER (WHERE sub_id1 = '(unknown)' AND clicks > 0) > 0, "
        "count(DISTINCT page) > 1 FROM impact_performance_by_subid",
    )
    assert words == [(True, True, True)]


def test_subids_clicks_and_conversions_are_those_of_the_account(tmp_path: Path, file: Path) -> None:
    world = World(opened=date(2026, 5, 1), actions_per_day=10, clicks_per_day=30)
    duck.load(messages(world, world.opened), file)
    dbt = on_duckdb(tmp_path, file, SCHEMA)
    dbt.build(impact_as_of=AT.isoformat())

    truth: Counter[tuple[str, str]] = Counter()
    day = world.opened
    while day.toordinal() < world.day_of(int(AT.timestamp())):
        for row in world.clicks(day, AT):
            truth["clicks", named(row["PartnerRelated"][0]["SubId1"])] += 1
        day += timedelta(days=1)
    for row in world.actions(AT):
        kind = "reversed" if row["State"] == "REVERSED" else "conversions"
        truth[kind, named(row["SubId1"])] += 1
    found = rows(
        file,
        "SELECT sub_id1, sum(clicks), sum(conversions), sum(conversions_reversed) "
        "FROM impact_performance_by_subid GROUP BY 1",
    )
    kinds = ("clicks", "conversions", "reversed")
    modelled = {
        (kind, sub_id): number
        for sub_id, *numbers in found
        for kind, number in zip(kinds, numbers, strict=True)
        if number
    }
    assert modelled == truth


def test_a_forecast_is_nearer_to_what_comes_than_what_is_pending(
    tmp_path: Path, file: Path
) -> None:
    world = World(opened=date(2025, 1, 1), actions_per_day=20, clicks_per_day=0)
    duck.load(messages(world, date(2026, 6, 29), "actions", "action_updates"), file, SCHEMA)
    on_duckdb(tmp_path, file, SCHEMA).build(impact_as_of=f"{AT:%Y-%m-%d %H:%M:%S}")

    ((months, came_to, off, naive_off),) = rows(
        file,
        "SELECT count(*), sum(came_to), sum(abs(forecast - came_to)), sum(abs(pending - came_to)) "
        "FROM (SELECT forecast_at, sum(forecast) AS forecast, sum(pending) AS pending, "
        "sum(came_to) AS came_to FROM impact_forecasts GROUP BY 1 HAVING count(*) = count(came_to)"
        ")",
    )
    assert months >= 10
    assert off / came_to < Decimal("0.03")
    assert off < naive_off / 2

    # what is told now, against what the account will have come to
    later = {row["Id"]: row for row in world.actions(AT + timedelta(days=200))}
    pending = rows(file, "SELECT action_id, payout FROM impact_payouts WHERE state = 'PENDING'")
    comes_to = sum(
        Decimal(later[action]["Payout"])
        for action, _ in pending
        if later[action]["State"] != "REVERSED"
    )
    naive = sum(payout for _, payout in pending)
    ((forecast, told_pending),) = rows(
        file, "SELECT sum(forecast), sum(pending) FROM impact_payout_forecast"
    )
    assert told_pending == naive
    assert abs(forecast - comes_to) < abs(naive - comes_to)


# Of each kind, what is changed in the loaded tables, and since when it can be seen.
TROUBLES = {
    "epc_falls": (
        """
        UPDATE actions SET payout = payout / 5, intended_payout = intended_payout / 5
        WHERE event_day >= '2026-01-10' AND event_day < '2026-01-20'
        """,
        date(2026, 1, 10),
    ),
    "clicks_without_conversions": (
        """
        DELETE FROM actions WHERE campaign_id = '2001'
        AND event_day >= '2026-02-20' AND event_day < '2026-02-27'
        """,
        date(2026, 2, 20),
    ),
    "reversals_rise": (
        """
        INSERT INTO action_updates BY NAME
        SELECT id || '-x' AS id, id AS action_id, 'REVERSED' AS state,
            timestamp '2026-03-30 12:00:00' + to_hours(CAST(row_number() OVER () AS INT))
            AS update_date
        FROM actions WHERE event_day BETWEEN '2026-03-01' AND '2026-03-25' LIMIT 80
        """,
        date(2026, 3, 30),
    ),
    "campaign_is_silent": (
        """
        DELETE FROM actions WHERE campaign_id = '2044'
        AND event_day >= '2026-05-01' AND event_day < '2026-05-08';
        DELETE FROM daily_clicks WHERE campaign_id = '2044'
        AND click_day >= '2026-05-01' AND click_day < '2026-05-08'
        """,
        date(2026, 5, 1),
    ),
    "data_is_late": (
        "DELETE FROM actions WHERE creation_date >= '2026-06-10' AND creation_date < '2026-06-14'",
        date(2026, 6, 10),
    ),
}
WEEKS = 60


def test_alerts_are_few_without_trouble_and_soon_with_it(tmp_path: Path, file: Path) -> None:
    world = World(opened=date(2025, 3, 1), actions_per_day=30, clicks_per_day=150)
    streams = ("actions", "action_updates", "daily_clicks", "click_exports")
    duck.load(messages(world, world.opened, *streams), file)
    dbt = on_duckdb(tmp_path, file, SCHEMA)
    variables = {"impact_as_of": f"{AT:%Y-%m-%d %H:%M:%S}", "impact_watch_days": 7 * WEEKS}
    assert dbt.run("run", "--select", "+impact_alerts", **variables).returncode == 0
    told = rows(file, "SELECT alert, told_at FROM impact_alerts")
    mornings = {AT - timedelta(days=back) for back in range(7 * WEEKS)}
    assert {moment.astimezone(UTC) for _, moment in told} <= mornings
    assert len(told) <= 2, told

    change(file, *(statement for statement, _ in TROUBLES.values()))
    assert dbt.run("run", "--select", "+impact_alerts", **variables).returncode == 0
    for alert, (_, begins) in TROUBLES.items():
        found = rows(
            file,
            f"SELECT min(told_at) FROM impact_alerts WHERE alert = '{alert}' "  # noqa: S608
            f"AND told_at >= '{begins}'",
        )
        assert found[0][0] is not None, alert
        assert found[0][0].date() - begins <= timedelta(days=3), (alert, found)


def test_data_that_stopped_is_late_until_it_comes_again(
    warehouse: Warehouse, tmp_path: Path, file: Path
) -> None:
    opened = date(2026, 2, 1)
    stopped = datetime(2026, 4, 20, tzinfo=UTC)
    accounts = {
        "goes on": World(seed=1, opened=opened, actions_per_day=10, clicks_per_day=0),
        "stopped": World(seed=2, opened=opened, actions_per_day=30, clicks_per_day=0),
        "has clicks alone": World(seed=3, opened=opened, actions_per_day=0, clicks_per_day=5),
    }
    for label, world in accounts.items():
        printed = messages(world, date(2026, 6, 20), label=label)
        warehouse.load(printed)
        duck.load(printed, file)
    stops = f"""
        DELETE FROM {{}}.actions
        WHERE connection_label = 'stopped' AND creation_date >= '{stopped:%Y-%m-%d}'
    """  # noqa: S608
    change(file, stops.format(SCHEMA))
    warehouse.connection.execute(stops.format(warehouse.schema))
    warehouse.connection.commit()
    for name in ("on_postgres", "on_duckdb"):
        (tmp_path / name).mkdir()
    everywhere = (
        on_postgres(tmp_path / "on_postgres", warehouse.port, warehouse.schema),
        on_duckdb(tmp_path / "on_duckdb", file, SCHEMA),
    )
    mornings = 90
    variables = {"impact_as_of": f"{AT:%Y-%m-%d %H:%M:%S}", "impact_watch_days": mornings}
    for dbt in everywhere:
        assert dbt.run("run", "--select", "+impact_alerts", **variables).returncode == 0

    arrived = [
        datetime.fromisoformat(row["CreationDate"]).astimezone(UTC)
        for row in accounts["stopped"].actions(AT)
    ]
    newest = max(each for each in arrived if each < stopped)
    usual = sum(newest - timedelta(days=28) < each <= newest for each in arrived)
    late = "SELECT told_at, connection_label, observed, usual FROM impact_alerts WHERE alert = {}"
    query = late.format("'data_is_late' ORDER BY told_at")
    for found in (warehouse.query(query), rows(file, query)):
        assert {label for _, label, *_ in found} == {"stopped"}
        told = [moment.astimezone(UTC) for moment, *_ in found]
        # from the second morning on, to the newest, without a gap
        assert told == [AT - timedelta(days=back) for back in reversed(range(len(told)))]
        assert told[0] - newest <= timedelta(hours=36 + 24)
        for moment, (*_, hours, usual_hours) in zip(told, found, strict=True):
            assert abs(float(hours) - (moment - newest).total_seconds() / 3600) < 1
            assert abs(float(usual_hours) - 24 * 28 / usual) < 0.1

    # a campaign without actions is told of until that is what is usual
    query = late.format("'campaign_is_silent'")
    for found in (warehouse.query(query), rows(file, query)):
        ends = max(moment.astimezone(UTC) for moment, *_ in found)
        assert timedelta(days=14) < ends - newest < timedelta(days=3 + 28 + 1)

    empty = "DELETE FROM {}.actions"
    change(file, empty.format(SCHEMA))
    warehouse.connection.execute(empty.format(warehouse.schema))
    warehouse.connection.commit()
    for dbt in everywhere:
        assert "Warning in test" not in dbt.build(**variables)


def test_a_morning_with_an_alert_fails_if_asked_to(tmp_path: Path, file: Path) -> None:
    world = World(opened=date(2026, 4, 1), actions_per_day=10, clicks_per_day=0)
    streams = ("actions", "action_updates")
    duck.load(messages(world, date(2026, 6, 29), *streams), file)
    dbt = on_duckdb(tmp_path, file, SCHEMA)
    three_days_on = f"{AT + timedelta(days=3):%Y-%m-%d %H:%M:%S}"
    warned = dbt.build(impact_as_of=three_days_on)
    assert "Warning in test data_is_late" in warned
    failed = dbt.run("build", impact_as_of=three_days_on, impact_watch_severity="error")
    assert failed.returncode == 1
    assert "Failure in test data_is_late" in failed.stdout
