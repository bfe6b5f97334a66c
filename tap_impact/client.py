"""One HTTP conversation with impact.com, and what each of its errors means to a person.

The client knows URLs, credentials, the version header, pages, retries and waits. It knows no
stream, no filter and no field.
"""

from __future__ import annotations

import random
import time
from decimal import Decimal
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urljoin, urlsplit

import backoff
import msgspec
import requests
from singer_sdk.exceptions import FatalAPIError, RetriableAPIError

from tap_impact.fields import listed

if TYPE_CHECKING:
    import logging
    from collections.abc import Generator, Iterator, Mapping

# "Total > 10 x PageSize is an error that asks for another PageSize or dates" (List Actions).
MOST_PAGES = 10

TRIES = 7
LONGEST_PAUSE = 60
SHORTEST_LIMIT_PAUSE = 30

TRANSIENT = (
    RetriableAPIError,
    requests.exceptions.ChunkedEncodingError,
    requests.exceptions.ConnectionError,
    requests.exceptions.ContentDecodingError,
    requests.exceptions.Timeout,
)

# Decimals that arrive unquoted keep their digits.
decode = msgspec.json.Decoder(float_hook=Decimal).decode


class AccessDenied(FatalAPIError):
    """403: the token's scopes, or the account's tier, do not allow this endpoint."""


class NotFound(FatalAPIError):
    """404: impact.com knows no such thing."""


class TooManyPages(FatalAPIError):
    """The query's result is larger than the API hands out: ask for a narrower one."""


class RateLimited(FatalAPIError):
    """429: a limit ran out.

    Attributes:
        seconds: how long impact.com asks to wait, if it says so.
    """

    def __init__(self, message: str, seconds: float | None) -> None:
        """Keep what the headers say beside the message."""
        super().__init__(message)
        self.seconds = seconds


class Page(NamedTuple):
    """One page of a list."""

    rows: list[dict[str, Any]]
    total: int
    """Rows in the whole list when this page was made; 0 if the API does not say."""


class ImpactClient:
    """GET requests on behalf of one partner account."""

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
    ) -> None:
        """Prepare the conversation; nothing is sent yet."""
        self.base_url = api_url.rstrip("/")
        self.account_path = f"/Mediapartners/{account_sid}"
        self.logger = logger
        self._secrets = {auth_token: "(the token)", account_sid: f"...{account_sid[-4:]}"}
        self._timeout_seconds = timeout_seconds
        self._session = requests.Session()
        self._session.auth = (account_sid, auth_token)
        # The API answers in XML unless asked, and in the shape of the account's version unless
        # pinned (its pages on responses and on versioning).
        self._session.headers.update(
            {
                "Accept": "application/json",
                "IR-Version": str(api_version),
                "User-Agent": user_agent,
            }
        )
        when_limited = backoff.on_exception(
            limit_waits,
            RateLimited,
            giveup=lambda error: (error.seconds or 0) > rate_limit_wait_seconds,
            max_time=rate_limit_wait_seconds,
            jitter=None,
            on_backoff=self._say_wait,
            logger=None,
        )
        when_transient = backoff.on_exception(
            backoff.expo,
            TRANSIENT,
            max_value=LONGEST_PAUSE,
            max_tries=TRIES,
            on_backoff=self._say_retry,
            logger=None,
        )
        self._send = when_limited(when_transient(self._send_once))

    def get(self, path: str, params: Mapping[str, Any] | None = None) -> Any:
        """Fetch one JSON document.

        Args:
            path: below the account, like `/Actions`; empty for the account itself.
            params: the query.

        Raises:
            AccessDenied, NotFound, TooManyPages, RateLimited, FatalAPIError, RetriableAPIError:
                what stands in the way, in words for the person who runs the tap.
        """
        return self._fetch(self.base_url + self.account_path + path, params, path)

    def pages(self, path: str, params: Mapping[str, Any], data_key: str) -> Iterator[Page]:
        """Fetch a list page by page.

        The address of the next page holds every filter; sending them again is a 400.

        Raises:
            TooManyPages: before the first page is given, if the list is longer than the API allows.
        """
        body = self.get(path, params)
        if number(body.get("@numpages")) > MOST_PAGES:
            raise TooManyPages(f"{path} has {body['@numpages']} pages; impact.com gives 10.")
        while True:
            yield Page(list(listed(body.get(data_key))), number(body.get("@total")))
            following = body.get("@nextpageuri")
            if not following:
                return
            body = self._fetch(self._same_host(following), None, path)

    def _same_host(self, uri: str) -> str:
        """The URL of a path that the API names. The credentials go to no other host."""
        url = urljoin(self.base_url + "/", uri)
        if urlsplit(url)[:2] != urlsplit(self.base_url)[:2]:
            raise FatalAPIError(
                f"impact.com named a next page on another host ({urlsplit(url).hostname}), "
                "which was not asked."
            )
        return url

    def _fetch(self, url: str, params: Mapping[str, Any] | None, path: str) -> Any:
        try:
            return self._send(url, params, path)
        except requests.exceptions.RequestException as error:
            raise RetriableAPIError(
                f"impact.com could not be reached for {path or 'the account'} after {TRIES} tries "
                f"({type(error).__name__}). State is safe: run again."
            ) from None

    def _send_once(self, url: str, params: Mapping[str, Any] | None, path: str) -> Any:
        response = self._session.get(
            url, params=params, timeout=self._timeout_seconds, allow_redirects=False
        )
        self.logger.debug("GET %s: %s", path, response.status_code)
        if response.status_code != HTTPStatus.OK:
            raise self._error(response, path)
        try:
            body = decode(response.content)
        except msgspec.DecodeError:
            raise RetriableAPIError(
                f"impact.com answered {path} with something that is not JSON "
                f"({response.headers.get('Content-Type', 'no content type')})."
            ) from None
        if isinstance(body, dict) and body.get("Status") == "ERROR":
            raise RetriableAPIError(f"impact.com answered {path}: {self._message(response)}")
        return body

    def _error(self, response: requests.Response, path: str) -> Exception:
        """What a status means, in words for a person."""
        status = response.status_code
        what = f"impact.com answered {status} to {path or 'the account'}"
        message = self._message(response)
        match status:
            case HTTPStatus.UNAUTHORIZED:
                return FatalAPIError(
                    f"{what}: the account SID or the auth token is wrong, expired, or of another "
                    "account. Both are in impact.com under Settings > Technical > API."
                )
            case HTTPStatus.FORBIDDEN:
                return AccessDenied(f"{what}: the token may not use it.")
            case HTTPStatus.NOT_FOUND:
                return NotFound(f"{what}: there is no such thing in this account.")
            case HTTPStatus.TOO_MANY_REQUESTS:
                return RateLimited(f"{what}: a limit ran out.", seconds_to_wait(response))
            case HTTPStatus.BAD_REQUEST if "page" in message.lower():
                return TooManyPages(f"{what}: {message}")
            case _ if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                return RetriableAPIError(f"{what}. State is safe: run again.", response)
            case _:
                return FatalAPIError(f"{what}: {message}")

    def _message(self, response: requests.Response) -> str:
        """The API's own words, whichever shape its error has; no secret in them."""
        try:
            body = decode(response.content)
        except msgspec.DecodeError:
            body = None
        words = "no explanation"
        if isinstance(body, dict):
            named = {name.lower(): value for name, value in body.items()}
            found = [named.get(name) for name in ("message", "title", "error")]
            found += [item.get("Message") for item in listed(named.get("errors"))]
            words = " ".join(str(word) for word in found if word) or words
        for secret, name in self._secrets.items():
            words = words.replace(secret, name)
        return words[:300]

    def _say_wait(self, details: Any) -> None:
        self.logger.warning("%s Going on in %d s.", details["exception"], round(details["wait"]))

    def _say_retry(self, details: Any) -> None:
        error = details["exception"]
        what = str(error) if isinstance(error, RetriableAPIError) else type(error).__name__
        self.logger.warning(
            "%s Trying again in %.1f s (try %d of %d).",
            what,
            details["wait"],
            details["tries"] + 1,
            TRIES,
        )


def limit_waits() -> Generator[float, RateLimited, None]:
    """How long to wait for a limit: as long as the headers say, else longer each time."""
    pause = SHORTEST_LIMIT_PAUSE
    error = yield 0
    while True:
        if error.seconds is None:
            error = yield pause + random.uniform(0, pause / 4)  # noqa: S311
            pause *= 2
        else:
            error = yield error.seconds + 1


def seconds_to_wait(response: requests.Response) -> float | None:
    """What a 429 says: `Retry-After`, else `RateLimit-Reset`, in seconds (page on rate limits).

    The brand's page gives an example of the reset as an instant, in seconds since 1970.
    """
    for name in ("Retry-After", "RateLimit-Reset", "X-RateLimit-Reset"):
        text = response.headers.get(name, "")
        if text.isdecimal():
            seconds = int(text)
            return max(seconds - time.time(), 0) if seconds > time.time() / 2 else seconds
    return None


def number(value: object) -> int:
    """A count of the page's keys, which are strings; 0 if absent."""
    return int(value) if isinstance(value, str | int) and str(value).isdecimal() else 0
