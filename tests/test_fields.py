"""Laws of making records."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_impact.records import fields
from tap_impact.records.anomalies import Anomalies, Role, UnreadableValues
from tap_impact.records.fields import RecordMap, UnreadableField
from tap_impact.records.names import column_name

ROW = RecordMap(
    fields.key("Id", "."),
    fields.text("DeviceFamily", "."),
    fields.verbatim("SubId1", "."),
    fields.place("CustomerCity", "."),
    fields.decimal("Payout", "."),
    fields.flag("UniqueClick", "."),
    fields.timestamp("EventDate", "."),
    fields.day("event_day", "EventDate", "."),
    fields.text_list("ShippingRegions", "."),
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


@pytest.mark.parametrize("word", [word for word in BLANKS if word != "NA"])
def test_a_place_that_is_not_known_is_null(word: str | None) -> None:
    assert record(CustomerCity=word)["customer_city"] is None


@pytest.mark.parametrize("word", ["NA", "Chicago"])
def test_a_place_may_be_called_na(word: str) -> None:
    assert record(CustomerCity=word)["customer_city"] == word


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


@pytest.mark.parametrize(
    "sent", ["free", "1,23", "NaN", "Infinity", "1.2.3", "1_000", "١٢", ["1"], {"a": 1}]
)
def test_what_is_no_number_is_refused_without_showing_it(sent: object) -> None:
    with pytest.raises(UnreadableField) as refused:
        record(Payout=sent)
    assert str(refused.value) == "Payout"


@given(
    at=st.datetimes(min_value=datetime(1990, 1, 1), max_value=datetime(2100, 1, 1)),  # noqa: DTZ001
    hours=st.integers(min_value=-12, max_value=14),
)
def test_timestamps_are_utc_and_days_are_the_accounts_own(at: datetime, hours: int) -> None:
    sent = at.replace(microsecond=0, tzinfo=timezone(timedelta(hours=hours)))
    made = record(EventDate=sent.isoformat())
    assert made["event_day"] == at.date().isoformat()
    assert str(made["event_date"]).endswith("Z")
    assert datetime.fromisoformat(str(made["event_date"])) == sent
    assert datetime.fromisoformat(str(made["event_date"])).tzinfo == UTC


@pytest.mark.parametrize(
    ("sent", "expected", "day"),
    [
        ("9999-12-31T00:00:00-08:00", "9999-12-31T08:00:00Z", "9999-12-31"),
        ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59Z", "9999-12-31"),
        ("9999-12-31T23:59:59-08:00", None, "9999-12-31"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "0001-01-01"),
        ("0001-01-01T00:00:00+02:00", None, "0001-01-01"),
        ("9999-12-31", None, None),
        ("0000-00-00", None, None),
        ("0000-00-00T00:00:00-08:00", None, None),
        ("2026-06-30T00:00:00+99:00", None, None),
        ("2026-02-30T00:00:00-08:00", None, None),
    ],
)
def test_the_ends_of_time_are_exact_or_kept_as_sent(
    sent: str, expected: str | None, day: str | None
) -> None:
    made = ROW.record({"Id": "1", "EventDate": sent}, Anomalies())
    assert (made["event_date"], made["event_day"]) == (expected, day)
    assert made["additional_fields"] == (None if expected else {"EventDate": sent})


@pytest.mark.parametrize("sent", ["2026-06-30T06:10:00", "06/30/2026", "soon", 5])
def test_an_at_without_its_offset_is_refused(sent: object) -> None:
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


@pytest.mark.parametrize(
    "sent",
    [["US", "UK"], {"ShippingRegion": ["US", "UK"]}, [{"Region": "US"}, {"Region": "UK"}]],
)
def test_lists_whatever_became_of_their_shape(sent: object) -> None:
    assert record(ShippingRegions=sent)["shipping_regions"] == ["US", "UK"]


def test_a_lone_item_is_a_list() -> None:
    assert record(ShippingRegions="US")["shipping_regions"] == ["US"]


ANOMALOUS = RecordMap(
    fields.key("Id", "."),
    fields.money("Payout", "."),
    fields.decimal("Quantity", "."),
    fields.timestamp("EventDate", "."),
    fields.day("event_day", "EventDate", "."),
    fields.timestamp("LockingDate", "."),
    fields.text("State", "."),
)


@pytest.mark.parametrize("zero", [0, Decimal("0.0"), False])
def test_what_json_has_in_place_of_text_is_a_value(*, zero: object) -> None:
    written = {"Id": zero, "DeviceFamily": zero, "SubId1": zero}
    assert {record(**written)[name] for name in ("id", "device_family", "sub_id1")} == {
        str(zero).lower()
    }


@pytest.mark.parametrize("sent", [{}, [], {"a": 1}, ["x"]])
def test_what_is_no_scalar_is_kept_as_sent(sent: object) -> None:
    made = ROW.record({"Id": "1", "DeviceFamily": sent, "SubId1": sent}, Anomalies())
    assert (made["device_family"], made["sub_id1"]) == (None, None)
    assert made["additional_fields"] == {"DeviceFamily": sent, "SubId1": sent}


@pytest.mark.parametrize(
    ("field", "sent", "role"),
    [
        ("Payout", "free", Role.MONEY),
        ("Quantity", "two", Role.OTHER),
        ("LockingDate", "0000-00-00", Role.OTHER),
        ("State", ["PENDING"], Role.OTHER),
    ],
)
def test_a_value_that_cannot_be_read_is_kept_and_counted(
    field: str, sent: object, role: Role
) -> None:
    anomalies = Anomalies(dated_by="EventDate")
    made = [ANOMALOUS.record({"Id": f"{row}", field: sent}, anomalies) for row in range(3)]
    assert [each["additional_fields"] for each in made] == [{field: sent}] * 3
    assert {each[column_name(field)] for each in made} == {None}
    assert anomalies.unreadable == {field: UnreadableValues(field, role, "0", 3)}
    assert anomalies.skipped_rows == 0
    assert anomalies.fails_run is (role is Role.MONEY)
    assert not anomalies.unknown_fields


@pytest.mark.parametrize(
    ("row", "field", "role", "row_id"),
    [
        ({"Id": ""}, "Id", Role.KEY, ""),
        ({"Id": {"of": "none"}}, "Id", Role.KEY, "?"),
        ({"Id": "1", "EventDate": "yesterday"}, "EventDate", Role.DATE, "1"),
    ],
)
def test_a_row_that_cannot_be_placed_is_counted_and_left_out(
    row: dict[str, object], field: str, role: Role, row_id: str
) -> None:
    anomalies = Anomalies(dated_by="EventDate")
    with pytest.raises(UnreadableField, match=field):
        ANOMALOUS.record(row, anomalies)
    assert anomalies.skipped_rows == 1
    assert anomalies.fails_run
    assert anomalies.unreadable == {field: UnreadableValues(field, role, row_id, 1)}


def test_what_stands_in_place_of_an_id_is_not_shown_at_length() -> None:
    anomalies = Anomalies()
    ANOMALOUS.record({"Id": "x" * 1000, "Payout": "free"}, anomalies)
    assert len(anomalies.unreadable["Payout"].first_row) <= 80


def test_fields_that_the_schema_does_not_know_are_named() -> None:
    anomalies = Anomalies()
    ANOMALOUS.record({"Id": "1", "New": 1, "Payout": "free", "NewBlank": ""}, anomalies)
    assert anomalies.unknown_fields == {"New"}


@given(st.dictionaries(st.text(min_size=1).map(lambda name: f"New{name}"), st.integers()))
def test_fields_that_the_schema_does_not_know_are_kept_as_sent(new: dict[str, int]) -> None:
    assert record(**new)["additional_fields"] == (new or None)
