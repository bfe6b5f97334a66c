"""The last days of each currency, drawn."""

from __future__ import annotations

from decimal import Decimal
from html import escape
from typing import TYPE_CHECKING

from tap_impact_report.charts import Chart, Series, chart_card, headline, table
from tap_impact_report.wording import NOTHING, cents, count, day, headed, share

if TYPE_CHECKING:
    from datetime import date

    from tap_impact_report.figures import Figures, Performance

CAMPAIGNS = 8
LABELLED = slice(2, None, 4)
"""The days that have room for their date."""


def section(performance: Performance) -> str:
    """One currency's figures."""
    days, currency = performance.days, escape(performance.currency)
    daily = [performance.by_day[each] for each in days]
    total = performance.total
    told = [tooltip(each, figures, currency) for each, figures in zip(days, daily, strict=True)]
    labels = [day(each) if each in days[LABELLED] else "" for each in days]
    name = f"days-{currency}"
    commission = chart_card(
        Chart(
            f"{name}-commission",
            f"Commission per day, {currency}",
            f"Approved {total.commission_approved:,.2f}, pending {total.commission_pending:,.2f}; "
            f"lost to reversals {total.commission_lost:,.2f}, below the line. "
            "The table of days has every figure.",
            labels,
            [
                Series("approved", [figures.commission_approved for figures in daily]),
                Series("pending", [figures.commission_pending for figures in daily]),
                Series("reversed", [figures.commission_lost for figures in daily], -1),
            ],
            told,
            "tall",
        ),
        [
            ("approved", "approved", cents(total.commission_approved)),
            ("pending", "pending", cents(total.commission_pending)),
            ("reversed", "lost to reversals", cents(total.commission_lost)),
        ],
    )
    conversions = chart_card(
        Chart(
            f"{name}-conversions",
            "Conversions per day",
            f"Approved {total.conversions_approved:,}, pending {total.conversions_pending:,}; "
            f"reversed {total.conversions_reversed:,}, below the line.",
            labels,
            [
                Series("approved", [figures.conversions_approved for figures in daily]),
                Series("pending", [figures.conversions_pending for figures in daily]),
                Series("reversed", [figures.conversions_reversed for figures in daily], -1),
            ],
            told,
        ),
        [
            ("approved", "approved", count(total.conversions_approved)),
            ("pending", "pending", count(total.conversions_pending)),
            ("reversed", "reversed", count(total.conversions_reversed)),
        ],
    )
    clicks = chart_card(
        Chart(
            f"{name}-clicks",
            "Clicks per day",
            f"{total.clicks or 0:,} clicks. Days whose clicks are not loaded are shaded.",
            labels,
            [Series("clicks", [figures.clicks for figures in daily])],
            told,
        ),
        [("clicks", "clicks", count(total.clicks))],
    )
    both = "two" if conversions and clicks else "one"
    return f"""{headline(cards(performance))}{commission}<div class="{both}">
{conversions}{clicks}</div>
{campaigns(performance)}{all_days(performance)}"""


def cards(performance: Performance) -> list[tuple[str, str, str]]:
    """The four figures that a person looks for first."""
    total, days = performance.total, performance.days
    money = f'<span class="unit">{escape(performance.currency)}</span>'
    found = [
        ("Commission", f"{headed(total.commission)} {money}", change(performance)),
        ("Conversions", f"{total.conversions:,}", f"and {total.conversions_reversed:,} reversed"),
    ]
    if total.clicks is None:
        return [*found, ("Clicks", NOTHING, "not loaded"), ("Earnings per click", NOTHING, "")]
    loaded = sum(performance.by_day[each].clicks is not None for each in days)
    of_days = f", {loaded} of {len(days)} days" if loaded < len(days) else ""
    epc = NOTHING if total.epc is None else f"{total.epc:,.3f} {money}"
    return [
        *found,
        ("Clicks", f"{total.clicks:,}", f"{total.unique_clicks:,} unique{of_days}"),
        ("Earnings per click", epc, f"{share(total.conversion_rate)} of clicks convert"),
    ]


def change(performance: Performance) -> str:
    """How what was tracked compares with the days before, which had more time to be reversed."""
    now, before = performance.tracked, performance.tracked_before
    if before <= 0:
        return "the 30 days before are not loaded"
    percent = 100 * (now - before) / before
    return f"{percent:+.0f}% tracked on the 30 days before".replace("-", "&minus;")


def campaigns(performance: Performance) -> str:
    """The campaigns that earned most, each with a bar of its states."""
    ranked = sorted(
        performance.by_campaign.items(),
        key=lambda item: (-item[1].commission, -(item[1].clicks or 0), item[0]),
    )
    if not ranked:
        return ""
    longest = max((figures.commission for _, figures in ranked), default=Decimal())
    rows = "".join(
        f"""<li><span class="name">{escape(performance.names.get(campaign, campaign))}</span>
{bar(figures, longest) if longest else ""}<span class="money">{figures.commission:,.2f}</span>
<span class="facts">{facts(figures)}</span></li>
"""
        for campaign, figures in ranked[:CAMPAIGNS]
    )
    rest = len(ranked) - CAMPAIGNS
    more = f'<p class="quiet">and {rest} more</p>' if rest > 0 else ""
    by = "commission" if longest else "clicks"
    return f"""<div class="card">
<div class="heading"><h3>Campaigns</h3>
<p class="quiet">by {by}, {escape(performance.currency)}</p></div>
<ol class="campaigns">
{rows}</ol>{more}
</div>
"""


def bar(figures: Figures, longest: Decimal) -> str:
    """Approved and pending commission of one campaign, as a part of the highest one's."""
    approved = max(100 * figures.commission_approved / longest, Decimal())
    pending = max(100 * figures.commission_pending / longest, Decimal())
    return (
        '<svg viewBox="0 0 100 12" preserveAspectRatio="none" aria-hidden="true">'
        '<rect class="gap" width="100" height="12"/>'
        f'<rect class="approved" width="{approved:.2f}" height="12"/>'
        f'<rect class="pending" x="{approved:.2f}" width="{pending:.2f}" height="12"/></svg>'
    )


def facts(figures: Figures) -> str:
    """One campaign in words."""
    parts = [f"{figures.conversions:,} conversion{'s'[: figures.conversions != 1]}"]
    if figures.conversions_reversed:
        parts.append(f"{figures.conversions_reversed:,} reversed")
    if figures.clicks is not None:
        parts.append(f"{figures.clicks:,} click{'s'[: figures.clicks != 1]}")
    return " &middot; ".join(parts)


def all_days(performance: Performance) -> str:
    """Every figure of the charts, in rows."""
    columns = (
        "Day", "Clicks", "Conversions", "Reversed", "Approved", "Pending", "Commission", "Lost",
    )  # fmt: skip
    rows = [
        (f"{each:%a} {day(each)}", *figured(performance.by_day[each]))
        for each in reversed(performance.days)
    ]
    days = table("Table of days", columns, rows, ("Total", *figured(performance.total)))
    return f"""<details class="card"><summary>All days as a table</summary>
{days}</details>
"""


def figured(figures: Figures) -> tuple[str, ...]:
    """The columns of the table."""
    return (
        count(figures.clicks),
        count(figures.conversions),
        count(figures.conversions_reversed),
        cents(figures.commission_approved),
        cents(figures.commission_pending),
        cents(figures.commission),
        cents(figures.commission_lost),
    )


def tooltip(each: date, figures: Figures, currency: str) -> str:
    """What is said of a day when it is pointed at."""
    clicks = "" if figures.clicks is None else f", {figures.clicks:,} clicks"
    earned = f"{figures.commission:,.2f} {currency}"
    return f"{day(each)}: {earned} for {figures.conversions:,} conversions{clicks}"
