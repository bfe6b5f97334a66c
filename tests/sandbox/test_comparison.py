"""Whether a table of actions is the truth, and what has changed since."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from impact_sandbox.comparison import changes, truth, verdict
from impact_sandbox.world import World

AT = datetime(2026, 6, 30, 6, 10, tzinfo=UTC)
SINCE = datetime(2026, 3, 1, tzinfo=UTC)
WORLD = World(opened=date(2026, 2, 1), actions_per_day=8)


def test_a_row_that_is_missing_too_many_or_wrong_is_told() -> None:
    right = truth(WORLD, AT, SINCE)
    assert verdict(dict(right), right)[0]
    key = min(right)
    for held in (
        {each: row for each, row in right.items() if each != key},
        right | {"another": right[key]},
        right | {key: ("REVERSED" if right[key][0] != "REVERSED" else "PENDING", *right[key][1:])},
    ):
        is_right, words = verdict(held, right)
        assert not is_right
        assert words.startswith("table differs from truth in 1 actions, such as ")


def test_changes_add_up() -> None:
    before = AT - timedelta(days=3)
    old, now = truth(WORLD, before, SINCE), truth(WORLD, AT, SINCE)
    counts = {
        what: int(count)
        for count, what in (
            part.split(" ", 1) for part in changes(WORLD, before, AT, SINCE).split(", ")
        )
    }
    assert counts["new"] + counts["posted late"] == len(now.keys() - old.keys())
    assert counts["reversed"] == sum(
        now[key][0] == "REVERSED" != row[0] for key, row in old.items()
    )
    assert changes(WORLD, AT, AT, SINCE) == "no change"
