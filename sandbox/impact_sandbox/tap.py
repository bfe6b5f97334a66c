"""The command ``tap-impact-sandbox``: runs ``tap-impact`` against a sandbox of its own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import sysconfig
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import click

from impact_sandbox.options import LOG, SWITCHES, WithSwitches, account_options
from impact_sandbox.server import Sandbox
from impact_sandbox.world import World

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from impact_sandbox.switches import Switches

WITHOUT_IMPACT = {"--about", "--discover"}
FORWARDED = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
]


@click.command(cls=WithSwitches, context_settings={"ignore_unknown_options": True})
@account_options
@SWITCHES
@LOG
@click.version_option(package_name="impact-sandbox", prog_name="tap-impact-sandbox")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def main(
    arguments: tuple[str, ...],
    at: datetime | None,
    switches: Switches,
    log: Path | None,
    **world: Any,
) -> None:
    """Run tap-impact against a local impact.com.

    All other arguments are those of tap-impact (see tap-impact --help).
    """
    command = [find_tap(), *arguments]
    environment = dict(os.environ)
    with ExitStack() as stack:
        if WITHOUT_IMPACT.isdisjoint(arguments):
            try:
                written = stack.enter_context(log.open("a", encoding="utf-8")) if log else None
            except OSError as error:
                raise click.ClickException(str(error)) from None
            running = Sandbox(World(**world), at=at, switches=switches, log=written)
            stack.enter_context(running)
            command.append("--config=ENV")
            for name, value in running.settings().items():
                environment[f"TAP_IMPACT_{name.upper()}"] = value
        code = run(command, environment)
    sys.exit(code)


def find_tap() -> str:
    """Return the path of ``tap-impact``: beside this command, else on the PATH."""
    places = sysconfig.get_path("scripts"), os.environ.get("PATH", os.defpath)
    found = shutil.which("tap-impact", path=os.pathsep.join(places))
    if found is None:
        raise click.ClickException(
            "tap-impact is not installed. Install it: pip install tap-impact-partner"
        )
    return found


def run(command: list[str], environment: dict[str, str]) -> int:
    """Run a command to its end, and return its exit code.

    Signals are passed on. The command is in a process group of its own, so that Ctrl-C, which a
    terminal sends to a whole group, reaches it once.
    """
    child = subprocess.Popen(command, env=environment, process_group=0)  # noqa: S603

    def forward(number: int, _: object) -> None:
        child.send_signal(number)

    for number in FORWARDED:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, forward)
    code = child.wait()
    return code if code >= 0 else 128 - code
