"""Messages leave whole, in order, and none of them says more than what is out."""

from __future__ import annotations

import errno
import gzip
import io
import json
import logging
import os
import select
import subprocess
import sys
from contextlib import contextmanager, redirect_stdout, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest
from fsspec.implementations.local import LocalFileOpener
from fsspec.implementations.memory import MemoryFile, MemoryFileSystem
from hypothesis import given
from hypothesis import strategies as st
from impact_sandbox.faults import ALWAYS, status
from singer_sdk.exceptions import FatalSyncError
from singer_sdk.singerlib import RecordMessage, StateMessage

from tap_impact.singer import batch_files
from tap_impact.singer.batch_files import BatchFiles, Table
from tap_impact.singer.message_writer import MAX_BUFFERED_BYTES, MessageWriter
from tap_impact.singer.sdk_internals import BatchConfig
from tap_impact.singer.signals import SignalHandler
from tap_impact.singer.stdout import Output, room
from tests.inside import run_inside
from tests.runs import catalog

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import SandboxFactory

NOW = datetime(2026, 6, 30, 6, 10, tzinfo=UTC)
ROWS_OF_A_FILE = 3


@contextmanager
def written() -> Iterator[list[dict[str, Any]]]:
    """The messages that were written inside, afterwards."""
    stdout = io.TextIOWrapper(io.BytesIO(), write_through=True)
    messages: list[dict[str, Any]] = []
    with redirect_stdout(stdout):
        yield messages
    stdout.seek(0)
    messages += map(json.loads, stdout)


def writer_of_files(root: str, compression: str = "none") -> MessageWriter:
    writer = MessageWriter(SignalHandler())
    config = {
        "encoding": {"format": "jsonl", "compression": compression},
        "storage": {"root": root},
        "batch_size": ROWS_OF_A_FILE,
    }
    writer.batch_files = BatchFiles(BatchConfig.from_dict(config), logging.getLogger("test"))
    return writer


# -- in memory -----------------------------------------------------------------------------------


class Failing:
    """Files in memory and standard output that fail at some of the writes, the files midway."""

    def __init__(self, failing: set[int]) -> None:
        self.failing = failing
        self.writes = 0

    def fails(self) -> bool:
        self.writes += 1
        return self.writes in self.failing

    @contextmanager
    def play(self, *, in_files: bool) -> Iterator[None]:
        write, write_lines = MemoryFile.write, Output._write  # noqa: SLF001

        def write_to_file(file: MemoryFile, content: bytes) -> None:
            if self.fails():
                write(file, content[: len(content) // 2])
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            write(file, content)

        def write_to_stdout(output: Output, lines: bytes) -> None:
            if not in_files and self.fails():
                raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))
            write_lines(output, lines)

        MemoryFileSystem.store.clear()
        with (
            mock.patch.object(MemoryFile, "write", write_to_file),
            mock.patch.object(Output, "_write", write_to_stdout),
            mock.patch.object(batch_files, "TemporaryFile", io.BytesIO),
        ):
            yield


def rows_in(message: dict[str, Any]) -> Iterator[int]:
    if message["type"] == "RECORD":
        yield message["record"]["id"]
    for url in message.get("manifest", ()):
        yield from (json.loads(line)["id"] for line in MemoryFileSystem().cat(url).splitlines())


ROWS = st.tuples(st.sampled_from(["actions", "clicks"]), st.integers(1, 8))
STEPS = st.lists(ROWS | st.none(), max_size=20)


@given(STEPS, st.booleans(), st.sets(st.integers(1, 12)))
def test_a_state_follows_all_rows_before_it_whatever_fails(
    steps: list[tuple[str, int] | None],
    in_files: bool,  # noqa: FBT001
    failing: set[int],
) -> None:
    """Rows are numbered, a None is a STATE that covers those before it; whoever calls goes on."""
    writer = writer_of_files("memory://files") if in_files else MessageWriter(SignalHandler())
    rows = 0
    with Failing(failing).play(in_files=in_files), written() as messages:
        for step in steps:
            with suppress(FatalSyncError):
                if step is None:
                    writer.write_message(StateMessage({"rows": rows}))
                else:
                    stream, count = step
                    lines = [b'{"id":%d}\n' % number for number in range(rows, rows + count)]
                    rows += count
                    writer.write_encoded(Table(stream), b"".join(lines), NOW)
    out: set[int] = set()
    for message in messages:
        out.update(rows_in(message))
        if message["type"] == "STATE":
            assert out == {*range(message["value"]["rows"])}
    batches = sum(message["type"] == "BATCH" for message in messages)
    assert len(MemoryFileSystem().find("/files")) == batches


def test_records_wait_for_each_other_but_not_for_ever() -> None:
    writer = MessageWriter(SignalHandler())
    record = {"id": "x" * 1000}
    with written() as few:
        writer.write_message(RecordMessage("actions", record, time_extracted=NOW))
    assert not few
    with written() as many:
        for _ in range(MAX_BUFFERED_BYTES // 1000):
            writer.write_message(RecordMessage("actions", record, time_extracted=NOW))
    assert [message["record"] for message in many] == [record] * len(many)
    assert many


# -- files ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("compression", ["gzip", "none"])
def test_a_disk_that_fills_up_leaves_no_part_of_a_file(tmp_path: Path, compression: str) -> None:
    seen: set[str] = set()

    def fill_up(file: LocalFileOpener, content: bytes) -> int:
        file.f.write(content[: len(content) // 2])
        file.f.flush()
        seen.update(path.name for path in tmp_path.iterdir())
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    writer = writer_of_files(tmp_path.as_uri(), compression)
    writer.write_encoded(Table("actions"), b'{"id":1}\n', NOW)
    with (
        mock.patch.object(LocalFileOpener, "write", fill_up),
        pytest.raises(FatalSyncError, match=r"cannot be written .* No space left on device"),
    ):
        writer.flush()
    assert [name.endswith(".part") for name in seen] == [True]
    assert not [*tmp_path.iterdir()]


def test_a_file_is_made_in_a_folder_that_is_not_there_yet(tmp_path: Path) -> None:
    writer = writer_of_files((tmp_path / "batch-files").as_uri(), "gzip")
    with written() as messages:
        writer.write_encoded(Table("actions", 7), b'{"id":1}\n{"id":2}\n', NOW)
        writer.flush()
    (file,) = (tmp_path / "batch-files").iterdir()
    assert [message["manifest"] for message in messages] == [[f"file://{file}"]]
    own = {"_sdc_extracted_at": "2026-06-30T06:10:00Z", "_sdc_table_version": 7}
    rows = [json.loads(line) for line in gzip.decompress(file.read_bytes()).splitlines()]
    assert rows == [{"id": 1, **own}, {"id": 2, **own}]


# -- standard output -----------------------------------------------------------------------------

# Writes lines as the tap does, after a line of Python that spoils something.
LINES = """
import os, sys
from singer_sdk.exceptions import FatalSyncError
from tap_impact.singer.signals import SignalHandler
from tap_impact.singer.stdout import Output, room

output = Output(SignalHandler())
{spoil}
try:
    output.write((b"x" * 300_000 + b"\\n") * 10)
except FatalSyncError as error:
    sys.exit(str(error))
"""
CLOSED = "The messages cannot be written: standard output is closed. State is safe: run again.\n"


@pytest.mark.parametrize(
    "spoil",
    ["sys.stdout.close()", "os.close(1)", "sys.stdout = None"],
    ids=["closed in Python", "closed", "never there"],
)
def test_a_closed_standard_output_is_one_message(spoil: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LINES.format(spoil=spoil)], capture_output=True, check=False
    )
    first, *others = done.stderr.decode().splitlines(keepends=True)
    assert (first, done.returncode) == (CLOSED, 1)
    assert not [line for line in others if "tap_impact" in line]


@pytest.mark.parametrize("blocking", [True, False])
def test_a_reader_that_is_slow_gets_all(blocking: bool) -> None:  # noqa: FBT001
    """With a pipe that does not block, a write fails where it would have to wait."""
    command = [sys.executable, "-c", LINES.format(spoil=f"os.set_blocking(1, {blocking})")]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout
        reading = process.stdout.fileno()
        lines = b"".join(iter(lambda: os.read(reading, 1000), b""))
    assert process.returncode == 0
    assert lines == (b"x" * 300_000 + b"\n") * 10


@given(st.lists(st.tuples(st.integers(0, 70_000), st.integers(0, 70_000)), max_size=20))
def test_a_write_of_what_there_is_room_for_never_blocks(traffic: list[tuple[int, int]]) -> None:
    reading, writing = os.pipe()
    try:
        os.set_blocking(writing, False)
        os.set_blocking(reading, False)
        for sent, taken in traffic:
            with suppress(BlockingIOError):
                os.write(writing, bytes(sent))
                os.read(reading, taken)
            if select.select((), (writing,), (), 0)[1]:
                free = room(writing)
                assert os.write(writing, bytes(free)) == free
    finally:
        os.close(reading)
        os.close(writing)


def test_a_pipe_that_another_filled_meanwhile_is_waited_for() -> None:
    """As where the log goes to the same pipe, and the pipe does not block."""
    reading, writing = os.pipe()
    outcomes = iter((BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN)), 3, 2))
    with (
        os.fdopen(reading, "rb"),
        os.fdopen(writing, "w") as stdout,
        redirect_stdout(stdout),
        mock.patch.object(os, "write", side_effect=outcomes) as write,
    ):
        Output(SignalHandler()).write(b"1234\n")
    assert [bytes(call.args[1]) for call in write.mock_calls] == [b"1234\n", b"1234\n", b"4\n"]


# -- the tap -------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [403, 500])
def test_no_version_is_activated_of_a_stream_that_was_not_read_whole(
    sandbox: SandboxFactory, code: int
) -> None:
    impact = sandbox(faults=[status(code).at("Campaigns", times=ALWAYS)])
    config = impact.settings() | {
        "start_date": "2026-06-20",
        "end_date": NOW.isoformat(),
        "emit_activate_version_messages": True,
        "stream_maps": {"account": {"__alias__": "partner"}},
    }
    done = run_inside(config, catalog=catalog("account", "campaigns"))
    kinds = [(message["type"], message.get("stream")) for message in done.messages]
    assert ("ACTIVATE_VERSION", "campaigns") not in kinds
    assert ("SCHEMA", "campaigns") in kinds
    rows = [place for place, kind in enumerate(kinds) if kind == ("RECORD", "partner")]
    assert kinds.index(("ACTIVATE_VERSION", "partner")) == rows[-1] + 1
