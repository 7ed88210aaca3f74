"""Entities while they are worked on: their order, and what may overlap what.

Positions count UTF-16 code units, as everything in Telegram does. Source of the rules:
``MessageEntity.cpp`` of td (``get_type_priority``, ``fix_entities``, ``split_entities``).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace


class EntityError(ValueError):
    """Text that Telegram refuses: ``description`` is the full text, with ``Bad Request: ``."""

    def __init__(self, description: str) -> None:
        super().__init__(description)
        self.description = description


@dataclass(frozen=True, slots=True)
class Entity:
    """``argument`` is the URL, the language, the custom emoji's id or the user's, by ``type``.

    For ``date_time`` it is the Unix time, and after a bar the format, if there is one.
    """

    type: str
    offset: int
    length: int
    argument: str = ""

    @property
    def end(self) -> int:
        """The first position after it."""
        return self.offset + self.length

    def as_json(self) -> dict[str, object]:
        """Return the MessageEntity object. A mentioned user is told by its ``id`` alone."""
        described: dict[str, object] = {
            "type": self.type,
            "offset": self.offset,
            "length": self.length,
        }
        if self.type == "date_time":
            unix_time, _, layout = self.argument.partition("|")
            described["unix_time"] = int(unix_time)
            return {**described, "date_time_format": layout} if layout else described
        key = _ARGUMENTS.get(self.type)
        if key is not None and self.argument:
            is_user = key == "user"
            described[key] = {"id": int(self.argument)} if is_user else self.argument
        return described


_ARGUMENTS = {
    "pre": "language",
    "text_link": "url",
    "text_mention": "user",
    "custom_emoji": "custom_emoji_id",
}
_PRIORITY = {
    "blockquote": 0,
    "expandable_blockquote": 0,
    "pre": 11,
    "code": 20,
    "text_link": 49,
    "text_mention": 49,
    "bold": 90,
    "italic": 91,
    "underline": 92,
    "strikethrough": 93,
    "spoiler": 94,
    "custom_emoji": 99,
    "date_time": 50,
}
_SPLITTABLE = ("bold", "italic", "underline", "strikethrough", "spoiler")
_QUOTES = ("blockquote", "expandable_blockquote")
_PRE = ("pre", "code")


def utf16_len(text: str) -> int:
    """Return how many UTF-16 code units ``text`` takes: what Telegram's offsets and
    limits count."""
    if text.isascii():
        return len(text)
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _rank(entity: Entity) -> tuple[int, int, int]:
    return entity.offset, -entity.length, _PRIORITY.get(entity.type, 50)


def in_order(entities: Iterable[Entity]) -> list[Entity]:
    """By offset, the longer first, then by how much a kind binds."""
    return sorted(entities, key=_rank)


def fixed(entities: Sequence[Entity]) -> list[Entity]:
    """``entities`` as Telegram would keep them: in order, and overlapping only where it may be.

    Links, mentions and code never overlap: the first wins. Quotes may hold them. Styles (bold ...
    spoiler) are merged when they touch, cut where anything else begins or ends, dropped in code.
    """
    if len(entities) <= 1:
        return list(entities)
    styles = [e for e in entities if e.type in _SPLITTABLE]
    quotes = _without_overlaps(e for e in entities if e.type in _QUOTES)
    rest = _without_overlaps(
        e for e in entities if e.type not in _SPLITTABLE and e.type not in _QUOTES
    )
    others = in_order([*quotes, *_fitting_quotes(rest, quotes)])
    return in_order([*others, *_split(styles, others)])


def merged_with_found(entities: Sequence[Entity], found: Sequence[Entity]) -> list[Entity]:
    """``entities`` of the text and those ``found`` in it; where they meet, the given ones win."""
    if not found:
        return list(entities)
    kept = [
        new
        for new in _fitting_quotes(found, [e for e in entities if e.type in _QUOTES])
        if not any(
            new.offset < old.end and old.offset < new.end
            for old in entities
            if old.type not in _SPLITTABLE and old.type not in _QUOTES
        )
    ]
    return fixed([*entities, *kept])


def _without_overlaps(entities: Iterable[Entity]) -> list[Entity]:
    kept: list[Entity] = []
    for entity in in_order(entities):
        if not kept or entity.offset >= kept[-1].end:
            kept.append(entity)
    return kept


def _fitting_quotes(entities: Iterable[Entity], quotes: Sequence[Entity]) -> list[Entity]:
    """Return those of ``entities`` that lie wholly inside or outside of every quote."""

    def fits(entity: Entity) -> bool:
        return all(
            quote.end <= entity.offset
            or entity.end <= quote.offset
            or (quote.offset <= entity.offset and entity.end <= quote.end)
            for quote in quotes
        )

    return [entity for entity in entities if fits(entity)]


def _split(styles: Sequence[Entity], others: Sequence[Entity]) -> list[Entity]:
    runs = [run for kind in _SPLITTABLE for run in _runs(styles, kind)]
    cuts = sorted(
        {e.offset for e in others} | {e.end for e in others} | {run.offset for run in runs}
    )
    code = [e for e in others if e.type in _PRE]
    return [
        piece
        for run in runs
        for piece in _pieces(run, cuts)
        if not any(c.offset <= piece.offset and piece.end <= c.end for c in code)
    ]


def _runs(styles: Sequence[Entity], kind: str) -> list[Entity]:
    """Return the stretches of one style, those that touch made one."""
    runs: list[Entity] = []
    for style in in_order(e for e in styles if e.type == kind):
        if runs and style.offset <= runs[-1].end:
            end = max(runs[-1].end, style.end)
            runs[-1] = replace(runs[-1], length=end - runs[-1].offset)
        else:
            runs.append(style)
    return runs


def _pieces(run: Entity, cuts: Sequence[int]) -> list[Entity]:
    edges = [run.offset, *(cut for cut in cuts if run.offset < cut < run.end), run.end]
    return [
        replace(run, offset=start, length=end - start) for start, end in itertools.pairwise(edges)
    ]
