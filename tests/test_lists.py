"""Lists of many pages, and lists that are longer than the API hands out."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from impact_sandbox import faults
from impact_sandbox.server import Sandbox
from impact_sandbox.switches import SCOPES
from impact_sandbox.world import World

from tests.inside import run_inside
from tests.pipeline import Wherever
from tests.runs import Run, catalog

if TYPE_CHECKING:
    from collections.abc import Iterable

NOW = datetime(2026, 6, 30, 6, 10, tzinfo=UTC)
START = datetime(2026, 5, 1, tzinfo=UTC)
WORLD = World(seed="lists", actions_per_day=12, opened=date(2026, 2, 1))
YESTERDAY = {
    "bookmarks": {
        "actions": {
            "replication_key_value": (NOW - timedelta(days=1)).isoformat(),
            "history_since": START.isoformat(),
        }
    }
}


def load(
    sandbox: Sandbox,
    state: dict[str, Any] | None = None,
    streams: tuple[str, ...] = ("actions",),
) -> Run:
    config = {"start_date": START.isoformat(), "end_date": NOW.isoformat()}
    return run_inside(sandbox.settings() | config, state=state, catalog=catalog(*streams))


def ids(rows: Iterable[dict[str, Any]]) -> set[str]:
    return {row.get("Id") or row["id"] for row in rows}


def truth() -> set[str]:
    return ids(WORLD.actions(NOW, START))


def test_all_pages_are_read_by_the_addresses_that_the_api_gives() -> None:
    with Sandbox(WORLD, at=NOW, largest_page=97) as sandbox:
        run = load(sandbox)
    assert run.exit_code == 0, run.stderr
    assert ids(run.records("actions")) == truth()
    pages = Counter(request.query.get("Page", "1") for request in sandbox.requests)
    assert pages["2"] > 0


def test_a_window_of_more_than_ten_pages_is_halved_until_it_fits() -> None:
    with Sandbox(WORLD, at=NOW, largest_page=9) as sandbox:
        run = load(sandbox)
    assert run.exit_code == 0, run.stderr
    assert ids(run.records("actions")) == truth()


@pytest.mark.slow
def test_a_months_actions_that_lock_in_one_second_are_asked_for_by_campaign() -> None:
    at_once = Counter(row["LockingDate"] for row in WORLD.actions(NOW))
    with Sandbox(WORLD, at=NOW, largest_page=11) as sandbox:
        assert at_once.most_common(1)[0][1] > 10 * 11  # no single query can give them
        run = load(sandbox, YESTERDAY)
    assert run.exit_code == 0, run.stderr
    locked = [
        row
        for row in WORLD.actions(NOW, START)
        if row["LockingDate"]
        and NOW - timedelta(days=41) <= datetime.fromisoformat(row["LockingDate"]) <= NOW
    ]
    assert ids(run.records("actions")) >= ids(locked)
    assert any("CampaignId" in request.query for request in sandbox.requests)


@pytest.mark.slow
def test_a_second_whose_large_pages_fail_is_asked_for_by_campaign_in_small_ones() -> None:
    fails = faults.status(500)
    large = Wherever(
        lambda seen: (
            fails
            if seen.resource == "Actions" and int(seen.query.get("PageSize", 0)) > 2_000
            else None
        )
    )
    with Sandbox(WORLD, at=NOW, largest_page=11) as sandbox:
        expected = ids(load(sandbox, YESTERDAY).records("actions"))
        sandbox.spoil(large)
        run = load(sandbox, YESTERDAY)
    assert run.exit_code == 0, run.stderr
    assert ids(run.records("actions")) == expected


def test_without_the_campaigns_scope_the_campaigns_that_rows_named_are_asked_for() -> None:
    scopes = SCOPES - {"Retrieve campaigns"}
    with Sandbox(WORLD, at=NOW, largest_page=11, scopes=scopes) as sandbox:
        run = load(sandbox, YESTERDAY)
    assert run.exit_code == 0
    assert (
        "so they are requested by campaign; only the campaigns that rows have named" in run.stderr
    )
    assert any("CampaignId" in request.query for request in sandbox.requests)


@pytest.mark.slow
def test_a_single_campaign_that_is_still_too_much_fails_loudly() -> None:
    with Sandbox(WORLD, at=NOW, largest_page=8) as sandbox:
        run = load(sandbox, YESTERDAY)
    assert run.exit_code == 1
    assert "impact.com gives no more than 10 pages" in run.stderr
    assert "Traceback" not in run.stderr
    (open_query, *_) = run.state["bookmarks"]["actions"]["unanswered"]
    assert open_query.keys() >= {"campaign_id", "state"}


def test_a_list_that_no_rule_limits_may_have_any_number_of_pages() -> None:
    many = faults.envelope("@numpages", "11").at("Campaigns")
    with Sandbox(WORLD, at=NOW, faults=[many]) as sandbox:
        run = load(sandbox, streams=("campaigns",))
    assert run.exit_code == 0, run.stderr
    assert len(run.records("campaigns")) == len(WORLD.campaigns())


@pytest.mark.parametrize("campaign_id", [faults.ABSENT, ""], ids=["absent", "blank"])
def test_a_campaign_without_an_id_keeps_no_other_ones_deals_from_loading(campaign_id: Any) -> None:
    nameless = faults.field_of_row("CampaignId", campaign_id).at("Campaigns", times=faults.ALWAYS)
    with Sandbox(WORLD, at=NOW) as sandbox:
        (spared, *_) = (row["CampaignId"] for row in sandbox.world.campaigns())
        expected = load(sandbox, streams=("deals",)).records("deals")
        sandbox.requests.clear()
        sandbox.spoil([nameless])
        run = load(sandbox, streams=("deals",))
        asked = [seen.path for seen in sandbox.requests if seen.path.endswith("Deals")]
    assert run.exit_code == 0, run.stderr
    left = [row["id"] for row in expected if row["campaign_id"] != spared]
    assert [row["id"] for row in run.records("deals")] == left != []
    assert len(asked) == len(WORLD.campaigns()) - 1


def test_an_optional_stream_that_is_not_there_keeps_no_other_from_loading() -> None:
    gone = faults.status(404).at("Account", times=faults.ALWAYS)
    with Sandbox(WORLD, at=NOW, faults=[gone]) as sandbox:
        run = load(sandbox, streams=("account", "actions"))
    assert run.exit_code == 0, run.stderr
    assert "account is skipped. impact.com answered 404" in run.stderr
    assert ids(run.records("actions")) == truth()


def test_a_required_stream_that_is_not_there_fails_the_run() -> None:
    gone = faults.status(404).at("Actions", times=faults.ALWAYS)
    with Sandbox(WORLD, at=NOW, faults=[gone]) as sandbox:
        assert load(sandbox).exit_code == 1
