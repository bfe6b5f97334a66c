"""The tap's settings: their schema, what is wrong with them, and what they mean for a run."""

from __future__ import annotations

import re
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from singer_sdk import typing as th
from singer_sdk.plugin_base import JSONSchemaValidator

from tap_impact.api.addresses import is_safe, is_url
from tap_impact.progress.windows import REACH
from tap_impact.records.timestamps import parse_timestamp

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import date

# "Page size: at least 2,000, at most 20,000" (List Actions, List Action Updates).
MIN_PAGE_SIZE = 2_000
MAX_PAGE_SIZE = 20_000

# Sockets take no timeout of any length, and none needs more.
MAX_TIMEOUT_SECONDS = 86_400

# An entry of the setting `reports`: the name of a preset, or an object.
REPORT: dict[str, Any] = {
    "type": ["string", "object"],
    "properties": {
        "preset": {"type": "string"},
        "id": {"type": "string", "minLength": 1},
        "name": {"type": "string", "pattern": "^[a-z][a-z0-9_]*$"},
        "parameters": {
            "type": "object",
            "additionalProperties": {"type": ["string", "integer", "boolean", "array"]},
        },
        "start_date": {"type": "string"},
        "period": {"type": "string", "enum": ["day", "month", "all"]},
        "lookback_days": {"type": "integer", "minimum": 0, "maximum": 1100},
        "keys": {"type": "array", "minItems": 1, "items": {"type": "string"}},
        "via": {"type": "string", "enum": ["sync", "export"]},
    },
    "additionalProperties": False,
}

SETTINGS = th.PropertiesList(
    th.Property(
        "account_sid",
        th.StringType(min_length=1),
        required=True,
        secret=True,
        title="Account SID",
        description="Account SID of the API token, in impact.com under Settings > Technical > API.",
    ),
    th.Property(
        "auth_token",
        th.StringType(min_length=1),
        required=True,
        secret=True,
        title="Auth token",
        description="Auth token that belongs to the account SID.",
    ),
    th.Property(
        "label",
        th.StringType,
        title="Label",
        description=(
            "Name of this connection. It is written to the column connection_label of every row, "
            "and is part of the key where ids of two accounts may be the same, so that several "
            "connections can share one table."
        ),
    ),
    th.Property(
        "currency",
        th.StringType,
        title="Currency",
        description=(
            "ISO 4217 code of the account's currency. It is written to the column "
            "connection_currency of every row."
        ),
    ),
    th.Property(
        "start_date",
        th.DateTimeType,
        title="Start date",
        description=(
            "The earliest date to load. Default: the oldest that the API allows, three years less "
            "a day. If it is moved back later, only the missing part is loaded."
        ),
    ),
    th.Property(
        "end_date",
        th.DateTimeType,
        title="End date",
        description=(
            "Overrides the current time, e.g. to replay a past run. Default: the start of the run."
        ),
    ),
    th.Property(
        "campaign_ids",
        th.ArrayType(th.StringType(min_length=1)),
        title="Campaign ids",
        description=(
            "Load only the actions of these campaigns (programs). Each one costs separate "
            "requests. Default: all campaigns in one request."
        ),
    ),
    th.Property(
        "settlement_lookback_days",
        th.IntegerType(minimum=0, maximum=365),
        default=40,
        title="Settlement lookback (days)",
        description=(
            "How many days after its locking date an action is read again, to detect that it was "
            "cleared. The API has no filter for clearing."
        ),
    ),
    th.Property(
        "click_start_date",
        th.DateTimeType,
        title="Start date of clicks",
        description=(
            "The earliest day whose clicks are loaded. Default: 30 days before the first run. At "
            "most ten days are loaded per day."
        ),
    ),
    th.Property(
        "click_exports_per_day",
        th.IntegerType(minimum=1),
        default=10,
        title="Click exports per day",
        description=(
            "Maximum number of click exports to request per UTC day. impact.com allows ten; set "
            "fewer if other tools use the same account."
        ),
    ),
    th.Property(
        "export_wait_seconds",
        th.IntegerType(minimum=0),
        default=900,
        title="Export wait (seconds)",
        description=(
            "How long a run waits without any export being completed. Exports that are still "
            "running are resumed by the next run."
        ),
    ),
    th.Property(
        "timezone",
        th.StringType(min_length=1),
        title="Time zone",
        description=(
            "IANA name of the account's time zone. With it, the clicks of a day are loaded two "
            "hours after the day ends there. Default: after it has ended everywhere, at 14:00 "
            "UTC."
        ),
    ),
    th.Property(
        "action_items_per_run",
        th.IntegerType(minimum=1),
        default=450,
        title="Action items per run",
        description=(
            "Maximum number of actions per run whose items are requested, at one request each. "
            "The default leaves room for the other streams within the limit of 500 requests per "
            "hour."
        ),
    ),
    th.Property(
        "action_items_source",
        th.StringType(allowed_values=["items", "report"]),
        default="items",
        title="Source of action items",
        description=(
            "Where items of actions come from: items, a request for each action, or report, an "
            "export for each month of the report SkuLevelActions, which tells less of an item."
        ),
    ),
    th.Property(
        "reports",
        th.ArrayType(th.CustomType(REPORT)),
        title="Reports",
        description=(
            "Reports to load, each as a stream of its own: names of presets like "
            "daily_performance, or objects (docs/reports.md). Default: none."
        ),
    ),
    th.Property(
        "page_size",
        th.IntegerType(minimum=MIN_PAGE_SIZE, maximum=MAX_PAGE_SIZE),
        default=MAX_PAGE_SIZE,
        title="Page size",
        description=(
            "Rows per page of actions and action updates, from 2,000 to 20,000. Where impact.com "
            "fails to send larger pages, the run goes on with 2,000."
        ),
    ),
    th.Property(
        "use_singer_decimal",
        th.BooleanType,
        default=False,
        title="Decimals as text",
        description=(
            "Whether money and other decimals are written as text of the format x-singer.decimal, "
            "for loaders that make a floating-point column of a plain number."
        ),
    ),
    th.Property(
        "rate_limit_wait_seconds",
        th.IntegerType(minimum=0),
        default=3600,
        title="Rate limit wait (seconds)",
        description=(
            "Maximum time to wait for a rate limit to reset. If it takes longer, the run ends and "
            "its state is safe."
        ),
    ),
    th.Property(
        "request_timeout_seconds",
        th.IntegerType(minimum=1, maximum=MAX_TIMEOUT_SECONDS),
        default=300,
        title="Request timeout (seconds)",
        description="How long to wait for data from impact.com before the request is retried.",
    ),
    th.Property(
        "log_run_summary",
        th.BooleanType,
        default=False,
        title="Log a run summary",
        description=(
            "Whether each run logs one line of JSON at its end: rows, requests, what is left of "
            "the rate limits, the oldest gap of history, seconds."
        ),
    ),
    th.Property(
        "api_url",
        th.StringType,
        default="https://api.impact.com",
        title="API URL",
        description="Base URL of the API: https, or http on a loopback address.",
    ),
    th.Property(
        "api_version",
        th.IntegerType(minimum=1),
        default=16,
        title="API version",
        description="API version that every request names.",
    ),
    th.Property(
        "user_agent",
        th.StringType(min_length=1),
        title="User agent",
        description="User-Agent header of every request. Default: the tap's name and version.",
    ),
).to_dict()

# As given to the SDK, which adds the settings of its own features.
CONFIG_SCHEMA = deepcopy(SETTINGS)

TIMESTAMPS = [
    name for name, schema in SETTINGS["properties"].items() if schema.get("format") == "date-time"
]
SECRETS = [name for name, schema in SETTINGS["properties"].items() if schema.get("secret")]
CURRENCY = re.compile("[A-Z]{3}")
# A shorter one is a placeholder, and may be part of any word.
MIN_SECRET_LENGTH = 8
BATCH_SETTINGS = {
    "": {"encoding", "storage", "batch_size"},
    "encoding.": {"format", "compression"},
    "storage.": {"root", "prefix", "params"},
}
CHARACTERS = {
    "account_sid": (re.compile("[A-Za-z0-9._-]+"), "SID"),
    "auth_token": (re.compile("[!-~]+"), "token"),
    "user_agent": (re.compile("[!-~][ -~]*"), "User-Agent"),
}


class Settings(NamedTuple):
    """The parsed settings of a run; its dates are in UTC and whole seconds."""

    account_sid: str
    now: datetime
    start: datetime
    """How far back history is loaded; never beyond reach."""
    reach: datetime
    """The oldest time that the API can give."""
    clock: datetime
    """impact.com's present when the run began."""
    label: str | None
    currency: str | None
    campaign_ids: tuple[str, ...]
    settlement_lookback: timedelta
    action_items_per_run: int
    page_size: int
    click_start: date | None
    click_exports_per_day: int
    export_wait_seconds: int
    zone: ZoneInfo | None

    @classmethod
    def of(cls, config: Mapping[str, Any], *, clock: datetime) -> Settings:
        """Read a config that `problems` found nothing wrong with; `clock` is impact.com's now."""
        end = config.get("end_date")
        # A bookmark in the future would hide what happens until then.
        clock = clock.replace(microsecond=0)
        now = min(parse_timestamp(end).replace(microsecond=0) if end else clock, clock)
        reach = clock - REACH
        start = config.get("start_date")
        click_start = config.get("click_start_date")
        zone = config.get("timezone")
        return cls(
            account_sid=config["account_sid"],
            now=now,
            start=max(parse_timestamp(start).replace(microsecond=0), reach) if start else reach,
            reach=reach,
            clock=clock,
            label=config.get("label"),
            currency=config.get("currency"),
            campaign_ids=tuple(config.get("campaign_ids") or ()),
            settlement_lookback=timedelta(days=config["settlement_lookback_days"]),
            action_items_per_run=config["action_items_per_run"],
            page_size=config["page_size"],
            click_start=datetime.fromisoformat(click_start).date() if click_start else None,
            click_exports_per_day=config["click_exports_per_day"],
            export_wait_seconds=config["export_wait_seconds"],
            zone=ZoneInfo(zone) if zone else None,
        )


def problems(config: dict[str, Any]) -> list[str]:
    """Everything that is wrong with a config, a sentence each.

    The SDK has its validation fill in the defaults, so this does too, and normalizes the config.
    No secret's value is in the sentences.
    """
    normalize(config)
    found = [
        *schema_problems(config),
        *date_problems(config),
        *meaning_problems(config),
        *batch_problems(config),
        *connection_problems(config),
        *name_problems(config),
    ]
    return [*dict.fromkeys(without_secrets(sentence, config) for sentence in found)]


def normalize(config: dict[str, Any]) -> None:
    """Leave out nulls, so that defaults apply, make whole floats integers, and ids texts.

    JSON schema takes `5000.0` for an integer, as some formats of configuration write it; impact.com
    does not.
    """
    given = {name: with_integers(value) for name, value in config.items() if value is not None}
    if isinstance(ids := given.get("campaign_ids"), list):
        given["campaign_ids"] = [as_id(each) for each in ids]
    for report in given["reports"] if isinstance(given.get("reports"), list) else ():
        if isinstance(report, dict) and "id" in report:
            report["id"] = as_id(report["id"])
    config.clear()
    config.update(given)


def as_id(value: Any) -> Any:
    """An id as text, which YAML reads as a number."""
    return str(value) if type(value) is int else value


def with_integers(value: Any) -> Any:
    """A setting's value whose whole numbers are integers."""
    match value:
        case float() if value.is_integer():
            return int(value)
        case list():
            return [with_integers(each) for each in value]
        case dict():
            return {name: with_integers(each) for name, each in value.items()}
        case _:
            return value


def without_secrets(sentence: str, config: Mapping[str, Any]) -> str:
    """A sentence without a secret that was pasted into another setting."""
    for name in SECRETS:
        value = config.get(name)
        if isinstance(value, str) and value:
            shown = f"(the value of {name})"
            sentence = sentence.replace(repr(value), shown)
            if len(value) >= MIN_SECRET_LENGTH:
                sentence = sentence.replace(repr(value)[1:-1], shown).replace(value, shown)
    return sentence


def schema_problems(config: dict[str, Any]) -> Iterator[str]:
    """Problems by the settings' JSON schema."""
    for error in JSONSchemaValidator(CONFIG_SCHEMA).iter_errors(config):
        if error.validator == "required":
            yield from (f"{name} is missing" for name in SETTINGS["required"] if name not in config)
        elif error.path and error.path[0] in SECRETS:
            yield f"{error.path[0]} is not a text of at least one character"
        else:
            message = error.message
            if error.path and error.path[0] == "batch_config":
                # Its storage has credentials of its own.
                message = message.replace(repr(error.instance), "its value")
            yield f"{'.'.join(map(str, error.path))}: {message}"


def date_problems(config: Mapping[str, Any]) -> Iterator[str]:
    """Dates that cannot be read, or not go together."""
    timestamps = {}
    for name in TIMESTAMPS:
        value = config.get(name)
        if isinstance(value, str):
            try:
                timestamps[name] = parse_timestamp(value)
            except (ValueError, OverflowError):
                yield f"{name}: {value!r} is not a date or date-time like 2026-01-31T00:00:00Z"
    if "end_date" in timestamps and config.get("start_date"):
        if "start_date" not in timestamps:
            yield "end_date must be after start_date, which cannot be read"
        elif timestamps["end_date"] <= timestamps["start_date"]:
            yield "end_date is not after start_date"
    if not config.get("end_date"):
        for name, at in timestamps.items():
            if at > datetime.now(UTC):
                yield f"{name} is in the future"


def meaning_problems(config: Mapping[str, Any]) -> Iterator[str]:
    """Names and codes that mean nothing."""
    zone = config.get("timezone")
    if isinstance(zone, str) and not is_zone(zone):
        yield f"timezone: {zone!r} is not an IANA name like America/New_York"
    currency = config.get("currency")
    if isinstance(currency, str) and not CURRENCY.fullmatch(currency):
        yield f"currency: {currency!r} is not an ISO 4217 code like USD"


def batch_problems(config: Mapping[str, Any]) -> Iterator[str]:
    """Problems with batch files that the SDK reports late or not at all."""
    batches = config.get("batch_config")
    if isinstance(batches, dict):
        encoding, storage = (
            found if isinstance(found := batches.get(name), dict) else {}
            for name in ("encoding", "storage")
        )
        for path, given in {"": batches, "encoding.": encoding, "storage.": storage}.items():
            yield from (
                f"batch_config.{path}{name} is no setting"
                for name in given
                if name not in BATCH_SETTINGS[path]
            )
        if encoding.get("format") != "jsonl":
            yield "batch_config.encoding.format is not jsonl, the one that can be written"
        if not storage.get("root"):
            yield "batch_config.storage.root is missing"
        if not isinstance(storage.get("params", {}), dict):
            yield "batch_config.storage.params is not an object"
        if batches.get("batch_size") is not None and not (
            isinstance(batches["batch_size"], int) and batches["batch_size"] > 0
        ):
            yield "batch_config.batch_size is not a number of rows, one at least"


def connection_problems(config: Mapping[str, Any]) -> Iterator[str]:
    """Settings that would send the credentials to another host, or can be sent to none."""
    api_url = config.get("api_url")
    if isinstance(api_url, str):
        if "@" in api_url:
            yield "api_url: holds a user or a password, which belong in account_sid and auth_token"
        elif not is_url(api_url):
            yield f"api_url: {api_url!r} is no URL like https://api.impact.com"
        elif not is_safe(api_url):
            yield f"api_url: {api_url!r} is not https; the auth token would be sent unencrypted"
    for name, (allowed, what) in CHARACTERS.items():
        value = config.get(name)
        if isinstance(value, str) and value and not allowed.fullmatch(value):
            yield f"{name}: a character that no {what} has, maybe a space or a line's end, is in it"


def name_problems(config: Mapping[str, Any]) -> Iterator[str]:
    """Names that are no setting's, but much like one."""
    for name in config:
        if near := nearest_setting(name):
            yield f"{name} is no setting, {near} is"


def nearest_setting(name: str) -> str | None:
    """The setting that a name was perhaps meant for, None for a setting and for another's name."""
    known = CONFIG_SCHEMA["properties"]
    near = () if name in known else get_close_matches(name.lower(), known, 1, cutoff=0.8)
    return near[0] if near else None


def unknown_names(config: Mapping[str, Any]) -> list[str]:
    """Names that are no setting's, nor like one."""
    return [name for name in config if name not in CONFIG_SCHEMA["properties"]]


def is_zone(name: str) -> bool:
    """Whether it names a time zone that this machine knows."""
    try:
        ZoneInfo(name)
    except (OSError, ValueError, ZoneInfoNotFoundError):
        return False
    return True
