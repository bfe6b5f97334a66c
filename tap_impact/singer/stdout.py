"""Standard output: no line is cut, whatever signal comes."""

from __future__ import annotations

import errno
import io
import os
import select
import stat
import struct
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from singer_sdk.contrib.msgspec import MsgSpecWriter
from singer_sdk.exceptions import FatalSyncError
from typing_extensions import override

if sys.platform == "linux":
    import fcntl
    import termios

if TYPE_CHECKING:
    from collections.abc import Iterator

    from singer_sdk.singerlib import Message

    from tap_impact.singer.signals import SignalHandler

# After a signal, a reader that takes nothing for so long is stuck: its line is given up.
STUCK_SECONDS = 5.0
POLL_SECONDS = 0.5

REASONS = {
    errno.EBADF: "standard output is closed",
    errno.EPIPE: "the target has exited; see its log",
}


class OutputError(FatalSyncError):
    """Nobody takes the messages any more."""


class Output(MsgSpecWriter):
    """Writes messages to standard output; a signal cannot cut a line in two.

    What fails once stays so: a message after a line that was cut could not be read, and a STATE
    after rows that were lost would not be true.
    """

    def __init__(self, signal_handler: SignalHandler) -> None:
        """Write until a signal asks for the end."""
        self._signal_handler = signal_handler
        self._failure: BaseException | None = None

    @override
    def write_message(self, message: Message) -> None:
        self.write(self.format_message(message))

    def write(self, lines: bytes | bytearray) -> None:
        """Write whole lines without buffering; after a signal, only the rest of the current line.

        Raises:
            OutputError: The reader is gone, or the disk is full.
            Interrupted: A signal requested the end.
        """
        with self._failing_for_good():
            try:
                with self._signal_handler.defer_signals():
                    self._write(lines)
            except OSError as error:
                reason = REASONS.get(error.errno or 0, error.strerror)
                raise OutputError(
                    f"The messages cannot be written: {reason}. State is safe: run again."
                ) from None

    @contextmanager
    def _failing_for_good(self) -> Iterator[None]:
        """Write something. Once it failed or was interrupted, this raises the same error again."""
        if self._failure:
            raise self._failure
        try:
            yield
        except BaseException as error:
            self._failure = error
            raise

    def _write(self, lines: bytes | bytearray) -> None:
        descriptor = stdout_descriptor()
        if descriptor is None:
            sys.stdout.buffer.write(lines)
            sys.stdout.buffer.flush()
            return
        written = 0
        with memoryview(lines) as view:
            while (end := self._end(lines, written)) > written:
                if not self._wait_for_reader(descriptor):
                    return
                try:
                    chunk = view[written : min(end, written + room(descriptor))]
                    written += os.write(descriptor, chunk)
                except BlockingIOError:  # another process filled the pipe first
                    continue

    def _end(self, lines: bytes | bytearray, written: int) -> int:
        """How far to write: after a signal, to the end of the line that was begun."""
        if not self._signal_handler.end_requested:
            return len(lines)
        return lines.find(b"\n", written - 1) + 1 if written else 0

    def _wait_for_reader(self, descriptor: int) -> bool:
        """Wait for free space; False if the reader is stuck and a signal requested the end.

        A write that blocks could not be given up: Python goes on with it after a signal.
        """
        if sys.platform == "win32":
            return True
        poll = select.poll()
        poll.register(descriptor, select.POLLOUT)
        stuck = 0.0
        while not poll.poll(POLL_SECONDS * 1000):
            stuck = stuck + POLL_SECONDS if self._signal_handler.end_requested else 0.0
            if stuck >= STUCK_SECONDS:
                return False
        return True


def stdout_descriptor() -> int | None:
    """The file descriptor of standard output; None if Python collects the output in memory.

    Raises:
        OSError: Standard output is closed.
    """
    if sys.stdout is None or sys.stdout.closed:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))
    try:
        return sys.stdout.fileno()
    except io.UnsupportedOperation:
        return None


def room(descriptor: int) -> int:
    """How many bytes can be written at once to a descriptor that is ready, and not block.

    That is PIPE_BUF for a pipe (`poll(2)`, and Python's `select.PIPE_BUF`). Linux tells when a pipe
    is empty, and one large write then costs a fifth of many small ones.
    """
    if sys.platform == "win32":
        return sys.maxsize
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISREG(mode):
        return sys.maxsize
    if sys.platform == "linux" and stat.S_ISFIFO(mode):
        (unread,) = struct.unpack("i", fcntl.ioctl(descriptor, termios.FIONREAD, bytes(4)))
        if not unread:
            return fcntl.fcntl(descriptor, fcntl.F_GETPIPE_SZ)
    return select.PIPE_BUF
