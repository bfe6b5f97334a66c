"""What the loaded tables say of the last days, per currency, day and campaign."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from psycopg import sql

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date

    import psycopg

DAYS = 30
STATES = ("APPROVED", "PENDING", "REVERSED")

SCHEMAS = """
    SELECT table_schema FROM information_schema.columns
    WHERE table_name = 'actions' AND column_name = 'event_day' ORDER BY 1
"""

# A row that the loader marked as gone is no row; the mark's column is the loader's choice.
LOADED_DAYS = """
    SELECT min(event_day), max(event_day) FROM {actions} AS a
    WHERE to_jsonb(a) ->> '_sdc_deleted_at' IS NULL
"""

# What a reversal took is the payout by the contract's terms; impact.com shows 0 for the action.
ACTIONS = """
    SELECT
        coalesce(currency, ''), event_day, coalesce(campaign_name, campaign_id, ''), campaign_id,
        state, count(*), coalesce(
            sum(CASE state WHEN 'REVERSED' THEN intended_payout - payout ELSE payout END), 0
        )
    FROM {actions} AS a
    WHERE event_day > %(before)s AND event_day <= %(last)s
        AND to_jsonb(a) ->> '_sdc_deleted_at' IS NULL
    GROUP BY 1, 2, 3, 4, 5
"""

# A click has no currency: it is the connection's own, or else that of most of its actions.
CLICKS = """
    SELECT
        coalesce(c.connection_currency, (
            SELECT currency FROM {actions} AS a
            WHERE a.connection_label IS NOT DISTINCT FROM c.connection_label
            GROUP BY currency ORDER BY count(*) DESC, currency LIMIT 1
        ), ''), click_day, campaign_id, clicks, unique_clicks
    FROM (
        SELECT
            connection_label, connection_currency, click_day, campaign_id,
            sum(clicks) AS clicks, sum(unique_clicks) AS unique_clicks
        FROM {clicks}
        WHERE click_day > %(before)s AND click_day <= %(last)s
        GROUP BY 1, 2, 3, 4
    ) AS c
"""


@dataclass
class Figures:
    """Clicks, and actions and money by state. `clicks` is None if none of the days has them."""

    clicks: int | None = None
    unique_clicks: int = 0
    actions: Counter[str] = field(default_factory=Counter)
    money: defaultdict[str, Decimal] = field(default_factory=lambda: defaultdict(Decimal))

    @property
    def conversions(self) -> int:
        """Actions in every state."""
        return self.actions.total()

    @property
    def kept(self) -> int:
        """Actions that were not reversed."""
        return self.conversions - self.actions["REVERSED"]

    @property
    def commission(self) -> Decimal:
        """What the actions pay that were not reversed."""
        return sum((self.money[state] for state in self.money if state != "REVERSED"), Decimal())

    def add(self, other: Figures) -> None:
        """Take in those of other days or campaigns."""
        if other.clicks is not None:
            self.clicks = (self.clicks or 0) + other.clicks
        self.unique_clicks += other.unique_clicks
        self.actions += other.actions
        for state, money in other.money.items():
            self.money[state] += money


@dataclass
class Performance:
    """One currency's last days."""

    currency: str
    first: date
    """The oldest day that is loaded."""
    last: date
    by_day: defaultdict[date, Figures] = field(default_factory=lambda: defaultdict(Figures))
    by_campaign: defaultdict[str, Figures] = field(default_factory=lambda: defaultdict(Figures))
    names: dict[str, str] = field(default_factory=dict)

    @property
    def days(self) -> list[date]:
        """The days that are shown, in order."""
        return [self.last - timedelta(days=back) for back in reversed(range(DAYS))]

    @property
    def total(self) -> Figures:
        """All the days that are shown."""
        return added(self.by_day[day] for day in self.days)

    @property
    def before(self) -> Figures:
        """As many days before them; nothing if not all of them are loaded."""
        if self.first > self.days[0] - timedelta(days=DAYS):
            return Figures()
        return added(self.by_day[day - timedelta(days=DAYS)] for day in self.days)

    @property
    def with_clicks(self) -> Figures:
        """The days whose clicks are loaded: what clicks can be set against."""
        return added(self.by_day[day] for day in self.days if self.by_day[day].clicks is not None)

    def add(self, day: date, campaign: str, figures: Figures) -> None:
        """Take in a campaign's figures of a day."""
        self.by_day[day].add(figures)
        if day > self.last - timedelta(days=DAYS):
            self.by_campaign[campaign].add(figures)


def added(parts: Iterable[Figures]) -> Figures:
    """Figures that are the sum of others."""
    total = Figures()
    for part in parts:
        total.add(part)
    return total


def loaded_schemas(connection: psycopg.Connection) -> list[str]:
    """The schemas that hold the tap's actions."""
    return [schema for (schema,) in connection.execute(SCHEMAS)]


def read(connection: psycopg.Connection, schema: str) -> list[Performance]:
    """The last days of each currency, up to the newest action's; the most earned first."""
    tables = {
        "actions": sql.Identifier(schema, "actions"),
        "clicks": sql.Identifier(schema, "daily_clicks"),
    }
    days = connection.execute(sql.SQL(LOADED_DAYS).format(**tables)).fetchone()
    first, last = days or (None, None)
    if first is None or last is None:
        return []
    found: dict[str, Performance] = {}
    span = {"last": last, "before": last - timedelta(days=2 * DAYS)}
    actions = sql.SQL(ACTIONS).format(**tables)
    for currency, day, name, campaign, state, count, money in connection.execute(actions, span):
        performance = found.setdefault(currency, Performance(currency, first, last))
        performance.names[campaign] = name
        figures = Figures(actions=Counter({state: count}))
        figures.money[state] = money
        performance.add(day, campaign, figures)
    for currency, day, campaign, clicks, unique_clicks in daily_clicks(connection, tables, span):
        performance = found.setdefault(currency, Performance(currency, first, last))
        performance.add(day, campaign, Figures(int(clicks), int(unique_clicks)))
    return sorted(found.values(), key=lambda performance: -performance.total.commission)


def daily_clicks(
    connection: psycopg.Connection, tables: dict[str, sql.Identifier], span: dict[str, date]
) -> Iterable[tuple[str, date, str, int, int]]:
    """Clicks per currency, day and campaign; none if they were never loaded."""
    table = tables["clicks"].as_string(connection)
    if connection.execute("SELECT to_regclass(%s)", (table,)).fetchone() == (None,):
        return []
    return connection.execute(sql.SQL(CLICKS).format(**tables), span).fetchall()
