"""The whole path under load: an update goes in at the Telegram double, a reply comes out.

Import this from a Locust script only, as `open_loop`. Updates are injected through the double's
control interface; one greenlet follows the double's transcript and gives each reply to the request
that waits for it. Each request uses the next chat of a large pool, as Telegram's own flood control
(about a message a second to a chat) would have it.
"""

from __future__ import annotations

import re
import time
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any, ClassVar
from urllib.parse import urlencode

import gevent
import msgspec
from gevent.event import AsyncResult

from botproof.config import TelegramDouble
from botproof.workloads.open_loop import Answered, OpenLoopUser, end_if_finished
from botproof.workloads.reply_calls import read_reply

_POLL_S = 10


def add_options(parser: Any) -> None:
    """Add the options that `CommandSender` reads."""
    parser.set_defaults(rate=20, max_requests=6_000)
    group = parser.add_argument_group("the whole path (botproof)")
    group.add_argument("--token", default=TelegramDouble().token, help="the bot's token")
    group.add_argument(
        "--commands", default="/price BTC,/price ETH,/price SOL", help="what people write, by turns"
    )
    group.add_argument("--chats", type=int, default=1_000, help="chats, used by turns (1000)")
    group.add_argument("--first-chat", type=int, default=7_000_000, help="id of the first chat")
    group.add_argument(
        "--sender", type=int, default=0, help="id of the one who writes; 0: the chat's own (0)"
    )
    group.add_argument(
        "--acknowledgement", default="", help="pattern of messages that are no answer yet"
    )
    group.add_argument("--expect", default="", help="pattern that an answer has to contain")


class ReplyWatch:
    """Follows the double's transcript and wakes who waits for a reply in a chat.

    `on_failure` is told, once, when the double cannot be read any more.
    """

    def __init__(
        self, url: str, token: str, acknowledgement: str, on_failure: Callable[[str], None]
    ) -> None:
        self._url = f"{url.rstrip('/')}/_double/transcript"
        self._token = token
        self._acknowledgement = re.compile(acknowledgement) if acknowledgement else None
        self._on_failure = on_failure
        self._waiting: dict[int, AsyncResult[str]] = {}
        self._after = 0
        gevent.spawn(self._follow)

    def expect(self, chat_id: int) -> AsyncResult[str]:
        """Let the next answer in this chat belong to the caller."""
        result: AsyncResult[str] = AsyncResult()
        self._waiting[chat_id] = result
        return result

    def forget(self, chat_id: int) -> None:
        """Forget who waits in this chat."""
        self._waiting.pop(chat_id, None)

    def _follow(self) -> None:
        try:
            while True:
                for event in self._read():
                    self._take(event)
        except (OSError, ValueError, KeyError, TypeError, msgspec.DecodeError) as error:
            self._on_failure(f"the Telegram double cannot be read: {error}")

    def _read(self) -> list[Mapping[str, Any]]:
        query = urlencode({"after": self._after, "timeout": _POLL_S})
        with urllib.request.urlopen(f"{self._url}?{query}", timeout=2 * _POLL_S) as answer:  # noqa: S310 - the scheme was checked with --host
            page = msgspec.json.decode(answer.read())["result"]
        # What was dropped before the first read belongs to nobody here.
        if page.get("dropped") and self._after:
            raise ValueError(f"{page['dropped']} events of its record were lost")
        self._after = page["next"]
        events: list[Mapping[str, Any]] = page["events"]
        return events

    def _take(self, event: Mapping[str, Any]) -> None:
        if event["type"] != "call" or event.get("error_code") or event.get("token") != self._token:
            return
        reply = read_reply(event["method"], event.get("params") or {})
        if reply is None:
            return
        chat_id, text = reply
        if self._acknowledgement and self._acknowledgement.search(text):
            return
        waiting = self._waiting.pop(chat_id, None)
        if waiting is not None:
            waiting.set(text)


class CommandSender(OpenLoopUser):
    """Writes to the bot and waits for its answer."""

    watch: ClassVar[ReplyWatch | None] = None

    def ask(self, number: int) -> Answered:
        options = self.environment.parsed_options
        commands = options.commands.split(",")
        command = commands[number % len(commands)].strip()
        chat_id = options.first_chat + number % options.chats
        watch = self._reply_watch(options)
        deadline = time.monotonic() + self.network_timeout
        reply = watch.expect(chat_id)
        try:
            problem = self._inject(options, command, chat_id)
            if problem:
                self._break(problem)
                return Answered(command, 0, problem)
            text = reply.get(timeout=max(0.0, deadline - time.monotonic()))
        except gevent.Timeout:
            late = f"no answer within {self.network_timeout:g} s"
            return Answered(command, 0, late, "timed_out")
        finally:
            watch.forget(chat_id)
        if options.expect and not re.search(options.expect, text):
            return Answered(command, 200, f"the answer does not contain {options.expect!r}")
        return Answered(command, 200)

    def _inject(self, options: Any, command: str, chat_id: int) -> str:
        body = {"text": command, "chat_id": chat_id, "user_id": options.sender or chat_id}
        path = f"/_double/bots/{options.token}/updates"
        with self.client.post(path, json=body, catch_response=True, name=command) as response:
            if response.status_code == 200:
                response.success()
                return ""
            said = response.text[:200] if response.status_code else str(response.error)
            response.failure(said)
            return f"the Telegram double did not take an update: {said}"

    def _reply_watch(self, options: Any) -> ReplyWatch:
        if CommandSender.watch is None:
            CommandSender.watch = ReplyWatch(
                self.host or "", options.token, options.acknowledgement, self._break
            )
        return CommandSender.watch

    def _break(self, problem: str) -> None:
        """Break off: the double failed, not the bot, and nothing can be said about the bot."""
        self.run_state.broken = self.run_state.broken or problem
        end_if_finished(self.environment, self.run_state)
