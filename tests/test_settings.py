"""What settings mean for a run."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from tap_impact.progress.windows import REACH
from tap_impact.settings import Settings, problems

CLOCK = datetime(2026, 11, 22, 12, 0, 0, 250_000, tzinfo=UTC)
WHOLE = CLOCK.replace(microsecond=0)


def settings(**config: Any) -> Settings:
    config = {"account_sid": "IRx", "auth_token": "t"} | config
    assert problems(config) == []
    return Settings.of(config, clock=CLOCK)


def test_playing_the_past_moves_neither_the_reach_of_the_api_nor_the_day_of_the_quota() -> None:
    played = settings(end_date="2026-10-01")
    assert played.now == datetime(2026, 10, 1, tzinfo=UTC)
    assert (played.clock, played.reach) == (WHOLE, WHOLE - REACH)
    assert played.start == played.reach


def test_a_sandbox_lives_at_the_moment_that_is_played() -> None:
    played = settings(end_date="2026-10-01", api_url="http://127.0.0.1:8080")
    assert played.clock == played.now
    assert played.reach == played.now - REACH


def test_history_begins_no_earlier_than_the_api_answers() -> None:
    assert settings(start_date="2010-01-01").start == WHOLE - REACH
    assert settings(start_date="2026-01-01").start == datetime(2026, 1, 1, tzinfo=UTC)


def test_clicks_begin_on_the_calendar_day_that_is_written() -> None:
    assert settings(click_start_date="2026-06-26T20:00:00-07:00").click_start == date(2026, 6, 26)


@pytest.mark.parametrize("size", [0, -1, "many"])
def test_a_batch_holds_a_row_at_least(size: object) -> None:
    config = {"encoding": {"format": "jsonl"}, "storage": {"root": "file:///x"}}
    found = problems(
        {"account_sid": "IRx", "auth_token": "t", "batch_config": config | {"batch_size": size}}
    )
    assert any("batch_size" in each for each in found)


def test_a_start_in_the_future_is_refused() -> None:
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    found = problems({"account_sid": "IRx", "auth_token": "t", "start_date": tomorrow})
    assert found == ["start_date is in the future"]
