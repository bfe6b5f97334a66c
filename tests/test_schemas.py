"""Every record of every stream is valid against its own schema, formats included.

It is why meltano.yml lets the loader skip its own validation.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING

from jsonschema import Draft7Validator, FormatChecker  # type: ignore[import-untyped]

from tests.inside import run_inside
from tests.runs import all_streams, catalog

if TYPE_CHECKING:
    from tests.conftest import SandboxFactory


def is_instant(value: object) -> bool:
    return value is None or datetime.fromisoformat(str(value)).isoformat()[:-6] + "Z" == value


def is_day(value: object) -> bool:
    return value is None or date.fromisoformat(str(value)).isoformat() == value


FORMATS = FormatChecker(())
FORMATS.checks("date-time", raises=ValueError)(is_instant)
FORMATS.checks("date", raises=ValueError)(is_day)


def test_every_record_of_every_stream_is_valid(sandbox: SandboxFactory) -> None:
    impact = sandbox(actions_per_day=20, clicks_per_day=40, job_life=["COMPLETED"])
    assert impact.at is not None
    span = {"start_date": "2026-03-01", "end_date": impact.at.isoformat()}
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
