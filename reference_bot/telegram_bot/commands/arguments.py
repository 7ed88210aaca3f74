"""The arguments that commands take, each parsed from what a person types."""

import difflib
import re
from typing import Final

from reference_bot.market_data.symbols import VENUES
from reference_bot.spelling import bare, latin
from reference_bot.telegram_bot.commands.model import Argument, BadArgumentError
from reference_bot.telegram_bot.commands.words import MARKETS, other_time, symbols_among

TIMEFRAMES: Final = ("1m", "5m", "15m", "30m", "1h", "4h", "1d")
"""The candles that market-data has."""

# Any usual spelling: BTC, btc/usdt, BTC-USDT, 1000PEPE, $sol, 币安人生. Which ones exist,
# market-data knows.
_SYMBOL: Final = re.compile(r"[^\W_]{1,20}(?:[/_:.-][^\W_]{1,20}){0,3}")
_PERCENT: Final = re.compile(r"[0-9]{1,6}")
_TIMES: Final = re.compile(
    r"([1-9][0-9]{0,2}(?:\.[0-9])?)x|x([1-9][0-9]{0,2}(?:\.[0-9])?)", re.IGNORECASE
)
_LARGE: Final = re.compile(
    r"([0-9]{1,3})[,'’]([0-9]{3})|([0-9]{1,2}(?:\.[0-9])?)(?:k|thousand)", re.IGNORECASE
)
"""``1,000``, ``2k``, ``1.5 thousand``."""
_SHOWN: Final = 40
_HIGHEST_PERCENT: Final = 100_000
_BETWEEN: Final = re.compile(r"(?:[\s,;|+?、،]|(?<![^\W\d][12])!)+|(?<=\w)&(?=\w)")
_LIST: Final = re.compile(r"\w+(?:/\w+){2,}")
_LEFT_OVER: Final = "/:-&+%"
"""What joins two words, where one of them is missing: ``/btc``, ``btc-``."""
_NOT_HERE: Final = (
    (
        re.compile(
            r"(?:\w+:)?[^\W\d]+[12]!"
            r"|\w+(?:[-/:]\w+)*[-_](?:\d{6}|\d{1,2}[a-z]{3}\d{2})(?:-\d+-[cp])?"
            r"|(?:xbt|btc|eth)(?:usd)?[fghjkmnquvxz]\d{2}",
            re.IGNORECASE,
        ),
        "“{typed}” expires (a future or an option): I have spot and perpetuals, like /price BTC",
    ),
    (
        re.compile(r"(?:CRYPTOCAP:)?(?:\w+\.D|TOTAL[23]?)|CRYPTOCAP:\w+", re.IGNORECASE),
        "“{typed}” is an index over many coins: I have single coins and pairs, like /price BTC",
    ),
)
"""What people see where charts are drawn, and no exchange here tells: ``BTC1!``, ``BTC-28MAR25``,
``BTCUSDT_250328``, ``BTCUSDH25``, ``BTC.D``."""
_ARROW: Final = re.compile(r"(?<=\w)(?:[-=]*>|[→⇒➔➜➡↔⇄])(?=\w)")
"""Between a coin and what it is changed into: ``btc→usdt``."""
_OF_YAHOO: Final = re.compile(r"=X$")
"""Yahoo writes a pair of currencies so: ``EURUSD=X``."""
MOST_SYMBOLS: Final = 5
"""Symbols that one question may name: each asks the exchanges nine times."""
_FRAME: Final = re.compile(
    r"(\d{1,5}(?:[.,]\d{1,2})?)(m|h|d)(?:in|r|our|ay)?(?:ute)?(?:s|ly)?", re.IGNORECASE
)
_UNITS: Final = {
    **dict.fromkeys(("мин", "минут", "минута", "минуты", "分", "分钟", "분"), "m"),
    **dict.fromkeys(("ч", "час", "часа", "часов", "小时", "時間", "시간"), "h"),
    **dict.fromkeys(("д", "день", "дня", "дней", "天", "日", "일"), "d"),
}
_IN_OTHER_WORDS: Final = re.compile(r"(\d{1,5})([^\W\d_]+)")
_METATRADER: Final = re.compile(r"([mhd])(\d+)", re.IGNORECASE)
_MINUTES: Final = {"m": 1, "h": 60, "d": 1440}
_BY_MINUTES: Final[dict[float, str]] = {
    int(one[:-1]) * _MINUTES[one[-1]]: one for one in TIMEFRAMES
}
_NAMED: Final = {
    **dict.fromkeys(("h", "hour", "hourly"), "1h"),
    **dict.fromkeys(("d", "day", "daily"), "1d"),
}
_MONTH: Final = "1M"
"""Where charts are drawn the capital is a month, which is no candle that there is."""
_SWITCHED: Final = ("5m", "15m", "1h", "4h", "1d")
_SWITCHES: Final = {
    **dict.fromkeys(("on", "start", "enable", "вкл", "включить", "开", "开启"), "on"),
    **dict.fromkeys(("off", "stop", "disable", "выкл", "выключить", "关", "关闭"), "off"),
}
_DAYS: Final = ("1d", "7d", "30d", "90d")
_PERIOD: Final = re.compile(
    r"(\d{1,4})(?:(?=(.))(?:h(?:(?:ou)?rs?)?|d(?:ays?)?|w(?:eeks?)?|m(?:onths?)?))?"
)
_PERIODS: Final = {"day": "1d", "today": "1d", "week": "7d", "month": "30d", "quarter": "90d"}
_IN_DAYS: Final = {"d": 1.0, "h": 1 / 24, "w": 7.0, "m": 30.0}


def _symbol(typed: str) -> str:
    for form, said in _NOT_HERE:
        if len(typed) <= _SHOWN and form.fullmatch(typed):
            raise BadArgumentError(said.format(typed=typed[:_SHOWN]))
    plain = bare(typed)
    before, _, venue = plain.partition("@")  # btc@binance
    word = before if venue.upper() in VENUES else plain
    symbol = latin(word.replace("\\", "/").strip(_LEFT_OVER))
    symbol = _ARROW.sub("/", _OF_YAHOO.sub("", symbol))
    if not _SYMBOL.fullmatch(symbol):
        raise BadArgumentError(
            f"“{typed[:_SHOWN]}” is not a symbol: write it like BTC, BTCUSDT or BTC/USDT"
        )
    return symbol


def _symbols(typed: str) -> str:
    """Return the symbols with spaces between; ``btc usdt`` and ``eur usd`` are one pair.

    A length of time is passed over: the answer has its own.
    """
    given = [one for word in _BETWEEN.split(typed) for one in _listed(word) if one]
    if (other := other_time(given)) is not None:
        raise BadArgumentError(
            f"I only have current prices, not those of “{other[:_SHOWN]}”: write /price BTC"
        )
    words = symbols_among(given)
    symbols = dict.fromkeys(map(_symbol, words or [typed]))
    if len(symbols) > MOST_SYMBOLS:
        raise BadArgumentError(
            f"That is {len(symbols)} symbols: I take up to {MOST_SYMBOLS} at once, like "
            "/price BTC ETH SOL"
        )
    return " ".join(symbols)


def _listed(word: str) -> list[str]:
    """Return the symbols of ``btc/eth/sol``; what has one slash is a pair."""
    return word.split("/") if _LIST.fullmatch(word) else [word]


def _pair_or_switch(typed: str) -> str:
    return _SWITCHES.get(bare(typed).lower()) or _symbol(typed)


def _switch(typed: str) -> str:
    switch = _SWITCHES.get(bare(typed).lower(), "")
    if typed and not switch:
        raise BadArgumentError(
            f"“{typed[:_SHOWN]}” does not belong there: write /signal PAIR, /signal on or "
            "/signal off"
        )
    return switch


def _timeframe(typed: str) -> str:
    plain = _METATRADER.sub(r"\2\1", bare(typed))
    other = _IN_OTHER_WORDS.fullmatch(plain)
    if other is not None and (unit := _UNITS.get(other[2].lower())) is not None:
        plain = f"{other[1]}{unit}"
    plain = f"{plain}m" if plain.isdecimal() else _NAMED.get(plain.lower(), plain)
    found = _FRAME.fullmatch(plain)
    minutes = float(found[1].replace(",", ".")) * _MINUTES[found[2].lower()] if found else 0.0
    frame = _BY_MINUTES.get(minutes)
    if frame is None or plain == _MONTH:
        raise BadArgumentError(
            f"“{typed[:_SHOWN]}” is not a timeframe: use one of {', '.join(TIMEFRAMES)}"
        )
    return frame


def _market(typed: str) -> str:
    market = MARKETS.get(bare(typed).lower())
    if market is None:
        near = difflib.get_close_matches(typed.lower()[:_SHOWN], MARKETS, n=1)
        meant = f" Did you mean {MARKETS[near[0]]}?" if near else ""
        raise BadArgumentError(f"“{typed[:_SHOWN]}” is not a market: use spot or perps.{meant}")
    return market


def _percent(typed: str) -> str:
    digits = bare(typed).removeprefix("+").removesuffix("%")
    if (times := _TIMES.fullmatch(digits)) is not None:
        digits = f"{100 * (float(times[1] or times[2]) - 1):.0f}"  # 3x the average is 200 % over it
    elif (large := _LARGE.fullmatch(digits)) is not None:
        digits = large[1] + large[2] if large[2] else f"{1000 * float(large[3]):.0f}"
    if not _PERCENT.fullmatch(digits) or int(digits) > _HIGHEST_PERCENT:
        raise BadArgumentError(
            f"“{typed[:_SHOWN]}” is not a threshold: give percent over the average volume, like 200"
        )
    return str(int(digits))


def _days(typed: str) -> str:
    plain = bare(typed).lower()
    found = _PERIOD.fullmatch(plain)
    days = _PERIODS.get(plain, "")
    if found is not None:
        days = f"{int(found[1]) * _IN_DAYS[found[2] or 'd']:g}d"
    if days not in _DAYS:
        raise BadArgumentError(f"“{typed[:_SHOWN]}” is not a period: use one of {', '.join(_DAYS)}")
    return days


def market_of(symbol: str) -> dict[str, str]:
    """Return the market as market-data is asked for it, where a person named the one that it would
    not take by itself: ``BTC-SPOT``."""
    return {"market": "spot"} if symbol.endswith("-SPOT") else {}


def _command(typed: str) -> str:
    return bare(typed).strip("/").lower()


ABOUT: Final = Argument("COMMAND", "price", _command, default="", tapped=True)
SYMBOL: Final = Argument("SYM", "BTC", _symbol, symbol=True)
SYMBOLS: Final = Argument("SYM", "BTC", _symbols, symbol=True)
PAIR: Final = Argument(
    "PAIR", "BTC/USDT", _pair_or_switch, form="PAIR|on|off", symbol=True, noun="pair"
)
SWITCH: Final = Argument("SWITCH", "on", _switch, default="", tapped=True)
COIN: Final = Argument("COIN", "BTC", _symbol, default="BTC", symbol=True)
MARKET: Final = Argument(
    "MARKET", "spot", _market, default="spot", choices=("spot", "perps"), form="spot|perps"
)
THRESHOLD: Final = Argument(
    "PERCENT", "200", _percent, default="200", choices=("100", "200", "300", "500")
)
DAYS: Final = Argument("DAYS", "7d", _days, default="7d", choices=_DAYS)
QUARTER: Final = Argument("TIMEFRAME", "15m", _timeframe, default="15m", choices=_SWITCHED)
HOUR: Final = Argument("TIMEFRAME", "1h", _timeframe, default="1h", choices=_SWITCHED)
