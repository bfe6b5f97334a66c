"""What is earned beside actions, what is overdue, and what was paid out.

Brands pay the lines of invoices, some of them late; on the 15th of a month the partner withdraws
all that was paid since, if it is enough. So cleared actions and other earnings are the lines of
invoices, and these are withdrawals, what is not paid yet, and a rest that is too small for one.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from impact_sandbox.world.account import ZERO
from impact_sandbox.world.invoices import Invoices, following

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from impact_sandbox.world.actions import SeenAction
    from impact_sandbox.world.campaigns import Campaign
    from impact_sandbox.world.invoices import Invoice, Line

THRESHOLD = Decimal(50)
"""The least that is withdrawn."""
PAYDAY = 15


class OtherEarning(NamedTuple):
    """A bonus, or a transfer of funds that corrects an action after it was locked."""

    day: date
    campaign: Campaign
    kind: str
    description: str
    amount: Decimal


class Withdrawal(NamedTuple):
    """A payment to the partner's bank."""

    id: str
    day: date
    lines: tuple[Line, ...]

    @property
    def amount(self) -> Decimal:
        """What was paid."""
        return sum((line.total for line in self.lines), ZERO)

    def actions(self) -> Iterator[SeenAction]:
        """Yield the actions that it paid."""
        for line in self.lines:
            yield from line.cleared


class Earnings(Invoices):
    """The money of an account."""

    def other_earnings(self, at: datetime, first: date, last: date) -> Iterator[OtherEarning]:
        """Yield what was earned beside actions, by the day on which it was invoiced."""
        for invoice in reversed(self.invoices(at)):
            day = date.fromordinal(self.day_of(invoice.created))
            if not first <= day <= last:
                continue
            for line in invoice.lines:
                if line.bonus:
                    words = f"Bonus for the revenue of {line.month:%Y-%m}"
                    yield OtherEarning(day, line.campaign, "BONUS", words, line.bonus)
                for action, amount in line.transfers:
                    words = f"Correction of action {action.life.id}"
                    yield OtherEarning(day, line.campaign, "FUNDS_TRANSFER", words, amount)

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
                number = f"{self.account_id}{len(found) + 1:04d}"
                found.append(Withdrawal(number, month.replace(day=PAYDAY), there))
                unpaid = [(paid, line) for paid, line in unpaid if paid >= payday]
            month = following(month)
        return found
