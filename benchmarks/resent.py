"""How many rows of daily runs were sent before, word for word, and what it would take to know them.

    python -m benchmarks.resent [DAYS]

The tap runs once a day against the sandbox. A row is resent if the last one of its key was the
same. To leave such rows out, state would have to hold a digest of each row that a later run may
see again; or, of actions, one of all that lock on the same day, which spares them only together.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from datetime import UTC, datetime, timedelta

from impact_sandbox.server import Sandbox
from impact_sandbox.world import World

from tap_impact.tap import TapImpact
from tests.inside import run_inside
from tests.runs import only

FIRST_RUN = datetime(2026, 2, 2, 6, 10, tzinfo=UTC)
HISTORY = timedelta(days=120)
STREAMS = ("actions", "action_updates", "action_items", "report_daily_performance")
DIGEST = 11
"""Bytes of a digest of 64 bits, in base64."""


class Told:
    """What was sent of a stream."""

    def __init__(self) -> None:
        self.held: dict[str, str] = {}
        self.days: dict[str, set[str]] = {}
        self.sent = self.resent = self.resent_by_day = self.again = 0

    def run(self, rows: dict[str, tuple[str, str]]) -> None:
        """Count what a run sends: for each key, the day on which it locks, and the row."""
        days = defaultdict(set)
        for day, row in rows.values():
            days[day].add(row)
        same = {key for key, (_, row) in rows.items() if self.held.get(key) == row}
        whole = {day for day, of_day in days.items() if self.days.get(day) == of_day}
        self.sent += len(rows)
        self.resent += len(same)
        self.resent_by_day += sum(rows[key][0] in whole for key in same)
        self.again = sum(len(key) + DIGEST for key in same)
        self.held |= {key: row for key, (_, row) in rows.items()}
        self.days |= days


def main(days: int) -> None:
    """Run the days, and count."""
    world = World(seed="resent", actions_per_day=20, clicks_per_day=40)
    told = {name: Told() for name in STREAMS}
    state = catalog = None
    with Sandbox(world, at=FIRST_RUN, hourly_detail=10**6, hourly_other=10**6) as impact:
        for day in range(days + 1):
            impact.set_time(FIRST_RUN + timedelta(days=day))
            config = impact.settings() | {
                "start_date": (FIRST_RUN - HISTORY).isoformat(),
                "end_date": impact.at.isoformat(),
                "reports": ["daily_performance"],
            }
            catalog = catalog or only(
                json.loads(TapImpact(config=config).catalog_json_text), *STREAMS
            )
            run = run_inside(config, catalog=catalog, state=state)
            if run.exit_code:
                sys.exit(run.stderr)
            state = run.state
            keys: dict[str, list[str]] = {}
            rows: dict[str, dict[str, tuple[str, str]]] = {name: {} for name in STREAMS}
            for message in run.messages:
                if message["type"] == "SCHEMA":
                    keys[message["stream"]] = message["key_properties"]
                elif message["type"] == "RECORD" and message["stream"] in rows:
                    stream, record = message["stream"], message["record"]
                    key = " ".join(str(record[name]) for name in keys[stream])
                    record.pop("read_at", None)  # rows of reports say when they were read
                    text = json.dumps(record, sort_keys=True, default=str)
                    rows[stream][key] = str(record.get("locking_date"))[:10], text
            for stream, of_run in rows.items():
                told[stream].run(of_run)
            if not day:
                for each in told.values():
                    each.sent = each.resent = each.resent_by_day = 0
    print(f"{days} daily runs after the first; state has {len(json.dumps(state)):,} bytes")
    for name, each in told.items():
        print(
            f"{name}: {each.sent:,} sent, {each.resent:,} resent unchanged; "
            f"{each.again:,} bytes of keys and digests in state"
        )
    print(f"actions by locking day: {told['actions'].resent_by_day:,} would be spared")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 60)
