"""The HTTP client for impact.com, and the meaning of each error.

The client knows URLs, credentials, the version header, pages, retries, waits and impact.com's
clock. It knows no stream, no filter and no field.
"""

from __future__ import annotations

import logging
import time
from base64 import b64encode
from functools import partial
from http import HTTPStatus
from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar
from urllib.parse import parse_qsl, quote, unquote, urlencode, urljoin, urlsplit

import backoff
import requests
from singer_sdk.exceptions import FatalAPIError, RetriableAPIError

from tap_impact.api.addresses import is_safe
from tap_impact.api.clock import ServerClock, machine_clock
from tap_impact.api.network_errors import explain, is_unreachable, is_untrusted
from tap_impact.api.pages import NOT_JSON, Decode, decode, in_background, page_body, page_decoder
from tap_impact.api.rate_limit import RateLimiter, seconds_to_wait
from tap_impact.errors import (
    AccessDenied,
    NotFound,
    QueryRefused,
    RateLimited,
    TooManyPages,
    Unreachable,
    UntrustedHost,
    WrongCredentials,
)
from tap_impact.records.fields import listed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime

    import msgspec

    from tap_impact.api.pages import PageBody

T = TypeVar("T")

# "Total > 10 x PageSize is an error that asks for another PageSize or dates" (List Actions).
MAX_PAGES = 10

BLOCK_BYTES = 1 << 20
TRIES = 7
MIN_PAUSE = 2
MAX_PAUSE = 60
MIN_LIMIT_PAUSE = 30

# "302 = redirect to a short-lived signed URL" (Download job); that host may name another.
MAX_REDIRECTS = 5


class Page(NamedTuple):
    """One page of a list."""

    rows: list[Any]
    """All of the type that was given, or all dicts."""
    total: int
    """Rows in the whole list when this page was made; 0 if the API does not say."""
    is_blank: bool = False
    """Whether the page has neither a list nor a total, which counts as an empty list."""


class Answer(NamedTuple):
    """The content of an answer, as it came."""

    content: bytes
    content_type: str


class ImpactClient:
    """Requests on behalf of one partner account."""

    def __init__(
        self,
        *,
        api_url: str,
        account_sid: str,
        auth_token: str,
        api_version: int,
        user_agent: str,
        timeout_seconds: float,
        rate_limit_wait_seconds: float,
        logger: logging.Logger,
        sleep: Callable[[float], object] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        machine: Callable[[], datetime] = machine_clock,
    ) -> None:
        """Prepare a session; nothing is sent yet.

        Args:
            api_url: base of the API, without a path.
            account_sid: the user of Basic authentication, and part of every path.
            auth_token: its password.
            api_version: sent with each request.
            user_agent: sent with each request.
            timeout_seconds: how long to wait for an answer to begin, or to go on.
            rate_limit_wait_seconds: how long one request may wait for limits, in all.
            logger: where waits and retries are logged.
            sleep: how to wait for some seconds.
            clock: a monotonic clock, in seconds.
            machine: this machine's date and time, in UTC.
        """
        self.base_url = api_url.rstrip("/")
        self.account_path = f"/Mediapartners/{quote(account_sid, safe='')}"
        self.logger = logger
        self.sleep = sleep
        self.rate_limiter = RateLimiter(
            longest_wait=rate_limit_wait_seconds, sleep=sleep, clock=clock, logger=logger
        )
        self._clock = ServerClock(machine, logger)
        self._rate_limit_wait_seconds = rate_limit_wait_seconds
        self._timeout_seconds = timeout_seconds
        self._replaced: set[str] = set()
        self._secrets = {
            b64encode(f"{account_sid}:{auth_token}".encode()).decode(): "(the credentials)",
            auth_token: "(the token)",
            account_sid: f"...{account_sid[-4:]}",
        }
        self._session = requests.Session()
        self._session.auth = (account_sid, auth_token)
        # Threads may share all of a session but its cookies, and the API needs none.
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        # The API answers in XML unless asked, and in the shape of the account's version unless
        # pinned (its pages on responses and on versioning).
        self._session.headers.update(
            {
                "Accept": "application/json",
                "IR-Version": str(api_version),
                "User-Agent": user_agent,
            }
        )
        # Its lines, some of them warnings, hold whole URLs, and these the whole SID.
        logging.getLogger("urllib3").setLevel(logging.ERROR)

    def now(self) -> datetime:
        """impact.com's present, in UTC and whole seconds.

        If nothing was requested yet, the account is: any answer tells the time, whatever status.

        Raises:
            WrongCredentials: impact.com does not know the account, so no run can do anything.
            UntrustedHost, Unreachable: No answer came.
        """
        if not self._clock.is_synchronized:
            self.with_retries(self._ask_time, "/")
        return self._clock.now()

    def _ask_time(self) -> None:
        with self._send("GET", self._url(""), "/") as response:
            if response.status_code == HTTPStatus.UNAUTHORIZED:
                raise self._error(response, "/")

    def get(self, path: str, params: Mapping[str, Any] | None = None) -> Any:
        """Fetch one JSON document.

        Args:
            path: below the account, like `/Actions`; empty for the account itself.
            params: the query.

        Returns:
            An object or a list; an empty object for an answer without content.

        Raises:
            AccessDenied, NotFound, QueryRefused, TooManyPages, RateLimited, FatalAPIError,
            RetriableAPIError: what stands in the way, in words for the person who runs the tap.
        """
        url = self._url(path, params)
        shown = self.display_path(url)

        def send() -> Any:
            body = self._body(self._answer(url, shown), shown, decode)
            if body is None:
                return {}
            if not isinstance(body, dict | list):
                raise RetriableAPIError(f"impact.com answered {shown} with JSON that is no object.")
            return body

        return self.with_retries(send, shown)

    def get_object(self, path: str) -> dict[str, Any]:
        """Fetch one JSON document that is an object, and not an empty one.

        Raises:
            FatalAPIError: impact.com answered with something else.
            AccessDenied, NotFound, ...: as for `get`.
        """
        found = self.get(path)
        if not isinstance(found, dict) or not found:
            raise FatalAPIError(f"impact.com answered {self.display_path(path)} with no object.")
        return found

    def open(
        self, method: str, path: str, params: Mapping[str, Any] | None = None
    ) -> requests.Response:
        """Send one request, once, and return its answer as a stream; the caller closes it.

        For requests with effects, which may not be repeated, and for files. A redirect is given
        as it is.

        Raises:
            AccessDenied, NotFound, RateLimited, FatalAPIError, RetriableAPIError: as for `get`.
            requests.exceptions.RequestException: No answer came.
        """
        response = self._send(method, self._url(path, params), path)
        if response.status_code >= HTTPStatus.BAD_REQUEST:
            with response:
                raise self._error(response, path)
        return response

    def open_signed(self, url: str) -> requests.Response:
        """Open a signed URL, on whichever host; no credentials go there.

        Raises:
            FatalAPIError: The address, or one that it leads to, is not https.
            RetriableAPIError: The host refused it; a signed URL soon expires.
            requests.exceptions.RequestException: No answer came.
        """
        for _ in range(MAX_REDIRECTS):
            url = urljoin(self.base_url, url)
            if not is_safe(url):
                raise FatalAPIError("impact.com named an address for a file that is not https.")
            response = requests.get(
                url,
                auth=unauthenticated,
                timeout=self._timeout_seconds,
                allow_redirects=False,
                stream=True,
            )
            if response.status_code == HTTPStatus.OK:
                return response
            response.close()
            if not response.is_redirect:
                raise RetriableAPIError(
                    f"The host that impact.com named for a file answered {response.status_code}."
                )
            url = urljoin(url, response.headers["Location"])
        raise RetriableAPIError(f"The address of a file redirects more than {MAX_REDIRECTS} times.")

    def pages(
        self,
        path: str,
        params: Mapping[str, Any],
        *data_keys: str,
        row_type: type[msgspec.Struct] | None = None,
        max_pages: int | None = None,
        known: dict[int, PageBody] | None = None,
    ) -> Iterator[Page]:
        """Fetch a list page by page.

        Its rows stand under one of the data keys, or are the one list of objects that there is.

        The next page is on its way while one is worked on.

        The address of the next page holds every filter; sending them again is a 400.

        Args:
            path: below the account, like `/Actions`.
            params: the query.
            data_keys: by which the rows of a page may go.
            row_type: what to make of the rows of a page if all of them fit; else they are dicts.
            max_pages: how many pages impact.com gives of this list; None if it does not say.
            known: the pages of an earlier reading, which this one adds its own to. A page that is
                the same to the byte comes without its rows, and is not decoded.

        Raises:
            TooManyPages: the list is longer than that.
        """
        url: str | None = self._url(path, params)
        get_page = partial(self._get_page, data_keys=data_keys, row_type=row_type, known=known)
        seen = set()
        coming = None
        while url:
            seen.add(url)
            body = coming.result() if coming else get_page(url)
            if max_pages is not None and len(seen) == 1 and body.pages > max_pages:
                raise TooManyPages(
                    f"{self.display_path(url)} has {body.pages} pages; impact.com gives "
                    f"{max_pages}."
                )
            url = self._following(body.next_uri)
            if url and 0 < body.pages <= len(seen) and page_number(url) == str(len(seen)):
                url = None  # the last page names itself, as other clients guard against
            if url and url not in seen:
                coming = in_background(partial(get_page, url))
            yield Page(body.rows, body.total, body.is_blank)
            if url in seen:
                raise FatalAPIError(
                    f"impact.com names a page of {self.display_path(url)} as its own successor. "
                    "State is safe: run again."
                )

    def _following(self, uri: Any) -> str | None:
        """The URL of the path that a page names as the next; the credentials go nowhere else.

        The last page names "", null, or nothing.
        """
        if not uri:
            return None
        if not isinstance(uri, str) or not uri.startswith("/") or uri.startswith("//"):
            raise FatalAPIError(
                f"impact.com named a next page outside its API ({self.redact(str(uri))[:80]}), "
                "which was not requested. State is safe: run again."
            )
        return self.base_url + uri

    def with_retries(self, send: Callable[[], T], shown: str) -> T:
        """Send a request until it succeeds, or until retries are of no use.

        Args:
            send: sends it once. RateLimited, RetriableAPIError and the exceptions of `requests`
                are worth another try.
            shown: what it requests, as `display_path` gives it.

        Raises:
            FatalAPIError: At once.
            RateLimited: The limit stays longer than the run may wait.
            RetriableAPIError: All tries failed.
        """
        tries = 0
        waited = 0.0
        pauses = exponential_pauses(MIN_PAUSE, MAX_PAUSE)
        limit_pauses = exponential_pauses(1)
        # `backoff`'s own decorators would sleep on through a signal in another thread.
        while True:
            self.rate_limiter.wait_for_turn(endpoint_of(shown))
            try:
                return send()
            except RateLimited as error:
                # Even if impact.com names a shorter one, the pauses grow.
                pause = next(limit_pauses)
                if error.seconds is None:
                    pause = backoff.random_jitter(pause * MIN_LIMIT_PAUSE)
                else:
                    pause = max(pause, error.seconds)
                waited += pause
                if waited > self._rate_limit_wait_seconds:
                    raise RateLimited(
                        f"{error} It resets in {pause:.0f} s, but rate_limit_wait_seconds allows "
                        f"a total wait of {self._rate_limit_wait_seconds:.0f} s. "
                        "State is safe: run again later.",
                        error.seconds,
                    ) from None
                pause += 1
                self.logger.warning("%s Retrying in %.0f s.", error, pause)
            except (RetriableAPIError, requests.exceptions.RequestException) as error:
                tries += 1
                unanswered = isinstance(error, requests.exceptions.RequestException)
                what = f"{explain(error)} (request: {shown})." if unanswered else str(error)
                if not is_retryable(error):
                    raise (UntrustedHost if is_untrusted(error) else FatalAPIError)(what) from None
                if tries == TRIES:
                    raise (Unreachable if is_unreachable(error) else RetriableAPIError)(
                        f"{what} That was attempt {tries} of {TRIES}. State is safe: run "
                        "again later."
                    ) from None
                pause = backoff.full_jitter(next(pauses))
                self.logger.warning(
                    "%s Retrying in %.1f s (attempt %d of %d).", what, pause, tries + 1, TRIES
                )
            self.sleep(pause)

    def display_path(self, url: str) -> str:
        """What a URL requests, without the account, as it may be shown to a person."""
        shown = unquote(url.removeprefix(self.base_url).removeprefix(self.account_path))
        return self.redact(shown) or "/"

    def redact(self, words: str) -> str:
        """A text without its secrets."""
        for secret, name in self._secrets.items():
            words = words.replace(secret, name)
        return words

    def _url(self, path: str, params: Mapping[str, Any] | None = None) -> str:
        """The URL of a path below the account."""
        query = f"?{urlencode(params, doseq=True)}" if params else ""
        return f"{self.base_url}{self.account_path}{path}{query}"

    def _send(self, method: str, url: str, shown: str) -> requests.Response:
        """Send one request, once, and read the headers of its answer; the caller closes it."""
        # Such a part would be taken for a step, by which the URL would name something else.
        if not {".", ".."}.isdisjoint(urlsplit(url).path.split("/")):
            raise FatalAPIError(f"{shown} cannot be requested: no URL can name what is . or ..")
        try:
            response = self._session.request(
                method, url, timeout=self._timeout_seconds, allow_redirects=False, stream=True
            )
        except RuntimeError as error:
            # `requests` reads the body of a redirect, and fails where it cannot be decompressed.
            raise requests.exceptions.ContentDecodingError(error) from None
        self.logger.debug("%s %s: %d", method, shown, response.status_code)
        self._clock.synchronize(response.headers)
        self.rate_limiter.update(endpoint_of(shown), response.headers)
        return response

    def _get_page(
        self,
        url: str,
        *,
        data_keys: tuple[str, ...],
        row_type: type[msgspec.Struct] | None,
        known: dict[int, PageBody] | None,
    ) -> PageBody:
        shown = self.display_path(url)
        read = page_decoder(data_keys[0], row_type) if row_type else decode

        def send() -> PageBody:
            answer = self._answer(url, shown)
            digest = hash(answer)
            if known and digest in known:
                return known[digest]
            page = page_body(self._body(answer, shown, read), data_keys)
            # Rows would be lost if anything else were taken for a page without rows.
            if page is None:
                raise RetriableAPIError(
                    f"impact.com answered {shown} with JSON that is no page of {data_keys[0]}."
                )
            if known is not None:
                known[digest] = page._replace(rows=[])
            return page

        return self.with_retries(send, shown)

    def _answer(self, url: str, shown: str) -> Answer | None:
        """One answer as it came; None if it has no content."""
        with self._send("GET", url, shown) as response:
            if response.status_code == HTTPStatus.NO_CONTENT:
                return None
            if response.status_code != HTTPStatus.OK:
                raise self._error(response, shown)
            # `content` would take it in pieces of 10 KiB.
            content = b"".join(response.iter_content(BLOCK_BYTES))
            return Answer(content, response.headers.get("Content-Type", "no content type"))

    def _body(self, answer: Answer | None, shown: str, read: Decode) -> Any:
        """The JSON of an answer; None if it has no content."""
        if answer is None:
            return None
        try:
            body = read(answer.content, partial(self._report_replaced, shown))
        except NOT_JSON:
            raise RetriableAPIError(
                f"impact.com answered {shown} with something that is not JSON "
                f"({answer.content_type})."
            ) from None
        # A job has a status of that name, and an id.
        if isinstance(body, dict) and body.get("Status") == "ERROR" and "Id" not in body:
            raise RetriableAPIError(f"impact.com answered {shown}: {self._message(answer.content)}")
        return body

    def _report_replaced(self, shown: str, what: str) -> None:
        """Say once in a run what was replaced in an answer, for each kind."""
        if what not in self._replaced:
            self._replaced.add(what)
            self.logger.warning("impact.com's answer to %s holds %s.", shown, what)

    def _error(self, response: requests.Response, shown: str) -> Exception:
        """The error for a status, with a message for the user."""
        status = response.status_code
        what = f"impact.com answered {status} to {shown}"
        message = self._message(response.content)
        match status:
            case HTTPStatus.UNAUTHORIZED:
                return WrongCredentials(
                    f"{what}: the account SID or the auth token is wrong, expired, or of another "
                    "account. Both are in impact.com under Settings > Technical > API."
                )
            case HTTPStatus.FORBIDDEN:
                return AccessDenied(f"{what}: the token may not use it.")
            case HTTPStatus.NOT_FOUND | HTTPStatus.GONE:
                return NotFound(f"{what}: not found in this account.")
            case HTTPStatus.TOO_MANY_REQUESTS:
                return RateLimited(
                    f"{what}: rate limit exceeded.", seconds_to_wait(response.headers)
                )
            case HTTPStatus.BAD_REQUEST if "page" in message.lower():
                return TooManyPages(f"{what}: {message}")
            case HTTPStatus.BAD_REQUEST:
                return QueryRefused(f"{what}: {message}")
            case HTTPStatus.REQUEST_TIMEOUT:
                return RetriableAPIError(f"{what}.")
            case _ if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                return RetriableAPIError(f"{what}.")
            case _:
                return FatalAPIError(f"{what}: {message}")

    def _message(self, content: bytes) -> str:
        """The API's error message, whichever shape the error has, without secrets."""
        try:
            body = decode(content)
        except NOT_JSON:
            body = None
        words = "no explanation"
        if isinstance(body, dict):
            named = {name.lower(): value for name, value in body.items()}
            found = [named.get(name) for name in ("message", "title", "error")]
            found += [
                item.get("Message") or item.get("message")
                for item in listed(named.get("errors"))
                if isinstance(item, dict)
            ]
            words = " ".join(dict.fromkeys(str(word) for word in found if word)) or words
        return self.redact(words)[:300]


def unauthenticated(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Send no credentials, not even those that requests would find in the user's .netrc."""
    return request


def exponential_pauses(first: float, longest: float | None = None) -> Iterator[float]:
    """Pauses in seconds, each twice the one before."""
    pauses = backoff.expo(factor=first, max_value=longest)
    next(pauses)  # the generators of `backoff` begin with one that is no pause
    return pauses


def is_retryable(error: Exception) -> bool:
    """Whether the same request may succeed later."""
    return not is_untrusted(error) and isinstance(
        error,
        (
            RetriableAPIError,
            requests.exceptions.ChunkedEncodingError,
            requests.exceptions.ConnectionError,
            requests.exceptions.ContentDecodingError,
            requests.exceptions.Timeout,
        ),
    )


def page_number(url: str) -> str:
    """Which page of a list an address names."""
    return dict(parse_qsl(urlsplit(url).query)).get("Page", "")


def endpoint_of(path: str) -> str:
    """What limits count by: `Actions` for `/Actions/1.2.3/Items`.

    Reports count by themselves: those of sums have 250 requests an hour, others 500, their list
    and metadata 1,000 ("Rate limits").
    """
    below = urlsplit(path).path.lstrip("/")
    first = below.partition("/")[0]
    return below if first == "Reports" else first
