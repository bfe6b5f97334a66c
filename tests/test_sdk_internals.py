"""What the SDK does not document is used as `sdk_internals` lists it, and nowhere else."""

from __future__ import annotations

import ast
import inspect
import re
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from singer_sdk import Stream, Tap
from singer_sdk.plugin_base import PluginBase

import tap_impact
from tap_impact.singer import sdk_internals
from tap_impact.singer.sdk_internals import ATTRIBUTES, SameRecordTransform
from tap_impact.tap import TapImpact

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = Path(inspect.getfile(tap_impact)).parent
MODULES = {
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts): ast.parse(path.read_text())
    for path in PACKAGE.rglob("*.py")
    if path.name not in {"__init__.py", "__main__.py"}
}
PRIVATE = re.compile(r"_[a-z]\w*")
# Names of the SDK that begin with an underscore: its methods, and what it sets on an instance.
OF_THE_SDK = {
    name
    for base in (Stream, Tap, PluginBase)
    for name in {*vars(base), *re.findall(r"self\.(_[a-z]\w*)", inspect.getsource(base))}
    if PRIVATE.fullmatch(name)
}


def names(module: str, node: ast.AST) -> Iterator[str]:
    """Attributes and methods that code about a stream or the tap has."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef):
            found = getattr(import_module(module), child.name)
            if not issubclass(found, (Stream, Tap)):
                continue
        if isinstance(child, ast.FunctionDef):
            yield child.name
        if isinstance(child, ast.Attribute):
            yield child.attr
        yield from names(module, child)


@pytest.mark.parametrize("module", MODULES)
def test_no_private_name_of_the_sdk_is_used_that_is_not_listed(module: str) -> None:
    listed = {name for attributes in ATTRIBUTES.values() for name in attributes}
    assert OF_THE_SDK & {*names(module, MODULES[module])} <= listed


@pytest.mark.parametrize("module", MODULES.keys() - {sdk_internals.__name__})
def test_no_other_module_imports_what_the_sdk_does_not_document(module: str) -> None:
    imported = {
        f"{node.module}.{alias.name}"
        for node in ast.walk(MODULES[module])
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("singer_sdk")
        for alias in node.names
    }
    assert not {name for name in imported if "._" in name}
    assert not {name.rpartition(".")[2] for name in imported} & {*sdk_internals.__all__}


def test_the_sdk_still_has_what_is_listed() -> None:
    tap = TapImpact(config={"account_sid": "IRunused", "auth_token": "unused"})
    stream = tap.streams["account"]
    instances = {Stream: stream, Tap: tap, SameRecordTransform: stream.stream_maps[0]}
    for each, attributes in ATTRIBUTES.items():
        assert isinstance(instances[each], each)
        for name in attributes:
            assert name in {*dir(each), *vars(instances[each])}
