"""What each property, page and SubId brought in the last days."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from decimal import Decimal
from html import escape
from typing import TYPE_CHECKING

import sqlalchemy as sa

from tap_impact_report.charts import table
from tap_impact_report.figures import DAYS, Figures
from tap_impact_report.models import model
from tap_impact_report.wording import NOTHING, cents, count, share

if TYPE_CHECKING:
    from datetime import date

MODEL = "impact_performance_by_subid"
SHOWN = 12
# What rows are grouped by, and what the page calls it.
GROUPINGS = {
    "property": "Properties",
    "page": "Pages",
    "sub_id1": "SubId 1",
    "sub_id2": "SubId 2",
    "sub_id3": "SubId 3",
    "team": "Teams",
}
SUMMED = (
    "clicks",
    "conversions",
    "conversions_reversed",
    "commission",
    "measured_conversions",
    "measured_commission",
)
NAMELESS = {"(unset)", "(unknown)"}

Groups = dict[str, dict[str, Figures]]


def read(connection: sa.Connection, schema: str, last: date) -> dict[str, Groups]:
    """By currency and grouping, the figures of each name."""
    found: defaultdict[str, Groups] = defaultdict(lambda: defaultdict(dict))
    if not sa.inspect(connection).has_table(MODEL, schema=schema):
        return found
    for grouping in GROUPINGS:
        of = model(MODEL, schema, "day", "currency", grouping, *SUMMED)
        keys = (of.c.currency, of.c[grouping])
        sums = [sa.func.sum(of.c[each]).label(each) for each in SUMMED]
        recent = of.c.day > last - timedelta(days=DAYS)
        for row in connection.execute(
            sa.select(*keys, *sums).where(recent).group_by(*keys)
        ).mappings():
            found[row["currency"] or ""][grouping][row[grouping]] = Figures.of(row)
    return found


def section(groups: Groups, currency: str) -> str:
    """A table for each grouping that tells anything apart; nothing if none does."""
    telling = {
        grouping: names
        for grouping, names in groups.items()
        if {*names} - NAMELESS and not is_repeated(grouping, groups)
    }
    return "".join(
        f"""<div class="card subids">
<div class="heading"><h3>{GROUPINGS[grouping]}</h3>
<p class="quiet">by commission, {escape(currency)}, last {DAYS} days</p></div>
{grouped(GROUPINGS[grouping], names)}
</div>
"""
        for grouping, names in telling.items()
    )


def is_repeated(grouping: str, groups: Groups) -> bool:
    """Whether it says no more than pages do, which are the first SubId unless a seed says more."""
    return grouping == "sub_id1" and groups["sub_id1"].keys() == groups["page"].keys()


def grouped(title: str, names: dict[str, Figures]) -> str:
    """The names that earned most."""
    ranked = sorted(
        names.items(), key=lambda item: (-item[1].commission, -(item[1].clicks or 0), item[0])
    )
    longest = max((figures.commission for _, figures in ranked), default=Decimal())
    shown, rest = ranked[:SHOWN], ranked[SHOWN:]
    rows = [line(escape(name), figures, longest) for name, figures in shown]
    if rest:
        others = Figures()
        for _, figures in rest:
            others.add(figures)
        rows.append(line(f"{len(rest)} more", others, Decimal()))
    head = ("", "Commission", "", "Clicks", "Conversions", "EPC", "Reversed")
    return table(f"Table of {title}", head, rows)


def line(name: str, figures: Figures, longest: Decimal) -> tuple[str, ...]:
    """A row of the table."""
    known = name != "(unknown)" and figures.epc is not None
    actions = figures.conversions + figures.conversions_reversed
    return (
        f'<span class="name">{name}</span>',
        cents(figures.commission),
        bar(figures.commission / longest) if longest > 0 and figures.commission > 0 else "",
        count(figures.clicks),
        count(figures.conversions),
        f"{figures.epc:,.3f}" if known else NOTHING,
        share(Decimal(figures.conversions_reversed) / actions if actions else None),
    )


def bar(part: Decimal) -> str:
    """A part of the highest commission."""
    return (
        '<svg class="part" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect class="approved" width="{100 * part:.1f}" height="10"/></svg>'
    )
