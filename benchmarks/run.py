"""Measures the tap against the floor and a plain tap of the SDK, in pairs.

    python -m benchmarks.run actions|memory|clicks-json|clicks-csv|start-up|
        postgres|postgres-clicks|loader|jsonl [--rows N] [--repeat N] [--target PATH]

Other processes disturb wall time, so what is compared is CPU time: each round runs all
candidates one after another, and the figure is the median of the rounds.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections import defaultdict
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple

from benchmarks.pipelines import BIN, CONNECTION, PORT, Project, postgres, shape, shipped
from benchmarks.rows import NOW
from benchmarks.server import prepare
from tap_impact.singer.adapter import CONNECTION_PROPERTIES
from tap_impact.streams.actions import ACTIONS
from tap_impact.streams.clicks import CLICKS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MODULE = [sys.executable, "-m"]
MIB = 1024


class Cost(NamedTuple):
    """What one process took: CPU and wall time in seconds, memory at its peak in MiB."""

    cpu: float
    wall: float
    peak: float


def cost(command: Sequence[str | Path]) -> Cost:
    """Run a process to its end, its output into a pipe as in a pipeline."""
    began = time.monotonic()
    with (
        subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as reader,
        subprocess.Popen(command, stdout=reader.stdin, stderr=subprocess.PIPE) as process,
    ):
        assert process.stderr
        log = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{command} failed:\n{log.decode()}")
    wall = time.monotonic() - began
    return Cost(usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss / MIB)


@contextmanager
def served(folder: Path, clicks: str = "clicks.json") -> Iterator[str]:
    """Serve what was prepared; gives the URL."""
    command = [*MODULE, "benchmarks.server", str(folder), clicks]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        try:
            yield f"http://127.0.0.1:{server.stdout.readline().strip()}"
        finally:
            server.terminate()


def describe(folder: Path) -> None:
    """Write down the fields of actions and clicks, and the schema of actions, for the others."""
    for stream in (ACTIONS, CLICKS):
        kinds: defaultdict[str, dict[str, str]] = defaultdict(dict)
        for field in stream.record_map.fields:
            kinds[field.read.__name__][field.name] = field.source
        (folder / f"{stream.name}.kinds").write_text(json.dumps(kinds))
    schema = ACTIONS.record_map.json_schema()
    schema["properties"] |= CONNECTION_PROPERTIES
    (folder / "actions.schema").write_text(json.dumps(schema))


def config(url: str) -> dict[str, str]:
    """How the tap reads what is served."""
    return {
        "account_sid": "IRbenchmark",
        "auth_token": "none",
        "api_url": url,
        "start_date": "2026-05-31",
        "end_date": NOW.isoformat(),
        "click_start_date": "2026-06-28",
    }


def our_tap(folder: Path, url: str, stream: str, **settings: Any) -> list[str | Path]:
    """The command that loads one stream by the tap."""
    (folder / "config.json").write_text(json.dumps(config(url) | settings))
    discovered = subprocess.run([BIN / "tap-impact", "--discover"], capture_output=True, check=True)
    catalog = json.loads(discovered.stdout)
    for each in catalog["streams"]:
        for entry in each["metadata"]:
            if not entry["breadcrumb"]:
                entry["metadata"]["selected"] = each["stream"] == stream
    (folder / "catalog.json").write_text(json.dumps(catalog))
    return [
        BIN / "tap-impact",
        "--config",
        folder / "config.json",
        "--catalog",
        folder / "catalog.json",
    ]


def plain_tap(folder: Path, url: str) -> list[str | Path]:
    """The command that loads actions by a plain tap of the SDK."""
    (folder / "plain.json").write_text(json.dumps(plain(folder, url)))
    return [*MODULE, "benchmarks.plain_tap", "--config", folder / "plain.json"]


def plain(folder: Path, url: str) -> dict[str, str]:
    """The config of the plain tap."""
    return {"api_url": url, "folder": str(folder)}


def compare(candidates: dict[str, list[str | Path]], rows: int, repeat: int) -> dict[str, Cost]:
    """Run the candidates in turns, and print the medians against the first."""
    costs: dict[str, list[Cost]] = {name: [] for name in candidates}
    for _ in range(repeat):
        for name, command in candidates.items():
            costs[name].append(cost(command))
    medians = {name: Cost(*map(median, zip(*each, strict=True))) for name, each in costs.items()}
    first = next(iter(costs))
    print(f"{rows:,} rows, median of {repeat} rounds")
    print(f"{'':16}{'CPU s':>8}{'rows/s':>10}{'peak MiB':>10}   CPU against the {first}")
    for name, each in medians.items():
        pairs = zip(costs[name], costs[first], strict=True)
        ratio = median(mine.cpu / its.cpu for mine, its in pairs)
        print(f"{name:16}{each.cpu:8.2f}{rows / each.cpu:10,.0f}{each.peak:10.0f}   {ratio:.2f}")
    return medians


def actions(folder: Path, rows: int, repeat: int) -> None:
    """The floor, the tap and the plain tap, for actions."""
    prepare(folder, actions=rows, clicks=0)
    with served(folder) as url:
        compare(
            {
                "floor": [*MODULE, "benchmarks.floor", folder, url, "actions"],
                "tap-impact": our_tap(folder, url, "actions"),
                "plain SDK tap": plain_tap(folder, url),
            },
            rows,
            repeat,
        )


def memory(folder: Path, rows: int, repeat: int) -> None:
    """The tap's peak for five windows of actions against one; 10 pages each at most."""
    prepare(folder, actions=rows, clicks=0)
    with served(folder) as url:
        short = our_tap(folder, url, "actions")
        longer = folder / "longer"
        longer.mkdir()
        long = our_tap(longer, url, "actions", start_date="2025-12-01")
        once, often = (
            median(cost(command).peak for _ in range(repeat)) for command in (short, long)
        )
        print(f"peak of {rows:,} rows: {once:.0f} MiB; of five times as many: {often:.0f} MiB")


def clicks(folder: Path, rows: int, repeat: int, kind: str) -> None:
    """The floor and the tap, for clicks of a format; and the tap's peak for few clicks."""
    prepare(folder, actions=1, clicks=rows)
    with served(folder, f"clicks.{kind}") as url:
        compare(
            {
                "floor": [*MODULE, "benchmarks.floor", folder, url, f"clicks-{kind}"],
                "tap-impact": our_tap(folder, url, "clicks"),
            },
            rows,
            repeat,
        )
    few = folder / "few"
    few.mkdir()
    prepare(few, actions=1, clicks=10_000)
    with served(few, f"clicks.{kind}") as url:
        print(f"tap-impact, 10,000 rows: {cost(our_tap(few, url, 'clicks')).peak:.0f} MiB")


def start_up(repeat: int) -> None:
    """What it takes to say a version."""
    candidates = {
        "plain SDK tap": [*MODULE, "benchmarks.plain_tap", "--version"],
        "tap-impact": [*MODULE, "tap_impact.__main__", "--version"],
        "bare Python": [sys.executable, "-c", "pass"],
    }
    compare(candidates, 1, repeat)  # type: ignore[arg-type]


def settings(url: str, stream: str) -> dict[str, str]:
    """What Meltano tells the tap, by variables, to load one stream."""
    return {
        **{f"TAP_IMPACT_{name.upper()}": value for name, value in config(url).items()},
        "TAP_IMPACT__SELECT": json.dumps([f"{stream}.*"]),
    }


def compare_pipelines(
    project: Project, pipelines: dict[str, tuple[str, str]], table: str, repeat: int
) -> None:
    """Run pipelines in turns, each into a schema of its own, and print what they took."""
    seconds: defaultdict[str, list[float]] = defaultdict(list)
    shapes = {}
    for _ in range(repeat):
        for name, (tap, loader) in pipelines.items():
            schema = {"TARGET_POSTGRES_DEFAULT_TARGET_SCHEMA": "trial"}
            seconds[name].append(project.seconds(tap, loader, **schema))
            if "postgres" in loader:
                shapes[name] = shape("trial", table)
    first = next(iter(pipelines))
    for name, each in seconds.items():
        ratio = median(its / mine for mine, its in zip(each, seconds[first], strict=True))
        print(f"{name:34}{median(each):8.1f} s   {ratio:.1f} times as fast")
    if shapes:
        alike = all(each == shapes[first] for each in shapes.values())
        print(
            f"{shapes[first][0]:,} rows each; columns and their types", "alike" if alike else shapes
        )


def into_postgres(folder: Path, rows: int, repeat: int, stream: str) -> None:
    """A stream into PostgreSQL: as a plain tap and a plain loader do it, and as shipped."""
    prepare(folder, actions=rows if stream == "actions" else 1, clicks=rows)
    with served(folder) as url, postgres(folder):
        project = Project(
            folder / "project", TARGET_POSTGRES_PORT=str(PORT), **settings(url, stream)
        )
        project.add(
            "extractors", "tap-plain", [*MODULE, "benchmarks.plain_tap"], **plain(folder, url)
        )
        project.add(
            "loaders",
            "postgres-defaults",
            [BIN / "target-postgres"],
            **CONNECTION,
            default_target_schema="trial",
        )
        plain_tap = "tap-plain" if stream == "actions" else "tap-impact"
        compare_pipelines(
            project,
            {
                f"{plain_tap}, loader's defaults": (plain_tap, "postgres-defaults"),
                "tap-impact": ("tap-impact", "target-postgres"),
                "tap-impact-batch": ("tap-impact-batch", "target-postgres"),
            },
            stream,
            repeat,
        )


def loader_alone(folder: Path, rows: int, repeat: int) -> None:
    """The loader of actions with all batch files at hand: what no tap can make shorter."""
    prepare(folder, actions=rows, clicks=0)
    batch_config = shipped("extractors", "tap-impact-batch")["batch_config"]
    batch_config["storage"]["root"] = str(folder / "files")
    settings = shipped("loaders", "target-postgres") | CONNECTION
    target = folder / "target.json"
    target.write_text(json.dumps(settings | {"default_target_schema": "trial"}))
    with served(folder) as url, postgres(folder):
        tap = our_tap(folder, url, "actions", batch_config=batch_config)
        messages = subprocess.run(tap, capture_output=True, check=True).stdout
        seconds = []
        for _ in range(repeat):
            began = time.monotonic()
            loader = [BIN / "target-postgres", "--config", target]
            subprocess.run(loader, input=messages, capture_output=True, check=True)
            seconds.append(time.monotonic() - began)
            count, _ = shape("trial", "actions")
        print(f"{count:,} rows, target-postgres alone: {median(seconds):.1f} s")


def into_files(folder: Path, rows: int, repeat: int, target: Path) -> None:
    """Actions into JSON Lines, by the loader at `target`."""
    prepare(folder, actions=rows, clicks=0)
    with served(folder) as url:
        project = Project(folder / "project", **settings(url, "actions"))
        project.add(
            "extractors", "tap-plain", [*MODULE, "benchmarks.plain_tap"], **plain(folder, url)
        )
        project.add("loaders", "jsonl", [target], destination_path=str(folder))
        pipelines = {"tap-plain": ("tap-plain", "jsonl"), "tap-impact": ("tap-impact", "jsonl")}
        compare_pipelines(project, pipelines, "actions", repeat)


def main() -> None:
    """Measure one thing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what")
    parser.add_argument("--rows", type=int)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--target", type=Path)
    given = parser.parse_args()
    with TemporaryDirectory() as name:
        folder = Path(name)
        describe(folder)
        match given.what:
            case "actions":
                actions(folder, given.rows or 200_000, given.repeat)
            case "memory":
                memory(folder, given.rows or 200_000, given.repeat)
            case "clicks-json" | "clicks-csv":
                kind = given.what.removeprefix("clicks-")
                clicks(folder, given.rows or 1_000_000, given.repeat, kind)
            case "start-up":
                start_up(given.repeat)
            case "postgres":
                into_postgres(folder, given.rows or 200_000, given.repeat, "actions")
            case "postgres-clicks":
                into_postgres(folder, given.rows or 100_000, given.repeat, "clicks")
            case "loader":
                loader_alone(folder, given.rows or 200_000, given.repeat)
            case "jsonl":
                into_files(folder, given.rows or 40_000, given.repeat, given.target)
            case _:
                parser.error("measure what?")


if __name__ == "__main__":
    main()
