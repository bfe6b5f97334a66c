"""The demo's PostgreSQL, through its command."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from socketserver import BaseRequestHandler, TCPServer
from threading import Thread
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from click.testing import CliRunner, Result
from impact_sandbox import database
from impact_sandbox.database import cli, is_open

from tests.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator


# Each starts a PostgreSQL of its own.
pytestmark = pytest.mark.slow


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def data_dir(open_folder: Path, port: int) -> Iterator[Path]:
    """A path that no Unix socket could have, with a blank in it."""
    path = open_folder / str(port) / ("deep" * 30) / "a b" / "postgres"
    yield path
    invoke("stop", port, path)
    if path.is_symlink():
        shutil.rmtree(path.resolve().parent)


def start(port: int, data_dir: Path) -> None:
    started = invoke("start", port, data_dir)
    assert started.exit_code == 0, started.output


def invoke(command: str, port: int, data_dir: Path | None = None) -> Result:
    where = ["--data-dir", str(data_dir)] if data_dir else []
    return CliRunner().invoke(cli, [command, "--port", str(port), *where])


def connect(port: int, user: str = "impact", database: str = "impact") -> psycopg.Connection[Any]:
    return psycopg.connect(host="127.0.0.1", port=port, user=user, dbname=database)


def test_stays_up_keeps_its_data_and_starts_twice(port: int, data_dir: Path) -> None:
    command = [sys.executable, "-c", "from impact_sandbox.database import cli; cli()"]
    arguments = ["start", "--port", str(port), "--data-dir", str(data_dir)]
    started = subprocess.run(
        [*command, *arguments],
        env={**os.environ, "LC_ALL": "xx_XX.not-installed"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert started.returncode == 0, started.stderr
    assert started.stdout == f"PostgreSQL is up: postgresql://impact@127.0.0.1:{port}/impact\n"
    with connect(port) as connection:
        assert connection.execute("SHOW unix_socket_directories").fetchone() == ("",)
        connection.execute("CREATE SCHEMA kept")
    assert invoke("start", port, data_dir).exit_code == 0

    assert invoke("stop", port, data_dir).exit_code == 0
    with pytest.raises(psycopg.OperationalError, match="refused"):
        connect(port)

    assert invoke("start", port, data_dir).exit_code == 0
    with connect(port) as connection:
        kept = connection.execute("SELECT 1 FROM pg_namespace WHERE nspname = 'kept'").fetchall()
    assert kept == [(1,)]


def test_opens_no_directory_to_others(port: int, data_dir: Path) -> None:
    private = data_dir.parents[1]
    private.mkdir(parents=True)
    private.chmod(0o700)
    before = {path: stat.S_IMODE(path.stat().st_mode) for path in (private, *private.parents)}
    for command in ("start", "stop", "start"):
        assert invoke(command, port, data_dir).exit_code == 0
        assert {path: stat.S_IMODE(path.stat().st_mode) for path in before} == before
    if os.geteuid() == 0:
        assert is_open(data_dir.resolve())
    assert stat.S_IMODE(data_dir.resolve().stat().st_mode) == 0o700


@pytest.mark.skipif(os.geteuid() != 0, reason="only root must let another user run PostgreSQL")
def test_programs_that_others_cannot_reach_are_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "SHARED", tmp_path / "shared")
    programs = database.server_programs()
    closed = tmp_path / "closed" / "a venv"
    for part in (programs.parents[1], Path(f"{programs.parents[1]}.libs")):
        shutil.copytree(part, closed / part.name, symlinks=True, copy_function=os.link)
    closed.parent.chmod(0o700)
    installed = closed / programs.relative_to(programs.parents[2])
    copied = database.reachable_programs(installed)
    assert tmp_path / "shared" in copied.parents
    assert copied == database.reachable_programs(installed)
    assert stat.S_IMODE(closed.parent.stat().st_mode) == 0o700
    shutil.rmtree(closed)
    said = subprocess.run([copied / "initdb", "--version"], capture_output=True, check=True)
    assert b"PostgreSQL" in said.stdout


def test_without_its_extra_it_says_what_to_install() -> None:
    code = (
        "import importlib.util as u; u.find_spec = lambda name: None\n"
        "from impact_sandbox.database import cli; cli()"
    )
    for options, answer in (
        (["show"], "Error: The database is not installed. Install it: "),
        (["--version"], ""),
        (["show", "--help"], ""),
    ):
        said = subprocess.run(
            [sys.executable, "-c", code, *options], capture_output=True, text=True, check=False
        )
        assert (said.returncode, said.stderr.count("\n")) == ((1, 1) if answer else (0, 0))
        assert said.stderr.startswith(answer)


def test_lets_nobody_in_who_could_run_programs(port: int, data_dir: Path) -> None:
    start(port, data_dir)
    with pytest.raises(psycopg.OperationalError, match=r"no pg_hba\.conf entry"):
        connect(port, user="postgres", database="postgres")
    with (
        connect(port) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute("COPY (SELECT 1) TO PROGRAM 'cat'")


def test_shows_what_was_loaded(port: int, data_dir: Path) -> None:
    start(port, data_dir)
    with connect(port) as connection:
        connection.execute("CREATE SCHEMA loaded")
        connection.execute(
            "CREATE TABLE loaded.actions"
            " (id text, state text, campaign_name text, event_date timestamp,"
            " payout numeric, currency text)"
        )
        connection.execute(
            "INSERT INTO loaded.actions SELECT n::text, CASE n % 2 WHEN 0 THEN 'APPROVED'"
            " ELSE 'PENDING' END, 'Shoes', timestamp '2026-06-01' + n * interval '1 hour',"
            " n + 0.1, 'USD' FROM generate_series(1, 1200) AS n"
        )
        connection.execute('CREATE TABLE loaded."Odd "" name" ()')

    shown = invoke("show", port).output
    assert re.search(r"^loaded\.actions +1,200$", shown, re.MULTILINE)
    assert re.search(r'^loaded\.Odd " name +0$', shown, re.MULTILINE)
    assert re.search(r"^APPROVED +600 +360,660\.00 +USD$", shown, re.MULTILINE)
    assert re.search(r"^PENDING +600 +360,060\.00 +USD$", shown, re.MULTILINE)
    assert re.findall(r"^2026.*Shoes +([\d,]+) ", shown, re.MULTILINE) == [
        "1200", "1199", "1198", "1197", "1196",
    ]  # fmt: skip


def test_says_that_it_is_not_running(port: int, tmp_path: Path) -> None:
    for result in (invoke("show", port), invoke("stop", port, tmp_path)):
        assert result.exit_code == 1
        assert result.output.startswith("Error: ")
        assert f"port {port}" in result.output


def test_says_that_there_are_no_tables_yet(port: int, data_dir: Path) -> None:
    start(port, data_dir)
    shown = invoke("show", port)
    assert (shown.exit_code, shown.output) == (
        1,
        "Error: No tables yet. Load some: meltano run demo\n",
    )


def test_leaves_a_port_to_the_database_that_has_it(
    port: int, data_dir: Path, open_folder: Path
) -> None:
    start(port, data_dir)
    other = open_folder / str(port) / "other"
    refused = invoke("start", port, other)
    assert refused.exit_code == 1
    assert str(data_dir.resolve()) in refused.output
    assert f"TARGET_POSTGRES_PORT={port + 1}" in refused.output
    assert f"No PostgreSQL with the data of {other}" in invoke("stop", port, other).output
    connect(port).close()


def test_leaves_a_port_to_another_program(tmp_path: Path) -> None:
    with TCPServer(("127.0.0.1", 0), BaseRequestHandler) as program:
        serving = Thread(target=program.serve_forever, kwargs={"poll_interval": 0.01})
        serving.start()
        refused = invoke("start", program.server_address[1], tmp_path / "postgres")
        program.shutdown()
        serving.join()
    assert refused.exit_code == 1
    assert "belongs to another program" in refused.output
    assert not (tmp_path / "postgres").exists()


def test_says_why_it_does_not_start(port: int, data_dir: Path) -> None:
    start(port, data_dir)
    invoke("stop", port, data_dir)
    (data_dir / "global" / "pg_control").unlink()
    refused = invoke("start", port, data_dir)
    assert refused.exit_code == 1
    assert refused.output.startswith("Error: PostgreSQL did not start:\n")
    assert "pg_control" in refused.output
