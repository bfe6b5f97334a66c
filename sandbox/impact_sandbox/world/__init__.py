"""An invented partner account that lives through time: one seed, one world."""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING

from impact_sandbox.world import campaigns
from impact_sandbox.world.account import LONGEST_LAG
from impact_sandbox.world.actions import LONGEST_LIFE, SeenAction, SeenUpdate
from impact_sandbox.world.catalogs import Catalogs
from impact_sandbox.world.contracts import Contracts
from impact_sandbox.world.mistakes import Mistakes
from impact_sandbox.world.performance import Performance

if TYPE_CHECKING:
    from datetime import date

__all__ = ["LONGEST_LAG", "LONGEST_LIFE", "Mistakes", "SeenAction", "SeenUpdate", "World"]

DRAWN = ("_days", "_wrong_action", "_invoiced_lines", "wrong_line")
"""What a world keeps of the books that it has drawn."""


class World(Performance, Contracts, Catalogs):
    """All that one partner account holds; the arguments are those of Account."""

    def campaigns(self) -> list[dict[str, str | list[str]]]:
        """Return the API's Campaign objects."""
        return campaigns.campaigns(self)

    def begun_on(self, day: date) -> World:
        """Return the same account, had it been activated on a later day."""
        world = copy(self)
        world.opened = max(day, self.opened)
        return world

    def repriced(self, mistakes: Mistakes, *, varied_terms: bool) -> World:
        """Return the same account, with errors in its books or other terms in its contracts."""
        world = copy(self)
        world.mistakes, world.varied_terms = mistakes, varied_terms
        for name in DRAWN:
            vars(world).pop(name, None)
        return world
