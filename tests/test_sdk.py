"""The SDK's own suite for taps, against the sandbox."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import pytest
from impact_sandbox.faults import ALWAYS, field_of_row
from impact_sandbox.files import click_file
from impact_sandbox.server import Sandbox
from impact_sandbox.world import World
from singer_sdk.testing import SuiteConfig, get_tap_test_class
from singer_sdk.testing.runners import TapTestRunner

from tap_impact.tap import TapImpact
from tests.runs import catalog

if TYPE_CHECKING:
    from collections.abc import Iterator

NOW = datetime(2026, 6, 30, 6, 10, tzinfo=UTC)
# The suite loads each stream by itself, so the three that share an export need one each.
SETTINGS = {
    "start_date": "2026-06-01",
    "end_date": NOW.isoformat(),
    "click_exports_per_day": 99,
}
# The suite is put together, as tests are collected, from a tap that asks nothing.
UNUSED = {"account_sid": "IRcollect", "auth_token": "unused"}
CATALOG = catalog()
Suite: Any = get_tap_test_class(
    TapImpact, config=SETTINGS | UNUSED, parse_env_config=False, catalog=CATALOG
)


@pytest.mark.slow
class TestTapImpact(Suite):  # type: ignore[misc]
    """Each stream gives records, of its schema, with its keys."""

    @pytest.fixture(scope="class")
    @classmethod
    def runner(cls) -> Iterator[TapTestRunner]:
        # lists, objects and files have a field that no schema knows: each property has a value
        new_field = field_of_row("NewField", "new").at(times=ALWAYS)
        # The suite's runner ends a stream after 150 records.
        world = World(seed="sdk", actions_per_day=5, clicks_per_day=20, opened=date(2026, 1, 1))
        with Sandbox(
            world, at=NOW, faults=[new_field], job_life=["COMPLETED"], daily_click_exports=99
        ) as sandbox:
            sandbox.jobs.file = lambda job: click_file(  # type: ignore[method-assign]
                (click | {"NewField": "new"} for click in world.clicks(job.day, job.at)),
                job.result_format,
                sandbox.switches,
            )
            runner = TapTestRunner(
                TapImpact,
                config=SETTINGS | sandbox.settings(),
                suite_config=SuiteConfig(),
                parse_env_config=False,
                catalog=CATALOG,
            )
            runner.sync_all()
            yield runner
