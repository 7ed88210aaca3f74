"""``/analysis SYM [15m]``: full analysis of one pair, with a score."""

from reference_bot.api import Analysis
from reference_bot.telegram_bot.commands.model import Request
from reference_bot.telegram_bot.render.analysis import render_analysis


async def answer(request: Request) -> str:
    """Ask market-data for the figures and the readings of them."""
    symbol, timeframe = request.arguments["SYM"], request.arguments["TIMEFRAME"]
    question = {"symbol": symbol, "timeframe": timeframe}
    return render_analysis(
        await request.market_data.ask("/comprehensive_analysis", question, Analysis, about=symbol)
    )
