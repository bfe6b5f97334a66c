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
PARTS = "sandbox", "report"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_the_distributions_have_one_version() -> None:
    parts = [tomllib.loads((ROOT / part / "pyproject.toml").read_text()) for part in PARTS]
    assert {part["project"]["version"] for part in parts} == {PROJECT["version"]}


def test_every_distribution_brings_the_license() -> None:
    for part in (".", *PARTS):
        project = tomllib.loads((ROOT / part / "pyproject.toml").read_text())["project"]
        assert project["license-files"] == ["LICENSE"]
        assert (ROOT / part / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()


def test_the_tap_brings_nothing_for_demos() -> None:
    assert [*PROJECT["scripts"]] == ["tap-impact", "tap-impact-inspect"]
    assert not [need for need in PROJECT["dependencies"] if re.match("impact|psycopg|tap-", need)]


@pytest.mark.parametrize(
    ("part", "others"),
    [
        (".", ["impact_sandbox", "tap_impact_report"]),
        ("sandbox", ["tap_impact", "tap_impact_report"]),
        ("report", ["tap_impact", "impact_sandbox"]),
    ],
)
def test_no_distribution_imports_another(part: str, others: list[str]) -> None:
    (package,) = tomllib.loads((ROOT / part / "pyproject.toml").read_text())["tool"]["hatch"][
        "build"
    ]["targets"]["wheel"]["packages"]
    files = [*(ROOT / part / package).rglob("*.py")]
    assert files
    imports = re.compile(rf"^\s*(?:from|import) (?:{'|'.join(others)})\b", re.MULTILINE)
    assert [file for file in files if imports.search(file.read_text())] == []


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
    must_pass = [job for job in tested.values() if not job.get("continue-on-error")]
    assert {frozenset(job["strategy"]["matrix"]["python"]) for job in must_pass} == {
        frozenset(promised)
    }
