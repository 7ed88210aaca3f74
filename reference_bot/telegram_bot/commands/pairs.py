"""``/pairs [spot|perps]``: pairs to ask for, in standard notation."""

from typing import Final

from reference_bot.telegram_bot.commands.model import Request
from reference_bot.telegram_bot.figures import TopSymbols
from reference_bot.telegram_bot.render.top import render_pairs

_MARKETS: Final = {"spot": "spot", "perps": "perp"}
_COUNT: Final = 60


async def answer(request: Request) -> str:
    """Asks market-data for the listed pairs, most traded first."""
    market = request.arguments["MARKET"]
    question = {"market": _MARKETS[market], "limit": _COUNT}
    about = f"the list of {market} pairs"
    return render_pairs(
        await request.market_data.ask("/top_symbols", question, TopSymbols, about=about)
    )
