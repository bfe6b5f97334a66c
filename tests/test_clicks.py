"""Clicks, morning after morning: what the tables hold is what impact.com has."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from impact_sandbox import faults
from impact_sandbox.files import click_file
from impact_sandbox.switches import SCOPES

from tap_impact.sources.click_exports import Totals, totals_of
from tap_impact.streams.clicks import EXPORTS
from tests.inside import run_inside
from tests.runs import COMMAND, Run, catalog
from tests.sandbox.client import ask

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from impact_sandbox.server import Sandbox

    from tap_impact.records.fields import Field
    from tests.conftest import SandboxFactory, Warehouse

FIRST_MORNING = datetime(2026, 3, 1, 15, tzinfo=UTC)
START = date(
    2026, 1, 20
)  # forty days of history; the account's clocks change on the seventh morning
STREAMS = ("click_exports", "clicks", "daily_clicks")
PLAIN: dict[str, Any] = {
    "job_life": ["COMPLETED"],
    "replay_life": ["COMPLETED"],
    "job_seconds": 0,
    "scopes": SCOPES,
    "click_export": "job",
}


@pytest.fixture
def impact(sandbox: SandboxFactory) -> Sandbox:
    return sandbox(at=FIRST_MORNING, clicks_per_day=25, **PLAIN)


def settings(impact: Sandbox, **others: Any) -> dict[str, Any]:
    return (
        impact.settings()
        | {
            "end_date": impact.at.isoformat(),
            "timezone": "America/Los_Angeles",
            "click_start_date": START.isoformat(),
        }
        | others
    )


def load(
    impact: Sandbox,
    state: dict[str, Any] | None = None,
    *streams: str,
    exit_code: int = 0,
    **others: Any,
) -> Run:
    run = run_inside(
        settings(impact, **others), catalog=catalog(*(streams or STREAMS)), state=state
    )
    assert run.exit_code == exit_code, run.stderr
    return run


def blank(text: str) -> str | None:
    return text if text.strip() else None


def truth(impact: Sandbox, day: date) -> Counter[tuple[Any, ...]]:
    return Counter(
        (
            row["Id"],
            datetime.fromisoformat(row["EventDate"]).astimezone(UTC).replace(tzinfo=None),
            row["ProgramId"],
            row["AdId"],
            Decimal(row["Payout"]),
            row["UniqueClick"] == "true",
            blank(row["PartnerRelated"][0]["SubId1"]),
            row["BrandRelated"][0]["Keyword"] if row["BrandRelated"] else None,
        )
        for row in impact.world.clicks(day, impact.at)
    )


COLUMNS = "id, event_date, campaign_id, ad_id, payout, unique_click, sub_id1, keyword"
SUMS = "SELECT click_day, sum(clicks), sum(unique_clicks), sum(payout) FROM daily_clicks GROUP BY 1"
COUNTS = (
    "SELECT click_day, count(*), count(*) FILTER (WHERE unique_click), sum(payout) "
    "FROM clicks GROUP BY 1"
)


def check(impact: Sandbox, warehouse: Warehouse) -> set[date]:
    """Compare all loaded days with the truth; returns them."""
    table: dict[date, Counter[tuple[Any, ...]]] = {}
    for day, *click in warehouse.query(f"SELECT click_day, {COLUMNS} FROM clicks"):  # noqa: S608
        table.setdefault(day, Counter())[tuple(click)] += 1
    for day, clicks in table.items():
        assert clicks == truth(impact, day), day
    assert sorted(warehouse.query(SUMS)) == sorted(warehouse.query(COUNTS))
    exports = warehouse.query("SELECT click_day, clicks, unique_clicks FROM click_exports")
    assert sorted(exports) == sorted(row[:3] for row in warehouse.query(COUNTS))
    return {*table}


def check_exports(impact: Sandbox) -> Counter[date]:
    """No day was asked for twice, none more than ten times in a day; exports by UTC day."""
    asked = [request for request in impact.requests if request.path.endswith("/ClickExport")]
    days = Counter(request.query["Date"] for request in asked)
    assert max(days.values()) == 1
    mornings = Counter(request.at.date() for request in asked)
    assert max(mornings.values()) <= 10
    return mornings


def wanted(impact: Sandbox) -> set[date]:
    yesterday = impact.at.date() - timedelta(days=1)
    return {START + timedelta(days=number) for number in range((yesterday - START).days + 1)}


@pytest.mark.slow
def test_twelve_mornings_with_forty_days_of_history(impact: Sandbox, warehouse: Warehouse) -> None:
    state = None
    for morning in range(1, 13):
        run = load(impact, state)
        warehouse.load(run.stdout)
        held = check(impact, warehouse)
        assert max(held) == impact.at.date() - timedelta(days=1)
        assert len(held) == min(10 * morning, len(wanted(impact)))
        impact.advance(86_400)
        state = run.state
    assert held == wanted(impact) - {impact.at.date() - timedelta(days=1)}
    assert [*check_exports(impact).values()] == [10] * 4 + [4] + [1] * 7


@pytest.mark.slow
def test_twelve_mornings_on_which_much_goes_wrong(
    impact: Sandbox, warehouse: Warehouse, tmp_path: Path
) -> None:
    mornings: dict[int, dict[str, Any]] = {
        1: {"job_life": ["QUEUED", "ERROR", "COMPLETED"]},
        2: {"job_seconds": 3600},
        4: {"job_life": ["FAILED"], "replay_life": ["FAILED"]},
        6: {"scopes": SCOPES - {"Retrieve job", "Retrieve jobs"}},
        7: {"job_life": ["FAILED"], "replay_life": ["COMPLETED"]},
        9: {"click_export": "sync"},
    }
    plain_file = impact.jobs.file
    state: dict[str, Any] | None = None
    held: set[date] = set()
    for morning in range(1, 13):
        impact.switch(**PLAIN | mornings.get(morning, {}))
        impact.jobs.file = plain_file  # type: ignore[method-assign]
        if morning == 8:
            impact.jobs.file = lambda job: click_file(  # type: ignore[method-assign]
                impact.world.clicks(job.day, job.at), "CSV", impact.switches
            )
        if morning == 10:
            killed = kill_in_the_middle_of_a_download(impact, state, tmp_path)
            assert not killed.records("clicks")
            state = killed.state
        run = load(
            impact,
            state,
            export_wait_seconds=1 if morning == 2 else 60,
            exit_code=1 if morning == 4 else 0,
        )
        warehouse.load(run.stdout)
        before, held = held, check(impact, warehouse)
        yesterday = impact.at.date() - timedelta(days=1)
        if morning in {2, 4}:
            assert held == before
            kept = run.state["bookmarks"]["click_exports"]["jobs"]
            assert (len(kept), yesterday.isoformat() in kept) == (10, True)
        else:
            assert yesterday in held
        if morning == 4:
            assert len(re.findall(r"\| Clicks of .* A later run replays it", run.stderr)) == 10
        impact.advance(86_400)
        state = run.state
    assert held == wanted(impact) - {yesterday + timedelta(days=1)}
    assert sum(check_exports(impact).values()) == len(held)
    formats = dict(warehouse.query("SELECT file_format, count(*) FROM click_exports GROUP BY 1"))
    assert formats.keys() == {"JSON", "CSV"}
    assert not any(request.authorized for request in impact.file_requests)


def kill_in_the_middle_of_a_download(
    impact: Sandbox, state: dict[str, Any] | None, folder: Path
) -> Run:
    """A run that is killed, without a word, once part of a file has come."""
    whole = impact.jobs.file
    come = []

    def half(job: Any) -> Iterator[bytes]:
        content = b"".join(whole(job))
        yield content[: len(content) // 2]
        come.append(job.day)
        impact.pause(60)

    impact.jobs.file = half  # type: ignore[method-assign]
    temporary = folder / "temporary"
    temporary.mkdir()
    options = []
    found = {"config": settings(impact), "catalog": catalog(*STREAMS), "state": state}
    for name, content in found.items():
        path = folder / f"{name}.json"
        path.write_text(json.dumps(content))
        options += [f"--{name}", str(path)]
    running = subprocess.Popen(
        [COMMAND, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"TMPDIR": str(temporary)},
    )
    deadline = time.monotonic() + 30
    while not come and time.monotonic() < deadline:
        impact.pause(0.02)
    running.kill()
    stdout, stderr = running.communicate()
    assert come
    assert [*temporary.iterdir()] == []
    impact.jobs.file = whole  # type: ignore[method-assign]
    return Run(stdout, stderr, running.returncode)


@pytest.mark.parametrize("streams", [("daily_clicks",), ("click_exports",), ("clicks",), STREAMS])
def test_any_selection_makes_the_same_exports(impact: Sandbox, streams: tuple[str, ...]) -> None:
    run = load(impact, None, *streams)
    assert check_exports(impact) == {FIRST_MORNING.date(): 10}
    written = {message["stream"] for message in run.messages if message["type"] == "RECORD"}
    assert written == {*streams}
    held = [run.state["bookmarks"][stream]["history_since"] for stream in streams]
    assert {*held} == {"2026-02-19"}


def test_a_stream_that_is_selected_later_costs_its_days_again(impact: Sandbox) -> None:
    first = load(impact, None, "clicks", click_start_date="2026-02-25")
    impact.requests.clear()
    second = load(impact, first.state, *STREAMS, click_start_date="2026-02-25")
    assert not second.records("clicks")
    assert sum(row["clicks"] for row in second.records("daily_clicks")) == len(
        first.records("clicks")
    )
    assert check_exports(impact) == {FIRST_MORNING.date(): 4}


def test_a_reload_writes_the_same_keys(sandbox: SandboxFactory) -> None:
    impact = sandbox(at=FIRST_MORNING, clicks_per_day=300, **PLAIN)
    keys = []
    for shape in ("object", "lines"):
        impact.switch(export_shape=shape, export_nesting={"object": "list", "lines": "flat"}[shape])
        run = load(impact, click_start_date="2026-02-26")
        keys.append({record["click_key"] for record in run.records("clicks")})
        assert len(keys[-1]) == len(run.records("clicks")) > 500
        assert any(key.endswith("-1") for key in keys[-1])
    assert keys[0] == keys[1]


CLICK = EXPORTS.click_map
NAMES_BESIDE_IDS = {"CampaignName", "MediaName", "AdName"}


def click_key(**sent: str) -> str:
    """The key of a click that holds nothing else."""
    (written,) = EXPORTS.keyed([sent], "2026-06-29").values["click_key"]
    return written.decode()


@pytest.mark.parametrize("field", CLICK.sent, ids=lambda field: field.source)
def test_a_click_key_is_of_all_that_makes_the_click(field: Field) -> None:
    """Names that stand beside ids may change: they are left out."""
    a_value = {"number": "7", "boolean": "true"}.get(field.json_schema["type"][0], "x")
    if field.json_schema.get("format") == "date-time":
        a_value = "2026-06-29T10:00:00-07:00"
    is_same = click_key(**{field.source: a_value}) == click_key()
    assert is_same == (field.source in NAMES_BESIDE_IDS)


def test_totals_count_each_of_clicks_that_are_alike_and_have_no_null_in_their_keys() -> None:
    alike = (b"null", b"null", b"true", b"0.25")
    assert totals_of(Counter({alike: 3})) == {("", ""): Totals(3, 3, Decimal("0.75"))}


def test_requested_at_is_when_the_job_was_made_whoever_asked_first(impact: Sandbox) -> None:
    asked_at = impact.at
    ask(impact, "/ClickExport", Date="2026-02-28", ResultFormat="JSON")
    impact.advance(7200)
    run = load(impact, None, "click_exports", click_start_date="2026-02-28")
    (export,) = run.records("click_exports")
    assert datetime.fromisoformat(export["requested_at"]) == asked_at


def test_each_day_is_in_a_state_after_its_rows_and_not_before(impact: Sandbox) -> None:
    run = load(impact, click_start_date="2026-02-25")
    written = Counter[tuple[str, str]]()
    for message in run.messages:
        if message["type"] == "RECORD":
            written[message["stream"], message["record"]["click_day"]] += 1
        if message["type"] != "STATE":
            continue
        for stream in STREAMS:
            bookmark = message["value"].get("bookmarks", {}).get(stream, {})
            since = bookmark.get("history_since")
            if since:
                assert bookmark["replication_key_value"] == "2026-02-28"
                assert written[stream, since] == sum(
                    record["click_day"] == since for record in run.records(stream)
                )
    assert run.state["bookmarks"]["click_exports"]["jobs"] == {}


def test_progress_can_be_followed(impact: Sandbox) -> None:
    log = load(impact, click_exports_per_day=2, click_start_date="2026-02-25").stderr
    rows = sum(truth(impact, date(2026, 2, 28)).values())
    assert f"Clicks of 2026-02-28: {rows}, of which" in log
    assert "Exports left today: 0. Days left: 2." in log
    assert (
        "Clicks: 2 days left, 2026-02-25 to 2026-02-26: the 2 exports of 2026-03-01 (UTC) are "
        "used. The first run after 2026-03-02T00:00:00Z continues." in log
    )


def test_a_quota_that_others_used_up_ends_the_run_well(impact: Sandbox) -> None:
    impact.switch(daily_click_exports=1)
    run = load(impact)
    assert len(run.records("click_exports")) == 1
    assert (
        "impact.com grants no more exports for now. The first run after "
        "2026-03-02T00:00:00Z continues." in run.stderr
    )


def test_a_request_without_an_answer_ends_the_run_with_its_state_safe(impact: Sandbox) -> None:
    impact.spoil([faults.reset(processed=True).at("ClickExport", after=2)])
    run = run_inside(settings(impact), catalog=catalog(*STREAMS))
    assert run.exit_code == 1
    assert re.search(r"Clicks of 2026-02-26: 127.0.0.1:\d+ closed the connection", run.stderr)
    assert "Traceback" not in run.stderr
    assert len(run.records("click_exports")) == 9
    impact.advance(86_400)
    days = {row["click_day"] for row in load(impact, run.state).records("click_exports")}
    assert "2026-02-26" in days


@pytest.mark.parametrize(
    ("scope", "tick"),
    [
        ("Export clicks", "Clicks > Export clicks"),
        ("Download export jobs", "Jobs Management > Download export jobs"),
    ],
)
def test_a_missing_scope_is_named(impact: Sandbox, scope: str, tick: str) -> None:
    impact.switch(scopes=SCOPES - {scope})
    run = run_inside(settings(impact), catalog=catalog("account", "clicks", "daily_clicks"))
    assert run.exit_code == 1
    assert f"Tick the scope {tick}" in run.stderr
    assert "clicks and daily_clicks" in run.stderr
    assert run.records("account")


def test_the_default_history_begins_thirty_days_before_the_first_run(impact: Sandbox) -> None:
    impact.switch(daily_click_exports=40)
    plain = settings(impact, click_exports_per_day=40)
    del plain["click_start_date"]
    first = run_inside(plain, catalog=catalog("daily_clicks"))
    impact.advance(86_400)
    plain["end_date"] = impact.at.isoformat()
    second = run_inside(plain, catalog=catalog("daily_clicks"), state=first.state)
    held = [run.state["bookmarks"]["daily_clicks"] for run in (first, second)]
    assert [each["history_since"] for each in held] == ["2026-01-30"] * 2
    assert [each["replication_key_value"] for each in held] == ["2026-02-28", "2026-03-01"]


def test_a_day_is_not_asked_for_before_it_is_over_everywhere(impact: Sandbox) -> None:
    impact.set_time(FIRST_MORNING.replace(hour=13))
    plain = settings(impact, click_exports_per_day=1)
    del plain["timezone"]
    run_inside(plain, catalog=catalog("clicks"))
    impact.set_time(FIRST_MORNING.replace(hour=14))
    run_inside(plain | {"end_date": impact.at.isoformat()}, catalog=catalog("clicks"))
    days = [request.query["Date"] for request in impact.requests if "Date" in request.query]
    assert days == ["2026-02-27", "2026-02-28"]


@pytest.mark.parametrize(
    "bookmark",
    [
        {"replication_key_value": "yesterday"},
        {"first_day": 7},
        {"jobs": ["x"]},
        {"jobs": {"2026-02-28": {"id": "x"}}},
        {"missing_days": 3, "replication_key_value": "2026-02-28"},
    ],
)
def test_a_state_that_cannot_be_read_is_said_so(impact: Sandbox, bookmark: dict[str, Any]) -> None:
    plain = settings(impact)
    del plain["click_start_date"]
    state = {"bookmarks": {"click_exports": bookmark}}
    run = run_inside(plain, catalog=catalog(*STREAMS), state=state)
    assert run.exit_code == 1
    assert "State: " in run.stderr
    assert "Traceback" not in run.stderr
    assert not impact.requests


@pytest.mark.slow
def test_memory_does_not_grow_with_the_file(sandbox: SandboxFactory, tmp_path: Path) -> None:
    peaks = []
    for clicks_per_day in (500, 40_000):
        impact = sandbox(at=FIRST_MORNING, clicks_per_day=clicks_per_day, **PLAIN)
        peaks.append(peak_memory(settings(impact, click_start_date="2026-02-28"), tmp_path))
    assert peaks[1] < peaks[0] + 24


def peak_memory(config: dict[str, Any], folder: Path) -> float:
    """MB that a whole process of the tap had at most."""
    options = []
    for name, content in (("config", config), ("catalog", catalog(*STREAMS))):
        path = folder / f"{name}.json"
        path.write_text(json.dumps(content))
        options += [f"--{name}", str(path)]
    with (folder / "messages").open("wb") as messages:
        running = subprocess.Popen([COMMAND, *options], stdout=messages, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(running.pid, 0)
        running.returncode = os.waitstatus_to_exitcode(status)
    assert running.returncode == 0
    return usage.ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)


def test_playing_the_past_leaves_the_jobs_of_later_days_alone(impact: Sandbox) -> None:
    impact.switch(job_seconds=100_000)
    waiting = load(impact, export_wait_seconds=1)
    jobs = waiting.state["bookmarks"]["click_exports"]["jobs"]
    earlier = (impact.at - timedelta(days=5)).isoformat()
    played = load(
        impact,
        waiting.state,
        end_date=earlier,
        export_wait_seconds=1,
        click_exports_per_day=12,  # it asks, and so writes its ledger
    )
    assert jobs.keys() <= played.state["bookmarks"]["click_exports"]["jobs"].keys()
