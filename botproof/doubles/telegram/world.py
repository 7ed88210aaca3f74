"""What a bot's Telegram holds: chats with their messages and members, people, files.

Every bot has a world of its own: what one bot sends is not seen by another, which is how the Bot
API behaves towards bots. Sizes are bounded; what falls out of a bound is as if it never was.
"""

from __future__ import annotations

import base64
import hashlib
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from botproof.doubles.telegram.flood import Flood
from botproof.doubles.telegram.keeps import Keeps
from botproof.doubles.telegram.updates import DEFAULT_ALLOWED, UpdateQueue
from botproof.doubles.telegram.webhook import Webhook

Json = dict[str, Any]
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a double keeps, for each bot."""

    messages: int = 10_000
    message_bytes: int = 8 * 1024 * 1024  # as JSON; in memory they take a few times that
    queries: int = 10_000
    updates: int = 100_000
    update_bytes: int = 64 * 1024 * 1024
    file_bytes: int = 64 * 1024 * 1024


@dataclass(slots=True)
class Topic:
    """A topic of a forum, under the number of its first message. `described` is as ForumTopic."""

    described: Json
    creator: int
    is_closed: bool = False


@dataclass(slots=True)
class Chat:
    """One chat. `info` is the object that messages carry; `members` are ChatMember objects."""

    info: Json
    messages: dict[int, Json] = field(default_factory=dict)
    members: dict[int, Json] = field(default_factory=dict)
    pinned: list[int] = field(default_factory=list)
    extra: Json = field(default_factory=dict)  # further fields of ChatFullInfo
    action: Json | None = None  # the last chat action, with its date
    votes: dict[str, dict[int, list[int]]] = field(default_factory=dict)
    reactions: dict[int, list[Json]] = field(default_factory=dict)  # by message: what the bot chose
    reacted: dict[tuple[int, int], list[Json]] = field(default_factory=dict)  # … and by person
    ephemeral: dict[int, Json] = field(default_factory=dict)  # messages that one person sees
    keyboard: Json | None = None  # what the person sees below the input field
    invite_links: dict[str, Json] = field(default_factory=dict)
    next_message_id: int = 1
    join_requests: list[int] = field(default_factory=list)
    topics: dict[int, Topic] = field(default_factory=dict)
    is_general_closed: bool = False
    is_general_hidden: bool = False
    blocked: bool = False
    migrated_to: int | None = None
    banned_chats: set[int] = field(default_factory=set)  # channels that may not write in their name
    came_by: dict[int, str] = field(default_factory=dict)  # who joined by which invite link

    @property
    def id(self) -> int:
        """The chat's number."""
        number: int = self.info["id"]
        return number

    @property
    def kind(self) -> str:
        """`private`, `group`, `supergroup` or `channel`."""
        kind: str = self.info["type"]
        return kind

    @property
    def has_own_ids(self) -> bool:
        """Supergroups and channels number their messages themselves; elsewhere the bot's count."""
        return self.kind in {"supergroup", "channel"}

    def forget(self, number: int) -> Json | None:
        """Take a message out, with what hangs on it."""
        message = self.messages.pop(number, None)
        if number in self.pinned:
            self.pinned.remove(number)
        self.reactions.pop(number, None)
        if message is not None and "poll" in message:
            self.votes.pop(message["poll"]["id"], None)
        return message


@dataclass(frozen=True, slots=True)
class File:
    """A file as Telegram's cloud knows it. `fields` are those of its type (width, duration …)."""

    id: str
    unique_id: str
    kind: str
    path: str
    name: str
    mime: str
    data: bytes
    fields: Mapping[str, object] = field(default_factory=dict)


_PREFIXES = {
    "photo": ("AgAC", "photos", "jpg"),
    "document": ("BQAC", "documents", "dat"),
    "video": ("BAAC", "videos", "mp4"),
    "audio": ("CQAC", "music", "mp3"),
    "voice": ("AwAC", "voice", "oga"),
    "animation": ("CgAC", "animations", "mp4"),
    "sticker": ("CAAC", "stickers", "webp"),
    "video_note": ("DQAC", "video_notes", "mp4"),
    "thumbnail": ("AAMC", "thumbnails", "jpg"),
    "profile_photo": ("AQAD", "profile_photos", "jpg"),
    "live_photo": ("BgAC", "live_photos", "mp4"),
}


@dataclass(slots=True)
class Files:
    """The files of one bot, the newest up to a number of bytes."""

    owner: int
    limit: int
    _by_id: dict[str, File] = field(default_factory=dict)
    _by_path: dict[str, File] = field(default_factory=dict)
    _sizes: dict[str, tuple[str, str]] = field(default_factory=dict)
    _bytes: int = 0
    _count: int = 0

    def size(self, file: File, box: int) -> tuple[str, str]:
        """Return the id and the unique id of a smaller size of a picture, which has the
        same bytes."""
        own = file.id[:4] + _letters(f"{self.owner}:{file.id}:{box}", 56)
        unique = _letters(f"{file.unique_id}:{box}", 16)
        self._sizes[own] = (file.id, unique)
        return own, unique

    def size_of(self, file_id: str) -> str | None:
        """Return the unique id of a smaller size; None for an id that is a file's own."""
        found = self._sizes.get(file_id)
        return None if found is None else found[1]

    def add(
        self, kind: str, data: bytes, name: str, mime: str, fields: Mapping[str, object]
    ) -> File:
        """Keep a file, under a new id."""
        prefix, folder, extension = _PREFIXES[kind]
        self._count += 1
        suffix = name.rpartition(".")[2] if "." in name and kind == "document" else extension
        file = File(
            id=prefix + _letters(f"{self.owner}:{self._count}", 56),
            unique_id=_letters(data, 16),
            kind=kind,
            path=f"{folder}/file_{self._count - 1}.{suffix}",
            name=name,
            mime=mime,
            data=data,
            fields=fields,
        )
        self._by_id[file.id] = self._by_path[file.path] = file
        self._bytes += len(data)
        while self._bytes > self.limit and len(self._by_id) > 1:
            oldest = self._by_id.pop(next(iter(self._by_id)))
            del self._by_path[oldest.path]
            self._bytes -= len(oldest.data)
        if len(self._sizes) > 4 * len(self._by_id) + _FEW:
            self._sizes = {own: of for own, of in self._sizes.items() if of[0] in self._by_id}
        return file

    def get(self, file_id: str) -> File | None:
        """Return the file with this id, which may be that of one of its sizes."""
        main, _ = self._sizes.get(file_id, (file_id, ""))
        return self._by_id.get(main)

    def at(self, path: str) -> File | None:
        """Return the file under a `file_path`."""
        return self._by_path.get(path)


_FEW = 100  # sizes of files that are gone are looked for only when there are many


def _letters(of: str | bytes, length: int) -> str:
    data = of.encode() if isinstance(of, str) else of
    return base64.urlsafe_b64encode(hashlib.sha512(data).digest()).decode()[:length]


@dataclass(frozen=True, slots=True)
class Poll:
    """A getUpdates call that waits."""

    ticket: int
    offset: int
    limit: int
    until: float


@dataclass(slots=True)
class Bot:
    """Everything that belongs to one token."""

    token: str
    id: int
    user: Json  # as getMe tells it
    sender: Json  # the same, as messages carry it
    queue: UpdateQueue
    flood: Flood
    files: Files
    limits: Limits
    chats: dict[int, Chat] = field(default_factory=dict)
    users: dict[int, Json] = field(default_factory=dict)
    usernames: dict[str, int] = field(default_factory=dict)
    next_message_id: int = 1
    stored: deque[tuple[int, int, int]] = field(default_factory=deque)  # chat, number, bytes
    stored_bytes: int = 0
    inline_messages: dict[str, Json] = field(default_factory=dict)
    queries: dict[str, Json] = field(default_factory=dict)  # callback, inline, … not yet answered
    polls: dict[str, tuple[int, int]] = field(default_factory=dict)
    profile: Json = field(default_factory=dict)  # commands, names, descriptions, rights, buttons
    # By chat or user, the newest first; each in its sizes.
    photos: dict[int, list[list[Json]]] = field(default_factory=dict)
    keeps: Keeps = field(default_factory=Keeps)
    business: Json = field(default_factory=dict)  # what messages of a connection's chats carry
    business_bots: dict[str, Bot] = field(default_factory=dict)  # by connection: its chats
    agenda: list[tuple[float, int, str, tuple[object, ...]]] = field(default_factory=list)
    planned: int = 0
    # the two doors
    allowed: frozenset[str] = DEFAULT_ALLOWED
    webhook: Webhook | None = None
    poll: Poll | None = None
    refusals_due: list[tuple[float, int, str]] = field(default_factory=list)  # delayed 409s
    offered: dict[int, int] = field(default_factory=dict)  # by update: how often getUpdates gave it
    repeats: dict[int, bytes] = field(default_factory=dict)  # to be given again once confirmed
    last_offset: int | None = None
    last_poll_at: float = float("-inf")
    next_conflict_at: float = float("-inf")
    next_set_webhook_at: float = float("-inf")
    logged_out_until: float = float("-inf")
    started_at: float = 0.0

    def new_message_id(self, chat: Chat) -> int:
        """Return the next message id in a chat."""
        holder = chat if chat.has_own_ids else self
        number = holder.next_message_id
        holder.next_message_id = number + 1
        return number

    def store(self, chat: Chat, message: Json) -> None:
        """Keep a message; the oldest of all chats go when there are too many or too large ones."""
        number: int = message["message_id"]
        if number not in chat.messages:
            size = len(_encode(message))
            self.stored.append((chat.id, number, size))
            self.stored_bytes += size
        chat.messages[number] = message
        if "poll" in message:
            self.polls.setdefault(message["poll"]["id"], (chat.id, number))
        while len(self.stored) > self.limits.messages or (
            self.stored_bytes > self.limits.message_bytes and len(self.stored) > 1
        ):
            self._forget_oldest()

    def _forget_oldest(self) -> None:
        chat_id, number, size = self.stored.popleft()
        self.stored_bytes -= size
        gone = self.chats[chat_id].forget(number)
        if gone is not None and "poll" in gone:
            self.polls.pop(gone["poll"]["id"], None)

    def open_query(self, query_id: str, query: Json) -> None:
        """Remember a query that may be answered once."""
        self.queries[query_id] = query
        while len(self.queries) > self.limits.queries:
            del self.queries[next(iter(self.queries))]

    def store_inline(self, message_id: str, message: Json) -> None:
        """Keep a message that came from an inline query."""
        self.inline_messages[message_id] = message
        while len(self.inline_messages) > self.limits.queries:
            del self.inline_messages[next(iter(self.inline_messages))]
