"""The rows of an export's file, one by one, in any of its formats.

Nobody has published such a file. What the vendor's pages leave open is met as it comes: a JSON
object that holds the list, a bare list, lines of JSON, CSV; nested parts as objects, as lists, or
as columns.
"""

from __future__ import annotations

import codecs
import csv
import io
import logging
import re
from itertools import islice
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from tap_impact.api.pages import NOT_JSON, decode
from tap_impact.errors import UnreadableFile
from tap_impact.records.fields import is_blank, listed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from tap_impact.api.pages import ReportReplaced

Row = dict[str, Any]

# An opening is far shorter than the first of these.
HEAD = 1 << 16
BLOCK = 1 << 20

# Parts of a row that hold other fields (Click object).
NESTED = ("PartnerRelated", "BrandRelated")

# What the Click object calls otherwise than its export ("Export clicks").
RENAMED = {"ProgramId": "CampaignId", "ProgramName": "CampaignName"}


class RowForm(NamedTuple):
    """How a row is known from the objects that stand around it."""

    has: Callable[[str], bool]
    """Whether a row may have a field of this name: an object with one of them is a row."""
    is_telling: Callable[[str], bool] = lambda _: False
    """Whether no object that holds rows has a field of this name, though it may have others."""
    flat: Callable[[Row], Row] = lambda row: row
    """A row as its fields are to be."""

    def is_row(self, row: Row) -> bool:
        """Whether an object is a row: it has one of a row's own fields."""
        return any(map(self.has, row))

    def is_header(self, names: Sequence[str]) -> bool:
        """Whether the first line of a CSV file names a row's fields."""
        return any(map(self.is_telling, names)) or self.is_row(dict.fromkeys(names))


BETWEEN_ROWS = re.compile(rb"\}\s*,\s*(?=\{)")
TEXT = rb'"(?:[^"\\]|\\.)*"'
MEMBER = re.compile(rb"\s*,?\s*(" + TEXT + rb")\s*:\s*", re.DOTALL)
SCALAR = re.compile(TEXT + rb'|[^\s,\[\]{}"]+', re.DOTALL)

# A text, maybe cut off, or a bracket: all that decides how deep a place of a document is.
STRUCTURE = re.compile(rb'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)|[\[\]{}]', re.DOTALL)

DEEPER = {b"{": 1, b"[": 1, b"}": -1, b"]": -1}

# How many guesses at the end of a block are made before it is searched from its beginning.
GUESSES = 4


def file_format(file: IO[bytes]) -> str:
    """What a file is: `JSON`, `CSV`, or `XML` (or HTML), by how it begins."""
    file.seek(0)
    head = file.read(HEAD).removeprefix(codecs.BOM_UTF8).lstrip()[:1]
    if head in {b"", b"{", b"["}:
        return "JSON"
    return "XML" if head == b"<" else "CSV"


def rows(file: IO[bytes], form: RowForm) -> Iterator[Row]:
    """Every row of a file, in the form that was requested. None if it is empty.

    Neither memory nor the time for a row grows with the file.

    Raises:
        UnreadableFile: It is no list of rows, or it ends in the middle of one.
    """
    replaced = set()

    def report(what: str) -> None:
        if what not in replaced:
            replaced.add(what)
            logging.getLogger(__name__).warning("An export's file holds %s.", what)

    match file_format(file):
        case "JSON":
            found = json_rows(file, form, report)
        case "CSV":
            found = csv_rows(file, form, report)
        case _:
            raise UnreadableFile("it is XML or HTML")
    for row in found:
        yield form.flat(row if form.is_row(row) else unwrapped(row, form))


def unwrapped(row: Row, form: RowForm) -> Row:
    """The row that an object holds, as a list in XML has its items.

    Raises:
        UnreadableFile: It holds none.
    """
    match [*row.values()]:
        case [dict(inner)] if form.is_row(inner):
            return inner
        case _:
            raise UnreadableFile("a row of it has no field that is known")


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


# By the first a click is known from an object that holds clicks; by any of the others it is one.
TELLING_OF_A_CLICK = frozenset({"EventDate", *NESTED})
CLICK_FORM = RowForm(
    (TELLING_OF_A_CLICK | {"Id", *RENAMED, *RENAMED.values()}).__contains__,
    TELLING_OF_A_CLICK.__contains__,
    flat,
)


def csv_rows(file: IO[bytes], form: RowForm, report: ReportReplaced) -> Iterator[Row]:
    """The rows of a CSV file with a header."""
    file.seek(0)
    text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
    try:
        reader = csv.reader(without_nul(text, report), strict=True)
        header = next(reader, [])
        if header and not form.is_header(header):
            raise UnreadableFile("it is neither JSON nor a CSV file whose columns are known")
        for values in filter(None, reader):
            if len(values) != len(header):
                raise UnreadableFile(f"line {reader.line_num} is not as wide as its header")
            yield dict(zip(header, values, strict=True))
    except (csv.Error, UnicodeDecodeError) as error:
        raise UnreadableFile(f"it is no CSV file in UTF-8 ({type(error).__name__})") from None
    finally:
        text.detach()


def without_nul(lines: Iterable[str], report: ReportReplaced) -> Iterator[str]:
    """Lines of text with U+FFFD for U+0000, as in JSON."""
    for line in lines:
        if "\0" in line:
            report("U+0000 (now U+FFFD)")
        yield line.replace("\0", "\ufffd")


def json_rows(file: IO[bytes], form: RowForm, report: ReportReplaced) -> Iterator[Row]:
    """The rows of a JSON list, of the list inside an object, or of JSON lines."""
    file.seek(0)
    head = file.read(HEAD)
    bom = len(head) - len(head.removeprefix(codecs.BOM_UTF8))
    path: list[str] = []
    try:
        start = list_start(head, bom, path, form)
        file.seek(bom)
        if start is not None:
            yield from json_list(file, file.read(start - bom), path, report)
        elif len(head) == HEAD or not is_empty_answer(head[bom:], form):
            yield from json_lines(file, form, report)
    except (NOT_JSON, KeyError, TypeError):
        raise UnreadableFile("it is no JSON, or it was cut short") from None


def list_start(head: bytes, begin: int, path: list[str], form: RowForm) -> int | None:
    """Where the list of rows begins, after its bracket; its keys from outside in go to `path`.

    Other lists may stand before it: empty ones, and such as hold no rows, like one of errors.

    None if the document is a row itself, the first of many lines, or holds no list.
    """
    begin = skip_space(head, begin)
    if head[begin : begin + 1] == b"[":
        return begin + 1 if holds_rows(head, begin + 1, form) else None
    position = begin + 1
    while member := MEMBER.match(head, position):
        position = member.end()
        key = decode(member[1])
        if form.is_telling(key):
            return None
        if head[position : position + 1] in {b"[", b"{"}:
            inner: list[str] = []
            start = list_start(head, position, inner, form)
            if start is not None:
                path += [key, *inner]
                return start
            position = value_end(head, position)
        elif scalar := SCALAR.match(head, position):
            position = scalar.end()
        else:
            return None
    return None


def holds_rows(head: bytes, position: int, form: RowForm) -> bool:
    """Whether a list that begins there may be one of rows, as far as its first item tells."""
    position = skip_space(head, position)
    if head[position : position + 1] != b"{":
        return False
    if (end := value_end(head, position)) > len(head):
        return True
    try:
        first = decode(head[position:end])
    except NOT_JSON:
        return True
    inner = (each for each in first.values() if isinstance(each, dict))
    return form.is_row(first) or any(map(form.is_row, inner))


def skip_space(head: bytes, position: int) -> int:
    """Where the next value begins."""
    return len(head) - len(head[position:].lstrip())


def value_end(buffer: bytes, position: int) -> int:
    """Where a list or an object ends that begins there; beyond the buffer if not in it."""
    depth = 0
    for token in STRUCTURE.finditer(buffer, position):
        depth += DEEPER.get(token[0], 0)
        if depth == 0:
            return token.end()
    return len(buffer) + 1


def json_list(
    file: IO[bytes], opening: bytes, path: list[str], report: ReportReplaced
) -> Iterator[Row]:
    """The rows of a list whose `opening` was read: all of the document up to its first row.

    A block of the file that parses as whole rows ends where a parser of the whole file would stand
    between two rows; so a cut that looks right and parses is right. What follows the last cut is
    parsed together with the opening, as the document that it would be without the rows before.

    Raises:
        msgspec.DecodeError: The document is not JSON, or it is not whole.
    """
    buffer = b""
    while block := file.read(max(BLOCK, len(buffer))):
        # What holds no end of a row is doubled, so that to look for one takes linear time.
        buffer += block
        if found := whole_rows(buffer, report):
            several, end = found
            yield from mappings(several)
            buffer = buffer[end:]
    document = decode(opening + buffer, report)
    for key in path:
        document = document[key]
    yield from mappings(document)


def whole_rows(buffer: bytes, report: ReportReplaced) -> tuple[list[Any], int] | None:
    """The rows of a buffer that begins with one, and where the next begins; None if none is whole.

    Raises:
        msgspec.DecodeError: A row is not JSON.
    """
    for cut in islice(cuts(buffer), GUESSES):
        try:
            return decode(b"[" + buffer[: cut + 1] + b"]", report), row_start(buffer, cut)
        except NOT_JSON:
            continue  # inside of a row, or a row that cannot be decoded
    last = depth = 0
    for token in STRUCTURE.finditer(buffer):
        depth += DEEPER.get(token[0], 0)
        if depth < 0:
            break
        if depth == 0 and token[0] == b"}" and BETWEEN_ROWS.match(buffer, token.start()):
            last = token.end()
    if not last:
        return None
    return decode(b"[" + buffer[:last] + b"]", report), row_start(buffer, last - 1)


def row_start(buffer: bytes, brace: int) -> int:
    """Where a row begins after the brace that ends another."""
    between = BETWEEN_ROWS.match(buffer, brace)
    return between.end() if between else brace + 1


def cuts(buffer: bytes) -> Iterator[int]:
    """Where one row seems to end and another to begin, the last first."""
    brace = buffer.rfind(b"}")
    while brace >= 0:
        if BETWEEN_ROWS.match(buffer, brace):
            yield brace
        brace = buffer.rfind(b"}", 0, brace)


def json_lines(file: IO[bytes], form: RowForm, report: ReportReplaced) -> Iterator[Row]:
    """The rows of a file that has one on each line."""
    for line in file:
        if line.strip():
            row = decode(line, report)
            if not isinstance(row, dict) or not form.is_row(row):
                raise UnreadableFile("it holds no list of rows")
            yield row


def is_empty_answer(content: bytes, form: RowForm) -> bool:
    """Whether a document is a list without rows, with its envelope or not, or nothing at all.

    Raises:
        UnreadableFile: It is an object that holds something else than rows.
    """
    try:
        document = decode(content) if content.strip() else None
    except NOT_JSON:
        return False
    if is_empty(document, form):
        return True
    if isinstance(document, dict) and form.is_row(document):
        return False
    raise UnreadableFile("it holds no list of rows")


def is_empty(value: Any, form: RowForm) -> bool:
    """Whether a value is a list without rows, with what stands around it."""
    if not isinstance(value, dict):
        return value == [] or is_blank(value)
    parts = [each for key, each in value.items() if not key.startswith("@")]
    lists = [each for each in parts if isinstance(each, list | dict)]
    return not any(map(form.is_telling, value)) and all(
        is_empty(part, form) for part in lists or parts
    )


def mappings(items: Any) -> Iterator[Row]:
    """The items of a list, which are objects.

    Raises:
        UnreadableFile: One is not.
    """
    for item in items:
        if not isinstance(item, dict):
            raise UnreadableFile("its list holds something else than rows")
        yield item
