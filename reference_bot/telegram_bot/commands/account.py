"""What the account commands share: a clear sentence when there is no account to ask."""

from typing import Any, TypeVar

import msgspec

from reference_bot.telegram_bot.commands.model import Request
from reference_bot.telegram_bot.market_data import MarketDataError
from reference_bot.telegram_bot.render.account import NO_ACCOUNT

T = TypeVar("T", bound=msgspec.Struct)


async def ask_account(request: Request, path: str, question: dict[str, Any], kind: type[T]) -> T:
    """Ask market-data about the account. Raises MarketDataError."""
    try:
        return await request.market_data.ask(path, question, kind, about="the account")
    except MarketDataError as error:
        if error.code == "not_ready":
            raise MarketDataError(NO_ACCOUNT, "no_account") from error
        raise
