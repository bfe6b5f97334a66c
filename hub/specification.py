"""Compares the streams with impact.com's own specification, which is not part of this project.

    python -m hub.specification FOLDER    # of OpenAPI files, partner, version 16

For each stream it prints how many fields of the specification are columns, which are not read and
why, and which are neither; then what two runs of the tap against the sandbox send and the
specification does not know. Exit code 1 if there is anything that it does not know.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple

import click
import yaml
from impact_sandbox.server import Sandbox
from impact_sandbox.world import World

from tap_impact.api.export_files import flat
from tap_impact.records.anomalies import Anomalies
from tap_impact.records.columns import to_json
from tap_impact.streams import STREAMS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from tap_impact.streams.stream import Stream

    Schema = Mapping[str, Any]

TAP = Path(sys.executable).with_name("tap-impact")

# Where a stream's rows are described, if that is not the path that its source asks.
DESCRIBED_AT = {"clicks": "/Clicks/{}", "action_items": "/Actions/{}/Items"}

# What a list leaves out, though its rows are described by the schema of a single object.
NOT_LISTED = {
    "CampaignTerms": "the list leaves it out, and a request for each contract would be too many"
}

# Described on a page of its own, for all lists ("Pagination").
PAGING = {"Page", "PageSize"}

# Nothing in the specification: the account itself, and what a report's own metadata describes.
UNDESCRIBED = re.compile(r"/Reports/\{\}|/ReportExport/\{\}|")

ACCOUNT = "/Mediapartners/{AccountSID}"
NOW = datetime(2026, 6, 30, 6, 10, tzinfo=UTC)


class Operation(NamedTuple):
    """What can be asked of one path."""

    parameters: frozenset[str]
    rows: Schema | None
    """The schema of a row, or of the object; None if it is neither."""


class Specification(dict[str, Operation]):
    """The operations by their paths below the account, `{}` for each id."""

    @classmethod
    def of_folder(cls, folder: Path) -> Specification:
        """Read all files of a folder."""
        found = cls()
        for path in sorted(folder.glob("*.y*ml")):
            document = yaml.safe_load(path.read_text(encoding="utf-8"))
            for name, operations in document["paths"].items():
                if "get" in operations and name.startswith(ACCOUNT):
                    below = re.sub(r"\{.*?\}", "{}", name.removeprefix(ACCOUNT))
                    found[below] = operation_of(document, operations)
        return found


def operation_of(document: Schema, operations: Schema) -> Operation:
    """Read what a path takes and gives."""
    own = operations["get"]
    sent = [
        resolved(document, each)
        for each in (*operations.get("parameters", ()), *own.get("parameters", ()))
    ]
    names = frozenset(each["name"] for each in sent if each["in"] == "query")
    content = own["responses"].get("200", {}).get("content", {}).get("application/json", {})
    schema = resolved(document, content.get("schema", {}))
    properties = schema.get("properties", {})
    lists = [each for each in properties.values() if each.get("type") == "array"]
    if len(properties) == len(lists) == 1:
        schema = resolved(document, lists[0]["items"])
    return Operation(names, whole(document, schema) if schema.get("properties") else None)


def resolved(document: Schema, schema: Schema) -> Schema:
    """Follow a reference."""
    while "$ref" in schema:
        found: Schema = document
        for name in schema["$ref"].removeprefix("#/").split("/"):
            found = found[name]
        schema = found
    return schema


def whole(document: Schema, schema: Schema) -> Schema:
    """A schema with all references followed."""
    schema = resolved(document, schema)
    if schema.get("type") == "array":
        return {"items": whole(document, schema["items"] or {})}
    properties = schema.get("properties", {})
    return {"properties": {name: whole(document, each) for name, each in properties.items()}}


class Example:
    """A row that has every field of a schema, each with a value that no other has."""

    def __init__(self, schema: Schema) -> None:
        """Make up values that any field can keep: dates of which each differs by a second."""
        self.values: dict[str, str] = {}
        """By the path of the field."""
        self._seconds = count()
        self.row = self._of(schema, "")

    def _of(self, schema: Schema, path: str) -> Any:
        if "items" in schema:
            return [self._of(schema["items"], path)]
        if properties := schema.get("properties"):
            return {name: self._of(of, f"{path}.{name}") for name, of in properties.items()}
        at = datetime(2000, 1, 1, tzinfo=UTC) + timedelta(seconds=next(self._seconds))
        return self.values.setdefault(path.removeprefix("."), at.strftime("%Y-%m-%dT%H:%M:%SZ"))


@dataclass
class Coverage:
    """What the streams of one list make of the fields that the specification gives it."""

    fields: int
    not_read: dict[str, str]
    """By field, the reason."""
    unknown: list[str]

    def __str__(self) -> str:
        """Say it in a line."""
        said = f"{self.fields - len(self.not_read) - len(self.unknown)} of {self.fields} fields"
        said += " are columns"
        for name, reason in self.not_read.items():
            said += f"; {name} is not read: {reason.rstrip('.')}"
        return said + (f"; NO COLUMN: {', '.join(self.unknown)}" if self.unknown else "")


def coverage(schema: Schema, streams: Sequence[Stream]) -> Coverage:
    """Load an example of all fields by all streams that are made of it, and look what is kept."""
    example = Example(schema)
    anomalies = Anomalies()
    kept = b""
    for stream in streams:
        for row in rows_of(stream, example.row):
            kept += to_json(stream.record_map.record(made_by_source(stream) | dict(row), anomalies))
    reasons = NOT_LISTED | {each.source: each.reason for each in omitted(streams)}
    not_read, unknown = {}, []
    for name, value in example.values.items():
        if (of := name.partition(".")[0]) in reasons:
            not_read[of] = reasons[of]
        elif value.encode() not in kept or is_unknown(name, anomalies):
            unknown.append(name)
    parts = [name.partition(".")[0] for name in example.values]
    total = {
        part if part in reasons else name for part, name in zip(parts, example.values, strict=True)
    }
    return Coverage(len(total), not_read, unknown)


def made_by_source(stream: Stream) -> dict[str, Any]:
    """What a row gets from the one who reads it, such as an ordinal."""
    return {
        field.source: 1 if "integer" in field.json_schema["type"] else "1"
        for field in stream.record_map.sent
        if "null" not in field.json_schema["type"]
    }


def is_unknown(name: str, anomalies: Anomalies) -> bool:
    """Whether a field, or an object that it stands in, is known to no stream."""
    parts = name.split(".")
    return any(
        ".".join(parts[:end]) in anomalies.unknown_fields for end in range(1, len(parts) + 1)
    )


def rows_of(stream: Stream, row: dict[str, Any]) -> Iterable[Mapping[str, Any]]:
    """The rows that a stream makes of one that is sent."""
    if stream.name == "clicks":
        return [flat(dict(row))]
    return stream.rows_of(row) if stream.rows_of else [row]


def omitted(streams: Sequence[Stream]) -> Iterator[Any]:
    """What the streams name as not read."""
    for stream in streams:
        yield from stream.record_map.omitted


def described(specification: Specification) -> Iterator[tuple[str, str, Schema, list[Stream]]]:
    """The lists that the specification describes: the streams' names, path, row and streams."""
    by_path: dict[str, list[Stream]] = {}
    for stream in STREAMS:
        path = DESCRIBED_AT.get(stream.name) or getattr(stream.source, "path", None)
        if isinstance(path, str) and path in specification:
            by_path.setdefault(path, []).append(stream)
    for path, streams in by_path.items():
        if rows := specification[path].rows:
            yield ", ".join(each.name for each in streams), path, rows, streams


def sent_parameters() -> dict[str, set[str]]:
    """What the tap sends, by path, `{}` for each id: all streams, in a first and a second run."""
    world = World(
        seed="specification", actions_per_day=1, clicks_per_day=2, opened=date(2026, 2, 1)
    )
    found: dict[str, set[str]] = {}
    with Sandbox(world, at=NOW, hourly_detail=10**6) as sandbox, TemporaryDirectory() as folder:
        config = sandbox.settings() | {"start_date": "2026-02-01", "campaign_ids": ["2001"]}
        state: str | None = None
        for _ in range(2):
            state = load(Path(folder), config | {"end_date": sandbox.at.isoformat()}, state)
            sandbox.advance(86_400)
        for seen in sandbox.requests:
            below = template(seen.path.removeprefix(world.path))
            found.setdefault(below, set()).update(seen.query)
    return found


def load(folder: Path, config: Mapping[str, Any], state: str | None) -> str:
    """Load all streams; give the last state."""
    files = {"config": json.dumps(config), "catalog": everything()}
    files |= {"state": state} if state else {}
    options = []
    for name, content in files.items():
        (folder / name).write_text(content)
        options += [f"--{name}", str(folder / name)]
    done = subprocess.run([TAP, *options], capture_output=True, text=True, check=True)  # noqa: S603
    states = [line for line in done.stdout.splitlines() if '"type":"STATE"' in line]
    return json.dumps(json.loads(states[-1])["value"])


def everything() -> str:
    """A catalog of all streams, each selected."""
    done = subprocess.run([TAP, "--discover"], capture_output=True, text=True, check=True)  # noqa: S603
    catalog = json.loads(done.stdout)
    for stream in catalog["streams"]:
        for entry in stream["metadata"]:
            entry["metadata"] |= {} if entry["breadcrumb"] else {"selected": True}
    return json.dumps(catalog)


def template(path: str) -> str:
    """A path with `{}` for each id: what is no word of impact.com's."""
    return re.sub(r"/(?=[^/]*\d)[^/]+", "/{}", path)


def unknown_parameters(specification: Specification, sent: Mapping[str, set[str]]) -> Iterator[str]:
    """What the tap sends and the specification does not know."""
    for path, names in sorted(sent.items()):
        if UNDESCRIBED.fullmatch(path):
            continue
        if path not in specification:
            yield f"{path}: not in the specification"
        elif unknown := sorted(names - specification[path].parameters - PAGING):
            yield f"{path}: {', '.join(unknown)}"


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
def main(folder: Path) -> None:
    """Compare the streams with the OpenAPI files of a folder."""
    specification = Specification.of_folder(folder)
    found = []
    names = set()
    for streams, path, rows, of_list in described(specification):
        found.append(coverage(rows, of_list))
        names |= {each.name for each in of_list}
        click.echo(f"{streams} ({path}): {found[-1]}.")
    others = [each.name for each in STREAMS if each.name not in names]
    click.echo(f"Not in the specification: {', '.join(others)}.")
    total, unknown = sum(each.fields for each in found), sum(len(each.unknown) for each in found)
    click.echo(f"{total - unknown} of {total} fields are columns or named as not read.")
    sent = sent_parameters()
    wrong = [*unknown_parameters(specification, sent)]
    number = sum(map(len, sent.values()))
    click.echo(f"{number} parameters are sent to {len(sent)} paths; unknown: {len(wrong)}.")
    for each in wrong:
        click.echo(each)
    sys.exit(bool(unknown or wrong))


if __name__ == "__main__":
    main()
