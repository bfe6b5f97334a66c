"""An account through its life: after each run, what was loaded is what impact.com holds."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from impact_sandbox.server import Sandbox
from impact_sandbox.world import World

from tests.conftest import ROOT
from tests.inside import run_inside
from tests.runs import Run, catalog

if TYPE_CHECKING:
    from collections.abc import Iterator

FIRST_RUN = datetime(2026, 2, 2, 6, 10, tzinfo=UTC)
START = FIRST_RUN - timedelta(days=60)
STREAMS = ["actions", "action_updates"]

Facts = tuple[str | Decimal | datetime | None, ...]


def account(opened: date, actions_per_day: float = 10) -> Sandbox:
    world = World(seed="life", actions_per_day=actions_per_day, opened=opened)
    return Sandbox(world, at=FIRST_RUN)


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with account(opened=date(2025, 10, 1)) as sandbox:
        yield sandbox


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
    }
    selected = catalog(*STREAMS, replication_method=replication_method)
    run = run_inside(config | settings, state=state, catalog=selected)
    assert run.exit_code == 0, run.stderr
    return run


def money(number: Any) -> Decimal | None:
    return None if number in ("", None) else Decimal(number)


def moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def loaded(record: dict[str, Any]) -> Facts:
    return (
        record["state"],
        money(record["payout"]),
        money(record["amount"]),
        moment(record["locking_date"]),
        moment(record["cleared_date"]),
    )


def truth(sandbox: Sandbox, since: datetime) -> dict[str, Facts]:
    """What impact.com shows at present of each action since a time."""
    return {
        row["Id"]: (
            row["State"],
            money(row["Payout"]),
            money(row["Amount"]),
            moment(row["LockingDate"]),
            moment(row["ClearedDate"]),
        )
        for row in sandbox.world.actions(sandbox.at)
        if datetime.fromisoformat(row["EventDate"]) >= since
    }


def requests_per_path(sandbox: Sandbox) -> Counter[str]:
    return Counter(request.path.rpartition("/")[2] for request in sandbox.requests)


@pytest.mark.slow
def test_the_loaded_table_is_right_after_each_of_sixty_daily_runs(sandbox: Sandbox) -> None:
    run = load(sandbox)
    table = {record["id"]: loaded(record) for record in run.records("actions")}
    updates = {record["id"] for record in run.records("action_updates")}
    changed = Counter[str]()
    for _ in range(61):
        expected = truth(sandbox, START)
        assert {key: table.get(key) for key in expected} == expected
        assert updates >= {
            row["Id"]
            for row in sandbox.world.action_updates(sandbox.at)
            if datetime.fromisoformat(row["UpdateDate"]) >= START
        }
        sandbox.advance(timedelta(days=1).total_seconds())
        run = load(sandbox, run.state)
        for record in run.records("actions"):
            changed[f"{table.get(record['id'], ['new'])[0]} -> {record['state']}"] += 1
            table[record["id"]] = loaded(record)
        updates |= {record["id"] for record in run.records("action_updates")}
        asked = requests_per_path(sandbox)
        assert (asked["Actions"], asked["ActionUpdates"]) == (2, 1)
    # The world was not a quiet one: all that can happen to an action happened.
    for change in (
        "new -> PENDING",
        "PENDING -> PENDING",
        "PENDING -> APPROVED",
        "PENDING -> REVERSED",
        "REVERSED -> PENDING",
        "APPROVED -> APPROVED",
    ):
        assert changed[change] > 0, changed


def test_the_bookmark_is_what_singer_tools_expect(sandbox: Sandbox) -> None:
    bookmark = load(sandbox).state["bookmarks"]["actions"]
    assert (
        bookmark.items()
        >= {
            "replication_key": "event_date",
            "replication_key_value": "2026-02-02T06:10:00Z",
            "history_since": "2025-12-04T06:10:00Z",
        }.items()
    )
    assert bookmark.keys() - {"replication_key", "replication_key_value", "history_since"} == {
        "account",
        "campaigns_seen",
    }


def test_each_window_is_followed_by_a_state_that_covers_it(sandbox: Sandbox) -> None:
    run = load(sandbox)
    bookmarks = [state["bookmarks"].get("actions", {}) for state in run.states]
    steps = [bookmark["history_since"] for bookmark in bookmarks if bookmark]
    assert steps[:2] == ["2025-12-20T06:10:00Z", "2025-12-04T06:10:00Z"]


@pytest.fixture
def account_of_years() -> Iterator[Sandbox]:
    with account(opened=date(2024, 11, 1), actions_per_day=2) as sandbox:
        yield sandbox


def test_an_earlier_start_asks_for_what_is_missing_only(account_of_years: Sandbox) -> None:
    sandbox = account_of_years
    first = load(sandbox)
    earlier = START.replace(year=START.year - 1)
    run = load(sandbox, first.state, start_date=earlier.isoformat())
    asked = [
        (request.query["ActionDateStart"], request.query["ActionDateEnd"])
        for request in sandbox.requests
        if request.path.endswith("/Actions")
    ]
    assert (asked[0][1], asked[-1][0]) == ("2025-12-04T06:10:00Z", "2024-12-04T06:10:00Z")
    assert len(asked) == len(set(asked)) == 9  # a year in windows of 44 days
    table = {record["id"] for each in (first, run) for record in each.records("actions")}
    assert table >= truth(sandbox, earlier).keys()


def asked_once_and_in_all(sandbox: Sandbox) -> tuple[int, int]:
    """How many different pages the last run asked for, and how often it asked."""
    asked = [
        (seen.path, frozenset(seen.query.items() - {("Page", "1")})) for seen in sandbox.requests
    ]
    return len(set(asked)), len(asked)


@pytest.mark.slow
def test_reading_a_list_of_several_pages_twice_costs_what_the_page_says() -> None:
    """Pages of 100 for 5 actions a day are as full as pages of 20,000 for 1,000 a day."""
    history: dict[str, Any] = {"start_date": (FIRST_RUN - timedelta(days=400)).isoformat()}
    figures = []
    for size in (20_000, 100):
        with account(opened=date(2024, 12, 1), actions_per_day=5) as sandbox:
            sandbox.switch(largest_page=size)
            first = load(sandbox, **history)
            figures.append(asked_once_and_in_all(sandbox))
            sandbox.advance(86_400)
            load(sandbox, first.state, **history)
            figures.append(asked_once_and_in_all(sandbox))
    assert figures == [(21, 21), (4, 4), (67, 131), (6, 9)]
    page = (ROOT / "docs/incremental.md").read_text()
    assert "131 requests for the first load, not 67, and 9 a day, not 6" in page


def test_a_bookmark_by_hand_counts_as_complete_history(sandbox: Sandbox) -> None:
    yesterday = (FIRST_RUN - timedelta(days=1)).isoformat()
    by_hand = {"bookmarks": {"actions": {"replication_key_value": yesterday}}}
    run = load(sandbox, by_hand)
    assert requests_per_path(sandbox)["Actions"] == 2
    assert run.state["bookmarks"]["actions"]["history_since"] == "2025-12-04T06:10:00Z"


def test_full_table_replication_reads_all_and_leaves_coverage_alone(sandbox: Sandbox) -> None:
    first = load(sandbox)
    run = load(sandbox, first.state, replication_method="FULL_TABLE")
    asked = requests_per_path(sandbox)
    assert (asked["Actions"], asked["ActionUpdates"]) == (2, 2)
    assert {record["id"] for record in run.records("actions")} == truth(sandbox, START).keys()
    assert run.state["bookmarks"] == first.state["bookmarks"]


def test_full_table_replication_asks_for_nothing_beyond_reach(sandbox: Sandbox) -> None:
    run = load(sandbox, replication_method="FULL_TABLE", start_date="2019-01-01")
    assert run.records("actions")


def test_full_table_replication_begins_where_the_account_does(sandbox: Sandbox) -> None:
    sandbox.switch(account_began="2025-12-24")
    incremental = load(sandbox)
    run = load(sandbox, replication_method="FULL_TABLE", emit_activate_version_messages=True)
    for stream in STREAMS:
        found, expected = (
            {row["id"] for row in each.records(stream)} for each in (run, incremental)
        )
        assert found == expected
        assert found
    activated = [each for each in run.messages if each["type"] == "ACTIVATE_VERSION"]
    assert [each["stream"] for each in activated] == STREAMS


def test_an_end_in_the_future_leaves_no_bookmark_there(sandbox: Sandbox) -> None:
    run = load(sandbox, end_date="2999-01-01")
    through = run.state["bookmarks"]["actions"]["replication_key_value"]
    assert datetime.fromisoformat(through) == sandbox.at


def test_no_day_before_history_is_held_in_part(sandbox: Sandbox) -> None:
    state = None
    for _ in range(2):
        run = load(sandbox, state)
        state = run.state
        happened = [record["event_date"] for record in run.records("actions")]
        assert min(happened) >= START.isoformat()[:19]
        sandbox.advance(86_400)
    earlier = load(sandbox, state, start_date=(START - timedelta(days=30)).isoformat())
    sandbox.advance(86_400)
    again = load(sandbox, earlier.state)  # what is held is kept up to date, wherever start_date is
    assert any(record["event_date"] < START.isoformat() for record in again.records("actions"))


def test_a_bookmark_in_the_future_is_put_back(sandbox: Sandbox) -> None:
    state = {"bookmarks": {"actions": {"replication_key_value": "2999-01-01T00:00:00Z"}}}
    config = sandbox.settings() | {"end_date": sandbox.at.isoformat()}
    run = run_inside(config, state=state, catalog=catalog("actions"))
    assert run.exit_code == 0
    assert "the bookmark of actions is in the future (2999-01-01T00:00:00Z)" in run.stderr
    assert run.records("actions")
