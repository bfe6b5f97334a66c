"""This repository's Meltano project, copied so that a test has its state for itself."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from fcntl import LOCK_EX, flock
from functools import cache
from pathlib import Path

from tests.clones import Shell
from tests.conftest import ROOT

COMMANDS = Path(sys.executable).parent
# They need other versions of libraries than the tests' own environment has.
INSTALLED_BY_MELTANO = {"dbt-postgres": "utility", "target-jsonl": "loader"}
PIP_URL = re.compile(r"^ *pip_url: (?!dbt-postgres|target-jsonl).*\n", re.MULTILINE)


@cache
def install_plugins() -> None:
    """Let Meltano install, below this repository's own `.meltano/`, what pytest's venv lacks."""
    system = ROOT / ".meltano"
    system.mkdir(exist_ok=True)
    with (system / "tests.lock").open("w") as lock:
        flock(lock, LOCK_EX)  # other processes of pytest
        for name, kind in INSTALLED_BY_MELTANO.items():
            subprocess.run(
                [COMMANDS / "meltano", f"--cwd={ROOT}", "install", kind, name],
                check=True,
                capture_output=True,
            )


class Project(Shell):
    """A copy of the project; its tap and loaders are those of the tests' own environment."""

    def __init__(self, folder: Path, **environment: str) -> None:
        install_plugins()
        path = f"{COMMANDS}{os.pathsep}{os.environ['PATH']}"
        super().__init__(folder, os.environ | {"PATH": path} | environment)
        shutil.copytree(ROOT / "transform", folder / "transform")
        self.write("meltano.yml", (ROOT / "meltano.yml").read_text())
        (folder / ".meltano").mkdir()
        for kind in ("utilities", "loaders"):
            (folder / ".meltano" / kind).symlink_to(ROOT / ".meltano" / kind)

    def write(self, name: str, content: str) -> None:
        """Write a file of Meltano's; what pytest's venv has is not installed again."""
        (self.folder / name).write_text(PIP_URL.sub("", content))
