"""Parse mode HTML. Source: ``parse_html`` of td, whose refusals are told with their place."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from botproof.doubles.telegram.entities._links import checked_emoji_id, checked_time, link_entity
from botproof.doubles.telegram.entities._model import Entity, EntityError, in_order
from botproof.doubles.telegram.entities._scan import Scan, is_space

_STYLES = {
    "b": "bold",
    "strong": "bold",
    "i": "italic",
    "em": "italic",
    "u": "underline",
    "ins": "underline",
    "s": "strikethrough",
    "strike": "strikethrough",
    "del": "strikethrough",
    "tg-spoiler": "spoiler",
    "span": "spoiler",
}
_TAGS = frozenset({*_STYLES, "a", "pre", "code", "blockquote", "tg-emoji", "tg-time"})
_NAMED = {"lt": "<", "gt": ">", "amp": "&", "quot": '"'}
_PLAIN = re.compile(r"[^<&]+")
_REFERENCE = re.compile(r"&(?:#x(?P<hex>[0-9a-fA-F]*)|#(?P<dec>[0-9]*)|(?P<name>[a-zA-Z]*));?")


def escape(text: str) -> str:
    """``text`` so that parsing gives it back unchanged."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


@dataclass(frozen=True, slots=True)
class _Open:
    """A tag that waits for its end."""

    tag: str
    argument: str
    offset: int
    chunk: int


def parse(text: str) -> tuple[str, list[Entity]]:
    """Return the text without its tags, and what they said. Raises EntityError."""
    scan = Scan(text)
    nested: list[_Open] = []
    entities: list[Entity] = []
    while scan.at < scan.size:
        plain = _PLAIN.match(scan.source, scan.at, scan.size)
        if plain is not None:
            scan.write(plain[0])
            scan.at = plain.end()
        elif scan.source[scan.at] == "&":
            scan.write(_reference(scan))
        elif scan.source[scan.at + 1] == "/":
            _end_tag(scan, nested, entities)
        else:
            nested.append(_start_tag(scan))
    if nested:
        scan.refuse(f'Can\'t find end tag corresponding to start tag "{nested[-1].tag}"')
    clean = scan.text()
    if any("\ud800" <= char <= "\udfff" for char in clean):
        raise EntityError(
            "Bad Request: can't parse entities: Text contains invalid Unicode characters after "
            "decoding HTML entities, check for unmatched surrogate code units"
        )
    # A language only means something for code inside of pre.
    return clean, in_order(replace(e, argument="") if e.type == "code" else e for e in entities)


def _reference(scan: Scan) -> str:
    """Return the character that a reference stands for; an unknown one stands for itself."""
    found = _REFERENCE.match(scan.source, scan.at, scan.size)
    char = _decoded(found) if found is not None else ""
    if found is None or not char:
        scan.at += 1
        return "&"
    scan.at = found.end()
    return char


def _decoded(found: re.Match[str]) -> str:
    if found["name"] is not None:
        return _NAMED.get(found["name"], "")
    digits, base = (found["hex"], 16) if found["hex"] is not None else (found["dec"], 10)
    # "&#x" and ten places are as far as the server reads.
    if not digits or len(found[0].rstrip(";")) >= 10:
        return ""
    code = int(digits, base)
    return chr(code) if 0 < code < 0x10FFFF else ""


def _start_tag(scan: Scan) -> _Open:
    begin = scan.at
    source = scan.source
    end = begin + 1
    while not is_space(source[end]) and source[end] != ">":
        end += 1
    if end >= scan.size:
        scan.refuse_at("Unclosed start tag", begin)
    tag = source[begin + 1 : end].lower()
    if tag not in _TAGS:
        scan.refuse_at(f'Unsupported start tag "{tag}"', begin)
    scan.at = end
    argument = ""
    while source[scan.at] != ">":
        argument = _attribute(scan, tag, begin, argument)
    scan.at += 1
    if tag == "span" and argument != "spoiler":
        scan.refuse_at('Tag "span" must have class "tg-spoiler"', begin)
    return _Open(tag, argument, scan.written, len(scan.chunks))


def _attribute(scan: Scan, tag: str, begin: int, argument: str) -> str:
    """Read one attribute, if there is one more; the tag's argument after it."""
    source = scan.source
    _skip_spaces(scan)
    if source[scan.at] == ">":
        return argument
    start = scan.at
    while not is_space(source[scan.at]) and source[scan.at] not in "=>/\"'":
        scan.at += 1
    name = source[start : scan.at]
    if not name:
        scan.refuse_at(f'Empty attribute name in the tag "{tag}"', begin)
    _skip_spaces(scan)
    unclosed = f'Unclosed start tag "{tag}"'
    if scan.at >= scan.size:
        scan.refuse_at(unclosed, begin)
    if source[scan.at] != "=":
        return "1" if (tag, name) == ("blockquote", "expandable") else argument
    scan.at += 1
    _skip_spaces(scan)
    if scan.at >= scan.size:
        scan.refuse_at(unclosed, begin)
    value = _attribute_value(scan)
    if scan.at >= scan.size:
        scan.refuse_at("Unclosed start tag", begin)
    return _argument(tag, name, value, argument)


def _skip_spaces(scan: Scan) -> None:
    while scan.at < scan.size and is_space(scan.source[scan.at]):
        scan.at += 1


def _attribute_value(scan: Scan) -> str:
    source = scan.source
    quote = source[scan.at]
    start = scan.at
    if quote not in "'\"":
        while source[scan.at].isascii() and (source[scan.at].isalnum() or source[scan.at] in ".-"):
            scan.at += 1
        if not is_space(source[scan.at]) and source[scan.at] != ">":
            scan.refuse_at("Unexpected end of name token", start)
        return source[start : scan.at].lower()
    scan.at += 1
    value: list[str] = []
    while scan.at < scan.size and source[scan.at] != quote:
        if source[scan.at] == "&":
            value.append(_reference(scan))
        else:
            value.append(source[scan.at])
            scan.at += 1
    if scan.at < scan.size:
        scan.at += 1
    return "".join(value)


def _argument(tag: str, name: str, value: str, argument: str) -> str:
    unix, _, layout = argument.partition("|")
    match tag, name:
        case ("a", "href") | ("tg-emoji", "emoji-id"):
            argument = value
        case ("code", "class") if value.startswith("language-"):
            argument = value.removeprefix("language-")
        case ("span", "class") if value.startswith("tg-"):
            argument = value.removeprefix("tg-")
        case ("blockquote", "expandable"):
            argument = "1"
        case ("tg-time", "unix"):
            argument = f"{value}|{layout}"
        case ("tg-time", "format"):
            argument = f"{unix}|{value}"
    return argument


def _end_tag(scan: Scan, nested: list[_Open], entities: list[Entity]) -> None:
    begin = scan.at
    if not nested:
        scan.refuse_at("Unexpected end tag", begin)
    source = scan.source
    scan.at += 2
    start = scan.at
    while not is_space(source[scan.at]) and source[scan.at] != ">":
        scan.at += 1
    name = source[start : scan.at].lower()
    _skip_spaces(scan)
    if source[scan.at] != ">":
        scan.refuse_at("Unclosed end tag", begin)
    scan.at += 1
    opened = nested.pop()
    if name and name != opened.tag:
        expected = f', expected "</{opened.tag}>", found "</{name}>"'
        scan.refuse_at("Unmatched end tag", begin, expected)
    if scan.written > opened.offset:
        _add(scan, opened, entities)


def _add(scan: Scan, opened: _Open, entities: list[Entity]) -> None:
    offset, length = opened.offset, scan.written - opened.offset
    tag, argument = opened.tag, opened.argument
    if tag in _STYLES:
        entities.append(Entity(_STYLES[tag], offset, length))
    elif tag == "a":
        link = link_entity(argument or scan.text(opened.chunk), offset, length)
        if link is not None:
            entities.append(link)
    elif tag == "tg-emoji":
        entities.append(Entity("custom_emoji", offset, length, checked_emoji_id(argument)))
    elif tag == "tg-time":
        unix, _, layout = argument.partition("|")
        entities.append(Entity("date_time", offset, length, checked_time(unix, layout)))
    elif tag == "blockquote":
        kind = "expandable_blockquote" if argument else "blockquote"
        entities.append(Entity(kind, offset, length))
    else:
        _add_code(tag, argument, offset, length, entities)


def _add_code(tag: str, argument: str, offset: int, length: int, entities: list[Entity]) -> None:
    """``<pre><code class="language-x">`` and the other way round are one block with a language."""
    last = entities[-1] if entities else None
    same_place = last is not None and (last.offset, last.length) == (offset, length)
    if last is not None and same_place:
        if tag == "pre" and last.type == "code" and last.argument:
            entities[-1] = replace(last, type="pre")
            return
        if tag == "code" and last.type == "pre" and not last.argument and argument:
            entities[-1] = replace(last, argument=argument)
            return
    entities.append(Entity(tag, offset, length, argument))
