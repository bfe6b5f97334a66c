"""Meltano projects of the user's own, made and used as the pages say, with what users install."""

from __future__ import annotations

import os
import re
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import s3fs
from impact_sandbox import database
from impact_sandbox.server import Sandbox
from impact_sandbox.switches import Switches
from impact_sandbox.world import World

from hub.listing import left_out
from tests.clones import Shell, bash_blocks, clone
from tests.conftest import ROOT
from tests.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from decimal import Decimal
    from pathlib import Path

pytestmark = pytest.mark.slow

AT = datetime(2026, 6, 30, 6, 10, tzinfo=UTC)
WORLD = World(seed="own", opened=date(2026, 5, 1), actions_per_day=8, clicks_per_day=20)
_, MAKE, ACCESS, LOAD, INTO_OWN_DATABASE, _ = bash_blocks(ROOT / "README.md").values()
WAYS = bash_blocks(ROOT / "docs" / "project.md")
ITEMS = bash_blocks(ROOT / "docs" / "items.md")["0"]
(OBJECT_STORE,) = re.findall(
    r"^## Through an object store\n+```yaml\n(.+?)^```\n+```bash\n(.+?)^```",
    (ROOT / "docs" / "recipes.md").read_text(),
    re.MULTILINE | re.DOTALL,
)
BY_STATE = "SELECT state, count(*), sum(payout) FROM tap_impact.actions GROUP BY state"


class User(Shell):
    """Somebody with an account, a clone, and a directory of their own."""

    def __init__(self, folder: Path, impact: Sandbox, port: int) -> None:
        outside = {name: os.environ[name] for name in os.environ if name != "PYTHONPATH"}
        for name in ("home", "mine"):
            (folder / name).mkdir(parents=True)
        self.impact = impact
        self.port = port
        self.clone = clone(folder / "a clone" / "tap")
        super().__init__(
            folder / "mine",
            outside
            | {
                "HOME": str(folder / "home"),
                "PATH": f"{folder}/mine/.venv/bin:{os.environ['PATH']}",
                "TARGET_POSTGRES_PORT": str(port),
                "IMPACT_AS_OF": impact.at.isoformat(),
                "TAP_IMPACT_ACTION_ITEMS_PER_RUN": "10000",
                "TAP_IMPACT_API_URL": impact.settings()["api_url"],
                "TAP_IMPACT_END_DATE": impact.at.isoformat(),
                "TAP_IMPACT_START_DATE": WORLD.opened.isoformat(),
            },
        )

    def follow(self, block: str) -> str:
        """Run a block as it stands, with the clone and the credentials that it leaves open."""
        settings = self.impact.settings()
        block = block.replace("CLONE=/path/to/clone", f"CLONE='{self.clone}'")
        block = block.replace("=IR...", f"={settings['account_sid']}")
        return self.run(block.replace("_TOKEN=...", f"_TOKEN={settings['auth_token']}"))

    def log_in(self) -> None:
        """Put the credentials where a file `.env` would."""
        for name in ("account_sid", "auth_token"):
            self.environment[f"TAP_IMPACT_{name.upper()}"] = self.impact.settings()[name]

    def pass_time(self, **time: float) -> None:
        """Let it be later."""
        self.impact.advance(timedelta(**time).total_seconds())
        for name in ("TAP_IMPACT_END_DATE", "IMPACT_AS_OF"):
            self.environment[name] = self.impact.at.isoformat()

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        with database.connect(self.port) as connection:
            return connection.execute(statement.encode()).fetchall()

    def empty(self) -> None:
        """Start the database, and take what was loaded out of it."""
        self.run("meltano invoke database:start")
        with database.connect(self.port) as connection:
            connection.execute("DROP SCHEMA IF EXISTS tap_impact CASCADE")

    def loaded(self) -> dict[str, tuple[int, Decimal]]:
        """How many actions there are in each state, and what they pay."""
        rows = self.query(BY_STATE)
        return {state: (count, payout) for state, count, payout in rows}


@pytest.fixture(scope="module")
def user(open_folder: Path) -> Iterator[User]:
    port = free_port()
    plenty = Switches(click_export="sync", hourly_detail=10_000)
    with Sandbox(WORLD, at=AT, switches=plenty) as impact:
        user = User(open_folder / "own", impact, port)
        user.follow(MAKE)
        yield user
        user.attempt("meltano invoke database:stop")


def test_one_block_makes_a_project_in_which_all_that_follows_works(user: User) -> None:
    assert WAYS["new"] == MAKE
    said = user.follow(ACCESS)
    assert "Actions > Retrieve actions" in said
    user.log_in()
    said = user.follow(LOAD)
    assert " WARN=0 ERROR=0 " in said
    assert user.loaded() == WORLD.totals(user.impact.at)
    for state, (count, _) in user.loaded().items():
        assert re.search(rf"{state} +{count} ", said[said.rindex("METRIC") :])
    assert "<svg" in (user.folder / "output" / "report.html").read_text()
    assert {".demo", ".env", "output"} <= {
        line.strip("/") for line in (user.folder / ".gitignore").read_text().splitlines()
    }
    # nothing of it is written to the clone
    assert Shell(user.clone, user.environment).run("git status --porcelain") == ""


def test_a_database_of_ones_own_is_loaded_by_the_next_block(user: User) -> None:
    user.log_in()
    user.empty()
    own = {"HOST": database.HOST, "USER": database.ROLE, "DATABASE": database.DATABASE}
    for name, value in (own | {"PASSWORD": "not asked for"}).items():
        user.environment[f"TARGET_POSTGRES_{name}"] = value
    user.pass_time(days=1)
    assert " ERROR=0 " in user.follow(INTO_OWN_DATABASE)
    assert user.loaded() == WORLD.totals(user.impact.at)


def test_items_batches_and_the_inspector_work_there_too(user: User) -> None:
    user.log_in()
    user.pass_time(days=1)
    user.empty()
    user.follow(ITEMS)
    (items,) = user.query("SELECT count(DISTINCT action_id) FROM tap_impact.action_items")
    assert items == (sum(count for count, _ in WORLD.totals(user.impact.at).values()),)
    assert user.query("SELECT to_regclass('tap_impact.tasks')") == [(None,)]
    user.empty()
    user.run("meltano run tap-impact-batch target-postgres")
    assert user.loaded() == WORLD.totals(user.impact.at)
    action = next(iter(WORLD.actions(user.impact.at)))
    assert f'"id": "{action["Id"]}"' in user.run(f"meltano invoke tap-impact:action {action['Id']}")


def test_the_recipe_of_object_stores_installs_what_it_names(user: User, object_store: str) -> None:
    user.log_in()
    user.pass_time(days=1)
    user.environment |= {name: os.environ[name] for name in os.environ if name.startswith("AWS_")}
    user.empty()
    recipe, command = OBJECT_STORE
    (user.folder / "lake.meltano.yml").write_text(recipe)
    user.environment |= {
        name.replace("TAP_IMPACT", "IMPACT_LAKE"): value
        for name, value in user.environment.items()
        if name.startswith("TAP_IMPACT")
    }
    user.follow(command)
    assert s3fs.S3FileSystem(skip_instance_cache=True).ls(object_store)
    assert user.loaded() == WORLD.totals(user.impact.at)


def test_it_is_added_to_a_project_that_was_there(user: User, tmp_path: Path) -> None:
    user.log_in()
    there = User.__new__(User)
    there.__dict__ |= user.__dict__ | {"folder": tmp_path / "there"}
    assert "deselected by hand" in (ROOT / "docs" / "project.md").read_text()
    Shell(tmp_path, user.environment).run("meltano init --no-usage-stats there")
    there.follow(WAYS["existing"])
    listed = there.run("meltano select --list --all tap-impact 2>/dev/null")
    selected = {*re.findall(r"\[selected *\] (\w+)\.", listed)}
    assert selected.isdisjoint(left_out())
    assert {"actions", "action_updates", "clicks", "invoices"} <= selected


def test_it_runs_without_meltano(user: User, tmp_path: Path) -> None:
    there = User.__new__(User)
    there.__dict__ |= user.__dict__ | {"folder": tmp_path}
    assert "account_sid" in there.follow(WAYS["without"])
    assert there.run(".venv/bin/tap-impact --discover").count('"tap_stream_id"') > 20
