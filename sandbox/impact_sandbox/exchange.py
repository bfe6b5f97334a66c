"""A request, its answer, and the table of who answers what."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from impact_sandbox.formats import JSON

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from impact_sandbox.rules import Page, RefusalError, Rule
    from impact_sandbox.server import Sandbox
    from impact_sandbox.switches import Switches

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it came in.

    ``names`` are the texts of the path's wildcards; ``shift`` is by how many rows a list has
    moved up since its first page was read; ``broken`` takes the rules that it breaks.
    """

    method: str
    path: str
    names: tuple[str, ...]
    pairs: tuple[tuple[str, str], ...]
    at: datetime
    shift: int = 0
    broken: list[Rule] = field(default_factory=list)

    @property
    def now(self) -> int:
        """The time of the request in epoch seconds."""
        return int(self.at.timestamp())


@dataclass(slots=True)
class Answer:
    """What goes back: a value for JSON or XML, or bytes (at once or as they come) with a type."""

    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str | None = None


class Endpoint(NamedTuple):
    """A resource below the account's path; ``*`` stands for one segment of any text.

    ``group`` is that of its limit, or tells it by the wildcards' texts. Parameters of None are for
    the answer to know.
    """

    method: str
    pattern: tuple[str, ...]
    scope: str
    group: str | Callable[[str], str]
    answer: Callable[[Sandbox, Request], Answer]
    parameters: frozenset[str] | None = frozenset()

    def limited_by(self, names: tuple[str, ...]) -> str:
        """Return the group whose limit a request counts against."""
        return self.group if isinstance(self.group, str) else self.group(*names)

    def match(self, segments: tuple[str, ...]) -> tuple[str, ...] | None:
        """Return the texts of the wildcards, or None for another path."""
        if len(segments) != len(self.pattern):
            return None
        pairs = tuple(zip(self.pattern, segments, strict=True))
        if any(want not in {"*", got} for want, got in pairs):
            return None
        return tuple(got for want, got in pairs if want == "*")


def list_page(
    request: Request,
    sent: dict[str, str],
    page: Page,
    name: str,
    rows: Sequence[T],
    *,
    write: Callable[[T], Any] = lambda row: row,
) -> Answer:
    """Put a page's rows of a whole list into impact.com's envelope, under the list's name."""
    start = max(0, page.start() + request.shift)
    cut = [write(row) for row in rows[start : start + page.size]]
    return Answer(200, {**page.keys(request.path, sent, len(rows) - request.shift), name: cut})


def missing(what: str, name: str) -> Answer:
    """Return the 404 for an object that is not there."""
    return Answer(404, {"Status": "ERROR", "Message": f"{what} {name} was not found"})


def denied() -> Answer:
    """Return the 403 for what the token, or the state of things, does not allow."""
    return Answer(403, {"status": 403, "title": "Access Denied"})


def refused(refusal: RefusalError) -> Answer:
    """Return the body of impact.com's own errors."""
    body: dict[str, Any] = {"Status": "ERROR", "Message": refusal.message}
    if refusal.field:
        body["Errors"] = [{"Field": refusal.field, "Message": refusal.message}]
    return Answer(refusal.status, body)


def limited(switches: Switches, headers: dict[str, str]) -> Answer:
    """Return the 429 of a limit, with the headers that say what is left of it."""
    if not switches.retry_after:
        headers = {name: value for name, value in headers.items() if name != "Retry-After"}
    return gateway(429, "API rate limit exceeded", headers)


def gateway(status: int, message: str, headers: dict[str, str] | None = None) -> Answer:
    """Return what the gateway before the API says itself, in JSON whatever was asked for."""
    return Answer(status, b'{"message":"%b"}' % message.encode(), headers or {}, JSON)
