"""A conversation: what people do around a bot, as a value that can be saved and played again.

It knows nothing of the bot under test and holds no ids: a cast of three people (alice and bob, whom
the bot knows, and mallory, a stranger) and four kinds of chat. `botproof.workloads.stage` turns
each step into the update that Telegram would send; a playing gives all chats fresh ids.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal, Union

import msgspec

FORMAT = 1

Who = Literal["alice", "bob", "mallory"]
Where = Literal["private", "group", "supergroup", "channel"]
To = Literal["", "this", "other"]
Media = Literal[
    "photo", "sticker", "voice", "document", "location", "contact", "dice", "poll", "video_note"
]
Service = Literal["joined", "left", "pinned", "renamed", "topic", "timer", "upgraded"]
Other = Literal[
    "my_chat_member",
    "chat_member",
    "chat_join_request",
    "message_reaction",
    "poll",
    "poll_answer",
    "chosen_inline_result",
    "shipping_query",
    "pre_checkout_query",
    "chat_boost",
    "business_message",
]
KNOWN: tuple[Who, ...] = ("alice", "bob")


class ConversationError(Exception):
    """A saved conversation cannot be read. Names the file, the place in it and what is wrong."""


class Step(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    omit_defaults=True,
    tag_field="do",
):
    """One thing that happens. `who` does it, `where` the chat is; a private chat is `who`'s own.

    `twice` says that Telegram delivers the update a second time, under the same update_id.
    """

    who: Who = "alice"
    where: Where = "private"
    twice: bool = False


class Say(Step, frozen=True, kw_only=True, tag="say"):
    """A message with text. `to` puts @bot after the command: this bot's name, or another's.

    `novel` adds fields to the message that no Bot API knows yet.
    """

    text: str
    to: To = ""
    novel: bool = False


class Edit(Step, frozen=True, kw_only=True, tag="edit"):
    """Changes the last message of `who` in this chat; without one, a message from long ago."""

    text: str


class Send(Step, frozen=True, kw_only=True, tag="send"):
    """A message without text, perhaps with a caption."""

    what: Media
    caption: str = ""


class Happen(Step, frozen=True, kw_only=True, tag="happen"):
    """A service message: someone joined, the chat was renamed."""

    what: Service


class Press(Step, frozen=True, kw_only=True, tag="press"):
    """A button is pressed: number `button` (counted from 0, around the end) of those that the bot
    has sent to this chat. `data` is pressed when it has sent none, as on an old message."""

    button: int = 0
    data: str = ""


class Ask(Step, frozen=True, kw_only=True, tag="ask"):
    """An inline query, typed in any chat."""

    query: str = ""


class Meet(Step, frozen=True, kw_only=True, tag="meet"):
    """Any other kind of update that Telegram has today."""

    kind: Other


class Invent(Step, frozen=True, kw_only=True, tag="invent"):
    """A kind of update that Telegram does not have yet, with any fields."""

    kind: str = "quantum_message"
    fields: dict[str, Any] = {}


AnyStep = Union[Say, Edit, Send, Happen, Press, Ask, Meet, Invent]  # noqa: UP007 - msgspec reads it


class Conversation(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """Steps in the order in which they happen. All follow at once, none waits for an answer."""

    steps: tuple[AnyStep, ...]

    @property
    def size(self) -> tuple[int, int]:
        """What "shorter" means: fewer steps, then less to read."""
        return len(self.steps), len(encode(self))


class _Saved(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The file that a conversation is saved in."""

    format: int = FORMAT
    steps: tuple[AnyStep, ...] = ()
    about: str = ""


_ENCODER = msgspec.json.Encoder()


def encode(conversation: Conversation) -> bytes:
    """Return the conversation as JSON on one line; equal conversations give equal bytes."""
    return _ENCODER.encode(conversation)


def decode(data: bytes) -> Conversation:
    """Return the reverse of `encode`. Raises msgspec.ValidationError or msgspec.DecodeError."""
    return msgspec.json.decode(data, type=Conversation)


def save(path: Path, conversation: Conversation, about: str = "") -> None:
    """Write a conversation down for `load`; `about` says what it shows."""
    saved = _Saved(steps=conversation.steps, about=about)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.format(_ENCODER.encode(saved), indent=2) + b"\n")


def load(path: Path) -> Conversation:
    """Read a conversation that `save`, or a person, wrote. Raises ConversationError."""
    try:
        saved = msgspec.json.decode(path.read_bytes(), type=_Saved)
    except OSError as error:
        raise ConversationError(f"{path}: cannot be read: {error.strerror}") from error
    except msgspec.ValidationError as error:
        raise ConversationError(f"{path}: is no conversation: {error}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConversationError(f"{path}: is not JSON: {error}") from error
    if saved.format != FORMAT:
        raise ConversationError(
            f"{path}: is in format {saved.format}; this botproof reads format {FORMAT}"
        )
    if not saved.steps:
        raise ConversationError(f"{path}: has no steps; there is nothing to play")
    return Conversation(steps=saved.steps)


def room_of(step: Step) -> str:
    """Return the chat of a step by name: "alice" for her private chat, else the kind of chat."""
    return step.who if step.where == "private" else step.where


def describe(conversation: Conversation) -> list[str]:
    """Return one line a step, for a person."""
    return [f"{number}. {_line(step)}" for number, step in enumerate(conversation.steps, start=1)]


def _line(step: AnyStep) -> str:
    place = "" if step.where == "private" else f" in the {step.where}"
    who = "somebody" if step.where == "channel" else step.who
    repeated = "   (delivered twice)" if step.twice else ""
    return f"{who}{place} {_deed(step)}{repeated}"


def _deed(step: AnyStep) -> str:  # noqa: PLR0911 - a table in the shape of a match
    match step:
        case Say():
            more = " (with fields that no Bot API knows)" if step.novel else ""
            return f"says: {shown(addressed(step, 'this_bot', 'other_bot'))}{more}"
        case Edit():
            return f"changes the last message to: {shown(step.text)}"
        case Send():
            caption = f", caption: {shown(step.caption)}" if step.caption else ""
            return f"sends a {step.what}{caption}"
        case Happen():
            return f"causes a service message: {step.what}"
        case Press():
            return f"presses button {step.button}, or {shown(step.data)} where there is none"
        case Ask():
            return f"asks inline: {shown(step.query)}"
        case Meet():
            return f"causes an update of kind {step.kind}"
        case Invent():
            return f"causes an update of the unknown kind {step.kind}: {shown(str(step.fields))}"


def addressed(step: Say, this: str, other: str) -> str:
    """Return the text of a message with the name of the addressed bot put after its command."""
    name = {"": "", "this": this, "other": other}[step.to]
    if not name or not step.text.startswith("/"):
        return step.text
    end = next((at for at, sign in enumerate(step.text) if sign.isspace()), len(step.text))
    return f"{step.text[:end]}@{name}{step.text[end:]}"


def shown(text: str, most: int = 100) -> str:
    """Return text for one line: what cannot be seen is written as an escape, what is
    long is cut."""
    safe = "".join(
        sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text
    )
    return safe if len(safe) <= most else f"{safe[:most]}… ({len(text)} characters)"


def shortest(conversations: Iterable[Conversation]) -> Conversation | None:
    """Return the shortest of them; None of none."""
    return min(conversations, key=lambda each: each.size, default=None)
