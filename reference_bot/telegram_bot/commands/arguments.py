"""The arguments that commands take, each parsed from what a person types."""

import re
from typing import Final

from reference_bot.telegram_bot.commands.model import Argument, BadArgumentError

# Any usual spelling: BTC, btc/usdt, BTC-USDT, 1000PEPE, $sol. Which ones exist, market-data knows.
_SYMBOL: Final = re.compile(r"[A-Z0-9]{1,20}(?:[/_:-][A-Z0-9]{1,20}){0,2}")
_SHOWN: Final = 40


def _symbol(typed: str) -> str:
    symbol = typed.strip().lstrip("$").upper()
    if not _SYMBOL.fullmatch(symbol):
        raise BadArgumentError(
            f"“{typed[:_SHOWN]}” is no symbol: write it like BTC, BTCUSDT or BTC/USDT"
        )
    return symbol


SYMBOL: Final = Argument("SYM", "BTC", _symbol)
