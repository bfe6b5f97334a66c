"""Ports on loopback for servers that are started later."""

from __future__ import annotations

import random
import socket
from contextlib import suppress

HOST = "127.0.0.1"


def free_port() -> int:
    """A free port, of those that systems give to no connection: it stays free for its server."""
    while True:
        port = random.randrange(20_000, 32_000)  # noqa: S311 - no secret
        with suppress(OSError), socket.create_server((HOST, port)):
            return port
