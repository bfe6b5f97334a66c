"""How impact.com writes an answer: JSON if asked for, XML otherwise."""

from __future__ import annotations

from typing import Any
from xml.sax.saxutils import escape, quoteattr

import msgspec

JSON = "application/json"
XML = "application/xml"


def encode(body: Any, *, as_json: bool) -> tuple[bytes, str]:
    """Return an answer's bytes and its content type."""
    if as_json:
        return msgspec.json.encode(body), JSON
    return f'<?xml version="1.0"?>{xml("ImpactRadiusResponse", body)}'.encode(), XML


def singular(name: str) -> str:
    """Return the name of one element of a list: Actions, SpecialTermsList."""
    return name.removesuffix("List").removesuffix("s")


def xml(name: str, value: Any, attributes: str = "") -> str:
    """Write a value as an element; a page's @keys become attributes of its list."""
    if isinstance(value, dict):
        page = "".join(f" {k[1:]}={quoteattr(v)}" for k, v in value.items() if k[0] == "@")
        parts = (
            xml(k, v, page if isinstance(v, list) else "") for k, v in value.items() if k[0] != "@"
        )
        content = "".join(parts)
    elif isinstance(value, list):
        content = "".join(xml(singular(name), part) for part in value)
    else:
        content = "" if value is None else escape(str(value))
    return f"<{name}{attributes}>{content}</{name}>"
