"""Which addresses can and may be used: https, or the loopback interface."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

import requests


def is_url(url: str) -> bool:
    """Whether a request can be sent there, if there is such a host."""
    try:
        requests.Request("GET", url).prepare()
        (urlsplit(url).hostname or "").encode("idna")
    except ValueError:
        return False
    return True


def is_safe(url: str) -> bool:
    """Whether credentials, or signed addresses, may be sent there."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    if parts.scheme == "https":
        return bool(parts.hostname)
    return parts.scheme == "http" and is_loopback(parts.hostname)


def is_loopback(host: str | None) -> bool:
    """Whether a host is this very machine."""
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return host == "localhost"
