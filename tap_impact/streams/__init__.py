"""The declarations of the streams, by area of impact.com."""

from __future__ import annotations

from tap_impact.streams.account import ACCOUNT
from tap_impact.streams.action_items import ACTION_ITEMS
from tap_impact.streams.actions import ACTION_UPDATES, ACTIONS
from tap_impact.streams.campaigns import CAMPAIGNS
from tap_impact.streams.catalogs import CATALOGS, PROMOTIONS, STORES
from tap_impact.streams.clicks import CLICK_EXPORTS, CLICKS, DAILY_CLICKS
from tap_impact.streams.contracts import CONTRACT_PAYOUT_TERMS, CONTRACTS
from tap_impact.streams.deals import ADS, DEALS, PROMO_CODES
from tap_impact.streams.exception_lists import (
    EXCEPTION_LIST_ITEMS,
    PROMO_CODE_EXCEPTION_LIST_ITEMS,
)
from tap_impact.streams.invoices import (
    INVOICE_DETAILED_LINE_ITEMS,
    INVOICE_LINE_ITEMS,
    INVOICES,
)
from tap_impact.streams.partner import ACTION_INQUIRIES, MEDIA_PROPERTIES, TASKS
from tap_impact.streams.reports import REPORTS

# In the order of a run: what earns comes first, what is optional last. Reports come after them.
STREAMS = (
    ACTIONS,
    ACTION_UPDATES,
    CLICK_EXPORTS,
    CLICKS,
    DAILY_CLICKS,
    CAMPAIGNS,
    ACCOUNT,
    CONTRACTS,
    CONTRACT_PAYOUT_TERMS,
    INVOICES,
    INVOICE_LINE_ITEMS,
    INVOICE_DETAILED_LINE_ITEMS,
    ADS,
    PROMO_CODES,
    MEDIA_PROPERTIES,
    DEALS,
    CATALOGS,
    ACTION_INQUIRIES,
    TASKS,
    PROMOTIONS,
    STORES,
    EXCEPTION_LIST_ITEMS,
    PROMO_CODE_EXCEPTION_LIST_ITEMS,
    REPORTS,
    ACTION_ITEMS,
)
