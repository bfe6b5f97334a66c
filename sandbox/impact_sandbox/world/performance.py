"""What clicks and actions of each day come to, as impact.com's performance reports count them.

"Clicks" are unique ones; "Actions" are approved and pending ones, by the day that they happened on.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from impact_sandbox.world.account import LONGEST_LAG, ZERO
from impact_sandbox.world.actions import REVERSED
from impact_sandbox.world.clicks import Clicks
from impact_sandbox.world.earnings import Earnings
from impact_sandbox.world.texts import SUB_IDS

if TYPE_CHECKING:
    from collections.abc import Iterator


class Place(NamedTuple):
    """What figures are of."""

    day: date
    campaign_id: str
    ad_id: str
    sub_id1: str


@dataclass
class Figures:
    """What clicks and actions come to; money as the API's lists have it."""

    clicks: int = 0
    raw_clicks: int = 0
    click_cost: Decimal = ZERO
    actions: int = 0
    sale_amount: Decimal = ZERO
    action_cost: Decimal = ZERO
    other_cost: Decimal = ZERO

    @property
    def total_cost(self) -> Decimal:
        """What impact.com shows as earnings."""
        return self.action_cost + self.other_cost

    def add(self, other: Figures) -> None:
        """Add the figures of another place."""
        self.clicks += other.clicks
        self.raw_clicks += other.raw_clicks
        self.click_cost += other.click_cost
        self.actions += other.actions
        self.sale_amount += other.sale_amount
        self.action_cost += other.action_cost
        self.other_cost += other.other_cost


class Performance(Earnings, Clicks):
    """The performance of an account."""

    @cached_property
    def _counted(self) -> dict[date, dict[Place, Figures]]:
        """The clicks of days that are over."""
        return {}

    def performance(self, at: datetime, first: date, last: date) -> Iterator[tuple[Place, Figures]]:
        """Yield what is known of each place of a span of the account's days, both ends included.

        A place may come several times. Bonuses and transfers have no ad and no sub id.
        """
        for number in range((last - first).days + 1):
            day = first + timedelta(days=number)
            yield from self._clicks(day, at).items()
            yield from self._actions(day, at)
        for each in self.other_earnings(at, first, last):
            yield Place(each.day, each.campaign.id, "", ""), Figures(other_cost=each.amount)

    def _clicks(self, day: date, at: datetime) -> dict[Place, Figures]:
        if day in self._counted:
            return self._counted[day]
        found: dict[Place, Figures] = {}
        for click in self.click_places(day, at):
            place = Place(day, click.campaign.id, click.ad[0], click.sub_id1)
            figures = found.get(place)
            if figures is None:
                figures = found[place] = Figures()
            figures.raw_clicks += 1
            figures.clicks += click.is_unique
            figures.click_cost += Decimal(click.payout)
        is_over = self.midnight(day.toordinal() + 1) + LONGEST_LAG <= at.timestamp()
        if is_over:
            self._counted[day] = found
        return found

    def _actions(self, day: date, at: datetime) -> Iterator[tuple[Place, Figures]]:
        begin, end = self.midnight(day.toordinal()), self.midnight(day.toordinal() + 1)
        for action in self.seen(at, begin, end - 1):
            if action.state == REVERSED:
                continue
            life, last = action.life, action.steps[-1]
            place = Place(
                day, action.campaign_id, life.pick(life.campaign.ads, 7)[0], life.pick(SUB_IDS, 13)
            )
            yield place, Figures(actions=1, sale_amount=last.amount, action_cost=last.payout)
