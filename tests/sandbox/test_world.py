from __future__ import annotations

from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import islice, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from impact_sandbox.world import LONGEST_LAG, LONGEST_LIFE, World

OPENED = date(2026, 1, 1)
LATE = datetime(2026, 6, 30, 6, 10, tzinfo=UTC)
WORLD = World(opened=OPENED, actions_per_day=8, clicks_per_day=120)
NEVER_CHANGES = (
    "Id",
    "CampaignId",
    "EventDate",
    "CreationDate",
    "Currency",
    "Oid",
    "SubId1",
    "ReferringDate",
    "IntendedPayout",
    "IntendedAmount",
    "CustomerCity",
)
times = st.integers(0, 170 * 86_400).map(
    lambda seconds: datetime(2026, 1, 5, tzinfo=UTC) + timedelta(seconds=seconds),
)


def seconds(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp())


def test_the_same_seed_and_time_give_the_same_world() -> None:
    again = World(opened=OPENED, actions_per_day=8)
    list(
        islice(again.actions(LATE + timedelta(days=90)), 500)
    )  # what was asked before is no matter
    assert list(again.actions(LATE)) == list(WORLD.actions(LATE))
    assert list(again.action_updates(LATE)) == list(WORLD.action_updates(LATE))


def test_another_seed_is_another_account() -> None:
    other = World(1, opened=OPENED, actions_per_day=8)
    assert other.account_sid != WORLD.account_sid
    assert other.auth_token != WORLD.auth_token
    assert list(other.actions(LATE)) != list(WORLD.actions(LATE))


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(times, st.integers(1, 60 * 86_400))
def test_a_later_world_is_the_same_world_grown_older(at: datetime, later: int) -> None:
    before = {row["Id"]: row for row in WORLD.actions(at)}
    after = {row["Id"]: row for row in WORLD.actions(at + timedelta(seconds=later))}
    assert before.keys() <= after.keys()
    for action_id, row in before.items():
        grown = after[action_id]
        assert [row[name] for name in NEVER_CHANGES] == [grown[name] for name in NEVER_CHANGES]
        if row["State"] == "APPROVED":
            assert row == grown | {"ClearedDate": row["ClearedDate"]}
        if row["ClearedDate"]:
            assert row == grown
    updates = {row["Id"]: row for row in WORLD.action_updates(at)}
    grown_updates = {row["Id"]: row for row in WORLD.action_updates(at + timedelta(seconds=later))}
    assert updates.items() <= grown_updates.items()


@settings(max_examples=25, deadline=None)
@given(times)
def test_deltas_and_items_add_up_to_the_action(at: datetime) -> None:
    payouts: dict[str, Decimal] = defaultdict(Decimal)
    amounts: dict[str, Decimal] = defaultdict(Decimal)
    for update in WORLD.action_updates(at):
        payouts[update["ActionId"]] += Decimal(update["DeltaPayout"])
        amounts[update["ActionId"]] += Decimal(update["DeltaAmount"])
    rows = list(WORLD.actions(at))
    assert {row["Id"]: Decimal(row["Payout"]) for row in rows} == payouts
    assert {row["Id"]: Decimal(row["Amount"]) for row in rows} == amounts
    for row in rows[::50]:
        items = WORLD.items(row["Id"], at)
        assert 1 <= len(items) <= 4
        assert sum(Decimal(item["Payout"]) for item in items) == Decimal(row["Payout"])


@settings(max_examples=25, deadline=None)
@given(times)
def test_states_follow_from_the_dates(at: datetime) -> None:
    now = int(at.timestamp())
    for row in WORLD.actions(at):
        locked = bool(row["LockingDate"]) and seconds(row["LockingDate"]) <= now
        assert (row["State"] == "APPROVED") == (locked and row["State"] != "REVERSED")
        assert Decimal(row["Payout"]) == 0 or row["State"] != "REVERSED"
        if row["ClearedDate"]:
            assert row["State"] == "APPROVED"
            assert seconds(row["ClearedDate"]) <= now
            days = (seconds(row["ClearedDate"]) - seconds(row["LockingDate"])) / 86_400
            assert 16 < days < 25


def test_only_changes_of_an_action_move_last_updated() -> None:
    for action in WORLD.seen(LATE):
        updates = [seconds(update.row()["UpdateDate"]) for update in action.updates()]
        assert action.updated == max(updates)
        assert action.locking is None or action.updated < action.locking
        assert action.updated - action.event < LONGEST_LIFE


def test_rows_become_visible_within_forty_minutes_of_their_own_timestamp() -> None:
    lags = [step.shown - step.at for action in WORLD.seen(LATE) for step in action.steps]
    late = [lag for lag in lags if lag > 20 * 60]
    assert min(lags) >= 0
    assert late
    assert max(lags) <= LONGEST_LAG


def test_a_change_cannot_be_seen_before_it_is_shown() -> None:
    lives = [action for action in WORLD.seen(LATE) if len(action.steps) > 1]
    for action in lives[:200]:
        for number, step in enumerate(action.steps):
            shown = datetime.fromtimestamp(step.shown, UTC)
            before = WORLD.action(action.life.id, shown - timedelta(seconds=1))
            after = WORLD.action(action.life.id, shown)
            assert (before.steps if before else ()) == action.steps[:number]
            assert after is not None
            assert after.steps == action.steps[: number + 1]


def test_every_kind_of_life_is_lived() -> None:
    actions = list(WORLD.seen(LATE))
    rows = [action.row() for action in actions]
    kinds = {tuple(step.kind for step in action.steps) for action in actions}
    assert {
        ("created", "reversed", "restored"),
        ("created", "reversed", "restored", "reversed"),
    } <= kinds
    assert any("dated" in kind for kind in kinds)
    assert {row["State"] for row in rows} == {"PENDING", "APPROVED", "REVERSED"}
    assert any(not row["LockingDate"] for row in rows)
    assert any(not row["Oid"] for row in rows)
    assert {row["PromoCode"] for row in rows} == {"", "SPRING26"}
    late = [seconds(row["CreationDate"]) - seconds(row["EventDate"]) for row in rows]
    assert 5 * 86_400 < max(late) <= 10 * 86_400
    by_hand = [
        row for row in rows if row["State"] == "APPROVED" and "T00:00" not in row["LockingDate"]
    ]
    assert by_hand
    monthly = {row["LockingDate"] for row in rows if row["CampaignId"] == "2044"}
    assert len(monthly) == 6
    dates = [row["EventDate"] for row in rows]
    assert len(dates) > len(set(dates))
    assert {text[-6:] for text in dates} == {"-08:00", "-07:00"}
    updates = [update["Id"] for update in WORLD.action_updates(LATE)]
    assert len(updates) == len(set(updates))
    assert len(updates) > sum(len(action.steps) for action in actions)


def test_items_have_awkward_skus_and_some_are_lost() -> None:
    rows = list(WORLD.actions(LATE))
    items = [[item["Sku"] for item in WORLD.items(row["Id"], LATE)] for row in rows]
    skus = {sku for listed in items for sku in listed}
    assert {"A/B 12", "50% off", "日本-手袋"} <= skus
    assert any(len(listed) > len(set(listed)) for listed in items)
    counts = [(len(action.items()), action.life.item_count) for action in WORLD.seen(LATE)]
    assert any(now < first for now, first in counts)


def test_reattributed_actions_vanish_with_their_updates() -> None:
    world = World(opened=OPENED, actions_per_day=8, reattributed=0.1)
    there = {row["Id"] for row in world.actions(LATE)}
    all_ids = {row["Id"] for row in WORLD.actions(LATE)}
    assert there < all_ids
    assert {row["ActionId"] for row in world.action_updates(LATE)} == there
    gone = min(all_ids - there)
    assert world.action(gone, LATE) is None


def test_a_day_of_clicks() -> None:
    day = date(2026, 3, 8)  # 23 hours long
    rows = list(WORLD.clicks(day, LATE))
    assert rows == list(WORLD.clicks(day, LATE + timedelta(days=9)))
    assert all(row["EventDate"].startswith("2026-03-08T") for row in rows)
    assert len({row["Id"] for row in rows}) < len(rows)
    days = [list(WORLD.clicks(date(2026, 4, n), LATE)) for n in range(1, 11)]
    assert any(a == b for rows in days for a, b in pairwise(rows))
    words = {value for row in rows for value in row.values() if isinstance(value, str)}
    assert {"null", "n/a", "NA", " ", ""} <= words
    assert "ProgramId" in rows[0]
    assert "CampaignId" not in rows[0]
    repeated = next(a["Id"] for a, b in pairwise(rows) if a["Id"] == b["Id"])
    assert len(WORLD.click(repeated, LATE)) > 1


def test_a_day_that_is_not_over_has_fewer_clicks() -> None:
    day = date(2026, 6, 29)
    noon = datetime(2026, 6, 29, 19, tzinfo=UTC)
    early, late = list(WORLD.clicks(day, noon)), list(WORLD.clicks(day, noon + timedelta(days=1)))
    assert 0 < len(early) < len(late)
    assert not list(WORLD.clicks(day, noon - timedelta(days=1)))


@pytest.mark.parametrize("action_id", ["", "x", "2001.8418.1", "2001.8418.739617999999", "1.2.³"])
def test_an_unknown_id_is_no_action(action_id: str) -> None:
    assert WORLD.action(action_id, LATE) is None


def test_totals_are_sums_of_the_rows() -> None:
    rows = list(WORLD.actions(LATE))
    for state, (count, payout) in WORLD.totals(LATE).items():
        of_state = [Decimal(row["Payout"]) for row in rows if row["State"] == state]
        assert (count, payout) == (len(of_state), sum(of_state))
