"""Lists whose filters look at what their rows show, each with its rows one by one.

Sources: the OpenAPI files of each (partner, version 16). A field that begins with `_` is hidden.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from operator import eq, ge, gt, le, lt
from typing import TYPE_CHECKING, Any

from impact_sandbox import rules
from impact_sandbox.exchange import Answer, Endpoint, Request, list_page, missing
from impact_sandbox.world import deals, partner, stores

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import TypeAlias

    from impact_sandbox.server import Sandbox
    from impact_sandbox.world import World

    Rows: TypeAlias = list[dict[str, Any]]
    Rule: TypeAlias = tuple[str, Callable[[Any, Any], bool]]

PAGE = frozenset({"Page", "PageSize"})


@dataclass(frozen=True)
class Listing:
    """A list of the API: below its path, each of its rows by its key."""

    name: str
    """The key of its rows, and the last part of its path."""
    one: str
    """What a row is called."""
    rows: Callable[[World, Request], Rows]
    filters: Mapping[str, Rule] = field(default_factory=dict)
    """By parameter: the field, and how it compares to what was sent. Dates compare as times."""
    above: tuple[str, ...] = ()
    """What comes before the name in its path."""
    key: str = "Id"

    def endpoints(self) -> tuple[Endpoint, ...]:
        """Return the list's own, and that of its rows."""
        path, sent = (*self.above, self.name), PAGE | self.filters.keys()
        scopes = scopes_of(self.one)
        return (
            Endpoint("GET", path, scopes[0], "other", self.answer, sent),
            Endpoint("GET", (*path, "*"), scopes[1], "other", self.answer_one),
        )

    def answer(self, sandbox: Sandbox, request: Request) -> Answer:
        """Answer a page of the rows that pass the filters."""
        sent = rules.parameters(request.pairs, frozenset())
        page = rules.read_page(sent, sandbox.switches, event_level=False)
        query = tuple(sorted(pair for pair in sent.items() if pair[0] in self.filters))

        def select() -> Rows:
            rows = self.rows(sandbox.world, request)
            for name, value in query:
                of, compare = self.filters[name]
                if compare is eq:
                    rows = [row for row in rows if row[of] == value]
                else:
                    at = rules.timestamp_of(name, value, request.now, sandbox.switches)
                    rows = [row for row in rows if compare(epoch_seconds(row[of]), at)]
            return rows

        rows = sandbox.recall((request.path, request.now, query), select)
        return list_page(request, sent, page, self.name, rows, write=shown)

    def answer_one(self, sandbox: Sandbox, request: Request) -> Answer:
        """Answer one row."""
        for row in self.rows(sandbox.world, request):
            if row[self.key] == request.names[-1]:
                return Answer(200, shown(row))
        return missing(self.one.capitalize(), request.names[-1])


def epoch_seconds(text: str) -> int:
    """Read a row's date."""
    return int(datetime.fromisoformat(text).timestamp())


def shown(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row without what is hidden."""
    return {name: value for name, value in row.items() if not name.startswith("_")}


def scopes_of(one: str) -> tuple[str, str]:
    """Return the names of the scopes of a list, and of one of its rows."""
    many = one.removesuffix("y") + "ies" if one.endswith("y") else f"{one}s"
    return f"Retrieve {many}", f"Retrieve {one}"


def object_endpoint(
    name: str, scope: str, of: Callable[[World], dict[str, Any]]
) -> tuple[Endpoint, ...]:
    """Return the endpoint of a single object."""

    def answer(sandbox: Sandbox, request: Request) -> Answer:
        del request
        return Answer(200, of(sandbox.world))

    return (Endpoint("GET", (name,), scope, "other", answer),)


@dataclass(frozen=True)
class ExceptionLists:
    """Lists that can be had by their ids alone."""

    name: str
    one: str
    lists: Callable[[World], Rows]

    def endpoints(self) -> tuple[Endpoint, ...]:
        """Return that of a list, and that of its items."""
        path, scope = (self.name, "*"), f"Retrieve {self.one}"
        return (
            Endpoint("GET", path, scope, "other", self.answer_one),
            Endpoint("GET", (*path, "Items"), f"{scope} items", "other", self.answer_items, PAGE),
        )

    def answer_one(self, sandbox: Sandbox, request: Request) -> Answer:
        """Answer a list, without its items."""
        found = self._found(sandbox, request)
        return Answer(200, shown(found)) if found else missing(self.one, request.names[0])

    def answer_items(self, sandbox: Sandbox, request: Request) -> Answer:
        """Answer a page of a list's items."""
        sent = rules.parameters(request.pairs, frozenset())
        page = rules.read_page(sent, sandbox.switches, event_level=False)
        found = self._found(sandbox, request)
        if not found:
            return missing(self.one, request.names[0])
        name = f"{self.name.removesuffix('s')}Items"
        return list_page(request, sent, page, name, found["_Items"])

    def _found(self, sandbox: Sandbox, request: Request) -> dict[str, Any] | None:
        lists = self.lists(sandbox.world)
        return next((each for each in lists if each["Id"] == request.names[0]), None)


LISTINGS: tuple[Listing | ExceptionLists, ...] = (
    Listing(
        "Ads",
        "ad",
        lambda world, request: deals.ads(world, request.now),
        {
            **{name: (name, eq) for name in ("Type", "CampaignId", "DealId", "MobileReady")},
            "UpdatedDateStart": ("_Updated", ge),
            "UpdatedDateEnd": ("_Updated", le),
        },
    ),
    Listing(
        "Deals",
        "deal",
        lambda world, request: deals.deals(world, request.names[0], request.now),
        {name: (name, eq) for name in ("Scope", "State", "Type")},
        above=("Campaigns", "*"),
    ),
    Listing(
        "PromoCodes",
        "promo code",
        lambda world, request: deals.promo_codes(world, request.now),
        {
            **{name: (name, eq) for name in ("CreditRule", "MatchMode")},
            "CreatedDateStart": ("CreatedDate", ge),
            "CreatedDateEnd": ("CreatedDate", le),
        },
    ),
    Listing("MediaProperties", "media property", lambda world, _: partner.media_properties(world)),
    Listing(
        "ActionInquiries",
        "action inquiry",
        lambda world, request: partner.inquiries(world, request.at),
        {
            **{name: (name, eq) for name in ("CampaignId", "CustomerId", "ResolutionStatus")},
            "MediaPartnerInquiryId": ("MediaPartnerInquiryId", eq),
            "StartDate": ("CreationDate", ge),
            "EndDate": ("CreationDate", le),
            "TransactionDateStart": ("TransactionDate", ge),
            "TransactionDateEnd": ("TransactionDate", le),
        },
    ),
    Listing(
        "Tasks",
        "task",
        lambda world, request: partner.tasks(world, request.now),
        {
            f"{name}{end}": (name, compare)
            for name in ("DateCreated", "DateLastUpdated")
            for end, compare in (("After", gt), ("Before", lt))
        },
    ),
    Listing(
        "Promotions",
        "promotion",
        lambda world, request: stores.promotions(world, request.now),
        key="PromotionIds",
    ),
    Listing("Stores", "store", lambda world, request: stores.stores(world, request.now)),
    Listing("Users", "user", lambda world, _: partner.users(world)),
    Listing("TaxDocuments", "tax document", lambda world, _: partner.tax_documents(world)),
    ExceptionLists("ExceptionLists", "exception list", stores.exception_lists),
    ExceptionLists("PromoCodeExceptionLists", "promo code exception list", stores.promo_code_lists),
)

ENDPOINTS = (
    *(endpoint for listing in LISTINGS for endpoint in listing.endpoints()),
    *object_endpoint("CompanyInformation", "Retrieve company information", partner.company),
    *object_endpoint(
        "WithdrawalSettings", "Retrieve withdrawal settings", partner.withdrawal_settings
    ),
)
