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
from impact_sandbox.world.contracts import BONUS, BONUS_THRESHOLD, pays_bonus

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST_CLEARING = 26 * DAY
"""From locking to clearing."""
DUE_DAYS = 30


class Line(NamedTuple):
    """What a campaign pays for the events of one month."""

    campaign: Campaign
    month: date
    actions: int
    payout: Decimal
    bonus: Decimal


class Invoice(NamedTuple):
    """An invoice as it is at an instant; its lines are paid later."""

    account: Actions
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
        return sum((line.payout + line.bonus for line in self.lines), ZERO)

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
        for description, actions, amount in (
            ("MEDIA_PAYOUT", str(line.actions), line.payout),
            ("BONUS", "", line.bonus),
        ):
            if description == "BONUS" and not line.bonus:
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

    def _payment(self, line: Line) -> dict[str, str]:
        """Tell when a line is due, and whether it is paid: some brands pay late."""
        due = self.created + DUE_DAYS * DAY
        late = 40 if line.campaign.batched else -(self.number * 7 + int(line.campaign.id)) % 24 - 20
        paid = self.account.midnight(self.account.day_of(due + late * DAY))
        unpaid = "OVERDUE" if due < self.now else "PENDING"
        status = "PAID" if paid <= self.now else unpaid
        text = self.account.text
        return {
            "Status": status,
            "DueDate": text(due),
            "PaidDate": text(paid) if status == "PAID" else "",
        }

    def _details(self, line: Line) -> dict[str, str]:
        return {
            "AccountId": self.account.account_id,
            "Name": self.account.name,
            "ProgramId": line.campaign.id,
            "ProgramName": line.campaign.name,
            "EventMonthYear": month_year(line.month),
            "ActionAmount": str(line.payout),
            "OtherAmount": str(line.bonus),
            "TotalAmount": str(line.payout + line.bonus),
        }


class Invoices(Actions):
    """The invoices of an account."""

    def invoices(self, at: datetime) -> list[Invoice]:
        """Return the invoices that exist at an instant, newest first; none for an empty month."""
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
        sums: defaultdict[tuple[str, date], list[Decimal]] = defaultdict(list)
        revenues: defaultdict[tuple[str, date], Decimal] = defaultdict(Decimal)
        for action in self.seen(datetime.fromtimestamp(end, UTC), since, end):
            if action.cleared is not None and start <= action.cleared < end:
                of = date.fromordinal(self.day_of(action.event)).replace(day=1)
                sums[action.campaign_id, of].append(action.steps[-1].payout)
                revenues[action.campaign_id, of] += action.steps[-1].amount
        for campaign in CAMPAIGNS:
            for name, of in sorted(sums):
                if name != campaign.id:
                    continue
                payouts = sums[name, of]
                earned = pays_bonus(campaign) and revenues[name, of] >= Decimal(BONUS_THRESHOLD)
                payout = sum(payouts, ZERO).quantize(CENT, ROUND_HALF_UP)
                bonus = Decimal(BONUS) if earned else Decimal("0.00")
                yield Line(campaign, of, len(payouts), payout, bonus)


def following(month: date) -> date:
    """Return the first day of the month after one."""
    return month.replace(year=month.year + month.month // 12, month=month.month % 12 + 1)


def month_year(month: date) -> str:
    """Write a month as invoices have it: April 2021 is 42021."""
    return f"{month.month}{month.year}"
