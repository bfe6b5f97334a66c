"""What loaders make of the sandbox's whole account: rows and cells, or only the types of columns.

    python -m benchmarks.loaders rows target-jsonl       # or -csv, -duckdb, -postgres
    python -m benchmarks.loaders types target-snowflake  # or target-bigquery, redshift

pip installs the loaders into a temporary folder of the machine. `rows` runs one, and compares each
cell with what was sent. `types` asks one that needs a warehouse for the types of the columns that
it would create, with the tap's numbers as numbers and as text.
"""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections import defaultdict
from contextlib import ExitStack
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryDirectory, gettempdir
from typing import TYPE_CHECKING, Any

import click
from impact_sandbox import database
from impact_sandbox.server import Sandbox
from impact_sandbox.world import World

from tests.inside import run_inside
from tests.runs import catalog

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

AT = datetime.fromisoformat("2026-06-30T06:10:00Z")
PORT = 27640
LOADERS = {
    "target-jsonl": "target-jsonl==0.1.4",
    "target-csv": "meltanolabs-target-csv==0.5.0",
    "target-duckdb": "target-duckdb==0.8.0",
    "target-postgres": "meltanolabs-target-postgres==0.8.1",
    "target-snowflake": "meltanolabs-target-snowflake==0.20.4",
    "target-bigquery": "z3-target-bigquery==0.7.2 setuptools<80",
    "redshift": "singer-sdk sqlalchemy-redshift",
}
KINDS: dict[str, dict[str, Any]] = {
    "money as a number": {"type": ["number", "null"]},
    "money as text": {
        "type": ["string", "null"],
        "format": "x-singer.decimal",
        "precision": 38,
        "scale": 9,
    },
    "timestamp": {"type": ["string", "null"], "format": "date-time"},
    "day": {"type": ["string", "null"], "format": "date"},
    "flag": {"type": ["boolean", "null"]},
    "count": {"type": ["integer", "null"]},
    "object": {"type": ["object", "null"]},
    "list": {"type": ["array", "null"], "items": {"type": "string"}},
}
OF_TYPES = {
    "target-snowflake": """
from snowflake.sqlalchemy.snowdialect import SnowflakeDialect
from target_snowflake.connector import SnowflakeConnector
connector = SnowflakeConnector(config={"user": "u", "account": "a", "database": "d"})
of = lambda kind: connector.to_sql_type(kind).compile(dialect=SnowflakeDialect())
""",
    "target-bigquery": """
from target_bigquery.core import bigquery_type
of = lambda kind: bigquery_type(kind["type"], kind.get("format"))
""",
    "redshift": """
from singer_sdk.sql.connector import JSONSchemaToSQL
from sqlalchemy_redshift.dialect import RedshiftDialect_psycopg2
of = lambda kind: JSONSchemaToSQL().to_sql_type(kind).compile(dialect=RedshiftDialect_psycopg2())
""",
}

ANSWER = """
import json, sys
print(json.dumps({name: of(kind) for name, kind in json.load(sys.stdin).items()}))
"""


def environment(loader: str) -> Path:
    """The programs of a loader, installed once."""
    folder = Path(gettempdir(), "tap-impact-loaders", loader)
    if not (folder / "bin" / "python").exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    pip = [folder / "bin" / "pip", "install", "-q", *LOADERS[loader].split(" ")]
    subprocess.run(pip, check=True)
    return folder / "bin"


def sent() -> tuple[str, dict[str, list[str]], dict[str, dict[tuple[Any, ...], dict[str, Any]]]]:
    """The messages of a whole account, the keys by stream, and the rows by stream and key."""
    world = World(seed="loaders", actions_per_day=8, clicks_per_day=40, opened=date(2026, 1, 1))
    with Sandbox(world, at=AT) as impact:
        span = {"start_date": "2026-03-01", "click_start_date": "2026-06-25"}
        run = run_inside(impact.settings() | span | {"end_date": AT.isoformat()}, catalog=catalog())
    keys: dict[str, list[str]] = {}
    rows: dict[str, dict[tuple[Any, ...], dict[str, Any]]] = defaultdict(dict)
    for message in run.messages:
        if message["type"] == "SCHEMA":
            keys[message["stream"]] = message["key_properties"]
        elif message["type"] == "RECORD":
            record, stream = message["record"], message["stream"]
            rows[stream][tuple(record[name] for name in keys[stream])] = record
    return run.stdout, keys, rows


def held_by_jsonl(folder: Path, stream: str) -> Iterator[dict[str, Any]]:
    """The rows of a file of JSON Lines."""
    for path in folder.glob(f"{stream}*.jsonl"):
        for line in path.read_text().splitlines():
            yield json.loads(line, parse_float=Decimal)


def held_by_csv(folder: Path, stream: str) -> Iterator[dict[str, Any]]:
    """The rows of a CSV file."""
    for path in folder.glob(f"{stream}*.csv"):
        with path.open(newline="") as file:
            yield from csv.DictReader(file)


def held_by_duckdb(folder: Path, stream: str) -> Iterator[dict[str, Any]]:
    """The rows of a table in a DuckDB file."""
    import duckdb  # noqa: PLC0415 - for this loader alone

    with duckdb.connect(str(folder / "account.duckdb")) as connection:
        found = connection.execute(f'SELECT * FROM impact."{stream}"')  # noqa: S608
        names = [each[0] for each in found.description]
        yield from (dict(zip(names, row, strict=True)) for row in found.fetchall())


def held_by_postgres(folder: Path, stream: str) -> Iterator[dict[str, Any]]:
    """The rows of a table in PostgreSQL."""
    del folder
    with database.connect(PORT) as connection:
        found = connection.execute(f'SELECT * FROM loaders."{stream}"')  # noqa: S608
        names = [each.name for each in found.description or ()]
        yield from (dict(zip(names, row, strict=True)) for row in found.fetchall())


RUN: dict[str, tuple[dict[str, Any], Callable[[Path, str], Iterator[dict[str, Any]]]]] = {
    "target-jsonl": ({"destination_path": "{folder}", "do_timestamp_file": False}, held_by_jsonl),
    "target-csv": ({"output_path": "{folder}"}, held_by_csv),
    "target-duckdb": (
        {"filepath": "{folder}/account.duckdb", "default_target_schema": "impact"},
        held_by_duckdb,
    ),
    "target-postgres": (
        {
            "host": database.HOST,
            "port": PORT,
            "user": database.ROLE,
            "password": "unused",
            "database": database.DATABASE,
            "default_target_schema": "loaders",
            "use_copy": True,
            "validate_records": False,
        },
        held_by_postgres,
    ),
}


def as_text(value: Any) -> str:
    """A cell as a text that is the same whichever way a loader keeps it."""
    match value:
        case None | "":
            return ""
        case bool():
            return str(value).lower()
        case Decimal() | int() | float():
            return f"{Decimal(str(value)).normalize():f}"
        case datetime():
            return value.strftime("%Y-%m-%dT%H:%M:%SZ")
        case date():
            return value.isoformat()
        case dict():
            return str({name: as_text(each) for name, each in sorted(value.items())})
        case list():
            return str([as_text(each) for each in value])
    text = str(value)
    for read in (json.loads, Decimal, date.fromisoformat, datetime.fromisoformat):
        try:
            found = read(text)
        except (ValueError, ArithmeticError):
            continue
        return text if isinstance(found, str) else as_text(found)
    return text.lower() if text in {"True", "False"} else text


@click.group(help=__doc__)
def main() -> None:
    """Choose what to look at."""


@main.command()
@click.argument("loader", type=click.Choice([*RUN]))
def rows(loader: str) -> None:
    """Run a loader, and compare what it holds, cell by cell."""
    programs = environment(loader)
    messages, keys, expected = sent()
    settings, held_by = RUN[loader]
    with TemporaryDirectory() as name, ExitStack() as running:
        folder = Path(name)
        config = json.loads(json.dumps(settings).replace("{folder}", name))
        (folder / "config.json").write_text(json.dumps(config))
        if loader == "target-postgres":
            command = Path(sys.executable).with_name("tap-impact-database")
            where = ["--port", str(PORT), "--data-dir", str(folder / "data")]
            subprocess.run([command, "start", *where], check=True)
            running.callback(rmtree, (folder / "data").resolve())
            running.callback(subprocess.run, [command, "stop", *where], check=True)
        done = subprocess.run(
            [programs / loader, "--config", folder / "config.json"],
            input=messages.encode(),
            capture_output=True,
            check=False,
        )
        click.echo(f"{LOADERS[loader]}: exit code {done.returncode}")
        for stream, rows_sent in expected.items():
            held = {
                tuple(map(as_text, (row[k] for k in keys[stream]))): row
                for row in held_by(folder, stream)
            }
            cells: dict[str, int] = defaultdict(int)
            for key, row in rows_sent.items():
                if found := held.get(tuple(map(as_text, key))):
                    for column, value in row.items():
                        cells[column] += as_text(value) != as_text(found.get(column))
            different = {column: count for column, count in cells.items() if count}
            counts = f"{stream}: {len(rows_sent)} rows sent, {len(held)} held"
            click.echo(f"{counts}; {different or 'all cells equal'}")


@main.command()
@click.argument("loader", type=click.Choice([*OF_TYPES]))
def types(loader: str) -> None:
    """Ask a loader, or what its SDK makes for a dialect, for the types of columns."""
    programs = environment(loader)
    code = OF_TYPES[loader] + ANSWER
    done = subprocess.run(
        [programs / "python", "-c", code],
        input=json.dumps(KINDS),
        capture_output=True,
        text=True,
        check=True,
    )
    click.echo(LOADERS[loader])
    for kind, of in json.loads(done.stdout.splitlines()[-1]).items():
        click.echo(f"  {kind}: {of}")


if __name__ == "__main__":
    main()
