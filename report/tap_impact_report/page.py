"""The page: HTML, CSS and SVG in one file, without scripts and without anything from elsewhere.

A chart's bars are an SVG that is stretched to any width; what is to be read in it is HTML around
the SVG, so that letters keep their size on a phone. Every figure is in the table of days, too.
"""

from __future__ import annotations

from decimal import Decimal
from html import escape
from importlib.resources import files
from itertools import count, groupby
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import date, datetime

    from tap_impact_report.figures import Figures, Performance

CAMPAIGNS = 8
STEPS = (1, 2, 3, 4, 5, 6, 8, 10)
POLICY = "default-src 'none'; style-src 'unsafe-inline'"

WITHOUT_CENTS = 100_000
# The days that the words "not loaded" need on a phone.
WORTH_WORDS = 9

Number = int | Decimal


class Series(NamedTuple):
    """What one colour shows: a number per day, None where there is none; `sign` -1 hangs down."""

    style: str
    values: Sequence[Number | None]
    sign: int = 1


class Chart(NamedTuple):
    """What a chart shows; `text` says it in words, for those who do not see it."""

    title: str
    text: str
    days: Sequence[date]
    series: Sequence[Series]
    tooltips: Sequence[str]
    size: str = ""


def page(performances: Sequence[Performance], drawn: datetime) -> str:
    """The whole page, a section for each currency."""
    first = performances[0]
    style = files("tap_impact_report").joinpath("style.css").read_text(encoding="utf-8")
    sections = "".join(section(part, number) for number, part in enumerate(performances))
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>impact.com, {day(first.days[0])} to {day(first.last)}</title>
<style>
{style}</style>
</head>
<body>
<main>
<header>
<h1>What impact.com brought</h1>
<p class="quiet">{day(first.days[0])} to {day(first.last)} {first.last:%Y}</p>
</header>
{sections}
<footer>Days are those of the account's own calendar, as in impact.com's reports; the last one may
still be going on. Actions stand on the day of the conversion, in their present state: recent ones
are mostly pending. Drawn {drawn:%Y-%m-%d %H:%M} UTC.</footer>
</main>
</body>
</html>
"""


def section(performance: Performance, number: int) -> str:
    """One currency's figures."""
    days = performance.days
    daily = [performance.by_day[each] for each in days]
    total, currency = performance.total, escape(performance.currency)
    has_clicks = total.clicks is not None
    money = [
        Series("approved", [figures.commission_approved for figures in daily]),
        Series("pending", [figures.commission_pending for figures in daily]),
        Series("reversed", [figures.commission_lost for figures in daily], -1),
    ]
    actions = [
        Series("approved", [figures.conversions_approved for figures in daily]),
        Series("pending", [figures.conversions_pending for figures in daily]),
        Series("reversed", [figures.conversions_reversed for figures in daily], -1),
    ]
    loaded = sum(figures.clicks is not None for figures in daily)
    partly = f"; clicks of {loaded} days" if 0 < loaded < len(days) else ""
    names = count()
    told = [tooltip(each, figures, currency) for each, figures in zip(days, daily, strict=True)]

    def drawn(title: str, text: str, series: list[Series], size: str = "") -> str:
        return chart(f"chart-{number}-{next(names)}", Chart(title, text, days, series, told, size))

    commission = drawn(
        f"Commission per day, {currency}",
        f"Approved {total.commission_approved:,.2f}, pending {total.commission_pending:,.2f}; "
        f"lost to reversals {total.commission_lost:,.2f}, below the line. "
        "The table of days has every figure.",
        money,
        "tall",
    )
    conversions = drawn(
        "Conversions per day",
        f"Approved {total.conversions_approved:,}, pending {total.conversions_pending:,}; "
        f"reversed {total.conversions_reversed:,}, below the line.",
        actions,
    )
    clicks = drawn(
        "Clicks per day",
        f"{total.clicks or 0:,} clicks. Days whose clicks are not loaded are shaded.",
        [Series("clicks", [figures.clicks for figures in daily])],
    )
    click_card = f"""<div class="card">
<div class="heading"><h2>Clicks per day</h2>
<ul class="legend"><li><i class="clicks"></i>clicks <b>{total.clicks or 0:,}</b></li></ul></div>
{clicks}
</div>"""
    return f"""<section class="currency" aria-label="{currency}">
<dl class="figures">
{headline(performance)}
</dl>
<div class="card">
<div class="heading"><h2>Commission per day, {currency}</h2>
<ul class="legend">
<li><i class="approved"></i>approved <b>{total.commission_approved:,.2f}</b></li>
<li><i class="pending"></i>pending <b>{total.commission_pending:,.2f}</b></li>
<li><i class="reversed"></i>lost to reversals <b>{total.commission_lost:,.2f}</b></li>
</ul></div>
{commission}
</div>
<div class="{"two" if has_clicks else "one"}">
<div class="card">
<div class="heading"><h2>Conversions per day</h2>
<ul class="legend">
<li><i class="approved"></i>approved <b>{total.conversions_approved:,}</b></li>
<li><i class="pending"></i>pending <b>{total.conversions_pending:,}</b></li>
<li><i class="reversed"></i>reversed <b>{total.conversions_reversed:,}</b></li>
</ul></div>
{conversions}
</div>
{click_card if has_clicks else ""}
</div>
<div class="card">
<div class="heading"><h2>Campaigns</h2><p class="quiet">by commission, {currency}{partly}</p></div>
{campaigns(performance)}
</div>
{table(performance)}
</section>
"""


def headline(performance: Performance) -> str:
    """The four figures that a person looks for first."""
    total = performance.total
    loaded = sum(performance.by_day[each].clicks is not None for each in performance.days)
    money = f'<span class="unit">{escape(performance.currency)}</span>'
    cards = [
        (
            "Commission",
            f"{headed(total.commission)} {money}",
            change(performance.tracked, performance.tracked_before),
        ),
        ("Conversions", f"{total.conversions:,}", f"and {total.conversions_reversed:,} reversed"),
    ]
    if total.clicks is None:
        cards += [("Clicks", "&ndash;", "not loaded"), ("Earnings per click", "&ndash;", "")]
    else:
        of_days = (
            f", {loaded} of {len(performance.days)} days" if loaded < len(performance.days) else ""
        )
        cards.append(
            ("Clicks", f"{total.clicks:,}", f"{total.unique_clicks:,} unique{of_days}"),
        )
        cards.append(
            (
                "Earnings per click",
                "&ndash;" if total.epc is None else f"{total.epc:,.3f} {money}",
                f"{100 * (total.conversion_rate or 0):.1f}% of clicks convert",
            )
        )
    return "\n".join(
        f'<div class="card"><dt>{name}</dt><dd class="value">{value}</dd>'
        f'<dd class="note">{note}</dd></div>'
        for name, value, note in cards
    )


def headed(amount: Decimal) -> str:
    """An amount as a headline has it: without cents where they would be lost in it."""
    return f"{amount:,.0f}" if abs(amount) >= WITHOUT_CENTS else f"{amount:,.2f}"


def change(now: Decimal, before: Decimal) -> str:
    """How what was tracked compares with the days before, which had more time to be reversed."""
    if before <= 0:
        return "the 30 days before are not loaded"
    percent = 100 * (now - before) / before
    return f"{percent:+.0f}% tracked on the 30 days before".replace("-", "&minus;")


def chart(name: str, drawing: Chart) -> str:
    """Bars per day, stacked upwards and, what was lost, downwards."""
    days, series = drawing.days, drawing.series
    top, bottom = ceiling(max(stacks(series, 1))), max(stacks(series, -1))
    height = top + bottom
    zero = 100 * top / height
    width = 10 * len(days)
    bars, targets = [], []
    for place, told in enumerate(drawing.tooltips):
        x = 10 * place
        ends = {1: zero, -1: zero}
        for part in series:
            length = 100 * Decimal(part.values[place] or 0) / height
            if length <= 0:
                continue
            begin = ends[part.sign]
            ends[part.sign] = begin - part.sign * length
            y = min(begin, ends[part.sign])
            bars.append(
                f'<rect class="{part.style}" x="{x + 1.5}" y="{y:.2f}" width="7" '
                f'height="{length:.2f}"/>'
            )
        targets.append(
            f'<rect class="day" x="{x}" y="0" width="10" height="100"><title>{told}</title></rect>'
        )
    shaded = "".join(
        f'<rect class="gap" x="{10 * begin}" y="0" width="{10 * length}" height="{zero:.2f}"/>'
        for begin, length in gaps(series)
    )
    levels, lines = "", ""
    for tick in (top, top / 2, Decimal()):
        y = 100 * (top - tick) / height
        style = "" if tick else 'class="zero" '
        lines += f'<line {style}x1="0" x2="{width}" y1="{y:.2f}" y2="{y:.2f}"/>'
        levels += f'<span style="top:{y:.2f}%">{short(tick)}</span>'
    dates = "".join(
        f'<span style="left:{100 * (place + 0.5) / len(days):.2f}%">{day(days[place])}</span>'
        for place in range(2, len(days), 4)
    )
    words = "".join(
        f'<span style="left:{100 * (begin + length / 2) / len(days):.2f}%">not loaded</span>'
        for begin, length in gaps(series)
        if length >= WORTH_WORDS
    )
    return f"""<div class="chart {drawing.size}"><div class="plot">
<svg viewBox="0 0 {width} 100" preserveAspectRatio="none" role="img" \
aria-labelledby="{name}-title {name}-text">
<title id="{name}-title">{drawing.title}</title>
<desc id="{name}-text">{drawing.text}</desc>
{shaded}{lines}
{"".join(bars)}
{"".join(targets)}
</svg>
<div class="y" aria-hidden="true">{levels}</div>
<div class="x" aria-hidden="true">{dates}</div>
<div class="gaps" aria-hidden="true">{words}</div>
</div></div>"""


def gaps(series: Sequence[Series]) -> list[tuple[int, int]]:
    """Where days have no number at all: each first place, and how many days there are."""
    found, place = [], 0
    for empty, days in groupby(
        all(value is None for value in values)
        for values in zip(*(part.values for part in series), strict=True)
    ):
        length = len([*days])
        if empty:
            found.append((place, length))
        place += length
    return found


def stacks(series: Sequence[Series], sign: int) -> Iterable[Decimal]:
    """How high the bars of each day are, in one direction."""
    parts = [part.values for part in series if part.sign == sign]
    heights = [
        sum((Decimal(value or 0) for value in values), Decimal())
        for values in zip(*parts, strict=True)
    ]
    return heights or [Decimal()]


def ceiling(highest: Decimal) -> Decimal:
    """The round number that an axis ends at."""
    if highest <= 0:
        return Decimal(1)
    unit = Decimal(10) ** highest.adjusted()
    return next(step * unit for step in STEPS if step * unit >= highest)


def campaigns(performance: Performance) -> str:
    """The campaigns that earned most, each with a bar of its states."""
    ranked = sorted(
        performance.by_campaign.items(),
        key=lambda item: (-item[1].commission, -(item[1].clicks or 0), item[0]),
    )
    longest = max((figures.commission for _, figures in ranked), default=Decimal()) or Decimal(1)
    rows = "".join(
        f"""<li><span class="name">{escape(performance.names.get(campaign, campaign))}</span>
{bar(figures, longest)}<span class="money">{figures.commission:,.2f}</span>
<span class="facts">{facts(figures)}</span></li>
"""
        for campaign, figures in ranked[:CAMPAIGNS]
    )
    rest = len(ranked) - CAMPAIGNS
    more = f'<p class="quiet">and {rest} more</p>' if rest > 0 else ""
    return f'<ol class="campaigns">\n{rows}</ol>{more}'


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
    parts = [f"{figures.conversions:,} conversion{'' if figures.conversions == 1 else 's'}"]
    if figures.conversions_reversed:
        parts.append(f"{figures.conversions_reversed:,} reversed")
    if figures.clicks is not None:
        parts.append(f"{figures.clicks:,} clicks")
    return " &middot; ".join(parts)


def table(performance: Performance) -> str:
    """Every figure of the charts, in rows."""
    columns = (
        "Clicks", "Conversions", "Reversed", "Approved", "Pending", "Commission", "Lost",
    )  # fmt: skip
    head = "".join(f'<th scope="col">{name}</th>' for name in ("Day", *columns))
    rows = "".join(
        f'<tr><th scope="row">{each:%a} {day(each)}</th>{cells(performance.by_day[each])}</tr>\n'
        for each in reversed(performance.days)
    )
    return f"""<details class="card"><summary>All days as a table</summary>
<div class="scroll" tabindex="0" role="region" aria-label="Table of days"><table>
<thead><tr>{head}</tr></thead>
<tbody>
{rows}</tbody>
<tfoot><tr><th scope="row">Total</th>{cells(performance.total)}</tr></tfoot>
</table></div></details>"""


def cells(figures: Figures) -> str:
    """The columns of the table."""
    texts = (
        "&ndash;" if figures.clicks is None else f"{figures.clicks:,}",
        f"{figures.conversions:,}",
        f"{figures.conversions_reversed:,}",
        f"{figures.commission_approved:,.2f}",
        f"{figures.commission_pending:,.2f}",
        f"{figures.commission:,.2f}",
        f"{figures.commission_lost:,.2f}",
    )
    return "".join(f"<td>{text}</td>" for text in texts)


def tooltip(each: date, figures: Figures, currency: str) -> str:
    """What is said of a day when it is pointed at."""
    clicks = "" if figures.clicks is None else f", {figures.clicks:,} clicks"
    earned = f"{figures.commission:,.2f} {currency}"
    return f"{day(each)}: {earned} for {figures.conversions:,} conversions{clicks}"


def day(each: date) -> str:
    """A day as a person writes it."""
    return f"{each.day} {each:%b}"


def short(number: Decimal) -> str:
    """A number as an axis shows it."""
    for size, letter in ((1_000_000_000, "G"), (1_000_000, "M"), (1_000, "k")):
        if number >= size:
            return f"{(number / size).normalize():f}{letter}"
    return f"{number.normalize():f}"
