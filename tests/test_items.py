"""Action items: all of them, each action asked for once, and again when it changed."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from impact_sandbox.exchange import Answer
from impact_sandbox.faults import ALWAYS, Fault, status
from impact_sandbox.server import Sandbox
from impact_sandbox.switches import SCOPES
from impact_sandbox.world import World

from tap_impact.progress import items
from tap_impact.streams.action_items import ITEMS
from tests.inside import run_inside
from tests.pipeline import Wherever, edited
from tests.runs import Run, catalog

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    from impact_sandbox.server import SeenRequest

NOW = datetime(2026, 3, 2, 6, 10, tzinfo=UTC)
START = NOW - timedelta(days=14)
OPENED = date(2026, 1, 10)
WORLD = World(seed="items", actions_per_day=5, opened=OPENED)
IN_FLIGHT = 10

Key = tuple[str, str, int]
Facts = tuple[Decimal, Decimal, str | None, int]


@pytest.fixture
def serve() -> Iterator[Callable[..., Sandbox]]:
    running: list[Sandbox] = []

    def start(world: World = WORLD, **switches: Any) -> Sandbox:
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


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


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
    """The items of all actions since a time, as impact.com shows them at present."""
    table = {}
    for action in sandbox.world.actions(sandbox.at, since):
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
        assert refused <= IN_FLIGHT
        assert run.exit_code == 0 or "rate limit exceeded" in run.stderr
        assert "Traceback" not in run.stderr
        sandbox.advance(3600)
        runs += 1
    sandbox.advance(-3600)
    expected = truth(sandbox)
    # an hour's requests but those for lists
    assert runs == 1 + len(actions_of(expected)) // 57
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


@pytest.mark.parametrize(
    ("hours", "runs", "days", "a_day"),
    [pytest.param(24, 6, 20, 5, marks=pytest.mark.slow), (0.25, 4, 4, 15)],
)
def test_what_changed_is_asked_again_and_nothing_else(
    serve: Callable[..., Sandbox], hours: float, runs: int, days: int, a_day: int
) -> None:
    sandbox = serve(World(seed="changes", actions_per_day=a_day, opened=OPENED))
    since = NOW - timedelta(days=days)
    run = load(sandbox, start_date=since.isoformat())
    rows = {key(record): record for record in run.records("action_items")}
    changed = 0
    for _ in range(runs):
        known = updates(sandbox)
        sandbox.advance(hours * 3600)
        run = load(sandbox, run.state, start_date=since.isoformat())
        news = {update.rpartition(".")[0] for update in updates(sandbox) - known}
        news &= since_start(sandbox, since)
        assert asked(sandbox) == dict.fromkeys(news, 1)
        assert number_of_lists(sandbox) <= 3
        rows |= {key(record): record for record in run.records("action_items")}
        expected = truth(sandbox, since)
        newest = newest_rows(rows.values())
        assert {each: newest.get(each) for each in expected} == expected
        changed += len(news)
    assert changed > 2 * runs * hours / 24
    if hours == 24:
        gone = rows.keys() - newest.keys()
        assert gone
        assert not gone & expected.keys()


@pytest.mark.slow
def test_each_state_of_a_run_is_where_another_can_go_on(serve: Callable[..., Sandbox]) -> None:
    sandbox = serve(World(seed="items", actions_per_day=8, opened=OPENED), hourly_detail=5000)
    messages = load(sandbox).messages
    states = [place for place, message in enumerate(messages) if message["type"] == "STATE"]
    assert len(states) > 6
    for place in states[1::3]:
        before = [each["record"] for each in messages[:place] if each["type"] == "RECORD"]
        run = load(sandbox, messages[place]["value"])
        assert run.exit_code == 0
        assert not facts(before).keys() & loaded(run).keys()
        assert facts(before) | loaded(run) == truth(sandbox)


@pytest.mark.parametrize("history", [timedelta(hours=1), timedelta()], ids=["more", "no more"])
def test_actions_of_one_second_can_be_stopped_between(
    serve: Callable[..., Sandbox], history: timedelta
) -> None:
    sandbox = serve(World(seed="batch", actions_per_day=8, opened=OPENED))
    moments = Counter(action["EventDate"] for action in sandbox.world.actions(NOW))
    shared = datetime.fromisoformat(
        max(moment for moment, actions in moments.items() if actions > 1)
    )
    around: dict[str, Any] = {
        "start_date": (shared - history).isoformat(),
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
    """State of a run that is whole back to a time."""
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


# -- items that do not come ----------------------------------------------------------------------


NO_CONTENT = Fault("204", Answer(204, b"", content_type="application/json"))


def items_of(action_ids: Collection[str], fault: Fault, times: int = ALWAYS) -> Wherever:
    """Let something go wrong with the items of some actions, so often each."""
    met = Counter[str]()

    def rule(seen: SeenRequest) -> Fault | None:
        action_id = seen.path.split("/")[-2]
        if not seen.path.endswith("/Items") or action_id not in action_ids:
            return None
        met[action_id] += 1
        return fault if met[action_id] <= times else None

    return Wherever(rule)


def some_actions(sandbox: Sandbox, number: int) -> list[str]:
    """The newest actions that every run of these tests loads."""
    rows = sandbox.world.actions(NOW)
    return [
        row["Id"]
        for row in sorted(rows, key=lambda row: moment(row["EventDate"]), reverse=True)[3:]
    ][:number]


def test_an_action_that_went_to_another_partner_is_closed_by_the_third_run(
    serve: Callable[..., Sandbox],
) -> None:
    sandbox = serve(World(seed="gone", actions_per_day=3, opened=OPENED))
    (gone,) = some_actions(sandbox, 1)
    sandbox.spoil(items_of([gone], status(404)))
    state, exit_codes, times = None, [], []
    for _ in range(4):
        run = load(sandbox, state)
        state = run.state
        exit_codes.append(run.exit_code)
        times.append(sum(gone in request.path for request in sandbox.requests))
        assert ("went to another partner" in run.stderr) == (len(times) == 3)
    assert exit_codes == [1, 1, 0, 0]
    assert times == [2, 2, 2, 0]
    assert "open" not in bookmark(run)


def test_a_404_now_and_then_closes_nothing(serve: Callable[..., Sandbox]) -> None:
    sandbox = serve(World(seed="now and then", actions_per_day=3, opened=OPENED))
    (action_id,) = some_actions(sandbox, 1)
    state = None
    for fault in (status(404), status(404), NO_CONTENT, status(404), status(404), NO_CONTENT):
        sandbox.spoil(items_of([action_id], fault))
        run = load(sandbox, state)
        state = run.state
        assert run.exit_code == 1
        assert action_id in bookmark(run)["open"]
    sandbox.spoil(())
    last = load(sandbox, state)
    assert last.exit_code == 0
    assert actions_of(loaded(last)) == {action_id}


@pytest.mark.parametrize("fault", [NO_CONTENT, status(500)], ids=lambda each: each.name)
def test_actions_whose_items_never_come_hold_nothing_up(
    serve: Callable[..., Sandbox], fault: Fault
) -> None:
    sandbox = serve(World(seed="never", actions_per_day=2, opened=OPENED))
    # enough to look like trouble with all, were they asked for at once, and first in every run
    bad = some_actions(sandbox, 20)[::5]
    sandbox.spoil(items_of(bad, fault))
    state = None
    table: dict[Key, Facts] = {}
    for _ in range(5):
        run = load(sandbox, state, action_items_per_run=len(bad) + 12)
        assert run.exit_code == 1
        assert sum(asked(sandbox).values()) <= len(bad) + 12
        state, table = run.state, table | loaded(run)
        sandbox.advance(900)
    expected = truth(sandbox)
    assert actions_of(expected) - actions_of(table) == set(bad)
    assert set(bookmark(run)["open"]) == set(bad)
    sandbox.spoil(())
    run = load(sandbox, state)
    assert run.exit_code == 0
    assert table | loaded(run) == truth(sandbox)


@pytest.mark.parametrize("code", [400, 500])
def test_where_no_items_can_be_had_the_run_soon_stops(
    serve: Callable[..., Sandbox], code: int
) -> None:
    sandbox = serve()
    state = None
    for _ in range(2):
        sandbox.spoil(Wherever(lambda seen: status(code) if "/Items" in seen.path else None))
        run = load(sandbox, state)
        state = run.state
        assert run.exit_code == 1
        assert not loaded(run)
        assert len({request.path for request in sandbox.requests}) < 3 * IN_FLIGHT
    assert len(bookmark(run)["open"]) < IN_FLIGHT
    sandbox.spoil(())
    run = load(sandbox, state)
    assert run.exit_code == 0
    assert loaded(run) == truth(sandbox)


def test_the_open_actions_in_state_are_bounded(
    serve: Callable[..., Sandbox], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(items, "MAX_OPEN", 20)
    sandbox = serve(World(seed="many", actions_per_day=2, opened=OPENED))
    sandbox.spoil(Wherever(lambda seen: NO_CONTENT if "/Items" in seen.path else None))
    state = None
    for _ in range(2):
        run = load(sandbox, state)
        state = run.state
        assert run.exit_code == 1
        assert len(bookmark(run)["open"]) == 20
        assert len(run.stderr) < 20 * 500
    sandbox.spoil(())
    table: dict[Key, Facts] = {}
    while run.exit_code or "action_items_per_run is" in run.stderr:
        run = load(sandbox, state)
        state, table = run.state, table | loaded(run)
    assert table == truth(sandbox)


def test_an_error_of_one_action_is_asked_again_after_the_others(
    serve: Callable[..., Sandbox],
) -> None:
    sandbox = serve(World(seed="once", actions_per_day=3, opened=OPENED))
    struck = some_actions(sandbox, 2)
    sandbox.spoil(items_of(struck, status(400), times=1))
    run = load(sandbox)
    assert run.exit_code == 0
    assert loaded(run) == truth(sandbox)
    in_order = [
        request.path.split("/")[4] for request in sandbox.requests if "/Items" in request.path
    ]
    assert set(in_order[-2:]) == set(struck)
    assert "open" not in bookmark(run)


def test_full_table_replication_names_what_did_not_come(serve: Callable[..., Sandbox]) -> None:
    sandbox = serve(World(seed="full", actions_per_day=3, opened=OPENED))
    bad, once = some_actions(sandbox, 2)
    never, not_at_first = items_of([bad], NO_CONTENT), items_of([once], status(404), times=1)
    sandbox.spoil(Wherever(lambda seen: never.strike(seen) or not_at_first.strike(seen)))
    run = load(sandbox, replication_method="FULL_TABLE")
    assert run.exit_code == 1
    assert bad in run.stderr.splitlines()[-2]
    assert actions_of(truth(sandbox)) - actions_of(loaded(run)) == {bad}


@pytest.mark.slow
def test_what_a_killed_run_could_not_load_is_open_in_each_of_its_states(
    serve: Callable[..., Sandbox],
) -> None:
    sandbox = serve(hourly_detail=5000)
    bad = some_actions(sandbox, 40)[::7]
    sandbox.spoil(items_of(bad, NO_CONTENT))
    messages = load(sandbox).messages
    sandbox.spoil(())
    states = [place for place, message in enumerate(messages) if message["type"] == "STATE"]
    for place in states[1::3]:
        before = [each["record"] for each in messages[:place] if each["type"] == "RECORD"]
        run = load(sandbox, messages[place]["value"])
        assert run.exit_code == 0
        assert facts(before) | loaded(run) == truth(sandbox)


@pytest.mark.parametrize("body", [{"@total": "0"}, {"ActionItems": []}], ids=str)
def test_an_action_without_items_is_no_trouble(
    serve: Callable[..., Sandbox], body: dict[str, Any]
) -> None:
    sandbox = serve(World(seed="none", actions_per_day=3, opened=OPENED))
    (bare,) = some_actions(sandbox, 1)
    sandbox.spoil(items_of([bare], Fault("none", Answer(200, body))))
    run = load(sandbox)
    assert run.exit_code == 0
    assert actions_of(truth(sandbox)) - actions_of(loaded(run)) == {bare}


def spoilt_list(name: str, action_id: str) -> Wherever:
    """Let lists send an action with a field that says nothing."""

    def spoilt(body: dict[str, Any]) -> dict[str, Any]:
        rows = body["Actions"]
        return body | {
            "Actions": [row | {name: ""} if row["Id"] == action_id else row for row in rows]
        }

    return Wherever(lambda seen: edited(spoilt) if seen.path.endswith("/Actions") else None)


@pytest.mark.parametrize("method", ["INCREMENTAL", "FULL_TABLE"])
def test_an_action_without_an_id_is_left_out_and_told(
    serve: Callable[..., Sandbox], method: str
) -> None:
    sandbox = serve(World(seed="no id", actions_per_day=3, opened=OPENED))
    (nameless,) = some_actions(sandbox, 1)
    sandbox.spoil(spoilt_list("Id", nameless))
    run = load(sandbox, replication_method=method)
    assert run.exit_code == 1
    assert "the list of actions has 1 without an id" in run.stderr
    assert actions_of(truth(sandbox)) - actions_of(loaded(run)) == {nameless}


@pytest.mark.parametrize("most", [pytest.param(1, marks=pytest.mark.slow), 5, 100])
@pytest.mark.parametrize("method", ["INCREMENTAL", "FULL_TABLE"])
def test_an_action_without_a_date_is_loaded_without_one(
    serve: Callable[..., Sandbox], method: str, most: int
) -> None:
    world = World(seed="no date", actions_per_day=3, opened=OPENED)
    sandbox = serve(world, hourly_detail=10**6)
    (undated,) = some_actions(sandbox, 1)
    sandbox.spoil(spoilt_list("EventDate", undated))
    settings: dict[str, Any] = {"replication_method": method, "action_items_per_run": most}
    run = load(sandbox, **settings)
    rows = run.records("action_items")
    while "action_items_per_run is" in run.stderr:
        run = load(sandbox, run.state, **settings)
        assert run.exit_code == 0, run.stderr
        rows += run.records("action_items")
    assert facts(rows) == truth(sandbox)
    without_date = {
        row["action_id"] for row in rows if not (row["event_date"] and row["event_day"])
    }
    assert without_date == {undated}


# -- what tells that items changed ---------------------------------------------------------------


def test_any_change_of_the_action_asks_again(serve: Callable[..., Sandbox]) -> None:
    sandbox = serve(World(seed="any", actions_per_day=20, opened=OPENED))
    since = NOW - timedelta(days=2)
    run = load(sandbox, start_date=since.isoformat())
    changed = newest_update(sandbox, since)["ActionId"]

    def rule(seen: SeenRequest) -> Fault | None:
        return edited(other_oid) if seen.path.endswith("/Actions") else None

    def other_oid(body: dict[str, Any]) -> dict[str, Any]:
        rows = [row | {"Oid": "new"} if row["Id"] == changed else row for row in body["Actions"]]
        return body | {"Actions": rows}

    for _ in range(2):
        sandbox.spoil(Wherever(rule))
        run = load(sandbox, run.state, start_date=since.isoformat())
        assert asked(sandbox) == {changed: 1}
        sandbox.spoil(())
        run = load(sandbox, run.state, start_date=since.isoformat())
        assert asked(sandbox) == {changed: 1}


@pytest.mark.parametrize("trouble", ["scope", "error"])
def test_without_the_list_of_updates_what_changed_lately_is_asked_again(
    serve: Callable[..., Sandbox], trouble: str
) -> None:
    scopes = SCOPES - {"Retrieve action updates"} if trouble == "scope" else SCOPES
    world = World(seed="no updates", actions_per_day=20, opened=OPENED)
    sandbox = serve(world, hourly_detail=5000, scopes=scopes)
    if trouble == "error":
        sandbox.spoil([status(400).at("ActionUpdates", times=ALWAYS)])
    since = NOW - timedelta(days=2)
    run = load(sandbox, start_date=since.isoformat())
    assert run.exit_code == 0
    assert loaded(run) == truth(sandbox, since)
    lately = NOW - timedelta(hours=2)
    expected = {
        row["ActionId"]
        for row in sandbox.world.action_updates(NOW)
        if moment(row["UpdateDate"]) >= lately
    }
    expected &= since_start(sandbox, since)
    assert expected
    run = load(sandbox, run.state, start_date=since.isoformat())
    assert run.exit_code == 0
    assert asked(sandbox) == dict.fromkeys(expected, 1)
    assert "/ActionUpdates" in run.stderr


def newest_update(sandbox: Sandbox, since: datetime) -> dict[str, Any]:
    """The last update of an action since a time."""
    rows = sandbox.world.action_updates(sandbox.at)
    ours = since_start(sandbox, since)
    return max(
        (row for row in rows if row["ActionId"] in ours), key=lambda row: moment(row["UpdateDate"])
    )


# -- edges ---------------------------------------------------------------------------------------


def test_actions_of_the_very_second_of_start_date_are_loaded(
    serve: Callable[..., Sandbox],
) -> None:
    sandbox = serve(World(seed="edge", actions_per_day=4, opened=OPENED))
    moments = [moment(row["EventDate"]) for row in sandbox.world.actions(NOW)]
    first = min(each for each in moments if each >= START)
    run = load(sandbox, start_date=first.isoformat())
    assert run.exit_code == 0
    assert loaded(run) == truth(sandbox, first)
    later = load(sandbox, start_date=(first + timedelta(seconds=1)).isoformat())
    assert loaded(later) == truth(sandbox, first + timedelta(seconds=1)) != truth(sandbox, first)


@pytest.mark.parametrize("sku", ["", None, ...], ids=["blank", "null", "missing"])
def test_items_without_sku_are_kept(serve: Callable[..., Sandbox], sku: Any) -> None:
    sandbox = serve(World(seed="no sku", actions_per_day=3, opened=OPENED))

    def without_sku(body: dict[str, Any]) -> dict[str, Any]:
        rows = [
            {name: value for name, value in row.items() if name != "Sku"}
            | ({} if sku is ... else {"Sku": sku})
            for row in body["ActionItems"]
        ]
        return body | {"ActionItems": rows}

    sandbox.spoil(
        Wherever(lambda seen: edited(without_sku) if seen.path.endswith("/Items") else None)
    )
    run = load(sandbox)
    assert run.exit_code == 0
    ordinals: dict[str, list[int]] = {}
    for row in run.records("action_items"):
        assert row["sku"] == ""
        ordinals.setdefault(row["action_id"], []).append(row["sku_ordinal"])
    assert ordinals == {
        action_id: [*range(1, len(sandbox.world.items(action_id, NOW)) + 1)]
        for action_id in actions_of(truth(sandbox))
    }


def test_no_list_is_read_twice_in_vain(serve: Callable[..., Sandbox]) -> None:
    sandbox = serve(World(seed="lists", actions_per_day=3, opened=OPENED))
    run = load(sandbox)
    lists = listed_spans(sandbox, "ActionDateStart", "ActionDateEnd")
    assert lists[0][1] == NOW
    assert lists[-1][0] == START
    assert [start for start, _ in lists[:-1]] == [end for _, end in lists[1:]]
    for hours in (0, 1, 40):
        before = sandbox.at
        sandbox.advance(hours * 3600)
        run = load(sandbox, run.state)
        assert not listed_spans(sandbox, "ActionDateStart", "ActionDateEnd")
        news = listed_spans(sandbox, "StartDate", "EndDate")
        assert news[0][0] == before - timedelta(hours=2)
        assert news[-1] == (
            max(sandbox.at - timedelta(hours=2), before - timedelta(hours=2)),
            sandbox.at,
        )
        assert [end for _, end in news[:-1]] == [start for start, _ in news[1:]]
        assert len(news) == (1 if hours == 0 else 2)


def test_what_changed_is_asked_once_by_runs_that_stop_between_lists(
    serve: Callable[..., Sandbox],
) -> None:
    sandbox = serve(World(seed="lists", actions_per_day=12, opened=OPENED))
    run = load(sandbox, start_at(START), action_items_per_run=10_000)
    sandbox.advance(5 * 86_400)
    asked_of = Counter[str]()
    while True:
        run = load(sandbox, run.state, action_items_per_run=20)
        asked_of += asked(sandbox)
        if "action_items_per_run is" not in run.stderr:
            break
    assert len(asked_of) > 50
    assert {*asked_of.values()} == {1}


def listed_spans(sandbox: Sandbox, start: str, end: str) -> list[tuple[datetime, datetime]]:
    """The windows of the last run's lists of actions by some dates, in order."""
    return [
        (moment(request.query[start]), moment(request.query[end]))
        for request in sandbox.requests
        if request.path.endswith("/Actions") and start in request.query
    ]


def test_a_young_account_is_read_from_its_first_day_and_no_longer_asked_before(
    serve: Callable[..., Sandbox],
) -> None:
    born = NOW - timedelta(days=9)
    world = World(seed="young", actions_per_day=3, opened=born.date())
    sandbox = serve(world)

    def rule(seen: SeenRequest) -> Fault | None:
        start = seen.query.get("ActionDateStart")
        return status(400, b"{}") if start and moment(start) < born else None

    sandbox.spoil(Wherever(rule))
    state = None
    table: dict[Key, Facts] = {}
    for _ in range(3):
        run = load(sandbox, state, action_items_per_run=12)
        assert run.exit_code == 0, run.stderr
        state, table = run.state, table | loaded(run)
    later = born + timedelta(hours=1)
    assert {key: table.get(key) for key in truth(sandbox, later)} == truth(sandbox, later)
    load(sandbox, state)
    assert not any(request.status == 400 for request in sandbox.requests)


def test_the_order_does_not_depend_on_how_many_are_under_way(
    serve: Callable[..., Sandbox], monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox = serve(gzip=True)
    config = sandbox.settings() | {"start_date": START.isoformat(), "end_date": NOW.isoformat()}
    outputs = []
    for concurrent_requests in (1, IN_FLIGHT):
        monkeypatch.setitem(ITEMS.__dict__, "concurrent_requests", concurrent_requests)
        run = run_inside(config, catalog=catalog("action_items"))
        assert run.exit_code == 0
        outputs.append(
            [(each["type"], each.get("record"), each.get("value")) for each in run.messages]
        )
    assert outputs[0] == outputs[1]
    assert outputs[0][-1][0] == "STATE"


def since_start(sandbox: Sandbox, since: datetime = START) -> set[str]:
    """The actions that belong in the table."""
    return {row["Id"] for row in sandbox.world.actions(sandbox.at, since)}


def number_of_lists(sandbox: Sandbox) -> int:
    """How many lists of actions and updates the last run asked for."""
    return sum(
        request.path.endswith(("/Actions", "/ActionUpdates")) for request in sandbox.requests
    )


def updates(sandbox: Sandbox) -> set[str]:
    """Ids of the updates that impact.com shows at present, of however old actions."""
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
