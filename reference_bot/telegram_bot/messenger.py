"""The two calls that answers are made of, through python-telegram-bot."""

from telegram import LinkPreviewOptions
from telegram.constants import ParseMode
from telegram.ext import ExtBot

_NO_PREVIEW = LinkPreviewOptions(is_disabled=True)


class TelegramMessenger:
    """Sends and edits HTML messages without link previews. Raises TelegramError."""

    def __init__(self, bot: ExtBot[None]) -> None:
        self._bot = bot

    async def send(self, chat_id: int, html: str, thread_id: int | None) -> int:
        """Sends a message; its message_id."""
        message = await self._bot.send_message(
            chat_id,
            html,
            parse_mode=ParseMode.HTML,
            link_preview_options=_NO_PREVIEW,
            message_thread_id=thread_id,
        )
        return message.message_id

    async def edit(self, chat_id: int, message_id: int, html: str) -> None:
        """Replaces the text of a message."""
        await self._bot.edit_message_text(
            html,
            chat_id=chat_id,
            message_id=message_id,
            parse_mode=ParseMode.HTML,
            link_preview_options=_NO_PREVIEW,
        )
