"""What every new message begins with, whoever writes it, and how one stands in its replies."""

from __future__ import annotations

from botproof.doubles.telegram.context import Turn
from botproof.doubles.telegram.world import Chat, Json

_NESTED = frozenset({"reply_to_message", "pinned_message"})


def head(turn: Turn, chat: Chat, author: Json) -> Json:
    """Return the number, sender, chat and date of a new message; in a channel the channel sends."""
    message: Json = {"message_id": turn.bot.new_message_id(chat)}
    if chat.kind == "channel":
        message["sender_chat"] = chat.info
    else:
        message["from"] = author
    return message | {"chat": chat.info, "date": turn.date}


def in_reply(replied: Json) -> Json:
    """Return a message as its replies show it: without the messages within it."""
    return {name: value for name, value in replied.items() if name not in _NESTED}
