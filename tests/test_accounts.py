"""Two accounts in one schema: neither overwrites the other's rows."""

from __future__ import annotations

import json
import re
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest

from tap_impact.streams import STREAMS
from tap_impact.tap import TapImpact
from tests.conftest import ROOT
from tests.inside import run_inside
from tests.runs import Run, all_streams, only

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from impact_sandbox.server import Sandbox

    from tests.conftest import SandboxFactory, Warehouse

LABELS = ("acme-us", "acme-eu")
SMALL: dict[str, Any] = {"opened": date(2026, 3, 1), "actions_per_day": 1, "clicks_per_day": 10}
STREAMS_BEFORE = (
    "account",
    "campaigns",
    "actions",
    "action_updates",
    "action_items",
    "click_exports",
    "clicks",
    "daily_clicks",
)
"""What the version without labels in keys had."""
NEW_KEYS, CLICKS_AGAIN = re.findall(
    r"```sql\n(.*?)```", (ROOT / "docs/accounts.md").read_text(), re.DOTALL
)


def settings(impact: Sandbox, label: str | None) -> dict[str, Any]:
    span = {
        "start_date": "2026-05-15",
        "end_date": impact.at.isoformat(),
        "click_start_date": "2026-06-28",
    }
    return impact.settings() | span | ({"label": label} if label else {})


def load(
    impact: Sandbox,
    label: str | None,
    *,
    discovered_with: str | None,
    streams: Collection[str] | None = None,
) -> Run:
    """A run by a catalog that was discovered when the connection had perhaps another label."""
    found = json.loads(TapImpact(config=settings(impact, discovered_with)).catalog_json_text)
    run = run_inside(settings(impact, label), catalog=only(found, *(streams or all_streams())))
    assert run.exit_code == 0, run.stderr
    return run


@pytest.fixture
def accounts(sandbox: SandboxFactory) -> dict[str, Sandbox]:
    return {label: sandbox(seed=label, **SMALL, job_life=["COMPLETED"]) for label in LABELS}


def rows_by_label(warehouse: Warehouse, streams: Iterable[str]) -> dict[str, dict[str, int]]:
    """By stream, how many rows its table has of each account."""
    return {
        stream: dict(
            warehouse.query(f"SELECT connection_label, count(*) FROM {stream} GROUP BY 1")  # noqa: S608
        )
        for stream in streams
    }


def records_by_label(runs: dict[str, Run], streams: Iterable[str]) -> dict[str, dict[str, int]]:
    return {
        stream: {label: len(run.records(stream)) for label, run in runs.items()}
        for stream in streams
    }


@pytest.mark.slow
def test_two_labelled_accounts_share_every_table(
    accounts: dict[str, Sandbox], warehouse: Warehouse
) -> None:
    # The catalog of the first is from before its label.
    catalogs = zip(accounts.items(), (None, LABELS[1]), strict=True)
    runs = {label: load(each, label, discovered_with=old) for (label, each), old in catalogs}
    first, second = (run.stdout for run in runs.values())
    for messages in (first, second, first):
        warehouse.load(messages)
    streams = all_streams()
    assert rows_by_label(warehouse, streams) == records_by_label(runs, streams)


@pytest.mark.slow
def test_a_catalog_from_before_the_label_gives_the_same_messages(
    sandbox: SandboxFactory,
) -> None:
    new, old = (
        load(sandbox(**SMALL), "acme-us", discovered_with=label) for label in ("acme-us", None)
    )
    keys = keys_of(old)
    assert keys == keys_of(new)
    unlabelled = {stream for stream, names in keys.items() if "connection_label" not in names}
    assert unlabelled == {each.name for each in STREAMS if each.ids_are_global}
    for stream in all_streams():
        assert [*map(without_times, old.records(stream))] == [
            *map(without_times, new.records(stream))
        ]


def without_times(record: dict[str, Any]) -> dict[str, Any]:
    """A record without when the run itself asked for something."""
    return {name: record[name] for name in record if name not in {"requested_at", "completed_at"}}


def keys_of(run: Run) -> dict[str, list[str]]:
    return {
        each["stream"]: each["key_properties"] for each in run.messages if each["type"] == "SCHEMA"
    }


def test_an_account_without_a_label_has_the_keys_of_impact_com(
    accounts: dict[str, Sandbox],
) -> None:
    run = load(accounts["acme-us"], None, discovered_with=None)
    keys = keys_of(run)
    assert not [stream for stream, names in keys.items() if "connection_label" in names]
    assert keys.keys() == {*all_streams()}


@pytest.mark.slow
def test_tables_of_the_version_before_take_a_second_account(
    accounts: dict[str, Sandbox], warehouse: Warehouse
) -> None:
    old = load(accounts["acme-us"], None, discovered_with=None, streams=STREAMS_BEFORE)
    warehouse.load(old.stdout)
    runs = {
        label: load(each, label, discovered_with=label, streams=STREAMS_BEFORE)
        for label, each in accounts.items()
    }
    with pytest.raises(Exception, match="duplicate key value violates unique constraint"):
        warehouse.load(only_streams(runs["acme-eu"], "click_exports"))
    warehouse.query("SELECT 1")
    warehouse.connection.execute(NEW_KEYS.replace("'impact'", f"'{warehouse.schema}'"))
    warehouse.connection.commit()
    for run in runs.values():
        warehouse.load(run.stdout)
    found = rows_by_label(warehouse, STREAMS_BEFORE)
    assert found == records_by_label(runs, STREAMS_BEFORE)


def only_streams(run: Run, *streams: str) -> str:
    """The messages of some streams."""
    lines = run.stdout.splitlines()
    return "".join(f"{line}\n" for line in lines if json.loads(line).get("stream") in streams)


def test_the_page_names_the_tables_whose_ids_are_global() -> None:
    excepted = re.search(r"NOT IN \((.*)\)", NEW_KEYS)
    assert excepted
    assert {*re.findall(r"\w+", excepted[1])} == {
        each.name for each in STREAMS if each.ids_are_global
    }


@pytest.mark.slow
def test_daily_clicks_are_had_again_from_clicks(
    accounts: dict[str, Sandbox], warehouse: Warehouse
) -> None:
    streams = ("click_exports", "clicks", "daily_clicks")
    run = load(accounts["acme-us"], "acme-us", discovered_with="acme-us", streams=streams)
    warehouse.load(run.stdout)
    columns = "click_day, campaign_id, ad_id, connection_label, clicks, unique_clicks, payout"
    query = f"SELECT {columns} FROM daily_clicks ORDER BY 1, 2, 3"  # noqa: S608
    loaded = warehouse.query(query)
    warehouse.connection.execute("DELETE FROM daily_clicks")
    warehouse.connection.execute(CLICKS_AGAIN)
    warehouse.connection.commit()
    assert warehouse.query(query) == loaded != []
