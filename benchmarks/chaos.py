"""Lives through accounts on which everything that was ever met goes wrong at random.

python -m benchmarks.chaos --seeds 30 --days 20
"""

from __future__ import annotations

from collections import Counter

import click

from tests.odd_account import OddAccount


@click.command(help=__doc__)
@click.option("--seeds", default=30, show_default=True, help="How many accounts.")
@click.option("--days", default=20, show_default=True, help="Days with trouble for each.")
def main(seeds: int, days: int) -> None:
    """Print a line for each account, and all that was lost."""
    lost, struck, runs = 0, 0, Counter[int]()
    for seed in range(seeds):
        account = OddAccount(seed, days)
        try:
            account.live()
            outcome = "whole"
        except AssertionError as error:
            lost += 1
            outcome = f"NOT WHOLE: {str(error)[:2000]}"
        struck += account.struck
        runs += account.runs
        click.echo(f"seed {seed}: {account.struck} requests struck, {outcome}")
    ended = ", ".join(f"{count} with {code}" for code, count in sorted(runs.items()))
    click.echo(f"{seeds} accounts, {lost} not whole; {struck} requests struck; runs ended {ended}")


if __name__ == "__main__":
    main()
