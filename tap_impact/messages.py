"""Singer messages on their way out: RECORDs gathered, or put into the files of BATCH messages.

One rule holds whatever breaks: a message that is no RECORD leaves after every row that was written
before it, so a STATE never covers a row that is not out.
"""

from __future__ import annotations

import gzip
import shutil
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING, NamedTuple
from uuid import uuid4

from singer_sdk.helpers._batch import SDKBatchMessage
from singer_sdk.singerlib.messages import RecordMessage
from typing_extensions import override

from tap_impact.encoding import to_json
from tap_impact.output import Output

if TYPE_CHECKING:
    from datetime import datetime

    from singer_sdk.helpers._batch import BatchConfig
    from singer_sdk.singerlib import Message

    from tap_impact.interruption import Interruption

# A write and a flush for each row would cost as much as making it.
MOST_GATHERED_BYTES = 64 * 1024

# Higher levels cost the tap more than they save the loader.
GZIP_LEVEL = 1


class Table(NamedTuple):
    """Where rows belong: a stream, and its version if it is read anew as a whole."""

    stream: str
    version: int | None = None


class MessageWriter(Output):
    """Writes messages to standard output, and rows to batch files if it is told to.

    Attributes:
        batch_config: how to write batch files; None to write RECORD messages.
    """

    batch_config: BatchConfig | None = None

    def __init__(self, interruption: Interruption) -> None:
        """Nothing is gathered yet."""
        super().__init__(interruption)
        self._gathered = bytearray()
        self._batches: dict[Table, BatchFile] = {}

    @override
    def write_message(self, message: Message) -> None:
        if isinstance(message, RecordMessage):
            table = Table(message.stream, message.version)
            line = to_json(message.record) + b"\n"
            self.write_records(table, line, extracted=message.time_extracted)
        else:
            self.let_out()
            super().write_message(message)

    def write_records(self, table: Table, records: bytes, *, extracted: datetime | None) -> None:
        """Write the JSON of records, a line each; other messages may overtake them until `let_out`."""
        if self.batch_config:
            self._write_batches(table, records, self.batch_config)
            return
        # the order of RecordMessage.to_dict
        before = b'{"type":"RECORD","stream":' + to_json(table.stream) + b',"record":'
        after = b"" if table.version is None else b',"version":' + to_json(table.version)
        if extracted:
            after += b',"time_extracted":' + to_json(extracted)
        after += b"}\n"
        # JSON has no line feed inside, so that each one ends a record.
        self._gathered += before
        self._gathered += records.replace(b"\n", after + before)
        del self._gathered[-len(before) :]
        if len(self._gathered) > MOST_GATHERED_BYTES:
            self.let_out()

    def let_out(self) -> None:
        """Let go of all rows written so far: to standard output, or in whole batch files."""
        while self._batches:
            self._finish_batch(next(iter(self._batches)))
        gathered, self._gathered = self._gathered, bytearray()
        if gathered:
            self.write(gathered)

    def _write_batches(self, table: Table, records: bytes, config: BatchConfig) -> None:
        while records:
            if table not in self._batches:
                self._batches[table] = BatchFile(config)
            batch = self._batches[table]
            records = batch.write(records)
            if batch.is_full:
                self._finish_batch(table)

    def _finish_batch(self, table: Table) -> None:
        batch = self._batches.pop(table)
        message = SDKBatchMessage(
            stream=table.stream,
            encoding=batch.config.encoding,
            manifest=[batch.store(table.stream)],
            version=table.version,
        )
        super().write_message(message)


class BatchFile:
    """Rows on their way into a batch file, which is at its place when it is whole or not at all."""

    def __init__(self, config: BatchConfig) -> None:
        """Begin a file that vanishes with the process."""
        self.config = config
        self._rows = 0
        self._file: IO[bytes] = TemporaryFile()  # noqa: SIM115
        self._is_gzip = config.encoding.compression == "gzip"
        self._lines: IO[bytes] | gzip.GzipFile = self._file
        if self._is_gzip:
            self._lines = gzip.GzipFile(
                fileobj=self._file, mode="wb", compresslevel=GZIP_LEVEL, mtime=0
            )

    def write(self, records: bytes) -> bytes:
        """Add the JSON of records, a line each; returns those that there was no room for."""
        *added, left = records.split(b"\n", self.config.batch_size - self._rows)
        self._lines.write(records.removesuffix(left))
        self._rows += len(added)
        return left

    @property
    def is_full(self) -> bool:
        """Whether there is room for no more."""
        return self._rows == self.config.batch_size

    def store(self, stream: str) -> str:
        """Put the file where the loader finds it, and return its URL."""
        if self._is_gzip:
            self._lines.close()
        storage = self.config.storage
        ending = ".jsonl.gz" if self._is_gzip else ".jsonl"
        name = f"{storage.prefix or ''}tap-impact--{stream}-{uuid4()}{ending}"
        self._file.seek(0)
        with self._file, storage.open(name, "wb") as place:
            shutil.copyfileobj(self._file, place)
        return storage.get_url(name)
