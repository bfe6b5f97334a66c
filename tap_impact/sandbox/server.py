"""A local impact.com on loopback that enforces the documented rules."""

from __future__ import annotations

import gzip
import socket
from base64 import b64encode
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from socketserver import ThreadingMixIn
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import parse_qsl, unquote, urlsplit

from tap_impact.sandbox.endpoints import ENDPOINTS, Answer, Request
from tap_impact.sandbox.formats import JSON, encode
from tap_impact.sandbox.limits import Limit
from tap_impact.sandbox.rules import RefusalError
from tap_impact.sandbox.switches import Switches

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tap_impact.sandbox.world import World

ACCESS_DENIED = {"status": 403, "title": "Access Denied"}
NO_RESOURCE = {"Status": "ERROR", "Message": "No such resource"}
REMEMBERED_LISTS = 4


@dataclass(slots=True)
class SeenRequest:
    """What the server noted of a request; the headers without the value of Authorization."""

    number: int
    method: str
    path: str
    query: dict[str, str]
    authorized: bool
    headers: dict[str, str]
    at: datetime
    status: int = 0


class Sandbox:
    """A running impact.com for one account, to be used as a context manager.

    Args:
        world: The account.
        at: The instant at which the clock stands still; without it, the real time passes.
        port: A free one if 0.
        switches: See Switches; each may also be given by its name.

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
        switches: Switches | None = None,
        **changes: Any,
    ) -> None:
        """The port is bound at once; nothing is served before the context is entered."""
        self.world = world
        self.switches = (switches or Switches()).but(**changes)
        self.requests: list[SeenRequest] = []
        self.limits = {
            "detail": Limit("hour", self.switches.hourly_detail),
            "other": Limit("hour", self.switches.hourly_other),
        }
        self._frozen = at
        self._lists: OrderedDict[Any, list[Any]] = OrderedDict()
        self._lock = Lock()
        self._closing = Event()
        self._credentials = b64encode(f"{world.account_sid}:{world.auth_token}".encode()).decode()
        self._server = LoopbackServer(port, ApiHandler, self)

    # -- life ------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        """Begin to serve."""
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End to serve, at once."""
        self._closing.set()
        self._server.stop()

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

    # -- time ------------------------------------------------------------------------------

    @property
    def at(self) -> datetime:
        """The sandbox's clock, in whole seconds."""
        return self._frozen or datetime.now(UTC).replace(microsecond=0)

    def set_time(self, at: datetime) -> None:
        """Put the clock to an instant, and hold it there."""
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

    def note(self, method: str, target: str, headers: Mapping[str, str]) -> SeenRequest:
        """Note that a request came in."""
        parts = urlsplit(target)
        with self._lock:
            seen = SeenRequest(
                number=len(self.requests) + 1,
                method=method,
                path=parts.path,
                query=dict(parse_qsl(parts.query, keep_blank_values=True)),
                authorized="authorization" in {name.lower() for name in headers},
                headers={k: v for k, v in headers.items() if k.lower() != "authorization"},
                at=self.at,
            )
            self.requests.append(seen)
        return seen

    def answer(self, seen: SeenRequest, target: str, headers: Mapping[str, str]) -> Answer:
        """Answer a request as impact.com would."""
        parts = urlsplit(target)
        if headers.get("Authorization") != f"Basic {self._credentials}":
            return gateway(401, "Unauthorized")
        prefix, sid, segments = split_path(parts.path)
        if prefix.lower() != "mediapartners":
            return Answer(404, NO_RESOURCE)
        if sid != self.world.account_sid:
            return Answer(403, ACCESS_DENIED)
        matches = {
            endpoint.method: (endpoint, names)
            for endpoint in ENDPOINTS
            if (names := endpoint.match(segments)) is not None
        }
        if not matches:
            return Answer(404, NO_RESOURCE)
        if seen.method not in matches:
            return Answer(405, {"Status": "ERROR", "Message": "Method not allowed"})
        endpoint, names = matches[seen.method]
        if endpoint.scope not in self.switches.scopes:
            return Answer(403, ACCESS_DENIED)
        pairs = tuple(parse_qsl(parts.query, keep_blank_values=True))
        path = parts.path.removesuffix(".json")
        request = Request(seen.number, seen.method, path, names, pairs, headers, seen.at)
        allowed, limits = self.limits[endpoint.group].spend(request.now)
        if not allowed:
            return gateway(429, "API rate limit exceeded", limits)
        try:
            answer = endpoint.answer(self, request)
        except RefusalError as refusal:
            answer = refused(refusal)
        answer.headers = limits | answer.headers
        return answer

    def pause(self, seconds: float) -> None:
        """Let real time pass, unless the sandbox closes."""
        self._closing.wait(seconds)


class LoopbackServer(ThreadingMixIn, HTTPServer):
    """An HTTP server whose connections all end with it."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, handler: type[BaseHTTPRequestHandler], sandbox: Sandbox) -> None:
        """Bind the port."""
        super().__init__(("127.0.0.1", port), handler)
        self.sandbox = sandbox
        self.url = f"http://127.0.0.1:{self.server_port}"
        self._thread = Thread(target=self.serve_forever, args=(0.02,), daemon=True)
        self._open: dict[socket.socket, Thread] = {}
        self._guard = Lock()

    def start(self) -> None:
        """Serve in a thread."""
        self._thread.start()

    def stop(self) -> None:
        """Close the port and every connection, and wait for their threads."""
        self.shutdown()
        self._thread.join()
        self.server_close()
        with self._guard:
            pending = dict(self._open)
        for connection, thread in pending.items():
            hang_up(connection)
            thread.join()

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
        """Close a connection."""
        with self._guard:
            self._open.pop(request, None)
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


def refused(refusal: RefusalError) -> Answer:
    """Return the body of impact.com's own errors."""
    body: dict[str, Any] = {"Status": "ERROR", "Message": refusal.message}
    if refusal.field:
        body["Errors"] = [{"Field": refusal.field, "Message": refusal.message}]
    return Answer(refusal.status, body)


def gateway(status: int, message: str, headers: dict[str, str] | None = None) -> Answer:
    """Return what the gateway before the API says itself, in JSON whatever was asked for."""
    return Answer(status, b'{"message":"%b"}' % message.encode(), headers or {}, JSON)


def hang_up(connection: socket.socket) -> None:
    """End both directions of a connection that may have ended already."""
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return


class QuietHandler(BaseHTTPRequestHandler):
    """HTTP/1.1 with connections that stay, headers and body in one write, and no log."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 1 << 16
    server: LoopbackServer

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Log nothing."""

    def drain(self) -> None:
        """Read what a request carries, so that the next one can follow on the connection."""
        self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def send(self, status: int, headers: Mapping[str, str], body: bytes | Iterator[bytes]) -> None:
        """Send an answer, in chunks if its length is not known."""
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if isinstance(body, bytes):
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        else:
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for chunk in body:
                self.wfile.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
            self.wfile.write(b"0\r\n\r\n")
        self.wfile.flush()


class ApiHandler(QuietHandler):
    """Answers for the API."""

    def respond(self) -> None:
        """Answer one request."""
        sandbox = self.server.sandbox
        self.drain()
        sent = dict(self.headers.items())
        seen = sandbox.note(self.command, self.path, sent)
        if sandbox.switches.latency:
            sandbox.pause(sandbox.switches.latency)
        answer = sandbox.answer(seen, self.path, sent)
        seen.status = answer.status
        headers = dict(answer.headers)
        body: bytes | Iterator[bytes]
        if answer.content_type is None:
            accept = self.headers.get("Accept", "")
            as_json = "application/json" in accept or seen.path.endswith(".json")
            body, headers["Content-Type"] = encode(answer.body, as_json=as_json)
        else:
            body, headers["Content-Type"] = answer.body, answer.content_type
        accepted = self.headers.get("Accept-Encoding", "")
        if sandbox.switches.gzip and isinstance(body, bytes) and "gzip" in accepted:
            body, headers["Content-Encoding"] = gzip.compress(body, 1, mtime=0), "gzip"
        self.send(answer.status, headers, body)

    do_GET = do_PUT = do_POST = do_DELETE = respond  # noqa: N815 - the base class looks for these
