"""The comparison of the streams with a specification of impact.com's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import yaml

from hub.specification import Specification, coverage, described, template, unknown_parameters

if TYPE_CHECKING:
    from pathlib import Path

TASK = {
    "properties": {
        "Id": {"type": "string"},
        "Details": {"$ref": "#/components/schemas/Details"},
        "CreatedBy": {"properties": {"EmailAddress": {"type": "string"}}},
        "Mood": {"properties": {"Colour": {"type": "string"}}},
    }
}
DETAILS = {"properties": {"Urgent": {"type": "boolean"}, "Weather": {"type": "string"}}}


def specification(folder: Path) -> Specification:
    """One of tasks alone, which has grown."""
    sent = [{"name": name, "in": "query"} for name in ("Type", "DateLastUpdatedAfter")]
    rows = {"type": "array", "items": {"$ref": "#/components/schemas/Task"}}
    schema = {"type": "object", "properties": {"Tasks": rows}}
    answer = {"200": {"content": {"application/json": {"schema": schema}}}}
    document = {
        "paths": {
            "/Mediapartners/{AccountSID}/Tasks": {"get": {"parameters": sent, "responses": answer}}
        },
        "components": {"schemas": {"Task": TASK, "Details": DETAILS}},
    }
    (folder / "tasks.yaml").write_text(yaml.safe_dump(document))
    return Specification.of_folder(folder)


def test_fields_are_columns_or_not_read_or_unknown(tmp_path: Path) -> None:
    ((names, path, rows, streams),) = described(specification(tmp_path))
    assert (names, path) == ("tasks", "/Tasks")
    found = coverage(rows, streams)
    assert found.fields == 5
    assert found.not_read.keys() == {"CreatedBy"}
    assert found.unknown == ["Details.Weather", "Mood.Colour"]
    assert str(found).startswith("2 of 5 fields are columns; CreatedBy is not read: ")
    assert str(found).endswith("; NO COLUMN: Details.Weather, Mood.Colour")


def test_parameters_that_are_not_known_are_told(tmp_path: Path) -> None:
    sent = {
        "": {"x"},
        "/Tasks": {"Page", "PageSize", "Type", "DateLastUpdatedAfter", "DateLastUpdatedBefore"},
        template("/Campaigns/2001/Deals"): set[str](),
    }
    assert [*unknown_parameters(specification(tmp_path), sent)] == [
        "/Campaigns/{}/Deals: not in the specification",
        "/Tasks: DateLastUpdatedBefore",
    ]
