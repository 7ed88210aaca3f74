"""The one table of commands: /help, the command menu, parsing and handlers come from it."""

from typing import Final

from reference_bot.telegram_bot.commands import help as help_
from reference_bot.telegram_bot.commands import price, start
from reference_bot.telegram_bot.commands.arguments import SYMBOL
from reference_bot.telegram_bot.commands.model import Command

COMMANDS: Final[tuple[Command, ...]] = (
    Command("start", "say hello and list the commands", start.answer),
    Command("help", "list the commands", help_.answer),
    Command(
        "price",
        "price, market control, open interest and funding",
        price.answer,
        (SYMBOL,),
        live=True,
    ),
)
