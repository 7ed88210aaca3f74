"""Parse mode Markdown, the old one. Source: ``parse_markdown`` of td."""

from __future__ import annotations

import re

from botproof.doubles.telegram.entities._links import link_entity
from botproof.doubles.telegram.entities._model import Entity
from botproof.doubles.telegram.entities._scan import Scan

_PLAIN = re.compile(r"[^_*`\[\\]+")
_SPECIAL = "_*`["
_STYLES = {"_": "italic", "*": "bold", "`": "code"}


def escape(text: str) -> str:
    """``text`` so that parsing gives it back unchanged.

    The old Markdown cannot escape a backslash: one right before a special character needs care,
    and doubling is not understood. It is kept apart by escaping the special character itself.
    """
    return re.sub(r"([_*`\[])", r"\\\1", text)


def parse(text: str) -> tuple[str, list[Entity]]:
    """Return the text without its marks, and what they said. Raises EntityError."""
    scan = Scan(text)
    entities: list[Entity] = []
    while scan.at < scan.size:
        plain = _PLAIN.match(scan.source, scan.at, scan.size)
        char = scan.source[scan.at]
        if plain is not None:
            scan.write(plain[0])
            scan.at = plain.end()
        elif char == "\\":
            escapes = scan.source[scan.at + 1] in _SPECIAL
            scan.at += 1 if escapes else 0
            scan.write(scan.source[scan.at])
            scan.at += 1
        else:
            entities += _entity(scan, char)
    return scan.text(), entities


def _entity(scan: Scan, char: str) -> list[Entity]:
    begin = scan.at
    scan.at += 1
    fence = "]" if char == "[" else char
    language = ""
    if scan.source.startswith("```", begin):
        scan.at += 2
        fence = "```"
        language = scan.language()
        scan.skip_one_newline()
    offset = scan.written
    end = scan.source.find(fence, scan.at, scan.size)
    if end < 0:
        scan.refuse_at("Can't find end of the entity starting", begin)
    inner = scan.source[scan.at : end]
    scan.write(inner)
    scan.at = end + len(fence)
    length = scan.written - offset
    if not length:
        return []
    if char == "[":
        link = link_entity(_url(scan, inner), offset, length)
        return [] if link is None else [link]
    if fence == "```":
        return [Entity("pre", offset, length, language)]
    return [Entity(_STYLES[char], offset, length)]


def _url(scan: Scan, inner: str) -> str:
    """Return what stands in parentheses after the text; without them the text is the URL itself."""
    if scan.source[scan.at] != "(":
        return inner
    end = scan.source.find(")", scan.at, scan.size)
    # A parenthesis that never ends takes the rest of the text along, and nobody complains.
    stop = end if end >= 0 else scan.size
    url = scan.source[scan.at + 1 : stop]
    scan.at = stop + 1
    return url
