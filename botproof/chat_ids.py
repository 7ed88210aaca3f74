"""What the id of a chat tells. Source: https://core.telegram.org/api/bots/ids."""

from __future__ import annotations

SUPERGROUPS_BELOW = -1_000_000_000_000


def chat_kind(chat_id: int) -> str:
    """Return the type of a chat, as its id tells it: people are positive, supergroups
    below -10^12."""
    if chat_id > 0:
        return "private"
    return "supergroup" if chat_id < SUPERGROUPS_BELOW else "group"
