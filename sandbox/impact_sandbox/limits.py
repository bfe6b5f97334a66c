"""How many requests impact.com takes (its page "Rate limits"), on the sandbox's clock."""

from __future__ import annotations

from collections import Counter
from threading import Lock
from typing import TYPE_CHECKING

from impact_sandbox.rules import Rule

if TYPE_CHECKING:
    from impact_sandbox.exchange import Request


class Limit:
    """A number of requests for each hour or each UTC day, which begin on the clock's full ones.

    Args:
        period: ``hour`` or ``day``, as the names of the headers have it.
        most: How many requests one period takes.
    """

    def __init__(self, period: str, most: int) -> None:
        """Nothing has been used."""
        self.period = period
        self.most = most
        self._seconds = {"hour": 3600, "day": 86_400}[period]
        self._used: Counter[int] = Counter()
        self._refused: Counter[int] = Counter()
        self._lock = Lock()

    def used(self, now: int) -> int:
        """Return how many requests the present period has had."""
        return self._used[now // self._seconds]

    def was_refused(self, now: int) -> bool:
        """Tell whether a request of the present period was told to wait for the next one."""
        return self._refused[now // self._seconds] > 0

    def spend(self, now: int) -> tuple[bool, dict[str, str]]:
        """Count a request; tell whether it is allowed, and the headers that say what is left."""
        number, elapsed = divmod(now, self._seconds)
        with self._lock:
            allowed = self._used[number] < self.most
            (self._used if allowed else self._refused)[number] += 1
            left = self.most - self._used[number]
        reset = str(self._seconds - elapsed)
        headers = {
            f"X-RateLimit-Limit-{self.period}": str(self.most),
            f"X-RateLimit-Remaining-{self.period}": str(left),
            "RateLimit-Reset": reset,
        }
        return allowed, headers if allowed else headers | {"Retry-After": reset}


def spend(limit: Limit, request: Request) -> tuple[bool, dict[str, str]]:
    """Count a request against a limit, as ``Limit.spend``, and note what it broke."""
    again = limit.was_refused(request.now)
    allowed, headers = limit.spend(request.now)
    if not allowed:
        request.broken.append(Rule.RETRY_AFTER if again else Rule.LIMIT)
    return allowed, headers
