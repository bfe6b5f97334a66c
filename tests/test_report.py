"""The picture of the last 30 days, through its command, from tables that the real loader wrote."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner, Result
from impact_sandbox import database
from impact_sandbox.switches import Switches
from impact_sandbox.world import World
from tap_impact_report import command
from typing_extensions import override

from tests.inside import run_inside
from tests.runs import catalog

if TYPE_CHECKING:
    from tests.conftest import SandboxFactory, Warehouse

AT = datetime(2026, 6, 30, 6, 10, tzinfo=UTC)
LAST = date(2026, 6, 29)  # it is still evening in the account's own time zone
STYLE = Path(command.__file__).with_name("style.css").read_text()


def draw(warehouse: Warehouse, output: Path, *, schema: str | None = None) -> Result:
    options = ["--port", str(warehouse.port), "--output", str(output)]
    return CliRunner().invoke(command.cli, [*options, "--schema", schema or warehouse.schema])


def load(
    sandbox: SandboxFactory,
    warehouse: Warehouse,
    *streams: str,
    start: str = "2026-04-01",
) -> World:
    world = World(opened=date(2026, 4, 1), actions_per_day=20, clicks_per_day=50)
    switches = Switches(click_export="sync")
    config = sandbox(world=world, at=AT, switches=switches).settings() | {
        "start_date": start,
        "end_date": AT.isoformat(),
        "timezone": world.zone.key,
    }
    warehouse.load(run_inside(config, catalog=catalog(*streams)).stdout)
    return world


class Cells(HTMLParser):
    """The rows of the page's tables, each the texts of its cells."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.inside = False
        self.feed(page)

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "tr":
            self.rows.append([])
        elif tag in {"td", "th"}:
            self.inside = True
            self.rows[-1].append("")

    @override
    def handle_endtag(self, tag: str) -> None:
        if tag in {"td", "th"}:
            self.inside = False

    @override
    def handle_data(self, data: str) -> None:
        if self.inside:
            self.rows[-1][-1] += data


def test_every_day_of_the_page_is_the_truth(
    sandbox: SandboxFactory, warehouse: Warehouse, tmp_path: Path
) -> None:
    world = load(sandbox, warehouse, "actions", "daily_clicks")
    drawn = draw(warehouse, tmp_path / "page.html")
    assert drawn.exit_code == 0, drawn.output

    counts: Counter[tuple[date, str]] = Counter()
    money: defaultdict[tuple[date, str], Decimal] = defaultdict(Decimal)
    for row in world.actions(AT):
        key = date.fromisoformat(row["EventDate"][:10]), row["State"]
        counts[key] += 1
        money[key] += Decimal(row["IntendedPayout" if key[1] == "REVERSED" else "Payout"])
    head, *rows, total = Cells((tmp_path / "page.html").read_text()).rows
    assert head == [
        "Day", "Clicks", "Conversions", "Reversed", "Approved", "Pending", "Commission", "Lost",
    ]  # fmt: skip
    days = [LAST - timedelta(days=back) for back in range(30)]
    expected = []
    for back, day in enumerate(days):
        clicks = f"{world.click_count(day):,}" if 1 <= back <= 10 else "–"  # noqa: RUF001
        approved, pending = money[day, "APPROVED"], money[day, "PENDING"]
        expected.append(
            [
                f"{day:%a} {day.day} {day:%b}",
                clicks,
                f"{counts[day, 'APPROVED'] + counts[day, 'PENDING']:,}",
                f"{counts[day, 'REVERSED']:,}",
                f"{approved:,.2f}",
                f"{pending:,.2f}",
                f"{approved + pending:,.2f}",
                f"{money[day, 'REVERSED']:,.2f}",
            ]
        )
    assert rows == expected
    earned = sum(money[day, state] for day in days for state in ("APPROVED", "PENDING"))
    assert total[6] == f"{earned:,.2f}"
    assert f"{earned:,.2f} USD" in drawn.output


def test_the_page_needs_nothing_else_and_says_in_words_what_it_draws(
    sandbox: SandboxFactory, warehouse: Warehouse, tmp_path: Path
) -> None:
    load(sandbox, warehouse, "actions")
    warehouse.query("UPDATE actions SET campaign_name = '<b>Me & you</b>' RETURNING 1")
    warehouse.connection.commit()
    assert draw(warehouse, tmp_path / "page.html").exit_code == 0

    page = (tmp_path / "page.html").read_text()
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


def test_each_currency_has_its_own_figures(
    sandbox: SandboxFactory, warehouse: Warehouse, tmp_path: Path
) -> None:
    load(sandbox, warehouse, "actions", "daily_clicks")
    warehouse.query("UPDATE actions SET currency = 'EUR' WHERE campaign_id = '2001' RETURNING 1")
    warehouse.connection.commit()
    drawn = draw(warehouse, tmp_path / "page.html")
    sums = warehouse.query(
        "SELECT currency, to_char(sum(payout), 'FM999,990.00') FROM actions "
        "WHERE event_day > '2026-05-30' AND state <> 'REVERSED' "
        "GROUP BY 1 ORDER BY sum(payout) DESC"
    )
    assert re.findall(r": (\S+) (\S+) for", drawn.output) == [sum_[::-1] for sum_ in sums]
    page = (tmp_path / "page.html").read_text()
    assert re.findall(r'<section class="currency" aria-label="(\S+)">', page) == [
        currency for currency, _ in sums
    ]
    # clicks stand beside the currency of most actions
    assert page.count("<h2>Clicks per day</h2>") == 1


def test_what_cannot_be_drawn_is_explained(
    sandbox: SandboxFactory, warehouse: Warehouse, tmp_path: Path
) -> None:
    missing = draw(warehouse, tmp_path / "page.html", schema="nowhere")
    assert (missing.exit_code, missing.output.splitlines()[0]) == (
        1,
        'Error: The tables cannot be read: relation "nowhere.actions" does not exist',
    )
    load(sandbox, warehouse, "actions")
    warehouse.query("UPDATE actions SET _sdc_deleted_at = now() RETURNING 1")
    warehouse.connection.commit()
    gone = draw(warehouse, tmp_path / "page.html")
    assert gone.output == f"Error: {warehouse.schema}.actions holds no actions yet.\n"
    assert not (tmp_path / "page.html").exists()


def test_without_options_it_reads_the_database_of_this_project() -> None:
    ours = command.HOST, command.PORT, command.ROLE, command.DATABASE
    embedded = database.HOST, database.DEFAULT_PORT, database.ROLE, database.DATABASE
    assert ours == embedded


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
        *(("card", mark, 3) for mark in ("approved", "pending", "reversed", "clicks")),
        ("gap", "approved", 3),
        ("approved", "pending", 1.8),
    ]:
        darker, lighter = sorted(luminance(colours[name]) for name in (ground, colour))
        assert (lighter + 0.05) / (darker + 0.05) >= least, (ground, colour)


@pytest.mark.parametrize(
    ("start", "words"), [("2026-04-01", "% on the 30 days before"), ("2026-05-20", "not loaded")]
)
def test_it_compares_with_whole_days_only(
    sandbox: SandboxFactory, warehouse: Warehouse, tmp_path: Path, start: str, words: str
) -> None:
    load(sandbox, warehouse, "actions", start=start)
    draw(warehouse, tmp_path / "report.html")
    card = (tmp_path / "report.html").read_text().partition("<dt>Conversions</dt>")[0]
    assert words in card
