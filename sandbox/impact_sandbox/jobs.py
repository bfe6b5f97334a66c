"""Exports of clicks and of reports, and the jobs that they become.

Sources: impact.com's reference pages "Export clicks", "Best practices for exporting clicks",
"Jobs" and "Rate limits", and the OpenAPI files of clicks and jobs (partner, version 16).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import date
from html import escape
from threading import Lock
from typing import TYPE_CHECKING, Any
from uuid import UUID

from impact_sandbox import rules
from impact_sandbox.exchange import Answer, Request, denied, limited, list_page, missing
from impact_sandbox.files import RESULT_FORMATS, click_file, report_file
from impact_sandbox.limits import Limit, spend

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from impact_sandbox.reports import Run
    from impact_sandbox.server import Sandbox

REPEATABLE = frozenset({"ProgramId", "AdId", "SubId"})
REPLAYABLE = frozenset({"COMPLETED", "FAILED", "CANCELLED"})
REDIRECT = b'<html><body>The file is <a href="%b">here</a>.</body></html>'
"""Seen live: the body of a redirect holds the link, too."""
KEPT_SECONDS = 90 * 86_400
SIGNED_SECONDS = 60
MESSAGES = {
    "QUEUED": "Waiting to be processed.",
    "RUNNING": "In progress.",
    "COMPLETED": "Job processing completed successfully.",
    "ERROR": "Job processing failed and will be tried again.",
    "FAILED": "Job processing failed.",
    "CANCELLED": "Cancelled by an administrator.",
}


@dataclass(slots=True)
class Job:
    """One export: of a day's clicks, or of a run of a report.

    Its statuses are ``life``: the first is what the export's reply says, each look at the job
    moves it on by one, and the last stays. The last does not come before ``ready``.
    """

    id: str
    of: date | Run
    filters: tuple[tuple[str, str], ...]
    result_format: str
    created: datetime
    at: datetime
    life: tuple[str, ...]
    ready: float
    asked: int = 0
    looks: int = 0
    replays: int = 0
    finished: datetime | None = field(default=None)

    @property
    def day(self) -> date:
        """The day of its clicks, or the last of its report."""
        return self.of if isinstance(self.of, date) else self.of.last

    def status(self, now: datetime) -> str:
        """Return the present status."""
        step = min(self.looks, len(self.life) - 1)
        if step == len(self.life) - 1 and now.timestamp() < self.ready:
            return self.life[step - 1] if step else "RUNNING"
        return self.life[step]

    def look(self, now: datetime) -> str:
        """Move on by one status and return it."""
        self.looks += 1
        status = self.status(now)
        if status in REPLAYABLE and self.finished is None:
            self.finished = now
        return status

    def keeps(self, click: dict[str, Any]) -> bool:
        """Tell whether the export's filters keep a click; those of one name are alternatives."""
        of_click = {
            "ProgramId": {click["ProgramId"]},
            "AdId": {click["AdId"]},
            "SubId": set(click["PartnerRelated"][0].values()) - {""},
            "UniqueClick": {click["UniqueClick"].upper()},
        }
        wanted: dict[str, set[str]] = {}
        for name, value in self.filters:
            wanted.setdefault(name, set()).add(value)
        wanted = {k: v for k, v in wanted.items() if (k, v) != ("UniqueClick", {"FALSE"})}
        return all(of_click[name] & values for name, values in wanted.items())


class JobDesk:
    """All jobs of an account, and how many exports it has in a UTC day."""

    def __init__(self, sandbox: Sandbox) -> None:
        """No job yet."""
        self._sandbox = sandbox
        self._jobs: dict[tuple[Any, ...], Job] = {}
        self._lock = Lock()
        self.exports = Limit("day", sandbox.switches.daily_click_exports)
        self.report_exports = Limit("day", sandbox.switches.daily_report_exports)

    @property
    def all(self) -> list[Job]:
        """The jobs that are still kept, newest first."""
        oldest = self._sandbox.at.timestamp() - KEPT_SECONDS
        with self._lock:
            jobs = list(self._jobs.values())
        return [job for job in reversed(jobs) if job.created.timestamp() >= oldest]

    def find(self, job_id: str) -> Job | None:
        """Return a job by its id."""
        return next((job for job in self.all if job.id == job_id), None)

    def queue(
        self,
        of: date | Run,
        filters: tuple[tuple[str, str], ...],
        result_format: str,
    ) -> Job:
        """Return the job for these parameters: a new one only if there was none."""
        name = of if isinstance(of, date) else (of.report.id, *of[1:])
        key = name, filters, result_format
        sandbox = self._sandbox
        with self._lock:
            if (job := self._jobs.get(key)) is None:
                digest = hashlib.sha256(repr((sandbox.world.seed, key, len(self._jobs))).encode())
                job = self._jobs[key] = Job(
                    id=str(UUID(bytes=digest.digest()[:16], version=4)),
                    of=of,
                    filters=filters,
                    result_format=result_format,
                    created=sandbox.at,
                    at=sandbox.at,
                    life=sandbox.switches.job_life,
                    ready=sandbox.at.timestamp() + sandbox.switches.job_seconds,
                )
        return job

    def answer(self, job: Job, request: Request, headers: dict[str, str]) -> Answer:
        """Answer a request for an export with its job."""
        if job.asked:
            request.broken.append(rules.Rule.ONE_EXPORT)
        job.asked += 1
        uri = f"{self._sandbox.world.path}/Jobs/{job.id}"
        body = {
            "Status": job.status(request.at),
            "QueuedUri": uri,
            "ResultUri": f"{uri}/Download",
            "ReplayUri": f"{uri}/Replay",
        }
        return Answer(200, body, headers)

    def replay(self, job: Job) -> None:
        """Begin a job anew, with the data of now."""
        sandbox = self._sandbox
        job.at, job.life, job.looks, job.finished = (
            sandbox.at,
            sandbox.switches.replay_life,
            0,
            None,
        )
        job.ready = sandbox.at.timestamp() + sandbox.switches.job_seconds
        job.replays += 1

    def row(self, job: Job) -> dict[str, str]:
        """Return the API's Job object."""
        world, now = self._sandbox.world, self._sandbox.at
        status = job.status(now)
        created = world.text(int(job.created.timestamp()))
        finished = world.text(int(job.finished.timestamp())) if job.finished else ""
        counted = ""
        if status == "COMPLETED" and not job.filters:
            counted = str(self._count(job))
        programs = [value for name, value in job.filters if name == "ProgramId"]
        return {
            "Id": job.id,
            "Type": "ClickExport" if isinstance(job.of, date) else "ApiReport",
            "ProgramId": programs[0] if programs else "",
            "CreatedBy": world.account_sid,
            "CreatedDate": created,
            "StartedDate": "" if status == "QUEUED" else created,
            "CompletedDate": finished if status == "COMPLETED" else "",
            "AbandonedDate": "",
            "CancelledDate": finished if status == "CANCELLED" else "",
            "FailedDate": finished if status == "FAILED" else "",
            "LastProgressUpdateDate": finished or created,
            "Status": status,
            "StatusMessage": MESSAGES[status],
            "RecordsProcessed": counted,
            "PercentageComplete": {"QUEUED": "0", "COMPLETED": "100"}.get(status, "50"),
            "Replayable": "true" if status in REPLAYABLE else "false",
            "ResultUri": f"{world.path}/Jobs/{job.id}/Download",
        }

    def file(self, job: Job) -> Iterator[bytes]:
        """Write a job's file, with the rows as they were known when it was asked for."""
        sandbox = self._sandbox
        if not isinstance(job.of, date):
            report_rows = job.of.rows(sandbox.world, job.at)
            columns = [name for name, _ in job.of.report.columns]
            return report_file(report_rows, columns, job.result_format, sandbox.switches)
        clicks = sandbox.world.clicks(job.day, job.at)
        if job.filters:
            clicks = filter(job.keeps, clicks)
        return click_file(clicks, job.result_format, sandbox.switches)

    def _count(self, job: Job) -> int:
        """How many rows a job's file has."""
        if isinstance(job.of, date):
            return self._sandbox.world.click_count(job.of)
        return sum(1 for _ in job.of.rows(self._sandbox.world, job.at))

    def sign(self, job: Job) -> str:
        """Return the path and query of a job's file, which hold for a minute."""
        expires = int(self._sandbox.at.timestamp()) + SIGNED_SECONDS
        return f"/files/{job.id}?Expires={expires}&Signature={self._signature(job.id, expires)}"

    def signed_file(self, job_id: str, expires: str, signature: str) -> Answer:
        """Answer for the host that the redirect names."""
        job = self.find(job_id)
        if job is None or not expires.isdecimal():
            return Answer(404, b"no such file", content_type="text/plain")
        late = int(expires) < self._sandbox.at.timestamp()
        if late or signature != self._signature(job.id, int(expires)):
            return Answer(403, b"expired", content_type="text/plain")
        return Answer(200, self.file(job), content_type="application/octet-stream")

    def _signature(self, job_id: str, expires: int) -> str:
        secret = f"{self._sandbox.world.auth_token}:{job_id}:{expires}"
        return hashlib.sha256(secret.encode()).hexdigest()


def click_export(sandbox: Sandbox, request: Request) -> Answer:
    """Queue an export of one day, or find the one that the same parameters have made."""
    allowed, headers = spend(sandbox.jobs.exports, request)
    if not allowed:
        return limited(sandbox.switches, headers)
    sent = rules.parameters(request.pairs, REPEATABLE)
    result_format = sent.get("ResultFormat", "CSV").upper()
    if result_format not in RESULT_FORMATS:
        raise rules.RefusalError(
            rules.Rule.VALUE, "ResultFormat must be CSV, JSON or XML", "ResultFormat"
        )
    unique = sent.get("UniqueClick", "FALSE").upper()
    if unique not in {"TRUE", "FALSE"}:
        raise rules.RefusalError(
            rules.Rule.VALUE, "UniqueClick must be TRUE or FALSE", "UniqueClick"
        )
    today = date.fromordinal(sandbox.world.day_of(request.now))
    day = rules.date_of("Date", sent["Date"]) if "Date" in sent else today
    filters = {(k, v) for k, v in request.pairs if k in REPEATABLE} | {("UniqueClick", unique)}
    filters -= {("UniqueClick", "FALSE")}
    job = sandbox.jobs.queue(day, tuple(sorted(filters)), result_format)
    answer = sandbox.jobs.answer(job, request, headers)
    if sandbox.switches.click_export == "sync":
        return Answer(200, sandbox.jobs.file(job), headers, RESULT_FORMATS[result_format])
    return answer


def jobs(sandbox: Sandbox, request: Request) -> Answer:
    """Answer a page of jobs; looking at the list moves none of them on."""
    sent = rules.parameters(request.pairs, frozenset())
    page = rules.read_page(sent, sandbox.switches, event_level=False)
    after = rules.date_of("CreatedAfter", sent.get("CreatedAfter", "0001-01-01")).toordinal()
    before = rules.date_of("CreatedBefore", sent.get("CreatedBefore", "9999-12-31")).toordinal()
    rows = [
        job
        for job in sandbox.jobs.all
        if after <= sandbox.world.day_of(int(job.created.timestamp())) <= before
    ]
    return list_page(request, sent, page, "Jobs", rows, write=sandbox.jobs.row)


def job(sandbox: Sandbox, request: Request) -> Answer:
    """Answer one job, which moves on."""
    found = sandbox.jobs.find(request.names[0])
    if found is None:
        return missing("Job", request.names[0])
    found.look(request.at)
    return Answer(200, sandbox.jobs.row(found))


def download(sandbox: Sandbox, request: Request) -> Answer:
    """Answer 202 with the job until it is there, then redirect to the file, or stream it."""
    found = sandbox.jobs.find(request.names[0])
    if found is None:
        return missing("Job", request.names[0])
    if found.look(request.at) != "COMPLETED":
        return Answer(202, sandbox.jobs.row(found))
    if rules.parameters(request.pairs, frozenset()).get("Mode", "").lower() == "stream":
        return Answer(200, sandbox.jobs.file(found), content_type="application/octet-stream")
    location = sandbox.files_url + sandbox.jobs.sign(found)
    page = REDIRECT % escape(location).encode()
    return Answer(302, page, {"Location": location}, "text/html;charset=utf-8")


def replay(sandbox: Sandbox, request: Request) -> Answer:
    """Begin a job anew; 403 if it is not at an end."""
    found = sandbox.jobs.find(request.names[0])
    if found is None:
        return missing("Job", request.names[0])
    if found.status(request.at) not in REPLAYABLE:
        request.broken.append(rules.Rule.REPLAY)
        return denied()
    sandbox.jobs.replay(found)
    return Answer(200, sandbox.jobs.row(found))


def clicks(sandbox: Sandbox, request: Request) -> Answer:
    """Refuse the list of clicks, as it is refused to every account that was met."""
    del sandbox
    request.broken.append(rules.Rule.CLICKS)
    return Answer(403, {"Status": "ERROR", "Message": "Clicks is not enabled for this account"})


def click(sandbox: Sandbox, request: Request) -> Answer:
    """Answer the click of an Id; if there are several, the first, or all as a list."""
    rows = sandbox.world.click(request.names[0], request.at)
    if not rows:
        return missing("Click", request.names[0])
    names = {"ProgramId": "CampaignId", "ProgramName": "CampaignName"}
    found = [{names.get(k, k): v for k, v in row.items()} for row in rows]
    several = len(found) > 1 and sandbox.switches.several_clicks == "list"
    return Answer(200, found if several else found[0])
