"""CONTRIBUTING's example of a new stream, followed to the letter in a copy of the code."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING

from tap_impact.records import fields
from tap_impact.streams import STREAMS
from tests.conftest import ROOT

if TYPE_CHECKING:
    from pathlib import Path

CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text()
IN_NEW_FILE = re.compile(r"new file,? `(.+?)`:\n\n( *)```python\n(.+?)\n *```", re.DOTALL)
IN_OLD_FILE = re.compile(
    r"`([^`]+\.py)`, import `BADGES`, and add to `ENDPOINTS`:.+?```python\n(.+?)\n *```", re.DOTALL
)
SCOPE = re.compile(r"the scope `(.+?)` to `SCOPES` in `(.+?)`")
RUN = "from impact_sandbox.tap import main; main()"


def insert(path: Path, entry: str, into: str, imported: str) -> None:
    """Add an import, and an entry at the end of a tuple."""
    before, start, after = path.read_text().partition(f"\n{into} = (\n")
    entries, end, rest = after.partition("\n)\n")
    assert start
    assert end
    future = "from __future__ import annotations\n"
    before = before.replace(future, f"{future}\n{imported}\n", 1)
    path.write_text(f"{before}{start}{entries}\n{textwrap.indent(entry, '    ')},{end}{rest}")


def test_a_stream_is_added_as_it_says(tmp_path: Path) -> None:
    for name, package in (("tap_impact", ROOT), ("impact_sandbox", ROOT / "sandbox")):
        shutil.copytree(package / name, tmp_path / package.relative_to(ROOT) / name)
    new = IN_NEW_FILE.findall(CONTRIBUTING)
    assert len(new) == 2
    for path, _, code in new:
        (tmp_path / path).write_text(textwrap.dedent(code) + "\n")
    insert(
        tmp_path / "tap_impact/streams/__init__.py",
        "BADGES",
        "STREAMS",
        "from tap_impact.streams.badges import BADGES",
    )
    ((path, entry),) = IN_OLD_FILE.findall(CONTRIBUTING)
    imported = "from impact_sandbox.world.badges import BADGES"
    insert(tmp_path / path, textwrap.dedent(entry), "ENDPOINTS", imported)
    ((scope, path),) = SCOPE.findall(CONTRIBUTING)
    switches = (tmp_path / path).read_text()
    first = "SCOPES = frozenset(\n    {\n"
    assert first in switches
    (tmp_path / path).write_text(switches.replace(first, f"{first}        {scope},\n"))
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
    (badge,) = [
        message["record"]
        for message in messages
        if message["type"] == "RECORD" and message["stream"] == "badges"
    ]
    assert badge["id"] == "1"
    assert badge["awarded_date"] == "2026-01-31T17:00:00Z"


def test_the_kinds_of_fields_are_all_named() -> None:
    section = CONTRIBUTING.partition("## Add a field")[2].partition("\n## ")[0]
    kinds = {
        name
        for name, function in vars(fields).items()
        if getattr(function, "__annotations__", {}).keys() == {"source", "description", "return"}
    }
    assert kinds - {*re.findall(r"`(\w+)`", section)} == set()


def test_every_stream_has_a_row_in_a_table() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    rows = [line for page in pages for line in page.read_text().splitlines() if line[:1] == "|"]
    for stream in STREAMS:
        keys = ", ".join(stream.keys)
        assert [row for row in rows if f"`{stream.name}`" in row and f"`{keys}`" in row], (
            stream.name
        )
