"""Standard output: whole lines, whatever happens meanwhile."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from singer_sdk.contrib.msgspec import MsgSpecWriter
from singer_sdk.exceptions import FatalSyncError
from typing_extensions import override

if TYPE_CHECKING:
    from singer_sdk.singerlib import Message

    from tap_impact.singer.signals import Interruption


class MessagesLost(FatalSyncError):
    """Nobody takes the messages any more."""


class Output(MsgSpecWriter):
    """Writes messages to standard output; a signal cannot cut a line in two."""

    def __init__(self, interruption: Interruption) -> None:
        """Write until a signal asks for the end."""
        self._interruption = interruption

    @override
    def write_message(self, message: Message) -> None:
        self.write(self.format_message(message))

    def write(self, lines: bytes | bytearray) -> None:
        """Write whole lines and hand them on at once.

        Raises:
            MessagesLost: The reader is gone, or the disk is full.
        """
        try:
            # A handler that raises inside a large write would lose the rest of it; unbuffered
            # (PYTHONUNBUFFERED), any signal makes a write to a pipe end early.
            with self._interruption.held(), memoryview(lines) as rest:
                written = 0
                while written < len(rest):
                    written += sys.stdout.buffer.write(rest[written:])
                sys.stdout.buffer.flush()
        except OSError as error:
            discard_output()
            why = (
                "what reads them has ended, its own log says why"
                if isinstance(error, BrokenPipeError)
                else error.strerror
            )
            raise MessagesLost(
                f"The messages cannot be written: {why}. State is safe: run again."
            ) from None


def discard_output() -> None:
    """Let the interpreter flush what is left to nowhere, else it fails at its very end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
