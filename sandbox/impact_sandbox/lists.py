"""The account, and its lists of other things than events.

Sources: the OpenAPI files of campaigns, contracts, invoices and catalogs (partner, version 16).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from impact_sandbox import rules
from impact_sandbox.exchange import Answer, Request, list_page, missing
from impact_sandbox.world.contracts import STATUSES, Contract
from impact_sandbox.world.invoices import Invoice

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from impact_sandbox.server import Sandbox
    from impact_sandbox.world import World

LARGEST_WINDOW = 20_000
"""How many rows of product items can be paged through."""
CONTRACT_DATES = {"DateLastUpdated": "updated", "StartDate": "start", "EndDate": "end"}


def account(sandbox: Sandbox, request: Request) -> Answer:
    """Answer the account root."""
    del request
    return Answer(200, sandbox.world.account())


def flat_list(
    name: str, rows: Sequence[Any] | Callable[[World], Sequence[Any]]
) -> Callable[[Sandbox, Request], Answer]:
    """Return what answers a page of a list without filters, whose rows are JSON objects."""

    def answer(sandbox: Sandbox, request: Request) -> Answer:
        sent = rules.parameters(request.pairs, frozenset())
        page = rules.read_page(sent, sandbox.switches, event_level=False)
        return list_page(request, sent, page, name, rows(sandbox.world) if callable(rows) else rows)

    return answer


def campaigns(sandbox: Sandbox, request: Request) -> Answer:
    """Answer a page of campaigns."""
    sent = rules.parameters(request.pairs, frozenset())
    page = rules.read_page(sent, sandbox.switches, event_level=False)
    wanted = sent.get("InsertionOrderStatus")
    rows = [row for row in sandbox.world.campaigns() if wanted in {None, row["ContractStatus"]}]
    return list_page(request, sent, page, "Campaigns", rows)


def campaign(sandbox: Sandbox, request: Request) -> Answer:
    """Answer one campaign."""
    for row in sandbox.world.campaigns():
        if row["CampaignId"] == request.names[0]:
            return Answer(200, row)
    return missing("Campaign", request.names[0])


def contracts(sandbox: Sandbox, request: Request) -> Answer:
    """Answer a page of contracts: only those that are ACTIVE, unless Status is sent."""
    sent = rules.parameters(request.pairs, frozenset())
    page = rules.read_page(sent, sandbox.switches, event_level=False)
    status = rules.one_of("Status", sent.get("Status", "ACTIVE"), STATUSES)
    campaign_id = rules.number_of("CampaignId", sent.get("CampaignId"))
    rows = [
        each
        for each in sandbox.world.contracts(request.at)
        if each.paper.status == status
        and campaign_id in {None, each.paper.campaign.id}
        and sent.get("Signatory", each.signatories[0]) in each.signatories
    ]
    for name, attribute in CONTRACT_DATES.items():
        after, before = f"{name}After", f"{name}Before"
        if after in sent:
            since = rules.timestamp_of(after, sent[after], request.now, sandbox.switches)
            rows = [each for each in rows if getattr(each, attribute) > since]
        if before in sent:
            until = rules.timestamp_of(before, sent[before], request.now, sandbox.switches)
            rows = [each for each in rows if getattr(each, attribute) < until]
    return list_page(request, sent, page, "Contracts", rows, write=Contract.row)


def contract(sandbox: Sandbox, request: Request) -> Answer:
    """Answer one contract, with the terms of its campaigns."""
    found = sandbox.world.contract(request.names[0], request.at)
    return Answer(200, found.whole()) if found else missing("Contract", request.names[0])


def invoices(sandbox: Sandbox, request: Request) -> Answer:
    """Answer a page of invoices; either end of the span of their creation may be left out."""
    sent = rules.parameters(request.pairs, frozenset())
    page = rules.read_page(sent, sandbox.switches, event_level=False)
    rows = sandbox.world.invoices(request.at)
    if "StartDate" in sent:
        since = rules.timestamp_of("StartDate", sent["StartDate"], request.now, sandbox.switches)
        rows = [each for each in rows if each.created >= since]
    if "EndDate" in sent:
        until = rules.timestamp_of("EndDate", sent["EndDate"], request.now, sandbox.switches)
        rows = [each for each in rows if each.created <= until]
    return list_page(request, sent, page, "Invoices", rows, write=Invoice.row)


def invoice(sandbox: Sandbox, request: Request) -> Answer:
    """Answer one invoice."""
    found = sandbox.world.invoice(request.names[0], request.at)
    return Answer(200, found.row()) if found else missing("Invoice", request.names[0])


def invoice_file(sandbox: Sandbox, request: Request) -> Answer:
    """Answer a file that says it is a PDF."""
    if sandbox.world.invoice(request.names[0], request.at) is None:
        return missing("Invoice", request.names[0])
    return Answer(200, b"%PDF-1.4\n%%EOF\n", content_type="application/pdf")


def catalogs(sandbox: Sandbox, request: Request) -> Answer:
    """Answer a page of catalogs."""
    sent = rules.parameters(request.pairs, frozenset())
    page = rules.read_page(sent, sandbox.switches, event_level=False)
    wanted = rules.number_of("CampaignId", sent.get("CampaignId"))
    rows = [each for each in sandbox.world.catalogs() if wanted in {None, each.campaign.id}]
    return list_page(request, sent, page, "Catalogs", rows, write=lambda each: each.row())


def catalog(sandbox: Sandbox, request: Request) -> Answer:
    """Answer one catalog."""
    for each in sandbox.world.catalogs():
        if each.id == request.names[0]:
            return Answer(200, each.row())
    return missing("Catalog", request.names[0])


def catalog_items(sandbox: Sandbox, request: Request) -> Answer:
    """Answer a page of a catalog's items, as far as the window of results goes."""
    sent = rules.parameters(request.pairs, frozenset())
    page = rules.read_page(sent, sandbox.switches, event_level=False)
    if page.start() + page.size > LARGEST_WINDOW:
        message = f"Request exceeds the maximum results window of {LARGEST_WINDOW}"
        raise rules.RefusalError(rules.Rule.WINDOW, message)
    for each in sandbox.world.catalogs():
        if each.id == request.names[0]:
            return list_page(request, sent, page, "Items", each.items, write=each.item)
    return missing("Catalog", request.names[0])
