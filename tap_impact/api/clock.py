"""impact.com's time, independent of this machine's clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from tap_impact.records.timestamps import iso

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Mapping

# Less than this is the usual inaccuracy of clocks, and the time that an answer takes.
TOLERANCE = timedelta(minutes=5)


class ServerClock:
    """The machine's clock, set right by the `Date` header of each answer (RFC 9110, 6.6.1).

    An answer is older than its arrival, so this clock is never ahead of impact.com's.
    """

    def __init__(self, machine: Callable[[], datetime], logger: logging.Logger) -> None:
        """Start with the machine's clock.

        Args:
            machine: this machine's clock, in UTC.
            logger: told once if the clocks disagree.
        """
        self.is_synchronized = False
        self._machine = machine
        self._logger = logger
        self._ahead = timedelta()
        self._warned = False

    def synchronize(self, headers: Mapping[str, str]) -> None:
        """Learn from an answer; without a readable date, all stays as it was."""
        self.is_synchronized = True
        there = date_of(headers)
        if there is None:
            return
        here = self._machine()
        self._ahead = here - there
        if abs(self._ahead) > TOLERANCE and not self._warned:
            self._warned = True
            self._logger.warning(
                "This machine's clock says %s, and impact.com's says %s: this machine is %s %s. "
                "The run uses impact.com's.",
                iso(here.replace(microsecond=0)),
                iso(there),
                timedelta(seconds=round(abs(self._ahead).total_seconds())),
                "ahead" if self._ahead > timedelta() else "behind",
            )

    def now(self) -> datetime:
        """impact.com's present in UTC, in whole seconds."""
        return (self._machine() - self._ahead).replace(microsecond=0)


def date_of(headers: Mapping[str, str]) -> datetime | None:
    """When an answer was made, by its `Date` header; None if that is missing or unreadable."""
    try:
        found = parsedate_to_datetime(headers.get("Date", ""))
    except (ValueError, TypeError, OverflowError):
        return None
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)


def machine_clock() -> datetime:
    """This machine's clock, in UTC."""
    return datetime.now(UTC)
