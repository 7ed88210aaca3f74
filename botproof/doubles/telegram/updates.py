"""Updates on their way to a bot: what they are, how long they live, and when they are confirmed.

Source: `add_update` and its callers in Client.cpp of the open-source Bot API server (lifetimes and
webhook queues), `TQueue::get` of td (what an offset confirms).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

import msgspec

from botproof.doubles.kit.errors import ControlError

Json = dict[str, Any]
_encode = msgspec.json.Encoder().encode

DAY = 86_400.0
_QUEUE_STEP = 1 << 33  # the server keeps webhook queues apart by adding multiples of this to the id


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of update: seconds that it lives, and whose queue it waits in at a webhook."""

    lifetime: float = DAY
    queue_by: str = "chat"  # chat | user | poll | own
    lane: int = 0


KINDS: Mapping[str, Kind] = {
    "message": Kind(),
    "edited_message": Kind(),
    "channel_post": Kind(),
    "edited_channel_post": Kind(),
    "business_connection": Kind(queue_by="user", lane=10),
    "business_message": Kind(),
    "edited_business_message": Kind(),
    "deleted_business_messages": Kind(),
    "inline_query": Kind(30, "user", 1),
    "chosen_inline_result": Kind(600, "user", 2),
    "callback_query": Kind(150, "user", 3),
    "shipping_query": Kind(150, "user", 4),
    "pre_checkout_query": Kind(150, "user", 4),
    "purchased_paid_media": Kind(queue_by="user", lane=4),
    "poll": Kind(queue_by="poll"),
    "poll_answer": Kind(queue_by="poll"),
    "my_chat_member": Kind(lane=5),
    "chat_member": Kind(queue_by="user", lane=6),
    "chat_join_request": Kind(queue_by="user", lane=6),
    "chat_boost": Kind(lane=7),
    "removed_chat_boost": Kind(lane=7),
    "message_reaction": Kind(lane=8),
    "message_reaction_count": Kind(lane=9),
}
_UNKNOWN = Kind(queue_by="own")
_ON_REQUEST = frozenset({"chat_member", "message_reaction", "message_reaction_count"})
DEFAULT_ALLOWED = frozenset(KINDS) - _ON_REQUEST


def allowed_from(value: object) -> frozenset[str] | None:
    """Return what `allowed_updates` asks for; None when it asks for nothing new.

    Names that Telegram does not know are passed over; a list without a single known one means the
    default, which is all kinds but `chat_member`, `message_reaction` and `message_reaction_count`.
    """
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        return None
    return frozenset(name.lower() for name in value) & frozenset(KINDS) or DEFAULT_ALLOWED


def kind_of(update: Mapping[str, object]) -> str:
    """Return the name of the one field that says what the update is. ControlError names
    what is wrong."""
    names = [name for name in update if name != "update_id"]
    if len(names) != 1:
        listed = ", ".join(names) or "none"
        raise ControlError(f"an update has exactly one field besides update_id, here: {listed}")
    if not isinstance(update[names[0]], dict):
        raise ControlError(f'the field "{names[0]}" of an update must be an object')
    return names[0]


@dataclass(frozen=True, slots=True)
class Update:
    """One update, encoded once. `queue` is the lane in which a webhook gets it in order."""

    id: int
    kind: str
    chat_id: int | None
    queue: int
    expires_at: float
    body: bytes


def make_update(number: int, kind: str, payload: Json, now: float) -> Update:
    """Return the update with id `number`; `payload` is what stands under its kind."""
    described = KINDS.get(kind, _UNKNOWN)
    chat_id, user_id = _chat_of(payload), _user_of(payload)
    return Update(
        id=number,
        kind=kind,
        chat_id=chat_id,
        queue=_queue(described, payload, chat_id, user_id, number),
        expires_at=now + described.lifetime,
        body=_encode({"update_id": number, kind: payload}),
    )


def _queue(kind: Kind, payload: Json, chat_id: int | None, user_id: int | None, own: int) -> int:
    keys = {"chat": chat_id, "user": user_id, "poll": _poll_of(payload)}
    key = keys.get(kind.queue_by)
    if key is None:
        return -(1 << 60) - own  # a queue of its own: nothing waits for it
    return key + kind.lane * _QUEUE_STEP


def _chat_of(payload: Json) -> int | None:
    chat = payload.get("chat") or (payload.get("message") or {}).get("chat") or {}
    return cast("int | None", chat.get("id"))


def _user_of(payload: Json) -> int | None:
    user = payload.get("from") or payload.get("user") or {}
    return cast("int | None", user.get("id"))


def _poll_of(payload: Json) -> int | None:
    identifier = str(payload.get("poll_id", payload.get("id", "")))
    return int(identifier) if identifier.lstrip("-").isdigit() else None


class UpdateQueue:
    """The updates of one bot that are not confirmed, in the order of their ids.

    Ids grow by one from `first_id`. The queue is bounded in updates and bytes; a full one takes no
    more updates, as the real one refuses them (at a million).
    """

    __slots__ = ("_bytes", "_head", "_updates", "limit", "limit_bytes", "next_id")

    def __init__(
        self, first_id: int, limit: int = 100_000, limit_bytes: int = 64 * 1024 * 1024
    ) -> None:
        self.next_id = first_id
        self.limit = limit
        self.limit_bytes = limit_bytes
        self._bytes = 0
        self._head = first_id  # no id below this one is in the queue
        self._updates: dict[int, Update] = {}

    def __len__(self) -> int:
        return len(self._updates)

    def __contains__(self, number: object) -> bool:
        return number in self._updates

    def __iter__(self) -> Iterator[Update]:
        return iter(tuple(self._updates.values()))

    @property
    def head(self) -> int:
        """The lowest id in the queue; the next id when it is empty."""
        while self._head < self.next_id and self._head not in self._updates:
            self._head += 1
        return self._head

    def push(self, kind: str, payload: Json, now: float) -> Update | None:
        """Add an update; None when the queue is full."""
        if len(self._updates) >= self.limit or self._bytes >= self.limit_bytes:
            return None
        update = make_update(self.next_id, kind, payload, now)
        self._updates[update.id] = update
        self._bytes += len(update.body)
        self.next_id += 1
        return update

    def forget(self, number: int) -> Update | None:
        """Take one update out."""
        update = self._updates.pop(number, None)
        if update is not None:
            self._bytes -= len(update.body)
        return update

    def keep_last(self, count: int) -> list[int]:
        """Drop all but the last `count`; the dropped ids."""
        dropped = list(self._updates)[: max(0, len(self._updates) - count)]
        for number in dropped:
            self.forget(number)
        return dropped

    def expire(self, now: float) -> list[int]:
        """Drop what is older than it may be; the dropped ids."""
        expired = [u.id for u in self._updates.values() if u.expires_at < now]
        for number in expired:
            self.forget(number)
        return expired

    def confirm(self, offset: int) -> list[int]:
        """Drop everything below `offset`; the dropped ids.

        An offset from the future (over ten above the next id) or from the far past confirms
        nothing, and neither does one of 0 or below.
        """
        if not self.head < offset <= self.next_id + 10:
            return []
        last = min(offset, self.next_id)
        confirmed = [n for n in range(self.head, last) if self.forget(n) is not None]
        self._head = last
        return confirmed

    def after(self, start: int, limit: int, now: float) -> list[Update]:
        """Up to `limit` updates that are still alive, from id `start` on, in order."""
        found: list[Update] = []
        for number in range(max(start, self.head), self.next_id):
            if len(found) == limit:
                break
            update = self._updates.get(number)
            if update is None:
                continue
            if update.expires_at < now:
                self.forget(number)
                continue
            found.append(update)
        return found
