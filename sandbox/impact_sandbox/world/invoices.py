"""Invoices: one a month, of all that was cleared in the month before."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from impact_sandbox.world.account import CENT, DAY, ZERO
from impact_sandbox.world.actions import LONGEST_LIFE, Actions
from impact_sandbox.world.campaigns import CAMPAIGNS, Campaign
from impact_sandbox.world.contracts import pays_bonus
from impact_sandbox.world.terms import bonus_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from impact_sandbox.world.actions import SeenAction

LONGEST_CLEARING = 26 * DAY
"""From locking to clearing."""
DUE_DAYS = 30
CORRECTED = 61
"""One of so many cleared actions is corrected by a transfer of funds, up or down."""
MADE_GOOD = 149
"""At one of so many cleared actions, a brand makes good for one that it did not track."""
GOOD = Decimal("7.50")


class OtherEarning(NamedTuple):
    """A bonus, a make-good, or a transfer of funds that corrects an action after its locking."""

    day: date
    campaign: Campaign
    kind: str
    description: str
    amount: Decimal

    def order(self) -> tuple[date, str]:
        """Sort by this."""
        return self.day, self.description


class Line(NamedTuple):
    """What a campaign pays for the events of one month: actions, and what is earned beside them."""

    campaign: Campaign
    month: date
    cleared: tuple[SeenAction, ...]
    payout: Decimal
    others: tuple[OtherEarning, ...]

    @property
    def other(self) -> Decimal:
        """What it pays beside actions."""
        return sum((each.amount for each in self.others), ZERO)

    @property
    def total(self) -> Decimal:
        """All that it pays."""
        return self.payout + self.other


class Invoice(NamedTuple):
    """An invoice as it is at a time; its lines are paid later."""

    account: Invoices
    number: int
    created: int
    lines: tuple[Line, ...]
    now: int

    @property
    def id(self) -> str:
        """The invoice's id, which begins with the partner's."""
        return f"{self.account.account_id}-{self.number}"

    @property
    def total(self) -> Decimal:
        """What all lines pay."""
        return sum((line.total for line in self.lines), ZERO)

    def row(self) -> dict[str, Any]:
        """Return the API's Invoice object."""
        account = self.account
        uri = f"{account.path}/Invoices/{self.id}"
        return {
            "Id": self.id,
            "CreatedDate": account.text(self.created),
            "RecipientId": account.account_id,
            "RecipientName": account.name,
            "Currency": account.currency,
            "TotalAmount": str(self.total),
            "TotalVatAmount": "0.00",
            "LineItems": [item for line in self.lines for item in self._items(line)],
            "DetailedLineItems": [self._details(line) for line in self.lines],
            "PDF": f"{uri}/Download",
            "Uri": uri,
        }

    def _items(self, line: Line) -> Iterator[dict[str, str]]:
        error = CENT if line is self.account.wrong_line else ZERO
        for description, actions, amount in (
            ("MEDIA_PAYOUT", str(len(line.cleared) or ""), line.payout + error),
            ("BONUS", "", line.other),
        ):
            if not (line.others if description == "BONUS" else line.cleared):
                continue
            yield {
                "CampaignId": line.campaign.id,
                "CampaignName": line.campaign.name,
                "Description": description,
                "EventMonthYear": month_year(line.month),
                "Actions": actions,
                "NetItemAmount": str(amount),
                "VatItemAmount": "0.00" if actions else "",
                "TotalItemAmount": str(amount),
                **self._payment(line),
            }

    @property
    def due(self) -> int:
        """When its lines are due."""
        return self.created + DUE_DAYS * DAY

    def paid(self, line: Line) -> int:
        """When a line is paid: some brands pay late."""
        late = 40 if line.campaign.batched else -(self.number * 7 + int(line.campaign.id)) % 24 - 20
        return self.account.midnight(self.account.day_of(self.due + late * DAY))

    def status(self, line: Line) -> str:
        """Tell whether a line is paid by now."""
        if self.paid(line) <= self.now:
            return "PAID"
        return "OVERDUE" if self.due < self.now else "PENDING"

    def _payment(self, line: Line) -> dict[str, str]:
        status, text = self.status(line), self.account.text
        return {
            "Status": status,
            "DueDate": text(self.due),
            "PaidDate": text(self.paid(line)) if status == "PAID" else "",
        }

    def _details(self, line: Line) -> dict[str, str]:
        return {
            "AccountId": self.account.account_id,
            "Name": self.account.name,
            "ProgramId": line.campaign.id,
            "ProgramName": line.campaign.name,
            "EventMonthYear": month_year(line.month),
            "ActionAmount": str(line.payout),
            "OtherAmount": str(line.other),
            "TotalAmount": str(line.total),
        }


class Invoices(Actions):
    """The invoices of an account."""

    def invoices(self, at: datetime) -> list[Invoice]:
        """Return the invoices that exist at a time, newest first; none for an empty month."""
        now = int(at.timestamp())
        found: list[Invoice] = []
        month = self.opened.replace(day=1)
        while (created := self._invoiced(month)) <= now:
            if lines := self._lines(month):
                found.append(Invoice(self, len(found) + 1, created, lines, now))
            month = following(month)
        return found[::-1]

    def invoice(self, invoice_id: str, at: datetime) -> Invoice | None:
        """Return one invoice by its id."""
        return next((each for each in self.invoices(at) if each.id == invoice_id), None)

    def _invoiced(self, month: date) -> int:
        """When the invoice of a month is made: early on the second day of the next."""
        return self.midnight(following(month).toordinal() + 1) + 7 * 3600 + 37 * 60 + 12

    @cached_property
    def _invoiced_lines(self) -> dict[tuple[date, date], tuple[Line, ...]]:
        """The lines of months that were asked for, by the account's first day and the month."""
        return {}

    @cached_property
    def wrong_line(self) -> Line | None:
        """The line for actions that has a cent too much."""
        month = None
        if self.mistakes.source == "invoice_lines":
            month = first = date.fromisoformat(f"{self.mistakes.month}-01")
        while month and (month - first).days < LONGEST_LIFE // DAY + 2 * 31:
            for line in self._lines(month):
                if line.cleared and line.month == first:
                    return line
            month = following(month)
        return None

    def _lines(self, month: date) -> tuple[Line, ...]:
        key = self.opened, month
        if key not in self._invoiced_lines:
            self._invoiced_lines[key] = tuple(self._add_up(month))
        return self._invoiced_lines[key]

    def _add_up(self, month: date) -> Iterator[Line]:
        """Add up what was cleared in a month, per campaign and month of the events."""
        start = self.midnight(month.toordinal())
        end = self.midnight(following(month).toordinal())
        since = start - LONGEST_LIFE - LONGEST_CLEARING
        cleared: defaultdict[tuple[str, date], list[SeenAction]] = defaultdict(list)
        for action in self.seen(datetime.fromtimestamp(end, UTC), since, end):
            if action.cleared is not None and start <= action.cleared < end:
                of = date.fromordinal(self.day_of(action.event)).replace(day=1)
                cleared[action.campaign_id, of].append(action)
        for campaign in CAMPAIGNS:
            of_campaign = {
                of: found for (name, of), found in cleared.items() if name == campaign.id
            }
            others = tuple(self._earned_beside(campaign, month, of_campaign))
            for of in sorted({*of_campaign, month} if others else of_campaign):
                actions = tuple(of_campaign.get(of, ()))
                payout = sum((action.steps[-1].payout for action in actions), ZERO)
                payout = payout.quantize(CENT, ROUND_HALF_UP)
                yield Line(campaign, of, actions, payout, others if of == month else ())

    def _earned_beside(
        self, campaign: Campaign, month: date, cleared: dict[date, list[SeenAction]]
    ) -> Iterator[OtherEarning]:
        """Yield what a campaign pays in a month beside the actions that are cleared in it."""
        last = date.fromordinal(following(month).toordinal() - 1)
        for of, actions in cleared.items():
            revenue = sum((action.steps[-1].amount for action in actions), ZERO)
            bonus = bonus_of(revenue).quantize(CENT, ROUND_HALF_UP)
            if pays_bonus(campaign) and bonus:
                words = f"Bonus for the revenue of {of:%Y-%m}"
                yield OtherEarning(last, campaign, "BONUS", words, bonus)
            for action in actions:
                salt, day = action.life.salt, date.fromordinal(self.day_of(action.cleared or 0))
                part = (action.steps[-1].payout / 8).quantize(CENT, ROUND_HALF_UP)
                if salt % CORRECTED == 0 and part:
                    words = f"Correction of action {action.life.id}"
                    amount = -part if salt >> 7 & 1 else part
                    yield OtherEarning(day, campaign, "FUNDS_TRANSFER", words, amount)
                if salt % MADE_GOOD == 0:
                    words = f"Make-good for an order like {action.life.id}"
                    yield OtherEarning(day, campaign, "MAKE_GOOD", words, GOOD)


def following(month: date) -> date:
    """Return the first day of the month after one."""
    return month.replace(year=month.year + month.month // 12, month=month.month % 12 + 1)


def month_year(month: date) -> str:
    """Write a month as invoices have it: April 2021 is 42021."""
    return f"{month.month}{month.year}"
