"""The life of exports: requested once, polled, resumed, replayed, downloaded to disk.

An export is queued as a job, of which impact.com grants a number a day, and the request that
queues it has effects, so it is never repeated. What must not be lost is a job's id: the ledger
keeps it from the moment it is queued until its export is loaded. The caller decides which exports
to request, and reads their rows.
"""

from __future__ import annotations

import codecs
import gzip
import logging
import re
import shutil
import zlib
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import partial
from http import HTTPStatus
from os import SEEK_END
from tempfile import TemporaryFile
from types import MappingProxyType
from typing import IO, TYPE_CHECKING, Any, NamedTuple

import requests
from singer_sdk.exceptions import FatalAPIError, RetriableAPIError

from tap_impact.api.export_files import BLOCK, file_format
from tap_impact.api.network_errors import explain, is_unanswered
from tap_impact.api.pages import NOT_JSON, decode
from tap_impact.api.rate_limit import number
from tap_impact.api.scopes import Need, Scope
from tap_impact.errors import (
    OF_ALL_REQUESTS,
    AccessDenied,
    DownloadDenied,
    ExportFailed,
    ExportIncomplete,
    ExportOutdated,
    NotFound,
    RateLimited,
    WrongCredentials,
)
from tap_impact.records.fields import timestamp_of
from tap_impact.records.timestamps import iso, parse_timestamp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from tap_impact.api.client import ImpactClient

# "ERROR: the job failed and is tried again, every 15 minutes, at most five times"; FAILED and
# CANCELLED are final (Jobs object).
FINAL_FAILURES = {"FAILED", "CANCELLED"}
STATUSES = FINAL_FAILURES | {"QUEUED", "RUNNING", "COMPLETED", "ERROR"}

# A typical job runs for five seconds (Jobs overview).
FIRST_PAUSE = 1.0
MAX_PAUSE = 60.0

# Of a job's form, but the id of none.
NO_JOB = "00000000-0000-0000-0000-000000000000"

DOWNLOAD_EXPORTS = Scope("Jobs Management", "Download export jobs")

# To request an export, to look at its job, and to download it.
REQUESTS_PER_EXPORT = 3

# How long a job may be unknown to one of impact.com's machines after another has queued it.
MAX_VISIBILITY_DELAY = timedelta(hours=1)

# An export that failed is tried again by the next run, then ever more rarely.
FIRST_DELAY = timedelta(hours=1)
MAX_DELAY = timedelta(days=7)

# After so many failed requests in a row, the cause is not one export.
MAX_FAILED_REQUESTS = 2

# From this number of failures on, the job is replayed before its result is downloaded again.
FAILURES_BEFORE_REPLAY = 2

# No job's description, and no error, is as large as this.
MAX_MESSAGE_BYTES = 1 << 16

JOB_ID = re.compile(r"/Jobs/([^/? ]+)")
GZIP = b"\x1f\x8b"

# Errors that would stop the remaining exports too.
ENDING = (AccessDenied, *OF_ALL_REQUESTS)


def download_need(scope: Scope) -> Need:
    """What tells whether exports may be downloaded: else even a job that is not there is denied."""
    return Need(scope, f"/Jobs/{NO_JOB}/Download")


class ExportQuery(NamedTuple):
    """What to request."""

    key: str
    """Names the export in the ledger."""
    title: str
    """Names it in messages, like `Clicks of 2026-06-29`."""
    path: str
    """Below the account, like `/ClickExport`."""
    query: Mapping[str, str] = MappingProxyType({})
    complete_at: datetime = datetime.min.replace(tzinfo=UTC)
    """From when on its data are all known. A job that was made before is replayed."""
    path_is_of_data: bool = False
    """Whether a 404 says that there is no such data at all, whatever is asked of them."""


class Job(NamedTuple):
    """An export that was requested."""

    id: str
    requested: datetime
    replayed: datetime | None = None
    """When it was begun anew by us; None if not, or if that did not help."""


class Failure(NamedTuple):
    """How often an export failed, and when to retry it."""

    times: int
    not_before: datetime
    """When it is retried at the earliest."""


class File(NamedTuple):
    """A file on disk, at its beginning."""

    content: IO[bytes]
    """Without a name: it is gone as soon as it is closed, or the process ends."""
    size: int
    """Bytes, uncompressed."""


class Export(NamedTuple):
    """An export that was downloaded."""

    key: str
    job_id: str | None
    """None if impact.com answered with the rows at once."""
    requested: datetime
    completed: datetime | None
    """None if the token may not read jobs."""
    file: File
    expected: int | None = None
    """How many rows impact.com counts; None if it does not say."""

    def check_rows(self, rows: int) -> None:
        """Compare the rows that were read with those that impact.com counts.

        "RecordsProcessed: number of records processed by the job" (Job object).

        Raises:
            ExportIncomplete: Some are missing.
        """
        if self.expected is not None and rows < self.expected:
            raise ExportIncomplete(
                f"the export's file has {rows} rows, though impact.com counts {self.expected}. "
                "State is safe: a later run tries again."
            )


@dataclass
class Ledger:
    """Kept in state: jobs whose exports are not loaded yet, failures, and the use of the quota."""

    today: date
    """The day of the quota, in UTC."""
    asked: int = 0
    """Exports requested on that day."""
    jobs: dict[str, Job] = field(default_factory=dict)
    """By the key of what they export."""
    failures: dict[str, Failure] = field(default_factory=dict)

    @classmethod
    def of_bookmark(cls, bookmark: Mapping[str, Any], *, today: date) -> Ledger:
        """Read it from Singer state.

        Raises:
            ValueError, KeyError: The bookmark is not one that this version wrote.
        """
        jobs = {
            key: Job(
                job["id"],
                parse_timestamp(job["requested"]),
                parse_timestamp(job["replayed"]) if job.get("replayed") else None,
            )
            for key, job in (bookmark.get("jobs") or {}).items()
        }
        failures = {
            key: Failure(int(failure["count"]), parse_timestamp(failure["not_before"]))
            for key, failure in (bookmark.get("failures") or {}).items()
        }
        counts = {day: int(count) for day, count in (bookmark.get("exports_asked") or {}).items()}
        if not all(isinstance(job.id, str) for job in jobs.values()):
            raise TypeError
        asked = counts.get(today.isoformat(), 0)
        return cls(today, asked, jobs, failures)

    def bookmark(self) -> dict[str, Any]:
        """Write it as Singer state."""
        return {
            "exports_asked": {self.today.isoformat(): self.asked},
            "jobs": {
                key: {"id": job.id, "requested": iso(job.requested)}
                | ({"replayed": iso(job.replayed)} if job.replayed else {})
                for key, job in sorted(self.jobs.items())
            },
            "failures": {
                key: {"count": failure.times, "not_before": iso(failure.not_before)}
                for key, failure in sorted(self.failures.items())
            },
        }

    def count(self, number: int, today: date) -> None:
        """Count exports requested; a new day begins at 0.

        Args:
            number: negative for those that were refused, and may have been counted the day before.
            today: the day in UTC.
        """
        if today > self.today:
            self.today, self.asked = today, 0
        self.asked = max(self.asked + number, 0)

    def is_due(self, key: str, now: datetime) -> bool:
        """Whether an export may be tried now."""
        failure = self.failures.get(key)
        return failure is None or failure.not_before <= now

    def retried_last(self, keys: Iterable[str]) -> set[str]:
        """Those that failed before, but for one that failed the fewest times, the first of them."""
        failed = [key for key in keys if key in self.failures]
        return {*sorted(failed, key=lambda key: self.failures[key].times)[1:]}

    def fail(self, key: str, now: datetime) -> None:
        """Note that an export failed: the next run retries it, later ones with growing delays."""
        count = 1 + (self.failures[key].times if key in self.failures else 0)
        delay = FIRST_DELAY * 4 ** min(count - 2, 9) if count > 1 else timedelta()
        self.failures[key] = Failure(count, now + min(delay, MAX_DELAY))
        if key in self.jobs:
            self.jobs[key] = self.jobs[key]._replace(replayed=None)

    def loaded(self, key: str, *, is_final: bool = True) -> None:
        """Forget an export that has come to its end, but for the job if its data are not final."""
        if is_final:
            self.jobs.pop(key, None)
        self.failures.pop(key, None)

    def retain(self, keys: Iterable[str]) -> None:
        """Forget all other exports."""
        kept = {*keys}
        self.jobs = {key: job for key, job in self.jobs.items() if key in kept}
        self.failures = {key: each for key, each in self.failures.items() if key in kept}

    def failing(self) -> str:
        """The exports that failed so far, as text; empty if none."""
        return ", ".join(
            f"{key} (failed {each.times} times, is tried again after {iso(each.not_before)})"
            for key, each in sorted(self.failures.items())
        )


class Exports:
    """The exports of one run that share a quota.

    Attributes:
        stop_reason: why no more exports were requested; None if all were.
        last_error: the error of the last export that failed.
    """

    def __init__(
        self,
        client: ImpactClient,
        ledger: Ledger,
        save: Callable[[], None],
        *,
        max_per_day: int,
        wait_seconds: float,
        logger: logging.Logger,
    ) -> None:
        """Send nothing yet.

        Args:
            client: the client of impact.com.
            ledger: what earlier runs left.
            save: writes the ledger to state, at once.
            max_per_day: new exports in a UTC day.
            wait_seconds: for how long to wait while nothing arrives.
            logger: where progress is logged.
        """
        self.stop_reason: str | None = None
        self.last_error: FatalAPIError | RetriableAPIError | None = None
        self._client = client
        self._ledger = ledger
        self._save = save
        self._max_per_day = max_per_day
        self._wait_seconds = wait_seconds
        self._logger = logger
        self._may_see_jobs = True
        self._mode: dict[str, str] | None = None
        self._queries: dict[str, ExportQuery] = {}
        self._adopted: set[str] = set()
        self._found_complete: set[str] = set()
        self._waiting: list[str] = []
        self._not_found: set[str] = set()
        self._replays: dict[str, str | None] = {}  # asked for in this run; what hindered them
        self._seen_running: set[str] = set()
        self._denied: dict[str, DownloadDenied] = {}
        self._has_downloaded = False

    @property
    def left_today(self) -> int:
        """How many exports may still be requested in this UTC day."""
        return max(self._max_per_day - self._ledger.asked, 0)

    def fetch_all(self, queries: Iterable[ExportQuery]) -> Iterator[Export]:
        """The exports, as they arrive; new ones are requested in the order of the queries.

        All that the quota allows are queued before the first is waited for, so impact.com works on
        the later ones while the earlier ones are loaded. Whoever has loaded an export takes it out
        of the ledger; until then the next run finds its job there, finished or not. Of those that
        failed and are due, one keeps its place; the others come last, so that they use up no quota.

        Raises:
            AccessDenied, NotFound, FatalAPIError, RetriableAPIError: as the client says, where it
                is not about one export.
        """
        now = self._client.now()
        self._ledger.count(0, now.date())
        self._queries = {query.key: query for query in queries}
        due = [key for key in self._queries if self._ledger.is_due(key, now)]
        self._adopted = {*due} & self._ledger.jobs.keys()
        new = [key for key in due if key not in self._adopted]
        denied: AccessDenied | NotFound | None = None
        try:
            yield from self._ask_for(sorted(new, key=self._ledger.retried_last(new).__contains__))
        except (AccessDenied, NotFound) as error:  # what was requested before may still be had
            denied = error
        self._waiting = [key for key in due if key in self._ledger.jobs]
        yield from self._collect()
        for key, why in self._denied.items():  # of another token, since this one may download
            self.fail(key, FatalAPIError(str(why)))
        if denied:
            raise denied

    def fail(self, key: str, error: FatalAPIError | RetriableAPIError) -> None:
        """Leave an export to a later run, and continue with the others; the run ends with 1."""
        self._ledger.fail(key, self._client.now())
        self._save()
        self.last_error = type(error)(f"{self._queries[key].title}: {error}")
        self._logger.error(self.last_error)

    def _ask_for(self, keys: list[str]) -> Iterator[Export]:
        """Request new exports within the quota; yields those that are answered at once."""
        refused = 0
        for key in keys:
            if not self.left_today:
                tomorrow = self._ledger.today + timedelta(days=1)
                self.stop_reason = (
                    f"the {self._max_per_day} exports of {self._ledger.today} (UTC) are used. The "
                    f"first run after {tomorrow}T00:00:00Z continues"
                )
                return
            try:
                export = self._ask(self._queries[key])
            except RateLimited as error:
                self._count(-1)
                self.stop_reason = "impact.com grants no more exports for now"
                if error.seconds is not None:
                    again = self._client.now() + timedelta(seconds=round(error.seconds))
                    self.stop_reason += f". The first run after {iso(again)} continues"
                return
            except (AccessDenied, WrongCredentials):
                self._count(-1)
                raise
            except (FatalAPIError, RetriableAPIError) as error:
                if isinstance(error, NotFound) and self._queries[key].path_is_of_data:
                    self._count(-1)
                    raise
                self.fail(
                    key,
                    type(error)(
                        f"{error} It may have been counted, so it is not retried; a later run "
                        "requests it again."
                    ),
                )
                refused += 1
                if refused == MAX_FAILED_REQUESTS:
                    self.stop_reason = f"{refused} requests for exports in a row failed"
                    return
                continue
            refused = 0
            if export:
                yield export

    def _count(self, number: int) -> None:
        self._ledger.count(number, self._client.now().date())
        self._save()

    def _ask(self, query: ExportQuery) -> Export | None:
        """Ask for an export: a job for the ledger, or the rows at once.

        It is counted before it is sent, for nobody knows whether a request without an answer was
        counted by impact.com.
        """
        self._count(+1)
        requested = self._client.now()
        try:
            with self._client.open("GET", query.path, query.query) as response:
                answer = receive(response)
        except requests.exceptions.RequestException as error:
            raise RetriableAPIError(f"{explain(error)} (request: an export).") from None
        if isinstance(answer, File):
            if answer.size:
                return Export(query.key, None, requested, requested, answer)
            answer.content.close()
            answer = {}
        found = JOB_ID.search(" ".join(map(str, answer.values())))
        if not found:
            raise FatalAPIError(
                "impact.com answered the request for an export with neither a job nor rows."
            )
        self._ledger.jobs[query.key] = Job(found[1], requested)
        self._save()
        if answer.get("Status") == "COMPLETED":
            self._found_complete.add(query.key)
        return None

    def _collect(self) -> Iterator[Export]:
        """Poll the jobs, and yield each export as soon as it is complete."""
        waited, pause = 0.0, FIRST_PAUSE
        while self._waiting:
            arrived = False
            for key in [*self._waiting]:
                if export := self._fetch(key):
                    arrived = self._has_downloaded = True
                    self._waiting.remove(key)
                    yield export
            if arrived:
                waited, pause = 0.0, FIRST_PAUSE
            elif waited >= self._wait_seconds:
                self._stop_waiting()
            elif self._waiting:
                self._client.sleep(pause)
                waited += pause
                pause = min(pause * 2, MAX_PAUSE)
        if self._denied and not self._has_downloaded and not self._may_download():
            raise self._denied[min(self._denied)]

    def _may_download(self) -> bool:
        """Whether the token has the scope, as far as can be known."""
        return download_need(DOWNLOAD_EXPORTS).check(self._client).has is not False

    def _stop_waiting(self) -> None:
        """Wait for no export any longer."""
        for key in self._waiting:
            self._logger.warning(
                "%s: %s. The next run resumes it.",
                self._queries[key].title,
                "impact.com does not find the export yet"
                if key in self._not_found
                else "the export is still running",
            )
        self._waiting.clear()

    def _fetch(self, key: str) -> Export | None:
        """The export of a key; None if there is none, or none yet."""
        job = self._ledger.jobs[key]
        self._not_found.discard(key)
        try:
            failure = self._ledger.failures.get(key)
            again = failure is not None and failure.times >= FAILURES_BEFORE_REPLAY
            # If it cannot be replayed, it may still have become better by itself.
            if again and not job.replayed and self._replay(key, "could not be used so far"):
                return None
            return self._result(self._queries[key], self._ledger.jobs[key])
        except NotFound:
            self._not_found.add(key)
            self._handle_unknown_job(key, job)
        except ExportFailed as error:
            level = logging.INFO if isinstance(error, ExportOutdated) else logging.WARNING
            if not self._replay(key, str(error), level):
                obstacle = self._replays[key]
                self._postpone(
                    key, f"{error}, and cannot be replayed ({obstacle})" if obstacle else str(error)
                )
        except DownloadDenied as error:
            self._waiting.remove(key)
            self._denied[key] = error
        except ENDING:
            raise
        except (FatalAPIError, RetriableAPIError) as error:
            self._waiting.remove(key)
            self.fail(key, error)
        return None

    def _handle_unknown_job(self, key: str, job: Job) -> None:
        """Wait for a job that impact.com does not know yet; forget one that it no longer knows."""
        now = self._client.now()
        if key not in self._adopted or now - job.requested < MAX_VISIBILITY_DELAY:
            return
        self._logger.warning(
            "%s: impact.com no longer has the export; the next run requests a new one.",
            self._queries[key].title,
        )
        self._waiting.remove(key)
        self._ledger.fail(key, now)
        del self._ledger.jobs[key]
        self._save()

    def _postpone(self, key: str, why: str) -> None:
        """Leave a failed job for a later run."""
        self._waiting.remove(key)
        words = (
            f"the export {why}. A later run replays it; if that does not help, ask impact.com's "
            f"support about job {self._ledger.jobs[key].id}."
        )
        self.fail(key, ExportFailed(words))

    def _result(self, query: ExportQuery, job: Job) -> Export | None:
        """What a job has made; None as long as it runs.

        Raises:
            NotFound: impact.com does not know the job.
            ExportFailed: The job came to an end without a result that can be used.
            DownloadDenied: The token may not have it.
        """
        seen = self._status(job)
        if seen and is_running(seen):
            self._seen_running.add(query.key)
            return None
        is_old = job.requested < query.complete_at and not was_replayed(query, job)
        if seen is None and is_old:
            raise ExportOutdated("was requested before all of its data were known")
        if seen is None and self._replay_if_of_unknown_age(query.key):
            return None
        seen = seen or {}
        if seen and not self._is_complete(query, job, seen):
            if was_replayed(query, job):
                return None  # what is seen is still the result from before the replay
            # A job that was queued before all data were there is never refreshed.
            raise ExportOutdated("was made before all of its data were known")
        answer = self._download(job)
        if isinstance(answer, File) and answer.size == 0:
            # An accident looks like an export without rows: it is believed when it is seen twice.
            answer.content.close()
            answer = self._download(job)
        if isinstance(answer, dict):
            is_running(answer)
            return None
        return Export(
            key=query.key,
            job_id=job.id,
            requested=timestamp_of(seen, "CreatedDate") or job.requested,
            completed=timestamp_of(seen, "CompletedDate"),
            file=answer,
            expected=number(seen.get("RecordsProcessed")),
        )

    def _replay_if_of_unknown_age(self, key: str) -> bool:
        """Begin a job anew whose age cannot be known; whether it was begun.

        The same parameters as ever before give the job that they gave then, and its old data.
        """
        if key not in self._found_complete:
            return False
        why = "was complete before it was requested, and the token may not read since when"
        if self._replay(key, why, logging.INFO):
            return True
        self._found_complete.remove(key)
        self._logger.warning(
            "%s: the export %s. It is taken as it is, for it cannot be replayed (%s).",
            self._queries[key].title,
            why,
            self._replays[key],
        )
        return False

    def _is_complete(self, query: ExportQuery, job: Job, seen: Mapping[str, Any]) -> bool:
        """Whether a finished job has all data, by its dates, or because we have replayed it."""
        if not (completed := timestamp_of(seen, "CompletedDate")):
            return True
        dates = [completed, timestamp_of(seen, "StartedDate")]
        since = query.complete_at
        if job.replayed:
            dates.append(timestamp_of(seen, "LastProgressUpdateDate"))
            since = max(since, job.replayed)
        if any(each and each >= since for each in dates):
            return True
        if not was_replayed(query, job):
            return False
        # A job may keep its dates; but for a while, the result from before may be what is seen.
        settled = self._client.now() - since >= MAX_VISIBILITY_DELAY
        return settled or query.key in self._seen_running

    def _status(self, job: Job) -> dict[str, Any] | None:
        """The job as impact.com has it; None if the token may not look."""
        if self._may_see_jobs:
            try:
                return self._client.get_object(f"/Jobs/{job.id}")
            except AccessDenied:
                self._may_see_jobs = False
                self._logger.info(
                    "The token may not read jobs; downloads are retried until they succeed."
                )
        return None

    def _download(self, job: Job) -> dict[str, Any] | File:
        path = f"/Jobs/{job.id}/Download"
        try:
            return self._client.with_retries(lambda: self._download_once(path), path)
        except AccessDenied as error:
            raise DownloadDenied(str(error)) from None

    def _download_once(self, path: str) -> dict[str, Any] | File:
        with self._client.open("GET", path, self._mode) as response:
            if not response.is_redirect:
                return receive(response)
            address = response.headers["Location"]
        try:
            with self._client.open_signed(address) as signed:
                return receive(signed)
        except requests.exceptions.RequestException as error:
            # A firewall may know impact.com alone, which can send the file itself (Download job).
            self._mode = {"Mode": "Stream"} if is_unanswered(error) else self._mode
            raise RetriableAPIError(f"{explain(error)} (request: a file).") from None

    def _replay(self, key: str, why: str, level: int = logging.WARNING) -> bool:
        """Begin a job anew, once in a run, if nothing hinders it; whether it was begun."""
        if key in self._replays:
            return False
        job = self._ledger.jobs[key]
        self._replays[key] = self._ask_for_replay(job)
        if self._replays[key]:
            return False
        self._seen_running.discard(key)
        self._found_complete.discard(key)
        self._ledger.jobs[key] = job._replace(replayed=self._client.now())
        self._save()
        title = self._queries[key].title
        self._logger.log(level, "%s: the export %s. It is replayed.", title, why)
        return True

    def _ask_for_replay(self, job: Job) -> str | None:
        """Send one request ("Replay a job"); what hinders it, or None."""
        try:
            self._client.open("PUT", f"/Jobs/{job.id}/Replay").close()
        except AccessDenied:
            return "the token lacks Jobs Management > Replay job"
        except (FatalAPIError, RetriableAPIError, requests.exceptions.RequestException) as error:
            return type(error).__name__
        return None


def was_replayed(query: ExportQuery, job: Job) -> bool:
    """Whether we have begun a job anew since its data are all known."""
    return job.replayed is not None and job.replayed >= query.complete_at


def is_running(job: Mapping[str, Any]) -> bool:
    """Whether a job has not ended yet.

    Raises:
        ExportFailed: It came to an end without a result.
    """
    status = str(job.get("Status"))
    if status in FINAL_FAILURES:
        raise ExportFailed(f"ended as {status}")
    return status != "COMPLETED"


def receive(response: requests.Response) -> dict[str, Any] | File:
    """What an answer holds: a job's description, or a file that is now on disk.

    Raises:
        RetriableAPIError: It is an error in disguise, or was cut short.
    """
    if response.status_code == HTTPStatus.ACCEPTED:
        return message(response.content) or {}
    with ExitStack() as until_whole:
        file: IO[bytes] = until_whole.enter_context(TemporaryFile())
        for block in response.iter_content(BLOCK):
            file.write(block)
        file.seek(0)
        if file.read(len(GZIP)) == GZIP:
            file = until_whole.enter_context(unzipped(file))
        if not is_utf8(file):
            file = until_whole.enter_context(in_utf8(file))
        size = file.seek(0, SEEK_END)
        file.seek(0)
        if size < MAX_MESSAGE_BYTES and (found := message(file.read())):
            return found
        refuse_cut(file, size)
        until_whole.pop_all()
    return File(file, size)


def message(content: bytes) -> dict[str, Any] | None:
    """The job that a small answer describes; None if it is something else.

    Raises:
        RetriableAPIError: It is an error.
    """
    try:
        found = decode(content)
    except NOT_JSON:
        return None
    if not isinstance(found, dict) or str(found.get("Status")) not in STATUSES:
        return None
    if found.keys() & {"Id", "QueuedUri", "ResultUri"}:
        return found
    if found["Status"] == "ERROR":
        raise RetriableAPIError("impact.com answered with an error in place of an export.")
    return None


def unzipped(zipped: IO[bytes]) -> IO[bytes]:
    """A file's content, of which every byte was checked.

    Raises:
        RetriableAPIError: It is damaged, or was cut short.
    """
    file: IO[bytes] = TemporaryFile()  # noqa: SIM115 - the caller closes it
    zipped.seek(0)
    try:
        with gzip.GzipFile(fileobj=zipped) as content:
            shutil.copyfileobj(content, file, BLOCK)
    except (EOFError, gzip.BadGzipFile, zlib.error):
        file.close()
        raise RetriableAPIError("The export's file is damaged, or was cut short.") from None
    zipped.close()
    return file


def is_utf8(file: IO[bytes]) -> bool:
    """Whether a file is text in UTF-8."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    file.seek(0)
    try:
        while block := file.read(BLOCK):
            decoder.decode(block)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def in_utf8(file: IO[bytes]) -> IO[bytes]:
    """A file's content, with U+FFFD for what is not UTF-8: a text is not worth a day's rows."""
    clean: IO[bytes] = TemporaryFile()  # noqa: SIM115 - the caller closes it
    file.seek(0)
    for text in codecs.iterdecode(iter(partial(file.read, BLOCK), b""), "utf-8", "replace"):
        clean.write(text.encode())
    file.close()
    logging.getLogger(__name__).warning(
        "An export's file holds bytes that are not UTF-8; they are replaced by U+FFFD."
    )
    return clean


def refuse_cut(file: IO[bytes], size: int) -> None:
    """Look at both ends of a file, before anything of it is emitted.

    Raises:
        RetriableAPIError: It is a page for people, or JSON that was cut short.
        FatalAPIError: It is XML.
    """
    kind = file_format(file)
    file.seek(max(size - BLOCK, 0))
    end = file.read().rstrip()[-1:]
    if kind == "JSON" and end not in {b"", b"}", b"]"}:
        raise RetriableAPIError("The export's file was cut short.")
    if kind == "XML":
        file.seek(0)
        head = file.read(MAX_MESSAGE_BYTES).lower()
        if b"<html" in head or b"<status>error" in head:
            raise RetriableAPIError("A page or an error came in place of an export.")
        raise FatalAPIError("The export's file is XML, though JSON was requested.")
