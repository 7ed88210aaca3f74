"""What the routes ask: whole answers, shared between those who ask at once and kept briefly."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from reference_bot.market_data.account import Account
from reference_bot.market_data.analytics import Analytics
from reference_bot.market_data.answers import LastAnswers, Made, encode
from reference_bot.market_data.cache import Cache
from reference_bot.market_data.crowd import Crowd
from reference_bot.market_data.errors import AnswerError
from reference_bot.market_data.keeping import Field
from reference_bot.market_data.metrics import Metrics
from reference_bot.market_data.rankings import Rankings
from reference_bot.market_data.service import Answer, MarketService

_READY_FOR: Final = 5.0
_PING_WITHIN: Final = 1.0


class Api:
    """Answers by route. Whole answers are shared between concurrent askers and kept briefly."""

    def __init__(
        self, service: MarketService, account: Account, cache: Cache, metrics: Metrics
    ) -> None:
        self.service = service
        self.account = account
        self.analytics = Analytics(service)
        self.rankings = Rankings(service)
        self.metrics = metrics
        self.cache = cache
        self._last = LastAnswers(cache)
        self._crowd = Crowd()
        self._started = time.monotonic()
        self._signs: Field[dict[str, str]] = Field("reachable", self._sign_lifetime)

    async def answer(
        self,
        key: tuple[str, ...],
        make: Callable[[], Awaitable[Answer[Any]]],
        *,
        stale_if_error: bool,
    ) -> tuple[bytes, float]:
        """Return the encoded answer, made once for all who ask at the same time, and its age.

        With ``stale_if_error`` the last good answer is given where no venue can be asked.
        """
        now = self.cache.now

        async def encoded() -> _Kept:
            began = now()
            async with self._crowd.admitted():
                answer = await make()
            kept = _Kept(encode(answer, began, now()), now())
            if stale_if_error:
                self._last.keep(key, kept.made)
            return kept

        try:
            kept = (await self.cache.get(_ANSWER, key, encoded)).value
        except AnswerError as error:
            last = await self._last.find(key) if error.status in _STALE_IF_ERROR_STATUSES else None
            if last is None:
                raise
            self.metrics.last_good()
            made, since = last
            return made.last_good_after(since, error.missing or ()), made.age + since
        since = now() - kept.at
        return kept.made.sent_after(since), kept.made.age + since

    async def signs_of_life(self) -> dict[str, str]:
        """Return each venue's state, asked at most once in a few seconds."""
        entry = await self.cache.get(self._signs, (), lambda: self.service.reachable(_PING_WITHIN))
        return entry.value

    @staticmethod
    def _sign_lifetime(signs: dict[str, str]) -> float:
        return _READY_FOR if "ok" in signs.values() else 1.0

    def uptime(self) -> float:
        """Return the seconds since the start."""
        return time.monotonic() - self._started


@dataclass(frozen=True, slots=True)
class _Kept:
    made: Made
    at: float


_ANSWER: Final[Field[_Kept]] = Field("answer", lambda kept: kept.made.lifetime)
_STALE_IF_ERROR_STATUSES: Final = frozenset({502, 503, 504})
