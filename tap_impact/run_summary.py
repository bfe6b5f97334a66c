"""What a run came to, as one line of JSON in the log, for whoever watches many runs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tap_impact.singer.adapter import sync_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tap_impact.singer.adapter import ImpactStream, ImpactTap


def run_summary(
    tap: ImpactTap, *, seconds: float, failed: Sequence[str], skipped: Sequence[str]
) -> str:
    """One line of JSON.

    Args:
        tap: after the run.
        seconds: how long the run took.
        failed: streams that failed.
        skipped: streams whose required scope the token lacks.
    """
    limiter = tap.client.rate_limiter
    streams = {
        stream.name: {"rows": stream.rows_written, "oldest_gap": oldest_gap(tap, stream)}
        for stream in tap.impact_streams.values()
        if stream.selected
    }
    gaps = [each["oldest_gap"] for each in streams.values() if each["oldest_gap"]]
    found: dict[str, Any] = {
        "seconds": round(seconds, 1),
        "rows": sum(each["rows"] for each in streams.values()),
        "oldest_gap": min(gaps, default=None),
        "failed": [*failed],
        "skipped": [*skipped],
        "streams": streams,
        "requests": {name or "account": sent for name, sent in sorted(limiter.requests.items())},
        "quotas": [
            {
                "endpoints": endpoints,
                "left": left,
                "limit": limit,
                "resets_in_seconds": round(to_go),
            }
            for endpoints, left, limit, to_go in limiter.remaining()
        ],
    }
    return json.dumps({"run_summary": found})


def oldest_gap(tap: ImpactTap, stream: ImpactStream) -> str | None:
    """The oldest day that a stream has not loaded; None if it has all, or is read as a whole."""
    gap = None if stream.is_full_table else stream.source.oldest_gap(sync_of(tap, [stream]))
    return gap.isoformat() if gap else None
