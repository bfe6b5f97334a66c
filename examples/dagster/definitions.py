"""The jobs and schedules of meltano.yml as Dagster's."""

from __future__ import annotations

import os

from dagster import Definitions, JobDefinition, job
from dagster_meltano import meltano_command_op, meltano_resource
from dagster_meltano.meltano_resource import MeltanoResource
from dagster_meltano.utils import generate_dagster_name

meltano = MeltanoResource(os.environ["MELTANO_PROJECT_ROOT"])


def dagster_job(name: str) -> JobDefinition:
    """A job of Meltano, tagged so that dagster.yaml lets one run of it go at a time.

    The jobs that dagster-meltano makes itself run with --force, which takes away Meltano's own
    refusal to run one pipeline twice at once.
    """

    @job(
        name=generate_dagster_name(name),
        resource_defs={"meltano": meltano_resource},
        tags={"meltano/job": name},
    )
    def run() -> None:
        meltano_command_op(f"run {name}")()

    return run


definitions = Definitions(
    jobs=[dagster_job(each["job_name"]) for each in meltano.meltano_yaml["jobs"]],
    schedules=[each.dagster_schedule for each in meltano.meltano_schedules],
)
