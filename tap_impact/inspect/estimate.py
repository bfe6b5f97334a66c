"""Estimates requests and hours of the next run, from settings and state."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_impact.singer.adapter import sync_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_impact.singer.adapter import ImpactTap


def estimates(tap: ImpactTap) -> Iterator[str]:
    """Lines of text, one for each source, and the total. To count actions takes a few requests."""
    next_run, hours = 0, 0.0
    for streams in tap.groups():
        estimate = streams[0].source.estimate(sync_of(tap, streams))
        names = ", ".join(stream.name for stream in streams)
        line = f"{names}: the next run {requests(estimate.next_run, estimate.an_hour)}"
        if estimate.whole > estimate.next_run:
            line += f"; the whole history {requests(estimate.whole, estimate.an_hour)}"
        if any(stream.selected for stream in streams):
            next_run += estimate.next_run
            hours += estimate.next_run / estimate.an_hour
            note = estimate.note
        else:
            note = f"{estimate.note} It is not selected unless a catalog does."
        yield f"{line}. {note}".strip()
    yield f"Next run, total: {as_requests(next_run)}, {lasting(hours)} of the hourly limits."


def requests(count: int, an_hour: int) -> str:
    """A number of requests, and how long their limit makes them last."""
    return f"{as_requests(count)} ({lasting(count / an_hour)} of the hourly limit)"


def as_requests(count: int) -> str:
    """A number of requests."""
    return f"{count} request{'s'[: count != 1]}"


def lasting(hours: float) -> str:
    """A time in minutes, or in hours where there are many."""
    return f"{hours * 60:.0f} min" if hours < 2 else f"{hours:.1f} h"  # noqa: PLR2004
