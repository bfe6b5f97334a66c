"""A fresh copy of this repository, and the shell of somebody who does what a page says."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.conftest import ROOT

if TYPE_CHECKING:
    from pathlib import Path

NOT_COMMITTED = shutil.ignore_patterns(
    ".git", ".venv", ".meltano", ".demo", "output", "dist", "__pycache__", ".*_cache", ".hypothesis"
)
GIT = "git -c user.name=x -c user.email=x@example.com -c init.defaultBranch=main"


@dataclass
class Shell:
    """Where somebody is, and what their environment says."""

    folder: Path
    environment: dict[str, str]

    def attempt(self, script: str) -> subprocess.CompletedProcess[str]:
        """Run what a person would type; stdout has all that it says."""
        return subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],  # noqa: S607 - that of the PATH
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )

    def run(self, script: str) -> str:
        """Run what has to succeed; return all that it says."""
        done = self.attempt(script)
        assert done.returncode == 0, done.stdout
        return done.stdout


def bash_blocks(page: Path) -> dict[str, str]:
    """What a page tells to type, by the title of its blocks or else by their numbers."""
    found = re.findall(
        r"^ *```bash ?(\S*)\n(.+?)^ *```$", page.read_text(), re.MULTILINE | re.DOTALL
    )
    return {
        title or str(number): textwrap.dedent(block) for number, (title, block) in enumerate(found)
    }


def clone(folder: Path) -> Path:
    """A clone of this tree as it is, in a new folder, with a branch main."""
    shutil.copytree(ROOT, folder, ignore=NOT_COMMITTED)
    here = Shell(folder, {**os.environ})
    here.run(f"{GIT} init -q && {GIT} add -A && {GIT} commit -qm x")
    return folder
