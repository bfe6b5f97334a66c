"""The scopes of a token, and how to check them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from singer_sdk.exceptions import FatalAPIError, RetriableAPIError

from tap_impact.errors import OF_ALL_REQUESTS, AccessDenied, NotFound

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tap_impact.api.client import ImpactClient


class Scope(NamedTuple):
    """A permission of a token, by the names that impact.com shows."""

    category: str
    name: str
    required: bool = True
    """Whether a run fails for want of it; else its streams are skipped with a warning."""

    def __str__(self) -> str:
        """Read like `Actions > Retrieve actions`."""
        return f"{self.category} > {self.name}"


class Verdict(NamedTuple):
    """Whether a token has a scope."""

    has: bool | None
    """None if that cannot be known for the price of a request."""
    note: str = ""


@dataclass(frozen=True)
class Need:
    """A scope that a source needs, and a small request that tells whether the token has it."""

    scope: Scope
    path: str
    query: Mapping[str, Any] = field(default_factory=dict)

    def check(self, client: ImpactClient) -> Verdict:
        """Ask. A 404 is as good as an answer: who may not ask gets a 403.

        Raises:
            RateLimited, Unreachable, UntrustedHost, WrongCredentials: Nothing can be found out.
        """
        try:
            return self._ask(client)
        except AccessDenied:
            return Verdict(has=False)
        except NotFound:
            return Verdict(has=True)
        except OF_ALL_REQUESTS:
            raise
        except (FatalAPIError, RetriableAPIError) as error:
            return Verdict(has=None, note=str(error))

    def _ask(self, client: ImpactClient) -> Verdict:
        client.get(self.path, self.query)
        return Verdict(has=True)
