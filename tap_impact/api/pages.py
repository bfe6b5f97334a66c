"""Pages of lists, decoded once, and asked for while the one before is worked on."""

from __future__ import annotations

from concurrent.futures import Future
from decimal import Decimal
from functools import cache
from threading import Thread
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import msgspec

from tap_impact.api.rate_limit import number
from tap_impact.records.fields import listed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

T = TypeVar("T")

# What stands beside the list of a page without being one.
NO_ROWS = {"errors", "messages"}

# Decimals that arrive unquoted keep their digits.
decode = msgspec.json.Decoder(float_hook=Decimal).decode

# What `decode` raises for what is no JSON, or is nested too deeply.
NOT_JSON = (msgspec.DecodeError, RecursionError, UnicodeDecodeError)


@cache
def page_decoder(data_key: str, row_type: type[msgspec.Struct]) -> Callable[[bytes], Any]:
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
    decode_exactly = msgspec.json.Decoder(page, float_hook=Decimal).decode

    def decode_page(content: bytes) -> Any:
        try:
            found: Any = decode_exactly(content)
        except msgspec.ValidationError:
            return decode(content)
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
    """What the body of a page says."""

    rows: list[Any]
    total: int = 0
    pages: int = 0
    next_uri: Any = None
    is_blank: bool = False
    """Whether neither a list nor a total came."""


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
    """Whether a list stands in it, be it empty."""
    return any(isinstance(value, list) for value in body.values())


def rows_of(body: Mapping[str, Any], data_keys: tuple[str, ...]) -> list[Any] | None:
    """The rows of a page: under one of the keys, else the one list of objects; None if unclear."""
    for key in data_keys:
        if key in body:
            return [*listed(body[key])]
    lists = [
        [*rows]
        for key, value in body.items()
        if not key.startswith("@") and key.lower() not in NO_ROWS
        if isinstance(rows := listed(value), list) and (rows is value or rows != [value])
    ]
    lists = [rows for rows in lists if rows] or lists[:1]
    if len(lists) == 1:
        return lists[0]
    return [] if not lists and any(key.startswith("@") for key in body) else None
