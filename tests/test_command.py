"""The command says of itself what the SDK would."""

from __future__ import annotations

import subprocess
import sys

from tests.runs import COMMAND


def said(*command: object) -> str:
    return subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, check=True
    ).stdout


def test_the_version_is_said_in_the_words_of_the_sdk() -> None:
    of_sdk = "from tap_impact.tap import TapImpact; TapImpact.cli()"
    by_sdk = said(sys.executable, "-c", of_sdk, "--version")
    assert said(sys.executable, "-m", "tap_impact.__main__", "--version") == by_sdk
    assert said(COMMAND, "--version") == by_sdk


def test_anything_else_is_the_sdks() -> None:
    help_text = said(sys.executable, "-m", "tap_impact.__main__", "--help")
    assert "--discover" in help_text


def test_the_version_needs_no_sdk() -> None:
    loaded = "import sys; from tap_impact.__main__ import main; main(); print(*sys.modules)"
    assert "singer_sdk" not in said(sys.executable, "-c", loaded, "--version").split()
