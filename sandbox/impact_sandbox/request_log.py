"""What a client asked, a line of JSON for each request, and what can be learned from it."""

from __future__ import annotations

from collections import Counter
from datetime import datetime  # noqa: TC003 - msgspec reads the annotation
from http import HTTPStatus
from typing import TYPE_CHECKING

import msgspec

from impact_sandbox.rules import Rule  # noqa: TC001 - likewise

if TYPE_CHECKING:
    from collections.abc import Iterable


class LoggedRequest(msgspec.Struct, omit_defaults=True):
    """A request without its headers; ``status`` is 0 if nothing was sent."""

    at: datetime
    method: str
    path: str
    query: dict[str, str] = {}
    status: int = 0
    fault: str = ""
    broken: list[Rule] = []


def summary(lines: Iterable[str]) -> tuple[list[str], bool]:
    """Summarise a log in lines of text; tell whether any rule was broken.

    Raises:
        ValueError: If a line is no logged request.
    """
    read = msgspec.json.Decoder(LoggedRequest).decode
    requests = [read(line) for line in lines if line.strip()]
    statuses = Counter(request.status for request in requests)
    told = [f"{len(requests):,} requests"]
    for status, count in sorted(statuses.items()):
        told.append(f"{count:>9,}  {named(status)}")
    faults = sum(1 for request in requests if request.fault)
    if faults:
        told.append(f"{faults:>9,}  of them met a fault that the sandbox played")
    broken = Counter(rule for request in requests for rule in request.broken)
    told.append("" if broken else "No rule was broken.")
    if broken:
        told.append("Broken rules:")
    for rule, count in broken.most_common():
        first = next(request for request in requests if rule in request.broken)
        query = "&".join(f"{name}={value}" for name, value in first.query.items())
        told.append(f"{count:>9,}  {rule}")
        told.append(f"           first: {first.method} {first.path}{query and '?'}{query}")
    return told, bool(broken)


def named(status: int) -> str:
    """Write a status with its phrase."""
    if not status:
        return "without an answer"
    known = status in {each.value for each in HTTPStatus}
    return f"{status} {HTTPStatus(status).phrase}" if known else str(status)
