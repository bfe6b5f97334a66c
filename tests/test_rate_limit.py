"""How fast impact.com is asked, by what its headers tell."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_impact.api.rate_limit import RateLimiter, seconds_to_reset, seconds_to_wait

NOW = datetime(2026, 6, 30, 6, 10, tzinfo=UTC)
DATE = {"Date": format_datetime(NOW, usegmt=True)}


class Hour:
    """A limiter whose waits are the passing of its clock."""

    def __init__(self, longest_wait: float = 3600) -> None:
        self.now = 0.0
        self.pauses: list[float] = []
        self.limiter = RateLimiter(
            longest_wait=longest_wait,
            sleep=self.sleep,
            clock=lambda: self.now,
            logger=logging.getLogger("test"),
        )

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.pauses.append(seconds)
        self.now += seconds

    def note(self, left: int, reset: int, limit: int = 500) -> None:
        headers = {"X-RateLimit-Limit-hour": limit, "X-RateLimit-Remaining-hour": left}
        texts = {name: str(value) for name, value in headers.items()}
        self.limiter.update("Actions", texts | {"RateLimit-Reset": str(reset)})


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "9", "RateLimit-Reset": "20"}, 9),
        ({"Retry-After": "0"}, 0),
        ({"RateLimit-Reset": "20"}, 20),
        ({"X-RateLimit-Reset": "20"}, 20),
        ({"RateLimit-Reset": str(int(NOW.timestamp()) + 90)} | DATE, 90),
        ({"RateLimit-Reset": str(int(NOW.timestamp()) - 90)} | DATE, 0),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "9" * 5000, "RateLimit-Reset": "20"}, 20),
        ({"RateLimit-Reset": "9" * 400}, None),
        ({}, None),
    ],
)
def test_the_wait_is_what_the_headers_say(headers: dict[str, str], seconds: float | None) -> None:
    assert seconds_to_wait(headers) == seconds


def test_a_reset_that_is_an_reset_is_counted_from_impact_com_s_present() -> None:
    """The machine's clock may be wrong."""
    reset = str(int(NOW.timestamp()) + 600)
    assert seconds_to_reset({"RateLimit-Reset": reset} | DATE) == 600


@given(left=st.integers(26, 500), reset=st.integers(1, 3600))
def test_far_from_the_limit_nothing_is_slowed_down(left: int, reset: int) -> None:
    hour = Hour()
    hour.note(left, reset)
    hour.limiter.wait_for_turn("Actions")
    assert not hour.pauses


@given(left=st.integers(0, 25), reset=st.integers(1, 3600), requests=st.integers(1, 40))
def test_no_more_is_asked_than_is_left_until_the_reset(
    left: int, reset: int, requests: int
) -> None:
    hour = Hour()
    hour.note(left, reset)
    sent = []
    for _ in range(requests):
        hour.limiter.wait_for_turn("Actions")
        sent.append(hour.now)
    assert sum(at < reset for at in sent) <= max(left, 0)
    assert max(hour.pauses, default=0) <= max(reset + 1, 60)


@given(left=st.integers(0, 25), reset=st.integers(61, 3600))
def test_a_reset_that_is_too_far_off_is_not_waited_for(left: int, reset: int) -> None:
    hour = Hour(longest_wait=60)
    hour.note(left, reset)
    hour.limiter.wait_for_turn("Actions")
    assert not hour.pauses


def test_endpoints_of_another_limit_are_not_slowed_down() -> None:
    hour = Hour()
    hour.note(0, 3600)
    hour.limiter.wait_for_turn("Campaigns")
    assert not hour.pauses
    assert hour.limiter.remaining() == [(["Actions"], 0, 500, 3600)]
