"""What a live account may answer: each trouble stops one thing, and nothing else."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from impact_sandbox import faults
from impact_sandbox.exchange import Answer
from impact_sandbox.files import click_file
from impact_sandbox.switches import CHOICES, SCOPES, Switches
from impact_sandbox.world import World
from inflection import underscore

from tests.cases import cases
from tests.inside import command_inside, run_inside
from tests.pipeline import CLICK_STREAMS, STREAMS, Pipeline, Wherever, edited, errors, warnings
from tests.runs import Run, catalog

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from impact_sandbox.faults import Fault
    from impact_sandbox.server import Sandbox, SeenRequest

    from tests.conftest import SandboxFactory

NOW = datetime(2026, 6, 30, 15, tzinfo=UTC)
REFUSED = faults.status(400, b'{"Status":"ERROR","Message":"Invalid request"}')
START = datetime(2026, 6, 20, tzinfo=UTC)
ALL_STREAMS = (*STREAMS, "action_items")
DATED = ("actions", "action_updates")
SWITCHES: dict[str, Any] = {
    "hourly_detail": 10**6,
    "hourly_other": 10**6,
    "job_life": ["COMPLETED"],
}
CLICKS = {"click_start_date": "2026-06-28", "timezone": "America/Los_Angeles"}
SMALL: dict[str, Any] = {"opened": date(2026, 5, 1), "actions_per_day": 1, "clicks_per_day": 8}


def pipeline(sandbox: Sandbox, *streams: str, **settings: Any) -> Pipeline:
    return Pipeline(
        sandbox, {"start_date": START.isoformat(), **CLICKS, **settings}, streams or ALL_STREAMS
    )


@pytest.fixture
def account(sandbox: SandboxFactory) -> Pipeline:
    """A small account, of which nothing is loaded yet."""
    return pipeline(sandbox(at=NOW, seed="live", **SMALL, **SWITCHES))


def endless(fault: Fault, resource: str) -> Wherever:
    """Let something go wrong with every request of a list or object, but not with what is below."""
    return Wherever(
        lambda seen: (
            fault if seen.resource == resource and not seen.path.endswith("/Items") else None
        )
    )


# -- the account's own beginning -----------------------------------------------------------------

BORN = datetime(2025, 12, 12, 8, tzinfo=UTC)
"""200 days ago, at midnight of the account's time zone."""
AFTER_BIRTH = BORN + timedelta(days=1)
WORDS = "The account was not active at that time"
LONG_AGO = {"start_date": (NOW - timedelta(days=800)).isoformat()}
TOO_EARLY = Answer(400, {"Status": "ERROR", "Message": WORDS})


def refused(seen: SeenRequest) -> bool:
    starts = [value for name, value in seen.query.items() if name.endswith(("DateStart", "tDate"))]
    return any(datetime.fromisoformat(start) < BORN for start in starts)


YOUNG = Wherever(lambda seen: faults.Fault("too early", TOO_EARLY) if refused(seen) else None)
born_may_be_read = pytest.mark.parametrize(
    "scopes", [SCOPES, SCOPES - {"Retrieve account home"}], ids=["DateActivated", "no scope"]
)


@pytest.fixture
def young(sandbox: SandboxFactory) -> Pipeline:
    world = World(seed="young", actions_per_day=0.6, clicks_per_day=8, opened=BORN.date())
    impact = sandbox(at=NOW, world=world, faults=YOUNG, **SWITCHES)
    return pipeline(impact, *DATED, *CLICK_STREAMS, **LONG_AGO)


def dated_requests(pipe: Pipeline) -> int:
    return sum(
        seen.resource in {"Account", "Actions", "ActionUpdates"} for seen in pipe.sandbox.requests
    )


@born_may_be_read
def test_a_young_account_is_loaded_from_its_first_day(
    young: Pipeline, scopes: frozenset[str]
) -> None:
    young.sandbox.switch(scopes=scopes)
    run = young.run()
    assert run.exit_code == 0, run.stderr
    assert young.not_whole(AFTER_BIRTH) == set()
    assert sum(WORDS in line for line in run.stderr.splitlines()) == 1


@born_may_be_read
def test_the_first_day_of_an_account_is_found_in_thirteen_requests(
    young: Pipeline, scopes: frozenset[str]
) -> None:
    young.sandbox.switch(scopes=scopes)
    told = pipeline(young.sandbox, *young.streams, start_date=BORN.isoformat())
    assert told.run().exit_code == 0
    needed = dated_requests(told)
    assert young.run().exit_code == 0
    assert dated_requests(young) <= needed + 13


@pytest.mark.parametrize("start", [LONG_AGO["start_date"], None], ids=["start_date", "as far back"])
def test_the_first_day_of_an_account_is_found_once(young: Pipeline, start: str | None) -> None:
    if start is None:
        del young.settings["start_date"]
    assert young.run().exit_code == 0
    for hours in (1, 24, 24):
        young.sandbox.advance(hours * 3600)
        run = young.run()
        assert run.exit_code == 0, run.stderr
        assert not any(refused(seen) for seen in young.sandbox.requests)
        assert WORDS not in run.stderr
        assert young.not_whole(AFTER_BIRTH) == set()


def test_an_earlier_start_date_asks_again_for_what_was_refused(sandbox: SandboxFactory) -> None:
    world = World(seed="old", actions_per_day=0.6, clicks_per_day=8, opened=date(2024, 6, 1))
    impact = sandbox(at=NOW, world=world, faults=YOUNG, **SWITCHES)
    pipe = pipeline(impact, *DATED, start_date=(NOW - timedelta(days=300)).isoformat())
    assert pipe.run().exit_code == 0
    assert pipe.not_whole(AFTER_BIRTH) == set()
    impact.spoil(())
    before = len(pipe.table("actions"))
    pipe.settings |= LONG_AGO
    assert pipe.run().exit_code == 0
    assert pipe.not_whole() == set()
    assert len(pipe.table("actions")) > before > 0


def test_a_400_on_what_is_new_is_an_error_of_that_stream_alone(account: Pipeline) -> None:
    assert account.run().exit_code == 0
    account.sandbox.advance(86_400)
    broken = faults.Fault("refused", TOO_EARLY)
    account.sandbox.spoil(
        Wherever(
            lambda seen: (
                broken if seen.resource == "ActionUpdates" and "StartDate" in seen.query else None
            )
        )
    )
    run = account.run()
    assert run.exit_code == 1
    assert account.not_whole() <= {"action_updates"}
    assert any("action_updates" in line for line in errors(run))
    account.sandbox.spoil(())
    assert account.run().exit_code == 0
    assert account.not_whole() == set()


def test_a_400_on_all_of_history_is_not_taken_for_its_beginning(account: Pipeline) -> None:
    broken = faults.Fault("refused", TOO_EARLY)
    account.sandbox.spoil(
        Wherever(lambda seen: broken if "ActionDateStart" in seen.query else None)
    )
    account.streams = (*DATED, *CLICK_STREAMS)
    for _ in range(2):
        run = account.run()
        assert run.exit_code == 1
        assert account.not_whole() == {"actions"}
        assert any("actions" in line for line in errors(run))
        account.sandbox.advance(3600)
    account.sandbox.spoil(())
    assert account.run().exit_code == 0
    assert account.not_whole() == set()


def over(day: date, start: str, end: str) -> Callable[[SeenRequest], bool]:
    """Whether a query is for a time with a day in it."""

    def covers(seen: SeenRequest) -> bool:
        query = seen.query
        return start in query and query[start][:10] <= day.isoformat() <= query[end][:10]

    return covers


A_DAY_OF_HISTORY = over(date(2026, 4, 1), "ActionDateStart", "ActionDateEnd")
LOCKED = over(date(2026, 6, 20), "LockingDateStart", "LockingDateEnd")


@pytest.fixture
def half_a_year(sandbox: SandboxFactory) -> Pipeline:
    impact = sandbox(at=NOW, seed="half", **SMALL | {"opened": date(2026, 1, 1)}, **SWITCHES)
    return pipeline(impact, *DATED, start_date="2026-01-01T00:00:00+00:00")


def test_a_400_by_accident_is_not_taken_for_the_beginning(half_a_year: Pipeline) -> None:
    struck: list[SeenRequest] = []

    def once(seen: SeenRequest) -> Fault | None:
        if not A_DAY_OF_HISTORY(seen) or struck:
            return None
        struck.append(seen)
        return REFUSED

    half_a_year.sandbox.spoil(Wherever(once))
    assert half_a_year.run().exit_code == 1
    half_a_year.sandbox.advance(86_400)
    run = half_a_year.run()
    assert run.exit_code == 0, run.stderr
    assert half_a_year.not_whole() == set()


@pytest.mark.parametrize("trouble", [faults.status(500), REFUSED], ids=["500", "400"])
def test_a_window_that_fails_stops_neither_older_nor_newer_ones(
    half_a_year: Pipeline, trouble: Fault
) -> None:
    half_a_year.sandbox.spoil(Wherever(lambda seen: trouble if A_DAY_OF_HISTORY(seen) else None))
    for _ in range(2):
        assert half_a_year.run().exit_code == 1
        months = {row["event_day"][:7] for row in half_a_year.table("actions")}
        assert {"2026-01", "2026-06"} <= months
        lost = half_a_year.wrong_actions()
        events = {
            row["Id"]: row["EventDate"][:10]
            for row in half_a_year.sandbox.world.actions(half_a_year.sandbox.at)
        }
        assert {events[each] for each in lost} <= {
            (date(2026, 4, 1) + timedelta(days=days)).isoformat() for days in range(-46, 46)
        }
        half_a_year.sandbox.advance(86_400)
    half_a_year.sandbox.spoil(())
    assert half_a_year.run().exit_code == 0
    assert half_a_year.not_whole() == set()
    assert "unanswered" not in json.dumps(half_a_year.state)


def test_settlement_that_fails_keeps_no_new_action_from_loading(half_a_year: Pipeline) -> None:
    assert half_a_year.run().exit_code == 0
    half_a_year.sandbox.advance(86_400)
    half_a_year.sandbox.spoil(Wherever(lambda seen: REFUSED if LOCKED(seen) else None))
    before = len(half_a_year.table("actions"))
    assert half_a_year.run().exit_code == 1
    assert len(half_a_year.table("actions")) > before
    half_a_year.sandbox.spoil(())
    assert half_a_year.run().exit_code == 0
    assert half_a_year.not_whole() == set()


def test_an_account_of_ten_days_is_loaded_each_day(sandbox: SandboxFactory) -> None:
    born = datetime(2026, 6, 20, 7, tzinfo=UTC)

    def early(seen: SeenRequest) -> Fault | None:
        starts = [seen.query[each] for each in seen.query if each.endswith(("DateStart", "tDate"))]
        return REFUSED if any(datetime.fromisoformat(each) < born for each in starts) else None

    impact = sandbox(at=NOW, seed="ten days", **SMALL | {"opened": date(2026, 6, 20)}, **SWITCHES)
    impact.spoil(Wherever(early))
    pipe = pipeline(impact, *DATED, **LONG_AGO)
    for _ in range(3):
        run = pipe.run()
        assert run.exit_code == 0, errors(run)
        assert pipe.not_whole(born + timedelta(hours=1)) == set()
        impact.advance(86_400)


@pytest.mark.slow
def test_windows_that_stay_open_become_few(sandbox: SandboxFactory) -> None:
    busy = SMALL | {"actions_per_day": 40}
    account = pipeline(sandbox(at=NOW, seed="busy", **busy, **SWITCHES), "actions")
    account.sandbox.spoil(unreadable("actions", newest(account, 40), "EventDate", "soon"))
    for _ in range(5):
        assert account.run().exit_code == 1
        assert account.state
        assert len(account.state["bookmarks"]["actions"]["unanswered"]) <= 2
        account.sandbox.advance(3600)
    account.sandbox.spoil(())
    assert account.run().exit_code == 0
    assert account.not_whole() == set()


def newest(pipe: Pipeline, count: int) -> list[str]:
    return [row["Id"] for row in pipe.sandbox.world.actions(NOW + timedelta(days=1))][-count:]


# -- any error of one stream ---------------------------------------------------------------------


def body_of_200(content: bytes) -> Fault:
    return faults.Fault(f"200 {content!r}", Answer(200, content, content_type="application/json"))


def plus_one(body: dict[str, Any]) -> dict[str, Any]:
    return body | {"@total": str(int(body["@total"]) + 1)}


PAGE_REFUSED = faults.status(400, b'{"Status":"ERROR","Message":"PageSize must be at most 100"}')
TROUBLES: dict[str, tuple[str, Wherever]] = {
    "a total of campaigns is too high": ("campaigns", endless(edited(plus_one), "Campaigns")),
    "a page size is refused": (
        "campaigns",
        Wherever(lambda seen: PAGE_REFUSED if seen.query.get("PageSize") == "1000" else None),
    ),
    "campaigns are 500": ("campaigns", endless(faults.status(500), "Campaigns")),
    "campaigns are HTML": ("campaigns", endless(faults.html(), "Campaigns")),
    "the account is 500": ("account", endless(faults.status(500), "Account")),
    "the account is 400": ("account", endless(REFUSED, "Account")),
    "the account is a list": ("account", endless(body_of_200(b"[]"), "Account")),
    "the account is null": ("account", endless(body_of_200(b"null"), "Account")),
    "the account is a text": ("account", endless(body_of_200(b'"soon"'), "Account")),
    "the account is empty": ("account", endless(body_of_200(b"{}"), "Account")),
    "a total of actions is too high": ("actions", endless(edited(plus_one), "Actions")),
    "actions are 500": ("actions", endless(faults.status(500), "Actions")),
    "actions are 400": ("actions", endless(REFUSED, "Actions")),
    "updates are 500": ("action_updates", endless(faults.status(500), "ActionUpdates")),
    "updates are 400": ("action_updates", endless(REFUSED, "ActionUpdates")),
    "a total of updates is too high": (
        "action_updates",
        endless(edited(plus_one), "ActionUpdates"),
    ),
    "exports are 500": ("clicks", endless(faults.status(500), "ClickExport")),
    "exports are 400": ("clicks", endless(REFUSED, "ClickExport")),
    "jobs are 500": ("clicks", endless(faults.status(500), "Jobs")),
}
LIKE_ANOTHER = {
    "campaigns are HTML",
    "the account is 500",
    "the account is a list",
    "the account is a text",
    "the account is empty",
    "actions are 500",
    "updates are 400",
    "a total of updates is too high",
    "exports are 400",
    "jobs are 500",
}
NEEDS = {"actions": {"action_items"}}
"""Streams that cannot be whole without another."""


@pytest.mark.parametrize(("stream", "trouble"), cases(TROUBLES, slow=LIKE_ANOTHER))
def test_a_stream_that_fails_leaves_the_others_loaded(
    account: Pipeline, stream: str, trouble: Wherever
) -> None:
    account.sandbox.spoil(trouble)
    run = account.run()
    not_whole = account.not_whole()
    assert not_whole <= {stream} | NEEDS.get(stream, set())
    assert "defect" not in run.stderr
    if stream in not_whole:
        assert run.exit_code == 1
        name = "click" if stream == "clicks" else stream
        assert any(name in line.lower() for line in errors(run))
    account.sandbox.advance(86_400)
    account.sandbox.spoil(())
    # A day of clicks may be tried again some days later.
    for _ in range(5 if stream == "clicks" else 1):
        run = account.run()
        assert run.exit_code == 0, run.stderr
        if not account.not_whole():
            break
        account.sandbox.advance(86_400)
    assert account.not_whole() == set()


@pytest.mark.parametrize(
    "trouble",
    [faults.status(500), faults.truncated(), faults.reset()],
    ids=["500", "cut short", "reset"],
)
def test_pages_that_are_too_large_to_be_sent_are_requested_smaller(
    account: Pipeline, trouble: Fault
) -> None:
    account.sandbox.spoil(
        Wherever(
            lambda seen: (
                trouble
                if int(seen.query.get("PageSize", 0))
                > (2_000 if seen.resource in {"Actions", "ActionUpdates"} else 100)
                else None
            )
        )
    )
    run = account.run()
    assert run.exit_code == 0, run.stderr
    assert account.not_whole() == set()


@pytest.mark.parametrize("resource", ["Campaigns", "Actions", "ActionUpdates"])
def test_a_row_that_is_listed_twice_fails_nothing(account: Pipeline, resource: str) -> None:
    def twice(body: dict[str, Any]) -> dict[str, Any]:
        return plus_one(body) | {resource: [*body[resource], body[resource][0]]}

    account.sandbox.spoil(
        Wherever(
            lambda seen: (
                faults.Fault("twice", edits=lambda body: twice(body) if body[resource] else body)
                if seen.resource == resource and not seen.path.endswith("/Items")
                else None
            )
        )
    )
    run = account.run()
    assert run.exit_code == 0, run.stderr
    assert account.not_whole() == set()
    assert "Reading the list again" in run.stderr


def test_items_that_fail_leave_the_others_loaded(account: Pipeline) -> None:
    account.sandbox.spoil(Wherever(lambda seen: REFUSED if seen.path.endswith("/Items") else None))
    run = account.run()
    assert run.exit_code == 1
    assert account.not_whole() == {"action_items"}


def test_what_earns_comes_first(account: Pipeline) -> None:
    run = account.run()
    order = [message["stream"] for message in run.messages if message["type"] == "SCHEMA"]
    earning = max(order.index(stream) for stream in DATED)
    assert all(order.index(stream) > earning for stream in ("account", "campaigns", "action_items"))


# -- values that cannot be read ------------------------------------------------------------------

FAR = "9999-12-31T23:59:59-08:00"
NO_DAY = "2026-02-30T00:00:00-08:00"
RESOURCES = {"actions": "Actions", "action_updates": "ActionUpdates", "campaigns": "Campaigns"}
IDS = {"Actions": "Id", "ActionUpdates": "Id", "Campaigns": "CampaignId"}


def settled(pipe: Pipeline, stream: str, count: int = 1) -> list[str]:
    """Ids of a stream's rows that are old enough for later runs to leave them to history."""
    world, dated = pipe.sandbox.world, {"actions": "EventDate", "action_updates": "UpdateDate"}
    if stream == "campaigns":
        return [str(row["CampaignId"]) for row in world.campaigns()][:count]
    rows = {"actions": world.actions, "action_updates": world.action_updates}[stream](NOW)
    found = [
        row["Id"]
        for row in rows
        if START <= datetime.fromisoformat(row[dated[stream]]) < NOW - timedelta(days=5)
    ]
    assert len(found) > count
    return found[-count:]


def unreadable(stream: str, ids: list[str], name: str, value: Any) -> Wherever:
    """Let a field of some rows be what nobody can read, each time they are sent."""
    resource = RESOURCES[stream]

    def edit(body: dict[str, Any]) -> dict[str, Any]:
        if resource not in body:
            return edited_row(body)
        return body | {resource: [*map(edited_row, body[resource])]}

    def edited_row(row: dict[str, Any]) -> dict[str, Any]:
        return row | {name: value} if row[IDS[resource]] in ids else row

    return endless(edited(edit), resource)


def said_once(run: Run, name: str, count: int, ids: list[str]) -> bool:
    """Whether one line names the field, in how many rows it was met, and one of them."""
    lines = [line.split("|", 3)[3] for line in warnings(run) if name in line]
    return (
        len(lines) == 1
        and any(word.strip(",.:;()") == str(count) for word in lines[0].split())
        and any(each in lines[0] for each in ids)
    )


def rows_of(pipe: Pipeline, stream: str, ids: list[str]) -> list[dict[str, Any]]:
    rows = [row for row in pipe.table(stream) if row["id"] in ids]
    assert len(rows) == len(ids)
    return rows


@pytest.mark.parametrize("fast", [True, False], ids=["fast path", "by the SDK"])
@pytest.mark.parametrize(
    ("stream", "name", "value"),
    [
        ("actions", "LockingDate", FAR),
        ("actions", "ClearedDate", NO_DAY),
        ("actions", "ReferringDate", ["2026-06-30"]),
        ("action_updates", "ClearingDate", "soon"),
    ],
)
def test_a_date_that_cannot_be_read_is_kept_as_sent_and_blocks_nothing(
    account: Pipeline,
    stream: str,
    name: str,
    value: Any,
    fast: bool,  # noqa: FBT001 - a case of the test
) -> None:
    account.streams = STREAMS
    if not fast:
        account.settings |= {"stream_maps": {stream: {"sub_id3": "sub_id3"}}}
    ids = settled(account, stream, 3)
    account.sandbox.spoil(unreadable(stream, ids, name, value))
    run = account.run()
    assert run.exit_code == 0, run.stderr
    assert account.wrong_actions() <= {*ids}
    assert account.not_whole() <= {"actions"}
    for row in rows_of(account, stream, ids):
        assert row[underscore(name)] is None
        assert row["additional_fields"] == {name: value}
    assert said_once(run, name, 3, ids), run.stderr


@pytest.mark.parametrize("value", [[], {}, ["1"], 0], ids=str)
def test_a_campaign_that_cannot_be_read_stops_no_action(account: Pipeline, value: Any) -> None:
    account.sandbox.spoil(unreadable("actions", settled(account, "actions"), "CampaignId", value))
    account.run()
    assert account.not_whole() == set()


@pytest.mark.parametrize(
    ("stream", "name", "value"),
    [
        ("actions", "Payout", "abc"),
        ("actions", "Amount", {"Value": 1}),
        ("action_updates", "DeltaPayout", "12,5x"),
    ],
)
def test_money_that_cannot_be_read_fails_the_run_once_all_is_loaded(
    account: Pipeline, stream: str, name: str, value: Any
) -> None:
    account.streams = STREAMS
    ids = settled(account, stream, 3)
    account.sandbox.spoil(unreadable(stream, ids, name, value))
    run = account.run()
    assert run.exit_code == 1
    assert account.wrong_actions() <= {*ids}
    assert account.not_whole() <= {"actions"}
    for row in rows_of(account, stream, ids):
        assert row[underscore(name)] is None
        assert row["additional_fields"] == {name: value}
    assert said_once(run, name, 3, ids), run.stderr
    assert any(name in line or stream in line for line in errors(run))


@pytest.mark.parametrize(
    ("stream", "name", "value"),
    [
        ("actions", "Id", ""),
        ("actions", "Id", "n/a"),
        ("actions", "EventDate", "soon"),
        ("actions", "EventDate", FAR),
        ("action_updates", "Id", ""),
        ("action_updates", "UpdateDate", NO_DAY),
    ],
)
def test_a_row_that_cannot_be_placed_keeps_its_window_open_and_nothing_else(
    account: Pipeline, stream: str, name: str, value: str
) -> None:
    account.streams = ("account", "campaigns", *DATED, "action_items")
    # An action without an id cannot be asked for its items, nor be known again once it has one.
    nameless = stream == "actions" and name == "Id"
    ids = settled(account, stream)
    account.sandbox.spoil(unreadable(stream, ids, name, value))
    for _ in range(2):
        run = account.run()
        assert run.exit_code == 1
        assert any(stream in line and name in line for line in errors(run))
        lost = account.wrong_actions() | account.missing_updates()
        assert lost == {*ids}
        assert account.wrong_items() == ({*ids} if nameless else set())
        assert account.not_whole() - {"action_items"} == {stream}
        account.sandbox.advance(86_400)
    account.sandbox.spoil(())
    run = account.run()
    assert run.exit_code == 0, run.stderr
    assert account.not_whole() == ({"action_items"} if nameless else set())
    assert account.wrong_items() == ({*ids} if nameless else set())


def test_a_campaign_without_an_id_keeps_no_other_from_loading(account: Pipeline) -> None:
    (nameless,) = settled(account, "campaigns")
    account.sandbox.spoil(unreadable("campaigns", [nameless], "CampaignId", ""))
    run = account.run()
    assert run.exit_code == 1
    assert any("campaigns" in line for line in errors(run))
    assert account.not_whole() == {"campaigns"}
    assert len(account.table("campaigns")) == len(account.sandbox.world.campaigns()) - 1


@pytest.mark.parametrize(
    ("name", "value", "exit_code"), [("EventDate", FAR, 0), ("Payout", "abc", 1)]
)
def test_a_value_of_a_click_that_cannot_be_read_stops_no_day(
    account: Pipeline, name: str, value: str, exit_code: int
) -> None:
    impact = account.sandbox
    (first, *_) = impact.world.clicks(date(2026, 6, 28), NOW)
    impact.jobs.file = lambda job: click_file(  # type: ignore[method-assign]
        (
            row | {name: value} if row == first else row
            for row in impact.world.clicks(job.day, job.at)
        ),
        job.result_format,
        impact.switches,
    )
    run = account.run()
    assert account.not_whole() == set()
    assert run.exit_code == exit_code
    (kept,) = [row for row in account.table("clicks") if row["additional_fields"]]
    assert kept["additional_fields"] == {name: value}
    assert said_once(run, name, 1, [first["Id"]]), run.stderr


# -- tables that a target empties ----------------------------------------------------------------


def activated(run: Run) -> set[str]:
    return {message["stream"] for message in run.messages if message["type"] == "ACTIVATE_VERSION"}


@pytest.mark.parametrize(
    ("switches", "spoilt"),
    [
        ({"scopes": SCOPES - {"Retrieve campaigns"}}, ()),
        ({}, [faults.status(404).at("Campaigns", times=faults.ALWAYS)]),
        ({}, [faults.status(500).at("Campaigns", times=faults.ALWAYS)]),
        ({}, [faults.envelope("@total", "99").at("Campaigns", times=faults.ALWAYS)]),
        ({"largest_page": 2}, [faults.status(400).at("Campaigns", after=1)]),
    ],
    ids=["403", "404", "500", "too few", "400 in the middle"],
)
def test_a_list_that_was_not_read_whole_activates_no_version(
    account: Pipeline, switches: dict[str, Any], spoilt: list[Fault]
) -> None:
    account.sandbox.switch(**switches)
    account.sandbox.spoil(spoilt)
    account.streams = ("account", "campaigns")
    run = account.run(emit_activate_version_messages=True)
    assert "campaigns" not in activated(run)


def test_a_list_of_which_a_row_cannot_be_placed_activates_no_version(account: Pipeline) -> None:
    account.sandbox.spoil(unreadable("campaigns", settled(account, "campaigns"), "CampaignId", ""))
    account.streams = ("account", "campaigns")
    assert activated(account.run(emit_activate_version_messages=True)) == {"account"}


def test_a_version_is_activated_after_its_rows(account: Pipeline) -> None:
    account.streams = ("account", "campaigns")
    run = account.run(emit_activate_version_messages=True)
    kinds = [(each.get("stream"), each["type"]) for each in run.messages]
    for stream in account.streams:
        of_stream = [kind for name, kind in kinds if name == stream]
        assert of_stream.index("ACTIVATE_VERSION") > of_stream.index("RECORD")
        assert of_stream[-1] == "ACTIVATE_VERSION"
        versions = {each.get("version") for each in run.messages if each.get("stream") == stream}
        assert len(versions - {None}) == 1


def test_actions_that_were_not_read_whole_activate_no_version(account: Pipeline) -> None:
    impact = account.sandbox
    impact.spoil([faults.status(401).at("Actions", after=1)])
    config = impact.settings() | {
        "start_date": "2026-01-01",
        "end_date": NOW.isoformat(),
        "emit_activate_version_messages": True,
    }
    run = run_inside(config, catalog=catalog("actions", replication_method="FULL_TABLE"))
    assert run.exit_code == 1
    assert activated(run) == set()


# -- every way in which an account is known, or thought, to answer -------------------------------

LIVES = {"job_life", "replay_life"}
"""Switches that take several of their values at once; tests of exports go through them."""
VALUES: dict[str, list[Any]] = {
    name: [value for value in values if value != getattr(Switches(), name)]
    for name, values in CHOICES.items()
    if values and name not in LIVES
} | {"gzip": [True], "export_gzip": [True], "largest_stable_page": [100], "retry_after": [False]}
ACCOUNTS = [
    {name: values[number % len(values)] for name, values in VALUES.items()}
    for number in range(max(map(len, VALUES.values())))
]
"""Each answers in many ways at once, and all of them together in every way."""


@pytest.mark.parametrize("rows", [20_000, 3], ids="{} rows a page".format)
@pytest.mark.parametrize("ways", ACCOUNTS, ids=range(len(ACCOUNTS)))
def test_an_account_that_answers_in_many_ways_at_once_is_loaded(
    sandbox: SandboxFactory, ways: dict[str, Any], rows: int
) -> None:
    impact = sandbox(at=NOW, seed="ways", largest_page=rows, **SMALL, **SWITCHES | ways)
    pipe = pipeline(impact)
    run = pipe.run()
    assert run.exit_code == 0, errors(run)
    assert pipe.not_whole() == set()
    assert sum(map(len, pipe.clicks().values())) > 0


def test_an_account_of_the_sandbox_that_began_lately_is_loaded_whole(
    sandbox: SandboxFactory,
) -> None:
    impact = sandbox(
        at=NOW, seed="lately", actions_per_day=2, account_began="2026-06-20", **SWITCHES
    )
    pipe = pipeline(impact, *DATED, **LONG_AGO)
    run = pipe.run()
    assert run.exit_code == 0, errors(run)
    assert pipe.not_whole() == set()
    assert len(pipe.table("actions")) > 0


def test_clicks_are_loaded_from_the_accounts_own_first_day(sandbox: SandboxFactory) -> None:
    evening = datetime(2026, 6, 28, 2, tzinfo=UTC)  # of the 27th in Los Angeles
    born = edited(lambda body: body | {"DateActivated": evening.isoformat()})

    def rule(seen: SeenRequest) -> Fault | None:
        starts = [value for name, value in seen.query.items() if name.endswith("DateStart")]
        if any(datetime.fromisoformat(start) < evening for start in starts):
            return faults.Fault("too early", TOO_EARLY)
        return born if seen.resource == "Account" else None

    impact = sandbox(at=NOW, seed="live", faults=Wherever(rule), **SMALL, **SWITCHES)
    pipe = pipeline(impact, "actions", *CLICK_STREAMS, click_start_date="2026-06-20")
    run = pipe.run()
    assert run.exit_code == 0, errors(run)
    assert sorted(pipe.clicks()) == [date(2026, 6, day) for day in (27, 28, 29)]


# -- smaller troubles ----------------------------------------------------------------------------


def test_items_of_actions_before_start_date_are_not_asked_for(sandbox: SandboxFactory) -> None:
    impact = sandbox(at=NOW, seed="before", actions_per_day=10, **SWITCHES)
    since = NOW - timedelta(days=4)
    pipe = pipeline(impact, "action_items", start_date=since.isoformat())
    assert pipe.run().exit_code == 0
    impact.advance(86_400)
    assert pipe.run().exit_code == 0
    happened = {
        row["Id"]: datetime.fromisoformat(row["EventDate"])
        for row in impact.world.actions(impact.at)
    }
    asked = [seen.path.split("/")[-2] for seen in impact.requests if seen.path.endswith("/Items")]
    assert asked
    assert [action_id for action_id in asked if happened[action_id] < since] == []
    assert pipe.wrong_items() == set()


DAY = {"replication_key_value": "2026-06-28"}
MOMENT = {"replication_key_value": "2026-06-28T00:00:00Z"}
ODD_BOOKMARKS: list[tuple[str, Any]] = [
    ("actions", {"replication_key_value": 5}),
    ("actions", {"replication_key_value": ["2026-06-28"]}),
    ("actions", {"replication_key_value": {"x": {"y": [1]}}}),
    ("actions", MOMENT | {"history_since": 5}),
    ("actions", MOMENT | {"history_since": ["2026-06-01"]}),
    ("action_updates", {"replication_key_value": 5}),
    ("action_updates", MOMENT | {"history_since": ["2026-06-01"]}),
    ("actions", MOMENT | {"campaign_ids": 7}),
    ("actions", MOMENT | {"campaign_ids": [["2001"]]}),
    ("action_updates", MOMENT | {"history_since": "2026-13-01"}),
    ("action_items", MOMENT | {"recent": 3}),
    ("action_items", MOMENT | {"recent": [["x"]]}),
    ("action_items", MOMENT | {"recent": {"2001.1.1": ["x"]}}),
    ("action_items", MOMENT | {"history_last_id": 5}),
    ("click_exports", DAY | {"exports_asked": [1]}),
    ("click_exports", DAY | {"exports_asked": {"2026-06-30": "many"}}),
    ("click_exports", DAY | {"jobs": 5}),
    ("click_exports", DAY | {"jobs": {"2026-06-29": {"id": "x", "requested": 5}}}),
    ("click_exports", DAY | {"jobs": {"2026-06-29": {"id": ["x"], "requested": "2026-06-29"}}}),
    ("click_exports", DAY | {"missing_days": [5]}),
    ("clicks", DAY | {"missing_days": {"x": []}}),
    ("daily_clicks", DAY | {"history_since": [[]]}),
]


@pytest.mark.parametrize(
    ("stream", "bookmark"),
    ODD_BOOKMARKS,
    ids=str,
)
def test_an_odd_state_ends_in_one_message_before_any_request(
    account: Pipeline, stream: str, bookmark: Any
) -> None:
    account.state = {"bookmarks": {stream: bookmark}}
    run = account.run()
    assert run.exit_code == 1
    assert not account.sandbox.requests
    (message,) = errors(run)
    assert "State: " in message
    assert stream in message
    assert "Traceback" not in run.stderr


def test_bookmarks_of_streams_that_nobody_knows_are_no_trouble(account: Pipeline) -> None:
    account.state = {"bookmarks": {"weather": {"replication_key_value": "2026-06-28"}}}
    assert account.run().exit_code == 0
    assert account.not_whole() == set()


@pytest.mark.parametrize(
    "marks", [{"partitions": 5}, {"partitions": [5]}, {"progress_markers": 5}], ids=str
)
def test_odd_marks_of_the_sdk_are_no_trouble(account: Pipeline, marks: dict[str, Any]) -> None:
    account.state = {"bookmarks": {"actions": marks, "weather": marks}}
    assert account.run().exit_code == 0
    assert account.not_whole() == set()


FIRST_MOMENT, LAST_MOMENT = "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"


@pytest.mark.parametrize(
    "bookmark",
    [
        pytest.param({"replication_key_value": FIRST_MOMENT}, marks=pytest.mark.slow),
        {"replication_key_value": FIRST_MOMENT, "history_since": LAST_MOMENT},
        MOMENT | {"history_since": LAST_MOMENT},
        {"replication_key_value": LAST_MOMENT, "history_since": LAST_MOMENT},
    ],
    ids=str,
)
def test_a_state_at_the_ends_of_time_stops_nothing(
    sandbox: SandboxFactory, bookmark: dict[str, Any]
) -> None:
    impact = sandbox(at=NOW, seed="ends", **SMALL, **SWITCHES)
    incremental = {
        stream["tap_stream_id"] for stream in catalog()["streams"] if stream.get("replication_key")
    }
    # apart: all days of clicks since the year 1 make each state of a run a long one
    for streams in (CLICK_STREAMS, incremental - {*CLICK_STREAMS}):
        pipe = pipeline(impact, *streams, click_start_date="2026-06-29")
        pipe.state = {"bookmarks": dict.fromkeys(streams, bookmark)}
        run = pipe.run()
        assert run.exit_code == 0, errors(run)
        assert not pipe.not_whole() & {*DATED}


def test_a_state_that_is_too_deep_to_be_copied_is_one_message(account: Pipeline) -> None:
    deep: list[Any] = []
    for _ in range(480):
        deep = [deep]
    account.state = {"bookmarks": {"weather": {"x": deep}}}
    run = account.run()
    assert run.exit_code == 1
    assert "nested too deeply" in errors(run)[-1]
    assert "bug in the tap" not in run.stderr


@pytest.mark.parametrize("option", ["--config", "--state", "--catalog"])
def test_a_file_that_nests_too_deeply_is_one_message(option: str, tmp_path: Path) -> None:
    path = tmp_path / "deep.json"
    path.write_text('{"bookmarks":' * 20_000 + "1" + "}" * 20_000)
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"account_sid": "IRx", "auth_token": "t"}))
    run = command_inside("--config", str(config), option, str(path))
    assert run.exit_code == 1
    assert option in run.stderr
    assert "Traceback" not in run.stderr
    assert "defect" not in run.stderr
