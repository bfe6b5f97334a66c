"""CONTRIBUTING's examples, followed to the letter in a copy of the code."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING

import pytest

from tap_impact.records import fields
from tap_impact.streams import STREAMS
from tests.conftest import ROOT

if TYPE_CHECKING:
    from pathlib import Path

CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text()
FIELD, STREAM = (
    CONTRIBUTING.partition(f"## Add a {what}\n")[2].partition("\n## ")[0]
    for what in ("field", "stream")
)
CODE = r"\n\n *```python\n(.+?)\n *```"
FIELD_OF_STREAM = re.compile(rf"`(tap_impact/streams/.+?\.py)`.+?{CODE}", re.DOTALL)
FIELD_OF_ROW = re.compile(rf"`(sandbox/.+?\.py)`.+?{CODE}", re.DOTALL)
NEW_FILE = re.compile(rf"new file,? `([^`]+)`:{CODE}", re.DOTALL)
ENDPOINT = re.compile(rf"`([^`]+\.py)`, import `BADGES`, and add to `ENDPOINTS`:{CODE}", re.DOTALL)
SCOPE = re.compile(r"the scope `(.+?)` to `SCOPES` in `(.+?)`")
RUN = "from impact_sandbox.tap import main; main()"


def insert(path: Path, before: str, entry: str) -> None:
    """Put an entry of a tuple, a set or a dict before another."""
    text = path.read_text()
    assert before in text, f"{before} is not in {path}"
    path.write_text(text.replace(before, f"{entry},\n{before}", 1))


def add_import(path: Path, line: str) -> None:
    """Import something; ruff puts it into its place."""
    future = "from __future__ import annotations\n"
    path.write_text(path.read_text().replace(future, f"{future}\n{line}\n", 1))


def add_field(copy: Path) -> None:
    ((path, field),) = FIELD_OF_STREAM.findall(FIELD)
    kind = field.strip().partition("(")[0]
    insert(copy / path, 'text("ApiVersion"', field)
    add_import(copy / path, f"from tap_impact.records.fields import {kind}")
    ((path, item),) = FIELD_OF_ROW.findall(FIELD)
    insert(copy / path, '"ApiVersion": "16"', item)


def add_stream(copy: Path) -> None:
    new = NEW_FILE.findall(STREAM)
    assert len(new) == 2
    for path, code in new:
        (copy / path).write_text(textwrap.dedent(f"{code}\n"))
    streams = copy / "tap_impact/streams/__init__.py"
    insert(streams, "    ACTION_ITEMS,\n", "BADGES")
    add_import(streams, "from tap_impact.streams.badges import BADGES")
    ((path, endpoint),) = ENDPOINT.findall(STREAM)
    insert(copy / path, "*listings.ENDPOINTS", endpoint)
    add_import(copy / path, "from impact_sandbox.world.badges import BADGES")
    ((scope, path),) = SCOPE.findall(STREAM)
    insert(copy / path, '"Retrieve campaigns"', scope)


@pytest.mark.slow
def test_a_field_and_a_stream_are_added_as_it_says(tmp_path: Path) -> None:
    for name, package in (("tap_impact", ROOT), ("impact_sandbox", ROOT / "sandbox")):
        shutil.copytree(package / name, tmp_path / package.relative_to(ROOT) / name)
    add_field(tmp_path)
    add_stream(tmp_path)
    for check in (["format"], ["check", "--fix"]):
        ruff = [sys.executable, "-m", "ruff", *check, "--config", str(ROOT / "pyproject.toml")]
        done = subprocess.run([*ruff, tmp_path], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout
    ran = subprocess.run(
        [sys.executable, "-c", RUN],
        env=os.environ
        | {
            "IMPACT_SANDBOX_AT": "2026-06-30T06:10:00Z",
            "IMPACT_SANDBOX_ACTIONS_PER_DAY": "1",
            "IMPACT_SANDBOX_CLICKS_PER_DAY": "1",
            "PYTHONPATH": os.pathsep.join([str(tmp_path), str(tmp_path / "sandbox")]),
            "TAP_IMPACT_START_DATE": "2026-06-29",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    messages = [json.loads(line) for line in ran.stdout.splitlines()]
    records = {each["stream"]: each["record"] for each in messages if each["type"] == "RECORD"}
    assert records["account"]["bonus"] == 1.5
    assert records["badges"]["id"] == "1"
    assert records["badges"]["awarded_date"] == "2026-01-31T17:00:00Z"


def test_the_kinds_of_fields_are_all_named() -> None:
    kinds = {
        name
        for name, function in vars(fields).items()
        if getattr(function, "__annotations__", {}).keys() == {"source", "description", "return"}
    }
    assert kinds - {*re.findall(r"`(\w+)`", FIELD)} == set()


def test_every_stream_has_a_row_in_a_table() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    rows = [line for page in pages for line in page.read_text().splitlines() if line[:1] == "|"]
    for stream in STREAMS:
        keys = ", ".join(stream.keys)
        assert [row for row in rows if f"`{stream.name}`" in row and f"`{keys}`" in row], (
            stream.name
        )
