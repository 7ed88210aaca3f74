"""``/help``: every command, from the table; ``/help price``: how one is written."""

from collections.abc import Sequence
from typing import Final

from reference_bot.telegram_bot.commands.model import Command, Request
from reference_bot.telegram_bot.render.html import bold, escape

HOW: Final = frozenset({"help", "--help", "-h", "?", "usage"})
"""What people put after a command to be told how it is written."""
_SPELLINGS: Final = "Symbols in any usual spelling: BTC, btc/usdt, BTC-USDT, BTCUSDT"


async def answer(request: Request) -> str:
    """Return the list of commands, and how symbols are written; of one command how it is used."""
    about = request.arguments.get("COMMAND")
    command = next((one for one in request.table if one.name == about), None)
    if command is not None:
        return "\n".join(_use(command))
    return "\n".join([bold("What I can do"), *command_lines(request.table), "", _SPELLINGS])


def command_lines(table: Sequence[Command]) -> list[str]:
    """Return one line a command, escaped: ``/price SYM – what it does``."""
    return [f"{escape(command.usage)} – {escape(command.summary)}" for command in table]


def _use(command: Command) -> list[str]:
    choices = [
        f"{escape(one.form or one.default or one.name)}: one of {', '.join(one.choices)}"
        for one in command.arguments
        if one.choices
    ]
    symbols = [_SPELLINGS] if any(one.symbol for one in command.arguments) else []
    return [*command_lines([command]), f"For example {escape(command.example)}", *choices, *symbols]
