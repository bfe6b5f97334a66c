"""Laws of fields that hold objects, or lists of them."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from jsonschema import Draft7Validator  # type: ignore[import-untyped]

from tap_impact.records import fields
from tap_impact.records.anomalies import Anomalies, Role
from tap_impact.records.columns import RecordEncoder, to_json
from tap_impact.records.fields import ADDITIONAL_FIELDS, Omitted, RecordMap, is_blank
from tap_impact.records.nested import nested, nested_list

if TYPE_CHECKING:
    from collections.abc import Iterator

RULES = nested_list("Rules", ".", fields.verbatim("Variable", "."), fields.text_list("Values", "."))
CONTRACT = RecordMap(
    fields.key("Id", "."),
    Omitted("Signatory", "A person's name."),
    nested(
        "Terms",
        ".",
        fields.verbatim("Name", "."),
        nested_list("Payouts", ".", fields.money("Payout", "."), fields.flag("Fixed", "."), RULES),
        nested("Locking", ".", fields.timestamp("Date", "."), fields.decimal("Offset", ".")),
    ),
)
SOURCES = ("Id", "Terms", "Name", "Payouts", "Payout", "Fixed", "Rules", "Variable", "Values")
VALIDATOR = Draft7Validator(CONTRACT.json_schema())


def record(anomalies: Anomalies | None = None, **row: object) -> dict[str, Any]:
    return CONTRACT.record({"Id": "1"} | row, anomalies)


def as_sent(*path: str | int, value: object) -> dict[str, Any]:
    """A row's terms with a value at a path."""
    for step in reversed(path):
        value = {step: value} if isinstance(step, str) else [{}] * step + [value]
    assert isinstance(value, dict)
    return value


RULE = st.fixed_dictionaries(
    {
        "Variable": st.text("abc ", max_size=3),
        "Values": st.lists(st.text("xyz", min_size=1, max_size=2), max_size=2),
    }
)
PAYOUT = st.fixed_dictionaries(
    {
        "Payout": st.decimals(0, 100, places=2).map(str),
        "Fixed": st.sampled_from(["true", "false", ""]),
        "Rules": st.lists(RULE, max_size=3),
    }
)
TERMS = st.fixed_dictionaries(
    {
        "Name": st.text("abc", max_size=3),
        "Payouts": st.lists(PAYOUT, max_size=3),
        "Locking": st.fixed_dictionaries({"Offset": st.integers(0, 99).map(str)}),
    }
)


def through_xml(value: Any, data: st.DataObject) -> Any:
    """What may become of a document whose source is XML."""
    match value:
        case dict():
            return {name: through_xml(inner, data) for name, inner in value.items()}
        case list():
            items = [through_xml(item, data) for item in value]
            shapes: list[Any] = [items, {"Wrapper": items}]
            if not items:
                shapes += ["", None]
            if len(items) == 1:
                shapes += [items[0], {"Wrapper": items[0]}]
            return data.draw(st.sampled_from(shapes))
        case _:
            return value


@given(TERMS, st.data())
def test_lists_are_lists_whatever_became_of_them_on_the_way(
    terms: dict[str, Any], data: st.DataObject
) -> None:
    made = record(Terms=through_xml(terms, data))
    assert made == record(Terms=terms)
    assert made[ADDITIONAL_FIELDS] is None
    expected = [Decimal(payout["Payout"]) for payout in terms["Payouts"]]
    assert [payout["payout"] for payout in made["terms"]["payouts"] or []] == expected


# No text of it reads as anything but itself, so that it can be found again.
ANYTHING = st.recursive(
    st.none() | st.from_regex(r"text-[a-z]{1,3}", fullmatch=True),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*SOURCES, "New", "Other"]), inner, max_size=3)
    ),
    max_leaves=12,
)


def texts(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case Mapping() | list():
            for inner in value.values() if isinstance(value, Mapping) else value:
                yield from texts(inner)


@given(ANYTHING)
@example({"Payouts": {"New": {"Other": "text-a"}}})
@example({"Payouts": [["text-a"], "text-b", {"Rules": {"New": "text-c"}}]})
@example([{"Name": "text-a"}, {"Name": "text-b"}])
def test_whatever_is_sent_nothing_is_lost_and_the_record_is_valid(sent: Any) -> None:
    made = record(Anomalies(), Terms=sent)
    assert {*texts(made)} == {"1", *texts(sent)}
    VALIDATOR.validate(msgspec.json.decode(to_json(made)))


@given(st.lists(ANYTHING | TERMS, min_size=1, max_size=4))
def test_both_paths_write_the_same_and_find_the_same_anomalies(sent: list[Any]) -> None:
    rows = [{"Id": f"{place}", "Terms": terms} for place, terms in enumerate(sent)]
    plain, fast = Anomalies(), Anomalies()
    expected = [to_json(CONTRACT.record(row, plain)) for row in rows]
    encoder = RecordEncoder(CONTRACT, ["id", "terms", ADDITIONAL_FIELDS], {}, fast)
    (lines,) = encoder.encode(rows)
    assert lines.json.splitlines() == expected
    assert vars(fast) == vars(plain)


@pytest.mark.parametrize("blank", [None, "", "n/a", {}, []])
def test_an_empty_object_is_null(blank: object) -> None:
    assert record(Terms=blank)["terms"] is None
    made = record(Terms={"Name": "a", "Payouts": blank, "Locking": blank})
    assert (made["terms"]["payouts"], made["terms"]["locking"]) == (None, None)
    assert made[ADDITIONAL_FIELDS] is None


@pytest.mark.parametrize(
    ("path", "value", "field", "role", "place"),
    [
        (("Payouts", 1, "Payout"), "free", "Payouts.Payout", Role.MONEY, "Payouts[1].Payout"),
        (("Locking", "Date"), "soon", "Locking.Date", Role.OTHER, "Locking.Date"),
        (("Locking",), "soon", "Locking", Role.OTHER, "Locking"),
        (("Payouts", 0), "free", "Payouts", Role.OTHER, "Payouts[0]"),
        (
            ("Payouts", 0, "Rules", 0, "Variable"),
            ["a", "b"],
            "Payouts.Rules.Variable",
            Role.OTHER,
            "Payouts[0].Rules[0].Variable",
        ),
    ],
)
def test_a_value_that_cannot_be_read_is_named_by_its_path_and_kept(
    path: tuple[str | int, ...], value: object, field: str, role: Role, place: str
) -> None:
    anomalies = Anomalies()
    made = record(anomalies, Terms=as_sent(*path, value=value))
    assert made[ADDITIONAL_FIELDS] == {f"Terms.{place}": value}
    (found,) = anomalies.unreadable.values()
    assert (found.field, found.role, found.first_row) == (f"Terms.{field}", role, "1")
    assert anomalies.fails_run is (role is Role.MONEY)
    assert not anomalies.skipped_rows


def test_new_fields_are_named_by_their_path_and_kept() -> None:
    anomalies = Anomalies()
    terms = {"Name": "a", "New": {"deep": 1}, "Payouts": [{"Payout": "1", "Old": ""}, {"New": 2}]}
    made = record(anomalies, Terms=terms)
    assert made[ADDITIONAL_FIELDS] == {"Terms.New": {"deep": 1}, "Terms.Payouts[1].New": 2}
    assert anomalies.unknown_fields == {"Terms.New", "Terms.Payouts.New"}
    assert not anomalies.unreadable


def test_what_is_omitted_is_nowhere() -> None:
    anomalies = Anomalies()
    row = {"Id": "1", "Signatory": "secret", "Terms": {"Name": "a"}}
    encoder = RecordEncoder(CONTRACT, ["id", "terms", ADDITIONAL_FIELDS], {}, anomalies)
    for rows in ([row], msgspec.convert([row], list[CONTRACT.row_type])):  # type: ignore[name-defined]
        (lines,) = encoder.encode(rows)
        assert b"secret" not in lines.json
    assert "secret" not in to_json(record(anomalies, **row)).decode()
    assert "secret" not in str(VALIDATOR.schema).lower()
    assert not anomalies.unknown_fields
    assert not is_blank(row["Signatory"])
