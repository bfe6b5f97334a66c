"""The models' tables, made from their contracts without dbt, for tests of what reads them."""

from __future__ import annotations

from functools import cache
from typing import Any

import sqlalchemy as sa
import yaml

from tests.conftest import ROOT

TYPES = {
    "date": sa.Date(),
    "text": sa.String(),
    "bigint": sa.BigInteger(),
    "boolean": sa.Boolean(),
}


@cache
def contracts() -> dict[str, dict[str, str]]:
    """Of each model, the types of its columns."""
    return {
        model["name"]: {column["name"]: column["data_type"] for column in model["columns"]}
        for declared in (ROOT / "transform" / "models").glob("*.yml")
        for model in yaml.safe_load(declared.read_text()).get("models", [])
    }


def type_of(declared: str) -> Any:
    """SQLAlchemy's type of a contract's."""
    if declared.startswith("numeric"):
        return sa.Numeric(28, 6)
    return TYPES.get(declared, sa.DateTime())


def fill(connection: sa.Connection, model: str, *rows: dict[str, Any], schema: str) -> None:
    """Add rows to a model's table, which is made if need be; what they lack is 0 or null."""
    columns = {name: type_of(declared) for name, declared in contracts()[model].items()}
    table = sa.Table(
        model,
        sa.MetaData(),
        *(sa.Column(name, kind) for name, kind in columns.items()),
        schema=schema,
    )
    table.create(connection, checkfirst=True)
    if rows:
        connection.execute(
            table.insert(), [{name: row.get(name) for name in columns} for row in rows]
        )
