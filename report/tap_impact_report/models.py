"""How the dbt models are read."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

if TYPE_CHECKING:
    from collections.abc import Iterator

DATES = {"day", "event_month"}


def model(name: str, schema: str, *columns: str) -> sa.TableClause:
    """A model, and these of its columns."""
    typed = [sa.column(each, sa.Date if each in DATES else sa.String) for each in columns]
    return sa.table(name, *typed, schema=schema)


def rows(
    connection: sa.Connection, name: str, schema: str, keys: tuple[str, ...], *summed: str
) -> Iterator[sa.RowMapping]:
    """Sums of a model's columns by key; none if the model is not built."""
    if sa.inspect(connection).has_table(name, schema=schema):
        of = model(name, schema, *keys, *summed)
        by_key = [of.c[key] for key in keys]
        sums = [sa.func.sum(of.c[each]).label(each) for each in summed]
        yield from connection.execute(sa.select(*by_key, *sums).group_by(*by_key)).mappings()


def exact(number: Any) -> Decimal:
    """A sum as a decimal; some drivers give floats."""
    return Decimal(str(number or 0))
