"""Losses that no log would show: by a wrong clock, by lists that change or are too long."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from impact_sandbox import faults, rules
from impact_sandbox.exchange import Answer
from impact_sandbox.files import click_file
from impact_sandbox.switches import SCOPES

from tests.clocks import machine_clock
from tests.pipeline import CLICK_STREAMS, Pipeline, Wherever, edited, errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from impact_sandbox.faults import Fault
    from impact_sandbox.server import Sandbox, SeenRequest

    from tests.conftest import SandboxFactory

NOW = datetime(2026, 6, 30, 6, 10, tzinfo=UTC)
START = datetime(2026, 6, 1, tzinfo=UTC)
OPENED = date(2026, 5, 1)
DATED = ("actions", "action_updates")
PLENTY: dict[str, Any] = {"hourly_detail": 10**6, "hourly_other": 10**6}


def pipeline(sandbox: Sandbox, *streams: str, **settings: Any) -> Pipeline:
    return Pipeline(sandbox, {"start_date": START.isoformat(), **settings}, streams or DATED)


# -- the machine's clock -------------------------------------------------------------------------


def through(pipe: Pipeline, stream: str) -> datetime:
    assert pipe.state
    value = pipe.state["bookmarks"][stream]["replication_key_value"]
    return datetime.fromisoformat(value).astimezone(UTC)


@pytest.mark.slow
def test_a_clock_that_is_five_hours_ahead_loses_nothing_over_hourly_runs(
    sandbox: SandboxFactory,
) -> None:
    impact = sandbox(at=NOW, seed="clock", actions_per_day=20, **PLENTY)
    pipe = pipeline(impact)
    for _ in range(30):
        with machine_clock(impact.at + timedelta(hours=5)):
            run = pipe.run_by_the_clock()
        assert run.exit_code == 0, run.stderr
        assert all(through(pipe, stream) <= impact.at for stream in DATED)
        impact.advance(3600)
    impact.advance(-3600)
    assert (pipe.wrong_actions(), pipe.missing_updates()) == (set(), set())


@pytest.mark.slow
def test_one_run_that_is_22_hours_ahead_stops_no_later_run(sandbox: SandboxFactory) -> None:
    impact = sandbox(at=NOW, seed="clock", actions_per_day=20, **PLENTY)
    pipe = pipeline(impact)
    for hours_ahead in (0, 22, *[0] * 8):
        with machine_clock(impact.at + timedelta(hours=hours_ahead)):
            run = pipe.run_by_the_clock()
        assert run.exit_code == 0, run.stderr
        assert pipe.asked("Actions")
        assert (pipe.wrong_actions(), pipe.missing_updates()) == (set(), set())
        impact.advance(6 * 3600)


def test_clocks_that_disagree_by_hours_are_named_in_the_log(sandbox: SandboxFactory) -> None:
    pipe = pipeline(sandbox(at=NOW, actions_per_day=1))
    with machine_clock(NOW + timedelta(hours=5)):
        run = pipe.run_by_the_clock()
    assert "clock" in run.stderr


def test_clocks_that_disagree_by_seconds_are_not_worth_a_word(sandbox: SandboxFactory) -> None:
    pipe = pipeline(sandbox(at=NOW, actions_per_day=1))
    with machine_clock(NOW + timedelta(seconds=20)):
        run = pipe.run_by_the_clock()
    assert run.exit_code == 0
    assert "clock" not in run.stderr


@pytest.mark.parametrize(
    ("ahead", "later"),
    [
        (timedelta(hours=5), timedelta(hours=4)),
        (timedelta(hours=22), timedelta(hours=12)),
        (timedelta(days=20), timedelta(days=3)),
    ],
    ids=str,
)
def test_a_state_in_the_future_is_repaired(
    sandbox: SandboxFactory, ahead: timedelta, later: timedelta
) -> None:
    impact = sandbox(at=NOW, seed="clock", actions_per_day=10, opened=OPENED, **PLENTY)
    pipe = pipeline(impact)
    pipe.run()
    assert pipe.state
    for stream in DATED:
        future = (through(pipe, stream) + ahead).isoformat().replace("+00:00", "Z")
        pipe.state["bookmarks"][stream]["replication_key_value"] = future
    impact.advance(later.total_seconds())
    run = pipe.run()
    assert run.exit_code == 0, run.stderr
    assert all(through(pipe, stream) <= impact.at for stream in DATED)
    assert (pipe.wrong_actions(), pipe.missing_updates()) == (set(), set())


EVENING = datetime(2026, 6, 30, 5, tzinfo=UTC)
"""22:00 on 29 June in Los Angeles."""


@pytest.mark.parametrize(
    "switches",
    [
        {"job_life": ["COMPLETED"]},
        {"click_export": "sync"},
        {"job_life": ["COMPLETED"], "scopes": SCOPES - {"Retrieve job"}},
    ],
    ids=["job", "at once", "job that may not be looked at"],
)
def test_clicks_of_a_day_that_still_lasts_are_not_taken_for_whole(
    sandbox: SandboxFactory, switches: dict[str, Any]
) -> None:
    impact = sandbox(at=EVENING, clicks_per_day=60, **switches)
    pipe = pipeline(
        impact, *CLICK_STREAMS, click_start_date="2026-06-28", timezone="America/Los_Angeles"
    )
    day = date(2026, 6, 29)
    with machine_clock(EVENING + timedelta(hours=12)):
        run = pipe.run_by_the_clock()
    assert run.exit_code == 0, run.stderr
    assert pipe.clicks().keys() == {date(2026, 6, 28)}
    assert day.isoformat() not in [seen.query["Date"] for seen in pipe.asked("ClickExport")]
    impact.set_time(EVENING + timedelta(hours=10))
    with machine_clock(impact.at):
        pipe.run_by_the_clock()
    assert pipe.clicks()[day] == pipe.true_clicks(day)


# -- more in one second than impact.com gives ----------------------------------------------------

LOCKED = datetime(2026, 6, 28, 7, tzinfo=UTC)
"""62 actions lock here: 57 of one campaign (of which 47 are APPROVED), 5 of two others."""
LARGEST_CAMPAIGN = "2044"
BEFORE, AFTER = LOCKED - timedelta(hours=12), LOCKED + timedelta(hours=5)
FITS_CAMPAIGNS, FITS_STATES, FITS_NOTHING = 6, 5, 4
"""Rows of a page, of which impact.com gives ten."""


@pytest.fixture
def locking(sandbox: SandboxFactory) -> Pipeline:
    """A pipeline that has loaded all, some hours before the month's actions lock."""
    impact = sandbox(at=BEFORE, seed="silent 0", actions_per_day=7, opened=OPENED, **PLENTY)
    pipe = pipeline(impact, start_date="2026-05-01T00:00:00+00:00")
    assert pipe.run().exit_code == 0
    impact.set_time(AFTER)
    locks = [row for row in impact.world.actions(AFTER) if row["LockingDate"]]
    locks = [row for row in locks if datetime.fromisoformat(row["LockingDate"]) == LOCKED]
    large = [row for row in locks if row["CampaignId"] == LARGEST_CAMPAIGN]
    approved = [row for row in large if row["State"] == "APPROVED"]
    assert (len(locks), len(large), len(approved)) == (62, 57, 47)
    return pipe


def listing(*campaign_ids: str) -> Wherever:
    """Let /Campaigns list these campaigns only."""

    def edit(body: dict[str, Any]) -> dict[str, Any]:
        rows = [row for row in body["Campaigns"] if row["CampaignId"] in campaign_ids]
        return body | {"Campaigns": rows, "@total": str(len(rows))}

    return Wherever(lambda seen: edited(edit) if seen.resource == "Campaigns" else None)


@pytest.mark.parametrize(
    "listed",
    [
        pytest.param(("2001", "2107", "2150", "2203"), id="all but one", marks=pytest.mark.slow),
        pytest.param((), id="none"),
    ],
)
def test_campaigns_that_are_not_listed_are_in_a_split_window_too(
    locking: Pipeline, listed: tuple[str, ...]
) -> None:
    locking.sandbox.switch(largest_page=FITS_CAMPAIGNS)
    locking.sandbox.spoil(listing(*listed))
    locking.run()
    assert (locking.wrong_actions(), locking.missing_updates()) == (set(), set())


def test_a_campaign_that_is_too_large_is_asked_for_by_state(locking: Pipeline) -> None:
    locking.sandbox.switch(largest_page=FITS_STATES)
    run = locking.run()
    assert run.exit_code == 0, run.stderr
    assert (locking.wrong_actions(), locking.missing_updates()) == (set(), set())
    assert any("State" in seen.query for seen in locking.asked("Actions"))


def test_a_window_that_cannot_be_halved_is_read_by_the_largest_pages(
    locking: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page is made 500 times as small: 4 rows where 2,000 are asked for, 40 for 20,000."""
    read_page = rules.read_page

    def small(sent: dict[str, str], *args: Any, **others: Any) -> rules.Page:
        page = read_page(sent, *args, **others)
        asked = int(sent.get("PageSize", 20_000))
        # The address of a next page holds the small size.
        return replace(page, size=asked // 500 if asked >= 2_000 else asked)

    monkeypatch.setattr(rules, "read_page", small)
    run = locking.run(page_size=2_000)
    assert run.exit_code == 0, run.stderr
    assert (locking.wrong_actions(), locking.missing_updates()) == (set(), set())


@pytest.mark.slow
def test_what_is_too_large_by_any_split_stops_nothing_else(locking: Pipeline) -> None:
    locking.sandbox.switch(largest_page=FITS_NOTHING)
    run = locking.run()
    assert run.exit_code == 1
    assert not locking.missing_updates()
    large = {
        row["Id"]
        for row in locking.sandbox.world.actions(AFTER)
        if row["CampaignId"] == LARGEST_CAMPAIGN and row["State"] == "APPROVED"
    }
    assert locking.wrong_actions() <= large
    assert any("actions" in line and "2026-06-28T07:00:00Z" in line for line in errors(run))


def is_narrow(seen: SeenRequest) -> bool:
    """Whether a query searches for a second: it spans less than an hour."""
    start, end = (seen.query.get(f"LockingDate{name}") for name in ("Start", "End"))
    if not start or not end:
        return False
    return datetime.fromisoformat(end) - datetime.fromisoformat(start) < timedelta(hours=1)


@pytest.mark.slow
def test_a_window_that_stays_open_is_not_searched_for_anew(locking: Pipeline) -> None:
    locking.sandbox.switch(largest_page=FITS_NOTHING)
    searches = []
    for _ in range(2):
        assert locking.run().exit_code == 1
        searches.append(sum(is_narrow(seen) for seen in locking.asked("Actions")))
        locking.sandbox.advance(3600)
    assert searches[1] <= searches[0] / 2


@pytest.mark.slow
def test_a_window_that_stayed_open_is_read_when_it_fits(locking: Pipeline) -> None:
    locking.sandbox.switch(largest_page=FITS_NOTHING)
    assert locking.run().exit_code == 1
    locking.sandbox.switch(largest_page=20_000)
    locking.sandbox.advance(60 * 86_400)
    assert locking.run().exit_code == 0
    assert (locking.wrong_actions(), locking.missing_updates()) == (set(), set())


# -- rows that cannot be placed -------------------------------------------------------------------


def nameless(update_id: str) -> Wherever:
    """Let an update come without its id."""

    def edit(body: dict[str, Any]) -> dict[str, Any]:
        for row in body.get("ActionUpdates", ()):
            if row["Id"] == update_id:
                row["Id"] = ""
        return body

    return Wherever(lambda seen: edited(edit) if seen.resource == "ActionUpdates" else None)


@pytest.mark.parametrize("scopes", [SCOPES, SCOPES - {"Retrieve account home"}], ids=["told", ""])
def test_the_first_window_of_a_young_account_stays_open_for_a_row_that_cannot_be_placed(
    sandbox: SandboxFactory, scopes: frozenset[str]
) -> None:
    impact = sandbox(at=NOW, opened=date(2026, 4, 1), account_began="2026-05-01", scopes=scopes)
    pipe = pipeline(impact, "action_updates", start_date="2026-01-01T00:00:00+00:00")
    first = min(impact.world.action_updates(NOW), key=lambda row: str(row["UpdateDate"]))
    impact.spoil(nameless(first["Id"]))
    assert pipe.run().exit_code == 1
    assert pipe.missing_updates() == {first["Id"]}
    impact.spoil(())
    impact.advance(86_400)
    run = pipe.run()
    assert run.exit_code == 0, run.stderr
    assert pipe.missing_updates() == set()


def test_an_open_window_that_impact_com_no_longer_gives_whole_stops_no_later_run(
    sandbox: SandboxFactory,
) -> None:
    impact = sandbox(at=NOW, seed="old", actions_per_day=0.6, opened=date(2023, 5, 1), **PLENTY)
    pipe = Pipeline(impact, {}, ("action_updates",))
    reach = NOW - timedelta(days=3 * 365 - 1)
    days_in = timedelta(days=20)
    row = next(
        row
        for row in impact.world.action_updates(NOW)
        if reach + days_in < datetime.fromisoformat(row["UpdateDate"]) < reach + 2 * days_in
    )
    impact.spoil(nameless(row["Id"]))
    assert pipe.run_by_the_clock().exit_code == 1
    impact.advance(days_in.total_seconds())
    impact.spoil(())
    run = pipe.run_by_the_clock()
    assert run.exit_code == 0, run.stderr
    assert row["Id"] in {held["id"] for held in pipe.table("action_updates")}


def test_an_open_window_that_impact_com_no_longer_gives_is_closed_with_a_word(
    sandbox: SandboxFactory,
) -> None:
    impact = sandbox(at=NOW, seed="old", actions_per_day=0.6, opened=date(2023, 5, 1), **PLENTY)
    pipe = Pipeline(impact, {}, ("action_updates",))
    row = min(
        (
            row
            for row in impact.world.action_updates(NOW)
            if datetime.fromisoformat(row["UpdateDate"]) > NOW - timedelta(days=3 * 365 - 1)
        ),
        key=lambda row: str(row["UpdateDate"]),
    )
    impact.spoil(nameless(row["Id"]))
    assert pipe.run_by_the_clock().exit_code == 1
    impact.advance(60 * 86_400)
    runs = [pipe.run_by_the_clock() for _ in range(2)]
    assert [run.exit_code for run in runs] == [0, 0], runs[0].stderr
    word = re.compile(
        r"action_updates: impact\.com no longer gives .*, which was not loaded whole\."
    )
    assert [bool(word.search(run.stderr)) for run in runs] == [True, False]


# -- items that are not all there ----------------------------------------------------------------


@pytest.fixture
def items(sandbox: SandboxFactory) -> Pipeline:
    impact = sandbox(at=NOW, seed="items", actions_per_day=4, opened=OPENED, **PLENTY)
    return pipeline(impact, "action_items", start_date="2026-06-25T00:00:00+00:00")


def with_several_items(pipe: Pipeline) -> str:
    """An action of the loaded span that has more than one item."""
    return next(
        row["Id"]
        for row in pipe.sandbox.world.actions(NOW)
        if datetime.fromisoformat(row["EventDate"]) >= pipe.start
        and len(pipe.sandbox.world.items(row["Id"], NOW)) > 1
    )


def of_items(action_id: str, fault: Fault, times: int = faults.ALWAYS) -> Wherever:
    """Let something go wrong with the items of one action, some times."""
    left = iter(range(times))

    def rule(seen: SeenRequest) -> Fault | None:
        struck = seen.path.endswith(f"/{action_id}/Items") and next(left, None) is not None
        return fault if struck else None

    return Wherever(rule)


NOT_ALL = {
    "fewer than the total": edited(lambda body: body | {"ActionItems": body["ActionItems"][:-1]}),
    "none of the total": edited(lambda body: body | {"ActionItems": []}),
    "no list": faults.without_list(),
    "204": faults.Fault("204", Answer(204, b"", content_type="application/json")),
    "404": faults.status(404),
}
not_all = pytest.mark.parametrize("fault", NOT_ALL.values(), ids=NOT_ALL.keys())


@not_all
def test_items_that_did_not_all_come_are_asked_for_again(items: Pipeline, fault: Fault) -> None:
    items.sandbox.spoil(of_items(with_several_items(items), fault, times=1))
    run = items.run()
    assert run.exit_code == 0, run.stderr
    assert items.wrong_items() == set()


@not_all
def test_an_action_whose_items_do_not_all_come_stays_open_alone(
    items: Pipeline, fault: Fault
) -> None:
    action_id = with_several_items(items)
    items.sandbox.spoil(of_items(action_id, fault))
    for _ in range(2):
        run = items.run()
        assert run.exit_code == 1
        assert any(action_id in line for line in errors(run))
        assert items.wrong_items() == {action_id}
        items.sandbox.advance(3600)
    items.sandbox.spoil(())
    run = items.run()
    assert run.exit_code == 0, run.stderr
    assert items.wrong_items() == set()


def test_items_under_an_unknown_key_are_read(items: Pipeline) -> None:
    def renamed(body: dict[str, Any]) -> dict[str, Any]:
        rows = body["ActionItems"]
        return {key: body[key] for key in body if key != "ActionItems"} | {"OrderLines": rows}

    items.sandbox.spoil(
        Wherever(lambda seen: edited(renamed) if seen.path.endswith("/Items") else None)
    )
    run = items.run()
    assert run.exit_code == 0, run.stderr
    assert items.wrong_items() == set()


# -- lists that change while they are read -------------------------------------------------------


def moving(resource: str, data_key: str, filter_name: str, arrived: dict[str, str]) -> Wherever:
    """Let a row of page 1 vanish, and another arrive at the end, before page 2 is read.

    All pages announce the same total. A second reading finds nothing of it.
    """
    struck: set[str] = set()

    def edit(body: dict[str, Any]) -> dict[str, Any]:
        total = {"@total": str(int(body["@total"]) + 1)}
        rows = body[data_key] if body["@nextpageuri"] else [*body[data_key], arrived]
        return body | total | {data_key: rows}

    def rule(seen: SeenRequest) -> Fault | None:
        page = seen.query.get("Page", "1")
        first_time = f"{page} {seen.query.get(filter_name)}"
        if seen.resource != resource or filter_name not in seen.query or page == "1":
            return None
        if first_time in struck:
            return None
        struck.add(first_time)
        return faults.Fault("moving", edits=edit, shift=1)

    return Wherever(rule)


@pytest.mark.parametrize("stream", DATED)
def test_an_update_that_a_moving_list_passes_over_is_met_by_the_next_run(
    sandbox: SandboxFactory, stream: str
) -> None:
    impact = sandbox(at=NOW, seed="moving", actions_per_day=5, opened=OPENED, **PLENTY)
    pipe = pipeline(impact)
    pipe.run()
    impact.advance(3 * 86_400)
    impact.switch(largest_page=10)
    first: Callable[[datetime], Iterator[dict[str, str]]]
    resource, first = {
        "actions": ("Actions", impact.world.actions),
        "action_updates": ("ActionUpdates", impact.world.action_updates),
    }[stream]
    arrived = next(first(impact.at))
    impact.spoil(moving(resource, resource, "StartDate", arrived))
    assert pipe.run().exit_code == 0
    assert any(seen.fault == "moving" for seen in impact.requests)
    impact.spoil(())
    impact.advance(3600)
    assert pipe.run().exit_code == 0
    assert (pipe.wrong_actions(), pipe.missing_updates()) == (set(), set())


def test_an_action_of_history_that_a_moving_list_passes_over_is_met_by_the_next_run(
    sandbox: SandboxFactory,
) -> None:
    impact = sandbox(at=NOW, seed="moving", actions_per_day=1, largest_page=10, **PLENTY)
    pipe = pipeline(impact)
    arrived = next(impact.world.actions(NOW))
    impact.spoil(moving("Actions", "Actions", "ActionDateStart", arrived))
    assert pipe.run().exit_code == 0
    assert any(seen.fault == "moving" for seen in impact.requests)
    impact.spoil(())
    impact.advance(3600)
    assert pipe.run().exit_code == 0
    assert (pipe.wrong_actions(), pipe.missing_updates()) == (set(), set())


def test_a_blank_answer_ends_no_list_that_was_announced(sandbox: SandboxFactory) -> None:
    """Page 2 is blank when the list is read first, and page 1 when it is read again."""
    nothing = faults.Fault("204", Answer(204, b"", content_type="application/json"))
    impact = sandbox(at=NOW, largest_page=2, faults=[nothing.at("Campaigns", after=1, times=2)])
    pipe = pipeline(impact, "campaigns")
    assert pipe.run().exit_code == 1
    assert pipe.run().exit_code == 0
    assert len(pipe.table("campaigns")) == len(impact.world.campaigns()) > 2


# -- what else looks like nothing new ------------------------------------------------------------


def test_a_change_that_shows_in_the_items_alone_is_loaded(sandbox: SandboxFactory) -> None:
    impact = sandbox(at=NOW, seed="swap", actions_per_day=40, opened=date(2026, 6, 1), **PLENTY)
    pipe = pipeline(impact, "action_items", start_date="2026-06-29T00:00:00+00:00")
    assert pipe.run(action_items_per_run=10_000).exit_code == 0
    just_now = NOW - timedelta(minutes=50)
    update = next(
        row
        for row in impact.world.action_updates(NOW)
        if datetime.fromisoformat(row["UpdateDate"]) > just_now
    )
    action_id = update["ActionId"]
    # Half an hour later one item takes another's place, at the same price.
    impact.advance(3600)
    second = update | {
        "Id": f"{update['Id']}1",
        "UpdateDate": impact.world.text(int((NOW + timedelta(minutes=30)).timestamp())),
        "DeltaPayout": "0.00",
        "DeltaAmount": "0.00",
    }

    def rule(seen: SeenRequest) -> Fault | None:
        if seen.path.endswith(f"/{action_id}/Items"):
            return edited(
                lambda body: (
                    body
                    | {
                        "ActionItems": [
                            row | {"Sku": "IN-ITS-PLACE"} for row in body["ActionItems"]
                        ]
                    }
                )
            )
        if seen.resource == "ActionUpdates":
            return edited(
                lambda body: (
                    body
                    | {"@total": str(int(body["@total"]) + 1)}
                    | {"ActionUpdates": [second, *body["ActionUpdates"]]}
                )
            )
        return None

    impact.spoil(Wherever(rule))
    run = pipe.run(action_items_per_run=10_000)
    assert run.exit_code == 0, run.stderr
    loaded = {row["sku"] for row in run.records("action_items") if row["action_id"] == action_id}
    assert loaded == {"IN-ITS-PLACE"}


def test_the_state_of_another_account_is_refused_before_any_request(
    sandbox: SandboxFactory,
) -> None:
    ours, theirs = (sandbox(at=NOW, seed=seed, actions_per_day=2) for seed in ("ours", "theirs"))
    pipe = pipeline(ours)
    pipe.run()
    other = pipeline(theirs)
    other.state = pipe.state
    run = other.run()
    assert run.exit_code == 1
    assert not theirs.requests
    (message,) = errors(run)
    assert "account" in message
    assert "defect" not in message
    for impact in (ours, theirs):
        assert impact.world.account_sid not in run.stderr


def test_the_state_of_the_same_account_with_another_token_is_continued(
    sandbox: SandboxFactory,
) -> None:
    impact = sandbox(at=NOW, seed="ours", actions_per_day=2)
    pipe = pipeline(impact)
    pipe.run()
    for bookmark in pipe.state["bookmarks"].values():  # type: ignore[index]
        bookmark["account"] = "of another SID"
    run = pipe.run()
    assert run.exit_code == 1
    assert 'take the entry "account" out of these bookmarks' in run.stderr
    for bookmark in pipe.state["bookmarks"].values():  # type: ignore[index]
        del bookmark["account"]
    run = pipe.run(label="renamed", user_agent="another")
    assert run.exit_code == 0, run.stderr
    assert not any("ActionDateStart" in seen.query for seen in pipe.asked("Actions"))


def test_a_state_of_earlier_versions_is_continued(sandbox: SandboxFactory) -> None:
    impact = sandbox(at=NOW, seed="ours", actions_per_day=2, **PLENTY)
    pipe = pipeline(impact)
    pipe.state = {
        "bookmarks": {
            stream: {
                "replication_key_value": (NOW - timedelta(days=1)).isoformat(),
                "history_since": START.isoformat(),
            }
            for stream in DATED
        }
    }
    run = pipe.run()
    assert run.exit_code == 0, run.stderr
    assert not any("ActionDateStart" in seen.query for seen in impact.requests)


def test_no_state_holds_the_account_sid_or_the_token(sandbox: SandboxFactory) -> None:
    impact = sandbox(at=NOW, actions_per_day=1, clicks_per_day=5)
    pipe = pipeline(impact, *DATED, *CLICK_STREAMS, "account", "campaigns", "action_items")
    run = pipe.run()
    states = json.dumps(run.states)
    assert impact.world.account_sid not in states
    assert impact.world.auth_token not in states


def test_a_region_called_na_is_kept(sandbox: SandboxFactory) -> None:
    """NA is Napoli, as impact.com abbreviates regions of Italy."""
    impact = sandbox(at=NOW, actions_per_day=1, clicks_per_day=5, job_life=["COMPLETED"])
    impact.jobs.file = lambda job: click_file(  # type: ignore[method-assign]
        (row | {"CustomerRegion": "NA"} for row in impact.world.clicks(job.day, job.at)),
        job.result_format,
        impact.switches,
    )
    impact.spoil([faults.field_of_row("CustomerRegion", "NA").at("Actions")])
    pipe = pipeline(impact, "actions", *CLICK_STREAMS, click_start_date="2026-06-28")
    pipe.run()
    assert "NA" in {row["customer_region"] for row in pipe.table("actions")}
    assert {row["customer_region"] for row in pipe.table("clicks")} == {"NA"}
