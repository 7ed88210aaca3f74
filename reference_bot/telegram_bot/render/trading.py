"""The answer to ``/signal``. Pure."""

from typing import Final

from reference_bot.api import Analysis
from reference_bot.telegram_bot.render import format as f
from reference_bot.telegram_bot.render.common import (
    clock,
    in_vain,
    page,
    stale_note,
    title,
    venue,
)
from reference_bot.telegram_bot.render.forex import Prices, market_of, prices_of
from reference_bot.telegram_bot.render.html import bold, escape
from reference_bot.telegram_bot.trading import FAST, SLOW, NoTrade, Trade

_SIDES: Final = {"LONG": "🟢 LONG", "SHORT": "🔴 SHORT"}
_ACROSS: Final = {"LONG": "above", "SHORT": "below"}


def render_signal(data: Analysis, found: Trade | NoTrade) -> str:
    """Return the signal or why there is none, as HTML; markup never spans lines."""
    where = (market_of(data.symbol, data.venue, data.market), venue(data.venue))
    prices = prices_of(data.symbol, data.venue)
    return page(
        [title("🎯", escape(data.symbol), f"signal {escape(data.timeframe)}", *where)],
        _trade(found, prices)
        if isinstance(found, Trade)
        else [f"⚪ {bold('No trade')}: {escape(found.reason)}"],
        _readings(data, prices),
        [*(stale_note(data) or in_vain(data.gaps)), clock(data.time)],
    )


def _trade(found: Trade, prices: Prices) -> list[str]:
    return [
        f"{bold(_SIDES[found.side])} · confidence {found.confidence} of 100",
        f"EMA {FAST} crossed {_ACROSS[found.side]} EMA {SLOW} ({_ago(found.age)})",
        f"Entry {prices.price(found.entry)}",
        f"Stop {prices.price(found.stop)} (1.5 ATR) · target {prices.price(found.target)} (3 ATR)",
        "Not financial advice: a rule over closed candles.",
    ]


def _readings(data: Analysis, prices: Prices) -> list[str]:
    found = data.technical
    rsi = [] if found.rsi_14 is None else [f"RSI 14: {f.plain(found.rsi_14)}"]
    atr = [] if found.atr_14 is None else [f"ATR 14: {prices.price(found.atr_14)}"]
    return [*rsi, *atr]


def _ago(age: int) -> str:
    if age == 0:
        return "in the last candle"
    return f"{age} candle{'s' if age > 1 else ''} ago"
