"""An impact.com that answers in every way that was ever documented or met, day after day."""

from __future__ import annotations

from collections import Counter
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import TYPE_CHECKING, Any

from impact_sandbox import faults
from impact_sandbox.faults import ABSENT, PASSING
from impact_sandbox.server import Sandbox
from impact_sandbox.world import World

from tests.clocks import machine_clock
from tests.pipeline import STREAMS, Pipeline

if TYPE_CHECKING:
    from impact_sandbox.faults import Fault
    from impact_sandbox.server import SeenRequest

    from tests.runs import Run

FIRST = datetime(2026, 6, 1, 15, tzinfo=UTC)
MOST_CALM_DAYS = 21
"""An export that failed again and again is tried again after a week."""
PLENTY: dict[str, Any] = {"hourly_detail": 10**6, "hourly_other": 10**6}
LIES = (faults.empty(), faults.status(204, b""), faults.without_list())
"""Answers that look like an empty list; when it comes twice, it is believed."""
SHIFTS = tuple(faults.shifted(rows) for rows in (-2, 1, 3))
"""Rows that came or went since the first page was read."""
LISTS = ("Actions", "ActionUpdates", "Campaigns", "Account")
ODD = (
    faults.html(),
    faults.error_with_200(),
    faults.wrapped(),
    faults.one_object(),
    *(faults.envelope("@total", value) for value in ("0", "9999", ABSENT)),
    *(faults.envelope("@nextpageuri", value) for value in (None, ABSENT)),
    faults.field_of_row("EventDate", "soon"),
    faults.field_of_row("LockingDate", "9999-12-31T23:59:59-08:00"),
    faults.field_of_row("Payout", "free"),
    faults.field_of_row("CustomerCity", "Nul\x00"),
    faults.field_of_row("Brandnew", {"a": [1]}),
)
FILES = (
    b'{"Clicks":[]}',
    b'{"Errors":[],"Clicks":[]}',
    b'{"Errors":[{"Message":"no"}]}',
    b'{"Clicks":[{',
    b'{"Status":"OK"}',
    b'[{"Click":{}}]',
    b"Id,ProgramId,EventDate\n",
    b"\xe9",
)
OF_EXPORTS = {
    "files": (*(faults.status(200, content) for content in FILES), faults.status(404)),
    "Jobs": (faults.status(404), faults.status(400)),
}
"""What comes in place of a file or of a job, and is neither."""
SWITCHES: dict[str, tuple[Any, ...]] = {
    "lists": ("list", "lone", "wrapped", "lone_wrapped"),
    "empty_page": ("list", "null", "absent"),
    "last_nextpageuri": ("blank", "null", "absent", "own"),
    "items_key": ("ActionItems", "Items"),
    "largest_page": (20_000, 7),
    "page_size_below_minimum": ("accept", "clamp", "refuse"),
    "far_future": ("refuse", "empty"),
    "locked_state": ("APPROVED", "LOCKED"),
    "gzip": (False, True),
    "click_export": ("job", "job", "job", "sync"),
    "job_life": (("COMPLETED",), ("QUEUED", "ERROR", "COMPLETED"), ("FAILED",)),
    "replay_life": (("COMPLETED",), ("QUEUED", "COMPLETED"), ("FAILED",)),
    "job_seconds": (0.0, 0.0, 0.0, 3600.0),
    "export_shape": ("object", "list", "lines"),
    "export_nesting": ("flat", "list", "object"),
    "export_gzip": (False, True),
    "click_words": ("live", "documented"),
    "empty_export": ("list", "nothing"),
}
CALM = {name: values[0] for name, values in SWITCHES.items()}
NEEDS = {
    "account": {"Account"},
    "campaigns": {"Campaigns"},
    "actions": {"Actions"},
    "action_updates": {"ActionUpdates"},
}
"""The resources whose troubles may keep a stream from being whole that day."""


@dataclass
class Day:
    """What goes wrong on a day: here and there, and with one resource perhaps always."""

    rng: Random
    share: float
    ill: str
    illness: Fault
    lied: set[str] = field(default_factory=set)

    def strike(self, seen: SeenRequest) -> Fault | None:
        """Return the fault of a request."""
        if self.ill == seen.resource:
            return self.illness
        if self.rng.random() >= self.share:
            return None
        if seen.resource not in LISTS:
            return self.rng.choice(PASSING + OF_EXPORTS.get(seen.resource, ()))
        asked = f"{seen.path}?{seen.query}"
        lies = () if asked in self.lied else LIES
        self.lied.add(asked)
        return self.rng.choice(ODD + lies + (SHIFTS if "Page" in seen.query else ()))


@dataclass
class OddAccount:
    """A pipeline over an account of which much goes wrong, then nothing."""

    seed: int
    days: int
    runs: Counter[int] = field(default_factory=Counter)
    """By exit code."""
    struck: int = 0

    def live(self) -> None:
        """Live through all days.

        Raises:
            AssertionError: A run did not end well, a stream was starved by another's trouble, or
                something is missing at the end.
        """
        rng = Random(f"odd {self.seed}")  # noqa: S311 - no secret
        world = World(
            seed=f"odd {self.seed}", actions_per_day=2, clicks_per_day=6, opened=date(2026, 4, 1)
        )
        with Sandbox(world, at=FIRST, **PLENTY) as impact:
            pipe = Pipeline(
                impact,
                {
                    "start_date": "2026-05-20T00:00:00+00:00",
                    "click_start_date": "2026-05-25",
                    "timezone": "America/Los_Angeles",
                    "export_wait_seconds": 30,
                },
                (*STREAMS, "action_items"),
            )
            for _ in range(self.days):
                self._odd_day(pipe, rng)
                impact.advance(86_400)
            impact.spoil([])
            impact.switch(**CALM)
            for _ in range(MOST_CALM_DAYS):
                run = self._run(pipe)
                if not (missing := self._not_whole(pipe)):
                    break
                impact.advance(86_400)
            assert not missing, (self.seed, missing, run.stderr)
            assert run.exit_code == 0, (self.seed, run.stderr)

    def _odd_day(self, pipe: Pipeline, rng: Random) -> None:
        impact = pipe.sandbox
        impact.switch(**{name: rng.choice(values) for name, values in SWITCHES.items()})
        ill = rng.choice(("", "", *LISTS, "ClickExport", "Jobs", "files"))
        illness = faults.status(rng.choice((400, 404, 500, 403)))
        impact.spoil(Day(rng, rng.choice((0.0, 0.02, 0.2)), ill, illness))
        hours = rng.choice((0, 0, 0, 5, -7, 22))
        clock = machine_clock(impact.at + timedelta(hours=hours)) if hours else nullcontext()
        with clock:
            self._run(pipe)
        troubled = {seen.resource for seen in impact.requests if seen.fault}
        self.struck += sum(bool(seen.fault) for seen in impact.requests)
        healthy = {stream for stream, needs in NEEDS.items() if not needs & troubled}
        starved = healthy & self._not_whole(pipe)
        assert not starved, (self.seed, starved, impact.at)

    def _run(self, pipe: Pipeline) -> Run:
        pipe.sandbox.file_requests.clear()
        run = pipe.run_by_the_clock()
        self.runs[run.exit_code] += 1
        assert run.exit_code in {0, 1}, (self.seed, run.stderr)
        assert "Traceback" not in run.stderr, (self.seed, run.stderr)
        assert "bug in the tap" not in run.stderr, (self.seed, run.stderr)
        return run

    def _not_whole(self, pipe: Pipeline) -> set[str]:
        """The streams that are not whole, but for values that were named as unreadable."""
        found = pipe.not_whole()
        for stream, key, wrong in (
            ("actions", "id", pipe.wrong_actions),
            ("action_items", "action_id", pipe.wrong_items),
        ):
            if wrong() <= {row[key] for row in pipe.table(stream) if row["additional_fields"]}:
                found -= {stream}
        return found
