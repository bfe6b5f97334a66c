from __future__ import annotations

from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import requests
from impact_sandbox import faults
from impact_sandbox.faults import ABSENT, ALWAYS, Chaos, Fault
from impact_sandbox.server import Sandbox
from impact_sandbox.world import World

from tests.sandbox.client import ask

if TYPE_CHECKING:
    from tests.conftest import SandboxFactory

NOW = datetime(2026, 6, 30, 6, 10, tzinfo=UTC)


@pytest.mark.parametrize("code", [401, 403, 500, 502, 503, 504, 520])
def test_statuses(sandbox: SandboxFactory, code: int) -> None:
    running = sandbox(faults=[faults.status(code)])
    assert [ask(running, "/Campaigns").status_code for _ in range(2)] == [code, 200]
    assert [(seen.status, seen.fault) for seen in running.requests] == [
        (code, f"status {code}"),
        (200, ""),
    ]


@pytest.mark.parametrize("header", ["Retry-After", "RateLimit-Reset", None])
def test_limited(sandbox: SandboxFactory, header: str | None) -> None:
    answer = ask(sandbox(faults=[faults.limited(header, 7)]), "/Campaigns")
    assert answer.status_code == 429
    named = {"Retry-After", "RateLimit-Reset"} & answer.headers.keys()
    assert named == ({header} if header else set())
    assert not header or answer.headers[header] == "7"


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        (faults.html(), "<!DOCTYPE html>"),
        (faults.error_with_200(), '{"Status":"ERROR"'),
        (faults.empty(), ""),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_strange_bodies_with_200(sandbox: SandboxFactory, fault: Fault, text: str) -> None:
    answer = ask(sandbox(faults=[fault]), "/Campaigns")
    assert answer.status_code == 200
    assert answer.text.startswith(text)
    assert bool(answer.text) == bool(text)


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (faults.reset(), requests.exceptions.ConnectionError),
        (faults.reset_midway(), requests.exceptions.RequestException),
        (faults.truncated(), requests.exceptions.ChunkedEncodingError),
        (faults.broken_gzip(), requests.exceptions.ContentDecodingError),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
@pytest.mark.parametrize("path", ["/Campaigns", "/ClickExport"])
def test_answers_that_do_not_arrive(
    sandbox: SandboxFactory,
    fault: Fault,
    error: type[Exception],
    path: str,
) -> None:
    running = sandbox(click_export="sync", faults=[fault])
    with pytest.raises(error):
        ask(running, path)
    assert ask(running, path).status_code == 200


def test_a_reset_may_come_after_the_deed(sandbox: SandboxFactory) -> None:
    running = sandbox(faults=[faults.reset(), faults.reset(processed=True).at(after=1)])
    for jobs in (0, 1):
        with pytest.raises(requests.exceptions.ConnectionError):
            ask(running, "/ClickExport")
        assert len(running.jobs.all) == jobs


def test_a_held_answer_ends_with_the_sandbox() -> None:
    with ExitStack() as stack:
        running = stack.enter_context(
            Sandbox(World(), at=NOW, faults=[faults.held().at("Campaigns")]),
        )
        with pytest.raises(requests.exceptions.ReadTimeout):
            ask(running, "/Campaigns", timeout=0.05)
        assert ask(running, "/Campaigns").status_code == 200


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("@total", "0"),
        ("@nextpageuri", ""),
        ("@nextpageuri", None),
        ("@nextpageuri", ABSENT),
        ("@nextpageuri", "http://elsewhere.example/Mediapartners/x/Actions"),
    ],
)
def test_envelope(sandbox: SandboxFactory, key: str, value: Any) -> None:
    running = sandbox(faults=[faults.envelope(key, value)], largest_page=20)
    page, right = ask(running, "/Actions").json(), ask(running, "/Actions").json()
    assert page.get(key, ABSENT) == value
    assert right[key] not in {value, ""}
    assert page["Actions"] == right["Actions"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Brandnew", "1"),
        ("State", "PAID"),
        ("EventDate", "yesterday"),
        ("Payout", "12,5x"),
        ("Amount", ABSENT),
    ],
)
def test_fields(sandbox: SandboxFactory, name: str, value: Any) -> None:
    running = sandbox(faults=[faults.field_of_row(name, value, row=1)])
    rows, right = (ask(running, "/Actions").json()["Actions"] for _ in range(2))
    assert rows[1].get(name, ABSENT) == value
    assert rows[1] != right[1]
    assert [rows[0], *rows[2:]] == [right[0], *right[2:]]
    running.spoil([faults.field_of_row(name, value)])
    single = ask(running, f"/Actions/{right[0]['Id']}").json()
    assert single.get(name, ABSENT) == value


def test_lists_of_another_shape(sandbox: SandboxFactory) -> None:
    shapes = [faults.one_object(), faults.wrapped(), faults.without_list()]
    plan = [fault.at(after=number) for number, fault in enumerate(shapes)]
    running = sandbox(faults=plan)
    one, wrapped, without, right = (ask(running, "/Campaigns").json() for _ in range(4))
    assert one["Campaigns"] == right["Campaigns"][0]
    assert wrapped["Campaigns"] == {"Campaign": right["Campaigns"]}
    assert without == {key: value for key, value in right.items() if key != "Campaigns"}


@pytest.mark.parametrize("shift", [3, -3])
def test_a_list_that_moves_while_it_is_read(sandbox: SandboxFactory, shift: int) -> None:
    running = sandbox(largest_page=20, faults=[faults.shifted(shift).at("Actions", after=1)])
    first = ask(running, "/Actions").json()
    moved = ask(running, first["@nextpageuri"]).json()
    right = ask(running, first["@nextpageuri"]).json()
    assert int(moved["@total"]) == int(first["@total"]) - shift
    if shift > 0:
        assert moved["Actions"][:-shift] == right["Actions"][shift:]
    else:
        assert moved["Actions"][:3] == first["Actions"][-3:]


def test_time_may_pass_before_an_answer(sandbox: SandboxFactory) -> None:
    running = sandbox(faults=[faults.later(90).at(after=1)])
    for _ in range(3):
        ask(running, "/Campaigns")
    assert [seen.at - NOW for seen in running.requests] == [
        timedelta(0),
        timedelta(seconds=90),
        timedelta(seconds=90),
    ]


def test_where_a_fault_strikes(sandbox: SandboxFactory) -> None:
    plan = [
        faults.status(500).at("Actions", after=1, times=2),
        faults.status(502).at(number=2),
        faults.status(503).at("Account", times=ALWAYS),
        faults.status(504).at("files"),
    ]
    running = sandbox(faults=plan, job_life=["COMPLETED"])
    paths = ["/Actions", "/Campaigns", "/Actions", "/Actions", "/Actions", "", "", "/Campaigns"]
    codes = [ask(running, path).status_code for path in paths]
    assert codes == [200, 502, 500, 500, 200, 503, 503, 200]
    job = ask(running, "/ClickExport").json()
    assert ask(running, job["ResultUri"], follow=True).status_code == 504
    assert ask(running, job["ResultUri"], follow=True).status_code == 200
    assert [seen.number for seen in running.file_requests] == [11, 13]


def struck(sandbox: Sandbox) -> list[str]:
    for _ in range(60):
        try:
            ask(sandbox, "/Campaigns")
        except requests.exceptions.RequestException:
            continue
    return [seen.fault for seen in sandbox.requests]


def test_chaos_strikes_a_share_and_the_same_ones_again(sandbox: SandboxFactory) -> None:
    first, again, other = (struck(sandbox(faults=Chaos(seed, 0.3))) for seed in (1, 1, 2))
    assert first == again != other
    assert 8 <= sum(map(bool, first)) <= 30
    assert len(set(first)) > 5


def test_latency(sandbox: SandboxFactory) -> None:
    assert ask(sandbox(latency=0.03), "/Campaigns").elapsed >= timedelta(seconds=0.03)


def test_large_pages_of_other_lists_may_fail(sandbox: SandboxFactory) -> None:
    running = sandbox(largest_stable_page=1000)
    assert ask(running, "/Campaigns", PageSize=1001).status_code == 500
    assert ask(running, "/Campaigns", PageSize=1000).status_code == 200
    assert ask(running, "/Actions", PageSize=20000).status_code == 200
