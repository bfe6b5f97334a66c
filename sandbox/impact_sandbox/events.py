"""Actions, their updates and items."""

from __future__ import annotations

from typing import TYPE_CHECKING

from impact_sandbox import rules
from impact_sandbox.exchange import Answer, Request, list_page, missing
from impact_sandbox.world import LONGEST_LIFE, SeenAction, SeenUpdate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from impact_sandbox.server import Sandbox


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
    began = sandbox.world.began if sandbox.switches.account_began else None
    query = rules.read_query(sent, request.now, sandbox.switches, began)

    def select() -> list[SeenAction | SeenUpdate]:
        since, until = event_span(query)
        seen = sandbox.world.seen(request.at, since, until)
        rows = [row for action in seen for row in rows_of(action) if query.holds(row)]
        return sorted(rows, key=lambda row: row.order)

    filters = tuple(sorted(query.spans.items())), query.campaign_id, query.state
    rows = sandbox.recall((name, request.now, filters), select)
    rules.refuse_too_many(len(rows), page)
    paid = paystubs(sandbox, request)
    return list_page(request, sent, page, name, rows, write=lambda row: written(sandbox, row, paid))


def paystubs(sandbox: Sandbox, request: Request) -> dict[str, str]:
    """Return the withdrawal of each action that was paid, if updates are to tell."""
    if sandbox.switches.paystubs != "paid":
        return {}
    (found,) = sandbox.recall(
        ("paystubs", request.now), lambda: [sandbox.world.paystubs(request.at)]
    )
    return dict(found)


def written(sandbox: Sandbox, row: SeenAction | SeenUpdate, paid: dict[str, str]) -> dict[str, str]:
    """Write a row; an action between locking and clearing may have a state of its own."""
    found = row.row()
    if "PaystubId" in found:
        found["PaystubId"] = paid.get(found["ActionId"], "")
    if found["State"] == "APPROVED" and not found.get("ClearedDate"):
        found["State"] = sandbox.switches.locked_state
    return found


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
    return (
        Answer(200, written(sandbox, found, {})) if found else missing("Action", request.names[0])
    )


def update(sandbox: Sandbox, request: Request) -> Answer:
    """Answer one action update."""
    found = sandbox.world.action_update(request.names[0], request.at)
    if found is None:
        return missing("ActionUpdate", request.names[0])
    return Answer(200, written(sandbox, found, paystubs(sandbox, request)))


def items(sandbox: Sandbox, request: Request) -> Answer:
    """Answer all items of one action."""
    found = sandbox.world.action(request.names[0], request.at)
    if found is None:
        return missing("Action", request.names[0])
    sent = rules.parameters(request.pairs, frozenset())
    page = rules.read_page(sent, sandbox.switches, event_level=False)
    return list_page(request, sent, page, sandbox.switches.items_key, found.items())


def item(sandbox: Sandbox, request: Request) -> Answer:
    """Answer the first item of a SKU."""
    action_id, sku = request.names
    for row in sandbox.world.items(action_id, request.at):
        if row["Sku"] == sku:
            return Answer(200, row)
    return missing("Item", sku)
