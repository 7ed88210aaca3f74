"""``/signal PAIR``: a side with its confidence, or why there is no trade."""

import asyncio
from typing import Final

from reference_bot.telegram_bot.commands.model import Request
from reference_bot.telegram_bot.figures import Analysis, Cvd
from reference_bot.telegram_bot.render.trading import render_signal
from reference_bot.telegram_bot.trading import Readings, judge

_TIMEFRAME: Final = "15m"


async def answer(request: Request) -> str:
    """Asks market-data for the indicators and, beside that, for the closes."""
    pair = request.arguments["PAIR"]
    question = {"symbol": pair, "timeframe": _TIMEFRAME}
    ask = request.market_data.ask
    data, candles = await asyncio.gather(
        ask("/comprehensive_analysis", question, Analysis, about=pair),
        ask("/cvd", question, Cvd, about=pair),
    )
    readings = Readings(
        closes=[point.close for point in candles.points],
        rsi=data.technical.rsi_14,
        atr=data.technical.atr_14,
        delta=candles.cvd,
    )
    return render_signal(data, judge(readings))
