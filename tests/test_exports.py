"""The life of an export, against the sandbox; time passes only where the tap lets it."""

from __future__ import annotations

import json
import logging
import time
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from impact_sandbox import faults
from impact_sandbox.exchange import Answer
from impact_sandbox.faults import ALWAYS
from impact_sandbox.switches import SCOPES
from singer_sdk.exceptions import FatalAPIError, RetriableAPIError

from tap_impact.api.client import ImpactClient
from tap_impact.api.export_files import CLICK_FORM, rows
from tap_impact.api.exports import NO_JOB, Export, ExportQuery, Exports, Failure, Job, Ledger
from tap_impact.errors import AccessDenied, DownloadDenied
from tap_impact.progress.click_days import complete_at
from tap_impact.records.timestamps import EARLIEST
from tests.pipeline import Wherever
from tests.sandbox.client import ask

if TYPE_CHECKING:
    from pathlib import Path

    from impact_sandbox.faults import Fault
    from impact_sandbox.server import Sandbox, SeenRequest

    from tests.conftest import SandboxFactory


def query(day: date, sandbox: Sandbox) -> ExportQuery:
    return ExportQuery(
        key=day.isoformat(),
        title=f"Clicks of {day}",
        path="/ClickExport",
        query={"Date": day.isoformat(), "ResultFormat": "JSON"},
        complete_at=complete_at(day, sandbox.world.zone),
    )


NOW = datetime(2026, 6, 30, 15, tzinfo=UTC)
DAYS = [date(2026, 6, 29) - timedelta(days=number) for number in range(4)]
ONE = DAYS[:1]
KEYS = st.text(max_size=5)
YEARS = (EARLIEST.replace(tzinfo=None), datetime(2100, 1, 1))  # noqa: DTZ001 - hypothesis adds it
TIMES = st.datetimes(*YEARS, timezones=st.just(UTC)).map(lambda at: at.replace(microsecond=0))
DATES = ("CreatedDate", "StartedDate", "CompletedDate", "LastProgressUpdateDate")
EARLY = dict.fromkeys(DATES, "2026-06-29T20:00:00-07:00")


class Traveller:
    """A run's exports, whose sleep is the passing of the sandbox's time."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.ledger = Ledger(sandbox.at.date())
        self.kept: list[dict[str, Any]] = []
        self.pauses: list[float] = []
        self.exports: Exports

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.sandbox.advance(seconds)

    def keep(self) -> None:
        self.kept.append(self.ledger.bookmark() | {"requests": len(self.sandbox.requests)})

    def run(self, days: list[date], *, most: int = 10, patience: float = 900) -> list[date]:
        """The days of a run that came whole; those that came are taken out of the ledger."""
        client = ImpactClient(
            **self.sandbox.settings(),
            api_version=16,
            user_agent="test",
            timeout_seconds=5,
            rate_limit_wait_seconds=60,
            logger=logging.getLogger("test"),
            sleep=self.sleep,
            clock=time.monotonic,
            machine=lambda: self.sandbox.at,
        )
        client.now()
        self.sandbox.requests.clear()
        self.exports = Exports(
            client,
            self.ledger,
            self.keep,
            max_per_day=most,
            wait_seconds=patience,
            logger=logging.getLogger("test"),
        )
        came = []
        for export in self.exports.fetch_all(query(day, self.sandbox) for day in days):
            try:
                self.check(export)
            except FatalAPIError as error:
                self.exports.fail(export.key, error)
                continue
            self.ledger.loaded(export.key)
            came.append(date.fromisoformat(export.key))
        return came

    def next_run(self, days: list[date], *, after: timedelta = timedelta()) -> list[date]:
        """The same in a process of its own, later."""
        self.sandbox.advance(after.total_seconds())
        state = json.loads(json.dumps(self.ledger.bookmark()))
        self.ledger = Ledger.of_bookmark(state, today=self.sandbox.at.date())
        return self.run(days)

    def check(self, export: Export) -> None:
        with export.file.content as content:
            ids = [row["Id"] for row in rows(content, CLICK_FORM)]
            assert export.file.size == content.seek(0, 2)
        export.check_rows(len(ids))
        truth = self.sandbox.world.clicks(date.fromisoformat(export.key), self.sandbox.at)
        assert ids == [row["Id"] for row in truth]

    @property
    def asked(self) -> Counter[str]:
        """How often which endpoint was asked in the last run."""
        return Counter(
            {3: "export", 4: "look", 5: request.path.rpartition("/")[2]}[
                request.path.strip("/").count("/") + 1
            ]
            for request in self.sandbox.requests
        )


@pytest.fixture
def travel(sandbox: SandboxFactory) -> Any:
    def begin(*faults: Fault, **options: Any) -> Traveller:
        return Traveller(sandbox(at=NOW, clicks_per_day=60, faults=faults, **options))

    return begin


def test_all_are_queued_before_the_first_is_waited_for(travel: Any) -> None:
    run = travel(job_seconds=100)
    assert run.run(DAYS) == DAYS
    endpoints = [request.path.count("/") for request in run.sandbox.requests]
    assert endpoints[:4] == [3] * 4
    assert 3 not in endpoints[4:]
    assert run.pauses[:5] == [1, 2, 4, 8, 16]
    assert max(run.pauses) <= 60
    assert sum(run.pauses) < 200
    assert run.exports.left_today == 6


def test_an_id_is_kept_before_anything_else_is_asked(travel: Any) -> None:
    run = travel()
    run.run(DAYS)
    with_jobs = {kept["requests"]: len(kept["jobs"]) for kept in run.kept}
    assert [with_jobs[number] for number in (1, 2, 3, 4)] == [1, 2, 3, 4]
    # A request is counted before it is sent, for it may be counted there without an answer.
    assert run.kept[0] == {
        "requests": 0,
        "jobs": {},
        "failures": {},
        "exports_asked": {"2026-06-30": 1},
    }


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"job_life": ["COMPLETED"]}, id="completed at once"),
        pytest.param({"job_life": ["QUEUED", "ERROR", "ERROR", "COMPLETED"]}, id="error"),
        pytest.param({"job_life": ["QUEUED", "FAILED"]}, id="failed, replayed"),
        pytest.param({"job_life": ["QUEUED", "CANCELLED"]}, id="cancelled, replayed"),
        pytest.param({"click_export": "sync"}, id="clicks at once"),
        pytest.param({"export_shape": "lines", "export_gzip": True}, id="lines, gzip"),
        pytest.param({"export_gzip": True, "gzip": True}, id="gzip twice"),
        pytest.param({"scopes": SCOPES - {"Retrieve job"}}, id="may not look"),
        pytest.param(
            {"scopes": SCOPES - {"Retrieve job"}, "job_life": ["QUEUED", "FAILED"]},
            id="may not look, failed",
        ),
    ],
)
def test_it_arrives_in_one_run_by_one_request(travel: Any, options: dict[str, Any]) -> None:
    run = travel(**options)
    assert run.run(DAYS[:2]) == DAYS[:2]
    assert run.asked["export"] == 2
    assert run.asked["Replay"] == (2 if "ED" in str(options.get("job_life"))[10:] else 0) * (
        "COMPLETED" not in str(options.get("job_life"))
    )
    assert not run.ledger.jobs
    assert not any(request.authorized for request in run.sandbox.file_requests)


def test_without_leave_to_look_the_token_is_refused_once(travel: Any) -> None:
    run = travel(scopes=SCOPES - {"Retrieve job"})
    run.run(DAYS)
    assert run.asked["look"] == 1


@pytest.mark.parametrize(
    "fault",
    [
        faults.status(503).at("files"),
        faults.status(403).at("files"),
        faults.truncated().at("files"),
        faults.reset_midway().at("files"),
        faults.html().at("files"),
        faults.empty().at("files"),
        faults.error_with_200().at("files"),
        faults.broken_gzip().at("files"),
        faults.status(502).at("Jobs", times=2),
        faults.truncated().at("Jobs", after=1),
        faults.limited().at("Jobs", after=1),
        faults.html().at("Jobs", after=2),
        faults.later(61).at("files"),
    ],
    ids=lambda fault: f"{fault.resource}, {fault.name}",
)
def test_accidents_on_the_way_are_repaired(travel: Any, fault: Fault) -> None:
    run = travel(fault)
    assert run.run(ONE) == ONE
    assert run.asked["export"] == 1


def test_a_file_that_was_cut_by_nobody_knows_whom_is_fetched_again(travel: Any) -> None:
    run = travel(job_life=["COMPLETED"])
    sign, whole = run.sandbox.jobs.sign, run.sandbox.jobs.file
    cut = iter([True])
    run.sandbox.jobs.file = lambda job: iter(
        [b"".join(whole(job))[:-9] if next(cut, False) else b"".join(whole(job))]
    )
    assert sign
    assert run.run(ONE) == ONE
    assert run.asked["Download"] == 2


def test_a_firewall_before_the_host_of_files_is_passed_by(travel: Any) -> None:
    run = travel(faults.reset().at("files", times=99))
    assert run.run(DAYS) == DAYS
    downloads = [r.query for r in run.sandbox.requests if r.path.endswith("Download")]
    assert downloads == [{}] + [{"Mode": "Stream"}] * 4


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (faults.reset(processed=True), RetriableAPIError),
        (faults.status(500), RetriableAPIError),
        (faults.html(), RetriableAPIError),
        (faults.error_with_200(), RetriableAPIError),
        (faults.empty(), FatalAPIError),
        (faults.truncated(), RetriableAPIError),
        (faults.status(400), FatalAPIError),
    ],
    ids=lambda part: getattr(part, "name", ""),
)
def test_a_request_that_may_have_queued_is_not_repeated(
    travel: Any, fault: Fault, error: type[Exception]
) -> None:
    run = travel(fault.at("ClickExport", after=1))
    assert run.run(DAYS) == [DAYS[0], *DAYS[2:]]
    assert isinstance(run.exports.last_error, error)
    assert run.asked["export"] == 4
    assert run.exports.left_today == 6
    # The same parameters are the same job, so the next run loses nothing but a request.
    assert run.next_run(DAYS[1:2]) == DAYS[1:2]
    assert run.exports.last_error is None


def test_a_job_that_outlives_the_wait_is_taken_over(travel: Any) -> None:
    run = travel(job_seconds=5000)
    assert run.run(DAYS) == []
    assert 900 <= sum(run.pauses) <= 960
    assert run.ledger.jobs.keys() == {*map(str, DAYS)}
    run.ledger = Ledger.of_bookmark(run.ledger.bookmark(), today=run.sandbox.at.date())
    run.sandbox.advance(5000)
    assert run.run(DAYS) == DAYS
    assert run.asked["export"] == 0


def test_one_that_never_ends_holds_no_other_up(travel: Any) -> None:
    run = travel(job_life=["QUEUED", "RUNNING"])
    run.run(ONE, patience=10)
    run.sandbox.switch(job_life=["COMPLETED"])
    assert run.run(DAYS, patience=10) == DAYS[1:]
    assert [*run.ledger.jobs] == [str(ONE[0])]


def test_a_failure_is_replayed_once_in_a_run_and_never_asked_for_again(
    travel: Any, caplog: pytest.LogCaptureFixture
) -> None:
    run = travel(job_life=["QUEUED", "FAILED"], replay_life=["QUEUED", "FAILED"])
    assert run.run(ONE) == []
    assert run.asked == {"export": 1, "look": 2, "Replay": 1}
    assert f"Clicks of {ONE[0]}: the export ended as FAILED." in caplog.messages[-1]
    assert caplog.messages[-1] == str(run.exports.last_error)
    run.sandbox.switch(replay_life=["QUEUED", "COMPLETED"])
    assert run.run(ONE) == ONE
    assert run.asked == {"look": 2, "Replay": 1, "Download": 1}


def test_a_failure_that_cannot_be_replayed_is_reported(
    travel: Any, caplog: pytest.LogCaptureFixture
) -> None:
    run = travel(job_life=["QUEUED", "FAILED"], scopes=SCOPES - {"Replay job"})
    for _ in range(3):
        caplog.clear()
        assert run.next_run(ONE, after=timedelta(days=1)) == []
        assert "cannot be replayed (the token lacks Jobs Management > Replay job)" in caplog.text
        assert caplog.messages[-1] == str(run.exports.last_error)
    assert [*run.ledger.jobs] == [str(ONE[0])]


@pytest.mark.parametrize("code", [404, 429, 500])
def test_a_replay_that_fails_keeps_no_other_day_from_loading(travel: Any, code: int) -> None:
    run = travel(
        faults.Fault(  # the newest day's job, as it is looked at first
            "failed", edits=lambda job: job | {"Status": "FAILED"}
        ).at("Jobs"),
        faults.status(code).at("Jobs", after=1),
    )
    assert run.run(DAYS) == DAYS[1:]
    assert [*run.ledger.jobs] == [str(DAYS[0])]


@pytest.mark.parametrize("code", [404, 410])
def test_a_job_that_impact_com_has_forgotten_is_asked_for_anew(travel: Any, code: int) -> None:
    run = travel(job_life=["QUEUED", "RUNNING"])
    assert run.run(ONE, patience=10) == []
    run.sandbox.spoil([faults.status(code).at("Jobs", times=ALWAYS)])
    assert run.next_run(ONE, after=timedelta(hours=1)) == []
    assert not run.ledger.jobs
    assert run.asked["export"] == 0
    run.sandbox.spoil([])
    run.sandbox.switch(job_life=["COMPLETED"])
    run.sandbox.jobs._jobs.clear()  # noqa: SLF001 - as after ninety days
    assert run.next_run(ONE) == ONE
    assert run.asked["export"] == 1


def test_the_quota_is_counted_across_runs_and_begins_anew_each_utc_day(travel: Any) -> None:
    run = travel()
    assert run.run(DAYS, most=2) == DAYS[:2]
    assert "2026-07-01T00:00:00Z" in run.exports.stop_reason
    run.ledger = Ledger.of_bookmark(run.ledger.bookmark(), today=date(2026, 6, 30))
    assert run.run(DAYS[2:], most=2) == []
    assert not run.sandbox.requests
    run.ledger = Ledger.of_bookmark(run.ledger.bookmark(), today=date(2026, 7, 1))
    assert run.run(DAYS[2:], most=2) == DAYS[2:]


def test_a_quota_that_others_used_is_a_good_end(travel: Any) -> None:
    run = travel(daily_click_exports=3)
    assert run.run(DAYS) == DAYS[:3]
    assert "after 2026-07-01T00:00:00Z" in run.exports.stop_reason
    assert run.exports.last_error is None
    assert run.exports.left_today == 7
    assert run.pauses == [1]


@pytest.mark.parametrize(
    ("scope", "error"), [("Export clicks", AccessDenied), ("Download export jobs", DownloadDenied)]
)
def test_what_the_token_may_not_do_is_told_apart(
    travel: Any, scope: str, error: type[Exception]
) -> None:
    with pytest.raises(error) as raised:
        travel(scopes=SCOPES - {scope}).run(ONE)
    assert type(raised.value) is error


def test_a_scope_is_found_to_lack_though_the_export_failed_before(travel: Any) -> None:
    run = travel(faults.empty().at("files", times=2))
    assert run.run(ONE) == []
    run.sandbox.switch(scopes=SCOPES - {"Download export jobs"})
    for _ in range(2):
        with pytest.raises(DownloadDenied):
            run.next_run(ONE)


@pytest.mark.parametrize("status", [400, 404, 500])
def test_a_download_that_is_denied_alone_is_no_missing_scope(travel: Any, status: int) -> None:
    run = travel()
    fault = {False: faults.status(403), True: faults.status(status)}
    run.sandbox.spoil(
        Wherever(
            lambda seen: fault[NO_JOB in seen.path] if seen.path.endswith("/Download") else None
        )
    )
    assert run.run(ONE) == []
    assert str(run.exports.last_error).startswith(f"Clicks of {ONE[0]}: ")


def test_an_empty_file_is_believed_when_it_comes_twice(travel: Any) -> None:
    before = [date(2025, 12, 31)]  # the account's first day is the next
    run = travel(empty_export="nothing")
    assert run.run(before) == before
    assert run.asked["Download"] == 2
    run.sandbox.spoil([faults.empty().at("files", times=9)])
    assert run.run(ONE) == []
    assert "has 0 rows, though" in str(run.exports.last_error)


def test_no_credentials_are_sent_to_an_open_line(travel: Any) -> None:
    run = travel()
    run.sandbox.jobs.sign = lambda _: "@files.example/x"  # http://127.0.0.1:1@files.example/x
    assert run.run(ONE) == []
    assert "not https" in str(run.exports.last_error)


@pytest.mark.parametrize(
    "fault",
    [
        faults.empty().at("files", times=2),
        faults.Fault("job in a list", edits=lambda job: [job]).at("Jobs"),
        faults.Fault("job without a word", edits=lambda _: {}).at("Jobs"),
    ],
    ids=lambda fault: fault.name,
)
def test_a_day_that_cannot_be_had_keeps_no_other_from_loading(travel: Any, fault: Fault) -> None:
    run = travel(fault)
    assert run.run(DAYS) == DAYS[1:]
    assert str(run.exports.last_error).startswith(f"Clicks of {DAYS[0]}: ")


def exported_while_it_lasts(sandbox: Sandbox, day: date) -> None:
    """Let somebody export a day before it is over, whose job is done when the tap asks for it."""
    sandbox.switch(job_life=["COMPLETED"], replay_life=["QUEUED", "COMPLETED"])
    sandbox.set_time(datetime(day.year, day.month, day.day, 20, tzinfo=UTC))
    early = ask(sandbox, "/ClickExport", Date=day.isoformat(), ResultFormat="JSON").json()
    assert ask(sandbox, early["QueuedUri"]).json()["CompletedDate"]
    sandbox.set_time(NOW)
    sandbox.switch(job_life=["QUEUED", "COMPLETED"])


@pytest.mark.parametrize("lacks", [set(), {"Retrieve job"}], ids=["may look", "may not look"])
def test_a_job_from_before_its_day_was_over_is_replayed(travel: Any, lacks: set[str]) -> None:
    run = travel()
    exported_while_it_lasts(run.sandbox, DAYS[0])
    run.sandbox.switch(scopes=SCOPES - lacks)
    assert sorted(run.run(DAYS)) == sorted(DAYS)
    assert (run.asked["export"], run.asked["Replay"]) == (len(DAYS), 1)


def test_an_export_of_unknown_age_that_cannot_be_replayed_is_taken_with_a_warning(
    travel: Any, caplog: pytest.LogCaptureFixture
) -> None:
    run = travel(job_life=["COMPLETED"], scopes=SCOPES - {"Retrieve job", "Replay job"})
    assert run.run(ONE) == ONE
    (warning,) = (each.getMessage() for each in caplog.records if each.levelname == "WARNING")
    assert f"Clicks of {ONE[0]}: the export was complete before it was requested" in warning
    assert "Jobs Management > Replay job" in warning


def test_what_was_exported_too_early_is_not_taken_while_its_replay_is_slow(travel: Any) -> None:
    run = travel(job_life=["COMPLETED"], replay_life=["QUEUED", "COMPLETED"])
    early = EARLY | {"Status": "COMPLETED"}
    stale = faults.Fault("the result from before", edits=lambda job: {**job, **early})
    # It is seen, replayed, and for two looks more nothing seems to have happened.
    run.sandbox.spoil([stale.at("Jobs", times=1), stale.at("Jobs", after=2, times=2)])
    assert run.run(ONE) == ONE
    assert run.asked["Replay"] == 1
    assert run.asked["look"] >= 4


def test_no_credentials_of_the_user_are_sent_to_the_host_of_files(
    travel: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password secret")
    monkeypatch.setenv("NETRC", str(netrc))
    run = travel()
    assert run.run(ONE) == ONE
    assert [request.authorized for request in run.sandbox.file_requests] == [False]
    assert all(request.authorized for request in run.sandbox.requests)


# -- one bad export --------------------------------------------------------------------------------


def of_day(day: date, fault: Fault) -> Any:
    """The same fault whenever that day is asked for."""

    class OfDay:
        def strike(self, seen: SeenRequest) -> Fault | None:
            return fault if seen.query.get("Date") == str(day) else None

    return OfDay()


@pytest.mark.parametrize(
    "fault", [faults.status(500), faults.status(400), faults.empty(), faults.html()]
)
def test_a_day_that_is_always_refused_keeps_no_other_and_is_asked_ever_more_rarely(
    travel: Any, fault: Fault
) -> None:
    run = travel()
    run.sandbox.spoil(of_day(DAYS[1], fault))
    assert run.run(DAYS) == [DAYS[0], *DAYS[2:]]
    asked = 1
    for _ in range(6 * 14):
        assert run.next_run(DAYS[1:2], after=timedelta(hours=4)) == []
        asked += run.asked["export"]
    assert 6 <= asked <= 8
    assert str(DAYS[1]) in run.ledger.failing()
    run.sandbox.spoil([])
    assert run.next_run(DAYS[1:2], after=timedelta(days=7)) == DAYS[1:2]
    assert run.ledger.failing() == ""


def test_of_those_that_failed_one_is_asked_for_in_its_turn_and_the_others_last(
    travel: Any,
) -> None:
    run = travel()
    run.sandbox.spoil([faults.status(500).at("ClickExport", times=ALWAYS)])
    assert run.run(DAYS[:2]) == []
    run.sandbox.spoil([])
    assert run.next_run(DAYS) == DAYS
    dates = [seen.query["Date"] for seen in run.sandbox.requests if "Date" in seen.query]
    assert dates == [str(day) for day in (DAYS[0], *DAYS[2:], DAYS[1])]


def test_requests_that_all_fail_do_not_use_the_quota_up(travel: Any) -> None:
    run = travel(faults.status(503).at("ClickExport", times=ALWAYS))
    assert run.run(DAYS) == []
    assert run.asked["export"] == 2
    assert "in a row failed" in run.exports.stop_reason


def test_a_dead_link_keeps_no_other_day_from_loading_and_is_made_anew(travel: Any) -> None:
    run = travel()
    job_of = {}

    class DeadLink:
        def strike(self, seen: SeenRequest) -> Fault | None:
            job = run.sandbox.jobs.find(seen.path.removeprefix("/files/"))
            dead = job and job.day == DAYS[0] and not job.replays
            job_of.update({job.day: job} if job else {})
            return faults.status(410) if dead else None

    run.sandbox.spoil(DeadLink())
    assert run.run(DAYS) == DAYS[1:]
    assert str(run.exports.last_error).startswith(f"Clicks of {DAYS[0]}: ")
    assert run.next_run(ONE) == []
    assert run.next_run(ONE, after=timedelta(hours=1)) == ONE
    assert run.asked["export"] == 0
    assert job_of[DAYS[0]].replays == 1


def test_a_job_that_is_not_known_everywhere_yet_is_waited_for(travel: Any) -> None:
    run = travel(faults.status(404).at("Jobs", times=9))
    assert {*run.run(DAYS)} == {*DAYS}
    assert run.asked["export"] == len(DAYS)


@pytest.mark.parametrize("end", ["", "/Download"])
def test_jobs_that_are_unknown_for_a_run_are_kept(
    travel: Any, caplog: pytest.LogCaptureFixture, end: str
) -> None:
    run = travel()
    unknown = faults.status(404)
    run.sandbox.spoil(
        Wherever(
            lambda seen: unknown if seen.resource == "Jobs" and seen.path.endswith(end) else None
        )
    )
    assert run.run(DAYS) == []
    assert f"{DAYS[0]}: impact.com does not find the export yet. The next run" in caplog.text
    assert "still running" not in caplog.text
    assert run.next_run(DAYS, after=timedelta(minutes=10)) == []
    run.sandbox.spoil([])
    assert run.next_run(DAYS) == DAYS
    assert run.asked["export"] == 0


def test_a_token_without_the_scope_uses_no_quota_up(travel: Any) -> None:
    run = travel(scopes=SCOPES - {"Export clicks"})
    for _ in range(12):
        with pytest.raises(AccessDenied):
            run.next_run(DAYS)
    assert run.exports.left_today == 10


def test_what_was_asked_for_before_the_scope_went_is_still_loaded(travel: Any) -> None:
    run = travel(job_life=["QUEUED", "RUNNING"])
    run.run(ONE, patience=10)
    run.sandbox.switch(scopes=SCOPES - {"Export clicks"}, job_life=["COMPLETED"])
    run.sandbox.jobs.all[0].life = ("COMPLETED",)
    with pytest.raises(AccessDenied):
        run.next_run(DAYS)
    assert not run.ledger.jobs


def test_a_job_that_keeps_its_dates_after_a_replay_loads(travel: Any) -> None:
    """Whether it is seen at work, or is done before anybody looks."""
    for life in (["QUEUED", "RUNNING", "COMPLETED"], ["COMPLETED"]):
        run = travel(job_life=["COMPLETED"], replay_life=life)
        same = faults.Fault("the same dates", edits=lambda job: {**job, **EARLY})
        run.sandbox.spoil([same.at("Jobs", times=ALWAYS)])
        came = run.run(ONE) or run.next_run(ONE) or run.next_run(ONE, after=timedelta(hours=1))
        assert came == ONE
        (job,) = run.sandbox.jobs.all
        assert job.replays == 1


@pytest.mark.parametrize(
    "content",
    [
        b'{"Clicks":[]}',
        b'"Id","EventDate"\r\n',
        b'"Id","EventDate"\r\n"a","2026-06-29T10:00:00Z"\r\n',
        b'{"Errors":[],"Clicks":[{"Id":"a","EventDate":"2026-06-29T10:00:00Z"}]}',
    ],
)
def test_fewer_rows_than_impact_com_counts_are_not_believed(travel: Any, content: bytes) -> None:
    run = travel()
    whole = run.sandbox.jobs.file
    short = {DAYS[0]: content}
    run.sandbox.jobs.file = lambda job: iter([short.get(job.day) or b"".join(whole(job))])
    assert run.run(DAYS) == DAYS[1:]
    assert "though impact.com counts" in str(run.exports.last_error)
    run.sandbox.jobs.file = whole
    assert run.next_run(ONE) == ONE
    assert run.asked["export"] == 0


def test_clicks_that_come_with_a_status_are_clicks(travel: Any) -> None:
    run = travel()
    whole = run.sandbox.jobs.file
    run.sandbox.jobs.file = lambda job: iter(
        [b'{"Status":"OK",' + b"".join(whole(job)).removeprefix(b"{")]
    )
    assert run.run(ONE) == ONE


def test_a_byte_that_is_not_utf_8_is_replaced_and_said(
    travel: Any, caplog: pytest.LogCaptureFixture
) -> None:
    run = travel()
    whole = run.sandbox.jobs.file
    run.sandbox.jobs.file = lambda job: iter(
        [b"".join(whole(job)).replace(b'"AdName":"', b'"AdName":"\xff', 1)]
    )
    assert run.run(ONE) == ONE
    assert caplog.text.count("not UTF-8") == 1


def test_no_address_that_an_address_leads_to_is_open(travel: Any) -> None:
    run = travel(
        faults.Fault(
            "redirect", Answer(302, b"", {"Location": "http://files.example/x"}, "text/plain")
        ).at("files")
    )
    assert run.run(ONE) == []
    assert "not https" in str(run.exports.last_error)


def test_exports_of_another_kind_live_the_same_life(sandbox: SandboxFactory) -> None:
    """The class knows paths and keys, and neither clicks nor days."""
    run = Traveller(sandbox(at=NOW, clicks_per_day=60))
    one = query(DAYS[0], run.sandbox)._replace(key="report/2026-06", title="Report of June")
    run.run([])
    (export,) = run.exports.fetch_all([one])
    export.file.content.close()
    assert export.key == "report/2026-06"


@given(
    jobs=st.dictionaries(KEYS, st.tuples(KEYS, TIMES, st.none() | TIMES), max_size=2),
    failures=st.dictionaries(KEYS, st.tuples(st.integers(1, 99), TIMES), max_size=2),
    asked=st.integers(0, 10),
)
def test_a_ledger_survives_state(jobs: Any, failures: Any, asked: int) -> None:
    ledger = Ledger(
        NOW.date(),
        asked,
        {key: Job(*job) for key, job in jobs.items()},
        {key: Failure(*failure) for key, failure in failures.items()},
    )
    state = json.loads(json.dumps(ledger.bookmark()))
    assert Ledger.of_bookmark(state, today=NOW.date()) == ledger


def test_an_export_that_was_refused_after_midnight_gives_no_other_day_one_more() -> None:
    ledger = Ledger(NOW.date(), 3)
    ledger.count(1, NOW.date())
    ledger.count(-1, NOW.date() + timedelta(days=1))
    assert ledger.asked == 0


@given(failures=st.integers(1, 40))
def test_the_pauses_between_failures_grow_to_a_week(failures: int) -> None:
    ledger = Ledger(NOW.date())
    pauses = []
    for _ in range(failures):
        ledger.fail("x", NOW)
        pauses.append(ledger.failures["x"].not_before - NOW)
    assert pauses == sorted(pauses)
    assert pauses[0] == timedelta()
    assert pauses[-1] <= timedelta(days=7)
