"""A local impact.com on loopback that enforces the documented rules."""

from __future__ import annotations

import gzip
import socket
from base64 import b64encode
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import count
from socketserver import ThreadingMixIn
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, Any, Self, TextIO
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec

from impact_sandbox.endpoints import ENDPOINTS
from impact_sandbox.exchange import Answer, Request, denied, gateway, limited, refused
from impact_sandbox.faults import NO_LINGER, Delivery, Fault, Faults, Plan, damaged
from impact_sandbox.formats import encode
from impact_sandbox.jobs import JobDesk
from impact_sandbox.limits import Limit, spend
from impact_sandbox.request_log import LoggedRequest
from impact_sandbox.rules import RefusalError, Rule
from impact_sandbox.shapes import shaped
from impact_sandbox.switches import Switches

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from impact_sandbox.world import World

NO_RESOURCE = Answer(404, {"Status": "ERROR", "Message": "No such resource"})
NOT_ALLOWED = Answer(405, {"Status": "ERROR", "Message": "Method not allowed"})
REMEMBERED_LISTS = 4
LONGEST_HOLD = 3600


@dataclass(slots=True)
class SeenRequest:
    """What the sandbox noted of a request: its headers are without Authorization's value.

    ``resource`` is the path's first segment below the account, ``Account`` for the account itself,
    and ``files`` on the host of downloads; ``status`` is 0 if nothing was sent. ``broken`` names
    the rules of impact.com that it breaks.
    """

    number: int
    method: str
    path: str
    resource: str
    query: dict[str, str]
    authorized: bool
    headers: dict[str, str]
    at: datetime
    status: int = 0
    fault: str = ""
    broken: list[Rule] = field(default_factory=list)


class Sandbox:
    """A running impact.com for one account, to be used as a context manager.

    Args:
        world: The account.
        at: The time at which the clock is stopped; without it, it runs.
        port: A free one if 0.
        faults: What goes wrong: a list of Fault, or Chaos.
        switches: See Switches; each may also be given by its name.
        log: Takes a line of JSON for each request, which ``impact-sandbox check`` reads.

    Attributes:
        requests: What the API was asked, in order.
        file_requests: What the host of downloads was asked; both share one numbering.

    Example:
        >>> with Sandbox(World(), at=datetime(2026, 6, 30, tzinfo=UTC), gzip=True) as sandbox:
        ...     settings = sandbox.settings()
    """

    def __init__(
        self,
        world: World,
        *,
        at: datetime | None = None,
        port: int = 0,
        faults: Sequence[Fault] | Faults = (),
        switches: Switches | None = None,
        log: TextIO | None = None,
        **changes: Any,
    ) -> None:
        """The port is bound at once; nothing is served before the context is entered."""
        self._whole_world = world
        self.switches = (switches or Switches()).but(**changes)
        self.world = self._switched_world()
        self.requests: list[SeenRequest] = []
        self.limits = {
            group: Limit("hour", getattr(self.switches, f"hourly_{group}"))
            for group in ("detail", "aggregate", "search", "other")
        }
        self.file_requests: list[SeenRequest] = []
        self.jobs = JobDesk(self)
        self.spoil(faults)
        self._numbers = count(1)
        self._frozen = at
        self._log = log
        self._lists: OrderedDict[Any, list[Any]] = OrderedDict()
        self._lock = Lock()
        self._closing = Event()
        self._credentials = b64encode(f"{world.account_sid}:{world.auth_token}".encode()).decode()
        self._server = LoopbackServer(port, self, self.answer, self.requests)
        self._files = LoopbackServer(0, self, self.answer_file, self.file_requests)

    # -- life ------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        """Begin to serve."""
        self._server.start()
        self._files.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End to serve, at once."""
        self._closing.set()
        self._server.stop()
        self._files.stop()

    @property
    def url(self) -> str:
        """The API's base, for the setting ``api_url``."""
        return self._server.url

    def settings(self) -> dict[str, str]:
        """Return the settings that make a tap read this account."""
        return {
            "account_sid": self.world.account_sid,
            "auth_token": self.world.auth_token,
            "api_url": self.url,
        }

    @property
    def files_url(self) -> str:
        """The host that a download redirects to."""
        return self._files.url

    def switch(self, **changes: Any) -> None:
        """Change switches of a running sandbox; what was used of a limit stays used."""
        self.switches = self.switches.but(**changes)
        self.world = self._switched_world()
        for group, limit in self.limits.items():
            limit.most = getattr(self.switches, f"hourly_{group}")
        self.jobs.exports.most = self.switches.daily_click_exports
        self.jobs.report_exports.most = self.switches.daily_report_exports

    def spoil(self, faults: Sequence[Fault] | Faults) -> None:
        """Let other things go wrong from now on; ``()`` for nothing."""
        self.faults: Faults = Plan(faults) if isinstance(faults, Sequence) else faults

    def _switched_world(self) -> World:
        """Return the account, as old and as wrong as the switches have it."""
        switches, world = self.switches, self._whole_world
        if switches.account_began:
            world = world.begun_on(date.fromisoformat(switches.account_began))
        varied = switches.terms == "varied"
        if switches.wrong_cent != "none" or switches.unpriced_actions or varied:
            world = world.repriced(switches.mistakes, varied_terms=varied)
        return world

    # -- time ------------------------------------------------------------------------------

    @property
    def at(self) -> datetime:
        """The sandbox's clock, in whole seconds."""
        return self._frozen or datetime.now(UTC).replace(microsecond=0)

    def set_time(self, at: datetime) -> None:
        """Set the clock to a time, and stop it there."""
        self._frozen = at

    def advance(self, seconds: float) -> None:
        """Put the clock forward; it can stand in for sleeping."""
        self._frozen = self.at + timedelta(seconds=seconds)

    # -- answers ---------------------------------------------------------------------------

    def recall(self, key: Any, make: Callable[[], list[Any]]) -> list[Any]:
        """Return a list that was made for an earlier page of the same query, or make it."""
        with self._lock:
            rows = self._lists.get(key)
            if rows is None:
                rows = self._lists[key] = make()
                if len(self._lists) > REMEMBERED_LISTS:
                    self._lists.popitem(last=False)
        return rows

    def note(
        self,
        requests: list[SeenRequest],
        method: str,
        target: str,
        headers: Mapping[str, str],
    ) -> tuple[SeenRequest, Fault | None]:
        """Note that a request came in, and decide what goes wrong with it."""
        parts = urlsplit(target)
        _, _, segments = split_path(parts.path)
        with self._lock:
            seen = SeenRequest(
                number=next(self._numbers),
                method=method,
                path=parts.path,
                resource="files" if requests is self.file_requests else [*segments, "Account"][0],
                query=dict(parse_qsl(parts.query, keep_blank_values=True)),
                authorized="authorization" in {name.lower() for name in headers},
                headers={k: v for k, v in headers.items() if k.lower() != "authorization"},
                at=self.at,
            )
            requests.append(seen)
            fault = self.faults.strike(seen)
            if fault is not None:
                seen.fault = fault.name
                if fault.later:
                    self.advance(fault.later)
                    seen.at = self.at
        return seen, fault

    def answer(
        self,
        seen: SeenRequest,
        target: str,
        headers: Mapping[str, str],
        shift: int,
    ) -> Answer:
        """Answer a request as impact.com would."""
        parts = urlsplit(target)
        seen.broken += broken_by_headers(parts.path, headers)
        if headers.get("Authorization") != f"Basic {self._credentials}":
            seen.broken.append(Rule.CREDENTIALS)
            return gateway(401, "Unauthorized")
        prefix, sid, segments = split_path(parts.path)
        if sid != self.world.account_sid:
            seen.broken.append(Rule.CREDENTIALS)
            return denied()
        matches = {
            endpoint.method: (endpoint, names)
            for endpoint in ENDPOINTS
            if prefix.lower() == "mediapartners" and (names := endpoint.match(segments)) is not None
        }
        if seen.method not in matches:
            seen.broken.append(Rule.RESOURCE)
            return NOT_ALLOWED if matches else NO_RESOURCE
        endpoint, names = matches[seen.method]
        if endpoint.scope not in self.switches.scopes:
            seen.broken.append(Rule.SCOPE)
            return denied()
        pairs = tuple(parse_qsl(parts.query, keep_blank_values=True))
        path = parts.path.removesuffix(".json")
        request = Request(seen.method, path, names, pairs, seen.at, shift, seen.broken)
        if endpoint.parameters is not None and seen.query.keys() - endpoint.parameters:
            seen.broken.append(Rule.KNOWN)
        allowed, limits = spend(self.limits[endpoint.limited_by(names)], request)
        if not allowed:
            return limited(self.switches, limits)
        try:
            answer = endpoint.answer(self, request)
        except RefusalError as refusal:
            seen.broken.append(refusal.rule)
            answer = refused(refusal)
        if isinstance(answer.body, dict) and answer.status == HTTPStatus.OK:
            answer.body = shaped(answer.body, self.switches)
        answer.headers = limits | answer.headers
        return answer

    def answer_file(
        self,
        seen: SeenRequest,
        target: str,
        headers: Mapping[str, str],
        shift: int,
    ) -> Answer:
        """Answer for the host of downloads, which refuses a second way to sign in."""
        del target, headers, shift
        if seen.authorized:
            seen.broken.append(Rule.ONE_SIGN_IN)
            return Answer(400, b"only one way to sign in", content_type="text/plain")
        job_id = seen.path.removeprefix("/files/")
        query = seen.query
        return self.jobs.signed_file(job_id, query.get("Expires", ""), query.get("Signature", ""))

    def write_log(self, seen: SeenRequest) -> None:
        """Write a line about a request whose answer, or lack of one, is decided."""
        if self._log is not None:
            line = LoggedRequest(
                at=seen.at,
                method=seen.method,
                path=seen.path,
                query=seen.query,
                status=seen.status,
                fault=seen.fault,
                broken=seen.broken,
            )
            with self._lock:
                self._log.write(msgspec.json.encode(line).decode() + "\n")
                self._log.flush()

    def pause(self, seconds: float) -> None:
        """Let real time pass, unless the sandbox closes."""
        self._closing.wait(seconds)


def broken_by_headers(path: str, headers: Mapping[str, str]) -> Iterator[Rule]:
    """Yield what a request's headers leave to chance."""
    sent = {name.lower(): value for name, value in headers.items()}
    if "application/json" not in sent.get("accept", "") and not path.endswith(".json"):
        yield Rule.JSON
    if "ir-version" not in sent:
        yield Rule.VERSION


class LoopbackServer(ThreadingMixIn, HTTPServer):
    """An HTTP server whose connections all end with it."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(
        self,
        port: int,
        sandbox: Sandbox,
        answer: Callable[[SeenRequest, str, Mapping[str, str], int], Answer],
        requests: list[SeenRequest],
    ) -> None:
        """Bind the port."""
        super().__init__(("127.0.0.1", port), Handler)
        self.sandbox = sandbox
        self.answer = answer
        self.requests = requests
        self.reset: set[socket.socket] = set()
        self.url = f"http://127.0.0.1:{self.server_port}"
        self._thread = Thread(target=self._accept, daemon=True)
        self._stopping = False
        self._open: dict[socket.socket, Thread] = {}
        self._guard = Lock()

    def start(self) -> None:
        """Serve in a thread."""
        self._thread.start()

    def stop(self) -> None:
        """Close the port and every connection, and wait for their threads."""
        self._stopping = True
        socket.create_connection(("127.0.0.1", self.server_port)).close()  # wakes _accept
        self._thread.join()
        self.server_close()
        with self._guard:
            pending = dict(self._open)
        for connection, thread in pending.items():
            hang_up(connection)
            thread.join()

    def _accept(self) -> None:
        """Take connections until told to stop; the base class would have to poll for that."""
        while True:
            connection, address = self.get_request()
            if self._stopping:
                connection.close()
                return
            self.process_request(connection, address)

    def server_bind(self) -> None:
        """Bind without asking for the host's name, which can take seconds."""
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = self.server_address[:2]  # type: ignore[assignment]

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve a connection in a thread that ``stop`` knows of."""
        thread = Thread(
            target=self.process_request_thread,
            args=(request, client_address),
            daemon=True,
        )
        with self._guard:
            self._open[request] = thread
        thread.start()

    def shutdown_request(self, request: Any) -> None:
        """Close a connection, or reset it."""
        with self._guard:
            self._open.pop(request, None)
        if request in self.reset:
            self.reset.discard(request)
            request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
            self.close_request(request)
        else:
            super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing when a client has hung up."""


def split_path(path: str) -> tuple[str, str, tuple[str, ...]]:
    """Return a path's prefix, account SID, and decoded segments, without ``.json`` at the end."""
    if "/Items/" not in path:  # a SKU may end like that
        path = path.removesuffix(".json")
    prefix, _, rest = path.lstrip("/").partition("/")
    sid, *segments = (unquote(part) for part in rest.split("/"))
    return prefix, sid, tuple(segments)


def hang_up(connection: socket.socket) -> None:
    """End both directions of a connection that may have ended already."""
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return


class Handler(BaseHTTPRequestHandler):
    """HTTP/1.1 with connections that stay, headers and body in one write, and no log."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 1 << 16
    server: LoopbackServer

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Log nothing."""

    def date_time_string(self, timestamp: float | None = None) -> str:
        """Write a time as HTTP does; the sandbox's own clock is what time it is."""
        return super().date_time_string(timestamp or self.server.sandbox.at.timestamp())

    def respond(self) -> None:
        """Answer one request."""
        sandbox, sent = self.server.sandbox, dict(self.headers.items())
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        seen, fault = sandbox.note(self.server.requests, self.command, self.path, sent)
        self.answer(seen, fault, sent)

    def answer(self, seen: SeenRequest, fault: Fault | None, sent: Mapping[str, str]) -> None:
        """Answer a request, or not, as the fault has it."""
        sandbox = self.server.sandbox
        if sandbox.switches.latency:
            sandbox.pause(sandbox.switches.latency)
        delivery = fault.delivery if fault else Delivery.WHOLE
        if fault is not None and fault.answers is not None:
            answer = fault.answers
        elif fault is None or fault.processed:
            answer = self.server.answer(seen, self.path, sent, fault.shift if fault else 0)
        else:
            answer = Answer(0)
        if fault is not None:
            answer = fault.spoil(answer)
        if delivery in {Delivery.RESET, Delivery.HELD}:
            if delivery is Delivery.HELD:
                sandbox.pause(LONGEST_HOLD)
            sandbox.write_log(seen)
            self.hang_up()
            return
        seen.status = answer.status
        headers = dict(answer.headers)
        body: bytes | Iterator[bytes]
        if answer.content_type is None:
            accept = self.headers.get("Accept", "")
            as_json = "application/json" in accept or seen.path.endswith(".json")
            body, headers["Content-Type"] = encode(answer.body, as_json=as_json)
        else:
            body, headers["Content-Type"] = answer.body, answer.content_type
        accepted = "gzip" in self.headers.get("Accept-Encoding", "")
        if delivery is Delivery.BROKEN_GZIP:
            body = damaged(body if isinstance(body, bytes) else next(body, b""))
            headers["Content-Encoding"] = "gzip"
        elif sandbox.switches.gzip and accepted and isinstance(body, bytes):
            body, headers["Content-Encoding"] = gzip.compress(body, 1, mtime=0), "gzip"
        # before the answer, so that a client that has its answer finds it in the log
        sandbox.write_log(seen)
        self.send(answer.status, headers, body, delivery)

    def send(
        self,
        status: int,
        headers: Mapping[str, str],
        body: bytes | Iterator[bytes],
        delivery: Delivery,
    ) -> None:
        """Send an answer, in chunks if its length is not known; perhaps not all of it."""
        cut = delivery in {Delivery.RESET_MIDWAY, Delivery.TRUNCATED}
        self.send_response_only(status)
        for name, value in {"Date": self.date_time_string(), **headers}.items():
            self.send_header(name, value)
        if isinstance(body, bytes):
            self.send_header("Content-Length", str(len(body) + (cut and not body)))
            self.end_headers()
            self.wfile.write(body[: len(body) // 2] if cut else body)
        else:
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for chunk in body:
                self.wfile.write(b"%x\r\n%b" % (len(chunk), chunk[: len(chunk) // (1 + cut)]))
                if cut:
                    break
                self.wfile.write(b"\r\n")
            else:
                self.wfile.write(b"0\r\n\r\n")
        self.wfile.flush()
        if delivery is Delivery.RESET_MIDWAY:
            self.hang_up()
        self.close_connection = self.close_connection or cut

    def hang_up(self) -> None:
        """End the connection with a reset."""
        self.server.reset.add(self.connection)
        self.close_connection = True

    do_GET = do_PUT = do_POST = do_DELETE = respond  # noqa: N815 - the base class looks for these
