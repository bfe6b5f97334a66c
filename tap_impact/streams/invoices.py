"""Invoices, and their lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tap_impact.api.scopes import Scope
from tap_impact.records.fields import (
    RecordMap,
    day,
    decimal,
    key,
    key_number,
    money,
    month,
    text,
    timestamp,
    value_of,
    verbatim,
)
from tap_impact.records.nested import length, objects
from tap_impact.sources.dated import Feed
from tap_impact.sources.updated import OpenRowsSource
from tap_impact.streams.stream import Stream

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tap_impact.records.fields import Row

EVENT_MONTH = month("event_month", "EventMonthYear", "Month of the events, as its first day.")

# What a line has of its invoice.
OF_INVOICE = (
    key("InvoiceId", "The invoice."),
    key_number("LineNumber", "Counts the invoice's lines, from 1."),
    timestamp("CreatedDate", "When the invoice was made."),
    day("created_day", "CreatedDate", "Day of it as the account's calendar has it."),
    text("Currency", "ISO 4217 code of the invoice's amounts."),
)

LINE = (
    text("CampaignId", "Campaign (program) of the brand."),
    verbatim("CampaignName", "Name of the campaign."),
    text("Description", "What is paid: MEDIA_PAYOUT or BONUS."),
    EVENT_MONTH,
    decimal("Actions", "How many actions are paid; null if it is not for actions."),
    money("NetItemAmount", "What is paid, before VAT."),
    money("VatItemAmount", "The VAT of it; null if there is none."),
    money("TotalItemAmount", "What is paid, with VAT."),
    text("Status", "PENDING, PAID or OVERDUE."),
    timestamp("DueDate", "When it is to be paid."),
    timestamp("PaidDate", "When it was paid; null until then."),
    day("paid_day", "PaidDate", "Day of it as the account's calendar has it."),
)

DETAILED_LINE = (
    text("AccountId", "Partner account that is paid."),
    verbatim("Name", "Name of the partner account."),
    text("ProgramId", "Campaign (program) of the brand."),
    verbatim("ProgramName", "Name of the campaign."),
    EVENT_MONTH,
    money("ActionAmount", "What actions earned."),
    money("OtherAmount", "What was earned otherwise, like bonuses."),
    money("TotalAmount", "Both together."),
)


def is_open(invoice: Row) -> bool:
    """Whether a line of an invoice is not paid yet."""
    lines = objects(value_of(invoice, "LineItems"), LINE)
    return any(str(line.get("Status")).strip().upper() != "PAID" for line in lines)


INVOICE_LIST = OpenRowsSource(
    path="/Invoices",
    data_key="Invoices",
    # The name is inferred: impact.com does not document it.
    scope=Scope("Invoices", "Retrieve invoices", required=False),
    replication_key="created_date",
    date_field="CreatedDate",
    created=Feed("StartDate", "EndDate"),
    is_open=is_open,
)

# What impact.com owes the partner: an invoice a month.
# https://integrations.impact.com/impact-publisher/reference/list-invoices
INVOICES = Stream(
    name="invoices",
    source=INVOICE_LIST,
    keys=("id",),
    replication_key="created_date",
    record_map=RecordMap(
        key("Id", "Identifies the invoice."),
        timestamp("CreatedDate", "When it was made."),
        day("created_day", "CreatedDate", "Day of it as the account's calendar has it."),
        text("RecipientId", "Partner account that it is for."),
        verbatim("RecipientName", "Name of the recipient."),
        text("Currency", "ISO 4217 code of its amounts."),
        money("TotalAmount", "What it pays, with VAT."),
        money("TotalVatAmount", "The VAT of it."),
        length(
            "LineItems",
            "line_item_count",
            "How many lines it has: higher line_number are of lines that are gone.",
            LINE,
        ),
        length(
            "DetailedLineItems",
            "detailed_line_item_count",
            "The same for detailed lines.",
            DETAILED_LINE,
        ),
        text("PDF", "Path of the invoice as PDF, in the API."),
        text("Uri", "Path of the invoice in the API."),
    ),
)


def line_items(invoice: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The lines of an invoice."""
    return numbered(invoice, objects(invoice.get("LineItems"), LINE))


def detailed_line_items(invoice: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The detailed lines of an invoice."""
    return numbered(invoice, objects(invoice.get("DetailedLineItems"), DETAILED_LINE))


def numbered(
    invoice: Mapping[str, Any], lines: Iterator[Mapping[str, Any]]
) -> Iterator[dict[str, Any]]:
    """Lines with what they have of their invoice; impact.com gives them no id."""
    for number, line in enumerate(lines, 1):
        of_invoice = {name: invoice.get(name) for name in ("CreatedDate", "Currency")}
        yield {**of_invoice, **line, "InvoiceId": invoice.get("Id"), "LineNumber": number}


# What an invoice pays, for each campaign and month of the events. A line is paid later.
INVOICE_LINE_ITEMS = Stream(
    name="invoice_line_items",
    source=INVOICE_LIST,
    keys=("invoice_id", "line_number"),
    replication_key="created_date",
    rows_of=line_items,
    record_map=RecordMap(*OF_INVOICE, *LINE),
)

# The same, by what earned it.
INVOICE_DETAILED_LINE_ITEMS = Stream(
    name="invoice_detailed_line_items",
    source=INVOICE_LIST,
    keys=("invoice_id", "line_number"),
    replication_key="created_date",
    rows_of=detailed_line_items,
    record_map=RecordMap(*OF_INVOICE, *DETAILED_LINE),
)
