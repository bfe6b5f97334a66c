"""What a person sees on the command line."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from tap_impact.settings import SETTINGS
from tap_impact.tap import TapImpact
from tests.inside import command_inside, run_inside
from tests.runs import catalog, run_tap

if TYPE_CHECKING:
    from pathlib import Path

    from impact_sandbox.server import Sandbox

    from tests.conftest import SandboxFactory

NOW = datetime(2026, 6, 30, 6, 10, tzinfo=UTC)


def settings(impact: Sandbox, **others: Any) -> dict[str, Any]:
    return (
        impact.settings()
        | {
            "start_date": "2026-06-01",
            "end_date": NOW.isoformat(),
        }
        | others
    )


def test_about_needs_no_config_and_no_network() -> None:
    run = run_tap({}, "--about", "--format=json")
    about = json.loads(run.stdout)
    assert about["name"] == "tap-impact"
    properties = about["settings"]["properties"]
    assert {name for name, setting in properties.items() if setting.get("secret")} == {
        "account_sid",
        "auth_token",
    }
    assert run.exit_code == 0


def test_discovery_needs_no_config_and_no_network() -> None:
    found = json.loads(command_inside("--discover").stdout)
    streams = {stream["tap_stream_id"]: stream for stream in found["streams"]}
    assert streams["actions"]["key_properties"] == ["id"]
    assert streams["actions"]["replication_key"] == "event_date"
    assert streams["action_updates"]["replication_key"] == "update_date"
    assert streams["campaigns"]["key_properties"] == ["campaign_id"]
    assert streams["account"]["key_properties"] == ["id"]


def test_all_that_is_wrong_with_the_settings_is_named_at_once(
    sandbox: SandboxFactory,
) -> None:
    impact = sandbox()
    run = run_inside(
        {
            "account_sid": "IRsandbox",
            "api_url": impact.url,
            "start_date": "yesterday",
            "page_size": 10,
            "currency": "dollars",
            "end_date": "2020-01-01",
        }
    )
    (message,) = [line for line in run.stderr.splitlines() if "Settings:" in line]
    for name in ("auth_token", "start_date", "page_size", "currency", "end_date"):
        assert name in message
    assert run.exit_code == 1
    assert "Traceback" not in run.stderr
    assert not run.stdout
    assert not impact.requests


@pytest.mark.parametrize("wrong", [{"auth_token": 12345678}, {"batch_config": "lake"}], ids=str)
def test_settings_that_discovery_needs_not_may_be_wrong(
    wrong: dict[str, Any], tmp_path: Path
) -> None:
    config = tmp_path / "config.json"
    config.write_text(json.dumps(wrong))
    found = command_inside("--discover", "--config", str(config))
    assert found.exit_code == 0, found.stderr


def test_a_misspelt_setting_is_named_with_the_nearest_one(
    sandbox: SandboxFactory, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    impact = sandbox()
    run = run_inside(impact.settings() | {"start_dat": "2026-01-01", "Page_Size": 2000})
    assert run.exit_code == 1
    assert "Settings: start_dat is no setting, start_date is; " in run.stderr
    assert "Page_Size is no setting, page_size is." in run.stderr
    assert not impact.requests

    for name in SETTINGS["properties"]:
        monkeypatch.setenv(f"TAP_IMPACT_SANDBOX_{name}".upper(), "1")
    monkeypatch.setenv("TAP_IMPACT_START_DAT", "2026-01-01")
    misread = CliRunner().invoke(TapImpact.cli, ["--config=ENV"])
    assert misread.exit_code == 1
    said = caplog.messages[-1]
    assert said.endswith("; start_dat is no setting, start_date is.")
    assert "sandbox" not in said


def test_a_setting_of_another_program_is_ignored_with_a_word(sandbox: SandboxFactory) -> None:
    run = run_inside(
        sandbox().settings() | {"disable_collection": True}, catalog=catalog("campaigns")
    )
    assert run.exit_code == 0, run.stderr
    assert "Settings that do not exist are ignored: disable_collection." in run.stderr


def test_the_settings_of_the_sdk_exist_for_those_who_call_the_tap_from_python() -> None:
    credentials = {"account_sid": "IRx", "auth_token": "secret", "start_date": "2026-01-01"}
    config = {**credentials, "stream_maps": {}}
    program = f"from tap_impact.tap import TapImpact; TapImpact(config={config})"
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert "stream_maps" not in run.stderr


@pytest.mark.parametrize(
    ("setting", "value", "words"),
    [
        ("end_date", "2026-05-01", "end_date is not after start_date"),
        ("api_url", "http://api.example", "not https"),
        ("api_url", "ftp://127.0.0.1", "not https"),
        ("api_url", "https://api impact.com", "api_url: 'https://api impact.com' is no URL"),
        ("api_url", "https://api..impact.com", "api_url: 'https://api..impact.com' is no URL"),
        ("user_agent", "nightly\n", "user_agent: a character that no User-Agent has"),
        ("user_agent", "nächtlich", "user_agent: a character that no User-Agent has"),
        ("request_timeout_seconds", 10**12, "request_timeout_seconds: 1000000000000"),
        ("auth_token", 12345, "auth_token is not a text"),
        ("settlement_lookback_days", -1, "settlement_lookback_days: -1"),
        ("campaign_ids", "2001", "campaign_ids"),
    ],
)
def test_a_bad_setting_is_explained(setting: str, value: object, words: str) -> None:
    config = {"account_sid": "IRx", "auth_token": "t", "start_date": "2026-06-01"}
    run = run_inside(config | {setting: value})
    assert words in run.stderr
    assert "12345" not in run.stderr
    assert run.exit_code == 1


def test_an_end_before_all_that_impact_com_gives_is_explained(sandbox: SandboxFactory) -> None:
    impact = sandbox()
    run = run_inside(impact.settings() | {"end_date": "2019-01-01"}, catalog=catalog("actions"))
    assert "Settings: end_date is older than impact.com allows" in run.stderr
    assert run.exit_code == 1
    assert len(impact.requests) == 1


@pytest.mark.parametrize("option", ["--config", "--state", "--catalog"])
def test_a_file_that_is_not_json_is_one_message(option: str, tmp_path: Any) -> None:
    broken, config = tmp_path / "broken.json", tmp_path / "config.json"
    broken.write_text("{")
    config.write_text('{"account_sid": "IRx", "auth_token": "t"}')
    run = command_inside("--config", str(config), option, str(broken))
    assert run.exit_code == 1
    assert option in run.stderr
    assert "Traceback" not in run.stderr


def test_a_scope_that_is_optional_is_a_warning(sandbox: SandboxFactory) -> None:
    impact = sandbox(scopes=frozenset({"Retrieve actions", "Retrieve action updates"}))
    run = run_inside(
        settings(impact), catalog=catalog("account", "actions", "action_updates", "campaigns")
    )
    assert run.exit_code == 0
    assert "Campaigns > Retrieve campaigns" in run.stderr
    assert "Account > Retrieve account home" in run.stderr
    assert run.records("actions")


def test_a_scope_that_is_required_lets_the_others_finish_and_fails_the_run(
    sandbox: SandboxFactory,
) -> None:
    impact = sandbox(scopes=frozenset({"Retrieve action updates", "Retrieve campaigns"}))
    run = run_inside(settings(impact), catalog=catalog("actions", "action_updates", "campaigns"))
    assert run.exit_code == 1
    assert "Actions > Retrieve actions" in run.stderr
    assert "Traceback" not in run.stderr
    assert run.records("action_updates")
    assert run.records("campaigns")
    assert "actions" not in {
        stream for stream, bookmark in run.state["bookmarks"].items() if bookmark
    }


def test_a_wrong_token_says_where_to_find_the_right_one(sandbox: SandboxFactory) -> None:
    impact = sandbox()
    run = run_inside(settings(impact, auth_token="not-this-one"))  # noqa: S106
    assert run.exit_code == 1
    assert "Settings > Technical > API" in run.stderr
    assert "not-this-one" not in run.stderr
    assert "Traceback" not in run.stderr
    assert len(impact.requests) == 1


def test_a_start_beyond_the_apis_reach_is_one_warning(sandbox: SandboxFactory) -> None:
    impact = sandbox()
    run = run_inside(
        settings(impact, start_date="2019-01-01"), catalog=catalog("actions", "action_updates")
    )
    assert run.exit_code == 0
    assert run.stderr.count("older than impact.com allows") == 1
    asked = {request.query.get("ActionDateStart", "9") for request in impact.requests}
    assert min(asked) == "2023-07-02T06:10:00Z"


def test_labels_tell_the_rows_of_connections_apart(sandbox: SandboxFactory) -> None:
    impact = sandbox()
    run = run_inside(
        settings(impact, label="blog", currency="EUR"), catalog=catalog("actions", "campaigns")
    )
    records = run.records("actions") + run.records("campaigns")
    assert {(row["connection_label"], row["connection_currency"]) for row in records} == {
        ("blog", "EUR")
    }


def test_only_the_campaigns_asked_for_are_loaded(sandbox: SandboxFactory) -> None:
    impact = sandbox()
    first = run_inside(settings(impact, campaign_ids=["2001"]), catalog=catalog("actions"))
    assert {row["campaign_id"] for row in first.records("actions")} == {"2001"}
    both = run_inside(
        settings(impact, campaign_ids=["2001", "2044"]),
        catalog=catalog("actions"),
        state=first.state,
    )
    assert {row["campaign_id"] for row in both.records("actions")} == {"2001", "2044"}
    again = run_inside(
        settings(impact, campaign_ids=["2044"]), catalog=catalog("actions"), state=both.state
    )
    assert not again.records("actions")


def test_nothing_found_says_what_was_asked_and_why_it_may_be(sandbox: SandboxFactory) -> None:
    impact = sandbox()
    run = run_inside(settings(impact, campaign_ids=["999"]), catalog=catalog("actions"))
    assert run.exit_code == 0
    assert "nothing found from 2026-06-01T00:00:00Z to 2026-06-30T06:10:00Z" in run.stderr


def test_a_bookmark_that_cannot_be_read_is_one_message(sandbox: SandboxFactory) -> None:
    state = {"bookmarks": {"actions": {"replication_key_value": "last week"}}}
    run = run_inside(settings(sandbox()), catalog=catalog("actions"), state=state)
    assert run.exit_code == 1
    assert "bookmark of actions" in run.stderr
    assert "Traceback" not in run.stderr
