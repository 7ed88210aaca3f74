"""``/pairs [spot|perps]``: the pairs that you can ask for, the most traded first."""

import asyncio
from typing import Final

from reference_bot.api import ForexPairs, TopSymbols
from reference_bot.telegram_bot.commands.model import Request
from reference_bot.telegram_bot.market_data import MarketDataError
from reference_bot.telegram_bot.render.top import render_pairs

_MARKETS: Final = {"spot": "spot", "perps": "perp"}
_COUNT: Final = 60


async def answer(request: Request) -> str:
    """Ask market-data for the listed pairs, most traded first, and for the currency pairs."""
    market = request.arguments["MARKET"]
    question = {"market": _MARKETS[market], "limit": _COUNT}
    about = f"the list of {market} pairs"
    ask = request.market_data.ask
    coins, forex = await asyncio.gather(
        ask("/top_symbols", question, TopSymbols, about=about),
        _forex(request),
    )
    return render_pairs(coins, forex)


async def _forex(request: Request) -> ForexPairs | None:
    """Return None when they cannot be had: the coins are told all the same."""
    about = "the list of forex pairs"
    try:
        return await request.market_data.ask("/forex_pairs", {}, ForexPairs, about=about)
    except MarketDataError:
        return None
