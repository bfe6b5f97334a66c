"""What impact.com demands of a query, and the 400 that it answers otherwise.

Sources: impact.com's reference pages "List actions" and "List action updates" (edition of
August 2024 and later), "Pagination", and the OpenAPI file of actions (partner, version 16).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Sequence

    from impact_sandbox.switches import Switches

DAY = 86_400
WIDEST_SPAN = 45 * DAY
OLDEST_YEARS = 3
DEFAULT_SPAN = 7 * DAY
MOST_PAGES = 10
SMALLEST_EVENT_PAGE = 2_000
LARGEST_PAGE = 20_000
DEFAULT_PAGE = 100
STATES = ("PENDING", "APPROVED", "REVERSED")
PAIRS = {
    "updated": ("StartDate", "EndDate"),
    "event": ("ActionDateStart", "ActionDateEnd"),
    "locking": ("LockingDateStart", "LockingDateEnd"),
}
BOUNDED = ("updated", "event")
"""The spans that may begin no earlier than three years ago, or than the account."""


class Rule(StrEnum):
    """What impact.com expects of a client, as `impact-sandbox check` names it."""

    JSON = "Accept: application/json is sent; without it, or .json in the path, XML comes back"
    VERSION = "IR-Version is sent; without it the shapes are those of the token's own version"
    CREDENTIALS = "the account SID and the auth token are sent, and right"
    SCOPE = "the token has the endpoint's scope"
    RESOURCE = "the path, the object and the method exist"
    LIMIT = "requests stay within the limits of the hour and the day"
    RETRY_AFTER = "after a 429, nothing is asked before Retry-After is over"
    ONE_SIGN_IN = "the target of a redirect gets no credentials: it has its own signature"
    ONE_EXPORT = "the same click export is asked for once: the data stay old, the quota shrinks"
    KNOWN = "parameters are those of the endpoint; others are ignored without a word"
    ONCE = "a parameter is sent once; @nextpageuri has all of them already"
    PAIR = "both ends of a pair of dates are sent"
    ORDER = "a span of dates does not end before it starts"
    WIDTH = "a span of dates is at most 45 days wide"
    REPORT_WIDTH = "a report is asked for 365 days at most"
    AGE = "dates are at most three years old"
    BEGINNING = "dates are not before the account was activated"
    FUTURE = "dates are not in the far future"
    WHOLE_SECONDS = "dates have no fractions of a second"
    ZONE = "dates and times name their zone, Z or an offset"
    TIME = "dates have a time, such as 2026-06-30T06:10:00Z"
    DATE = "days are written as 2026-06-30"
    VALUE = "a parameter has one of its values, or is a number where one is wanted"
    PAGE_SIZE = "PageSize is within the endpoint's bounds"
    WINDOW = "product items are paged through no further than 20,000 rows"
    PAGES = "a query has at most ten pages"
    CLICKS = "clicks are exported: the list of them is not enabled for any account"
    REPLAY = "a job is replayed when it has come to an end"


DAY_ONLY = re.compile(r"\d{4}-\d\d-\d\d")
ISO_8601 = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(?P<fraction>\.\d+)?)?(?P<zone>Z|[+-]\d\d:?\d\d)?"
)
FARTHEST_FUTURE = 366 * DAY
"""Farther dates are refused, or find nothing without a word: which of both is not known."""


class RefusalError(Exception):
    """A query that impact.com would not answer."""

    def __init__(
        self, rule: Rule, message: str, field: str | None = None, *, status: int = 400
    ) -> None:
        """The message is impact.com's; the field is the parameter that broke the rule."""
        super().__init__(message)
        self.rule = rule
        self.status = status
        self.message = message
        self.field = field


class Dated(Protocol):
    """What the filters look at; times are epoch seconds."""

    @property
    def campaign_id(self) -> str:
        """The program's id."""

    @property
    def state(self) -> str:
        """The action's current state."""

    @property
    def event(self) -> int:
        """The action date."""

    @property
    def updated(self) -> int:
        """The last update."""

    @property
    def locking(self) -> int | None:
        """The locking date, if there is one."""


@dataclass(frozen=True, slots=True)
class Query:
    """The filters of a list of actions or of updates: spans are inclusive at both ends."""

    spans: dict[str, tuple[int, int]]
    campaign_id: str | None
    state: str | None

    def holds(self, row: Dated) -> bool:
        """Tell whether every filter keeps a row."""
        for name, (start, end) in self.spans.items():
            at = getattr(row, name)
            if at is None or not start <= at <= end:
                return False
        return self.campaign_id in {None, row.campaign_id} and self.state in {None, row.state}


def parameters(pairs: Sequence[tuple[str, str]], repeatable: frozenset[str]) -> dict[str, str]:
    """Return a query's parameters.

    Raises:
        RefusalError: 400 if one is sent twice, as when a next page's URI gets the filters again.
    """
    found: dict[str, str] = {}
    for name, value in pairs:
        if name in found and name not in repeatable:
            raise RefusalError(Rule.ONCE, f"Parameter {name} was sent more than once", name)
        found[name] = value
    return found


def read_query(sent: dict[str, str], now: int, switches: Switches, began: int | None) -> Query:
    """Read the filters of a list of actions or of updates.

    Args:
        sent: The parameters.
        now: The time of the request in epoch seconds.
        switches: How this impact.com behaves.
        began: When the account was activated, if windows that begin earlier are refused.

    Raises:
        RefusalError: 400 for any rule that is broken.
    """
    spans = {}
    for kind, (first, last) in PAIRS.items():
        if (first in sent) != (last in sent):
            raise RefusalError(Rule.PAIR, f"{first} and {last} must be sent together", first)
        if first not in sent:
            continue
        start = timestamp_of(first, sent[first], now, switches)
        end = timestamp_of(last, sent[last], now, switches)
        if start > end:
            raise RefusalError(Rule.ORDER, f"{first} must not be after {last}", first)
        if end - start > WIDEST_SPAN:
            raise RefusalError(
                Rule.WIDTH, f"{first} and {last} must be at most 45 days apart", first
            )
        if kind in BOUNDED and start < years_before(now, OLDEST_YEARS):
            raise RefusalError(Rule.AGE, f"{first} must not be older than 3 years", first)
        if kind in BOUNDED and began is not None and start < began:
            raise RefusalError(Rule.BEGINNING, f"Parameter '{first}' has invalid value", first)
        spans[kind] = start, end
    if not spans:
        spans["updated"] = now - DEFAULT_SPAN, now
    state = one_of("State", sent["State"], STATES) if "State" in sent else None
    return Query(spans, number_of("CampaignId", sent.get("CampaignId")), state)


def one_of(name: str, text: str, values: Sequence[str]) -> str:
    """Read a parameter that has few values."""
    if text not in values:
        raise RefusalError(Rule.VALUE, f"{name} must be one of {', '.join(values)}", name)
    return text


def number_of(name: str, text: str | None) -> str | None:
    """Read a parameter that is a number, if it was sent."""
    if text is not None and not text.isdecimal():
        raise RefusalError(Rule.VALUE, f"{name} must be a number", name)
    return text


def timestamp_of(name: str, text: str, now: int, switches: Switches) -> int:
    """Read a date parameter: ISO 8601 in whole seconds, with a zone.

    What is refused was met in several live accounts; the words are impact.com's.
    """
    message = f"Parameter '{name}' has invalid value"
    if not (found := ISO_8601.fullmatch(text)):
        raise RefusalError(Rule.TIME, message, name)
    if found["fraction"]:
        raise RefusalError(Rule.WHOLE_SECONDS, message, name)
    if not found["zone"]:
        raise RefusalError(Rule.ZONE, message, name)
    try:
        at = int(datetime.fromisoformat(text).timestamp())
    except (ValueError, OverflowError):
        raise RefusalError(Rule.TIME, message, name) from None
    if at > now + FARTHEST_FUTURE and switches.far_future == "refuse":
        raise RefusalError(Rule.FUTURE, message, name)
    return at


def date_of(name: str, text: str) -> date:
    """Read a parameter that is a calendar day, ``yyyy-MM-dd``."""
    if not DAY_ONLY.fullmatch(text):
        raise RefusalError(Rule.DATE, f"{name} is not a date such as 2026-01-31", name)
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise RefusalError(Rule.DATE, f"{name} is not a date such as 2026-01-31", name) from None


def years_before(now: int, years: int) -> int:
    """Return the same time some years ago."""
    at = datetime.fromtimestamp(now, UTC)
    day = 28 if (at.month, at.day) == (2, 29) else at.day
    return int(at.replace(year=at.year - years, day=day).timestamp())


@dataclass(frozen=True, slots=True)
class Page:
    """A cut of a list, and impact.com's eleven page keys about it, all of them strings."""

    number: int
    size: int

    def start(self) -> int:
        """Return the position of the first row."""
        return (self.number - 1) * self.size

    def keys(self, path: str, sent: dict[str, str], total: int) -> dict[str, str]:
        """Return the page keys; every URI is a path that holds filters, size and page."""
        pages = max(1, -(-total // self.size))

        def uri(number: int) -> str:
            if not 1 <= number <= pages:
                return ""
            query = sent | {"PageSize": str(self.size), "Page": str(number)}
            return f"{path}?" + "&".join(f"{k}={quote(v, safe='')}" for k, v in query.items())

        own = "&".join(f"{k}={quote(v, safe='')}" for k, v in sent.items())
        return {
            "@page": str(self.number),
            "@numpages": str(pages),
            "@pagesize": str(self.size),
            "@total": str(total),
            "@start": str(self.start()),
            "@end": str(max(0, min(self.start() + self.size, total) - 1)),
            "@uri": f"{path}?{own}" if own else path,
            "@firstpageuri": uri(1),
            "@previouspageuri": uri(self.number - 1),
            "@nextpageuri": uri(self.number + 1),
            "@lastpageuri": uri(pages),
        }


def read_page(sent: dict[str, str], switches: Switches, *, event_level: bool) -> Page:
    """Read Page and PageSize.

    Raises:
        RefusalError: 400 for what is not a number or is out of bounds.
    """
    default = LARGEST_PAGE if event_level else DEFAULT_PAGE
    size, number = positive("PageSize", sent, default), positive("Page", sent, 1)
    if size > LARGEST_PAGE:
        raise RefusalError(Rule.PAGE_SIZE, "PageSize must be at most 20000", "PageSize")
    if event_level and size < SMALLEST_EVENT_PAGE:
        if switches.page_size_below_minimum == "refuse":
            raise RefusalError(Rule.PAGE_SIZE, "PageSize must be at least 2000", "PageSize")
        if switches.page_size_below_minimum == "clamp":
            size = SMALLEST_EVENT_PAGE
    if not event_level and size > switches.largest_stable_page:
        raise RefusalError(Rule.PAGE_SIZE, "Internal error", status=500)
    return Page(number, min(size, switches.largest_page))


def refuse_too_many(total: int, page: Page) -> None:
    """Refuse a list of more than ten pages.

    Raises:
        RefusalError: 400, which asks for another PageSize or other dates.
    """
    if total > MOST_PAGES * page.size:
        message = (
            f"The result has more than {MOST_PAGES} pages: use a larger PageSize or narrower dates"
        )
        raise RefusalError(Rule.PAGES, message, "PageSize")


def positive(name: str, sent: dict[str, str], default: int) -> int:
    """Read a whole number above zero."""
    text = sent.get(name, str(default))
    if not text.isdecimal() or int(text) < 1:
        raise RefusalError(Rule.VALUE, f"{name} must be a whole number above zero", name)
    return int(text)
