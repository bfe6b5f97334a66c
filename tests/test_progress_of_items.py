"""The law of action items: each version of an action is asked for once, however runs are cut."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tap_impact.progress.coverage import OVERLAP, Coverage, Purpose
from tap_impact.progress.items import Action, ItemsProgress

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_impact.progress.windows import Window

FIRST_RUN = datetime(2026, 3, 2, 6, 10, tzinfo=UTC)
START = FIRST_RUN - timedelta(hours=66)
REACH = FIRST_RUN - timedelta(days=900)
MINUTE = timedelta(minutes=1)
LONGEST_LAG = int(OVERLAP / MINUTE) - 1


class Life(NamedTuple):
    """An action: when it happened, and when each of its versions was made and is shown."""

    id: str
    event: datetime
    versions: list[tuple[datetime, datetime]]
    row_shows: bool
    """Whether the row of the action tells its versions apart, or its updates alone do."""

    def version(self, now: datetime) -> int:
        """How many versions are shown."""
        return sum(shown <= now for _, shown in self.versions)

    def updates(self, window: Window, now: datetime) -> frozenset[str]:
        """The updates of a window that are shown."""
        return frozenset(
            str(number)
            for number, (made, shown) in enumerate(self.versions, start=1)
            if window.start <= made <= window.end and shown <= now
        )


@st.composite
def lives(draw: st.DrawFn) -> list[Life]:
    """Actions of some days around the first run; several may happen at once."""
    found = []
    for number in range(draw(st.integers(1, 12))):
        event = FIRST_RUN + draw(st.integers(-8, 4)) * timedelta(hours=11)
        made, shown, versions = event, event, []
        for _ in range(draw(st.integers(1, 3))):
            # odd seconds: no version is made in the very second at which two lists meet
            made += draw(st.integers(1, 3000)) * MINUTE + timedelta(seconds=7)
            shown = max(shown, made + draw(st.integers(0, LONGEST_LAG)) * MINUTE)
            versions.append((made, shown))
        found.append(Life(f"a{number:02}", event, versions, draw(st.booleans())))
    return found


def listed(
    world: list[Life], purpose: Purpose, window: Window, now: datetime, stretch: Window
) -> list[Action]:
    """What the API lists: by event, or by the newest version that it shows."""
    found = []
    for life in world:
        version = life.version(now)
        if version:
            at = life.event if purpose is Purpose.HISTORY else life.versions[version - 1][0]
            if window.start <= at <= window.end:
                row = f"row{version if life.row_shows else 0}"
                updates = life.updates(stretch, now)
                found.append(Action(life.id, life.event, str(life.event.date()), row, updates))
    return found


def run(
    world: list[Life],
    progress: ItemsProgress,
    now: datetime,
    allowed: int,
    fails: Callable[[str], bool] = lambda _: False,
) -> list[tuple[str, int]]:
    """Which versions one run of the stream asks for, those that do not come left out."""
    versions = {life.id: life.version(now) for life in world}
    stretch = progress.catch_up_window(now=now, reach=REACH)
    asked, failed = [], set()

    def ask(action: Action) -> None:
        if fails(action.id):
            assert progress.add_open(action)
            failed.add(action.id)
        else:
            progress.close(action)
            failed.discard(action.id)
            asked.append((action.id, versions[action.id]))

    for action in progress.open_actions():
        ask(action)
    for purpose, window in progress.windows(now=now, start=START, reach=REACH):
        found = listed(world, purpose, window, now, stretch)
        actions = [action for action in found if progress.is_in_range(action, START)]
        to_request = progress.to_request(purpose, actions, START)
        for action in to_request[:allowed]:
            ask(action)
            progress.mark_requested(purpose, action)
        if allowed < len(to_request):
            break
        allowed -= len(to_request)
        progress.mark_complete(purpose, window, actions, now)
    for action_id in failed:
        progress.count_failed_run(action_id, not_found=False)
    return asked


def restored(progress: ItemsProgress) -> ItemsProgress:
    """What the next run reads from state."""
    bookmark: dict[str, Any] = progress.coverage.bookmark("event_date") | progress.details()
    coverage = Coverage.of_bookmark(bookmark, start=START)
    assert coverage
    return ItemsProgress.of_bookmark(coverage, bookmark)


Runs = list[tuple[int, int]]
runs_of_a_week = st.lists(st.tuples(st.integers(0, 12_000), st.integers(0, 6)), max_size=12)


@pytest.mark.slow
@settings(max_examples=300)
@given(lives(), runs_of_a_week)
def test_each_version_is_asked_once_and_the_last_of_all_arrive(
    world: list[Life], runs: Runs
) -> None:
    now, progress = FIRST_RUN, ItemsProgress(Coverage(FIRST_RUN, FIRST_RUN))
    asked = []
    for minutes, allowed in runs:
        asked += run(world, progress, now, allowed)
        progress = restored(progress)
        stretch = progress.catch_up_window(now=now, reach=REACH)
        listed_next = listed(world, Purpose.CATCH_UP, stretch, now, stretch)
        assert progress.recent.keys() <= {action.id for action in listed_next}
        now += minutes * MINUTE
    for _ in range(2):
        now += timedelta(days=80)
        asked += run(world, progress, now, 1000)
        progress = restored(progress)
    assert not [each for each, times in Counter(asked).items() if times > 1]
    for life in world:
        wanted = (life.id, len(life.versions)) in asked
        assert wanted is (life.event >= START)
    assert not progress.recent
    assert progress.coverage == Coverage(START, now)


@given(lives(), runs_of_a_week, st.sets(st.integers(0, 11)), st.integers(0, 12))
def test_what_does_not_come_stays_open_and_holds_nothing_up(
    world: list[Life], runs: Runs, troubled: set[int], until: int
) -> None:
    bad = {f"a{number:02}" for number in troubled}
    now, progress = FIRST_RUN, ItemsProgress(Coverage(FIRST_RUN, FIRST_RUN))
    twin = restored(progress)
    asked: list[tuple[str, int]] = []
    for number, (minutes, allowed) in enumerate(runs):
        troubled_now = bad if number < until else set()
        came = run(world, progress, now, allowed, troubled_now.__contains__)
        run(world, twin, now, allowed)
        asked += came
        progress, twin = restored(progress), restored(twin)
        assert progress.open.keys() <= troubled_now
        assert (progress.coverage, progress.recent) == (twin.coverage, twin.recent)
        now += minutes * MINUTE
    for _ in range(2):
        now += timedelta(days=80)
        asked += run(world, progress, now, 1000)
        progress = restored(progress)
    assert not progress.open
    for life in world:
        assert ((life.id, len(life.versions)) in asked) is (life.event >= START)
