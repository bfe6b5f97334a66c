"""An impact.com that only sends bytes which were prepared before the clock runs.

python -m benchmarks.server FOLDER    # serves what `prepare` put there; prints its port
"""

from __future__ import annotations

import csv
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random
from shutil import copyfileobj
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import msgspec

from benchmarks.rows import ACCOUNT, action, click

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE_SIZE = 20_000


def prepare(folder: Path, *, actions: int, clicks: int) -> None:
    """Write the pages of one window of actions, and one day's clicks as JSON and as CSV."""
    random = Random(7)
    pages = -(-actions // PAGE_SIZE)
    for number in range(1, pages + 1):
        first = (number - 1) * PAGE_SIZE
        rows = [action(random, i) for i in range(first, min(first + PAGE_SIZE, actions))]
        following = f"{ACCOUNT}/Actions?Page={number + 1}" if number < pages else ""
        page = {
            "@page": str(number),
            "@numpages": str(pages),
            "@pagesize": str(PAGE_SIZE),
            "@total": str(actions),
            "@nextpageuri": following,
            "Actions": rows,
        }
        (folder / f"actions-{number}").write_bytes(msgspec.json.encode(page))
    write_clicks(folder, (click(random, i) for i in range(clicks)))


def write_clicks(folder: Path, clicks: Iterator[dict[str, Any]]) -> None:
    """Write both formats at once, row by row."""
    with (
        (folder / "clicks.json").open("wb") as as_json,
        (folder / "clicks.csv").open("w", newline="", encoding="utf-8") as as_csv,
    ):
        lines = csv.writer(as_csv)
        before = b'{"Clicks":['
        for number, row in enumerate(clicks):
            if not number:
                lines.writerow(row)
            as_json.write(before + msgspec.json.encode(row))
            lines.writerow(row.values())
            before = b","
        as_json.write((b"" if before == b"," else before) + b"]}")


class Handler(BaseHTTPRequestHandler):
    """Every window holds the same actions, every export the same clicks."""

    protocol_version = "HTTP/1.1"
    folder: Path
    clicks: str

    def do_GET(self) -> None:
        """Send a file."""
        url = urlsplit(self.path)
        query = parse_qs(url.query)
        match url.path.removeprefix(ACCOUNT):
            case "/Actions":
                self.send(self.folder / f"actions-{query.get('Page', ['1'])[0]}")
            case "/ClickExport":
                self.send(self.folder / self.clicks)
            case _:
                self.send_error(404)

    def send(self, path: Path) -> None:
        """Send a file as it is."""
        self.send_response(200)
        kind = "text/csv" if path.suffix == ".csv" else "application/json"
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(path.stat().st_size))
        self.end_headers()
        with path.open("rb") as file:
            copyfileobj(file, self.wfile, 1 << 20)

    def log_message(self, *args: object) -> None:
        """Keep quiet."""


def main() -> None:
    """Serve until the process is ended."""
    Handler.folder, Handler.clicks = Path(sys.argv[1]), sys.argv[2]
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        sys.stdout.write(f"{server.server_port}\n")
        sys.stdout.flush()
        server.serve_forever()


if __name__ == "__main__":
    main()
