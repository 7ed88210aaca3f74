"""What people type, as it was meant: at one place, for the bot and for market-data.

Phones put marks into a text that nobody sees, keyboards have letters, dashes and slashes of other
widths or other alphabets, and sentences put punctuation around a word.
"""

import re
import unicodedata
from typing import Final

_KEPT_AROUND: Final = frozenset("/-&+%")
"""These may belong to what they stand beside: a part of a pair, a sign, a percentage."""
_OVERRIDES: Final = "\u202d\u202e"
"""These show other letters than are there: no symbol holds them, and they are not passed over."""
_SAME: Final = str.maketrans(
    {**dict.fromkeys("‐‑‒–—―−", "-"), **dict.fromkeys("⁄∕", "/"), "٪": "%"}
)
"""Dashes, slashes, the percent sign of Arabic keyboards."""
_BEFORE: Final = str.maketrans({"™": "", "℠": "", "\u2800": " "})
"""Marks that would become letters, and the blank of Braille, which is a picture of nothing."""
_FILLERS: Final = "\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0"
"""Letters and marks without a shape: the joiner of graphemes, fillers of Hangul and Khmer."""
_SIGNS: Final = {"₿": "BTC", "Ξ": "ETH", "Ð": "DOGE", "Ł": "LTC"}
"""Coins by their sign alone."""
_FANCY: Final = re.compile(
    r"(?:NEGATIVE (?:SQUARED|CIRCLED) LATIN CAPITAL LETTER|LATIN LETTER SMALL CAPITAL) ([A-Z])"
)
"""Letters that look like Latin ones and that NFKC leaves as they are, by their Unicode names."""
_OWN_WORDS: Final = {"ТОН": "TON", "УЕР": "ETH"}
"""Words of which each letter looks like a Latin one and which mean another: the Russian name of
Toncoin, and eth on a Russian keyboard.
"""
_LOOK_ALIKE: Final = str.maketrans(
    "АВСЕНІЈКМОРЅТХУҮԚԜ" + "ΑΒΕΖΗΙΚΜΝΟΡΤΥΧ" + "₿", "ABCEHIJKMOPSTXYYQW" + "ABEZHIKMNOPTYX" + "B"
)
"""Capitals of Cyrillic and Greek that nobody can tell from Latin ones, and the sign of bitcoin as
people put it for a B.
"""


_KEYS: Final = "qwertyuiopasdfghjklzxcvbnm"
_LAYOUTS: Final = (
    "йцукенгшщзфывапролдячсмить",  # Russian
    "ςερτυθιοπασδφγηξκλζχψωβνμ",  # Greek, without q
    "/'קראטוןםפשדגכעיחלךזסבהנמצ",  # Hebrew
    "ㅂㅈㄷㄱㅅㅛㅕㅑㅐㅔㅁㄴㅇㄹㅎㅗㅓㅏㅣㅋㅌㅊㅍㅠㅜㅡ",  # Korean
)
"""The letters of the keys q to m on keyboards of other alphabets, as xkeyboard-config has them."""
_FINAL: Final = " JONGSEONG "
"""What Unicode calls a consonant of Korean at the end of a syllable: the same key as elsewhere."""


def _on_a_key(letter: str) -> str:
    plain = unicodedata.normalize("NFKC", letter).upper()
    name = unicodedata.name(plain, "") if len(plain) == 1 else ""
    first = name.replace(_FINAL, " CHOSEONG ")
    try:
        return unicodedata.lookup(first) if first != name else plain
    except KeyError:  # two consonants, which are two keys
        return plain


_LATIN_KEYS: Final = tuple(
    {
        _on_a_key(letter): key.upper()
        for letter, key in zip(letters, _KEYS[-len(letters) :], strict=True)
    }
    for letters in _LAYOUTS
)


def typed_on_latin_keys(text: str) -> str:
    """Return what the same keys give in Latin letters; empty where no layout has all letters.

    >>> typed_on_latin_keys("иес"), typed_on_latin_keys("ㅠㅅㅊ"), typed_on_latin_keys("биткоин")
    ('BTC', 'BTC', '')
    """
    if text.isascii():
        return ""
    letters = [*map(_on_a_key, unicodedata.normalize("NFD", text))]
    for keys in _LATIN_KEYS:
        if all(one in keys or one.isdecimal() for one in letters):
            return "".join(keys.get(one, one) for one in letters)
    return ""


def readable(text: str) -> str:
    """Return ``text`` in usual forms of letters (NFKC), digits, dashes and slashes, with nothing
    invisible.

    >>> readable("\ufeffｂｔｃ\u200f／ｕｓｄｔ"), readable("btc–usdt\ufe0f"), readable("b̶t̶ć")
    ('btc/usdt', 'btc-usdt', 'btc')
    """
    if text.isascii():
        return text
    composed = unicodedata.normalize("NFKC", text.translate(_BEFORE))
    seen = "".join(one for one in composed if not _invisible(one))
    digits = (str(unicodedata.decimal(one)) if one.isdecimal() else one for one in _unmarked(seen))
    return "".join(digits).translate(_SAME)


def bare(text: str) -> str:
    """Return the same without the punctuation and pictures around it.

    >>> bare("#btc,"), bare("[$BTC/USDT]"), bare("btc🚀!"), bare("¿「btc」?")
    ('btc', 'BTC/USDT', 'btc', 'btc')
    """
    plain = readable(text)
    start, end = 0, len(plain)
    while start < end and _is_around(plain[start]):
        start += 1
    while start < end and _is_around(plain[end - 1]):
        end -= 1
    return plain[start:end]


def latin(text: str) -> str:
    """Return ``text`` in capitals, and in Latin letters where each of its letters looks like one.

    A word of which a letter does not look like one is a word of its own alphabet, and left alone.

    >>> latin("втс"), latin("ʙᴛᴄ"), latin("🅱🆃🅲"), latin("БТК"), latin("币安人生")
    ('BTC', 'BTC', 'BTC', 'БТК', '币安人生')
    """
    if text.isascii() or text in _SIGNS:
        return _SIGNS.get(text) or text.upper()
    if (own := _OWN_WORDS.get(text.upper())) is not None:
        return own
    found = "".join(map(_plain_letter, text)).upper().translate(_LOOK_ALIKE)
    return found if found.isascii() else text.upper()


def _plain_letter(one: str) -> str:
    fancy = None if one.isascii() else _FANCY.fullmatch(unicodedata.name(one, ""))
    return fancy[1] if fancy else one


def _unmarked(text: str) -> str:
    """Without what is put over, under or through a Latin letter: accents, strokes."""
    apart = unicodedata.normalize("NFD", text)
    kept: list[str] = []
    base = ""
    for one in apart:
        if not unicodedata.combining(one):
            base = one
        elif base.isascii():
            continue
        kept.append(one)
    return unicodedata.normalize("NFC", "".join(kept))


def _is_around(one: str) -> bool:
    """Tell whether it is punctuation, a money sign, an emoji with its colour or a blank."""
    if one in _KEPT_AROUND or one == "₿":
        return False
    if one.isspace():
        return True
    category = unicodedata.category(one)
    return category[0] in "PS" and not _FANCY.match(unicodedata.name(one, ""))


def _invisible(one: str) -> bool:
    """Return formatting marks, control characters, variation selectors, frames around keys,
    letters without a shape, and what only one maker's fonts have."""
    match unicodedata.category(one):
        case "Cf":
            return one not in _OVERRIDES
        case "Cc":
            return not one.isspace()
        case "Co" | "Me":
            return True
    return one in _FILLERS or "\ufe00" <= one <= "\ufe0f" or "\U000e0100" <= one <= "\U000e01ef"
