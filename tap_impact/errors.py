"""What stands in the way of a run: the SDK's exceptions, told apart by what they mean.

A message says what happened, to what, and what a person can do. None holds a secret.
"""

from __future__ import annotations

from singer_sdk.exceptions import FatalAPIError, RetriableAPIError


class AccessDenied(FatalAPIError):
    """403: the token's scopes, or the account's tier, do not allow this endpoint."""


class ExportDenied(AccessDenied):
    """The token may not ask for exports."""


class DownloadDenied(AccessDenied):
    """The token may ask for exports, but not download them."""


class WrongCredentials(FatalAPIError):
    """401: impact.com does not know the account SID with this token."""


class NotFound(FatalAPIError):
    """404 or 410: impact.com knows no such thing, or no longer."""


class QueryRefused(FatalAPIError):
    """400: impact.com takes no such query, like one for a time before the account existed."""


class TooManyPages(FatalAPIError):
    """The query's result is larger than the API hands out: ask for a narrower one."""


class RateLimited(FatalAPIError):
    """429: a limit ran out.

    Attributes:
        seconds: how long impact.com asks to wait, if it says so.
    """

    def __init__(self, message: str, seconds: float | None) -> None:
        """Keep what the headers say beside the message."""
        super().__init__(message)
        self.seconds = seconds


class Unreachable(RetriableAPIError):
    """No answer came from a host: its name, the network or the host itself fails."""


class UntrustedHost(FatalAPIError):
    """The host could not prove who it is, so nothing was sent to it; trying again is no help."""


class ExportFailed(FatalAPIError):
    """An export's job came to an end without a result that can be used."""


class ExportOutdated(ExportFailed):
    """An export's data may have changed since it was made: a replay makes it anew."""


class ExportIncomplete(FatalAPIError):
    """An export's file has fewer rows than impact.com counts."""


class UnreadableFile(FatalAPIError):
    """An export's file is none that this version can read, or it ends too early."""


class ActionsDenied(AccessDenied):
    """The token may not list actions, without which their items cannot be asked for."""


class ItemsMissing(FatalAPIError):
    """Fewer items of an action came than impact.com announced, or neither items nor a total."""


class ConsecutiveFailures(FatalAPIError):
    """Actions fail one after another, so the trouble is not theirs."""
