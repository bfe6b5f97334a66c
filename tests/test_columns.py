"""docs/columns.md is what the streams say of themselves."""

from __future__ import annotations

from hub import columns


def test_the_page_is_what_the_script_writes() -> None:
    assert columns.PAGE.read_text() == columns.page(), "run: python -m hub.columns"


def test_relations_are_between_columns_that_exist() -> None:
    known = {each["tap_stream_id"]: each for each in columns.catalog()}
    for one, key, many, column in columns.RELATIONS:
        assert key in known[one]["key_properties"]
        assert column in known[many]["schema"]["properties"]


def test_every_column_is_described() -> None:
    for stream in columns.catalog():
        for name, schema in stream["schema"]["properties"].items():
            assert schema.get("description"), f"{stream['tap_stream_id']}.{name}"
