"""Signals end a run between two messages, with its state safe and exit code 128 plus the signal."""

from __future__ import annotations

import atexit
import os
import signal
import sys
from contextlib import contextmanager
from threading import Event
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class Interrupted(SystemExit):
    """A signal requested the end of the run. It passes all handlers of errors."""

    def __init__(self, signum: int) -> None:
        """Set the exit code that shells expect."""
        super().__init__(128 + signum)
        self.signal = signal.Signals(signum).name


class SignalHandler:
    """Ends the run on a signal, where that is safe."""

    def __init__(self) -> None:
        """Start without a request to end."""
        self._end_requested = Event()
        self._signum = 0
        self._deferred = False

    @property
    def end_requested(self) -> bool:
        """Whether a signal requested the end: what defers signals should finish soon."""
        return self._end_requested.is_set()

    def request_end(self, signum: int) -> None:
        """End the run: at once, or where `defer_signals` ends.

        One signal is often two: Meltano sends SIGINT and then SIGTERM on Ctrl-C. The second ends a
        process that hangs on its way out, but defers to `defer_signals` like the first.
        State is not written here: whatever is whole was already followed by its STATE message.
        """
        if self._signum:
            if not self._deferred:
                os._exit(128 + self._signum)
            return
        self._signum = signum
        self._end_requested.set()
        sys.unraisablehook = report_others
        atexit.register(ignore_signals)
        if not self._deferred:
            raise Interrupted(signum)

    @contextmanager
    def defer_signals(self) -> Iterator[None]:
        """Finish something before a signal ends the run; what may hang checks `end_requested`.

        Raises:
            Interrupted: A signal came meanwhile, or had come before.
        """
        deferred_around, self._deferred = self._deferred, True
        try:
            yield
        finally:
            self._deferred = deferred_around
        if not deferred_around:
            self.check()

    def check(self) -> None:
        """Raise if a signal requested the end: it may have come where nothing can be raised."""
        if self._end_requested.is_set():
            raise Interrupted(self._signum)

    def sleep(self, seconds: float) -> None:
        """Wait, in any thread, until a signal ends the run."""
        self._end_requested.wait(seconds)
        self.check()


def ignore_signals() -> None:
    """Keep the exit code: Python drops its handlers as it ends, and a signal would kill it."""
    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, signal.SIG_IGN)


def report_others(ignored: sys.UnraisableHookArgs) -> None:
    """Report an exception where none can be raised, as Python does, if it is not our own.

    What a signal unwinds may be closed on the way, and meet the end that has begun once more.
    """
    if not isinstance(ignored.exc_value, Interrupted):
        sys.__unraisablehook__(ignored)
