"""Every record of every stream is valid against its own schema, formats included.

It is why meltano.yml lets the loader skip its own validation.
"""

from __future__ import annotations

import json
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import pytest
from impact_sandbox import database
from jsonschema import Draft7Validator, FormatChecker  # type: ignore[import-untyped]

from tap_impact.records.names import RESERVED, column_name
from tap_impact.tap import TapImpact
from tests.inside import run_inside
from tests.runs import Run, all_streams, catalog, discovered, only

if TYPE_CHECKING:
    from tests.conftest import SandboxFactory


def is_timestamp(value: object) -> bool:
    return value is None or datetime.fromisoformat(str(value)).isoformat()[:-6] + "Z" == value


def is_day(value: object) -> bool:
    return value is None or date.fromisoformat(str(value)).isoformat() == value


FORMATS = FormatChecker(())
FORMATS.checks("date-time", raises=ValueError)(is_timestamp)
FORMATS.checks("date", raises=ValueError)(is_day)


def test_every_record_of_every_stream_is_valid(sandbox: SandboxFactory) -> None:
    impact = sandbox(actions_per_day=3, clicks_per_day=40, job_life=["COMPLETED"])
    assert impact.at is not None
    span = {"start_date": "2026-05-01", "end_date": impact.at.isoformat()}
    run = run_inside(impact.settings() | span, catalog=catalog())
    assert run.exit_code == 0, run.stderr
    validators = {
        message["stream"]: Draft7Validator(message["schema"], format_checker=FORMATS)
        for message in run.messages
        if message["type"] == "SCHEMA"
    }
    assert validators.keys() == {*all_streams()}
    for stream, validator in validators.items():
        assert run.records(stream), stream
        for record in run.records(stream):
            validator.validate(record)
            assert record.keys() == validator.schema["properties"].keys()


def test_the_formats_are_checked() -> None:
    schema = {"properties": {"at": {"format": "date-time"}, "on": {"format": "date"}}}
    validator = Draft7Validator(schema, format_checker=FORMATS)
    assert validator.is_valid({"at": "2026-06-30T06:10:00Z", "on": "2026-06-30"})
    for wrong in ({"at": "2026-06-30T06:10:00-07:00"}, {"at": "soon"}, {"on": "30.06.2026"}):
        assert not validator.is_valid(wrong)


@pytest.mark.slow
def test_no_column_has_to_be_quoted(database_port: int) -> None:
    names = {
        name
        for stream in map(json.loads, discovered().values())
        for name in stream["schema"]["properties"]
    }
    assert not names & RESERVED
    with database.connect(database_port) as connection:
        words = connection.execute("SELECT word FROM pg_get_keywords() WHERE catcode IN ('R', 'T')")
        reserved = {word for (word,) in words}
    assert {column_name(word) for word in reserved} == {f"{word}_" for word in reserved}


def schemas(run: Run) -> dict[str, dict[str, Any]]:
    return {each["stream"]: each["schema"] for each in run.messages if each["type"] == "SCHEMA"}


def number_names(schema: dict[str, Any]) -> set[str]:
    return {name for name, of in schema["properties"].items() if "number" in of["type"]}


@pytest.mark.slow
def test_decimals_may_be_text_of_the_same_digits(sandbox: SandboxFactory) -> None:
    impact = sandbox(actions_per_day=2, clicks_per_day=5)
    settings = impact.settings() | {
        "start_date": "2026-06-01",
        "end_date": impact.at.isoformat(),
        "click_start_date": "2026-06-28",
    }
    with_numbers = run_inside(settings, catalog=catalog())
    text = {"use_singer_decimal": True}
    found = json.loads(TapImpact(config=settings | text).catalog_json_text)
    with_text = run_inside(settings | text, catalog=only(found, *all_streams()))
    schemas_with_text = schemas(with_text)
    assert not any(map(number_names, schemas_with_text.values()))
    for stream, schema in schemas(with_numbers).items():
        decimals = number_names(schema)
        for name in decimals:
            found = schemas_with_text[stream]["properties"][name]
            assert "string" in found["type"]
            assert found["format"] == "x-singer.decimal"
            assert (found["precision"], found["scale"]) == (38, 9)
        expected = [
            {
                name: str(value) if name in decimals and value is not None else value
                for name, value in record.items()
            }
            for record in with_numbers.records(stream)
        ]
        assert with_text.records(stream) == expected
