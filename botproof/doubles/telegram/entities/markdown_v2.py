"""Parse mode MarkdownV2. Source: ``parse_markdown_v2`` of td."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from botproof.doubles.telegram.entities._links import image_entity, link_entity
from botproof.doubles.telegram.entities._model import Entity, in_order
from botproof.doubles.telegram.entities._scan import Scan

_PLAIN = re.compile(r"[^_*\[\]()~`>#+\-=|{}.!\n\\]+")
_PLAIN_IN_CODE = re.compile(r"[^`\\]+")
_RESERVED = frozenset("_*[]()~`>#+-=|{}.!\n")
_RESERVED_MESSAGE = "Character '%s' is reserved and must be escaped with the preceding '\\'"

# The names that td gives the kinds in its messages.
_SHOWN = {
    "bold": "Bold",
    "italic": "Italic",
    "underline": "Underline",
    "strikethrough": "Strikethrough",
    "spoiler": "Spoiler",
    "code": "Code",
    "pre": "Pre",
    "text_link": "TextUrl",
    "custom_emoji": "CustomEmoji",
    "blockquote": "BlockQuote",
}
_ENDS: dict[str, Callable[[str], bool]] = {
    "bold": lambda ahead: ahead[0] == "*",
    "italic": lambda ahead: ahead[0] == "_" and ahead[1] != "_",
    "underline": lambda ahead: ahead.startswith("__"),
    "strikethrough": lambda ahead: ahead[0] == "~",
    "spoiler": lambda ahead: ahead.startswith("||"),
    "code": lambda ahead: ahead[0] == "`",
    "pre": lambda ahead: ahead.startswith("```"),
    "text_link": lambda ahead: ahead[0] == "]",
    "custom_emoji": lambda ahead: ahead[0] == "]",
    "blockquote": lambda _ahead: False,
}
_MARK_SIZE = {"underline": 2, "spoiler": 2, "pre": 3}


def escape(text: str) -> str:
    """``text`` so that parsing gives it back unchanged."""
    return re.sub(r"([_*\[\]()~`>#+\-=|{}.!\\])", r"\\\1", text)


@dataclass(frozen=True, slots=True)
class _Open:
    """A mark that waits for its end; ``place`` is where in the source it stands."""

    kind: str
    argument: str
    offset: int
    place: int
    chunk: int

    @property
    def shown(self) -> str:
        return "PreCode" if self.kind == "pre" and self.argument else _SHOWN[self.kind]


class _Reader(Scan):
    """A scan with the marks that are open, and whether a quote is, or may begin."""

    __slots__ = ("entities", "in_quote", "nested", "quote_may_begin")

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.nested: list[_Open] = []
        self.entities: list[Entity] = []
        self.in_quote = False
        self.quote_may_begin = True

    def open(self, kind: str, place: int, argument: str = "") -> None:
        self.nested.append(_Open(kind, argument, self.written, place, len(self.chunks)))

    def add(self, kind: str, offset: int, argument: str = "") -> None:
        if self.written > offset:
            self.entities.append(Entity(kind, offset, self.written - offset, argument))

    def refuse_open(self) -> None:
        last = self.nested[-1]
        self.refuse_at(f"Can't find end of {last.shown} entity", last.place)

    def refuse_reserved(self, char: str) -> None:
        self.refuse(_RESERVED_MESSAGE % char)


def parse(text: str) -> tuple[str, list[Entity]]:
    """Return the text without its marks, and what they said. Raises EntityError."""
    reader = _Reader(text)
    while reader.at < reader.size:
        _step(reader)
    if reader.in_quote:
        _end_last_quote(reader)
    if reader.nested:
        reader.refuse_open()
    return reader.text(), in_order(reader.entities)


def _step(reader: _Reader) -> None:
    char = reader.source[reader.at]
    after = reader.source[reader.at + 1]
    in_code = bool(reader.nested) and reader.nested[-1].kind in ("code", "pre")
    if char == "\\" and "\0" < after <= "~":
        _pass(reader, after, 2)
        if after == "\n":
            reader.quote_may_begin = True
        return
    plain = (_PLAIN_IN_CODE if in_code else _PLAIN).match(reader.source, reader.at, reader.size)
    if plain is not None:
        _pass(reader, plain[0], len(plain[0]))
    elif char == "\\" or (in_code and char != "`"):
        _pass(reader, char, 1)
    elif _is_end(reader, char, after):
        _end(reader)
    else:
        _begin(reader, char)


def _pass(reader: _Reader, text: str, size: int) -> None:
    reader.write(text)
    reader.at += size
    if text.strip("\r"):
        reader.quote_may_begin = False


def _is_end(reader: _Reader, char: str, after: str) -> bool:
    if not reader.nested:
        return False
    if reader.in_quote and char == "\n" and after != ">":
        return True
    return _ENDS[reader.nested[-1].kind](reader.source[reader.at : reader.at + 3])


def _begin(reader: _Reader, char: str) -> None:
    place = reader.at
    begin = _BEGINNINGS.get(char)
    if begin is None:
        reader.refuse_reserved(char)
    else:
        begin(reader, place)


def _begin_underscore(reader: _Reader, place: int) -> None:
    double = reader.source[place + 1] == "_"
    reader.at += 2 if double else 1
    reader.open("underline" if double else "italic", place)


def _begin_pair(kind: str, pair: str) -> Callable[[_Reader, int], None]:
    """Return a beginning of two characters, whose first alone is reserved."""

    def begin(reader: _Reader, place: int) -> None:
        if not reader.source.startswith(pair, place):
            reader.refuse_reserved(pair[0])
        reader.at += 2
        reader.open(kind, place)

    return begin


def _begin_single(kind: str) -> Callable[[_Reader, int], None]:
    def begin(reader: _Reader, place: int) -> None:
        reader.at += 1
        reader.open(kind, place)

    return begin


def _begin_code(reader: _Reader, place: int) -> None:
    if not reader.source.startswith("```", place):
        reader.at += 1
        reader.open("code", place)
        return
    reader.at += 3
    language = reader.language()
    reader.skip_one_newline()
    reader.open("pre", place, language)


def _begin_line(reader: _Reader, _place: int) -> None:
    reader.write("\n")
    reader.at += 1
    reader.quote_may_begin = True


def _begin_quote(reader: _Reader, place: int) -> None:
    if not reader.quote_may_begin:
        reader.refuse_reserved(">")
    reader.at += 1
    if not reader.in_quote:
        reader.in_quote = True
        reader.open("blockquote", place)


_BEGINNINGS: dict[str, Callable[[_Reader, int], None]] = {
    "_": _begin_underscore,
    "*": _begin_single("bold"),
    "~": _begin_single("strikethrough"),
    "|": _begin_pair("spoiler", "||"),
    "[": _begin_single("text_link"),
    "`": _begin_code,
    "!": _begin_pair("custom_emoji", "!["),
    "\n": _begin_line,
    ">": _begin_quote,
}


def _end(reader: _Reader) -> None:
    if reader.source[reader.at] == "\n" and reader.in_quote:
        _end_quote_line(reader)
        return
    opened = reader.nested[-1]
    if opened.kind == "text_link":
        _end_link(reader, opened)
    elif opened.kind == "custom_emoji":
        _end_custom_emoji(reader, opened)
    else:
        reader.at += _MARK_SIZE.get(opened.kind, 1)
        reader.add(opened.kind, opened.offset, opened.argument)
    reader.nested.pop()


def _end_quote_line(reader: _Reader) -> None:
    """End the last line of a quote; ``||`` right before it makes the quote expandable."""
    kind = "blockquote"
    last = reader.nested[-1]
    if last.kind == "spoiler" and _stands_right_before(reader, last):
        reader.nested.pop()
        kind = "expandable_blockquote"
    if reader.nested[-1].kind != "blockquote":
        reader.refuse_open()
    quote = reader.nested.pop()
    reader.in_quote = False
    reader.write("\n")
    reader.at += 1
    reader.quote_may_begin = True
    reader.add(kind, quote.offset)


def _stands_right_before(reader: _Reader, mark: _Open) -> bool:
    gap = reader.source[mark.place + 2 : reader.at]
    return gap in ("", "\r")


def _end_last_quote(reader: _Reader) -> None:
    kind = "blockquote"
    last = reader.nested[-1]
    if last.kind == "spoiler" and last.place == reader.size - 2:
        reader.nested.pop()
        kind = "expandable_blockquote"
    if reader.nested[-1].kind == "blockquote":
        reader.add(kind, reader.nested.pop().offset)


def _end_link(reader: _Reader, opened: _Open) -> None:
    url = reader.text(opened.chunk)
    reader.at += 1
    if reader.source[reader.at] == "(":
        url = _in_parentheses(reader, "Can't find end of a URL")
    length = reader.written - opened.offset
    link = link_entity(url, opened.offset, length) if length else None
    if link is not None:
        reader.entities.append(link)


def _end_custom_emoji(reader: _Reader, opened: _Open) -> None:
    reader.at += 1
    if reader.source[reader.at] != "(":
        reader.refuse("Custom emoji entity must contain a tg://emoji URL")
    url = _in_parentheses(reader, "Can't find end of a custom emoji URL")
    image = image_entity(url, opened.offset, reader.written - opened.offset)
    if image.length:
        reader.entities.append(image)


def _in_parentheses(reader: _Reader, unclosed: str) -> str:
    begin = reader.at + 1
    reader.at = begin
    url: list[str] = []
    while reader.at < reader.size and reader.source[reader.at] != ")":
        after = reader.source[reader.at + 1]
        if reader.source[reader.at] == "\\" and "\0" < after <= "~":
            reader.at += 1
        url.append(reader.source[reader.at])
        reader.at += 1
    if reader.at >= reader.size:
        reader.refuse_at(unclosed, begin)
    reader.at += 1
    return "".join(url)
