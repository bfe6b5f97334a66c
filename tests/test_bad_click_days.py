"""One bad day of clicks: the others load, and it is tried again, ever more rarely."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from impact_sandbox import faults
from impact_sandbox.exchange import Answer
from impact_sandbox.switches import SCOPES

from tests.cases import cases
from tests.pipeline import CLICK_STREAMS, Pipeline, Wherever, edited, errors, warnings
from tests.sandbox.client import ask

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from impact_sandbox.faults import Fault
    from impact_sandbox.server import Sandbox, SeenRequest

    from tests.conftest import SandboxFactory

NOW = datetime(2026, 6, 30, 15, tzinfo=UTC)
BAD = date(2026, 6, 29)
"""The newest day: all others come after it."""
DAYS_BEFORE = 3


@pytest.fixture
def clicks(sandbox: SandboxFactory) -> Pipeline:
    impact = sandbox(
        at=NOW, seed="days", clicks_per_day=6, job_life=["COMPLETED"], replay_life=["COMPLETED"]
    )
    first = BAD - timedelta(days=DAYS_BEFORE)
    settings = {
        "click_start_date": first.isoformat(),
        "timezone": "America/Los_Angeles",
        "start_date": "2026-06-01T00:00:00+00:00",
    }
    return Pipeline(impact, settings, CLICK_STREAMS)


def open_days(pipe: Pipeline) -> set[date]:
    """The days whose clicks the table lacks, in part or whole."""
    held = pipe.clicks()
    return {day for day in pipe.days_of_clicks() if held.get(day) != pipe.true_clicks(day)}


def exports(pipe: Pipeline) -> Counter[date]:
    """How often the last run asked for an export of each day."""
    return Counter(date.fromisoformat(seen.query["Date"]) for seen in pipe.asked("ClickExport"))


def jobs(impact: Sandbox, day: date = BAD) -> set[str]:
    return {job.id for job in impact.jobs.all if job.day == day}


def of_export(fault: Fault) -> Callable[[Sandbox], Wherever]:
    """Let something go wrong with each request for an export of the bad day."""
    return lambda _: Wherever(
        lambda seen: fault if seen.query.get("Date") == BAD.isoformat() else None
    )


def of_job(fault: Fault, resource: str, end: str = "") -> Callable[[Sandbox], Wherever]:
    """Let something go wrong with each look at the bad day's job, or with its file."""

    def troubled(impact: Sandbox) -> Wherever:
        def rule(seen: SeenRequest) -> Fault | None:
            is_of_day = not jobs(impact).isdisjoint(seen.path.split("/"))
            struck = seen.resource == resource and seen.path.endswith(end) and is_of_day
            return fault if struck else None

        return Wherever(rule)

    return troubled


def answered(content: bytes) -> Fault:
    return faults.Fault("answered", Answer(200, content, content_type="application/json"))


ASKED_FOR_ANEW: dict[str, tuple[Callable[[Sandbox], Wherever], dict[str, Any]]] = {
    "500": (of_export(faults.status(500)), {}),
    "400": (of_export(faults.status(400)), {}),
    "404": (of_export(faults.status(404)), {}),
    "HTML": (of_export(faults.html()), {}),
    "nothing at once": (of_export(answered(b"")), {"click_export": "sync"}),
}
"""Each request may cost one of the ten exports of a day."""
KEPT: dict[str, tuple[Callable[[Sandbox], Wherever], dict[str, Any]]] = {
    "a dead link": (of_job(faults.status(404), "files"), {}),
    "a link that expires at once": (of_job(faults.status(403), "files"), {}),
    "a file that is cut": (of_job(faults.truncated(), "files"), {}),
    "a job that is 500": (of_job(faults.status(500), "Jobs"), {}),
    "a job that is reset": (of_job(faults.reset(), "Jobs"), {}),
    "a download that is reset": (of_job(faults.reset(), "Jobs", "/Download"), {}),
    "a download of another token": (of_job(faults.status(403), "Jobs", "/Download"), {}),
}
"""The job is there, so it is not asked for again."""


@pytest.mark.parametrize(
    ("trouble", "switches"), cases(ASKED_FOR_ANEW, slow=["400", "404", "HTML"])
)
def test_a_bad_day_is_asked_for_ever_more_rarely_and_at_last_loaded(
    clicks: Pipeline, trouble: Callable[[Sandbox], Wherever], switches: dict[str, Any]
) -> None:
    impact = clicks.sandbox
    impact.switch(**switches)
    impact.spoil(trouble(impact))
    tries = []
    for _ in range(8):
        run = clicks.run()
        assert open_days(clicks) == {BAD}
        tries.append(exports(clicks)[BAD])
        assert tries[-1] == 0 or any(BAD.isoformat() in line for line in warnings(run))
        impact.advance(12 * 3600)
    assert sum(tries) > 1
    assert sum(tries[4:]) < sum(tries[:4])
    impact.spoil(())
    for _ in range(16):
        clicks.run()
        if not open_days(clicks):
            break
        impact.advance(86_400)
    assert open_days(clicks) == set()


@pytest.mark.parametrize(
    ("trouble", "switches"),
    cases(
        KEPT,
        slow=["a link that expires at once", "a job that is 500", "a download that is reset"],
    ),
)
def test_a_day_whose_file_cannot_be_had_costs_one_export(
    clicks: Pipeline, trouble: Callable[[Sandbox], Wherever], switches: dict[str, Any]
) -> None:
    impact = clicks.sandbox
    impact.switch(**switches)
    impact.spoil(trouble(impact))
    asked, said = Counter[date](), []
    for _ in range(4):
        run = clicks.run()
        assert open_days(clicks) == {BAD}
        said.append(any(BAD.isoformat() in line for line in warnings(run)))
        assert "Tick the scope" not in run.stderr
        asked += exports(clicks)
        impact.advance(6 * 3600)
    assert {*asked.values()} == {1}
    assert sum(said) > 1
    impact.spoil(())
    for _ in range(8):
        clicks.run()
        if not open_days(clicks):
            break
        impact.advance(86_400)
    assert open_days(clicks) == set()


class GoneUntilAskedAgain:
    """The bad day's job is 410 until an export of the day is asked for a second time."""

    def __init__(self, impact: Sandbox) -> None:
        self.impact = impact
        self.asked = 0

    def strike(self, seen: SeenRequest) -> Fault | None:
        self.asked += seen.query.get("Date") == BAD.isoformat()
        of_bad_day = not jobs(self.impact).isdisjoint(seen.path.split("/"))
        return faults.status(410) if of_bad_day and self.asked < 2 else None


def test_a_job_that_is_gone_for_good_is_asked_for_anew(clicks: Pipeline) -> None:
    clicks.sandbox.spoil(GoneUntilAskedAgain(clicks.sandbox))
    clicks.run()
    assert open_days(clicks) == {BAD}
    for _ in range(8):
        clicks.sandbox.advance(86_400)
        clicks.run()
    assert open_days(clicks) == set()


class NotThereYet:
    """Every job is 404 when it is asked about first."""

    def __init__(self) -> None:
        self.met: set[str] = set()

    def strike(self, seen: SeenRequest) -> Fault | None:
        _, below, rest = seen.path.partition("/Jobs/")
        job_id = rest.partition("/")[0]
        if not below or job_id in self.met:
            return None
        self.met.add(job_id)
        return faults.status(404)


def test_jobs_that_are_not_there_right_after_queueing_are_not_thrown_away(
    clicks: Pipeline,
) -> None:
    clicks.settings["click_start_date"] = (BAD - timedelta(days=9)).isoformat()
    clicks.sandbox.spoil(NotThereYet())
    asked = Counter[date]()
    for _ in range(2):
        clicks.run()
        asked += exports(clicks)
        clicks.sandbox.advance(3600)
    assert len(asked) == asked.total() == 10
    assert open_days(clicks) == set()


def test_a_missing_scope_is_named_in_every_run(clicks: Pipeline) -> None:
    clicks.sandbox.switch(scopes=SCOPES - {"Export clicks"})
    for _ in range(12):
        run = clicks.run()
        assert run.exit_code == 1
        assert any("Tick the scope Clicks > Export clicks" in line for line in errors(run))
        assert "are used" not in run.stderr
    clicks.sandbox.switch(scopes=SCOPES)
    assert clicks.run().exit_code == 0
    assert open_days(clicks) == set()


def test_a_day_that_was_exported_while_it_lasted_loads_though_its_job_keeps_its_date(
    clicks: Pipeline,
) -> None:
    impact = clicks.sandbox
    noon = datetime(2026, 6, 29, 19, tzinfo=UTC)
    impact.set_time(noon)
    early = ask(impact, "/ClickExport", Date=BAD.isoformat(), ResultFormat="JSON").json()
    completed = ask(impact, early["QueuedUri"]).json()["CompletedDate"]
    assert completed
    impact.switch(replay_life=["QUEUED", "RUNNING", "COMPLETED"])
    impact.set_time(NOW)

    def edit(job: dict[str, Any]) -> dict[str, Any]:
        return job | {"CompletedDate": completed} if job["CompletedDate"] else job

    impact.spoil(of_job(edited(edit), "Jobs")(impact))
    for _ in range(3):
        clicks.run()
        impact.advance(3600)
    assert open_days(clicks) == set()


def shaped(shape: Callable[[bytes], bytes]) -> Callable[[Sandbox], None]:
    """Let the files of all days have another shape."""

    def change(impact: Sandbox) -> None:
        whole = impact.jobs.file

        def file(job: Any) -> Iterator[bytes]:
            yield shape(b"".join(whole(job)))

        impact.jobs.file = file  # type: ignore[method-assign]

    return change


@pytest.mark.parametrize("click_export", ["job", "sync"])
@pytest.mark.parametrize("status", [b"OK", b"COMPLETED"])
def test_clicks_beside_a_status_are_clicks(
    clicks: Pipeline, status: bytes, click_export: str
) -> None:
    clicks.sandbox.switch(click_export=click_export)
    shaped(lambda file: file.replace(b"{", b'{"Status":"%b",' % status, 1))(clicks.sandbox)
    run = clicks.run()
    assert run.exit_code == 0, run.stderr
    assert open_days(clicks) == set()
