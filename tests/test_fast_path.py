"""Rows that pass the SDK by leave the same messages as those that do not."""

from __future__ import annotations

import re
from contextlib import suppress
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from impact_sandbox.faults import Fault
from impact_sandbox.switches import Switches

from tap_impact.records.anomalies import Anomalies
from tap_impact.records.columns import RecordEncoder, to_json
from tap_impact.records.fields import (
    ADDITIONAL_FIELDS,
    Field,
    RecordMap,
    UnreadableField,
    UnreadableValue,
    read_timestamp,
)
from tap_impact.sources.lists import identities_of
from tap_impact.streams.account import ACCOUNT
from tap_impact.streams.actions import ACTION_UPDATES, ACTIONS
from tap_impact.streams.campaigns import CAMPAIGNS
from tap_impact.tap import TapImpact
from tests.inside import run_inside
from tests.runs import Run, all_streams, catalog

if TYPE_CHECKING:
    from collections.abc import Collection

    from impact_sandbox.server import Sandbox

    from tests.conftest import SandboxFactory

RECORD_MAPS = [ACCOUNT.record_map, ACTIONS.record_map, ACTION_UPDATES.record_map]
RECORD_MAPS += [CAMPAIGNS.record_map]
LASTING = ('{"type":"RECORD"', '{"type":"STATE"', '{"type":"ACTIVATE_VERSION"')
READERS = {
    field.read: field
    for record_map in RECORD_MAPS
    for field in record_map.fields
    if field.read_texts
}.values()
NOW = re.compile('"(?:time_extracted|requested_at|completed_at)":"[^"]*"')

PATHS = ("fast", "stream maps", "nested selection")
"""The last two make the SDK handle single records, and change none."""

VALUES = st.one_of(
    st.none(),
    st.sampled_from(
        ["", " ", "null", "NA", "n/a", "true", "FALSE", "1", "4.20", "0.0000000", "1,234.5"]
    ),
    st.text(max_size=8),
    st.decimals(allow_nan=False, allow_infinity=False, places=2).map(str),
    st.datetimes(timezones=st.timezones()).map(lambda d: d.replace(microsecond=0).isoformat()),
    st.sampled_from(["0000-00-00", "0001-01-01T00:00:00+02:00", "9999-12-31T23:59:59-08:00"]),
    st.sampled_from([1, True, False, 0, Decimal("1.0"), Decimal("1.00"), Decimal("0E-7")]),
    st.lists(st.text(max_size=3), max_size=2),
    st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=2),
)
KEYS = st.one_of(*[st.text("ab1", min_size=1, max_size=2)] * 9, VALUES)
CONSTANTS = {"connection_label": "Étage", "connection_currency": None}


@st.composite
def tables(draw: st.DrawFn) -> tuple[RecordMap, list[dict[str, Any]]]:
    """Rows of one map: most fields fit their kind, some hold anything, some are not known."""
    record_map = draw(st.sampled_from(RECORD_MAPS))
    names = [*record_map.sources, "NewField"]
    keys = [field.source for field in record_map.keys]
    row = st.fixed_dictionaries(
        dict.fromkeys(keys, KEYS),
        optional={name: VALUES for name in names if name not in keys},
    )
    return record_map, draw(st.lists(row, min_size=1, max_size=4))


def anomalies_of(record_map: RecordMap) -> Anomalies:
    """Of a stream that is dated by the first timestamp that its rows hold."""
    timestamps = [field.source for field in record_map.fields if field.read is read_timestamp]
    return Anomalies(dated_by=timestamps[0] if timestamps else None)


def plain_lines(
    record_map: RecordMap, rows: list[dict[str, Any]]
) -> tuple[list[bytes], dict[str, Any]]:
    anomalies = anomalies_of(record_map)
    lines = []
    for row in rows:
        with suppress(UnreadableField):
            lines.append(to_json(record_map.record(row, anomalies) | CONSTANTS))
    return lines, described(anomalies)


def fast_lines(record_map: RecordMap, rows: Any) -> tuple[list[bytes], dict[str, Any]]:
    anomalies = anomalies_of(record_map)
    names = [field.name for field in record_map.fields]
    encoder = RecordEncoder(
        record_map, [*names, ADDITIONAL_FIELDS, *CONSTANTS], CONSTANTS, anomalies
    )
    written = [*encoder.encode(rows)]
    assert all(lines.size == lines.json.count(b"\n") for lines in written)
    return b"".join(lines.json for lines in written).splitlines(), described(anomalies)


def described(anomalies: Anomalies) -> dict[str, Any]:
    return vars(anomalies) | {"fails_run": anomalies.fails_run}


@settings(max_examples=60)
@given(tables())
@example((ACTIONS.record_map, [{"Id": "1", "Payout": 0, "CampaignName": 0, "Oid": False}]))
@example((ACTIONS.record_map, [{"Id": "1", "Payout": Decimal("0.0"), "CampaignName": {}}]))
@example((ACTIONS.record_map, [{"Id": {}}, {"Id": "1", "EventDate": "soon"}, {"Id": "2"}]))
@example((ACTIONS.record_map, [{"Id": "1", "LockingDate": "soon", "EventDate": ""}] * 2))
def test_both_paths_write_the_same_and_find_the_same_anomalies(
    table: tuple[RecordMap, list[dict[str, Any]]],
) -> None:
    record_map, rows = table
    assert fast_lines(record_map, rows) == plain_lines(record_map, rows)


@pytest.mark.parametrize("repeated", [1, 300])
def test_many_rows_of_which_one_is_odd(repeated: int) -> None:
    # Enough to be read column by column, at once, and to differ from each other.
    rows: list[dict[str, Any]] = [
        {
            "Id": f"{number}",
            "Payout": f"{number}.00",
            "EventDate": f"2026-06-{number % 28 + 1:02}T{number % 24:02}:00:00-07:00",
        }
        for number in range(repeated)
    ]
    odd = {"Id": "odd", "Payout": 0, "EventDate": "2026-06-30T00:00:00-07:00", "Oid": False}
    worse = {"Id": "worse", "Payout": "free", "EventDate": "2026-06-30T00:00:00-07:00"}
    none = {"Id": "none", "EventDate": "9999-12-31T23:59:59-08:00"}
    for row in (odd, worse, none):
        rows.insert(len(rows) // 2, row)
    lines, found = fast_lines(ACTIONS.record_map, rows)
    assert (lines, found) == plain_lines(ACTIONS.record_map, rows)
    assert len(lines) == repeated + 2
    assert found["skipped_rows"] == 1
    records = {(record := msgspec.json.decode(line))["id"]: record for line in lines}
    assert (records["odd"]["payout"], records["odd"]["order_id"]) == (0, "false")
    assert records["worse"][ADDITIONAL_FIELDS] == {"Payout": "free"}


@pytest.mark.parametrize("many", [1, 60])
def test_an_error_of_the_program_is_no_unreadable_value(many: int) -> None:
    def broken(value: object) -> Any:
        return value.nothing  # type: ignore[attr-defined]

    schema = {"type": ["string", "null"]}
    for kind in (Field("A", "a", schema, broken), Field("A", "a", schema, str, broken)):
        record_map = RecordMap(kind, Field("B", "b", schema, str))
        rows = [{"A": f"{number}", "B": ""} for number in range(many)]
        if kind.read is broken or many > 1:
            with pytest.raises(AttributeError):
                list(RecordEncoder(record_map, ["a"], {}, Anomalies()).encode(rows))
        if kind.read is broken:
            with pytest.raises(AttributeError):
                record_map.record(rows[0], Anomalies())


TEXTS = st.one_of(
    st.none(),
    st.sampled_from(
        ["", " ", "null", "NA", " n/a ", "a", "007", "-0.00", "1e5", "0.0000001", "1,234.5"]
    ),
    st.from_regex(r"-?[0-9]{1,3}(\.[0-9]{1,7})?", fullmatch=True),
    st.text(max_size=4),
    st.datetimes(timezones=st.timezones()).map(lambda d: d.replace(microsecond=0).isoformat()),
    st.from_regex(
        r"202[0-9]-(0[1-9]|1[0-9])-[0-2][0-9]T[012][0-9]:[0-6][0-9]:[0-5][0-9][+-](0[0-9]|1[0-4]):[03]0",
        fullmatch=True,
    ),
)


@pytest.mark.parametrize("order", [[1, True, Decimal("1.00")], [True, Decimal("1.00"), 1]])
def test_values_that_are_equal_to_python_stay_what_they_are(order: list[Any]) -> None:
    rows = [{"Id": "1", "SubId1": value, "Payout": "1"} for value in order]
    encoder = RecordEncoder(ACTIONS.record_map, ["sub_id1"], {}, Anomalies())
    (lines,) = encoder.encode(rows)
    read = [msgspec.json.decode(line)["sub_id1"] for line in lines.json.splitlines()]
    assert read == [{int: "1", bool: "true", Decimal: "1.00"}[type(value)] for value in order]


@settings(max_examples=200)
@given(values=st.lists(TEXTS, max_size=3))
@example(values=["1 2"])
def test_many_texts_are_read_as_one_by_one_or_not_at_all(values: list[str | None]) -> None:
    for kind in READERS:
        assert kind.read_texts
        with suppress(UnreadableValue):
            many = kind.read_texts(values)
            assert to_json(many) == to_json([kind.read(value) for value in values]), kind.read


@settings(max_examples=60)
@given(tables())
def test_rows_without_dicts_are_the_same_rows(
    table: tuple[RecordMap, list[dict[str, Any]]],
) -> None:
    record_map, rows = table
    known = [{name: row[name] for name in row.keys() & record_map.sources} for row in rows]
    typed = msgspec.convert(known, list[record_map.row_type])  # type: ignore[name-defined]
    assert fast_lines(record_map, typed) == fast_lines(record_map, known)
    keys = [field.source for field in record_map.keys]
    assert [*identities_of(typed, keys)] == [*identities_of(known, keys)]


def run(
    impact: Sandbox,
    *streams: str,
    path: str,
    without: Collection[str] = (),
    method: str | None = None,
    **settings: Any,
) -> Run:
    """Load two months on one of the paths, without some properties."""
    assert impact.at is not None
    config: dict[str, Any] = impact.settings() | {"start_date": "2026-05-01"} | settings
    config["end_date"] = impact.at.isoformat()
    found = catalog(*streams, replication_method=method)
    if path == "stream maps":
        config["stream_maps"] = {name: {} for name in streams}
    for stream in found["streams"]:
        for entry in stream["metadata"]:
            if entry["breadcrumb"] and entry["breadcrumb"][-1] in without:
                entry["metadata"]["selected"] = False
        if path == "nested selection":
            within = ["properties", ADDITIONAL_FIELDS, "properties", "Nothing"]
            stream["metadata"].append({"breadcrumb": within, "metadata": {"selected": False}})
    return run_inside(config, catalog=found)


def lines(done: Run, *kinds: str) -> list[str]:
    return [NOW.sub("", line) for line in done.stdout.splitlines() if line.startswith(kinds)]


def looks_at_the_clock(done: Run, stream: str) -> int:
    """How many; the SDK looks for each record."""
    return len(
        {m["time_extracted"] for m in done.messages if m.get("stream") == stream and "record" in m}
    )


@pytest.mark.slow
@pytest.mark.parametrize("method", ["INCREMENTAL", "FULL_TABLE"])
def test_all_paths_write_the_same_bytes(sandbox: SandboxFactory, method: str) -> None:
    runs = {
        path: run(
            sandbox(
                actions_per_day=3,
                switches=Switches(click_export="sync"),
                hourly_detail=10**6,
                hourly_other=10**6,
            ),
            *all_streams(),
            path=path,
            method=method,
            action_items_per_run=20,
            click_start_date="2026-06-26",
        )
        for path in PATHS
    }
    fast = runs["fast"]
    assert fast.exit_code == 0, fast.stderr
    assert lines(fast, '{"type":') == lines(runs["stream maps"], '{"type":')
    assert lines(fast, *LASTING) == lines(runs["nested selection"], *LASTING)
    assert all(fast.records(stream) for stream in all_streams())
    for stream in ("actions", "action_updates", "clicks"):
        assert len(fast.records(stream)) > 150
        clocks = {path: looks_at_the_clock(each, stream) for path, each in runs.items()}
        assert clocks.pop("fast") < 50
        assert min(clocks.values()) > 100


@pytest.mark.parametrize("path", PATHS)
def test_deselected_properties_are_gone_and_nothing_else(
    sandbox: SandboxFactory, path: str
) -> None:
    impact = sandbox()
    gone = {"payout", "connection_label", ADDITIONAL_FIELDS}
    full = run(impact, "actions", path="fast").records("actions")
    assert run(impact, "actions", path=path, without=gone).records("actions") == [
        {name: value for name, value in record.items() if name not in gone} for record in full
    ]


@pytest.mark.parametrize("path", PATHS)
def test_a_field_of_tomorrow_is_kept_and_named_once(sandbox: SandboxFactory, path: str) -> None:
    def with_new_fields(page: dict[str, Any]) -> dict[str, Any]:
        for row in page["Actions"]:
            row |= {"NewField": "new", "NewList": [1, {"deep": 1.5}], "NewBlank": ""}
        return page

    impact = sandbox(faults=[Fault("new fields", edits=with_new_fields).at("Actions", times=9)])
    done = run(impact, "actions", path=path)
    expected = {"NewField": "new", "NewList": [1, {"deep": Decimal("1.5")}]}
    assert all(record[ADDITIONAL_FIELDS] == expected for record in done.records("actions"))
    assert len(done.records("actions")) > 100
    assert done.stderr.count("NewField, NewList") == 1


@pytest.mark.parametrize("path", PATHS)
def test_what_cannot_be_read_is_said_alike(sandbox: SandboxFactory, path: str) -> None:
    def with_free_sale(page: dict[str, Any]) -> dict[str, Any]:
        page["Actions"][3]["Payout"] = "free"
        return page

    impact = sandbox(faults=[Fault("free", edits=with_free_sale).at("Actions")])
    done = run(impact, "actions", path=path)
    assert done.exit_code == 1
    assert "actions: Payout cannot be read in 1 row, such as " in done.stderr
    (kept,) = [row for row in done.records("actions") if row[ADDITIONAL_FIELDS]]
    assert (kept["payout"], kept[ADDITIONAL_FIELDS]) == (None, {"Payout": "free"})


def test_a_limit_of_records_is_kept(
    sandbox: SandboxFactory, capfd: pytest.CaptureFixture[str]
) -> None:
    impact = sandbox()
    tap = TapImpact(config=impact.settings() | {"end_date": impact.at.isoformat()})
    tap.run_sync_dry_run(3, streams=[tap.streams["actions"]])
    assert capfd.readouterr().out.count('"type":"RECORD"') == 3
