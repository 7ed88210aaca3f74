"""``/pnl [7d]``: profit and loss of the account: realised, funding, fees."""

from reference_bot.account_api import Pnl
from reference_bot.telegram_bot.commands.account import ask_account
from reference_bot.telegram_bot.commands.model import Request
from reference_bot.telegram_bot.render.account import render_pnl


async def answer(request: Request) -> str:
    """Ask market-data, which asks the exchange with the operator's key."""
    days = int(request.arguments["DAYS"].removesuffix("d"))
    return render_pnl(await ask_account(request, "/pnl", {"days": days}, Pnl))
