"""``/oi [BTC]``: open interest of one coin over all venues."""

from reference_bot.api import MultiInterest
from reference_bot.telegram_bot.commands.model import Request
from reference_bot.telegram_bot.market_data import MarketDataError, meant
from reference_bot.telegram_bot.render.open_interest import render_interest


async def answer(request: Request) -> str:
    """Ask market-data, which asks every venue at once.

    Raises MarketDataError, which says so where a coin has no perpetual.
    """
    coin = request.arguments["COIN"]
    ask = request.market_data.ask
    try:
        data = await ask("/multi_oi", {"symbol": coin}, MultiInterest, about=coin)
    except MarketDataError as error:
        if error.code != "unknown_symbol":
            raise
        # There may be such a coin, only no contract on it.
        sentence = f"There is no perpetual of {coin}.{meant(error.near)}"
        raise MarketDataError(sentence, error.code) from error
    return render_interest(data)
