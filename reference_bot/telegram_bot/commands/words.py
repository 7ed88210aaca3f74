"""Words that belong together although a person typed them apart, and words that say nothing."""

import re
from typing import Final

from reference_bot.market_data.forex import forex_pair
from reference_bot.spelling import bare

_DOLLARS: Final = frozenset({"USDT", "USDC", "USD", "FDUSD", "TUSD", "USDE", "DAI"})
MARKETS: Final = {
    "spot": "spot",
    **dict.fromkeys(("perps", "perp", "perpetual", "perpetuals", "futures", "swap"), "perps"),
}
"""What people call the two kinds of market, and what the bot calls them."""
_MARKERS: Final = {"spot": "SPOT", "perps": "PERP"}
_TOWARDS: Final = frozenset({"in", "to"})
_FILLERS: Final = frozenset(
    {"and", "vs", "versus", "or", "of", "for", "the", "price", "please", "pls"}
)
_UNIT: Final = re.compile(
    r"(?:m|mins?|minutes?|h|hrs?|hours?|d|days?|w|weeks?|months?)", re.IGNORECASE
)
_SPAN: Final = re.compile(rf"\d+ ?{_UNIT.pattern}|[hm]\d+", re.IGNORECASE)


def joined(words: list[str], *, symbols: bool = True) -> list[str]:
    """The words, with those put together that are one: a span of time, a pair, a perpetual.

    ``symbols``: whether there may be any among them.

    >>> joined(["btc", "usdt", "perp", "15", "min"])
    ['BTC/USDT-PERP', '15min']
    """
    found: list[str] = []
    left = list(words)
    while left:
        word = left.pop(0)
        before = bare(found[-1]) if found else ""
        plain = bare(word)
        if before.isdecimal() and _UNIT.fullmatch(plain):
            found[-1] = f"{before}{plain}"
            continue
        if not (symbols and before):
            found.append(word)
            continue
        if plain.lower() in _TOWARDS and left and goes_with(before, left[0]):
            plain = bare(left.pop(0))
        if goes_with(before, plain):
            found[-1] = f"{before}/{plain}".upper()
        elif market := MARKETS.get(plain.lower()):
            found[-1] = f"{before.upper()}-{_MARKERS[market]}"
        else:
            found.append(word)
    return found


def goes_with(symbol: str, word: str) -> bool:
    """Whether ``word`` is the quote of ``symbol``, typed apart."""
    base, quote = symbol.upper(), bare(word).upper()
    if not base.isalnum() or base in _DOLLARS:
        return base == "USD" and forex_pair(f"{base}/{quote}") is not None
    return quote in _DOLLARS or forex_pair(f"{base}/{quote}") is not None


def is_span(word: str) -> bool:
    """Whether it is a length of time: ``15m``, ``4hours``, ``H1``."""
    return _SPAN.fullmatch(bare(word)) is not None


def telling(words: list[str]) -> list[str]:
    """The words without those that people put between symbols; all of them where none is left."""
    return [word for word in words if bare(word).lower() not in _FILLERS] or words
