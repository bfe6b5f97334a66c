"""The Meltano project, run by a real Meltano that installs its plugins itself."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from tap_impact.sandbox.world import World

if TYPE_CHECKING:
    from tests.conftest import Warehouse

ROOT = Path(__file__).parent.parent
MELTANO = Path(sys.executable).with_name("meltano")
START = "2026-01-01T00:00:00Z"
NOW = "2026-06-30T06:10:00Z"


def test_run_loads_the_sandbox_and_a_second_run_changes_no_count(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    project = tmp_path / "project"
    project.mkdir()
    for name in ("meltano.yml", "pyproject.toml", "README.md", "LICENSE", "tap_impact"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, project / name)
    environment = os.environ | {
        "TARGET_POSTGRES_PORT": str(warehouse.port),
        "TARGET_POSTGRES_DEFAULT_TARGET_SCHEMA": warehouse.schema,
        "TAP_IMPACT_SANDBOX_START_DATE": START,
        "TAP_IMPACT_SANDBOX_END_DATE": NOW,
    }
    counts = []
    for _ in range(2):
        done = subprocess.run(
            [MELTANO, "run", "tap-impact-sandbox", "target-postgres"],
            cwd=project,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        counts.append(
            warehouse.query("SELECT state, count(*), sum(payout) FROM actions GROUP BY state")
        )
    truth = World().totals(datetime.fromisoformat(NOW), datetime.fromisoformat(START))
    assert {state: (count, payout) for state, count, payout in counts[0]} == truth
    assert sorted(counts[0]) == sorted(counts[1])
