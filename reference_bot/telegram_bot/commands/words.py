"""Words that belong together although a person typed them apart, and words that say nothing."""

import re
from typing import Final

from reference_bot.market_data.forex import forex_pair
from reference_bot.market_data.symbols import VENUES
from reference_bot.spelling import bare

_DOLLARS: Final = frozenset({"USDT", "USDC", "USD", "FDUSD", "TUSD", "USDE", "DAI"})
_MONEY: Final = frozenset({"EUR", "GBP", "JPY", "TRY", "BRL", "AUD"})
"""What coins are traded in beside dollars: ``btc in eur``."""
MARKETS: Final = {
    "spot": "spot",
    **dict.fromkeys(("perps", "perp", "perpetual", "perpetuals", "futures", "swap"), "perps"),
}
"""What people call the two kinds of market, and what the bot calls them."""
_MARKERS: Final = {"spot": "SPOT", "perps": "PERP"}
_METALS: Final = frozenset({"XAU", "XAG", "XPT", "XPD"})
_TOWARDS: Final = frozenset({"in", "to"})
_SMALL_WORDS: Final = (
    "and vs versus or of for the price please pls thanks thx chart now today current what whats "
    "what's is are how much alert und et и de del precio preço prix preis prezzo цена курс "
    "сколько стоит fiyat harga 价格 多少 価格 가격"
)
_FILLERS: Final = frozenset(_SMALL_WORDS.split())
_AT: Final = frozenset({"on", "at", "from"})
_COINS_TOO: Final = frozenset({"GATE", "HYPERLIQUID", "CRYPTO", "FX"})
"""Names of exchanges and of groups of charts that may as well be meant as a coin."""
_SAYS_NOTHING: Final = frozenset({"last", "past", "this", "percent", "pct"})
_AMOUNT: Final = re.compile(r"\d+(?:[.,'’/]\d+)*[km]?", re.IGNORECASE)
_UNIT: Final = re.compile(
    r"(?:m|mins?|minutes?|h|hrs?|hours?|d|days?|w|weeks?|months?)", re.IGNORECASE
)
_SPAN: Final = re.compile(rf"\d+ ?{_UNIT.pattern}|[hm]\d+", re.IGNORECASE)
_GLUED: Final = re.compile(
    r"(?P<symbol>[^\W_].*?)[-/_:@](?P<span>\d{1,4}(?:m|mins?|h|hrs?|d))", re.IGNORECASE
)
_BETWEEN: Final = re.compile(r"[,;|]+")
_NAMES: Final = {
    ("bitcoin", "cash"): "BCH",
    ("ethereum", "classic"): "ETC",
    ("shiba", "inu"): "SHIB",
    ("binance", "coin"): "BNB",
    ("internet", "computer"): "ICP",
    ("near", "protocol"): "NEAR",
}
"""Coins whose name has two words."""


def arguments_among(words: list[str], *, symbols: bool, alone: str) -> list[str]:
    """Return the words that can be arguments, `joined`.

    ``alone``: an example of the one argument that there is. Where that is no span of time, the
    spans that people name all the same are left out.
    """
    words = joined(words, symbols=symbols)
    return without_spans(words) if alone and not is_span(alone) else words


def joined(words: list[str], *, symbols: bool = True) -> list[str]:
    """Return the words, with those put together that are one: a span of time, a pair, a perpetual.

    ``symbols``: whether there may be any among them.

    >>> joined(["btc", "usdt", "perp", "15", "min"]), joined(["spot", "btc-15m"])
    (['BTC/USDT-PERP', '15min'], ['BTC-SPOT', '15m'])
    """
    found: list[str] = []
    markers: list[str] = []  # that stand before their symbol
    left = _taken_apart(words) if symbols else [one for one in words if not _is_idle(one)] or words
    left = list(left)
    while left:
        word = left.pop(0)
        before, plain = bare(found[-1]) if found else "", bare(word)
        if before.isdecimal() and _UNIT.fullmatch(plain):
            found[-1] = f"{before}{plain}"
        elif not symbols:
            found.append(word)
        elif market := MARKETS.get(plain.lower()):
            at = next((n for n in reversed(range(len(found))) if not is_span(found[n])), None)
            if at is None:
                markers.append(word)
            else:
                found[at] = _marked(found[at], market)
        elif coin := _NAMES.get((before.lower(), plain.lower())):
            found[-1] = coin
        elif plain.lower() in _TOWARDS and left and _in_money(before, left[0]):
            found[-1] = f"{before}/{bare(left.pop(0))}".upper()
        elif before and goes_with(before, plain):
            found[-1] = f"{before}/{plain}".upper()
        elif markers and not is_span(word):
            found.append(_marked(word, MARKETS[bare(markers.pop()).lower()]))
        else:
            found.append(word)
    return [*markers, *found]


def _taken_apart(words: list[str]) -> list[str]:
    """Return what a comma or a bar separates, and a span of time at the end of a
    symbol: ``btc-15m``."""
    found: list[str] = []
    for word in (one for typed in words for one in _BETWEEN.split(typed) if one):
        glued = _GLUED.fullmatch(bare(word))
        found += [glued["symbol"], glued["span"]] if glued else [word]
    return found or words


def _is_idle(word: str) -> bool:
    return bare(word).lower() in _SAYS_NOTHING


def _marked(word: str, market: str) -> str:
    return f"{bare(word).upper()}-{_MARKERS[market]}"


def _in_money(symbol: str, word: str) -> bool:
    """Tell whether ``word`` is what ``symbol`` is wanted in, when that is said."""
    return goes_with(symbol, word) or (symbol.isalnum() and bare(word).upper() in _MONEY)


def goes_with(symbol: str, word: str) -> bool:
    """Tell whether ``word`` is the quote of ``symbol``, typed apart."""
    base, quote = symbol.upper(), bare(word).upper()
    if base.isdecimal() or {base, quote} <= _METALS:  # an amount of dollars; gold and silver
        return False
    if not base.isalnum() or base in _DOLLARS:
        return base == "USD" and forex_pair(f"{base}/{quote}") is not None
    return quote in _DOLLARS or forex_pair(f"{base}/{quote}") is not None


def is_span(word: str) -> bool:
    """Tell whether it is a length of time: ``15m``, ``4hours``, ``H1``."""
    return _SPAN.fullmatch(bare(word)) is not None


def symbols_among(words: list[str]) -> list[str]:
    """Return the words that can be symbols; spans of time too where there is nothing else.

    >>> symbols_among("what is btc usdt 15m on binance".split()), symbols_among(["15m"])
    (['BTC/USDT'], ['15m'])
    """
    return without_spans(_telling(joined(words)))


def without_spans(words: list[str]) -> list[str]:
    """Return the words without spans of time; all of them where there is nothing else."""
    return [word for word in words if not is_span(word)] or words


def _telling(words: list[str]) -> list[str]:
    """Return the words without those that people put between symbols, amounts, and where it is
    traded; all of them where none is left.

    >>> _telling("what is 1 btc on binance".split()), _telling(["binance"])
    (['btc'], ['binance'])
    """
    plain = [bare(word) for word in words]
    kept = []
    for at, word in enumerate(words):
        before = plain[at - 1].lower() if at else ""
        after = plain[at + 1].upper() if at + 1 < len(plain) else ""
        venue = plain[at].upper() in VENUES
        if plain[at].lower() in _FILLERS or _AMOUNT.fullmatch(plain[at]):
            continue
        if venue and (before in _AT or plain[at].upper() not in _COINS_TOO):
            continue
        if plain[at].lower() in _TOWARDS and before.upper() in _DOLLARS | _MONEY:
            continue  # 100 usd in btc
        if plain[at].lower() in _AT and (after in VENUES or _AMOUNT.fullmatch(after)):
            continue
        kept.append(word)
    return kept or words
