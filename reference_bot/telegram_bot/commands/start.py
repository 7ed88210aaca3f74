"""``/start``: who the bot is, and the first thing to try."""

from reference_bot.telegram_bot.commands.help import command_lines
from reference_bot.telegram_bot.commands.model import Request
from reference_bot.telegram_bot.render.html import bold


async def answer(request: Request) -> str:
    """Return the welcome, and the list of commands."""
    welcome = [
        f"👋 {bold('Welcome.')} I know prices, market control, open interest and funding.",
        "Try /price BTC",
    ]
    return "\n".join([*welcome, "", *command_lines(request.table)])
