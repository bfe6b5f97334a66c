"""Storefronts, promotions of products, and lists of what is paid at rates of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from impact_sandbox.world.account import DAY
from impact_sandbox.world.campaigns import CAMPAIGNS
from impact_sandbox.world.catalogs import SIZES
from impact_sandbox.world.contracts import exception_list_id, promo_code_list_id
from impact_sandbox.world.deals import CODE, SEASON
from impact_sandbox.world.texts import SKUS

if TYPE_CHECKING:
    from impact_sandbox.world.account import Account

GROUP_SIZE = 17
SHOPS = tuple(campaign for campaign in CAMPAIGNS if campaign.id in SIZES)


def stores(account: Account, now: int) -> list[dict[str, Any]]:
    """Return the API's Store objects: the campaigns with a catalog have one."""
    rows = []
    for campaign in SHOPS:
        uri, web = f"{account.path}/Stores/{campaign.id}", f"https://app.example/{campaign.id}"
        updated = account.text(account.began + (now - account.began) // SEASON * SEASON)
        group = {
            "Id": f"8{campaign.id}",
            "Name": "What readers like",
            "NumberOfProducts": str(GROUP_SIZE),
            "DateLastUpdated": updated,
            "StartDate": "",
            "EndDate": "",
            "Status": "ACTIVE",
            "CatalogId": f"2{campaign.id}",
            "Uri": f"{web}/group",
            "ItemsUri": f"{uri}/Group/8{campaign.id}/Items",
            "GroupProductPreview": "",
        }
        rows.append(
            {
                "Id": campaign.id,
                "Name": f"{campaign.name} store",
                "NumberOfGroups": "1",
                "DateLastUpdated": updated,
                "StoreUri": web,
                "StoreAvatar": f"https://cdn.example/{campaign.id}/logo.png",
                "StoreBanner": "",
                "Uri": uri,
                "Groups": [group],
            }
        )
    return rows


def promotions(account: Account, now: int) -> list[dict[str, Any]]:
    """Return the API's Promotion objects: one a season."""
    rows = []
    for campaign in SHOPS:
        for number, start in enumerate(range(account.began, now + 1, SEASON), 1):
            first, last = (account.text(each)[:10] for each in (start, start + 30 * DAY))
            promotion_id = f"7{campaign.id}{number:03d}"
            items = f"{account.path}/Catalogs/ItemSearch?Query=PromotionIds%3D{promotion_id}"
            rows.append(
                {
                    "AdvertiserId": str(1_800_000 + int(campaign.id)),
                    "AdvertiserName": campaign.advertiser,
                    "AdvertiserLocation": "United States",
                    "PromotionFileId": f"4{campaign.id}",
                    "PromotionIds": promotion_id,
                    "PromotionTitle": f"{campaign.name}: 20% off, season {number}",
                    "NumberOfProducts": str(GROUP_SIZE),
                    "PromotionEffectiveDates": f"{first}/{last}",
                    "GenericRedemptionCode": CODE if number % 2 else "",
                    "PromotionItemsUri": items,
                    "Uri": f"{account.path}/Promotions/{promotion_id}",
                }
            )
    return rows


def exception_lists(account: Account) -> list[dict[str, Any]]:
    """Return the API's ExceptionList objects, with their `_Items`: contracts name them."""
    return [
        exception_list(account, "ExceptionLists", exception_list_id(campaign), campaign.id)
        | {"Type": "SKU"}
        for campaign in CAMPAIGNS
        if campaign.pays_by_item
    ]


def promo_code_lists(account: Account) -> list[dict[str, Any]]:
    """Return the API's PromoCodeExceptionList objects, with their `_Items`."""
    return [
        exception_list(
            account, "PromoCodeExceptionLists", promo_code_list_id(campaign), campaign.id
        )
        for campaign in CAMPAIGNS
        if campaign.batched
    ]


def exception_list(account: Account, kind: str, list_id: str, campaign_id: str) -> dict[str, Any]:
    """Return a list of SKUs or of promo codes."""
    created, uri = account.text(account.began), f"{account.path}/{kind}/{list_id}"
    is_of_codes = kind.startswith("Promo")
    values = [(CODE, "Spring")] if is_of_codes else [(sku, name) for sku, name, _ in SKUS[:3]]
    items = [
        {
            "Id": str(number),
            "ListId": list_id,
            "Name": name,
            "Value": value,
            "MatchMode": "EQ",
            "CreatedDate": created,
            "Uri": f"{uri}/Items/{number}",
        }
        for number, (value, name) in enumerate(values, 1)
    ]
    return {
        "_Items": items,
        "Id": list_id,
        "Name": "Paid at rates of their own",
        "State": "ACTIVE",
        "CampaignId": campaign_id,
        "CreatedDate": created,
        "DeactivationDate": "",
        "NumberOfItems": str(len(items)),
        "ItemsUri": f"{uri}/Items",
        "Uri": uri,
    }
