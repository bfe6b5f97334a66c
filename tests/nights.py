"""Syncs of an impact.com that has its troubles, and what comes of each."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from impact_sandbox import faults
from impact_sandbox.faults import ABSENT, ALWAYS
from impact_sandbox.switches import SCOPES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from impact_sandbox.faults import Fault

STREAMS = ("account", "campaigns", "actions", "action_updates")
QUIET = "…: history … rows. … of … windows done."
"""A line of a run that goes well."""

FOREVER = {"times": ALWAYS}


@dataclass(frozen=True)
class Night:
    """A sync of an impact.com that has its troubles, and what comes of it."""

    says: str
    """What the log says; an ellipsis stands for anything. docs/troubleshooting.md explains it."""
    spoilt: Sequence[Fault] = ()
    exit_code: int = 0
    tries: int | None = None
    """How many requests the spoilt resource got."""
    lost: tuple[str, ...] = ()
    """Streams that are not loaded."""
    switches: dict[str, Any] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    state: dict[str, Any] | None = None


def passing(says: str, fault: Fault, **others: Any) -> Night:
    """A fault of the second request for actions' first page, which the next try gets past."""
    return Night(says, [fault.at("Actions")], tries=2, **others)


NIGHTS = {
    "401": Night(
        "impact.com answered 401 to …: the account SID or the auth token is wrong, expired, or of "
        "another account.",
        [faults.status(401).at("Actions", **FOREVER)],
        exit_code=1,
        tries=1,
        lost=("actions", "action_updates"),
    ),
    "403, required": Night(
        "… is skipped. impact.com answered 403 to …: the token may not use it. Tick the scope … "
        "for the token in impact.com",
        exit_code=1,
        lost=("actions",),
        switches={"scopes": SCOPES - {"Retrieve actions"}},
    ),
    "403, required, at the end": Night(
        "Streams without the scope that they need: …. The others are complete.",
        exit_code=1,
        lost=("actions",),
        switches={"scopes": SCOPES - {"Retrieve actions"}},
    ),
    "403, optional": Night(
        "… is skipped. impact.com answered 403 to …: the token may not use it. Tick the scope … "
        "for the token in impact.com",
        lost=("campaigns",),
        switches={"scopes": SCOPES - {"Retrieve campaigns"}},
    ),
    "429, Retry-After": passing(
        "impact.com answered 429 to …: rate limit exceeded. Retrying in … s.", faults.limited()
    ),
    "429, RateLimit-Reset": passing(
        "impact.com answered 429 to …: rate limit exceeded. Retrying in … s.",
        faults.limited("RateLimit-Reset", 9),
    ),
    "429, no header": passing(
        "impact.com answered 429 to …: rate limit exceeded. Retrying in … s.", faults.limited(None)
    ),
    "429 for longer than allowed": Night(
        "… It resets in … s, but rate_limit_wait_seconds allows a total wait of … s. State is "
        "safe: run again later.",
        [faults.limited(seconds=86_400).at("Actions", **FOREVER)],
        exit_code=1,
        tries=1,
        lost=("actions",),
    ),
    "429 without end": Night(
        "… It resets in … s, but rate_limit_wait_seconds allows a total wait of … s. State is "
        "safe: run again later.",
        [faults.limited(None).at("Actions", **FOREVER)],
        exit_code=1,
        tries=7,
        lost=("actions",),
    ),
    **{
        f"{status}": passing(
            "impact.com answered 5… to …",
            faults.status(status),
        )
        for status in (500, 502, 503, 504, 520)
    },
    "reset": passing("… closed the connection (request: …)", faults.reset()),
    "reset midway": passing("… Retrying in … s (attempt … of 7).", faults.reset_midway()),
    "truncated": passing("impact.com sent an incomplete answer (request: …)", faults.truncated()),
    "broken gzip": passing(
        "impact.com sent an answer that cannot be decompressed (request: …)", faults.broken_gzip()
    ),
    "held": passing(
        "… did not answer within request_timeout_seconds (request: …)",
        faults.held(),
        config={"request_timeout_seconds": 1},
    ),
    "HTML": passing("impact.com answered … with something that is not JSON", faults.html()),
    "empty": passing("impact.com answered … with something that is not JSON", faults.empty()),
    "ERROR": passing("impact.com answered …: …", faults.error_with_200()),
    "no page": passing(
        "impact.com answered … with JSON that is no page of …",
        faults.Fault("no page", edits=lambda _: {"ok": True}),
    ),
    "a list of nothing known": passing(
        "impact.com answered … with JSON that is no page of …",
        faults.Fault("strings", edits=lambda page: page | {"Actions": ["x"]}),
    ),
    "503 without end": Night(
        "… That was attempt 7 of 7. State is safe: run again later.",
        [faults.status(503).at("Actions", **FOREVER)],
        exit_code=1,
        tries=14,  # seven with smaller pages
        lost=("actions",),
    ),
    "reset without end": Night(
        "… That was attempt 7 of 7. State is safe: run again later.",
        [faults.reset().at("Actions", **FOREVER)],
        exit_code=1,
        tries=14,  # seven with smaller pages
        lost=("actions",),
    ),
    "an unreadable date": Night(
        "…: … cannot be read in …, such as …. These rows are skipped; the next run requests "
        "them again.",
        [faults.field_of_row("EventDate", "soon", row=1).at("Actions")],
        exit_code=1,
    ),
    "an unreadable number": Night(
        "…: … cannot be read in …, such as …. The column is null; the value as sent is in …",
        [faults.field_of_row("Payout", "12,5x").at("Actions")],
        exit_code=1,
    ),
    "rows vanish meanwhile": Night(
        "…: impact.com announced … rows and sent …. Reading the list again.",
        [faults.shifted(3).at("Actions", after=1)],
        switches={"largest_page": 10},
    ),
    "a total that lies": Night(
        "…: impact.com announced … rows and sent …, twice. State is safe: run again.",
        [faults.envelope("@total", "99").at("Actions", **FOREVER)],
        exit_code=1,
    ),
    "a total of 0": Night(
        QUIET,
        [faults.envelope("@total", "0").at("Actions", **FOREVER)],
    ),
    "no total": Night(
        QUIET,
        [faults.envelope("@total", ABSENT).at("Actions", **FOREVER)],
    ),
    "another host": Night(
        "impact.com named a next page outside its API (…), which was not requested.",
        [faults.envelope("@nextpageuri", "http://127.0.0.2:9/x").at("Actions")],
        exit_code=1,
        tries=1,
        lost=(),
    ),
    "another host, in short": Night(
        "impact.com named a next page outside its API (…), which was not requested.",
        [faults.envelope("@nextpageuri", "//127.0.0.2:9/x").at("Actions")],
        exit_code=1,
        tries=1,
        lost=(),
    ),
    "a new field": Night(
        "…: impact.com sends fields that this version does not know; they are kept under …",
        [faults.field_of_row("Brandnew", "1").at("Actions")],
    ),
    "a new state": Night(
        QUIET,
        [faults.field_of_row("State", "PAID").at("Actions")],
    ),
    **{
        f"next page is {name}": Night(
            QUIET,
            [faults.envelope("@nextpageuri", value).at("Actions", **FOREVER)],
        )
        for name, value in {"empty": "", "null": None, "absent": ABSENT}.items()
    },
    "nothing found": Night(
        "…: nothing found from … to …. Usual reasons: …",
        config={"campaign_ids": ["999"]},
        lost=("actions", "action_updates"),
    ),
    "settings": Night(
        "Settings: …",
        exit_code=1,
        config={"page_size": "many", "currency": "dollars"},
        lost=STREAMS,
    ),
    "a bookmark by hand": Night(
        "State: the bookmark of … cannot be read.",
        exit_code=1,
        state={"bookmarks": {"actions": {"replication_key_value": "soon"}}},
        lost=STREAMS,
    ),
    "a bookmark of another shape": Night(
        "State: the bookmark of … is not an object.",
        exit_code=1,
        state={"bookmarks": {"actions": []}},
        lost=STREAMS,
    ),
    "a bookmark of another SID": Night(
        "State: the bookmarks of … are of another account SID.",
        exit_code=1,
        state={"bookmarks": {"actions": {"account": "another"}}},
        lost=STREAMS,
    ),
    "a limit comes near": Night(
        "… of … requests per hour remain; they are spread over the … s until the limit resets.",
        switches={"hourly_detail": 3},
        config={"start_date": "2026-01-01"},
    ),
    "batch files, nowhere": Night(
        "A batch file cannot be written where batch_config.storage says: …. "
        "State is safe: run again.",
        exit_code=1,
        lost=STREAMS,
        config={
            "batch_config": {
                "encoding": {"format": "jsonl"},
                "storage": {"root": "/dev/null/below"},
            }
        },
    ),
}
