"""What brands offer: deals, and the ads and promo codes that carry them."""

from __future__ import annotations

from tap_impact.api.scopes import Scope
from tap_impact.records.fields import (
    Omitted,
    RecordMap,
    decimal,
    flag,
    key,
    text,
    text_list,
    timestamp,
    verbatim,
)
from tap_impact.records.nested import nested, nested_list
from tap_impact.sources.dated import Feed, campaigns_of
from tap_impact.sources.lists import ListSource
from tap_impact.sources.per_parent import PerParentSource
from tap_impact.sources.updated import UpdatedSource, UpdateQuery
from tap_impact.streams.campaigns import CAMPAIGN_LIST
from tap_impact.streams.stream import Stream

# The names of scopes in this file are inferred: impact.com documents none of them.

# What a deal gives, in a deal itself and in the ads that carry it.
DISCOUNT = (
    text("DiscountType", "FIXED, PERCENT, PERCENT_RANGE or PERCENT_MAXIMUM."),
    decimal("DiscountAmount", "What is taken off, in discount_currency, if it is FIXED."),
    text("DiscountCurrency", "ISO 4217 code of discount_amount."),
    decimal("DiscountPercent", "Percentage that is taken off, if it is PERCENT."),
    decimal("DiscountMaximumPercent", "The highest percentage, if it is PERCENT_MAXIMUM."),
    decimal("DiscountPercentRangeStart", "The lowest percentage, if it is PERCENT_RANGE."),
    decimal("DiscountPercentRangeEnd", "The highest percentage, if it is PERCENT_RANGE."),
    verbatim("Gift", "What is given away with a purchase."),
    decimal("RebateAmount", "What is paid back, in rebate_currency."),
    text("RebateCurrency", "ISO 4217 code of rebate_amount."),
    decimal("MinimumPurchaseAmount", "What has to be spent for it."),
    text("MinimumPurchaseAmountCurrency", "ISO 4217 code of minimum_purchase_amount."),
    decimal("MaximumSavingsAmount", "What a customer can save at most."),
    text("MaximumSavingsCurrency", "ISO 4217 code of maximum_savings_amount."),
    decimal("BogoBuyQuantity", "How many to buy; get the bogo_get_quantity of bogo_get_name."),
    text("BogoBuyScope", "What to buy of: PRODUCT, CATEGORY or ENTIRE_STORE."),
    verbatim("BogoBuyName", "Product or category to buy."),
    text("BogoBuyImageUrl", "Image of what to buy."),
    decimal("BogoGetQuantity", "How many are free, or cheaper."),
    text("BogoGetScope", "What to get of: PRODUCT, CATEGORY or ENTIRE_STORE."),
    text("BogoGetDiscountType", "What is taken off these: FREE, AMOUNT or PERCENT."),
    verbatim("BogoGetName", "Product or category to get."),
    text("BogoGetImageUrl", "Image of what to get."),
    decimal("BogoGetDiscountAmount", "What is taken off these, in bogo_get_discount_currency."),
    text("BogoGetDiscountCurrency", "ISO 4217 code of bogo_get_discount_amount."),
    decimal("BogoGetDiscountPercent", "Percentage that is taken off these."),
    decimal("PurchaseLimitQuantity", "How often a customer can use it; 0 is without limit."),
)

BEFORE_AND_AFTER = (
    decimal("ProductBeforePriceAmount", "Price without the deal."),
    text("ProductBeforePriceCurrency", "ISO 4217 code of product_before_price_amount."),
    decimal("ProductAfterPriceAmount", "Price with the deal."),
    text("ProductAfterPriceCurrency", "ISO 4217 code of product_after_price_amount."),
)

# Offers of the campaigns that the partner has joined.
# https://integrations.impact.com/impact-publisher/reference/list-deals
DEALS = Stream(
    name="deals",
    source=PerParentSource(
        path="/Campaigns/{}/Deals",
        data_key="Deals",
        scope=Scope("Deals", "Retrieve deals", required=False),
        parents=CAMPAIGN_LIST,
        ids_of=lambda campaign: campaigns_of([campaign]),
        parent_key="CampaignId",
    ),
    keys=("campaign_id", "id"),
    selected=False,
    record_map=RecordMap(
        key("CampaignId", "Campaign (program) of the brand."),
        key("Id", "Identifies the deal: deal_id of ads."),
        verbatim("Name", "Name of the deal."),
        verbatim("Description", "What it is, for partners."),
        flag("Public", "Whether all partners may see it."),
        text("State", "ACTIVE, EXPIRED or PENDING."),
        text("Type", "BOGO, FREE_SHIPPING, GENERAL_SALE, GIFT_WITH_PURCHASE or REBATE."),
        text("Scope", "What it holds for: CATEGORY, ENTIRE_STORE or PRODUCT; none for BOGO."),
        nested_list(
            "Products",
            "The products that it holds for.",
            verbatim("ProductName", "Name of the product."),
            text("ProductImageUrl", "Image of the product."),
            *BEFORE_AND_AFTER,
        ),
        text_list("Categories", "The categories that it holds for."),
        *DISCOUNT,
        verbatim("DefaultPromoCode", "Code that comes with it."),
        timestamp("StartDate", "When it begins; null if that is open."),
        timestamp("EndDate", "When it ends; null if that is open."),
        timestamp("DateCreated", "When it was made."),
        timestamp("DateLastUpdated", "When it was changed last."),
        text("Uri", "Path of the deal in the API."),
    ),
)

# Ads that the partner may use: what ad_id of actions and clicks stands for.
# https://integrations.impact.com/impact-publisher/reference/list-ads
ADS = Stream(
    name="ads",
    source=UpdatedSource(
        path="/Ads",
        data_key="Ads",
        scope=Scope("Ads", "Retrieve ads", required=False),
        # An ad does not tell when it was updated, but its filter knows.
        replication_key="start_date",
        queries=(UpdateQuery(Feed("UpdatedDateStart", "UpdatedDateEnd"), {}),),
    ),
    keys=("id",),
    replication_key="start_date",
    record_map=RecordMap(
        key("Id", "Identifies the ad: ad_id of actions and clicks."),
        verbatim("Name", "Name of the ad."),
        verbatim("Description", "What it is, for partners."),
        text("CampaignId", "Campaign (program) of the brand."),
        verbatim("CampaignName", "Name of the campaign."),
        text("Type", "Kind of the ad, like BANNER, TEXT_LINK or COUPON."),
        text("TrackingLink", "The partner's own link."),
        text("LandingPageUrl", "Where the link leads."),
        text("AdvertiserId", "Brand (advertiser) that runs the campaign."),
        verbatim("AdvertiserName", "Name of the brand."),
        verbatim("Code", "HTML of the ad."),
        verbatim("IFrameCode", "HTML of a frame that shows it."),
        decimal("Width", "Width of the image in pixels."),
        decimal("Height", "Height of the image in pixels."),
        text("CreativeUrl", "The image, or what else is shown."),
        verbatim("Labels", "Labels that the brand gave."),
        flag("AllowDeepLinking", "Whether the link may lead elsewhere in the brand's site."),
        flag("MobileReady", "Whether it is made for mobile devices."),
        text("Language", "Language of the ad, like ENGLISH."),
        timestamp("StartDate", "When it begins, or was made."),
        timestamp("EndDate", "When it ends; null if that is open."),
        text("Season", "Season that it is for, like BLACK_FRIDAY."),
        flag("TopSeller", "Whether it is for an item that sells best."),
        verbatim("SubjectLines", "Subject of the mail, for ads in mails."),
        Omitted("FromAddresses", "E-mail addresses."),
        text("UnsubscribeLink", "Link to unsubscribe, for ads in mails."),
        text("DealId", "Deal that it carries."),
        verbatim("DealName", "Name of the deal."),
        verbatim("DealDescription", "What the deal is."),
        text("DealState", "State of the deal when the ad was read: ACTIVE, EXPIRED or PENDING."),
        text("DealType", "Kind of the deal, like GENERAL_SALE."),
        text("DealScope", "What the deal holds for: CATEGORY, ENTIRE_STORE or PRODUCT."),
        flag("DealPublic", "Whether all partners may see the deal."),
        nested_list(
            "DealProducts",
            "The products that the deal holds for.",
            verbatim("ProductName", "Name of the product."),
            text("ProductImageURL", "Image of the product."),
            *BEFORE_AND_AFTER,
        ),
        verbatim("DealCategories", "The categories that the deal holds for, between commas."),
        *DISCOUNT,
        verbatim("DealDefaultPromoCode", "Code that comes with the deal."),
        timestamp("DealStartDate", "When the deal begins."),
        timestamp("DealEndDate", "When the deal ends."),
        timestamp("DealDateCreated", "When the deal was made."),
        timestamp("DealDateLastUpdated", "When the deal was changed last."),
        text("Uri", "Path of the ad in the API."),
    ),
)

NAMED = (
    text("Id", "Its id."),
    verbatim("Name", "Its name."),
    text("Uri", "Its path in the API."),
)
WITH_LOGO = (*NAMED, text("LogoUri", "Path of its logo in the API."))

# Codes that credit the partner for an order: what promo_code of actions stands for.
# https://integrations.impact.com/impact-publisher/reference/list-promo-codes
PROMO_CODES = Stream(
    name="promo_codes",
    source=ListSource(
        "/PromoCodes",
        "PromoCodes",
        Scope("Promo Codes", "Retrieve promo codes", required=False),
    ),
    keys=("id",),
    record_map=RecordMap(
        key("Id", "Identifies the promo code."),
        verbatim("Code", "What customers enter: promo_code of actions."),
        text("State", "ACTIVE, FUTUREDATE or EXPIRED."),
        nested("Program", "Campaign (program) of the brand.", *WITH_LOGO),
        nested("Advertiser", "Brand that gave it.", *WITH_LOGO),
        nested("Deal", "Deal that it belongs to.", *NAMED),
        text("MatchMode", "How codes of orders are compared: LI as it is, RE as a regex."),
        text("CreditRule", "When the partner is credited: ALWAYS, INVOLVED or WINNER."),
        timestamp("CreatedDate", "When it was made."),
        timestamp("StartDate", "When it begins; null if that is open."),
        timestamp("EndDate", "When it ends; null if that is open."),
        text("Uri", "Path of the promo code in the API."),
    ),
)
