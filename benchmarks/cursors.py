"""What other ways of reading would hold of the same account, beside what the tap holds.

    python benchmarks/cursors.py [DAYS]

Each way runs once a day against the sandbox, keeps what it was given by id, and is compared with
the sandbox's truth after its last run: actions since the start of the history that are missing, and
those whose state, payout, amount, locking date or cleared date is not what impact.com shows.
"""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import requests
from impact_sandbox.server import Sandbox
from impact_sandbox.world import World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FIRST_RUN = datetime(2026, 2, 2, 6, 10, tzinfo=UTC)
HISTORY = timedelta(days=400)
WIDEST = timedelta(days=44)
FACTS = ("State", "Payout", "Amount", "LockingDate", "ClearedDate")

Row = dict[str, Any]


def get(sandbox: Sandbox, feed: tuple[str, str], start: datetime, end: datetime) -> Iterator[Row]:
    """Ask for a span, in windows that the API allows."""
    while start < end:
        stop = min(start + WIDEST, end)
        span = dict(zip(feed, (start.isoformat(), stop.isoformat()), strict=True))
        answer = requests.get(
            f"{sandbox.url}/Mediapartners/{sandbox.world.account_sid}/Actions",
            params=span | {"PageSize": "20000"},
            auth=(sandbox.world.account_sid, sandbox.world.auth_token),
            headers={"Accept": "application/json"},
            timeout=60,
        )
        answer.raise_for_status()
        yield from answer.json()["Actions"]
        start = stop


class EventDateCursor:
    """From the newest event date seen to now: the bookmark that a replication key suggests."""

    def __init__(self) -> None:
        self.newest = FIRST_RUN - HISTORY

    def run(self, sandbox: Sandbox) -> Iterator[Row]:
        for row in get(sandbox, ("ActionDateStart", "ActionDateEnd"), self.newest, sandbox.at):
            self.newest = max(self.newest, datetime.fromisoformat(row["EventDate"]))
            yield row


class UpdatedCursor:
    """History by event date, then what was updated since the last run."""

    def __init__(self) -> None:
        self.last: datetime | None = None

    def run(self, sandbox: Sandbox) -> Iterator[Row]:
        if self.last is None:
            start, feed = FIRST_RUN - HISTORY, ("ActionDateStart", "ActionDateEnd")
        else:
            start, feed = self.last - timedelta(hours=2), ("StartDate", "EndDate")
        yield from get(sandbox, feed, start, sandbox.at)
        self.last = sandbox.at


class TwelveMonthRewind:
    """All of the last twelve months by event date, every time."""

    def run(self, sandbox: Sandbox) -> Iterator[Row]:
        start = sandbox.at - timedelta(days=365)
        yield from get(sandbox, ("ActionDateStart", "ActionDateEnd"), start, sandbox.at)


class ThisTap:
    """The tap itself, a process a run."""

    def __init__(self) -> None:
        self.state: dict[str, Any] = {}

    def run(self, sandbox: Sandbox) -> Iterator[Row]:
        config = sandbox.settings() | {
            "start_date": (FIRST_RUN - HISTORY).isoformat(),
            "end_date": sandbox.at.isoformat(),
        }
        command = Path(sys.executable).with_name("tap-impact")
        with TemporaryDirectory() as folder:
            for name, content in (("config", config), ("state", self.state)):
                Path(folder, name).write_text(json.dumps(content))
            catalog = json.loads(subprocess.check_output([command, "--discover"], stderr=-3))
            for stream in catalog["streams"]:
                root = next(m for m in stream["metadata"] if not m["breadcrumb"])
                root["metadata"]["selected"] = stream["tap_stream_id"] == "actions"
            Path(folder, "catalog").write_text(json.dumps(catalog))
            options = [f"--{name}={folder}/{name}" for name in ("config", "state", "catalog")]
            lines = subprocess.check_output([command, *options], stderr=-3).splitlines()
        for message in (json.loads(line, parse_float=Decimal) for line in lines):
            if message["type"] == "STATE":
                self.state = message["value"]
            elif message["type"] == "RECORD":
                record = message["record"]
                yield {"Id": record["id"]} | {
                    fact: record[name]
                    for fact, name in zip(
                        FACTS,
                        ("state", "payout", "amount", "locking_date", "cleared_date"),
                        strict=True,
                    )
                }


def facts(row: Row) -> tuple[Any, ...]:
    """What is compared, whichever way it was written."""
    state, payout, amount, locking, cleared = (row[fact] for fact in FACTS)
    return (
        state,
        *(None if number in ("", None) else Decimal(number) for number in (payout, amount)),
        *(datetime.fromisoformat(date) if date else None for date in (locking, cleared)),
    )


def main(days: int) -> None:
    world = World(seed="cursors", actions_per_day=20)
    ways: dict[str, Callable[[], Any]] = {
        "event-date cursor": EventDateCursor,
        "updated cursor": UpdatedCursor,
        "12-month rewind": TwelveMonthRewind,
        "tap-impact": ThisTap,
    }
    print(f"{days} daily runs, {HISTORY.days} days of history before the first")
    print(
        f"{'':<20}{'actions':>9}{'missing':>9}{'wrong':>7}{'payout off by':>15}{'requests/run':>14}"
    )
    for name, way in ways.items():
        reader, table = way(), {}
        with Sandbox(world, at=FIRST_RUN, hourly_detail=100_000) as sandbox:
            for day in range(days + 1):
                sandbox.set_time(FIRST_RUN + timedelta(days=day))
                if day == 1:
                    sandbox.requests.clear()
                table.update({row["Id"]: facts(row) for row in reader.run(sandbox)})
            truth = {
                row["Id"]: facts(row)
                for row in world.actions(sandbox.at)
                if datetime.fromisoformat(row["EventDate"]) >= FIRST_RUN - HISTORY
            }
            missing = truth.keys() - table.keys()
            wrong = [key for key in truth if key in table and table[key] != truth[key]]
            off = sum(abs(truth[k][1] - table[k][1]) for k in wrong) + sum(
                truth[k][1] for k in missing
            )
            print(
                f"{name:<20}{len(truth):>9,}{len(missing):>9,}{len(wrong):>7,}{off:>15,.2f}"
                f"{len(sandbox.requests) / days:>14.1f}"
            )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 60)
