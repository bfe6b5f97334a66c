"""Laws of making records."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_impact.records import fields
from tap_impact.records.fields import RecordMap, UnreadableField

ROW = RecordMap(
    fields.key("Id", "."),
    fields.text("DeviceFamily", "."),
    fields.verbatim("SubId1", "."),
    fields.decimal("Payout", "."),
    fields.flag("UniqueClick", "."),
    fields.instant("EventDate", "."),
    fields.day("event_day", "EventDate", "."),
    fields.words("ShippingRegions", "."),
)
BLANKS = ["", " ", "null", "n/a", "NA", None]


def record(**row: object) -> dict[str, object]:
    return ROW.record({"Id": "1"} | row)


def test_a_record_has_exactly_the_properties_of_its_schema() -> None:
    properties = ROW.json_schema()["properties"]
    assert list(record()) == list(properties)
    assert set(record().values()) == {"1", None}


@pytest.mark.parametrize("blank", BLANKS)
@pytest.mark.parametrize(
    "field", ["DeviceFamily", "Payout", "UniqueClick", "EventDate", "ShippingRegions"]
)
def test_every_spelling_of_no_value_is_null(field: str, blank: str | None) -> None:
    assert set(record(**{field: blank}).values()) == {"1", None}


@pytest.mark.parametrize("blank", BLANKS)
def test_a_key_is_never_blank(blank: str | None) -> None:
    with pytest.raises(UnreadableField, match="Id"):
        record(Id=blank)


@given(st.text(min_size=1).filter(str.strip))
def test_what_a_partner_wrote_is_kept_to_the_letter(text: str) -> None:
    assert record(SubId1=text)["sub_id1"] == text


@pytest.mark.parametrize("word", ["NA", "null", "n/a"])
def test_a_sub_id_may_be_a_word_that_means_nothing_elsewhere(word: str) -> None:
    assert record(SubId1=word)["sub_id1"] == word


@given(st.decimals(allow_nan=False, allow_infinity=False))
def test_money_keeps_every_digit(amount: Decimal) -> None:
    sent = format(amount, "f")
    assert str(record(Payout=sent)["payout"]) == str(Decimal(sent))


@pytest.mark.parametrize(
    ("sent", "expected"),
    [("1,234.50", "1234.50"), ("-12,345,678", "-12345678"), (12, "12"), (Decimal("0.10"), "0.10")],
)
def test_money_however_it_is_sent(sent: object, expected: str) -> None:
    assert str(record(Payout=sent)["payout"]) == expected


@pytest.mark.parametrize("sent", ["free", "1,23", "NaN", "Infinity", "1.2.3", ["1"], {"a": 1}])
def test_what_is_no_number_is_refused_without_showing_it(sent: object) -> None:
    with pytest.raises(UnreadableField) as refused:
        record(Payout=sent)
    assert str(refused.value) == "Payout"


@given(
    instant=st.datetimes(min_value=datetime(1990, 1, 1), max_value=datetime(2100, 1, 1)),  # noqa: DTZ001
    hours=st.integers(min_value=-12, max_value=14),
)
def test_instants_are_utc_and_days_are_the_accounts_own(instant: datetime, hours: int) -> None:
    sent = instant.replace(microsecond=0, tzinfo=timezone(timedelta(hours=hours)))
    made = record(EventDate=sent.isoformat())
    assert made["event_day"] == instant.date().isoformat()
    assert str(made["event_date"]).endswith("Z")
    assert datetime.fromisoformat(str(made["event_date"])) == sent
    assert datetime.fromisoformat(str(made["event_date"])).tzinfo == UTC


@pytest.mark.parametrize("sent", ["2026-06-30T06:10:00", "06/30/2026", "soon", 5])
def test_an_instant_without_its_offset_is_refused(sent: object) -> None:
    with pytest.raises(UnreadableField, match="EventDate"):
        record(EventDate=sent)


@pytest.mark.parametrize(
    ("sent", "expected"),
    [("true", True), ("FALSE", False), (True, True), (False, False), ("1", True), (0, False)],
)
def test_booleans_however_they_are_spelled(sent: object, *, expected: bool) -> None:
    assert record(UniqueClick=sent)["unique_click"] is expected


def test_an_unknown_spelling_of_a_boolean_is_refused() -> None:
    with pytest.raises(UnreadableField, match="UniqueClick"):
        record(UniqueClick="perhaps")


@pytest.mark.parametrize("sent", [["US", "UK"], {"ShippingRegion": ["US", "UK"]}])
def test_lists_whatever_became_of_their_shape(sent: object) -> None:
    assert record(ShippingRegions=sent)["shipping_regions"] == ["US", "UK"]


def test_a_lone_item_is_a_list() -> None:
    assert record(ShippingRegions="US")["shipping_regions"] == ["US"]


@given(st.dictionaries(st.text(min_size=1).map(lambda name: f"New{name}"), st.integers()))
def test_fields_that_the_schema_does_not_know_are_kept_as_sent(new: dict[str, int]) -> None:
    assert record(**new)["additional_fields"] == (new or None)
