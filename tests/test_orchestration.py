"""The example for orchestrators: what may run at the same time, and what may not."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING

import pytest
import yaml
from impact_sandbox import database
from impact_sandbox.switches import Switches

from tests.clones import Shell, bash_blocks, clone
from tests.conftest import ROOT

if TYPE_CHECKING:
    from impact_sandbox.server import Sandbox

    from tests.conftest import SandboxFactory, Warehouse

EXAMPLE = ROOT / "examples" / "dagster"
START = "2026-06-01T00:00:00Z"
MELTANO = Path(sys.executable).with_name("meltano")


class Project:
    """The example's project, with the tap and the loader that the tests have anyway."""

    def __init__(self, folder: Path, port: int, schema: str) -> None:
        self.folder = shutil.copytree(EXAMPLE, folder)
        path = folder / "meltano.yml"
        definition = yaml.safe_load(path.read_text())
        plugins = definition["plugins"]
        for plugin in (plugins["extractors"][0], *plugins["loaders"]):
            del plugin["pip_url"]
            plugin["executable"] = str(MELTANO.with_name(plugin["executable"]))
        path.write_text(yaml.safe_dump(definition))
        self.environment = os.environ | {
            "DAGSTER_HOME": str(folder),
            # where Dagster looks for Meltano
            "PATH": f"{MELTANO.parent}:{os.environ['PATH']}",
            "TARGET_POSTGRES_HOST": database.HOST,
            "TARGET_POSTGRES_PORT": str(port),
            "TARGET_POSTGRES_USER": database.ROLE,
            "TARGET_POSTGRES_PASSWORD": "unused",
            "TARGET_POSTGRES_DATABASE": database.DATABASE,
            "TARGET_POSTGRES_DEFAULT_TARGET_SCHEMA": schema,
        }

    def connect(self, connection: str, impact: Sandbox) -> None:
        """Say in the environment which account a connection is."""
        settings = impact.settings() | {"start_date": START, "end_date": impact.at.isoformat()}
        for name, value in settings.items():
            self.environment[f"{connection}_{name}".upper().replace("-", "_")] = value

    def start(self, *command: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [MELTANO, "--log-format", "plain", *command],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *command: str) -> str:
        return succeeded(self.start(*command))


def succeeded(run: subprocess.Popen[str]) -> str:
    output, _ = run.communicate()
    assert run.returncode == 0, output
    return output


@pytest.fixture
def project(warehouse: Warehouse, tmp_path: Path) -> Project:
    return Project(tmp_path / "project", warehouse.port, warehouse.schema)


def test_each_schedule_runs_a_job_of_its_own_and_each_job_a_state_of_its_own() -> None:
    example = yaml.safe_load((EXAMPLE / "meltano.yml").read_text())
    jobs = {job["name"]: job["tasks"] for job in example["jobs"]}
    assert sorted(schedule["job"] for schedule in example["schedules"]) == sorted(jobs)
    pipelines = [task for tasks in jobs.values() for task in tasks]
    assert len({*pipelines}) == len(pipelines)


@pytest.mark.slow
def test_accounts_load_side_by_side_into_one_table(
    project: Project, sandbox: SandboxFactory, warehouse: Warehouse
) -> None:
    impacts = [sandbox(seed=seed, switches=Switches(click_export="sync")) for seed in ("1", "2")]
    for connection, impact in zip(("acme-us", "acme-eu"), impacts, strict=True):
        project.connect(connection, impact)
    # the first run makes Meltano's own database, and the tables
    project.run("run", "acme-us-hourly")
    runs = [
        project.start("schedule", "run", schedule)
        for schedule in ("every-hour-acme-us", "every-hour-acme-eu", "every-night-acme-eu")
    ]
    for run in runs:
        succeeded(run)
    project.run("schedule", "run", "every-night-acme-us")

    loaded = {row[0] for row in warehouse.query("SELECT id FROM actions")}
    assert loaded >= {
        row["Id"]
        for impact in impacts
        for row in impact.world.actions(impact.at)
        if row["EventDate"] > "2026-06-02"
    }
    labels = "SELECT DISTINCT connection_label FROM"
    assert {*warehouse.query(f"{labels} actions")} == {("acme-us",), ("acme-eu",)}
    assert {*warehouse.query(f"{labels} clicks")} == {("acme-us",), ("acme-eu",)}
    days = warehouse.query(
        "SELECT connection_label, click_day, max(e.clicks), sum(d.clicks) "
        "FROM click_exports e JOIN daily_clicks d USING (connection_label, click_day) "
        "GROUP BY 1, 2"
    )
    assert {label: sum(day[0] == label for day in days) for label in ("acme-us", "acme-eu")} == {
        "acme-us": 10,
        "acme-eu": 10,
    }
    assert [day for day in days if day[2] != day[3]] == []
    assert sorted(re.findall(r"^prod:\S+", project.run("state", "list"), re.MULTILINE)) == [
        "prod:acme-eu-actions-to-target-postgres",
        "prod:acme-eu-clicks-to-target-postgres",
        "prod:acme-us-actions-to-target-postgres",
        "prod:acme-us-clicks-to-target-postgres",
    ]


@pytest.mark.slow
def test_meltano_refuses_a_second_run_of_a_pipeline_that_is_running(project: Project) -> None:
    asked, answer = Event(), Event()

    class Slow(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.set()
            answer.wait()
            self.send_error(401)

    with ThreadingHTTPServer((database.HOST, 0), Slow) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        project.environment |= {
            "ACME_US_ACCOUNT_SID": "IRsome",
            "ACME_US_AUTH_TOKEN": "some",
            "ACME_US_API_URL": f"http://{database.HOST}:{server.server_port}",
        }
        first = project.start("run", "acme-us-hourly")
        assert asked.wait(60)
        second = project.start("run", "acme-us-hourly")
        refusal, _ = second.communicate()
        answer.set()
        first.communicate()
        server.shutdown()
    assert second.returncode == 1
    assert "Another 'prod:acme-us-actions-to-target-postgres' pipeline is already" in refusal


@pytest.mark.slow
@pytest.mark.skipif(
    sys.version_info >= (3, 13), reason="dagster-meltano needs Dagster 1.9, and that Python 3.12"
)
def test_dagster_runs_the_jobs_of_meltano(
    project: Project, sandbox: SandboxFactory, warehouse: Warehouse, tmp_path: Path
) -> None:
    project.connect("acme-eu", sandbox())
    example = Shell(clone(tmp_path / "clone") / "examples" / "dagster", project.environment)
    install, dev = bash_blocks(ROOT / "docs" / "orchestration.md")["1"].splitlines()
    example.run(install)
    assert "--python-file" in example.run(f"{dev} --help")
    example.environment |= {"DAGSTER_HOME": str(example.folder)}
    job = "-f definitions.py -j acme_eu_hourly"
    example.run(f"meltano invoke dagster job execute {job}")
    assert warehouse.query("SELECT DISTINCT connection_label FROM actions") == [("acme-eu",)]
