"""Loads actions into one PostgreSQL by several pipelines in turns: wall time and all CPU time.

    python -m benchmarks.end_to_end --dlt PYTHON [--rows N] [--repeat N] [--only NAME ...]

PYTHON is that of an environment with dlt[postgres]. Nothing but the pipelines' own processes runs:
no Meltano. After each, the number of its rows and the sum of their payouts must be those served.
The faster loader is `benchmarks.faster_postgres`.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import time
from collections import defaultdict
from decimal import Decimal
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple

from impact_sandbox import database

from benchmarks.pipelines import BIN, CONNECTION, PORT, postgres, shipped
from benchmarks.rows import ACCOUNT
from benchmarks.run import MODULE, describe, our_tap, plain_tap, served
from benchmarks.server import prepare
from tap_impact.streams.actions import ACTIONS

if TYPE_CHECKING:
    from collections.abc import Sequence


class Cost(NamedTuple):
    """Seconds: by the clock, of the pipeline's processes, of PostgreSQL's."""

    wall: float
    cpu: float
    database: float


def database_cpu(postmaster: int) -> float:
    """The CPU seconds of a PostgreSQL server, ended processes included."""
    ticks = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            # the second field is a name in parentheses, which may hold blanks
            fields = path.read_text().rpartition(")")[2].split()
        except FileNotFoundError:
            continue
        if path.parent.name == str(postmaster):
            ticks += sum(map(int, fields[11:15]))
        elif fields[1] == str(postmaster):
            ticks += sum(map(int, fields[11:13]))
    return ticks / os.sysconf("SC_CLK_TCK")


def settled_cpu(postmaster: int) -> float:
    """The same once it stands still: a process that ends meanwhile would be counted nowhere."""
    before, now = -1.0, database_cpu(postmaster)
    while now != before:
        time.sleep(0.2)
        before, now = now, database_cpu(postmaster)
    return now


def children_cpu() -> float:
    """The CPU seconds of the processes that have ended, and of theirs."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def cost(pipe: Sequence[Sequence[str | Path]], postmaster: int, log: Path) -> Cost:
    """Run the processes of a pipe, from one's output into the next one's input, to their end."""
    cpu, served_cpu = children_cpu(), settled_cpu(postmaster)
    began = time.monotonic()
    processes: list[subprocess.Popen[bytes]] = []
    with log.open("wb") as errors:
        for command in pipe:
            before = processes[-1].stdout if processes else subprocess.DEVNULL
            processes.append(
                subprocess.Popen(command, stdin=before, stdout=subprocess.PIPE, stderr=errors)
            )
            if processes[1:]:
                assert before
                before.close()
        processes[-1].communicate()
        codes = [process.wait() for process in processes]
    wall = time.monotonic() - began
    if any(codes):
        sys.exit(f"{pipe} ended with {codes}:\n{log.read_text()[-3000:]}")
    return Cost(wall, children_cpu() - cpu, settled_cpu(postmaster) - served_cpu)


def loaded() -> tuple[int, Decimal]:
    """How many actions were loaded, and the sum of their payouts; then drop their schemas."""
    with database.connect(PORT) as connection:
        (found,) = connection.execute("SELECT count(*), sum(payout) FROM trial.actions").fetchall()
        schemas = connection.execute(
            "SELECT nspname FROM pg_namespace WHERE nspname LIKE 'trial%'"
        ).fetchall()
        for (schema,) in schemas:
            connection.execute(f'DROP SCHEMA "{schema}" CASCADE')
    return found


def expected(folder: Path) -> tuple[int, Decimal]:
    """The same of what is served."""
    payouts = [
        Decimal(row["Payout"])
        for page in folder.glob("actions-*")
        for row in json.loads(page.read_bytes())["Actions"]
    ]
    return len(payouts), sum(payouts, Decimal())


def write(path: Path, content: object) -> Path:
    """Write JSON."""
    path.write_text(json.dumps(content))
    return path


def pipelines(folder: Path, url: str, dlt: Path | None) -> dict[str, list[Sequence[str | Path]]]:
    """The pipelines by name, each as the commands of its processes."""
    trial = CONNECTION | {"default_target_schema": "trial"}
    target = BIN / "target-postgres"
    defaults = [target, "--config", write(folder / "defaults.json", trial)]
    ours = shipped("loaders", "target-postgres") | trial
    settings = [target, "--config", write(folder / "settings.json", ours)]
    by_batch = folder / "batch"
    by_batch.mkdir()
    batch_config = shipped("extractors", "tap-impact-batch")["batch_config"]
    batch_config["storage"]["root"] = str(folder / "files")
    plain, records = plain_tap(folder, url), our_tap(folder, url, "actions")
    batch = our_tap(by_batch, url, "actions", batch_config=batch_config)
    faster = [*MODULE, "benchmarks.faster_postgres", "--config", folder / "settings.json"]
    found: dict[str, list[Sequence[str | Path]]] = {
        "plain SDK tap, loader's defaults": [plain, defaults],
        "plain SDK tap, our settings": [plain, settings],
        "tap-impact, records": [records, settings],
        "tap-impact, batch": [batch, settings],
        "tap-impact, records, faster loader": [records, faster],
        "tap-impact, batch, faster loader": [batch, faster],
    }
    if dlt:
        decimals = [
            f.source for f in ACTIONS.record_map.fields if f.read.__name__ == "read_decimal"
        ]
        where = "postgresql://{user}:{password}@{host}:{port}/{database}".format_map(CONNECTION)
        write(
            folder / "dlt.json",
            {"path": f"{ACCOUNT}/Actions", "decimals": decimals, "database": where},
        )
        script = Path(__file__).with_name("dlt_pipeline.py")
        for disposition in ("merge", "append"):
            found[f"dlt, {disposition}"] = [[dlt, script, folder, url, disposition]]
    return found


def main() -> None:
    """Run all pipelines, round by round."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--dlt", type=Path)
    parser.add_argument("--only", nargs="+", default=[""], help="beginnings of names")
    given = parser.parse_args()
    costs: defaultdict[str, list[Cost]] = defaultdict(list)
    with TemporaryDirectory() as name:
        folder = Path(name)
        describe(folder)
        prepare(folder, actions=given.rows, clicks=0)
        right = expected(folder)
        with served(folder) as url, postgres(folder):
            postmaster = int((folder / "postgres" / "postmaster.pid").read_text().split()[0])
            every = pipelines(folder, url, given.dlt)
            chosen = {n: p for n, p in every.items() if n.startswith(tuple(given.only))}
            for number in range(1, given.repeat + 1):
                for label, pipe in chosen.items():
                    shutil.rmtree(folder / "dlt", ignore_errors=True)
                    found = cost(pipe, postmaster, folder / "log")
                    if (held := loaded()) != right:
                        sys.exit(f"{label}: {held} in the table, {right} served")
                    costs[label].append(found)
                    figures = " ".join(f"{value:7.2f}" for value in found)
                    print(f"round {number}  {label:34}{figures}", flush=True)
    print(
        f"{right[0]:,} rows, payouts {right[1]}, in every table; medians of {given.repeat} rounds"
    )
    print(f"{'':34}{'wall s':>8}{'CPU s':>8}{'of PostgreSQL':>15}   wall against the last")
    last = list(costs.values())[-1]
    for label, each in costs.items():
        wall, cpu, served_cpu = (median(values) for values in zip(*each, strict=True))
        ratio = median(its.wall / mine.wall for mine, its in zip(each, last, strict=True))
        print(f"{label:34}{wall:8.1f}{cpu:8.1f}{served_cpu:15.1f}   {ratio:.2f} times as fast")


if __name__ == "__main__":
    main()
