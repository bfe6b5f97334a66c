"""Paces requests by the rate limits in the headers of answers."""

from __future__ import annotations

import re
import time
from collections import Counter
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING

from tap_impact.api.clock import date_of

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Mapping

# Requests are paced when this share of a limit remains.
NEAR = 0.05

# So that a run which needs only a few more requests is not delayed for long.
MAX_GAP_SECONDS = 60

COUNT = re.compile("[0-9]{1,15}").fullmatch


@dataclass
class Budget:
    """What is left of one hourly limit; times are those of the clock."""

    limit: int
    left: int
    resets_at: float
    last_turn: float = float("-inf")
    warned: bool = False


class RateLimiter:
    """Spreads the last requests of an hourly limit over the time until it is renewed.

    Safe to be shared by threads.
    """

    def __init__(
        self,
        *,
        longest_wait: float,
        sleep: Callable[[float], object],
        clock: Callable[[], float],
        logger: logging.Logger,
    ) -> None:
        """Start without known limits.

        Args:
            longest_wait: seconds; a limit that is renewed later than this is used up at full speed.
            sleep: how to wait for some seconds.
            clock: a monotonic clock, in seconds.
            logger: told once per hour that requests are spread.
        """
        self._longest_wait = longest_wait
        self._sleep = sleep
        self._clock = clock
        self._logger = logger
        # Endpoints of one group share a limit and show the same number (page on rate limits).
        self._limit_of: dict[str, int] = {}
        self._budgets: dict[int, Budget] = {}
        self._lock = Lock()
        self.requests: Counter[str] = Counter()
        """How many answers came, by endpoint."""

    def update(self, endpoint: str, headers: Mapping[str, str]) -> None:
        """Learn from an answer's headers, if it has them."""
        with self._lock:
            self.requests[endpoint] += 1
        limit, left = (
            number(headers.get(f"X-RateLimit-{name}-hour") or headers.get(f"X-RateLimit-{name}"))
            for name in ("Limit", "Remaining")
        )
        reset = seconds_to_reset(headers)
        if not limit or left is None or reset is None:
            return
        with self._lock:
            self._limit_of[endpoint] = limit
            budget = self._budgets.setdefault(limit, Budget(limit, left, 0))
            if left > budget.left:
                budget.warned = False
            budget.left = left
            budget.resets_at = self._clock() + reset

    def remaining(self) -> list[tuple[list[str], int, int, float]]:
        """What is known of each limit: its endpoints, requests left, all of them, seconds to go."""
        with self._lock:
            return [
                (
                    sorted(name for name, known in self._limit_of.items() if known == limit),
                    budget.left,
                    limit,
                    max(budget.resets_at - self._clock(), 0),
                )
                for limit, budget in sorted(self._budgets.items())
            ]

    def wait_for_turn(self, endpoint: str) -> None:
        """Wait until the next request may be sent."""
        with self._lock:
            pause = self._pause(self._limit_of.get(endpoint))
        if pause > 0:
            self._sleep(pause)

    def _pause(self, limit: int | None) -> float:
        budget = self._budgets.get(limit or 0)
        now = self._clock()
        if budget is None or budget.left > budget.limit * NEAR:
            return 0
        time_left = budget.resets_at - now
        if not 0 < time_left <= self._longest_wait:
            return 0
        if budget.left <= 0:
            turn = budget.resets_at + 1
        else:
            turn = max(now, budget.last_turn + min(time_left / budget.left, MAX_GAP_SECONDS))
            budget.last_turn = turn
        if not budget.warned:
            budget.warned = True
            self._logger.warning(
                "%d of %d requests per hour remain; they are spread over the %d s until the limit "
                "resets.",
                budget.left,
                budget.limit,
                time_left,
            )
        budget.left -= 1
        return turn - now


def seconds_to_wait(headers: Mapping[str, str]) -> float | None:
    """The pause that a 429 names: `Retry-After`, else the limit's reset (page on rate limits)."""
    seconds = number(headers.get("Retry-After"))
    return seconds_to_reset(headers) if seconds is None else seconds


def seconds_to_reset(headers: Mapping[str, str]) -> float | None:
    """In how many seconds a limit is renewed (page on rate limits).

    The brand's page gives an example of the reset as a timestamp, in seconds since 1970.
    """
    seconds = number(headers.get("RateLimit-Reset") or headers.get("X-RateLimit-Reset"))
    if seconds is None:
        return None
    sent = date_of(headers)
    now = sent.timestamp() if sent else time.time()
    return seconds if seconds < now / 2 else max(seconds - now, 0)


def number(value: object) -> int | None:
    """A count that the API writes as a string; None if it is none, or longer than any."""
    return int(value) if isinstance(value, str | int) and COUNT(str(value)) else None
