"""What was met live or in the guards of other clients, beyond the documents."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import pytest
from impact_sandbox.rules import Rule

from tests.sandbox.client import ask

if TYPE_CHECKING:
    from tests.conftest import SandboxFactory

NOW = datetime(2026, 6, 30, 6, 10, tzinfo=UTC)


def z(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.mark.parametrize("resource", ["/Actions", "/ActionUpdates"])
@pytest.mark.parametrize("name", ["StartDate", "ActionDateStart", "LockingDateStart"])
@pytest.mark.parametrize(
    "date",
    [
        pytest.param("2026-06-01T00:00:00.5Z", id="fraction"),
        pytest.param("2026-06-01T00:00:00", id="no zone"),
        pytest.param("2026-06-01", id="bare date"),
        pytest.param("06/01/2026", id="slashes"),
    ],
)
def test_dates_are_refused_in_the_words_of_the_live_service(
    sandbox: SandboxFactory, resource: str, name: str, date: str
) -> None:
    end = {"StartDate": "EndDate"}.get(name, name.replace("Start", "End"))
    sent: dict[str, Any] = {name: date, end: z(NOW)}
    answer = ask(sandbox(), resource, **sent)
    assert answer.status_code == 400
    assert answer.json()["Message"] == f"Parameter '{name}' has invalid value"


def test_dates_in_the_far_future(sandbox: SandboxFactory) -> None:
    far: dict[str, Any] = {
        "ActionDateStart": "2126-06-01T00:00:00Z",
        "ActionDateEnd": "2126-06-02T00:00:00Z",
    }
    assert ask(sandbox(), "/Actions", **far).status_code == 400
    found = ask(sandbox(far_future="empty"), "/Actions", **far)
    assert (found.status_code, found.json()["Actions"]) == (200, [])


@pytest.mark.parametrize("resource", ["Actions", "ActionUpdates"])
@pytest.mark.parametrize("kind", ["ActionDate", ""])
def test_windows_before_the_account_began(
    sandbox: SandboxFactory, resource: str, kind: str
) -> None:
    running = sandbox(account_began="2026-05-01")
    began = datetime.fromisoformat(ask(running, "").json()["DateActivated"])
    assert began.isoformat() == "2026-05-01T00:00:00-07:00"
    first, last = f"{kind}Start{'' if kind else 'Date'}", f"{kind}End{'' if kind else 'Date'}"
    codes = []
    for start in (began - timedelta(days=40), began - timedelta(seconds=1), began):
        end = start + timedelta(days=20)
        sent: dict[str, Any] = {first: z(start.astimezone(UTC)), last: z(end.astimezone(UTC))}
        answer = ask(running, f"/{resource}", **sent)
        codes.append(answer.status_code)
    assert codes == [400, 400, 200]
    assert answer.json()[resource]
    dates = [datetime.fromisoformat(row["EventDate"]) for row in running.world.actions(NOW)]
    assert began <= min(dates)
    assert not list(running.world.clicks(began.date() - timedelta(days=1), NOW))


def test_an_account_may_answer_windows_before_it_began(sandbox: SandboxFactory) -> None:
    running = sandbox()
    running.switch(account_began="2026-05-01")
    running.switch(account_began="")
    sent: dict[str, Any] = {
        "ActionDateStart": "2025-01-01T00:00:00Z",
        "ActionDateEnd": "2025-01-02T00:00:00Z",
    }
    assert ask(running, "/Actions", **sent).json()["Actions"] == []


def test_a_page_without_rows(sandbox: SandboxFactory) -> None:
    past: dict[str, Any] = {"Page": 9}
    assert ask(sandbox(), "/Campaigns", **past).json()["Campaigns"] == []
    assert ask(sandbox(empty_page="null"), "/Campaigns", **past).text == "null"
    absent = ask(sandbox(empty_page="absent"), "/Campaigns", **past).json()
    assert absent["@page"] == "9"
    assert "Campaigns" not in absent


def test_the_last_page_in_every_way(sandbox: SandboxFactory) -> None:
    running = sandbox(largest_page=3)
    found = {}
    for how in ("blank", "null", "absent", "own"):
        running.switch(last_nextpageuri=how)
        first, last = (ask(running, "/Campaigns", Page=page).json() for page in (1, 2))
        assert "Page=2" in first["@nextpageuri"]
        found[how] = last.get("@nextpageuri", "absent")
    assert found == {"blank": "", "null": None, "absent": "absent", "own": last["@lastpageuri"]}


def test_lists_as_a_converter_from_xml_makes_them(sandbox: SandboxFactory) -> None:
    running = sandbox()
    campaigns = ask(running, "/Campaigns").json()["Campaigns"]
    contract = ask(running, "/Contracts/S-79001").json()
    payout = contract["Terms"]["EventPayouts"][0]
    assert len(payout["PayoutGroups"]) == 3
    found = {}
    for habit in ("lone", "wrapped", "lone_wrapped"):
        running.switch(lists=habit)
        terms = ask(running, "/Contracts/S-79001").json()["Terms"]
        found[habit] = terms["EventPayouts"], terms["SpecialTermsList"]
        page = ask(running, "/Campaigns").json()
        assert page["@total"] == "5"
        rows = page["Campaigns"] if habit == "lone" else page["Campaigns"]["Campaign"]
        assert [row["CampaignId"] for row in rows] == [row["CampaignId"] for row in campaigns]
    lone, terms = found["lone"]
    assert lone["EventTypeId"] == payout["EventTypeId"]
    assert lone["PayoutRestrictions"] is None
    assert terms["TermsType"] == "CUSTOM"
    wrapped, terms = found["wrapped"]
    assert wrapped["EventPayout"][0]["PayoutGroups"]["PayoutGroup"][0]["Rank"] == "1"
    assert terms["SpecialTerm"][0]["TermsType"] == "CUSTOM"
    both, _ = found["lone_wrapped"]
    assert both["EventPayout"]["ValidReferrals"]["ValidReferral"]["Type"] == "CLICKS"


def test_a_state_that_is_not_documented(sandbox: SandboxFactory) -> None:
    running = sandbox(locked_state="LOCKED")
    rows = ask(
        running,
        "/Actions",
        LockingDateStart=z(NOW - timedelta(days=40)),
        LockingDateEnd=z(NOW),
    ).json()["Actions"]
    assert {(row["State"], bool(row["ClearedDate"])) for row in rows} == {
        ("LOCKED", False),
        ("APPROVED", True),
        ("REVERSED", False),
    }
    locked = next(row for row in rows if row["State"] == "LOCKED")
    assert ask(running, f"/Actions/{locked['Id']}").json()["State"] == "LOCKED"


def test_the_window_of_product_items(sandbox: SandboxFactory) -> None:
    running = sandbox(hourly_search=3)
    catalog = ask(running, "/Catalogs").json()["Catalogs"][0]
    assert catalog["FTPLocations"][0].startswith("ftp://ps-ftp_")
    items = f"/Catalogs/{catalog['Id']}/Items"
    last = ask(running, items, PageSize=1000, Page=20)
    assert len(last.json()["Items"]) == 1000
    past = ask(running, items, PageSize=1000, Page=21)
    assert past.status_code == 400
    assert past.json()["Message"] == "Request exceeds the maximum results window of 20000"
    assert int(catalog["NumberOfItems"]) > 20_000
    assert [ask(running, items).status_code for _ in range(2)] == [200, 429]


def test_answers_tell_the_time_by_the_clock_of_the_sandbox(sandbox: SandboxFactory) -> None:
    running = sandbox()
    assert parsedate_to_datetime(ask(running, "").headers["Date"]) == NOW
    running.advance(61)
    assert parsedate_to_datetime(ask(running, "").headers["Date"]) == NOW + timedelta(seconds=61)


def test_a_limit_may_come_without_retry_after(sandbox: SandboxFactory) -> None:
    running = sandbox(hourly_other=1, daily_click_exports=0)
    for said in (True, False):
        running.switch(retry_after=said)
        ask(running, "/Campaigns")
        for path in ("/Campaigns", "/ClickExport"):
            limited = ask(running, path)
            assert limited.status_code == 429
            assert ("Retry-After" in limited.headers) is said
            assert int(limited.headers["RateLimit-Reset"]) > 0


def test_the_list_of_clicks_is_enabled_for_nobody(sandbox: SandboxFactory) -> None:
    running = sandbox()
    answer = ask(running, "/Clicks")
    assert answer.status_code == 403
    assert "not enabled for this account" in answer.json()["Message"]
    assert Rule.CLICKS in running.requests[-1].broken


def test_customers_are_in_the_listing_report_alone(sandbox: SandboxFactory) -> None:
    running = sandbox()
    action = ask(running, "/Actions").json()["Actions"][0]
    assert not [name for name in action if "Status" in name or name == "CustomerId"]
    span: dict[str, Any] = {"START_DATE": "2026-06-01", "END_DATE": "2026-06-20"}
    row = ask(running, "/Reports/mp_action_listing_fast", **span).json()["Records"][0]
    assert {"Customer_Id", "Customer_Status"} <= row.keys()
