"""``/cvd SYM [1h]``: cumulative volume delta, and whether the price goes with it."""

from reference_bot.api import Cvd
from reference_bot.telegram_bot.commands.arguments import market_of
from reference_bot.telegram_bot.commands.model import Request
from reference_bot.telegram_bot.render.volume import render_cvd


async def answer(request: Request) -> str:
    """Ask market-data for the sums over closed candles."""
    symbol, timeframe = request.arguments["SYM"], request.arguments["TIMEFRAME"]
    question = {"symbol": symbol, "timeframe": timeframe, **market_of(symbol)}
    return render_cvd(await request.market_data.ask("/cvd", question, Cvd, about=symbol))
