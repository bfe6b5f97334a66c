"""The queries of docs/queries.md, on the tables of a whole account and on the models of them."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from impact_sandbox.switches import Switches
from impact_sandbox.world import World

from tests.conftest import ROOT
from tests.dbt import on_postgres
from tests.inside import run_inside
from tests.runs import catalog

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import SandboxFactory, Warehouse

AT = datetime(2026, 6, 30, 6, 10, tzinfo=UTC)
QUERIES = dict(
    re.findall(
        r"(?<=\n\n)(.+(?:\n.+)*):\n\n```sql\n([\s\S]+?)^```$",
        (ROOT / "docs" / "queries.md").read_text(),
        re.MULTILINE,
    )
)
# A healthy account has no row of these.
OF_TROUBLE = (
    "Fields that this version does not know",
    "What looks wrong this morning",
    "Where money is missing",
)


@pytest.mark.slow
def test_each_question_has_an_answer(
    sandbox: SandboxFactory, warehouse: Warehouse, tmp_path: Path
) -> None:
    world = World(opened=date(2026, 5, 1), actions_per_day=8, clicks_per_day=20)
    plenty = Switches(daily_click_exports=1000, hourly_detail=10_000, click_export="sync")
    config = sandbox(world=world, at=AT, switches=plenty).settings() | {
        "start_date": "2026-05-01",
        "end_date": AT.isoformat(),
        "click_start_date": "2026-06-10",
        "click_exports_per_day": 1000,
        "timezone": world.zone.key,
    }
    run = run_inside(config, catalog=catalog())
    assert run.exit_code == 0, run.stderr
    warehouse.load(run.stdout)
    on_postgres(tmp_path, warehouse.port, warehouse.schema).build(
        impact_as_of=f"{AT:%Y-%m-%d %H:%M:%S}"
    )

    # now() of the account's time
    then = f"timestamptz '{AT.isoformat()}'"
    answers = {}
    for question, query in QUERIES.items():
        asked = query.replace("current_date", f"({then})::date").replace("now()", then)
        answers[question] = warehouse.query(asked)
        assert bool(answers[question]) != question.startswith(OF_TROUBLE), question
    actions = [*world.actions(AT)]
    (months, *_) = answers.values()
    assert sum(month[2] for month in months) == sum(row["State"] != "REVERSED" for row in actions)
    assert sum(month[4] or 0 for month in months) == sum(
        Decimal(row["Payout"]) for row in actions if row["State"] == "PENDING"
    )
    # before those that are loaded, and yesterday, which is not over everywhere
    (unclicked,) = (
        answer for question, answer in answers.items() if question.startswith("Which days have no")
    )
    (yesterday,) = unclicked[-1]
    assert yesterday == date(2026, 6, 29)
    assert [day for (day,) in unclicked[:-1]] == [
        date(2026, 5, 31) + timedelta(days=after) for after in range(10)
    ]
