"""``/positions``: the account's open positions."""

from reference_bot.account_api import Positions
from reference_bot.telegram_bot.commands.account import ask_account
from reference_bot.telegram_bot.commands.model import Request
from reference_bot.telegram_bot.render.account import render_positions


async def answer(request: Request) -> str:
    """Ask market-data, which asks the exchange with the operator's key."""
    return render_positions(await ask_account(request, "/positions", {}, Positions))
