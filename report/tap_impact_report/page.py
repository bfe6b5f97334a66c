"""The page: HTML, CSS and SVG in one file, without scripts and without anything from elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING

from tap_impact_report import days, figures, forecast, money, subids
from tap_impact_report.wording import day

if TYPE_CHECKING:
    from datetime import datetime

    import sqlalchemy as sa

    from tap_impact_report.figures import Performance

POLICY = "default-src 'none'; style-src 'unsafe-inline'"


@dataclass(frozen=True)
class Part:
    """A part of the page: what it is called, and its HTML by currency."""

    anchor: str
    title: str
    note: str
    by_currency: dict[str, str]

    @property
    def sections(self) -> str:
        """A section for each currency that it has anything of."""
        return "".join(
            f'<section class="currency" aria-label="{escape(currency)}">\n{html}</section>\n'
            for currency, html in self.by_currency.items()
            if html
        )


def parts(connection: sa.Connection, schema: str, performances: list[Performance]) -> list[Part]:
    """All that the models tell, without what would be empty."""
    last = performances[0].last
    currencies = [each.currency for each in performances]
    months = money.read(connection, schema, last)
    names = subids.read(connection, schema, last)
    coming = forecast.read(connection, schema)
    currencies += sorted({*months, *coming} - {*currencies})
    made = [
        Part(
            "days",
            f"The last {figures.DAYS} days",
            f"{day(performances[0].days[0])} to {day(last)} {last:%Y}",
            {each.currency: days.section(each) for each in performances},
        ),
        Part(
            "money",
            "Money",
            "What was earned in each month, and how far it has come",
            {each: money.section(months[each], each) for each in currencies if each in months},
        ),
        Part(
            "subids",
            "SubIds and pages",
            f"What your own links brought in the last {figures.DAYS} days",
            {each: subids.section(names[each], each) for each in currencies if each in names},
        ),
        Part(
            "forecast",
            "Forecast",
            "What pending actions will come to",
            {each: forecast.section(coming[each], each) for each in currencies if each in coming},
        ),
    ]
    return [part for part in made if part.sections]


def page(made: list[Part], drawn: datetime) -> str:
    """The whole page."""
    style = files("tap_impact_report").joinpath("style.css").read_text(encoding="utf-8")
    links = "".join(f'<a href="#{part.anchor}">{part.title}</a>' for part in made)
    navigation = f"<nav>{links}</nav>\n" if len(made) > 1 else ""
    body = "".join(
        f"""<article id="{part.anchor}">
<header><h2>{part.title}</h2><p class="quiet">{part.note}</p></header>
{part.sections}</article>
"""
        for part in made
    )
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>What impact.com brought: {made[0].note}</title>
<style>
{style}</style>
</head>
<body>
<main>
<header>
<h1>What impact.com brought</h1>
{navigation}</header>
{body}<footer>Days are those of the account's own calendar, as in impact.com's reports; the last
one may still be going on. Actions stand on the day of the conversion, in their present state:
recent ones are mostly pending. Drawn {drawn:%Y-%m-%d %H:%M} UTC.</footer>
</main>
</body>
</html>
"""
