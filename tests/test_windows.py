"""Laws of cutting time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_impact.progress.windows import WIDEST, Window, newest_first, oldest_first
from tap_impact.records.timestamps import iso, parse_timestamp

times = st.datetimes(
    min_value=datetime(2019, 1, 1),  # noqa: DTZ001
    max_value=datetime(2030, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
).map(lambda at: at.replace(microsecond=0))


@given(start=times, end=times)
def test_windows_cover_a_span_exactly_and_never_overlap(start: datetime, end: datetime) -> None:
    windows = [*oldest_first(start, end)]
    assert sum((window.end - window.start for window in windows), timedelta()) == max(
        end - start, timedelta()
    )
    assert all(earlier.end == later.start for earlier, later in pairwise(windows))
    if start < end:
        assert (windows[0].start, windows[-1].end) == (start, end)


@given(start=times, end=times)
def test_no_window_is_empty_or_wider_than_the_api_allows(start: datetime, end: datetime) -> None:
    for window in [*oldest_first(start, end), *newest_first(start, end)]:
        assert timedelta() < window.end - window.start <= WIDEST < timedelta(days=45)


@given(start=times, end=times)
def test_newest_first_covers_the_same_span_from_its_end(start: datetime, end: datetime) -> None:
    windows = [*newest_first(start, end)]
    assert all(later.start == earlier.end for later, earlier in pairwise(windows))
    if start < end:
        assert (windows[-1].start, windows[0].end) == (start, end)
    else:
        assert not windows


@given(start=times, seconds=st.integers(min_value=2, max_value=44 * 86400))
def test_halves_are_narrower_and_make_up_the_whole(start: datetime, seconds: int) -> None:
    window = Window(start, start + timedelta(seconds=seconds))
    earlier, later = window.halves()
    assert window.can_be_halved
    assert (earlier.start, later.end) == window
    assert window.start < earlier.end == later.start < window.end


def test_a_second_is_not_halved() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    assert not Window(start, start + timedelta(seconds=1)).can_be_halved


@given(times)
def test_a_time_survives_being_written(at: datetime) -> None:
    assert iso(at).endswith("Z")
    assert parse_timestamp(iso(at)) == at


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-06-30", "2026-06-30T00:00:00Z"),
        ("2026-06-30T06:10:00", "2026-06-30T06:10:00Z"),
        ("2026-06-29T23:10:00-07:00", "2026-06-30T06:10:00Z"),
    ],
)
def test_dates_without_a_zone_are_utc(text: str, expected: str) -> None:
    assert iso(parse_timestamp(text)) == expected
