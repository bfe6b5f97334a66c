"""Contracts and invoices, read as they change."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from impact_sandbox import faults
from impact_sandbox.server import Sandbox
from impact_sandbox.switches import SCOPES, Switches
from impact_sandbox.world import World

from tests.inside import run_inside
from tests.pipeline import Pipeline, Wherever, edited, warnings
from tests.runs import Run, catalog
from tests.tables import load

if TYPE_CHECKING:
    from tests.conftest import SandboxFactory
    from tests.tables import Tables

NOW = datetime(2026, 6, 30, 6, 10, tzinfo=UTC)
CONTRACTS = ("contracts", "contract_payout_terms")
INVOICES = ("invoices", "invoice_line_items", "invoice_detailed_line_items")
STATUSES = {"ACTIVE", "DECLINED", "EXPIRED", "PENDING", "UPCOMING"}
DAY = timedelta(days=1)


def run(impact: Sandbox, *streams: str, state: dict[str, Any] | None = None) -> Run:
    config = impact.settings() | {"start_date": "2026-01-01", "end_date": NOW.isoformat()}
    done = run_inside(config, state=state, catalog=catalog(*streams))
    assert done.exit_code == 0, done.stderr
    return done


def asked(impact: Sandbox) -> int:
    """How many requests of lists there were, and not what time it is."""
    return sum(seen.resource in {"Contracts", "Invoices"} for seen in impact.requests)


def odd(done: Run) -> list[str]:
    """Warnings, but for the sandbox's clock."""
    return [line for line in warnings(done) if "clock" not in line]


def test_contracts_of_all_statuses_with_their_terms(sandbox: SandboxFactory) -> None:
    impact = sandbox()
    done = run(impact, *CONTRACTS)
    truth = {each.paper.id: each.row() for each in impact.world.contracts(NOW)}
    contracts = {row["id"]: row for row in done.records("contracts")}
    assert contracts.keys() == truth.keys()
    assert {row["status"] for row in contracts.values()} == STATUSES
    for row in contracts.values():
        sent = truth[row["id"]]["Terms"]
        assert row["terms"]["version_id"] == sent["VersionId"]
        (payout,), (sent_payout,) = row["terms"]["event_payouts"], sent["EventPayouts"]
        groups = [group["Id"] for group in sent_payout["PayoutGroups"]]
        assert [group["id"] for group in payout["payout_groups"] or []] == groups
        assert payout["locking"]["basis"] == sent_payout["Locking"]["Basis"]
        own = [r for r in done.records("contract_payout_terms") if r["contract_id"] == row["id"]]
        assert [r["payout_group_id"] for r in own] == [None, *groups]
        assert {r["event_type_id"] for r in own} == {sent_payout["EventTypeId"]}
    assert any(row["terms"]["event_payouts"][0]["payout_groups"] for row in contracts.values())
    assert not odd(done)


@pytest.mark.parametrize(("streams", "requests"), [(CONTRACTS, 5), (INVOICES, 1)])
def test_tables_of_one_list_share_its_requests_and_do_without_each_other(
    sandbox: SandboxFactory, streams: tuple[str, ...], requests: int
) -> None:
    impact = sandbox()
    together = run(impact, *streams)
    assert asked(impact) == requests
    schemas = [each["stream"] for each in together.messages if each["type"] == "SCHEMA"]
    assert sorted(schemas) == sorted(streams)
    for stream in streams:
        impact.requests.clear()
        alone = run(impact, stream)
        assert asked(impact) == requests
        assert alone.records(stream) == together.records(stream) != []


@pytest.mark.parametrize("shape", ["lone", "wrapped", "lone_wrapped"])
def test_what_xml_makes_of_lists_changes_no_row(sandbox: SandboxFactory, shape: str) -> None:
    for streams in (CONTRACTS, INVOICES):
        plain = run(sandbox(), *streams)
        done = run(sandbox(switches=Switches(lists=shape)), *streams)
        for stream in streams:
            assert done.records(stream) == plain.records(stream) != []


def test_invoices_with_their_lines(sandbox: SandboxFactory) -> None:
    impact = sandbox()
    done = run(impact, *INVOICES)
    truth = {each.id: each.row() for each in impact.world.invoices(NOW)}
    assert {row["id"] for row in done.records("invoices")} == truth.keys()
    for invoice in done.records("invoices"):
        for stream, name in (
            ("invoice_line_items", "LineItems"),
            ("invoice_detailed_line_items", "DetailedLineItems"),
        ):
            sent = truth[invoice["id"]][name]
            lines = [r for r in done.records(stream) if r["invoice_id"] == invoice["id"]]
            assert [r["line_number"] for r in lines] == [*range(1, len(sent) + 1)]
            for line, sent_line in zip(lines, sent, strict=True):
                month = date.fromisoformat(line["event_month"])
                assert f"{month.month}{month.year}" == sent_line["EventMonthYear"]
                assert line["created_date"] == invoice["created_date"]
        counts = (invoice["line_item_count"], invoice["detailed_line_item_count"])
        sent = truth[invoice["id"]]
        assert counts == (len(sent["LineItems"]), len(sent["DetailedLineItems"]))
    assert not odd(done)


@pytest.mark.parametrize(("lines", "kept"), [({}, []), ("", []), (["12.50"], ["12.50"])])
def test_lines_that_are_no_objects_are_kept_as_sent_and_count_as_open(
    sandbox: SandboxFactory, lines: object, kept: list[str]
) -> None:
    def odd_lines(page: dict[str, Any]) -> dict[str, Any]:
        return page | {"Invoices": [row | {"LineItems": lines} for row in page["Invoices"]]}

    impact = sandbox(faults=[edited(odd_lines).at("Invoices", times=faults.ALWAYS)])
    done = run(impact, *INVOICES)
    invoices = done.records("invoices")
    assert {row["line_item_count"] for row in invoices} == {len(kept)}
    found = [row["additional_fields"] for row in done.records("invoice_line_items")]
    assert found == [{"Value": each} for each in kept for _ in invoices]
    assert ("open_since" in done.state["bookmarks"]["invoices"]) == bool(kept)


def test_a_contract_is_read_again_when_it_changes_and_each_of_its_versions_is_kept() -> None:
    world = World(seed="contracts", actions_per_day=0.1, opened=date(2026, 1, 1))
    start = datetime(2026, 1, 20, 6, 10, tzinfo=UTC)
    with Sandbox(world, at=start) as impact:
        load_ = Pipeline(impact, {"start_date": "2026-01-01T00:00:00+00:00"}, CONTRACTS)
        seen: dict[tuple[str, str], str] = {}
        for number in range(0, 130, 5):
            impact.set_time(start + number * DAY)
            done = load_.run()
            assert done.exit_code == 0, done.stderr
            assert asked(impact) == (7 if number else 5)
            truth = {each.paper.id: each.row() for each in world.contracts(impact.at)}
            held = {row["id"]: row["terms"]["version_id"] for row in load_.table("contracts")}
            assert held == {key: row["Terms"]["VersionId"] for key, row in truth.items()}
            for key, row in truth.items():
                seen[key, row["DateLastUpdated"]] = row["Terms"]["VersionId"]
        versions = {
            (row["contract_id"], datetime.fromisoformat(row["date_last_updated"])): row
            for row in load_.table("contract_payout_terms")
        }
        assert {key: row["version_id"] for key, row in versions.items()} == {
            (key, datetime.fromisoformat(updated)): version
            for (key, updated), version in seen.items()
        }
        assert len(seen) > len(truth)


def test_a_contract_that_ends_by_its_date_is_seen_to_have_ended(sandbox: SandboxFactory) -> None:
    impact = sandbox()
    state = run(impact, "contracts").state
    ended = [each for each in impact.world.contracts(NOW) if each.paper.status == "EXPIRED"]
    # as if the bookmark were of the day before the end of one of them, and nobody updated it
    before = datetime.fromtimestamp(ended[0].end, UTC) - DAY
    state["bookmarks"]["contracts"]["replication_key_value"] = before.isoformat()
    assert ended[0].updated < before.timestamp() - 7200
    again = run(impact, "contracts", state=state)
    assert ended[0].paper.id in {row["id"] for row in again.records("contracts")}


def held_lines(tables: Tables) -> dict[tuple[str, int], tuple[str, str | None]]:
    return {
        (row["invoice_id"], row["line_number"]): (row["status"], row["paid_date"])
        for row in tables["invoice_line_items"].values()
    }


def true_lines(world: World, at: datetime) -> dict[tuple[str, int], tuple[str, str | None]]:
    return {
        (invoice.id, number): (line["Status"], utc(line["PaidDate"]))
        for invoice in world.invoices(at)
        for number, line in enumerate(invoice.row()["LineItems"], 1)
    }


def utc(text: str) -> str | None:
    return f"{datetime.fromisoformat(text).astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" if text else None


def lines_of_each_day(days: int, every: int) -> None:
    world = World(seed="invoices", actions_per_day=1, opened=date(2025, 3, 1))
    start = datetime(2025, 4, 2, 20, 0, tzinfo=UTC)
    statuses: set[tuple[str, str]] = set()
    with Sandbox(world, at=start) as impact:
        pipeline = Pipeline(impact, {"start_date": "2025-03-01T00:00:00+00:00"}, INVOICES)
        before: dict[tuple[str, int], tuple[str, str | None]] = {}
        for number in range(0, days, every):
            impact.set_time(start + number * DAY)
            done = pipeline.run()
            assert done.exit_code == 0, done.stderr
            assert asked(impact) == 1
            lines = held_lines(pipeline.tables)
            assert lines == true_lines(world, impact.at)
            statuses |= {
                (before[key][0], status)
                for key, (status, _) in lines.items()
                if key in before and before[key][0] != status
            }
            before = lines
        assert {row["id"] for row in pipeline.table("invoices")} == {
            each.id for each in world.invoices(impact.at)
        }
        newest = {row["invoice_id"] for row in done.records("invoice_line_items")}
        assert 0 < len(newest) < len(pipeline.table("invoices")) / 2
    assert {("PENDING", "PAID"), ("PENDING", "OVERDUE"), ("OVERDUE", "PAID")} <= statuses


@pytest.mark.slow
def test_a_line_that_was_paid_is_paid_after_the_next_run() -> None:
    lines_of_each_day(400, every=13)


@pytest.mark.slow
def test_on_400_days_each_line_is_as_impact_com_shows_it_for_one_request_a_run() -> None:
    lines_of_each_day(400, every=1)


def test_invoices_before_an_earlier_start_date_are_loaded_later(sandbox: SandboxFactory) -> None:
    impact = sandbox(opened=date(2025, 9, 1))
    state = run(impact, "invoices").state
    config = impact.settings() | {"start_date": "2025-09-01", "end_date": NOW.isoformat()}
    tables: Tables = {}
    done = run_inside(config, state=state, catalog=catalog("invoices"))
    load(tables, done)
    assert {key for (key,) in tables["invoices"]} == {
        each.id for each in impact.world.invoices(NOW)
    }
    impact.requests.clear()
    run_inside(config, state=done.state, catalog=catalog("invoices"))
    (request,) = [seen for seen in impact.requests if seen.resource == "Invoices"]
    assert datetime.fromisoformat(request.query["StartDate"]) > NOW - 100 * DAY


def test_invoices_before_a_later_start_date_are_read_until_they_are_paid() -> None:
    world = World(seed="invoices", actions_per_day=1, opened=date(2026, 1, 1))
    with Sandbox(world, at=NOW) as impact:
        pipeline = Pipeline(impact, {"start_date": "2026-01-01T00:00:00+00:00"}, INVOICES)
        pipeline.run()
        before = held_lines(pipeline.tables)
        pipeline.settings |= {"start_date": "2026-07-15T00:00:00+00:00"}
        for _ in range(2):
            impact.advance(40 * 86_400)
            pipeline.run()
        lines = held_lines(pipeline.tables)
        assert lines == true_lines(world, impact.at)
        assert any(lines[key] != before[key] for key in before)


def test_a_stream_that_is_selected_later_is_loaded_from_the_start(sandbox: SandboxFactory) -> None:
    impact = sandbox()
    state = run(impact, "invoices").state
    later = run(impact, *INVOICES, state=state)
    whole = run(impact, "invoice_line_items").records("invoice_line_items")
    assert later.records("invoice_line_items") == whole


def test_without_the_scopes_of_money_the_rest_is_loaded(sandbox: SandboxFactory) -> None:
    scopes = SCOPES - {"Retrieve contracts", "Retrieve invoices"}
    impact = sandbox(scopes=scopes)
    done = run(impact, *CONTRACTS, *INVOICES, "actions")
    said = [line for line in warnings(done) if "is skipped" in line]
    assert [name in line for name in ("contracts", "invoices") for line in said] == [
        True, False, False, True,
    ]  # fmt: skip
    assert "Contracts > Retrieve contracts" in said[0]
    assert "Invoices > Retrieve invoices" in said[1]
    assert done.records("actions")


@pytest.mark.parametrize(
    ("refused", "requests"), [({"DECLINED"}, 10), ({"DECLINED", "EXPIRED"}, 6)]
)
def test_contracts_of_a_status_that_is_refused_keep_no_others_from_loading(
    sandbox: SandboxFactory, refused: set[str], requests: int
) -> None:
    refusal = faults.status(400)
    rule = Wherever(lambda seen: refusal if seen.query.get("Status") in refused else None)
    impact = sandbox(faults=rule)
    streams = (*CONTRACTS, "exception_list_items")
    done = run_inside(impact.settings(), catalog=catalog(*streams))
    assert done.exit_code == 1
    loaded = {row["status"] for row in done.records("contracts")}
    assert loaded == (STATUSES - refused if requests == 10 else {"ACTIVE"})
    assert asked(impact) == requests
    assert done.records("exception_list_items")
    assert "contract_payout_terms failed. impact.com answered 400 to /Contracts?" in done.stderr
    assert not done.states


def test_a_line_that_cannot_be_placed_is_asked_for_again(sandbox: SandboxFactory) -> None:
    def without_id(page: dict[str, Any]) -> dict[str, Any]:
        page["Invoices"][0]["Id"] = ""
        return page

    impact = sandbox(faults=[edited(without_id).at("Invoices", times=faults.ALWAYS)])
    config = impact.settings() | {"start_date": "2026-01-01", "end_date": NOW.isoformat()}
    done = run_inside(config, catalog=catalog(*INVOICES))
    assert done.exit_code == 1
    assert "invoices: Id cannot be read in 1 row" in done.stderr
    assert "replication_key_value" not in done.state["bookmarks"].get("invoices", {})
