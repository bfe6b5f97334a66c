"""How many requests impact.com takes (its page "Rate limits"), on the sandbox's clock."""

from __future__ import annotations

from collections import Counter
from threading import Lock


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
        self._lock = Lock()

    def used(self, now: int) -> int:
        """Return how many requests the present period has had."""
        return self._used[now // self._seconds]

    def spend(self, now: int) -> tuple[bool, dict[str, str]]:
        """Count a request; tell whether it is allowed, and the headers that say what is left."""
        number, elapsed = divmod(now, self._seconds)
        with self._lock:
            allowed = self._used[number] < self.most
            if allowed:
                self._used[number] += 1
            left = self.most - self._used[number]
        reset = str(self._seconds - elapsed)
        headers = {
            f"X-RateLimit-Limit-{self.period}": str(self.most),
            f"X-RateLimit-Remaining-{self.period}": str(left),
            "RateLimit-Reset": reset,
        }
        return allowed, headers if allowed else headers | {"Retry-After": reset}
