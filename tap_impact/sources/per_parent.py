"""Reading lists that impact.com gives for one parent at a time, such as a campaign's deals."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING
from urllib.parse import quote

from singer_sdk.exceptions import FatalAPIError, RetriableAPIError
from typing_extensions import override

from tap_impact.api.scopes import Need
from tap_impact.errors import OF_LATER_REQUESTS, AccessDenied, NotFound
from tap_impact.records.fields import is_blank
from tap_impact.sources.lists import ListSource
from tap_impact.sources.source import OTHERS_AN_HOUR, Batch, Estimate, Source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import Any

    from tap_impact.api.scopes import Scope
    from tap_impact.records.fields import Row
    from tap_impact.settings import Settings
    from tap_impact.sources.source import Sync

# As many failures one after another are no accident of a few parents. What impact.com refuses at
# once may be so many, such as campaigns that have ended, and costs a request each.
MAX_IN_A_ROW = 3

# The bookmark's entry that names the parent which the next run begins with.
NEXT_PARENT = "next_parent"

# No parent has this id. Who lacks the scope gets a 403 for it, all others, it seems, a 404 or no
# rows.
NO_ID = "0"


class ParentsDenied(AccessDenied):
    """The token may not list the parents."""


@dataclass
class Outcome:
    """What asking about one parent after the other came to."""

    answered: int = 0
    failed_in_a_row: int = 0
    denied: dict[str, AccessDenied] = field(default_factory=dict)
    """By parent; a campaign may be denied while others are not."""
    absent: dict[str, NotFound] = field(default_factory=dict)
    failures: list[Exception] = field(default_factory=list)

    def count_answer(self) -> None:
        """Note that a parent's list was read."""
        self.answered += 1
        self.failed_in_a_row = 0

    def count_error(self, parent_id: str, error: Exception) -> None:
        """Note why a parent's list was not read."""
        if isinstance(error, NotFound):
            self.absent[parent_id] = error
        else:
            self.failures.append(error)
            self.failed_in_a_row += isinstance(error, RetriableAPIError)

    def count_denial(self, parent_id: str, error: AccessDenied) -> bool:
        """Note that a parent's list may not be read; tell, once, that perhaps none may."""
        self.denied[parent_id] = error
        return not self.answered and len(self.denied) == MAX_IN_A_ROW

    @property
    def is_hopeless(self) -> bool:
        """Whether other parents need not be asked about."""
        return self.failed_in_a_row == MAX_IN_A_ROW

    def conclude(self, sync: Sync) -> None:
        """Say what is missing, if that was impact.com's answer.

        Raises:
            AccessDenied: No list may be read.
            FatalAPIError, RetriableAPIError: A list could not be read; all others were.
        """
        if self.failures:
            raise self.failures[0]
        if self.denied and not self.answered:
            raise next(iter(self.denied.values()))
        for missing in (self.denied, self.absent):
            for parent_id, error in [*missing.items()][:1]:
                sync.logger.warning(
                    "%s: impact.com gives nothing for %d of those asked about, such as %s. %s",
                    sync.name,
                    len(missing),
                    parent_id,
                    error,
                )


@dataclass(frozen=True, kw_only=True)
class PerParentSource(Source):
    """A list for each parent, each read as a whole, in one request or more."""

    path: str
    """With `{}` where the parent's id goes."""
    data_key: str
    """Where the rows of a page stand."""
    scope: Scope
    parents: ListSource
    """The list whose rows name the parents."""
    ids_of: Callable[[Mapping[str, Any]], Iterable[str]]
    """The ids of the parents that one of its rows names."""
    parent_key: str
    """The field of the rows that names their parent; filled in where impact.com leaves it out."""

    @override
    def needs(self, settings: Settings) -> list[Need]:
        return [*self.parents.needs(settings), self._own_need]

    @property
    def _own_need(self) -> Need:
        return Need(self.scope, self.path.format(NO_ID), {"PageSize": 1})

    @override
    def scope_lacking(self, error: AccessDenied) -> Scope:
        return self.parents.scope if isinstance(error, ParentsDenied) else self.scope

    @override
    def read(self, sync: Sync) -> Iterator[Batch]:
        outcome = Outcome()
        ids = self._parent_ids(sync, outcome.failures)
        first = sync.state.get(NEXT_PARENT)
        place = ids.index(first) if first in ids else 0
        ids = ids[place:] + ids[:place]
        for number, parent_id in enumerate(ids, 1):
            try:
                yield from self._of_parent(sync, parent_id)
            except OF_LATER_REQUESTS:
                self._begin_next_run_with(parent_id, sync)
                raise
            except AccessDenied as error:
                is_over = outcome.count_denial(parent_id, error) and self._lacks_scope(sync)
            except (FatalAPIError, RetriableAPIError) as error:
                outcome.count_error(parent_id, error)
                is_over = outcome.is_hopeless
            else:
                outcome.count_answer()
                is_over = False
            if is_over:
                self._begin_next_run_with(ids[number % len(ids)], sync)
                break
        outcome.conclude(sync)

    @override
    def estimate(self, sync: Sync) -> Estimate:
        failures: list[Exception] = []
        number = len(self._parent_ids(sync, failures)) + self.parents.estimate(sync).next_run
        if failures:
            raise failures[0]
        return Estimate(number, number, OTHERS_AN_HOUR, "One for each parent, and to list them.")

    def _begin_next_run_with(self, parent_id: str, sync: Sync) -> None:
        """Let no run stop where the one before did, lest the last parents are never asked about."""
        sync.state[NEXT_PARENT] = parent_id
        sync.checkpoint()

    def _lacks_scope(self, sync: Sync) -> bool:
        return self._own_need.check(sync.client).has is False

    def _parent_ids(self, sync: Sync, failures: list[Exception]) -> list[str]:
        """The ids of all parents, each once; if their list fails midway, of those that came."""
        rows: list[Row] = []
        try:
            for page in self.parents.whole_list(sync):
                rows += page
        except OF_LATER_REQUESTS:
            raise
        except AccessDenied as error:
            raise ParentsDenied(str(error)) from error
        except (FatalAPIError, RetriableAPIError) as error:
            failures.append(error)
        ids = (each for row in rows for each in self.ids_of(row))  # type: ignore[arg-type]
        return [*dict.fromkeys(ids)]

    def _of_parent(self, sync: Sync, parent_id: str) -> Iterator[Batch]:
        path = self.path.format(quote(parent_id, safe=""))
        source = ListSource(path, self.data_key, self.scope)
        for rows in source.all_rows(replace(sync, as_dicts=True), {}):
            named = [
                {**row, self.parent_key: parent_id} if is_blank(row.get(self.parent_key)) else row  # type: ignore[union-attr,dict-item]
                for row in rows
            ]
            yield Batch(named, sync.streams)
