"""BATCH messages hold what RECORD messages would, and in time."""

from __future__ import annotations

import gzip
import json
import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING, Any
from unittest import mock
from urllib.parse import urlsplit

import pytest
import s3fs
from impact_sandbox.faults import status

from tap_impact.singer import batch_files
from tests.conftest import Warehouse
from tests.inside import run_inside
from tests.runs import Run, catalog

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from impact_sandbox.server import Sandbox

    from tests.conftest import SandboxFactory

STREAMS = ("account", "action_updates", "actions", "campaigns", "clicks", "daily_clicks")
ROWS_OF_A_FILE = 70
FEATURES: dict[str, dict[str, Any]] = {
    "plain": {"emit_activate_version_messages": True},
    "stream maps": {
        "stream_maps": {
            "actions": {
                "__filter__": "record['state'] != 'REVERSED'",
                "sub_id1": "sub_id1 or 'none'",
                "promo_code": None,
            },
            "campaigns": {"__alias__": "programs"},
        },
        "flattening_enabled": True,
        "flattening_max_depth": 2,
    },
}


def run(
    impact: Sandbox,
    folder: Path | str | None = None,
    compression: str = "gzip",
    only: Sequence[str] = STREAMS,
    state: dict[str, Any] | None = None,
    **settings: Any,
) -> Run:
    """A run without the property `amount`; by BATCH if there is a folder, or URL, for the files."""
    assert impact.at is not None
    config: dict[str, Any] = impact.settings() | {
        "start_date": "2026-05-01",
        "end_date": impact.at.isoformat(),
        "click_start_date": "2026-06-26",
    }
    if folder:
        config["batch_config"] = {
            "encoding": {"format": "jsonl", "compression": compression},
            "storage": {
                "root": folder.as_uri() if isinstance(folder, Path) else folder,
                "prefix": "run-",
            },
            "batch_size": ROWS_OF_A_FILE,
        }
    found = catalog(*only)
    for stream in found["streams"]:
        for entry in stream["metadata"]:
            if entry["breadcrumb"] == ["properties", "amount"]:
                entry["metadata"]["selected"] = False
    return run_inside(config | settings, catalog=found, state=state)


def unpacked(done: Run) -> Iterator[dict[str, Any]]:
    """The messages, with RECORDs in the place of each BATCH."""
    for message in done.messages:
        if message["type"] != "BATCH":
            # runs differ in these
            times = {"time_extracted", "version"}
            yield {name: message[name] for name in message if name not in times}
            continue
        for url in message["manifest"]:
            content = Path(urlsplit(url).path).read_bytes()
            if message["encoding"]["compression"] == "gzip":
                content = gzip.decompress(content)
            assert 1 <= content.count(b"\n") <= ROWS_OF_A_FILE
            for line in content.splitlines():
                record = json.loads(line, parse_float=Decimal)
                assert datetime.fromisoformat(record.pop("_sdc_extracted_at")).tzinfo
                assert record.pop("_sdc_table_version") == message.get("version")
                yield {"type": "RECORD", "stream": message["stream"], "record": record}


@pytest.mark.parametrize(
    ("features", "compression"),
    [*zip(FEATURES.values(), ("gzip", "none"), strict=True)],
    ids=FEATURES,
)
def test_files_hold_what_would_be_records_each_before_the_state_that_covers_it(
    sandbox: SandboxFactory, tmp_path: Path, features: dict[str, Any], compression: str
) -> None:
    impact = sandbox(actions_per_day=4, job_life=["COMPLETED"])
    batches = run(impact, tmp_path, compression, **features)
    assert batches.exit_code == 0, batches.stderr
    assert not any(message["type"] == "RECORD" for message in batches.messages)
    records = run(sandbox(actions_per_day=4, job_life=["COMPLETED"]), **features)
    of_files, of_records = [*unpacked(batches)], [*unpacked(records)]
    for stream in {message["stream"] for message in records.messages if "stream" in message}:
        assert of(of_files, stream) == of(of_records, stream)
        assert any("record" in message for message in of(of_records, stream)), stream
    manifests = [url for message in batches.messages for url in message.get("manifest", ())]
    assert {Path(urlsplit(url).path) for url in manifests} == {*tmp_path.iterdir()}


def of(messages: Iterable[dict[str, Any]], stream: str) -> list[dict[str, Any]]:
    """The messages of a stream, and every STATE between them."""
    return [each for each in messages if each["type"] == "STATE" or each["stream"] == stream]


def test_a_run_that_fails_leaves_no_file_that_no_message_names(
    sandbox: SandboxFactory, tmp_path: Path
) -> None:
    impact = sandbox(actions_per_day=5, faults=[status(403).at("Actions", after=2, times=99)])
    done = run(impact, tmp_path, start_date="2026-01-01")
    assert done.exit_code == 1
    manifests = [url for message in done.messages for url in message.get("manifest", ())]
    assert {Path(urlsplit(url).path) for url in manifests} == {*tmp_path.iterdir()}
    assert manifests


def test_a_run_that_ends_early_closes_the_files_that_it_began(
    sandbox: SandboxFactory, tmp_path: Path
) -> None:
    impact = sandbox(actions_per_day=100, faults=[status(401).at("Actions", after=1)])
    files: list[IO[bytes]] = []

    def begin() -> IO[bytes]:
        files.append(TemporaryFile())  # noqa: SIM115 - the tap closes it
        return files[-1]

    with mock.patch.object(batch_files, "TemporaryFile", begin):
        done = run(impact, tmp_path, only=["actions"], page_size=2000)
    assert done.exit_code == 1
    assert {file.closed for file in files} == {True}


@pytest.mark.parametrize("stream", ["action_items", "actions"])
def test_rows_of_a_file_that_cannot_be_written_are_loaded_by_the_next_run(
    sandbox: SandboxFactory, tmp_path: Path, stream: str
) -> None:
    impact = sandbox(opened=date(2026, 6, 29), actions_per_day=25)
    some: dict[str, Any] = {"only": [stream], "start_date": "2026-06-28"}
    expected = run(impact, **some).records(stream)
    no_folder = tmp_path / "file"
    no_folder.touch()
    failed = run(impact, no_folder, **some)
    assert failed.exit_code == 1
    assert "A batch file cannot be written where batch_config.storage says" in failed.stderr
    assert {message["type"] for message in failed.messages} <= {"SCHEMA", "STATE"}
    files = tmp_path / "files"
    after = run(impact, files, state=failed.states[-1] if failed.states else None, **some)
    rows = [each["record"] for each in of(unpacked(after), stream) if "record" in each]
    assert len(rows) == len(expected) >= 20


@pytest.mark.slow
@pytest.mark.parametrize("features", FEATURES.values(), ids=FEATURES)
def test_both_ways_load_the_same_tables(
    sandbox: SandboxFactory, warehouse: Warehouse, tmp_path: Path, features: dict[str, Any]
) -> None:
    load_both_ways(sandbox, warehouse, tmp_path, features)


@pytest.mark.slow
def test_files_may_be_in_an_object_store(
    sandbox: SandboxFactory, warehouse: Warehouse, object_store: str
) -> None:
    store = s3fs.S3FileSystem(skip_instance_cache=True)
    old = f"lake/impact/{file_name(timedelta(days=2))}"
    store.pipe_file(old, b"{}")
    load_both_ways(sandbox, warehouse, object_store, FEATURES["plain"])
    files = store.ls("lake/impact", detail=False)
    assert len(files) > len(STREAMS)
    assert old not in files


def load_both_ways(
    sandbox: SandboxFactory,
    warehouse: Warehouse,
    files: Path | str,
    features: dict[str, Any],
) -> None:
    """Load by RECORD and by BATCH, and compare every cell."""
    by_batch = Warehouse(warehouse.port, f"{warehouse.schema}_batch"[-60:])
    warehouse.load(run(sandbox(actions_per_day=20, job_life=["COMPLETED"]), **features).stdout)
    by_batch.load(
        run(sandbox(actions_per_day=20, job_life=["COMPLETED"]), files, **features).stdout
    )
    tables = columns(warehouse)
    assert tables == columns(by_batch)
    mapped = "stream_maps" in features
    assert {*tables} == ({*STREAMS, "programs"} - {"campaigns"} if mapped else {*STREAMS})
    for table, names in tables.items():
        # two runs differ in these, and with BATCH only the tap's are known
        times = {name for name in names if name.startswith("_sdc_")} - {"_sdc_deleted_at"}
        kept = ", ".join(f'"{name}"' for name in names if name not in times)
        kept += ", _sdc_extracted_at IS NULL, _sdc_table_version IS NULL"
        query = f'SELECT {kept} FROM "{table}" ORDER BY {kept}'  # noqa: S608
        assert warehouse.query(query) == by_batch.query(query)
        assert warehouse.query(query)
    assert "amount" not in tables["actions"]
    by_batch.connection.close()


def columns(warehouse: Warehouse) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for table, column, _ in warehouse.query(
        "SELECT table_name, column_name, data_type FROM information_schema.columns "
        "WHERE table_schema = current_schema() ORDER BY 1, 2, 3"
    ):
        found.setdefault(table, []).append(column)
    return found


def test_what_cannot_be_written_is_said_before_any_request(sandbox: SandboxFactory) -> None:
    impact = sandbox()
    wrong = {
        "encoding": {"format": "parquet", "level": 9},
        "storage": {"prefix": "x", "bucket": "lake", "params": "key"},
        "size": 10,
    }
    done = run(impact, batch_config=wrong)
    assert done.exit_code == 1
    assert "batch_config.encoding.format is not jsonl" in done.stderr
    assert "batch_config.storage.root is missing" in done.stderr
    assert "batch_config.storage.params is not an object" in done.stderr
    for name in ("size", "encoding.level", "storage.bucket"):
        assert f"batch_config.{name} is no setting" in done.stderr
    assert not impact.requests


def file_name(age: timedelta, prefix: str = "run-", ending: str = ".jsonl.gz") -> str:
    """How the tap named a batch file that long ago."""
    stamp = f"{datetime.now(UTC) - age:%Y%m%dT%H%M%SZ}"
    return f"{prefix}tap-impact--actions--{stamp}-{'0' * 32}{ending}"


def test_files_are_deleted_when_they_are_a_day_old(sandbox: SandboxFactory, tmp_path: Path) -> None:
    day = timedelta(days=1, minutes=1)
    old = {
        file_name(day),
        file_name(day, ending=".jsonl"),
        file_name(day) + ".part",
        file_name(30 * day),
    }
    kept = {
        file_name(timedelta(hours=23)),
        file_name(day, prefix=""),
        file_name(day, prefix="another-run-"),
        file_name(day) + ".copy",
        "run-report.jsonl.gz",
    }
    for name in old | kept:
        (tmp_path / name).touch()
    done = run(sandbox(), tmp_path)
    assert done.exit_code == 0
    assert "Deleted 4 batch files that are over a day old." in done.stderr
    names = {path.name for path in tmp_path.iterdir()}
    assert not names & old
    assert names > kept
    assert len(re.findall("Deleted", done.stderr)) == 1
