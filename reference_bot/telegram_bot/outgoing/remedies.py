"""What is left to do when Telegram refuses a message, by the words of its refusal. Pure.

The words are those of tdlib/telegram-bot-api and of the servers behind it. Some come as a sentence
(``message thread not found``), some as a name (``MESSAGE_ID_INVALID``), and both mean the same.
"""

from typing import Final, Literal

from reference_bot.telegram_bot.render.html import split, units

Remedy = Literal["no topic", "no question", "new message", "plain text", "shorter", "no buttons"]

_BY_WORDS: Final[tuple[tuple[str, Remedy], ...]] = (
    ("thread not found", "no topic"),
    ("thread invalid", "no topic"),
    ("topic deleted", "no topic"),
    ("topic not found", "no topic"),
    ("topic id invalid", "no topic"),
    ("repl", "no question"),  # "to be replied not found", "replied message", "reply message id"
    ("message to edit", "new message"),
    ("can't be edited", "new message"),
    ("edit time expired", "new message"),
    ("author required", "new message"),
    ("message id invalid", "new message"),
    ("message not found", "new message"),
    ("entities", "plain text"),  # "can't parse entities", "entities too long"
    ("entity bounds", "plain text"),
    ("entity text", "plain text"),
    ("entity mention", "plain text"),
    ("too long", "shorter"),
    ("button", "no buttons"),
    ("keyboard", "no buttons"),
)
_SHORTEST: Final = 64


def same_already(reason: str) -> bool:
    """Tell whether Telegram refuses an edit because the message says that already."""
    return "not modified" in _words(reason)


def remedy_for(reason: str) -> Remedy | None:
    """Return how the same answer may be taken all the same; None: it will never be."""
    words = _words(reason)
    if "reply markup" in words or "reply keyboard" in words:
        return "no buttons"
    return next((remedy for said, remedy in _BY_WORDS if said in words), None)


def shorter(part: str) -> list[str]:
    """Return ``part`` in halves; as it is when there is nothing to gain."""
    half = units(part) // 2
    return split(part, half) if half >= _SHORTEST else [part]


def _words(reason: str) -> str:
    return reason.lower().replace("_", " ")
