"""The command ``impact-sandbox``: a local impact.com, its truth, and what a client did wrong."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click
import msgspec

from impact_sandbox.options import LOG, SWITCHES, WithSwitches, account_options, timestamp
from impact_sandbox.request_log import summary
from impact_sandbox.server import Sandbox
from impact_sandbox.world import World

if TYPE_CHECKING:
    from pathlib import Path

    from impact_sandbox.switches import Switches

# Three years less a day, which is what a client can ask for.
AS_FAR_AS_THE_API_GOES = timedelta(days=3 * 365 - 1)


@click.group()
@click.version_option(package_name="impact-sandbox")
def main() -> None:
    """Play the partner API of impact.com on this machine, with an invented account."""


@main.command(cls=WithSwitches)
@account_options
@SWITCHES
@click.option("--port", default=0, help="Port on loopback; a free one if not given.")
@LOG
def serve(
    port: int, at: datetime | None, switches: Switches, log: Path | None, **world: Any
) -> None:
    """Serve until interrupted; print the base URL and the credentials."""
    with ExitStack() as stack:
        try:
            written = stack.enter_context(log.open("a", encoding="utf-8")) if log else None
            running = Sandbox(World(**world), at=at, port=port, switches=switches, log=written)
        except (ValueError, OSError) as error:
            raise click.ClickException(str(error)) from None
        stack.enter_context(running)
        for name, value in running.settings().items():
            click.echo(f"{name:<12}{value}")
        while True:  # until a signal
            running.pause(3600)


@main.command()
@account_options
@click.option(
    "--since",
    type=timestamp,
    metavar="TIMESTAMP",
    help="Since when; as far back as the API goes if none.",
)
def truth(at: datetime | None, since: datetime | None, **world: Any) -> None:
    """Print the actions by state, with the sums of their payouts."""
    imagined = World(**world)
    at = at or datetime.now(UTC).replace(microsecond=0)
    since = since or at - AS_FAR_AS_THE_API_GOES
    click.echo(f"Actions from {since.isoformat()} to {at.isoformat()}")
    for state, (count, payout) in imagined.totals(at, since).items():
        click.echo(f"{state:<10}{count:>10,}{payout:>20,.6f} {imagined.currency}")


@main.command()
@click.argument("log", type=click.File(encoding="utf-8"))
@click.pass_context
def check(ctx: click.Context, log: Any) -> None:
    """Report which rules of impact.com a client broke, from the log of `serve --log`.

    Exits with 1 if it broke any.
    """
    try:
        lines, broken = summary(log)
    except (ValueError, msgspec.MsgspecError) as error:  # one is the other since msgspec 0.20
        raise click.ClickException(f"{log.name} is no log of `serve --log`: {error}") from None
    for line in lines:
        click.echo(line)
    ctx.exit(1 if broken else 0)
