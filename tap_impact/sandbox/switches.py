"""What can be set about the sandbox: an account's rights and limits, and open questions.

A switch that stands for something nobody has documented has the most likely answer as its default.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

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
        gzip: Whether answers are compressed for clients that accept it.
        latency: Seconds that every request takes.
    """

    scopes: frozenset[str] = SCOPES
    hourly_detail: int = 500
    hourly_other: int = 1000
    largest_page: int = 20_000
    page_size_below_minimum: str = "clamp"
    items_key: str = "ActionItems"
    gzip: bool = False
    latency: float = 0.0

    def but(self, **changes: Any) -> Switches:
        """Return a copy with changes; ``scopes`` may be any iterable of names.

        Raises:
            ValueError: If a name, or a name of a scope, is not known.
        """
        unknown = changes.keys() - {field.name for field in fields(self)}
        if unknown:
            raise ValueError(f"no such switch: {', '.join(sorted(unknown))}")
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
                case frozenset():
                    changes[name] = [part.strip() for part in text.split(",") if part.strip()]
                case _:
                    changes[name] = text
        return self.but(**changes)
