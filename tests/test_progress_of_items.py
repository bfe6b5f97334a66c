"""The law of action items: each version of an action is asked for once, however runs are cut."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from tap_impact.progress.coverage import OVERLAP, Coverage, Purpose
from tap_impact.progress.items import Action, Progress
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

    def version(self, now: datetime) -> int:
        """How many versions are shown."""
        return sum(shown <= now for _, shown in self.versions)


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
        found.append(Life(f"a{number:02}", event, versions))
    return found


def listed(world: list[Life], purpose: Purpose, window: Window, now: datetime) -> list[Action]:
    """What the API lists: by event, or by the newest version that it shows."""
    found = []
    for life in world:
        version = life.version(now)
        if version:
            at = life.event if purpose is Purpose.HISTORY else life.versions[version - 1][0]
            if window.start <= at <= window.end:
                found.append(Action(life.id, life.event, str(life.event.date()), str(version)))
    return found


def run(
    world: list[Life], progress: Progress, now: datetime, allowed: int
) -> list[tuple[str, int]]:
    """Which versions one run of the stream asks for."""
    asked = []
    for purpose, window in progress.lists(now=now, start=START, reach=REACH):
        actions = listed(world, purpose, window, now)
        to_ask = progress.to_ask(purpose, actions, START)
        for action in to_ask[:allowed]:
            asked.append((action.id, int(action.digest)))
            progress.asked(purpose, action)
        if allowed < len(to_ask):
            break
        allowed -= len(to_ask)
        progress.finished(purpose, window, actions, now)
    return asked


def restored(progress: Progress) -> Progress:
    """What the next run reads from state."""
    bookmark: dict[str, Any] = progress.coverage.bookmark("event_date") | progress.details()
    coverage = Coverage.of_bookmark(bookmark, start=START)
    assert coverage
    return Progress.of_bookmark(coverage, bookmark)


def unsettled(progress: Progress, now: datetime) -> Window:
    """What the next catch-up lists again."""
    return Window(progress.coverage.through - OVERLAP, now)


@settings(max_examples=300)
@given(lives(), st.lists(st.tuples(st.integers(0, 12_000), st.integers(0, 6)), max_size=12))
def test_each_version_is_asked_once_and_the_last_of_all_arrive(
    world: list[Life], runs: list[tuple[int, int]]
) -> None:
    now, progress = FIRST_RUN, Progress(Coverage(FIRST_RUN, FIRST_RUN))
    asked = []
    for minutes, allowed in runs:
        asked += run(world, progress, now, allowed)
        progress = restored(progress)
        listed_next = listed(world, Purpose.CATCH_UP, unsettled(progress, now), now)
        assert progress.recent.keys() <= {action.id for action in listed_next}
        now += minutes * MINUTE
    for _ in range(2):
        now += timedelta(days=80)
        asked += run(world, progress, now, 1000)
        progress = restored(progress)
    assert not [each for each, times in Counter(asked).items() if times > 1]
    for life in world:
        if life.event >= START:
            assert (life.id, len(life.versions)) in asked
    assert not progress.recent
    assert progress.coverage == Coverage(START, now)
