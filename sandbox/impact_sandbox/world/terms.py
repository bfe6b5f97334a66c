"""By which terms a campaign pays its actions.

Every sixty days the brand amends one contract after the other. That changes no price, unless terms
vary: then one program's percentage goes up and down with each amendment, whatever the day of the
month, one pays a fixed amount, and one a fixed amount for orders with a promo code.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from impact_sandbox.world.account import DAY
from impact_sandbox.world.campaigns import CAMPAIGNS

if TYPE_CHECKING:
    from impact_sandbox.world.campaigns import Campaign

AMENDED_EVERY = 60 * DAY
PROMO_CODE = "SPRING26"
RAISED, FIXED, FIXED_FOR_CODE = CAMPAIGNS[1], CAMPAIGNS[4], CAMPAIGNS[2]
BONUS_TIERS = ((Decimal("5000.00"), Decimal("0.5")), (Decimal("1000000.00"), Decimal("1.5")))
"""From which revenue of a month on, which percentage of all of it is paid as a bonus."""


class Terms(NamedTuple):
    """What an action is paid: a share of its amount, or a fixed payout in its place."""

    share: Decimal | None
    payout: Decimal | None = None
    payout_for_code: Decimal | None = None

    def price(self, campaign: Campaign, amount: Decimal, promo_code: str) -> Decimal:
        """Return what an action of this amount is paid."""
        fixed = self.payout_for_code if promo_code == PROMO_CODE else None
        if fixed is None:
            fixed = self.payout
        return (fixed or amount * (self.share or 0)).quantize(campaign.quantum)


def amended(began: int, number: int, now: int) -> tuple[int, int]:
    """Return how often the contract of a number was amended by now, and when the last time."""
    shift = began - 529 + number * 7 * DAY
    amendments = max(0, (now - shift) // AMENDED_EVERY)
    return amendments, shift + amendments * AMENDED_EVERY


def terms_of(campaign: Campaign, amendments: int, *, varied: bool) -> Terms:
    """Return a campaign's terms after some amendments."""
    if not varied:
        return Terms(campaign.rate)
    if campaign is RAISED and amendments % 2:
        return Terms(campaign.rate * Decimal("1.2"))
    if campaign is FIXED:
        return Terms(None, Decimal("12.00"))
    if campaign is FIXED_FOR_CODE:
        return Terms(campaign.rate, payout_for_code=Decimal("4.00"))
    return Terms(campaign.rate)


def bonus_of(revenue: Decimal) -> Decimal:
    """Return the bonus for a month's revenue, not rounded."""
    reached = [rate for threshold, rate in BONUS_TIERS if revenue >= threshold]
    return revenue * reached[-1] / 100 if reached else Decimal(0)
