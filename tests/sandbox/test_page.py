"""What the sandbox's README says is so."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from click.testing import CliRunner
from impact_sandbox.cli import main
from impact_sandbox.endpoints import ENDPOINTS
from impact_sandbox.switches import Switches
from impact_sandbox.world import World

from tests.conftest import ROOT

if TYPE_CHECKING:
    import pytest

PAGE = (ROOT / "sandbox" / "README.md").read_text()


def test_the_example_runs(capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    exec(code, {})  # noqa: S102 - our own page
    assert "IR-Version is sent" in capsys.readouterr().out


def test_its_switches_and_options_exist() -> None:
    assignments = re.findall(r"--switch\s+(\w+=[\w-]+)", PAGE)
    assert len(assignments) == PAGE.count("--switch")
    Switches().read(tuple(assignments))
    commands = re.findall(r"^impact-sandbox (\w+) ?(.*)$", PAGE, re.MULTILINE)
    assert {name for name, _ in commands} == {*main.commands}
    for name, arguments in commands:
        help_text = CliRunner().invoke(main, [name, "--help"]).output
        for option in re.findall(r"--\w+", arguments):
            assert option in help_text


def test_its_credentials_are_those_of_its_account() -> None:
    settings = dict(re.findall(r"^export TAP_IMPACT_(\w+)=(\S+)$", PAGE, re.MULTILINE))
    assert settings.keys() == {"ACCOUNT_SID", "AUTH_TOKEN", "API_URL"}
    world = World()
    assert (settings["ACCOUNT_SID"], settings["AUTH_TOKEN"]) == (
        world.account_sid,
        world.auth_token,
    )
    assert f"--port {settings['API_URL'].rpartition(':')[2]}" in PAGE


def test_every_resource_is_in_its_table() -> None:
    named = set(re.findall(r"/(\w+)", PAGE.partition("## What it plays")[2].partition("Rules:")[0]))
    served = {part for endpoint in ENDPOINTS for part in endpoint.pattern if part != "*"}
    assert served <= named | {"Items"}
