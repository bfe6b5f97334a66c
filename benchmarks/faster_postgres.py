"""target-postgres 0.8.1 with three changes, to measure what they would win for its users.

    python -m benchmarks.faster_postgres --config CONFIG < MESSAGES

1. `bulk_insert_records` makes a row of values of a record at once, in the order of the columns, and
   asks for the types of the dialect, so that decimals stay decimals.
2. `upsert` is one INSERT … ON CONFLICT DO UPDATE. Today rows are inserted, and then each of them,
   those just inserted too, is updated by a join: every row is written twice.
3. A file of JSON lines goes into a table of one jsonb column by COPY as it is, and from there by
   `jsonb_to_record`: PostgreSQL decodes it, not Python.
"""

from __future__ import annotations

from contextlib import nullcontext
from gzip import open as gzip_open
from shutil import copyfileobj
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from singer_sdk.helpers._batch import BatchFileFormat, StorageTarget
from sqlalchemy.dialects import postgresql
from target_postgres.sinks import PostgresSink
from target_postgres.target import TargetPostgres

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

BLOCK = 1 << 18


class Faster(PostgresSink):
    """How a stream is written."""

    def bulk_insert_records(
        self,
        table: sa.Table,
        schema: dict[str, Any],
        records: Iterable[dict[str, Any]],
        primary_keys: Sequence[str],
        connection: sa.Connection,
    ) -> bool:
        columns = self.column_representation(schema)
        names = [column.name for column in columns]
        dialect = connection.dialect
        processors = [
            (position, process)
            for position, column in enumerate(columns)
            if (process := column.type.dialect_impl(dialect).bind_processor(dialect))
        ]
        rows: dict[Any, list[Any]] = {}
        for number, record in enumerate(records):
            row = [record.get(name) for name in names]
            for position, process in processors:
                row[position] = process(row[position])
            key = number if self.append_only else tuple([record[name] for name in primary_keys])
            rows[key] = row
        with connection.connection.cursor().copy(
            self.generate_copy_statement(table.name, columns)
        ) as copy:
            for row in rows.values():
                copy.write_row(row)
        return True

    def upsert(
        self,
        from_table: sa.Table,
        to_table: sa.Table,
        schema: dict[str, Any],
        join_keys: Sequence[str],
        connection: sa.Connection,
    ) -> None:
        del schema
        names = [column.name for column in from_table.columns]
        connection.execute(self.merged(to_table, names, sa.select(from_table.columns), join_keys))

    def merged(
        self, table: sa.Table, names: list[str], rows: Any, keys: Sequence[str]
    ) -> postgresql.Insert:
        insert = postgresql.insert(table).from_select(names, rows)
        if self.append_only:
            return insert
        changed = {name: insert.excluded[name] for name in names if name not in keys}
        return insert.on_conflict_do_update(index_elements=list(keys), set_=changed)

    def process_batch_files(self, encoding: Any, files: Sequence[str]) -> None:
        if encoding.format != BatchFileFormat.JSONL:
            super().process_batch_files(encoding, files)
            return
        for path in files:
            folder, name = StorageTarget.split_url(path)
            with (
                StorageTarget.from_url(folder).open(name, mode="rb") as file,
                gzip_open(file) if encoding.compression == "gzip" else nullcontext(file) as lines,
                self.connector._connect() as connection,  # noqa: SLF001 - as the loader does
                connection.begin(),
            ):
                self.load(lines, connection)

    def load(self, lines: Any, connection: sa.Connection) -> None:
        table = self.connector.prepare_table(
            full_table_name=self.full_table_name,
            schema=self.schema,
            primary_keys=self.key_properties,
            as_temp_table=False,
            connection=connection,
        )
        connection.execute(
            sa.text("CREATE TEMP TABLE lines (number serial, line jsonb) ON COMMIT DROP")
        )
        # a format that takes a line as it is: neither byte stands in JSON
        with connection.connection.cursor().copy(
            r"COPY lines (line) FROM STDIN (FORMAT csv, QUOTE E'\x01', DELIMITER E'\x02')"
        ) as copy:
            copyfileobj(lines, copy, BLOCK)
        columns = self.column_representation(self.schema)
        record = ", ".join(
            f'"{column.name}" {column.type.compile(connection.dialect)}' for column in columns
        )
        names = [column.name for column in columns]
        keys = ", ".join(f'"{key}"' for key in self.key_properties)
        latest = f"DISTINCT ON ({keys})" if keys else ""
        order = f"ORDER BY {keys}, number DESC" if keys else ""
        select = sa.text(
            f"SELECT {latest} r.* FROM lines, jsonb_to_record(line) AS r({record}) {order}"  # noqa: S608
        ).columns(*(sa.column(name) for name in names))
        inserted = connection.execute(self.merged(table, names, select, self.key_properties))
        self.record_counter_metric.increment(inserted.rowcount)


class FasterTarget(TargetPostgres):
    """The loader with it."""

    default_sink_class = Faster


if __name__ == "__main__":
    FasterTarget.cli()
