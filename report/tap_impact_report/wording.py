"""How days, amounts and shares are written."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import date
    from decimal import Decimal

WITHOUT_CENTS = 100_000
NOTHING = "&ndash;"


def day(each: date) -> str:
    """A day as a person writes it."""
    return f"{each.day} {each:%b}"


def month(each: date) -> str:
    """A month as an axis has it; January says its year."""
    return f"{each:%b %Y}" if each.month == 1 else f"{each:%b}"


def headed(amount: Decimal) -> str:
    """An amount as a headline has it: without cents where they would be lost in it."""
    return f"{amount:,.0f}" if abs(amount) >= WITHOUT_CENTS else f"{amount:,.2f}"


def cents(amount: Decimal | None) -> str:
    """An amount in a table."""
    return NOTHING if amount is None else f"{amount:,.2f}"


def count(number: int | None) -> str:
    """A number of things in a table."""
    return NOTHING if number is None else f"{number:,}"


def share(part: Decimal | None) -> str:
    """A part of a whole, in percent."""
    return NOTHING if part is None else f"{100 * part:.1f}%"


def short(number: Decimal) -> str:
    """A number as an axis shows it."""
    for size, letter in ((1_000_000_000, "G"), (1_000_000, "M"), (1_000, "k")):
        if number >= size:
            return f"{(number / size).normalize():f}{letter}"
    return f"{number.normalize():f}"
