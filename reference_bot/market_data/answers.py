"""Encoded answers: made once, sent many times, each time with its age at that moment.

An answer's figures are encoded when it is made. The last members of its data, ``missing``, ``age``
and ``stale``, are written when it is sent. The last good answer to each question is kept for five
minutes: when no venue can be asked, it is given instead of a failure, and says so.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct

from reference_bot.api import OTHER_VENUE, PERMANENT, AnswerData, Missing, Stale
from reference_bot.market_data.cache import Cache
from reference_bot.market_data.keeping import Entry, Field, Key
from reference_bot.market_data.service import Answer

LAST_GOOD_FOR: Final = 300.0
"""Seconds: how old the oldest part of a last good answer may be."""

_GAP_FOR: Final = 0.25
"""Seconds: how long an answer with a gap, or with a stale part, is given to others."""
_encode = msgspec.json.Encoder().encode


class _Envelope(Struct):
    data: dict[str, Any]


class MadePart(Struct, frozen=True, array_like=True):
    """A part of an answer; ``age`` is in seconds at the moment when the answer was made."""

    section: str
    venue: str
    age: float
    stale: bool


class Made(Struct, frozen=True, array_like=True):
    """An answer but for its end: ``head`` lacks what is missing and how old it is."""

    head: bytes
    missing: tuple[Missing, ...]
    age: float
    parts: tuple[MadePart, ...]
    lifetime: float
    whole: bool

    def sent_after(self, seconds: float) -> bytes:
        """Return what to send that long after it was made."""
        return self._ended(seconds, self.missing, [part for part in self.parts if part.stale])

    def last_good_after(self, seconds: float, reasons: Iterable[Missing]) -> bytes:
        """Return what to send when no venue can be asked: all of it stale, for these reasons."""
        return self._ended(seconds, (*reasons, *self.missing), self.parts)

    def _ended(
        self, seconds: float, missing: Sequence[Missing], stale: Iterable[MadePart]
    ) -> bytes:
        aged = [Stale(one.section, one.venue, round(one.age + seconds, 1)) for one in stale]
        return b'%b,"missing":%b,"age":%.1f,"stale":%b}}' % (
            self.head,
            _encode(missing),
            self.age + seconds,
            _encode(aged),
        )

    @property
    def can_be_sent(self) -> bool:
        """Whether it is an answer: what comes from a shared cache may be anything."""
        try:
            msgspec.json.decode(self.sent_after(0.0))
            data = msgspec.json.decode(self.head + b"}}", type=_Envelope).data
        except (msgspec.MsgspecError, ValueError, OverflowError):
            return False
        return data.keys().isdisjoint(AnswerData.__struct_fields__)


def encode(answer: Answer[Any], began: float, made: float) -> Made:
    """Encode an answer whose making began and ended then, by the cache's clock.

    What came from a venue in between is fresh: its age counts from ``made``.
    """
    parts = tuple(
        MadePart(part.section, part.venue, _age(part.stored, began, made), part.stale)
        for part in answer.parts
    )
    stale = any(part.stale for part in parts)  # its successor is being fetched
    gap = any(one.reason not in PERMANENT for one in answer.missing)  # worth another try soon
    return Made(
        head=b'{"success":true,"data":%b' % _encode(answer.data)[:-1],
        missing=answer.missing,
        age=max((part.age for part in parts), default=0.0),
        parts=parts,
        lifetime=min(answer.lifetime, _GAP_FOR) if stale or gap else answer.lifetime,
        whole=all(one.reason in PERMANENT or one.section == OTHER_VENUE for one in answer.missing),
    )


def _age(stored: float, began: float, made: float) -> float:
    return made - stored if stored < began else 0.0


_LAST: Final[Field[Made]] = Field(
    "last_answer", lambda made: max(0.0, LAST_GOOD_FOR - made.age), shape=Made
)


class LastAnswers:
    """The last good answer to each question, bounded in bytes; the least recently made goes first.

    An answer with a gap does not take the place of a whole one that may still be given. Where
    replicas share a store, one gives the whole answers that another has made.
    """

    def __init__(self, cache: Cache, *, most_bytes: int = 4 << 20) -> None:
        self._cache = cache
        self._most = most_bytes
        self._bytes = 0
        self._kept: OrderedDict[Key, tuple[Made, float]] = OrderedDict()

    def keep(self, key: Key, made: Made) -> None:
        """Keep an answer that was made just now."""
        known = self._own(key)
        if not made.whole and known is not None and known[0].whole:
            return
        now = self._cache.now()
        self._drop(key)
        self._kept[key] = (made, now)
        self._bytes += len(made.head)
        while self._bytes > self._most:
            self._drop(next(iter(self._kept)))
        if self._cache.store is not None and made.whole:
            entry = Entry(made, now, now + _LAST.lifetime_of(made))
            self._cache.store.put(_LAST, key, entry)

    async def find(self, key: Key) -> tuple[Made, float] | None:
        """Return an answer that may still be given, and how long ago it was made."""
        own = self._own(key)
        if self._cache.store is None or (own is not None and own[0].whole):
            return own
        found = (await self._cache.store.take(_LAST, key, least=0.0, turn=False)).entry
        if found is None or not found.value.can_be_sent:
            return own
        return found.value, self._cache.now() - found.stored

    def _own(self, key: Key) -> tuple[Made, float] | None:
        found = self._kept.get(key)
        if found is None:
            return None
        made, at = found
        since = self._cache.now() - at
        return (made, since) if made.age + since <= LAST_GOOD_FOR else None

    def _drop(self, key: Key) -> None:
        dropped = self._kept.pop(key, None)
        if dropped is not None:
            self._bytes -= len(dropped[0].head)
