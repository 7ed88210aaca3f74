"""``/price SYM``: spot and perpetual figures of one symbol, and what they add up to."""

from reference_bot.telegram_bot.commands.model import Request
from reference_bot.telegram_bot.render.price import render_price


async def answer(request: Request) -> str:
    """Asks market-data for both markets at once."""
    figures = await request.market_data.combined_price(request.arguments["SYM"])
    return render_price(figures)
