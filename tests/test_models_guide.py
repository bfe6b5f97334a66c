"""docs/models.md, followed in an empty directory as it is written."""

from __future__ import annotations

import os
import re
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from impact_sandbox import database
from impact_sandbox.switches import Switches
from impact_sandbox.world import World

from tests.clones import Shell, clone
from tests.conftest import ROOT
from tests.duck import rows
from tests.projects import COMMANDS

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import SandboxFactory, Warehouse

pytestmark = pytest.mark.slow

AT = datetime(2026, 6, 30, 6, 10, tzinfo=UTC)
BLOCKS = re.findall(
    r"^```(?:\w+ )(\S+)\n([\s\S]+?)^```$", (ROOT / "docs" / "models.md").read_text(), re.MULTILINE
)
FIGURES = """
    SELECT sum(conversions), sum(conversions_reversed), sum(commission), sum(clicks), sum(epc)
    FROM impact.impact_daily_performance
"""


class Follower(Shell):
    """Somebody who does what the page says, in a Meltano project of their own."""

    def __init__(self, folder: Path, **environment: str) -> None:
        path = f"{COMMANDS}{os.pathsep}{os.environ['PATH']}"
        quiet = {"MELTANO_SEND_ANONYMOUS_USAGE_STATS": "false", "PATH": path}
        super().__init__(folder / "earnings", os.environ | quiet | environment)
        self.clone = clone(folder / "clone")
        Shell(folder, self.environment).run("meltano init earnings")

    def follow(self, name: str) -> str:
        """Write the blocks of a file one below the other, or run those of a way."""
        text = "".join(block for title, block in BLOCKS if title == name)
        text = text.replace("/path/to/clone", str(self.clone))
        if "." not in name:
            return self.run(text)
        file = self.folder / name
        file.parent.mkdir(exist_ok=True)
        with file.open("a") as opened:
            opened.write(text)
        return ""


@pytest.fixture
def world() -> World:
    return World(opened=date(2026, 5, 1), actions_per_day=8, clicks_per_day=20)


@pytest.fixture
def follower(
    sandbox: SandboxFactory, warehouse: Warehouse, world: World, tmp_path: Path
) -> Follower:
    switches = Switches(daily_click_exports=1000, hourly_other=10_000, click_export="sync")
    settings = sandbox(world=world, at=AT, switches=switches).settings() | {
        "start_date": "2026-05-01T00:00:00Z",
        "end_date": AT.isoformat(),
        "click_start_date": "2026-06-10",
        "click_exports_per_day": 1000,
        "timezone": world.zone.key,
    }
    follower = Follower(
        tmp_path,
        TARGET_POSTGRES_HOST=database.HOST,
        TARGET_POSTGRES_PORT=str(warehouse.port),
        TARGET_POSTGRES_USER=database.ROLE,
        TARGET_POSTGRES_PASSWORD="unused",  # noqa: S106 - asked for by nobody
        TARGET_POSTGRES_DATABASE=database.DATABASE,
        **{f"TAP_IMPACT_{name}".upper(): str(value) for name, value in settings.items()},
    )
    listing = ROOT / "hub" / "tap-impact.yml"
    follower.run(
        "meltano add --no-install --plugin-type extractor tap-impact "
        f"--from-ref {listing} && meltano select tap-impact '*' '*' && "
        "meltano select --exclude tap-impact action_items '*'"
    )
    # Meltano runs the tap and target-postgres that the tests have
    written = follower.folder / "meltano.yml"
    text = re.sub(r"^ *pip_url: .*\n", "", written.read_text(), flags=re.MULTILINE)
    written.write_text(text.rstrip() + "\n")
    return follower


def truth(world: World) -> tuple[Any, ...]:
    actions = [*world.actions(AT)]
    kept = [row for row in actions if row["State"] != "REVERSED"]
    return len(kept), len(actions) - len(kept), sum(Decimal(row["Payout"]) for row in kept)


def test_the_page_leads_from_nothing_to_the_models_and_the_page(
    follower: Follower, world: World, warehouse: Warehouse
) -> None:
    for name in ("meltano.yml", "packages.yml", "profiles.yml"):
        follower.follow(name)
    for name in ("dbt_project.yml", "seeds/subid_patterns.csv"):
        follower.follow(name)
    follower.run("meltano install loader target-jsonl")
    said = follower.follow("duckdb")
    assert " ERROR=0 " in said
    file = follower.folder / "earnings.duckdb"
    (in_duckdb,) = rows(file, FIGURES, "impact")
    assert in_duckdb[:3] == truth(world)
    page = (follower.folder / "output" / "report.html").read_text()
    assert "What impact.com brought" in page
    teams = rows(file, "SELECT DISTINCT team FROM impact_performance_by_subid", "impact")
    assert {team for (team,) in teams} == {"Mail", "Web"}

    loader = "  - name: target-postgres\n    namespace: target_postgres\n"
    with (follower.folder / "meltano.yml").open("a") as written:
        written.write(f"{loader}    executable: target-postgres\n    settings:\n")
        for name in ("host", "user", "password", "database", "default_target_schema"):
            written.write(f"    - name: {name}\n")
        written.write("    - name: port\n      kind: integer\n")
    warehouse.connection.execute(
        "DROP SCHEMA IF EXISTS tap_impact CASCADE; DROP SCHEMA IF EXISTS impact CASCADE"
    )
    warehouse.connection.commit()
    follower.environment["TARGET_POSTGRES_DEFAULT_TARGET_SCHEMA"] = "tap_impact"
    follower.run("rm -rf .dbt")
    said = follower.follow("postgres")
    assert " ERROR=0 " in said
    (in_postgres,) = warehouse.query(FIGURES)
    assert in_postgres[:4] == in_duckdb[:4]
    assert abs(in_postgres[4] - in_duckdb[4]) < Decimal("0.001")
    (by_hand,) = re.findall(
        r"^```sql\n([\s\S]+?)^```$", (ROOT / "docs" / "models.md").read_text(), re.MULTILINE
    )
    assert warehouse.query(by_hand) == []  # the sandbox sends nothing that is not known
