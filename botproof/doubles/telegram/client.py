"""The person's side of the Telegram double: write to the bot, tap its buttons, read the chat.

    with Double("http://127.0.0.1:8081", token) as telegram:
        ada = telegram.person(42, "Ada", username="ada")
        reply = ada.ask("/price btc")
        assert "BTC/USDT" in reply.text
        ada.tap("More", reply)

Everything here is a request to the control interface under ``/_double`` and can be sent by curl as
well. Nothing sleeps: waiting is a long poll on the transcript, and ends with what happened.
"""

from __future__ import annotations

import base64
import contextlib
import json
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Self, TypeVar

import httpx

T = TypeVar("T")
Json = dict[str, Any]
WAIT_SECONDS = 30.0
_LONGEST_POLL = 25.0


class DoubleError(RuntimeError):
    """The double refused what was asked; the text says what would be right.

    ``status`` is the HTTP status: 400, 401 for a bad token, 404; 0 when it did not even start.
    """

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class Waited(AssertionError):  # noqa: N818 - a failed expectation of a test, named after what was done
    """What was waited for did not come; the text shows the chat as it is."""


@dataclass(frozen=True, slots=True)
class Sent:
    """What an action of a person made. ``update_id`` is None when the bot did not ask for it."""

    update_id: int | None
    message_id: int | None
    more: Mapping[str, object] = field(default_factory=dict)
    """``callback_query_id``, ``inline_query_id``, ``url``: what else there is."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message as the person sees it; ``raw`` is the whole Message object of the Bot API."""

    raw: Mapping[str, Any]

    @property
    def id(self) -> int:
        """Its number in the chat."""
        return int(self.raw["message_id"])

    @property
    def text(self) -> str:
        """The text, or the caption of a medium; empty when there is neither."""
        return str(self.raw.get("text") or self.raw.get("caption") or "")

    @property
    def by_bot(self) -> bool:
        """Whether the bot wrote it."""
        return bool(self.raw.get("from", {}).get("is_bot"))

    @property
    def edited(self) -> bool:
        """Whether it was edited since."""
        return "edit_date" in self.raw

    @property
    def buttons(self) -> tuple[str, ...]:
        """The texts of the buttons under it, row by row."""
        rows = self.raw.get("reply_markup", {}).get("inline_keyboard", [])
        return tuple(button["text"] for row in rows for button in row)


class Double:
    """A running double and one bot in it. Close it, or use it in a ``with`` statement.

    ``verify`` is for a double that serves https: the path of its CA, or a context.
    """

    def __init__(
        self, url: str, token: str, *, verify: ssl.SSLContext | bool = True, timeout: float = 30.0
    ) -> None:
        self.url = url.rstrip("/")
        self.token = token
        self._seen = 0
        self._http = httpx.Client(
            base_url=f"{self.url}/_double", verify=verify, timeout=timeout, trust_env=False
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connections."""
        self._http.close()

    # -- people and groups ---------------------------------------------------------------------

    def person(self, user_id: int, first_name: str = "", **about: object) -> Chat:
        """Return a person's private chat with the bot.

        ``about``: ``last_name``, ``username``, ``language_code``, ``is_premium``.
        """
        named = {"first_name": first_name} if first_name else {}
        return Chat(self, {"user_id": user_id, "chat_id": user_id, **named, **about})

    # -- the double ----------------------------------------------------------------------------

    def act(self, action: Mapping[str, object]) -> Sent:
        """Any action of a person (see ``people``), as the control interface takes it."""
        made = dict(self._call("POST", f"/bots/{self.token}/updates", json=dict(action)))
        return Sent(made.pop("update_id"), made.pop("message_id"), made)

    def update(self, update: Mapping[str, object]) -> Sent:
        """Return an update as it is, without ``update_id``."""
        return self.act({"update": dict(update)})

    def transcript(self, after: int = 0, timeout: float = 0.0) -> tuple[list[Json], int]:
        """Return events after a sequence number, and the number to ask after next."""
        page = self._call("GET", "/transcript", params={"after": after, "timeout": timeout})
        return page["events"], page["next"]

    def calls(self, method: str = "") -> list[Json]:
        """Return the calls that the bot made so far, of one ``method`` or of all."""
        return [
            event
            for event in self._events(0)
            if event["type"] == "call"
            and event["token"] == self.token
            and (not method or event["method"].lower() == method.lower())
        ]

    def fault(self, kind: str, method: str = "*", **fault: object) -> int:
        """Program a fault; its id. ``fault``: ``count``, ``probability``, ``error_code`` …"""
        asked = {"kind": kind, "method": method, **fault}
        return int(self._call("POST", "/faults", json=asked)["id"])

    def clear_faults(self) -> None:
        """Let everything work again."""
        self._call("DELETE", "/faults")

    def advance(self, seconds: float) -> None:
        """Move the double's clock forward."""
        self._call("POST", "/clock", json={"advance": seconds})

    def reset(self) -> None:
        """Have the double be as just started."""
        self._call("POST", "/reset")

    def wait(
        self, find: Callable[[], T | None], timeout: float = WAIT_SECONDS, what: str = ""
    ) -> T:
        """Return what ``find`` finds, asked again after every event. Raises Waited
        after ``timeout``."""
        until = time.monotonic() + timeout
        for event in self._events(self._seen):
            self._seen = event["seq"]
        while True:
            found = find()
            if found is not None:
                return found
            left = until - time.monotonic()
            if left <= 0:
                raise Waited(f"{what or 'what was waited for'} did not come within {timeout} s")
            _, self._seen = self.transcript(self._seen, min(left, _LONGEST_POLL))

    def _events(self, after: int) -> Iterator[Json]:
        while True:
            events, following = self.transcript(after)
            if not events:
                return
            yield from events
            after = following

    def _call(self, method: str, path: str, **sent: Any) -> Any:
        answer = self._http.request(method, path, **sent)
        body = answer.json()
        if not body.get("ok"):
            description = body.get("description", answer.status_code)
            raise DoubleError(f"{method} {path}: {description}", answer.status_code)
        return body["result"]


@contextlib.contextmanager
def launch(
    token: str, *options: str, verify: Callable[[], ssl.SSLContext] | None = None
) -> Iterator[Double]:
    """Give a double in a process of its own, for as long as the ``with`` statement lasts.

    ``options`` are those of ``botproof double telegram``; the seed is 0 unless they say another,
    so that a test sees the same each time. With ``--tls``, ``verify`` makes the context to trust
    it, once the CA's file is there. Raises DoubleError when it does not start.
    """
    command = [sys.executable, "-m", "botproof", "double", "telegram", "--seed", "0", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            line = process.stdout.readline() if process.stdout else ""
            if not line:
                raise DoubleError(f"the double did not start: exit status {process.wait()}")
            url = json.loads(line)["url"]
            with Double(url, token, verify=verify() if verify else True) as double:
                yield double
        finally:
            process.terminate()


class Chat:
    """A person in a chat: with the bot alone, or in a group that the bot is in."""

    def __init__(self, double: Double, who: Mapping[str, object]) -> None:
        self.double = double
        self._who = dict(who)

    @property
    def id(self) -> int:
        """The chat's id."""
        return int(str(self._who["chat_id"]))

    def in_group(self, chat_id: int, title: str = "", **about: object) -> Chat:
        """Return the same person in a group; below -10^12 it is a supergroup, else a basic one."""
        where = {"chat_id": chat_id, **({"title": title} if title else {}), **about}
        return Chat(self.double, {**self._who, **where})

    # -- saying --------------------------------------------------------------------------------

    def say(self, text: str, *, reply_to: Message | int | None = None) -> Sent:
        """Send a text, or a command."""
        return self._act(text=text, **_replying(reply_to))

    def command(self, name: str, *arguments: object) -> Sent:
        """Send ``/name`` with its arguments."""
        return self.say(" ".join(["/" + name.removeprefix("/"), *map(str, arguments)]))

    def edit(self, message: Message | Sent | int, text: str) -> Sent:
        """Change one's own message."""
        return self._act(edit={"message_id": _number(message), "text": text})

    def delete(self, message: Message | Sent | int) -> Sent:
        """Delete a message; Telegram tells bots nothing of it."""
        return self._act(delete={"message_id": _number(message)})

    def send_file(
        self, kind: str, data: bytes, file_name: str = "", caption: str = "", mime_type: str = ""
    ) -> Sent:
        """Send a ``photo``, ``document``, ``video``, ``audio``, ``voice``, ``animation`` …"""
        media = {"kind": kind, "data": base64.b64encode(data).decode()}
        media |= {"file_name": file_name} if file_name else {}
        media |= {"mime_type": mime_type} if mime_type else {}
        return self._act(media=media, **({"caption": caption} if caption else {}))

    def photo(self, data: bytes, caption: str = "") -> Sent:
        """Send a photo."""
        return self.send_file("photo", data, "photo.jpg", caption)

    def location(self, latitude: float, longitude: float) -> Sent:
        """Send a place, in degrees."""
        return self._act(content={"location": {"latitude": latitude, "longitude": longitude}})

    def contact(self, phone_number: str, first_name: str) -> Sent:
        """Send a contact."""
        return self._act(
            content={"contact": {"phone_number": phone_number, "first_name": first_name}}
        )

    # -- doing ---------------------------------------------------------------------------------

    def tap(self, button: str, message: Message | int | None = None) -> Sent:
        """Tap the button with this text: under ``message``, or under the newest that has it.

        A button of the keyboard below the input field sends its text, as in Telegram.
        """
        under = _number(message) if message is not None else self._with_button(button)
        asked = {"text": button} if under is None else {"text": button, "message_id": under}
        return self._act(tap=asked)

    def answer_to_tap(self, sent: Sent, timeout: float = WAIT_SECONDS) -> Json:
        """Return the bot's answer to a tap (``text``, ``show_alert``, ``url``). Raises Waited."""
        query = sent.more["callback_query_id"]

        def find() -> Json | None:
            path = f"/bots/{self.double.token}/queries/{query}"
            answer = self.double._call("GET", path)["answer"]  # noqa: SLF001 - one module, one client
            return None if answer is None else dict(answer)

        return self.double.wait(find, timeout, f"the answer to callback query {query}")

    def vote(self, poll_id: str, *options: int) -> Sent:
        """Vote in a poll."""
        return self._act(vote={"poll_id": poll_id, "options": list(options)})

    def react(self, message: Message | int, *emoji: str) -> Sent:
        """React to a message."""
        return self._act(react={"message_id": _number(message), "reaction": list(emoji)})

    def join(self) -> Sent:
        """Join the group."""
        return self._act(join=True)

    def leave(self) -> Sent:
        """Leave the group."""
        return self._act(leave=True)

    def add_bot(self, **rights: object) -> Sent:
        """Add the bot to the group; ``rights`` as a ChatMember has them (``status`` …)."""
        return self._act(add_bot=True, **({"rights": rights} if rights else {}))

    def remove_bot(self) -> Sent:
        """Throw the bot out."""
        return self._act(remove_bot=True)

    def block(self) -> Sent:
        """Block the bot: it can write no more."""
        return self._act(block=True)

    def unblock(self) -> Sent:
        """Let the bot write again."""
        return self._act(unblock=True)

    # -- reading -------------------------------------------------------------------------------

    def messages(self) -> tuple[Message, ...]:
        """Return the chat as its people see it, the oldest first."""
        return tuple(Message(raw) for raw in self._shown()["messages"])

    def keyboard(self) -> tuple[tuple[str, ...], ...]:
        """Return the buttons below the input field, row by row."""
        rows = (self._shown()["keyboard"] or {}).get("keyboard", [])
        return tuple(tuple(button["text"] for button in row) for row in rows)

    def action(self) -> str | None:
        """Return what the bot is doing just now (``typing`` …), as it is shown for five seconds."""
        action = self._shown()["action"]
        return None if action is None else str(action)

    def ask(self, text: str, timeout: float = WAIT_SECONDS) -> Message:
        """Send ``text`` and wait for the bot's next message. Raises Waited."""
        sent = self.say(text)
        return self.wait_reply(sent, timeout)

    def wait_reply(self, after: Sent | Message | int, timeout: float = WAIT_SECONDS) -> Message:
        """Return the first message of the bot after another message. Raises Waited."""
        number = _number(after)
        return self.wait_for(lambda m: m.by_bot and m.id > number, timeout, f"a reply to {number}")

    def wait_for(
        self,
        fits: Callable[[Message], bool],
        timeout: float = WAIT_SECONDS,
        what: str = "the message",
    ) -> Message:
        """Return the first message in the chat that ``fits``, once there is one. Raises Waited."""

        def find() -> Message | None:
            return next((message for message in self.messages() if fits(message)), None)

        try:
            return self.double.wait(find, timeout, what)
        except Waited as error:
            shown = "\n".join(
                f"  {m.id} {'bot' if m.by_bot else 'person'}: {m.text!r}" for m in self.messages()
            )
            raise Waited(f"{error}; the chat is:\n{shown}") from None

    def _shown(self) -> Json:
        path = f"/bots/{self.double.token}/chats/{self.id}/messages"
        try:
            shown: Json = self.double._call("GET", path)  # noqa: SLF001 - one module, one client
        except DoubleError as error:
            if error.status != 404:
                raise
            return {"messages": [], "keyboard": None, "action": None}  # nobody wrote here yet
        return shown

    def _with_button(self, button: str) -> int | None:
        for message in reversed(self.messages()):
            if button in message.buttons:
                return message.id
        return None

    def _act(self, **action: object) -> Sent:
        return self.double.act({**self._who, **action})


def _number(message: Message | Sent | int) -> int:
    if isinstance(message, Message):
        return message.id
    number = message.message_id if isinstance(message, Sent) else message
    if number is None:
        raise ValueError("that action made no message")
    return number


def _replying(message: Message | int | None) -> dict[str, object]:
    return {} if message is None else {"reply_to_message_id": _number(message)}
