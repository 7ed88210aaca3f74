"""``/balance``: balances of the exchange account."""

from reference_bot.account_api import Balance
from reference_bot.telegram_bot.commands.account import ask_account
from reference_bot.telegram_bot.commands.model import Request
from reference_bot.telegram_bot.render.account import render_balance


async def answer(request: Request) -> str:
    """Ask market-data, which asks the exchange with the operator's key."""
    return render_balance(await ask_account(request, "/balance", {}, Balance))
