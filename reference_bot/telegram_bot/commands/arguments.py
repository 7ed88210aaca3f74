"""The arguments that commands take, each parsed from what a person types."""

import difflib
import re
import unicodedata
from typing import Final

from reference_bot.telegram_bot.commands.model import Argument, BadArgumentError

TIMEFRAMES: Final = ("1m", "5m", "15m", "30m", "1h", "4h", "1d")
"""The candles that market-data has."""

# Any usual spelling: BTC, btc/usdt, BTC-USDT, 1000PEPE, $sol, 币安人生. Which ones exist,
# market-data knows.
_SYMBOL: Final = re.compile(r"[^\W_]{1,20}(?:[/_:-][^\W_]{1,20}){0,2}")
_INVISIBLE: Final = dict.fromkeys(
    (*range(0x200B, 0x2010), 0x2060, 0xFEFF, 0xAD, *range(0xFE00, 0xFE10))
)
"""Zero-width marks, left-to-right marks, byte order marks, soft hyphens, variation selectors. What
turns text round is left in: it is no part of any symbol.
"""
_AROUND: Final = " \t\n.,;:!?#$\"'“”‘’()[]{}<>«»*`"
_PERCENT: Final = re.compile(r"[0-9]{1,6}")
_SHOWN: Final = 40
_HIGHEST_PERCENT: Final = 100_000
_MARKETS: Final = {
    "spot": "spot",
    "perps": "perps",
    "perp": "perps",
    "perpetual": "perps",
    "perpetuals": "perps",
    "futures": "perps",
    "swap": "perps",
}
_MINUTES: Final = {"60m": "1h", "240m": "4h", "24h": "1d", "1440m": "1d"}
_SWITCHED: Final = ("5m", "15m", "1h", "4h", "1d")
_SWITCHES: Final = frozenset({"on", "off"})
_DAYS: Final = ("1d", "7d", "30d", "90d")


def _plain(typed: str) -> str:
    """What was meant: usual forms of letters, nothing invisible, no brackets around."""
    return unicodedata.normalize("NFKC", typed).translate(_INVISIBLE).strip(_AROUND)


def _symbol(typed: str) -> str:
    symbol = _plain(typed).upper()
    if not _SYMBOL.fullmatch(symbol):
        raise BadArgumentError(
            f"“{typed[:_SHOWN]}” is no symbol: write it like BTC, BTCUSDT or BTC/USDT"
        )
    return symbol


def _pair_or_switch(typed: str) -> str:
    return typed.lower() if typed.lower() in _SWITCHES else _symbol(typed)


def _switch(typed: str) -> str:
    if typed and typed.lower() not in _SWITCHES:
        raise BadArgumentError(
            f"“{typed[:_SHOWN]}” is too much: it is /signal PAIR, /signal on or /signal off"
        )
    return typed.lower()


def _timeframe(typed: str) -> str:
    frame = _MINUTES.get(typed.lower(), typed.lower())
    if frame not in TIMEFRAMES:
        raise BadArgumentError(
            f"“{typed[:_SHOWN]}” is no timeframe: take one of {', '.join(TIMEFRAMES)}"
        )
    return frame


def _market(typed: str) -> str:
    market = _MARKETS.get(typed.lower())
    if market is None:
        near = difflib.get_close_matches(typed.lower()[:_SHOWN], _MARKETS, n=1)
        meant = f" Did you mean {_MARKETS[near[0]]}?" if near else ""
        raise BadArgumentError(f"“{typed[:_SHOWN]}” is no market: take spot or perps.{meant}")
    return market


def _percent(typed: str) -> str:
    digits = typed.removesuffix("%")
    if not _PERCENT.fullmatch(digits) or int(digits) > _HIGHEST_PERCENT:
        raise BadArgumentError(
            f"“{typed[:_SHOWN]}” is no threshold: take percent above the usual volume, like 200"
        )
    return str(int(digits))


def _days(typed: str) -> str:
    days = typed.lower() if typed.lower().endswith("d") else f"{typed}d"
    if days not in _DAYS:
        raise BadArgumentError(f"“{typed[:_SHOWN]}” is no span: take one of {', '.join(_DAYS)}")
    return days


SYMBOL: Final = Argument("SYM", "BTC", _symbol)
PAIR: Final = Argument("PAIR", "BTC/USDT", _pair_or_switch, form="PAIR|on|off")
SWITCH: Final = Argument("SWITCH", "on", _switch, default="", tapped=True)
COIN: Final = Argument("COIN", "BTC", _symbol, default="BTC")
MARKET: Final = Argument(
    "MARKET", "spot", _market, default="spot", choices=("spot", "perps"), form="spot|perps"
)
THRESHOLD: Final = Argument(
    "PERCENT", "200", _percent, default="200", choices=("100", "200", "300", "500")
)
DAYS: Final = Argument("DAYS", "7d", _days, default="7d", choices=_DAYS)
QUARTER: Final = Argument("TIMEFRAME", "15m", _timeframe, default="15m", choices=_SWITCHED)
HOUR: Final = Argument("TIMEFRAME", "1h", _timeframe, default="1h", choices=_SWITCHED)
