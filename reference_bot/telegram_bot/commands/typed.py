"""Reads a command out of what a person typed: in a message, or under a photo, video or document.

Telegram marks commands with an entity. It does not mark one that begins with a slash of another
width or has a caption that was pasted; in a private chat the bot reads those all the same, in a
group only what is marked: there people talk to each other.
"""

import re
from dataclasses import dataclass
from typing import Final

from telegram import Message

from reference_bot.spelling import readable

_COMMAND: Final = re.compile(
    r"/\s?(?P<name>[^\W\d_]\w*)(?:\s?@(?P<bot>[a-z0-9_]{3,64})\b)?(?P<rest>.*)",
    re.IGNORECASE | re.DOTALL,
)
_SLASH: Final = re.compile(r"\s*/\s*")
_ENTITY: Final = "bot_command"


@dataclass(frozen=True, slots=True)
class Typed:
    """A command: its name in small letters, and the words after it as they were typed.

    ``shown``: how the person wrote the command itself. ``elsewhere``: it is for another bot.
    """

    name: str
    words: tuple[str, ...]
    shown: str
    elsewhere: bool = False


def is_marked(message: Message) -> bool:
    """Whether Telegram marks a command in it: in its text or its caption."""
    entities = message.entities or message.caption_entities
    return any(entity.type == _ENTITY for entity in entities)


def read_command(message: Message, bot: str) -> Typed | None:
    """The command that ``message`` begins with, or None. ``bot`` is this bot's name."""
    text = message.text or message.caption
    if not text or not (message.chat.type == "private" or is_marked(message)):
        return None
    plain = readable(text).strip()
    mention = f"@{bot.lower()}"
    if plain.lower().startswith(mention):  # @the_bot /price btc
        plain = plain[len(mention) :].lstrip(" ,:")
    found = _COMMAND.match(plain)
    if found is None:
        return None
    other = found["bot"] is not None and found["bot"].lower() != bot.lower()
    words = _SLASH.sub("/", found["rest"]).split()
    shown = f"/{found['name']}" + (f"@{found['bot']}" if other else "")
    said = tuple(word for word in words if word.lower() != mention and _means_something(word))
    return Typed(found["name"].lower(), said or tuple(words), shown[:40], elsewhere=other)


def _means_something(word: str) -> bool:
    """A word of punctuation or pictures alone, beside others, is passed over."""
    return any(one.isalnum() for one in word)
