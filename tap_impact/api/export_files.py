"""The rows of an export's file, one by one, whichever shape it has.

Nobody has published such a file. What the vendor's pages leave open is met as it comes: a JSON
object that holds the list, a bare list, lines of JSON, CSV; nested parts as objects, as lists, or
as columns.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from typing import IO, TYPE_CHECKING, Any

import msgspec

from tap_impact.api.pages import decode
from tap_impact.records.fields import is_blank, listed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Row = dict[str, Any]

# An opening is far shorter than the first of these.
HEAD = 1 << 16
BLOCK = 1 << 20

# Parts of a row that hold other fields (Click object).
NESTED = ("PartnerRelated", "BrandRelated")

# What the Click object calls otherwise than its export ("Export clicks").
RENAMED = {"ProgramId": "CampaignId", "ProgramName": "CampaignName"}

# Fields by which a row is known from an object that holds rows.
OF_A_ROW = {"Id", "EventDate", *NESTED}

BETWEEN_ROWS = re.compile(rb"\}\s*,\s*(?=\{)")
MEMBER = re.compile(rb'\s*,?\s*("(?:[^"\\]|\\.)*")\s*:\s*')
SCALAR = re.compile(rb'"(?:[^"\\]|\\.)*"|[^\s,\[\]{}"]+')


class UnreadableFile(ValueError):
    """The file is none that this version can read, or it ends too early."""


def file_format(file: IO[bytes]) -> str:
    """What a file is: `JSON`, `CSV`, or `XML` (or HTML), by how it begins."""
    file.seek(0)
    head = file.read(HEAD).removeprefix(codecs.BOM_UTF8).lstrip()[:1]
    if head in {b"", b"{", b"["}:
        return "JSON"
    return "XML" if head == b"<" else "CSV"


def rows(file: IO[bytes]) -> Iterator[Row]:
    """Every row of a file, flat and under the names of the Click object. None if it is empty.

    Memory does not grow with the file.

    Raises:
        UnreadableFile: It is no list of rows, or it ends in the middle of one.
    """
    match file_format(file):
        case "JSON":
            found = json_rows(file)
        case "CSV":
            found = csv_rows(file)
        case _:
            raise UnreadableFile("it is XML or HTML")
    for row in found:
        yield flat(row)


def flat(row: Row) -> Row:
    """A row with the fields of its nested parts beside its own."""
    for name in NESTED:
        first, *others = listed(row.pop(name, None)) or (None,)
        if isinstance(first, dict):
            row |= {key: value for key, value in first.items() if is_blank(row.get(key))}
        elif first is not None:
            others.insert(0, first)
        if others:
            row[name] = others
    for old, new in RENAMED.items():
        if old in row:
            row[new] = row.pop(old)
    return row


def csv_rows(file: IO[bytes]) -> Iterator[Row]:
    """The rows of a CSV file with a header."""
    file.seek(0)
    text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
    try:
        reader = csv.reader(text, strict=True)
        header = next(reader, [])
        if header and "EventDate" not in header:
            raise UnreadableFile("it is neither JSON nor a CSV file of clicks")
        for values in filter(None, reader):
            if len(values) != len(header):
                raise UnreadableFile(f"line {reader.line_num} is not as wide as its header")
            yield dict(zip(header, values, strict=True))
    except (csv.Error, UnicodeDecodeError) as error:
        raise UnreadableFile(f"it is no CSV file in UTF-8 ({type(error).__name__})") from None
    finally:
        text.detach()


def json_rows(file: IO[bytes]) -> Iterator[Row]:
    """The rows of a JSON list, of the list inside an object, or of JSON lines."""
    file.seek(0)
    head = file.read(HEAD)
    bom = len(head) - len(head.removeprefix(codecs.BOM_UTF8))
    path: list[str] = []
    start = list_start(head, bom, path)
    file.seek(bom)
    try:
        if start is None:
            yield from json_lines(file)
        else:
            yield from json_list(file, file.read(start - bom), path)
    except (msgspec.DecodeError, KeyError, TypeError):
        raise UnreadableFile("it is no JSON, or it was cut short") from None


def list_start(head: bytes, begin: int, path: list[str]) -> int | None:
    """Where the list of rows begins, after its bracket; its keys from outside in go to `path`.

    None if the document is a row itself, the first of many lines, or holds no list.
    """
    begin += len(head[begin:]) - len(head[begin:].lstrip())
    if head[begin : begin + 1] == b"[":
        return begin + 1
    position = begin + 1
    while member := MEMBER.match(head, position):
        position = member.end()
        key = decode(member[1])
        if key in OF_A_ROW:
            return None
        if head[position : position + 1] in {b"[", b"{"}:
            path.append(key)
            return list_start(head, position, path)
        if not (scalar := SCALAR.match(head, position)):
            return None
        position = scalar.end()
    return None


def json_list(file: IO[bytes], opening: bytes, path: list[str]) -> Iterator[Row]:
    """The rows of a list whose `opening` was read: all of the document up to its first row.

    A block of the file that parses as whole rows ends where a parser of the whole file would stand
    between two rows; so a cut that looks right and parses is right. What follows the last cut is
    parsed together with the opening, as the document that it would be without the rows before.

    Raises:
        msgspec.DecodeError: The document is not JSON, or it is not whole.
    """
    buffer = b""
    while block := file.read(BLOCK):
        buffer += block
        for cut in cuts(buffer):
            try:
                several = decode(b"[" + buffer[: cut + 1] + b"]")
            except msgspec.DecodeError:
                continue  # inside of a row
            yield from mappings(several)
            between = BETWEEN_ROWS.match(buffer, cut)
            buffer = buffer[between.end() if between else cut + 1 :]
            break
    document = decode(opening + buffer)
    for key in path:
        document = document[key]
    yield from mappings(document)


def cuts(buffer: bytes) -> Iterator[int]:
    """Where one row seems to end and another to begin, the last first."""
    brace = buffer.rfind(b"}")
    while brace >= 0:
        if BETWEEN_ROWS.match(buffer, brace):
            yield brace
        brace = buffer.rfind(b"}", 0, brace)


def json_lines(file: IO[bytes]) -> Iterator[Row]:
    """The rows of a file that has one on each line, or an object without any."""
    for line in file:
        if line.strip():
            row = decode(line)
            if "EventDate" in row:
                yield row
            elif not is_empty_answer(row):
                raise UnreadableFile("it holds no list of clicks")


def is_empty_answer(document: Mapping[str, Any]) -> bool:
    """Whether an object is a list's envelope that came without its list."""
    return all(key.startswith("@") or is_blank(value) for key, value in document.items())


def mappings(items: list[Any]) -> Iterator[Row]:
    """The items of a list, which are objects.

    Raises:
        UnreadableFile: One is not.
    """
    for item in items:
        if not isinstance(item, dict):
            raise UnreadableFile("its list holds something else than clicks")
        yield item
