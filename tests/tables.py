"""What a target holds after runs of the tap: rows by key, up to the last STATE that it was sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.runs import Run

Tables = dict[str, dict[tuple[Any, ...], dict[str, Any]]]


def load(tables: Tables, run: Run, *, whole: bool = True) -> dict[str, Any] | None:
    """Upsert a run's records; return the last state.

    Of a run that is not whole, what was printed after its last STATE is thrown away: that is the
    least that a target has kept.
    """
    messages = run.messages
    states = [place for place, message in enumerate(messages) if message["type"] == "STATE"]
    if not whole:
        messages = messages[: states[-1]] if states else []
    keys = {}
    for message in messages:
        if message["type"] == "SCHEMA":
            keys[message["stream"]] = message["key_properties"]
            tables.setdefault(message["stream"], {})
        elif message["type"] == "RECORD":
            record = message["record"]
            key = tuple(record[name] for name in keys[message["stream"]])
            tables[message["stream"]][key] = record
    return run.state if states else None
