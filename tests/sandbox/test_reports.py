"""Reports agree with the account's own lists, to the cent."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from impact_sandbox.reports import REPORTS
from impact_sandbox.rules import Rule
from impact_sandbox.switches import SCOPES
from impact_sandbox.world import World

from tests.sandbox.client import ask

if TYPE_CHECKING:
    from impact_sandbox.server import Sandbox

    from tests.conftest import SandboxFactory

NOW = datetime(2026, 6, 30, 6, 10, tzinfo=UTC)
SPAN: dict[str, Any] = {"START_DATE": "2026-03-01", "END_DATE": "2026-05-31"}
YEAR: dict[str, Any] = {"START_DATE": "2026-01-01", "END_DATE": "2026-06-29"}


@pytest.fixture
def account(sandbox: SandboxFactory) -> Sandbox:
    return sandbox(seed="reports", actions_per_day=12, clicks_per_day=15)


def run(sandbox: Sandbox, report: str, **query: Any) -> list[dict[str, str]]:
    found = ask(sandbox, f"/Reports/{report}", **{**SPAN, **query})
    assert found.status_code == 200, found.text
    rows: list[dict[str, str]] = found.json()["Records"]
    return rows


def number(text: str) -> Decimal:
    return Decimal(text.replace(",", ""))


def total(rows: list[dict[str, str]], column: str) -> Decimal:
    return sum((number(row[column]) for row in rows), Decimal())


def day_of(text: str) -> date:
    return datetime.strptime(text, "%b %d, %Y").replace(tzinfo=UTC).date()


def days() -> list[date]:
    first, last = (date.fromisoformat(SPAN[name]) for name in ("START_DATE", "END_DATE"))
    return [first + timedelta(days=each) for each in range((last - first).days + 1)]


def test_each_day_has_its_unique_clicks_and_the_actions_that_are_not_reversed(
    account: Sandbox,
) -> None:
    actions: Counter[date] = Counter()
    costs: defaultdict[date, Decimal] = defaultdict(Decimal)
    for row in account.world.actions(NOW):
        day = datetime.fromisoformat(row["EventDate"]).date()
        if row["State"] != "REVERSED":
            actions[day] += 1
            costs[day] += Decimal(row["Payout"])
    rows = {day_of(row["date_display"]): row for row in run(account, "partner_performance_by_day")}
    assert [*rows] == days()
    for day, row in rows.items():
        clicks = sum(each["UniqueClick"] == "true" for each in account.world.clicks(day, NOW))
        assert int(row["Clicks"]) == clicks
        assert int(row["Actions"]) == actions[day]
        assert number(row["Action_Cost"]) == costs[day]
        assert number(row["Total_Cost"]) == costs[day] + number(row["Other_Cost"])


@pytest.mark.parametrize(
    ("report", "total_cost"),
    [
        ("partner_performance_by_program", "Total_Cost"),
        ("partner_performance_by_ad", "Total_Cost"),
        ("partner_performance_by_subid", "Earnings"),
    ],
)
def test_all_performance_reports_add_up_to_the_same(
    account: Sandbox, report: str, total_cost: str
) -> None:
    by_day, others = run(account, "partner_performance_by_day"), run(account, report)
    for name in ("Clicks", "Actions"):
        assert total(others, name) == total(by_day, name) > 0
    assert total(others, total_cost) == total(by_day, "Total_Cost") > 0


def test_items_of_all_actions_are_in_one_report(account: Sandbox) -> None:
    rows = run(account, "SkuLevelActions")
    expected: Counter[tuple[str, ...]] = Counter()
    for action in account.world.actions(NOW):
        day = datetime.fromisoformat(action["EventDate"]).date()
        if day in days():
            expected.update(
                (action["Id"], item["Sku"], item["SaleAmount"], item["Payout"], item["Quantity"])
                for item in account.world.items(action["Id"], NOW)
            )
    columns = ("ActionId", "Sku", "SaleAmount", "Earnings", "Quantity")
    assert Counter(tuple(row[name] for name in columns) for row in rows) == expected


def test_withdrawals_pay_the_lines_of_invoices_that_are_paid(account: Sandbox) -> None:
    invoices = ask(account, "/Invoices").json()["Invoices"]
    lines = [line for invoice in invoices for line in invoice["LineItems"]]
    last = max(each.day for each in account.world.withdrawals(NOW))
    paid = sum(
        (
            Decimal(line["TotalItemAmount"])
            for line in lines
            if line["PaidDate"] and datetime.fromisoformat(line["PaidDate"]).date() < last
        ),
        Decimal(),
    )
    rows = run(account, "Withdrawals", **YEAR)
    assert rows == run(account, "mp_paystub_history", **YEAR)
    assert total(rows, "Amount") == paid > 0
    assert len({row["Paystub_Id"] for row in rows}) == len(rows)


def test_actions_of_a_withdrawal_and_other_earnings_are_what_it_paid(account: Sandbox) -> None:
    of_withdrawals = {each.id: each for each in account.world.withdrawals(NOW)}
    rows = run(account, "action_listing_withdrawal", **YEAR)
    assert {row["Paystub_Id"] for row in rows} == of_withdrawals.keys()
    for paystub, each in of_withdrawals.items():
        actions = run(account, "action_listing_withdrawal", **YEAR, Paystub_Id=paystub)
        assert actions == [row for row in rows if row["Paystub_Id"] == paystub]
        others = sum((line.other for line in each.lines), Decimal())
        # each line is rounded to the cent
        assert abs(total(actions, "Earnings") + others - each.amount) <= len(each.lines) * Decimal(
            "0.005"
        )


@pytest.mark.slow
def test_other_earnings_are_the_bonus_lines_of_invoices() -> None:
    world = World(seed="bonus", actions_per_day=150, opened=date(2026, 1, 1))
    bonus: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for invoice in world.invoices(NOW):
        for line in invoice.row()["LineItems"]:
            if line["Description"] == "BONUS":
                key = line["CampaignId"], line["EventMonthYear"]
                bonus[key] += Decimal(line["TotalItemAmount"])
    found: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)
    kinds, signs = set(), set()
    for each in world.other_earnings(NOW, date(2026, 1, 1), date(2026, 5, 31)):
        found[each.campaign.id, f"{each.day.month}{each.day.year}"] += each.amount
        kinds.add(each.kind)
        signs.add(each.amount > 0)
    assert found == bonus
    assert kinds == {"BONUS", "FUNDS_TRANSFER", "MAKE_GOOD"}
    assert signs == {True, False}
    # those of this month are not invoiced yet
    assert all(
        each.day <= NOW.date() for each in world.other_earnings(NOW, date(2026, 6, 1), date.max)
    )


def test_what_is_overdue_is_what_invoices_say_so(account: Sandbox) -> None:
    lines = [
        line
        for invoice in ask(account, "/Invoices").json()["Invoices"]
        for line in invoice["LineItems"]
        if line["Status"] == "OVERDUE"
    ]
    rows = run(account, "mp_overdue_payouts")
    assert total(rows, "Amount") == sum(Decimal(line["TotalItemAmount"]) for line in lines) > 0


@pytest.mark.parametrize("report", [each.id for each in REPORTS if each.accessible])
def test_metadata_names_what_rows_have(account: Sandbox, report: str) -> None:
    metadata = ask(account, f"/Reports/{report}/MetaData").json()
    names = [each["Name"] for each in metadata["Attributes"]]
    assert {"START_DATE", "END_DATE"} <= {each["Name"] for each in metadata["Filters"]}
    if report != "mp_monthly_close":
        for row in run(account, report)[:50]:
            assert {*row} == {*names}


def test_the_list_names_all_and_which_can_be_read(account: Sandbox) -> None:
    found = ask(account, "/Reports").json()["Reports"]
    assert [each["Id"] for each in found] == [each.id for each in REPORTS]
    for each in found:
        path = f"/Reports/{each['Id']}/MetaData"
        assert ask(account, path).status_code == (200 if each["ApiAccessible"] else 404)


def test_a_filter_that_a_report_does_not_know_is_ignored_without_a_word(account: Sandbox) -> None:
    everything = run(account, "partner_performance_by_day")
    assert run(account, "partner_performance_by_day", CAMPAIGN_ID="2001") == everything
    assert Rule.KNOWN in account.requests[-1].broken
    assert run(account, "partner_performance_by_day", SUBAID="2001") != everything
    assert Rule.KNOWN not in account.requests[-1].broken


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"END_DATE": None}, 400),
        ({"END_DATE": "2026-02-28"}, 400),
        ({"START_DATE": "2025-05-31"}, 400),
        ({"START_DATE": "2025-06-01"}, 200),
        ({"END_DATE": "2026-12-31"}, 200),
        ({"START_DATE": "03/01/2026"}, 400),
    ],
)
def test_the_span_of_a_report(account: Sandbox, query: dict[str, Any], status: int) -> None:
    sent = {name: value for name, value in {**SPAN, **query}.items() if value}
    assert ask(account, "/Reports/mp_paystub_history", **sent).status_code == status


def test_reports_that_fail_or_are_not_for_the_api(account: Sandbox) -> None:
    assert ask(account, "/Reports/mp_monthly_close", **SPAN).status_code == 500
    assert ask(account, "/Reports/mp_earnings_by_campaign", **SPAN).status_code == 404
    assert ask(account, "/Reports/unheard_of", **SPAN).status_code == 404
    assert ask(account, "/ReportExport/unheard_of", **SPAN).status_code == 404


@pytest.mark.parametrize("result_format", ["JSON", "CSV"])
def test_an_export_is_a_job_with_the_same_rows(account: Sandbox, result_format: str) -> None:
    path = "/ReportExport/SkuLevelActions"
    asked = ask(account, path, **SPAN, ResultFormat=result_format).json()
    again = ask(account, path, **SPAN, ResultFormat=result_format).json()
    assert again["QueuedUri"] == asked["QueuedUri"]
    assert Rule.ONE_EXPORT in account.requests[-1].broken
    job = asked["QueuedUri"].removeprefix(account.world.path)
    for _ in range(3):
        seen = ask(account, job).json()
    rows = run(account, "SkuLevelActions")
    assert (seen["Type"], seen["RecordsProcessed"]) == ("ApiReport", str(len(rows)))
    file = ask(account, f"{job}/Download", Mode="Stream")
    if result_format == "JSON":
        assert file.json() == {"Records": rows}
    else:
        assert file.text.splitlines()[0].startswith('"ActionId","PubSubid1"')


def test_reports_have_limits_of_their_own(sandbox: SandboxFactory) -> None:
    small = sandbox(hourly_aggregate=1, hourly_detail=1, daily_report_exports=1)
    statuses = [
        ask(small, f"/{path}", **SPAN).status_code
        for path in (
            *["Reports/partner_performance_by_day"] * 2,
            *["Reports/SkuLevelActions"] * 2,
            *["ReportExport/SkuLevelActions"] * 2,
            "Reports",
        )
    ]
    assert statuses == [200, 429, 200, 429, 200, 429, 200]


@pytest.mark.parametrize(
    ("report", "filters"),
    [
        ("mp_action_listing_fast", {"SubId1": "blog"}),
        ("SkuLevelActions", {"SUPERSTATUS_MS": "PENDING"}),
        ("adv_action_listing_2001", {"SubId2": "blog"}),
        ("partner_performance_by_ad", {"SubId1": "blog"}),
        ("partner_payable_click_data", {"SUBAID": "2001"}),
    ],
)
def test_a_filter_that_a_report_knows_keeps_some_rows(
    account: Sandbox, report: str, filters: dict[str, str]
) -> None:
    metadata = ask(account, f"/Reports/{report}/MetaData").json()
    assert filters.keys() <= {each["Name"] for each in metadata["Filters"]}
    everything, kept = run(account, report), run(account, report, **filters)
    assert 0 < len(kept) <= len(everything)
    assert kept != everything


@pytest.mark.parametrize(
    ("scope", "path"),
    [
        ("Retrieve reports", "/Reports"),
        ("Retrieve report metadata", "/Reports/Withdrawals/MetaData"),
        ("Run report", "/Reports/Withdrawals"),
        ("Export report", "/ReportExport/Withdrawals"),
    ],
)
def test_each_endpoint_has_a_scope(sandbox: SandboxFactory, scope: str, path: str) -> None:
    running = sandbox(scopes=SCOPES - {scope}, actions_per_day=1)
    assert ask(running, path, **SPAN).status_code == 403
    assert ask(running, "/Campaigns").status_code == 200
