"""``/oi [BTC]``: open interest of one coin over all venues."""

from reference_bot.telegram_bot.commands.model import Request
from reference_bot.telegram_bot.figures import MultiInterest
from reference_bot.telegram_bot.render.open_interest import render_interest


async def answer(request: Request) -> str:
    """Asks market-data, which asks every venue at once."""
    coin = request.arguments["COIN"]
    return render_interest(
        await request.market_data.ask("/multi_oi", {"symbol": coin}, MultiInterest, about=coin)
    )
