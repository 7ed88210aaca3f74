"""``/price SYM``: spot and perpetual figures of one symbol, and what they add up to.

Several symbols get a few lines each.
"""

import asyncio

from reference_bot.api import CombinedPrice
from reference_bot.telegram_bot.commands.model import Request
from reference_bot.telegram_bot.market_data import MarketDataError
from reference_bot.telegram_bot.render.price import render_price
from reference_bot.telegram_bot.render.prices import render_prices


async def answer(request: Request) -> str:
    """Ask market-data for both markets, of all symbols at once."""
    symbols = request.arguments["SYM"].split()
    if len(symbols) == 1:
        return render_price(await request.market_data.combined_price(symbols[0]))
    found = await asyncio.gather(*(_figures(request, symbol) for symbol in symbols))
    once = {one if isinstance(one, str) else one.symbol: one for one in found}
    return render_prices(list(once.values()))


async def _figures(request: Request, symbol: str) -> CombinedPrice | str:
    """Return the figures, or the sentence that says why there are none."""
    try:
        return await request.market_data.combined_price(symbol)
    except MarketDataError as error:
        if not error.in_tether:
            return str(error)
        told = await _figures(request, error.in_tether)
        return str(error) if isinstance(told, str) else told
