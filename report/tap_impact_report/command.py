"""The command ``tap-impact-report``."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import psycopg

from tap_impact_report.figures import loaded_schemas, read
from tap_impact_report.page import page

# The database of this project, as `database:start` runs it.
HOST, PORT, ROLE, DATABASE = "127.0.0.1", 27632, "impact", "impact"


@click.command()
@click.version_option(package_name="tap-impact-report")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    default=lambda: Path(os.environ.get("MELTANO_PROJECT_ROOT", "."), "output", "report.html"),
    show_default="output/report.html in the Meltano project, else in the current directory",
    help="The file to write.",
)
@click.option(
    "--schema",
    envvar="TARGET_POSTGRES_DEFAULT_TARGET_SCHEMA",
    show_envvar=True,
    help="Schema of the loaded tables, if more than one has any.",
)
@click.option("--host", envvar="TARGET_POSTGRES_HOST", default=HOST, show_envvar=True)
@click.option("--port", envvar="TARGET_POSTGRES_PORT", default=PORT, show_envvar=True)
@click.option("--user", envvar="TARGET_POSTGRES_USER", default=ROLE, show_envvar=True)
@click.option("--password", envvar="TARGET_POSTGRES_PASSWORD", show_envvar=True)
@click.option("--database", envvar="TARGET_POSTGRES_DATABASE", default=DATABASE, show_envvar=True)
def cli(output: Path, schema: str | None, database: str, **server: Any) -> None:
    """Draw the last 30 days as a page of HTML that needs nothing else.

    Reads the tables that target-postgres loaded; by default those of the project's own database.
    """
    try:
        with psycopg.connect(dbname=database, connect_timeout=5, **server) as connection:
            schema = schema or only(loaded_schemas(connection))
            performances = read(connection, schema)
    except psycopg.OperationalError as error:
        raise click.ClickException(f"The database cannot be reached: {error}") from None
    except psycopg.Error as error:
        raise click.ClickException(f"The tables cannot be read: {error}") from None
    if not performances:
        raise click.ClickException(f"{schema}.actions holds no actions yet.")
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(page(performances, datetime.now(UTC)), encoding="utf-8")
    for performance in performances:
        total = performance.total
        click.echo(
            f"{performance.days[0]} to {performance.last}: {total.commission:,.2f} "
            f"{performance.currency} for {total.kept:,} conversions"
        )
    click.echo(f"Open {output}")


# What Meltano calls the schema of the extractor tap-impact.
LOADED_BY_MELTANO = "tap_impact"


def only(schemas: list[str]) -> str:
    """The one schema, or else that of the extractor `tap-impact`.

    Raises:
        click.ClickException: There is none, or a choice.
    """
    match schemas:
        case [schema]:
            return schema
        case _ if LOADED_BY_MELTANO in schemas:
            return LOADED_BY_MELTANO
        case []:
            raise click.ClickException("No actions are loaded yet.")
        case _:
            raise click.ClickException(f"Choose one by --schema: {', '.join(schemas)}")
