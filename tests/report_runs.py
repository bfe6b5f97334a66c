"""Runs with reports, and the tables that they fill, compared with the reports themselves."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any
from unittest import mock

from tap_impact.sources.reports import ReportsSource
from tap_impact.streams import STREAMS
from tap_impact.tap import TapImpact
from tests.inside import run_inside
from tests.runs import all_streams, only, without_properties
from tests.sandbox.client import ask
from tests.tables import Tables, load

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from impact_sandbox.server import Sandbox, SeenRequest

    from tests.runs import Run

# What the tap adds, which says how a row was read, not what the report says.
OF_THE_READING = {"period", "period_start", "period_end", "read_at", "row_key"}


@dataclass
class ReportRuns:
    """A tap and a target that share a state; `reports` is the setting."""

    sandbox: Sandbox
    reports: list[Any]
    settings: dict[str, Any]
    others: tuple[str, ...] = ()
    """Other streams that are selected."""
    state: dict[str, Any] | None = None
    tables: Tables = field(default_factory=dict)

    @property
    def today(self) -> date:
        """The day of the account, where it is as far west as it may be."""
        return (self.sandbox.at - timedelta(hours=12)).date()

    @property
    def config(self) -> dict[str, Any]:
        now = {"end_date": self.sandbox.at.isoformat()}
        return self.sandbox.settings() | now | self.settings | {"reports": self.reports}

    def selects(self, stream: str) -> bool:
        return stream.startswith("report_") or stream in self.others

    def tap(self) -> TapImpact:
        """A tap without the fixed streams that are not selected: the SDK takes long over them."""
        fixed = [stream for stream in STREAMS if self.selects(stream.name)]
        with mock.patch("tap_impact.tap.STREAMS", fixed):
            return TapImpact(config=self.config)

    def catalog(self) -> dict[str, Any]:
        found = {entry["tap_stream_id"]: entry for entry in self.tap().catalog_dict["streams"]}
        others = [without_properties(name) for name in all_streams() if name not in found]
        return only({"streams": [*found.values(), *others]}, *filter(self.selects, found))

    def run(self, *, sleep: Callable[[float], object] = lambda _: None) -> Run:
        """One run at the sandbox's own time. Whatever it writes is loaded."""
        catalog = self.catalog()
        self.sandbox.requests.clear()
        run = run_inside(self.config, catalog=catalog, state=self.state, sleep=sleep)
        self.state = load(self.tables, run) or self.state
        return run

    def table(self, stream: str) -> list[dict[str, Any]]:
        return [*self.tables.get(stream, {}).values()]

    def current(self, stream: str) -> list[dict[str, Any]]:
        """The rows of a report as it is now, as the documentation's SQL has them."""
        read = {
            row["period"]: row["read_at"]
            for row in self.table("report_periods")
            if row["report"] == stream
        }
        return [row for row in self.table(stream) if row["read_at"] >= read[row["period"]]]

    def truth(self, stream: str, first: date, last: date) -> list[dict[str, Any]]:
        """What the report says now, as records of the stream."""
        source = self.tap().impact_streams[stream].source
        assert isinstance(source, ReportsSource)
        report = source.reports[stream]
        asked = len(self.sandbox.requests)
        answer = ask(self.sandbox, f"/Reports/{report.id}", **report.asked(first, last))
        del self.sandbox.requests[asked:]
        assert answer.status_code == 200, answer.text
        rows = answer.json()["Records"]
        return [report.record_map.record(report.names.renamed(row)) for row in rows]

    def wrong(self, stream: str, first: date, last: date) -> Counter[str]:
        """What the table has of a span and the report has not, or the other way round."""
        held = Counter(
            identity(row)
            for row in self.current(stream)
            if first.isoformat() <= row["period_start"] <= last.isoformat()
        )
        shown = Counter(map(identity, self.truth(stream, first, last)))
        return (held - shown) + (shown - held)

    def asked(self, *resources: str) -> list[SeenRequest]:
        """The last run's requests of some resources."""
        return [seen for seen in self.sandbox.requests if seen.resource in resources]


def identity(row: dict[str, Any]) -> str:
    """All that a report says in a row."""
    return json.dumps(
        {
            name: str(value)
            for name, value in row.items()
            if name not in OF_THE_READING
            and not name.startswith("connection_")
            and name not in {"additional_fields", "report_id"}
        },
        sort_keys=True,
    )


def days(first: date, last: date) -> Iterable[date]:
    return (first + timedelta(days=number) for number in range((last - first).days + 1))
