"""The money of an account is one chain, and an error that is planted in it is the only one."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from impact_sandbox.world import World
from impact_sandbox.world.earnings import THRESHOLD

from tests.sandbox.client import ask

if TYPE_CHECKING:
    from impact_sandbox.server import Sandbox

    from tests.conftest import SandboxFactory

OPENED = date(2025, 10, 1)
ACCOUNT: dict[str, Any] = {
    "seed": "books",
    "actions_per_day": 12,
    "clicks_per_day": 0,
    "opened": OPENED,
}
WORLD = World(**ACCOUNT)
NOW = datetime(2026, 6, 30, 6, 10, tzinfo=UTC)
CENT = Decimal("0.01")
SOURCES = ("actions", "other_earnings", "invoice_lines", "withdrawals")


def month_year(text: str) -> str:
    """Write a time's month as invoices do."""
    at = datetime.fromisoformat(text)
    return f"{at.month}{at.year}"


def amount(text: str) -> Decimal:
    return Decimal(text.replace(",", ""))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 365))
def test_what_was_invoiced_is_withdrawn_or_overdue_or_in_transit_or_below_the_threshold(
    days: int,
) -> None:
    at = NOW - timedelta(days=270) + timedelta(days=days)
    lines = [line for each in WORLD.invoices(at) for line in each.row()["LineItems"]]
    by_status: defaultdict[str, Decimal] = defaultdict(Decimal)
    for line in lines:
        by_status[line["Status"]] += Decimal(line["TotalItemAmount"])
    withdrawn = WORLD.withdrawals(at)
    balance = by_status["PAID"] - sum((each.amount for each in withdrawn), Decimal())
    since = withdrawn[-1].day if withdrawn else OPENED
    still_there = [
        Decimal(line["TotalItemAmount"])
        for line in lines
        if line["PaidDate"] and datetime.fromisoformat(line["PaidDate"]).date() >= since
    ]
    assert balance == sum(still_there, Decimal())
    assert all(each.amount >= THRESHOLD for each in withdrawn)
    assert by_status["OVERDUE"] == sum((line.total for _, line in WORLD.overdue(at)), Decimal())


class Books(dict[str, dict[Any, Decimal]]):
    """What an account's four tables say, as a client reads them."""

    def __init__(self, sandbox: Sandbox) -> None:
        rows = {name: defaultdict[Any, Decimal](Decimal) for name in (*SOURCES, "paid")}
        for row in sandbox.world.actions(NOW):
            if row["ClearedDate"]:
                event = month_year(row["EventDate"])
                earned = rows["actions"]
                earned[month_year(row["ClearedDate"]), row["CampaignId"], event] += Decimal(
                    row["Payout"]
                )
        for invoice in ask(sandbox, "/Invoices").json()["Invoices"]:
            created = datetime.fromisoformat(invoice["CreatedDate"]).replace(day=1)
            invoiced = month_year((created - timedelta(days=1)).isoformat())
            for line in invoice["LineItems"]:
                key = invoiced, line["CampaignId"], line["EventMonthYear"], line["Description"]
                rows["invoice_lines"][key] += Decimal(line["NetItemAmount"])
                if line["PaidDate"]:
                    paid = datetime.fromisoformat(line["PaidDate"]).date()
                    rows["paid"][paid] += Decimal(line["NetItemAmount"])
        span: dict[str, Any] = {
            "START_DATE": OPENED.isoformat(),
            "END_DATE": NOW.date().isoformat(),
        }
        for row in ask(sandbox, "/Reports/other_earnings", **span).json()["Records"]:
            day = datetime.strptime(row["Date"], "%b %d, %Y").replace(tzinfo=UTC)
            rows["other_earnings"][month_year(day.isoformat()), row["campaign_id"]] += amount(
                row["Amount"]
            )
        for row in ask(sandbox, "/Reports/Withdrawals", **span).json()["Records"]:
            day = datetime.strptime(row["Date"], "%b %d, %Y").replace(tzinfo=UTC)
            rows["withdrawals"][day.date()] += amount(row["Amount"])
        super().__init__(rows)

    def differences(self) -> dict[str, Decimal]:
        """What does not add up, by month: of events, or of the day of a withdrawal."""
        found: defaultdict[str, Decimal] = defaultdict(Decimal)
        this_month = month_year(NOW.isoformat())
        for (cleared, campaign, event), earned in self["actions"].items():
            if cleared != this_month:
                line = self["invoice_lines"].get((cleared, campaign, event, "MEDIA_PAYOUT"), 0)
                found[event] += earned.quantize(CENT, ROUND_HALF_UP) - line
        for (month, campaign), earned in self["other_earnings"].items():
            if month != this_month:
                line = self["invoice_lines"].get((month, campaign, month, "BONUS"), 0)
                found[month] += earned - line
        since = OPENED
        for day, withdrawn in sorted(self["withdrawals"].items()):
            paid = [each for at, each in self["paid"].items() if since <= at < day]
            # an invoice's wrong cent is in what it says was paid, too
            found[f"{day.month}{day.year} paid"] += withdrawn - sum(paid, Decimal())
            since = day
        return {month: difference for month, difference in found.items() if difference}


def test_books_without_an_error_add_up(sandbox: SandboxFactory) -> None:
    running = sandbox(**ACCOUNT)
    books = Books(running)
    assert all(books[name] for name in SOURCES)
    assert books.differences() == {}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "differences"),
    [
        ("actions", {"32026": CENT}),
        ("other_earnings", {"32026": CENT}),
        ("invoice_lines", {"32026": -CENT, "62026 paid": -CENT}),
        ("withdrawals", {"32026 paid": CENT}),
    ],
)
def test_one_cent_is_wrong_in_one_month(
    sandbox: SandboxFactory, source: str, differences: dict[str, Decimal]
) -> None:
    running = sandbox(**ACCOUNT, wrong_cent=source, wrong_month="2026-03")
    assert Books(running).differences() == differences


@pytest.mark.slow
def test_actions_that_no_term_explains_pay_more_than_their_contract(
    sandbox: SandboxFactory,
) -> None:
    priced, running = sandbox(**ACCOUNT), sandbox(**ACCOUNT, unpriced_actions=30)
    planted = set(running.world.unpriced_actions(NOW))
    rows = {row["Id"]: row for row in priced.world.actions(NOW)}
    found = {
        row["Id"]: Decimal(row["Payout"]) - Decimal(rows[row["Id"]]["Payout"])
        for row in running.world.actions(NOW)
        if row != rows[row["Id"]]
    }
    assert found == dict.fromkeys(planted, Decimal(1))
    assert len(planted) > 20
    assert set(priced.world.unpriced_actions(NOW)) == set()
    assert Books(running).differences() == {}
    running.switch(unpriced_actions=0)
    assert list(running.world.actions(NOW)) == list(priced.world.actions(NOW))


def test_updates_name_the_withdrawal_that_paid_their_action(sandbox: SandboxFactory) -> None:
    running = sandbox(**ACCOUNT)
    window: dict[str, Any] = {
        "StartDate": "2026-01-01T00:00:00Z",
        "EndDate": "2026-01-31T00:00:00Z",
    }
    blank = ask(running, "/ActionUpdates", **window).json()["ActionUpdates"]
    assert {row["PaystubId"] for row in blank} == {""}
    running.switch(paystubs="paid")
    rows = ask(running, "/ActionUpdates", **window).json()["ActionUpdates"]
    span: dict[str, Any] = {"START_DATE": OPENED.isoformat(), "END_DATE": NOW.date().isoformat()}
    paid = {
        row["ActionId"]: row["Paystub_Id"]
        for row in ask(running, "/Reports/action_listing_withdrawal", **span).json()["Records"]
    }
    assert [row["PaystubId"] for row in rows] == [paid.get(row["ActionId"], "") for row in rows]
    assert {row["PaystubId"] for row in rows} > {""}
    one = ask(running, f"/ActionUpdates/{rows[0]['Id']}").json()
    assert one == rows[0]
