"""Calls to venues: one pool, one deadline a call, errors in the service's words, a circuit
breaker, the venue's limits.
"""

from __future__ import annotations

import asyncio
import logging
import re
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, Final, Generic, TypeAlias, TypeVar

import httpx
import msgspec

from reference_bot.api import NOT_THERE
from reference_bot.market_data.breaker import Breaker
from reference_bot.market_data.decoding import Decodes, rows_in
from reference_bot.market_data.errors import Reason, Refusal, RefusalError, VenueError
from reference_bot.market_data.lateness import held_up
from reference_bot.market_data.limits import (
    LONGEST_BAN,
    Haste,
    Host,
    PaceRule,
    TellsLimit,
    Turn,
    haste,
    no_limit_told,
)
from reference_bot.market_data.metrics import Metrics

T = TypeVar("T")

_LONGEST_BODY = 32 * 1024 * 1024
_BANS: Final = {418: 120.0, 403: 600.0}
"""The shortest bans that are documented, in seconds: Binance's, and Bybit's by 403."""
_REFUSED_FOR: Final = 60.0
"""Seconds for which a venue is not asked that does not serve this address or place."""
_OURS: Final = 0.5
"""The share of a call's time from which on being held up here is the reason for no answer."""
_BANNED_UNTIL: Final = re.compile(rb'(?:banned until |"retryAfter":\s*)(\d{13})')
_RESETS: Final = ("x-gate-ratelimit-reset-timestamp", "x-bapi-limit-reset-timestamp")
"""Where venues tell when a limit that is used up begins anew, in seconds or ms: Gate.io, Bybit."""
_CHALLENGED: Final = "x-amzn-waf-action"
"""What Amazon's firewall says, with 202 or 405, when it takes a caller for a program."""
_log = logging.getLogger(__name__)


def make_pool(*, verify: bool = True) -> httpx.AsyncClient:
    """Return the connection pool for all venues.

    ``verify`` False leaves out the certificates: right when every URL is plain HTTP.
    """
    return httpx.AsyncClient(
        verify=_trusted() if verify else False,
        trust_env=False,
        follow_redirects=False,
        timeout=None,  # noqa: S113 - each call has a deadline of its own, over all of its phases
        limits=httpx.Limits(
            max_connections=200, max_keepalive_connections=64, keepalive_expiry=30.0
        ),
        headers={"User-Agent": "botproof-market-data", "Accept": "application/json"},
    )


def _trusted() -> ssl.SSLContext:
    """Trust whom OpenSSL is set up to trust (SSL_CERT_FILE and SSL_CERT_DIR too), or else certifi.

    From a folder of certificates OpenSSL reads the one that a venue needs, when it needs it;
    certifi's file is read whole: 1.5 MB and 20 ms.
    """
    paths = ssl.get_default_verify_paths()
    if paths.cafile or (paths.capath and any(Path(paths.capath).glob("*.0"))):
        return ssl.create_default_context()
    return httpx.create_ssl_context(trust_env=False)


_ABOUT_THE_REQUEST: Final = NOT_THERE | {"refused"}

Explain: TypeAlias = Callable[[int, bytes], Refusal | None]


def nothing_special(_status: int, _body: bytes) -> Refusal | None:
    """Leave an error answer to what its status says."""
    return None


@dataclass(frozen=True, slots=True)
class Reply(Generic[T]):
    """A decoded answer, and the venue's clock when it gave it (ms; None when it did not say)."""

    value: T
    as_of: int | None


@dataclass(slots=True)
class VenueClient:
    """Calls one host of one venue. ``timeout`` is in seconds, for the whole call."""

    venue: str
    base_url: str
    pool: httpx.AsyncClient
    timeout: float
    metrics: Metrics
    explain: Explain = nothing_special
    """Reads a venue's own error body; None when it says nothing special."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Sent with every call, beside the pool's."""
    breaker: Breaker = field(default_factory=Breaker)
    host: Host = field(default_factory=Host)
    """Shared with the clients that are made of this one by `apart`."""
    tells_limit: TellsLimit = no_limit_told
    api: str = ""
    """Which of the venue's APIs it is, where there are several."""
    _ahead: int | None = None

    @property
    def knows_the_time(self) -> bool:
        """Whether the venue has told its time yet."""
        return self._ahead is not None

    def now(self) -> int:
        """Return the venue's time in ms, as of its last answer that told one."""
        return time.time_ns() // 1_000_000 + (self._ahead or 0)

    def apart(self) -> VenueClient:
        """Return a client for the same host with a circuit of its own.

        For figures that an answer can do without, with rate limits of their own: their trouble
        must not keep the rest from being asked for.
        """
        return replace(self, breaker=Breaker())

    async def get(
        self,
        path: str,
        decoder: Decodes[T],
        params: Mapping[str, str | int] | None = None,
        *,
        method: str = "GET",
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        query: str | None = None,
    ) -> Reply[T]:
        """Call, check and decode. Raises VenueError with what went wrong, and where.

        ``query`` is sent as it is, where the order of parameters matters; errors never show it.
        """
        sent = {**self.headers, **(headers or {})}
        if body is not None:
            sent["Content-Type"] = "application/json"
        turn = await self._turn(path, params)
        if not self.breaker.allows(_clock()):
            if turn is not None:
                self.host.pace.give_back(turn)
            raise self._left_alone("kept failing", self.breaker.open_until)
        began = _clock()
        outcome = "cancelled"
        try:
            url = path if query is None else f"{path}?{query}"
            request = self.pool.build_request(
                method, self.base_url + url, params=params, content=body, headers=sent
            )
            if turn is not None:
                request.extensions["trace"] = _when_sent(turn)
            reply = await self._call(path, decoder, request)
        except VenueError as error:
            outcome = error.reason
            self._count(error)
            raise
        else:
            outcome = "ok"
            self.breaker.succeeded()
            self.host.answered(_clock())
            return reply
        finally:
            if outcome == "cancelled":
                self.breaker.gave_up()
            if turn is not None:
                turn.go(turn.at)
            self.metrics.venue_call(self.venue, outcome, _clock() - began)

    async def _turn(self, path: str, params: Mapping[str, str | int] | None) -> Turn | None:
        """Wait until the venue's limits allow the call; raise VenueError when that takes long."""
        now, hurry = _clock(), haste.get()
        if now < self.host.banned_until:
            raise self._left_alone("asked to be left alone", self.host.banned_until)
        used, rest = self.host.used(now)
        if hurry.share < 1 and used >= hurry.share:
            text = f"held back: {used:.0%} of the venue's limit is used"
            await self._wait(path, rest, hurry, text)
        until = _clock() + hurry.patience
        pace = self.host.pace
        while (turn := pace.take(path, now := _clock(), hurry, params)) is not None:
            rest = turn.at - now
            try:
                await self._wait(path, rest, hurry, _pace_of(self.venue, turn.rule, hurry))
            except asyncio.CancelledError:
                pace.give_back(turn)
                raise
            if rest <= 0:
                break
            # what went out late of those before it is known now
            pace.give_back(turn)
            hurry = Haste(hurry.share, max(0.0, until - _clock()))
        return turn

    async def _wait(self, path: str, seconds: float, hurry: Haste, why: str) -> None:
        if seconds > hurry.patience:
            text = f"{path}: {why}; the next is due in {seconds:.1f} s"
            raise VenueError(self.venue, "queued", text, retry_after=seconds)
        if seconds > 0:
            await asyncio.sleep(seconds)

    def _left_alone(self, why: str, until: float) -> VenueError:
        rest = max(0.0, until - _clock())
        text = f"{why}; left alone for another {rest:.0f} s"
        return VenueError(self.venue, "circuit_open", text, retry_after=rest)

    def _count(self, error: VenueError) -> None:
        """Count a failure; a refusal that is about the request says nothing about the venue's
        health, nor does a call that this process kept waiting."""
        if error.ours:
            self.breaker.gave_up()
        elif error.reason in _ABOUT_THE_REQUEST and error.retry_after is None:
            self.breaker.succeeded()
        elif error.reason == "rate_limited":
            self.breaker.failed(_clock(), wait=error.retry_after, at_once=True)
        else:
            self.breaker.failed(_clock())

    async def _call(self, path: str, decoder: Decodes[T], request: httpx.Request) -> Reply[T]:
        began, before = _clock(), held_up()
        try:
            async with asyncio.timeout(self.timeout):
                response = await self.pool.send(request)
        except (TimeoutError, httpx.TimeoutException):
            raise self._late(path, self._ours(began, before)) from None
        except httpx.HTTPError as error:
            text = f"{path}: {str(error) or type(error).__name__}"
            ours = self._ours(began, before) >= _OURS * self.timeout  # who waits hangs up
            raise VenueError(self.venue, "unreachable", text, ours=ours) from None
        as_of = _clock_of(response)
        if as_of is not None:
            self._ahead = as_of - time.time_ns() // 1_000_000
        used = self.tells_limit(response.headers, as_of)
        if used is not None:
            self.host.report(*used, _clock())
            self.metrics.limit_used(self.venue, self.api, used[0])
        if response.status_code != 200:
            raise self._refusal(path, response)
        return Reply(self._decode(path, decoder, response), as_of)

    def _ours(self, began: float, before: float) -> float:
        """Return for how many seconds of a call its answer could not be read here."""
        return max(0.0, _clock() - began - self.timeout) + held_up() - before

    def _late(self, path: str, ours: float) -> VenueError:
        """Return what to raise for no answer; ``ours``: for how long it could not be read here."""
        text = f"{path}: no answer in {self.timeout:g} s"
        if ours < _OURS * self.timeout:
            return VenueError(self.venue, "timeout", text)
        text += f", of which this service kept it waiting for {ours:.2f} s"
        return VenueError(self.venue, "timeout", text, ours=True)

    def _decode(self, path: str, decoder: Decodes[T], response: httpx.Response) -> T:
        if len(response.content) > _LONGEST_BODY:
            raise self._error("bad_payload", path, f"{len(response.content)} bytes are too many")
        try:
            value = decoder.decode(response.content)
        except RefusalError as error:
            raise self._refused(error.refusal, path, response) from None
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            explained = self.explain(response.status_code, response.content)
            if explained is not None:  # a refusal that came with status 200
                raise self._refused(explained, path, response) from None
            kind = response.headers.get("content-type", "")
            hint = f" (Content-Type {kind})" if "json" not in kind else ""
            raise self._error("bad_payload", path, f"{error}{hint}") from None
        for rows in rows_in(value):
            if rows.left_out:
                self.left_out(path, rows.left_out, rows.why)
        return value

    def _refused(self, refusal: Refusal, path: str, response: httpx.Response) -> VenueError:
        """Return what an answer with status 200 says that is a refusal all the same."""
        pause = self._pause_told(response) if refusal.reason == "rate_limited" else None
        if refusal.place:
            pause = _REFUSED_FOR
        return self._error(refusal.reason, path, refusal.message, pause, refusal.code)

    def left_out(self, path: str, count: int, why: str) -> None:
        """Count rows of a list that cannot be used and are left out."""
        self.metrics.left_out(self.venue, count)
        _log.debug("%s: %s: %d rows left out: %s", self.venue, path, count, why)

    def _refusal(self, path: str, response: httpx.Response) -> VenueError:
        status = response.status_code
        explained = self.explain(status, response.content)
        limited = explained is not None and explained.reason == "rate_limited"
        if status in (429, 418) or limited:
            why = f": {explained.message}" if explained and limited else ""
            wait = self._pause_told(response)
            if status in _BANS or _BANNED_UNTIL.search(response.content[:2000]):
                wait = self.host.ban(wait, _BANS.get(status, 120.0), _clock())
            return self._error("rate_limited", path, f"HTTP {status}{why}", wait)
        if explained is not None:
            pause = _REFUSED_FOR if explained.place else None
            return self._error(explained.reason, path, explained.message, pause, explained.code)
        if status in (403, 451) or _CHALLENGED in response.headers:
            asked = "this address is refused: it asked too often, or is not served"
            why = "this place is not served" if status == 451 else asked
            return self._error("refused", path, f"HTTP {status}: {why}", _REFUSED_FOR)
        ours_to_mend = 400 <= status < 500 and status != 408
        reason: Reason = "refused" if ours_to_mend else "outage"
        wait = _seconds(response.headers.get("retry-after"), self.now())
        return self._error(reason, path, f"HTTP {status}", wait if status >= 500 else None)

    def _pause_told(self, response: httpx.Response) -> float | None:
        """Return for how many seconds a venue asks to be left alone, by header or in its text.

        The longest counts of all that is told; a moment that has passed tells nothing.
        """
        now = self.now()
        rests = [_seconds(response.headers.get("retry-after"), now) or 0.0]
        rests += [_until(response.headers.get(name, "")) - now / 1000 for name in _RESETS]
        until = _BANNED_UNTIL.search(response.content[:2000])
        if until is not None:
            rests.append((int(until[1]) - now) / 1000)
        rest = min(max(rests), LONGEST_BAN)
        return rest if rest > 0 else None

    def _error(
        self,
        reason: Reason,
        path: str,
        what: str,
        retry_after: float | None = None,
        code: int | None = None,
    ) -> VenueError:
        text = f"{path}: {what}"
        return VenueError(self.venue, reason, text, retry_after=retry_after, code=code)


def _when_sent(turn: Turn) -> Callable[[str, Any], Awaitable[None]]:
    """Return what the pool tells of a call as it goes."""

    async def trace(event: str, _: Any) -> None:
        if event == "http11.send_request_body.complete":  # of a GET, too: its body is empty
            turn.go(_clock())

    return trace


def _clock() -> float:
    """Return the running loop's time in seconds: what deadlines are measured by."""
    return asyncio.get_running_loop().time()


def _pace_of(venue: str, rule: PaceRule, hurry: Haste) -> str:
    """Say how often a venue may be asked, and what of it is left to others."""
    kept = "" if hurry.share >= 1 else f", {1 - hurry.share:.0%} of them kept for single questions"
    return f"{venue} takes {rule.calls} calls in {rule.seconds:g} s{kept}"


def _clock_of(response: httpx.Response) -> int | None:
    try:
        return int(parsedate_to_datetime(response.headers["date"]).timestamp() * 1000)
    except (KeyError, ValueError, TypeError):
        return None


def _seconds(text: str | None, now: int) -> float | None:
    """Read Retry-After in seconds: a number of them, or a date as what stands before a venue sends.

    ``now`` is the venue's clock in ms. None where nothing is told that can be read.
    """
    if text is None:
        return None
    try:
        rest = float(text)
    except ValueError:
        try:
            rest = parsedate_to_datetime(text).timestamp() - now / 1000
        except ValueError:
            return None
    return min(rest, LONGEST_BAN) if rest >= 0 else None


def _until(text: str) -> float:
    """Return a moment in epoch seconds, told in these or in ms; 0 where none is told."""
    if not (text.isascii() and text.isdigit()):
        return 0.0
    moment = int(text)
    return moment / 1000 if moment > 10**11 else float(moment)
