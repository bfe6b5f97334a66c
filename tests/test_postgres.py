"""From the API into a real PostgreSQL, with the real loader."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from impact_sandbox import faults

from tests.inside import run_inside
from tests.runs import catalog

if TYPE_CHECKING:
    from tests.conftest import SandboxFactory, Warehouse

pytestmark = pytest.mark.slow

STREAMS = ("account", "action_updates", "actions", "campaigns")
BY_STATE = "SELECT state, count(*), sum(payout) FROM actions GROUP BY state"


def test_the_tables_equal_the_truth_to_the_cent_and_a_second_run_changes_no_count(
    sandbox: SandboxFactory, warehouse: Warehouse
) -> None:
    impact = sandbox()
    config = impact.settings() | {"start_date": "2026-01-01", "end_date": impact.at.isoformat()}
    truth = {
        state: (count, payout) for state, (count, payout) in impact.world.totals(impact.at).items()
    }
    state = None
    for _ in range(2):
        run = run_inside(config, catalog=catalog(*STREAMS), state=state)
        warehouse.load(run.stdout)
        assert {row[0]: row[1:] for row in warehouse.query(BY_STATE)} == truth
        state = run.state
    assert sum(payout for _, payout in truth.values()) > Decimal(0)


def test_types_are_those_that_a_person_can_calculate_with(
    sandbox: SandboxFactory, warehouse: Warehouse
) -> None:
    impact = sandbox()
    config = impact.settings() | {"start_date": "2026-06-01", "end_date": impact.at.isoformat()}
    warehouse.load(run_inside(config, catalog=catalog(*STREAMS)).stdout)
    types = dict(
        warehouse.query(
            "SELECT table_name || '.' || column_name, data_type FROM information_schema.columns "
            "WHERE table_schema = current_schema()"
        )
    )
    for column, expected in {
        "actions.payout": "numeric",
        "actions.amount": "numeric",
        "action_updates.delta_payout": "numeric",
        "actions.event_date": "timestamp without time zone",
        "actions.event_day": "date",
        "actions.additional_fields": "jsonb",
        "campaigns.allows_deeplinking": "boolean",
        "campaigns.shipping_regions": "ARRAY",
    }.items():
        assert types[column] == expected, column


def test_an_action_that_changes_is_updated_where_it_stands(
    sandbox: SandboxFactory, warehouse: Warehouse
) -> None:
    impact = sandbox()
    state = None
    for _ in range(3):
        config = impact.settings() | {"start_date": "2026-05-01", "end_date": impact.at.isoformat()}
        run = run_inside(config, catalog=catalog("actions"), state=state)
        warehouse.load(run.stdout)
        state = run.state
        held = dict(
            warehouse.query("SELECT id, payout FROM actions WHERE event_date >= '2026-05-01'")
        )
        assert held == {
            row["Id"]: Decimal(row["Payout"])
            for row in impact.world.actions(impact.at)
            if row["Id"] in held
        }
        impact.advance(86_400)


def test_a_text_with_a_nul_is_no_trouble_for_a_database_that_cannot_hold_one(
    sandbox: SandboxFactory, warehouse: Warehouse
) -> None:
    impact = sandbox()
    impact.spoil([faults.field_of_row("CustomerCity", "Z\x00rich").at("Actions")])
    config = impact.settings() | {"start_date": "2026-06-29", "end_date": impact.at.isoformat()}
    warehouse.load(run_inside(config, catalog=catalog("actions")).stdout)
    cities = [city for (city,) in warehouse.query("SELECT customer_city FROM actions")]
    assert "Z\ufffdrich" in cities
