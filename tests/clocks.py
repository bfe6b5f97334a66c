"""The clock of the machine that the tap runs on, set as a test wants it."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any
from unittest import mock

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def machine_clock(at: datetime) -> Iterator[None]:
    """Stop the clock that the tap reads at a time."""

    class Clock(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return at.astimezone(tz)

    names = [
        f"{name}.datetime"
        for name, module in sys.modules.items()
        if name.startswith("tap_impact.") and getattr(module, "datetime", None) is datetime
    ]
    assert names
    patches = [mock.patch(name, Clock) for name in names]
    for patch in patches:
        patch.start()
    try:
        yield
    finally:
        for patch in patches:
            patch.stop()
