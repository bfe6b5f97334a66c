"""Whatever request a run dies at, the next one goes on, and nothing is lost."""

from __future__ import annotations

import json
import signal
from itertools import groupby
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from impact_sandbox import faults

from tests.inside import run_inside
from tests.runs import Run, catalog
from tests.signal_at import SignalAt
from tests.small_account import impact, settings, unbroken
from tests.tables import Tables, load


def unpacked(run: Run) -> Run:
    """The same run, with RECORDs in the place of each BATCH."""
    lines = []
    for line, message in zip(run.stdout.splitlines(), run.messages, strict=True):
        if message["type"] != "BATCH":
            lines.append(line)
            continue
        for url in message["manifest"]:
            for row in Path(urlsplit(url).path).read_text().splitlines():
                own = json.loads(row)
                record = {name: own[name] for name in own if not name.startswith("_sdc_")}
                one = {"type": "RECORD", "stream": message["stream"], "record": record}
                lines.append(json.dumps(one))
    return Run("".join(f"{line}\n" for line in lines), run.stderr, run.exit_code)


def telling(asked: list[str]) -> list[int]:
    """The numbers of requests; of many in a row for one resource, the first two and the last."""
    numbers: list[int] = []
    for _, row in groupby(range(1, len(asked) + 1), lambda number: asked[number - 1]):
        first, *others = row
        numbers += [first, *others[:1], *others[1:][-1:]]
    return numbers


@pytest.mark.slow
@pytest.mark.parametrize("by_batch", [False, True], ids=["records", "batch files"])
def test_failing_at_any_request_and_going_on_gives_the_same_rows(
    by_batch: bool,  # noqa: FBT001 - a case of the test
    tmp_path: Path,
) -> None:
    expected, asked = unbroken()
    survived = []
    files = {
        "encoding": {"format": "jsonl", "compression": "none"},
        "storage": {"root": tmp_path.as_uri(), "prefix": "run-"},
    }
    batches = {"batch_config": files | {"batch_size": 7}} if by_batch else {}
    # Files change nothing about requests, so every fifth of them will do.
    for number in telling(asked)[:: 5 if by_batch else 1]:
        tables: Tables = {}
        with impact(faults=[faults.status(401).at(number=number)]) as sandbox:
            config = settings(sandbox) | batches
            broken = unpacked(run_inside(config, catalog=catalog()))
            if broken.exit_code == 0:
                survived.append(number)
            state = load(tables, broken, whole=broken.exit_code == 0)
            whole = unpacked(run_inside(config, catalog=catalog(), state=state))
            assert whole.exit_code == 0, whole.stderr
            load(tables, whole)
        assert tables == expected, f"after a failure at request {number}"
    # The address of a file is asked for anew; all others stop the run.
    assert len(survived) <= len(expected["click_exports"])


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 0.99])
@pytest.mark.parametrize(
    ("signum", "exit_code"),
    [(signal.SIGKILL, -9), (signal.SIGTERM, 143), (signal.SIGINT, 130)],
    ids=["kill -9", "SIGTERM", "SIGINT"],
)
def test_a_signal_at_any_request_and_going_on_gives_the_same_rows(
    signum: int, exit_code: int, share: float, tmp_path: Path
) -> None:
    expected, asked = unbroken()
    ending = SignalAt(1 + int(len(asked) * share), signum)
    tables: Tables = {}
    with impact(faults=ending) as sandbox:
        ended = ending.run(settings(sandbox), catalog(), tmp_path)
        assert ended.exit_code == exit_code
        assert "Traceback" not in ended.stderr
        assert signum == signal.SIGKILL or "State is safe: the next run continues" in ended.stderr
        state = load(tables, ended, whole=False)
        sandbox.spoil(())
        whole = run_inside(settings(sandbox), catalog=catalog(), state=state)
        assert whole.exit_code == 0, whole.stderr
        load(tables, whole)
    assert tables == expected
