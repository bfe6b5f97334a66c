"""Pages of lists, decoded once, and asked for while the one before is worked on."""

from __future__ import annotations

from concurrent.futures import Future
from decimal import Decimal
from functools import cache
from threading import Thread
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

# Decimals that arrive unquoted keep their digits.
decode = msgspec.json.Decoder(float_hook=Decimal).decode


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
