"""The two calls that answers are made of.

Of what comes back only the message_id is wanted; building python-telegram-bot's Message objects
for it would be a sixth of the CPU that an answer costs.
"""

from typing import Any, Final

from reference_bot.telegram_bot.outgoing.replier import Place
from reference_bot.telegram_bot.telegram_api import DirectBot

SECONDS: Final = 3.0
"""How long a call may take; then its answer counts as lost, and the slot is free again."""

_LOOK: Final = {"parse_mode": "HTML", "link_preview_options": {"is_disabled": True}}


def _reply(place: Place) -> dict[str, Any] | None:
    if place.reply_to is None:
        return None
    # The question may be deleted by now; its answer is wanted all the same.
    return {"message_id": place.reply_to, "allow_sending_without_reply": True}


class TelegramMessenger:
    """Sends and edits HTML messages without link previews. Raises TelegramError."""

    def __init__(self, bot: DirectBot) -> None:
        self._bot = bot

    def doubt(self) -> None:
        """Use no connection again that stands idle."""
        self._bot.doubt_connections()

    async def send(self, place: Place, html: str, markup: str = "") -> int:
        """Send a message, with ``markup`` (JSON) under it; return its message_id."""
        params = {
            "chat_id": place.chat_id,
            "text": html,
            "message_thread_id": place.thread_id,
            "direct_messages_topic_id": place.direct_topic,
            "reply_parameters": _reply(place),
            "reply_markup": markup or None,
            **_LOOK,
        }
        message = await self._bot.call("sendMessage", params, seconds=SECONDS)
        return int(message["message_id"])

    async def edit(self, chat_id: int, message_id: int, html: str, markup: str = "", /) -> None:
        """Replace the text of a message and the buttons under it."""
        params = {
            "chat_id": chat_id,
            "message_id": message_id,
            "text": html,
            "reply_markup": markup or None,
            **_LOOK,
        }
        await self._bot.call("editMessageText", params, seconds=SECONDS)
