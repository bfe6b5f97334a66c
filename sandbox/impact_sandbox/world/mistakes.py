"""Errors in the account's books, planted on request for whoever reconciles them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from datetime import date


class Mistakes(NamedTuple):
    """What is wrong with the books.

    ``source`` is the table of which one row of ``month`` has a cent too much: the month of the
    event for actions and invoice lines, of the day for other earnings and withdrawals. Of
    ``unpriced`` actions that never change, one is paid what no term of its contract gives.
    """

    source: str = ""
    month: str = ""
    unpriced: int = 0

    def may_hit(self, source: str, day: date) -> bool:
        """Tell whether a row of this table and day may be the wrong one."""
        return source == self.source and f"{day:%Y-%m}" == self.month


NO_MISTAKES = Mistakes()
