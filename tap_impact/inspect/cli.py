"""The command `tap-impact-inspect`: scopes of a token, single records, estimates."""

from __future__ import annotations

from itertools import groupby
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import quote

import click
import msgspec
from typing_extensions import override

from tap_impact.api.export_files import CLICK_FORM, flat
from tap_impact.inspect.estimate import estimates
from tap_impact.inspect.reports import describe_report, list_reports
from tap_impact.records.anomalies import SKIPS_ROW, Anomalies
from tap_impact.records.columns import to_json
from tap_impact.records.fields import (
    RecordMap,
    UnreadableField,
    UnreadableValue,
    decimal,
    flag,
    key,
    listed,
    read_day,
    text,
    timestamp,
)
from tap_impact.streams.action_items import ACTION_ITEMS, ITEMS
from tap_impact.streams.actions import ACTION_UPDATES, ACTIONS, UPDATE_LIST
from tap_impact.streams.clicks import CLICKS, EXPORTS
from tap_impact.tap import TapImpact, errors_as_messages, read_json
from tap_impact.token_scopes import print_report

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from singer_sdk.helpers.types import Record

    from tap_impact.records.columns import Columns
    from tap_impact.singer.sdk_internals import ConfigInput
    from tap_impact.streams.stream import Stream

JOBS = RecordMap(
    key("Id", "Identifies the job."),
    text("Type", "What it does, like ClickExport."),
    text("Status", "QUEUED, RUNNING, COMPLETED, ERROR (tried again), FAILED or CANCELLED."),
    text("StatusMessage", "More on the status."),
    text("CreatedBy", "Account SID of the token that requested it."),
    text("ProgramId", "Campaign (program) that it is about."),
    timestamp("CreatedDate", "When it was requested."),
    timestamp("StartedDate", "When it began."),
    timestamp("CompletedDate", "When it was completed."),
    timestamp("AbandonedDate", "When it was given up."),
    timestamp("CancelledDate", "When it was cancelled."),
    timestamp("FailedDate", "When it failed."),
    timestamp("LastProgressUpdateDate", "When it last went on."),
    decimal("RecordsProcessed", "How many records it has dealt with."),
    decimal("PercentageComplete", "How far it is, in percent."),
    flag("Replayable", "Whether it can be begun anew."),
    text("ResultUri", "Path of its result in the API."),
)


# Said of a row that no stream would emit.
UNPLACED = "impact.com sent no {} that can be read; --raw prints what it sent."


class Inspector(click.Group):
    """Commands that end with one message, whatever happens."""

    @override
    def invoke(self, ctx: click.Context) -> Any:
        with errors_as_messages():
            return super().invoke(ctx)


@click.group(cls=Inspector)
@click.version_option(package_name="tap-impact-partner")
@click.option(
    "--config",
    multiple=True,
    metavar="FILE",
    default=("ENV",),
    callback=TapImpact.cb_config,
    help="Config file of the tap, or ENV for TAP_IMPACT_* variables, which is the default.",
)
@click.pass_context
def cli(context: click.Context, config: ConfigInput) -> None:
    """Look at an impact.com partner account, without a run.

    No command uses up an export of clicks.
    """
    context.obj = config


def look(context: click.Context, **others: Any) -> TapImpact:
    """The tap that a command asks for its settings, client and streams."""
    return TapImpact.for_inspection(context.obj, **others)


raw = click.option("--raw", is_flag=True, help="Print it as impact.com sends it.")


def show(records: Iterable[Any]) -> None:
    """Print each as JSON."""
    for record in records:
        click.echo(msgspec.json.format(to_json(record), indent=2))


@cli.command()
@click.pass_context
def access(context: click.Context) -> None:
    """Tell whether the token is right, and which scopes it has.

    Exit code 1 if a scope is missing without which a selected stream cannot be loaded.
    """
    context.exit(0 if print_report(look(context)) else 1)


@cli.command()
@click.argument("action_id")
@click.option("--items", is_flag=True, help="Print its items too.")
@raw
@click.pass_context
def action(context: click.Context, action_id: str, *, items: bool, raw: bool) -> None:
    """Print an action, as the stream actions would emit it now."""
    tap = look(context)
    row = ITEMS.action(tap.client, action_id)
    show([row] if raw else records(tap, ACTIONS, [row]))
    if items:
        show(
            ITEMS.sent(tap.client, action_id)
            if raw
            else records(tap, ACTION_ITEMS, items_of(tap, row))
        )


@cli.command()
@click.argument("action_id")
@click.argument("sku")
@raw
@click.pass_context
def item(context: click.Context, action_id: str, sku: str, *, raw: bool) -> None:
    """Print the items of a SKU in an action, as the stream action_items would emit them now.

    With --raw, what impact.com sends for the SKU itself, which is one item even if there are more.
    """
    tap = look(context)
    if raw:
        show([tap.client.get(f"{ITEMS.path(action_id)}/{quote(sku, safe='')}")])
        return
    rows = items_of(tap, ITEMS.action(tap.client, action_id))
    found = [each for each in records(tap, ACTION_ITEMS, rows) if each["sku"] == sku]
    if not found:
        raise click.ClickException("The action has no item of that SKU.")
    show(found)


@cli.command()
@click.argument("update_id")
@raw
@click.pass_context
def action_update(context: click.Context, update_id: str, *, raw: bool) -> None:
    """Print an action update, as the stream action_updates would emit it now."""
    tap = look(context)
    row = tap.client.get_object(f"{UPDATE_LIST.path}/{quote(update_id, safe='')}")
    show([row] if raw else records(tap, ACTION_UPDATES, [row]))


@cli.command(name="click")
@click.argument("click_id")
@raw
@click.pass_context
def one_click(context: click.Context, click_id: str, *, raw: bool) -> None:
    """Print the clicks of an id, as the stream clicks would emit them now."""
    tap = look(context)
    path = f"/Clicks/{quote(click_id, safe='')}"
    answer = tap.client.get(path)
    if raw:
        show([answer])
        return
    rows = listed(answer)
    if not rows or not all(isinstance(row, dict) and CLICK_FORM.is_row(row) for row in rows):
        raise click.ClickException(f"impact.com answered {path} with no click.")
    # Identical clicks of an id are all of one day.
    for day, of_day in groupby(map(flat, rows), day_of):
        show(records(tap, CLICKS, EXPORTS.keyed(of_day, day)))


@cli.command()
@click.argument("job_id")
@raw
@click.pass_context
def job(context: click.Context, job_id: str, *, raw: bool) -> None:
    """Print a job, such as an export of clicks; job_id of the stream click_exports names it."""
    row = look(context).client.get_object(f"/Jobs/{quote(job_id, safe='')}")
    try:
        show([row if raw else JOBS.record(row, Anomalies())])
    except UnreadableField:
        raise click.ClickException(UNPLACED.format("Id")) from None


@cli.command()
@click.pass_context
def reports(context: click.Context) -> None:
    """List the reports of the account, and which of them can be loaded."""
    for line in list_reports(look(context).client):
        click.echo(line)


@cli.command()
@click.argument("report_id")
@raw
@click.pass_context
def report(context: click.Context, report_id: str, *, raw: bool) -> None:
    """Tell what a report takes and gives, and the setting that loads it."""
    client = look(context).client
    if raw:
        show([client.get(f"/Reports/{quote(report_id, safe='')}/MetaData")])
        return
    for line in describe_report(client, report_id):
        click.echo(line)


@cli.command()
@click.option("--state", type=click.File(), help="State of the last run; without it, the first.")
@click.pass_context
def estimate(context: click.Context, state: IO[str] | None) -> None:
    """Estimate the requests and hours of the next run and of the full history."""
    content = read_json(state, "--state") or {}
    # `meltano state get` wraps it
    tap = look(context, state=content.get("singer_state", content))
    for line in estimates(tap):
        click.echo(line)


def records(
    tap: TapImpact, declaration: Stream, rows: Sequence[dict[str, Any]] | Columns
) -> Iterable[Record]:
    """The records that a stream makes of rows.

    Raises:
        ClickException: The stream would leave one out.
    """
    stream = tap.impact_streams[declaration.name]
    yield from stream.to_records(rows)
    if stream.anomalies.skipped_rows:
        unreadable = stream.anomalies.unreadable.values()
        names = (each.field for each in unreadable if each.role in SKIPS_ROW)
        raise click.ClickException(UNPLACED.format(" and ".join(names)))


def day_of(click_row: dict[str, Any]) -> str:
    """The day of a click; empty if it cannot be read."""
    try:
        return read_day(click_row.get("EventDate")) or ""
    except UnreadableValue:
        return ""


def items_of(tap: TapImpact, row: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows of an action's items."""
    return ITEMS.rows_of(tap.client, ITEMS.action_of(row), tap.settings.now)
