"""What the dbt models say of the last days, per currency, day and campaign.

What a figure means is decided in the models; here they are only added up.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, fields
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import sqlalchemy as sa

from tap_impact_report.models import exact, model

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date

DAYS = 30
PERFORMANCE = "impact_daily_performance"
CLICK_DAYS = "impact_click_days"
DIMENSIONS = ("connection_label", "campaign_id", "campaign_name", "currency")


@dataclass
class Figures:
    """Columns of `impact_daily_performance`, added up."""

    clicks: int | None = None
    """None if they are known of no day."""
    unique_clicks: int = 0
    conversions: int = 0
    conversions_pending: int = 0
    conversions_approved: int = 0
    conversions_reversed: int = 0
    commission: Decimal = Decimal()
    commission_pending: Decimal = Decimal()
    commission_approved: Decimal = Decimal()
    commission_lost: Decimal = Decimal()
    commission_tracked: Decimal = Decimal()
    measured_conversions: int = 0
    measured_commission: Decimal = Decimal()

    @classmethod
    def of(cls, row: sa.RowMapping) -> Figures:
        """Those of a row of a model, as far as it has them."""
        found = cls(None if row["clicks"] is None else int(row["clicks"]))
        for each in SUMMED:
            number = exact(row.get(each.name))
            setattr(found, each.name, number if isinstance(each.default, Decimal) else int(number))
        return found

    def add(self, other: Figures) -> None:
        """Take in those of other days, campaigns or connections."""
        if other.clicks is not None:
            self.clicks = (self.clicks or 0) + other.clicks
        for each in SUMMED:
            setattr(self, each.name, getattr(self, each.name) + getattr(other, each.name))

    @property
    def epc(self) -> Decimal | None:
        """Earnings per click, of the days whose clicks are known."""
        return self.measured_commission / self.clicks if self.clicks else None

    @property
    def conversion_rate(self) -> Decimal | None:
        """Conversions per click, of the days whose clicks are known."""
        return Decimal(self.measured_conversions) / self.clicks if self.clicks else None


SUMMED = [each for each in fields(Figures) if each.name != "clicks"]


@dataclass
class Performance:
    """One currency's last days."""

    currency: str
    last: date
    by_day: defaultdict[date, Figures] = field(default_factory=lambda: defaultdict(Figures))
    by_campaign: defaultdict[str, Figures] = field(default_factory=lambda: defaultdict(Figures))
    names: dict[str, str] = field(default_factory=dict)
    tracked: Decimal = Decimal()
    """`commission_tracked` of whole days, of connections that `tracked_before` has all days of."""
    tracked_before: Decimal = Decimal()
    """The same of as many days, 30 days earlier."""

    @property
    def days(self) -> list[date]:
        """The days that are shown, in order."""
        return [self.last - timedelta(days=back) for back in reversed(range(DAYS))]

    @property
    def total(self) -> Figures:
        """All the days that are shown."""
        return added(self.by_day[day] for day in self.days)


def added(parts: Iterable[Figures]) -> Figures:
    """Figures that are the sum of others."""
    total = Figures()
    for part in parts:
        total.add(part)
    return total


def schemas_with_models(connection: sa.Connection) -> list[str]:
    """The schemas that dbt built the models in."""
    inspector = sa.inspect(connection)
    return [
        schema
        for schema in inspector.get_schema_names()
        if inspector.has_table(PERFORMANCE, schema=schema)
    ]


def read(connection: sa.Connection, schema: str) -> list[Performance]:
    """The last days of each currency, up to the newest one loaded; the most earned first."""
    performance = model(
        PERFORMANCE, schema, "day", *DIMENSIONS, *(each.name for each in fields(Figures))
    )
    click_days = model(CLICK_DAYS, schema, "day", "currency")
    last = connection.scalar(sa.select(sa.func.max(performance.c.day)))
    if last is None:
        return []
    label, day = performance.c.connection_label, performance.c.day
    firsts = connection.execute(sa.select(label, sa.func.min(day).label("begin")).group_by(label))
    begun = {each.connection_label: each.begin for each in firsts}
    first = last - timedelta(days=DAYS - 1)
    before = first - timedelta(days=DAYS)
    found: dict[str, Performance] = {}
    for row in connection.execute(sa.select(performance).where(day >= before)).mappings():
        currency, campaign = row["currency"] or "", row["campaign_id"]
        each = found.setdefault(currency, Performance(currency, last))
        figures = Figures.of(row)
        if row["day"] >= first:
            each.names[campaign] = row["campaign_name"] or campaign
            each.by_day[row["day"]].add(figures)
            each.by_campaign[campaign].add(figures)
        # the last day may be going on, so that it has no equal
        if begun[row["connection_label"]] <= before:
            if first <= row["day"] < last:
                each.tracked += figures.commission_tracked
            elif row["day"] < last - timedelta(days=DAYS):
                each.tracked_before += figures.commission_tracked
    for known, currency in connection.execute(
        sa.select(click_days).where(click_days.c.day >= first)
    ):
        if performance_of := found.get(currency or ""):
            figures = performance_of.by_day[known]
            figures.clicks = figures.clicks or 0
    return sorted(found.values(), key=lambda each: -each.total.commission)
