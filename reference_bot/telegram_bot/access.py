"""Who may use the bot: asked before any handler, on every update that a person can cause."""

import logging
from dataclasses import dataclass
from typing import Final, Self

from reference_bot.telegram_bot.inbox import Inbox
from reference_bot.telegram_bot.update import is_private

_OF_MANY: Final = {
    1087968824: "every anonymous admin of any group",
    136817688: "whoever writes as a channel, in any group",
    777000: "what the linked channel of any group posts",
}
"""Ids that Telegram gives as the sender of what many write. Source: Message.sender_chat,
https://core.telegram.org/bots/api#message; seen in bots' logs."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class AllowList:
    """The people and groups that the bot answers; ``everybody``: the bot is public."""

    everybody: bool
    ids: frozenset[int]

    @classmethod
    def parse(cls, text: str) -> Self:
        """``"12, 34,-100567"`` or ``"*"`` or ``"*, 12"`` or ``""``.

        Raises ValueError naming the entry that is no id, or one of many.
        """
        entries = [entry.strip() for entry in text.split(",") if entry.strip()]
        everybody = entries[:1] == ["*"]  # at the beginning, so that none slips in at the end
        named = entries[1:] if everybody else entries
        return cls(everybody, frozenset(_id(entry) for entry in named))

    def admits(self, user_id: int | None, chat_id: int | None) -> bool:
        """Tell whether the sender is listed, or the group that they speak in is."""
        return self.everybody or user_id in self.ids or chat_id in self.ids

    def names(self, user_id: int | None) -> bool:
        """Tell whether this person is listed by their own id: neither `*` nor a group
        does for them."""
        return user_id in self.ids


class Access:
    """The allow-list, and the groups on it whose id has changed.

    A group that becomes a supergroup gets another id. What is known of that is kept in the inbox,
    so a restart and other replicas know it as well. Of groups only: who is listed in person is
    never looked up.
    """

    def __init__(self, listed: AllowList, inbox: Inbox) -> None:
        self._listed = listed
        self._inbox = inbox
        self._moves: dict[int, int] = {}

    async def open(self) -> None:
        """Read what is known; the log reminds of listed ids that are out of date."""
        self._moves = await self._inbox.moves()
        for old, new in self._moves.items():
            self._tell(old, new)

    async def admits(self, user_id: int | None, chat_id: int | None) -> bool:
        """Tell whether the sender, or the group that they speak in, is listed.

        Raises InboxUnavailableError.
        """
        if self._listed.admits(user_id, chat_id):
            return True
        if chat_id is None or is_private(chat_id) or all(map(is_private, self._listed.ids)):
            return False
        if chat_id not in self._moves.values():  # another replica may know it
            self._moves = await self._inbox.moves()
        return any(new == chat_id and old in self._listed.ids for old, new in self._moves.items())

    def names(self, user_id: int | None) -> bool:
        """Tell whether this person is listed by their own id."""
        return self._listed.names(user_id)

    def lists(self, chat_id: int) -> bool:
        """Tell whether this chat itself is listed, by the id that it has now."""
        return chat_id in self._listed.ids

    async def learn(self, old: int, new: int) -> None:
        """Keep for good that group ``old`` is the supergroup ``new``; the operator is told once.

        Raises InboxUnavailableError.
        """
        if self._moves.get(old) == new:
            return
        first = await self._inbox.move(old, new)
        self._moves[old] = new
        if first:
            self._tell(old, new)

    async def successor(self, chat: int) -> int | None:
        """Return what ``chat`` has become, if that is known. Raises InboxUnavailableError."""
        if chat not in self._moves:
            self._moves = await self._inbox.moves()
        return self._moves.get(chat)

    def _tell(self, old: int, new: int) -> None:
        if old in self._listed.ids and new not in self._listed.ids:
            _log.warning(
                "a listed group became a supergroup and is answered there as well: put its new id "
                "into TELEGRAM_ALLOWED_USERS in place of the old one",
                extra={"chat": old, "moved_to": new},
            )


def _id(entry: str) -> int:
    digits = entry.removeprefix("-")
    if not digits.isascii() or not digits.isdigit():
        raise ValueError(f"{entry!r} is neither a user id nor a group id")
    if (many := _OF_MANY.get(int(entry))) is not None:
        raise ValueError(f"{entry} is no person: so Telegram names {many}; list the group's id")
    return int(entry)
