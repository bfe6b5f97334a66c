"""Contracts, and the terms by which each pays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tap_impact.api.scopes import Scope
from tap_impact.records.fields import (
    Omitted,
    RecordMap,
    decimal,
    flag,
    is_blank,
    key,
    key_number,
    key_timestamp,
    money,
    text,
    text_list,
    timestamp,
    verbatim,
)
from tap_impact.records.nested import nested, nested_list, objects
from tap_impact.sources.dated import Feed
from tap_impact.sources.updated import UpdatedSource, UpdateQuery
from tap_impact.streams.stream import Stream

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

STATUSES = ("ACTIVE", "DECLINED", "EXPIRED", "PENDING", "UPCOMING")
"""impact.com lists the active contracts alone, unless a request names one of the others."""

UPDATED = Feed("DateLastUpdatedAfter", "DateLastUpdatedBefore")
STARTED = Feed("StartDateAfter", "StartDateBefore")
ENDED = Feed("EndDateAfter", "EndDateBefore")

CONTRACT_LIST = UpdatedSource(
    path="/Contracts",
    data_key="Contracts",
    # The name is inferred: impact.com documents the scope of retrieving one contract only.
    scope=Scope("Contracts", "Retrieve contracts", required=False),
    replication_key="date_last_updated",
    queries=tuple(UpdateQuery(UPDATED, {"Status": status}) for status in STATUSES),
    # Nobody updates a contract that begins or ends by its dates.
    later_queries=(
        UpdateQuery(STARTED, {"Status": "ACTIVE"}),
        UpdateQuery(ENDED, {"Status": "EXPIRED"}),
    ),
)

RULES = nested_list(
    "Rules",
    "What all must hold.",
    text("Variable", "What is looked at, like ITEM_CATEGORY or CUSTOMER_STATUS."),
    text("Operator", "How it is compared, like IS or IS_NOT."),
    text_list("Values", "What it is compared to."),
)

LIMITS = nested_list(
    "Limits",
    "Caps on payouts.",
    text("Type", "What is limited: ACTION or PAYOUT."),
    decimal("Value", "The limit."),
    text("LimitBy", "For what it holds, like CUSTOMER or ITEM."),
    text("Period", "In which time, like DAY or MONTH."),
    decimal("WeekendOverrideValue", "The limit on weekends, if another."),
)

GROUP = (
    text("Id", "Identifies the group."),
    decimal("Rank", "Lower ranks are tried first."),
    RULES,
    decimal("PayoutRate", "Percentage that is paid; or payout has an amount."),
    money("Payout", "Amount that is paid; or payout_rate has a percentage."),
    LIMITS,
)

# What an event payout and a row of its terms have in common.
EVENT = (
    text("EventTypeId", "Event type: the action tracker's id."),
    verbatim("EventTypeName", "Name of the event type, like Online Sale."),
    text("EventCategory", "Kind of the event, like SALE or LEAD."),
    text("PayoutLevel", "What a payout is worked out for: ORDER or ITEM."),
)
CONDITIONS = (
    nested_list(
        "PayoutRestrictions",
        "What is not paid for.",
        text("Id", "Identifies the restriction."),
        RULES,
        flag("ZeroPayoutHideReport", "Whether such actions are hidden in reports."),
    ),
    nested_list(
        "PayoutAdjustments",
        "What raises or lowers the payout.",
        text("Id", "Identifies the adjustment."),
        RULES,
        text("Direction", "INCREASE or DECREASE."),
        decimal("Rate", "By how much."),
    ),
    nested(
        "PerformanceBonus",
        "What is paid on top when a threshold is reached.",
        text("Type", "Which actions earn it, like SUBSEQUENT_ACTIONS."),
        text("Basis", "What is measured: REVENUE or ACTIONS."),
        text("Period", "In which time, like CALENDAR_MONTH."),
        nested_list(
            "Tiers",
            "The thresholds.",
            decimal("RevenueThreshold", "What has to be reached."),
            decimal("PayoutRate", "What is paid on top then."),
        ),
    ),
    nested(
        "Locking",
        "When an action locks.",
        text("Basis", "What it is counted from, like TRACKED."),
        text("Period", "What it is counted in: MONTH or DAY."),
        decimal("MonthOffset", "How many months later."),
        decimal("DayOffset", "How many days after that."),
    ),
    nested(
        "PayoutScheduling",
        "When a locked action is paid.",
        text("Basis", "What it is counted from, like LOCKED."),
        text("Period", "When in the time that follows, like END_OF_MONTH."),
    ),
    text("CreditPolicy", "Which partner is credited, like LAST_REFERRER."),
    nested_list(
        "ValidReferrals",
        "What is credited, and for how long.",
        text("Type", "What refers: CLICKS or IMPRESSIONS."),
        decimal("Window", "How long after it an action is credited."),
        text("WindowUnit", "The window's unit, like DAY."),
    ),
)

EVENT_PAYOUT = (
    *EVENT,
    decimal("DefaultPayoutRate", "Percentage that is paid if no group matches."),
    money("DefaultPayout", "Amount that is paid if no group matches."),
    nested_list("PayoutGroups", "Items or orders that are paid at rates of their own.", *GROUP),
    LIMITS,
    *CONDITIONS,
)

TERMS = (
    verbatim("TemplateTermName", "Name of the template that the terms follow."),
    text("Currency", "ISO 4217 code of payouts."),
    text("TemplateId", "The template."),
    text("VersionId", "Version of the template."),
    verbatim("Name", "Name of the terms."),
    text_list("Labels", "Labels that the brand gave."),
    nested_list("EventPayouts", "What each type of event pays.", *EVENT_PAYOUT),
    nested_list(
        "SpecialTermsList",
        "Terms in words.",
        verbatim("TermsName", "Name of the term."),
        text("TermsType", "Kind of the term, like CUSTOM."),
        verbatim("TermsContent", "The term; may hold HTML."),
    ),
    decimal("ChangeNotificationPeriod", "Days before which the brand announces changes."),
    text("ReturnPolicy", "Which returns are allowed, like ALWAYS_OK."),
    decimal("MaxReturnPercentage", "Percentage of actions that may be reversed as returns."),
    text("CustomCreativePayer", "Who pays for creatives of the partner's own."),
    decimal("ActionLimit", "Actions that are paid at most, in action_limit_period."),
    text("ActionLimitPeriod", "Period of action_limit, like MONTH."),
    money("SpendLimit", "What is paid at most, in spend_limit_period."),
    text("SpendLimitPeriod", "Period of spend_limit, like MONTH."),
    money("MinEarningPerClick", "What a click earns at least."),
    money("ContractStartSlottingFee", "What is paid when the contract starts."),
)

# Contracts with brands, each as it is now.
# https://integrations.impact.com/impact-publisher/reference/list-contracts
CONTRACTS = Stream(
    name="contracts",
    source=CONTRACT_LIST,
    keys=("id",),
    replication_key="date_last_updated",
    record_map=RecordMap(
        key("Id", "Identifies the contract: contract_id of action_updates."),
        text("CampaignId", "Campaign (program) of the brand."),
        text("Status", "ACTIVE, DECLINED, EXPIRED, PENDING or UPCOMING."),
        timestamp("StartDate", "When it takes effect."),
        timestamp("EndDate", "When it ends; null if that is open."),
        Omitted("BrandSignatory", "The name of a person, which no report needs."),
        timestamp("BrandSignatoryDate", "When the brand signed."),
        Omitted("PartnerSignatory", "The name of a person, which no report needs."),
        timestamp("PartnerSignatoryDate", "When the partner signed."),
        timestamp("DateCreated", "When it was made."),
        timestamp("DateLastUpdated", "When it was changed last."),
        nested("Terms", "What the contract pays, and by which rules.", *TERMS),
        flag("HasCampaignTerms", "Whether terms of single campaigns override its own."),
        text("PdfUri", "Path of the contract as PDF, in the API."),
        text("Uri", "Path of the contract in the API."),
    ),
)


def payout_terms(contract: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """A row for each event type's default payout, and for each of its groups."""
    terms = next(objects(contract.get("Terms"), TERMS), {})
    updates = (contract.get(name) for name in ("DateLastUpdated", "DateCreated", "StartDate"))
    version = {
        "ContractId": contract.get("Id"),
        "DateLastUpdated": next((each for each in updates if not is_blank(each)), None),
        **{name: contract.get(name) for name in ("CampaignId", "Status", "StartDate", "EndDate")},
        **{name: terms.get(name) for name in ("Currency", "VersionId")},
    }
    for number, payout in enumerate(objects(terms.get("EventPayouts"), EVENT_PAYOUT), 1):
        event = {name: value for name, value in payout.items() if name != "PayoutGroups"}
        event |= {"EventNumber": number, "EventLimits": event.pop("Limits", None), **version}
        rate, amount = event.pop("DefaultPayoutRate", None), event.pop("DefaultPayout", None)
        yield event | {"GroupNumber": 0, "PayoutRate": rate, "Payout": amount}
        for rank, group in enumerate(objects(payout.get("PayoutGroups"), GROUP), 1):
            sent = {name: value for name, value in group.items() if name != "Id"}
            yield sent | event | {"GroupNumber": rank, "PayoutGroupId": group.get("Id")}


# What each contract pays, flat, in each version that the tap has seen: impact.com gives only the
# present one, and prices an action by the one in force when it was modified.
CONTRACT_PAYOUT_TERMS = Stream(
    name="contract_payout_terms",
    source=CONTRACT_LIST,
    keys=("contract_id", "date_last_updated", "event_number", "group_number"),
    replication_key="date_last_updated",
    rows_of=payout_terms,
    record_map=RecordMap(
        key("ContractId", "The contract: contract_id of action_updates."),
        key_timestamp("DateLastUpdated", "Since when these terms hold: the contract's update."),
        key_number("EventNumber", "Counts the event payouts of the contract, from 1."),
        key_number(
            "GroupNumber", "Counts the payout groups, from 1; 0 is what is paid by default."
        ),
        text("CampaignId", "Campaign (program) of the brand."),
        text("Status", "Status of the contract when it was read last."),
        timestamp("StartDate", "When the contract takes effect."),
        timestamp("EndDate", "When the contract ends; null if that is open."),
        text("Currency", "ISO 4217 code of payouts."),
        text("VersionId", "Version of the template."),
        *EVENT,
        text("PayoutGroupId", "Identifies the group; null for the default."),
        decimal("Rank", "Lower ranks are tried first; null for the default."),
        RULES,
        decimal("PayoutRate", "Percentage that is paid; or payout has an amount."),
        money("Payout", "Amount that is paid; or payout_rate has a percentage."),
        LIMITS,
        LIMITS._replace(source="EventLimits", name="event_limits"),
        *CONDITIONS,
    ),
)
