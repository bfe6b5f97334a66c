"""The tap: settings, streams, the order of a run, and its exit code."""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import click
from singer_sdk import Tap
from singer_sdk.exceptions import (
    ConfigValidationError,
    FatalAPIError,
    FatalSyncError,
    RetriableAPIError,
    SingerSDKError,
)
from singer_sdk.helpers.capabilities import PluginCapabilities, TapCapabilities
from singer_sdk.singerlib import Catalog
from typing_extensions import override

from tap_impact.api.client import ImpactClient
from tap_impact.errors import AccessDenied, NotFound, WrongCredentials
from tap_impact.records.timestamps import iso, parse_timestamp
from tap_impact.run_summary import run_summary
from tap_impact.settings import (
    CONFIG_SCHEMA,
    MIN_SECRET_LENGTH,
    Settings,
    nearest_setting,
    problems,
    unknown_names,
    without_secrets,
)
from tap_impact.singer import sdk_internals
from tap_impact.singer.adapter import (
    ACCOUNT_DIGEST,
    ImpactStream,
    ImpactTap,
    account_digest,
    sync_source,
)
from tap_impact.singer.batch_files import BatchFiles
from tap_impact.singer.message_writer import MessageWriter
from tap_impact.singer.sdk_internals import (
    BatchConfig,
    CliTestOptionValue,
    ConfigInput,
    classproperty,
    parse_environment_config,
)
from tap_impact.singer.signals import Interrupted, SignalHandler
from tap_impact.singer.stdout import OutputError
from tap_impact.sources.reports import metadata
from tap_impact.sources.source import AccountStart
from tap_impact.streams import STREAMS
from tap_impact.streams.reports import Entry, entry_problems, report_streams, unknown_keys
from tap_impact.token_scopes import print_report

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from types import FrameType
    from typing import IO

    from tap_impact.sources.reports import Attribute
    from tap_impact.streams.stream import Stream


SDK_MARKS = {"partitions", "progress_markers"}
SKIPPED_REPORT = "%s is skipped. %s If it stays so, take it out of the setting `reports`."


class TapImpact(ImpactTap):
    """Singer tap for an impact.com partner account."""

    name = "tap-impact"
    package_name = "tap-impact-partner"
    config_jsonschema = CONFIG_SCHEMA
    capabilities = [  # noqa: RUF012
        TapCapabilities.CATALOG,
        TapCapabilities.STATE,
        TapCapabilities.DISCOVER,
        PluginCapabilities.ACTIVATE_VERSION,
        PluginCapabilities.ABOUT,
        PluginCapabilities.STREAM_MAPS,
        PluginCapabilities.FLATTENING,
        PluginCapabilities.BATCH,
        PluginCapabilities.STRUCTURED_LOGGING,
    ]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Nothing is sent before a stream is synced."""
        self.denied: list[str] = []
        self.failed: list[str] = []
        self.undiscovered: dict[str, Exception] = {}
        self.account_start = AccountStart()
        self.signal_handler = SignalHandler()
        super().__init__(*args, message_writer=MessageWriter(self.signal_handler), **kwargs)

    @override
    def discover_streams(self) -> list[ImpactStream]:
        return [ImpactStream(self, declaration) for declaration in self.declarations]

    @cached_property
    def declarations(self) -> tuple[Stream, ...]:
        """The streams, in the order of a run: those that there always are, and the reports.

        Raises:
            ConfigValidationError: The setting `reports` names what there is not.
        """
        # Discovery, which needs no other setting, validates none.
        wrong = [each for each in self._problems() if each.startswith(("reports:", "reports."))]
        if not wrong:
            entries = [Entry.of(each) for each in self.config.get("reports") or ()]
            with_items = self.config.get("action_items_source") == "report"
            reports = report_streams(entries, self._attributes_of, with_items=with_items)
            for stream in reports:
                known = [each.name for each in stream.record_map.fields]
                wrong += unknown_keys(stream.name, stream.keys, known)
        if wrong:
            raise settings_error(wrong, self.config)
        taken = {stream.name for stream in reports}
        return (*(each for each in STREAMS if each.name not in taken), *reports)

    def _attributes_of(self, entry: Entry) -> Sequence[Attribute] | None:
        """The columns of a report that is no preset; None, and a log line, if not available."""
        if not self.config.get("account_sid") or not self.config.get("auth_token"):
            self.logger.warning("%s is left out: its columns need the credentials.", entry.stream)
            return None
        try:
            return metadata(self.client, entry.id).attributes
        except (AccessDenied, NotFound) as error:
            self.logger.warning(SKIPPED_REPORT, entry.stream, error)
        except WrongCredentials:
            raise
        except (FatalAPIError, RetriableAPIError) as error:
            self.undiscovered[entry.stream] = error
        return None

    @cached_property
    @override
    def impact_streams(self) -> dict[str, ImpactStream]:
        found = {s.name: s for s in self.streams.values() if isinstance(s, ImpactStream)}
        return {each.name: found[each.name] for each in self.declarations}

    def load(self) -> None:
        """Load all selected streams, those of one source together.

        In place of the SDK's final `sync_all`, which would load each by itself.
        """
        begun = time.monotonic()
        if len(token := self.config["auth_token"]) >= MIN_SECRET_LENGTH:
            self.message_writer.redact(token)
        if batch_config := self.config.get("batch_config"):
            files = BatchFiles(BatchConfig.from_dict(batch_config), self.logger)
            self.message_writer.batch_files = files
        try:
            self._load_selected()
        finally:
            self.message_writer.close()
            # if the account is known, without which there is nothing to tell
            if self.config["log_run_summary"] and "settings" in vars(self):
                summary = run_summary(
                    self,
                    seconds=time.monotonic() - begun,
                    failed=self.failed,
                    skipped=self.denied,
                )
                self.logger.info(summary)

    def _load_selected(self) -> None:
        sdk_internals.prepare_sync(self)
        if self.state:
            self.state_writer.write_state(self.state)
        for stream, error in self.undiscovered.items():
            self.logger.error("%s failed. %s", stream, error)
            self.failed.append(stream)
        self._check_parameters()
        for group in self.groups():
            streams = [stream for stream in group if stream.selected]
            if not streams:
                self.logger.info("Skipping deselected %s.", join_names(group))
                continue
            try:
                sync_source(self, streams)
            except (WrongCredentials, ConfigValidationError, OutputError):
                raise
            except Exception as error:  # noqa: BLE001 - the other streams go on
                self.give_up(streams, error)
            else:
                self.failed += [each.name for each in streams if each.anomalies.fails_run]
            # Rows before an error are loaded too; an unchanged state flushes nothing.
            self.message_writer.flush()

    def _check_parameters(self) -> None:
        """See that the selected reports know what they are asked with.

        impact.com ignores what a report does not know, and gives everything.

        Raises:
            ConfigValidationError: One does not.
        """
        wrong: list[str] = []
        for stream in self.impact_streams.values():
            if stream.selected:
                try:
                    wrong += stream.source.parameter_problems(self.client, stream)
                except WrongCredentials:
                    raise
                except (FatalAPIError, RetriableAPIError) as error:
                    self.give_up([stream], error)
                    stream.selected = False
        if wrong:
            raise settings_error(wrong, self.config)

    @cached_property
    @override
    def settings(self) -> Settings:
        """What the config means for this run.

        Raises:
            ConfigValidationError: It ends before anything that impact.com gives.
        """
        settings = Settings.of(self.config, clock=self.client.now())
        if settings.now <= settings.reach:
            oldest = iso(settings.reach)
            words = f"end_date is older than impact.com allows; history starts at {oldest}"
            raise settings_error([words], self.config)
        start = self.config.get("start_date")
        if start and parse_timestamp(start) < settings.reach:
            self.logger.warning(
                "start_date %s is older than impact.com allows; history starts at %s.",
                start,
                iso(settings.reach),
            )
        return settings

    @cached_property
    @override
    def client(self) -> ImpactClient:
        """The client of impact.com, one for all streams."""
        config = self.config
        return ImpactClient(
            api_url=config["api_url"],
            account_sid=config["account_sid"],
            auth_token=config["auth_token"],
            api_version=config["api_version"],
            user_agent=config.get("user_agent") or f"{self.package_name}/{self.plugin_version}",
            timeout_seconds=config["request_timeout_seconds"],
            rate_limit_wait_seconds=config["rate_limit_wait_seconds"],
            logger=self.logger,
            sleep=self.signal_handler.sleep,
        )

    @override
    def give_up(self, streams: Sequence[ImpactStream], error: Exception) -> None:
        if isinstance(error, AccessDenied):
            self.skip_streams(streams, error)
        elif isinstance(error, NotFound) and not streams[0].source.scope.required:
            self.logger.warning("%s is skipped. %s", join_names(streams), error)
        else:
            self.fail_streams(streams, error)

    def fail_streams(self, streams: Sequence[ImpactStream], error: Exception) -> None:
        """Continue without streams that failed; the run ends with exit code 1."""
        names = join_names(streams)
        self.logger.error("%s failed. %s", names, message_of(error))
        self.logger.debug("".join(traceback.format_tb(error.__traceback__)))
        self.failed += [stream.name for stream in streams]

    def skip_streams(self, streams: Sequence[ImpactStream], error: AccessDenied) -> None:
        """Go on without streams that the token does not allow; a required one fails the run."""
        scope, names = streams[0].source.scope_lacking(error), join_names(streams)
        message = (
            f"{names} is skipped. {error} Tick the scope {scope} for the token in impact.com, "
            "under Settings > Technical > API, or deselect the stream."
        )
        if scope.required:
            self.logger.error(message)
            self.denied += [stream.name for stream in streams]
        else:
            self.logger.warning(message)

    @override
    def _handle_termination(self, signum: int, frame: FrameType | None) -> None:
        self.signal_handler.request_end(signum)

    @override
    def load_state(self, state: dict[str, Any]) -> None:
        bookmarks = state.get("bookmarks", {})
        if not isinstance(bookmarks, dict):
            raise FatalSyncError("State: its bookmarks are not an object.")
        if wrong := [*self._bookmark_problems(bookmarks)]:
            raise FatalSyncError(
                f"State: {'; '.join(wrong)}. A stream whose whole bookmark is taken out is loaded "
                "anew."
            )
        # The SDK reads its own marks unchecked; no stream here has any.
        mine = {
            stream: {name: each for name, each in bookmark.items() if name not in SDK_MARKS}
            for stream, bookmark in bookmarks.items()
        }
        super().load_state(state | {"bookmarks": mine})

    def _bookmark_problems(self, bookmarks: Mapping[str, Any]) -> Iterator[str]:
        """What is wrong with the bookmarks of a state."""
        of_others = []
        digest = account_digest(self.config.get("account_sid"))
        sources = {declaration.name: declaration.source for declaration in self.declarations}
        for stream, bookmark in bookmarks.items():
            if not isinstance(bookmark, dict):
                yield f"the bookmark of {stream} is not an object"
            elif stream in sources:
                try:
                    sources[stream].check_bookmark(bookmark)
                except (AttributeError, KeyError, TypeError, ValueError, OverflowError):
                    yield f"the bookmark of {stream} cannot be read"
                if bookmark.get(ACCOUNT_DIGEST, digest) != digest:
                    of_others.append(stream)
        if of_others:
            yield (
                f"the bookmarks of {', '.join(of_others)} are of another account SID. Each account "
                "needs a state of its own; for another token of the same account, take the entry "
                f'"{ACCOUNT_DIGEST}" out of these bookmarks'
            )

    @override
    def _validate_config(self, *, raise_errors: bool = True) -> list[str]:
        self.append_builtin_config(CONFIG_SCHEMA)  # as the SDK's does
        found = self._problems()
        if found and raise_errors:
            raise settings_error(found, self._config)
        if unknown := unknown_names(self._config):
            names = without_secrets(", ".join(unknown), self._config)
            self.logger.warning("Settings that do not exist are ignored: %s.", names)
        return found

    def _problems(self) -> list[str]:
        """Everything that is wrong with the settings."""
        return [*problems(self._config), *entry_problems(self._config.get("reports"))]

    @classmethod
    @override
    def cb_config(
        cls, ctx: click.Context, param: click.Option, value: tuple[str, ...]
    ) -> ConfigInput:
        try:
            return super().cb_config(ctx, param, value)
        except RecursionError:
            raise click.ClickException("--config is nested too deeply.") from None
        except (OSError, ValueError) as error:
            raise click.ClickException(f"--config cannot be read: {error}") from None

    @classmethod
    def for_inspection(cls, config: ConfigInput, **others: Any) -> Self:
        """Make a tap for interactive use: it reports an exceeded rate limit instead of waiting."""
        merged = config.config | (cls._env_var_config if config.parse_env else {})
        return cls(config=merged | {"rate_limit_wait_seconds": 0}, **others)

    @classmethod
    @override
    def cb_discover(cls, ctx: click.Context, param: click.Option, value: bool) -> None:
        """Print the catalog; an error has one message."""
        with errors_as_messages():
            super().cb_discover(ctx, param, value)

    @override
    def run_discovery(self) -> str:
        """Print the catalog, if it is whole: who reads it may keep it.

        Raises:
            FatalAPIError: The columns of a report could not be had.
        """
        text = self.catalog_json_text
        for stream, error in self.undiscovered.items():
            raise FatalAPIError(f"{stream} cannot be discovered. {error}")
        click.echo(text)
        return text

    @classmethod
    @override
    def cb_test(cls, ctx: click.Context, param: click.Option, value: str) -> None:
        """Look at the token's scopes. The SDK's test reads each stream, which costs an export."""
        if value == CliTestOptionValue.All.value:
            given = ctx.params["config"]
            if not given.config:
                given = ConfigInput(parse_env=True)
            with errors_as_messages():
                ctx.exit(0 if print_report(cls.for_inspection(given)) else 1)
        super().cb_test(ctx, param, value)

    @classmethod
    @override
    def get_singer_command(cls) -> click.Command:
        """The command line: as the SDK's, but what --test does."""
        command = super().get_singer_command()
        for each in command.params:
            if each.name == "config":
                each.is_eager = True  # others look at it, wherever it stands
            elif isinstance(each, click.Option) and each.name == "test":
                each.help = (
                    "Tell whether the token is valid, and which scopes it has, without loading "
                    "anything. Without --config, TAP_IMPACT_* variables are read. "
                    "--test=schema writes the SCHEMA messages alone."
                )
        return command

    @classproperty
    @override
    def _env_var_config(cls) -> dict[str, Any]:  # noqa: N805 - a property of the class
        """The settings of the environment. What cannot be read stays a text, to be explained."""
        cls.append_builtin_config(CONFIG_SCHEMA)
        config: dict[str, Any] = {}
        for name, schema in CONFIG_SCHEMA["properties"].items():
            variable = f"{cls._env_var_prefix}{name.upper()}"
            try:
                config |= parse_environment_config(
                    {"properties": {name: schema}}, cls._env_var_prefix
                )
            except ValueError:
                config[name] = os.environ[variable]
        for variable, value in os.environ.items():
            name = variable.removeprefix(cls._env_var_prefix).lower()
            near = None if name == variable.lower() else nearest_setting(name)
            # TAP_IMPACT_SANDBOX_PAGE_SIZE is of another plugin, which inherits from this one
            if near and not name.endswith(f"_{near}"):
                config[name] = value
        return config

    @classmethod
    @override
    def invoke(  # type: ignore[override]
        cls,
        *,
        about: bool = False,
        about_format: str | None = None,
        config: ConfigInput | None = None,
        state: IO[str] | None = None,
        catalog: IO[str] | None = None,
    ) -> None:
        """Run the tap. Takes the place of the SDK's to end without a traceback, exit code 1."""
        super(Tap, cls).invoke(about=about, about_format=about_format)
        try:
            tap = cls(
                config=config.config if config else {},
                parse_env_config=bool(config and config.parse_env),
                state=read_json(state, "--state"),
                catalog=read_catalog(catalog),
            )
            tap.load()
        except Interrupted as end:
            cls.logger.warning(
                "Stopped by %s. State is safe: the next run continues from the last state that the "
                "loader confirmed.",
                end.signal,
            )
            raise
        except click.ClickException:
            raise
        except Exception as error:  # noqa: BLE001 - every error ends in a message
            cls.logger.error(message_of(error))  # noqa: TRY400
            if not isinstance(error, SingerSDKError):
                cls.logger.debug("".join(traceback.format_tb(error.__traceback__)))
            sys.exit(1)
        if tap.denied:
            cls.logger.error(
                "Streams without the scope that they need: %s. The others are complete.",
                ", ".join(tap.denied),
            )
        if tap.failed:
            cls.logger.error(
                "Streams that failed: %s. State is safe: run again. The others are loaded.",
                ", ".join(tap.failed),
            )
        if tap.denied or tap.failed:
            sys.exit(1)


def settings_error(found: Sequence[str], config: Mapping[str, Any]) -> ConfigValidationError:
    """One message for all that is wrong with the settings."""
    sentences = without_secrets("; ".join(found), config)
    return ConfigValidationError("The settings cannot be used", errors=[f"Settings: {sentences}."])


def join_names(streams: Sequence[ImpactStream]) -> str:
    """The names of streams, for messages."""
    return " and ".join(stream.name for stream in streams)


@contextmanager
def errors_as_messages() -> Iterator[None]:
    """End a command with one message, whatever happens."""
    try:
        yield
    except (click.ClickException, click.exceptions.Exit):
        raise
    except Exception as error:  # noqa: BLE001 - every error ends in a message
        raise click.ClickException(message_of(error)) from None


def read_json(file: IO[str] | None, option: str) -> dict[str, Any] | None:
    """What a JSON file of the command line holds; None if none was named."""
    if file is None:
        return None
    try:
        content = json.load(file)
    except RecursionError:
        raise click.ClickException(f"{option} is nested too deeply.") from None
    except ValueError as error:
        raise click.ClickException(f"{option} is not JSON: {error}") from None
    if not isinstance(content, dict):
        raise click.ClickException(f"{option} is JSON, but not an object.")
    return content


def read_catalog(file: IO[str] | None) -> Catalog | None:
    """The catalog that a file holds; None if none was named."""
    content = read_json(file, "--catalog")
    try:
        return None if content is None else Catalog.from_dict(content)
    except (AttributeError, KeyError, TypeError) as error:
        raise click.ClickException(f"--catalog is not a catalog: {error!r}") from None


def message_of(error: Exception) -> str:
    """What a person is told of an error."""
    if isinstance(error, ConfigValidationError):
        return " ".join(error.errors)
    return str(error) if isinstance(error, SingerSDKError) else describe_unexpected(error)


def describe_unexpected(error: Exception) -> str:
    """Describe an unexpected error. Its own text may contain a record or a secret."""
    if isinstance(error, OSError) and error.strerror:
        where = f" ({error.filename})" if error.filename else ""
        return f"{error.strerror}{where}. State is safe: run again."
    if isinstance(error, RecursionError):
        return "The settings, the state or an answer are nested too deeply. State is safe."
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return (
        f"{type(error).__name__} in {frame.filename}, line {frame.lineno}. This is a bug in "
        "the tap; please report it with what TAP_IMPACT_LOGLEVEL=debug shows. State is safe."
    )
