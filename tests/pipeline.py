"""Runs of the tap, one after another, and the tables that they fill, compared with impact.com."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from impact_sandbox.faults import Fault

from tests.inside import run_inside
from tests.runs import Run, catalog
from tests.tables import Tables, load

if TYPE_CHECKING:
    from collections.abc import Callable

    from impact_sandbox.server import Sandbox, SeenRequest

CLICK_STREAMS = ("click_exports", "clicks", "daily_clicks")
STREAMS = ("account", "campaigns", "actions", "action_updates", *CLICK_STREAMS)


@dataclass
class Pipeline:
    """A tap and a target that share a state.

    `sandbox.requests` are those of the last run; `settings` hold a `start_date` with an offset.
    """

    sandbox: Sandbox
    settings: dict[str, Any]
    streams: tuple[str, ...] = STREAMS
    state: dict[str, Any] | None = None
    tables: Tables = field(default_factory=dict)

    def run(self, **settings: Any) -> Run:
        """One run at the sandbox's own time. Whatever it writes is loaded."""
        self.sandbox.requests.clear()
        self.sandbox.file_requests.clear()
        now = {"end_date": self.sandbox.at.isoformat()}
        return self._loaded(self.sandbox.settings() | now | self.settings | settings)

    def run_by_the_clock(self, **settings: Any) -> Run:
        """One run that is not told what time it is."""
        self.sandbox.requests.clear()
        return self._loaded(self.sandbox.settings() | self.settings | settings)

    def _loaded(self, config: dict[str, Any]) -> Run:
        run = run_inside(config, catalog=catalog(*self.streams), state=self.state)
        self.state = load(self.tables, run) or self.state
        return run

    def table(self, stream: str) -> list[dict[str, Any]]:
        return [*self.tables.get(stream, {}).values()]

    @property
    def start(self) -> datetime:
        return datetime.fromisoformat(self.settings["start_date"])

    def wrong_actions(self, since: datetime | None = None) -> set[str]:
        """Actions that impact.com shows, and that the table lacks or holds otherwise."""
        held = {
            row["id"]: (
                row["state"],
                *(money(row[name]) for name in ("payout", "amount")),
                *(moment(row[name]) for name in ("locking_date", "cleared_date")),
            )
            for row in self.table("actions")
        }
        return {
            row["Id"]
            for row in self.sandbox.world.actions(self.sandbox.at, since or self.start)
            if held.get(row["Id"])
            != (
                self._shown_state(row),
                *(money(row[name]) for name in ("Payout", "Amount")),
                *(moment(row[name]) for name in ("LockingDate", "ClearedDate")),
            )
        }

    def _shown_state(self, row: dict[str, Any]) -> str:
        """The State that impact.com shows of an action of its own."""
        is_locked = row["State"] == "APPROVED" and not row["ClearedDate"]
        return self.sandbox.switches.locked_state if is_locked else str(row["State"])

    def missing_updates(self, since: datetime | None = None) -> set[str]:
        """Updates that impact.com shows, and that the table lacks."""
        shown = self.sandbox.world.action_updates(self.sandbox.at, since or self.start)
        return {row["Id"] for row in shown} - {row["id"] for row in self.table("action_updates")}

    def wrong_items(self, since: datetime | None = None) -> set[str]:
        """Actions whose items the table lacks or, where they were read last, holds otherwise."""
        held: dict[str, Counter[tuple[Any, ...]]] = {}
        newest: dict[str, str] = {}
        for row in self.table("action_items"):
            action = row["action_id"]
            newest[action] = max(newest.get(action, ""), row["items_read_at"])
        for row in self.table("action_items"):
            if row["items_read_at"] == newest[row["action_id"]]:
                item = row["sku"], money(row["payout"]), money(row["sale_amount"])
                held.setdefault(row["action_id"], Counter())[item] += 1
        return {
            action["Id"]
            for action in self.sandbox.world.actions(self.sandbox.at, since or self.start)
            if held.get(action["Id"])
            != Counter(
                (item["Sku"], Decimal(item["Payout"]), Decimal(item["SaleAmount"]))
                for item in self.sandbox.world.items(action["Id"], self.sandbox.at)
            )
        }

    def clicks(self) -> dict[date, Counter[str | None]]:
        """By day, how often the table holds each id of a click."""
        days: dict[date, Counter[str | None]] = {}
        for row in self.table("clicks"):
            days.setdefault(date.fromisoformat(row["click_day"]), Counter())[row["id"]] += 1
        return days

    def true_clicks(self, day: date) -> Counter[str | None]:
        """How often impact.com has each id of a click on a day that is over."""
        return Counter(row["Id"] for row in self.sandbox.world.clicks(day, self.sandbox.at))

    def days_of_clicks(self) -> list[date]:
        """The days from `click_start_date` on whose clicks are all known."""
        first = date.fromisoformat(self.settings["click_start_date"])
        settled = self.sandbox.at - timedelta(hours=2)
        last = settled.astimezone(self.sandbox.world.zone).date() - timedelta(days=1)
        return [first + timedelta(days=number) for number in range((last - first).days + 1)]

    def not_whole(self, since: datetime | None = None) -> set[str]:
        """The streams whose tables are not what impact.com holds."""
        clicks = self.clicks()
        world = self.sandbox.world
        campaigns = {row["CampaignId"] for row in world.campaigns()}
        found = {
            "account": {row["id"] for row in self.table("account")} != {world.account_id},
            "campaigns": {row["campaign_id"] for row in self.table("campaigns")} != campaigns,
            "actions": bool(self.wrong_actions(since)),
            "action_updates": bool(self.missing_updates(since)),
            "action_items": bool(self.wrong_items(since)),
            "clicks": any(
                clicks.get(day) != self.true_clicks(day) for day in self.days_of_clicks()
            ),
        }
        return {stream for stream in self.streams if found.get(stream)}

    def asked(self, resource: str) -> list[SeenRequest]:
        """The last run's requests of a resource."""
        return [seen for seen in self.sandbox.requests if seen.resource == resource]


@dataclass
class Wherever:
    """Strikes each request that its rule has a fault for."""

    rule: Callable[[SeenRequest], Fault | None]

    def strike(self, seen: SeenRequest) -> Fault | None:
        return self.rule(seen)


def edited(edit: Callable[[dict[str, Any]], dict[str, Any]]) -> Fault:
    """Impact.com's own answer, changed."""
    return Fault("edited", edits=edit)


def errors(run: Run) -> list[str]:
    """The lines of a run's log that are errors."""
    return [line for line in run.stderr.splitlines() if "| ERROR" in line]


def warnings(run: Run) -> list[str]:
    """The lines of a run's log that are warnings or errors."""
    return [line for line in run.stderr.splitlines() if "| WARNING" in line or "| ERROR" in line]


def money(number: Any) -> Decimal | None:
    return None if number in ("", None) else Decimal(number)


def moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
