"""The resources of impact.com's partner API, who may read them, and by which parameters."""

from __future__ import annotations

from impact_sandbox import events, jobs, listings, lists, reports, rules
from impact_sandbox.exchange import Endpoint

PAGE = frozenset({"Page", "PageSize"})
EVENTS = PAGE | {"CampaignId", "State"} | {name for pair in rules.PAIRS.values() for name in pair}
EXPORT = jobs.REPEATABLE | {"Date", "UniqueClick", "ResultFormat"}
CAMPAIGNS = PAGE | {"InsertionOrderStatus"}
CREATED = PAGE | {"CreatedAfter", "CreatedBefore"}
MODE = frozenset({"Mode"})
CAMPAIGN = PAGE | {"CampaignId"}
CONTRACTS = (
    CAMPAIGN
    | {"Status", "Signatory"}
    | {f"{name}{end}" for name in lists.CONTRACT_DATES for end in ("After", "Before")}
)
INVOICES = PAGE | {"StartDate", "EndDate"}

ENDPOINTS = (
    Endpoint("GET", (), "Retrieve account home", "other", lists.account),
    Endpoint("GET", ("Actions",), "Retrieve actions", "detail", events.actions, EVENTS),
    Endpoint("GET", ("Actions", "*"), "Retrieve action", "detail", events.action),
    Endpoint(
        "GET", ("Actions", "*", "Items"), "Retrieve action items", "detail", events.items, PAGE
    ),
    Endpoint("GET", ("Actions", "*", "Items", "*"), "Retrieve action item", "detail", events.item),
    Endpoint(
        "GET", ("ActionUpdates",), "Retrieve action updates", "detail", events.updates, EVENTS
    ),
    Endpoint("GET", ("ActionUpdates", "*"), "Retrieve action update", "detail", events.update),
    Endpoint("GET", ("Campaigns",), "Retrieve campaigns", "other", lists.campaigns, CAMPAIGNS),
    Endpoint("GET", ("Campaigns", "*"), "Retrieve campaign", "other", lists.campaign),
    Endpoint("GET", ("Contracts",), "Retrieve contracts", "other", lists.contracts, CONTRACTS),
    Endpoint("GET", ("Contracts", "*"), "Retrieve contract", "other", lists.contract),
    Endpoint("GET", ("Invoices",), "Retrieve invoices", "other", lists.invoices, INVOICES),
    Endpoint("GET", ("Invoices", "*"), "Retrieve invoice", "other", lists.invoice),
    Endpoint("GET", ("Invoices", "*", "Download"), "Download invoice", "other", lists.invoice_file),
    Endpoint("GET", ("Catalogs",), "Retrieve catalogs", "other", lists.catalogs, CAMPAIGN),
    Endpoint("GET", ("Catalogs", "*"), "Retrieve catalog", "other", lists.catalog),
    Endpoint(
        *("GET", ("Catalogs", "*", "Items"), "Retrieve catalog items", "search"),
        *(lists.catalog_items, PAGE),
    ),
    Endpoint("GET", ("Clicks",), "Retrieve click", "detail", jobs.clicks, None),
    Endpoint("GET", ("Clicks", "*"), "Retrieve click", "detail", jobs.click),
    Endpoint("GET", ("ClickExport",), "Export clicks", "other", jobs.click_export, EXPORT),
    Endpoint("GET", ("Reports",), "Retrieve reports", "other", reports.reports, PAGE),
    Endpoint(
        "GET", ("Reports", "*", "MetaData"), "Retrieve report metadata", "other", reports.metadata
    ),
    Endpoint("GET", ("Reports", "*"), "Run report", reports.group_of, reports.run, None),
    Endpoint("GET", ("ReportExport", "*"), "Export report", "other", reports.export, None),
    Endpoint("GET", ("Jobs",), "Retrieve jobs", "other", jobs.jobs, CREATED),
    Endpoint("GET", ("Jobs", "*"), "Retrieve job", "other", jobs.job),
    Endpoint(
        "GET", ("Jobs", "*", "Download"), "Download export jobs", "other", jobs.download, MODE
    ),
    Endpoint("PUT", ("Jobs", "*", "Replay"), "Replay job", "other", jobs.replay),
    *listings.ENDPOINTS,
)
