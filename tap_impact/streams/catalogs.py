"""Catalogs of products, and what is made of them: promotions and stores. Never their items."""

from __future__ import annotations

from tap_impact.api.scopes import Scope
from tap_impact.records.fields import (
    Omitted,
    RecordMap,
    decimal,
    key,
    text,
    text_list,
    timestamp,
    verbatim,
)
from tap_impact.records.nested import nested_list
from tap_impact.sources.lists import ListSource
from tap_impact.streams.stream import Stream

# The names of scopes in this file are inferred: impact.com documents none of them.

# Catalogs of the campaigns that the partner has joined.
# https://integrations.impact.com/impact-publisher/reference/list-catalogs
CATALOGS = Stream(
    name="catalogs",
    source=ListSource(
        "/Catalogs", "Catalogs", Scope("Catalogs", "Retrieve catalogs", required=False)
    ),
    keys=("id",),
    selected=False,
    record_map=RecordMap(
        key("Id", "Identifies the catalog."),
        verbatim("Name", "Name of the catalog."),
        text("Language", "Language of its texts."),
        text("AdvertiserId", "Brand (advertiser) that runs the campaign."),
        verbatim("AdvertiserName", "Name of the brand."),
        text("AdvertiserLocation", "Where the brand is."),
        text("CampaignId", "Campaign (program) of the brand."),
        verbatim("CampaignName", "Name of the campaign."),
        decimal("NumberOfItems", "How many items it has."),
        timestamp("DateLastUpdated", "When it was changed last."),
        text_list("Locations", "Paths of its files."),
        text("Currency", "ISO 4217 code of its prices."),
        verbatim("ServiceAreas", "Where the brand ships."),
        Omitted("FTPLocations", "They hold the password of the account's FTP access."),
        text("ItemsUri", "Path of its items in the API."),
        text("Uri", "Path of the catalog in the API."),
    ),
)

# Promotions of products.
# https://integrations.impact.com/impact-publisher/reference/list-promotions
PROMOTIONS = Stream(
    name="promotions",
    source=ListSource(
        "/Promotions",
        "Promotions",
        Scope("Promotions", "Retrieve promotions", required=False),
        row_keys=("PromotionIds",),
    ),
    keys=("promotion_id",),
    selected=False,
    record_map=RecordMap(
        key("PromotionIds", "Identifies the promotion; it is one id.").named("promotion_id"),
        verbatim("PromotionTitle", "What it promises."),
        text("AdvertiserId", "Brand (advertiser) that offers it."),
        verbatim("AdvertiserName", "Name of the brand."),
        text("AdvertiserLocation", "Where the brand is."),
        text("PromotionFileId", "File that the brand sent it in."),
        decimal("NumberOfProducts", "How many products it holds for."),
        text("PromotionEffectiveDates", "When it holds, as `2026-01-01/2026-01-31`."),
        verbatim("GenericRedemptionCode", "Code that customers enter; null if none is needed."),
        text("PromotionItemsUri", "Path of its products in the API."),
        text("Uri", "Path of the promotion in the API."),
    ),
)

# Storefronts that brands made for partners.
# https://integrations.impact.com/impact-publisher/reference/list-stores
STORES = Stream(
    name="stores",
    source=ListSource("/Stores", "Stores", Scope("Stores", "Retrieve stores", required=False)),
    keys=("id",),
    selected=False,
    record_map=RecordMap(
        key("Id", "Identifies the store: the id of its campaign."),
        verbatim("Name", "Name of the store."),
        decimal("NumberOfGroups", "How many groups it has."),
        timestamp("DateLastUpdated", "When it was changed last."),
        text("StoreUri", "The store in impact.com's interface."),
        text("StoreAvatar", "Logo of the brand."),
        text("StoreBanner", "Banner of the store."),
        nested_list(
            "Groups",
            "The groups of its products.",
            text("Id", "Identifies the group within the store."),
            verbatim("Name", "Name of the group."),
            decimal("NumberOfProducts", "How many products it has."),
            timestamp("DateLastUpdated", "When it was changed last."),
            timestamp("StartDate", "When it begins; null if that is open."),
            timestamp("EndDate", "When it ends; null if that is open."),
            text("Status", "ACTIVE or DISABLED."),
            text("CatalogId", "Catalog that has its products."),
            text("Uri", "The group in impact.com's interface."),
            text("ItemsUri", "Path of its products in the API."),
            text("GroupProductPreview", "Image of its products."),
        ),
        text("Uri", "Path of the store in the API."),
    ),
)
