"""Describes failed requests: the host and the reason, without secrets."""

from __future__ import annotations

import errno
import socket
import ssl
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import requests

if TYPE_CHECKING:
    from collections.abc import Iterator

# The first that fits, by the classes of requests, and then by those of what led to the error.
REASONS: tuple[tuple[type[Exception], str], ...] = (
    (requests.exceptions.ConnectTimeout, "could not be reached in time"),
    (requests.exceptions.Timeout, "did not answer within request_timeout_seconds"),
    (requests.exceptions.ChunkedEncodingError, "sent an incomplete answer"),
    (requests.exceptions.ContentDecodingError, "sent an answer that cannot be decompressed"),
    (requests.exceptions.ProxyError, "could not be reached through the proxy"),
)
CAUSES: tuple[tuple[type[BaseException], str], ...] = (
    (socket.gaierror, "was not found: DNS does not know its name"),
    (ConnectionRefusedError, "refused the connection"),
    (ConnectionResetError, "closed the connection"),
    (TimeoutError, "did not answer within request_timeout_seconds"),
)

OF_NO_CONNECTION = (requests.exceptions.ConnectTimeout, requests.exceptions.ProxyError)
NO_ROUTE = frozenset({errno.ENETDOWN, errno.ENETUNREACH, errno.EHOSTDOWN, errno.EHOSTUNREACH})


def explain(error: Exception) -> str:
    """Which host failed, and why. The error's own text would show a whole URL."""
    request = getattr(error, "request", None)
    host = urlsplit(getattr(request, "url", None) or "").netloc.rpartition("@")[2]
    return f"{host or 'impact.com'} {reason(error)}"


def reason(error: Exception) -> str:
    """What happened, as text."""
    for of_requests, words in REASONS:
        if isinstance(error, of_requests):
            return words
    for cause in causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return (
                f"could not prove who it is (TLS: {cause.verify_message}). If a proxy of your own "
                "opens connections, REQUESTS_CA_BUNDLE must name its certificate"
            )
        if isinstance(cause, ssl.SSLError):
            return f"could not be reached safely (TLS: {cause.reason or 'no reason given'})"
        for of_cause, words in CAUSES:
            if isinstance(cause, of_cause):
                return words
    return f"could not be asked ({type(error).__name__})"


def is_unreachable(error: Exception) -> bool:
    """Whether no connection to the host came about, so that other requests would fail too."""
    return isinstance(error, OF_NO_CONNECTION) or any(
        isinstance(cause, socket.gaierror | ConnectionRefusedError)
        or (isinstance(cause, OSError) and cause.errno in NO_ROUTE)
        for cause in causes(error)
    )


def is_unanswered(error: Exception) -> bool:
    """Whether the host did not answer a request, reachable or not."""
    return isinstance(error, requests.exceptions.ConnectionError | requests.exceptions.Timeout)


def is_untrusted(error: Exception) -> bool:
    """Whether the host's certificate is the reason, which no second try mends."""
    return any(isinstance(cause, ssl.SSLCertVerificationError) for cause in causes(error))


def causes(error: BaseException) -> Iterator[BaseException]:
    """An error and all that led to it, however `requests` and `urllib3` wrapped it."""
    left, seen = [error], set[int]()
    while left:
        each = left.pop()
        if id(each) not in seen:
            seen.add(id(each))
            yield each
            wrapped = (*each.args, getattr(each, "reason", None), each.__cause__, each.__context__)
            left += (one for one in wrapped if isinstance(one, BaseException))
