"""Action items: all of them, each action asked for once, and again when it changed."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from impact_sandbox.faults import status
from impact_sandbox.server import Sandbox
from impact_sandbox.switches import SCOPES
from impact_sandbox.world import World

from tap_impact.streams.action_items import ITEMS
from tests.inside import run_inside
from tests.runs import Run, catalog

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

NOW = datetime(2026, 3, 2, 6, 10, tzinfo=UTC)
START = NOW - timedelta(days=20)
OPENED = date(2025, 12, 1)
IN_FLIGHT = 10

Key = tuple[str, str, int]
Facts = tuple[Decimal, Decimal, str | None, int]


@pytest.fixture
def serve() -> Iterator[Callable[..., Sandbox]]:
    running: list[Sandbox] = []

    def start(world: World | None = None, **switches: Any) -> Sandbox:
        world = world or World(seed="items", actions_per_day=10, opened=OPENED)
        running.append(Sandbox(world, at=NOW, **switches).__enter__())
        return running[-1]

    yield start
    for sandbox in running:
        sandbox.__exit__(None, None, None)


def load(
    sandbox: Sandbox,
    state: dict[str, Any] | None = None,
    replication_method: str | None = None,
    **settings: Any,
) -> Run:
    """One run at the sandbox's own time; its requests alone are left in `sandbox.requests`."""
    sandbox.requests.clear()
    config = sandbox.settings() | {
        "start_date": START.isoformat(),
        "end_date": sandbox.at.isoformat(),
        "rate_limit_wait_seconds": 0,
    }
    selected = catalog("action_items", replication_method=replication_method)
    return run_inside(config | settings, state=state, catalog=selected)


def asked(sandbox: Sandbox) -> Counter[str]:
    """How often each action was asked for its items, and answered."""
    return Counter(
        request.path.split("/")[4]
        for request in sandbox.requests
        if request.path.endswith("/Items") and request.status == 200
    )


def key(record: dict[str, Any]) -> Key:
    return record["action_id"], record["sku"], record["sku_ordinal"]


def facts(records: Iterable[dict[str, Any]]) -> dict[Key, Facts]:
    return {
        key(record): (
            Decimal(record["payout"]),
            Decimal(record["sale_amount"]),
            record["adjustment_reason"],
            record["item_count"],
        )
        for record in records
    }


def loaded(run: Run) -> dict[Key, Facts]:
    return facts(run.records("action_items"))


def truth(sandbox: Sandbox, since: datetime = START) -> dict[Key, Facts]:
    """The items of all actions since an instant, as impact.com shows them at this moment."""
    table = {}
    for action in sandbox.world.actions(sandbox.at):
        if datetime.fromisoformat(action["EventDate"]) >= since:
            rows = sandbox.world.items(action["Id"], sandbox.at)
            seen = Counter[str]()
            for row in rows:
                seen[row["Sku"]] += 1
                table[action["Id"], row["Sku"], seen[row["Sku"]]] = (
                    Decimal(row["Payout"]),
                    Decimal(row["SaleAmount"]),
                    row["AdjustmentReason"] or None,
                    len(rows),
                )
    return table


def bookmark(run: Run) -> dict[str, Any]:
    found: dict[str, Any] = run.state["bookmarks"]["action_items"]
    return found


def actions_of(table: dict[Key, Any]) -> set[str]:
    return {action_id for action_id, _, _ in table}


def test_every_action_is_asked_once_and_all_items_arrive(serve: Callable[..., Sandbox]) -> None:
    sandbox = serve()
    run = load(sandbox)
    assert run.exit_code == 0, run.stderr
    assert loaded(run) == truth(sandbox)
    assert asked(sandbox) == dict.fromkeys(actions_of(truth(sandbox)), 1)
    assert len(run.records("action_items")) == len(truth(sandbox))


def test_the_other_key_of_the_list_is_read_too(serve: Callable[..., Sandbox]) -> None:
    sandbox = serve(items_key="Items")
    assert loaded(load(sandbox)) == truth(sandbox)


def test_under_a_limit_all_arrive_over_several_runs(serve: Callable[..., Sandbox]) -> None:
    sandbox = serve(hourly_detail=60)
    table: dict[Key, Facts] = {}
    repeated, runs, run = 0, 0, None
    while run is None or run.exit_code:
        run = load(sandbox, run.state if run else None)
        table, repeated = merged(table, run, repeated)
        refused = sum(request.status == 429 for request in sandbox.requests)
        assert len(sandbox.requests) - refused <= 60
        assert refused <= IN_FLIGHT
        assert run.exit_code == 0 or "limit ran out" in run.stderr
        assert "Traceback" not in run.stderr
        sandbox.advance(3600)
        runs += 1
    sandbox.advance(-3600)
    expected = truth(sandbox)
    assert runs == 1 + len(actions_of(expected)) // 58
    assert {key: table.get(key) for key in expected} == expected
    assert repeated == 0


def merged(table: dict[Key, Facts], run: Run, repeated: int) -> tuple[dict[Key, Facts], int]:
    """The table after a run, and how many rows came that it had already."""
    rows = loaded(run)
    repeated += sum(table.get(key) == facts for key, facts in rows.items())
    repeated += len(run.records("action_items")) - len(rows)
    return table | rows, repeated


@pytest.mark.parametrize("most", [9, 100])
def test_runs_of_a_few_actions_add_up(serve: Callable[..., Sandbox], most: int) -> None:
    sandbox = serve(World(seed="few", actions_per_day=4, opened=OPENED))
    run = load(sandbox, action_items_per_run=most)
    table, repeated = merged({}, run, 0)
    asked_of = asked(sandbox)
    while "action_items_per_run is" in run.stderr:
        assert asked(sandbox).total() == most
        run = load(sandbox, run.state, action_items_per_run=most)
        assert run.exit_code == 0
        table, repeated = merged(table, run, repeated)
        asked_of += asked(sandbox)
    assert table == truth(sandbox)
    assert asked_of == dict.fromkeys(actions_of(table), 1)
    assert repeated == 0


@pytest.mark.parametrize(("hours", "runs"), [(24, 8), (1, 8), (0.25, 6)])
def test_what_changed_is_asked_again_and_nothing_else(
    serve: Callable[..., Sandbox], hours: float, runs: int
) -> None:
    sandbox = serve(
        World(seed=f"changes {hours}", actions_per_day=30, opened=OPENED), hourly_detail=5000
    )
    run = load(sandbox, action_items_per_run=2000)
    rows = {key(record): record for record in run.records("action_items")}
    changed = 0
    for _ in range(runs):
        known = updates(sandbox)
        sandbox.advance(hours * 3600)
        run = load(sandbox, run.state)
        news = {update.rpartition(".")[0] for update in updates(sandbox) - known}
        assert asked(sandbox) == dict.fromkeys(news, 1)
        rows |= {key(record): record for record in run.records("action_items")}
        expected = truth(sandbox)
        newest = newest_rows(rows.values())
        assert {each: newest.get(each) for each in expected} == expected
        changed += len(news)
    assert changed > 2 * runs * hours / 24
    if hours == 24:
        gone = rows.keys() - newest.keys()
        assert gone
        assert not gone & expected.keys()


def test_each_state_of_a_run_is_where_another_can_go_on(serve: Callable[..., Sandbox]) -> None:
    sandbox = serve(hourly_detail=5000)
    messages = load(sandbox).messages
    states = [place for place, message in enumerate(messages) if message["type"] == "STATE"]
    assert len(states) > 10
    for place in states[1::3]:
        before = [each["record"] for each in messages[:place] if each["type"] == "RECORD"]
        run = load(sandbox, messages[place]["value"])
        assert run.exit_code == 0
        assert not facts(before).keys() & loaded(run).keys()
        assert facts(before) | loaded(run) == truth(sandbox)


def test_actions_of_one_second_can_be_stopped_between(serve: Callable[..., Sandbox]) -> None:
    sandbox = serve(World(seed="batch", actions_per_day=8, opened=OPENED))
    moments = Counter(action["EventDate"] for action in sandbox.world.actions(NOW))
    shared = datetime.fromisoformat(
        max(moment for moment, actions in moments.items() if actions > 1)
    )
    around: dict[str, Any] = {
        "start_date": (shared - timedelta(hours=1)).isoformat(),
        "action_items_per_run": 1,
    }
    within = shared + timedelta(seconds=2)
    run = load(sandbox, start_at(within), **around)
    table, asked_of, stopped_between = loaded(run), asked(sandbox), False
    while "action_items_per_run is" in run.stderr:
        stopped_between |= "history_last_id" in bookmark(run)
        run = load(sandbox, run.state, **around)
        table |= loaded(run)
        asked_of += asked(sandbox)
    assert stopped_between
    assert set(asked_of.values()) == {1}
    happened = {
        action["Id"]
        for action in sandbox.world.actions(NOW)
        if datetime.fromisoformat(action["EventDate"]) == shared
    }
    assert happened <= asked_of.keys()


def start_at(since: datetime) -> dict[str, Any]:
    """State of a run that is whole back to an instant."""
    held = {
        "replication_key": "event_date",
        "replication_key_value": (NOW + timedelta(seconds=1)).isoformat(),
        "history_since": since.isoformat(),
    }
    return {"bookmarks": {"action_items": held}}


def test_full_table_replication_asks_all_and_leaves_progress_alone(
    serve: Callable[..., Sandbox],
) -> None:
    sandbox = serve()
    first = load(sandbox, action_items_per_run=30)
    run = load(sandbox, first.state, replication_method="FULL_TABLE", action_items_per_run=30)
    assert loaded(run) == truth(sandbox)
    assert run.state["bookmarks"] == first.state["bookmarks"]


@pytest.mark.parametrize("missing", ["Retrieve actions", "Retrieve action items"])
def test_the_scope_that_is_missing_is_named(serve: Callable[..., Sandbox], missing: str) -> None:
    sandbox = serve(scopes=SCOPES - {missing})
    run = load(sandbox)
    assert run.exit_code == 1
    assert f"Tick the scope Actions > {missing} for the token" in run.stderr
    assert not run.records("action_items")
    refused = sum(request.status == 403 for request in sandbox.requests)
    assert 0 < refused <= IN_FLIGHT


def test_an_action_that_vanished_meanwhile_is_no_error(serve: Callable[..., Sandbox]) -> None:
    sandbox = serve(faults=[status(404).at("Actions", after=8)])
    run = load(sandbox)
    assert run.exit_code == 0
    assert len(actions_of(truth(sandbox)) - actions_of(loaded(run))) == 1


def test_a_failure_in_the_middle_keeps_what_was_done(serve: Callable[..., Sandbox]) -> None:
    sandbox = serve(faults=[status(400).at("Actions", after=60)])
    run = load(sandbox)
    assert run.exit_code == 1
    then = load(sandbox, run.state)
    assert loaded(run) | loaded(then) == truth(sandbox)
    assert not loaded(run).keys() & loaded(then).keys()


def test_the_order_does_not_depend_on_how_many_are_under_way(
    serve: Callable[..., Sandbox], monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox = serve(gzip=True)
    config = sandbox.settings() | {"start_date": START.isoformat(), "end_date": NOW.isoformat()}
    outputs = []
    for in_flight in (1, IN_FLIGHT):
        monkeypatch.setitem(ITEMS.__dict__, "in_flight", in_flight)
        run = run_inside(config, catalog=catalog("action_items"))
        assert run.exit_code == 0
        outputs.append(
            [(each["type"], each.get("record"), each.get("value")) for each in run.messages]
        )
    assert outputs[0] == outputs[1]
    assert outputs[0][-1][0] == "STATE"


def updates(sandbox: Sandbox) -> set[str]:
    """Ids of the updates that impact.com shows at this moment, of however old actions."""
    return {row["Id"] for row in sandbox.world.action_updates(sandbox.at)}


def newest_rows(rows: Iterable[dict[str, Any]]) -> dict[Key, Facts]:
    """What the query of docs/items.md leaves: of each action, what was read last."""
    rows = [*rows]
    newest: dict[str, str] = {}
    for row in rows:
        newest[row["action_id"]] = max(newest.get(row["action_id"], ""), row["items_read_at"])
    present = [row for row in rows if row["items_read_at"] == newest[row["action_id"]]]
    assert Counter(row["action_id"] for row in present) == {
        row["action_id"]: row["item_count"] for row in present
    }
    return facts(present)
