"""Two accounts in one schema: neither overwrites the other's rows."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tap_impact.tap import TapImpact
from tests.inside import run_inside
from tests.runs import Run, all_streams, catalog, only

if TYPE_CHECKING:
    from impact_sandbox.server import Sandbox

    from tests.conftest import SandboxFactory, Warehouse

LABELS = ("acme-us", "acme-eu")


def settings(impact: Sandbox, label: str | None) -> dict[str, Any]:
    span = {
        "start_date": "2026-02-01",
        "end_date": impact.at.isoformat(),
        "click_start_date": "2026-06-27",
    }
    return impact.settings() | span | ({"label": label} if label else {})


def load(impact: Sandbox, label: str | None, *, discovered_with: str | None) -> Run:
    """A run by a catalog that was discovered when the connection had perhaps another label."""
    found = json.loads(TapImpact(config=settings(impact, discovered_with)).catalog_json_text)
    run = run_inside(settings(impact, label), catalog=only(found, *all_streams()))
    assert run.exit_code == 0, run.stderr
    return run


@pytest.fixture
def accounts(sandbox: SandboxFactory) -> dict[str, Sandbox]:
    return {
        label: sandbox(seed=label, actions_per_day=1, clicks_per_day=10, job_life=["COMPLETED"])
        for label in LABELS
    }


@pytest.mark.parametrize("is_old_catalog", [False, True])
def test_two_labelled_accounts_share_every_table(
    accounts: dict[str, Sandbox],
    warehouse: Warehouse,
    is_old_catalog: bool,  # noqa: FBT001 - a case of the test
) -> None:
    runs = {
        label: load(impact, label, discovered_with=None if is_old_catalog else label)
        for label, impact in accounts.items()
    }
    for _ in range(2):
        for run in runs.values():
            warehouse.load(run.stdout)
    for stream in all_streams():
        found = dict(
            warehouse.query(f"SELECT connection_label, count(*) FROM {stream} GROUP BY 1")  # noqa: S608
        )
        assert found == {label: len(run.records(stream)) for label, run in runs.items()}, stream


def test_an_account_without_a_label_has_the_keys_of_impact_com(
    accounts: dict[str, Sandbox],
) -> None:
    run = load(accounts["acme-us"], None, discovered_with=None)
    keys = {
        each["stream"]: each["key_properties"] for each in run.messages if each["type"] == "SCHEMA"
    }
    assert not [stream for stream, names in keys.items() if "connection_label" in names]
    assert keys.keys() == {*catalog_streams()}


def catalog_streams() -> list[str]:
    return [each["tap_stream_id"] for each in catalog()["streams"]]


MOVING = """
ALTER TABLE {table} DROP CONSTRAINT {table}_pkey;
UPDATE {table} SET connection_label = 'acme-us' WHERE connection_label IS NULL;
ALTER TABLE {table} ADD PRIMARY KEY ({keys}, connection_label);
"""


def test_tables_of_the_version_before_take_a_second_account(
    accounts: dict[str, Sandbox], warehouse: Warehouse
) -> None:
    old = load(accounts["acme-us"], None, discovered_with=None)
    warehouse.load(old.stdout)
    runs = {label: load(each, label, discovered_with=label) for label, each in accounts.items()}
    for message in runs["acme-us"].messages:
        if message["type"] == "SCHEMA" and "connection_label" in message["key_properties"]:
            *keys, _ = message["key_properties"]
            warehouse.query("SELECT 1")
            warehouse.connection.execute(
                MOVING.format(table=message["stream"], keys=", ".join(keys))
            )
            warehouse.connection.commit()
    for run in runs.values():
        warehouse.load(run.stdout)
    for stream in all_streams():
        found = dict(
            warehouse.query(f"SELECT connection_label, count(*) FROM {stream} GROUP BY 1")  # noqa: S608
        )
        assert found == {label: len(run.records(stream)) for label, run in runs.items()}, stream
