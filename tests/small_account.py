"""An account with a few rows in every stream, and what an undisturbed sync of it holds."""

from __future__ import annotations

from datetime import UTC, date, datetime
from functools import cache
from operator import attrgetter
from typing import Any

from impact_sandbox.server import Sandbox
from impact_sandbox.world import World

from tests.inside import run_inside
from tests.runs import catalog
from tests.tables import Tables, load

NOW = datetime(2026, 6, 30, 6, 10, tzinfo=UTC)
WORLD = World(seed="resume", actions_per_day=0.6, clicks_per_day=20, opened=date(2026, 2, 1))


def impact(world: World = WORLD, **options: Any) -> Sandbox:
    """An impact.com whose limits are far away; lists have several pages."""
    plenty = {"hourly_detail": 10**6, "hourly_other": 10**6, "largest_page": 15}
    return Sandbox(world, at=NOW, **{**plenty, **options})


def settings(sandbox: Sandbox) -> dict[str, Any]:
    return sandbox.settings() | {
        "start_date": "2026-05-15",
        "end_date": NOW.isoformat(),
        "click_start_date": "2026-06-26",
    }


@cache
def unbroken() -> tuple[Tables, list[str]]:
    """What a sync holds that nothing disturbed, and the resources that it asked for, in order."""
    tables: Tables = {}
    with impact() as sandbox:
        run = run_inside(settings(sandbox), catalog=catalog())
        assert run.exit_code == 0, run.stderr
        load(tables, run)
        assert all(tables.values()), "a stream without rows shows nothing"
        asked = sorted(sandbox.requests + sandbox.file_requests, key=attrgetter("number"))
        return tables, [request.resource for request in asked]
