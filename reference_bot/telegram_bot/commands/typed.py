"""Reads a command out of what a person typed: in a message, or under a photo, video or document.

Telegram marks commands with an entity. It does not mark one that begins with a slash of another
width or has a caption that was pasted; in a private chat the bot reads those all the same, in a
group only what is marked or begins with its name: there people talk to each other.
"""

import difflib
import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Final

from telegram import Message

from reference_bot.spelling import latin, readable, typed_on_latin_keys
from reference_bot.telegram_bot.commands.links import with_links_read

_COMMAND: Final = re.compile(
    r"[/\\]+\s?(?P<name>[^\W\d_]\w*)(?:(?P<gap>\s?)@(?P<bot>[a-z0-9_]{3,64})\b)?(?P<rest>.*)",
    re.IGNORECASE | re.DOTALL,
)
_BEFORE: Final = re.compile(r"^[^\w/\\@]+")
"""Pictures, quotation marks and dots before a command."""
_SLASH: Final = re.compile(r"\s*/\s*")
_PREFIX: Final = re.compile(r"(?<!\S)[/\\]+(?=\w)")
_ABOUT_COMMAND: Final = re.compile(r"\s*[/\\]+(\w+)(?:@\w+)?\s*")
"""After ``/help``: the command that is asked about."""
_REMARK: Final = re.compile(r"\s//(?:\s.*|$)", re.DOTALL)
"""What is said to people after a command: ``/price btc // thanks``."""
_EMPTY_LINE: Final = re.compile(r"\n[^\S\n]*\n")
_ENTITY: Final = "bot_command"
_SHORT: Final = 2
"""A command of so few letters is the beginning of too many words: ``/oil`` is no ``/oi l``."""


@dataclass(frozen=True, slots=True)
class Typed:
    """A command: its name in small letters, and the words after it as they were typed.

    ``shown``: how the person wrote the command itself. ``elsewhere``: it is for another bot.
    ``then``: the commands that follow in the same message, in their order.
    """

    name: str
    words: tuple[str, ...]
    shown: str
    elsewhere: bool = False
    then: tuple["Typed", ...] = ()


def is_marked(message: Message) -> bool:
    """Tell whether Telegram marks a command in it: in its text or its caption."""
    entities = message.entities or message.caption_entities
    return any(entity.type == _ENTITY for entity in entities)


def read_command(message: Message, bot: str, known: Collection[str] = ()) -> Typed | None:
    """Return the command that ``message`` begins with and those that follow it, or None.

    ``bot`` is this bot's name, ``known`` are the commands that it has: what is written together
    with one of them is taken apart.
    """
    text = message.text or message.caption
    private = message.chat.type == "private"
    plain = _BEFORE.sub("", readable(text or "")).rstrip()
    mention = f"@{bot.lower()}"
    mentioned = plain.lower().startswith(mention)
    meant = private or mentioned
    if not (meant or is_marked(message)):
        return None
    if mentioned:  # @the_bot /price btc, @the_bot price btc
        plain = plain[len(mention) :].lstrip(" ,:")
        if plain.partition(" ")[0].lower() in known:
            plain = f"/{plain}"
    first, more = _read(plain, bot, known, meant=meant)
    if first is None or first.elsewhere:
        later = _in_the_middle(plain, bot, known if private else ())
        first, more = _read(later, bot, known, meant=meant) if later else (first, more)
    if first is None:
        return None
    then = []
    while more:
        command, more = _read(more, bot, known, meant=meant)
        then += [command] if command is not None else []
    return replace(first, then=tuple(then))


def _in_the_middle(plain: str, bot: str, known: Collection[str]) -> str:
    """Return the text from the first command on that names this bot or is one of ``known``."""
    names = "|".join(map(re.escape, known))
    unnamed = rf"|(?:{names})(?![\w@])" if names else ""
    found = re.search(rf"(?<=\s)/(?:\w+@{re.escape(bot)}\b{unnamed})", plain, re.IGNORECASE)
    return plain[found.start() :] if found else ""


def _read(plain: str, bot: str, known: Collection[str], *, meant: bool) -> tuple[Typed | None, str]:
    """Return the command that ``plain`` begins with, and the text from the next command on."""
    found = _COMMAND.match(plain)
    if found is None:
        return None, ""
    to, name, rest = found["bot"], found["name"].lower(), found["rest"]
    if to and found["gap"] and not to.lower().endswith("bot") and to.lower() != bot.lower():
        to, rest = None, f" {to}{rest}"  # /price @btc
    other = to is not None and to.lower() != bot.lower()
    name = _in_latin(name, known)
    if meant or (to is not None and not other):
        name, rest = _taken_apart(name, rest, known)
    own, more = _until_another(rest, name, known)
    words = _words(with_links_read(_first_paragraph(own)))
    shown = f"/{found['name']}" + (f"@{to}" if other else "")
    mention = f"@{bot.lower()}"
    said = tuple(word for word in words if word.lower() != mention and _means_something(word))
    return Typed(name, said or tuple(words), shown[:40], elsewhere=other), more


def _in_latin(name: str, known: Collection[str]) -> str:
    """Return the command that was meant where some letters or all are of another alphabet."""
    if name in known:
        return name
    readings = (latin(name).lower(), typed_on_latin_keys(name).lower())
    return next((one for one in readings if one in known), name)


def _taken_apart(name: str, rest: str, known: Collection[str]) -> tuple[str, str]:
    """``/price_btc`` and ``/pricebtc`` are ``/price btc``, ``/top 10`` is ``/top10``."""
    first, _, others = rest.strip().partition(" ")
    if name in known:
        return name, rest
    if f"{name}{first}" in known:
        return f"{name}{first}", f" {others}"
    command = max((one for one in known if name.startswith(one)), key=len, default="")
    more = name[len(command) :]
    if not command or more == "_":
        return name, rest
    if more.startswith("_"):
        return command, f" {more.replace('_', ' ')}{rest}"
    nearest = difflib.get_close_matches(name, known, n=1, cutoff=0.7) or [command]
    if len(command) <= _SHORT or len(more) == 1 or nearest != [command]:
        return name, rest  # /prices, /volumescan
    return command, f" {more}{rest}"


def _until_another(rest: str, name: str, known: Collection[str]) -> tuple[str, str]:
    """Return ``rest`` up to where another command begins, and from there on.

    The same command once more is passed over: its words belong to the first one.
    """
    if name == "help" and (about := _ABOUT_COMMAND.fullmatch(rest)) is not None:
        return f" {about[1]}", ""
    if "/" not in rest and "\\" not in rest:
        return rest, ""
    others = "|".join(re.escape(one) for one in known if one != name)
    another = others and re.search(
        rf"\s[/\\]+(?:{others})(?:@\w+)?(?!\S)", rest, flags=re.IGNORECASE
    )
    own, more = (rest[: another.start()], rest[another.start() + 1 :]) if another else (rest, "")
    again = rf"(?<!\S)[/\\]+{name}(?:@\w+)?(?!\S)"
    return re.sub(again, " ", own, flags=re.IGNORECASE), more


def _first_paragraph(text: str) -> str:
    """Return what stands before an empty line or two slashes: what follows is said to people."""
    first = _REMARK.sub("", _EMPTY_LINE.split(text.lstrip("\n"), maxsplit=1)[0])
    return first if any(one.isalnum() for one in first) else text


def _words(rest: str) -> list[str]:
    if rest.lstrip().startswith("/"):  # a slash before each symbol: none is between two
        rest = _PREFIX.sub("", rest)
    return _SLASH.sub("/", rest).split()


def _means_something(word: str) -> bool:
    """Tell whether a word is more than punctuation or pictures: beside others those are
    passed over."""
    return any(one.isalnum() for one in word)
