"""The exchange double: venues around one market, faults around the venues, and a control interface.

``http://HOST:PORT/<venue>/...`` is a venue; so is the venue's own host, by its name (`hosts`).
``/_double/...`` is the control interface:

- ``GET health``: alive, with the clock and the venues
- ``GET truth/coins``: what is traded, and its grids
- ``GET truth/fold``: one window of trades; ``base kind start end``
- ``GET truth/candles``: ``base kind interval limit``
- ``GET truth/trades``: at most a day; ``base kind start end``
- ``GET truth/open_interest``: ``base at kind`` (perp or inverse)
- ``GET truth/funding``: the rate of the interval that holds ``at``; ``base hours at kind``
- ``POST faults``: see `ExchangeFault`; answers with the fault's id
- ``DELETE faults`` or ``faults/ID``: take back all, or one
- ``POST market``: ``{"base", "scenario", "at"?}``; scenario null makes the coin ordinary again
- ``POST clock``: ``{"advance": seconds}`` or ``{"set": epoch ms}``, which stops the clock
- ``GET transcript``: a long poll for the calls so far; ``after timeout``. Of a call ``duration_s``
  is all of its time, ``own_s`` what this double itself took to draw the answer, ``unserved`` what
  it does not know ("" when it does). What fails in the double itself stands there as
  ``internal_error`` (``where``, ``error``, ``at``): its target gets HTTP 500. A client that refuses
  the certificate of a host is ``distrusted`` (``host``, ``why``)
- ``POST reset``: no faults, an empty transcript, the market and clock of the start

Truth is told for the smallest venue, in exact decimals of base units; a venue's ``weight``
multiplies it. Of an inverse book volumes and open interest are in dollars, turnovers in coins.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import ssl
import time
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from email.utils import formatdate
from typing import Any, TypeVar

import msgspec

from botproof.doubles.exchanges.binance import Binance
from botproof.doubles.exchanges.bitget import Bitget
from botproof.doubles.exchanges.bybit import Bybit
from botproof.doubles.exchanges.coins import KINDS, SETTLED, Kind
from botproof.doubles.exchanges.faults import ExchangeFault, FaultBook, apply
from botproof.doubles.exchanges.gate import Gate
from botproof.doubles.exchanges.hosts import prefix_of
from botproof.doubles.exchanges.hyperliquid import Hyperliquid
from botproof.doubles.exchanges.limits import Limits, as_used
from botproof.doubles.exchanges.market import Market
from botproof.doubles.exchanges.okx import Okx
from botproof.doubles.exchanges.periods import DAY, HOUR
from botproof.doubles.exchanges.scenario import Scenario, ScenarioKind
from botproof.doubles.exchanges.wire import Call, Venue, decimal_text
from botproof.doubles.exchanges.yahoo import Yahoo
from botproof.doubles.pages import refuse_strange_page
from botproof.doubles.server import (
    Request,
    Response,
    Server,
    describe_failure,
    json_response,
    serve,
)

__all__ = ["VENUES", "Clock", "ExchangeDouble"]

VENUES: tuple[Venue, ...] = (
    Binance(),
    Bybit(),
    Okx(),
    Gate(),
    Bitget(),
    Hyperliquid(),
    Yahoo(),
)
_KEPT_EVENTS = 100_000
_LONGEST_POLL = 60.0
_Drawn = TypeVar("_Drawn")


class Clock:
    """The double's time in epoch ms: the machine's, moved, or stopped at one moment."""

    def __init__(self, stopped_at: int | None = None) -> None:
        self._stopped = stopped_at
        self._moved = 0

    def now(self) -> int:
        """Return the time."""
        base = time.time_ns() // 1_000_000 if self._stopped is None else self._stopped
        return base + self._moved

    def advance(self, seconds: float) -> None:
        """Move on (or back)."""
        self._moved += int(seconds * 1000)

    def stop_at(self, moment: int) -> None:
        """Stop at one moment."""
        self._stopped, self._moved = moment, 0


class _BadRequestError(ValueError):
    """A request to the control interface that cannot be carried out."""


class ExchangeDouble:
    """All venues of one market. `handle` is the handler for `botproof.doubles.server.serve`."""

    def __init__(
        self, market: Market, *, now: int | None = None, venues: tuple[Venue, ...] = VENUES
    ) -> None:
        self._first_market, self._first_now = market, now
        self.market = market
        self.clock = Clock(now)
        self.faults = FaultBook(market.seed)
        self.limits = Limits()
        self._venues = {venue.name: venue for venue in venues}
        self._events: deque[dict[str, Any]] = deque(maxlen=_KEPT_EVENTS)
        self._seen = 0
        self._news = asyncio.Event()
        # Drawing a long history takes seconds: a thread does it, and the loop keeps answering
        # signals and the control interface. One thread: two would only share one processor.
        self._drawer = ThreadPoolExecutor(1, thread_name_prefix="market")

    @property
    def events(self) -> tuple[dict[str, Any], ...]:
        """The transcript so far."""
        return tuple(self._events)

    async def listen(
        self, *, host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None
    ) -> Server:
        """Serve on `host`:`port` (0: any free port). Raises OSError when it cannot be bound."""
        return await serve(
            self.handle,
            host=host,
            port=port,
            ssl=tls,
            on_failure=self.note_failure,
            on_distrust=self.note_distrust,
        )

    def note_failure(self, request: Request, error: Exception) -> None:
        """Write down that the double itself failed: no fault of the target's."""
        fields = describe_failure(error, request)
        self._record({"t": time.monotonic(), "type": "internal_error", **fields})

    def note_distrust(self, host: str, why: str) -> None:
        """Write down that a client refused the certificate of this host."""
        self._record({"t": time.monotonic(), "type": "distrusted", "host": host, "why": why})

    async def handle(self, request: Request) -> Response:
        """Answer one request, a venue's or the control interface's."""
        if request.path.startswith("/_double"):
            return refuse_strange_page(request) or await self._control(request)
        path = prefix_of(request.headers.get("host", "")) + request.path
        name, _, rest = path.lstrip("/").partition("/")
        venue = self._venues.get(name)
        if venue is None:
            known = ", ".join(sorted(self._venues))
            text = f"no venue at {request.path}: the double serves {known} and /_double"
            return json_response({"error": text}, 404)
        return await self._call(venue, request, f"/{rest}")

    async def _call(self, venue: Venue, request: Request, path: str) -> Response:
        began = time.monotonic()
        fault = self.faults.hit(venue.name, path)
        now = self.clock.now()
        if fault is not None and fault.kind == "clock_skew":
            now -= int(1000 * (3600 if fault.seconds is None else fault.seconds))
        if fault is not None and fault.kind == "delay":
            await asyncio.sleep(fault.seconds or 0)
            now = self.clock.now()
        call = Call(
            request.method,
            path,
            request.query,
            request.headers,
            request.body,
            now,
            request.raw_query,
        )
        ours = time.monotonic()
        answer = await self._drawn(lambda: venue.answer(self.market, call))
        ours = time.monotonic() - ours
        if fault is not None:
            answer = apply(fault, venue, answer, now=now)
        limits = self.limits.headers(venue.name, path, request.query, now)
        if fault is not None and fault.kind == "limit_used":
            limits |= as_used(venue.name, path, fault.share)
        headers = {"Date": formatdate(now / 1000, usegmt=True), **limits, **answer.headers}
        answer = dataclasses.replace(answer, headers=headers)
        self._record(
            {
                "t": time.monotonic(),
                "type": "venue_call",
                "venue": venue.name,
                "path": path,
                "query": {k: v for k, v in request.query.items() if k != "signature"},
                "status": answer.status,
                "fault": fault.kind if fault else None,
                "duration_s": time.monotonic() - began,
                "own_s": ours,
                "unserved": "" if answer.served else _asked(venue, call),
            }
        )
        return answer

    async def _drawn(self, draw: Callable[[], _Drawn]) -> _Drawn:
        return await asyncio.get_running_loop().run_in_executor(self._drawer, draw)

    async def aclose(self) -> None:
        """Draw nothing more; what is being drawn goes on to its end, or until the market closes."""
        self._drawer.shutdown(wait=False, cancel_futures=True)

    def _record(self, event: dict[str, Any]) -> None:
        self._seen += 1
        self._events.append({"seq": self._seen, **event})
        self._news.set()
        self._news = asyncio.Event()

    # -- control -------------------------------------------------------------------------------

    async def _control(self, request: Request) -> Response:
        path = request.path.removeprefix("/_double").rstrip("/")
        try:
            if (request.method, path) == ("GET", "/transcript"):
                return _ok(await self._transcript(request.query))
            if request.method == "GET" and path.startswith("/truth/"):
                what = path.removeprefix("/truth/")
                return _ok(await self._drawn(lambda: _truth(self, what, request.query)))
            if request.method == "DELETE" and path.startswith("/faults"):
                number = path.removeprefix("/faults").lstrip("/")
                self.faults.remove(_whole(number, "id") if number else None)
                return _ok(True)
            return self._simple(request.method, path, request.body)
        except (_BadRequestError, msgspec.MsgspecError, ValueError, LookupError) as error:
            return json_response({"ok": False, "error": str(error)}, 400)

    def _simple(self, method: str, path: str, body: bytes) -> Response:
        handlers: dict[tuple[str, str], Callable[[bytes], object]] = {
            ("GET", "/health"): self._health,
            ("POST", "/faults"): self._add_fault,
            ("POST", "/market"): self._set_market,
            ("POST", "/clock"): self._set_clock,
            ("POST", "/reset"): self._reset,
        }
        handler = handlers.get((method, path))
        if handler is None:
            text = f"nothing at {method} /_double{path}"
            return json_response({"ok": False, "error": text}, 404)
        return _ok(handler(body))

    def _health(self, _: bytes) -> object:
        return {
            "now": self.clock.now(),
            "seed": self.market.seed,
            "venues": sorted(self._venues),
            "calls": self._seen,
        }

    def _add_fault(self, body: bytes) -> object:
        fault = msgspec.json.decode(body, type=ExchangeFault)
        number = self.faults.add(fault)
        self._record({"t": time.monotonic(), "type": "fault", "id": number, "fault": fault.kind})
        return {"id": number}

    def _set_market(self, body: bytes) -> object:
        request = msgspec.json.decode(body, type=_MarketRequest)
        self.market = self.market.with_scenario(request.base, request.scenario_at(self.clock.now()))
        return {"base": request.base, "scenario": request.scenario}

    def _set_clock(self, body: bytes) -> object:
        request = msgspec.json.decode(body, type=_ClockRequest)
        if request.set is not None:
            self.clock.stop_at(request.set)
        self.clock.advance(request.advance)
        self._record({"t": time.monotonic(), "type": "clock", "now": self.clock.now()})
        return {"now": self.clock.now()}

    def _reset(self, _: bytes) -> object:
        self.faults.remove()
        self.market = self._first_market
        self.clock = Clock(self._first_now)
        self.limits = Limits()
        self._events.clear()
        return True

    async def _transcript(self, query: Mapping[str, str]) -> object:
        after = _whole(query.get("after", "0"), "after")
        wait = min(float(query.get("timeout", "0")), _LONGEST_POLL)
        if self._seen <= after and wait > 0:
            with contextlib.suppress(TimeoutError):  # nothing happened: an empty list says so
                await asyncio.wait_for(self._news.wait(), wait)
        events = [event for event in self._events if event["seq"] > after]
        oldest = events[0]["seq"] if events else self._seen + 1
        return {
            "events": events,
            "next": self._seen,
            "dropped": max(0, oldest - after - 1) if self._seen > after else 0,
        }


def _asked(venue: Venue, call: Call) -> str:
    """What was asked for, in a line: Hyperliquid says it in the body, the others in the path."""
    try:
        question = msgspec.json.decode(call.body, type=dict[str, object])
    except msgspec.MsgspecError:
        question = {}
    kind = f" {question['type']}" if isinstance(question.get("type"), str) else ""
    shown = call.path if call.path.isprintable() else repr(call.path)
    return f"{venue.name}: {call.method} {shown}{kind}"


class _MarketRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    base: str
    scenario: str | None
    at: int | None = None

    def scenario_at(self, now: int) -> Scenario | None:
        if self.scenario is None:
            return None
        kinds = [kind.value for kind in ScenarioKind]
        if self.scenario not in kinds:
            raise _BadRequestError(f"scenario {self.scenario!r} is none of {', '.join(kinds)}")
        return Scenario(ScenarioKind(self.scenario), now - HOUR if self.at is None else self.at)


class _ClockRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    advance: float = 0.0
    set: int | None = None


def _ok(result: object) -> Response:
    return json_response({"ok": True, "result": result})


def _whole(text: str, name: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise _BadRequestError(f"{name}: {text!r} is not a whole number") from None


# -- the truth -------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True, slots=True)
class _Question:
    market: Market
    now: int
    query: Mapping[str, str]

    def base(self) -> str:
        base = self.query.get("base", "BTC")
        if base not in self.market.coins:
            known = ", ".join(self.market.coins)
            raise _BadRequestError(f"base: no coin {base!r}; there are {known}")
        return base

    def kind(self, default: Kind = "spot") -> Kind:
        kind = self.query.get("kind", default)
        if kind not in KINDS:
            raise _BadRequestError(f"kind: {kind!r} is none of {', '.join(KINDS)}")
        return kind

    def number(self, name: str, default: int) -> int:
        return _whole(self.query.get(name, str(default)), name)


def _truth(double: ExchangeDouble, what: str, query: Mapping[str, str]) -> object:
    if what not in _TRUTHS:
        raise _BadRequestError(f"no truth {what!r}; there are {', '.join(_TRUTHS)}")
    return _TRUTHS[what](_Question(double.market, double.clock.now(), query))


def _truth_coins(ask: _Question) -> object:
    return [dataclasses.asdict(coin) for coin in ask.market.coins.values()]


def _window(ask: _Question, start: int, end: int) -> dict[str, Any]:
    base, kind = ask.base(), ask.kind()
    tick = ask.market.coins[base].tick(kind)
    candle = ask.market.fold(base, kind, start, end)
    worth = SETTLED if kind == "inverse" else tick.price + tick.lot
    return {
        "start": start,
        "end": end,
        **{
            name: decimal_text(getattr(candle, name), tick.price)
            for name in ("open", "high", "low", "close")
        },
        "volume": decimal_text(candle.lots, tick.lot),
        "buy_volume": decimal_text(candle.buy_lots, tick.lot),
        "turnover": decimal_text(candle.turnover, worth),
        "buy_turnover": decimal_text(candle.buy_turnover, worth),
        "trades": candle.trades,
    }


def _truth_fold(ask: _Question) -> object:
    end = ask.number("end", ask.now)
    return _window(ask, ask.number("start", end - DAY), end)


def _truth_candles(ask: _Question) -> object:
    interval = ask.number("interval", 900_000)
    limit = min(ask.number("limit", 97), 1500)
    last = ask.now // interval * interval
    starts = range(last - (limit - 1) * interval, last + 1, interval)
    return [_window(ask, at, min(at + interval, ask.now + 1)) for at in starts]


def _truth_trades(ask: _Question) -> object:
    end = ask.number("end", ask.now)
    start = max(ask.number("start", end - HOUR), end - DAY)
    base, kind = ask.base(), ask.kind()
    tick = ask.market.coins[base].tick(kind)
    return [
        {
            "id": trade.id,
            "time": trade.time,
            "price": decimal_text(trade.price, tick.price),
            "quantity": decimal_text(trade.lots, tick.lot),
            "taker": "buy" if trade.buy else "sell",
        }
        for trade in ask.market.trades(base, kind, start, end)
    ]


def _truth_open_interest(ask: _Question) -> object:
    base, at, kind = ask.base(), ask.number("at", ask.now), ask.kind("perp")
    lot = ask.market.coins[base].tick(kind).lot
    return {
        "at": at,
        "amount": decimal_text(ask.market.open_interest(base, at, kind), lot),
        "mark_price": ask.market.mark_price(base, at, kind),
    }


def _truth_funding(ask: _Question) -> object:
    base = ask.base()
    hours = ask.number("hours", ask.market.coins[base].funding_hours)
    step = hours * HOUR
    settles = (ask.number("at", ask.now) // step + 1) * step
    rate = ask.market.funding_rate(base, settles, hours, ask.kind("perp"))
    return {"hours": hours, "settles_at": settles, "rate": decimal_text(rate, 8)}


def _truth_accounts(ask: _Question) -> object:
    at = ask.number("at", ask.now)
    long = ask.market.long_accounts(ask.base(), at)
    return {"at": at, "long": decimal_text(long, 4), "short": decimal_text(10_000 - long, 4)}


_TRUTHS: dict[str, Callable[[_Question], object]] = {
    "coins": _truth_coins,
    "fold": _truth_fold,
    "candles": _truth_candles,
    "trades": _truth_trades,
    "open_interest": _truth_open_interest,
    "funding": _truth_funding,
    "accounts": _truth_accounts,
}
