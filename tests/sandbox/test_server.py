from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
import requests
from impact_sandbox.switches import SCOPES

from tests.sandbox.client import ask

if TYPE_CHECKING:
    from tests.conftest import SandboxFactory

NOW = datetime(2026, 6, 30, 6, 10, tzinfo=UTC)


def z(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def happened(days: float = 40, until: datetime = NOW) -> dict[str, Any]:
    return {"ActionDateStart": z(until - timedelta(days=days)), "ActionDateEnd": z(until)}


def seconds(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp())


ROUTES = ["", "/Actions", "/ActionUpdates", "/Campaigns", "/Campaigns/2001"]


@pytest.mark.parametrize("route", ROUTES)
def test_routes(sandbox: SandboxFactory, route: str) -> None:
    answer = ask(sandbox(), route)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json"


def test_the_first_segment_of_the_path_may_be_in_any_case(sandbox: SandboxFactory) -> None:
    running = sandbox()
    url = f"{running.url}/mediaPARTNERS/{running.world.account_sid}/Campaigns.json"
    auth = running.world.account_sid, running.world.auth_token
    assert len(requests.get(url, auth=auth, timeout=10).json()["Campaigns"]) == 5


def test_xml_unless_json_is_asked_for(sandbox: SandboxFactory) -> None:
    running = sandbox()
    url = f"{running.url}/Mediapartners/{running.world.account_sid}/Campaigns"
    answer = requests.get(
        url, auth=(running.world.account_sid, running.world.auth_token), timeout=10
    )
    assert answer.text.startswith('<?xml version="1.0"?><ImpactRadiusResponse><Campaigns page="1"')
    assert "Bright &amp; Bold" in answer.text


def test_credentials(sandbox: SandboxFactory) -> None:
    running = sandbox()
    url = f"{running.url}/Mediapartners/{running.world.account_sid}"
    sid, token = running.world.account_sid, running.world.auth_token
    wrong = requests.get(url, auth=(sid, "wrong"), timeout=10)
    assert (wrong.status_code, wrong.json()) == (401, {"message": "Unauthorized"})
    assert requests.get(url, timeout=10).status_code == 401
    other = requests.get(url[:-1] + "x", auth=(sid, token), timeout=10)
    assert other.status_code == 403
    assert [seen.authorized for seen in running.requests] == [True, False, True]
    assert [seen.status for seen in running.requests] == [401, 401, 403]
    assert "authorization" not in {name.lower() for name in running.requests[0].headers}


def test_answers_are_dated_by_the_clock(sandbox: SandboxFactory) -> None:
    impact = sandbox(at=datetime(2026, 6, 30, 6, 10, tzinfo=UTC))
    impact.advance(60)
    for path in ("/Campaigns", "/Nothing"):
        assert ask(impact, path).headers["Date"] == "Tue, 30 Jun 2026 06:11:00 GMT"


@pytest.mark.parametrize(
    "path", ["/Nothing", "/Actions/1/Items/2/3", "/Actions/1.2.3", "/Campaigns/9"]
)
def test_what_is_not_there(sandbox: SandboxFactory, path: str) -> None:
    answer = ask(sandbox(), path)
    assert answer.status_code == 404
    assert answer.json()["Status"] == "ERROR"


@pytest.mark.parametrize("scope", ["Retrieve actions", "Retrieve account home"])
def test_a_scope_that_is_missing(sandbox: SandboxFactory, scope: str) -> None:
    running = sandbox(scopes=SCOPES - {scope})
    path, allowed = ("/Actions", "") if scope == "Retrieve actions" else ("", "/Actions")
    answer = ask(running, path)
    assert (answer.status_code, answer.json()) == (403, {"status": 403, "title": "Access Denied"})
    assert ask(running, allowed).status_code == 200


D40, D46 = z(NOW - timedelta(days=40)), z(NOW - timedelta(days=46))
FIVE_DAYS = timedelta(days=5)


@pytest.mark.parametrize("resource", ["/Actions", "/ActionUpdates"])
@pytest.mark.parametrize(
    "query",
    [
        pytest.param({"StartDate": D40}, id="start alone"),
        pytest.param({"EndDate": D40}, id="end alone"),
        pytest.param({"ActionDateStart": D40}, id="action date alone"),
        pytest.param({"LockingDateEnd": D40}, id="locking date alone"),
        pytest.param({"StartDate": D46, "EndDate": z(NOW)}, id="updated, 46 days"),
        pytest.param({"ActionDateStart": D46, "ActionDateEnd": z(NOW)}, id="happened, 46 days"),
        pytest.param({"LockingDateStart": D46, "LockingDateEnd": z(NOW)}, id="locked, 46 days"),
        pytest.param(
            {"StartDate": "2023-06-30T06:09:59Z", "EndDate": "2023-07-01T00:00:00Z"}, id="old"
        ),
        pytest.param(
            {"ActionDateStart": "2023-06-30T06:09:59Z", "ActionDateEnd": "2023-07-01T00:00:00Z"},
            id="old action date",
        ),
        pytest.param({"StartDate": z(NOW), "EndDate": D40}, id="backwards"),
        pytest.param({"StartDate": "2026-06-01", "EndDate": z(NOW)}, id="bare date"),
        pytest.param({"StartDate": "2026-06-01T00:00:00", "EndDate": z(NOW)}, id="no zone"),
        pytest.param({"StartDate": "06/01/2026", "EndDate": z(NOW)}, id="slashes"),
        pytest.param({"StartDate": "2026-06-01T00:00:00.000Z", "EndDate": z(NOW)}, id="millis"),
        pytest.param({"StartDate": D40, "EndDate": "2126-06-01T00:00:00Z"}, id="far future"),
        pytest.param({"StartDate": "2026-13-01T00:00:00Z", "EndDate": z(NOW)}, id="month 13"),
        pytest.param({"State": "PAID"}, id="unknown state"),
        pytest.param({"CampaignId": "mine"}, id="campaign is no number"),
        pytest.param({"PageSize": "20001"}, id="page too large"),
        pytest.param({"PageSize": "many"}, id="page size is no number"),
        pytest.param({"Page": "0"}, id="page 0"),
        pytest.param({"Page": ["1", "1"]}, id="sent twice"),
    ],
)
def test_refused(sandbox: SandboxFactory, resource: str, query: dict[str, Any]) -> None:
    answer = ask(sandbox(), resource, **query)
    assert answer.status_code == 400
    assert answer.json()["Status"] == "ERROR"


@pytest.mark.parametrize("resource", ["/Actions", "/ActionUpdates"])
@pytest.mark.parametrize(
    "query",
    [
        pytest.param({"StartDate": z(NOW - timedelta(days=45)), "EndDate": z(NOW)}, id="45 days"),
        pytest.param(
            {"StartDate": "2023-06-30T06:10:00Z", "EndDate": "2023-07-01T00:00:00Z"}, id="3 y"
        ),
        pytest.param({"StartDate": "2026-06-01T00:00:00+0000", "EndDate": z(NOW)}, id="+0000"),
        pytest.param(
            {"LockingDateStart": "2020-01-01T00:00:00Z", "LockingDateEnd": "2020-01-02T00:00:00Z"},
            id="locks",
        ),
        pytest.param({"PageSize": "100"}, id="small page"),
        pytest.param({"PageSize": "1000"}, id="page of 1,000"),
        pytest.param({"Colour": "red"}, id="unknown parameter"),
    ],
)
def test_accepted(sandbox: SandboxFactory, resource: str, query: dict[str, Any]) -> None:
    assert ask(sandbox(), resource, **query).status_code == 200


def test_a_page_size_below_the_minimum_is_kept_or_raised_or_refused(
    sandbox: SandboxFactory,
) -> None:
    assert ask(sandbox(), "/Actions", PageSize=100).json()["@pagesize"] == "100"
    clamping = sandbox(page_size_below_minimum="clamp")
    assert ask(clamping, "/Actions", PageSize=10).json()["@pagesize"] == "2000"
    strict = sandbox(page_size_below_minimum="refuse")
    assert ask(strict, "/Actions", PageSize=10).status_code == 400
    assert ask(strict, "/Actions", PageSize=2000).status_code == 200
    assert ask(sandbox(), "/Actions").json()["@pagesize"] == "20000"
    assert ask(sandbox(), "/Campaigns").json()["@pagesize"] == "100"


def test_without_dates_the_last_seven_days(sandbox: SandboxFactory) -> None:
    running = sandbox()
    week: dict[str, Any] = {"StartDate": z(NOW - timedelta(days=7)), "EndDate": z(NOW)}
    rows = ask(running, "/Actions").json()["Actions"]
    assert rows
    assert rows == ask(running, "/Actions", **week).json()["Actions"]


def test_pages(sandbox: SandboxFactory) -> None:
    running = sandbox(largest_page=50)
    first = ask(running, "/Actions", State="PENDING", **happened()).json()
    assert all(isinstance(first[key], str) for key in first if key.startswith("@"))
    assert len([key for key in first if key.startswith("@")]) == 11
    assert first["@previouspageuri"] == ""
    rows, page = list(first["Actions"]), first
    auth = running.world.account_sid, running.world.auth_token
    while page["@nextpageuri"]:
        url = running.url + page["@nextpageuri"]
        page = requests.get(
            url, auth=auth, headers={"Accept": "application/json"}, timeout=10
        ).json()
        rows += page["Actions"]
    assert page["@page"] == first["@numpages"]
    assert len(rows) == int(first["@total"]) == len({row["Id"] for row in rows})
    twice = url + "&State=PENDING"
    assert requests.get(twice, auth=auth, timeout=10).status_code == 400
    assert int(first["@numpages"]) > 2
    past = ask(running, "/Actions", State="PENDING", Page=99, **happened()).json()
    assert (past["Actions"], past["@nextpageuri"]) == ([], "")


def test_ten_pages_at_most(sandbox: SandboxFactory) -> None:
    running = sandbox()
    total = int(ask(running, "/Actions", **happened()).json()["@total"])
    running.switch(largest_page=-(-total // 10))
    assert ask(running, "/Actions", **happened()).status_code == 200
    running.switch(largest_page=(total - 1) // 10)
    assert ask(running, "/Actions", **happened()).status_code == 400
    assert ask(running, "/Actions", **happened(5)).status_code == 200


def test_newest_creation_first_but_not_strictly(sandbox: SandboxFactory) -> None:
    rows = ask(sandbox(actions_per_day=80), "/Actions", **happened()).json()["Actions"]
    created = [seconds(row["CreationDate"]) for row in rows]
    assert created != sorted(created, reverse=True)
    assert all(b - a < 1100 for a, b in itertools.pairwise(created))


@pytest.mark.parametrize(
    ("pair", "row_date", "resource"),
    [
        (("ActionDateStart", "ActionDateEnd"), "EventDate", "Actions"),
        (("LockingDateStart", "LockingDateEnd"), "LockingDate", "Actions"),
        (("StartDate", "EndDate"), "UpdateDate", "ActionUpdates"),
        (("ActionDateStart", "ActionDateEnd"), "ActionDate", "ActionUpdates"),
        (("LockingDateStart", "LockingDateEnd"), "LockingDate", "ActionUpdates"),
    ],
)
def test_filters_find_exactly_what_they_name(
    sandbox: SandboxFactory,
    pair: tuple[str, str],
    row_date: str,
    resource: str,
) -> None:
    running = sandbox()
    world = running.world
    start, end = NOW - timedelta(days=60), NOW - timedelta(days=20)
    truth = world.actions(NOW) if resource == "Actions" else world.action_updates(NOW)
    low, high = start.timestamp(), end.timestamp()
    expected = {
        row["Id"] for row in truth if row[row_date] and low <= seconds(row[row_date]) <= high
    }
    sent: dict[str, Any] = dict(zip(pair, (z(start), z(end)), strict=True))
    found = ask(running, f"/{resource}", **sent).json()
    assert {row["Id"] for row in found[resource]} == expected
    assert expected


def test_both_ends_of_a_filter_are_inclusive(sandbox: SandboxFactory) -> None:
    running = sandbox()
    row = next(row for row in running.world.actions(NOW) if row["LockingDate"])
    only: dict[str, Any] = {"ActionDateStart": row["EventDate"], "ActionDateEnd": row["EventDate"]}
    assert row in ask(running, "/Actions", **only).json()["Actions"]


def test_kinds_of_filters_combine(sandbox: SandboxFactory) -> None:
    running = sandbox()
    both: dict[str, Any] = {
        **happened(),
        "LockingDateStart": z(NOW - timedelta(days=10)),
        "LockingDateEnd": z(NOW),
        "CampaignId": "2001",
        "State": "APPROVED",
    }
    rows = ask(running, "/Actions", **both).json()["Actions"]
    assert rows
    assert {(row["CampaignId"], row["State"]) for row in rows} == {("2001", "APPROVED")}
    narrow: dict[str, Any] = {**both, "ActionDateStart": z(NOW - FIVE_DAYS)}
    assert ask(running, "/Actions", **narrow).json()["Actions"] == []


def test_approval_and_clearing_are_found_by_locking_date_only(sandbox: SandboxFactory) -> None:
    running = sandbox()
    before = {row["Id"]: row for row in running.world.actions(NOW - timedelta(days=1))}
    now = {row["Id"]: row for row in running.world.actions(NOW)}
    approved = {
        name
        for name, row in before.items()
        if row["State"] == "PENDING" and now[name]["State"] == "APPROVED"
    }
    assert approved
    span = z(NOW - timedelta(days=1)), z(NOW)
    updated = ask(running, "/Actions", StartDate=span[0], EndDate=span[1]).json()["Actions"]
    updates = ask(running, "/ActionUpdates", StartDate=span[0], EndDate=span[1]).json()[
        "ActionUpdates"
    ]
    locked = ask(running, "/Actions", LockingDateStart=span[0], LockingDateEnd=span[1]).json()[
        "Actions"
    ]
    assert not approved & {row["Id"] for row in updated}
    assert not approved & {row["ActionId"] for row in updates}
    assert approved <= {row["Id"] for row in locked}


def test_last_updated_finds_every_new_and_changed_action(sandbox: SandboxFactory) -> None:
    running = sandbox(actions_per_day=40)
    start = NOW - timedelta(hours=26)
    sent: dict[str, Any] = {"StartDate": z(start), "EndDate": z(NOW)}
    found = {row["Id"] for row in ask(running, "/Actions", **sent).json()["Actions"]}
    changed = {
        row["ActionId"]
        for row in running.world.action_updates(NOW)
        if seconds(row["UpdateDate"]) >= start.timestamp()
    }
    assert found == changed


def test_single_objects(sandbox: SandboxFactory) -> None:
    running = sandbox()
    row = next(running.world.actions(NOW))
    update = next(running.world.action_updates(NOW))
    assert ask(running, f"/Actions/{row['Id']}").json() == row
    assert ask(running, f"/ActionUpdates/{update['Id']}").json() == update
    assert ask(running, f"/Actions/{row['Id']}", Unknown="1").status_code == 200


def test_items(sandbox: SandboxFactory) -> None:
    running = sandbox()
    for row in running.world.actions(NOW):
        items = running.world.items(row["Id"], NOW)
        awkward = [item for item in items if item["Sku"] in {"A/B 12", "50% off", "ÄÖÜ#7?x=1"}]
        if awkward:
            break
    assert ask(running, f"/Actions/{row['Id']}/Items").json()["ActionItems"] == items
    sku = quote(awkward[0]["Sku"], safe="")
    assert ask(running, f"/Actions/{row['Id']}/Items/{sku}").json()["Sku"] == awkward[0]["Sku"]
    assert ask(sandbox(items_key="Items"), f"/Actions/{row['Id']}/Items").json()["Items"] == items


def test_hourly_limits(sandbox: SandboxFactory) -> None:
    running = sandbox(hourly_detail=2, hourly_other=1)
    answers = [ask(running, "/Actions") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert [answer.headers["X-RateLimit-Remaining-hour"] for answer in answers] == ["1", "0", "0"]
    assert answers[2].headers["Retry-After"] == "3000"  # it is ten past
    assert "Retry-After" not in answers[0].headers
    assert answers[0].headers["RateLimit-Reset"] == "3000"
    assert answers[0].headers["X-RateLimit-Limit-hour"] == "2"
    assert ask(running, "/Campaigns").status_code == 200
    running.advance(2999)
    assert ask(running, "/Actions").status_code == 429
    running.advance(1)
    assert ask(running, "/Actions").status_code == 200


def test_gzip(sandbox: SandboxFactory) -> None:
    running = sandbox(gzip=True)
    answer = ask(running, "/Campaigns")
    assert answer.headers["Content-Encoding"] == "gzip"
    assert len(answer.json()["Campaigns"]) == 5


def test_one_connection_serves_many_requests(sandbox: SandboxFactory) -> None:
    running = sandbox()
    with requests.Session() as session:
        session.auth = running.world.account_sid, running.world.auth_token
        url = f"{running.url}/Mediapartners/{running.world.account_sid}"
        assert [session.get(url, timeout=10).status_code for _ in range(3)] == [200] * 3
        assert session.post(url, data=b"body", timeout=10).status_code == 405
        assert session.get(url, timeout=10).status_code == 200


def test_the_clock(sandbox: SandboxFactory) -> None:
    running = sandbox(at=None)
    assert abs(datetime.now(UTC) - running.at) < timedelta(seconds=5)
    running.set_time(NOW)
    assert running.at == NOW
    ask(running, "")
    assert running.requests[-1].at == NOW


def test_unknown_switches(sandbox: SandboxFactory) -> None:
    with pytest.raises(ValueError, match="no such switch: gzipped"):
        sandbox(gzipped=True)
    with pytest.raises(ValueError, match="no such scope"):
        sandbox(scopes=["Everything"])
