"""Clicks, as a click export has them."""

# ruff: noqa: PLR2004, S311 - the odds of a made-up world are literals, and no secret

from __future__ import annotations

from datetime import date
from random import Random
from typing import TYPE_CHECKING, Any, NamedTuple

from impact_sandbox.world.account import LONGEST_LAG, Account, count_of_day
from impact_sandbox.world.campaigns import drawn
from impact_sandbox.world.texts import DOMAINS, PLACES, SKUS, SUB_IDS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from impact_sandbox.world.campaigns import Campaign

DEVICES = (
    ("DESKTOP", "WINDOWS_MACHINE", "Chrome", "Windows 10"),
    ("DESKTOP", "APPLE_MAC", "Safari", "null"),
    ("PHONE", "IPHONE", "Safari", "iOS"),
    ("PHONE", "null", "Chrome Mobile", "Android"),
    ("TABLET", "IPAD", "Safari", "iOS"),
    ("UNKNOWN", "UNKNOWN", "null", "null"),
)
BRAND_RELATED = {
    "AdCampaign": "spring",
    "AdGroup": " ",
    "Keyword": "tent; rain",
    "MatchType": " ",
    "Channel": "Search",
}


class ClickPlace(NamedTuple):
    """What is known of a click where clicks are counted."""

    campaign: Campaign
    ad: tuple[str, str, str]
    sub_id1: str
    payout: str
    is_unique: bool


def place_of(salt: int) -> ClickPlace:
    """Read a click's bits."""
    campaign = drawn((salt & 0xFFFF) / 0x10000)
    return ClickPlace(
        campaign,
        campaign.ads[(salt >> 16) % len(campaign.ads)],
        SUB_IDS[(salt >> 48) % len(SUB_IDS)],
        "0.00" if salt >> 56 & 7 else "0.125",
        salt >> 60 & 3 > 0,
    )


class Clicks(Account):
    """The clicks of an account."""

    def clicks(self, day: date, at: datetime) -> Iterator[dict[str, Any]]:
        """Yield the clicks of one of the account's days, as an export made at a time has them.

        Rows have impact.com's export names; one Id may stand for several rows, and a few rows are
        wholly identical. They are drawn as they are asked for: a day may be any size.
        """
        ordinal = day.toordinal()
        row: dict[str, Any] = {}
        for number, event, salt, luck in self._clicked(day, at):
            if luck < 0.006 and row:
                yield row
                continue
            click_id = f"{salt:016x}{salt * 2654435761 % 2**36:09x}{ordinal:06d}{number:08d}"
            if luck < 0.03 and row:
                click_id = row["Id"]
            row = self._click(click_id, event, salt)
            yield row

    def click_places(self, day: date, at: datetime) -> Iterator[ClickPlace]:
        """Yield what performance reports count of the same clicks, several times as fast."""
        for _, _, salt, _ in self._clicked(day, at):
            yield place_of(salt)

    def _clicked(self, day: date, at: datetime) -> Iterator[tuple[int, int, int, float]]:
        """Yield the number, the time, the bits and the luck of each click of a day."""
        ordinal = day.toordinal()
        if day < self.opened:
            return
        rng = Random(f"{self.seed}:clicks:{ordinal}")
        draw, bits = rng.random, rng.getrandbits
        begin = self.midnight(ordinal)
        length = self.midnight(ordinal + 1) - begin
        known = int(at.timestamp()) - LONGEST_LAG - begin
        whole = known >= length
        last: tuple[int, int] | None = None
        for number in range(count_of_day(self.clicks_per_day, ordinal, draw())):
            second, salt, luck = int(draw() * length), bits(64), draw()
            if luck < 0.006 and last:
                yield number, *last, luck
                continue
            if not whole and second > known:
                continue
            last = begin + second, salt
            yield number, *last, luck

    def click_count(self, day: date) -> int:
        """Return how many rows a day's clicks have once the day is over."""
        if day < self.opened:
            return 0
        first = Random(f"{self.seed}:clicks:{day.toordinal()}").random()
        return count_of_day(self.clicks_per_day, day.toordinal(), first)

    def click(self, click_id: str, at: datetime) -> list[dict[str, Any]]:
        """Return every click of one Id: there may be several."""
        tail = click_id[25:]
        if len(click_id) != 39 or not tail.isdecimal():
            return []
        day = int(tail[:6])
        if not self.opened.toordinal() <= day <= self.day_of(int(at.timestamp())):
            return []
        rows = self.clicks(date.fromordinal(day), at)
        return [row for row in rows if row["Id"] == click_id]

    def _click(self, click_id: str, event: int, salt: int) -> dict[str, Any]:
        campaign, (ad_id, ad_name, ad_type), sub_id1, payout, is_unique = place_of(salt)
        area, city, region, country = PLACES[(salt >> 18) % len(PLACES)]
        device, family, browser, system = DEVICES[(salt >> 22) % len(DEVICES)]
        place = salt >> 26 & 7
        domain = "NA" if place == 7 else DOMAINS[1 + place % 3]
        brand = salt >> 30 & 15
        return {
            "Id": click_id,
            "ProgramId": campaign.id,
            "ProgramName": campaign.name,
            "ProfileId": f"{salt:016x}-{salt >> 40:06x}",
            "IpAddress": f"{salt * 0x9E3779B97F4A7C15:032x}".rjust(40, "0"),
            "EventDate": self.text(event),
            "MediaId": self.account_id,
            "MediaName": self.name,
            "AdId": ad_id,
            "AdName": ad_name,
            "AdType": ad_type,
            "ProductSku": SKUS[salt >> 34 & 7][0] if salt >> 37 & 1 else "",
            "BrandRelated": [] if brand else [BRAND_RELATED],
            "DealName": "Spring, 10% off" if salt >> 38 & 7 == 0 else "",
            "DealType": "GENERAL_SALE" if salt >> 38 & 7 == 0 else "",
            "DealScope": "ENTIRE_STORE" if salt >> 38 & 7 == 0 else "",
            "CustomerArea": area or "n/a",
            "CustomerCity": city or "n/a",
            "CustomerRegion": region or "n/a",
            "CustomerCountry": country,
            "DeviceType": device,
            "DeviceFamily": family,
            "Browser": browser,
            "Os": system,
            "ReferringUrl": domain if domain == "NA" else f"https://{domain}/p/{salt >> 44 & 255}",
            "ReferringDomain": domain,
            "LandingPageUrl": f"https://shop.brand{campaign.id}.example/?irclickid={click_id}&q=1",
            "TrafficCategory": "Content",
            "TrafficSource": domain,
            "BidKeyword": "",
            "SearchText": " ",
            "SharedId": "",
            "PartnerRelated": [
                {
                    "SubId1": sub_id1,
                    "SubId2": SUB_IDS[(salt >> 52) % len(SUB_IDS)],
                    "SubId3": "",
                },
            ],
            "CpcBid": "0.0",
            "Payout": payout,
            "UniqueClick": "true" if is_unique else "false",
        }
