"""Symbols in any usual spelling: ``BTC``, ``btc-usdt``, ``BTC/USDT:USDT``, ``BTC-USDT-SWAP``.

A spelling without a separator can mean more than one pair (``WBTC``: the coin, or W in bitcoin), so
reading gives candidates in order of likelihood; who knows the listings picks.
"""

from __future__ import annotations

import difflib
import heapq
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from reference_bot.spelling import bare, latin, typed_on_latin_keys

_DOLLARS = ("USDT", "USDC", "FDUSD", "TUSD", "BUSD", "USD1", "USDE", "DAI", "USD")
_QUOTES = (*_DOLLARS, "EUR", "TRY", "BRL", "JPY", "BTC", "ETH", "BNB")
_MARKERS = frozenset({"SWAP", "PERP", "PERPS", "PERPETUAL", "FUTURES", "SPOT", "P", "UMCBL"})
_JOINED_MARKERS = ("PERP", "SWAP")
_AT_VENUE = re.compile(r"(?P<venue>[A-Z][A-Z0-9_]*):(?P<symbol>.+)")
_PREFIXES = (
    "BINANCE BINANCEUS BYBIT OKX OKEX GATE GATEIO BITGET HYPERLIQUID COINBASE KRAKEN KUCOIN MEXC "
    "BITSTAMP BITFINEX BITMEX DERIBIT HTX HUOBI BINGX PHEMEX GEMINI CRYPTO CRYPTOCOM OANDA FX "
    "FX_IDC FOREXCOM FXCM TVC COMEX PEPPERSTONE CAPITALCOM SAXO NASDAQ NYSE AMEX"
)
VENUES = frozenset(_PREFIXES.split())
"""What stands before the colon where charts are drawn: ``BINANCE:BTCUSDT``."""
_NAMES = {
    "BITCOIN": "BTC",
    "XBT": "BTC",
    "ETHEREUM": "ETH",
    "ETHER": "ETH",
    "SOLANA": "SOL",
    "RIPPLE": "XRP",
    "DOGECOIN": "DOGE",
    "CARDANO": "ADA",
    "POLKADOT": "DOT",
    "LITECOIN": "LTC",
    "CHAINLINK": "LINK",
    "AVALANCHE": "AVAX",
    "TRON": "TRX",
    "TONCOIN": "TON",
    "STELLAR": "XLM",
    "MONERO": "XMR",
    "UNISWAP": "UNI",
    "SHIBA": "SHIB",
    "HYPERLIQUID": "HYPE",
    "БИТКОИН": "BTC",
    "БИТКОЙН": "BTC",
    "ЭФИР": "ETH",
    "ЭФИРИУМ": "ETH",
    "比特币": "BTC",
    "以太坊": "ETH",
    "狗狗币": "DOGE",
    "ビットコイン": "BTC",
    "비트코인": "BTC",
    "БИТОК": "BTC",
    "РИПЛ": "XRP",
    "СОЛАНА": "SOL",
    "بيتكوين": "BTC",
    "بتكوين": "BTC",
    "إيثريوم": "ETH",
    "ביטקוין": "BTC",
    "瑞波币": "XRP",
    "柴犬币": "SHIB",
    "莱特币": "LTC",
    "이더리움": "ETH",
    "리플": "XRP",
    "솔라나": "SOL",
    "도지코인": "DOGE",
    "イーサリアム": "ETH",
    "リップル": "XRP",
    "ソラナ": "SOL",
    "ドージコイン": "DOGE",
    **{f"K{coin}": coin for coin in ("PEPE", "SHIB", "BONK", "FLOKI", "LUNC", "NEIRO", "DOGS")},
}
"""Coins that people call by their names, and the thousands that Hyperliquid counts."""
_SEPARATORS = re.compile(r"[-/\\_.: ]+")
_MULTIPLES = re.compile(r"^(10{3,7}|1M)(?=[^\W\d])(.+)$")
_AFTER = re.compile(r"^(.*[^\W\d])(1000)$")
_MILLIONS = {"MBABYDOGE": "BABYDOGE"}
"""Gate.io's name of a million coins, which begins as names of coins do (MASK)."""
_LONGEST = 40
_RENAMED = {
    "MATIC": "POL",
    "FTM": "S",
    "RNDR": "RENDER",
    "MKR": "SKY",
    "EOS": "A",
    "KLAY": "KAIA",
    "AGIX": "FET",
    "OCEAN": "FET",
}
"""Coins that venues list under another name by now."""
_COMPARED = 60
"""Names that are compared letter by letter: with all of them an unknown symbol costs 10 ms."""


class SpellingError(ValueError):
    """A text that cannot be the name of a symbol."""


@dataclass(frozen=True, slots=True, order=True)
class Pair:
    """A base and a quote asset, in capitals."""

    base: str
    quote: str

    def __str__(self) -> str:
        return f"{self.base}/{self.quote}"


def parse_symbol(text: str, *, quote: str = "USDT") -> tuple[Pair, ...]:
    """Read a symbol; candidates, the likeliest first. ``quote`` is what is meant when none is said.

    Raises SpellingError that says what is wrong and what would be right.
    """
    words = words_of(text)
    while len(words) > 1 and words[-1] in _MARKERS:
        words.pop()
    if not words or len(text) > _LONGEST or not all(word.isalnum() for word in words):
        shown = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
        raise SpellingError(f"“{shown}” is not a symbol: write it like BTC, BTCUSDT or BTC/USDT")
    if len(words) == 1:
        other = typed_on_latin_keys(words[0])
        read = (*_joined(words[0], quote), *(_joined(other, quote) if other else ()))
        return tuple(dict.fromkeys(read))
    if len(words) == 3 and words[2] in words[:2]:  # BTC/USDT:USDT, BTC/USD:BTC: what it settles in
        words.pop()
    return (Pair(_coin(words[0]), "/".join(words[1:])),)


def words_of(text: str) -> list[str]:
    """Return what stands between the separators, in capitals."""
    plain = latin(bare(text))
    found = _AT_VENUE.fullmatch(plain)
    if found is not None and found["venue"] in VENUES:
        plain = found["symbol"]
    return [word for word in _SEPARATORS.split(plain) if word]


def _joined(word: str, quote: str) -> tuple[Pair, ...]:
    if word in _NAMES:
        return (Pair(_NAMES[word], quote),)
    whole = Pair(plain_base(word), quote)
    for marker in _JOINED_MARKERS:  # BTCPERP, BTCUSDTPERP
        if word.endswith(marker) and len(word) > len(marker) + 1:
            return (whole, *_joined(word.removesuffix(marker), quote))
    pairs = [Pair(_coin(base), quote) for base, quote in _splits(word)]
    dollars = [pair for pair in pairs if pair.quote in _DOLLARS]
    return (*dollars, whole, *(pair for pair in pairs if pair.quote not in _DOLLARS))


def _coin(base: str) -> str:
    """Return the coin that a base is: by its name, or counted in thousands."""
    return _NAMES.get(base) or plain_base(base)


def _splits(word: str) -> Iterator[tuple[str, str]]:
    """Yield base and quote for each quote that a word ends in: ``XBTUSD`` is no XB in TUSD."""
    for quote in _QUOTES:
        if word.endswith(quote) and len(word) > len(quote):
            yield word.removesuffix(quote), quote


def split_joined(word: str) -> tuple[str, str] | None:
    """Split ``BTCUSDT`` into base and quote by the quotes there are; None when it ends in none.

    >>> split_joined("BTCUSDT"), split_joined("BTC")
    (('BTC', 'USDT'), None)
    """
    return next(_splits(word), None)


def plain_base(base: str) -> str:
    """Return the coin in a base asset that counts multiples.

    >>> plain_base("1000SHIB"), plain_base("1MBABYDOGE"), plain_base("1INCH")
    ('SHIB', 'BABYDOGE', '1INCH')
    """
    return split_multiple(base)[0]


def split_multiple(base: str) -> tuple[str, float]:
    """Return the coin, and how many of it one unit of the venue's asset holds.

    >>> split_multiple("1000SHIB"), split_multiple("SHIB1000"), split_multiple("BTC")
    (('SHIB', 1000.0), ('SHIB', 1000.0), ('BTC', 1.0))
    >>> split_multiple("MBABYDOGE")
    ('BABYDOGE', 1000000.0)
    """
    if base in _MILLIONS:
        return _MILLIONS[base], 1_000_000.0
    after = _AFTER.match(base)
    if after is not None:
        return after[1], float(after[2])
    found = _MULTIPLES.match(base)
    if found is None:
        return base, 1.0
    factor = 1_000_000.0 if found[1] == "1M" else float(found[1])
    return found[2], factor


def _alike_in_letters(word: str) -> Callable[[str], float]:
    """Return an upper limit of how alike a name can be, by its letters alone: quick to tell."""
    letters = frozenset(word)

    def limit(name: str) -> float:
        return len(letters.intersection(name)) / (len(word) + len(name))

    return limit


def near_matches(pair: Pair, known: Iterable[Pair], *, count: int = 5) -> tuple[str, ...]:
    """Return listed pairs that the asker may have meant, the nearest first."""
    names: dict[str, Pair] = {}
    for other in known:
        kept = names.get(other.base)
        if kept is None or other.quote == pair.quote or kept.quote != pair.quote > other.quote:
            names[other.base] = other
    called = {name: base for name, base in _NAMES.items() if base in names}
    few = heapq.nlargest(_COMPARED, {**names, **called}, key=_alike_in_letters(pair.base))
    renamed = _RENAMED.get(pair.base, "")
    bases = [renamed] if renamed in names else []
    # A whole name is long: half of its letters are in many a short symbol.
    for listed, cutoff in ((called, 0.75), ({name: name for name in names}, 0.5)):
        alike = [name for name in few if name in listed]
        close = difflib.get_close_matches(pair.base, alike, n=count, cutoff=cutoff)
        bases += [listed[name] for name in close]
    bases = list(dict.fromkeys(bases))
    bases += sorted(
        base for base in names if pair.base and base.startswith(pair.base) and base not in bases
    )
    return tuple(str(names[base]) for base in bases[:count])
