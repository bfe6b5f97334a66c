"""What can be set about the sandbox: an account's rights and limits, and open questions.

A switch that stands for something nobody has documented has the most likely answer as its default.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from datetime import date
from typing import Any

from impact_sandbox.rules import LARGEST_PAGE
from impact_sandbox.world.mistakes import Mistakes

SCOPES = frozenset(
    {
        "Retrieve account home",
        "Retrieve actions",
        "Retrieve action",
        "Retrieve action items",
        "Retrieve action item",
        "Retrieve action updates",
        "Retrieve action update",
        "Retrieve campaigns",
        "Retrieve campaign",
        "Retrieve contracts",
        "Retrieve contract",
        "Retrieve invoices",
        "Retrieve invoice",
        "Download invoice",
        "Retrieve catalogs",
        "Retrieve catalog",
        "Retrieve catalog items",
        "Retrieve reports",
        "Retrieve report metadata",
        "Run report",
        "Export report",
        "Retrieve click",
        "Export clicks",
        "Retrieve jobs",
        "Retrieve job",
        "Download export jobs",
        "Replay job",
        "Retrieve company information",
        "Retrieve users",
        "Retrieve user",
        "Retrieve tax documents",
        "Retrieve tax document",
        "Retrieve withdrawal settings",
        "Retrieve ads",
        "Retrieve ad",
        "Retrieve deals",
        "Retrieve deal",
        "Retrieve promo codes",
        "Retrieve promo code",
        "Retrieve media properties",
        "Retrieve media property",
        "Retrieve action inquiries",
        "Retrieve action inquiry",
        "Retrieve tasks",
        "Retrieve task",
        "Retrieve promotions",
        "Retrieve promotion",
        "Retrieve stores",
        "Retrieve store",
        "Retrieve exception list",
        "Retrieve exception list items",
        "Retrieve promo code exception list",
        "Retrieve promo code exception list items",
    },
)
"""The names that impact.com's page of scoped tokens shows; in part after their example."""


STATUSES = ("QUEUED", "RUNNING", "COMPLETED", "CANCELLED", "ERROR", "FAILED")


def switch(default: Any, meaning: str, *choices: str) -> Any:
    """Declare a switch; without choices, any value of the default's type will do."""
    return field(default=default, metadata={"meaning": meaning, "choices": choices})


@dataclass(frozen=True, slots=True)
class Switches:
    """How this impact.com behaves: the rights and limits of the account, and open questions."""

    scopes: frozenset[str] = switch(SCOPES, "What the token may do; all of it by default.")
    hourly_detail: int = switch(500, "Requests an hour for event-level resources.")
    hourly_aggregate: int = switch(250, "Requests an hour for reports that add up.")
    hourly_search: int = switch(3000, "Requests an hour for items of catalogs.")
    hourly_other: int = switch(1000, "Requests an hour for all others.")
    retry_after: bool = switch(
        True, "Whether a 429 has Retry-After, as seen live; it has RateLimit-Reset in any case."
    )
    largest_page: int = switch(
        LARGEST_PAGE, "Rows that a page holds at most; few give a small world many pages."
    )
    page_size_below_minimum: str = switch(
        "accept",
        "What becomes of a PageSize under 2,000 on actions and updates: the documents have none "
        "smaller, clients send 100 without complaint.",
        *("accept", "clamp", "refuse"),
    )
    account_began: str = switch(
        "",
        "The day on which the account was activated, such as 2026-01-31. Nothing happened before; "
        "windows of actions and updates that begin earlier are refused.",
    )
    far_future: str = switch(
        "refuse", "What dates more than a year ahead give: a 400, or no rows.", "refuse", "empty"
    )
    locked_state: str = switch(
        "APPROVED", "The State of actions from locking to clearing.", "APPROVED", "LOCKED"
    )
    lists: str = switch(
        "list",
        "What lists in JSON are: lists, or what a converter from XML makes of them: a lone object "
        "for a list of one, a list wrapped in an object.",
        *("list", "lone", "wrapped", "lone_wrapped"),
    )
    empty_page: str = switch("list", "What a page without rows is.", "list", "null", "absent")
    last_nextpageuri: str = switch(
        "blank", "What @nextpageuri of the last page is.", "blank", "null", "absent", "own"
    )
    items_key: str = switch("ActionItems", "The key of the list of items.", "ActionItems", "Items")
    largest_stable_page: int = switch(
        LARGEST_PAGE, "Larger pages of other lists than actions and updates give a 500."
    )
    wrong_cent: str = switch(
        "none",
        "The table in which one row of wrong_month has a cent too much.",
        *("none", "actions", "other_earnings", "invoice_lines", "withdrawals"),
    )
    wrong_month: str = switch(
        "2026-03",
        "Of the events for actions and invoice_lines, of the day for the two others. Where a month "
        "has no such row, nothing is wrong.",
    )
    unpriced_actions: int = switch(
        0, "Of so many actions that never change, one pays what no term gives; 0 for none of them."
    )
    terms: str = switch(
        "flat",
        "What contracts pay: one percentage for ever; or one that amendments change in mid-month, "
        "a fixed payout, and a payout group.",
        *("flat", "varied"),
    )
    paystubs: str = switch(
        "blank",
        "What PaystubId of updates is: blank, or the withdrawal that paid the action, from its day "
        "on, in updates of any age. No change tells of it: who reads changes alone misses it.",
        *("blank", "paid"),
    )
    gzip: bool = switch(False, "Compress answers for clients that accept it.")
    latency: float = switch(0.0, "Seconds that every request takes.")
    daily_click_exports: int = switch(10, "Requests of ClickExport in a UTC day.")
    daily_report_exports: int = switch(100, "Requests of ReportExport in a UTC day.")
    click_export: str = switch("job", "Queue an export, or send the clicks at once.", "job", "sync")
    job_life: tuple[str, ...] = switch(
        ("QUEUED", "RUNNING", "COMPLETED"),
        "A new job's statuses: that of the reply, then one for each look; the last stays.",
        *STATUSES,
    )
    replay_life: tuple[str, ...] = switch(
        ("QUEUED", "RUNNING", "COMPLETED"), "The same for a replayed job.", *STATUSES
    )
    job_seconds: float = switch(0.0, "Seconds before which a job's last status does not come.")
    export_shape: str = switch(
        "object",
        "What a JSON file is: an object with Clicks (of a report: Records), or a list.",
        "object",
        "list",
        "lines",
    )
    export_nesting: str = switch(
        "flat",
        "What sub ids and brand fields of a JSON file are in. Seen live: flat.",
        *("flat", "list", "object"),
    )
    click_words: str = switch(
        "live",
        "How files name browser and system: Safari and iOS, or SAFARI and IOS.",
        *("live", "documented"),
    )
    export_gzip: bool = switch(False, "Compress the file itself.")
    empty_export: str = switch("list", "What a day without clicks is.", "list", "nothing")
    several_clicks: str = switch(
        "object", "What clicks that share an Id are: the first of them.", "object", "list"
    )

    @property
    def mistakes(self) -> Mistakes:
        """What is wrong with the account's books."""
        return Mistakes(self.wrong_cent, self.wrong_month, self.unpriced_actions)

    @classmethod
    def described(cls) -> list[tuple[str, str]]:
        """Return each switch with its default, and what it means and may be."""
        return [
            (
                f"{each.name}={written(each.default)}",
                each.metadata["meaning"] + one_of(CHOICES[each.name]),
            )
            for each in fields(cls)
        ]

    def but(self, **changes: Any) -> Switches:
        """Return a copy with changes; ``scopes`` may be any iterable of names.

        Raises:
            ValueError: If a name, a choice, a day or a name of a scope is not known.
        """
        if unknown := changes.keys() - CHOICES.keys():
            raise ValueError(f"no such switch: {', '.join(sorted(unknown))}")
        for name, value in changes.items():
            if allowed := CHOICES[name]:
                chosen = {value} if isinstance(value, str) else set(value)
                if wrong := chosen - set(allowed):
                    raise ValueError(f"{name}: one of {', '.join(allowed)}; not {', '.join(wrong)}")
        if changes.get("account_began"):
            date.fromisoformat(changes["account_began"])
        if "wrong_month" in changes:
            date.fromisoformat(f"{changes['wrong_month']}-01")
        if "scopes" in changes:
            changes["scopes"] = frozenset(changes["scopes"])
            if strange := changes["scopes"] - SCOPES:
                raise ValueError(f"no such scope: {', '.join(sorted(strange))}")
        return replace(self, **changes)

    def read(self, assignments: tuple[str, ...]) -> Switches:
        """Return a copy changed by texts such as ``gzip=true`` or ``scopes=Retrieve actions,...``.

        Raises:
            ValueError: If a text is not name=value, or the value is not of the switch's type.
        """
        changes: dict[str, Any] = {}
        for assignment in assignments:
            name, equals, text = assignment.partition("=")
            if not equals or not hasattr(self, name):
                raise ValueError(f"not a switch: {assignment}")
            match getattr(self, name):
                case bool():
                    changes[name] = text.lower() in {"true", "yes", "on", "1"}
                case int():
                    changes[name] = int(text)
                case float():
                    changes[name] = float(text)
                case tuple():
                    changes[name] = tuple(text.split(","))
                case frozenset():
                    changes[name] = [part.strip() for part in text.split(",") if part.strip()]
                case _:
                    changes[name] = text
        return self.but(**changes)


def written(value: Any) -> str:
    """Write a switch's value as `Switches.read` reads it."""
    match value:
        case bool():
            return str(value).lower()
        case frozenset():
            return "..."
        case tuple():
            return ",".join(value)
        case _:
            return str(value)


def one_of(choices: tuple[str, ...]) -> str:
    """Name the choices, if there are any."""
    return f" One of: {', '.join(choices)}." if choices else ""


CHOICES: dict[str, tuple[str, ...]] = {
    each.name: each.metadata["choices"] for each in fields(Switches)
}
