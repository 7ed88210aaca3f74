"""Which calls of the Bot API say something to a chat; needs no Locust."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def read_reply(method: str, params: Mapping[str, Any]) -> tuple[int, str] | None:
    """Return chat and text of a call by which the bot says something; None for any other."""
    if not method.startswith(("send", "editMessage")) or method == "sendChatAction":
        return None
    try:
        chat_id = int(params["chat_id"])
    except (KeyError, TypeError, ValueError):
        return None
    return chat_id, str(params.get("text") or params.get("caption") or "")
