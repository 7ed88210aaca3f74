"""The exchange double: venues around one market, faults around the venues, and a control interface.

``http://HOST:PORT/<venue>/...`` is a venue; so is the venue's own host, by its name (`hosts`).
``/_double/...`` is the control interface: what every double has (see ``kit.control``), and

- ``GET truth/coins``: what is traded, and its grids
- ``GET truth/fold``: one window of trades; ``base kind start end``
- ``GET truth/candles``: ``base kind interval limit``
- ``GET truth/trades``: at most a day; ``base kind start end``
- ``GET truth/open_interest``: ``base at kind`` (perp or inverse)
- ``GET truth/funding``: the rate of the interval that holds ``at``; ``base hours at kind``
- ``POST market``: ``{"base", "scenario", "at"?}``; scenario null makes the coin ordinary again
- ``POST limits``: ``{"held": true}`` refuses calls beyond the rates that venues document

The clock counts ms; ``{"set": epoch ms}`` stops it. Faults are `ExchangeFault`s. In the transcript
``duration_s`` of a call is all of its time, ``own_s`` what this double itself took to draw the
answer, ``unserved`` what it does not know ("" when it does), ``carried`` the fingerprints of keys
and other credentials, by the name of their header or parameter.

Truth is told for the smallest venue, in exact decimals of base units; a venue's ``weight``
multiplies it. Of an inverse book volumes and open interest are in dollars, turnovers in coins.
"""

from __future__ import annotations

import asyncio
import dataclasses
import ssl
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from email.utils import formatdate
from random import Random
from typing import Any, TypeVar

import msgspec

from botproof.credentials import carried, is_credential
from botproof.doubles.exchanges.binance import Binance
from botproof.doubles.exchanges.bitget import Bitget
from botproof.doubles.exchanges.bybit import Bybit
from botproof.doubles.exchanges.coins import KINDS, SETTLED, Kind
from botproof.doubles.exchanges.faults import ExchangeFault, ExchangeFaults, apply
from botproof.doubles.exchanges.gate import Gate
from botproof.doubles.exchanges.hosts import prefix_of
from botproof.doubles.exchanges.hyperliquid import Hyperliquid
from botproof.doubles.exchanges.limits import Limits, as_used, too_many
from botproof.doubles.exchanges.market import Market
from botproof.doubles.exchanges.okx import Okx
from botproof.doubles.exchanges.periods import DAY, HOUR
from botproof.doubles.exchanges.rates import HeldRates, Stalls
from botproof.doubles.exchanges.scenario import Scenario, ScenarioKind
from botproof.doubles.exchanges.wire import Call, Venue, decimal_text
from botproof.doubles.exchanges.yahoo import Yahoo
from botproof.doubles.kit import control
from botproof.doubles.kit.clock import Clock
from botproof.doubles.kit.errors import ControlError
from botproof.doubles.kit.transcript import Transcript
from botproof.doubles.messages import Request, Response, json_response
from botproof.doubles.server import Server, serve

VENUES: tuple[Venue, ...] = (
    Binance(),
    Bybit(),
    Okx(),
    Gate(),
    Bitget(),
    Hyperliquid(),
    Yahoo(),
)
_Drawn = TypeVar("_Drawn")


class ExchangeDouble:
    """All venues of one market. `handle` is the handler for `botproof.doubles.server.serve`."""

    def __init__(
        self, market: Market, *, now: int | None = None, venues: tuple[Venue, ...] = VENUES
    ) -> None:
        self._first_market, self._first_now = market, now
        self.market = market
        self.clock = _clock(now)
        self.faults = ExchangeFaults(Random(market.seed))  # noqa: S311 - chance with a seed
        self.limits = Limits()
        self.rates: HeldRates | None = None
        """The documented rates, where they are held against who asks."""
        self._stalls: Stalls | None = None
        self._venues = {venue.name: venue for venue in venues}
        self.transcript = Transcript()
        # Drawing a long history takes seconds: a thread does it, and the loop keeps answering
        # signals and the control interface. One thread: two would only share one processor.
        self._drawer = ThreadPoolExecutor(1, thread_name_prefix="market")

    @property
    def events(self) -> tuple[dict[str, Any], ...]:
        """The transcript so far."""
        return self.transcript.decoded()

    async def listen(
        self, *, host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None
    ) -> Server:
        """Serve on `host`:`port` (0: any free port). Raises OSError when it cannot be bound."""
        return await serve(
            self.handle,
            host=host,
            port=port,
            ssl=tls,
            on_failure=self.transcript.note_failure,
            on_distrust=self.transcript.note_distrust,
        )

    async def handle(self, request: Request) -> Response:
        """Answer one request, a venue's or the control interface's."""
        if request.path.startswith("/_double"):
            answer = control.answer(_ROUTES, self, request)
            return answer if isinstance(answer, Response) else await answer
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
        now = int(self.clock.now())
        held = self.rates is not None and self.rates.too_many(venue.name, path, request.query)
        if fault is not None and fault.kind == "clock_skew":
            now -= int(1000 * (3600 if fault.seconds is None else fault.seconds))
        if fault is not None and fault.kind == "delay":
            await asyncio.sleep(fault.seconds or 0)
            now = int(self.clock.now())
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
        if held:
            answer = too_many(venue, now, 1.0)
        limits = self.limits.headers(venue.name, path, request.query, now)
        if fault is not None and fault.kind == "limit_used":
            limits |= as_used(venue.name, path, fault.share)
        headers = {"Date": formatdate(now / 1000, usegmt=True), **limits, **answer.headers}
        answer = dataclasses.replace(answer, headers=headers)
        self.transcript.add(
            "venue_call",
            {
                "venue": venue.name,
                "path": path,
                "query": {k: v for k, v in request.query.items() if not is_credential(k)},
                "carried": carried(request.headers, request.query),
                "status": answer.status,
                "fault": fault.kind if fault else None,
                "duration_s": time.monotonic() - began,
                "own_s": ours,
                "unserved": "" if answer.served else _asked(venue, call),
            },
        )
        return answer

    async def _drawn(self, draw: Callable[[], _Drawn]) -> _Drawn:
        return await asyncio.get_running_loop().run_in_executor(self._drawer, draw)

    async def aclose(self) -> None:
        """Draw nothing more; what is being drawn goes on to its end, or until the market closes."""
        self.hold_rates(held=False)
        self._drawer.shutdown(wait=False, cancel_futures=True)

    # -- control -------------------------------------------------------------------------------

    def health(self) -> dict[str, object]:
        """Return the clock, the seed, the venues, and how much has happened."""
        return {
            "now": int(self.clock.now()),
            "seed": self.market.seed,
            "venues": sorted(self._venues),
            "calls": self.transcript.last,
        }

    def program(self, body: bytes) -> tuple[int, ExchangeFault]:
        """Program a fault; return its number, and it. Raises ControlError."""
        fault = _read(body, ExchangeFault)
        return self.faults.add(fault), fault

    async def reset(self) -> None:
        """Have no faults, an empty transcript, and the market and clock of the start."""
        self.faults.remove()
        self.hold_rates(held=False)
        self.market = self._first_market
        self.clock = _clock(self._first_now)
        self.limits = Limits()
        self.transcript.clear()

    def choose_market(self, body: bytes) -> object:
        """Choose a scenario for a coin, or make it ordinary again. Raises ControlError."""
        request = _read(body, _MarketRequest)
        scenario = request.scenario_at(int(self.clock.now()))
        try:
            self.market = self.market.with_scenario(request.base, scenario)
        except (ValueError, LookupError) as error:
            raise ControlError(str(error)) from None
        return {"base": request.base, "scenario": request.scenario}

    def limit(self, body: bytes) -> object:
        """Hold documented rates against who asks, or do so no longer. Raises ControlError."""
        held = _read(body, _LimitsRequest).held
        self.hold_rates(held=held)
        return {"held": held}

    def hold_rates(self, *, held: bool) -> None:
        """Refuse calls beyond the rates that the venues document, or do so no longer."""
        if self._stalls is not None:
            self._stalls.stop()
        self.rates = self._stalls = None
        if held:
            self._stalls = Stalls()
            clock = asyncio.get_running_loop().time
            self.rates = HeldRates(clock, self._stalls.lately)

    async def truth(self, what: str, query: Mapping[str, str]) -> object:
        """Return a truth of the market. Raises ControlError for a question that makes no sense."""
        try:
            return await self._drawn(lambda: _truth(self, what, query))
        except (ValueError, LookupError) as error:
            raise ControlError(str(error)) from None


def _clock(stopped_at: int | None) -> Clock:
    """Return a clock that counts ms; a market is a function of time and may be set back."""
    return Clock(per_second=1000, stopped_at=stopped_at, may_go_back=True)


_Body = TypeVar("_Body")


def _read(body: bytes, kind: type[_Body]) -> _Body:
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.MsgspecError as error:
        raise ControlError(str(error)) from None


_ROUTES: Mapping[tuple[str, str], control.Route[ExchangeDouble]] = {
    **control.WORLD,
    ("GET", "truth/*"): lambda double, request, steps: double.truth(steps[1], request.query),
    ("POST", "market"): lambda double, request, _: double.choose_market(request.body),
    ("POST", "limits"): lambda double, request, _: double.limit(request.body),
}


def _asked(venue: Venue, call: Call) -> str:
    """Return what was asked for, in a line: Hyperliquid says it in the body, the others
    in the path."""
    try:
        question = msgspec.json.decode(call.body, type=dict[str, object])
    except msgspec.MsgspecError:
        question = {}
    kind = f" {question['type']}" if isinstance(question.get("type"), str) else ""
    shown = call.path if call.path.isprintable() else repr(call.path)
    return f"{venue.name}: {call.method} {shown}{kind}"


class _LimitsRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    held: bool


class _MarketRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    base: str
    scenario: str | None
    at: int | None = None

    def scenario_at(self, now: int) -> Scenario | None:
        if self.scenario is None:
            return None
        kinds = [kind.value for kind in ScenarioKind]
        if self.scenario not in kinds:
            raise ControlError(f"scenario {self.scenario!r} is none of {', '.join(kinds)}")
        return Scenario(ScenarioKind(self.scenario), now - HOUR if self.at is None else self.at)


def _whole(text: str, name: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ControlError(f"{name}: {text!r} is not a whole number") from None


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
            raise ControlError(f"base: no coin {base!r}; there are {known}")
        return base

    def kind(self, default: Kind = "spot") -> Kind:
        kind = self.query.get("kind", default)
        if kind not in KINDS:
            raise ControlError(f"kind: {kind!r} is none of {', '.join(KINDS)}")
        return kind

    def number(self, name: str, default: int) -> int:
        return _whole(self.query.get(name, str(default)), name)


def _truth(double: ExchangeDouble, what: str, query: Mapping[str, str]) -> object:
    if what not in _TRUTHS:
        raise ControlError(f"no truth {what!r}; there are {', '.join(_TRUTHS)}")
    return _TRUTHS[what](_Question(double.market, int(double.clock.now()), query))


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
