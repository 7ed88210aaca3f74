"""Formatted text, as Telegram reads it: three parse modes, entities given, entities found.

>>> parse("<b>BTC</b> is up, see /price", "HTML")  # doctest: +NORMALIZE_WHITESPACE
Parsed(text='BTC is up, see /price',
       entities=({'type': 'bold', 'offset': 0, 'length': 3},
                 {'type': 'bot_command', 'offset': 15, 'length': 6}))

Offsets and lengths count UTF-16 code units; places in errors count bytes of UTF-8. The semantics
are those of td's ``MessageEntity.cpp``, the texts of the refusals are its own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from botproof.doubles.telegram.entities import given, html, markdown, markdown_v2
from botproof.doubles.telegram.entities._finish import finish
from botproof.doubles.telegram.entities._model import (
    Entity,
    EntityError,
    merged_with_found,
    utf16_len,
)
from botproof.doubles.telegram.entities.detection import detect, detected

__all__ = ["EntityError", "Parsed", "detect", "parse", "utf16_len"]


@dataclass(frozen=True, slots=True)
class Parsed:
    """A text as Telegram keeps it, with its MessageEntity objects."""

    text: str
    entities: tuple[dict[str, object], ...] = ()


_MODES: Mapping[str, Callable[[str], tuple[str, list[Entity]]]] = {
    "html": html.parse,
    "markdown": markdown.parse,
    "markdownv2": markdown_v2.parse,
}

# A text with none of these, and without space around it, is kept as it is.
_NEEDS_WORK = re.compile("[@/#$.:\x00-\x09\x0b-\x1f\u2028-\u202e\u0333\u033f\u030a]")
_MAX_BYTES = 1 << 15


def parse(
    text: str, parse_mode: str | None = None, entities: Sequence[object] | None = None
) -> Parsed:
    """``text`` as Telegram keeps it: marks read, cleaned, trimmed, links and commands found.

    ``parse_mode`` is HTML, Markdown or MarkdownV2 in any case; with one, ``entities`` (the
    MessageEntity objects of the call) are ignored. Of a mentioned user, ``user`` holds the ``id``
    alone. A text of nothing but space comes back empty: whether that is allowed is the caller's.

    Raises EntityError with Telegram's description.
    """
    if len(text) > _MAX_BYTES // 4 and len(text.encode("utf-8", "surrogatepass")) > _MAX_BYTES:
        raise EntityError("Bad Request: text is too long")
    mode = (parse_mode or "").lower()
    if not mode or mode == "none":
        if not entities and _is_plain(text):
            return Parsed(text)
        clean, marked = text, given.read(text, entities or ())
    else:
        clean, marked = _in_mode(text, mode)
    clean, marked = finish(clean, marked)
    return Parsed(clean, tuple(e.as_json() for e in merged_with_found(marked, detected(clean))))


def _is_plain(text: str) -> bool:
    return _NEEDS_WORK.search(text) is None and text == text.strip(" \n")


def _in_mode(text: str, mode: str) -> tuple[str, list[Entity]]:
    read = _MODES.get(mode)
    if not text:
        return "", []
    if read is None:
        raise EntityError("Bad Request: unsupported parse_mode")
    return read(text)
