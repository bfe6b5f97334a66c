"""The README's commands, run as they are written there."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import pytest
from impact_sandbox import database
from impact_sandbox.world import World

from tests.conftest import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import SandboxFactory

START = "2026-01-01T00:00:00Z"
NOW = "2026-06-30T06:10:00Z"
BLOCKS = re.findall(
    r"^ *```bash\n(.+?)^ *```$", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL
)
COMMANDS = [line.strip() for block in BLOCKS for line in block.splitlines()]
DEMO, TESTS, CREDENTIALS, ACCESS, LOAD, *REST = COMMANDS
BUILD, REPORT = (line for line in REST if "dbt" in line or line.endswith("invoke report"))
(DESELECT,) = (line for line in REST if line.startswith("for stream in "))
LINES_OF_STATES = re.compile(
    r"^(APPROVED|PENDING|REVERSED) +([\d,]+) +([\d,.]+)  USD", re.MULTILINE
)

# What runs the commands that are not run here, and a part of it that does.
ELSEWHERE = {
    TESTS: (".ci/run", TESTS),
    "meltano add --no-install --plugin-type extractor tap-impact "
    "--from-ref /path/to/clone/hub/tap-impact.yml": ("tests/test_hub.py", '"--from-ref"'),
    "meltano select tap-impact '*' '*'": ("tests/test_hub.py", "select"),
    DESELECT: ("tests/test_hub.py", "deselected_by_hand"),
    ".venv/bin/ruff check && .venv/bin/ruff format --check && .venv/bin/mypy": (
        ".ci/run",
        ".venv/bin/mypy",
    ),
}


@dataclass
class Clone:
    """A fresh copy of this repository, and the shell of somebody who has just made it."""

    folder: Path
    environment: dict[str, str]

    def run(self, command: str) -> str:
        done = subprocess.run(
            ["bash", "-c", command],  # noqa: S607 - that of the PATH
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout


@pytest.fixture(scope="module")
def clone(open_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clone]:
    folder = open_folder / "clone" / "tap"
    unwanted = shutil.ignore_patterns(".git", ".venv", ".meltano", ".demo", "output", "__pycache__")
    shutil.copytree(ROOT, folder, ignore=unwanted)
    with socket.create_server((database.HOST, 0)) as free:
        port = free.getsockname()[1]
    outside = {name: os.environ[name] for name in os.environ if name != "PYTHONPATH"}
    clone = Clone(
        folder,
        outside
        | {
            "HOME": str(tmp_path_factory.mktemp("home")),
            "PATH": f"{folder}/.venv/bin:{os.environ['PATH']}",
            "TARGET_POSTGRES_PORT": str(port),
            "TAP_IMPACT_SANDBOX_START_DATE": START,
            "IMPACT_SANDBOX_AT": NOW,
        },
    )
    yield clone
    subprocess.run(
        [folder / ".venv/bin/meltano", "invoke", "database:stop"],
        cwd=folder,
        env=clone.environment,
        capture_output=True,
        check=False,
    )


@pytest.mark.slow
def test_the_first_command_sets_up_loads_and_shows_the_truth(clone: Clone) -> None:
    said = clone.run(DEMO)
    truth = World().totals(datetime.fromisoformat(NOW), datetime.fromisoformat(START))
    shown = {state: (count, payout) for state, count, payout in LINES_OF_STATES.findall(said)}
    assert shown == {
        state: (f"{count:,}", f"{payout:,.2f}") for state, (count, payout) in truth.items()
    }
    assert said.count("table = truth") == 4
    assert len(said.splitlines()) <= 40
    assert not re.search("METRIC|COPY|Traceback", said)
    listed = clone.run("meltano invoke database:psql -c '\\dt'")
    assert "| actions " in listed
    assert "| daily_clicks " in listed

    # A second run changes no count.
    again = clone.run(
        "meltano invoke database:start && meltano run tap-impact-sandbox target-postgres && "
        "meltano invoke database:show"
    )
    assert LINES_OF_STATES.findall(again) == LINES_OF_STATES.findall(said)


@pytest.mark.slow
def test_an_account_of_ones_own_is_loaded_as_it_says(clone: Clone, sandbox: SandboxFactory) -> None:
    impact = sandbox(clicks_per_day=20, job_life=["COMPLETED"])
    assert CREDENTIALS == "export TAP_IMPACT_ACCOUNT_SID=IR... TAP_IMPACT_AUTH_TOKEN=..."
    settings = impact.settings() | {"end_date": NOW, "start_date": START}
    clone.environment |= {f"TAP_IMPACT_{name.upper()}": value for name, value in settings.items()}
    clone.environment |= {
        "TARGET_POSTGRES_HOST": database.HOST,
        "TARGET_POSTGRES_USER": database.ROLE,
        "TARGET_POSTGRES_PASSWORD": "not asked for",
        "TARGET_POSTGRES_DATABASE": database.DATABASE,
    }
    assert "Actions > Retrieve actions" in clone.run(ACCESS)
    with database.connect(int(clone.environment["TARGET_POSTGRES_PORT"])) as connection:
        connection.execute("DROP SCHEMA tap_impact_sandbox CASCADE")
    clone.run(LOAD)
    assert "Completed successfully" in clone.run(BUILD)
    clone.run(REPORT)
    page = (clone.folder / "output/report.html").read_text()
    assert "<svg" in page
    with database.connect(int(clone.environment["TARGET_POSTGRES_PORT"])) as connection:
        query = "SELECT state, count(*), sum(payout) FROM tap_impact.actions GROUP BY state"
        held = {state: (count, payout) for state, count, payout in connection.execute(query)}
    assert held == impact.world.totals(impact.at)


@pytest.mark.parametrize("command", COMMANDS)
def test_no_command_of_the_readme_is_left_untried(command: str) -> None:
    if command not in {DEMO, CREDENTIALS, ACCESS, LOAD, BUILD, REPORT}:
        file, part = ELSEWHERE[command]
        assert part in (ROOT / file).read_text()
