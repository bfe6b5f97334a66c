"""Everything that a partner account holds: ads, promo codes, deals and the other lists."""

from __future__ import annotations

import gzip
import logging
import re
from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from impact_sandbox import faults
from impact_sandbox.server import Sandbox
from impact_sandbox.switches import SCOPES
from impact_sandbox.world import World

from tap_impact.inspect.cli import cli
from tests.inside import run_inside
from tests.pipeline import Wherever, edited, errors, warnings
from tests.runs import Run, all_streams, catalog
from tests.sandbox.client import ask
from tests.tables import load

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from impact_sandbox.faults import Fault
    from impact_sandbox.server import SeenRequest

    from tests.conftest import SandboxFactory, Warehouse
    from tests.tables import Tables

NOW = datetime(2026, 6, 30, 6, 10, tzinfo=UTC)
WORLD = World(seed="whole", actions_per_day=1, clicks_per_day=20, opened=date(2026, 3, 1))
LISTS = (
    "ads",
    "promo_codes",
    "media_properties",
    "deals",
    "catalogs",
    "action_inquiries",
    "tasks",
    "promotions",
    "stores",
    "exception_list_items",
    "promo_code_exception_list_items",
)
REQUIRED = {
    "Retrieve actions",
    "Retrieve action updates",
    "Export clicks",
    "Download export jobs",
}


def settings(impact: Sandbox, **others: Any) -> dict[str, Any]:
    assert impact.at is not None
    span = {"start_date": "2026-03-01", "end_date": impact.at.isoformat()}
    return impact.settings() | span | {"click_start_date": "2026-06-28"} | others


def run(
    impact: Sandbox,
    *streams: str,
    state: dict[str, Any] | None = None,
    log_level: int = logging.INFO,
    **others: Any,
) -> Run:
    return run_inside(
        settings(impact, **others), catalog=catalog(*streams), state=state, log_level=log_level
    )


def said(done: Run) -> list[str]:
    """Warnings, but for the sandbox's clock, and settings that not every SDK declares."""
    usual = ("clock", "emit_activate_version_messages")
    return [line for line in warnings(done) if not any(word in line for word in usual)]


def asked(impact: Sandbox) -> Counter[str]:
    """The requests of each resource of the API, but for what time it is."""
    found = Counter(seen.resource for seen in impact.requests)
    found["Account"] -= 1
    return +found


# -- what nobody needs to know --------------------------------------------------------------


def private(world: World) -> dict[str, str]:
    """What is private of an account, where the sandbox shows it."""
    return {
        world.mail: "/Tasks",
        world.mail_of_brand("2107"): "/Ads",
        world.mail_of_brand("2001"): "/Tasks",
        world.person: "/ActionInquiries",
        world.ftp_password: "/Catalogs",
        world.tax_id: "/CompanyInformation",
        world.bank_account: "/WithdrawalSettings",
    }


@pytest.mark.slow
def test_no_private_value_of_the_account_is_in_any_byte(tmp_path: Path) -> None:
    files = {
        "encoding": {"format": "jsonl", "compression": "gzip"},
        "storage": {"root": tmp_path.as_uri(), "prefix": "x"},
    }
    with Sandbox(WORLD, at=NOW, hourly_detail=10**6, daily_click_exports=99) as impact:
        for value, path in private(WORLD).items():
            assert value in ask(impact, path, PageSize=1000).text
        impact.requests.clear()
        ways: list[dict[str, Any]] = [
            {},
            {"flattening_enabled": True, "flattening_max_depth": 3},
            {"batch_config": files},
        ]
        runs = [
            run(impact, log_level=logging.DEBUG, start_date="2026-06-01", **way) for way in ways
        ]
        resources = {seen.resource for seen in impact.requests}
    written = b"".join(gzip.decompress(file.read_bytes()) for file in tmp_path.glob("x*"))
    assert b"Shop link" in written
    for done in runs:
        assert done.exit_code == 0, done.stderr
        everything = done.stdout + done.stderr + written.decode()
        assert [value for value in private(WORLD) if value in everything] == []
    assert not resources & {"CompanyInformation", "Users", "TaxDocuments", "WithdrawalSettings"}


# -- what the token may do -------------------------------------------------------------------


def test_a_token_with_the_required_scopes_alone_skips_the_rest() -> None:
    streams = [each for each in all_streams() if each != "action_items"]
    with Sandbox(WORLD, at=NOW, scopes=REQUIRED) as impact:
        done = run(impact, *streams)
    assert done.exit_code == 0, done.stderr
    assert not errors(done)
    skipped = [
        found.groups()
        for line in said(done)
        if (
            found := re.search(
                r"\| (\w[^|]*) is skipped\. .*Tick the scope (.+) for the token", line
            )
        )
    ]
    names = [name for streams, _ in skipped for name in re.split(r", | and ", streams.strip())]
    loaded = {"actions", "action_updates", "clicks", "daily_clicks", "click_exports"}
    assert Counter(names) == Counter({*streams} - loaded)
    assert {scope for _, scope in skipped} >= {
        "Ads > Retrieve ads",
        "Promo Codes > Retrieve promo codes",
        "Campaigns > Retrieve campaigns",
        "Contracts > Retrieve contracts",
        "Tasks > Retrieve tasks",
    }
    assert len(said(done)) == len(skipped)


@pytest.mark.parametrize(
    ("scope", "stream", "requests"),
    [
        ("Retrieve deals", "deals", {"Campaigns": 1 + 3 + 1}),
        ("Retrieve exception list items", "exception_list_items", None),
        ("Retrieve ads", "ads", {"Ads": 1}),
    ],
)
def test_a_stream_without_its_scope_costs_a_few_requests(
    scope: str, stream: str, requests: dict[str, int] | None
) -> None:
    with Sandbox(WORLD, at=NOW, scopes=SCOPES - {scope}) as impact:
        done = run(impact, stream, "media_properties")
    assert done.exit_code == 0, done.stderr
    (line,) = said(done)
    assert f"{stream} is skipped" in line
    assert scope in line
    assert done.records("media_properties")
    sent = asked(impact)
    assert sent.pop("MediaProperties") == 1
    assert requests is None or sent == requests


# -- one table for all -----------------------------------------------------------------------


@pytest.mark.slow
def test_all_tables_have_rows_that_are_valid_against_their_schemas(warehouse: Warehouse) -> None:
    with Sandbox(WORLD, at=NOW) as impact:
        done = run(impact)
    assert done.exit_code == 0, done.stderr
    assert not said(done)
    warehouse.load(done.stdout, validate_records=True)
    tables: Tables = {}
    load(tables, done)
    assert tables.keys() == {*all_streams()}
    for stream, rows in tables.items():
        assert rows, stream
        assert warehouse.query(f"SELECT count(*) FROM {stream}") == [(len(rows),)]  # noqa: S608
    named = warehouse.query(
        "SELECT count(*), count(ads.name), count(DISTINCT ads.name) FROM actions "
        "LEFT JOIN ads ON ads.id = actions.ad_id"
    )
    ((actions, with_name, names),) = named
    assert actions == with_name
    assert names > 3
    joins = {
        "actions.promo_code": "promo_codes.code",
        "ads.deal_id": "deals.id",
        "action_inquiries.action_id": "actions.id",
        "deals.campaign_id": "campaigns.campaign_id",
        "stores.id": "campaigns.campaign_id",
        "clicks.ad_id": "ads.id",
    }
    for left, right in joins.items():
        (left_table, right_table) = (each.partition(".")[0] for each in (left, right))
        query = f"SELECT count(*) FROM {left_table} WHERE {left} NOT IN (SELECT {right} FROM {right_table})"  # noqa: E501, S608
        assert warehouse.query(query) == [(0,)], left
        assert warehouse.query(f"SELECT count({left}) > 0 FROM {left_table}") == [(True,)]  # noqa: S608


@pytest.mark.slow
def test_two_accounts_share_every_table(warehouse: Warehouse) -> None:
    counts: Counter[str] = Counter()
    for seed in ("one", "two"):
        world = World(seed=seed, actions_per_day=1, opened=date(2026, 1, 1))
        with Sandbox(world, at=NOW) as impact:
            done = run(impact, *LISTS, label=seed)
        warehouse.load(done.stdout)
        counts.update({stream: len(done.records(stream)) for stream in LISTS})
    assert all(counts.values())
    for stream, number in counts.items():
        assert warehouse.query(f"SELECT count(*) FROM {stream}") == [(number,)]  # noqa: S608


# -- what it costs ---------------------------------------------------------------------------


def estimates(config: dict[str, Any]) -> dict[tuple[str, ...], int]:
    """The requests that `tap-impact-inspect estimate` announces for a run, by streams."""
    variables = {f"TAP_IMPACT_{name.upper()}": str(value) for name, value in config.items()}
    done = CliRunner().invoke(cli, ["estimate"], env=variables)
    assert done.exit_code == 0, done.output
    found = re.findall(r"^(\w+(?:, \w+)*): the next run (\d+) request", done.output, re.MULTILINE)
    return {tuple(streams.split(", ")): int(number) for streams, number in found}


@pytest.mark.slow
def test_requests_are_those_of_the_estimate_within_a_tenth() -> None:
    life = ["COMPLETED"]
    with Sandbox(WORLD, at=NOW, job_life=life, daily_click_exports=10) as impact:
        announced = estimates(settings(impact))
        assert {stream for streams in announced for stream in streams} == {*all_streams()}
        by_group = {}
        for streams in announced:
            impact.requests.clear()
            assert run(impact, *streams).exit_code == 0
            by_group[streams] = asked(impact).total()
    assert {
        streams: (announced[streams], sent)
        for streams, sent in by_group.items()
        if abs(sent - announced[streams]) > announced[streams] / 10
    } == {}
    with Sandbox(WORLD, at=NOW, job_life=life) as impact:
        assert run(impact).exit_code == 0
        total = sum(announced.values())
        assert abs(asked(impact).total() - total) <= total / 10


# -- as time passes --------------------------------------------------------------------------


def test_what_is_read_by_parts_is_what_is_read_at_once() -> None:
    start = datetime(2026, 4, 10, 6, 10, tzinfo=UTC)
    streams = ("ads", "tasks", "action_inquiries")
    tables: Tables = {}
    state = None
    with Sandbox(WORLD, at=start) as impact:
        first = 0
        for days in (0, 1, 10, 40, 11):
            impact.advance(timedelta(days=days).total_seconds())
            done = run(impact, *streams, state=state)
            assert done.exit_code == 0, done.stderr
            state = load(tables, done)
            first = first or len(done.records("ads"))
        assert 0 < len(done.records("ads")) < first
        assert "UpdatedDateStart" in impact.requests[-3].query
        whole: Tables = {}
        load(whole, run(impact, *streams))
    assert tables == whole


@pytest.mark.parametrize("habit", ["lone", "wrapped", "lone_wrapped"])
def test_lists_that_were_xml_give_the_same_records(habit: str) -> None:
    with Sandbox(WORLD, at=NOW) as impact:
        plain = run(impact, *LISTS)
        impact.switch(lists=habit)
        other = run(impact, *LISTS)
    for stream in LISTS:
        assert other.records(stream) == plain.records(stream), stream


@pytest.mark.parametrize("total", [None, "0"])
def test_a_page_that_repeats_another_is_made_up_for_by_pages_of_another_size(
    total: str | None,
) -> None:
    """As pages do whose rows are sorted by what many have in common."""
    repeats = 2  # in both readings of large pages

    def rule(seen: SeenRequest) -> Fault | None:
        nonlocal repeats
        if seen.query.get("Page") == "2" and repeats:
            repeats -= 1
            return replace(faults.shifted(-3), edits=without_total)
        return faults.Fault("total", edits=without_total)

    def without_total(body: dict[str, Any]) -> dict[str, Any]:
        return body | ({} if total is None else {"@total": total})

    with Sandbox(WORLD, at=NOW, largest_page=3) as impact:
        expected = {row["id"] for row in run(impact, "promo_codes").records("promo_codes")}
        impact.spoil(Wherever(rule))
        done = run(impact, "promo_codes")
    assert done.exit_code == 0, done.stderr
    assert {row["id"] for row in done.records("promo_codes")} == expected
    assert not repeats


# -- one request for each parent -------------------------------------------------------------


def deals(parents: Callable[[str], Fault | None], **switches: Any) -> tuple[Run, Sandbox]:
    """Load deals; a fault may strike each campaign."""

    def rule(seen: SeenRequest) -> Fault | None:
        return parents(seen.path.split("/")[-2]) if seen.path.endswith("/Deals") else None

    with Sandbox(WORLD, at=NOW, faults=Wherever(rule), **switches) as impact:
        return run(impact, "deals", emit_activate_version_messages=True), impact


def campaigns_of(done: Run) -> set[str]:
    return {row["campaign_id"] for row in done.records("deals")}


def is_activated(done: Run) -> bool:
    """Whether the target may delete what did not come."""
    versions = [each for each in done.messages if each["type"] == "ACTIVATE_VERSION"]
    rows = [place for place, each in enumerate(done.messages) if each["type"] == "RECORD"]
    return bool(versions) and done.messages.index(versions[-1]) > rows[-1]


ALL = {"2001", "2044", "2107", "2150", "2203"}


@pytest.mark.parametrize("status", [403, 404])
@pytest.mark.parametrize("spared", ["2001", "2203"])
def test_a_parent_that_is_denied_or_gone_keeps_no_other_from_loading(
    status: int, spared: str
) -> None:
    gone = ALL - {spared}
    done, _ = deals(lambda campaign: faults.status(status) if campaign in gone else None)
    assert done.exit_code == 0, done.stderr
    assert campaigns_of(done) == ALL - gone
    (line,) = said(done)
    assert (
        f"deals: impact.com gives nothing for 4 of those asked about, such as {min(gone)}." in line
    )
    assert is_activated(done)


@pytest.mark.parametrize(("status", "failing"), [(500, {"2044"}), (400, ALL - {"2203"})])
def test_a_parent_that_fails_fails_the_stream_after_the_others(
    status: int, failing: set[str]
) -> None:
    done, _ = deals(lambda campaign: faults.status(status) if campaign in failing else None)
    assert done.exit_code == 1
    assert campaigns_of(done) == ALL - failing
    assert "deals failed." in done.stderr
    assert not is_activated(done)


def test_parents_that_fail_one_after_another_are_the_last() -> None:
    done, impact = deals(lambda _: faults.status(500))
    assert done.exit_code == 1
    assert len({seen.path for seen in impact.requests if seen.path.endswith("/Deals")}) == 3


@pytest.mark.parametrize(
    ("status", "limit", "first_run"), [(500, 10**6, 0), (403, 10**6, 0), (None, 4, 2)]
)
def test_a_run_that_ends_early_is_continued_with_the_next_parent(
    status: int | None, limit: int, first_run: int
) -> None:
    trouble = faults.status(status) if status else None
    troubled = {"0", "2001", "2044", "2107"}  # the first is no campaign's
    rule = Wherever(lambda seen: trouble if seen.path.split("/")[-2] in troubled else None)
    with Sandbox(WORLD, at=NOW, faults=rule, hourly_other=limit) as impact:
        first = run(impact, "deals", rate_limit_wait_seconds=0)
        impact.advance(3600)
        second = run(impact, "deals", rate_limit_wait_seconds=0, state=first.state)
    assert len(campaigns_of(first)) == first_run
    assert campaigns_of(second) == set(sorted(ALL)[first_run or 3 :][:2])


def test_the_parent_of_a_row_is_known_from_its_request() -> None:
    def without(body: dict[str, Any]) -> dict[str, Any]:
        rows = [{k: v for k, v in row.items() if k != "CampaignId"} for row in body["Deals"]]
        return body | {"Deals": rows}

    done, _ = deals(lambda _: edited(without))
    plain, _ = deals(lambda _: None)
    assert done.records("deals") == plain.records("deals")


def test_without_the_parents_their_scope_is_named() -> None:
    done, _ = deals(lambda _: None, scopes=SCOPES - {"Retrieve campaigns"})
    assert done.exit_code == 0
    (line,) = said(done)
    assert "Tick the scope Campaigns > Retrieve campaigns" in line


def with_values(sent: object, of: Callable[[list[str]], object]) -> Any:
    """A body whose rules have their values in another shape."""
    if isinstance(sent, dict):
        return {k: of(v) if k == "Values" else with_values(v, of) for k, v in sent.items()}
    return [with_values(each, of) for each in sent] if isinstance(sent, list) else sent


@pytest.mark.parametrize("as_objects", [False, True])
def test_lists_are_found_in_the_rules_of_contracts(
    sandbox: SandboxFactory,
    as_objects: bool,  # noqa: FBT001 - a case of the test
) -> None:
    impact = sandbox(world=WORLD)
    if as_objects:
        objects = edited(lambda body: with_values(body, lambda ids: [{"Value": i} for i in ids]))
        impact.spoil([objects.at("Contracts", times=faults.ALWAYS)])
    done = run(impact, "exception_list_items", "promo_code_exception_list_items")
    assert done.exit_code == 0, done.stderr
    assert {row["list_id"] for row in done.records("exception_list_items")} == {"52001", "52150"}
    codes = done.records("promo_code_exception_list_items")
    assert [(row["list_id"], row["value"]) for row in codes] == [("32107", "SPRING26")]


def test_a_rule_whose_values_cannot_be_read_names_no_list(sandbox: SandboxFactory) -> None:
    odd = edited(lambda body: with_values(body, lambda ids: [*ids, {"Value": "1", "Of": "2"}]))
    impact = sandbox(world=WORLD, faults=[odd.at("Contracts", times=faults.ALWAYS)])
    done = run(impact, "exception_list_items", "media_properties")
    assert done.exit_code == 0, done.stderr
    assert not done.records("exception_list_items")
