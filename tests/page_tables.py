"""The tables of a page of HTML."""

from __future__ import annotations

from html.parser import HTMLParser

from typing_extensions import override


class Tables(HTMLParser):
    """Its tables, each of rows of the texts of their cells."""

    def __init__(self) -> None:
        super().__init__()
        self.tables: list[list[list[str]]] = []
        self.inside = False

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in {"td", "th"}:
            self.inside = True
            self.tables[-1][-1].append("")

    @override
    def handle_endtag(self, tag: str) -> None:
        if tag in {"td", "th"}:
            self.inside = False

    @override
    def handle_data(self, data: str) -> None:
        if self.inside:
            self.tables[-1][-1][-1] += data


def tables_of(page: str) -> list[list[list[str]]]:
    """Each table's rows, each the texts of its cells."""
    parser = Tables()
    parser.feed(page)
    return parser.tables
