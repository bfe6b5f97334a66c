"""Laws of the periods of reports: whatever breaks and however it is cut, nothing is left out."""

from __future__ import annotations

import json
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_impact.progress.periods import Every, Period, PeriodCoverage, begun, due, periods_back

DAYS = st.dates(date(2023, 1, 1), date(2026, 12, 31))
CUT = st.sampled_from([Every.DAY, Every.MONTH])
FIRST = date(2026, 1, 10)


def days_of(period: Period) -> set[date]:
    return {period.first + timedelta(days=n) for n in range((period.last - period.first).days + 1)}


@given(CUT, DAYS, DAYS)
def test_periods_meet_and_cover_the_span(every: Every, start: date, today: date) -> None:
    start, today = min(start, today), max(start, today)
    periods = [*periods_back(every, start, today)]
    assert periods[-1].first <= start <= periods[-1].last
    assert periods[0].first <= today <= periods[0].last
    for newer, older in pairwise(periods):
        assert older.last + timedelta(days=1) == newer.first
    assert len({each.name for each in periods}) == len(periods)


@given(DAYS, DAYS)
def test_the_whole_span_is_one_period(start: date, today: date) -> None:
    assert [*periods_back(Every.ALL, start, today)] == [Period("all", start, today)]


class Life:
    """The runs of a stream, each of which may end early, in a world that changes every day.

    `read` is when each day was read last, by the run's day.
    """

    def __init__(self, every: Every, lookback: int) -> None:
        self.every = every
        self.lookback = timedelta(days=lookback)
        self.bookmark: dict[str, Any] = {}
        self.read: dict[date, date] = {}
        self.runs: list[date] = []

    def run(self, today: date, start: date, order: list[int], most: int) -> list[Period]:
        """Read at most so many periods, in an order that exports arrive in."""
        covered = PeriodCoverage.of_bookmark(json.loads(json.dumps(self.bookmark)))
        left = due(covered, self.every, start=start, today=today, lookback=self.lookback)
        covered = begun(covered, self.every, left, today=today, lookback=self.lookback)
        arriving = sorted(left, key=lambda each: order[left.index(each) % len(order)])
        for period in arriving[:most]:
            self.read |= dict.fromkeys((d for d in days_of(period) if d <= today), today)
            covered = covered.plus(period)
            self.bookmark = covered.bookmark("period_start")
        if most >= len(left):
            self.runs.append(today)
        return left


@given(
    CUT,
    st.integers(0, 60),
    st.lists(
        st.tuples(
            st.integers(0, 70),  # days since the last run
            st.integers(0, 90),  # how far back history is asked for
            st.lists(st.integers(0, 9), min_size=1, max_size=4),
            st.one_of(st.integers(0, 4), st.just(10_000)),  # periods until it is killed
        ),
        min_size=1,
        max_size=8,
    ),
)
def test_a_whole_run_leaves_no_day_out(every: Every, lookback: int, runs: list[Any]) -> None:
    life = Life(every, lookback)
    today, last = FIRST, date.min
    for later, back, order, most in runs:
        today += timedelta(days=later)
        start = today - timedelta(days=back)
        earlier, was_whole = last, len(life.runs)
        life.run(today, start, order, most)
        last = today if life.read and (most or life.runs[was_whole:]) else last
        if len(life.runs) == was_whole:
            continue
        # Each day from the start on was read; what the last run could see change, by this one;
        # what the last whole run could, by it or by one since.
        for number in range((today - start).days + 1):
            day = start + timedelta(days=number)
            assert day in life.read
            if earlier > date.min and day >= earlier - timedelta(days=lookback):
                assert life.read[day] == today
            if was_whole and day >= life.runs[-2] - timedelta(days=lookback):
                assert life.read[day] >= life.runs[-2]


@given(CUT, st.integers(0, 60), st.integers(0, 400))
def test_a_second_run_reads_what_may_change_alone(every: Every, lookback: int, back: int) -> None:
    life = Life(every, lookback)
    start = FIRST - timedelta(days=back)
    life.run(FIRST, start, [0], 10_000)
    again = life.run(FIRST, start, [0], 10_000)
    assert all(each.last >= FIRST - timedelta(days=lookback) for each in again)
    assert {Period.around(FIRST, every)} <= {*again}


def test_an_earlier_start_is_asked_for_later() -> None:
    life = Life(Every.MONTH, 0)
    life.run(date(2026, 6, 10), date(2026, 5, 5), [0], 99)
    left = life.run(date(2026, 6, 11), date(2026, 3, 1), [0], 99)
    assert [each.name for each in left] == ["2026-06", "2026-04", "2026-03"]
    assert life.run(date(2026, 6, 11), date(2026, 5, 5), [0], 99)[1:] == []


def test_what_is_open_stays_open_though_the_start_moves() -> None:
    life = Life(Every.MONTH, 0)
    # The oldest arrives first, then the run is killed.
    life.run(date(2026, 6, 10), date(2026, 3, 1), [9, 8, 7, 1], 1)
    life.run(date(2026, 6, 10), date(2026, 5, 1), [0], 99)
    left = life.run(date(2026, 6, 10), date(2026, 3, 1), [0], 99)
    assert [each.name for each in left] == ["2026-06", "2026-04"]


@pytest.mark.parametrize(
    "bookmark",
    [
        {"replication_key_value": "2026-06-01"},
        {"replication_key_value": "soon", "history_since": "2026-06-01", "period": "day"},
        {"replication_key_value": "2026-06-01", "history_since": "2026-06-01", "period": "week"},
    ],
)
def test_a_bookmark_of_another_hand_is_refused(bookmark: dict[str, Any]) -> None:
    with pytest.raises((ValueError, KeyError)):
        PeriodCoverage.of_bookmark(bookmark)
