"""The two calls that answers are made of, through python-telegram-bot."""

from telegram import LinkPreviewOptions, ReplyParameters
from telegram.constants import ParseMode
from telegram.ext import ExtBot

from reference_bot.telegram_bot.outgoing.replier import Place

_NO_PREVIEW = LinkPreviewOptions(is_disabled=True)


def _reply(place: Place) -> ReplyParameters | None:
    if place.reply_to is None:
        return None
    # The question may be deleted by now; its answer is wanted all the same.
    return ReplyParameters(place.reply_to, allow_sending_without_reply=True)


class TelegramMessenger:
    """Sends and edits HTML messages without link previews. Raises TelegramError."""

    def __init__(self, bot: ExtBot[None]) -> None:
        self._bot = bot

    async def send(self, place: Place, html: str) -> int:
        """Sends a message; its message_id."""
        message = await self._bot.send_message(
            place.chat_id,
            html,
            parse_mode=ParseMode.HTML,
            link_preview_options=_NO_PREVIEW,
            message_thread_id=place.thread_id,
            reply_parameters=_reply(place),
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
