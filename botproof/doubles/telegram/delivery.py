"""Posting updates to webhooks: the edge of what `webhook` plans."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import aiohttp

from botproof.doubles.telegram.context import Post
from botproof.doubles.telegram.doors import Outcome
from botproof.doubles.telegram.params import BadBodyError, read_body

if TYPE_CHECKING:
    from botproof.doubles.telegram.wire import Wires

MAX_ANSWER = 1024 * 1024
_IDLE_S = 1.0
"""So long a connection may stand idle and be used again. Servers close theirs after two seconds
(gunicorn) or five (uvicorn): a post that met that moment was reset, and the bot blamed for it."""
_SECRET_HEADER = "X-Telegram-Bot-Api-Secret-Token"  # noqa: S105 - the name of a header


@dataclass(frozen=True, slots=True)
class Delivered:
    """What came of a post; `answer` are the parameters in the webhook's answer."""

    post: Post
    outcome: Outcome
    answer: Mapping[str, object]
    duration_s: float


class Deliverer:
    """Sends posts and reports each of them once, unless it was aborted before."""

    __slots__ = ("_report", "_session", "_tasks", "_tls", "_wires")

    def __init__(
        self,
        report: Callable[[Delivered], None],
        tls: ssl.SSLContext | None = None,
        wires: Wires | None = None,
    ) -> None:
        self._report = report
        self._wires = wires
        self._tls = tls or ssl.create_default_context()
        self._session: aiohttp.ClientSession | None = None
        self._tasks: dict[int, asyncio.Task[None]] = {}

    def start(self, post: Post) -> None:
        """Send a post; the report comes later."""
        self._tasks[post.number] = asyncio.get_running_loop().create_task(self._run(post))

    def abort(self, number: int) -> None:
        """Forget a post: its connection is dropped and nothing is reported."""
        task = self._tasks.pop(number, None)
        if task is not None:
            task.cancel()

    async def close(self) -> None:
        """Drop everything that is under way."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    async def _run(self, post: Post) -> None:
        started = time.monotonic()
        try:
            outcome, answer = await self._passed_on(post)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            outcome, answer = Outcome(error=_said(error)), {}
        self._tasks.pop(post.number, None)
        self._report(Delivered(post, outcome, answer, time.monotonic() - started))

    async def _passed_on(self, post: Post) -> tuple[Outcome, Mapping[str, object]]:
        """Send a post, or what the wires make of it."""
        if self._wires is None:
            return await self._send(post)
        outcome, answer = Outcome(status=200, reason="OK"), dict[str, object]()
        for each in await self._wires.post(post):
            outcome, given = await self._send(each)
            answer = dict(given)
        return self._wires.outcome(post, outcome), answer

    async def _send(self, post: Post) -> tuple[Outcome, Mapping[str, object]]:
        headers = {"Content-Type": "application/json"}
        if post.secret:
            headers[_SECRET_HEADER] = post.secret
        async with self._client().post(
            post.url, data=post.body, headers=headers, allow_redirects=False, ssl=self._tls
        ) as response:
            body = await response.content.read(MAX_ANSWER)
            retry_after = response.headers.get("Retry-After", "")
            outcome = Outcome(
                status=response.status,
                reason=response.reason or "",
                retry_after=int(retry_after) if retry_after.isdigit() else 0,
            )
            return outcome, _parameters(response.headers.get("Content-Type", ""), body)

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:
            # How many may be under way is the machine's business, and so is how long they may take.
            connector = aiohttp.TCPConnector(
                limit=0, enable_cleanup_closed=False, keepalive_timeout=_IDLE_S
            )
            timeout = aiohttp.ClientTimeout(total=None)
            self._session = aiohttp.ClientSession(
                connector=connector,
                timeout=timeout,
                skip_auto_headers=("User-Agent",),
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session


def _parameters(content_type: str, body: bytes) -> Mapping[str, object]:
    if not body:
        return {}
    try:
        return read_body(content_type, body)
    except BadBodyError:
        return {}


def _said(error: Exception) -> str:
    """Return how getWebhookInfo words it."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientSSLError):
        return f"SSL error {{{error}}}"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "Failed to resolve host: Name or service not known"
    if isinstance(error, aiohttp.ClientOSError | OSError) and error.errno == 111:
        return "Connection refused"
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return "Webhook connection closed"
    if isinstance(error, ConnectionResetError | aiohttp.ClientOSError):
        return "Connection reset by peer"
    return f"Wrong response from the webhook: {error}"
