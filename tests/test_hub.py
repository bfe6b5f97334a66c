"""The listing on Meltano Hub: true to the tap, in the Hub's terms, and good to install from."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError

import pytest
import yaml

from hub.listing import LISTING, PAGE, PROJECT, ROOT, files
from tap_impact.settings import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import SandboxFactory

MELTANO = Path(sys.executable).with_name("meltano")

# What the Hub's JSON schemas of an extractor ask for.
REQUIRED = {"name", "namespace", "variant", "quality"}
OPTIONAL = {
    "pip_url", "label", "description", "executable", "settings", "docs", "repo", "logo_url",
    "hidden", "python", "settings_group_validation", "commands", "capabilities", "metadata",
    "schema", "select", "maintenance_status", "domain_url", "keywords", "requires", "definition",
    "next_steps", "settings_preamble", "usage", "prereq", "supported_python_versions", "log_parser",
}  # fmt: skip
SETTING = {
    "name", "aliases", "label", "value", "placeholder", "kind", "description", "tooltip",
    "documentation", "env", "value_processor", "value_post_processor", "oauth", "options", "docs",
    "hidden", "sensitive",
}  # fmt: skip
KINDS = {
    "oauth", "hidden", "password", "date_iso8601", "file", "email", "integer", "options", "object",
    "array", "boolean", "string", "decimal",
}  # fmt: skip
CAPABILITIES = {
    "properties", "catalog", "discover", "state", "about", "stream-maps", "schema-flattening",
    "activate-version", "batch", "test", "log-based", "structured-logging",
}  # fmt: skip


def listed() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(LISTING.read_text())
    return found


def extractor() -> dict[str, Any]:
    project = yaml.safe_load(PROJECT.read_text())
    (found,) = (
        each for each in project["plugins"]["extractors"] if each["name"] == listed()["name"]
    )
    return dict(found)


def test_the_files_are_what_the_script_writes() -> None:
    for path, content in files().items():
        assert path.read_text() == content, f"run: python -m hub.listing write ({path.name})"


@pytest.mark.parametrize("definition", [listed, extractor], ids=["the Hub", "meltano.yml"])
def test_settings_are_those_that_the_tap_declares(definition: Any) -> None:
    declared = SETTINGS["properties"]
    found = {setting["name"]: setting for setting in definition()["settings"]}
    assert [*found][: len(declared)] == [*declared]
    for name, schema in declared.items():
        setting = found[name]
        assert setting["label"] == schema["title"]
        assert setting["description"] == schema["description"]
        assert setting.get("value") == schema.get("default")
        assert setting.get("sensitive", False) is bool(schema.get("secret"))
        if schema.get("format") == "date-time":
            assert setting["kind"] == "date_iso8601"
        else:
            assert setting["kind"] in schema["type"]
    assert definition()["settings_group_validation"] == [SETTINGS["required"]]


def test_meltano_yml_differs_only_in_where_the_package_is() -> None:
    differing = {
        key: value for key, value in extractor().items() if value != listed().get(key)
    } | dict.fromkeys(listed().keys() - extractor().keys() - PAGE.keys())
    assert differing == {"pip_url": "-e '$IMPACT_CLONE'", "logo_url": None}


def test_it_has_what_the_hub_asks_for_and_nothing_that_it_refuses() -> None:
    plugin = listed()
    assert plugin.keys() >= REQUIRED
    assert plugin.keys() <= REQUIRED | OPTIONAL
    assert {*plugin["capabilities"]} <= CAPABILITIES
    assert plugin["quality"] in {"gold", "silver", "bronze", "unknown"}
    assert plugin["maintenance_status"] in {
        "active", "beta", "development", "inactive", "unknown",
    }  # fmt: skip
    assert all(re.fullmatch(r"3\.\d+", each) for each in plugin["supported_python_versions"])
    for setting in plugin["settings"]:
        assert {"name", "kind", "label", "description"} <= setting.keys() <= SETTING
        assert setting["kind"] in KINDS


def test_keys_are_sorted_as_the_hub_checks() -> None:
    def in_order(content: object) -> bool:
        match content:
            case dict():
                return [*content] == sorted(content) and all(map(in_order, content.values()))
            case list():
                return all(map(in_order, content))
        return True

    assert in_order(listed())


def test_every_setting_of_the_tap_is_explained_in_sentences() -> None:
    for name, schema in SETTINGS["properties"].items():
        assert re.fullmatch(r"[A-Z].*[^.]", schema["title"]), name
        assert re.fullmatch(r"[A-Z].*\.", schema["description"]), name


@contextmanager
def local_hub() -> Iterator[str]:
    """The Hub of `python -m hub.listing serve`, by its URL."""
    with subprocess.Popen(
        [sys.executable, "-m", "hub.listing", "serve"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as server:
        assert server.stdout
        variable, url = server.stdout.readline().split()[-1].split("=")
        assert variable == "MELTANO_HUB_URL"
        yield url
        server.terminate()


def test_the_local_hub_knows_this_plugin_and_no_other() -> None:
    with local_hub() as url:
        plugins = f"{url}/meltano/api/v1/plugins"

        def answer(path: str) -> Any:
            with urllib.request.urlopen(path) as response:  # noqa: S310
                return json.load(response)

        index = answer(f"{plugins}/extractors/index")
        assert answer(f"{plugins}/loaders/index") == {}
        assert index.keys() == {"tap-impact"}
        variants = index["tap-impact"]["variants"]
        definition = answer(variants[index["tap-impact"]["default_variant"]]["ref"])
        assert definition == {key: value for key, value in listed().items() if key not in PAGE}
        with pytest.raises(HTTPError, match="404"):
            answer(f"{plugins}/extractors/tap-other--partner")


def deselected_by_hand() -> list[str]:
    """The streams that docs/project.md leaves out of a project that a user has."""
    found = re.search(r"for stream in ([^;]+);", (ROOT / "docs" / "project.md").read_text())
    assert found
    return found[1].split()


def test_what_is_deselected_by_hand_is_what_the_listing_deselects() -> None:
    excluded = [pattern[1:-2] for pattern in listed()["select"] if pattern.startswith("!")]
    assert deselected_by_hand() == excluded


@pytest.mark.slow
def test_meltano_adds_it_and_it_runs(
    as_published: dict[str, str], sandbox: SandboxFactory, tmp_path: Path
) -> None:
    impact = sandbox()
    (tmp_path / "meltano.yml").write_text("project_id: new\nplugins: {}\n")
    environment = as_published | {
        "MELTANO_VENV_BACKEND": "virtualenv",
        "MELTANO_SEND_ANONYMOUS_USAGE_STATS": "false",
        "TAP_IMPACT_END_DATE": impact.at.isoformat(),
        "TAP_IMPACT_START_DATE": "2026-06-01",
    }
    for name, value in impact.settings().items():
        environment[f"TAP_IMPACT_{name.upper()}"] = str(value)

    def meltano(*command: str, **extra: str) -> str:
        done = subprocess.run(
            [MELTANO, "--log-format", "plain", *command],
            cwd=tmp_path,
            env=environment | extra,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    with local_hub() as url:
        meltano("add", "tap-impact", MELTANO_HUB_URL=url)
    extras = json.loads(meltano("config", "print", "tap-impact", "--extras"))
    assert extras["_select"] == listed()["select"]

    messages = [json.loads(line) for line in meltano("invoke", "tap-impact").splitlines()]
    loaded = {message["stream"] for message in messages if message["type"] == "RECORD"}
    assert {"actions", "action_updates", "campaigns", "account"} <= loaded
    assert loaded.isdisjoint(pattern[1:-2] for pattern in listed()["select"] if "!" in pattern)
