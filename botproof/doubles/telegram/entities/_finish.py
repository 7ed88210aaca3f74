"""Cleaning and trimming: what Telegram does to every text before it keeps it.

Source: ``clean_input_string_with_entities``, ``fix_formatted_text`` of td.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import replace

from botproof.doubles.telegram.entities._model import Entity, fixed, in_order, utf16_len

# Control characters become spaces; line separators, bidirectional marks and the three combining
# lines that garble a screen go, as does the carriage return.
_UNCLEAN = re.compile("[\x00-\x09\x0b-\x1f\u2028-\u202e\u0333\u033f\u030a]")
_GONE = re.compile("[\r\u2028-\u202e\u0333\u033f\u030a]")
_CONTROL = re.compile("[\x00-\x09\x0b\x0c\x0e-\x1f]")


def finish(text: str, entities: Sequence[Entity]) -> tuple[str, list[Entity]]:
    """Return the text and its entities as they are kept; an all-white text becomes empty."""
    kept = fixed(entities)
    if _UNCLEAN.search(text):
        text, kept = _clean(text, kept)
    return _trimmed(text, kept)


def _clean(text: str, entities: list[Entity]) -> tuple[str, list[Entity]]:
    # All that goes is one UTF-16 unit wide.
    gone = [utf16_len(text[: found.start()]) for found in _GONE.finditer(text)]

    def moved(entity: Entity) -> Entity:
        start = entity.offset - bisect_left(gone, entity.offset)
        end = entity.end - bisect_left(gone, entity.end)
        return replace(entity, offset=start, length=end - start)

    clean = _CONTROL.sub(" ", _GONE.sub("", text))
    return clean, fixed([e for e in map(moved, entities) if e.length > 0])


def _trimmed(text: str, entities: list[Entity]) -> tuple[str, list[Entity]]:
    stripped = text.rstrip(" \n")
    if not stripped:
        return "", []
    if len(stripped) < len(text):
        end = utf16_len(stripped)
        entities = in_order(
            replace(e, length=min(e.length, end - e.offset)) for e in entities if e.offset < end
        )
    # Leading space goes as far as the first entity: one that covers it keeps it.
    leading = len(stripped) - len(stripped.lstrip(" \n"))
    leading = min(leading, entities[0].offset) if entities else leading
    if leading:
        entities = [replace(e, offset=e.offset - leading) for e in entities]
    return stripped[leading:], entities
