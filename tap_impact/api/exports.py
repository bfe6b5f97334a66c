"""The life of click exports: asked for once, waited for, adopted, replayed, brought to disk.

An export is of one day. It is queued as a job, ten times a day at the most, and the request that
queues it has effects, so it is never repeated. What must not be lost is a job's id: the ledger
holds it from the moment of its birth until its day is loaded.
"""

from __future__ import annotations

import gzip
import re
import shutil
import zlib
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, tzinfo
from http import HTTPStatus
from os import SEEK_END
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING, Any, NamedTuple

import msgspec
import requests
from singer_sdk.exceptions import FatalAPIError, RetriableAPIError

from tap_impact.api.export_files import BLOCK, file_format
from tap_impact.api.pages import decode
from tap_impact.api.rate_limit import number
from tap_impact.errors import AccessDenied, NotFound, RateLimited
from tap_impact.progress.click_days import last_day_over
from tap_impact.records.fields import is_blank
from tap_impact.records.instants import iso, parse_instant, zoned

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from tap_impact.api.client import ImpactClient

# "ERROR: the job failed and is tried again, every 15 minutes, at most five times"; FAILED and
# CANCELLED are final (Jobs object).
FINAL_FAILURES = {"FAILED", "CANCELLED"}

# A typical job runs for five seconds (Jobs overview).
FIRST_PAUSE = 1.0
LONGEST_PAUSE = 60.0

# No job's description, and no error, is as large as this.
LARGEST_MESSAGE = 1 << 16

JOB_ID = re.compile(r"/Jobs/([^/? ]+)")
GZIP = b"\x1f\x8b"


class DownloadDenied(AccessDenied):
    """The token may ask for exports, but not download them."""


class ExportFailed(Exception):
    """A job came to an end without a result that can be used."""


class Job(NamedTuple):
    """An export that was asked for."""

    id: str
    requested: datetime


class File(NamedTuple):
    """A file on disk, at its beginning."""

    content: IO[bytes]
    """Without a name: it is gone as soon as it is closed, or the process ends."""
    size: int
    """Bytes, uncompressed."""


class Export(NamedTuple):
    """One day's clicks."""

    day: date
    job_id: str | None
    """None if impact.com answered with the clicks at once."""
    requested: datetime
    completed: datetime | None
    """None if the token may not look at jobs."""
    file: File


@dataclass
class Ledger:
    """What must outlive a run: the jobs whose days are not loaded yet, and the quota's use."""

    today: date
    """The day of the quota, in UTC."""
    asked: int = 0
    """Exports asked for on that day."""
    jobs: dict[date, Job] = field(default_factory=dict)

    @classmethod
    def of_bookmark(cls, bookmark: Mapping[str, Any], *, today: date) -> Ledger:
        """Read it from Singer state.

        Raises:
            ValueError, KeyError: The bookmark is not one that this version wrote.
        """
        jobs = {
            date.fromisoformat(day): Job(job["id"], parse_instant(job["requested"]))
            for day, job in (bookmark.get("jobs") or {}).items()
        }
        asked = (bookmark.get("exports_asked") or {}).get(today.isoformat(), 0)
        return cls(today, asked, jobs)

    def bookmark(self) -> dict[str, Any]:
        """Write it as Singer state."""
        return {
            "exports_asked": {self.today.isoformat(): self.asked},
            "jobs": {
                day.isoformat(): {"id": job.id, "requested": iso(job.requested)}
                for day, job in sorted(self.jobs.items())
            },
        }


class Exports:
    """The exports of one run.

    Attributes:
        refusal: why no more exports were asked for, None if nothing stood in the way.
        trouble: what went wrong with the last export that was asked for.
    """

    def __init__(
        self,
        client: ImpactClient,
        ledger: Ledger,
        keep: Callable[[], None],
        *,
        now: datetime,
        zone: tzinfo | None,
        most_per_day: int,
        patience_seconds: float,
        logger: logging.Logger,
    ) -> None:
        """Send nothing yet.

        Args:
            client: the conversation with impact.com.
            ledger: what earlier runs left.
            keep: makes the ledger outlive this process, at once.
            now: the start of the run.
            zone: where days end; None if that is not known.
            most_per_day: new exports in a UTC day.
            patience_seconds: for how long to wait while nothing arrives.
            logger: where to say how it goes.
        """
        self.refusal: str | None = None
        self.trouble: FatalAPIError | RetriableAPIError | None = None
        self._client = client
        self._ledger = ledger
        self._keep = keep
        self._now = now
        self._zone = zone
        self._most_per_day = most_per_day
        self._patience_seconds = patience_seconds
        self._logger = logger
        self._may_look = True
        self._mode: dict[str, str] | None = None
        self._waiting: set[date] = set()
        self._replayed: set[date] = set()

    @property
    def left_today(self) -> int:
        """How many exports may still be asked for in this UTC day."""
        return max(self._most_per_day - self._ledger.asked, 0)

    def arriving(self, days: Iterable[date]) -> Iterator[Export]:
        """The exports of days, as they arrive; new ones are asked for in the order of the days.

        All that the quota allows are queued before the first is waited for, so impact.com works on
        the later ones while the earlier ones are loaded. Whoever has loaded a day takes its job out
        of the ledger; until then the next run finds it there, finished or not.

        Raises:
            AccessDenied, FatalAPIError, RetriableAPIError: as the client says.
        """
        days = [*days]
        new = [day for day in days if day not in self._ledger.jobs]
        for day in new:
            if not self.left_today:
                tomorrow = self._ledger.today + timedelta(days=1)
                self.refusal = (
                    f"the {self._most_per_day} exports of {self._ledger.today} (UTC) are used. It "
                    f"goes on with the first run after {tomorrow}T00:00:00Z"
                )
                break
            try:
                export = self._ask(day)
            except RateLimited as error:
                self._count(-1)
                self.refusal = "impact.com gives no more exports for now"
                if error.seconds is not None:
                    again = self._now + timedelta(seconds=round(error.seconds))
                    self.refusal += f". It goes on with the first run after {iso(again)}"
                break
            except (FatalAPIError, RetriableAPIError) as error:
                if isinstance(error, AccessDenied):
                    raise
                self.trouble = type(error)(
                    f"Clicks of {day}: {error} The request may have been counted, so it is not "
                    "repeated; the next run asks for the day again."
                )
                break
            if export:
                yield export
        self._waiting = {*days} & self._ledger.jobs.keys()
        yield from self._collect()

    def _count(self, number: int) -> None:
        self._ledger.asked += number
        self._keep()

    def _ask(self, day: date) -> Export | None:
        """Ask for a day's clicks: a job for the ledger, or the clicks at once.

        It is counted before it is sent, for nobody knows whether a request without an answer was
        counted by impact.com.
        """
        self._count(+1)
        query = {"Date": day.isoformat(), "ResultFormat": "JSON"}
        try:
            with self._client.open("GET", "/ClickExport", query) as response:
                answer = receive(response)
        except requests.exceptions.RequestException as error:
            raise RetriableAPIError(
                f"impact.com gave no answer to the request for an export ({type(error).__name__})."
            ) from None
        if isinstance(answer, File):
            if answer.size:
                return Export(day, None, self._now, self._now, answer)
            answer.content.close()
            answer = {}
        found = JOB_ID.search(" ".join(map(str, answer.values())))
        if not found:
            raise FatalAPIError(
                "impact.com answered the request for an export with neither a job nor clicks."
            )
        self._ledger.jobs[day] = Job(found[1], self._now)
        self._keep()
        return None

    def _collect(self) -> Iterator[Export]:
        waited, pause = 0.0, FIRST_PAUSE
        while self._waiting:
            arrived = False
            for day in sorted(self._waiting, reverse=True):
                if export := self._fetch(day):
                    arrived = True
                    self._waiting.remove(day)
                    yield export
            if arrived:
                waited, pause = 0.0, FIRST_PAUSE
            elif waited >= self._patience_seconds:
                self._leave()
            elif self._waiting:
                self._client.sleep(pause)
                waited += pause
                pause = min(pause * 2, LONGEST_PAUSE)

    def _leave(self) -> None:
        """Wait for no export any longer."""
        for day in sorted(self._waiting, reverse=True):
            self._logger.warning(
                "Clicks of %s: not exported yet. The next run takes the same export over.", day
            )
        self._waiting.clear()

    def _fetch(self, day: date) -> Export | None:
        """The export of a day; None if there is none, or none yet."""
        job = self._ledger.jobs[day]
        try:
            return self._result(day, job)
        except NotFound:
            self._logger.warning(
                "Clicks of %s: impact.com no longer has the export; the next run asks for a new "
                "one.",
                day,
            )
            del self._ledger.jobs[day]
            self._waiting.remove(day)
            self._keep()
        except ExportFailed as failure:
            self._replay(day, job, failure)
        except (AccessDenied, RateLimited):
            raise
        except FatalAPIError as error:
            self._waiting.remove(day)
            self.fail(day, error)
        return None

    def fail(self, day: date, error: FatalAPIError) -> None:
        """Leave a day open, and go on with the others; the run fails at its end."""
        self.trouble = FatalAPIError(f"Clicks of {day}: {error}")
        self._logger.error(self.trouble)

    def _result(self, day: date, job: Job) -> Export | None:
        """The export of a day; None as long as its job runs.

        Raises:
            NotFound: impact.com has forgotten the job.
            ExportFailed: The job came to an end without a result that can be used.
            DownloadDenied: The token may not have it.
        """
        seen = self._look(job)
        if seen and is_running(seen):
            return None
        seen = seen or {}
        completed = instant(seen, "CompletedDate")
        if completed and day > last_day_over(completed, self._zone):
            if day in self._replayed:
                return None  # what is seen is still the result from before the replay
            # Whoever asked for this day while it lasted made a job that is never refreshed.
            raise ExportFailed("was made before the day was over")
        answer = self._download(job)
        if isinstance(answer, File) and answer.size == 0:
            # An accident looks like a day without clicks: it is believed when it is seen twice.
            answer.content.close()
            answer = self._download(job)
        if isinstance(answer, dict):
            is_running(answer)
            return None
        if answer.size == 0 and number(seen.get("RecordsProcessed")):
            answer.content.close()
            raise FatalAPIError(
                f"The export of {day} came as an empty file, though impact.com counts "
                f"{seen['RecordsProcessed']} clicks. State is safe: run again."
            )
        requested = instant(seen, "CreatedDate") or job.requested
        return Export(day, job.id, requested, completed, answer)

    def _look(self, job: Job) -> dict[str, Any] | None:
        """The job as impact.com has it; None if the token may not look."""
        if self._may_look:
            try:
                found: dict[str, Any] = self._client.get(f"/Jobs/{job.id}")
            except AccessDenied:
                self._may_look = False
                self._logger.info(
                    "The token may not look at jobs; their downloads are tried until they work."
                )
            else:
                return found
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
            signed = self._client.open_signed(address)
        except requests.exceptions.ConnectionError:
            # A firewall may know impact.com alone, which can send the file itself (Download job).
            self._mode = {"Mode": "Stream"}
            raise
        with signed:
            return receive(signed)

    def _replay(self, day: date, job: Job, failure: ExportFailed) -> None:
        """Begin a job that failed anew, once in a run ("Replay a job")."""
        why = str(failure)
        if day not in self._replayed:
            self._replayed.add(day)
            try:
                self._client.open("PUT", f"/Jobs/{job.id}/Replay").close()
            except (
                FatalAPIError,
                RetriableAPIError,
                requests.exceptions.RequestException,
            ) as error:
                lacks = "the token lacks Jobs Management > Replay job"
                reason = lacks if isinstance(error, AccessDenied) else type(error).__name__
                why += f", and cannot be replayed ({reason})"
            else:
                self._logger.warning("Clicks of %s: the export %s. It is replayed.", day, why)
                return
        self._waiting.remove(day)
        self._logger.error(
            "Clicks of %s: the export %s. The day is left open, and the next run replays it; if "
            "that does not help, ask impact.com's support about job %s.",
            day,
            why,
            job.id,
        )


def is_running(job: Mapping[str, Any]) -> bool:
    """Whether a job has not come to an end yet.

    Raises:
        ExportFailed: It came to an end without a result.
    """
    status = str(job.get("Status"))
    if status in FINAL_FAILURES:
        raise ExportFailed(f"ended as {status}")
    return status != "COMPLETED"


def instant(job: Mapping[str, Any], name: str) -> datetime | None:
    """One of a job's dates; None if it has not come, or cannot be read."""
    value = job.get(name)
    try:
        return None if is_blank(value) else zoned(str(value))
    except (ValueError, TypeError):
        return None


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
        size = file.seek(0, SEEK_END)
        file.seek(0)
        if size < LARGEST_MESSAGE and (found := message(file.read())):
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
    except msgspec.DecodeError:
        return None
    if not isinstance(found, dict) or "Status" not in found:
        return None
    if found["Status"] == "ERROR" and not found.keys() & {"Id", "QueuedUri"}:
        raise RetriableAPIError("impact.com answered with an error in place of clicks.")
    return found


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
        head = file.read(LARGEST_MESSAGE).lower()
        if b"<html" in head or b"<status>error" in head:
            raise RetriableAPIError("A page or an error came in place of clicks.")
        raise FatalAPIError("The export's file is XML, though JSON was asked for.")
