"""docs/migrating.md, step by step: an old table taken over without loading it anew."""

from __future__ import annotations

import json
import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from impact_sandbox.world import World

from tests.conftest import ROOT
from tests.inside import run_inside
from tests.runs import catalog

if TYPE_CHECKING:
    from impact_sandbox.server import Sandbox

    from tests.conftest import SandboxFactory, Warehouse

GUIDE = (ROOT / "docs" / "migrating.md").read_text()
LAST_OLD_RUN = datetime(2026, 6, 10, 6, tzinfo=UTC)
NOW = datetime(2026, 6, 30, 6, 10, tzinfo=UTC)

COPY, NOT_FINAL, COMPARE = re.findall(r"```sql\n(.*?)```", GUIDE, re.DOTALL)
(BOOKMARK,) = re.findall(r"```json\n(.*?)```", GUIDE, re.DOTALL)

OLD_COLUMNS = {
    "Id": "id text",
    "CampaignId": "campaign_id bigint",
    "CampaignName": "campaign_name text",
    "ActionTrackerId": "action_tracker_id bigint",
    "ActionTrackerName": "action_tracker_name text",
    "State": "state text",
    "AdId": "ad_id bigint",
    "Payout": "payout numeric",
    "Amount": "amount numeric",
    "Currency": "currency text",
    "EventDate": "event_date timestamptz",
    "LockingDate": "locking_date timestamptz",
    "ClearedDate": "cleared_date timestamptz",
    "CreationDate": "creation_date timestamptz",
    "Oid": "oid text",
    "SubId1": "sub_id1 text",
    "SubId2": "sub_id2 text",
    "SubId3": "sub_id3 text",
    "IntendedPayout": "intended_payout numeric",
    "IntendedAmount": "intended_amount numeric",
}


def old_rows(world: World) -> list[dict[str, Any]]:
    """What a connector left that for four months read no action a second time."""
    stale = int((LAST_OLD_RUN - timedelta(days=120)).timestamp())
    right = [action.row() for action in world.seen(LAST_OLD_RUN, until=stale)]
    seen_once = []
    for action in world.seen(LAST_OLD_RUN, since=stale + 1):
        event = datetime.fromisoformat(action.row()["EventDate"])
        then = world.action(action.row()["Id"], min(event + timedelta(days=1), LAST_OLD_RUN))
        if then:
            seen_once.append(then.row())
    return [*right, *seen_once]


def make_old_table(warehouse: Warehouse, rows: list[dict[str, Any]]) -> None:
    connection = warehouse.connection
    connection.execute("DROP SCHEMA IF EXISTS old CASCADE")
    connection.execute("CREATE SCHEMA old")
    connection.execute(f"CREATE TABLE old.actions ({', '.join(OLD_COLUMNS.values())})")
    marks = ", ".join(["%s"] * len(OLD_COLUMNS))
    with connection.cursor() as cursor:
        cursor.executemany(
            f"INSERT INTO old.actions VALUES ({marks})",  # noqa: S608
            [[row[name] or None for name in OLD_COLUMNS] for row in rows],
        )
    connection.commit()


def held(warehouse: Warehouse) -> dict[str, list[Any]]:
    rows = warehouse.query(
        "SELECT id, state, payout, amount, locking_date, cleared_date, event_day FROM actions"
    )
    return {key: facts for key, *facts in rows}


def truth(impact: Sandbox) -> dict[str, list[Any]]:
    def utc(text: str) -> datetime | None:
        moment = datetime.fromisoformat(text) if text else None
        return moment.astimezone(UTC).replace(tzinfo=None) if moment else None

    return {
        row["Id"]: [
            row["State"],
            Decimal(row["Payout"]),
            Decimal(row["Amount"]),
            utc(row["LockingDate"]),
            utc(row["ClearedDate"]),
            datetime.fromisoformat(row["EventDate"]).date(),
        ]
        for row in impact.world.actions(NOW)
    }


@pytest.mark.slow
def test_an_old_table_is_put_right_without_loading_it_anew(
    sandbox: SandboxFactory, warehouse: Warehouse
) -> None:
    world = World(
        seed="old",
        opened=date(2025, 9, 1),
        actions_per_day=5,
        clicks_per_day=0,
        timezone="America/New_York",
    )
    impact = sandbox(at=NOW, world=world)
    make_old_table(warehouse, old_rows(world))
    config = impact.settings() | {"end_date": NOW.isoformat(), "label": "acme"}
    selected = catalog("actions")

    today = run_inside(config | {"start_date": NOW.date().isoformat()}, catalog=selected)
    warehouse.load(today.stdout)

    def in_place(statement: str) -> str:
        return statement.replace("tap_impact.", f"{warehouse.schema}.")

    warehouse.connection.execute(in_place(COPY))
    warehouse.connection.commit()
    assert held(warehouse) != truth(impact)

    ((since,),) = warehouse.query(NOT_FINAL)
    state = json.loads(BOOKMARK)
    state["bookmarks"]["actions"]["replication_key_value"] = f"{since.isoformat()}Z"
    impact.requests.clear()
    run = run_inside(config, catalog=selected, state=state)
    warehouse.load(run.stdout)

    assert held(warehouse) == truth(impact)
    assert len(impact.requests) <= 10
    months = warehouse.query(in_place(COMPARE))
    assert sum(count for _, _, count, _ in months) == len(truth(impact))
    assert warehouse.query("SELECT DISTINCT connection_label FROM actions") == [("acme",)]


def test_the_bookmark_of_the_guide_reads_no_history(sandbox: SandboxFactory) -> None:
    impact = sandbox(at=NOW)
    config = impact.settings() | {"end_date": NOW.isoformat()}
    run = run_inside(config, catalog=catalog("actions"), state=json.loads(BOOKMARK))
    assert "history" not in run.stderr
    assert not [request for request in impact.requests if "ActionDateStart" in request.query]
    assert run.state["bookmarks"]["actions"]["replication_key_value"] == "2026-06-30T06:10:00Z"
