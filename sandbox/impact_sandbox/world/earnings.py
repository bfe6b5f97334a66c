"""What is earned beside actions, what is overdue, and what was paid out.

A bonus, a make-good or a transfer of funds is earned on a day. It is invoiced with the actions that
were cleared in the same month, in a BONUS line for that month.

Brands pay the lines of invoices, some of them late; on the 15th of a month the partner withdraws
all that was paid since, if it is enough. So cleared actions and other earnings are the lines of
invoices, and these are withdrawals, what is not paid yet, and a rest that is too small for one.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from impact_sandbox.world.account import CENT, ZERO
from impact_sandbox.world.invoices import Invoices, OtherEarning, following

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from impact_sandbox.world.actions import SeenAction
    from impact_sandbox.world.invoices import Invoice, Line

THRESHOLD = Decimal(50)
"""The least that is withdrawn."""
PAYDAY = 15


class Withdrawal(NamedTuple):
    """A payment to the partner's bank."""

    id: str
    day: date
    lines: tuple[Line, ...]
    error: Decimal = ZERO

    @property
    def amount(self) -> Decimal:
        """What was paid."""
        return sum((line.total for line in self.lines), self.error)

    def actions(self) -> Iterator[SeenAction]:
        """Yield the actions that it paid."""
        for line in self.lines:
            yield from line.cleared


class Earnings(Invoices):
    """The money of an account."""

    def other_earnings(self, at: datetime, first: date, last: date) -> Iterator[OtherEarning]:
        """Yield what was earned beside actions on the days of a span; each of its months is drawn.

        It is invoiced with the actions that were cleared in the same month.
        """
        last = min(last, date.fromordinal(self.day_of(int(at.timestamp()))))
        month, wrong = max(first, self.opened).replace(day=1), True
        while month <= last:
            others = [each for line in self._lines(month) for each in line.others]
            for each in sorted(others, key=OtherEarning.order):
                error = ZERO
                if wrong and self.mistakes.may_hit("other_earnings", each.day):
                    error, wrong = CENT, False
                if first <= each.day <= last:
                    yield each._replace(amount=each.amount + error)
            month = following(month)

    def overdue(self, at: datetime) -> Iterator[tuple[Invoice, Line]]:
        """Yield the lines that their brands should have paid by now."""
        for invoice in reversed(self.invoices(at)):
            for line in invoice.lines:
                if invoice.status(line) == "OVERDUE":
                    yield invoice, line

    def withdrawals(self, at: datetime) -> list[Withdrawal]:
        """Return what was paid out, oldest first."""
        now = int(at.timestamp())
        unpaid = [
            (invoice.paid(line), line)
            for invoice in reversed(self.invoices(at))
            for line in invoice.lines
        ]
        found: list[Withdrawal] = []
        month = self.opened.replace(day=1)
        while (payday := self.midnight(month.replace(day=PAYDAY).toordinal())) <= now:
            there = tuple(line for paid, line in unpaid if paid < payday)
            if sum((line.total for line in there), ZERO) >= THRESHOLD:
                number, day = f"{self.account_id}{len(found) + 1:04d}", month.replace(day=PAYDAY)
                is_wrong = self.mistakes.may_hit("withdrawals", day)
                found.append(Withdrawal(number, day, there, CENT if is_wrong else ZERO))
                unpaid = [(paid, line) for paid, line in unpaid if paid >= payday]
            month = following(month)
        return found

    def paystubs(self, at: datetime) -> dict[str, str]:
        """Return the withdrawal's id of each action that was paid out."""
        return {
            action.life.id: each.id for each in self.withdrawals(at) for action in each.actions()
        }
