"""Reports: presets by name, any other by its id, and the list of what there is.

None is loaded unless the setting `reports` names it. Columns of presets stand here, so that a
catalog takes no request; those of other reports come from the report's metadata.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from singer_sdk.plugin_base import JSONSchemaValidator

from tap_impact.api.exports import DOWNLOAD_EXPORTS
from tap_impact.api.scopes import Scope
from tap_impact.progress.periods import Every
from tap_impact.records.fields import (
    DATE_TIME,
    DAY,
    Field,
    RecordMap,
    computed,
    described,
    flag,
    given,
    key,
    nullable,
    text,
    verbatim,
)
from tap_impact.records.report_columns import (
    ColumnNames,
    amount,
    any_text,
    any_timestamp,
    as_key,
    calendar_day,
    cleaned,
    column_of,
    count,
    dimension,
    figure,
    unique_names,
)
from tap_impact.settings import REPORT
from tap_impact.sources.lists import ListSource
from tap_impact.sources.report_items import ItemsReport
from tap_impact.sources.reports import PERIODS, Per, Report, ReportsSource, Via
from tap_impact.streams.action_items import ACTION_ITEMS, ITEMS
from tap_impact.streams.stream import Stream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from tap_impact.sources.reports import Attribute

# Whether an entry of the setting `reports` is what its JSON schema says, which tells what is not.
is_entry = JSONSchemaValidator(REPORT).is_valid


# impact.com lists no names of these scopes in public; they are after those of its other pages.
RETRIEVE_REPORTS = Scope("Reports", "Retrieve reports", required=False)
RUN_REPORTS = Scope("Reports", "Run report", required=False)

EXPORT_REPORTS = Scope("Reports", "Export report", required=False)

REPORT_LIST = ListSource("/Reports", "Reports", RETRIEVE_REPORTS)

# All reports that impact.com has for the account, loaded or not.
# https://integrations.impact.com/impact-publisher/reference/list-all-available-reports
REPORTS = Stream(
    name="reports",
    source=REPORT_LIST,
    keys=("id",),
    selected=False,
    record_map=RecordMap(
        key("Id", "Names the report; `id` of an entry in the setting `reports`."),
        verbatim("Name", "Name of the report."),
        text("Category", "Group of the report in impact.com, like Performance or Finance."),
        verbatim("Description", "What the report contains."),
        flag("ApiAccessible", "Whether it can be read by API; else in impact.com alone."),
        text("ApiRunUri", "Path to run it at once."),
        text("DeferredApiRunUri", "Path to export it."),
        text("MetaDataUri", "Path of its filters and columns."),
        text("RunUri", "Where impact.com shows it, if it cannot be read by API."),
    ),
)


@dataclass(frozen=True, kw_only=True)
class Preset:
    """A report that many partners use: what it is called, and how it is read unless told else."""

    id: str
    columns: tuple[Field, ...]
    keys: tuple[str, ...]
    """`row_key` stands for the columns that make a row's identity, and an ordinal."""
    identity: tuple[str, ...] = ()
    placed_by: str = ""
    """The column of the identity that rows of several periods never share."""
    sent_as: Mapping[str, str] = field(default_factory=dict)
    """What else a column is called, cleaned; impact.com's names differ by account."""
    every: Every = Every.MONTH
    lookback_days: int = 90
    via: Via | None = None
    per: tuple[str, str, str] | None = None
    """The preset whose rows it is asked by, the column of these, and the parameter."""


MONEY = (
    amount("sale_amount", "Sales of the actions."),
    amount("action_cost", "Commission for actions."),
    amount("click_cost", "Commission for clicks."),
    amount("bonus_cost", "Bonuses."),
    amount("other_cost", "Fixed fees and the like, spread over their days."),
    amount("total_cost", "All earnings: actions, clicks, bonuses and others."),
    amount("earnings", "Earnings, where the report has a column of this name."),
)
PERFORMANCE = (
    count("clicks", "Clicks that impact.com counts as unique."),
    count("raw_clicks", "All clicks."),
    count("impressions", "Impressions."),
    count("actions", "Approved and pending actions; reversed ones are left out."),
    *MONEY,
    figure("epc", "Earnings per click."),
    figure("epa", "Earnings per action."),
    figure("aov", "Average sale amount."),
    figure("cr", "Actions per click, in percent."),
)
SPELLINGS = ("pub_sub_id", "pubsubid", "pub_subid")
SUB_IDS = {f"{name}{n}": f"sub_id{n}" for n in range(1, 4) for name in SPELLINGS}
COSTS = {
    "cpc_cost": "click_cost",
    "bonus": "bonus_cost",
    "conversion_rate": "cr",
    "imps": "impressions",
}

PRESETS = {
    "daily_performance": Preset(
        id="partner_performance_by_day",
        keys=("day",),
        columns=(calendar_day("day", "Day, in the account's own calendar."), *PERFORMANCE),
        sent_as={"date_display": "day", "date": "day", **COSTS},
    ),
    "performance_by_program": Preset(
        id="partner_performance_by_program",
        keys=("period", "campaign_id"),
        columns=(
            dimension("campaign_id", "Campaign (program); joins actions."),
            any_text("campaign_name", "Name of the campaign."),
            *PERFORMANCE,
        ),
        sent_as={"campaign": "campaign_name", "program_id": "campaign_id", **COSTS},
    ),
    "performance_by_ad": Preset(
        id="partner_performance_by_ad",
        keys=("period", "row_key"),
        identity=("ad_id", "ad_name", "campaign_id"),
        columns=(
            any_text("ad_id", "Ad; joins actions and clicks."),
            any_text("ad_name", "Name of the ad."),
            any_text("ad_type", "Kind of the ad."),
            any_text("campaign_id", "Campaign (program)."),
            any_text("campaign_name", "Name of the campaign."),
            *PERFORMANCE,
        ),
        sent_as={"ad": "ad_name", "campaign": "campaign_name", **COSTS},
    ),
    "performance_by_subid": Preset(
        id="partner_performance_by_subid",
        keys=("period", "sub_id1"),
        columns=(
            dimension("sub_id1", "The partner's own word for the click; empty if it gave none."),
            *PERFORMANCE,
        ),
        sent_as={**SUB_IDS, **COSTS},
    ),
    # https://integrations.impact.com/impact-publisher: items without a request for each action
    "sku_actions": Preset(
        id="SkuLevelActions",
        keys=("row_key",),
        identity=("action_id", "sku"),
        placed_by="action_id",
        via=Via.EXPORT,
        columns=(
            dimension("action_id", "The action that the item belongs to; joins actions."),
            any_timestamp("action_date", "When the action happened."),
            any_text("action_status", "State of the action."),
            any_text("sku", "SKU of the item."),
            any_text("category", "Category of the item, as the brand has it."),
            figure("quantity", "How many of the item."),
            amount("sale_amount", "Sale amount of the item."),
            amount("earnings", "Commission for the item."),
            any_text("sub_id1", "The partner's own word for the click."),
            any_text("sub_id2", "A second one."),
            any_text("sub_id3", "A third one."),
            any_text("sub_id4", "A fourth one."),
        ),
        sent_as={**SUB_IDS, **{f"{name}4": "sub_id4" for name in SPELLINGS}},
    ),
    "withdrawals": Preset(
        id="mp_paystub_history",
        keys=("paystub_id",),
        columns=(
            dimension("paystub_id", "The withdrawal (paystub); joins action_updates."),
            calendar_day("paid_day", "When it was paid out."),
            amount("amount", "What was paid out."),
            any_text("currency", "ISO 4217 code of the amount."),
            any_text("status", "State of the payment."),
        ),
        sent_as={"date": "paid_day", "id": "paystub_id"},
    ),
    "withdrawal_actions": Preset(
        id="action_listing_withdrawal",
        keys=("row_key",),
        identity=("action_id", "paystub_id"),
        via=Via.SYNC,
        # impact.com's page of withdrawals leads to this report by the id of each.
        per=("withdrawals", "paystub_id", "Paystub_Id"),
        columns=(
            dimension("action_id", "The action that was paid; joins actions."),
            any_text("paystub_id", "The withdrawal (paystub) that it was paid with."),
            any_timestamp("action_date", "When the action happened."),
            amount("sale_amount", "Sale amount of the action."),
            amount("earnings", "What was paid for it."),
            any_text("sub_id1", "The partner's own word for the click."),
            any_text("sub_id2", "A second one."),
            any_text("sub_id3", "A third one."),
        ),
        sent_as=SUB_IDS,
    ),
    "other_earnings": Preset(
        id="other_earnings",
        keys=("row_key",),
        identity=("day", "campaign_id", "campaign_name", "type", "description"),
        placed_by="day",
        columns=(
            calendar_day("day", "Day of the earning."),
            any_text("campaign_id", "Campaign (program)."),
            any_text("campaign_name", "Name of the campaign."),
            any_text("type", "Kind of the earning, like a bonus or a transfer of funds."),
            any_text("description", "The brand's words on it."),
            amount("amount", "The earning."),
            any_text("currency", "ISO 4217 code of the amount."),
        ),
        sent_as={
            "date_display": "day",
            "date": "day",
            "campaign": "campaign_name",
            "earnings": "amount",
        },
    ),
    "overdue_payouts": Preset(
        id="mp_overdue_payouts",
        keys=("row_key",),
        identity=(
            *("campaign_id", "campaign_name", "invoice_id", "event_month", "action_id"),
            "due_day",
        ),
        every=Every.ALL,
        columns=(
            any_text("action_id", "The action, where the report lists actions; joins actions."),
            any_text("campaign_id", "Campaign (program) whose brand has yet to pay."),
            any_text("campaign_name", "Name of the campaign."),
            any_text("invoice_id", "Invoice that is overdue, where the report lists invoices."),
            any_text("event_month", "Month of the actions that it is for."),
            calendar_day("due_day", "When it was due."),
            amount("amount", "What is owed."),
            any_text("currency", "ISO 4217 code of the amount."),
        ),
        sent_as={
            "campaign": "campaign_name",
            "due_date": "due_day",
            "amount_due": "amount",
            "overdue_amount": "amount",
        },
    ),
    "payable_clicks": Preset(
        id="partner_payable_click_data",
        keys=("row_key",),
        identity=("clicked_at", "campaign_name", "sub_id1", "referring_url"),
        placed_by="clicked_at",
        every=Every.DAY,
        lookback_days=3,
        columns=(
            any_timestamp("clicked_at", "When the click happened."),
            any_text("campaign_name", "Name of the campaign."),
            any_text("sub_id1", "The partner's own word for the click."),
            any_text("referring_url", "Page that the click came from."),
        ),
        sent_as={"date": "clicked_at", "campaign": "campaign_name", **SUB_IDS},
    ),
}

# What the source gives beside a report's own columns.
OWN = (
    computed("period", "The period that was requested: a day, a month, or all."),
    computed("period_start", "First day of the period.", **DAY),
    computed("period_end", "Last day of it that was requested.", **DAY),
    computed("report_id", "What impact.com calls the report."),
)
ROW_KEY = computed("row_key", "Hash of what makes the row itself, and its ordinal in the period.")
READ_AT = computed(
    "read_at",
    "Start of the run that read the row. Rows of a period that are older than read_at of it in "
    "report_periods are no longer in the report.",
    **DATE_TIME,
)
OWN_NAMES = [each.name for each in (*OWN, ROW_KEY, READ_AT)]

# The periods of all reports that were read, one row each: which rows of a report are of now.
PERIOD_COLUMNS = RecordMap(
    given("report", described("string", "Stream of the report, like report_withdrawals.")),
    *(given(each.name, each.json_schema) for each in (*OWN, READ_AT)),
    given("row_count", described("integer", "Rows that the report had.")),
    given("via", described("string", "sync or export.")),
    given("job_id", nullable("string", "Job of the export; null if there was none.")),
)


# What fills action_items in place of a request for each action.
ITEMS_REPORT = ItemsReport(
    id=PRESETS["sku_actions"].id,
    record_map=ACTION_ITEMS.record_map,
    names=ColumnNames(
        (each.source for each in PRESETS["sku_actions"].columns), PRESETS["sku_actions"].sent_as
    ),
    via=Via.EXPORT,
    updates=ITEMS.updates,
)


class Entry(NamedTuple):
    """One entry of the setting `reports`, its presets filled in."""

    stream: str
    id: str
    preset: Preset | None
    keys: tuple[str, ...]
    parameters: Mapping[str, Any]
    every: Every
    start: date | None
    lookback: timedelta
    via: Via | None

    @classmethod
    def of(cls, asked: str | Mapping[str, Any]) -> Entry:
        """Read an entry that `entry_problems` found nothing wrong with."""
        entry: Mapping[str, Any] = {"preset": asked} if isinstance(asked, str) else asked
        preset = PRESETS.get(entry.get("preset", ""))
        report_id = entry.get("id") or (preset.id if preset else "")
        usual = preset or Preset(id=report_id, columns=(), keys=("period", "row_key"))
        start, period, via = (entry.get(name) for name in ("start_date", "period", "via"))
        return cls(
            stream=stream_of(entry),
            id=report_id,
            preset=preset,
            keys=tuple(entry.get("keys") or usual.keys),
            parameters=entry.get("parameters") or {},
            every=Every(period) if period else usual.every,
            start=date.fromisoformat(start[:10]) if start else None,
            lookback=timedelta(days=entry.get("lookback_days", usual.lookback_days)),
            via=Via(via) if via else usual.via,
        )


def stream_of(entry: Mapping[str, Any]) -> str:
    """The name of an entry's stream."""
    name = entry.get("name") or entry.get("preset") or cleaned(str(entry.get("id", "")))
    return f"report_{name}"


def entry_problems(reports: Any) -> Iterator[str]:
    """What is wrong with the setting `reports` and no JSON schema can say, a sentence each."""
    seen: set[str] = set()
    for each in filter(is_entry, reports if isinstance(reports, list) else ()):
        entry: Mapping[str, Any] = {"preset": each} if isinstance(each, str) else each
        stream, preset = stream_of(entry), entry.get("preset")
        if (preset is None) == (entry.get("id") is None):
            yield "reports: an entry has either a preset or an id"
            continue
        if preset is not None and preset not in PRESETS:
            yield (
                f"reports: there is no preset {preset!r}; there are {', '.join(PRESETS)}. Any "
                "other report is requested by its id"
            )
            continue
        if stream in seen or stream == "report_periods":
            yield f"reports: {stream} is taken; give the entry another name"
        seen.add(stream)
        try:
            date.fromisoformat((entry.get("start_date") or "2000-01-01")[:10])
        except ValueError:
            yield f"reports: start_date of {stream} is not a date like 2026-01-31"
        parameters = entry.get("parameters", {})
        for name in sorted(parameters.keys() & {"START_DATE", "END_DATE", "ResultFormat"}):
            yield f"reports: {name} of {stream} is not a parameter: start_date and period set it"
        if preset is not None and PRESETS[preset].per and entry.get("via") == "export":
            yield f"reports: {stream} is requested by withdrawal, at once, and not exported"
        if preset is not None and "keys" in entry:
            known = [*OWN_NAMES, *(each.name for each in PRESETS[preset].columns)]
            yield from unknown_keys(stream, entry["keys"], known)


def unknown_keys(stream: str, keys: Iterable[str], known: Sequence[str]) -> Iterator[str]:
    """Keys that are no columns."""
    for each in keys:
        if each not in known:
            yield (
                f"reports: {stream} has no column {each!r} for its keys; it has {', '.join(known)}"
            )


def report_of(entry: Entry, attributes: Sequence[Attribute] = ()) -> Report:
    """The report of an entry: with a preset's columns, or with those of its metadata."""
    preset = entry.preset
    if preset:
        columns, sent_as, exact = preset.columns, preset.sent_as, None
    else:
        sent_as, exact = None, unique_names((each.name for each in attributes), OWN_NAMES)
        columns = tuple(
            column_of(
                exact[each.name],
                each.data_type,
                f"{each.description or each.name} ({each.name} in impact.com)",
            )
            for each in attributes
        )
    identity = preset.identity if preset else ()
    identity = identity or tuple(each.name for each in columns if is_text(each))
    columns = tuple(as_key(each) if each.name in entry.keys else each for each in columns)
    row_key = (ROW_KEY,) if "row_key" in entry.keys else ()
    spans_periods = "period" not in entry.keys and entry.every is not Every.ALL
    return Report(
        id=entry.id,
        record_map=RecordMap(*row_key, *OWN, *columns, READ_AT),
        names=ColumnNames((each.source for each in columns), sent_as, exact),
        identity=identity if row_key else None,
        placed_by=preset.placed_by if preset and spans_periods else "",
        key_columns=tuple(each.source for each in columns if each.name in entry.keys),
        key_has_period=not spans_periods,
        parameters=entry.parameters,
        every=entry.every,
        start=entry.start,
        lookback=entry.lookback,
        via=entry.via,
        per=per_of(preset),
    )


def per_of(preset: Preset | None) -> Per | None:
    """What a preset is asked by."""
    if preset is None or preset.per is None:
        return None
    other, column, parameter = preset.per
    return Per(report_of(Entry.of(other)), column, parameter)


def is_text(column: Field) -> bool:
    """Whether a column tells what a row is about, rather than how much."""
    return column.json_schema["type"][0] in {"string", "boolean"}


def report_streams(
    entries: Iterable[Entry],
    attributes_of: Callable[[Entry], Sequence[Attribute] | None],
    *,
    with_items: bool = False,
) -> list[Stream]:
    """The streams of the setting `reports`; none if it is empty.

    Args:
        entries: what the setting holds.
        attributes_of: gets the columns of a report that is no preset; None leaves it out.
        with_items: whether `action_items` comes from a report too.
    """
    reports: dict[str, Report] = {}
    source = ReportsSource(
        reports=reports,
        scope=RUN_REPORTS,
        export_scope=EXPORT_REPORTS,
        download_scope=DOWNLOAD_EXPORTS._replace(required=False),
        replication_key="period_start",
    )
    streams = [
        Stream(
            name="report_periods",
            source=source,
            part=PERIODS,
            keys=("report", "period"),
            replication_key="period_start",
            record_map=PERIOD_COLUMNS,
        )
    ]
    for entry in entries:
        attributes = () if entry.preset else attributes_of(entry)
        if attributes is not None:
            reports[entry.stream] = report_of(entry, attributes)
            streams.append(
                Stream(
                    name=entry.stream,
                    source=source,
                    part=entry.stream,
                    keys=entry.keys,
                    replication_key="period_start",
                    record_map=reports[entry.stream].record_map,
                )
            )
    if with_items:
        reports[ACTION_ITEMS.name] = ITEMS_REPORT
        streams.append(replace(ACTION_ITEMS, source=source, part=ACTION_ITEMS.name))
    return streams if reports else []
