"""The buttons under an answer: each one is the command again, with one argument changed.

What a button carries is the command as it would be typed, without the slash: ``cvd BTC 1h``. So a
tap is parsed by the same table, and a button from before a release still means what it meant.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from reference_bot.telegram_bot.commands.model import (
    Argument,
    BadArgumentError,
    Command,
    Request,
    Row,
)

_LONGEST_DATA: Final = 64  # bytes, Telegram's limit
_IN_A_ROW: Final = 5
_REFRESH: Final = "🔄 Refresh"


def keyboard(command: Command, arguments: Mapping[str, str]) -> list[Row]:
    """Return a row for each argument that has choices, then a button that refreshes."""
    rows: list[Row] = []
    for argument in command.arguments:
        rows += _choices(command, argument, arguments)
    if command.live:
        rows.append([(_REFRESH, _data(command, arguments))])
    return rows if all(fits(data) for row in rows for _, data in row) else []


async def buttons_under(command: Command, request: Request) -> str:
    """Return what stands under the answer to a request, as `markup` gives it."""
    if command.buttons is None:
        return markup(keyboard(command, request.arguments))
    return markup(await command.buttons(request, command))


def markup(rows: Sequence[Row]) -> str:
    """Return the rows as the Bot API's ``reply_markup``; empty without any."""
    if not rows:
        return ""
    shown = [[{"text": label, "callback_data": data} for label, data in row] for row in rows]
    return msgspec.json.encode({"inline_keyboard": shown}).decode()


def pressed(data: str | None, table: Sequence[Command]) -> tuple[Command, dict[str, str]] | None:
    """Return the command and the arguments that a tap stands for; None when it is no
    button of ours."""
    name, *words = (data or "").split(" ")
    for command in table:
        if command.name == name:
            try:
                return command, command.parse(words)
            except BadArgumentError:
                return None
    return None


def _choices(command: Command, argument: Argument, arguments: Mapping[str, str]) -> list[Row]:
    shown = [
        (
            f"• {choice}" if choice == arguments[argument.name] else choice,
            _data(command, {**arguments, argument.name: choice}),
        )
        for choice in argument.choices
    ]
    return [shown[at : at + _IN_A_ROW] for at in range(0, len(shown), _IN_A_ROW)]


def _data(command: Command, arguments: Mapping[str, str]) -> str:
    return " ".join([command.name, *(arguments[each.name] for each in command.typed)])


def fits(data: str) -> bool:
    """Tell whether a button can carry ``data``: Telegram refuses the message of one that cannot."""
    return len(data.encode()) <= _LONGEST_DATA
