"""What brands offer: deals, the ads and the promo codes that carry them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from impact_sandbox.world.account import DAY
from impact_sandbox.world.campaigns import CAMPAIGNS, Campaign

if TYPE_CHECKING:
    from collections.abc import Iterator

    from impact_sandbox.world.account import Account

CODE = "SPRING26"
"""What the orders of some actions were paid with."""
REFRESHED_EVERY = 30 * DAY
SEASON = 90 * DAY

NO_DISCOUNT = dict.fromkeys(
    (
        "DiscountType",
        "DiscountAmount",
        "DiscountCurrency",
        "DiscountPercent",
        "DiscountMaximumPercent",
        "DiscountPercentRangeStart",
        "DiscountPercentRangeEnd",
        "Gift",
        "RebateAmount",
        "RebateCurrency",
        "DefaultPromoCode",
        "MinimumPurchaseAmount",
        "MinimumPurchaseAmountCurrency",
        "MaximumSavingsAmount",
        "MaximumSavingsCurrency",
    ),
    "",
) | {
    "BogoBuyQuantity": "0",
    "BogoBuyScope": "",
    "BogoBuyName": "",
    "BogoBuyImageUrl": "",
    "BogoGetQuantity": "0",
    "BogoGetScope": "",
    "BogoGetDiscountType": "",
    "BogoGetName": "",
    "BogoGetImageUrl": "",
    "BogoGetDiscountAmount": "",
    "BogoGetDiscountCurrency": "",
    "BogoGetDiscountPercent": "",
    "PurchaseLimitQuantity": "0",
}
SPRING = {
    "Name": "Spring, 10% off",
    "Type": "GENERAL_SALE",
    "Scope": "ENTIRE_STORE",
    "DiscountType": "PERCENT",
    "DiscountPercent": "10",
    "DefaultPromoCode": CODE,
    "MinimumPurchaseAmount": "50.00",
    "MinimumPurchaseAmountCurrency": "USD",
}
SPECIAL: dict[str, dict[str, Any]] = {
    "2001": {
        "Name": "Three mugs for two",
        "Type": "BOGO",
        "Scope": "",
        "BogoBuyQuantity": "2",
        "BogoBuyScope": "PRODUCT",
        "BogoBuyName": "Mug, large",
        "BogoGetQuantity": "1",
        "BogoGetScope": "PRODUCT",
        "BogoGetDiscountType": "FREE",
        "BogoGetName": "Mug, large",
        "PurchaseLimitQuantity": "3",
    },
    "2044": {"Name": "Envío gratis", "Type": "FREE_SHIPPING", "Scope": "ENTIRE_STORE"},
    "2107": {
        "Name": "A gift card for a policy",
        "Type": "GIFT_WITH_PURCHASE",
        "Scope": "ENTIRE_STORE",
        "Gift": "Gift card, 1,000 points",
    },
    "2150": {
        "Name": "Lamps at half price",
        "Type": "GENERAL_SALE",
        "Scope": "PRODUCT",
        "DiscountType": "FIXED",
        "DiscountAmount": "1,049.50",
        "DiscountCurrency": "EUR",
        "MaximumSavingsAmount": "1,049.50",
        "MaximumSavingsCurrency": "EUR",
        "Products": [
            {
                "ProductName": "Lämpchen",
                "ProductImageUrl": "/display-deal-productimage/92150.gif",
                "ProductBeforePriceAmount": "2,099.00",
                "ProductBeforePriceCurrency": "EUR",
                "ProductAfterPriceAmount": "1,049.50",
                "ProductAfterPriceCurrency": "EUR",
            }
        ],
    },
    "2203": {
        "Name": "Early booking",
        "Type": "REBATE",
        "Scope": "CATEGORY",
        "Categories": ["Ryokan", "Onsen"],
        "RebateAmount": "5000",
        "RebateCurrency": "JPY",
    },
}


def deals(account: Account, campaign_id: str, now: int) -> list[dict[str, Any]]:
    """Return the API's Deal objects of a campaign: one that lasts, and one of ninety days."""
    return [
        deal(account, campaign, number, now)
        for campaign in CAMPAIGNS
        if campaign.id == campaign_id
        for number in (1, 2)
    ]


def deal(account: Account, campaign: Campaign, number: int, now: int) -> dict[str, Any]:
    """Return one of a campaign's deals as it is at a time."""
    own = SPRING if number == 1 else SPECIAL[campaign.id]
    start = account.began
    end = start + SEASON if number == 2 else 0  # noqa: PLR2004
    is_over = bool(end) and now >= end
    deal_id = f"9{campaign.id}{number}"
    return {
        "Id": deal_id,
        "Name": "",
        "Description": f"{own['Name']}, at {campaign.name}",
        "Public": "true" if number == 1 else "false",
        "CampaignId": campaign.id,
        "State": "EXPIRED" if is_over else "ACTIVE",
        "Type": "",
        "Scope": "",
        "Products": [],
        "Categories": [],
        **NO_DISCOUNT,
        **own,
        "StartDate": account.text(start),
        "EndDate": account.text(end),
        "DateCreated": account.text(start),
        "DateLastUpdated": account.text(end if is_over else start),
        "Uri": f"{account.path}/Campaigns/{campaign.id}/Deals/{deal_id}",
    }


class Creative(NamedTuple):
    """An ad as it was made, in epoch seconds."""

    id: str
    name: str
    kind: str
    made: int


def ads(account: Account, now: int) -> list[dict[str, Any]]:
    """Return the API's Ad objects, with the hidden `_Updated` that its filters look at.

    Every thirty days an ad is refreshed, and every ninety days each campaign adds one.
    """
    return [
        ad(account, campaign, number, creative, now)
        for campaign in CAMPAIGNS
        for number, creative in enumerate(creatives(account, campaign, now))
    ]


def creatives(account: Account, campaign: Campaign, now: int) -> Iterator[Creative]:
    """Yield the ads of a campaign."""
    for of_clicks in campaign.ads:
        yield Creative(*of_clicks, account.began)
    for season, made in enumerate(range(account.began + SEASON, now + 1, SEASON), 1):
        yield Creative(f"6{campaign.id}{season:03d}", f"Season {season}", "BANNER", made)


def ad(
    account: Account, campaign: Campaign, number: int, creative: Creative, now: int
) -> dict[str, Any]:
    """Return one ad as it is at a time."""
    ad_id, name, kind, made = creative
    shift = made + number * 3 * DAY + int(campaign.id) % 7 * DAY
    refreshed = max(0, (now - shift) // REFRESHED_EVERY)
    updated = shift + refreshed * REFRESHED_EVERY if refreshed else made
    carried = deal(account, campaign, 2 if kind == "COUPON" else 1, now)
    link = f"https://go.example/c/{account.account_id}/{ad_id}/{campaign.id}"
    image = f"//img.example/display-ad/{campaign.id}-{ad_id}" if kind == "BANNER" else ""
    is_mail = kind == "EMAIL"
    of_deal = {name: carried[name] for name in ("Type", "Scope", "Public", "State", "Name")}
    discount = {name: value for name, value in carried.items() if name in NO_DISCOUNT}
    code = discount.pop("DefaultPromoCode")
    products = [
        {name.replace("ImageUrl", "ImageURL"): value for name, value in product.items()}
        for product in carried["Products"]
    ]
    return {
        "_Updated": account.text(updated),
        "Id": ad_id,
        "Name": name,
        "Description": f"{name}, version {1 + refreshed}",
        "CampaignId": campaign.id,
        "CampaignName": campaign.name,
        "Type": kind,
        "TrackingLink": link,
        "LandingPageUrl": f"https://shop.brand{campaign.id}.example/",
        "AdvertiserId": str(1_800_000 + int(campaign.id)),
        "AdvertiserName": campaign.advertiser,
        "Code": f'<a href="{link}" target="_top" id="{ad_id}">{name}</a>',
        "IFrameCode": f'<iframe src="//img.example/gen-ad-code/{ad_id}/"></iframe>',
        "Width": "300" if image else "0",
        "Height": "250" if image else "0",
        "CreativeUrl": image,
        "Labels": "",
        "AllowDeepLinking": "true",
        "MobileReady": "true",
        "Language": "ENGLISH",
        "StartDate": account.text(made),
        "EndDate": "",
        "Season": "SPRING" if number else "",
        "TopSeller": "false",
        "SubjectLines": "What you are insured for" if is_mail else "",
        "FromAddresses": account.mail_of_brand(campaign.id) if is_mail else "",
        "UnsubscribeLink": f"https://mail.brand{campaign.id}.example/unsubscribe" * is_mail,
        "DealId": carried["Id"],
        "DealDescription": carried["Description"],
        **{f"Deal{name}": value for name, value in of_deal.items()},
        "DealProducts": products,
        "DealCategories": ",".join(carried["Categories"]),
        "DealDefaultPromoCode": code,
        **discount,
        "DealStartDate": carried["StartDate"],
        "DealEndDate": carried["EndDate"],
        "DealDateCreated": carried["DateCreated"],
        "DealDateLastUpdated": carried["DateLastUpdated"],
        "Uri": f"{account.path}/Ads/{ad_id}",
    }


def promo_codes(account: Account, now: int) -> list[dict[str, Any]]:
    """Return the API's PromoCode objects: of each campaign one that counts, one that is over."""
    return [
        promo_code(account, campaign, number, now) for campaign in CAMPAIGNS for number in (1, 2)
    ]


def promo_code(account: Account, campaign: Campaign, number: int, now: int) -> dict[str, Any]:
    """Return one promo code; what has no date has no such field either."""
    carried = deal(account, campaign, number, now)
    code_id, advertiser = f"81{campaign.id}{number}", str(1_800_000 + int(campaign.id))
    path = account.path
    dates = {name: carried[name] for name in ("StartDate", "EndDate") if number > 1}
    return {
        "Id": code_id,
        "Code": CODE if number == 1 else f"EARLY-{campaign.id}",
        "State": carried["State"],
        "Program": {
            "Id": campaign.id,
            "Name": campaign.name,
            "Uri": f"{path}/Campaigns/{campaign.id}",
            "LogoUri": f"{path}/Campaigns/{campaign.id}/Logo",
        },
        "Advertiser": {
            "Id": advertiser,
            "Name": campaign.advertiser,
            "Uri": f"{path}/Advertisers/{advertiser}",
            "LogoUri": f"{path}/Advertisers/{advertiser}/Logo",
        },
        "Deal": {name: carried[name] for name in ("Id", "Name", "Uri")},
        "MatchMode": "LI",
        "CreditRule": "ALWAYS" if number == 1 else "WINNER",
        "CreatedDate": carried["DateCreated"],
        **dates,
        "Uri": f"{path}/PromoCodes/{code_id}",
    }
