"""What can go wrong between a tap and impact.com, and at which requests.

A list of faults says exactly where: ``[status(503).at("Actions", after=1, times=2)]`` lets the
first request for actions pass and fails the next two. ``Chaos`` strikes a share of all requests.
"""

from __future__ import annotations

import struct
import zlib
from collections import Counter
from dataclasses import dataclass, field, replace
from enum import Enum
from random import Random
from typing import TYPE_CHECKING, Any, Protocol

from impact_sandbox.exchange import Answer, gateway

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from impact_sandbox.server import SeenRequest

ABSENT = object()
"""Stands for a key that is not there."""
ALWAYS = 1 << 62


class Delivery(Enum):
    """How an answer goes over the wire."""

    WHOLE = "whole"
    RESET = "reset before the answer"
    RESET_MIDWAY = "reset in the middle of the body"
    TRUNCATED = "closed in the middle of the body"
    BROKEN_GZIP = "compressed, and damaged"
    HELD = "held back until the client gives up"


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong.

    Attributes:
        name: What the sandbox notes in ``requests``.
        answers: Goes back in place of impact.com's answer, which is then never made.
        edits: Changes the JSON of an answer.
        headers: Go with the answer, in place of its own of these names.
        delivery: How the answer goes over the wire.
        processed: Whether impact.com does what was asked when nothing comes back.
        shift: By how many rows a list has moved up since its first page was read.
        later: Seconds by which the clock goes forward before the answer.
        resource: The first segment below the account (``Actions``, ``Jobs``, ...), or ``files``
            for the host of downloads, or "" for all.
        number: The number of the one request to strike.
        after: How many requests of the resource pass first.
        times: How many requests are struck then.
    """

    name: str
    answers: Answer | None = None
    edits: Callable[[Any], Any] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    delivery: Delivery = Delivery.WHOLE
    processed: bool = True
    shift: int = 0
    later: float = 0.0
    resource: str = ""
    number: int | None = None
    after: int = 0
    times: int = 1

    def at(
        self,
        resource: str = "",
        *,
        number: int | None = None,
        after: int = 0,
        times: int = 1,
    ) -> Fault:
        """Return the same fault for other requests."""
        return replace(self, resource=resource, number=number, after=after, times=times)

    def spoil(self, answer: Answer) -> Answer:
        """Return the answer that goes back in place of this one."""
        body = answer.body
        if self.edits is not None and isinstance(body, dict):
            body = self.edits(body)
        return replace(answer, body=body, headers={**answer.headers, **self.headers})


class Faults(Protocol):
    """Decides which fault, if any, a request meets."""

    def strike(self, seen: SeenRequest) -> Fault | None:
        """Return the fault of a request; it is called once for each, in their order."""


@dataclass(slots=True)
class Plan:
    """Faults at chosen requests; of several for one request, the first in the list."""

    faults: Sequence[Fault] = ()
    _met: Counter[int] = field(default_factory=Counter)

    def strike(self, seen: SeenRequest) -> Fault | None:
        """Return the fault of a request."""
        struck = None
        for index, fault in enumerate(self.faults):
            if fault.resource not in {"", seen.resource}:
                continue
            self._met[index] += 1
            passed = self._met[index] - 1 - fault.after
            here = seen.number == fault.number if fault.number else 0 <= passed < fault.times
            if here and struck is None:
                struck = fault
        return struck


@dataclass(frozen=True, slots=True)
class Chaos:
    """Faults that pass, at a random share of all requests; the same seed strikes the same ones."""

    seed: int | str
    share: float
    faults: Sequence[Fault] = ()

    def strike(self, seen: SeenRequest) -> Fault | None:
        """Return the fault of a request."""
        rng = Random(f"{self.seed}:{seen.number}")  # noqa: S311 - no secret
        return rng.choice(self.faults or PASSING) if rng.random() < self.share else None


# -- answers that are not impact.com's usual ones ------------------------------------------------


def status(code: int, body: bytes | None = None) -> Fault:
    """Answer with a status; the body is the gateway's, or HTML from 500 on, if none is given."""
    reason = {401: "Unauthorized", 403: "Access Denied"}.get(code, "Something went wrong")
    if body is None and code < 500:  # noqa: PLR2004
        return Fault(f"status {code}", gateway(code, reason))
    page = PAGE % reason.encode() if body is None else body
    return Fault(f"status {code}", Answer(code, page, content_type="text/html"))


def limited(header: str | None = "Retry-After", seconds: int = 1) -> Fault:
    """Answer 429, naming the wait by ``Retry-After``, by ``RateLimit-Reset``, or not at all."""
    headers = {header: str(seconds)} if header else {}
    return Fault(f"429 with {header}", gateway(429, "API rate limit exceeded", headers))


def html() -> Fault:
    """Answer 200 with a page for people."""
    return Fault("HTML", Answer(200, PAGE % b"Please wait", content_type="text/html"))


def error_with_200() -> Fault:
    """Answer 200 with a body that says ERROR."""
    return Fault("ERROR", Answer(200, {"Status": "ERROR", "Message": "Something went wrong"}))


def empty() -> Fault:
    """Answer 200 with nothing."""
    return Fault("empty", Answer(200, b"", content_type="application/json"))


# -- answers that do not arrive ------------------------------------------------------------------


def reset(*, processed: bool = False) -> Fault:
    """Reset the connection before the answer, having done what was asked or not."""
    return Fault("reset", delivery=Delivery.RESET, processed=processed)


def reset_midway() -> Fault:
    """Reset the connection in the middle of the body."""
    return Fault("reset midway", delivery=Delivery.RESET_MIDWAY)


def truncated() -> Fault:
    """Close the connection in the middle of the body."""
    return Fault("truncated", delivery=Delivery.TRUNCATED)


def broken_gzip() -> Fault:
    """Send a compressed body that cannot be read to its end."""
    return Fault("broken gzip", delivery=Delivery.BROKEN_GZIP)


def held() -> Fault:
    """Send nothing until the client gives up or the sandbox closes."""
    return Fault("held", delivery=Delivery.HELD)


# -- answers of another shape --------------------------------------------------------------------


def envelope(key: str, value: Any) -> Fault:
    """Set a key beside the list, such as ``@total``; ABSENT removes it."""

    def edit(body: Any) -> Any:
        rest = {k: v for k, v in body.items() if k != key}
        return rest if value is ABSENT else rest | {key: value}

    return Fault(f"{key} is {'absent' if value is ABSENT else value!r}", edits=edit)


def field_of_row(name: str, value: Any, row: int = 0) -> Fault:
    """Set a field of one row of a list, or of a single object; ABSENT removes it."""

    def change(found: dict[str, Any]) -> dict[str, Any]:
        rest = {k: v for k, v in found.items() if k != name}
        return rest if value is ABSENT else rest | {name: value}

    def edit_list(rows: list[Any]) -> list[Any]:
        return [change(found) if index == row else found for index, found in enumerate(rows)]

    def edit(body: Any) -> Any:
        lists = [key for key in body if isinstance(body[key], list)]
        if "@page" not in body:
            return change(body)
        return body | {key: edit_list(body[key]) for key in lists}

    return Fault(f"{name} is {'absent' if value is ABSENT else value!r}", edits=edit)


def of_list(name: str, change: Callable[[str, list[Any]], dict[str, Any]]) -> Fault:
    """Change the one list of a page into other keys."""

    def edit(body: Any) -> Any:
        pages = {key: value for key, value in body.items() if not isinstance(value, list)}
        lists = {key: value for key, value in body.items() if isinstance(value, list)}
        for key, rows in lists.items():
            pages |= change(key, rows)
        return pages

    return Fault(name, edits=edit)


def one_object() -> Fault:
    """Put the first row in place of the list."""
    return of_list("one object", lambda key, rows: {key: rows[0] if rows else {}})


def wrapped() -> Fault:
    """Put an object with the list in place of the list, as the XML has it."""
    return of_list("wrapped", lambda key, rows: {key: {key.removesuffix("s"): rows}})


def without_list() -> Fault:
    """Leave out the list and its key."""
    return of_list("without list", lambda _key, _rows: {})


def shifted(rows: int) -> Fault:
    """Let rows above this page vanish (or, if negative, appear) since the first page was read."""
    return Fault(f"shifted by {rows}", shift=rows)


def header(name: str, value: str) -> Fault:
    """Send a header with an answer, in place of its own of this name."""
    return Fault(f"{name}: {value}", headers={name: value})


def later(seconds: float) -> Fault:
    """Let time pass before the answer."""
    return Fault(f"{seconds} seconds later", later=seconds)


PAGE = b"<!DOCTYPE html><html><body><h1>%b</h1></body></html>"
NO_LINGER = struct.pack("ii", 1, 0)
PASSING: tuple[Fault, ...] = (
    *(status(code) for code in (500, 502, 503, 504, 520)),
    *(limited(header) for header in ("Retry-After", "RateLimit-Reset", None)),
    *(html(), empty(), reset(), reset_midway(), truncated(), broken_gzip()),
)
"""Faults that a second try gets past, in no more time than a test has."""


def damaged(body: bytes) -> bytes:
    """Compress a body and spoil its checksum."""
    squeeze = zlib.compressobj(1, wbits=31)
    whole = squeeze.compress(body) + squeeze.flush()
    return whole[:-8] + bytes(255 - byte for byte in whole[-8:])
