"""Rows as impact.com writes them, always the same ones."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from random import Random

ACCOUNT = "/Mediapartners/IRbenchmark"
NOW = datetime(2026, 6, 30, 6, tzinfo=UTC)
OFFSET = timezone(timedelta(hours=-7))
BRANDS = [
    (str(2000 + i), f"{name} Outfitters", f"{name.lower()}.example")
    for i, name in enumerate(
        (
            "Fernhill",
            "Quayside",
            "Larkspur",
            "Brightwater",
            "Copperfield",
            "Zürichberg",
            "Saltmarsh",
        )
    )
]
CITIES = ["Boston", "New York", "Zürich", "", "Portland", "Austin", "São Paulo"]


def moment(random: Random) -> datetime:
    """A second of the last thirty days but one, in the account's offset."""
    return (NOW - timedelta(seconds=random.randrange(86_400, 29 * 86_400))).astimezone(OFFSET)


def money(random: Random, most: int) -> str:
    """An amount in cents."""
    return f"{random.randrange(10, most) / 100:.2f}"


def action(random: Random, number: int) -> dict[str, Any]:
    """A row of the list of actions."""
    campaign, name, domain = random.choice(BRANDS)
    happened = moment(random)
    locking = happened.replace(hour=0, minute=0, second=0) + timedelta(days=45)
    payout, amount = money(random, 3_000), money(random, 30_000)
    changed = random.random() < 0.1
    return {
        "Id": f"{campaign}.{random.randrange(9999)}.{900_000 + number}",
        "CampaignId": campaign,
        "CampaignName": name,
        "ActionTrackerId": f"{campaign}1",
        "ActionTrackerName": "Sale",
        "State": random.choice(["PENDING", "PENDING", "APPROVED", "REVERSED"]),
        "AdId": str(50_000 + random.randrange(300)),
        "Payout": payout,
        "Amount": amount,
        "Currency": "USD",
        "EventDate": happened.isoformat(),
        "LockingDate": locking.isoformat(),
        "Oid": f"ORD-{random.randrange(10**9)}",
        "EventCode": "",
        "SharedId": random.choice(["", "spring", "newsletter"]),
        "SubId1": random.choice(["", "blog", "app", "mail"]),
        "SubId2": f"{random.getrandbits(64):x}",
        "SubId3": "",
        "DeltaPayout": payout if changed else "0.00",
        "IntendedPayout": payout,
        "DeltaAmount": amount if changed else "0.00",
        "IntendedAmount": amount,
        "ReferringDate": (happened - timedelta(seconds=random.randrange(86_400))).isoformat(),
        "CreationDate": (happened + timedelta(seconds=random.randrange(3_600))).isoformat(),
        "ClearedDate": "",
        "ReferringType": random.choice(["CLICK_COOKIE", "CLICK_COOKIE", "PROMO_CODE"]),
        "ReferringDomain": domain,
        "PromoCode": random.choice(["", "", "SAVE10"]),
        "CustomerArea": random.choice(CITIES),
        "CustomerCity": random.choice(CITIES),
        "CustomerRegion": random.choice(["MA", "NY", "ZH", ""]),
        "CustomerCountry": random.choice(["US", "CH", "BR", ""]),
        "Uri": f"/Mediapartners/IRbenchmark/Actions/{campaign}.{900_000 + number}",
    }


def click(random: Random, number: int) -> dict[str, Any]:
    """A row of an export of clicks."""
    campaign, name, domain = random.choice(BRANDS)
    return {
        "Id": f"{random.getrandbits(80):x}",
        "CampaignId": campaign,
        "CampaignName": name,
        "ProfileId": str(random.getrandbits(40)),
        "IpAddress": f"{random.getrandbits(96):x}",
        "EventDate": moment(random).replace(day=28).isoformat(),
        "MediaId": "1234567",
        "MediaName": "A Blog of Shops",
        "AdId": str(50_000 + random.randrange(300)),
        "AdName": f"Banner {random.randrange(300)}",
        "AdType": random.choice(["BANNER", "TEXT_LINK"]),
        "ProductSku": "",
        "AdCampaign": "",
        "AdGroup": "",
        "Keyword": "",
        "MatchType": "",
        "Channel": random.choice(["WEB", "APP"]),
        "DealName": "",
        "DealType": "",
        "DealScope": "",
        "CustomerArea": random.choice(CITIES),
        "CustomerCity": random.choice(CITIES),
        "CustomerRegion": random.choice(["MA", "NY", "ZH", ""]),
        "CustomerCountry": random.choice(["US", "CH", "BR", ""]),
        "DeviceType": random.choice(["DESKTOP", "PHONE"]),
        "DeviceFamily": random.choice(["IPHONE", "n/a", "PIXEL"]),
        "Browser": random.choice(["CHROME_MOBILE", "SAFARI", "FIREFOX"]),
        "Os": random.choice(["IOS", "ANDROID", "WINDOWS"]),
        "ReferringUrl": f"https://{domain}/posts/{random.randrange(5_000)}",
        "ReferringDomain": domain,
        "LandingPageUrl": f"https://shop.{domain}/p/{random.randrange(20_000)}?ref={number}",
        "TrafficCategory": "Content",
        "TrafficSource": domain,
        "BidKeyword": "",
        "SearchText": "",
        "SharedId": random.choice(["", "spring", "newsletter"]),
        "SubId1": random.choice(["", "blog", "app", "mail"]),
        "SubId2": f"{random.getrandbits(64):x}",
        "SubId3": "",
        "CpcBid": "0.00",
        "Payout": random.choice(["0.00", "0.00", "0.05", "0.12"]),
        "UniqueClick": random.choice(["true", "false"]),
    }
