"""Singer messages in a DuckDB file, exactly and with upserts, as a loader should hold them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import duckdb

if TYPE_CHECKING:
    from pathlib import Path

TYPES = {
    "string": "VARCHAR",
    "integer": "BIGINT",
    "number": "DECIMAL(38, 9)",
    "boolean": "BOOLEAN",
    "object": "JSON",
    "array": "JSON",
}
SCHEMA = "tap_impact"
FORMATS = {"date": "DATE", "date-time": "TIMESTAMP"}


def type_of(json_schema: dict[str, Any]) -> str:
    """What DuckDB calls a property; timestamps lose their zone, as in most loaders."""
    by_format = FORMATS.get(json_schema.get("format", ""))
    return by_format or next(TYPES[name] for name in json_schema["type"] if name != "null")


def load(messages: str, path: Path, schema: str = SCHEMA) -> None:
    """Load what a run printed."""
    columns: dict[str, dict[str, str]] = {}
    keys: dict[str, list[str]] = {}
    rows: dict[str, dict[tuple[Any, ...], str]] = {}
    for line in messages.splitlines():
        message = json.loads(line)
        stream = message.get("stream", "")
        if message["type"] == "SCHEMA":
            properties = message["schema"]["properties"]
            columns[stream] = {name: type_of(each) for name, each in properties.items()}
            keys[stream] = message["key_properties"]
            rows.setdefault(stream, {})
        elif message["type"] == "RECORD":
            key = tuple(message["record"][name] for name in keys[stream])
            rows[stream][key] = line
    with duckdb.connect(str(path)) as database:
        database.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
        for stream, types in columns.items():
            table = f'{schema}."{stream}"'
            declared = ", ".join(f'"{name}" {of}' for name, of in types.items())
            primary = ", ".join(f'"{name}"' for name in keys[stream])
            database.execute(
                f"CREATE TABLE IF NOT EXISTS {table} ({declared}, PRIMARY KEY ({primary}))"
            )
            if not rows[stream]:
                continue
            ndjson = path.with_suffix(f".{stream}.ndjson")
            ndjson.write_text("\n".join(rows[stream].values()))
            struct = ", ".join(f'"{name}" {of}' for name, of in types.items())
            database.execute(
                f"INSERT OR REPLACE INTO {table} SELECT record.* FROM read_json(?, "  # noqa: S608
                f"format='newline_delimited', columns={{record: 'STRUCT({struct})'}})",
                [str(ndjson)],
            )
            ndjson.unlink()


def rows(file: Path, query: str, schema: str = SCHEMA) -> list[tuple[Any, ...]]:
    """What DuckDB answers; tables are those of the schema, timestamps UTC."""
    with duckdb.connect(str(file), read_only=True) as database:
        database.execute(f"SET schema = '{schema}'; SET TimeZone = 'UTC'")
        return database.execute(query).fetchall()


def change(file: Path, *statements: str) -> None:
    """Change what is loaded."""
    with duckdb.connect(str(file)) as database:
        database.execute(f"SET schema = '{SCHEMA}'")
        for statement in statements:
            database.execute(statement)
