"""Pages of lists: decoded once, and prefetched while the previous page is processed."""

from __future__ import annotations

import codecs
import re
from concurrent.futures import Future
from decimal import Decimal, InvalidOperation
from functools import cache
from threading import Thread
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

import msgspec

from tap_impact.api.rate_limit import number
from tap_impact.records.fields import listed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    ReportReplaced = Callable[[str], object]
    """Receives a description of what was replaced in a document."""

T = TypeVar("T")

# What stands beside the list of a page without being one.
NO_ROWS = {"errors", "messages"}

BACKSLASH = b"\\"
ESCAPED_NUL = rb"\u0000"
REPLACEMENT = r"\ufffd"

# A string of JSON, or what Python and Java write for numbers that JSON has no way to write.
TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|-?(?:NaN|Infinity)', re.DOTALL)

# What is not taken as it is: escapes, of which a surrogate pair is one, and control characters.
ESCAPES_AND_CONTROLS = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    r"|\\u[0-9a-fA-F]{4}|\\.|[\x00-\x1f]",
    re.DOTALL,
)
LONE_SURROGATE = re.compile(r"\\u[dD][89a-fA-F][0-9a-fA-F]{2}").fullmatch


class Decode(Protocol):
    """How a document becomes values; see `Decoder`."""

    def __call__(self, content: bytes, report: ReportReplaced | None = None) -> Any:
        """Decode it."""


class Decoder:
    """Decodes documents of JSON as exactly as they are written, and repairs those that are not.

    Text is not worth a stop: what cannot be text becomes U+FFFD, and so does U+0000, which no
    database takes. NaN and Infinity become text, which no field of numbers can read. Decimals that
    arrive unquoted keep their digits.

    Args:
        document: the type to decode to.
    """

    def __init__(self, document: Any = Any) -> None:
        """Prepare for the type; what is written by the book is decoded at full speed."""
        self._exact = msgspec.json.Decoder(document, float_hook=Decimal).decode
        self._lenient = msgspec.json.Decoder(document, float_hook=decimal_or_text).decode

    def __call__(self, content: bytes, report: ReportReplaced | None = None) -> Any:
        """Decode a document.

        Args:
            content: the document.
            report: is told what was replaced, once for each kind.

        Raises:
            msgspec.ValidationError: It is JSON, but not of the type.
            msgspec.DecodeError: It is not JSON, or nested too deeply.
        """
        try:
            # A single byte is looked for ten times as fast, and most pages have no escapes.
            if BACKSLASH not in content or ESCAPED_NUL not in content:
                try:
                    return self._exact(content)
                except msgspec.ValidationError:
                    raise
                except (msgspec.DecodeError, UnicodeDecodeError, InvalidOperation):
                    pass
            text, replaced = repaired(content)
            document = self._lenient(text)
        except RecursionError:
            raise msgspec.DecodeError("The document is nested too deeply.") from None
        if report:
            for what in replaced:
                report(what)
        return document


def decimal_or_text(digits: str) -> Decimal | str:
    """A number to the digit; one that is beyond all decimals stays text."""
    try:
        return Decimal(digits)
    except InvalidOperation:
        return digits


def repaired(content: bytes) -> tuple[str, list[str]]:
    """A document whose strings and numbers are as JSON wants them, and what was replaced for it.

    Nothing else is repaired: a document that was cut short stays so.
    """
    replaced: dict[str, None] = {}

    def exact(found: re.Match[str]) -> str:
        text, what = exact_character(found[0])
        if what:
            replaced[what] = None
        return text

    def exact_token(token: re.Match[str]) -> str:
        if token[0].startswith('"'):
            return ESCAPES_AND_CONTROLS.sub(exact, token[0])
        replaced["NaN or Infinity (now text)"] = None
        return f'"{token[0]}"'

    if content.startswith(codecs.BOM_UTF8):
        content = content.removeprefix(codecs.BOM_UTF8)
        replaced["a byte order mark (left out)"] = None
    try:
        text = content.decode()
    except UnicodeDecodeError:
        text = content.decode(errors="replace")
        replaced["a byte that is not UTF-8 (now U+FFFD)"] = None
    return TOKEN.sub(exact_token, text), [*replaced]


def exact_character(written: str) -> tuple[str, str]:
    """A character of a string as JSON wants it, and what it was if it was replaced."""
    match written:
        case "\0" | r"\u0000":
            return REPLACEMENT, "U+0000 (now U+FFFD)"
        case _ if LONE_SURROGATE(written):
            return REPLACEMENT, "half a surrogate pair (now U+FFFD)"
        case _ if written < " ":
            return f"\\u{ord(written):04x}", "a control character that is not escaped (kept)"
        case _:
            return written, ""


decode = Decoder()

# What `decode` raises for what is no JSON, or is nested too deeply.
NOT_JSON = msgspec.DecodeError


@cache
def page_decoder(data_key: str, row_type: type[msgspec.Struct]) -> Decode:
    """How to decode a page into the dict that `decode` gives, but with rows of a type.

    Where that does not fit exactly (a field that the type does not know, a list of another shape,
    an error in place of a page) `decode` speaks, and its rows are dicts.
    """
    keys = {"total": "@total", "numpages": "@numpages", "nextpageuri": "@nextpageuri"}
    page = msgspec.defstruct(
        "Page",
        [
            ("rows", list[row_type]),  # type: ignore[valid-type]
            ("status", None, None),
            *((name, Any, None) for name in keys),
        ],
        rename={"rows": data_key, "status": "Status"} | keys,
    )
    decode_typed = Decoder(page)

    def decode_page(content: bytes, report: ReportReplaced | None = None) -> Any:
        try:
            found = decode_typed(content, report)
        except msgspec.ValidationError:
            return decode(content, report)
        return {data_key: found.rows} | {keys[name]: getattr(found, name) for name in keys}

    return decode_page


def in_background(call: Callable[[], T]) -> Future[T]:
    """Start a call whose result is wanted later. It never keeps the process from ending."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(call())
        except BaseException as error:  # noqa: BLE001
            future.set_exception(error)

    Thread(target=run, daemon=True).start()
    return future


class PageBody(NamedTuple):
    """The contents of a page's body."""

    rows: list[Any]
    total: int = 0
    pages: int = 0
    next_uri: Any = None
    is_blank: bool = False
    """Whether the page has neither a list nor a total."""


def page_body(body: Any, data_keys: tuple[str, ...]) -> PageBody | None:
    """Read the body of a page; None if it is none.

    Nothing at all, and `null`, are an empty list. A page of rows under an unknown key, or just the
    rows, are met too; one without rows may lack the key.
    """
    match body:
        case None:
            return PageBody([], is_blank=True)
        case list():
            rows: list[Any] | None = body
        case dict():
            rows = rows_of(body, data_keys)
        case _:
            rows = None
    if rows is None or not all(isinstance(row, dict | msgspec.Struct) for row in rows):
        return None
    if isinstance(body, list):
        return PageBody(rows)
    total = number(body.get("@total"))
    return PageBody(
        rows,
        total or 0,
        number(body.get("@numpages")) or 0,
        body.get("@nextpageuri"),
        is_blank=not rows and total is None and not has_list(body),
    )


def has_list(body: Mapping[str, Any]) -> bool:
    """Whether it has a list, empty or not."""
    return any(isinstance(value, list) for value in body.values())


def unwrapped(rows: list[Any]) -> list[Any]:
    """Rows as they are; a lone one without the object that it may be wrapped in."""
    match rows:
        case [{**fields}] if [dict] == [type(value) for value in fields.values()]:
            return [*fields.values()]
    return rows


def rows_of(body: Mapping[str, Any], data_keys: tuple[str, ...]) -> list[Any] | None:
    """The rows of a page: under one of the keys, else the one list of objects; None if unclear."""
    for key in data_keys:
        if key in body:
            return unwrapped(listed(body[key]))
    lists = [
        [*rows]
        for key, value in body.items()
        if not key.startswith("@") and key.lower() not in NO_ROWS
        if (rows := listed(value)) is value or rows != [value]
    ]
    lists = [rows for rows in lists if rows] or lists[:1]
    if len(lists) == 1:
        return lists[0]
    return [] if not lists and any(key.startswith("@") for key in body) else None
