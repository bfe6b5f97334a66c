"""Writes Singer messages: RECORDs are buffered, or go to the files of BATCH messages.

Whatever impact.com repeats, the auth token leaves in no record.

Every other message flushes the rows before it, and none is written once rows were lost. So a STATE
never covers a row that was not written.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from singer_sdk.singerlib import RecordMessage
from typing_extensions import override

from tap_impact.records.columns import to_json
from tap_impact.singer.batch_files import Table
from tap_impact.singer.stdout import Output

if TYPE_CHECKING:
    from singer_sdk.singerlib import Message

    from tap_impact.singer.batch_files import BatchFiles
    from tap_impact.singer.signals import SignalHandler

# A write and a flush for each row would cost as much as making it.
MAX_BUFFERED_BYTES = 64 * 1024

REDACTED = b"(the token)"


class MessageWriter(Output):
    """Writes messages to standard output, and rows to batch files if it is told to.

    Attributes:
        batch_files: where rows go; None to write RECORD messages.
    """

    batch_files: BatchFiles | None = None

    def __init__(self, signal_handler: SignalHandler) -> None:
        """Begin with an empty buffer."""
        super().__init__(signal_handler)
        self._buffer = bytearray()
        self._secret = b""

    def redact(self, secret: str) -> None:
        """Redact a secret in every record."""
        self._secret = to_json(secret)[1:-1]

    @override
    def write_message(self, message: Message) -> None:
        if isinstance(message, RecordMessage):
            table = Table(message.stream, message.version)
            extracted = message.time_extracted or datetime.now(UTC)
            self.write_encoded(table, to_json(message.record) + b"\n", extracted)
        else:
            self.flush()
            super().write_message(message)

    def write_encoded(self, table: Table, records: bytes, extracted: datetime) -> None:
        """Write the JSON of records, a line each; they may be buffered until `flush`.

        Raises:
            FatalSyncError: They cannot be written.
        """
        if self._secret and self._secret in records:
            records = records.replace(self._secret, REDACTED)
        if self.batch_files:
            with self._failing_for_good():
                for message in self.batch_files.add(table, records, extracted):
                    super().write_message(message)
            return
        # the order of RecordMessage.to_dict
        before = b'{"type":"RECORD","stream":' + to_json(table.stream) + b',"record":'
        after = b"" if table.version is None else b',"version":' + to_json(table.version)
        after += b',"time_extracted":' + to_json(extracted) + b"}\n"
        # JSON has no line feed inside, so that each one ends a record.
        self._buffer += before
        self._buffer += records.replace(b"\n", after + before)
        del self._buffer[-len(before) :]
        if len(self._buffer) > MAX_BUFFERED_BYTES:
            self.flush()

    def flush(self) -> None:
        """Write all buffered rows: to standard output, or to batch files.

        Raises:
            FatalSyncError: They cannot be written.
        """
        with self._failing_for_good():
            for message in self.batch_files.finish() if self.batch_files else ():
                super().write_message(message)
            rows, self._buffer = self._buffer, bytearray()
            if rows:
                self.write(rows)

    def close(self) -> None:
        """Drop the rows of a run that ended early which are in no batch file yet."""
        if self.batch_files:
            self.batch_files.drop()
