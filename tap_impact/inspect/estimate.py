"""Estimates requests and hours of the next run, from settings and state."""

from __future__ import annotations

from typing import TYPE_CHECKING

from singer_sdk.exceptions import FatalAPIError, RetriableAPIError

from tap_impact.errors import OF_ALL_REQUESTS
from tap_impact.singer.adapter import sync_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_impact.singer.adapter import ImpactTap


def estimates(tap: ImpactTap) -> Iterator[str]:
    """Lines of text, one for each source, and the total. To count actions takes a few requests.

    Raises:
        RateLimited, Unreachable, UntrustedHost, WrongCredentials: Nothing can be counted.
    """
    next_run, hours = 0, 0.0
    left_out: list[str] = []
    for streams in tap.groups():
        names = ", ".join(stream.name for stream in streams)
        try:
            estimate = streams[0].source.estimate(sync_of(tap, streams))
        except OF_ALL_REQUESTS:
            raise
        except (FatalAPIError, RetriableAPIError) as error:
            yield f"{names}: not known. {error}"
            left_out.append(names)
            continue
        line = f"{names}: the next run {cost(estimate.next_run, estimate.an_hour)}"
        if estimate.whole > estimate.next_run:
            line += f"; the whole history {cost(estimate.whole, estimate.an_hour)}"
        if any(stream.selected for stream in streams):
            next_run += estimate.next_run
            hours += estimate.next_run / estimate.an_hour
            note = estimate.note
        else:
            note = f"{estimate.note} It is not selected unless a catalog does."
        yield f"{line}. {note}".strip()
    without = f" without {', '.join(left_out)}" if left_out else ""
    yield (
        f"Next run, total{without}: {as_requests(next_run)}, {lasting(hours)} of the hourly limits."
    )


def cost(count: int, an_hour: int) -> str:
    """A number of requests, and how long their limit makes them last."""
    return f"{as_requests(count)} ({lasting(count / an_hour)} of the hourly limit)"


def as_requests(count: int) -> str:
    """A number of requests."""
    return f"{count} request{'s'[: count != 1]}"


def lasting(hours: float) -> str:
    """A time in minutes, or in hours where there are many."""
    return f"{hours * 60:.0f} min" if hours < 2 else f"{hours:.1f} h"  # noqa: PLR2004
