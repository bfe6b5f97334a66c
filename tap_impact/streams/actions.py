"""Actions (conversions) and their updates."""

from __future__ import annotations

from tap_impact.api.scopes import Scope
from tap_impact.progress.coverage import Purpose
from tap_impact.records.fields import (
    RecordMap,
    day,
    decimal,
    key,
    money,
    place,
    text,
    timestamp,
    verbatim,
)
from tap_impact.sources.dated import DatedSource, Feed
from tap_impact.streams.campaigns import CAMPAIGN_LIST
from tap_impact.streams.stream import Stream

HAPPENED = Feed("ActionDateStart", "ActionDateEnd")
"""By action date: finds what existed, late posting and later changes unseen."""

UPDATED = Feed("StartDate", "EndDate")
"""By last update: finds the new, the late-posted, the modified, reversed and restored.

impact.com does not count approval, locking and clearing as updates (List Actions).
"""

LOCKED = Feed("LockingDateStart", "LockingDateEnd")
"""By locking date: finds approval, and, as long as it is read again, clearing."""

ACTION_LIST = DatedSource(
    "/Actions",
    "Actions",
    Scope("Actions", "Retrieve actions"),
    replication_key="event_date",
    date_field="EventDate",
    feeds={Purpose.HISTORY: HAPPENED, Purpose.CATCH_UP: UPDATED, Purpose.SETTLEMENT: LOCKED},
    campaigns=CAMPAIGN_LIST,
)

# Conversions credited to the partner, each in its present state.
# https://integrations.impact.com/impact-publisher/reference/list-actions-1
ACTIONS = Stream(
    name="actions",
    source=ACTION_LIST,
    keys=("id",),
    ids_are_global=True,
    replication_key="event_date",
    record_map=RecordMap(
        key("Id", "Identifies the action."),
        text("CampaignId", "Campaign (program) of the brand."),
        verbatim("CampaignName", "Name of the campaign."),
        text("ActionTrackerId", "Action tracker (event type) that saw the conversion."),
        verbatim("ActionTrackerName", "Name of the action tracker, like Sale."),
        text("State", "PENDING, APPROVED or REVERSED, at the time of loading."),
        text("AdId", "Ad of the winning click."),
        money("Payout", "Commission at present, in currency."),
        money("Amount", "Sale amount at present, in currency."),
        text("Currency", "ISO 4217 code, mostly the account's and not the order's."),
        timestamp("EventDate", "When the conversion happened."),
        day("event_day", "EventDate", "Day of the conversion as the account's calendar has it."),
        timestamp("LockingDate", "When the action locks, or locked; later it can not change."),
        verbatim("Oid", "Order id that the brand gave.").named("order_id"),
        text("EventCode", "Event code, for events of mobile apps."),
        verbatim("SharedId", "Shared id of the winning click."),
        verbatim("SubId1", "First sub id of the winning click."),
        verbatim("SubId2", "Second sub id of the winning click."),
        verbatim("SubId3", "Third sub id of the winning click."),
        money("DeltaPayout", "Change of payout in the last update."),
        money("IntendedPayout", "Payout by the contract's terms, before any modification."),
        money("DeltaAmount", "Change of amount in the last update."),
        money("IntendedAmount", "Amount before any modification."),
        timestamp("ReferringDate", "When the winning click happened."),
        timestamp("CreationDate", "When impact.com made the action; days later for late posting."),
        timestamp("ClearedDate", "When the payout reached the balance; null until then."),
        day("cleared_day", "ClearedDate", "Day of it as the account's calendar has it."),
        text("ReferringType", "How the conversion was attributed, like CLICK_COOKIE."),
        text("ReferringDomain", "Domain where the winning click happened."),
        verbatim("PromoCode", "Promotional code of the order."),
        place("CustomerArea", "Designated market area of the customer."),
        place("CustomerCity", "City of the customer."),
        place("CustomerRegion", "Region or state of the customer."),
        place("CustomerCountry", "Country of the customer, ISO 3166 (NA is Namibia)."),
        text("Uri", "Path of the action in the API."),
    ),
)

UPDATE_LIST = DatedSource(
    "/ActionUpdates",
    "ActionUpdates",
    Scope("Actions", "Retrieve action updates"),
    replication_key="update_date",
    date_field="UpdateDate",
    feeds={Purpose.HISTORY: UPDATED, Purpose.CATCH_UP: UPDATED},
    campaigns=CAMPAIGN_LIST,
)

# Changes of actions: the first tracking, modifications and reversals, with their deltas.
# https://integrations.impact.com/impact-publisher/reference/list-action-updates
ACTION_UPDATES = Stream(
    name="action_updates",
    source=UPDATE_LIST,
    keys=("id",),
    ids_are_global=True,
    replication_key="update_date",
    record_map=RecordMap(
        key("Id", "Identifies the update."),
        text("ActionId", "The action that changed."),
        text("CampaignId", "Campaign (program) of the action."),
        text("ActionTrackerId", "Action tracker (event type) that saw the conversion."),
        text("EventCode", "Event code, for events of mobile apps."),
        text("State", "State of the action: PENDING, APPROVED or REVERSED."),
        text("StateDetail", "More on the state, like OPEN or PAYMENT_PENDING."),
        text("StateDetailDescription", "The state's detail in words."),
        text("AdId", "Ad of the winning click."),
        text("ReportingState", "Reason of the change, like ORDER_UPDATE or ITEM_RETURNED."),
        money("DeltaPayout", "Change of payout against the update before, in currency."),
        money("DeltaAmount", "Change of amount against the update before, in currency."),
        text("Currency", "ISO 4217 code, mostly the account's and not the order's."),
        verbatim("Category", "Category of the item, as the brand has it."),
        verbatim("Sku", "Item that the change is about."),
        decimal("Quantity", "How many of the item."),
        verbatim("CatalogName", "Catalog that lists the item."),
        verbatim("CatalogCategory", "Category of the item in the catalog."),
        verbatim("CatalogDescription", "Description of the item in the catalog."),
        verbatim("CatalogManufacturer", "Manufacturer of the item in the catalog."),
        verbatim("CatalogOriginalFormatCategory", "Category of the item before any mapping."),
        verbatim("CatalogSubCategory", "Subcategory of the item in the catalog."),
        timestamp("UpdateDate", "When the action changed."),
        timestamp("LockingDate", "When the action locks, or locked."),
        timestamp("ClearingDate", "When the payout reaches, or reached, the balance."),
        timestamp("ActionDate", "When the conversion happened: event_date of the action."),
        day("event_day", "ActionDate", "Day of the conversion as the account's calendar has it."),
        verbatim("Oid", "Order id that the brand gave.").named("order_id"),
        verbatim("SubId1", "First sub id of the winning click."),
        verbatim("SubId2", "Second sub id of the winning click."),
        verbatim("SubId3", "Third sub id of the winning click."),
        text("PaystubId", "Paystub that paid the action."),
        text("ContractId", "Contract that decided the payout."),
        text("EventTypeId", "Event type, the action tracker's id."),
        verbatim("EventTypeName", "Name of the event type, like Sale."),
        text("PayoutLevel", "What the payout was worked out for: ORDER or ITEM."),
        money("DefaultPayout", "Payout before adjustments, in default_payout_currency."),
        text("DefaultPayoutCurrency", "ISO 4217 code of default_payout."),
        verbatim("SharedId", "Shared id of the winning click."),
        text("ActionUri", "Path of the action in the API."),
        text("Uri", "Path of the update in the API."),
    ),
)
