"""Contracts price their actions, though terms change in the middle of a month."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from impact_sandbox.world import Mistakes, World

NOW = datetime(2026, 6, 30, 6, 10, tzinfo=UTC)
FLAT = World(seed="terms", actions_per_day=12, clicks_per_day=0, opened=date(2025, 10, 1))
VARIED = FLAT.repriced(Mistakes(), varied_terms=True)


def versions(world: World) -> dict[str, list[tuple[datetime, dict[str, Any]]]]:
    """Return each contract's payouts and since when they are in force, as daily reads see them."""
    found: defaultdict[str, list[tuple[datetime, dict[str, Any]]]] = defaultdict(list)
    days = (NOW.date() - world.opened).days
    for day in range(days, -1, -1):
        for contract in world.contracts(NOW - timedelta(days=day)):
            row = contract.row()
            since = datetime.fromisoformat(row["DateLastUpdated"])
            if row["Id"] not in found or found[row["Id"]][-1][0] != since:
                (payout,) = row["Terms"]["EventPayouts"]
                found[row["Id"]].append((since, payout))
    return found


def priced(payout: dict[str, Any], amount: Decimal, promo_code: str) -> tuple[str, Decimal]:
    """Return by which rule of its contract an action is paid, and what."""
    for group in payout["PayoutGroups"]:
        (rule,) = group["Rules"]
        if rule["Variable"] == "PROMO_CODE" and promo_code in rule["Values"]:
            return "group", Decimal(group["Payout"])
    if payout["DefaultPayout"]:
        return "fixed", Decimal(payout["DefaultPayout"])
    return payout["DefaultPayoutRate"], amount * Decimal(payout["DefaultPayoutRate"]) / 100


@pytest.mark.slow
@pytest.mark.parametrize("world", [FLAT, VARIED], ids=["flat", "varied"])
def test_the_terms_in_force_when_an_action_is_created_give_its_payout(world: World) -> None:
    of_contracts = versions(world)
    actions = {row["Id"]: row for row in world.actions(NOW)}
    first: dict[str, dict[str, str]] = {}
    for row in world.action_updates(NOW):
        first.setdefault(row["ActionId"], row)
    used: Counter[tuple[str, str]] = Counter()
    for action_id, row in actions.items():
        of_contract = of_contracts[first[action_id]["ContractId"]]
        at = datetime.fromisoformat(first[action_id]["UpdateDate"])
        place = bisect_right([since for since, _ in of_contract], at)
        rule, payout = priced(
            of_contract[place - 1][1], Decimal(row["IntendedAmount"]), row["PromoCode"]
        )
        intended = Decimal(row["IntendedPayout"])
        assert intended == payout.quantize(intended), (row, of_contract)
        used[row["CampaignId"], rule] += 1
    rules = {rule for _, rule in used}
    rates = {rule for campaign_id, rule in used if campaign_id == "2044"}
    if world is VARIED:
        assert rules >= {"group", "fixed"}
        assert rates == {"7.25", "8.7"}
    else:
        assert not rules & {"group", "fixed"}
        assert rates == {"7.25"}


def test_terms_change_in_the_middle_of_a_month() -> None:
    changes = [since for since, _ in versions(VARIED)["S-79044"][1:]]
    assert changes
    assert all(since.day != 1 for since in changes)


def test_other_terms_change_payouts_and_nothing_else() -> None:
    flat, varied = list(FLAT.actions(NOW)), list(VARIED.actions(NOW))
    money = {"Payout", "DeltaPayout", "IntendedPayout"}
    for one, other in zip(flat, varied, strict=True):
        assert {k: v for k, v in one.items() if k not in money} == {
            k: v for k, v in other.items() if k not in money
        }
    assert flat != varied


@pytest.mark.slow
def test_bonuses_are_what_the_tier_of_a_months_revenue_pays() -> None:
    world = World(seed="tiers", actions_per_day=100, clicks_per_day=0, opened=date(2026, 1, 1))
    (contract,) = (each for each in world.contracts(NOW) if each.paper.id == "S-79150")
    (payout,) = contract.row()["Terms"]["EventPayouts"]
    tier = payout["PerformanceBonus"]["Tiers"][0]
    revenues: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for row in world.actions(NOW):
        if row["CampaignId"] == "2150" and "2026-06" > row["ClearedDate"] > "":
            revenues[row["ClearedDate"][:7], row["EventDate"][:7]] += Decimal(row["Amount"])
    found = {
        (f"{each.day:%Y-%m}", each.description[-7:]): each.amount
        for each in world.other_earnings(NOW, world.opened, date(2026, 5, 31))
        if each.kind == "BONUS"
    }
    assert found
    assert found == {
        months: (revenue * Decimal(tier["PayoutRate"]) / 100).quantize(Decimal("0.01"))
        for months, revenue in revenues.items()
        if revenue >= Decimal(tier["RevenueThreshold"])
    }


def test_deltas_add_up_under_varied_terms() -> None:
    sums: defaultdict[str, Decimal] = defaultdict(Decimal)
    for row in VARIED.action_updates(NOW):
        sums[row["ActionId"]] += Decimal(row["DeltaPayout"])
    for row in VARIED.actions(NOW):
        assert sums[row["Id"]] == Decimal(row["Payout"])
        items = VARIED.items(row["Id"], NOW)
        assert sum(Decimal(item["Payout"]) for item in items) == Decimal(row["Payout"])
