"""The models of money: what was earned is what was invoiced and paid out, to the cent."""

from __future__ import annotations

import json
import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from impact_sandbox.server import Sandbox
from impact_sandbox.switches import Switches
from impact_sandbox.world import World

from tap_impact.tap import TapImpact
from tests import duck
from tests.conftest import ROOT, Warehouse
from tests.dbt import Dbt, on_duckdb, on_postgres
from tests.inside import run_inside
from tests.runs import discovered, only

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


pytestmark = pytest.mark.slow

AT = datetime(2026, 6, 30, 6, 10, tzinfo=UTC)
WORLD = World(seed="money", opened=date(2025, 9, 1), actions_per_day=14)
STREAMS = (
    "actions",
    "action_updates",
    "contracts",
    "contract_payout_terms",
    "invoices",
    "invoice_line_items",
)
REPORTS = ("report_other_earnings", "report_withdrawals", "report_periods")


def printed(impact: Sandbox, *streams: str) -> str:
    """What the tap prints of an account, as of the sandbox's time."""
    config = impact.settings() | {
        "start_date": WORLD.opened.isoformat(),
        "end_date": impact.at.isoformat(),
        "label": "shop",
        "reports": ["other_earnings", "withdrawals"],
    }
    found = json.loads(TapImpact(config=config).catalog_json_text)
    run = run_inside(config, catalog=only(found, *streams))
    assert run.exit_code == 0, run.stderr
    return run.stdout


def of_another_account(messages: str, stream: str) -> str:
    """The records of a stream, as an account with the same ids has them."""
    found = map(json.loads, messages.splitlines())
    return "".join(
        json.dumps(each | {"record": each["record"] | {"connection_label": "blog"}}) + "\n"
        for each in found
        if each["type"] == "RECORD" and each["stream"] == stream
    )


def account(at: datetime = AT, **switches: Any) -> Sandbox:
    plenty = {"hourly_detail": 10**5, "hourly_aggregate": 10**5, "hourly_other": 10**5}
    return Sandbox(WORLD, at=at, switches=Switches(**{**plenty, **switches}))


class Base:
    """The loaded tables in PostgreSQL, and the models of them."""

    def __init__(self, warehouse: Warehouse, folder: Path) -> None:
        self.warehouse = warehouse
        self.dbt: Dbt = on_postgres(folder, warehouse.port, warehouse.schema)

    def build(self, *models: str) -> None:
        built = self.dbt.run("build", "--select", *models, impact_as_of=f"{AT:%Y-%m-%d %H:%M:%S}")
        assert built.returncode == 0, built.stdout

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        """Rows of a query; what it locked is free again."""
        found = self.warehouse.query(statement)
        self.warehouse.connection.rollback()
        return found


@pytest.fixture(scope="module")
def base(database_port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Base]:
    warehouse = Warehouse(database_port, "money")
    with account() as impact:
        messages = printed(impact, *STREAMS, *REPORTS)
        warehouse.load(messages + of_another_account(messages, "invoices"))
        for days in range(30, (AT.date() - WORLD.opened).days, 30):
            impact.set_time(AT - timedelta(days=days))
            warehouse.load(printed(impact, "contract_payout_terms"))
    found = Base(warehouse, tmp_path_factory.mktemp("money"))
    found.build("impact_reconciliation", "impact_expected_payout")
    yield found
    warehouse.connection.close()


UNTRACED = (
    "SELECT event_month, campaign_id, side, amount FROM impact_reconciliation "
    "WHERE item = 'untraced' ORDER BY 1, 2, 3"
)


def test_every_month_adds_up_and_each_difference_has_a_name(base: Base) -> None:
    assert base.query(UNTRACED) == []
    sums = dict(base.query("SELECT item, sum(amount) FROM impact_reconciliation GROUP BY item"))
    assert sums.keys() == {
        "bonus",
        "cleared_actions",
        "fund_transfer",
        "in_transit",
        "invoice_lines",
        "not_yet_invoiced",
        "other_earnings",
        "overdue",
        "withdrawals",
    }
    lines = [line for each in WORLD.invoices(AT) for line in each.row()["LineItems"]]
    assert sums["invoice_lines"] == sum(Decimal(line["NetItemAmount"]) for line in lines)
    for name, status in (("overdue", "OVERDUE"),):
        due = sum(Decimal(line["NetItemAmount"]) for line in lines if line["Status"] == status)
        assert sums[name] == due > 0
    earned = ("cleared_actions", "bonus", "fund_transfer", "other_earnings")
    assert sum(sums[name] for name in earned) == sums["not_yet_invoiced"] + sum(
        sums[name] for name in ("overdue", "in_transit", "withdrawals")
    )
    ((withdrawn,),) = base.query("SELECT sum(amount) FROM report_withdrawals")
    assert sums["withdrawals"] == withdrawn


CENT = Decimal("0.01")
MONTH = date(2026, 3, 1)
SOURCES = {
    "actions": ("actions",),
    "other_earnings": ("report_other_earnings", "report_periods"),
    "invoice_lines": ("invoices", "invoice_line_items"),
    "withdrawals": ("report_withdrawals", "report_periods"),
}


@pytest.mark.parametrize("source", SOURCES)
def test_one_cent_turns_exactly_its_month_red(base: Base, source: str) -> None:
    with account(wrong_cent=source, wrong_month=f"{MONTH:%Y-%m}") as impact:
        base.warehouse.load(printed(impact, *SOURCES[source]))
    try:
        base.build("impact_reconciliation")
        assert [(red[0], abs(red[3])) for red in base.query(UNTRACED)] == [(MONTH, CENT)]
    finally:
        with account() as impact:
            base.warehouse.load(printed(impact, *SOURCES[source]))


def test_a_month_that_loading_began_in_is_not_compared(base: Base) -> None:
    try:
        base.warehouse.connection.execute(
            "DELETE FROM money.actions WHERE event_day < '2025-12-10'"
        )
        base.warehouse.connection.commit()
        base.build("impact_reconciliation")
        assert base.query(UNTRACED) == []
        months = base.query("SELECT min(event_month) FROM impact_reconciliation")
        assert months == [(date(2026, 1, 1),)]
    finally:
        with account() as impact:
            base.warehouse.load(printed(impact, "actions"))


UNEXPLAINED = (
    "SELECT action_id, difference FROM impact_expected_payout "
    "WHERE reason = 'unexplained' ORDER BY action_id"
)


def test_each_payout_is_explained_by_a_contract_or_by_what_happened_to_it(base: Base) -> None:
    reasons = dict(
        base.query("SELECT reason, count(*) FROM impact_expected_payout GROUP BY reason")
    )
    assert reasons.keys() == {"default", "reversed", "changed_by_brand"}
    assert reasons["default"] > 0.8 * sum(reasons.values())
    expected = base.query(
        "SELECT action_id, expected_payout FROM impact_expected_payout WHERE reason = 'default'"
    )
    rates = {each.paper.id: each.row() for each in WORLD.contracts(AT)}
    updates = {row["ActionId"]: row["ContractId"] for row in WORLD.action_updates(AT)}
    amounts = {row["Id"]: Decimal(row["Amount"]) for row in WORLD.actions(AT)}
    for action, payout in expected:
        (event,) = rates[updates[action]]["Terms"]["EventPayouts"]
        assert payout == amounts[action] * Decimal(event["DefaultPayoutRate"]) / 100


def test_exactly_the_actions_that_no_term_explains_are_listed(base: Base) -> None:
    assert base.query(UNEXPLAINED) == []
    with account(unpriced_actions=30) as impact:
        planted = sorted(impact.world.unpriced_actions(AT))
        base.warehouse.load(printed(impact, "actions", "action_updates"))
    assert len(planted) > 50
    try:
        base.build("impact_expected_payout")
        assert [action for action, _ in base.query(UNEXPLAINED)] == planted
    finally:
        with account() as impact:
            base.warehouse.load(printed(impact, "actions", "action_updates"))


def row(stream: str, **columns: Any) -> dict[str, Any]:
    """A record of a stream; what is not named is null."""
    properties = json.loads(discovered()[stream])["schema"]["properties"]
    return {"type": "RECORD", "stream": stream, "record": dict.fromkeys(properties) | columns}


def schemas(*streams: str) -> list[dict[str, Any]]:
    return [
        {
            "type": "SCHEMA",
            "stream": each["tap_stream_id"],
            "schema": each["schema"],
            "key_properties": each["key_properties"],
        }
        for each in (json.loads(discovered()[stream]) for stream in streams)
    ]


def term(since: str, group: int = 0, contract: str = "S-1", **columns: Any) -> dict[str, Any]:
    """A row of a contract's terms."""
    own: dict[str, Any] = {
        "contract_id": contract,
        "date_last_updated": f"{since}T00:00:00Z",
        "event_number": 1,
        "group_number": group,
        "event_type_id": "7",
        "payout_level": "ITEM",
    }
    return row("contract_payout_terms", **own | columns)


def action(
    name: str,
    payout: str,
    *changes: tuple[str, str, str],
    contract: str = "S-1",
    state: str = "PENDING",
) -> list[dict[str, Any]]:
    """An action, and its changes: the day, and by how much payout and amount changed."""
    of_action = {"campaign_id": "1", "action_tracker_id": "7", "currency": "USD"}
    amount = sum(Decimal(delta) for _, _, delta in changes)
    numbers = {"payout": float(payout), "amount": float(amount)}
    days = {"event_date": "2026-01-01T00:00:00Z", "event_day": "2026-01-01"}
    return [
        row("actions", id=name, state=state, **of_action, **numbers, **days),
        *(
            row(
                "action_updates",
                id=f"{name}.{number}",
                action_id=name,
                update_date=f"{day}T12:00:00Z",
                contract_id=contract,
                event_type_id="7",
                delta_payout=float(delta_payout),
                delta_amount=float(delta_amount),
                state="REVERSED" if float(delta_amount) == -100 else "PENDING",
            )
            for number, (day, delta_payout, delta_amount) in enumerate(changes)
        ),
    ]


def test_the_terms_in_force_at_the_last_change_tell_the_payout(tmp_path: Path) -> None:
    """Rates rise on the 15th; a contract has groups, a fixed price and a restriction."""
    rules = [{"variable": "PROMO_CODE", "operator": "IS", "values_": ["X"]}]
    messages = [
        *schemas("actions", "action_updates", "contract_payout_terms"),
        term("2026-01-01", payout_rate=5),
        term("2026-01-15", payout_rate=8),
        term("2026-01-15", 1, payout_rate=12.5, rank=1, payout_group_id="camping"),
        term("2026-01-15", 2, payout=3, rank=2, payout_group_id="fixed"),
        term("2026-01-20", contract="S-2", payout_rate=10, payout_restrictions=rules),
        *action("before", "5.00", ("2026-01-10", "5", "100")),
        *action("after", "8.00", ("2026-01-16", "8", "100")),
        *action("old rate after", "5.00", ("2026-01-16", "5", "100")),
        *action("modified", "4.00", ("2026-01-10", "5", "100"), ("2026-01-16", "-1", "-50")),
        *action("group", "12.50", ("2026-01-16", "12.5", "100")),
        *action("fixed", "3.00", ("2026-01-16", "3", "77")),
        *action("mixed", "10.11", ("2026-01-16", "10.11", "100")),
        *action("too much", "12.52", ("2026-01-16", "12.52", "100")),
        *action("cut", "6.11", ("2026-01-10", "5", "100"), ("2026-01-12", "1.11", "0")),
        *action(
            "back",
            "5.00",
            ("2026-01-10", "5", "100"),
            ("2026-01-12", "-5", "-100"),
            ("2026-01-21", "5", "100"),
        ),
        *action(
            "gone", "0", ("2026-01-10", "5", "100"), ("2026-01-16", "-5", "-100"), state="REVERSED"
        ),
        *action("early", "7.77", ("2026-01-16", "7.77", "100"), contract="S-2"),
        *action("restricted", "0", ("2026-01-21", "0", "100"), contract="S-2"),
        *action("unknown", "1.11", ("2026-01-16", "1.11", "100"), contract="S-3"),
        *action("untold", "1.11"),
    ]
    file = tmp_path / "impact.duckdb"
    duck.load("".join(f"{json.dumps(message)}\n" for message in messages), file, "money")
    dbt = on_duckdb(tmp_path, file, "money")
    built = dbt.run("build", "--select", "impact_expected_payout")
    assert built.returncode == 0, built.stdout
    with duckdb.connect(str(file), read_only=True) as connection:
        found = connection.execute(
            "SELECT action_id, reason, round(expected_payout, 2)::varchar, payout_group_id "
            "FROM money.impact_expected_payout"
        ).fetchall()
    assert {name: row for name, *row in found} == {
        "before": ["default", "5.00", None],
        "after": ["default", "8.00", None],
        "old rate after": ["payout_groups", "8.00", None],
        "modified": ["default", "4.00", None],
        "group": ["payout_group", "12.50", "camping"],
        "fixed": ["payout_group", "3.00", "fixed"],
        "mixed": ["payout_groups", "8.00", None],
        "too much": ["unexplained", "8.00", None],
        "cut": ["changed_by_brand", "5.00", None],
        "back": ["restored", "5.00", None],
        "gone": ["reversed", "0.00", None],
        "early": ["terms_not_known", "10.00", None],
        "restricted": ["restricted", "10.00", None],
        "unknown": ["no_terms", None, None],
        "untold": ["no_terms", None, None],
    }


PAGE = (ROOT / "docs" / "money.md").read_text()
QUERIES = re.findall(r"```sql\n(.*?)```", PAGE, re.DOTALL)


def test_what_finance_asks_has_an_answer(base: Base) -> None:
    assert len(QUERIES) > 5
    for query in QUERIES:
        assert base.query(query), query


def test_terms_that_vary_explain_what_they_pay(base: Base) -> None:
    """A rate that amendments change, a fixed payout, and one for a promo code."""
    streams = ("contract_payout_terms", "actions", "action_updates")
    with account(terms="varied", unpriced_actions=30) as impact:
        planted = sorted(impact.world.unpriced_actions(AT))
        base.warehouse.load(printed(impact, *streams))
        for days in range(30, (AT.date() - WORLD.opened).days, 30):
            impact.set_time(AT - timedelta(days=days))
            base.warehouse.load(printed(impact, "contract_payout_terms"))
    base.build("impact_expected_payout")
    assert [action for action, _ in base.query(UNEXPLAINED)] == planted
    reasons = dict(base.query("SELECT reason, count(*) FROM impact_expected_payout GROUP BY 1"))
    assert reasons["default"] > 0.8 * sum(reasons.values())
    assert reasons["payout_group"] > 10
