"""Text for Telegram's HTML parse mode: escaping, and splitting under the limit. Pure."""

import html
import re
from typing import Final

LIMIT: Final = 4096
"""UTF-16 units that a message may have, counted after parsing; raw HTML is never shorter."""

# Control characters, and the marks that change the direction of everything after them: a symbol
# that somebody typed must not turn the rest of a message round.
_INVISIBLE: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)
_TAG: Final = re.compile(r"<[^>]*>")


def escape(text: str) -> str:
    """Return ``text`` from outside so that Telegram shows it as it is, on one line."""
    return html.escape(_INVISIBLE.sub("", text).replace("\n", " ").replace("\t", " "), quote=False)


def bold(text: str) -> str:
    """Return ``text`` (already escaped) in bold."""
    return f"<b>{text}</b>"


def code(text: str) -> str:
    """Return ``text`` (already escaped) in the fixed-width face that a tap copies."""
    return f"<code>{text}</code>"


def plain(part: str) -> str:
    """Return the text of ``part`` without its tags, as HTML that has none."""
    return html.escape(html.unescape(_TAG.sub("", part)), quote=False)


def units(text: str) -> int:
    """Return the length of ``text`` as Telegram counts it: UTF-16 units."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def split(message: str, limit: int = LIMIT) -> list[str]:
    """Return ``message`` in parts of at most ``limit`` units, cut at line ends.

    Markup must not span lines. A single line over the limit loses its markup and is cut where it
    has to be.
    """
    if units(message) <= limit:
        return [message.strip("\n")] if message.strip() else []
    parts: list[str] = []
    current: list[str] = []
    length = 0
    for line in _lines(message, limit):
        size = units(line) + 1
        if current and length + size > limit + 1:
            parts.append("\n".join(current))
            current, length = [], 0
        current.append(line)
        length += size
    if current:
        parts.append("\n".join(current))
    return [part for part in (part.strip("\n") for part in parts) if part.strip()]


def _lines(message: str, limit: int) -> list[str]:
    lines: list[str] = []
    for line in message.split("\n"):
        lines += [line] if units(line) <= limit else _cut(line, limit)
    return lines


def _cut(line: str, limit: int) -> list[str]:
    pieces: list[str] = []
    piece, length = "", 0
    for character in html.unescape(_TAG.sub("", line)):
        shown = html.escape(character, quote=False)
        size = units(shown)
        if length + size > limit:
            pieces.append(piece)
            piece, length = "", 0
        piece += shown
        length += size
    return [*pieces, piece]
