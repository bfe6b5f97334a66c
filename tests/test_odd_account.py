"""Whatever a live account answers, every run ends, and all is loaded in the end."""

from __future__ import annotations

import pytest

from tests.odd_account import OddAccount


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_days_on_which_much_goes_wrong_lose_nothing(seed: int) -> None:
    account = OddAccount(seed, days=8)
    account.live()
    assert account.struck > 10
    assert account.runs[1]
