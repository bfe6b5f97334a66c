"""Batch files: rows for loaders that take whole files, on a disk or in an object store.

They hold what RECORD messages would; the SDK's own pass by selection, types and stream maps.
"""

from __future__ import annotations

import gzip
import re
import shutil
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING, NamedTuple
from uuid import uuid4

from fsspec import AbstractFileSystem
from fsspec.core import url_to_fs
from singer_sdk.exceptions import FatalSyncError

from tap_impact.records.columns import to_json
from tap_impact.singer.sdk_internals import SDKBatchMessage

if TYPE_CHECKING:
    import logging
    from collections.abc import Iterator

    from tap_impact.singer.sdk_internals import BatchConfig

# Higher levels cost the tap more than they save the loader.
GZIP_LEVEL = 1

# Long enough for every loader to have read a file; none says when it has.
RETENTION = timedelta(days=1)

PART = ".part"
NAME = re.compile(r"tap-impact--.+--(\d{8}T\d{6}Z)-[0-9a-f]{32}\.jsonl(?:\.gz)?(?:\.part)?")


class Table(NamedTuple):
    """Where rows belong: a stream, and its version if the whole of it is read again."""

    stream: str
    version: int | None = None


class BatchFiles:
    """The batch files of a run.

    Each is where the loader finds it when it is whole, or not at all. Those of earlier runs are
    deleted when they are a day old.
    """

    def __init__(self, config: BatchConfig, logger: logging.Logger) -> None:
        """Write and delete nothing before the first row."""
        self._config = config
        self._logger = logger
        self._growing: dict[Table, GrowingFile] = {}
        self._deleted_old = False

    def add(self, table: Table, records: bytes, extracted: datetime) -> Iterator[SDKBatchMessage]:
        """Add the JSON of records, a line each; yields the messages of the files that are full.

        Raises:
            FatalSyncError: A file cannot be written.
        """
        # What a loader takes from RECORD messages it does not know of rows in files.
        metadata = to_json({"_sdc_extracted_at": extracted, "_sdc_table_version": table.version})
        # JSON has no line feed inside, so that each ends a record; none is empty: it has its key.
        records = records.replace(b"}\n", b"," + metadata[1:] + b"\n")
        while records:
            if table not in self._growing:
                self._growing[table] = GrowingFile(self._config)
            records = self._growing[table].add(records)
            if self._growing[table].is_full:
                yield self._finish(table)

    def finish(self) -> Iterator[SDKBatchMessage]:
        """Store the rows of all files that are not full; yields the messages of those files."""
        while self._growing:
            yield self._finish(next(iter(self._growing)))

    def drop(self) -> None:
        """Forget the rows of all files that are not full: no state covers them."""
        while self._growing:
            self._growing.popitem()[1].close()

    def _finish(self, table: Table) -> SDKBatchMessage:
        if not self._deleted_old:
            self._deleted_old = True
            self._delete_old()
        try:
            url = self._growing.pop(table).store(table.stream)
        except Exception as error:  # noqa: BLE001 - every file system has errors of its own
            raise FatalSyncError(
                f"A batch file cannot be written where batch_config.storage says: {error}. "
                "State is safe: run again."
            ) from None
        return SDKBatchMessage(
            stream=table.stream,
            encoding=self._config.encoding,
            manifest=[url],
            version=table.version,
        )

    def _delete_old(self) -> None:
        storage = self._config.storage
        try:
            files, root = url_to_fs(storage.root, **storage.params)
            folder, _, start = f"{root}/{storage.prefix or ''}".rpartition("/")
            old = [path for path in files.ls(folder, detail=False) if is_old(path, start)]
            if old:
                files.rm(old)
                self._logger.info("Deleted %d batch files that are over a day old.", len(old))
        except FileNotFoundError:
            return  # nobody has written there before
        except Exception as error:  # noqa: BLE001 - every file system has errors of its own
            self._logger.warning("Old batch files could not be deleted: %s.", error)


class GrowingFile:
    """A batch file that is not full yet."""

    def __init__(self, config: BatchConfig) -> None:
        """Begin a temporary file that has no name, so that it ends with the process."""
        self._config = config
        self._rows = 0
        self._file: IO[bytes] = TemporaryFile()  # noqa: SIM115
        self._is_gzip = config.encoding.compression == "gzip"
        self._lines: IO[bytes] | gzip.GzipFile = self._file
        if self._is_gzip:
            self._lines = gzip.GzipFile(
                fileobj=self._file, mode="wb", compresslevel=GZIP_LEVEL, mtime=0
            )

    def add(self, records: bytes) -> bytes:
        """Add the JSON of records, a line each; returns those that did not fit."""
        *added, left = records.split(b"\n", self._config.batch_size - self._rows)
        self._lines.write(records.removesuffix(left))
        self._rows += len(added)
        return left

    @property
    def is_full(self) -> bool:
        """Whether the file is full."""
        return self._rows == self._config.batch_size

    def store(self, stream: str) -> str:
        """Copy the file to where the loader finds it, and return its URL."""
        storage = self._config.storage
        ending = ".jsonl.gz" if self._is_gzip else ".jsonl"
        unique = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{uuid4().hex}"
        name = f"{storage.prefix or ''}tap-impact--{stream}--{unique}{ending}"
        with self._file:
            if self._is_gzip:
                self._lines.close()
            files, root = url_to_fs(storage.root, **storage.params)
            self._file.seek(0)
            write_whole(files, f"{root}/{name}", self._file)
        return storage.get_url(name)

    def close(self) -> None:
        """Leave nothing of the file."""
        with self._file, suppress(OSError):  # gzip writes its end, and the disk may be full
            self._lines.close()


def write_whole(files: AbstractFileSystem, path: str, content: IO[bytes]) -> None:
    """Write a file that appears at its path when it is complete, or not at all.

    An object store shows no object before that. Where files can be renamed, it has another name
    until then, in the same folder.
    """
    can_rename = type(files).mv is not AbstractFileSystem.mv  # that one copies
    growing = path + PART if can_rename else path
    files.makedirs(path.rpartition("/")[0], exist_ok=True)
    try:
        with files.open(growing, "wb") as place:
            shutil.copyfileobj(content, place)
        if can_rename:
            files.mv(growing, path)
    except BaseException:
        with suppress(Exception):
            files.rm_file(growing)
        raise


def is_old(path: str, prefix: str) -> bool:
    """Whether a path is that of a batch file which no loader has a use for any more."""
    name = path.rpartition("/")[2]
    match = NAME.fullmatch(name.removeprefix(prefix)) if name.startswith(prefix) else None
    return match is not None and datetime.fromisoformat(match[1]) < datetime.now(UTC) - RETENTION
