"""``/volume SYM [15m]``: how the last closed candle's volume stands out."""

from reference_bot.api import VolumeSpike
from reference_bot.telegram_bot.commands.arguments import market_of
from reference_bot.telegram_bot.commands.model import Request
from reference_bot.telegram_bot.render.volume import render_volume


async def answer(request: Request) -> str:
    """Ask market-data for the candle and the 96 before it."""
    symbol, timeframe = request.arguments["SYM"], request.arguments["TIMEFRAME"]
    question = {"symbol": symbol, "timeframe": timeframe, **market_of(symbol)}
    return render_volume(
        await request.market_data.ask("/volume_spike", question, VolumeSpike, about=symbol)
    )
