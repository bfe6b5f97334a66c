"""The programs that the account has joined."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from decimal import Decimal
from itertools import accumulate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from impact_sandbox.world.account import Account


@dataclass(frozen=True, slots=True)
class Campaign:
    """A program that the account has joined, and how its actions live.

    ``lock_days`` counts from the event's day (or, if open-ended, from the day on which the date
    is set) to the local midnight of locking; None stands for the 28th of the following month.
    """

    id: str
    name: str
    advertiser: str
    tracker: tuple[str, str]
    ads: tuple[tuple[str, str, str], ...]
    share: float
    rate: Decimal
    quantum: Decimal
    lock_days: int | None
    batched: bool = False
    approved_by_hand: float = 0.0
    open_ended: bool = False
    pays_by_item: bool = False

    @property
    def contract_id(self) -> str:
        """The id of the contract that prices its actions."""
        return f"S-{77_000 + int(self.id)}"


CAMPAIGNS = (
    Campaign(
        "2001",
        "Fernhill Outdoor",
        "Fernhill Outdoor Ltd",
        ("7301", "Sale"),
        (("50101", "Autumn tents", "BANNER"), ("50102", "Shop link", "TEXT_LINK")),
        share=0.34,
        rate=Decimal("0.05"),
        quantum=Decimal("0.01"),
        lock_days=30,
        pays_by_item=True,
    ),
    Campaign(
        "2044",
        "Casa Ñandú",
        "Ñandú Hogar S.A.",
        ("7420", "Online Sale"),
        (("50240", "Deep link", "ONLINE_TRACKING_LINK"),),
        share=0.26,
        rate=Decimal("0.0725"),
        quantum=Decimal("0.0001"),
        lock_days=None,
    ),
    Campaign(
        "2107",
        "Quayside Insurance",
        "Quayside Mutual",
        ("7512", "Policy"),
        (("50301", "Quote form", "TEXT_LINK"), ("50302", "Newsletter", "EMAIL")),
        share=0.16,
        rate=Decimal("0.031416"),
        quantum=Decimal("0.000001"),
        lock_days=45,
        batched=True,
    ),
    Campaign(
        "2150",
        "Bright & Bold Lighting",
        "Bright & Bold GmbH",
        ("7600", "Sale"),
        (("50410", 'Lamps "24/7"', "BANNER"), ("50411", "Coupon page", "COUPON")),
        share=0.16,
        rate=Decimal("0.08"),
        quantum=Decimal("0.1"),
        lock_days=60,
        approved_by_hand=0.45,
        pays_by_item=True,
    ),
    Campaign(
        "2203",
        "雪国 Travel",
        "雪国 Travel K.K.",
        ("7705", "Booking"),
        (("50500", "Ryokan stays", "CONTENT"),),
        share=0.08,
        rate=Decimal("0.04"),
        quantum=Decimal("0.01"),
        lock_days=30,
        open_ended=True,
    ),
)
SHARES = tuple(accumulate(campaign.share for campaign in CAMPAIGNS))


def drawn(luck: float) -> Campaign:
    """Return the campaign that a number from 0 to 1 falls on, by the shares of all."""
    return CAMPAIGNS[min(bisect_left(SHARES, luck), len(CAMPAIGNS) - 1)]


def ad_names() -> dict[str, str]:
    """Return the names of all ads by their ids."""
    return {ad_id: name for campaign in CAMPAIGNS for ad_id, name, _ in campaign.ads}


def campaigns(account: Account) -> list[dict[str, str | list[str]]]:
    """Return the API's Campaign objects; the last contract has expired."""
    return [
        {
            "AdvertiserId": str(1_800_000 + int(campaign.id)),
            "AdvertiserName": campaign.advertiser,
            "AdvertiserUrl": f"https://www.brand{campaign.id}.example",
            "CampaignId": campaign.id,
            "CampaignName": campaign.name,
            "CampaignUrl": f"https://shop.brand{campaign.id}.example",
            "CampaignDescription": f"<p>{campaign.name}</p>\n<p>Welcome & enjoy</p>",
            "Type": "Performance",
            "ShippingRegions": ["US", "CANADA", "UK"],
            "CampaignLogoUri": f"{account.path}/Campaigns/{campaign.id}/Logo",
            "PublicTermsUri": f"{account.path}/Campaigns/{campaign.id}/PublicTerms",
            "ContractStatus": "Expired" if campaign is CAMPAIGNS[-1] else "Active",
            "ContractUri": f"{account.path}/Campaigns/{campaign.id}/Contracts/Active",
            "TrackingLink": f"https://go.example/c/{account.account_id}/{campaign.id}",
            "HasStandDownPolicy": "false",
            "AllowsDeeplinking": "true",
            "DeeplinkDomains": [f"brand{campaign.id}.example", f"*.brand{campaign.id}.example"],
            "Uri": f"{account.path}/Campaigns/{campaign.id}",
        }
        for campaign in CAMPAIGNS
    ]
