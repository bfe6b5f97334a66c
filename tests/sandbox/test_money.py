"""Contracts and invoices agree with the actions that they price and pay."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Any

import pytest
from impact_sandbox.switches import SCOPES

from tests.sandbox.client import ask

if TYPE_CHECKING:
    from impact_sandbox.server import Sandbox

    from tests.conftest import SandboxFactory

NOW = datetime(2026, 6, 30, 6, 10, tzinfo=UTC)
CENT = Decimal("0.01")


def contracts(sandbox: Sandbox, **query: Any) -> dict[str, dict[str, Any]]:
    rows = ask(sandbox, "/Contracts", **query).json()["Contracts"]
    return {row["Id"]: row for row in rows}


def invoices(sandbox: Sandbox, **query: Any) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = ask(sandbox, "/Invoices", **query).json()["Invoices"]
    return rows


def test_only_active_contracts_unless_a_status_is_sent(sandbox: SandboxFactory) -> None:
    running = sandbox()
    by_status = {
        status: contracts(running, Status=status)
        for status in ("ACTIVE", "DECLINED", "EXPIRED", "PENDING", "UPCOMING")
    }
    assert all(by_status.values())
    assert contracts(running) == by_status["ACTIVE"]
    for status, found in by_status.items():
        assert {row["Status"] for row in found.values()} == {status}
    assert ask(running, "/Contracts", Status="TERMINATED").status_code == 400
    assert ask(running, "/Contracts", CampaignId="mine").status_code == 400


def test_contracts_price_the_actions(sandbox: SandboxFactory) -> None:
    running = sandbox()
    found = contracts(running) | contracts(running, Status="EXPIRED")
    created = [row for row in running.world.action_updates(NOW) if row["ReportingState"]]
    first = {row["ActionId"]: row for row in created}
    checked = set()
    for row in running.world.actions(NOW):
        contract = found[first[row["Id"]]["ContractId"]]
        assert contract["CampaignId"] == row["CampaignId"]
        (payout,) = contract["Terms"]["EventPayouts"]
        assert payout["EventTypeId"] == row["ActionTrackerId"]
        priced = Decimal(row["IntendedAmount"]) * Decimal(payout["DefaultPayoutRate"]) / 100
        intended = Decimal(row["IntendedPayout"])
        assert priced.quantize(intended) == intended
        checked.add(contract["Id"])
    assert len(checked) == 5


def test_filters_of_contracts(sandbox: SandboxFactory) -> None:
    running = sandbox()
    every = contracts(running)
    updated = sorted(datetime.fromisoformat(row["DateLastUpdated"]) for row in every.values())
    assert len(set(updated)) > 2
    middle = updated[1].astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    after = contracts(running, DateLastUpdatedAfter=middle)
    before = contracts(running, DateLastUpdatedBefore=middle)
    assert (len(after), len(before)) == (len(every) - 2, 1)
    assert contracts(running, EndDateAfter=middle) == every
    assert contracts(running, EndDateBefore=middle) == {}
    assert contracts(running, StartDateAfter=middle) == {}
    assert contracts(running, CampaignId="2001").keys() == {"S-79001"}
    assert contracts(running, Signatory="Brand Manager 2044").keys() == {"S-79044"}
    assert contracts(running, Signatory="Carrie Oakey") == every
    assert ask(running, "/Contracts", StartDateAfter="2026-06-01").status_code == 400


def test_contracts_are_amended(sandbox: SandboxFactory) -> None:
    running = sandbox()
    before = contracts(running)
    running.advance(timedelta(days=60).total_seconds())
    after = contracts(running)
    for name, row in before.items():
        assert row["DateLastUpdated"] < after[name]["DateLastUpdated"]
        assert row["Terms"]["VersionId"] != after[name]["Terms"]["VersionId"]
        assert row["Terms"]["EventPayouts"] == after[name]["Terms"]["EventPayouts"]


def test_one_contract_has_the_terms_of_its_campaigns(sandbox: SandboxFactory) -> None:
    running = sandbox()
    row = contracts(running)["S-79001"]
    whole = ask(running, "/Contracts/S-79001").json()
    terms = whole.pop("CampaignTerms")
    assert whole == row
    assert row["HasCampaignTerms"] == "true"
    assert terms[0]["EventPayouts"][0]["PayoutGroups"][0]["Rules"][0]["Values"]
    assert ask(running, "/Contracts/S-1").status_code == 404


def test_invoices_add_up_to_the_months_that_were_cleared(sandbox: SandboxFactory) -> None:
    running = sandbox()
    cleared: defaultdict[tuple[str, str, str], list[Decimal]] = defaultdict(list)
    for row in running.world.actions(NOW):
        if row["ClearedDate"]:
            event = datetime.fromisoformat(row["EventDate"])
            month = datetime.fromisoformat(row["ClearedDate"]).strftime("%Y-%m")
            key = month, row["CampaignId"], f"{event.month}{event.year}"
            cleared[key].append(Decimal(row["Payout"]))
    found = {}
    for invoice in invoices(running):
        created = datetime.fromisoformat(invoice["CreatedDate"])
        month = (created.replace(day=1) - timedelta(days=1)).strftime("%Y-%m")
        total = Decimal(0)
        for line in invoice["LineItems"]:
            total += Decimal(line["TotalItemAmount"])
            if line["Description"] == "MEDIA_PAYOUT":
                key = month, line["CampaignId"], line["EventMonthYear"]
                found[key] = int(line["Actions"]), Decimal(line["NetItemAmount"])
        assert Decimal(invoice["TotalAmount"]) == total
        details = invoice["DetailedLineItems"]
        assert sum(Decimal(line["TotalAmount"]) for line in details) == total
        assert {line["Description"] for line in invoice["LineItems"]} <= {"MEDIA_PAYOUT", "BONUS"}
    this_month = {key for key in cleared if key[0] == "2026-06"}
    assert this_month
    assert found == {
        key: (len(payouts), sum(payouts, Decimal(0)).quantize(CENT, ROUND_HALF_UP))
        for key, payouts in cleared.items()
        if key not in this_month
    }


@pytest.mark.slow
def test_lines_are_paid_later(sandbox: SandboxFactory) -> None:
    running = sandbox(actions_per_day=60)
    lines = [line for invoice in invoices(running) for line in invoice["LineItems"]]
    assert {line["Status"] for line in lines} == {"PENDING", "PAID", "OVERDUE"}
    assert {bool(line["PaidDate"]) for line in lines if line["Status"] == "PAID"} == {True}
    assert {line["PaidDate"] for line in lines if line["Status"] != "PAID"} == {""}
    assert "BONUS" in {line["Description"] for line in lines}
    before = {invoice["Id"]: invoice for invoice in invoices(running)}
    running.advance(timedelta(days=60).total_seconds())
    for invoice in invoices(running):
        if earlier := before.get(invoice["Id"]):
            assert earlier["TotalAmount"] == invoice["TotalAmount"]
            assert earlier["CreatedDate"] == invoice["CreatedDate"]
            assert {line["Status"] for line in invoice["LineItems"]} == {"PAID"}


def test_filters_of_invoices(sandbox: SandboxFactory) -> None:
    running = sandbox()
    every = invoices(running)
    created = [row["CreatedDate"] for row in every]
    assert created == sorted(created, reverse=True)
    assert len(every) > 3
    assert invoices(running, StartDate=created[1]) == every[:2]
    assert invoices(running, EndDate=created[1]) == every[1:]
    assert invoices(running, StartDate=created[2], EndDate=created[1]) == every[1:3]
    assert ask(running, f"/Invoices/{every[0]['Id']}").json() == every[0]
    assert ask(running, "/Invoices/1-1").status_code == 404
    file = ask(running, every[0]["PDF"])
    assert file.headers["Content-Type"] == "application/pdf"


@pytest.mark.parametrize(
    ("scope", "path"),
    [
        ("Retrieve contracts", "/Contracts"),
        ("Retrieve contract", "/Contracts/S-79001"),
        ("Retrieve invoices", "/Invoices"),
        ("Retrieve invoice", "/Invoices/1"),
        ("Retrieve catalogs", "/Catalogs"),
        ("Retrieve catalog items", "/Catalogs/22001/Items"),
    ],
)
def test_scopes_of_their_own(sandbox: SandboxFactory, scope: str, path: str) -> None:
    running = sandbox(scopes=SCOPES - {scope})
    assert ask(running, path).status_code == 403
    assert ask(running, "/Campaigns").status_code == 200
