"""Cases of a test by their names, some of them run only where the slow tests are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping


def cases(values: Mapping[str, tuple[Any, ...]], *, slow: Collection[str]) -> list[Any]:
    """The values of each case for `parametrize`; `slow` are those that resemble another."""
    assert {*slow} < {*values}
    return [
        pytest.param(*each, id=name, marks=pytest.mark.slow if name in slow else ())
        for name, each in values.items()
    ]
