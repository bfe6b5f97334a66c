"""The command ``tap-impact-report``."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import sqlalchemy as sa

from tap_impact_report.figures import PERFORMANCE, read, schemas_with_models
from tap_impact_report.page import page, parts

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
    "--url",
    envvar=["TAP_IMPACT_REPORT_URL", "TARGET_POSTGRES_SQLALCHEMY_URL"],
    show_envvar=True,
    help="SQLAlchemy's URL of the database, like duckdb:///impact.duckdb, in place of the rest.",
)
@click.option(
    "--schema",
    envvar=["TAP_IMPACT_REPORT_SCHEMA", "TARGET_POSTGRES_DEFAULT_TARGET_SCHEMA"],
    show_envvar=True,
    help="Schema of the models, if more than one has any.",
)
@click.option("--host", envvar="TARGET_POSTGRES_HOST", default=HOST, show_envvar=True)
@click.option("--port", envvar="TARGET_POSTGRES_PORT", default=PORT, show_envvar=True)
@click.option("--user", "username", envvar="TARGET_POSTGRES_USER", default=ROLE, show_envvar=True)
@click.option("--password", envvar="TARGET_POSTGRES_PASSWORD", show_envvar=True)
@click.option("--database", envvar="TARGET_POSTGRES_DATABASE", default=DATABASE, show_envvar=True)
def cli(output: Path, url: str | None, schema: str | None, **server: Any) -> None:
    """Draw days, money, SubIds and the forecast as a page of HTML that needs nothing else.

    Reads the models of the dbt package `impact`, in any database that SQLAlchemy reaches; by
    default those of the project's own PostgreSQL.
    """
    address = sa.make_url(url) if url else sa.URL.create("postgresql", **server)
    try:
        with connect(address) as connection:
            schema = schema or only(schemas_with_models(connection))
            performances = read(connection, schema)
            made = parts(connection, schema, performances) if performances else []
    except sa.exc.NoSuchModuleError:
        raise click.ClickException(
            f"SQLAlchemy has no dialect {address.drivername} here: install it beside this command."
        ) from None
    except (sa.exc.OperationalError, sa.exc.InterfaceError) as error:
        raise click.ClickException(f"The database cannot be reached: {error.orig}") from None
    except sa.exc.DBAPIError as error:
        raise click.ClickException(f"The models cannot be read: {error.orig}") from None
    if not performances:
        raise click.ClickException(f"{schema}.{PERFORMANCE} holds no days yet.")
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(page(made, datetime.now(UTC)), encoding="utf-8")
    for performance in performances:
        total = performance.total
        click.echo(
            f"{performance.days[0]} to {performance.last}: {total.commission:,.2f} "
            f"{performance.currency} for {total.conversions:,} conversions"
        )
    click.echo(f"Open {output}")


def connect(address: sa.URL) -> sa.Connection:
    """Open the database; psycopg, which this command brings, speaks to PostgreSQL."""
    if address.drivername in {"postgres", "postgresql"}:
        address = address.set(drivername="postgresql+psycopg")
    return sa.create_engine(address, poolclass=sa.NullPool).connect()


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
            raise click.ClickException(
                "The dbt models are not built yet: `dbt build` makes them "
                "(`meltano run dbt-postgres:build` in this project)."
            )
        case _:
            raise click.ClickException(f"Choose one by --schema: {', '.join(schemas)}")
