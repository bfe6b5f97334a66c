"""Items of the actions."""

from __future__ import annotations

from tap_impact.api.scopes import Scope
from tap_impact.records.fields import (
    DAY,
    Field,
    RecordMap,
    as_given,
    decimal,
    described,
    key,
    money,
    nullable,
    text,
    timestamp,
    verbatim,
)
from tap_impact.sources.action_items import ActionItemsSource, LookupList
from tap_impact.streams.actions import ACTION_LIST, ACTION_UPDATES, ACTIONS, UPDATE_LIST
from tap_impact.streams.stream import Stream

ITEMS = ActionItemsSource(
    actions=LookupList(ACTION_LIST, ACTIONS.record_map, "action_items: the list of actions"),
    updates=LookupList(UPDATE_LIST, ACTION_UPDATES.record_map, "action_items: the list of updates"),
    scope=Scope("Actions", "Retrieve action items"),
    replication_key="event_date",
    # The specification has the former, a client the latter.
    item_keys=("ActionItems", "Items"),
)

# Items of the actions, each in its present state.
# https://integrations.impact.com/impact-publisher/reference/list-items
ACTION_ITEMS = Stream(
    name="action_items",
    source=ITEMS,
    keys=("action_id", "sku", "sku_ordinal"),
    ids_are_global=True,
    replication_key="event_date",
    selected=False,
    record_map=RecordMap(
        key("ActionId", "The action that the item belongs to."),
        Field(
            "Sku",
            "sku",
            described("string", "SKU of the item; empty if the brand gives none."),
            str,
        ),
        Field(
            "SkuOrdinal",
            "sku_ordinal",
            described("integer", "Counts the items of one SKU in one action, from 1."),
            int,
        ),
        verbatim("ItemName", "Name of the item."),
        verbatim("Category", "Category of the item, as the brand has it."),
        decimal("Quantity", "How many of the item."),
        money("SaleAmount", "Sale amount, in sale_amount_currency."),
        text("SaleAmountCurrency", "ISO 4217 code of sale_amount."),
        money("Payout", "Commission, in payout_currency."),
        text("PayoutCurrency", "ISO 4217 code of payout."),
        money("Rebate", "Rebate, in rebate_currency."),
        text("RebateCurrency", "ISO 4217 code of rebate."),
        timestamp("AdjustmentDate", "When the item was adjusted last; null if never."),
        text("AdjustmentReason", "Why it was adjusted, like ITEM_RETURNED or ORDER_UPDATE."),
        timestamp("EventDate", "When the action happened: its event_date."),
        Field(
            "EventDay",
            "event_day",
            nullable("string", "Day of the action as the account's calendar has it.") | DAY,
            as_given,
        ),
        Field(
            "ItemCount",
            "item_count",
            described("integer", "How many items the action had when they were read."),
            int,
        ),
        timestamp(
            "ItemsReadAt",
            "Start of the run that read the action's items. Rows of an action that are older than "
            "its newest are of items that it no longer has.",
        ),
        text("Uri", "Path of the item in the API."),
    ),
)
