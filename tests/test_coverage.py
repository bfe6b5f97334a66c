"""Laws of progress: whatever breaks, the next run misses nothing that the last one left."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_impact.progress.coverage import OVERLAP, Coverage, Purpose, Step
from tap_impact.progress.windows import REACH

NOW = datetime(2026, 6, 30, 6, 10, tzinfo=UTC)
seconds_back = st.integers(min_value=0, max_value=4 * 365 * 86400)
times = seconds_back.map(lambda seconds: NOW - timedelta(seconds=seconds))
coverages = st.tuples(times, times).map(lambda pair: Coverage(min(pair), max(pair)))


def steps(
    coverage: Coverage, start: datetime, *, now: datetime = NOW, lookback: int | None = 40
) -> list[Step]:
    return [
        *coverage.steps(
            now=now,
            start=start,
            reach=now - REACH,
            settlement_lookback=None if lookback is None else timedelta(days=lookback),
        )
    ]


@given(coverage=coverages, start=times)
def test_coverage_never_shrinks_and_ends_whole(coverage: Coverage, start: datetime) -> None:
    held = coverage
    for step in steps(coverage, start):
        assert step.coverage.since <= held.since
        assert held.through <= step.coverage.through <= NOW
        held = step.coverage
    assert held.through == NOW
    assert held.since <= max(start, NOW - REACH) or held.since == coverage.since


@given(coverage=coverages, start=times, stop_after=st.integers(min_value=0, max_value=40))
def test_a_run_cut_short_and_resumed_reads_all_that_was_missing(
    coverage: Coverage, start: datetime, stop_after: int
) -> None:
    first = steps(coverage, start)[:stop_after]
    reached = first[-1].coverage if first else coverage
    read = first + steps(reached, start)
    reach = NOW - REACH
    for purpose, begin, end in (
        (Purpose.CATCH_UP, max(coverage.through - OVERLAP, reach), NOW),
        (Purpose.HISTORY, max(start, reach), coverage.since),
    ):
        spans = sorted(step.window for step in read if step.purpose is purpose)
        if purpose is Purpose.CATCH_UP and coverage.through >= NOW:
            assert not spans
            continue
        for span in spans:
            if span.start <= begin:
                begin = max(begin, span.end)  # noqa: PLW2901
        assert begin >= end


@given(coverage=coverages, start=times)
def test_nothing_beyond_reach_or_after_now_is_asked_for(
    coverage: Coverage, start: datetime
) -> None:
    for step in steps(coverage, start):
        assert NOW - REACH <= step.window.start < step.window.end <= NOW


@given(coverage=coverages, start=times)
def test_the_new_comes_before_history(coverage: Coverage, start: datetime) -> None:
    order = [Purpose.SETTLEMENT, Purpose.CATCH_UP, Purpose.HISTORY]
    ranks = [order.index(step.purpose) for step in steps(coverage, start)]
    assert ranks == sorted(ranks)


@given(coverage=coverages, start=times)
def test_nothing_is_read_again_once_all_is_held(coverage: Coverage, start: datetime) -> None:
    planned = steps(coverage, start)
    held = planned[-1].coverage if planned else coverage
    assert not steps(held, start)


def test_a_normal_run_takes_one_window_per_purpose() -> None:
    held = Coverage(NOW - timedelta(days=900), NOW - timedelta(days=1))
    planned = steps(held, NOW - timedelta(days=900))
    assert [step.purpose for step in planned] == [Purpose.SETTLEMENT, Purpose.CATCH_UP]
    assert [step.purpose for step in steps(held, held.since, lookback=None)] == [Purpose.CATCH_UP]


@given(coverages)
def test_a_bookmark_survives_being_written(coverage: Coverage) -> None:
    bookmark = coverage.bookmark("event_date")
    assert bookmark["replication_key"] == "event_date"
    assert Coverage.of_bookmark(bookmark, start=NOW) == coverage


def test_a_bookmark_without_history_counts_as_complete_back_to_the_start() -> None:
    start = NOW - timedelta(days=100)
    bookmark = {"replication_key_value": "2026-06-29T23:10:00-07:00"}
    assert Coverage.of_bookmark(bookmark, start=start) == Coverage(start, NOW)


def test_no_bookmark_is_no_coverage() -> None:
    assert Coverage.of_bookmark({}, start=NOW) is None


@pytest.mark.parametrize("value", ["yesterday", "2026-13-01"])
def test_a_bookmark_that_is_no_date_is_refused(value: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        Coverage.of_bookmark({"replication_key_value": value}, start=NOW)


def test_a_bookmark_with_microseconds_is_of_whole_seconds() -> None:
    moment = {"replication_key_value": "2026-06-28T00:00:00.999999Z"}
    read = Coverage.of_bookmark(moment, start=datetime(2026, 6, 1, tzinfo=UTC))
    assert read
    assert read.through == datetime(2026, 6, 28, tzinfo=UTC)


def test_a_bookmark_by_hand_from_before_the_start_covers_a_second() -> None:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    written = {"replication_key_value": moment.isoformat()}
    read = Coverage.of_bookmark(written, start=datetime(2026, 6, 1, tzinfo=UTC))
    assert read == Coverage(moment, moment)
