"""Whole pipelines, as `meltano run` runs them: this project's own plugins and a plain tap's."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import yaml
from impact_sandbox import database

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent
BIN = Path(sys.executable).parent
PORT = 27639

# What this environment has is not installed again.
PIP_URL = re.compile(r"^ *pip_url: .*\n", re.MULTILINE)

CONNECTION = {
    "host": database.HOST,
    "port": PORT,
    "user": database.ROLE,
    "password": "unused",
    "database": database.DATABASE,
}


class Project:
    """A Meltano project with the plugins of this one, and with others beside them."""

    def __init__(self, folder: Path, **environment: str) -> None:
        """Copy meltano.yml; create Meltano's own database, so that no trial has to."""
        self.folder = folder
        folder.mkdir()
        (folder / "meltano.yml").write_text(PIP_URL.sub("", (ROOT / "meltano.yml").read_text()))
        path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
        self.environment = os.environ | {"PATH": path} | environment
        self.meltano("state", "list")

    def add(self, kind: str, name: str, command: list[str | Path], **config: Any) -> None:
        """Add a plugin that is a command of this machine."""
        script = self.folder / name
        arguments = " ".join(f"'{part}'" for part in command)
        script.write_text(f'#!/bin/sh\nexec {arguments} "$@"\n')
        script.chmod(0o755)
        plugin = {
            "name": name,
            "namespace": name.replace("-", "_"),
            "executable": str(script),
            "settings": [{"name": setting} for setting in config],
            "config": config,
        }
        # JSON is YAML, and meltano.yml includes what is named so.
        (self.folder / f"{name}.meltano.yml").write_text(json.dumps({"plugins": {kind: [plugin]}}))

    def meltano(self, *command: str, **environment: str) -> None:
        """Run a command of Meltano."""
        done = subprocess.run(
            [BIN / "meltano", *command],
            cwd=self.folder,
            env=self.environment | environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            sys.exit(f"meltano {' '.join(command)} failed:\n{done.stderr}")

    def seconds(self, tap: str, loader: str, **environment: str) -> float:
        """How long a pipeline takes, from nothing, with Meltano's own start."""
        began = time.monotonic()
        self.meltano("run", "--full-refresh", tap, loader, **environment)
        return time.monotonic() - began


def shipped(kind: str, name: str) -> dict[str, Any]:
    """What meltano.yml sets for a plugin."""
    plugins = yaml.safe_load((ROOT / "meltano.yml").read_text())["plugins"][kind]
    (plugin,) = (each for each in plugins if each["name"] == name)
    values = {each["name"]: each.get("value") for each in plugin.get("settings", ())}
    values |= plugin.get("config", {})
    return {key: value for key, value in values.items() if value is not None}


@contextmanager
def postgres(folder: Path) -> Iterator[None]:
    """Run an empty PostgreSQL of its own."""
    place = ["--port", str(PORT), "--data-dir", str(folder / "postgres")]
    database.cli.main(["start", *place], standalone_mode=False)
    try:
        yield
    finally:
        database.cli.main(["stop", *place], standalone_mode=False)
        shutil.rmtree((folder / "postgres").resolve())


def shape(schema: str, table: str) -> tuple[int, list[tuple[str, str]]]:
    """How many rows a table has, and the types of its columns; then drop it."""
    with database.connect(PORT) as connection:
        count = connection.execute(
            psycopg.sql.SQL("SELECT count(*) FROM {}").format(psycopg.sql.Identifier(schema, table))
        ).fetchall()[0][0]
        columns = connection.execute(
            "SELECT column_name, data_type FROM information_schema.columns "
            "WHERE table_schema = %s AND table_name = %s ORDER BY 1",
            [schema, table],
        ).fetchall()
        connection.execute(
            psycopg.sql.SQL("DROP SCHEMA {} CASCADE").format(psycopg.sql.Identifier(schema))
        )
    return count, columns
