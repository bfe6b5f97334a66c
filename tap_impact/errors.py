"""The errors of a run: the SDK's exceptions, distinguished by their meaning.

A message says what happened, to what, and what a person can do. None holds a secret.
"""

from __future__ import annotations

from singer_sdk.exceptions import FatalAPIError, RetriableAPIError


class AccessDenied(FatalAPIError):
    """403: the token's scopes, or the account's tier, do not allow this endpoint."""


class ExportDenied(AccessDenied):
    """The token may not request exports."""


class DownloadDenied(AccessDenied):
    """The token may request exports, but not download them."""


class WrongCredentials(FatalAPIError):
    """401: impact.com does not know the account SID with this token."""


class NotFound(FatalAPIError):
    """404 or 410: it does not exist in the account, or no longer."""


class QueryRefused(FatalAPIError):
    """400: impact.com refuses the query, such as one for a time before the account existed."""


class TooManyPages(FatalAPIError):
    """The result is larger than the API returns: send a narrower query."""


class RateLimited(FatalAPIError):
    """429: a rate limit was exceeded.

    Attributes:
        seconds: how long impact.com asks to wait, if it says so.
    """

    def __init__(self, message: str, seconds: float | None) -> None:
        """Store the wait that the headers name."""
        super().__init__(message)
        self.seconds = seconds


class Unreachable(RetriableAPIError):
    """No connection to a host came about: DNS, the network or the host itself fails."""


class UntrustedHost(FatalAPIError):
    """The host's certificate is not trusted, so nothing was sent; a retry does not help."""


# Errors that any later request would meet too.
OF_LATER_REQUESTS = (RateLimited, UntrustedHost, WrongCredentials)

# Errors that the next request would meet too; a connection may be back for later ones.
OF_ALL_REQUESTS = (*OF_LATER_REQUESTS, Unreachable)


class ExportFailed(FatalAPIError):
    """An export's job ended without a usable result."""


class ExportOutdated(ExportFailed):
    """An export's data may have changed since it was made: a replay makes it anew."""


class ExportIncomplete(FatalAPIError):
    """An export's file has fewer rows than impact.com counts."""


class UnreadableFile(FatalAPIError):
    """An export's file is none that this version can read, or it ends too early."""


class ActionsDenied(AccessDenied):
    """The token may not list actions, without which their items cannot be requested."""


class RowsWithoutKey(FatalAPIError):
    """Rows of a list cannot be told from others."""


class ItemsMissing(FatalAPIError):
    """impact.com sent fewer items of an action than it announced, or neither items nor a total."""


class ConsecutiveFailures(FatalAPIError):
    """Several actions failed in a row, so the cause is not one action."""
