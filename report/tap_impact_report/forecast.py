"""What pending payouts will come to, and how far off earlier forecasts were."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from decimal import Decimal
from html import escape
from typing import TYPE_CHECKING, NamedTuple

import sqlalchemy as sa

from tap_impact_report.charts import Chart, Series, chart_card, headline, table
from tap_impact_report.models import exact, model, rows
from tap_impact_report.wording import cents, count, headed, month, share

if TYPE_CHECKING:
    from datetime import date

PAST = "impact_forecasts"
MODEL = "impact_payout_forecast"


class Pending(NamedTuple):
    """What is pending in a campaign, and what is to come of it."""

    campaign: str
    actions: int
    pending: Decimal
    forecast: Decimal
    off_by: Decimal
    naive_off_by: Decimal
    came_to: Decimal

    @property
    def error(self) -> Decimal | None:
        """How far off last year's forecasts were, as a part of what came."""
        return self.off_by / self.came_to if self.came_to else None

    @property
    def naive_error(self) -> Decimal | None:
        """How far off the pending payouts themselves were."""
        return self.naive_off_by / self.came_to if self.came_to else None


class Past(NamedTuple):
    """All campaigns' forecast at the beginning of a month."""

    told: date
    pending: Decimal
    forecast: Decimal
    came_to: Decimal


@dataclass
class Forecast:
    """One currency's."""

    campaigns: list[Pending] = field(default_factory=list)
    past: list[Past] = field(default_factory=list)

    @property
    def total(self) -> Pending:
        """All campaigns."""
        sums = [sum(column) for column in zip(*(each[1:] for each in self.campaigns), strict=True)]
        return Pending("Total", *sums)  # type: ignore[arg-type]


def read(connection: sa.Connection, schema: str) -> dict[str, Forecast]:
    """By currency, today's forecast and those that can be compared with what came."""
    found: defaultdict[str, Forecast] = defaultdict(Forecast)
    summed = ("actions", "pending", "forecast", "past_off_by", "past_naive_off_by", "past_came_to")
    keys = ("currency", "campaign_id", "campaign_name")
    for row in rows(connection, MODEL, schema, keys, *summed):
        actions, *amounts = (exact(row[each]) for each in summed)
        name = row["campaign_name"] or row["campaign_id"] or ""
        found[row["currency"] or ""].campaigns.append(Pending(name, int(actions), *amounts))
    for currency, past in read_past(connection, schema).items():
        found[currency].past = past
    for each in found.values():
        each.campaigns.sort(key=lambda pending: -pending.forecast)
    return found


def read_past(connection: sa.Connection, schema: str) -> dict[str, list[Past]]:
    """By currency, the forecasts all of whose actions have locked."""
    found: defaultdict[str, list[Past]] = defaultdict(list)
    if not sa.inspect(connection).has_table(PAST, schema=schema):
        return found
    of = model(PAST, schema, "currency", "pending", "forecast", "came_to")
    told = sa.column("forecast_at", sa.DateTime)
    sums = [sa.func.sum(of.c[each]).label(each) for each in ("pending", "forecast", "came_to")]
    whole = sa.func.count() == sa.func.count(of.c.came_to)
    query = sa.select(of.c.currency, told, *sums).group_by(of.c.currency, told).having(whole)
    for currency, moment, *amounts in connection.execute(query.order_by(told)):
        found[currency or ""].append(Past(moment.date(), *map(exact, amounts)))
    return found


def section(forecast: Forecast, currency: str) -> str:
    """One currency's; nothing if nothing is pending."""
    if not forecast.campaigns:
        return ""
    unit = f'<span class="unit">{escape(currency)}</span>'
    total = forecast.total
    cards = [
        ("Pending", f"{headed(total.pending)} {unit}", f"{total.actions:,} actions"),
        ("Expected", f"{headed(total.forecast)} {unit}", "by what remained of others as old"),
    ]
    if total.error is not None:
        cards += [
            ("Off by", share(total.error), "last year, by campaign"),
            ("Off by, pending itself", share(total.naive_error), "what no forecast would give"),
        ]
    past = forecast.past
    chart = Chart(
        f"forecast-{escape(currency)}",
        f"Forecasts of the last year, {escape(currency)}",
        "For the beginning of each month, what pending actions came to, and by how much the "
        "forecast was too high, below the line if it was too low.",
        [month(each.told) for each in past],
        [
            Series("approved", [min(each.came_to, each.forecast) for each in past]),
            Series("pending", [max(each.forecast - each.came_to, Decimal()) for each in past]),
            Series("clicks", [max(each.came_to - each.forecast, Decimal()) for each in past]),
        ],
        [
            f"{each.told:%b %Y}: {each.pending:,.2f} pending, {each.forecast:,.2f} expected, "
            f"{each.came_to:,.2f} came"
            for each in past
        ],
    )
    legend = [
        ("approved", "came as expected", ""),
        ("pending", "expected, did not come", ""),
        ("clicks", "came beyond", ""),
    ]
    by_campaign = table(
        "Forecast by campaign",
        ("Campaign", "Actions", "Pending", "Expected", "Off by last year", "Pending itself"),
        [figured(each) for each in forecast.campaigns],
        figured(total),
    )
    return f"""{headline(cards)}{chart_card(chart, legend) if past else ""}<div class="card">
{by_campaign}
</div>
"""


def figured(pending: Pending) -> tuple[str, ...]:
    """The columns of the table."""
    return (
        escape(pending.campaign),
        count(pending.actions),
        cents(pending.pending),
        cents(pending.forecast),
        share(pending.error),
        share(pending.naive_error),
    )
