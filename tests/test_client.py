"""One conversation with impact.com: its clock, its hosts, its odd answers."""

from __future__ import annotations

import gzip
import json
import logging
import socket
import ssl
import subprocess
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Any
from unittest import mock

import backoff
import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from impact_sandbox import faults
from impact_sandbox.exchange import Answer
from impact_sandbox.faults import ALWAYS, Fault
from impact_sandbox.server import Sandbox
from impact_sandbox.world import World
from singer_sdk.exceptions import FatalAPIError, RetriableAPIError

from tap_impact.api.client import TRIES, ImpactClient
from tap_impact.api.clock import ServerClock
from tap_impact.errors import (
    NotFound,
    QueryRefused,
    RateLimited,
    TooManyPages,
    Unreachable,
    UntrustedHost,
    WrongCredentials,
)
from tests.inside import run_inside
from tests.runs import catalog

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import SandboxFactory

NOW = datetime(2026, 6, 30, 6, 10, tzinfo=UTC)
CONNECTION: dict[str, Any] = {
    "api_version": 16,
    "user_agent": "test",
    "timeout_seconds": 5,
    "rate_limit_wait_seconds": 3600,
    "logger": logging.getLogger("test"),
}


class Conversation:
    """A client of a sandbox, the machine's clock that it has, and its pauses."""

    def __init__(self, sandbox: Sandbox | None = None, **settings: Any) -> None:
        self.pauses: list[float] = []
        self.machine = NOW
        found: dict[str, Any] = {"account_sid": "IRx", "auth_token": "t"} | (
            sandbox.settings() if sandbox else {}
        )
        clocks = {"machine": lambda: self.machine, "sleep": self.pauses.append}
        self.client = ImpactClient(**found | CONNECTION | clocks | settings)


@pytest.fixture
def talk(sandbox: SandboxFactory) -> Any:
    def begin(*spoilt: Fault, **settings: Any) -> Conversation:
        return Conversation(sandbox(at=NOW, faults=spoilt), **settings)

    return begin


# -- the clock -----------------------------------------------------------------------------------


@pytest.mark.parametrize("ahead", [timedelta(hours=5), timedelta(days=-3), timedelta()])
def test_the_time_is_that_of_impact_com(talk: Any, ahead: timedelta) -> None:
    talking = talk()
    talking.machine = NOW + ahead + timedelta(milliseconds=700)
    assert talking.client.now() == NOW
    talking.machine += timedelta(minutes=2)
    assert talking.client.now() == NOW + timedelta(minutes=2)


@pytest.mark.parametrize(
    "fault",
    [
        *(faults.status(code) for code in (403, 404, 429, 500, 503)),
        faults.html(),
        faults.empty(),
        faults.truncated(),
        faults.error_with_200(),
    ],
    ids=lambda fault: fault.name,
)
def test_any_answer_tells_the_time(sandbox: SandboxFactory, fault: Fault) -> None:
    impact = sandbox(at=NOW, faults=[fault.at(times=ALWAYS)])
    talking = Conversation(impact)
    talking.machine = NOW + timedelta(hours=5)
    assert talking.client.now() == NOW
    assert len(impact.requests) == 1
    assert not talking.pauses


def test_the_time_is_asked_for_once_and_only_if_nothing_was_asked(sandbox: SandboxFactory) -> None:
    impact = sandbox(at=NOW)
    talking = Conversation(impact)
    talking.machine = NOW + timedelta(hours=5)
    talking.client.get("/Campaigns")
    assert [talking.client.now(), talking.client.now()] == [NOW, NOW]
    assert len(impact.requests) == 1


def test_wrong_credentials_end_it(talk: Any) -> None:
    with pytest.raises(WrongCredentials):
        talk(faults.status(401).at(times=ALWAYS)).client.now()


def test_a_connection_that_fails_is_tried_again(talk: Any) -> None:
    talking = talk(faults.reset().at(times=2))
    talking.machine = NOW + timedelta(hours=5)
    assert talking.client.now() == NOW
    assert len(talking.pauses) == 2


def test_each_answer_sets_the_clock(sandbox: SandboxFactory) -> None:
    """As when the machine's clock is put right during a run."""
    impact = sandbox(at=NOW)
    talking = Conversation(impact)
    talking.machine = NOW + timedelta(hours=5)
    talking.client.get("/Campaigns")
    talking.machine = NOW
    talking.client.get("/Campaigns")
    assert talking.client.now() == NOW


@pytest.mark.parametrize("date", ["", "yesterday", "Tue, 99 Foo 2026 06:10:00 GMT", "1"])
def test_without_a_readable_date_the_machine_s_clock_holds(talk: Any, date: str) -> None:
    talking = talk(faults.header("Date", date).at(times=ALWAYS))
    talking.machine = NOW + timedelta(hours=5, milliseconds=900)
    assert talking.client.now() == NOW + timedelta(hours=5)


def test_clocks_that_disagree_are_said_once(talk: Any, caplog: pytest.LogCaptureFixture) -> None:
    talking = talk()
    talking.machine = NOW + timedelta(hours=5)
    for _ in range(3):
        talking.client.get("/Campaigns")
    (said,) = caplog.messages
    assert said == (
        "This machine's clock says 2026-06-30T11:10:00Z, and impact.com's says "
        "2026-06-30T06:10:00Z: this machine is 5:00:00 ahead. The run uses impact.com's."
    )


def test_clocks_that_disagree_a_little_are_not_said(
    talk: Any, caplog: pytest.LogCaptureFixture
) -> None:
    talking = talk()
    talking.machine = NOW - timedelta(minutes=4)
    talking.client.now()
    assert not caplog.messages


times = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@given(machine=times, there=times, passed=st.timedeltas(timedelta(), timedelta(days=2)))
def test_it_is_never_ahead_of_impact_com(
    machine: datetime, there: datetime, passed: timedelta
) -> None:
    here = machine
    clock = ServerClock(lambda: here, logging.getLogger("test"))
    clock.synchronize({"Date": format_datetime(there, usegmt=True)})
    here += passed
    assert timedelta() <= there + passed - clock.now() < timedelta(seconds=2)
    assert clock.now().microsecond == 0


# -- hosts ---------------------------------------------------------------------------------------


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


def test_a_name_that_dns_does_not_know_is_said() -> None:
    talking = Conversation(api_url="https://api.impact.example")
    unknown = socket.gaierror(-2, "Name or service not known")
    with (
        mock.patch("socket.getaddrinfo", side_effect=unknown),
        pytest.raises(Unreachable, match=r"api\.impact\.example was not found: DNS") as raised,
    ):
        talking.client.get("/Actions")
    assert "IRx" not in str(raised.value)
    assert len(talking.pauses) == TRIES - 1


def test_a_host_that_refuses_is_said() -> None:
    port = free_port()
    talking = Conversation(api_url=f"http://127.0.0.1:{port}")
    with pytest.raises(Unreachable, match=rf"127.0.0.1:{port} refused the connection \(request: "):
        talking.client.get("/Actions")
    assert len(talking.pauses) == TRIES - 1


def test_a_host_that_hangs_up_is_said(talk: Any) -> None:
    talking = talk(faults.reset().at(times=ALWAYS))
    with pytest.raises(
        RetriableAPIError, match=r"127.0.0.1:\d+ closed the connection \(request: /Actions"
    ) as raised:
        talking.client.get("/Actions")
    assert not isinstance(raised.value, Unreachable)


@pytest.fixture
def untrusted(tmp_path: Path) -> Iterator[str]:
    """The address of a host whose certificate nobody has signed."""
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"),
            *("-subj", "/CN=localhost", "-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                    with connection, context.wrap_socket(connection, server_side=True):
                        pass
                except ssl.SSLError:
                    continue
                except OSError:
                    return

        threading.Thread(target=serve, daemon=True).start()
        yield f"https://127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)


def test_a_certificate_that_is_not_trusted_is_said_at_once(untrusted: str) -> None:
    talking = Conversation(api_url=untrusted)
    with pytest.raises(UntrustedHost, match=r"could not prove who it is \(TLS: self.signed"):
        talking.client.get("/Actions")
    assert not talking.pauses


def test_a_run_against_a_host_that_is_not_trusted_ends_with_words(untrusted: str) -> None:
    config = {"account_sid": "IRx", "auth_token": "t", "api_url": untrusted}
    run = run_inside(config, catalog=catalog("campaigns"))
    assert run.exit_code == 1
    assert "could not prove who it is (TLS: " in run.stderr
    assert "try 2" not in run.stderr


# -- limits --------------------------------------------------------------------------------------


def test_limits_that_do_not_end_are_asked_ever_more_rarely(talk: Any) -> None:
    talking = talk(faults.limited(seconds=0).at(times=100))
    with pytest.raises(RateLimited):
        talking.client.get("/Actions")
    assert len(talking.pauses) < 15
    assert talking.pauses == sorted(talking.pauses)
    assert sum(talking.pauses) <= 3600


def test_a_wait_is_a_second_longer_than_asked_for(talk: Any) -> None:
    talking = talk(faults.limited(seconds=9).at())
    talking.client.get("/Campaigns")
    assert talking.pauses == [10]


def test_the_pauses_between_attempts_grow(talk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backoff, "full_jitter", lambda longest: longest)
    talking = talk(faults.status(503).at(times=ALWAYS))
    with pytest.raises(RetriableAPIError):
        talking.client.get("/Campaigns")
    assert talking.pauses == [2, 4, 8, 16, 32, 60]


def test_no_cookie_goes_back(sandbox: SandboxFactory) -> None:
    impact = sandbox(faults=[faults.header("Set-Cookie", "worker=7; Path=/").at(times=ALWAYS)])
    talking = Conversation(impact)
    for _ in range(2):
        talking.client.get("/Campaigns")
    assert [request.headers.get("Cookie") for request in impact.requests] == [None, None]


# -- odd answers ---------------------------------------------------------------------------------

ROW = {"CampaignId": "7"}
PAGES: dict[str, tuple[Any, list[Any]]] = {
    "an unknown key": ({"@total": "1", "Programs": [ROW]}, [ROW]),
    "no page keys": ({"Programs": [ROW]}, [ROW]),
    "an unknown key, wrapped": ({"@total": "1", "Programs": {"Program": [ROW]}}, [ROW]),
    "an empty list beside it": ({"Warnings": [], "Programs": [ROW]}, [ROW]),
    "errors beside it": ({"Errors": [{"Message": "x"}], "@total": "1", "Programs": [ROW]}, [ROW]),
    "just rows": ([ROW], [ROW]),
    "no rows": ([], []),
    "null": (None, []),
    "an empty list": ({"@total": "0", "Programs": []}, []),
    "no list": ({"@total": "0"}, []),
}


def spoilt(body: Any, code: int = 200) -> Fault:
    return Fault("body", Answer(code, json.dumps(body).encode(), {}, "application/json"))


@pytest.mark.parametrize(("body", "rows"), PAGES.values(), ids=PAGES.keys())
def test_whatever_holds_one_list_of_objects_is_the_list(
    talk: Any, body: Any, rows: list[Any]
) -> None:
    (page,) = talk(spoilt(body).at()).client.pages("/Campaigns", {}, "Campaigns")
    assert page.rows == rows


def test_an_answer_without_content_is_an_empty_list(talk: Any) -> None:
    nothing = faults.status(204, b"").at()
    (page,) = talk(nothing).client.pages("/Campaigns", {}, "Campaigns")
    assert page == ([], 0, True)
    assert talk(nothing).client.get("/Campaigns/7") == {}


@pytest.mark.parametrize(
    "body",
    [
        {"A": [ROW], "B": [ROW]},
        {"Errors": [{"Message": "no"}]},
        {"Campaigns": ["x"]},
        {"@total": "1", "Programs": [1]},
        {"ok": True},
        "text",
        7,
        [1],
    ],
    ids=str,
)
def test_what_is_no_page_is_asked_for_again(talk: Any, body: Any) -> None:
    talking = talk(spoilt(body).at(times=ALWAYS))
    with pytest.raises(RetriableAPIError, match="no page of Campaigns"):
        [*talking.client.pages("/Campaigns", {}, "Campaigns")]
    assert len(talking.pauses) == TRIES - 1


@pytest.mark.parametrize("content", [b"[" * 200_000, b'{"a":' * 200_000])
@pytest.mark.parametrize("code", [200, 400])
def test_an_answer_that_is_nested_too_deeply_ends_in_words(
    talk: Any, content: bytes, code: int
) -> None:
    fault = Fault("deep", Answer(code, content, {}, "application/json")).at(times=ALWAYS)
    with pytest.raises((RetriableAPIError, FatalAPIError), match=r"impact\.com answered"):
        talk(fault).client.get("/Campaigns")


@pytest.mark.parametrize(
    ("code", "message", "error"),
    [
        (400, "Parameter 'StartDate' has invalid value", QueryRefused),
        (400, "The query has more than 10 pages", TooManyPages),
        (404, "no", NotFound),
        (410, "no", NotFound),
        (418, "no", FatalAPIError),
    ],
)
def test_an_error_is_of_its_own_class(
    talk: Any, code: int, message: str, error: type[Exception]
) -> None:
    with pytest.raises(error) as raised:
        talk(spoilt({"Message": message}, code).at()).client.get("/Actions")
    assert type(raised.value) is error


def test_no_file_is_read_over_an_open_line_that_another_leads_to(sandbox: SandboxFactory) -> None:
    impact = sandbox(at=NOW)
    with Sandbox(World(), at=NOW) as other:
        there = {"Location": other.url}
        impact.spoil([Fault("there", Answer(302, b"", there, "text/plain")).at("files")])
        here = f"{impact.files_url}/files/x"
        with mock.patch("tap_impact.api.client.is_safe", lambda url: url == here):
            client = Conversation(impact).client
            with pytest.raises(FatalAPIError, match="not https"):
                client.open_signed(here)
        assert not other.requests


def test_addresses_that_lead_in_a_circle_are_left(sandbox: SandboxFactory) -> None:
    impact = sandbox(at=NOW)
    here = f"{impact.files_url}/files/x"
    circle = Answer(302, b"", {"Location": here}, "text/plain")
    impact.spoil([Fault("circle", circle).at("files", times=ALWAYS)])
    with pytest.raises(RetriableAPIError, match="redirects more than"):
        Conversation(impact).client.open_signed(here)


def test_a_redirect_of_the_api_is_not_followed(sandbox: SandboxFactory) -> None:
    with Sandbox(World(), at=NOW) as other:
        there = Answer(302, b"", {"Location": other.url}, "text/plain")
        impact = sandbox(at=NOW, faults=[Fault("there", there).at(times=ALWAYS)])
        with pytest.raises(FatalAPIError, match="answered 302"):
            Conversation(impact).client.get("/Campaigns")
        assert not other.requests


def test_requests_own_errors_are_words_too(talk: Any) -> None:
    talking = talk()
    odd = requests.exceptions.InvalidHeader("IRx")
    with (
        mock.patch.object(requests.Session, "request", side_effect=odd),
        pytest.raises(FatalAPIError, match=r"could not be asked \(InvalidHeader\)"),
    ):
        talking.client.get("/Campaigns")


def test_a_redirect_whose_compressed_body_is_cut_is_retried(talk: Any) -> None:
    # Large enough for a part of it to be unzipped before it ends.
    page = b"".join(sha256(bytes([part // 256, part % 256])).digest() for part in range(2000))
    headers = {"Location": "http://127.0.0.1:9/", "Content-Encoding": "gzip"}
    redirect = Answer(302, gzip.compress(page), headers, "text/html")
    client = talk(replace(faults.truncated(), answers=redirect).at()).client

    def send() -> int:
        with client.open("GET", "/Campaigns") as response:
            return int(response.status_code)

    assert client.with_retries(send, "/Campaigns") == 200
