"""What was earned in each month, how far it has come, and what was paid of it."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from html import escape
from typing import TYPE_CHECKING

from tap_impact_report.charts import Chart, Series, chart_card, headline, table
from tap_impact_report.models import exact, rows
from tap_impact_report.wording import cents, headed, month

if TYPE_CHECKING:
    import sqlalchemy as sa

MONTHS = 13
STATUSES = ("pending", "locked", "cleared")
# What the model impact_reconciliation calls it, by what the page says.
SETTLED = {
    "invoiced": ("invoiced", "invoice_lines"),
    "overdue": ("not withdrawn", "overdue"),
    "paid": ("withdrawn", "withdrawals"),
}


@dataclass
class Money:
    """One currency's months: amounts by what the page calls them."""

    months: defaultdict[date, defaultdict[str, Decimal]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(Decimal))
    )

    def total(self, what: str) -> Decimal:
        """An amount of all months."""
        return sum((amounts[what] for amounts in self.months.values()), Decimal())

    def knows(self, what: str) -> bool:
        """Whether any month has such an amount."""
        return any(amounts[what] for amounts in [*self.months.values()])


def read(connection: sa.Connection, schema: str, last: date) -> dict[str, Money]:
    """The last months by currency, each by the month of the conversions."""
    first = months_before(last, MONTHS - 1)
    found: defaultdict[str, Money] = defaultdict(Money)
    keys = ("currency", "day", "payout_status")
    payouts = ("payout", "intended_payout")
    for row in rows(connection, "impact_payouts", schema, keys, *payouts):
        if row["day"] is None or row["day"] < first:
            continue
        amounts = found[row["currency"] or ""].months[row["day"].replace(day=1)]
        payout = exact(row["payout"])
        if row["payout_status"] == "reversed":
            amounts["lost"] += exact(row["intended_payout"]) - payout
        else:
            amounts[row["payout_status"] or "pending"] += payout
    sides = ("currency", "event_month", "side", "item")
    for row in rows(connection, "impact_reconciliation", schema, sides, "amount"):
        for what, (side, item) in SETTLED.items():
            if (row["side"], row["item"]) == (side, item) and row["event_month"] >= first:
                month_of = found[row["currency"] or ""].months[row["event_month"]]
                month_of[what] += exact(row["amount"])
    return found


def months_before(last: date, back: int) -> date:
    """The first day of an earlier month."""
    month_number = last.year * 12 + last.month - 1 - back
    return date(month_number // 12, month_number % 12 + 1, 1)


def section(money: Money, currency: str) -> str:
    """One currency's months; nothing if nothing was earned."""
    if not any(money.knows(what) for what in (*STATUSES, *SETTLED)):
        return ""
    months = sorted(money.months)
    unit = f'<span class="unit">{escape(currency)}</span>'
    notes = {
        "pending": "may still change",
        "locked": "approved, on its way",
        "cleared": "in the balance",
        "invoiced": "by impact.com's invoices",
        "overdue": "the brand has yet to pay",
        "paid": "withdrawn",
    }
    shown = [*STATUSES, *(what for what in SETTLED if money.knows(what))]
    lost = {True: ("lost",), False: ()}[money.knows("lost")]
    cards = [
        (what.capitalize(), f"{headed(money.total(what))} {unit}", notes[what]) for what in shown
    ]
    told = [
        f"{each:%b %Y}: "
        + ", ".join(f"{what} {money.months[each][what]:,.2f}" for what in (*STATUSES, *lost))
        for each in months
    ]
    chart = Chart(
        f"money-{escape(currency)}",
        f"Earned per month, {escape(currency)}",
        "Cleared, locked and pending commission by the month of the conversion; lost to reversals, "
        "below the line. The table of months has every figure.",
        [month(each) for each in months],
        [
            *(
                Series(what, [money.months[each][what] for each in months])
                for what in reversed(STATUSES)
            ),
            Series("reversed", [money.months[each]["lost"] for each in months], -1),
        ],
        told,
        "tall",
    )
    legend = [(what, what, cents(money.total(what))) for what in reversed(STATUSES)]
    if lost:
        legend.append(("reversed", "lost to reversals", cents(money.total("lost"))))
    columns = [*shown, *lost]
    by_month = table(
        "Table of months",
        ["Month", *(what.capitalize() for what in columns)],
        [
            [f"{each:%b %Y}", *(cents(money.months[each][what]) for what in columns)]
            for each in reversed(months)
        ],
        ["Total", *(cents(money.total(what)) for what in columns)],
    )
    return f"""{headline(cards)}{chart_card(chart, legend)}<details class="card">
<summary>All months as a table</summary>
{by_month}</details>
"""
