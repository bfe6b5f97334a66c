"""Whether a loaded table of actions is what impact.com holds, and what has changed there."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from psycopg import sql

if TYPE_CHECKING:
    import psycopg

    from impact_sandbox.world import World

COLUMNS = ("state", "payout", "amount", "locking_date", "cleared_date")


def truth(world: World, at: datetime, since: datetime) -> dict[str, tuple[Any, ...]]:
    """What a row of each action should hold, of those that happened since a time."""
    return {
        row["Id"]: (
            row["State"],
            Decimal(row["Payout"]),
            Decimal(row["Amount"]),
            utc(row["LockingDate"]),
            utc(row["ClearedDate"]),
        )
        for row in (action.row() for action in world.seen(at, int(since.timestamp())))
    }


def utc(text: str) -> datetime | None:
    """A timestamp as the loader writes it: UTC, without saying so."""
    return datetime.fromisoformat(text).astimezone(UTC).replace(tzinfo=None) if text else None


def loaded(connection: psycopg.Connection, schema: str) -> dict[str, tuple[Any, ...]]:
    """What the rows of a table hold."""
    query = sql.SQL("SELECT id, {} FROM {}").format(
        sql.SQL(", ").join(map(sql.Identifier, COLUMNS)), sql.Identifier(schema, "actions")
    )
    return {key: tuple(values) for key, *values in connection.execute(query)}


def changes(world: World, before: datetime, at: datetime, since: datetime) -> str:
    """What has happened at impact.com between two times, in words."""
    old, counts = truth(world, before, since), Counter[str]()
    for action in world.seen(at, int(since.timestamp())):
        row = action.row()
        was = old.get(row["Id"])
        if was is None:
            event = datetime.fromisoformat(row["EventDate"])
            counts["posted late" if event < before else "new"] += 1
        elif row["State"] != was[0]:
            counts["restored" if row["State"] == "PENDING" else row["State"].lower()] += 1
        elif row["ClearedDate"] and not was[4]:
            counts["cleared"] += 1
        elif (Decimal(row["Payout"]), Decimal(row["Amount"])) != was[1:3]:
            counts["modified"] += 1
    return ", ".join(f"{count:,} {what}" for what, count in counts.most_common()) or "no change"


def verdict(
    loaded: dict[str, tuple[Any, ...]], right: dict[str, tuple[Any, ...]]
) -> tuple[bool, str]:
    """Whether a table is the truth, and that in words."""
    wrong = [key for key in loaded.keys() | right.keys() if loaded.get(key) != right.get(key)]
    if wrong:
        return False, f"table differs from truth in {len(wrong):,} actions, such as {min(wrong)}"
    payout = sum((row[1] for row in loaded.values()), Decimal(0))
    return True, f"table = truth: {len(loaded):,} actions, payout {payout:,.2f}"
