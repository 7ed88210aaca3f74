"""Updates as a person with a Telegram client makes them: every workload's are built from these."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

NAME = "Robin"
"""Of everybody: a bot that greets by name is to greet all alike."""
SECRET_HEADER = "X-Telegram-Bot-Api-Secret-Token"  # noqa: S105 - only a name
"""The header in which a webhook is told its secret."""


def typed(text: str) -> dict[str, Any]:
    """Return the fields of a text with the entity that Telegram itself marks a command with."""
    word = text.split(maxsplit=1)[0] if text.strip() else ""
    if not word.startswith("/") or len(word) < 2:
        return {"text": text}
    length = len(word.encode("utf-16-le")) // 2  # entities count UTF-16 units
    return {"text": text, "entities": [{"type": "bot_command", "offset": 0, "length": length}]}


def person(user: int, name: str = NAME) -> dict[str, Any]:
    """Return a user as Telegram describes one."""
    return {"id": user, "is_bot": False, "first_name": name, "language_code": "en"}


def private_chat(user: int, name: str = NAME) -> dict[str, Any]:
    """Return the private chat with a user."""
    return {"id": user, "type": "private", "first_name": name}


def message_update(
    user: int, text: str, chat: Mapping[str, Any] | None = None, name: str = NAME
) -> dict[str, Any]:
    """Return the update of a message that `user` writes, in the private chat or in another one."""
    where = chat or private_chat(user, name)
    return {"message": {"date": 0, "chat": where, "from": person(user, name), **typed(text)}}
