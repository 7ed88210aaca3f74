"""Who may use the bot: asked before any handler, on every update that a person can cause."""

from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class AllowList:
    """The people and groups that the bot answers; ``everybody``: the bot is public."""

    everybody: bool
    ids: frozenset[int]

    @classmethod
    def parse(cls, text: str) -> Self:
        """``"12, 34,-100567"`` or ``"*"`` or ``"*, 12"`` or ``""``.

        Raises ValueError naming the entry that is no id.
        """
        entries = [entry.strip() for entry in text.split(",") if entry.strip()]
        everybody = entries[:1] == ["*"]  # at the beginning, so that none slips in at the end
        named = entries[1:] if everybody else entries
        return cls(everybody, frozenset(_id(entry) for entry in named))

    def admits(self, user_id: int | None, chat_id: int | None) -> bool:
        """Whether the sender is listed, or the group that they speak in is."""
        return self.everybody or user_id in self.ids or chat_id in self.ids

    def names(self, user_id: int | None) -> bool:
        """Whether this person is listed by their own id: neither `*` nor a group does for them."""
        return user_id in self.ids


def _id(entry: str) -> int:
    digits = entry.removeprefix("-")
    if not digits.isascii() or not digits.isdigit():
        raise ValueError(f"{entry!r} is neither a user id nor a group id")
    return int(entry)
