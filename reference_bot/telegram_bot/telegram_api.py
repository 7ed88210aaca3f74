"""The Bot API as python-telegram-bot sees it, over our own HTTP client.

`LeanRequest` is a python-telegram-bot `BaseRequest`; it keeps one more fact than the library's own:
whether a call that failed can have been acted on (`CallUnsentError`, `CallUnansweredError`).
"""

import os
import re
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar, Final, cast
from urllib.parse import urlsplit

import msgspec
from telegram.error import BadRequest, NetworkError, RetryAfter, TimedOut
from telegram.ext import ExtBot
from telegram.request import BaseRequest, HTTPXRequest, RequestData

from reference_bot.descriptors import part
from reference_bot.telegram_bot.http_client import (
    HttpClient,
    HttpResponse,
    NoAnswerError,
    NotSentError,
)

# python-telegram-bot moves its durations from int to timedelta and warns until one opts in.
os.environ.setdefault("PTB_TIMEDELTA", "1")

ALLOWED_UPDATES = ("message", "edited_message", "callback_query", "inline_query", "my_chat_member")

_BAD_REQUEST, _TOO_MANY, _SERVER_ERROR = 400, 429, 500
_GIVEN_UP: Final = frozenset({504, 520, 524})
"""What a gateway says when it has handed a request on and got no answer, or an empty one; the last
two are Cloudflare's (its list of 5xx errors), through which some reach Telegram."""
_KNOWN: Final = frozenset({401, 403, 404, 409, 429})
"""Refusals that python-telegram-bot has errors of their own for."""
_NUMBER: Final = re.compile(r"(\d{1,6})\s*$")
_WAIT: Final = re.compile(r"(?:SLOWMODE|FLOOD)_WAIT_(\d{1,6})", re.IGNORECASE)
_PAUSE: Final = 3  # seconds after a 429 that names none
_LONGEST: Final = 3600

_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder().decode


class CallUnsentError(NetworkError):
    """The Bot API cannot have seen the call."""


class CallUnansweredError(TimedOut):
    """The Bot API may have acted on the call: its answer did not come."""


class LeanRequest(BaseRequest):
    """Calls in JSON over `HttpClient`; uploads go through httpx, made when first needed."""

    __slots__ = ("_client", "_timeout", "_uploads")

    def __init__(self, base_url: str, *, max_connections: int, timeout: float) -> None:
        parts = urlsplit(base_url)
        self._client = HttpClient(
            f"{parts.scheme}://{parts.netloc}", max_connections=max_connections
        )
        self._timeout = timeout
        self._uploads: HTTPXRequest | None = None

    @property
    def read_timeout(self) -> float | None:
        return self._timeout

    async def initialize(self) -> None:
        """Do nothing: connections are made when needed."""

    def doubt(self) -> None:
        """Use no connection again that stands idle."""
        self._client.doubt()

    async def shutdown(self) -> None:
        await self._client.close()
        if self._uploads is not None:
            await self._uploads.shutdown()

    async def do_request(  # noqa: PLR0917 - the signature is the base class's
        self,
        url: str,
        method: str,
        request_data: RequestData | None = None,
        read_timeout: object = BaseRequest.DEFAULT_NONE,
        write_timeout: object = BaseRequest.DEFAULT_NONE,  # noqa: ARG002 - as above
        connect_timeout: object = BaseRequest.DEFAULT_NONE,  # noqa: ARG002 - as above
        pool_timeout: object = BaseRequest.DEFAULT_NONE,  # noqa: ARG002 - as above
    ) -> tuple[int, bytes]:
        """Make one call; ``read_timeout``, when given, is the limit for all of it.

        Raises CallUnsentError or CallUnansweredError.
        """
        if request_data is not None and request_data.contains_files:
            return await self._upload(url, method, request_data)
        parts = urlsplit(url)
        limit = read_timeout if isinstance(read_timeout, int | float) else None
        body = _encode(request_data.parameters) if request_data else b""
        try:
            answer = await self._client.request(
                method,
                f"{parts.path}?{parts.query}" if parts.query else parts.path,
                body,
                timeout=limit or self._timeout,
            )
        except NotSentError as error:
            raise CallUnsentError(str(error)) from error
        except NoAnswerError as error:
            raise CallUnansweredError(str(error)) from error
        if not 200 <= answer.status < 300:
            _raise_if_odd(answer)
        return answer.status, answer.body

    @staticmethod
    def parse_json_payload(payload: bytes) -> dict[str, Any]:
        """Parse as the library's own does, but quicker. Raises TelegramError."""
        try:
            answer: dict[str, Any] = _decode(payload)
        except (msgspec.DecodeError, ValueError):
            return BaseRequest.parse_json_payload(payload)  # it reads on where UTF-8 is broken
        return answer

    async def _upload(self, url: str, method: str, data: RequestData) -> tuple[int, bytes]:
        if self._uploads is None:
            self._uploads = HTTPXRequest()
            await self._uploads.initialize()
        return await self._uploads.do_request(url, method, data)


def _raise_if_odd(answer: HttpResponse) -> None:
    """Raise what python-telegram-bot would not: it goes by the status alone.

    An error that is not Telegram's own comes from a proxy or a firewall on the way: it says nothing
    of the chat or the token. A 429 may tell how long to wait elsewhere than Telegram does.
    """
    try:
        body = _decode(answer.body)
    except (msgspec.DecodeError, ValueError):
        body = None
    told = body if isinstance(body, dict) and isinstance(body.get("description"), str) else {}
    description = str(told.get("description", ""))
    parameters = told.get("parameters")
    named = parameters.get("retry_after") if isinstance(parameters, dict) else None
    if answer.status == _TOO_MANY and not named:
        raise RetryAfter(_seconds_in(description) or _seconds_in(answer.retry_after) or _PAUSE)
    if not told and answer.status in _GIVEN_UP:  # what is behind it may have had the call
        raise CallUnansweredError(f"{answer.status}, and not from Telegram")
    if not told and answer.status < _SERVER_ERROR:
        raise CallUnsentError(f"{answer.status}, and not from Telegram")
    if (seconds := _WAIT.search(description)) is not None and answer.status == _BAD_REQUEST:
        raise RetryAfter(int(seconds[1]))  # SLOWMODE_WAIT_30
    if _BAD_REQUEST < answer.status < _SERVER_ERROR and answer.status not in _KNOWN:
        raise BadRequest(description)


def _seconds_in(text: str) -> int:
    """``retry after 35`` or ``35``; 0 where no seconds are told."""
    found = _NUMBER.search(text)
    return min(int(found[1]), _LONGEST) if found else 0


def seconds_to_wait(error: Exception) -> float:
    """Return how long Telegram wants to be left alone; 0 where it does not say."""
    if not isinstance(error, RetryAfter):
        return 0.0
    after = error.retry_after
    return after.total_seconds() if isinstance(after, timedelta) else float(after)


class DirectBot(ExtBot[None]):
    """The library's bot, of which the connections for getUpdates can be had as well."""

    __slots__ = ("_polling",)

    def __init__(
        self, token: str, base_url: str, request: BaseRequest, polling: BaseRequest
    ) -> None:
        super().__init__(
            token,
            base_url=f"{base_url}/bot",
            base_file_url=f"{base_url}/file/bot",
            request=request,
            get_updates_request=polling,
        )
        self._polling = polling

    async def call(self, method: str, params: Mapping[str, object], *, seconds: float) -> Any:
        """Return a Bot API method's bare ``result``: its JSON as it came. Raises TelegramError."""
        given = {name: value for name, value in params.items() if value is not None}
        request = self._polling if method == "getUpdates" else self.request
        data = cast("RequestData", _Parameters(given))  # the library's own cannot be made in public
        return await request.post(f"{self.base_url}/{method}", data, read_timeout=seconds)

    def doubt_connections(self) -> None:
        """Use no connection again that stands idle; httpx, behind a proxy, keeps its own."""
        if isinstance(self.request, LeanRequest):
            self.request.doubt()

    async def close_requests(self) -> None:
        """Close the connections of a bot that never got to `initialize`.

        The library's shutdown() would not.
        """
        await self._polling.shutdown()
        await self.request.shutdown()


@dataclass(frozen=True, slots=True)
class _Parameters:
    """Plain JSON values by name, with what `RequestData` documents for who reads it."""

    parameters: Mapping[str, object]
    contains_files: ClassVar[bool] = False
    multipart_data: ClassVar[None] = None

    @property
    def json_parameters(self) -> dict[str, str]:
        """The values as strings: those that are none as JSON."""
        return {
            name: value if isinstance(value, str) else _encode(value).decode()
            for name, value in self.parameters.items()
        }


def build_bot(token: str, base_url: str) -> DirectBot:
    """Return the bot for ``token`` at ``base_url``; httpx carries its calls where a
    proxy is set."""
    return DirectBot(
        token,
        base_url,
        _request(base_url, max_connections=part(8, most=64), timeout=3.0),
        _request(base_url, max_connections=2, timeout=40.0),
    )


def _request(base_url: str, *, max_connections: int, timeout: float) -> BaseRequest:
    parts = urlsplit(base_url)
    proxied = parts.scheme in urllib.request.getproxies()
    if proxied and not urllib.request.proxy_bypass(parts.hostname or ""):
        return HTTPXRequest(max_connections, read_timeout=timeout)
    return LeanRequest(base_url, max_connections=max_connections, timeout=timeout)
