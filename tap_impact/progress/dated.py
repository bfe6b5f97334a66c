"""What the bookmark of a dated stream says. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tap_impact.progress.coverage import Coverage
from tap_impact.progress.queries import Query
from tap_impact.records.timestamps import EARLIEST, iso, parse_timestamp

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime


@dataclass
class DatedProgress:
    """What the bookmark of a dated stream says."""

    coverage: Coverage | None = None
    """What is covered, except for the unanswered queries."""
    unanswered: list[Query] = field(default_factory=list)
    """Queries without a complete answer: the next run repeats them."""
    campaigns: set[str] = field(default_factory=set)
    """Every campaign that a row ever named: /Campaigns may list fewer."""
    account_start: datetime | None = None
    """From when on impact.com answers: the account was activated then."""
    refused_start: datetime | None = None
    """The start of history with which that was found; an earlier one is worth a request."""

    @classmethod
    def of_bookmark(
        cls, bookmark: Mapping[str, Any], *, start: datetime = EARLIEST
    ) -> DatedProgress:
        """Read it from Singer state.

        Raises:
            ValueError, TypeError, KeyError, AttributeError: It is none that can be used.
        """
        account_start, refused = bookmark.get("account_began"), bookmark.get("refused_start")
        for name in ("campaign_ids", "campaigns_seen"):
            if not all(isinstance(each, str) for each in bookmark.get(name) or ()):
                raise TypeError(name)
        return cls(
            Coverage.of_bookmark(bookmark, start=start),
            [Query.of_bookmark(each) for each in bookmark.get("unanswered") or ()],
            {*(bookmark.get("campaigns_seen") or ())},
            parse_timestamp(account_start) if account_start else None,
            parse_timestamp(refused) if refused else None,
        )

    def account_start_for(self, start: datetime) -> datetime | None:
        """From when on impact.com answers; None if an earlier start of history may find more."""
        return self.account_start if self.refused_start and start >= self.refused_start else None

    def add_unanswered(self, query: Query) -> None:
        """Let the next run repeat a query; whole windows of one purpose that meet become one."""
        for other in [*self.unanswered]:
            if merged := query.merged(other):
                self.unanswered.remove(other)
                query = merged
        self.unanswered.append(query)

    def details(self) -> dict[str, Any]:
        """Write the entries beside the coverage in Singer state."""
        details = {
            "unanswered": [query.bookmark() for query in self.unanswered],
            "campaigns_seen": sorted(self.campaigns),
            "account_began": iso(self.account_start) if self.account_start else None,
            "refused_start": iso(self.refused_start) if self.refused_start else None,
        }
        return {name: value for name, value in details.items() if value}
