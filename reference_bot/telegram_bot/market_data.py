"""Asks market-data; every failure becomes one sentence for the user that says what is missing."""

from functools import cache
from typing import Any, Final, Literal, TypeVar

import msgspec

from reference_bot.telegram_bot.http_client import Answer, HttpClient, NoAnswerError, NotSentError

_TIMEOUT: Final = 1.7
"""Seconds: market-data promises an answer in 1.5, the user gets one in 2."""


class Flow(msgspec.Struct, frozen=True):
    """Taker flow in a window: base units; ``turnover`` and ``delta_quote`` in quote units.

    ``delta_quote`` is None where the venue does not tell it.
    """

    start: int
    end: int
    buy: float
    sell: float
    delta: float
    delta_quote: float | None
    volume: float
    turnover: float
    long_short: float | None


class Activity(msgspec.Struct, frozen=True):
    """The last closed 15 m candle's volume against the mean of the 96 before it."""

    ratio: float
    level: str


class Control(msgspec.Struct, frozen=True):
    """Who takes more: ``buy_share`` is buys ÷ volume, 0 to 1."""

    side: Literal["BUYERS", "SELLERS", "BALANCED"]
    buy_share: float


class Momentum(msgspec.Struct, frozen=True):
    """The 15 m delta per volume against the 24 h one."""

    state: str
    ratio: float


class Intelligence(msgspec.Struct, frozen=True):
    """Control, momentum and activity, from the ``source`` market."""

    source: str
    control_24h: Control | None = None
    momentum: Momentum | None = None
    control_15m: Control | None = None
    activity: Activity | None = None


class Block(msgspec.Struct, frozen=True):
    """One market's ticker and flows: prices in quote, volumes in base units, percent as such.

    ``closed_since``: since when the market is closed (epoch ms); None while it trades.
    """

    venue: str
    symbol: str
    time: int
    price: float
    change_24h: float | None = None
    change_24h_pct: float | None = None
    high_24h: float | None = None
    low_24h: float | None = None
    volume_24h: float | None = None
    turnover_24h: float | None = None
    flow_24h: Flow | None = None
    flow_15m: Flow | None = None
    activity: Activity | None = None
    closed_since: int | None = None


class Change(msgspec.Struct, frozen=True):
    """Now minus then: base amount, quote value, percent of then."""

    amount: float
    value: float
    pct: float


class OpenInterest(msgspec.Struct, frozen=True):
    """``amount`` in base units, ``value`` in quote units."""

    amount: float
    value: float
    time: int
    change_24h: Change | None = None
    change_15m: Change | None = None


class Funding(msgspec.Struct, frozen=True):
    """``rate`` is the fraction of an interval, ``annual`` of a year; ``next_reset`` epoch ms."""

    rate: float
    interval_hours: float
    annual: float
    rate_8h: float
    next_reset: int
    pressure: str


class Accounts(msgspec.Struct, frozen=True):
    """Accounts that are long ÷ those that are short; ``long_share`` 0 to 1."""

    long_short: float
    long_share: float


class PerpBlock(Block, frozen=True):
    """A perpetual: a block with mark price, open interest, funding and its holders."""

    mark_price: float | None = None
    open_interest: OpenInterest | None = None
    funding: Funding | None = None
    accounts: Accounts | None = None


class Missing(msgspec.Struct, frozen=True):
    """A part of the answer that did not come, and why."""

    section: str
    venue: str
    reason: str
    message: str = ""


class Stale(msgspec.Struct, frozen=True):
    """A part that is given beyond its lifetime; ``age`` in seconds."""

    section: str
    venue: str
    age: float


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """What every answer may tell of itself: its gaps, its age in seconds, what of it is stale."""

    missing: tuple[Missing, ...] = ()
    age: float = 0.0
    stale: tuple[Stale, ...] = ()


class CombinedPrice(Answered, frozen=True):
    """What ``/price`` says, in figures."""

    symbol: str
    base: str
    quote: str
    venue: str
    time: int
    intelligence: Intelligence | None = None
    spot: Block | None = None
    perp: PerpBlock | None = None


class _Fault(msgspec.Struct, frozen=True):
    code: str
    message: str = ""
    near: tuple[str, ...] = ()
    missing: tuple[Missing, ...] = ()


class _Failed(msgspec.Struct, frozen=True):
    error: _Fault


class MarketDataError(Exception):
    """The figures could not be had. The text is a sentence (plain text) for the user.

    ``code`` is market-data's own, or ``no_answer``; ``again``: the same question may be answered
    later.
    """

    def __init__(self, sentence: str, code: str = "no_answer") -> None:
        super().__init__(sentence)
        self.code = code
        self.again = code not in {"unknown_symbol", "bad_request", "no_account", "too_new"}


_NO_FIGURES: Final = "so there are no figures for {symbol} just now. Try again in a minute."
_DOWN: Final = f"Market data is not reachable, {_NO_FIGURES}"
_LATE: Final = f"Market data did not answer in time, {_NO_FIGURES}"
_GARBLED: Final = f"Market data gave an answer I cannot read, {_NO_FIGURES}"
_TOO_NEW: Final = (
    "No exchange has enough figures for {symbol}: it has hardly been traded yet, or not of late."
)
_NOT_THERE: Final = frozenset({"unavailable", "not_listed"})
_SENTENCES: Final = {
    "venue_failed": f"No exchange could answer, {_NO_FIGURES}",
    "not_ready": f"Market data is not ready yet, {_NO_FIGURES}",
    "too_late": f"The exchanges took too long, {_NO_FIGURES}",
}

_decode_failed = msgspec.json.Decoder(_Failed).decode
_encode = msgspec.json.Encoder().encode

T = TypeVar("T", bound=msgspec.Struct)


class MarketData:
    """The market-data service at ``base_url``."""

    def __init__(self, base_url: str) -> None:
        self._client = HttpClient(base_url, max_connections=256)

    async def combined_price(self, symbol: str) -> CombinedPrice:
        """Spot and perpetual figures of ``symbol``. Raises MarketDataError."""
        return await self.ask("/combined_price", {"symbol": symbol}, CombinedPrice, about=symbol)

    async def ask(self, path: str, body: dict[str, Any], kind: type[T], *, about: str) -> T:
        """The ``data`` of an answer, as a ``kind``; ``about`` is what an error says it lacks.

        Raises MarketDataError.
        """
        answer = await self._ask(path, body, about)
        try:
            data: T = _decoder(kind).decode(answer.body).data
        except msgspec.DecodeError as error:
            raise MarketDataError(_GARBLED.format(symbol=about)) from error
        return data

    async def _ask(self, path: str, body: dict[str, Any], symbol: str) -> Answer:
        try:
            answer = await self._client.request("POST", path, _encode(body), timeout=_TIMEOUT)
        except NotSentError as error:
            raise MarketDataError(_DOWN.format(symbol=symbol)) from error
        except NoAnswerError as error:
            late = "within" in str(error)
            raise MarketDataError((_LATE if late else _DOWN).format(symbol=symbol)) from error
        if answer.status != 200:
            raise _failure(answer, symbol)
        return answer

    async def close(self) -> None:
        """Closes the connections."""
        await self._client.close()


@cache
def _decoder(kind: type[msgspec.Struct]) -> msgspec.json.Decoder[Any]:
    envelope = msgspec.defstruct("Answered", [("data", kind)], frozen=True)
    return msgspec.json.Decoder(envelope)


def _failure(answer: Answer, symbol: str) -> MarketDataError:
    try:
        fault = _decode_failed(answer.body).error
    except msgspec.DecodeError:
        return MarketDataError(_GARBLED.format(symbol=symbol))
    reasons = {gap.reason for gap in fault.missing}
    if fault.code == "venue_failed" and reasons and reasons <= _NOT_THERE:
        # Every exchange answered, and none has what the question needs.
        return MarketDataError(_TOO_NEW.format(symbol=symbol), "too_new")
    return MarketDataError(_sentence(fault, symbol), fault.code)


def _sentence(fault: _Fault, symbol: str) -> str:
    if fault.code == "unknown_symbol":
        near = f" Did you mean {', '.join(fault.near[:5])}?" if fault.near else ""
        return f"I do not know the symbol {symbol}.{near}"
    if fault.code == "bad_request" and fault.message:
        return fault.message
    return _SENTENCES.get(fault.code, _GARBLED).format(symbol=symbol)
