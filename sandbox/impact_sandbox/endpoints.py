"""The resources of impact.com's partner API: who may read them, and what they hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from impact_sandbox import jobs, rules
from impact_sandbox.exchange import Answer, Endpoint, Request, list_page, missing
from impact_sandbox.world import LONGEST_LIFE, SeenAction, SeenUpdate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from impact_sandbox.server import Sandbox


def account(sandbox: Sandbox, request: Request) -> Answer:
    """Answer the account root."""
    del request
    return Answer(200, sandbox.world.account())


def actions(sandbox: Sandbox, request: Request) -> Answer:
    """Answer a page of actions."""
    return event_list(sandbox, request, "Actions", lambda action: (action,))


def updates(sandbox: Sandbox, request: Request) -> Answer:
    """Answer a page of action updates."""
    return event_list(sandbox, request, "ActionUpdates", SeenAction.updates)


def event_list(
    sandbox: Sandbox,
    request: Request,
    name: str,
    rows_of: Callable[[SeenAction], Iterator[SeenUpdate] | tuple[SeenAction, ...]],
) -> Answer:
    """Answer a page of actions or of updates, by the rules of both."""
    sent = rules.parameters(request.pairs, frozenset())
    page = rules.read_page(sent, sandbox.switches, event_level=True)
    query = rules.read_query(sent, request.now)

    def select() -> list[SeenAction | SeenUpdate]:
        since, until = event_span(query)
        seen = sandbox.world.seen(request.at, since, until)
        rows = [row for action in seen for row in rows_of(action) if query.holds(row)]
        return sorted(rows, key=lambda row: row.order)

    filters = tuple(sorted(query.spans.items())), query.campaign_id, query.state
    rows = sandbox.recall((name, request.now, filters), select)
    rules.refuse_too_many(len(rows), page)
    return list_page(request, sent, page, **{name: rows})


def event_span(query: rules.Query) -> tuple[int | None, int | None]:
    """Return the narrowest span of events that can hold a query's rows."""
    since: list[int] = []
    until: list[int] = []
    for name, (start, end) in query.spans.items():
        since.append(start if name == "event" else start - LONGEST_LIFE)
        until.append(end)
    return max(since, default=None), min(until, default=None)


def action(sandbox: Sandbox, request: Request) -> Answer:
    """Answer one action."""
    found = sandbox.world.action(request.names[0], request.at)
    return Answer(200, found.row()) if found else missing("Action", request.names[0])


def update(sandbox: Sandbox, request: Request) -> Answer:
    """Answer one action update."""
    found = sandbox.world.action_update(request.names[0], request.at)
    return Answer(200, found.row()) if found else missing("ActionUpdate", request.names[0])


def items(sandbox: Sandbox, request: Request) -> Answer:
    """Answer all items of one action."""
    found = sandbox.world.action(request.names[0], request.at)
    if found is None:
        return missing("Action", request.names[0])
    sent = rules.parameters(request.pairs, frozenset())
    page = rules.read_page(sent, sandbox.switches, event_level=False)
    return list_page(request, sent, page, **{sandbox.switches.items_key: found.items()})


def item(sandbox: Sandbox, request: Request) -> Answer:
    """Answer the first item of a SKU."""
    action_id, sku = request.names
    for row in sandbox.world.items(action_id, request.at):
        if row["Sku"] == sku:
            return Answer(200, row)
    return missing("Item", sku)


def campaigns(sandbox: Sandbox, request: Request) -> Answer:
    """Answer a page of campaigns."""
    sent = rules.parameters(request.pairs, frozenset())
    page = rules.read_page(sent, sandbox.switches, event_level=False)
    wanted = sent.get("InsertionOrderStatus")
    rows = [row for row in sandbox.world.campaigns() if wanted in {None, row["ContractStatus"]}]
    return list_page(request, sent, page, Campaigns=rows)


def campaign(sandbox: Sandbox, request: Request) -> Answer:
    """Answer one campaign."""
    for row in sandbox.world.campaigns():
        if row["CampaignId"] == request.names[0]:
            return Answer(200, row)
    return missing("Campaign", request.names[0])


PAGE = frozenset({"Page", "PageSize"})
EVENTS = PAGE | {"CampaignId", "State"} | {name for pair in rules.PAIRS.values() for name in pair}
EXPORT = jobs.REPEATABLE | {"Date", "UniqueClick", "ResultFormat"}
CAMPAIGNS = PAGE | {"InsertionOrderStatus"}
CREATED = PAGE | {"CreatedAfter", "CreatedBefore"}
MODE = frozenset({"Mode"})

ENDPOINTS = (
    Endpoint("GET", (), "Retrieve account home", "other", account),
    Endpoint("GET", ("Actions",), "Retrieve actions", "detail", actions, EVENTS),
    Endpoint("GET", ("Actions", "*"), "Retrieve action", "detail", action),
    Endpoint("GET", ("Actions", "*", "Items"), "Retrieve action items", "detail", items, PAGE),
    Endpoint("GET", ("Actions", "*", "Items", "*"), "Retrieve action item", "detail", item),
    Endpoint("GET", ("ActionUpdates",), "Retrieve action updates", "detail", updates, EVENTS),
    Endpoint("GET", ("ActionUpdates", "*"), "Retrieve action update", "detail", update),
    Endpoint("GET", ("Campaigns",), "Retrieve campaigns", "other", campaigns, CAMPAIGNS),
    Endpoint("GET", ("Campaigns", "*"), "Retrieve campaign", "other", campaign),
    Endpoint("GET", ("Clicks", "*"), "Retrieve click", "detail", jobs.click),
    Endpoint("GET", ("ClickExport",), "Export clicks", "other", jobs.click_export, EXPORT),
    Endpoint("GET", ("Jobs",), "Retrieve jobs", "other", jobs.jobs, CREATED),
    Endpoint("GET", ("Jobs", "*"), "Retrieve job", "other", jobs.job),
    Endpoint(
        "GET", ("Jobs", "*", "Download"), "Download export jobs", "other", jobs.download, MODE
    ),
    Endpoint("PUT", ("Jobs", "*", "Replay"), "Replay job", "other", jobs.replay),
)
