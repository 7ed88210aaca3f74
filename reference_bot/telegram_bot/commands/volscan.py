"""``/volscan [200] [15m]``: the symbols whose volume stands out just now."""

from reference_bot.api import VolumeScan
from reference_bot.telegram_bot.commands.model import Request
from reference_bot.telegram_bot.render.volume import render_scan


async def answer(request: Request) -> str:
    """Ask market-data to look through the most traded perpetuals."""
    question = {
        "threshold_pct": int(request.arguments["PERCENT"]),
        "timeframe": request.arguments["TIMEFRAME"],
    }
    return render_scan(
        await request.market_data.ask("/volume_scan", question, VolumeScan, about="the scan")
    )
