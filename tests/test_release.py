"""What is published, and by what."""

from __future__ import annotations

import re
import subprocess
import tomllib
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.conftest import ROOT
from tests.runs import COMMAND

if TYPE_CHECKING:
    from pathlib import Path

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_the_version_is_that_of_the_project() -> None:
    said = subprocess.run([COMMAND, "--version"], capture_output=True, text=True, check=True)
    assert re.match(rf"tap-impact v{re.escape(PROJECT['version'])},", said.stdout)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_actions_are_pinned_to_a_commit_and_say_which_version_that_is(path: Path) -> None:
    text = path.read_text()
    used = re.findall(r"uses: (.*)", text)
    assert used
    for action in used:
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}  # v\d+\.\d+\.\d+", action), action


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_only_the_job_that_publishes_may_do_more_than_read(path: Path) -> None:
    workflow = yaml.safe_load(path.read_text())
    assert workflow["permissions"] == {"contents": "read"}
    rights = {name: job.get("permissions") for name, job in workflow["jobs"].items()}
    assert {name: right for name, right in rights.items() if right} in (
        {},
        {"publish": {"id-token": "write"}},
    )


def test_every_python_that_is_promised_is_tested() -> None:
    promised = {
        found[1]
        for each in PROJECT["classifiers"]
        if (found := re.fullmatch(r"Programming Language :: Python :: (3\.\d+)", each))
    }
    tested = yaml.safe_load((ROOT / ".github" / "workflows" / "test.yml").read_text())["jobs"]
    assert {frozenset(job["strategy"]["matrix"]["python"]) for job in tested.values()} == {
        frozenset(promised)
    }
