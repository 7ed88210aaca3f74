"""Asks market-data; every failure becomes one sentence for the user that says what is missing."""

from functools import cache
from typing import Any, Final, TypeVar

import msgspec

from reference_bot.api import BUSY, GAP, NEW, PERMANENT, CombinedPrice, Error, Failure, Missing
from reference_bot.descriptors import part
from reference_bot.market_data.symbols import SpellingError, parse_symbol
from reference_bot.telegram_bot.http_client import (
    HttpClient,
    HttpResponse,
    LateAnswerError,
    NoAnswerError,
    NotSentError,
)
from reference_bot.telegram_bot.render.common import venue

TIMEOUT: Final = 1.7
"""Seconds: market-data promises an answer in 1.5, the user gets one in 2."""


class MarketDataError(Exception):
    """The figures could not be had. The text is a sentence (plain text) for the user.

    ``code`` is market-data's own, or ``no_answer``; ``again``: the same question may be answered
    later. ``near``: symbols that an unknown one may have meant. ``in_tether``: the same in USDT,
    which exchanges may list, where a pair in dollars was asked for that none does.
    """

    def __init__(
        self,
        sentence: str,
        code: str = "no_answer",
        near: tuple[str, ...] = (),
        in_tether: str = "",
    ) -> None:
        super().__init__(sentence)
        self.code = code
        self.near = near
        self.in_tether = in_tether
        self.again = code not in {
            "unknown_symbol",
            "bad_request",
            "not_offered",
            "no_account",
            "forbidden",
            "too_new",
            "not_offered_here",
        }


_NO_FIGURES: Final = "so there are no figures for {symbol} just now. Try again in a minute."
_DOWN: Final = f"Market data is not reachable, {_NO_FIGURES}"
_LATE: Final = f"Market data did not answer in time, {_NO_FIGURES}"
_GARBLED: Final = f"Market data gave an answer I cannot read, {_NO_FIGURES}"
_TOO_NEW: Final = "{symbol} is too new for this: no exchange has traded it for long enough."
_GAP: Final = "There is a gap in the candles of {symbol}: {gap}. Try again later."
_UNMEASURED: Final = (
    "{venue} does not say whether its open interest counts one side or both, "
    "so there is no sum for {symbol}."
)
_NOT_OFFERED: Final = "No exchange here has this for {symbol}."
_SENTENCES: Final = {
    "forbidden": "Market data does not tell me about the account: set the same MARKET_DATA_TOKEN "
    "for market-data and for this bot.",
    "venue_failed": f"No exchange could answer, {_NO_FIGURES}",
    "not_ready": f"Market data is not ready yet, {_NO_FIGURES}",
    BUSY: f"Market data has more questions than it has time for, {_NO_FIGURES}",
    "too_late": f"The exchanges took too long, {_NO_FIGURES}",
}

_decode_failed = msgspec.json.Decoder(Failure).decode
_encode = msgspec.json.Encoder().encode

T = TypeVar("T", bound=msgspec.Struct)


class MarketData:
    """The market-data service at ``base_url``, which has ``timeout`` seconds for an answer."""

    def __init__(self, base_url: str, token: str = "", timeout: float = TIMEOUT) -> None:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._client = HttpClient(base_url, max_connections=part(4, most=256), headers=headers)
        self._timeout = timeout

    async def combined_price(self, symbol: str) -> CombinedPrice:
        """Ask for spot and perpetual figures of ``symbol``. Raises MarketDataError."""
        return await self.ask("/combined_price", {"symbol": symbol}, CombinedPrice, about=symbol)

    async def ask(self, path: str, body: dict[str, Any], kind: type[T], *, about: str) -> T:
        """Return the ``data`` of an answer, as a ``kind``; ``about`` is what an error says it
        lacks.

        Raises MarketDataError.
        """
        answer = await self._ask(path, body, about)
        try:
            data: T = _decoder(kind).decode(answer.body).data
        except msgspec.DecodeError as error:
            raise MarketDataError(_GARBLED.format(symbol=about)) from error
        return data

    async def _ask(self, path: str, body: dict[str, Any], symbol: str) -> HttpResponse:
        try:
            answer = await self._client.request("POST", path, _encode(body), timeout=self._timeout)
        except NotSentError as error:
            raise MarketDataError(_DOWN.format(symbol=symbol)) from error
        except NoAnswerError as error:
            late = isinstance(error, LateAnswerError)
            raise MarketDataError((_LATE if late else _DOWN).format(symbol=symbol)) from error
        if answer.status != 200:
            raise _failure(answer, symbol)
        return answer

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()


@cache
def _decoder(kind: type[msgspec.Struct]) -> msgspec.json.Decoder[Any]:
    envelope = msgspec.defstruct("Answered", [("data", kind)], frozen=True)
    return msgspec.json.Decoder(envelope)


def _failure(answer: HttpResponse, symbol: str) -> MarketDataError:
    try:
        fault = _decode_failed(answer.body).error
    except msgspec.DecodeError:
        return MarketDataError(_GARBLED.format(symbol=symbol))
    missing = fault.missing or ()
    if fault.code == "venue_failed" and missing and {gap.reason for gap in missing} <= PERMANENT:
        return _not_there(missing, symbol)
    tether = _in_tether(symbol) if fault.code == "unknown_symbol" else ""
    return MarketDataError(_sentence(fault, symbol), fault.code, fault.near or (), tether)


def _in_tether(symbol: str) -> str:
    """Return the pair in USDT of a coin whose price in dollars was asked for; nothing otherwise.

    >>> _in_tether("btcusd"), _in_tether("ETH/USD-SPOT"), _in_tether("BTC/EUR")
    ('BTC/USDT', 'ETH/USDT-SPOT', '')
    """
    try:
        read = parse_symbol(symbol)
    except SpellingError:
        return ""
    found = next((f"{pair.base}/USDT" for pair in read if pair.quote == "USD"), "")
    market = next((one for one in ("-SPOT", "-PERP") if symbol.upper().endswith(one)), "")
    return found and found + market


def _not_there(missing: tuple[Missing, ...], symbol: str) -> MarketDataError:
    """Every exchange answered, and none has what the question needs: for one of three reasons."""
    for gap in missing:
        if gap.reason == GAP:
            what = gap.message.rpartition(": ")[2].removeprefix(f"{gap.venue} ")
            return MarketDataError(
                _GAP.format(symbol=symbol, gap=f"{venue(gap.venue)} {what}"), "gap"
            )
    if any(gap.reason == NEW for gap in missing):
        return MarketDataError(_TOO_NEW.format(symbol=symbol), "too_new")
    unmeasured = next((gap for gap in missing if gap.reason == "unmeasured"), None)
    if unmeasured is not None:
        sentence = _UNMEASURED.format(symbol=symbol, venue=venue(unmeasured.venue))
        return MarketDataError(sentence, "not_offered_here")
    return MarketDataError(_NOT_OFFERED.format(symbol=symbol), "not_offered_here")


def meant(near: tuple[str, ...]) -> str:
    """`` Did you mean BTC/USDT, BCH/USDT?``; nothing without any."""
    return f" Did you mean {', '.join(near[:5])}?" if near else ""


def _sentence(fault: Error, symbol: str) -> str:
    if fault.code == "unknown_symbol":
        near = meant(fault.near or ())
        return f"I do not know the symbol {symbol}.{near}"
    if fault.code in {"bad_request", "not_offered"} and fault.message:
        return fault.message
    return _SENTENCES.get(fault.code, _GARBLED).format(symbol=symbol)
