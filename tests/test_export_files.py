"""The rows of an export's file: the same whichever shape it has."""

from __future__ import annotations

import io
import json
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from impact_sandbox.files import click_file
from impact_sandbox.switches import CHOICES, Switches

from tap_impact.api import export_files
from tap_impact.api.export_files import CLICK_FORM, rows
from tap_impact.api.pages import decode
from tap_impact.errors import UnreadableFile
from tap_impact.streams.clicks import CLICK

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import SandboxFactory

ROW = {"Id": "a", "EventDate": "2026-06-01T10:00:00-07:00", "AdId": "7"}

texts = st.text(st.sampled_from('ab"\\{}[],: \n\u00e9'), max_size=8)
values = st.recursive(
    texts | st.none() | st.integers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
documents = st.lists(
    st.dictionaries(texts, values, max_size=4).map(lambda row: {"EventDate": "x"} | row)
)


def read(content: bytes | str) -> list[dict[str, Any]]:
    file = io.BytesIO(content.encode() if isinstance(content, str) else content)
    return list(rows(file, CLICK_FORM))


SHAPES: dict[str, Callable[[list[Any]], str]] = {
    "list": json.dumps,
    "object": lambda rows: json.dumps({"Clicks": rows}),
    "with a status": lambda rows: json.dumps({"Status": "OK", "Clicks": rows}),
    "with an id": lambda rows: json.dumps({"Id": "x", "Clicks": rows}),
    "with errors": lambda rows: json.dumps(
        {"Errors": [{"M": ["]", "{"]}] if rows else [], "Clicks": rows}
    ),
    "with no errors": lambda rows: json.dumps({"Errors": [], "Clicks": rows}),
    "each wrapped": lambda rows: json.dumps({"Clicks": [{"Click": row} for row in rows]}),
    "with page keys": lambda rows: json.dumps({"@total": "9", "Rows": rows, "@x": [{}, {}]}),
    "wrapped twice": lambda rows: json.dumps({"Clicks": {"Click": rows}}),
    "pretty": lambda rows: json.dumps({"Clicks": rows}, indent=1),
    "lines": lambda rows: "".join(json.dumps(row) + "\n" for row in rows),
}


@settings(max_examples=40)
@given(document=documents, block=st.integers(1, 40))
def test_rows_come_as_a_parser_of_the_whole_file_sees_them(
    document: list[dict[str, Any]], block: int
) -> None:
    with patch.object(export_files, "BLOCK", block):
        for shape, write in SHAPES.items():
            assert read(write(document)) == document, shape


def test_the_sandbox_writes_the_same_clicks_in_each_shape(sandbox: SandboxFactory) -> None:
    running = sandbox(clicks_per_day=300)
    day, now = date(2026, 6, 20), running.at
    files = [
        b"".join(click_file(running.world.clicks(day, now), result_format, switches))
        for result_format, switches in [
            ("CSV", Switches()),
            *(
                ("JSON", Switches(export_shape=shape, export_nesting=nesting))
                for shape in CHOICES["export_shape"]
                for nesting in CHOICES["export_nesting"]
            ),
        ]
    ]
    first, *others = ([CLICK.record(row) for row in read(file)] for file in files)
    assert len(first) > 200
    assert any(record["sub_id1"] for record in first)
    assert any(record["keyword"] for record in first)
    assert {record["campaign_name"] for record in first} != {None}
    assert not any(record["additional_fields"] for record in first)
    for other in others:
        assert other == first


@pytest.mark.parametrize(
    "content",
    [
        "",
        " \n",
        "{}",
        "[]",
        '{"Clicks":[]}',
        '{"Clicks":null}',
        '{"@total":"0","@nextpageuri":""}',
        '"Id","EventDate"\r\n',
        '{"Status":"OK","Clicks":[]}',
        '{"Clicks":[],"Errors":[]}',
        '{"Clicks":{"Click":[]}}',
        json.dumps({"Clicks": []}, indent=1),
    ],
)
def test_a_day_without_clicks(content: str) -> None:
    assert read(content) == []


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(json.dumps({"Clicks": [ROW, ROW]})[:-2], id="no end"),
        pytest.param(json.dumps({"Clicks": [ROW, ROW]})[:-9], id="end inside of a row"),
        pytest.param(json.dumps([ROW, ROW]) + "x", id="more than an end"),
        pytest.param(json.dumps([ROW, ROW]) + json.dumps([ROW]), id="two documents"),
        pytest.param(json.dumps([ROW, 7]), id="no row"),
        pytest.param(json.dumps({"Message": "no"}), id="no list"),
        pytest.param(json.dumps({"Clicks": {"a": 1}}), id="another object"),
        pytest.param(json.dumps({"Clicks": [{"a": 1}]}), id="no known field"),
        pytest.param(json.dumps({"Clicks": [ROW, {"a": 1}]}), id="no known field in one row"),
        pytest.param(json.dumps({"Errors": [{"Message": "no"}], "Clicks": []}), id="errors"),
        pytest.param('{"Clicks":[' + '{"EventDate":' * 5000, id="nested too deeply"),
        pytest.param("[" * 100_000, id="lists nested too deeply"),
        pytest.param(json.dumps(ROW) + "\n" + json.dumps(ROW)[:-4], id="line cut"),
        pytest.param('"Id","EventDate"\r\n"a"\r\n', id="narrow line"),
        pytest.param('"Id","EventDate"\r\n"a","b', id="quote that does not end"),
        pytest.param("no such file", id="text"),
        pytest.param("<html></html>", id="page"),
        pytest.param(b'"Id","EventDate"\r\n"\xff","b"', id="not UTF-8"),
    ],
)
def test_what_is_not_whole_is_refused(content: str | bytes) -> None:
    with pytest.raises(UnreadableFile):
        read(content)


def test_a_byte_order_mark_is_no_part_of_the_file() -> None:
    for content in (json.dumps([ROW]), json.dumps(ROW), "Id,EventDate,AdId\na,b,7\n"):
        assert read(b"\xef\xbb\xbf" + content.encode())[0]["AdId"] == "7"


@pytest.mark.parametrize("shape", ["list", "lines", "CSV"])
def test_text_that_no_table_takes_is_replaced_and_said_once(
    shape: str, caplog: pytest.LogCaptureFixture
) -> None:
    rows_of_file = [ROW | {"AdName": "a\0b"}, ROW, ROW | {"AdName": "\0"}]
    match shape:
        case "list":
            content = json.dumps({"Clicks": rows_of_file})
        case "lines":
            content = "\n".join(map(json.dumps, rows_of_file))
        case _:
            content = "Id,EventDate,AdName\na,b,a\0b\na,b,\na,b,\0\n"
    found = [row.get("AdName") or None for row in read(content)]
    assert found == ["a\ufffdb", None, "\ufffd"]
    assert caplog.text.count("An export's file holds U+0000 (now U+FFFD).") == 1


@pytest.mark.parametrize("odd", [r"\ud800", "\x01"])
def test_an_odd_character_costs_no_row(odd: str) -> None:
    (first, second) = read('[{"EventDate":"x","AdName":"a' + odd + '"},{"EventDate":"y"}]')
    assert first["AdName"] in {"a\ufffd", "a\x01"}
    assert second == {"EventDate": "y"}


def test_nothing_of_a_nested_part_is_dropped() -> None:
    nested = {"PartnerRelated": [{"SubId1": "a"}, {"SubId1": "b"}], "BrandRelated": ["odd"]}
    assert read(json.dumps([ROW | nested])) == [
        ROW | {"SubId1": "a", "PartnerRelated": [{"SubId1": "b"}], "BrandRelated": ["odd"]}
    ]


def test_numbers_keep_their_digits() -> None:
    (row,) = read('[{"EventDate":"x","Payout":0.100000000000000000001}]')
    assert row["Payout"] == Decimal("0.100000000000000000001")


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param('{"EventDate":"x","AdName":"\\q"}', id="one bad row"),
        pytest.param('{"EventDate":"x","AdName":[{},{},{', id="a row that never ends"),
        pytest.param('{"EventDate":"x","AdName":"', id="a text that ends elsewhere"),
    ],
)
def test_a_row_that_cannot_be_decoded_costs_linear_time(bad: str) -> None:
    row = json.dumps(ROW | {"BrandRelated": [{"Keyword": "a"}, {"Keyword": "b"}]})
    looked_at = []

    def counted(content: bytes, report: Any = None) -> Any:
        looked_at.append(len(content))
        return decode(content, report)

    with (
        patch.object(export_files, "BLOCK", 1 << 12),
        patch.object(export_files, "decode", counted),
    ):
        for size in (250, 1000):
            with pytest.raises(UnreadableFile):
                read('{"Clicks":[' + ",".join([row, bad, *[row] * size]) + "]}")
            looked_at.append(0)
    first, second = (sum(group) for group in groups(looked_at))
    assert second < 8 * first


def groups(numbers: list[int]) -> list[list[int]]:
    found: list[list[int]] = [[]]
    for number in numbers:
        found[-1].append(number)
        if not number:
            found.append([])
    return found[:-1]


def test_a_row_s_own_fields_win_over_those_of_its_nested_parts_which_may_come_first() -> None:
    nested = {"SubId1": "nested", "SubId2": "b", "Id": "of the part"}
    row = {"PartnerRelated": [nested], "SubId1": "own", "Id": "1"}
    found = [*rows(io.BytesIO(json.dumps(row).encode()), CLICK_FORM)]
    assert found == [{"SubId1": "own", "SubId2": "b", "Id": "1"}]
