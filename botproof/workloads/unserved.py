"""The bot is started while its services answer nothing, as after a restart of the machine: whether
it finds them when they are there."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from botproof.calls import chat_of, is_sending, text_of
from botproof.checks.figures import telling
from botproof.faults.troubles import Frozen
from botproof.history import BotApiCall
from botproof.targets.granted import Granted
from botproof.targets.replicas import ReplicatedStack
from botproof.workloads.trials import CallsSeen, reading
from botproof.workloads.updates import message_update

_AWAY_S = 2.0
"""Longer than a bot takes until it asks a service at its start."""
_ANSWER_S = 6.0
_BACK_S = 30.0
"""Longer than any bot waits that has found nobody a few times."""


@dataclass(frozen=True, slots=True)
class Unserved:
    """What was asked after such a start, and what came last; `error`: no figures came at all."""

    sent: str
    error: str
    answers: tuple[str, ...]


async def start_unserved(
    stack: ReplicatedStack, text: str, users: Sequence[int]
) -> Unserved | None:
    """Ask for figures, start the bot without its services, and ask until there are figures again.

    None where the answer holds no figures with nothing wrong, or no service can be stopped.
    """
    services = [each for each in stack.services if each.launch.container is None]
    asking = _Asking(stack, text, iter(users))
    async with reading(stack, lambda event: isinstance(event, BotApiCall), asking.seen.take_in):
        if not services or not await asking.has_figures(_ANSWER_S):
            return None
        frozen = Frozen(lambda: services)
        await frozen.begin()
        try:
            await stack.kill(0)
            await asyncio.sleep(_AWAY_S)
        finally:
            await frozen.end()
        limit = Granted(stack.watch, _BACK_S)
        found = False
        while not found and limit.left_s and asking.users_left:
            found = await asking.has_figures(min(_ANSWER_S, limit.left_s))
    names = " and ".join(each.launch.name for each in services)
    return Unserved(
        f"{text} after the bot was started while {names} hung (SIGSTOP) for {_AWAY_S:g} s",
        "" if found else f"no figures in {_BACK_S:g} s",
        tuple(asking.last),
    )


class _Asking:
    """One question, each time by another user, and its answers."""

    def __init__(self, stack: ReplicatedStack, text: str, users: Iterable[int]) -> None:
        self._stack = stack
        self._text = text
        self._users = list(users)
        self.seen = CallsSeen(stack)
        self.last: list[str] = []

    @property
    def users_left(self) -> bool:
        return bool(self._users)

    async def has_figures(self, seconds: float) -> bool:
        """Ask as the next user; tell whether figures are answered. The time is waited for to the
        end: what says that it works on it is edited later."""
        user = self._users.pop(0)
        await self._stack.inject(message_update(user, self._text))
        return await self.seen.until(lambda: bool(telling("\n".join(self._of(user)))), seconds)

    def _of(self, user: int) -> list[str]:
        self.last = [
            text_of(call.params)
            for call in self.seen.calls
            if chat_of(call) == user
            and call.error_code is None
            and (is_sending(call.method) or call.method.startswith("editMessage"))
        ]
        return self.last
