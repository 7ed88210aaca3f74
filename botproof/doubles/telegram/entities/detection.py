"""Entities that nobody marked: commands, mentions, hashtags, links and addresses in plain text.

Source: ``find_entities`` of td. Phone numbers come from Telegram's own servers: those in the
international form are found. Bank card numbers and media timestamps are not, on purpose.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from botproof.doubles.telegram.entities._model import Entity, in_order, utf16_len

# Usernames have four characters or more, but for a few of Telegram's own bots.
_MENTION = re.compile(r"(?<!\w)@(?:[A-Za-z0-9_]{4,32}|gif|pic|vid)(?!\w)", re.UNICODE)
_COMMAND = re.compile(
    r"(?<![\w/<>])/[A-Za-z0-9_]{1,64}(?:@[A-Za-z0-9_]{3,32})?(?![\w/<>@])", re.UNICODE
)
# A hashtag has a letter, is not glued to another word, and is not followed by another one.
_TAG_CHAR = "\\w\u200c\u00b7\u0d80-\u0dff"
_HASHTAG = re.compile(f"(?<![{_TAG_CHAR}])#([{_TAG_CHAR}]{{1,256}})(?![{_TAG_CHAR}]*#)", re.UNICODE)
_CASHTAG = re.compile(f"(?<![{_TAG_CHAR}$])\\$(?:1INCH|[A-Z]{{1,8}})(?![{_TAG_CHAR}$])", re.UNICODE)
_TG_URL = re.compile(
    r"(?<!\w)(?:tg|ton|tonsite)://[a-z0-9_-]{1,253}(?:[/?#][^\s<>\"«»]*)?", re.IGNORECASE
)
_EMAIL = re.compile(
    r"(?<![\w.+-])[a-z0-9_'][a-z0-9_.+'-]{0,63}@(?:[a-z0-9-]{1,63}\.)+[a-z]{2,24}(?![\w@])",
    re.IGNORECASE,
)
_URL = re.compile(
    r"""(?<![\w@.])
        (?P<scheme>(?:https?|ftp|tonsite)://)?
        (?P<login>[^\s/?\#@<>"«»]{1,64}@)?
        (?P<host>localhost|[0-9]{1,3}(?:\.[0-9]{1,3}){3}
           |(?:[\w-]{1,63}\.)+(?P<tld>[^\W\d_]{2,24}|xn--[a-z0-9-]{2,59}))
        (?::[0-9]{1,5}(?![0-9]))?
        (?P<path>[/?\#][^\s<>"«»]*)?""",
    re.IGNORECASE | re.VERBOSE,
)
# Seen in the network tests of pyTelegramBotAPI: +12125550123.
_PHONE = re.compile(r"(?<![\w+])\+[1-9][0-9]{7,14}(?!\w)", re.ASCII)
_TRAILING = ".:;,('?!`"

# Without a scheme only a known ending makes a link: td carries the whole list of its day, this
# is the part of it that messages of bots use. Two-letter endings are countries, and all count.
_KNOWN_ENDINGS = frozenset(
    (  # noqa: SIM905 - seventy words read better as text than as a list
        "com org net info biz edu gov mil int name pro app dev xyz online site store shop tech "
        "blog cloud news live world finance exchange trade trading market money bank fund capital "
        "club team group agency digital network systems software email page link wiki space art "
        "games game bot onion top vip win fun icu one plus today zone global city africa asia"
    ).split()
)

_HINTS = re.compile(r"[@/#$.:+]")


def detect(text: str) -> tuple[dict[str, object], ...]:
    """Return the MessageEntity objects that Telegram adds to ``text`` by itself."""
    return tuple(entity.as_json() for entity in detected(text))


def detected(text: str) -> list[Entity]:
    """Detect as ``detect`` does, in the form of this package: none of them overlap."""
    if _HINTS.search(text) is None:
        return []
    found: list[Entity] = []
    for kind, start, end in _spans(text):
        found.append(Entity(kind, start, end - start))
    kept: list[Entity] = []
    for entity in in_order(found):
        if not kept or entity.offset >= kept[-1].end:
            kept.append(entity)
    return kept if text.isascii() else [_in_utf16(text, entity) for entity in kept]


def _in_utf16(text: str, entity: Entity) -> Entity:
    start = utf16_len(text[: entity.offset])
    return Entity(entity.type, start, utf16_len(text[entity.offset : entity.end]))


def _spans(text: str) -> Iterator[tuple[str, int, int]]:
    if "@" in text:
        yield from (("mention", *m.span()) for m in _MENTION.finditer(text))
        yield from (("email", *m.span()) for m in _EMAIL.finditer(text))
    if "/" in text:
        yield from (("bot_command", *m.span()) for m in _COMMAND.finditer(text))
    if "#" in text:
        yield from (("hashtag", *m.span()) for m in _HASHTAG.finditer(text) if _has_letter(m[1]))
    if "$" in text:
        yield from (("cashtag", *m.span()) for m in _CASHTAG.finditer(text))
    if "+" in text:
        yield from (("phone_number", *m.span()) for m in _PHONE.finditer(text))
    if "://" in text:
        yield from (("url", *m.span()) for m in _TG_URL.finditer(text))
    if "." in text or "://" in text:
        yield from _urls(text)


def _has_letter(tag: str) -> bool:
    return any(char.isalpha() for char in tag)


def _urls(text: str) -> Iterator[tuple[str, int, int]]:
    for found in _URL.finditer(text):
        if not _is_link(found):
            continue
        end = found.end()
        while text[end - 1] in _TRAILING:
            end -= 1
        if text[end - 1] == ")" and "(" not in found[0]:
            end = found.start() + len(text[found.start() : end].rstrip(")" + _TRAILING))
        yield "url", found.start(), end


def _is_link(found: re.Match[str]) -> bool:
    after = found.string[found.end() : found.end() + 1]
    if not found["path"] and (after in {"@", "_"} or after.isalnum()):
        return False
    if found["scheme"]:
        return found["host"].lower() != "localhost" or bool(found["scheme"])
    if found["login"] or found["host"].lower() == "localhost":
        return False
    ending = found["tld"]
    if ending is None:
        return all(int(part) < 256 for part in found["host"].split("."))
    lowered = ending.lower()
    if ending != lowered and ending[1:] == lowered[1:]:
        return False  # a sentence that begins without a space: "up.In total"
    return len(ending) == 2 or lowered in _KNOWN_ENDINGS or lowered.startswith("xn--")
