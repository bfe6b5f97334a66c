from __future__ import annotations

from contextlib import ExitStack
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from tap_impact.sandbox.server import Sandbox
from tap_impact.sandbox.world import World

if TYPE_CHECKING:
    from collections.abc import Iterator

WORLD_OPTIONS = {
    "seed",
    "actions_per_day",
    "clicks_per_day",
    "opened",
    "timezone",
    "currency",
    "reattributed",
}


class SandboxFactory(Protocol):
    def __call__(
        self,
        *,
        at: datetime | None = ...,
        world: World | None = ...,
        **options: Any,
    ) -> Sandbox: ...


@pytest.fixture
def sandbox() -> Iterator[SandboxFactory]:
    """Start sandboxes: options are those of World and of Sandbox; all end with the test."""
    with ExitStack() as stack:

        def start(
            *,
            at: datetime | None = datetime(2026, 6, 30, 6, 10, tzinfo=UTC),
            world: World | None = None,
            **options: Any,
        ) -> Sandbox:
            imagined = {name: options.pop(name) for name in WORLD_OPTIONS & options.keys()}
            world = world or World(
                **{"opened": date(2026, 1, 1), "actions_per_day": 10, **imagined}
            )
            return stack.enter_context(Sandbox(world, at=at, **options))

        yield start
