"""Words that belong together although a person typed them apart, and words that say nothing."""

import re
from typing import Final, NamedTuple

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
_CURRENCIES: Final = {
    **dict.fromkeys(("DOLLAR", "DOLLARS", "ДОЛЛАР", "ДОЛЛАРАХ", "دولار"), "USD"),
    **dict.fromkeys(("EURO", "EUROS", "ЕВРО"), "EUR"),
    **dict.fromkeys(("POUND", "POUNDS"), "GBP"),
    **dict.fromkeys(("LIRA", "LIRAS"), "TRY"),
    "YEN": "JPY",
}
"""Currencies by their names, after a coin: ``btc in euros``."""
_MARKERS: Final = {"spot": "SPOT", "perps": "PERP"}
_METALS: Final = frozenset({"XAU", "XAG", "XPT", "XPD"})
_TOWARDS: Final = frozenset({"in", "to"})
_SMALL_WORDS: Final = (
    "and vs versus or of for the price please pls thanks thx chart now today current what whats "
    "what's is are how much alert und et и de del precio preço prix preis prezzo цена курс "
    "сколько стоит в fiyat fiyatı harga giá ราคา ціна cena cotação kurs 价格 多少 価格 가격 "
    "سعر قیمت מחיר कीमत thousand million billion tf timeframe interval candle candles last past"
)
_FILLERS: Final = frozenset(_SMALL_WORDS.split())
_LABELLED: Final = re.compile(
    r"(?:tf|timeframe|interval|period|symbol|ticker|coin|pair)[=:](.+)", re.IGNORECASE
)
"""What programs take by its name: ``tf=1h``."""
_COUNTS: Final = {
    **dict.fromkeys(("a", "an", "one"), "1"),
    "two": "2",
    "four": "4",
    "five": "5",
    "seven": "7",
    "fifteen": "15",
    "thirty": "30",
}
"""Numbers in words, before a unit of time that is written out."""
_AT: Final = frozenset({"on", "at", "from"})
_DAYS_IN_WORDS: Final = "yesterday tomorrow вчера завтра ayer mañana gestern morgen hier"
_OTHER_DAYS: Final = frozenset(_DAYS_IN_WORDS.split())
_OTHER_TIME: Final = re.compile(r"\d{4}-\d{1,2}-\d{1,2}|\d{1,2}[.-]\d{1,2}[.-]\d{4}|\d{1,2}:\d\d")
"""Days and times of day: prices are those of now."""
_COINS_TOO: Final = frozenset({"GATE", "HYPERLIQUID", "CRYPTO", "FX"})
"""Names of exchanges and of groups of charts that may as well be meant as a coin."""
_SAYS_NOTHING: Final = frozenset({"last", "past", "this", "percent", "pct"})
_AMOUNT: Final = re.compile(r"\d+(?:[.,'’/]\d+)*[km]?", re.IGNORECASE)
_UNIT: Final = re.compile(
    r"(?:m|mins?|minutes?|h|hrs?|hours?|d|days?|w|weeks?|months?"
    r"|мин(?:ут[аы]?)?|ч(?:ас(?:а|ов)?)?|分钟?|小时|時間|분|시간)",
    re.IGNORECASE,
)
_SPAN: Final = re.compile(rf"\d+(?:[.,]\d+)? ?{_UNIT.pattern}(?:ly)?|[hm]\d+", re.IGNORECASE)
_GLUED: Final = re.compile(
    r"(?P<symbol>[^\W_].*?)[-/_:@](?P<span>\d{1,4}(?:m|mins?|h|hrs?|d))", re.IGNORECASE
)
OFTEN_ASKED: Final = frozenset(
    {"BTC", "ETH", "SOL", "XRP", "BNB", "DOGE", "ADA", "TON", "TRX", "LTC", "LINK", "GOLD"}
)
"""What people ask for as if it were a command, and write together with an amount: ``1btc``."""
_AMOUNT_OF: Final = re.compile(rf"\d+(?:[.,]\d+)?({'|'.join(OFTEN_ASKED)})", re.IGNORECASE)
_BETWEEN: Final = re.compile(r"[,;|]+")
_NAMES: Final = {
    ("bitcoin", "cash"): "BCH",
    ("ethereum", "classic"): "ETC",
    ("shiba", "inu"): "SHIB",
    ("binance", "coin"): "BNB",
    ("internet", "computer"): "ICP",
    ("near", "protocol"): "NEAR",
    ("baby", "doge"): "BABYDOGE",
    ("official", "trump"): "TRUMP",
    ("wrapped", "bitcoin"): "WBTC",
    ("pudgy", "penguins"): "PENGU",
    ("floki", "inu"): "FLOKI",
    ("pi", "network"): "PI",
    ("world", "liberty"): "WLFI",
}
"""Coins whose name has two words."""


class _Word(NamedTuple):
    """A word as it was typed, and without the punctuation and pictures around it."""

    typed: str
    plain: str


def arguments_among(words: list[str], *, symbols: bool, alone: str) -> list[str]:
    """Return the words that can be arguments, with those put together that are one.

    ``symbols``: whether there may be any among them. ``alone``: an example of the one argument that
    there is. Where that is no span of time, the spans that people name all the same are left out.

    >>> arguments_among(["btc", "usdt", "perp", "15", "min"], symbols=True, alone="")
    ['BTC/USDT-PERP', '15min']
    """
    words = _in_digits(words)
    read = _said(_joined(_taken_apart(words))) if symbols else _with_units(_read(words))
    spans = not alone or _SPAN.fullmatch(alone) is not None
    return [one.typed for one in (read if spans else _without_spans(read))]


def _said(words: list[_Word]) -> list[_Word]:
    """Return the words without those that say nothing beside others: ``btc chart``."""
    kept = [word for at, word in enumerate(words) if not _is_filler(words, at)]
    return words if all(map(_is_span, kept)) else kept


def _is_filler(words: list[_Word], at: int) -> bool:
    """Tell whether the word at ``at`` says nothing; ME is a coin, and ``for me`` is none."""
    small = words[at].plain.lower()
    return small in _FILLERS or (small == "me" and at > 0 and words[at - 1].plain.lower() == "for")


def _in_digits(words: list[str]) -> list[str]:
    """Return the words with numbers of hours, minutes and days in digits.

    >>> _in_digits("btc an hour".split()), _in_digits("one half an hour".split())
    (['btc', '1', 'hour'], ['one', '30', 'minutes'])
    """
    found: list[str] = []
    for word in words:
        unit = bare(word).lower() if found else ""
        number = found[-1].lower() if len(unit) > 2 and _UNIT.fullmatch(unit) else ""
        if number in {"a", "an", "half"} and "half" in map(str.lower, found[-2:]):
            while found[-1].lower() in {"a", "an"}:
                found.pop()
            found[-1:] = ["30", "minutes"] if unit.startswith("hour") else ["12", "hours"]
            continue
        found[-1:] = [_COUNTS.get(number, found[-1])] if number else found[-1:]
        found.append(word)
    return found


def symbols_among(words: list[str]) -> list[str]:
    """Return the words that can be symbols; spans of time too where there is nothing else.

    >>> symbols_among("what is btc usdt 15m on binance".split()), symbols_among(["15m"])
    (['BTC/USDT'], ['15m'])
    >>> symbols_among(["spot", "btc-15m"])
    ['BTC-SPOT']
    """
    read = _joined(_taken_apart(_in_digits(words)))
    return [one.typed for one in _without_spans(_telling(read))]


def _read(words: list[str]) -> list[_Word]:
    named = ((word, _LABELLED.fullmatch(word)) for word in words)
    given = (label[1] if label else word for word, label in named)
    return [_Word(word, bare(word)) for word in given]


def _taken_apart(words: list[str]) -> list[_Word]:
    """Return what a comma or a bar separates, and a span of time at the end of a
    symbol: ``btc-15m``."""
    found: list[_Word] = []
    for word in _read([one for typed in words for one in _BETWEEN.split(typed) if one]):
        amount, glued = _AMOUNT_OF.fullmatch(word.plain), _GLUED.fullmatch(word.plain)
        if amount is not None:
            found.append(_made(amount[1]))
        else:
            found += _read([glued["symbol"], glued["span"]]) if glued else [word]
    return found or _read(words)


def _with_units(words: list[_Word]) -> list[_Word]:
    """Return the words that say something, with a unit of time put to the number before it."""
    found: list[_Word] = []
    for word in [one for one in words if one.plain.lower() not in _SAYS_NOTHING] or words:
        thousand = word.plain.lower() == "thousand"
        if found and (_is_unit(found[-1], word) or thousand):
            found[-1] = _made(f"{found[-1].plain}{word.plain}")
        else:
            found.append(word)
    return found


def _joined(words: list[_Word]) -> list[_Word]:
    """Put together a span of time, a pair, a perpetual, a coin whose name has two words."""
    found: list[_Word] = []
    markers: list[_Word] = []  # that stand before their symbol
    left = list(words)
    while left:
        word = left.pop(0)
        if found and (money := _CURRENCIES.get(word.plain.upper())):
            word = _made(money)
        before, plain = found[-1].plain if found else "", word.plain
        if found and _is_unit(found[-1], word):
            found[-1] = _made(f"{before}{plain}")
        elif market := MARKETS.get(plain.lower()):
            at = next((n for n in reversed(range(len(found))) if _is_market(found, n)), None)
            if at is None:
                markers.append(word)
            else:
                found[at] = _marked(found[at], market)
        elif coin := _NAMES.get((before.lower(), plain.lower())):
            found[-1] = _made(coin)
        elif plain.lower() in _TOWARDS and left and _in_money(before, _money(left[0])):
            found[-1] = _made(f"{before}/{_money(left.pop(0))}".upper())
        elif before and _goes_with(before, plain):
            found[-1] = _made(f"{before}/{plain}".upper())
        elif markers and not _is_span(word):
            found.append(_marked(word, MARKETS[markers.pop().plain.lower()]))
        else:
            found.append(word)
    return [*markers, *found]


def _money(word: _Word) -> str:
    return _CURRENCIES.get(word.plain.upper(), word.plain)


def _is_market(words: list[_Word], at: int) -> bool:
    """Tell whether the word at ``at`` may be what ``perp`` behind it belongs to."""
    return not _is_span(words[at]) and (at == 0 or words[at].plain.upper() not in VENUES)


def other_time(words: list[str]) -> str | None:
    """Return the first word after a symbol that names another day or a time of day, or None.

    >>> other_time(["btc", "yesterday"]), other_time(["btc", "at", "12:30"]), other_time(["btc"])
    ('yesterday', '12:30', None)
    """
    after = (word.plain for word in _read(words[1:]))
    return next(
        (one for one in after if one.lower() in _OTHER_DAYS or _OTHER_TIME.fullmatch(one)), None
    )


def _made(word: str) -> _Word:
    """Return a word that nobody typed like that."""
    return _Word(word, word)


def _is_unit(number: _Word, word: _Word) -> bool:
    return number.plain.isdecimal() and _UNIT.fullmatch(word.plain) is not None


def _is_span(word: _Word) -> bool:
    """Tell whether it is a length of time: ``15m``, ``4hours``, ``H1``."""
    return _SPAN.fullmatch(word.plain) is not None


def _marked(word: _Word, market: str) -> _Word:
    marker = f"-{_MARKERS[market]}"
    return _made(word.plain.upper().removesuffix(marker) + marker)  # perpetual swap


def _in_money(symbol: str, word: str) -> bool:
    """Tell whether ``word`` is what ``symbol`` is wanted in, when that is said."""
    return _goes_with(symbol, word) or (symbol.isalnum() and word.upper() in _MONEY)


def _goes_with(symbol: str, word: str) -> bool:
    """Tell whether ``word`` is the quote of ``symbol``, typed apart."""
    base, quote = symbol.upper(), word.upper()
    if base.isdecimal() or {base, quote} <= _METALS:  # an amount of dollars; gold and silver
        return False
    if not base.isalnum() or base in _DOLLARS:
        return base == "USD" and forex_pair(f"{base}/{quote}") is not None
    return quote in _DOLLARS or forex_pair(f"{base}/{quote}") is not None


def _without_spans(words: list[_Word]) -> list[_Word]:
    """Return the words without spans of time; all of them where there is nothing else."""
    return [word for word in words if not _is_span(word)] or words


def _telling(words: list[_Word]) -> list[_Word]:
    """Return the words without those that people put between symbols, amounts, and where it is
    traded; all of them where none is left.
    """
    kept = []
    for at, word in enumerate(words):
        before = words[at - 1].plain.lower() if at else ""
        after = words[at + 1].plain.upper() if at + 1 < len(words) else ""
        small, venue = word.plain.lower(), word.plain.upper()
        if _is_filler(words, at) or _AMOUNT.fullmatch(word.plain):
            continue
        if venue in VENUES and (before in _AT or venue not in _COINS_TOO):
            continue
        if small in _TOWARDS and before.upper() in _DOLLARS | _MONEY:
            continue  # 100 usd in btc
        if small in _AT and (after in VENUES or _AMOUNT.fullmatch(after)):
            continue
        kept.append(word)
    return kept or words
