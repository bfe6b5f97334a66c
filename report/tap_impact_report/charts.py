"""Charts of bars, as SVG that is stretched to any width, and the cards and tables around them.

What is to be read in a chart is HTML around the SVG, so that letters keep their size on a phone.
"""

from __future__ import annotations

from decimal import Decimal
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from tap_impact_report.wording import short

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

STEPS = (1, 2, 3, 4, 5, 6, 8, 10)
# The places that the words "not loaded" need on a phone.
WORTH_WORDS = 9

Number = int | Decimal


class Series(NamedTuple):
    """What one colour shows: a number per place, None where there is none.

    `sign` -1 hangs down.
    """

    style: str
    values: Sequence[Number | None]
    sign: int = 1


class Chart(NamedTuple):
    """What a chart shows; `text` says it in words, for those who do not see it."""

    name: str
    """Unlike that of any other chart of the page."""
    title: str
    text: str
    labels: Sequence[str]
    """What stands below each place; empty if nothing."""
    series: Sequence[Series]
    tooltips: Sequence[str]
    size: str = ""

    @property
    def is_empty(self) -> bool:
        """Whether it would show nothing at all."""
        return not any(value for part in self.series for value in part.values)

    def html(self) -> str:
        """Bars, stacked upwards and, what was lost, downwards."""
        places = len(self.labels)
        top, bottom = ceiling(max(self._stacks(1))), max(self._stacks(-1))
        height = top + bottom
        zero = 100 * top / height
        width = 10 * places
        targets = "".join(
            f'<rect class="day" x="{10 * place}" y="0" width="10" height="100">'
            f"<title>{told}</title></rect>"
            for place, told in enumerate(self.tooltips)
        )
        shaded = "".join(
            f'<rect class="gap" x="{10 * begin}" y="0" width="{10 * length}" height="{zero:.2f}"/>'
            for begin, length in self._gaps()
        )
        levels, lines = "", ""
        for tick in (top, top / 2, Decimal()):
            y = 100 * (top - tick) / height
            style = "" if tick else 'class="zero" '
            lines += f'<line {style}x1="0" x2="{width}" y1="{y:.2f}" y2="{y:.2f}"/>'
            levels += f'<span style="top:{y:.2f}%">{short(tick)}</span>'
        names = "".join(
            f'<span style="left:{100 * (place + 0.5) / places:.2f}%">{label}</span>'
            for place, label in enumerate(self.labels)
            if label
        )
        words = "".join(
            f'<span style="left:{100 * (begin + length / 2) / places:.2f}%">not loaded</span>'
            for begin, length in self._gaps()
            if length >= WORTH_WORDS
        )
        return f"""<div class="chart {self.size}"><div class="plot">
<svg viewBox="0 0 {width} 100" preserveAspectRatio="none" role="img" \
aria-labelledby="{self.name}-title {self.name}-text">
<title id="{self.name}-title">{self.title}</title>
<desc id="{self.name}-text">{self.text}</desc>
{shaded}{lines}
{"".join(self._bars(zero, height))}
{targets}
</svg>
<div class="y" aria-hidden="true">{levels}</div>
<div class="x" aria-hidden="true">{names}</div>
<div class="gaps" aria-hidden="true">{words}</div>
</div></div>"""

    def _bars(self, zero: Decimal, height: Decimal) -> Iterable[str]:
        for place in range(len(self.labels)):
            ends = {1: zero, -1: zero}
            for part in self.series:
                length = 100 * Decimal(part.values[place] or 0) / height
                if length <= 0:
                    continue
                begin = ends[part.sign]
                ends[part.sign] = begin - part.sign * length
                y = min(begin, ends[part.sign])
                yield (
                    f'<rect class="{part.style}" x="{10 * place + 1.5}" y="{y:.2f}" width="7" '
                    f'height="{length:.2f}"/>'
                )

    def _gaps(self) -> list[tuple[int, int]]:
        """Where places have no number at all: each first one, and how many there are."""
        found, place = [], 0
        for empty, places in groupby(
            all(value is None for value in values)
            for values in zip(*(part.values for part in self.series), strict=True)
        ):
            length = len([*places])
            if empty:
                found.append((place, length))
            place += length
        return found

    def _stacks(self, sign: int) -> Iterable[Decimal]:
        """How high the bars of each place are, in one direction."""
        parts = [part.values for part in self.series if part.sign == sign]
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


def chart_card(chart: Chart, legend: Sequence[tuple[str, str, str]]) -> str:
    """A chart with its legend (style, words, figure of each); nothing if it would be empty."""
    if chart.is_empty:
        return ""
    items = "".join(
        f'<li><i class="{style}"></i>{words} <b>{figure}</b></li>\n'
        for style, words, figure in legend
    )
    return f"""<div class="card">
<div class="heading"><h3>{chart.title}</h3>
<ul class="legend">
{items}</ul></div>
{chart.html()}
</div>
"""


def headline(cards: Sequence[tuple[str, str, str]]) -> str:
    """Figures that a person looks for first: what each is called, its value, and a note."""
    items = "\n".join(
        f'<div class="card"><dt>{name}</dt><dd class="value">{value}</dd>'
        f'<dd class="note">{note}</dd></div>'
        for name, value, note in cards
    )
    return f'<dl class="figures">\n{items}\n</dl>\n' if cards else ""


def table(
    title: str, head: Sequence[str], rows: Sequence[Sequence[str]], foot: Sequence[str] = ()
) -> str:
    """A table that scrolls by itself where it is too wide; the first column names the rows."""
    columns = "".join(f'<th scope="col">{name}</th>' for name in head)
    body = "\n".join(f"<tr>{cells(row)}</tr>" for row in rows)
    total = f"<tfoot><tr>{cells(foot)}</tr></tfoot>\n" if foot else ""
    return f"""<div class="scroll" tabindex="0" role="region" aria-label="{title}"><table>
<thead><tr>{columns}</tr></thead>
<tbody>
{body}
</tbody>
{total}</table></div>"""


def cells(row: Sequence[str]) -> str:
    """A row's cells."""
    first, *others = row
    return f'<th scope="row">{first}</th>' + "".join(f"<td>{text}</td>" for text in others)
