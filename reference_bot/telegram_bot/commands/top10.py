"""``/top10 [spot|perps]``: what is traded most."""

from typing import Final

from reference_bot.api import TopSymbols
from reference_bot.telegram_bot.commands.model import Request
from reference_bot.telegram_bot.render.top import render_top

_MARKETS: Final = {"spot": "spot", "perps": "perp"}


async def answer(request: Request) -> str:
    """Ask market-data for the ten with the largest turnover of 24 h."""
    market = request.arguments["MARKET"]
    question = {"market": _MARKETS[market], "limit": 10}
    about = f"the top 10 of {market}"
    return render_top(
        await request.market_data.ask("/top_symbols", question, TopSymbols, about=about)
    )
