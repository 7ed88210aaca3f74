"""A button that was shown before the bot was started again, and tapped while it was stopped.

A roll-out is a restart: the messages of before stay in the chats, and people tap on what stands
there. Two users are shown the same buttons. The tap of the first shows what is answered to it; that
of the second comes while the bot is stopped, and its next start has to answer it as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from botproof.calls import button_rows, chat_of, is_sending, text_of
from botproof.history import BotApiCall
from botproof.targets.replicas import ReplicatedStack
from botproof.workloads.trials import CallsSeen, reading
from botproof.workloads.updates import message_update, person

_ANSWER_S = 6.0
_BACK_S = 15.0
"""Longer than a bot takes that is ready and has one update to read."""
_QUERIES_FROM = 8_300_000_001
_CHANGING = ("editMessage", "deleteMessage")


@dataclass(frozen=True, slots=True)
class Tapped:
    """A tap over a restart: what was done, and what it was answered (nothing: not at all)."""

    sent: str
    answers: tuple[str, ...]


async def tap_over_a_restart(
    stack: ReplicatedStack, texts: Iterable[str], users: tuple[int, int]
) -> Tapped | None:
    """Ask the first of `texts` that is answered with a button, tap it, and tap it over a clean
    restart. None where no button is shown, or its tap changes no message."""
    taps = _Taps(stack)
    async with reading(stack, lambda event: isinstance(event, BotApiCall), taps.seen.take_in):
        for text in dict.fromkeys(texts):
            data = await taps.shown(text, users)
            if data:
                before, over = users
                if not await taps.tap(before, data, _ANSWER_S):
                    return None
                answers = await taps.tap(over, data, _BACK_S, restarted=True)
                return Tapped(f"{data!r} under the answer to {text}", answers)
    return None


class _Taps:
    """What stands in the chats of those who are asked for, and the taps on it."""

    def __init__(self, stack: ReplicatedStack) -> None:
        self._stack = stack
        self.seen = CallsSeen(stack)
        self._queries = iter(range(_QUERIES_FROM, _QUERIES_FROM + 100))

    async def shown(self, text: str, users: tuple[int, int]) -> str:
        """Ask as both users; return what a button carries that both were shown, "" for none."""
        for user in users:
            await self._stack.inject(message_update(user, text))
        await self.seen.until(lambda: all(self._buttons(user) for user in users), _ANSWER_S)
        first, second = (self._buttons(user) for user in users)
        return next((data for data in first if data in second), "")

    async def tap(
        self, user: int, data: str, seconds: float, *, restarted: bool = False
    ) -> tuple[str, ...]:
        """Tap as a user, over a restart or not; return what was sent or changed for it."""
        if restarted:
            await self._stack.stop_bots()
        seen = len(self.seen.calls)
        await self._stack.inject(self._tap(user, data))
        if restarted:
            await self._stack.start_bot()
        await self.seen.until(lambda: any(self._answers(user, seen)), seconds)
        return tuple(self._answers(user, seen))

    def _tap(self, user: int, data: str) -> Mapping[str, Any]:
        body = {
            "id": str(next(self._queries)),
            "from": person(user),
            "message": self._buttons(user)[data],
            "chat_instance": str(user),
            "data": data,
        }
        return {"callback_query": body}

    def _buttons(self, user: int) -> dict[str, Mapping[str, Any]]:
        """Return the messages with buttons that a user was sent, by what their buttons carry."""
        return {
            str(button["callback_data"]): call.result
            for call in self.seen.calls
            if chat_of(call) == user and isinstance(call.result, Mapping)
            for row in button_rows(call.params.get("reply_markup"))
            for button in row
            if isinstance(button, Mapping) and button.get("callback_data")
        }

    def _answers(self, user: int, since: int) -> Iterator[str]:
        """Yield what was sent to a user since a call, or changed there. That a message is not
        modified says that the tap was understood."""
        for call in self.seen.calls[since:]:
            same = "not modified" in (call.description or "")
            if chat_of(call) != user or not (call.error_code is None or same):
                continue
            if is_sending(call.method) or call.method.startswith(_CHANGING):
                yield text_of(call.params) or call.method
