"""The page, through its command, from the models' tables."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from html import unescape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result
from impact_sandbox import database
from tap_impact_report import command

from tests.model_tables import fill
from tests.page_tables import tables_of

if TYPE_CHECKING:
    from tests.conftest import Warehouse

LAST = date(2026, 6, 29)
STYLE = Path(command.__file__).with_name("style.css").read_text()


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'models.sqlite'}"


def draw(url: str, output: Path, *options: str) -> Result:
    return CliRunner().invoke(command.cli, ["--url", url, "--output", str(output), *options])


def days_of(campaign: str, **figures: Any) -> dict[str, Any]:
    """A row of a campaign on the last day, but for what is said otherwise."""
    row = {
        "day": LAST,
        "campaign_id": campaign,
        "campaign_name": f"Campaign {campaign}",
        "currency": "USD",
        "conversions": 1,
        "conversions_pending": 1,
        "commission": Decimal("2.50"),
        "commission_pending": Decimal("2.50"),
        "commission_tracked": Decimal("2.50"),
    }
    return row | figures


def build(url: str, *rows: dict[str, Any], click_days: tuple[date, ...] = ()) -> None:
    """Make the models' tables hold these days, and know the clicks of those."""
    with sa.create_engine(url, poolclass=sa.NullPool).begin() as connection:
        fill(connection, "impact_daily_performance", *rows, schema="main")
        known = [{"day": day, "currency": "USD", "clicks": 0} for day in click_days]
        fill(connection, "impact_click_days", *known, schema="main")


def page_of(url: str, tmp_path: Path) -> str:
    drawn = draw(url, tmp_path / "page.html")
    assert drawn.exit_code == 0, drawn.output
    return (tmp_path / "page.html").read_text()


def test_days_without_clicks_and_days_that_were_not_loaded_look_different(
    database_url: str, tmp_path: Path
) -> None:
    # eleven days are known: one with clicks, one whose conversion had none, nine with neither
    days = tuple(LAST - timedelta(days=back) for back in range(11))
    build(
        database_url,
        days_of("1", clicks=10, measured_commission=Decimal("2.50"), measured_conversions=1),
        days_of("1", day=days[1], clicks=0, measured_commission=Decimal("2.50")),
        days_of("1", day=LAST - timedelta(days=20)),
        click_days=days,
    )
    page = page_of(database_url, tmp_path)
    ((_, *rows, total),) = tables_of(page)
    assert [row[1] for row in rows] == ["10", *["0"] * 10, *["–"] * 19]  # noqa: RUF001
    assert total[1:4] == ["10", "3", "0"]
    assert re.findall(r'<rect class="gap" x="(\d+)" y="0" width="(\d+)"', page) == [("0", "190")]
    # the commission of the day that was not loaded is not earned by clicks of other days
    assert "0.500" in page
    assert "11 of 30 days" in page


def test_the_page_needs_nothing_else_and_says_in_words_what_it_draws(
    database_url: str, tmp_path: Path
) -> None:
    build(database_url, days_of("1", campaign_name="<b>Me & you</b>"))
    page = page_of(database_url, tmp_path)
    assert not re.search(r"<script|<link|<img|https?:|\bsrc=|url\(|@import|\bon\w+=", page)
    assert "default-src 'none'" in page
    assert "<b>Me" not in page
    assert "&lt;b&gt;Me &amp; you&lt;/b&gt;" in page
    charts = re.findall(
        r'<svg [^>]*role="img" aria-labelledby="(\S+) (\S+)">\s*'
        r'<title id="(\S+)">[^<]+</title>\s*<desc id="(\S+)">[^<]+</desc>',
        page,
    )
    assert [chart[:2] for chart in charts] == [chart[2:] for chart in charts]
    assert len(charts) == 2  # clicks were not loaded
    assert page.count("<svg") == len(charts) + page.count('<svg viewBox="0 0 100 12"')
    assert "not loaded" in unescape(page)


def test_each_currency_has_its_own_figures(database_url: str, tmp_path: Path) -> None:
    build(
        database_url,
        days_of("1", currency="EUR", commission=Decimal("0.10")),
        days_of("1", clicks=7),
        click_days=(LAST,),
    )
    page = page_of(database_url, tmp_path)
    assert re.findall(r'<section class="currency" aria-label="(\S+)">', page) == ["USD", "EUR"]
    # clicks stand beside one currency
    assert page.count("<h3>Clicks per day</h3>") == 1


def test_what_cannot_be_drawn_is_explained(
    warehouse: Warehouse, database_url: str, tmp_path: Path
) -> None:
    output = tmp_path / "page.html"
    unbuilt = draw(database_url, output)
    assert unbuilt.exit_code == 1
    assert unbuilt.output.startswith("Error: The dbt models are not built yet: `dbt build`")
    missing = draw(
        f"postgresql://{database.ROLE}@{database.HOST}:{warehouse.port}/{database.DATABASE}",
        output,
        "--schema",
        "nowhere",
    )
    assert missing.output.startswith("Error: The models cannot be read: ")
    unreachable = draw("postgresql://nobody@127.0.0.1:9/none", output)
    assert unreachable.output.startswith("Error: The database cannot be reached: ")
    unknown = draw("nonsense://here", output)
    assert unknown.output.startswith("Error: SQLAlchemy has no dialect nonsense here")
    build(database_url)
    empty = draw(database_url, output)
    assert empty.output == "Error: main.impact_daily_performance holds no days yet.\n"
    assert not output.exists()


def test_without_options_it_reads_the_database_of_this_project() -> None:
    ours = command.HOST, command.PORT, command.ROLE, command.DATABASE
    embedded = database.HOST, database.DEFAULT_PORT, database.ROLE, database.DATABASE
    assert ours == embedded


def write(url: str, model: str, *rows: dict[str, Any]) -> None:
    """Fill another model."""
    with sa.create_engine(url, poolclass=sa.NullPool).begin() as connection:
        fill(connection, model, *rows, schema="main")


def payout(status: str, amount: str, **others: Any) -> dict[str, Any]:
    return {
        "currency": "USD",
        "day": LAST,
        "payout_status": status,
        "payout": Decimal(amount),
        "intended_payout": Decimal(amount),
    } | others


def test_money_is_shown_by_month_as_far_as_the_models_know_it(
    database_url: str, tmp_path: Path
) -> None:
    build(database_url, days_of("1"))
    write(
        database_url,
        "impact_payouts",
        payout("pending", "1.50"),
        payout("cleared", "10.25", day=date(2026, 5, 3)),
        payout("locked", "4", day=date(2026, 5, 31)),
        payout("reversed", "0.50", intended_payout=Decimal(3)),
        payout("cleared", "99", day=date(2025, 5, 31)),  # too long ago
    )
    _, months = tables_of(page_of(database_url, tmp_path))
    assert months == [
        ["Month", "Pending", "Locked", "Cleared", "Lost"],
        ["Jun 2026", "1.50", "0.00", "0.00", "2.50"],
        ["May 2026", "0.00", "4.00", "10.25", "0.00"],
        ["Total", "1.50", "4.00", "10.25", "2.50"],
    ]
    settled = {"currency": "USD", "event_month": date(2026, 5, 1)}
    write(
        database_url,
        "impact_reconciliation",
        settled | {"side": "withdrawn", "item": "withdrawals", "amount": Decimal("8.25")},
        settled | {"side": "not withdrawn", "item": "overdue", "amount": Decimal(2)},
    )
    page = page_of(database_url, tmp_path)
    assert "<dt>Paid</dt>" in page
    (may,) = [row for row in tables_of(page)[1] if row[0] == "May 2026"]
    assert may == ["May 2026", "0.00", "4.00", "10.25", "2.00", "8.25", "0.00"]


def by_subid(**others: Any) -> dict[str, Any]:
    unset = dict.fromkeys(("property", "page", "team", "sub_id1", "sub_id2", "sub_id3"), "(unset)")
    figures = {"day": LAST, "currency": "USD", "conversions": 1, "commission": Decimal(5)}
    return {**unset, **figures, **others}


def test_subids_are_shown_where_they_tell_anything_apart(database_url: str, tmp_path: Path) -> None:
    build(database_url, days_of("1"))
    write(
        database_url,
        "impact_performance_by_subid",
        by_subid(page="<a>", sub_id1="<a>", clicks=10, measured_commission=Decimal(5)),
        by_subid(page="b", sub_id1="b", commission=Decimal(6), conversions_reversed=1),
        by_subid(page="b", sub_id1="b", day=LAST - timedelta(days=30)),
        by_subid(page="(unknown)", sub_id1="(unknown)", clicks=7, conversions=0, commission=None),
    )
    page = page_of(database_url, tmp_path)
    _, pages = tables_of(page)
    # SubId 1 says the same as pages; properties, teams and the other SubIds say nothing
    assert re.findall(r"<h3>([^<]+)</h3>", page)[-1] == "Pages"
    assert pages[1:] == [
        ["b", "6.00", "", "–", "1", "–", "50.0%"],  # noqa: RUF001
        ["<a>", "5.00", "", "10", "1", "0.500", "0.0%"],
        ["(unknown)", "0.00", "", "7", "0", "–", "–"],  # noqa: RUF001
    ]


def test_a_forecast_stands_beside_its_error(database_url: str, tmp_path: Path) -> None:
    build(database_url, days_of("1"))
    pending = {"currency": "USD", "campaign_name": "One", "actions": 4, "pending": Decimal(20)}
    past = {"past_came_to": Decimal(200), "past_off_by": Decimal(5)}
    naive = {"past_naive_off_by": Decimal(30)}
    write(
        database_url,
        "impact_payout_forecast",
        {**pending, **past, **naive, "forecast": Decimal(18)},
    )
    forecasts = [
        {
            "currency": "USD",
            "forecast_at": datetime(2026, month, 1, tzinfo=UTC),
            "pending": Decimal(100),
            "forecast": Decimal(90),
            "came_to": came_to,
        }
        for month, came_to in ((3, Decimal(88)), (4, Decimal(93)), (6, None))
    ]
    write(database_url, "impact_forecasts", *forecasts)
    page = page_of(database_url, tmp_path)
    figures = ["4", "20.00", "18.00", "2.5%", "15.0%"]
    assert tables_of(page)[-1][1:] == [["One", *figures], ["Total", *figures]]
    told = re.findall(r"<title>(\w+ 2026): 100.00 pending, 90.00 expected, (\S+) came", page)
    assert told == [("Mar 2026", "88.00"), ("Apr 2026", "93.00")]


def test_an_account_with_clicks_alone_has_names_and_no_empty_chart(
    database_url: str, tmp_path: Path
) -> None:
    nothing = dict.fromkeys(("conversions", "conversions_pending"), 0) | dict.fromkeys(
        ("commission", "commission_pending", "commission_tracked"), Decimal()
    )
    build(
        database_url,
        days_of("1", clicks=12, **nothing),
        days_of("2", clicks=0, day=LAST - timedelta(days=1), **nothing),
        click_days=(LAST, LAST - timedelta(days=1)),
    )
    page = page_of(database_url, tmp_path)
    assert re.findall(r"<h3>([^<]+)</h3>", page) == ["Clicks per day", "Campaigns"]
    assert "Campaign 1" in page
    assert "<nav>" not in page  # there is one part alone


def luminance(colour: str) -> float:
    """Relative luminance by WCAG 2."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_colours_can_be_told_apart_from_their_ground(scheme: int) -> None:
    colours = dict(re.findall(r"--(\w+): (#\w{6});", STYLE.split("@media")[scheme]))
    for ground, colour, least in [
        *((ground, text, 4.5) for ground in ("card", "ground", "gap") for text in ("ink", "quiet")),
        *(("card", mark, 3) for mark in ("approved", "pending", "reversed", "clicks", "locked")),
        ("gap", "approved", 3),
        ("approved", "pending", 1.8),
    ]:
        darker, lighter = sorted(luminance(colours[name]) for name in (ground, colour))
        assert (lighter + 0.05) / (darker + 0.05) >= least, (ground, colour)


def test_days_are_compared_by_what_was_tracked_and_only_if_all_are_loaded(
    database_url: str, tmp_path: Path
) -> None:
    # 30 days ago an action was tracked as well, and has been reversed since; a second connection
    # has no such days
    reversed_ = {"commission": Decimal(0), "commission_lost": Decimal("2.50")}
    build(
        database_url,
        *(days_of("1", day=LAST - timedelta(days=back)) for back in (0, 1, 2)),
        days_of("1", day=LAST - timedelta(days=32), **reversed_),
        days_of("1", day=LAST - timedelta(days=59), commission_tracked=Decimal(0)),
        days_of("2", connection_label="new", day=LAST - timedelta(days=3)),
    )
    card = page_of(database_url, tmp_path).partition("<dt>Conversions</dt>")[0]
    assert "+100% tracked on the 30 days before" in card


def test_without_the_days_before_there_is_no_comparison(database_url: str, tmp_path: Path) -> None:
    build(database_url, days_of("1"), days_of("1", day=LAST - timedelta(days=40)))
    assert "the 30 days before are not loaded" in page_of(database_url, tmp_path)
