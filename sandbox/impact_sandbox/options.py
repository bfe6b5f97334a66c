"""The options that every command shares: which account is played, when, and how it behaves."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click
from typing_extensions import override

from impact_sandbox.rules import Rule
from impact_sandbox.switches import Switches

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


def timestamp(text: str) -> datetime:
    """Read an ISO 8601 timestamp; UTC if it names no zone."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(f"{text} is not like 2026-06-30T06:10:00Z") from None
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).replace(microsecond=0)


class Assignment(click.types.StringParamType):
    """NAME=VALUE; in the environment many are separated by semicolons."""

    name = "NAME=VALUE"
    envvar_list_splitter = ";"


def read_switches(_: click.Context, __: click.Parameter, assignments: tuple[str, ...]) -> Switches:
    """Make the switches that the assignments ask for."""
    try:
        return Switches().read(tuple(filter(None, assignments)))
    except ValueError as error:
        raise click.ClickException(str(error)) from None


OPTIONS = (
    click.option(
        "--at",
        type=timestamp,
        metavar="TIMESTAMP",
        envvar="IMPACT_SANDBOX_AT",
        show_envvar=True,
        help="Stop the clock at this time, e.g. 2026-06-30T06:10:00Z.  [default: real time]",
    ),
    click.option(
        "--seed",
        default="0",
        show_default=True,
        envvar="IMPACT_SANDBOX_SEED",
        show_envvar=True,
        help="Another seed is another account.",
    ),
    click.option(
        "--actions-per-day",
        default=30.0,
        show_default=True,
        envvar="IMPACT_SANDBOX_ACTIONS_PER_DAY",
        show_envvar=True,
        help="Mean number of actions on a day.",
    ),
    click.option(
        "--clicks-per-day",
        default=400.0,
        show_default=True,
        envvar="IMPACT_SANDBOX_CLICKS_PER_DAY",
        show_envvar=True,
        help="Mean number of clicks on a day.",
    ),
)
SWITCHES = click.option(
    "--switch",
    "switches",
    multiple=True,
    type=Assignment(),
    callback=read_switches,
    envvar="IMPACT_SANDBOX_SWITCHES",
    show_envvar=True,
    help="Change how this impact.com behaves, as listed below; repeatable. In the environment, "
    "separate them by semicolons.",
)

LOG = click.option(
    "--log",
    type=click.Path(dir_okay=False, path_type=Path),
    envvar="IMPACT_SANDBOX_LOG",
    show_envvar=True,
    help="Append a line of JSON for each request, for `impact-sandbox check`.",
)


def account_options(command: Callable[..., T]) -> Callable[..., T]:
    """Add what makes an account: ``at``, and the arguments of World."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command


ALWAYS = (
    "A download is a 302 to another host, whose body is a page of HTML that holds the link.",
    "Clicks of today are exported as far as they are known.",
    "A click's Id has 39 characters, its EventDate the account's offset, its region a full name.",
    "FTPLocations of catalogs hold credentials.",
    "Actions name no customer; the listing reports have Customer_Id and Customer_Status.",
)
"""What was met in live accounts, is no rule for clients, and differs between none of them."""


class WithSwitches(click.Command):
    """A command whose help lists every switch with its values, every rule, and what else is so."""

    @override
    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the switches and the rules."""
        with formatter.section("Switches"):
            formatter.write_dl(Switches.described())
        with formatter.section("Rules that are always enforced, and named by `check`"):
            formatter.write_dl([(rule.name.lower().replace("_", "-"), rule) for rule in Rule])
        with formatter.section("Met in live accounts, and always so"):
            for each in ALWAYS:
                formatter.write_text(each)
