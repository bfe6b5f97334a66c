"""The access check: which scope each stream needs, and whether the token has it.

It costs one small request for each scope, and no export of clicks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import click

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tap_impact.api.scopes import Need, Scope, Verdict
    from tap_impact.singer.adapter import ImpactStream, ImpactTap


class Finding(NamedTuple):
    """Whether the token has a scope."""

    streams: tuple[str, ...]
    scope: Scope
    selected: bool
    """Whether one of the streams is selected."""
    verdict: Verdict

    @property
    def fails_run(self) -> bool:
        """Whether a run would end with an error for want of the scope."""
        return self.verdict.has is False and self.scope.required and self.selected

    @property
    def needed(self) -> str:
        """How much the streams depend on it."""
        if not self.scope.required:
            return "optional"
        return "required" if self.selected else "required if selected"

    @property
    def answer(self) -> str:
        """The verdict in words."""
        word = {True: "has", False: "lacks", None: "not known"}[self.verdict.has]
        return f"{word}: {self.verdict.note}" if self.verdict.note else word


def findings(tap: ImpactTap) -> Iterator[Finding]:
    """Look at each scope that a stream needs.

    Raises:
        FatalAPIError, RetriableAPIError: The token is wrong, or impact.com cannot be asked.
    """
    needs: dict[Scope, tuple[Need, list[ImpactStream]]] = {}
    for stream in tap.impact_streams.values():
        for need in stream.source.needs(tap.settings):
            needs.setdefault(need.scope, (need, []))[1].append(stream)
    for need, streams in needs.values():
        names = tuple(stream.name for stream in streams)
        selected = any(stream.selected for stream in streams)
        yield Finding(names, need.scope, selected, need.check(tap.client))


def print_report(tap: ImpactTap) -> bool:
    """Print what the token may do; tell whether every stream that is selected can be loaded."""
    found = [*findings(tap)]
    config = tap.config
    click.echo(f"The account SID and the token are valid ({config['api_url']}).\n")
    rows = [("STREAMS", "SCOPE", "NEEDED", "THE TOKEN")]
    rows += [(", ".join(f.streams), str(f.scope), f.needed, f.answer) for f in found]
    for line in in_columns(rows):
        click.echo(line)
    click.echo()
    for endpoints, left, limit, seconds in tap.client.rate_limiter.remaining():
        names = ", ".join(name or "account" for name in endpoints)
        click.echo(f"{left} of {limit} requests are left for {seconds / 60:.0f} min ({names}).")
    lacking = [str(finding.scope) for finding in found if finding.fails_run]
    if lacking:
        click.echo(
            f"\nTick for the token, in impact.com under Settings > Technical > API: "
            f"{', '.join(lacking)}; or deselect the streams."
        )
    return not lacking


def in_columns(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Rows of texts, each column as wide as its widest text."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(map(str.ljust, row, widths)).rstrip()
