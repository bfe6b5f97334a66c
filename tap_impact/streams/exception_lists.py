"""Lists of products and promo codes for which contracts have rates of their own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tap_impact.api.scopes import Scope
from tap_impact.records.fields import (
    RecordMap,
    UnreadableValue,
    key,
    read_text_list,
    text,
    timestamp,
    verbatim,
)
from tap_impact.sources.per_parent import PerParentSource
from tap_impact.streams.contracts import CONTRACT_LIST
from tap_impact.streams.stream import Stream

if TYPE_CHECKING:
    from collections.abc import Iterator

# The names of scopes in this file are inferred: impact.com documents none of them.


def rules_within(value: object) -> Iterator[Mapping[str, Any]]:
    """The rules that stand anywhere in a contract, as sent."""
    if isinstance(value, Mapping):
        if "Variable" in value:
            yield value
        for each in value.values():
            yield from rules_within(each)
    elif isinstance(value, list):
        for each in value:
            yield from rules_within(each)


def list_ids(contract: Mapping[str, Any], *, of_codes: bool) -> Iterator[str]:
    """The ids of the lists that a contract names.

    impact.com says that contracts have them, not where. In its interface they are values of rules,
    whose variables are "List for Item SKU", "List for Item Category", "List for Order Promo Code".
    https://help.impact.com/en/support/solutions/articles/155000004529
    """
    for rule in rules_within(contract):
        variable = str(rule["Variable"]).upper()
        if "LIST" in variable and ("PROMO" in variable) is of_codes:
            try:
                values = read_text_list(rule.get("Values")) or []
            except UnreadableValue:  # the table of contracts has them as sent
                continue
            yield from (value.strip() for value in values if value.strip().isdecimal())


ITEM = (
    key("ListId", "The list: a value of a contract's rule."),
    key("Id", "Identifies the item within the list."),
    verbatim("Name", "Name of the item."),
    verbatim("Value", "What is compared, by match_mode."),
    text("MatchMode", "How: EQ as it is, REGEX as a regex."),
    timestamp("CreatedDate", "When it was added."),
    text("Uri", "Path of the item in the API."),
)

# SKUs and categories that contracts pay at rates of their own.
# https://integrations.impact.com/impact-publisher/reference/list-exception-list-items
EXCEPTION_LIST_ITEMS = Stream(
    name="exception_list_items",
    source=PerParentSource(
        path="/ExceptionLists/{}/Items",
        data_key="ExceptionListItems",
        scope=Scope("Exception Lists", "Retrieve exception list items", required=False),
        parents=CONTRACT_LIST,
        ids_of=lambda contract: list_ids(contract, of_codes=False),
        parent_key="ListId",
    ),
    keys=("list_id", "id"),
    selected=False,
    record_map=RecordMap(*ITEM),
)

# The same for promo codes.
PROMO_CODE_EXCEPTION_LIST_ITEMS = Stream(
    name="promo_code_exception_list_items",
    source=PerParentSource(
        path="/PromoCodeExceptionLists/{}/Items",
        data_key="PromoCodeExceptionListItems",
        scope=Scope(
            "Promo Code Exception Lists",
            "Retrieve promo code exception list items",
            required=False,
        ),
        parents=CONTRACT_LIST,
        ids_of=lambda contract: list_ids(contract, of_codes=True),
        parent_key="ListId",
    ),
    keys=("list_id", "id"),
    selected=False,
    record_map=RecordMap(*ITEM),
)
