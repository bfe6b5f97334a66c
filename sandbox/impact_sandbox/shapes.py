"""Other shapes in which the same answer is known, or thought, to come."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from impact_sandbox.formats import singular

if TYPE_CHECKING:
    from impact_sandbox.switches import Switches


def shaped(body: dict[str, Any], switches: Switches) -> Any:
    """Return an answer as the switches have it; None is sent as null."""
    if "@nextpageuri" in body:
        body = paged(body, switches)
        empty = [name for name, value in body.items() if value == []]
        if empty and switches.empty_page == "null":
            return None
        if empty and switches.empty_page == "absent":
            body = {name: value for name, value in body.items() if name not in empty}
    if switches.lists != "list":
        body = {name: by_habit_of_xml(name, value, switches.lists) for name, value in body.items()}
    return body


def paged(body: dict[str, Any], switches: Switches) -> dict[str, Any]:
    """Say that a page is the last one, in one of the ways that clients have met."""
    if body["@nextpageuri"]:
        return body
    match switches.last_nextpageuri:
        case "null":
            return body | {"@nextpageuri": None}
        case "absent":
            return {name: value for name, value in body.items() if name != "@nextpageuri"}
        case "own":
            return body | {"@nextpageuri": body["@lastpageuri"]}
        case _:
            return body


def by_habit_of_xml(name: str, value: Any, habit: str) -> Any:
    """Turn lists, at every depth, into what a converter from XML makes of them.

    ``lone`` is an object in place of a list of one, ``wrapped`` an object that holds the list,
    ``lone_wrapped`` both; an empty list is null.
    """
    if isinstance(value, dict):
        return {key: by_habit_of_xml(key, part, habit) for key, part in value.items()}
    if not isinstance(value, list):
        return value
    parts: Any = [by_habit_of_xml(singular(name), part, habit) for part in value]
    if not parts:
        return None
    if len(parts) == 1 and habit.startswith("lone"):
        (parts,) = parts
    return {singular(name): parts} if habit.endswith("wrapped") else parts
