"""Clicks, their daily figures, and the exports that they come from."""

from __future__ import annotations

from tap_impact.api.exports import DOWNLOAD_EXPORTS
from tap_impact.api.scopes import Scope
from tap_impact.records.fields import (
    DATE_TIME,
    DAY,
    RecordMap,
    computed,
    described,
    flag,
    given,
    money,
    nullable,
    place,
    text,
    timestamp,
    verbatim,
)
from tap_impact.sources.click_exports import DAILY, EACH, EXPORT, ClickExportSource
from tap_impact.streams.stream import Stream

# What makes a click itself, and so its key, which is the same whenever the click is loaded. Names
# that stand beside an id are left out, for they may change; so is what the API will add.
IDENTITY = (
    *("id", "campaign_id", "profile_id", "ip_address", "event_date", "media_id", "ad_id"),
    *("ad_type", "product_sku", "ad_campaign", "ad_group", "keyword", "match_type", "channel"),
    *("deal_name", "deal_type", "deal_scope", "customer_area", "customer_city"),
    *("customer_region", "customer_country", "device_type", "device_family", "browser", "os"),
    *("referring_url", "referring_domain", "landing_page_url", "traffic_category"),
    *("traffic_source", "bid_keyword", "search_text", "shared_id", "sub_id1", "sub_id2"),
    *("sub_id3", "cpc_bid", "payout", "unique_click"),
)

CLICK = RecordMap(
    computed(
        "click_key",
        "Hash of the click, and its ordinal among identical ones of the day.",
    ),
    computed("click_day", "Day of the click, by which its export was requested.", **DAY),
    text("Id", "Consumer's journey (im_ref, irclickid); several clicks may share it."),
    text("CampaignId", "Campaign (program) of the brand."),
    verbatim("CampaignName", "Name of the campaign."),
    text("ProfileId", "impact.com's id of a consumer on a device."),
    text("IpAddress", "Hash of the address that the click came from."),
    timestamp("EventDate", "When the click happened."),
    text("MediaId", "Partner (media) that made the click."),
    verbatim("MediaName", "Name of the partner."),
    text("AdId", "Ad that was clicked."),
    verbatim("AdName", "Name of the ad."),
    text("AdType", "Kind of the ad, like BANNER or TEXT_LINK."),
    verbatim("ProductSku", "SKU of the product that the ad shows."),
    text("AdCampaign", "Ad campaign, as the brand has it."),
    text("AdGroup", "Ad group, as the brand has it."),
    text("Keyword", "Keyword, as the brand has it."),
    text("MatchType", "How the click was matched to a consumer."),
    text("Channel", "Channel that made the click."),
    verbatim("DealName", "Name of the deal."),
    text("DealType", "Kind of the deal, like FREE_SHIPPING."),
    text("DealScope", "What the deal holds for, like ENTIRE_STORE."),
    place("CustomerArea", "Designated market area of the customer."),
    place("CustomerCity", "City of the customer."),
    place("CustomerRegion", "Region or state of the customer."),
    place("CustomerCountry", "Country of the customer, ISO 3166 (NA is Namibia)."),
    text("DeviceType", "Kind of device, like DESKTOP or PHONE."),
    text("DeviceFamily", "Family of the device, like IPHONE."),
    text("Browser", "Browser, like CHROME_MOBILE."),
    text("Os", "Operating system, like IOS."),
    text("ReferringUrl", "Page where the click happened."),
    text("ReferringDomain", "Domain where the click happened."),
    text("LandingPageUrl", "Page that the click led to."),
    text("TrafficCategory", "Kind of traffic, like Content."),
    text("TrafficSource", "Site that the traffic came from."),
    verbatim("BidKeyword", "Keyword of paid search."),
    verbatim("SearchText", "What was searched for, in paid search."),
    verbatim("SharedId", "Shared id of the link."),
    verbatim("SubId1", "First sub id of the link."),
    verbatim("SubId2", "Second sub id of the link."),
    verbatim("SubId3", "Third sub id of the link."),
    money("CpcBid", "Bid per click."),
    money("Payout", "What the click itself pays."),
    flag("UniqueClick", "Whether the click is unique by the standards of the IAB."),
)

EXPORTS = ClickExportSource(
    scope=Scope("Clicks", "Export clicks"),
    download_scope=DOWNLOAD_EXPORTS,
    job_scope=Scope("Jobs Management", "Retrieve job", required=False),
    replication_key="click_day",
    click_map=CLICK,
    identity=IDENTITY,
)

# The exports themselves, one row for each day whose clicks were loaded.
# https://integrations.impact.com/impact-publisher/reference/export-clicks-1
CLICK_EXPORTS = Stream(
    name="click_exports",
    source=EXPORTS,
    part=EXPORT,
    keys=("click_day",),
    replication_key="click_day",
    record_map=RecordMap(
        given("click_day", described("string", "Day whose clicks were exported.") | DAY),
        given("job_id", nullable("string", "Job of the export; null if it was answered at once.")),
        given("requested_at", described("string", "When the export was requested.") | DATE_TIME),
        given(
            "completed_at",
            nullable("string", "When it was completed; null if the token may not look at jobs.")
            | DATE_TIME,
        ),
        given("clicks", described("integer", "Clicks in the export.")),
        given(
            "unique_clicks",
            described("integer", "Clicks in the export that impact.com counts as unique."),
        ),
        given("file_bytes", described("integer", "Size of the export's file, uncompressed.")),
        given("file_format", described("string", "Format of the export's file: JSON or CSV.")),
    ),
)

# Clicks on the partner's links, one row each. A click has no id of its own: `id` stands for a
# consumer's journey, and rows may even be identical. So its key is a hash of the row, and its
# ordinal among the identical rows of the day.
CLICKS = Stream(
    name="clicks",
    source=EXPORTS,
    part=EACH,
    keys=("click_key",),
    ids_are_global=True,
    replication_key="click_day",
    record_map=CLICK,
)

# Clicks per day, campaign and ad.
DAILY_CLICKS = Stream(
    name="daily_clicks",
    source=EXPORTS,
    part=DAILY,
    keys=("click_day", "campaign_id", "ad_id"),
    replication_key="click_day",
    record_map=RecordMap(
        given("click_day", described("string", "Day of the clicks.") | DAY),
        given("campaign_id", described("string", "Campaign (program); empty if clicks name none.")),
        given("ad_id", described("string", "Ad that was clicked; empty if clicks name none.")),
        given("clicks", described("integer", "Clicks.")),
        given("unique_clicks", described("integer", "Clicks that impact.com counts as unique.")),
        given("payout", described("number", "What the clicks themselves pay.")),
    ),
)
