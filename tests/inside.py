"""Running the tap inside the test's process: waits are pretended, and a run takes a moment."""

from __future__ import annotations

import io
import json
import logging
import signal
from contextlib import redirect_stderr, redirect_stdout
from typing import TYPE_CHECKING, Any
from unittest import mock

from singer_sdk.logging import ConsoleFormatter

from tap_impact.singer.sdk_internals import ConfigInput
from tap_impact.singer.signals import SignalHandler
from tap_impact.tap import TapImpact
from tests.runs import Run

if TYPE_CHECKING:
    from collections.abc import Callable

SIGNALS = (signal.SIGINT, signal.SIGTERM)


def run_inside(
    config: dict[str, Any],
    *,
    state: dict[str, Any] | None = None,
    catalog: dict[str, Any] | None = None,
    sleep: Callable[[float], object] = lambda _: None,
    log_level: int = logging.INFO,
) -> Run:
    """Do what the command does with its files; `sleep` is told how long it would wait."""
    with mock.patch.object(SignalHandler, "sleep", lambda _, seconds: sleep(seconds)):
        return captured(
            lambda: TapImpact.invoke(
                config=ConfigInput(dict(config)),
                state=text(state),
                catalog=text(catalog),
            ),
            log_level,
        )


def command_inside(*arguments: str) -> Run:
    """Do what the command does with its arguments, which sets up its log itself."""
    return captured(lambda: TapImpact.cli.main(arguments, "tap-impact"))


def captured(run: Callable[[], object], log_level: int | None = None) -> Run:
    """What a run prints, logs and exits with; it leaves the process as it was."""
    written = io.BytesIO()
    stdout = io.TextIOWrapper(written, write_through=True)
    stderr = io.StringIO()
    root = logging.getLogger()
    handlers_of_log = [*root.handlers]
    levels = {name: logging.getLogger(name).level for name in ("root", "urllib3")}
    handlers = {signum: signal.getsignal(signum) for signum in SIGNALS}
    exit_code = 0
    if log_level is not None:
        log = logging.StreamHandler(stderr)
        log.setFormatter(ConsoleFormatter())
        root.handlers[:] = [log]  # pytest's would write each line two times more
        root.setLevel(log_level)
    try:
        with redirect_stdout(stdout), redirect_stderr(stderr):
            run()
    except SystemExit as end:
        exit_code = int(end.code or 0)
    finally:
        root.handlers[:] = handlers_of_log
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
        for signum, handler in handlers.items():
            signal.signal(signum, handler)
    return Run(written.getvalue().decode(), stderr.getvalue(), exit_code)


def text(content: dict[str, Any] | None) -> io.StringIO | None:
    return None if content is None else io.StringIO(json.dumps(content))
