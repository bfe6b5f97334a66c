"""What the token may do: which scope each stream needs, and whether the token has it.

It costs one small request for each scope, and no export of clicks.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

import click
from singer_sdk.exceptions import FatalAPIError

from tap_impact.errors import AccessDenied, NotFound, RateLimited, WrongCredentials
from tap_impact.records.fields import listed
from tap_impact.streams.base import LIST_PAGE_SIZE, ImpactStream, Need, Scope

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_impact.api.client import ImpactClient
    from tap_impact.tap import TapImpact

# What tap-impact-inspect needs to show a click; no stream does.
LOOK_UP_CLICKS = Scope("Clicks", "Retrieve click", required=False)

# "Job data is kept for 90 days" (Jobs overview).
JOBS_KEPT = timedelta(days=90)


class Finding(NamedTuple):
    """Whether the token has a scope."""

    streams: tuple[str, ...]
    scope: Scope
    selected: bool
    """Whether one of the streams is loaded unless a catalog says otherwise."""
    has: bool | None
    """None if it cannot be known without spending an export."""
    why: str = ""

    @property
    def stops_a_run(self) -> bool:
        """Whether a run would end with an error for want of the scope."""
        return self.has is False and self.scope.required and self.selected

    @property
    def needed(self) -> str:
        """How much the streams depend on it."""
        if not self.scope.required:
            return "optional"
        return "required" if self.selected else "required if selected"

    @property
    def verdict(self) -> str:
        """In words."""
        word = {True: "has", False: "lacks", None: "not known"}[self.has]
        return f"{word}: {self.why}" if self.why else word


def findings(tap: TapImpact) -> Iterator[Finding]:
    """Look at each scope that a stream needs.

    Raises:
        FatalAPIError, RetriableAPIError: The token is wrong, or impact.com cannot be asked.
    """
    needs: dict[Scope, tuple[Need, list[ImpactStream]]] = {}
    for stream in tap.streams.values():
        if isinstance(stream, ImpactStream):
            for need in stream.needs():
                needs.setdefault(need.scope, (need, []))[1].append(stream)
    for need, streams in needs.values():
        has, why = may_ask(tap.client, need) if need.path is not None else may_export(tap)
        names = tuple(stream.name for stream in streams)
        yield Finding(names, need.scope, any(stream.selected for stream in streams), has, why)


def may_ask(client: ImpactClient, need: Need) -> tuple[bool | None, str]:
    """Whether a request is allowed, and what is to be said about it.

    A 404 is as good as an answer: who may not ask gets a 403.
    """
    try:
        client.get(need.path or "", need.query)
    except AccessDenied:
        return False, ""
    except NotFound:
        return True, ""
    except (RateLimited, WrongCredentials):
        raise
    except FatalAPIError as error:
        return None, str(error)
    return True, ""


def may_export(tap: TapImpact) -> tuple[bool | None, str]:
    """Whether the token may export clicks, as far as that shows without an export."""
    client, sid = tap.client, tap.config["account_sid"]
    since = (tap.settings.now - JOBS_KEPT).date().isoformat()
    try:
        jobs = client.get("/Jobs", {"CreatedAfter": since, "PageSize": LIST_PAGE_SIZE}).get("Jobs")
    except AccessDenied:
        jobs = None
    exports = [
        str(job.get("CreatedDate"))
        for job in listed(jobs)
        if (job.get("Type"), job.get("CreatedBy")) == ("ClickExport", sid)
    ]
    if exports:
        return True, f"it made an export on {max(exports)[:10]}"
    unknown = "only an export would tell, and a day has ten"
    if may_ask(client, Need(LOOK_UP_CLICKS, "/Clicks/0"))[0] is False:
        unknown += (
            f". It lacks {LOOK_UP_CLICKS}; see whether it has {LOOK_UP_CLICKS.category} at all"
        )
    return None, unknown


def report(tap: TapImpact) -> bool:
    """Print what the token may do; tell whether every stream that is selected can be loaded."""
    found = [*findings(tap)]
    config = tap.config
    click.echo(f"The account SID and the token are right ({config['api_url']}).\n")
    rows = [("STREAMS", "SCOPE", "NEEDED", "THE TOKEN")]
    rows += [(", ".join(f.streams), str(f.scope), f.needed, f.verdict) for f in found]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for *cells, last in rows:
        padded = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
        click.echo("  ".join((*padded, last)))
    click.echo()
    for endpoints, left, limit, seconds in tap.client.rate_limiter.left():
        names = ", ".join(name or "account" for name in endpoints)
        click.echo(f"{left} of {limit} requests are left for {seconds / 60:.0f} min ({names}).")
    lacking = [str(finding.scope) for finding in found if finding.stops_a_run]
    if lacking:
        click.echo(
            f"\nTick for the token, in impact.com under Settings > Technical > API: "
            f"{', '.join(lacking)}; or deselect the streams."
        )
    return not lacking
