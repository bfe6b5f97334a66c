"""The columns of reports: what they are called and hold, whatever an account calls and writes them.

Column names differ from report to report and from account to account (`Sale_zzzAmount`,
`sale_amount`, `pubsubid1_`), so rows go by their cleaned names.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Any
from unicodedata import normalize

import msgspec

from tap_impact.records.anomalies import Role
from tap_impact.records.fields import (
    DATE_TIME,
    DAY,
    Field,
    UnreadableValue,
    as_text,
    described,
    exact_decimal,
    flag,
    is_blank,
    nullable,
)
from tap_impact.records.names import column_name, snake_case
from tap_impact.records.timestamps import iso

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

# In front of what sorts last in impact.com's own lists of columns.
FILLER = "zzz"

MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]

# `Aug 3, 2026`, `3 August 2026`, `08/03/2026` (American), each with or without a time behind it.
DAY_FORMS = [
    re.compile(form + r"(?:,?[ T]+(?P<time>\d.*))?", re.IGNORECASE)
    for form in (
        r"(?P<month>[a-z]{3})[a-z]*\.? (?P<day>\d{1,2}),? (?P<year>\d{4})",
        r"(?P<day>\d{1,2})[ -](?P<month>[a-z]{3})[a-z]*\.?,?[ -](?P<year>\d{4})",
        r"(?P<month>\d{1,2})/(?P<day>\d{1,2})/(?P<year>\d{4})",
    )
]
TIME_FORMS = ("%H:%M:%S", "%H:%M", "%I:%M:%S %p", "%I:%M %p")

CURRENCY_SIGN = re.compile(r"^(-?)[$€£¥]\s*")

# As many as the API writes elsewhere.
DECIMALS = 6

# What a column is that identifies something, whichever type impact.com gives it: ids are texts.
NAMES_AN_ID = re.compile(r"(^|_)[a-z]?id\d*$")


def cleaned(sent: str) -> str:
    """A column's name in snake case, without what impact.com adds to tell columns apart.

    >>> [cleaned(name) for name in ("Sale_zzzAmount", "pubsubid1_", "Action Status", "SubId1")]
    ['sale_amount', 'pubsubid1', 'action_status', 'sub_id1']
    """
    plain = normalize("NFKD", sent.replace(FILLER, "")).encode("ascii", "ignore").decode()
    name = re.sub(r"[^a-z0-9]+", "_", snake_case(plain)).strip("_")
    return name if name[:1].isalpha() else f"column_{name}".rstrip("_")


class ColumnNames(dict[str, str]):
    """What each name that is sent is called in the rows: one of the known columns, else as sent.

    Args:
        columns: the names that are known.
        sent_as: other names of some, cleaned.
        exact: those of the report's own metadata, as sent.
    """

    def __init__(
        self,
        columns: Iterable[str],
        sent_as: Mapping[str, str] | None = None,
        exact: Mapping[str, str] | None = None,
    ) -> None:
        """Begin with what is known."""
        super().__init__(exact or {})
        self.columns = frozenset(columns)
        self._sent_as = sent_as or {}

    def __missing__(self, sent: str) -> str:
        """Clean a name; a report has few."""
        name = cleaned(sent)
        name = self._sent_as.get(name, name)
        self[sent] = name if name in self.columns else sent
        return self[sent]

    def knows(self, sent: str) -> bool:
        """Whether a row may have a field of this name."""
        return self[sent] in self.columns

    def renamed(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """A row by the columns' names; of two that would share one, the other stays as sent."""
        found: dict[str, Any] = {}
        for sent, value in row.items():
            name = self[sent]
            is_taken = name in found or (name != sent and name in row)
            found[sent if is_taken else name] = value
        return found


def unique_names(sent: Iterable[str], taken: Iterable[str]) -> dict[str, str]:
    """A column name for each name that is sent, all different and none of those taken."""
    used, names = {*taken}, {}
    for each in dict.fromkeys(sent):
        name = first = cleaned(each)
        number = 2
        while column_name(name) in used:
            name, number = f"{first}_{number}", number + 1
        used.add(column_name(name))
        names[each] = name
    return names


def column_of(source: str, data_type: str, description: str) -> Field:
    """The field of a column by the type that metadata give it; text if that was never met.

    Args:
        source: its cleaned name.
        data_type: like `Integer` or `Date (yyyy-MM-dd'T'HH:mm:ssZZ)`.
        description: in impact.com's words.
    """
    kind, _, pattern = data_type.lower().partition("(")
    if NAMES_AN_ID.search(source):
        return any_text(source, description)
    match kind.strip():
        case "boolean" | "bool":
            return flag(source, description)
        case "integer" | "int" | "long" | "short" | "count":
            return count(source, description)
        case "decimal" | "double" | "float" | "numeric" | "number" | "percent" | "percentage":
            return figure(source, description)
        case "money" | "currency":
            return amount(source, description)
        case "date" if pattern and "h" not in pattern:
            return calendar_day(source, description)
        case "date" | "datetime" | "date-time" | "timestamp":
            return any_timestamp(source, description)
        case _:
            return any_text(source, description)


def any_text(source: str, description: str) -> Field:
    """Text, or whatever else is sent, as JSON."""
    return Field(source, column_name(source), nullable("string", description), read_any)


def dimension(source: str, description: str) -> Field:
    """Text that a report's rows go by: empty, not null, for what has none."""
    return Field(source, column_name(source), described("string", description), read_dimension)


def count(source: str, description: str) -> Field:
    """A whole number."""
    return Field(source, column_name(source), nullable("integer", description), read_count)


def figure(source: str, description: str) -> Field:
    """A rate, an average or a quantity, to the digit. A percent sign is left out."""
    return Field(source, column_name(source), nullable("number", description), read_figure)


def amount(source: str, description: str) -> Field:
    """Money, to the digit. What cannot be read ends the run with 1."""
    return figure(source, description)._replace(role=Role.MONEY)


def calendar_day(source: str, description: str) -> Field:
    """A day as a person reads it, in any of the ways reports write one."""
    schema = nullable("string", description) | DAY
    return Field(source, column_name(source), schema, read_calendar_day)


def any_timestamp(source: str, description: str) -> Field:
    """A timestamp in UTC, which is the zone of one without; a day is its midnight."""
    schema = nullable("string", description) | DATE_TIME
    return Field(source, column_name(source), schema, read_any_timestamp)


def as_key(field: Field) -> Field:
    """The same as part of a key: never null, and text may be empty."""
    kind = field.json_schema["type"][0]
    if kind == "string" and "format" not in field.json_schema:
        return dimension(field.source, field.json_schema["description"])
    schema = field.json_schema | {"type": [kind]}
    return field._replace(json_schema=schema, read=never_blank(field.read), role=Role.KEY)


@cache
def never_blank(read: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A reader of values that must be there."""

    def read_key(value: object) -> Any:
        found = read(value)
        if found is None:
            raise UnreadableValue
        return found

    return read_key


def read_any(value: object) -> str | None:
    """What `any_text` makes of a value."""
    if isinstance(value, dict | list):
        return msgspec.json.encode(value, enc_hook=str).decode()
    return None if value is None else as_text(value).strip() or None


def read_dimension(value: object) -> str:
    """What `dimension` makes of a value."""
    return read_any(value) or ""


def read_count(value: object) -> int | None:
    """What `count` makes of a value."""
    found = read_figure(value)
    if found is not None and found != int(found):
        raise UnreadableValue
    return None if found is None else int(found)


def read_figure(value: object) -> Any:
    """What `figure` and `amount` make of a value."""
    if is_blank(value):
        return None
    if isinstance(value, str):
        value = CURRENCY_SIGN.sub(r"\1", value.strip()).removesuffix("%")
    return without_idle_zeros(exact_decimal(value))


def without_idle_zeros(number: Decimal) -> Decimal:
    """The same number without the zeros that fill it up: reports write money to 18 decimals."""
    if int(number.as_tuple().exponent) >= -DECIMALS:
        return number
    short = number.quantize(Decimal(1).scaleb(-DECIMALS))
    return short if short == number else number


def read_calendar_day(value: object) -> str | None:
    """What `calendar_day` makes of a value."""
    return None if is_blank(value) else parse_any_timestamp(as_text(value)).date().isoformat()


def read_any_timestamp(value: object) -> str | None:
    """What `any_timestamp` makes of a value."""
    if is_blank(value):
        return None
    found = parse_any_timestamp(as_text(value))
    try:
        return iso(found if found.tzinfo else found.replace(tzinfo=UTC))
    except OverflowError:
        raise UnreadableValue from None


def parse_any_timestamp(written: str) -> datetime:
    """A timestamp as it is written, with its offset if it has one; a day alone is its midnight.

    Raises:
        UnreadableValue: It is in no form that reports were seen to use.
    """
    text = " ".join(written.split())
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        pass
    for form in DAY_FORMS:
        if found := form.fullmatch(text):
            try:
                month = found["month"].lower()[:3]
                number = int(month) if month.isdecimal() else MONTHS.index(month) + 1
                day = date(int(found["year"]), number, int(found["day"]))
                return datetime.combine(day, time_of_day(found["time"]))
            except ValueError:
                break
    raise UnreadableValue


def time_of_day(written: str | None) -> time:
    """A time of day; midnight if there is none.

    Raises:
        ValueError: It is none.
    """
    if not written:
        return time.min
    for form in TIME_FORMS:
        try:
            return datetime.strptime(written.strip().upper(), form).time()  # noqa: DTZ007
        except ValueError:
            continue
    raise ValueError(written)
