"""The book of signals in Redis: replicas share it, as they share the inbox.

Every replica judges every slot; the first verdict of a pair and slot stays (``HSETNX``), and every
replica hands out that one. As a message has the same id whichever process makes it, the inbox takes
it once: no replica has to be chosen, and none that dies takes a slot with it.
"""

import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec

from reference_bot.telegram_bot.inbox import InboxUnavailableError
from reference_bot.telegram_bot.inbox.redis import answer_of, connect
from reference_bot.telegram_bot.signals.model import (
    KEPT_SECONDS,
    SignalsUnavailableError,
    Subscriber,
    Verdict,
    read_verdicts,
)

_DONE: Final = "handed-out:"
_log = logging.getLogger(__name__)


class RedisBook:
    """`SignalBook` of one bot in the Redis at ``url``."""

    def __init__(self, url: str, bot_id: int, *, clock: Callable[[], float] = time.time) -> None:
        self._redis = connect(url)
        self._prefix = f"botproof:{{{bot_id}}}:signals:"
        self._clock = clock

    async def open(self) -> None:
        await self._call(self._redis.set(f"{self._prefix}begun", self._now_ms(), nx=True))

    async def close(self) -> None:
        await self._redis.aclose()

    # verdicts: a hash a slot; a pair is its verdict, with _DONE before it when it was handed out

    async def keep(self, verdict: Verdict) -> None:
        name = self._slot(verdict.slot)
        text = msgspec.json.encode(verdict)
        first = await self._call(self._redis.hsetnx(name, verdict.pair, text))
        await self._call(self._redis.expire(name, KEPT_SECONDS))
        if first and verdict.kind == "signal":
            await self._call(self._redis.set(f"{self._prefix}last", verdict.judged_ms))

    async def judged(self, slot: int) -> frozenset[str]:
        return frozenset(pair for pair in await self._all(slot) if not pair.startswith(_DONE))

    async def unsent(self, slot: int) -> list[Verdict]:
        found = await self._all(slot)
        verdicts = read_verdicts(
            text for pair, text in sorted(found.items()) if not pair.startswith(_DONE)
        )
        return [
            one for one in verdicts if one.kind == "signal" and f"{_DONE}{one.pair}" not in found
        ]

    async def _all(self, slot: int) -> dict[str, bytes]:
        found = await self._call(self._redis.hgetall(self._slot(slot)))
        return {name.decode("utf-8", "replace"): text for name, text in found.items()}

    async def handed_out(self, verdict: Verdict) -> None:
        field = f"{_DONE}{verdict.pair}"
        await self._call(self._redis.hset(self._slot(verdict.slot), field, self._now_ms()))

    async def last_signal_ms(self) -> int:
        names = [f"{self._prefix}last", f"{self._prefix}begun"]
        last, begun = await self._call(self._redis.mget(names))
        known = (_number(found) for found in (last, begun))
        return next((number for number in known if number), self._now_ms())

    def _slot(self, slot: int) -> str:
        return f"{self._prefix}{slot}"

    # subscribers

    async def subscribe(self, subscriber: Subscriber) -> None:
        await self._call(
            self._redis.hset(f"{self._prefix}subscribers", str(subscriber.chat), subscriber.user)
        )

    async def unsubscribe(self, chat: int) -> None:
        await self._call(self._redis.hdel(f"{self._prefix}subscribers", str(chat)))

    async def subscribers(self) -> list[Subscriber]:
        found = await self._call(self._redis.hgetall(f"{self._prefix}subscribers"))
        read = ((_number(chat), _number(user)) for chat, user in found.items())
        return sorted(
            (Subscriber(chat, user) for chat, user in read if chat and user),
            key=lambda one: one.chat,
        )

    async def subscriber(self, chat: int) -> Subscriber | None:
        user = _number(await self._call(self._redis.hget(f"{self._prefix}subscribers", str(chat))))
        return Subscriber(chat, user) if user else None

    async def _call(self, command: Awaitable[Any]) -> Any:
        try:
            return await answer_of(command)
        except InboxUnavailableError as error:
            raise SignalsUnavailableError(str(error)) from error

    def _now_ms(self) -> int:
        return int(self._clock() * 1000)


def _number(found: bytes | None) -> int | None:
    """Return a number that was kept; None, and said in the log, when somebody has put
    something else."""
    try:
        return None if found is None else int(found)
    except ValueError:
        _log.error("what was kept of auto-signals is no number", extra={"found": repr(found)[:80]})
        return None
