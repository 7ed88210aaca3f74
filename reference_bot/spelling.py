"""What people type, as it was meant: at one place, for the bot and for market-data.

Phones put marks into a text that nobody sees, keyboards have letters, dashes and slashes of other
widths, and sentences put punctuation around a word.
"""

import unicodedata
from typing import Final

_AROUND: Final = " \t\r\n.,;:!?#$\"'“”‘’„‚‹›()[]{}<>«»*`_~=|、。،؛؟।"
_OVERRIDES: Final = "\u202d\u202e"
"""These show other letters than are there: no symbol holds them, and they are not passed over."""
_SAME: Final = str.maketrans(
    {**dict.fromkeys("‐‑‒–—―−", "-"), **dict.fromkeys("⁄∕", "/"), "\u0130": "I", "٪": "%"}
)
"""Dashes, slashes, the capital I of Turkish keyboards, the percent sign of Arabic ones."""


def readable(text: str) -> str:
    """Return ``text`` in usual forms of letters (NFKC), digits, dashes and slashes, with nothing
    invisible.

    >>> readable("\ufeffｂｔｃ\u200f／ｕｓｄｔ"), readable("btc–usdt\ufe0f")
    ('btc/usdt', 'btc-usdt')
    """
    if text.isascii():
        return text
    seen = (one for one in unicodedata.normalize("NFKC", text) if not _invisible(one))
    plain = "".join(str(unicodedata.decimal(one)) if one.isdecimal() else one for one in seen)
    return plain.translate(_SAME)


def bare(text: str) -> str:
    """Return the same without the punctuation and pictures around it.

    >>> bare("#btc,"), bare("[$BTC/USDT]"), bare("btc🚀!")
    ('btc', 'BTC/USDT', 'btc')
    """
    plain = readable(text).strip(_AROUND)
    if plain.isascii():
        return plain
    return plain.strip(_AROUND + "".join(one for one in plain if _is_picture(one)))


def _is_picture(one: str) -> bool:
    """Emoji, their colours, the frame around a key."""
    return unicodedata.category(one) in {"So", "Sk", "Me"}


def _invisible(one: str) -> bool:
    """Formatting marks, variation selectors, the joiner of graphemes."""
    if unicodedata.category(one) == "Cf":
        return one not in _OVERRIDES
    return "\ufe00" <= one <= "\ufe0f" or "\U000e0100" <= one <= "\U000e01ef" or one == "\u034f"
