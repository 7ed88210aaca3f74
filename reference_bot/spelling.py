"""What people type, as it was meant: at one place, for the bot and for market-data.

Phones put marks into a text that nobody sees, keyboards have letters, dashes and slashes of other
widths, and sentences put punctuation around a word.
"""

import unicodedata
from typing import Final

_AROUND: Final = " \t\r\n.,;:!?#$\"'“”‘’„‚‹›()[]{}<>«»*`_~|、。"
_OVERRIDES: Final = "\u202d\u202e"
"""These show other letters than are there: no symbol holds them, and they are not passed over."""
_SAME: Final = str.maketrans(
    {**dict.fromkeys("‐‑‒–—―−", "-"), **dict.fromkeys("⁄∕", "/"), "\u0130": "I"}
)
"""Dashes, slashes, and the capital I of Turkish keyboards."""


def readable(text: str) -> str:
    """Return ``text`` in usual forms of letters (NFKC), dashes and slashes, with nothing invisible.

    >>> readable("\ufeffｂｔｃ\u200f／ｕｓｄｔ"), readable("btc–usdt\ufe0f")
    ('btc/usdt', 'btc-usdt')
    """
    if text.isascii():
        return text
    seen = "".join(one for one in unicodedata.normalize("NFKC", text) if not _invisible(one))
    return seen.translate(_SAME)


def bare(text: str) -> str:
    """Return the same without the punctuation around it.

    >>> bare("#btc,"), bare("[$BTC/USDT]")
    ('btc', 'BTC/USDT')
    """
    return readable(text).strip(_AROUND)


def _invisible(one: str) -> bool:
    """Formatting marks, variation selectors, the joiner of graphemes."""
    if unicodedata.category(one) == "Cf":
        return one not in _OVERRIDES
    return "\ufe00" <= one <= "\ufe0f" or "\U000e0100" <= one <= "\U000e01ef" or one == "\u034f"
