"""The dbt package with real dbt, outside of Meltano: on PostgreSQL and on DuckDB."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from fcntl import LOCK_EX, flock
from functools import cache
from typing import TYPE_CHECKING, Any

from impact_sandbox import database

from tests.conftest import ROOT

if TYPE_CHECKING:
    from pathlib import Path

PACKAGE = ROOT / "transform"
# dbt-core 1.12 downloads a part of itself from elsewhere when pip installs it
REQUIREMENTS = ("dbt-core>=1.10,<1.12", "dbt-postgres>=1.10,<2", "dbt-duckdb>=1.10,<2")


@cache
def installed(name: str = "dbt-of-tests", requirements: tuple[str, ...] = REQUIREMENTS) -> Path:
    """The programs of an environment of its own: dbt needs other libraries than the tests."""
    home = ROOT / ".meltano" / name
    home.mkdir(parents=True, exist_ok=True)
    done = home / "done"
    with (home / "lock").open("w") as lock:
        flock(lock, LOCK_EX)  # other processes of pytest
        if not done.exists() or done.read_text() != str(requirements):
            subprocess.run([sys.executable, "-m", "venv", home / "venv"], check=True)
            python = home / "venv" / "bin" / "python"
            by_pip = [python, "-m", "pip", "install"]
            by_uv = [sys.executable, "-m", "uv", "pip", "install", f"--python={python}"]
            install = by_uv if os.environ["MELTANO_VENV_BACKEND"] == "uv" else by_pip
            subprocess.run([*install, "--quiet", *requirements], check=True)
            done.write_text(str(requirements))
    return home / "venv" / "bin"


class Dbt:
    """Runs of dbt in a folder of its own, on one database."""

    def __init__(self, folder: Path, output: dict[str, Any], programs: Path | None = None) -> None:
        self.folder = folder
        self.programs = programs or installed()
        profile = {"target": "it", "outputs": {"it": {"threads": 1, **output}}}
        (folder / "profiles.yml").write_text(json.dumps({"impact": profile}))

    def run(self, *arguments: str, **variables: Any) -> subprocess.CompletedProcess[str]:
        """Run dbt; stdout has all it says."""
        places = {"TARGET_PATH": self.folder / "target", "LOG_PATH": self.folder / "logs"}
        return subprocess.run(
            [self.programs / "dbt", *arguments, "--vars", json.dumps(variables)],
            cwd=PACKAGE,
            env=os.environ
            | {f"DBT_{name}": str(place) for name, place in places.items()}
            | {"DBT_PROFILES_DIR": str(self.folder)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )

    def build(self, **variables: Any) -> str:
        """Build and test all models, and say what dbt said."""
        built = self.run("build", **variables)
        assert built.returncode == 0, built.stdout
        return built.stdout


def on_postgres(folder: Path, port: int, schema: str) -> Dbt:
    """Dbt on the PostgreSQL of the tests."""
    server = {"host": database.HOST, "port": port, "user": database.ROLE, "password": "unused"}
    return Dbt(
        folder, {"type": "postgres", **server, "dbname": database.DATABASE, "schema": schema}
    )


def on_duckdb(folder: Path, file: Path, schema: str) -> Dbt:
    """Dbt on a file of DuckDB."""
    return Dbt(folder, {"type": "duckdb", "path": str(file), "schema": schema})
