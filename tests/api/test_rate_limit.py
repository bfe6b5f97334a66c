"""The last requests of an hour are spread, and what the headers of an answer ask for is read."""

from __future__ import annotations

import logging
from email.utils import formatdate
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tap_impact.api.rate_limit import MAX_GAP_SECONDS, NEAR, RateLimiter, number, seconds_to_wait

if TYPE_CHECKING:
    from collections.abc import Mapping

BEGIN = 1_000_000.0


class Talk:
    """A client that waits when told to, on a clock that only waiting moves."""

    def __init__(self, longest_wait: float = 3600) -> None:
        self.now = BEGIN
        self.limiter = RateLimiter(
            longest_wait=longest_wait,
            sleep=self.sleep,
            clock=lambda: self.now,
            logger=logging.getLogger("tests.rate_limit"),
        )

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def turns(self, requests: int, endpoint: str = "/Actions") -> list[float]:
        """How many seconds after the begin each request may be sent."""
        found = []
        for _ in range(requests):
            self.limiter.wait_for_turn(endpoint)
            found.append(self.now - BEGIN)
        return found


def headers(limit: int, left: int, reset: float) -> dict[str, str]:
    return {
        "X-RateLimit-Limit-hour": f"{limit}",
        "X-RateLimit-Remaining-hour": f"{left}",
        "RateLimit-Reset": f"{reset:.0f}",
    }


LIMITS = st.integers(20, 5000)
RESETS = st.integers(1, 3600)


@given(limit=LIMITS, reset=RESETS, data=st.data())
def test_nothing_is_slowed_down_while_much_is_left(
    limit: int, reset: int, data: st.DataObject
) -> None:
    left = data.draw(st.integers(int(limit * NEAR) + 1, limit))
    talk = Talk()
    talk.limiter.update("/Actions", headers(limit, left, reset))
    assert talk.turns(left - int(limit * NEAR)) == [0] * (left - int(limit * NEAR))


def test_no_more_than_the_last_twentieth_of_an_hour_is_spread() -> None:
    talk = Talk()
    talk.limiter.update("/Actions", headers(500, 40, 3600))
    assert talk.turns(15) == [0] * 15


@given(limit=LIMITS, reset=RESETS, data=st.data())
def test_the_last_requests_are_spread_and_the_next_waits_for_the_renewal(
    limit: int, reset: int, data: st.DataObject
) -> None:
    left = data.draw(st.integers(1, max(int(limit * NEAR), 1)))
    talk = Talk()
    talk.limiter.update("/Actions", headers(limit, left, reset))
    *spread, next_hour = talk.turns(left + 1)
    assert spread[0] == 0
    assert spread[-1] <= reset
    gaps = [later - sooner for sooner, later in pairwise(spread)]
    assert all(0 < gap <= MAX_GAP_SECONDS + 1e-6 for gap in gaps)
    assert next_hour >= reset


@given(limit=LIMITS, reset=RESETS, longest=st.integers(0, 3600))
def test_a_renewal_that_may_not_be_waited_for_slows_nothing_down(
    limit: int, reset: int, longest: int
) -> None:
    assume(longest < reset)
    talk = Talk(longest)
    talk.limiter.update("/Actions", headers(limit, 1, reset))
    assert talk.turns(5) == [0] * 5


def test_endpoints_that_show_the_same_limit_share_it() -> None:
    talk = Talk()
    for endpoint in ("/Actions", "/ActionUpdates"):
        talk.limiter.update(endpoint, headers(500, 10, 600))
    talk.limiter.update("/Campaigns", headers(1000, 900, 600))
    assert talk.turns(1, "/Actions") == [0]
    assert talk.turns(1, "/ActionUpdates") == [60]
    assert talk.turns(5, "/Campaigns") == [60] * 5
    assert talk.turns(5, "/Jobs") == [60] * 5
    assert talk.limiter.remaining() == [
        (["/ActionUpdates", "/Actions"], 8, 500, 540),
        (["/Campaigns"], 900, 1000, 540),
    ]


def test_that_requests_are_spread_is_said_once_an_hour(caplog: pytest.LogCaptureFixture) -> None:
    talk = Talk()
    for hour in range(1, 3):
        for left in (500, 3, 2):
            talk.limiter.update("/Actions", headers(500, left, 600))
            talk.turns(1)
        assert len(caplog.messages) == hour
        assert "3 of 500 requests per hour remain" in caplog.messages[-1]


@pytest.mark.parametrize(
    "found",
    [{}, {"X-RateLimit-Limit-hour": "500"}, headers(500, 1, 60) | {"RateLimit-Reset": "soon"}],
)
def test_headers_that_tell_nothing_change_nothing(found: Mapping[str, str]) -> None:
    talk = Talk()
    talk.limiter.update("/Actions", found)
    assert talk.limiter.remaining() == []
    assert talk.turns(3) == [0] * 3


SENT = 1_782_800_000


@pytest.mark.parametrize(
    ("found", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "7"}, 7),
        ({"Retry-After": "0", "RateLimit-Reset": "9"}, 0),
        ({"RateLimit-Reset": "9"}, 9),
        ({"X-RateLimit-Reset": "11"}, 11),
        ({"Retry-After": "Wed, 01 Jul 2026 00:00:00 GMT", "RateLimit-Reset": "9"}, 9),
        ({"RateLimit-Reset": "-1"}, None),
        # the brand's page shows a timestamp
        ({"X-RateLimit-Reset": f"{SENT + 30}", "Date": formatdate(SENT, usegmt=True)}, 30),
        ({"X-RateLimit-Reset": f"{SENT - 30}", "Date": formatdate(SENT, usegmt=True)}, 0),
    ],
    ids=str,
)
def test_what_a_429_asks_for(found: Mapping[str, str], seconds: float | None) -> None:
    assert seconds_to_wait(found) == seconds


@pytest.mark.parametrize(
    ("value", "count"),
    [("12", 12), (7, 7), ("", None), ("1.5", None), (None, None), ("-3", None)],
)
def test_a_count_is_read_or_none(value: object, count: int | None) -> None:
    assert number(value) == count
