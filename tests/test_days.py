from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_impact.progress.click_days import Days, complete_at, days_to_load, last_day_over

FIRST = date(2026, 1, 1)
days = st.integers(0, 40).map(lambda number: FIRST + timedelta(days=number))
loaded = st.lists(days, min_size=1)
calendar = [FIRST + timedelta(days=number) for number in range(-2, 43)]


def holding(loaded: list[date]) -> Days:
    first, *others = loaded
    held = Days(first, first)
    for day in others:
        held = held.plus(day)
    return held


@given(loaded)
def test_what_was_loaded_is_held_and_nothing_else(loaded: list[date]) -> None:
    held = holding(loaded)
    assert {day for day in calendar if day in held} == {*loaded}


@given(loaded)
def test_state_holds_the_same_days(loaded: list[date]) -> None:
    held = holding(loaded)
    bookmark = held.bookmark("click_day")
    assert Days.of_bookmark(bookmark, start=FIRST) == held
    assert bookmark["replication_key_value"] == max(loaded).isoformat()


@given(st.lists(st.one_of(st.none(), loaded.map(holding)), min_size=1, max_size=3), days, days)
def test_what_anybody_lacks_is_loaded_newest_first(
    held: list[Days | None], start: date, last: date
) -> None:
    to_load = days_to_load(held, start=start, last=last)
    assert to_load == sorted({*to_load}, reverse=True)
    for day in calendar:
        lacking = any(each is None or day not in each for each in held)
        assert (day in to_load) == (lacking and start <= day <= last)


@pytest.mark.parametrize(
    ("bookmark", "expected"),
    [
        pytest.param({}, None, id="none yet"),
        pytest.param(
            {"replication_key_value": "2026-01-09"}, Days(FIRST, date(2026, 1, 9)), id="by hand"
        ),
        pytest.param(
            {"replication_key_value": "2025-12-30T00:00:00Z"},
            Days(date(2025, 12, 30), date(2025, 12, 30)),
            id="before the start",
        ),
    ],
)
def test_a_bookmark_of_another_hand(bookmark: dict[str, str], expected: Days | None) -> None:
    assert Days.of_bookmark(bookmark, start=FIRST) == expected


zones = st.sampled_from(["America/Los_Angeles", "Europe/Berlin", "Asia/Kathmandu", "Etc/GMT+12"])
moments = st.datetimes(datetime(2025, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis adds the zone


@given(moments, zones)
def test_the_last_day_ended_two_hours_ago_and_the_next_did_not(now: datetime, name: str) -> None:
    zone = ZoneInfo(name)
    last = last_day_over(now, zone)

    def end(day: date) -> datetime:
        midnight = datetime.combine(day + timedelta(days=1), datetime.min.time(), zone)
        return midnight.astimezone(UTC)

    assert end(last) <= now - timedelta(hours=2) < end(last + timedelta(days=1))


@given(moments, zones)
def test_a_day_that_is_over_everywhere_is_over_in_each_zone(now: datetime, name: str) -> None:
    assert last_day_over(now, None) <= last_day_over(now, ZoneInfo(name))


@given(
    day=st.dates(date(2020, 1, 1), date(2035, 1, 1)),
    name=st.sampled_from([None, "America/Los_Angeles", "Asia/Kolkata", "Pacific/Auckland", "UTC"]),
    seconds=st.integers(-200_000, 200_000),
)
def test_a_day_is_complete_when_it_is_one_of_those_that_are_over(
    day: date, name: str | None, seconds: int
) -> None:
    zone = ZoneInfo(name) if name else None
    complete = complete_at(day, zone)
    for offset in (-1, 0, seconds):
        now = complete + timedelta(seconds=offset)
        assert (last_day_over(now, zone) >= day) == (now >= complete)
