"""Each figure by SQL over the loaded tables, by the dbt models and on the page: all the same."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from impact_sandbox.switches import Switches
from impact_sandbox.world import World
from tap_impact_report import command

from tests.dbt import on_postgres
from tests.inside import run_inside
from tests.page_tables import tables_of
from tests.runs import catalog

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import SandboxFactory, Warehouse

AT = datetime(2026, 6, 30, 6, 10, tzinfo=UTC)
STREAMS = ("actions", "action_updates", "campaigns", "daily_clicks", "click_exports")

# What a person would write who has only the loaded tables. A day whose clicks are known has an
# export; EPC sets the commission of such days, and of such connections, against their clicks.
BY_HAND = """
WITH recent AS (
    SELECT a.*, e.click_day IS NOT NULL AS measured FROM actions a
    LEFT JOIN click_exports e
        ON e.click_day = a.event_day AND e.connection_label = a.connection_label
    WHERE a.event_day > date '2026-06-30' - 30
), earned AS (
    SELECT
        currency,
        count(*) FILTER (WHERE state <> 'REVERSED') AS conversions,
        count(*) FILTER (WHERE state = 'REVERSED') AS reversed,
        coalesce(sum(payout) FILTER (WHERE state = 'APPROVED'), 0) AS approved,
        coalesce(sum(payout) FILTER (WHERE state = 'PENDING'), 0) AS pending,
        sum(payout) FILTER (WHERE state <> 'REVERSED') AS commission,
        sum(amount) FILTER (WHERE state <> 'REVERSED') AS sales,
        sum(intended_payout - payout) FILTER (WHERE state = 'REVERSED') AS lost,
        sum(payout) FILTER (WHERE measured AND state <> 'REVERSED') AS measured
    FROM recent GROUP BY 1
), clicked AS (
    SELECT connection_currency AS currency, sum(clicks) AS clicks
    FROM daily_clicks WHERE click_day > date '2026-06-30' - 30 GROUP BY 1
)
SELECT currency, clicks, conversions, reversed, approved, pending, commission, lost,
    round(measured / clicks, 3), sales
FROM earned JOIN clicked USING (currency) ORDER BY commission DESC
"""

BY_MODEL = """
SELECT currency, sum(clicks), sum(conversions), sum(conversions_reversed),
    sum(commission_approved), sum(commission_pending), sum(commission), sum(commission_lost),
    round(sum(measured_commission) / sum(clicks), 3), sum(sale_amount)
FROM impact_daily_performance WHERE day > date '2026-06-30' - 30
GROUP BY 1 ORDER BY sum(commission) DESC
"""


def load(
    sandbox: SandboxFactory, warehouse: Warehouse, label: str, clicks_since: str, **options: Any
) -> None:
    """An account's history, and its clicks since a day."""
    world = World(opened=date(2026, 4, 1), **options)
    switches = Switches(daily_click_exports=1000, hourly_other=10_000, click_export="sync")
    settings = sandbox(world=world, at=AT, switches=switches).settings() | {
        "start_date": "2026-04-01",
        "end_date": AT.isoformat(),
        "click_start_date": clicks_since,
        "click_exports_per_day": 1000,
        "timezone": world.zone.key,
        "label": label,
        "currency": world.currency,
    }
    run = run_inside(settings, catalog=catalog(*STREAMS))
    assert run.exit_code == 0, run.stderr
    warehouse.load(run.stdout)


@pytest.mark.slow
def test_tables_models_and_page_agree_on_every_figure(
    sandbox: SandboxFactory, warehouse: Warehouse, tmp_path: Path
) -> None:
    load(sandbox, warehouse, "shop", "2026-06-20", seed=1, actions_per_day=12, clicks_per_day=40)
    # another connection in dollars, with clicks of hardly any day, and one in euros
    load(sandbox, warehouse, "blog", "2026-06-28", seed=2, actions_per_day=9, clicks_per_day=30)
    load(
        sandbox,
        warehouse,
        "euro",
        "2026-06-05",
        seed=3,
        actions_per_day=3,
        clicks_per_day=0.5,
        currency="EUR",
        timezone="Europe/Berlin",
    )
    kept = warehouse.query(
        "UPDATE actions SET payout = 7.25, amount = 80 WHERE id = (SELECT max(id) FROM actions "
        "WHERE state = 'REVERSED' AND event_day > '2026-06-20') RETURNING currency"
    )
    warehouse.connection.commit()
    renamed = warehouse.query(
        "UPDATE campaigns SET campaign_name = 'A new name' WHERE campaign_id = '2001' "
        "RETURNING campaign_id"
    )
    warehouse.connection.commit()
    (gone,) = warehouse.query(
        "DELETE FROM actions WHERE id = (SELECT min(id) FROM actions) RETURNING id"
    )
    warehouse.connection.commit()
    dbt = on_postgres(tmp_path, warehouse.port, warehouse.schema)
    assert " ERROR=0 " in dbt.build(impact_as_of=AT.isoformat())

    by_hand = warehouse.query(BY_HAND)
    assert warehouse.query(BY_MODEL) == by_hand
    page = tmp_path / "page.html"
    options = ["--port", str(warehouse.port), "--schema", warehouse.schema]
    drawn = CliRunner().invoke(command.cli, [*options, "--output", str(page)])
    assert drawn.exit_code == 0, drawn.output
    totals = [rows[-1][1:] for rows in tables_of(page.read_text()) if rows[0][0] == "Day"]
    assert totals == [
        [
            f"{clicks:,}", f"{conversions:,}", f"{lost_actions:,}",
            *(f"{amount:,.2f}" for amount in money),
        ]
        for _, clicks, conversions, lost_actions, *money, _, _ in by_hand
    ]  # fmt: skip
    shown = re.findall(r"Earnings per click</dt><dd class=\"value\">([\d.,]+)", page.read_text())
    assert shown == [f"{epc:,.3f}" for *_, epc, _ in by_hand]

    # what makes these figures differ by other definitions is in the data
    assert [row[0] for row in by_hand] == ["USD", "EUR"]
    assert len(kept) == 1
    assert len(renamed) == 3  # once in each account
    names = warehouse.query(
        "SELECT DISTINCT campaign_name FROM impact_daily_performance WHERE campaign_id = '2001'"
    )
    assert names == [("A new name",)]
    empty = warehouse.query(
        "SELECT count(*) FILTER (WHERE clicks = 0), count(*) FROM impact_click_days "
        "WHERE connection_label = 'euro'"
    )
    ((no_clicks, known),) = empty
    assert 0 < no_clicks < known
    unknown = warehouse.query(
        "SELECT count(*) FROM impact_daily_performance WHERE clicks IS NULL AND day > '2026-06-01'"
    )
    assert unknown[0][0] > 0
    shades = re.findall(r'<rect class="gap" x="(\d+)" y="0" width="(\d+)"', page.read_text())
    known_days = [row[0] for row in warehouse.query(
        "SELECT count(DISTINCT day) FROM impact_click_days WHERE day > date '2026-06-30' - 30 "
        "GROUP BY currency ORDER BY currency DESC"
    )]  # fmt: skip
    assert sum(int(width) // 10 for _, width in shades) == sum(30 - days for days in known_days)

    # one change of an action with several items is one, and updates of others are left out
    assert warehouse.query(
        "SELECT action_id, changes FROM impact_payouts WHERE changes > 0 ORDER BY 1"
    ) == warehouse.query(
        "SELECT action_id, count(DISTINCT update_date) FROM action_updates "
        "JOIN actions ON actions.id = action_id GROUP BY 1 ORDER BY 1"
    )
    histories = warehouse.query("SELECT DISTINCT action_id FROM impact_payout_history")
    assert gone in warehouse.query("SELECT action_id FROM action_updates")
    assert gone not in histories

    # clicks are those of their connection's currency, and of no other
    warehouse.query(
        "UPDATE actions SET currency = 'CAD' WHERE id = (SELECT max(id) FROM actions "
        "WHERE connection_label = 'shop' AND event_day = '2026-06-25') RETURNING 1"
    )
    warehouse.connection.commit()
    dbt.run("run", "--select", "impact_daily_performance")
    assert warehouse.query(
        "SELECT clicks, epc, measured_commission FROM impact_daily_performance "
        "WHERE currency = 'CAD'"
    ) == [(None, None, 0)]


@pytest.mark.slow
def test_timestamps_keep_their_zone_and_nothing_is_null(
    sandbox: SandboxFactory, warehouse: Warehouse, tmp_path: Path
) -> None:
    load(sandbox, warehouse, "shop", "2026-06-28", actions_per_day=1, clicks_per_day=5)
    warehouse.query(
        'UPDATE actions SET additional_fields = \'{"Brandnew": "1"}\' '
        "WHERE id = (SELECT max(id) FROM actions) RETURNING 1"
    )
    warehouse.connection.commit()
    on_postgres(tmp_path, warehouse.port, warehouse.schema).build()

    # the loader's own column has no zone; read by a session of another zone, it would be off
    warehouse.query("SELECT set_config('timezone', 'Asia/Tokyo', false)")
    ((zoned, naive),) = warehouse.query(
        "SELECT max(extract(epoch FROM happened_at)), "
        "max(extract(epoch FROM (SELECT max(event_date) FROM actions) AT TIME ZONE 'UTC')) "
        "FROM impact_payouts"
    )
    assert zoned == naive
    types = warehouse.query(
        "SELECT DISTINCT data_type FROM information_schema.columns "
        "WHERE table_name LIKE 'impact\\_%' AND column_name LIKE '%\\_at' "
        "AND table_schema = current_schema()"
    )
    assert types == [("timestamp with time zone",)]

    # additional_fields: JSON's null in the loaded table, SQL's in the model
    both = warehouse.query(
        "SELECT count(*) FILTER (WHERE additional_fields <> 'null'), count(additional_fields) "
        "FROM actions"
    )
    assert both == [(1, warehouse.query("SELECT count(*) FROM actions")[0][0])]
    assert warehouse.query("SELECT count(additional_fields) FROM impact_payouts") == [(1,)]
    assert Decimal(warehouse.query("SELECT sum(payout) FROM impact_payouts")[0][0]) > 0
