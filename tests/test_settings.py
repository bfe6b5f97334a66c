"""What settings mean for a run."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from tap_impact.progress.windows import REACH
from tap_impact.settings import CONFIG_SCHEMA, SECRETS, SETTINGS, Settings, problems
from tap_impact.tap import TapImpact

CLOCK = datetime(2026, 11, 22, 12, 0, 0, 250_000, tzinfo=UTC)
WHOLE = CLOCK.replace(microsecond=0)


def settings(**config: Any) -> Settings:
    config = {"account_sid": "IRx", "auth_token": "t"} | config
    assert problems(config) == []
    return Settings.of(config, clock=CLOCK)


def test_playing_the_past_moves_neither_the_reach_of_the_api_nor_the_day_of_the_quota() -> None:
    played = settings(end_date="2026-10-01")
    assert played.now == datetime(2026, 10, 1, tzinfo=UTC)
    assert (played.clock, played.reach) == (WHOLE, WHOLE - REACH)
    assert played.start == played.reach


def test_no_address_moves_the_clock() -> None:
    played = settings(end_date="2026-10-01", api_url="http://127.0.0.1:8080")
    assert played.clock == WHOLE


def test_an_end_in_the_future_is_now() -> None:
    assert settings(end_date="2999-01-01").now == WHOLE


@pytest.mark.parametrize(
    "name", [name for name, each in SETTINGS["properties"].items() if "integer" in each["type"]]
)
def test_a_whole_number_is_an_integer_however_it_is_written(name: str) -> None:
    default = SETTINGS["properties"][name]["default"]
    report = {"preset": "daily_performance", "lookback_days": 7.0}
    config: dict[str, Any] = {"account_sid": "IRx", "auth_token": "t"}
    config |= {name: float(default), "reports": [report]}
    assert problems(config) == []
    assert repr(config[name]) == repr(default)
    assert repr(config["reports"][0]["lookback_days"]) == "7"


def test_null_is_as_if_a_setting_were_not_given() -> None:
    TapImpact.append_builtin_config(CONFIG_SCHEMA)
    given = {"account_sid": "IRx", "auth_token": "t"}
    nulls = dict.fromkeys(CONFIG_SCHEMA["properties"])
    config = nulls | given
    assert problems(config) == problems(given) == []
    assert config == given
    assert problems(nulls) == ["account_sid is missing", "auth_token is missing"]


def test_ids_may_be_numbers() -> None:
    config: dict[str, Any] = {"account_sid": "IRx", "auth_token": "t"}
    config |= {"campaign_ids": [1000, "2000"], "reports": [{"id": 12}]}
    assert problems(config) == []
    assert config["campaign_ids"] == ["1000", "2000"]
    assert config["reports"] == [{"id": "12"}]


PASTED = "s3cr3t'T0ken"


@pytest.mark.parametrize(
    "name", [name for name in SETTINGS["properties"] if name not in {*SECRETS, "label"}]
)
@pytest.mark.parametrize("value", ["{}", "https://{}@api.impact.com", "x {} x"])
def test_a_secret_that_was_pasted_elsewhere_is_not_repeated(name: str, value: str) -> None:
    pasted: Any = value.format(PASTED)
    found = problems({"account_sid": "IRx", "auth_token": PASTED, name: pasted})
    assert found or name == "user_agent"
    assert not any(PASTED in each or repr(PASTED)[1:-1] in each for each in found)


def test_one_of_few_characters_is_not_repeated_where_it_stands_alone() -> None:
    found = problems({"account_sid": "IRx", "auth_token": "i", "page_size": "i"})
    assert found == ["page_size: (the value of auth_token) is not of type 'integer', 'null'"]


def test_history_begins_no_earlier_than_the_api_answers() -> None:
    assert settings(start_date="2010-01-01").start == WHOLE - REACH
    assert settings(start_date="2026-01-01").start == datetime(2026, 1, 1, tzinfo=UTC)


def test_clicks_begin_on_the_calendar_day_that_is_written() -> None:
    assert settings(click_start_date="2026-06-26T20:00:00-07:00").click_start == date(2026, 6, 26)


@pytest.mark.parametrize(
    "given",
    [
        '{"storage": {"params": {"secret": "of the store"}}',
        [{"secret": "of the store"}],
        {"encoding": "jsonl", "storage": "s3://key:of the store@lake"},
    ],
    ids=["no JSON", "list", "texts"],
)
def test_what_stands_in_place_of_a_store_is_not_repeated(given: object) -> None:
    found = problems({"account_sid": "IRx", "auth_token": "t", "batch_config": given})
    assert any(each.startswith("batch_config") for each in found)
    assert not any("of the store" in each for each in found)


@pytest.mark.parametrize("size", [0, -1, "many"])
def test_a_batch_holds_a_row_at_least(size: object) -> None:
    config = {"encoding": {"format": "jsonl"}, "storage": {"root": "file:///x"}}
    found = problems(
        {"account_sid": "IRx", "auth_token": "t", "batch_config": config | {"batch_size": size}}
    )
    assert any("batch_size" in each for each in found)


@pytest.mark.parametrize("name", ["start_date", "click_start_date"])
def test_a_start_in_the_future_is_refused(name: str) -> None:
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    found = problems({"account_sid": "IRx", "auth_token": "t", name: tomorrow})
    assert found == [f"{name} is in the future"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("end_date", "9999-12-31T23:59:59-08:00"),
        ("start_date", "0001-01-01T00:00:00+14:00"),
    ],
)
def test_a_date_beyond_the_ends_of_time_is_refused(name: str, value: str) -> None:
    (found,) = problems({"account_sid": "IRx", "auth_token": "t", name: value})
    assert found.startswith(f"{name}: ")


def test_a_start_that_is_the_end_is_refused() -> None:
    moment = {"start_date": "2026-06-01", "end_date": "2026-06-01T00:00:00Z"}
    found = problems({"account_sid": "IRx", "auth_token": "t"} | moment)
    assert found == ["end_date is not after start_date"]
