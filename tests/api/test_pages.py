"""Pages of lists: what is on them, in whichever shape they come."""

from __future__ import annotations

import json
from decimal import Decimal
from threading import Event
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_impact.api.pages import NOT_JSON, PageBody, decode, in_background, page_body, page_decoder


class Row(msgspec.Struct, forbid_unknown_fields=True):
    Id: str
    Payout: str | None = None


# The decoder replaces U+0000, which no database takes.
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=5)
ROWS = st.lists(
    st.fixed_dictionaries({"Id": TEXTS}, optional={"Payout": TEXTS}),
    max_size=4,
)
ENVELOPE = {"@total": "4", "@numpages": "2", "@nextpageuri": "/Mediapartners/IR/Actions?Page=2"}


def as_dicts(rows: list[Any]) -> list[dict[str, Any]]:
    found = [row if isinstance(row, dict) else msgspec.to_builtins(row) for row in rows]
    return [{name: value for name, value in row.items() if value is not None} for row in found]


@given(ROWS)
def test_typed_rows_hold_what_dicts_would(rows: list[dict[str, str]]) -> None:
    content = json.dumps(ENVELOPE | {"Actions": rows}).encode()
    typed = page_body(page_decoder("Actions", Row)(content), ("Actions",))
    plain = page_body(decode(content), ("Actions",))
    assert typed
    assert plain == PageBody(rows, 4, 2, ENVELOPE["@nextpageuri"])
    assert all(isinstance(row, Row) for row in typed.rows)
    assert typed._replace(rows=as_dicts(typed.rows)) == plain


@pytest.mark.parametrize(
    "body",
    [
        {"Actions": [{"Id": "1", "New": "x"}]},
        {"Actions": {"Id": "1"}},
        {"Status": "ERROR", "Message": "no"},
        ["1"],
        None,
    ],
    ids=["a new field", "a lone row", "an error", "a list", "null"],
)
def test_what_does_not_fit_the_type_is_decoded_as_it_is(body: Any) -> None:
    content = json.dumps(body).encode()
    assert page_decoder("Actions", Row)(content) == decode(content) == body


def test_numbers_keep_their_digits() -> None:
    assert decode(b'{"Payout": 1.10}') == {"Payout": Decimal("1.10")}


@pytest.mark.parametrize("content", [b"", b"<html>", b"[" * 100_000])
def test_what_is_no_json_is_told_apart(content: bytes) -> None:
    with pytest.raises(NOT_JSON):
        decode(content)


ROW = {"Id": "1"}


@pytest.mark.parametrize(
    ("body", "rows"),
    [
        (None, []),
        ([], []),
        ([ROW], [ROW]),
        ({"Actions": [ROW, ROW]}, [ROW, ROW]),
        ({"Items": [ROW]}, [ROW]),
        ({"Actions": ROW}, [ROW]),
        ({"Actions": {"Action": [ROW, ROW]}}, [ROW, ROW]),
        ({"Actions": None}, []),
        ({"@total": "0"}, []),
        ({"Renamed": [ROW], "Errors": [{"Id": "2"}]}, [ROW]),
        # what is no page
        ({}, None),
        ({"ok": True}, None),
        ({"Actions": ["x"]}, None),
        ({"One": [ROW], "Another": [ROW]}, None),
        ("x", None),
        (7, None),
    ],
    ids=str,
)
def test_the_rows_of_a_page_in_any_shape(body: Any, rows: list[Any] | None) -> None:
    found = page_body(body, ("Actions", "Items"))
    assert (found and found.rows) == rows


@pytest.mark.parametrize(("total", "count"), [("12", 12), (7, 7), ("", 0), (None, 0), ("many", 0)])
def test_a_total_that_is_none_counts_as_not_announced(total: Any, count: int) -> None:
    found = page_body({"@total": total, "Actions": []}, ("Actions",))
    assert found
    assert found.total == count


def test_a_call_in_the_background_goes_on_meanwhile_and_hands_over_what_came() -> None:
    may_end = Event()

    def fail() -> None:
        raise KeyError("x")

    called = in_background(lambda: may_end.wait(10))
    assert not called.done()
    may_end.set()
    assert called.result(10) is True
    with pytest.raises(KeyError):
        in_background(fail).result(10)
