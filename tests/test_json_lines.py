"""The keys by which the dbt package reads target-jsonl's files are those of the streams."""

from __future__ import annotations

import ast
import re

from tap_impact.streams import STREAMS
from tap_impact.streams.reports import PRESETS, Entry, report_streams
from tests.conftest import ROOT

TRANSFORM = ROOT / "transform"


def test_the_last_line_of_a_key_counts() -> None:
    macro = (TRANSFORM / "macros" / "json_lines.sql").read_text()
    (written,) = re.findall(r"set keys = (\{[\s\S]+?\})\.get\(table, \['id'\]\)", macro)
    keys = ast.literal_eval(written)
    reports = report_streams(map(Entry.of, PRESETS), lambda _: None)
    declared = {stream.name: [*stream.keys] for stream in (*STREAMS, *reports)}
    assert keys == {table: names for table, names in declared.items() if names != ["id"]}
