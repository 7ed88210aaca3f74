"""Currencies and metals: which pairs there are, how people spell them, when they trade.

Six letters made of two codes are a currency pair (``EURUSD``, and ``USDCAD`` is no coin USDC);
stablecoins are coins, so ``EUR/USDT`` is none. ``gold`` and ``XAU`` mean XAU/USD, ``silver`` and
``XAG`` XAG/USD; a currency alone (``EUR``) is left to the exchanges that list coins. Pairs are
listed in the market's own order: USD/EUR is EUR/USD, and is not turned round here.
"""

from __future__ import annotations

import difflib
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

from reference_bot.market_data.symbols import Pair, words_of

Hours = Literal["forex", "metals"]

_MS: Final = timedelta(milliseconds=1)
_HOUR: Final = 3_600_000

_METALS: Final = frozenset({"XAU", "XAG", "XPT", "XPD"})
_CURRENCIES: Final = (
    "USD EUR GBP JPY CHF AUD NZD CAD SGD HKD CNH CNY MXN ZAR TRY SEK NOK DKK PLN HUF CZK ILS INR "
    "KRW THB IDR MYR PHP TWD BRL RUB AED SAR"
)
_CODES: Final = _METALS | frozenset(_CURRENCIES.split())
_WORDS: Final = {"GOLD": "XAU", "SILVER": "XAG"}
_FUTURES: Final = {"GC=F": "XAUUSD", "SI=F": "XAGUSD"}
"""Yahoo's names of what it is asked for; of a currency pair it is ``EURUSD=X``."""
_LISTED: Final = (
    "EURUSD GBPUSD AUDUSD NZDUSD USDJPY USDCHF USDCAD EURGBP EURJPY EURCHF EURAUD GBPJPY GBPCHF "
    "AUDJPY CADJPY CHFJPY USDSGD USDHKD USDCNH USDMXN USDZAR USDTRY USDSEK USDNOK XAUUSD XAGUSD"
)

LISTED: Final = tuple(Pair(joined[:3], joined[3:]) for joined in _LISTED.split())
"""The pairs that can be asked for."""


def forex_pair(text: str) -> Pair | None:
    """Return the currency pair or metal that a symbol spells, listed or not; None for a coin.

    >>> str(forex_pair("eur-usd")), str(forex_pair("Gold_XAUUSD")), forex_pair("EUR/USDT")
    ('EUR/USD', 'XAU/USD', None)
    """
    words = words_of(_FUTURES.get(text.upper(), text.upper().removesuffix("=X")))
    if len(words) == 1:
        metal = _WORDS.get(words[0], words[0])
        return Pair(metal, "USD") if metal in _METALS else _joined(words[0])
    if len(words) != 2:
        return None
    first, second = _WORDS.get(words[0], words[0]), words[1]
    if first in _CODES and second in _CODES:
        return Pair(first, second)
    # the spelling of old settings: a group before the pair, as in USD_EURUSD
    return _joined(second) if first in _CODES else None


def _joined(word: str) -> Pair | None:
    base, quote = word[:3], word[3:]
    return Pair(base, quote) if base in _CODES and quote in _CODES else None


def near_pairs(text: str) -> tuple[str, ...]:
    """Return listed pairs that may be meant by a text that names none of them, the nearest first.

    >>> near_pairs("USD/EUR"), near_pairs("EURUSX"), near_pairs("BTC")
    (('EUR/USD',), ('EUR/USD',), ())
    """
    words = words_of(text)
    joined = "".join(words[-1:] if words and len(words[-1]) >= 6 else words)
    names = {f"{pair.base}{pair.quote}": str(pair) for pair in LISTED}
    turned = joined[3:] + joined[:3]
    if turned in names:
        return (names[turned],)
    meant = forex_pair(text) or Pair(joined, "USD")
    if meant.base in _CODES:
        return tuple(str(pair) for pair in LISTED if meant.base in (pair.base, pair.quote))[:5]
    names |= {word: f"{metal}/USD" for word, metal in _WORDS.items()}
    return tuple(names[name] for name in difflib.get_close_matches(joined, names, cutoff=0.8))


# -- hours -------------------------------------------------------------------------------------


def hours_of(pair: Pair) -> Hours:
    """Return whose week a pair keeps."""
    return "metals" if pair.base in _METALS else "forex"


def closed_since(hours: Hours, time: int) -> int | None:
    """Return since when the market is closed (epoch ms), by the week that it keeps; None if open.

    By New York's clock: Yahoo quotes foreign exchange from Sunday 17:00 to Friday 17:30 (recorded;
    the week itself ends at 17:00); COMEX's metals trade from Sunday 18:00 to Friday 17:00, with an
    hour's break at 17:00 every day.
    """
    behind = _hours_behind(time)
    local = _utc(time) - timedelta(hours=behind)
    since_five = local - local.replace(hour=17, minute=0, second=0, microsecond=0)
    since_friday = (since_five + timedelta(days=(local.weekday() - 4) % 7)) % timedelta(days=7)
    late = timedelta(minutes=30 if hours == "forex" else 0)
    if late <= since_friday < timedelta(hours=48 if hours == "forex" else 49):
        since = time - (since_friday - late) // _MS
        return since + (_hours_behind(since) - behind) * _HOUR  # clocks change on a Sunday
    if hours == "metals" and timedelta() <= since_five < timedelta(hours=1):
        return time - since_five // _MS
    return None


def rests(time: int) -> bool:
    """Tell whether prices may stand still outside the weekend: from 17:00 on Christmas Eve and on
    New Year's Eve for 25 hours. On other holidays some trade goes on somewhere.
    """
    local = _utc(time) - timedelta(hours=_hours_behind(time) + 17)
    end = local - timedelta(hours=1)
    return any((day.month, day.day) in ((12, 24), (12, 31)) for day in (local, end))


def _utc(time: int) -> datetime:
    return datetime.fromtimestamp(time / 1000, UTC)


def _hours_behind(time: int) -> int:
    """Return how far New York is behind: 4 from March's second Sunday to November's first."""
    utc = _utc(time)
    begins = _sunday(utc.year, 3) + timedelta(days=7, hours=7)
    ends = _sunday(utc.year, 11) + timedelta(hours=6)
    return 4 if begins <= utc < ends else 5


def _sunday(year: int, month: int) -> datetime:
    first = datetime(year, month, 1, tzinfo=UTC)
    return first + timedelta(days=(6 - first.weekday()) % 7)
