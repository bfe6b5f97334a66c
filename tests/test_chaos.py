"""Nights in which nearly a third of all requests fail."""

from __future__ import annotations

from collections import Counter
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import pytest
from impact_sandbox.faults import Chaos

from tap_impact.api.client import TRIES
from tests.inside import run_inside
from tests.runs import catalog
from tests.small_account import NOW, impact, settings, unbroken
from tests.tables import Tables, load

if TYPE_CHECKING:
    from collections.abc import Iterable

    from impact_sandbox.server import SeenRequest

SEEDS = range(30)
SHARE = 0.3
MOST_RUNS = 10
CLICKS = {"click_exports", "clicks", "daily_clicks"}


def asked(requests: Iterable[SeenRequest]) -> Counter[tuple[str, ...]]:
    """How often each question was asked, and not put off by a limit; looking after jobs aside."""
    return Counter(
        (seen.resource, seen.path, *(f"{name}={value}" for name, value in seen.query.items()))
        for seen in requests
        if seen.resource != "Jobs" and seen.status != HTTPStatus.TOO_MANY_REQUESTS
    )


def wait_for_failed_exports(state: dict[str, Any] | None) -> None:
    """Let the time come at which exports that failed are tried again; the account stands still."""
    exports = (state or {}).get("bookmarks", {}).get("click_exports", {})
    for failure in exports.get("failures", {}).values():
        failure["not_before"] = NOW.isoformat()


def without_jobs(tables: Tables) -> Tables:
    """What is loaded; which job brought it depends on which request for an export failed."""
    return {
        stream: {
            key: {name: value for name, value in row.items() if name != "job_id"}
            for key, row in rows.items()
        }
        for stream, rows in tables.items()
    }


@pytest.mark.slow
def test_chaos_loses_nothing_and_asks_no_more_than_the_policy_allows() -> None:
    expected = without_jobs(unbroken()[0])
    with impact() as sandbox:
        run_inside(settings(sandbox), catalog=catalog())
        usual = asked(sandbox.requests)
    struck = 0
    for seed in SEEDS:
        tables: Tables = {}
        state: dict[str, Any] | None = None
        with impact(faults=Chaos(seed, SHARE)) as sandbox:
            for _ in range(MOST_RUNS):
                done = len(sandbox.requests)
                run = run_inside(settings(sandbox), catalog=catalog(), state=state)
                assert run.exit_code in {0, 1}
                assert "defect" not in run.stderr
                state = load(tables, run, whole=run.exit_code == 0) or state
                wait_for_failed_exports(state)
                for question, times in asked(sandbox.requests[done:]).items():
                    most = 1 if question[0] == "ClickExport" else TRIES * max(usual[question], 1)
                    assert times <= most, question
                loaded = without_jobs(tables)
                if loaded == expected:
                    break
                # Clicks alone end well without all that there is: another run goes on with them.
                if run.exit_code == 0:
                    short = {name for name, rows in expected.items() if loaded.get(name) != rows}
                    assert short <= CLICKS, f"seed {seed}"
            assert loaded == expected, f"seed {seed}"
            assert len(sandbox.jobs.all) == len(expected["click_exports"])
            struck += sum(bool(seen.fault) for seen in sandbox.requests)
    assert struck > len(SEEDS) * 5
