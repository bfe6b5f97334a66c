"""What the work itself costs: fetch, decode, clean, encode and write, and nothing else.

python -m benchmarks.floor FOLDER URL actions|clicks-json|clicks-csv
"""

from __future__ import annotations

import csv
import io
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import msgspec
import requests

from benchmarks.cleaning import Cleaning
from benchmarks.rows import ACCOUNT

if TYPE_CHECKING:
    from collections.abc import Iterator

BLOCK = 1 << 20

decode = msgspec.json.decode
encode = msgspec.json.Encoder(decimal_format="number").encode


def main() -> None:
    """Write RECORD messages of everything that is served."""
    folder, base, what = sys.argv[1:]
    stream = what.partition("-")[0]
    clean = Cleaning(Path(folder, f"{stream}.kinds")).clean
    session = requests.Session()
    write = sys.stdout.buffer.write
    if what == "actions":
        path = f"{ACCOUNT}/Actions"
        while path:
            page = decode(session.get(base + path, timeout=60).content)
            for row in page["Actions"]:
                write(message("actions", clean(row)))
            path = page["@nextpageuri"]
        return
    with tempfile.TemporaryFile() as file:
        with session.get(f"{base}{ACCOUNT}/ClickExport", stream=True, timeout=60) as response:
            for block in response.iter_content(BLOCK):
                file.write(block)
        file.seek(0)
        rows = json_rows(file) if what == "clicks-json" else csv_rows(file)
        for row in rows:
            write(message("clicks", clean(row)))


def message(stream: str, record: dict[str, Any]) -> bytes:
    """A RECORD message."""
    extracted = datetime.now(UTC)
    return (
        encode({"type": "RECORD", "stream": stream, "record": record, "time_extracted": extracted})
        + b"\n"
    )


def json_rows(file: IO[bytes]) -> Iterator[dict[str, Any]]:
    """Rows of the list inside an object, cut at the last seam of each block."""
    left = file.read(len(b'{"Clicks":[')) and b""
    while block := file.read(BLOCK):
        left += block
        cut = left.rfind(b"},{")
        if cut >= 0:
            yield from decode(b"[" + left[: cut + 1] + b"]")
            left = left[cut + 2 :]
    yield from decode(b"[" + left.removesuffix(b"]}") + b"]")


def csv_rows(file: IO[bytes]) -> Iterator[dict[str, Any]]:
    """Rows of a CSV file."""
    reader = csv.reader(io.TextIOWrapper(file, encoding="utf-8", newline=""))
    header = next(reader)
    for values in reader:
        yield dict(zip(header, values, strict=True))


if __name__ == "__main__":
    main()
