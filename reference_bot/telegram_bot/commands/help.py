"""``/help``: every command, from the table."""

from collections.abc import Sequence

from reference_bot.telegram_bot.commands.model import Command, Request
from reference_bot.telegram_bot.render.html import bold, escape

_SPELLINGS = "Symbols in any usual spelling: BTC, btc/usdt, BTC-USDT, BTCUSDT"


async def answer(request: Request) -> str:
    """Return the list of commands, and how symbols are written."""
    return "\n".join([bold("What I can do"), *command_lines(request.table), "", _SPELLINGS])


def command_lines(table: Sequence[Command]) -> list[str]:
    """Return one line a command, escaped: ``/price SYM – what it does``."""
    return [f"{escape(command.usage)} – {escape(command.summary)}" for command in table]
