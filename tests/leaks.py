"""What a run shows though it may not: secrets anywhere, records in the log or the state."""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from impact_sandbox.world import World

    from tests.runs import Run


def texts_of_records(run: Run) -> set[str]:
    """What people wrote: order ids, sub ids, names, cities, addresses of pages."""
    telling = {
        "order_id",
        "sub_id1",
        "sub_id2",
        "customer_city",
        "item_name",
        "ip_address",
        "profile_id",
    }
    return {
        str(value)
        for message in run.messages
        if message["type"] == "RECORD"
        for name, value in message["record"].items()
        if name in telling and value and len(str(value)) > 5
    }


def credentials(world: World) -> str:
    """What the account signs in with, as HTTP sends it."""
    return b64encode(f"{world.account_sid}:{world.auth_token}".encode()).decode()


def leaks(run: Run, world: World) -> list[str]:
    """What may not be seen and was."""
    secrets = world.auth_token, credentials(world)
    states = [line for line in run.stdout.splitlines() if '"type":"STATE"' in line]
    told = run.stderr + "".join(states)
    found = [name for name in secrets if name in run.stdout + run.stderr]
    return found + [text for text in (world.account_sid, *texts_of_records(run)) if text in told]
