"""The keys by which the dbt package reads target-jsonl's files are those of the streams."""

from __future__ import annotations

import ast
import re

from tap_impact.streams import STREAMS
from tap_impact.streams.reports import PRESETS
from tests.conftest import ROOT

TRANSFORM = ROOT / "transform"


def test_the_last_line_of_a_key_counts() -> None:
    macro = (TRANSFORM / "macros" / "json_lines.sql").read_text()
    (written,) = re.findall(r"set keys = (\{[\s\S]+?\})\.get\(table, \['id'\]\)", macro)
    keys = ast.literal_eval(written)
    models = "".join(path.read_text() for path in (TRANSFORM / "models").glob("*.sql"))
    tables = {*re.findall(r"loaded\('(\w+)'", models)}
    declared = {stream.name: [*stream.keys] for stream in STREAMS}
    declared |= {f"report_{name}": [*preset.keys] for name, preset in PRESETS.items()}
    assert {table: keys.get(table, ["id"]) for table in tables} == {
        table: declared[table] for table in tables
    }
