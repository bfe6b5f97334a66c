"""The dbt project, run by Meltano with real dbt on a real PostgreSQL."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from impact_sandbox.switches import Switches
from impact_sandbox.world import World

from tests.inside import run_inside
from tests.projects import Project
from tests.runs import catalog

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import SandboxFactory, Warehouse

AT = datetime(2026, 6, 30, 6, 10, tzinfo=UTC)
LATER = AT + timedelta(days=200)
OPENED = date(2026, 3, 1)
STREAMS = ("actions", "action_updates", "campaigns", "daily_clicks")
STATES = ("PENDING", "APPROVED", "REVERSED")


@pytest.fixture
def world() -> World:
    return World(opened=OPENED, actions_per_day=20, clicks_per_day=60)


@pytest.fixture
def project(warehouse: Warehouse, tmp_path: Path) -> Project:
    (tmp_path / "project").mkdir()
    return Project(
        tmp_path / "project",
        TARGET_POSTGRES_PORT=str(warehouse.port),
        TARGET_POSTGRES_DEFAULT_TARGET_SCHEMA=warehouse.schema,
        IMPACT_AS_OF=AT.isoformat(),
    )


def days(world: World) -> Iterator[date]:
    """Each day that is over."""
    day = OPENED
    while day.toordinal() < world.day_of(int(AT.timestamp())):
        yield day
        day += timedelta(days=1)


def load(sandbox: SandboxFactory, warehouse: Warehouse, world: World, *streams: str) -> None:
    """Load streams with the tap, from an account that exports as many days as one likes."""
    switches = Switches(daily_click_exports=1000, hourly_other=10_000, click_export="sync")
    config = sandbox(world=world, at=AT, switches=switches).settings() | {
        "start_date": OPENED.isoformat(),
        "end_date": AT.isoformat(),
        "click_start_date": OPENED.isoformat(),
        "click_exports_per_day": 1000,
        "timezone": world.zone.key,
    }
    warehouse.load(run_inside(config, catalog=catalog(*streams)).stdout)


def truth(world: World) -> dict[tuple[date, str, str], tuple[Any, ...]]:
    """Per day, campaign and currency: clicks, unique clicks, and each state's count and payout."""
    clicks: Counter[tuple[date, str, str]] = Counter()
    unique: Counter[tuple[date, str, str]] = Counter()
    actions: Counter[tuple[tuple[date, str, str], str]] = Counter()
    payouts: defaultdict[tuple[tuple[date, str, str], str], Decimal] = defaultdict(Decimal)
    for day in days(world):
        for row in world.clicks(day, AT):
            key = day, row["ProgramId"], world.currency
            clicks[key] += 1
            unique[key] += row["UniqueClick"] == "true"
    for row in world.actions(AT):
        key = date.fromisoformat(row["EventDate"][:10]), row["CampaignId"], row["Currency"]
        actions[key, row["State"]] += 1
        payouts[key, row["State"]] += Decimal(row["Payout"])
    over = {*days(world)}  # the clicks of others are not known yet
    return {
        key: (
            clicks[key] if key[0] in over else None,
            unique[key] if key[0] in over else None,
            *(actions[key, state] for state in STATES),
            *(payouts[key, state] for state in STATES),
        )
        for key in clicks.keys() | {key for key, _ in actions}
    }


PERFORMANCE = (
    "SELECT day, campaign_id, currency, clicks, unique_clicks, conversions_pending, "
    "conversions_approved, conversions_reversed, commission_pending, commission_approved, "
    "commission_reversed FROM impact_daily_performance"
)


@pytest.mark.slow
def test_the_performance_of_every_day_campaign_and_state_is_the_truth(
    sandbox: SandboxFactory,
    warehouse: Warehouse,
    project: Project,
    world: World,
) -> None:
    load(sandbox, warehouse, world, *STREAMS)
    built = project.attempt("meltano run dbt-postgres:build")
    assert built.returncode == 0, built.stdout
    assert " WARN=0 ERROR=0 SKIP=0 " in built.stdout

    expected = truth(world)
    assert {row[:3]: row[3:] for row in warehouse.query(PERFORMANCE)} == expected
    assert all(sum(figures[2 + place] for figures in expected.values()) for place in range(3))

    rates = warehouse.query(
        "SELECT clicks, commission, conversions, epc, conversion_rate FROM impact_daily_performance"
    )
    for clicks, commission, conversions, epc, rate in rates:
        if clicks:
            assert abs(epc - commission / clicks) < Decimal("0.000001")
            assert abs(rate - Decimal(conversions) / clicks) < Decimal("0.000001")
        else:
            assert (epc, rate) == (None, None)

    # what the models' tests are for
    warehouse.query("UPDATE impact_daily_performance SET commission_approved = 0 RETURNING 1")
    warehouse.connection.commit()
    tested = project.attempt("meltano run dbt-postgres:test")
    assert tested.returncode == 1
    assert "Failure in test performance_holds_every_action" in tested.stdout


@pytest.mark.slow
def test_a_payout_that_is_final_stays_as_it_is(
    sandbox: SandboxFactory,
    warehouse: Warehouse,
    project: Project,
    world: World,
) -> None:
    load(sandbox, warehouse, world, "actions", "action_updates")
    built = project.attempt("meltano run dbt-postgres:build")
    assert built.returncode == 0, built.stdout

    now = {row["Id"]: row for row in world.actions(AT)}
    later = {row["Id"]: row for row in world.actions(LATER)}
    payouts = warehouse.query(
        "SELECT action_id, payout_status, is_final, payout, payout_by_updates FROM impact_payouts"
    )
    assert {row[0] for row in payouts} == now.keys()
    for action, status, final, payout, payout_by_updates in payouts:
        was, became = now[action], later[action]
        approved = "cleared" if was["ClearedDate"] else "locked"
        statuses = {"PENDING": "pending", "APPROVED": approved, "REVERSED": "reversed"}
        assert status == statuses[was["State"]]
        assert payout == payout_by_updates == Decimal(was["Payout"])
        if final:
            for field in ("State", "Payout", "Amount"):
                assert was[field] == became[field]
    assert {row[1:3] for row in payouts} == {
        ("pending", False), ("locked", True), ("cleared", True), ("reversed", True),
        ("reversed", False),
    }  # fmt: skip

    # running sums end at what the action pays, and begin with its tracking
    updates = {row["Id"]: row for row in world.action_updates(AT)}
    history = warehouse.query(
        "SELECT action_id, update_id, payout_after, amount_after, delta_payout "
        "FROM impact_payout_history ORDER BY action_id, updated_at, update_id"
    )
    assert {row[1] for row in history} == updates.keys()
    running: defaultdict[str, Decimal] = defaultdict(Decimal)
    for action, update, payout_after, _, delta in history:
        running[action] += Decimal(updates[update]["DeltaPayout"])
        assert (payout_after, delta) == (running[action], Decimal(updates[update]["DeltaPayout"]))
    final_amounts = {action: amount_after for action, _, _, amount_after, _ in history}
    assert final_amounts == {action: Decimal(row["Amount"]) for action, row in now.items()}
    reversed_once = {row["ActionId"] for row in updates.values() if row["State"] == "REVERSED"}
    restored = warehouse.query("SELECT count(*) FROM impact_payouts WHERE was_restored")
    assert restored[0][0] == sum(
        row["State"] != "REVERSED" and action in reversed_once for action, row in now.items()
    )


@pytest.mark.slow
def test_nothing_but_actions_needs_to_be_loaded(
    sandbox: SandboxFactory,
    warehouse: Warehouse,
    project: Project,
    world: World,
) -> None:
    load(sandbox, warehouse, world, "actions")
    # gone from impact.com, as a full table that is read anew shows
    warehouse.query(
        "UPDATE actions SET _sdc_deleted_at = now() "
        "WHERE id = (SELECT min(id) FROM actions) RETURNING 1"
    )
    warehouse.connection.commit()
    built = project.attempt("meltano run dbt-postgres:build")
    assert built.returncode == 0, built.stdout
    assert " WARN=0 ERROR=0 SKIP=0 " in built.stdout
    counted = warehouse.query(
        "SELECT sum(conversions + conversions_reversed), sum(clicks), count(epc), "
        "count(campaign_name) = count(*) FROM impact_daily_performance"
    )
    assert counted == [(sum(1 for _ in world.actions(AT)) - 1, None, 0, True)]
    assert warehouse.query("SELECT count(*), sum(changes) FROM impact_payouts") == [
        (counted[0][0], 0)
    ]
    assert warehouse.query("SELECT count(*) FROM impact_payout_history") == [(0,)]
