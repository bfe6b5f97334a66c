"""Columns of reports: names and types for whatever an account calls and writes them."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_impact.records.anomalies import Role
from tap_impact.records.fields import UnreadableValue
from tap_impact.records.names import RESERVED, column_name
from tap_impact.records.report_columns import (
    ColumnNames,
    amount,
    as_key,
    calendar_day,
    cleaned,
    column_of,
    count,
    dimension,
    read_any_timestamp,
    read_calendar_day,
    read_count,
    read_figure,
    unique_names,
)
from tap_impact.streams.reports import OWN_NAMES, PRESETS

if TYPE_CHECKING:
    from decimal import Decimal

COLUMN = re.compile(r"[a-z][a-z0-9_]*")


@pytest.mark.parametrize(
    ("sent", "name"),
    [
        ("date_display", "date_display"),
        ("Sale_zzzAmount", "sale_amount"),
        ("sale_amount", "sale_amount"),
        ("Sale_Amount", "sale_amount"),
        ("pubsubid1_", "pubsubid1"),
        ("PubSubId1", "pub_sub_id1"),
        ("Action Status", "action_status"),
        ("ActionId", "action_id"),
        ("EPC", "epc"),
        ("CPC_Cost", "cpc_cost"),
        ("Text 1..", "text_1"),
        ("Größe (cm)", "groe_cm"),  # what has no plain form is left out
        ("1st click", "column_1st_click"),
        ("%", "column"),
        ("価格", "column"),
    ],
)
def test_names_are_cleaned(sent: str, name: str) -> None:
    assert cleaned(sent) == name


@given(st.text())
def test_any_name_becomes_a_column_and_a_clean_one_stays(sent: str) -> None:
    name = cleaned(sent)
    assert COLUMN.fullmatch(name)
    assert cleaned(name) == name or "zzz" in name


@given(st.lists(st.text(max_size=6)))
def test_each_column_of_a_report_has_a_name_of_its_own(sent: list[str]) -> None:
    names = unique_names([*sent, "period", "select"], OWN_NAMES)
    properties = [column_name(name) for name in names.values()]
    assert len({*properties}) == len(properties) == len({*sent, "period", "select"})
    assert not {*properties} & {*OWN_NAMES, *RESERVED}
    # What comes later changes the name of nothing that was there.
    more = unique_names([*sent, "period", "select", "one more"], OWN_NAMES)
    assert {each: more[each] for each in names} == names


@given(st.dictionaries(st.sampled_from(["Clicks", "clicks", "CLICKS", "odd", "x"]), st.integers()))
def test_renaming_drops_nothing(row: dict[str, int]) -> None:
    renamed = ColumnNames({"clicks"}, {"x": "clicks"}).renamed(row)
    assert sorted(renamed.values()) == sorted(row.values())
    assert ("clicks" in renamed) == bool({*row} - {"odd"})


@pytest.mark.parametrize(
    ("data_type", "json_type", "json_format"),
    [
        ("Integer", "integer", None),
        ("Decimal", "number", None),
        ("Money", "number", None),
        ("Percent", "number", None),
        ("Boolean", "boolean", None),
        ("String", "string", None),
        ("Date (yyyy-MM-dd'T'HH:mm:ssZZ)", "string", "date-time"),
        ("Date (yyyy-MM-dd)", "string", "date"),
        ("Date", "string", "date-time"),
        ("Hologram", "string", None),
        ("", "string", None),
    ],
)
def test_types_come_from_metadata(data_type: str, json_type: str, json_format: str | None) -> None:
    schema = column_of("value", data_type, "").json_schema
    assert (schema["type"], schema.get("format")) == ([json_type, "null"], json_format)


@pytest.mark.parametrize("source", ["id", "campaign_id", "oid", "sub_id1"])
def test_ids_are_texts_whatever_their_type(source: str) -> None:
    assert column_of(source, "Integer", "").json_schema["type"] == ["string", "null"]


@given(st.one_of(st.text(), st.integers(), st.booleans(), st.none(), st.lists(st.integers())))
def test_a_type_never_met_loads_whatever_is_sent_as_text(value: Any) -> None:
    read = column_of("value", "Hologram", "").read(value)
    assert read is None or isinstance(read, str)
    if isinstance(value, str) and value.strip():
        assert read == value.strip()


DAYS = st.dates(date(2000, 1, 1), date(2099, 12, 31))
MONTHS = "January February March April May June July August September October November December"


@given(DAYS)
def test_a_day_is_read_in_all_forms(day: date) -> None:
    month = MONTHS.split()[day.month - 1]
    forms = [
        day.isoformat(),
        f"{month[:3]} {day.day}, {day.year}",
        f"{month} {day.day:02}, {day.year}",
        f"{day.day}-{month[:3].upper()}-{day.year}",
        f"{day.month}/{day.day}/{day.year}",
        f"{day.month:02}/{day.day:02}/{day.year} 10:05 PM",
        f"{day.isoformat()}T23:30:00-07:00",
        f"{month[:3]} {day.day}, {day.year} 23:30",
    ]
    assert {read_calendar_day(form) for form in forms} == {day.isoformat()}


@given(
    st.datetimes(datetime(2000, 1, 1), datetime(2099, 1, 1)).map(  # noqa: DTZ001
        lambda at: at.replace(microsecond=0)
    ),
    st.integers(-12, 14),
)
def test_a_moment_is_read_in_utc(at: datetime, hours: int) -> None:
    there = at.replace(tzinfo=timezone(timedelta(hours=hours)))
    expected = (at - timedelta(hours=hours)).isoformat() + "Z"
    assert read_any_timestamp(there.isoformat()) == expected
    assert read_any_timestamp(at.isoformat()) == at.isoformat() + "Z"


@given(st.decimals(-(10**9), 10**9, places=2))
def test_numbers_are_exact_however_they_are_written(number: Decimal) -> None:
    assert read_figure(f"{number:,}") == number
    assert read_figure(str(number)) == number
    assert read_figure(f"{number}0000000000000000") == number
    assert read_figure(f"{number}%") == number
    whole = int(number)
    assert read_count(f"{whole:,}") == whole
    assert read_count(f"{whole}.000") == whole


@pytest.mark.parametrize("read", [read_figure, read_count, read_calendar_day, read_any_timestamp])
@pytest.mark.parametrize("value", ["soon", "12x", "Feb 30, 2026", "13/13/2026", "1.5.2", [], {}])
def test_what_cannot_be_read_is_said(read: Any, value: Any) -> None:
    with pytest.raises(UnreadableValue):
        read(value)


@pytest.mark.parametrize("read", [read_figure, read_count, read_calendar_day, read_any_timestamp])
@pytest.mark.parametrize("value", ["", None, "  ", "NA", "n/a"])
def test_blanks_are_null(read: Any, value: Any) -> None:
    assert read(value) is None


def test_half_a_click_is_no_count() -> None:
    with pytest.raises(UnreadableValue):
        read_count("1.5")


def test_a_key_is_never_null() -> None:
    assert as_key(dimension("sub_id1", "")).read(None) == ""
    for field in (calendar_day("day", ""), count("clicks", ""), amount("payout", "")):
        made = as_key(field)
        assert made.role is Role.KEY
        assert "null" not in made.json_schema["type"]
        with pytest.raises(UnreadableValue):
            made.read("")


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_names_columns_that_it_has(name: str) -> None:
    preset = PRESETS[name]
    columns = [each.name for each in preset.columns]
    assert len({*columns}) == len(columns)
    assert {*preset.keys} <= {*columns, "period", "row_key"}
    assert {*preset.identity} <= {*columns}
    assert preset.placed_by in {"", *preset.identity}
    assert ("row_key" in preset.keys) == bool(preset.identity)
    assert {*preset.sent_as.values()} & {*columns} or not preset.sent_as
    assert not {*columns} & {*OWN_NAMES, *RESERVED}
    assert all(cleaned(each) == each for each in (*columns, *preset.sent_as))
