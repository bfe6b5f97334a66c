"""Windows of time, and how a span is cut to what impact.com answers in one query."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import repeat
from typing import TYPE_CHECKING, NamedTuple

from tap_impact.records.timestamps import iso

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# "StartDate and EndDate cannot be more than 45 days apart" (List Actions, List Action Updates;
# the same for LockingDate). Nobody says whether that is inclusive, hence one day less.
WIDEST = timedelta(days=44)

# "StartDate cannot exceed 3 years in the past" (List Actions), less a day, since the clock of
# impact.com goes on while we ask.
REACH = timedelta(days=3 * 365 - 1)

# Timestamps of impact.com are whole seconds: a narrower window cannot be requested.
NARROWEST = timedelta(seconds=1)


class Window(NamedTuple):
    """A span of time, UTC, in whole seconds.

    impact.com's filters include both ends, so two windows that meet share the rows of one second.
    """

    start: datetime
    end: datetime

    def __str__(self) -> str:
        """Read like `2026-06-01T00:00:00Z to 2026-06-30T00:00:00Z`."""
        return f"{iso(self.start)} to {iso(self.end)}"

    @property
    def can_be_halved(self) -> bool:
        """Whether both halves would be windows that the API tells apart."""
        return self.end - self.start > NARROWEST

    def halves(self) -> tuple[Window, Window]:
        """Two windows that meet at a whole second and together are this one."""
        middle = self.start + timedelta(seconds=(self.end - self.start) // NARROWEST // 2)
        return Window(self.start, middle), Window(middle, self.end)


def oldest_first(
    start: datetime, end: datetime, widths: Iterable[timedelta] = repeat(WIDEST)
) -> Iterator[Window]:
    """Cut `[start, end]` into windows that meet, from its start. Nothing if it is empty."""
    for width in widths:
        if start >= end:
            return
        stop = min(start + width, end)
        yield Window(start, stop)
        start = stop


def newest_first(
    start: datetime, end: datetime, widths: Iterable[timedelta] = repeat(WIDEST)
) -> Iterator[Window]:
    """Cut `[start, end]` into windows that meet, from its end. Nothing if it is empty."""
    for width in widths:
        if start >= end:
            return
        begin = max(end - width, start)
        yield Window(begin, end)
        end = begin


def doubling(width: timedelta) -> Iterator[timedelta]:
    """Widths that grow to the widest, for a reader who may stop before the end of the span."""
    while True:
        yield min(width, WIDEST)
        width = min(2 * width, WIDEST)
