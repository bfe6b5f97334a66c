"""What can be set about the sandbox: an account's rights and limits, and open questions.

A switch that stands for something nobody has documented has the most likely answer as its default.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

from impact_sandbox.rules import LARGEST_PAGE

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
        "Retrieve click",
        "Export clicks",
        "Retrieve jobs",
        "Retrieve job",
        "Download export jobs",
        "Replay job",
    },
)
"""The names that impact.com's page of scoped tokens shows."""


STATUSES = ("QUEUED", "RUNNING", "COMPLETED", "CANCELLED", "ERROR", "FAILED")
CHOICES = {
    "page_size_below_minimum": ("clamp", "refuse"),
    "items_key": ("ActionItems", "Items"),
    "click_export": ("job", "sync"),
    "job_life": STATUSES,
    "replay_life": STATUSES,
    "export_shape": ("object", "list", "lines"),
    "export_nesting": ("list", "object", "flat"),
    "empty_export": ("list", "nothing"),
    "several_clicks": ("object", "list"),
}


@dataclass(frozen=True, slots=True)
class Switches:
    """How this impact.com behaves.

    Attributes:
        scopes: What the token may do, by the names in SCOPES.
        hourly_detail: Requests an hour for event-level resources (impact.com: rate limits).
        hourly_other: Requests an hour for all others.
        largest_page: Rows that a page holds at most; few give a small world many pages.
        page_size_below_minimum: ``clamp`` raises a PageSize under 2,000, ``refuse`` gives a 400.
        items_key: The key of the list of items: ``ActionItems`` or ``Items``.
        largest_stable_page: Larger pages of other lists than actions and updates give a 500.
        gzip: Whether answers are compressed for clients that accept it.
        latency: Seconds that every request takes.
        daily_click_exports: Requests of ClickExport in a UTC day.
        click_export: ``job`` queues one, ``sync`` sends the clicks at once.
        job_life: A new job's statuses: that of the reply, then one for each look; the last stays.
        replay_life: The same for a replayed job.
        job_seconds: Seconds before which a job's last status does not come.
        export_shape: JSON files are an ``object`` with Clicks, a ``list``, or ``lines``.
        export_nesting: Sub ids and brand fields are in a ``list``, an ``object``, or ``flat``.
        export_gzip: Whether the file itself is compressed.
        empty_export: A day without clicks is an empty ``list``, or ``nothing`` at all.
        several_clicks: Clicks that share an Id are the first ``object``, or a ``list``.
    """

    scopes: frozenset[str] = SCOPES
    hourly_detail: int = 500
    hourly_other: int = 1000
    largest_page: int = LARGEST_PAGE
    page_size_below_minimum: str = "clamp"
    items_key: str = "ActionItems"
    largest_stable_page: int = LARGEST_PAGE
    gzip: bool = False
    latency: float = 0.0
    daily_click_exports: int = 10
    click_export: str = "job"
    job_life: tuple[str, ...] = ("QUEUED", "RUNNING", "COMPLETED")
    replay_life: tuple[str, ...] = ("QUEUED", "RUNNING", "COMPLETED")
    job_seconds: float = 0.0
    export_shape: str = "object"
    export_nesting: str = "list"
    export_gzip: bool = False
    empty_export: str = "list"
    several_clicks: str = "object"

    def but(self, **changes: Any) -> Switches:
        """Return a copy with changes; ``scopes`` may be any iterable of names.

        Raises:
            ValueError: If a name, a choice, or a name of a scope is not known.
        """
        unknown = changes.keys() - {field.name for field in fields(self)}
        if unknown:
            raise ValueError(f"no such switch: {', '.join(sorted(unknown))}")
        for name, allowed in CHOICES.items():
            chosen = changes.get(name, ())
            wrong = {chosen} if isinstance(chosen, str) else set(chosen)
            if wrong := wrong - set(allowed):
                raise ValueError(f"{name}: one of {', '.join(allowed)}; not {', '.join(wrong)}")
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
