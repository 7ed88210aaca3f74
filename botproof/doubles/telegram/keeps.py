"""What a bot's Telegram holds beside chats and files: sticker sets, Stars, gifts, stories …

Everything here is in the words of the Bot API's own objects. Each collection is bounded: `keep`
drops the oldest entry.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

Json = dict[str, Any]
Key = TypeVar("Key")
Value = TypeVar("Value")
MAX_KEPT = 10_000


def keep(kept: MutableMapping[Key, Value], key: Key, value: Value) -> None:
    """Put something into a collection that holds the newest 10,000."""
    kept[key] = value
    while len(kept) > MAX_KEPT:
        del kept[next(iter(kept))]


@dataclass(slots=True)
class Invoice:
    """What was asked for: `shown` is the Invoice object, `terms` the parameters of the call."""

    shown: Json
    terms: Json


@dataclass(slots=True)
class Keeps:
    """The belongings of one bot."""

    # stickers
    sticker_sets: dict[str, Json] = field(default_factory=dict)  # by name in lower case
    stickers: dict[str, str] = field(default_factory=dict)  # by file: the set that it is in
    # payments
    invoices: dict[str, Invoice] = field(default_factory=dict)  # by link
    invoice_messages: dict[tuple[int, int], Invoice] = field(default_factory=dict)
    payments: dict[str, Json] = field(default_factory=dict)  # by telegram_payment_charge_id
    transactions: list[Json] = field(default_factory=list)  # StarTransaction, the oldest first
    stars: int = 0
    paid_payloads: dict[tuple[int, int], str] = field(default_factory=dict)
    # games: scores by game and chat, then by user
    scores: dict[tuple[object, str], dict[int, int]] = field(default_factory=dict)
    # business connections, by id; what the accounts own
    connections: dict[str, Json] = field(default_factory=dict)
    accounts: dict[str, Json] = field(default_factory=dict)
    # gifts by owner (a user or a channel); the newest last
    gifts: dict[int, list[Json]] = field(default_factory=dict)
    stories: dict[tuple[int, int], Json] = field(default_factory=dict)
    prepared: dict[str, Json] = field(default_factory=dict)  # messages and buttons kept for later
    verified: dict[int, str] = field(default_factory=dict)
    emoji_status: dict[int, Json] = field(default_factory=dict)
    passport_errors: dict[int, list[Json]] = field(default_factory=dict)
    boosts: dict[tuple[int, int], list[Json]] = field(default_factory=dict)
    managed: dict[int, Json] = field(default_factory=dict)  # bots that this one manages
    drafts: dict[int, Json] = field(default_factory=dict)  # by chat: what is being written
    audios: dict[int, list[Json]] = field(default_factory=dict)  # of people's profiles
    personal: dict[int, list[Json]] = field(default_factory=dict)  # posts of personal channels
