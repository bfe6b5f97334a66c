from __future__ import annotations

from typing import TYPE_CHECKING, Any

import requests

if TYPE_CHECKING:
    from impact_sandbox.server import Sandbox


def ask(
    sandbox: Sandbox,
    path: str,
    *,
    method: str = "GET",
    timeout: float = 60,
    follow: bool = False,
    **query: Any,
) -> requests.Response:
    """Ask for a path below the account, with the right credentials, for JSON."""
    url = path if path.startswith("/Mediapartners/") else sandbox.world.path + path
    return requests.request(
        method,
        sandbox.url + url,
        params=query,
        auth=(sandbox.world.account_sid, sandbox.world.auth_token),
        headers={"Accept": "application/json"},
        allow_redirects=follow,
        timeout=timeout,
    )
