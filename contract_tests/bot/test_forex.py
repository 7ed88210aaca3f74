"""Currency pairs and metals in the bot: how they are written, and what is said of closed hours."""

import copy
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from botproof.doubles.telegram.entities import parse
from reference_bot.api import Analysis, Block, CombinedPrice
from reference_bot.telegram_bot.commands.pairs import answer as pairs
from reference_bot.telegram_bot.commands.signal import evaluate
from reference_bot.telegram_bot.market_data import MarketDataError
from reference_bot.telegram_bot.render.analysis import render_analysis
from reference_bot.telegram_bot.render.price import render_price
from reference_bot.telegram_bot.render.trading import render_signal
from reference_bot.telegram_bot.trading import NoTrade, Trade

pytestmark = pytest.mark.anyio

GAPS = [
    {"section": "spot.candles", "venue": "yahoo", "reason": "unavailable", "message": "no volumes"},
    {"section": "perp", "venue": "yahoo", "reason": "not_listed", "message": "no perp market"},
]
SPOT: dict[str, Any] = {
    "venue": "yahoo",
    "symbol": "EURUSD=X",
    "time": 1763762359000,
    "price": 1.1751,
    "change_24h": -0.00023,
    "change_24h_pct": -0.0196,
    "high_24h": 1.17727,
    "low_24h": 1.17335,
    "closed_since": None,
}
PRICE: dict[str, Any] = {
    "symbol": "EUR/USD",
    "base": "EUR",
    "quote": "USD",
    "venue": "yahoo",
    "time": 1763762359000,
    "spot": SPOT,
    "missing": GAPS,
}
# falls, and then rises: the averages have just crossed
CLOSES = [1.18 - 0.0004 * n for n in range(60)] + [1.158 + 0.002 * n for n in range(6)]
ANALYSIS: dict[str, Any] = {
    "symbol": "EUR/USD",
    "venue": "yahoo",
    "market": "spot",
    "timeframe": "15m",
    "time": 1763762359000,
    "price": PRICE,
    "technical": {"close": CLOSES[-1], "rsi_14": 58.0, "atr_14": 0.00044},
    "closes": CLOSES,
    "bias": "neutral",
    "score": 0.0,
    "signals": [],
    "missing": GAPS,
}


def _price(symbol: str = "EUR/USD", **spot: Any) -> str:
    base, quote = symbol.split("/")
    data = {**PRICE, "symbol": symbol, "base": base, "quote": quote, "spot": {**SPOT, **spot}}
    return render_price(msgspec.convert(data, CombinedPrice))


def test_a_rate_is_bare_and_has_the_decimals_of_its_quote() -> None:
    text = _price()
    assert text.startswith("📊 <b>EUR/USD</b> · forex · Yahoo\n")
    assert "Price: <b>1.17510</b>\n24h change: 🔴 -0.02% (-0.00023)\n" in text
    assert "24h range: 1.17335 – 1.17727\n" in text
    assert "$" not in text
    assert "Price: <b>158.349</b>" in _price("USD/JPY", price=158.349)
    assert "· gold futures · Yahoo\n\nPrice: <b>$4,369.00</b>" in _price("XAU/USD", price=4369.0)


def test_what_is_told_of_no_pair_is_one_line_and_no_gap() -> None:
    text = _price()
    assert text.count("Yahoo has no volume, order flow, open interest or funding.") == 1
    assert "Missing" not in text
    assert "n/a" not in text


def test_a_closed_market_is_said_to_be_closed() -> None:
    assert "closed" not in _price()
    text = _price(closed_since=1763762400000)
    assert "🔒 The market closed at 2025-11-21 22:00:00 UTC" in text
    assert text.endswith("🕒 2025-11-21 21:59:19 UTC · 2025-11-22 05:59:19 SGT")


def test_what_failed_is_still_a_gap() -> None:
    gap = {"section": "spot.candles", "venue": "yahoo", "reason": "timeout", "message": ""}
    data = msgspec.convert({**ANALYSIS, "missing": [*GAPS, gap]}, Analysis)
    assert "⚠️ Missing: spot candles (Yahoo did not answer in time)\n" in render_analysis(data)


@given(st.dictionaries(st.sampled_from(sorted(SPOT.keys() - {"venue", "symbol"})), st.floats()))
def test_no_figure_breaks_an_answer(figures: dict[str, float]) -> None:
    spot = {**SPOT, **figures, "time": SPOT["time"]}
    if "closed_since" in figures:
        since = figures["closed_since"]
        spot["closed_since"] = int(since) if abs(since) < 1e300 else 10**300
    price = msgspec.structs.replace(msgspec.convert(PRICE, CombinedPrice), spot=_block(spot))
    for text in (
        render_price(price),
        render_analysis(msgspec.structs.replace(msgspec.convert(ANALYSIS, Analysis), price=price)),
    ):
        parse(text, "HTML")


def _block(spot: dict[str, Any]) -> Any:

    return Block(**spot)


# -- signals -----------------------------------------------------------------------------------


class _Told:
    """A market-data that has answers by path; an error is raised."""

    def __init__(self, **answers: Any) -> None:
        self._answers = answers

    async def ask(self, path: str, _: Any, kind: Any, *, about: str) -> Any:
        assert about
        found = self._answers[path.strip("/")]
        if isinstance(found, Exception):
            raise found
        return msgspec.convert(copy.deepcopy(found), kind)


NO_CVD = MarketDataError("EUR/USD is a forex pair: there is no CVD", "not_offered")


async def test_a_signal_for_a_pair_is_made_of_the_analysis_closes() -> None:
    told: Any = _Told(comprehensive_analysis=ANALYSIS, cvd=NO_CVD)
    judged = await evaluate(told, "EUR/USD")
    assert isinstance(judged.found, Trade)
    assert judged.found.entry == CLOSES[-1]
    text = render_signal(judged.data, judged.found)
    assert "· forex · Yahoo" in text
    assert "Entry 1.16800\nStop 1.16734 (1.5 ATR) · target 1.16932 (3 ATR)\n" in text
    assert "ATR 14: 0.00044" in text


async def test_a_currency_moves_less_than_a_coin_before_it_counts_as_quiet() -> None:
    analysis = copy.deepcopy(ANALYSIS)
    analysis["technical"]["atr_14"] = 0.0001  # 0.009 %
    told: Any = _Told(comprehensive_analysis=analysis, cvd=NO_CVD)
    judged = await evaluate(told, "EUR/USD")
    assert isinstance(judged.found, NoTrade)
    assert "too little movement" in judged.found.reason


async def test_a_closed_market_gives_no_signal() -> None:
    analysis = copy.deepcopy(ANALYSIS)
    analysis["price"]["spot"]["closed_since"] = 1763762400000
    told: Any = _Told(comprehensive_analysis=analysis, cvd=NO_CVD)
    judged = await evaluate(told, "EUR/USD")
    assert judged.found == NoTrade("the market is closed")


async def test_a_cvd_that_failed_is_no_signal_without_it() -> None:
    down = MarketDataError("No exchange could answer", "venue_failed")
    told: Any = _Told(comprehensive_analysis=ANALYSIS, cvd=down)
    with pytest.raises(MarketDataError, match="No exchange"):
        await evaluate(told, "BTC")


# -- pairs -------------------------------------------------------------------------------------

TOP: dict[str, Any] = {"market": "spot", "venue": "binance", "time": 1, "symbols": []}


@pytest.mark.parametrize(
    ("forex", "shown"),
    [
        ({"venue": "yahoo", "symbols": ["EUR/USD"]}, True),
        ({"venue": None, "symbols": []}, False),
        (MarketDataError("not there yet"), False),
    ],
)
async def test_pairs_lists_what_there_is(forex: Any, shown: bool) -> None:
    from reference_bot.telegram_bot.commands.model import Request  # noqa: PLC0415 - only here

    told: Any = _Told(top_symbols=TOP, forex_pairs=forex)
    text = await pairs(Request({"MARKET": "spot"}, told, ()))
    assert ("<code>EUR/USD</code>" in text) == shown
    assert text.startswith("📒 <b>Pairs</b> · spot · Binance")
