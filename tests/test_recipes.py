"""The recipes of the documentation, run as they are written there."""

from __future__ import annotations

import csv
import json
import re
from contextlib import ExitStack
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
import s3fs
import yaml
from impact_sandbox.switches import Switches
from impact_sandbox.world import World

from tests.conftest import ROOT, Warehouse
from tests.projects import Project

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from impact_sandbox.server import Sandbox

    from tests.conftest import SandboxFactory

Row = dict[str, Any]

AT = datetime(2026, 6, 30, 6, 10, tzinfo=UTC)
START = "2026-02-15T00:00:00Z"
PAGE = (ROOT / "docs/recipes.md").read_text()
RECIPES = dict(re.findall(r"^## (.+)\n([\s\S]+?)(?=^## |\Z)", PAGE, re.MULTILINE))
BLOCK = re.compile(r"^```(\w+)\n([\s\S]+?)^```$", re.MULTILINE)


@pytest.fixture
def impact(sandbox: SandboxFactory) -> Sandbox:
    return account(sandbox, 0)


def account(sandbox: SandboxFactory, seed: int, **where: Any) -> Sandbox:
    world = World(seed, opened=date(2026, 2, 1), actions_per_day=8, clicks_per_day=20, **where)
    return sandbox(world=world, at=AT, switches=Switches(click_export="sync"))


@pytest.fixture
def project(database_port: int, tmp_path: Path) -> Project:
    (tmp_path / "project").mkdir()
    return Project(tmp_path / "project", TARGET_POSTGRES_PORT=str(database_port))


@pytest.fixture
def schema(database_port: int) -> Iterator[Callable[[str], Warehouse]]:
    """A schema that a recipe names, empty as in a database of its own."""
    with ExitStack() as stack:

        def emptied(name: str) -> Warehouse:
            warehouse = Warehouse(database_port, name)
            stack.callback(warehouse.connection.close)
            warehouse.connection.execute(f"DROP SCHEMA IF EXISTS {name} CASCADE")
            warehouse.connection.commit()
            return warehouse

        yield emptied


def connect(project: Project, name: str, impact: Sandbox, **settings: str) -> None:
    """Say in the environment which account a connection is."""
    settings = (
        impact.settings() | {"start_date": START, "end_date": impact.at.isoformat()} | settings
    )
    for setting, value in settings.items():
        project.environment[f"{name}_{setting}".upper()] = value


def follow(project: Project, title: str) -> list[str]:
    """Do what a recipe says; return what each of its commands said."""
    said = []
    for language, block in BLOCK.findall(RECIPES[title]):
        if language == "yaml":
            project.write("recipe.meltano.yml", block)
        else:
            assert language == "bash"
            said.append(project.run(block))
    return said


def happened(impact: Sandbox, since: str = START, until: str = "2027-01-01T00:00:00Z") -> list[Row]:
    """The actions of a span of time, as they are now."""
    begin, end = datetime.fromisoformat(since), datetime.fromisoformat(until)
    return [
        row
        for row in impact.world.actions(impact.at)
        if begin <= datetime.fromisoformat(row["EventDate"]) <= end
    ]


def test_each_recipe_is_in_the_table_of_contents_and_in_a_test() -> None:
    listed = re.findall(r"^- \[(.+)\]\(#(.+)\)$", PAGE, re.MULTILINE)
    assert [title for title, _ in listed] == [*RECIPES]
    assert [re.sub("[^a-z ]", "", title.lower()).replace(" ", "-") for title in RECIPES] == [
        anchor for _, anchor in listed
    ]
    tests = (ROOT / "tests/test_recipes.py").read_text()
    assert [title for title in RECIPES if f'follow(project, "{title}")' not in tests] == []


@pytest.mark.slow
def test_many_accounts_one_table(
    project: Project, sandbox: SandboxFactory, schema: Callable[[str], Warehouse]
) -> None:
    warehouse = schema("impact")
    accounts = {
        "acme-us": account(sandbox, 1),
        "acme-eu": account(sandbox, 2, timezone="Europe/Berlin", currency="EUR"),
    }
    for label, impact in accounts.items():
        connect(project, label.replace("-", "_"), impact)
    follow(project, "Many accounts, one table")
    # a day later both at once, as the last block has it
    for label, impact in accounts.items():
        impact.advance(86_400)
        connect(project, label.replace("-", "_"), impact)
    *_, (_, at_once) = BLOCK.findall(RECIPES["Many accounts, one table"])
    project.run(at_once)

    for label, impact in accounts.items():
        of_account = f"WHERE connection_label = '{label}'"
        actions = warehouse.query(f"SELECT id, state, payout FROM actions {of_account}")  # noqa: S608
        assert sorted(actions) == sorted(
            (row["Id"], row["State"], Decimal(row["Payout"])) for row in happened(impact)
        )
        days = warehouse.query(
            f"SELECT click_day, sum(clicks) FROM daily_clicks {of_account} GROUP BY 1"  # noqa: S608
        )
        assert len(days) >= 11
        assert {day: int(clicks) for day, clicks in days} == {
            day: impact.world.click_count(day) for day, _ in days
        }
        campaigns = warehouse.query(f"SELECT campaign_id FROM campaigns {of_account}")  # noqa: S608
        assert len(campaigns) == len(impact.world.campaigns())
    for table in ("actions", "action_updates", "clicks", "daily_clicks", "campaigns", "account"):
        unlabelled = f"SELECT count(*) FROM {table} WHERE connection_label IS NULL"  # noqa: S608
        assert warehouse.query(unlabelled) == [(0,)]


@pytest.mark.slow
def test_actions_every_hour_clicks_every_night(
    project: Project, impact: Sandbox, schema: Callable[[str], Warehouse]
) -> None:
    warehouse = schema("tap_impact")
    connect(project, "tap_impact", impact)
    follow(project, "Actions every hour, clicks every night")
    assert warehouse.query("SELECT count(*) FROM actions") == [(len(happened(impact)),)]
    performance = "SELECT sum(conversions), sum(clicks) FROM impact_daily_performance"
    assert warehouse.query(performance) == [
        (
            sum(row["State"] != "REVERSED" for row in happened(impact)),
            warehouse.query("SELECT count(*) FROM clicks")[0][0],
        )
    ]


@pytest.mark.slow
def test_only_approved_actions(
    project: Project, impact: Sandbox, schema: Callable[[str], Warehouse]
) -> None:
    warehouse = schema("impact_approved")
    connect(project, "tap_impact", impact)
    follow(project, "Only approved actions")
    # some weeks later more are
    impact.advance(20 * 86_400)
    connect(project, "tap_impact", impact)
    project.run("meltano run impact-approved target-postgres")
    assert sorted(warehouse.query("SELECT id, payout FROM actions")) == sorted(
        (row["Id"], Decimal(row["Payout"]))
        for row in happened(impact)
        if row["State"] == "APPROVED"
    )


@pytest.mark.slow
def test_without_addresses_and_profiles(
    project: Project, impact: Sandbox, schema: Callable[[str], Warehouse]
) -> None:
    warehouse = schema("impact_private")
    connect(project, "tap_impact", impact)
    follow(project, "Without addresses and profiles")
    columns = {
        name
        for (name,) in warehouse.query(
            "SELECT column_name FROM information_schema.columns "
            "WHERE table_schema = 'impact_private' AND table_name = 'clicks'"
        )
    }
    assert {"click_key", "customer_city"} <= columns
    assert not {"ip_address", "profile_id"} & columns
    # and the whole of them has the same keys
    whole = schema("tap_impact")
    impact.advance(86_400)  # a day whose exports are not used up
    connect(project, "tap_impact", impact)
    project.run("meltano run tap-impact target-postgres")
    keys = "SELECT click_key FROM clicks WHERE click_day = '2026-06-28' ORDER BY 1"
    assert warehouse.query(keys) == whole.query(keys) != []


@pytest.mark.slow
def test_one_month_again(
    project: Project, impact: Sandbox, schema: Callable[[str], Warehouse]
) -> None:
    warehouse = schema("tap_impact")
    connect(project, "tap_impact", impact)
    follow(project, "One month again")
    assert sorted(warehouse.query("SELECT id, state FROM actions")) == sorted(
        (row["Id"], row["State"])
        for row in happened(impact, "2026-03-01T00:00:00-08:00", "2026-04-01T00:00:00-07:00")
    )
    days = "SELECT min(event_day), max(event_day) FROM actions"
    assert warehouse.query(days) == [(date(2026, 3, 1), date(2026, 3, 31))]


@pytest.mark.slow
def test_into_json_lines(project: Project, impact: Sandbox) -> None:
    connect(project, "tap_impact", impact)
    follow(project, "Into JSON Lines")
    impact.advance(86_400)
    connect(project, "tap_impact", impact)
    project.run("meltano run tap-impact target-jsonl")
    lines = (project.folder / "output/actions.jsonl").read_text().splitlines()
    newest = {row["id"]: row for row in map(json.loads, lines)}
    assert len(lines) > len(newest)
    assert {key: row["state"] for key, row in newest.items()} == {
        row["Id"]: row["State"] for row in happened(impact)
    }


@pytest.mark.slow
def test_a_large_account(
    project: Project, impact: Sandbox, schema: Callable[[str], Warehouse]
) -> None:
    warehouse = schema("tap_impact")
    connect(project, "tap_impact", impact)
    project.run("meltano run tap-impact target-postgres")
    impact.advance(86_400)
    connect(project, "tap_impact", impact)
    asked = len(impact.requests)
    follow(project, "A large account")
    # it went on from the state of tap-impact
    lists = [request for request in impact.requests[asked:] if request.path.endswith("/Actions")]
    assert len(lists) == 2
    assert {path.suffix for path in (project.folder / ".meltano/batch-files").iterdir()} == {".gz"}
    assert_loaded(warehouse, impact)
    ((unknown,),) = warehouse.query("SELECT count(*) FROM actions WHERE _sdc_extracted_at IS NULL")
    assert not unknown


@pytest.mark.slow
def test_through_an_object_store(
    object_store: str, project: Project, impact: Sandbox, schema: Callable[[str], Warehouse]
) -> None:
    warehouse = schema("tap_impact")
    connect(project, "tap_impact", impact)
    follow(project, "Through an object store")
    assert s3fs.S3FileSystem(skip_instance_cache=True).ls(object_store)
    assert_loaded(warehouse, impact)


def assert_loaded(warehouse: Warehouse, impact: Sandbox) -> None:
    """Look for every action in the table, as it is now."""
    actions = warehouse.query("SELECT id, state, payout FROM actions")
    assert sorted(actions) == sorted(
        (row["Id"], row["State"], Decimal(row["Payout"])) for row in happened(impact)
    )


@pytest.mark.slow
def test_into_csv(project: Project, impact: Sandbox) -> None:
    connect(project, "tap_impact", impact)
    for _ in range(2):
        follow(project, "Into CSV")
        with (project.folder / "output/actions.csv").open(newline="") as file:
            rows = [*csv.DictReader(file)]
        assert sorted((row["id"], row["state"], Decimal(row["payout"])) for row in rows) == sorted(
            (row["Id"], row["State"], Decimal(row["Payout"]))
            for row in happened(impact, "2026-01-01T00:00:00Z")
        )
        impact.advance(86_400)
        connect(project, "tap_impact", impact)


def test_every_file_of_a_recipe_is_whole() -> None:
    for title, text in RECIPES.items():
        for language, block in BLOCK.findall(text):
            if language == "yaml":
                assert {*yaml.safe_load(block)} <= {"plugins", "jobs", "schedules"}, title
