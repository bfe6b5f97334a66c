"""Money is exact to the last digit in the tables of loaders that run here."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from impact_sandbox import faults

from tests.inside import run_inside
from tests.runs import catalog

if TYPE_CHECKING:
    from tests.conftest import SandboxFactory, Warehouse

pytestmark = pytest.mark.slow

OF_20_DIGITS = "12345678901234.123456"
OF_15_DIGITS = "123456789.123456"
"""As many as a double holds, which `use_copy` of target-postgres makes of every number."""


def messages(sandbox: SandboxFactory, payout: str, **settings: Any) -> str:
    odd = faults.field_of_row("Payout", payout).at("Actions")
    impact = sandbox(actions_per_day=2, faults=[odd])
    span = {"start_date": "2026-06-20", "end_date": impact.at.isoformat()}
    run = run_inside(impact.settings() | span | settings, catalog=catalog("actions"))
    assert run.exit_code == 0, run.stderr
    return run.stdout


@pytest.mark.parametrize("decimals_are_text", [False, True])
@pytest.mark.parametrize(
    ("uses_copy", "payout"), [(True, OF_15_DIGITS), (False, OF_15_DIGITS), (False, OF_20_DIGITS)]
)
def test_postgres_holds_what_impact_com_sends(
    sandbox: SandboxFactory,
    warehouse: Warehouse,
    decimals_are_text: bool,  # noqa: FBT001 - a case of the test
    uses_copy: bool,  # noqa: FBT001 - a case of the test
    payout: str,
) -> None:
    said = messages(sandbox, payout, use_singer_decimal=decimals_are_text)
    warehouse.load(said, use_copy=uses_copy)
    (largest,) = warehouse.query("SELECT max(payout) FROM actions")[0]
    assert largest == Decimal(payout)
