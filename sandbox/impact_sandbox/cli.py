"""The command ``tap-impact-sandbox``: the tap with a local impact.com behind it."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import click

from impact_sandbox.server import Sandbox
from impact_sandbox.switches import Switches
from impact_sandbox.world import World

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

# Three years less a day, which is what a tap can ask for.
AS_FAR_AS_THE_API_GOES = timedelta(days=3 * 365 - 1)


def instant(text: str) -> datetime:
    """Read an instant; UTC if it names no zone.

    Raises:
        ValueError: If it is not ISO 8601.
    """
    at = datetime.fromisoformat(text)
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def world_options(command: Callable[..., T]) -> Callable[..., T]:
    """Add the options that make a world; each may also come from the environment."""
    for name, default, what in (
        ("clicks_per_day", 400.0, "Mean number of clicks on a day."),
        ("actions_per_day", 30.0, "Mean number of actions on a day."),
        ("seed", "0", "Another seed is another account."),
    ):
        command = click.option(
            f"--{name.replace('_', '-')}",
            default=default,
            show_default=True,
            show_envvar=True,
            envvar=f"TAP_IMPACT_SANDBOX_{name.upper()}",
            help=what,
        )(command)
    return command


@click.group()
def sandbox() -> None:
    """Play impact.com on this machine.

    With other arguments than the commands below it is tap-impact, reading the sandbox.
    """


@sandbox.command()
@world_options
@click.option("--port", default=0, help="Port on loopback; a free one if not given.")
@click.option("--at", type=instant, help="Hold the clock at this instant.")
@click.option("--switch", multiple=True, metavar="NAME=VALUE", help="See Switches.")
def serve(port: int, at: datetime | None, switch: tuple[str, ...], **world: Any) -> None:
    """Serve until interrupted."""
    try:
        switches = Switches().read(switch)
        running = Sandbox(World(**world), at=at, port=port, switches=switches)
    except (ValueError, OSError) as error:
        raise click.ClickException(str(error)) from None
    with running:
        for name, value in running.settings().items():
            click.echo(f"{name:<12}{value}")
        while True:  # until a signal
            running.pause(3600)


@sandbox.command()
@world_options
@click.option("--at", type=instant, help="The instant to look at; now if not given.")
@click.option("--since", type=instant, help="The first instant; as far as the API goes if none.")
def truth(at: datetime | None, since: datetime | None, **world: Any) -> None:
    """Print the actions by state, with the sums of their payouts."""
    imagined = World(**world)
    at = at or datetime.now(UTC).replace(microsecond=0)
    since = since or at - AS_FAR_AS_THE_API_GOES
    click.echo(f"Actions from {since.isoformat()} to {at.isoformat()}")
    for state, (count, payout) in imagined.totals(at, since).items():
        click.echo(f"{state:<10}{count:>10,}{payout:>20,.6f} {imagined.currency}")


@click.command()
@world_options
@click.option("--switch", default="", envvar="TAP_IMPACT_SANDBOX_SWITCHES")
def environment(switch: str, **world: Any) -> tuple[World, Switches]:
    """Make the world and the switches that the environment asks for."""
    try:
        return World(**world), Switches().read(tuple(filter(None, switch.split(";"))))
    except ValueError as error:
        raise click.ClickException(str(error)) from None


def run_tap(arguments: list[str]) -> None:
    """Run the tap against a sandbox of its own; ``end_date``, if set, is the sandbox's clock."""
    from tap_impact.tap import TapImpact  # noqa: PLC0415 - the server alone needs no tap

    with ExitStack() as stack:

        class SandboxTap(TapImpact):
            def __init__(
                self,
                *,
                config: dict[str, Any] | None = None,
                parse_env_config: bool = False,
                validate_config: bool = True,
                **others: Any,
            ) -> None:
                config = dict(config or {})
                if parse_env_config:
                    config |= self._env_var_config
                if validate_config:  # else: discovery, which asks nothing of impact.com
                    world, switches = environment.main([], standalone_mode=False)
                    at = clock(config.get("end_date"))
                    config |= stack.enter_context(
                        Sandbox(world, at=at, switches=switches)
                    ).settings()
                super().__init__(config=config, validate_config=validate_config, **others)

        SandboxTap.cli.main(arguments, prog_name="tap-impact-sandbox")


def clock(end_date: str | None) -> datetime | None:
    """Return the instant that a config plays; None for the real time."""
    try:
        return instant(end_date) if end_date else None
    except (TypeError, ValueError):
        return None  # the tap says what is wrong with it


def main() -> None:
    """Serve, tell the truth, or be the tap."""
    arguments = sys.argv[1:]
    if arguments[:1] and arguments[0] in sandbox.commands:
        sandbox.main(arguments, prog_name="tap-impact-sandbox")
    else:
        run_tap(arguments)
