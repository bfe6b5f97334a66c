"""Campaigns (programs)."""

from __future__ import annotations

from tap_impact.api.scopes import Scope
from tap_impact.records.fields import RecordMap, flag, key, text, text_list, verbatim
from tap_impact.sources.lists import ListSource
from tap_impact.streams.stream import Stream

CAMPAIGN_LIST = ListSource(
    "/Campaigns",
    "Campaigns",
    Scope("Campaigns", "Retrieve campaigns", required=False),
    row_keys=("CampaignId",),
)

# Campaigns that the partner has a contract with.
# https://integrations.impact.com/impact-publisher/reference/list-campaigns
CAMPAIGNS = Stream(
    name="campaigns",
    source=CAMPAIGN_LIST,
    keys=("campaign_id",),
    record_map=RecordMap(
        key("CampaignId", "Identifies the campaign; the object has no other id."),
        verbatim("CampaignName", "Name of the campaign."),
        text("CampaignUrl", "Site that the campaign leads to."),
        verbatim("CampaignDescription", "The brand's words about the campaign, may hold HTML."),
        text("AdvertiserId", "Brand (advertiser) that runs the campaign."),
        verbatim("AdvertiserName", "Name of the brand."),
        text("AdvertiserUrl", "Main site of the brand."),
        text("Type", "Kind of the campaign, like Performance or Creator."),
        text_list("ShippingRegions", "Where the brand ships, in impact.com's own country codes."),
        text("CampaignLogoUri", "Path of the logo in the API."),
        text("PublicTermsUri", "Path of the contract's public terms in the API."),
        text("ContractStatus", "State of the partner's contract: Active or Expired."),
        text("ContractUri", "Path of the contract in the API."),
        text("TrackingLink", "A tracking link ready for use."),
        flag("HasStandDownPolicy", "Whether the brand has rules on where not to compete."),
        flag("AllowsDeeplinking", "Whether links may lead into the brand's site."),
        text_list("DeeplinkDomains", "Domains that links may lead to; *. stands for subdomains."),
        text("Uri", "Path of the campaign in the API."),
    ),
)
