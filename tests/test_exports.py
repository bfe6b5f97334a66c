"""The life of an export, against the sandbox; time passes only where the tap lets it."""

from __future__ import annotations

import logging
import time
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from impact_sandbox import faults
from impact_sandbox.switches import SCOPES
from singer_sdk.exceptions import FatalAPIError, RetriableAPIError

from tap_impact.api.client import ImpactClient
from tap_impact.api.export_files import rows
from tap_impact.api.exports import DownloadDenied, Export, Exports, Ledger
from tap_impact.errors import AccessDenied
from tests.sandbox.client import ask

if TYPE_CHECKING:
    from pathlib import Path

    from impact_sandbox.faults import Fault
    from impact_sandbox.server import Sandbox

    from tests.conftest import SandboxFactory

NOW = datetime(2026, 6, 30, 15, tzinfo=UTC)
DAYS = [date(2026, 6, 29) - timedelta(days=number) for number in range(4)]
ONE = DAYS[:1]


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
        self.sandbox.requests.clear()
        client = ImpactClient(
            **self.sandbox.settings(),
            api_version=16,
            user_agent="test",
            timeout_seconds=5,
            rate_limit_wait_seconds=60,
            logger=logging.getLogger("test"),
            sleep=self.sleep,
            clock=time.monotonic,
        )
        self.exports = Exports(
            client,
            self.ledger,
            self.keep,
            now=self.sandbox.at,
            zone=self.sandbox.world.zone,
            most_per_day=most,
            patience_seconds=patience,
            logger=logging.getLogger("test"),
        )
        came = []
        for export in self.exports.arriving(days):
            self.check(export)
            self.ledger.jobs.pop(export.day, None)
            came.append(export.day)
        return came

    def check(self, export: Export) -> None:
        with export.file.content as content:
            ids = [row["Id"] for row in rows(content)]
            assert export.file.size == content.seek(0, 2)
        truth = self.sandbox.world.clicks(export.day, self.sandbox.at)
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
    assert run.kept[0] == {"requests": 0, "jobs": {}, "exports_asked": {"2026-06-30": 1}}


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
    assert run.run(DAYS) == DAYS[:1]
    assert isinstance(run.exports.trouble, error)
    assert run.asked["export"] == 2
    assert run.exports.left_today == 8
    # The same parameters are the same job, so the next run loses nothing but a request.
    assert run.run(DAYS[1:]) == DAYS[1:]
    assert run.exports.trouble is None


def test_a_job_that_outlives_the_wait_is_taken_over(travel: Any) -> None:
    run = travel(job_seconds=5000)
    assert run.run(DAYS) == []
    assert 900 <= sum(run.pauses) <= 960
    assert run.ledger.jobs.keys() == {*DAYS}
    run.ledger = Ledger.of_bookmark(run.ledger.bookmark(), today=run.sandbox.at.date())
    run.sandbox.advance(5000)
    assert run.run(DAYS) == DAYS
    assert run.asked["export"] == 0


def test_one_that_never_ends_holds_no_other_up(travel: Any) -> None:
    run = travel(job_life=["QUEUED", "RUNNING"])
    run.run(ONE, patience=10)
    run.sandbox.switch(job_life=["COMPLETED"])
    assert run.run(DAYS, patience=10) == DAYS[1:]
    assert [*run.ledger.jobs] == ONE


def test_a_failure_is_replayed_once_in_a_run_and_never_asked_for_again(
    travel: Any, caplog: pytest.LogCaptureFixture
) -> None:
    run = travel(job_life=["QUEUED", "FAILED"], replay_life=["QUEUED", "FAILED"])
    assert run.run(ONE) == []
    assert run.asked == {"export": 1, "look": 2, "Replay": 1}
    assert f"Clicks of {ONE[0]}: the export ended as FAILED." in caplog.messages[-1]
    run.sandbox.switch(replay_life=["QUEUED", "COMPLETED"])
    assert run.run(ONE) == ONE
    assert run.asked == {"look": 2, "Replay": 1, "Download": 1}


def test_a_failure_that_cannot_be_replayed_is_reported(
    travel: Any, caplog: pytest.LogCaptureFixture
) -> None:
    run = travel(job_life=["QUEUED", "FAILED"], scopes=SCOPES - {"Replay job"})
    assert run.run(ONE) == []
    assert "cannot be replayed (the token lacks Jobs Management > Replay job)" in caplog.text
    assert [*run.ledger.jobs] == ONE


@pytest.mark.parametrize("code", [404, 429, 500])
def test_a_replay_that_fails_keeps_no_other_day_from_loading(travel: Any, code: int) -> None:
    run = travel(
        faults.Fault(  # the newest day's job, as it is looked at first
            "failed", edits=lambda job: job | {"Status": "FAILED"}
        ).at("Jobs"),
        faults.status(code).at("Jobs", after=1),
    )
    assert run.run(DAYS) == DAYS[1:]
    assert [*run.ledger.jobs] == DAYS[:1]


def test_a_job_that_impact_com_has_forgotten_is_asked_for_anew(travel: Any) -> None:
    run = travel(faults.status(404).at("Jobs"))
    assert run.run(ONE) == []
    assert not run.ledger.jobs
    assert run.run(ONE) == ONE
    assert run.asked["export"] == 1


def test_the_quota_is_counted_across_runs_and_begins_anew_each_utc_day(travel: Any) -> None:
    run = travel()
    assert run.run(DAYS, most=2) == DAYS[:2]
    assert "2026-07-01T00:00:00Z" in run.exports.refusal
    run.ledger = Ledger.of_bookmark(run.ledger.bookmark(), today=date(2026, 6, 30))
    assert run.run(DAYS[2:], most=2) == []
    assert not run.sandbox.requests
    run.ledger = Ledger.of_bookmark(run.ledger.bookmark(), today=date(2026, 7, 1))
    assert run.run(DAYS[2:], most=2) == DAYS[2:]


def test_a_quota_that_others_used_is_a_good_end(travel: Any) -> None:
    run = travel(daily_click_exports=3)
    assert run.run(DAYS) == DAYS[:3]
    assert "after 2026-07-01T00:00:00Z" in run.exports.refusal
    assert run.exports.trouble is None
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


def test_an_empty_file_is_believed_when_it_comes_twice(travel: Any) -> None:
    before = [date(2025, 12, 31)]  # the account's first day is the next
    run = travel(empty_export="nothing")
    assert run.run(before) == before
    assert run.asked["Download"] == 2
    run.sandbox.spoil([faults.empty().at("files", times=9)])
    assert run.run(ONE) == []
    assert "empty file, though" in str(run.exports.trouble)


def test_no_credentials_are_sent_to_an_open_line(travel: Any) -> None:
    run = travel()
    run.sandbox.jobs.sign = lambda _: "@files.example/x"  # http://127.0.0.1:1@files.example/x
    assert run.run(ONE) == []
    assert "not https" in str(run.exports.trouble)


def test_a_day_that_cannot_be_had_keeps_no_other_from_loading(travel: Any) -> None:
    run = travel(faults.empty().at("files", times=2))
    assert run.run(DAYS) == DAYS[1:]
    assert str(run.exports.trouble).startswith(f"Clicks of {DAYS[0]}: ")


def test_a_job_from_before_its_day_was_over_is_replayed(travel: Any) -> None:
    run = travel(job_life=["COMPLETED"], replay_life=["QUEUED", "COMPLETED"])
    sandbox = run.sandbox
    sandbox.set_time(datetime(2026, 6, 29, 20, tzinfo=UTC))
    early = ask(sandbox, "/ClickExport", Date="2026-06-29", ResultFormat="JSON").json()
    assert ask(sandbox, early["QueuedUri"]).json()["CompletedDate"]
    sandbox.set_time(NOW)
    assert sorted(run.run(DAYS)) == sorted(DAYS)
    assert run.asked["Replay"] == 1


def test_what_was_exported_too_early_is_not_taken_while_its_replay_is_slow(travel: Any) -> None:
    run = travel(job_life=["COMPLETED"], replay_life=["QUEUED", "COMPLETED"])
    early = {"Status": "COMPLETED", "CompletedDate": "2026-06-29T20:00:00-07:00"}
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
