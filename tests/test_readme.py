"""The README's commands, run as they are written there."""

from __future__ import annotations

import os
import re
from datetime import datetime
from typing import TYPE_CHECKING

import pytest
from impact_sandbox.world import World

from tests.clones import Shell, bash_blocks, clone
from tests.conftest import ROOT
from tests.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

START = "2026-01-01T00:00:00Z"
NOW = "2026-06-30T06:10:00Z"
README = ROOT / "README.md"
DEMO, *OF_A_PROJECT, DEVELOPMENT = bash_blocks(README).values()
LINES_OF_STATES = re.compile(
    r"^(APPROVED|PENDING|REVERSED) +([\d,]+) +([\d,.]+)  USD", re.MULTILINE
)


@pytest.fixture
def newcomer(open_folder: Path, tmp_path: Path) -> Iterator[Shell]:
    folder = clone(open_folder / "clone" / "tap")
    port = free_port()
    outside = {name: os.environ[name] for name in os.environ if name != "PYTHONPATH"}
    newcomer = Shell(
        folder,
        outside
        | {
            "HOME": str(tmp_path),
            "PATH": f"{folder}/.venv/bin:{os.environ['PATH']}",
            "TARGET_POSTGRES_PORT": str(port),
            "TAP_IMPACT_SANDBOX_START_DATE": START,
            "IMPACT_SANDBOX_AT": NOW,
        },
    )
    yield newcomer
    newcomer.attempt("meltano invoke database:stop")


@pytest.mark.slow
def test_the_first_command_sets_up_loads_and_shows_the_truth(newcomer: Shell) -> None:
    said = newcomer.run(DEMO)
    truth = World().totals(datetime.fromisoformat(NOW), datetime.fromisoformat(START))
    shown = {state: (count, payout) for state, count, payout in LINES_OF_STATES.findall(said)}
    assert shown == {
        state: (f"{count:,}", f"{payout:,.2f}") for state, (count, payout) in truth.items()
    }
    assert said.count("table = truth") == 4
    assert " WARN=0 ERROR=0 " in said
    assert len(said.splitlines()) <= 40
    assert not re.search("METRIC|COPY|Traceback", said)
    listed = newcomer.run("meltano invoke database:psql -c '\\dt'")
    assert "| actions " in listed
    assert "| daily_clicks " in listed

    # A second run changes no count.
    again = newcomer.run(
        "meltano invoke database:start && meltano run tap-impact-sandbox target-postgres && "
        "meltano invoke database:show"
    )
    assert LINES_OF_STATES.findall(again) == LINES_OF_STATES.findall(said)


def test_no_command_of_the_readme_is_left_untried() -> None:
    assert DEMO == "python3 demo.py\n"
    # tests/test_project.py runs these
    assert len(OF_A_PROJECT) == 4
    # .ci/run is what runs those
    for command in DEVELOPMENT.splitlines():
        assert all(part in (ROOT / ".ci/run").read_text() for part in command.split(" && "))


def test_the_readme_is_short() -> None:
    assert len(README.read_text().splitlines()) < 120
