"""What the bot sends by itself: watched for some slots, with a restart in the middle of one.

Slots are those of the clock (UTC): multiples of the interval. The bot is killed and started again
in a slot whose messages have all come: whatever comes again after that, comes twice. A bot that is
back so late that nothing of the slot is left to it shows nothing, so it is killed in another slot.
"""

from __future__ import annotations

import asyncio
import dataclasses
import enum
import re
import time
from collections import Counter
from collections.abc import Iterator, Sequence

from botproof import history
from botproof.calls import chat_of, is_sending, shows_tags, text_of
from botproof.checks.signals import TO_REPEAT_S
from botproof.config import Signals
from botproof.history import BotApiCall, Event, ProcessReady, SignalSeen, SignalsWatched
from botproof.targets.replicas import ReplicatedStack
from botproof.targets.stack import Stack, Surroundings
from botproof.workloads.door import question_of
from botproof.workloads.security import is_limited
from botproof.workloads.trials import in_stack, reading, with_env
from botproof.workloads.updates import message_update

SUBSCRIBERS = (1_900_000_001, 1_900_000_002)
_BYSTANDER = 1_900_000_003
"""Somebody who uses the bot, and never subscribed."""
_FORMER = 1_900_000_004
"""Somebody who subscribed, and took it back."""
_EAGER = 1_900_000_005
"""Somebody who subscribed twice."""
_GONE = 1_900_000_006
"""Somebody who subscribed before all others, and has blocked the bot since."""
_STRANGER = 1_900_000_008
"""Somebody who is on no list, and subscribes: he is to get nothing that subscribers get."""
_ASKING = tuple(range(1_900_000_011, 1_900_000_017))
"""Those who ask something simple while the bot sends, one after the other."""
_GROUP = -1_001_900_000_007
"""A group in which a subscriber asked for it, too."""
_FORMER_GROUP = -1_001_900_000_009
"""A group in which a subscriber asked for it, and took it back."""
_WAIT_S = 1
_TOLD_TO_WAIT = {
    "method": "sendMessage",
    "chat_id": SUBSCRIBERS[1],
    "count": 1,
    "kind": "error",
    "error_code": 429,
    "retry_after": _WAIT_S,
}
_BLOCKED = "Forbidden: bot was blocked by the user"
_PEOPLE = (*SUBSCRIBERS, _BYSTANDER, _FORMER, _EAGER, _GONE, *_ASKING)
_TOO_MANY = 429
_MOST_RESTARTS = 3
_SUBSCRIBED_S = 5.0
_IN_A_GROUP_S = 2.0
"""So much longer for the answer in a group, where a bot may well say nothing."""
_AFTER_ALL_S = 0.3
_ASKED_EVERY_S = 0.3
_BEFORE_S = 0.2
"""So long before a slot is prepared what is to meet the first message of it."""
_EVERY_S = 0.05
"""How often is looked: what is waited for has its end by the wall clock, as the bot's slots."""
_LATEST_KILL = 0.6
"""So far into a slot the bot is killed at the latest, with time left to show what follows."""


class Slot(enum.Enum):
    """What happens to the bot in a slot."""

    PLAIN = enum.auto()
    """It is left alone."""
    REPEATABLE = enum.auto()
    """It is killed, and ready again with time enough to send something twice."""
    TOO_LATE = enum.auto()
    """It is killed, and ready again when the slot is over, or nearly."""


def is_next_restarted(slots: Sequence[Slot]) -> bool | None:
    """Tell whether the bot is killed in the slot after these; None: they are enough."""
    if not slots or slots[-1] is not Slot.PLAIN:
        return False
    if Slot.REPEATABLE in slots or slots.count(Slot.TOO_LATE) == _MOST_RESTARTS:
        return None
    return True


async def signals_trial(around: Surroundings, mode: str) -> None:
    """Watch in a stack of its own. What came, and for which slots it was watched, is recorded."""
    settings = around.config.signals
    if settings is None:
        raise ValueError("botproof.toml has no [signals] table")
    config = with_env(around.config, mode, settings.env).without_flood()
    own = dataclasses.replace(around, config=config, users=_PEOPLE)
    watched: list[_Watch] = []

    async def work(stack: Stack) -> None:
        watched[:] = [_Watch(stack, settings)]
        await watched[0].all()

    def make(around: Surroundings, name: str, *, again: bool) -> Stack:
        return ReplicatedStack(around, mode, name, replicas=1, kill_url="", again=again)

    failed = await in_stack(own, mode, f"{mode}-signals", work, check="signals", make=make)
    exchanges = config.doubles.exchanges
    steady = exchanges is not None and exchanges.now is not None
    for event in watched[0].events() if watched else ():
        around.recorder.record(event)
    around.recorder.record(
        SignalsWatched(
            t=history.now(),
            interval_s=settings.interval_s,
            within_s=settings.within_s,
            slots=tuple(watched[0].slots) if watched else (),
            restarted=tuple(watched[0].restarted) if watched else (),
            back_s=tuple(watched[0].back_s()) if watched else (),
            chats=watched[0].chats if watched else SUBSCRIBERS,
            others=watched[0].others if watched else (),
            strangers=watched[0].strangers if watched else (),
            gone=watched[0].gone if watched else (),
            told_to_wait=tuple(watched[0].told_to_wait) if watched else (),
            wait_s=_WAIT_S,
            question=watched[0].question if watched else "",
            slowest_s=watched[0].slowest_s if watched else 0.0,
            steady=steady,
            withheld_s=round(watched[0].withheld_s, 2) if watched else 0.0,
            error=failed,
            stack=mode,
            mode=mode,
        )
    )


class _Watch:
    def __init__(self, stack: Stack, settings: Signals) -> None:
        self._stack = stack
        self._settings = settings
        self._message = re.compile(settings.message, re.MULTILINE)
        self._seen: list[SignalSeen] = []
        self._life = 1
        self._began = float("inf")
        self.slots: list[float] = []
        self.restarted: list[float] = []
        self.chats: tuple[int, ...] = SUBSCRIBERS
        self.others: tuple[int, ...] = ()
        self.strangers: tuple[int, ...] = ()
        self.gone: tuple[int, ...] = ()
        self.told_to_wait: set[int] = set()
        self.question = question_of(stack.around.config)
        self.slowest_s = 0.0
        self._asked: dict[int, float] = {}
        self._answered_at: dict[int, float] = {}
        self.withheld_s = 0.0
        self._ready: list[ProcessReady] = []
        self._answers: Counter[int] = Counter()
        """How many messages each chat has got, whatever they say."""
        self._told: dict[int, str] = {}
        """What each chat was told first."""
        self._last_told: dict[int, str] = {}

    def events(self) -> Iterator[SignalSeen]:
        """Yield what came in the slots that were watched."""
        yield from (each for each in self._seen if each.slot in self.slots)

    def back_s(self) -> Iterator[float]:
        """Yield after how many seconds the bot was ready again in each slot with a restart."""
        for slot in self.restarted:
            if (back := self._back_s(slot)) is not None:
                yield back

    def _back_s(self, slot: float) -> float | None:
        since = history.now() - (time.time() - slot)
        ready = [each.t for each in self._ready if each.t > since]
        return round(min(ready) - since, 2) if ready else None

    async def all(self) -> None:
        async with reading(self._stack, _of_interest, self._take_in):
            await self._subscribe()
            refused = {"kind": "error", "error_code": 403, "description": _BLOCKED}
            gone = [{"method": "*", "chat_id": chat, **refused} for chat in self.gone]
            async with self._stack.telegram.with_faults(gone):
                await self._watch()

    async def _subscribe(self) -> None:
        """Each of the subscribers asks for it, and others do not; what is answered at once is no
        signal. The others are judged where all of their answers had come by then, and a group where
        it was told what people are: a bot may well not take it from there."""
        stack, settings = self._stack, self._settings
        if not settings.subscribe:
            return
        said = {user: [settings.subscribe] for user in (_GONE, *SUBSCRIBERS)}
        simple = question_of(stack.around.config)
        if simple:
            said[_BYSTANDER] = [simple]
        if settings.unsubscribe:
            said[_FORMER] = [settings.subscribe, settings.unsubscribe]
        group, former = (
            {"id": chat, "type": "supergroup", "title": "a group"}
            for chat in (_GROUP, _FORMER_GROUP)
        )
        limited = is_limited(stack.around.config)
        self.strangers = (_STRANGER,) if limited else ()
        updates = [message_update(user, settings.subscribe) for user in self.strangers]
        updates += [message_update(user, text) for user, texts in said.items() for text in texts]
        updates.append(message_update(SUBSCRIBERS[0], settings.subscribe, group))
        taken_back = said.get(_FORMER, [])
        updates += [message_update(SUBSCRIBERS[0], text, former) for text in taken_back]
        updates += [message_update(_EAGER, settings.subscribe)] * 2
        for update in updates:
            await stack.inject(update)
        wanted = Counter({user: len(texts) for user, texts in said.items()})
        if await self._answered(wanted, _SUBSCRIBED_S):
            asked = (_GONE, *SUBSCRIBERS)
            self.others = tuple(user for user in said if user not in asked)
            self.gone = (_GONE,)
            if await self._answered(Counter([_GROUP]), _IN_A_GROUP_S):
                same = self._told[_GROUP] == self._told[SUBSCRIBERS[0]]
                self.chats = (*SUBSCRIBERS, _GROUP) if same else SUBSCRIBERS
                in_former = Counter({_FORMER_GROUP: len(taken_back)})
                if taken_back and await self._answered(in_former, _IN_A_GROUP_S):
                    self.others += self._took_back()
        self._seen.clear()

    def _took_back(self) -> tuple[int, ...]:
        """Return the group where it was told what who took it back in private was told."""
        same = all(told[_FORMER_GROUP] == told[_FORMER] for told in (self._told, self._last_told))
        return (_FORMER_GROUP,) if same else ()

    async def _answered(self, wanted: Counter[int], seconds: float) -> bool:
        """Wait until so many messages have come to each chat; tell whether they have."""
        deadline = history.now() + seconds * self._stack.stretch
        while history.now() < deadline and not wanted <= self._answers:  # noqa: ASYNC110 - see _EVERY_S
            await asyncio.sleep(_EVERY_S)
        return wanted <= self._answers

    async def _watch(self) -> None:
        interval = self._settings.interval_s
        self._stack.say(f"signals: slots of {interval:g} s, the bot killed in one of them")
        before = self._stack.watch.withheld_s
        # The first whole one. What is sent late to who has just subscribed is of the one before.
        slot = _slot(time.time() + self._settings.within_s, interval) + interval
        seen: list[Slot] = []
        await _until(slot - _BEFORE_S)
        await self._stack.telegram.add_fault(_TOLD_TO_WAIT)
        while (restart := is_next_restarted(seen)) is not None:
            await _until(slot)
            if restart:
                await self._restart(slot)
            elif not seen:
                await self._ask_meanwhile(slot + interval)
            await _until(slot + interval)
            self.slots.append(slot)
            seen.append(self._what_happened(slot) if restart else Slot.PLAIN)
            slot += interval
        self.withheld_s = self._stack.watch.withheld_s - before

    async def _ask_meanwhile(self, end: float) -> None:
        """Ask while a round goes on: whoever does is to be answered as at any other time."""
        before = self._stack.watch.withheld_s
        for user in _ASKING if self.question else ():
            await asyncio.sleep(_ASKED_EVERY_S)
            self._asked[user] = history.now()
            await self._stack.inject(message_update(user, self.question))
        await _until(end)
        withheld = self._stack.watch.withheld_s - before
        self.slowest_s = round(max(0.0, max(self._waits(), default=0.0) - withheld), 2)

    def _waits(self) -> Iterator[float]:
        now = history.now()
        for user, asked in self._asked.items():
            yield self._answered_at.get(user, now) - asked

    def _what_happened(self, slot: float) -> Slot:
        back = self._back_s(slot)
        if back is not None and back <= self._settings.interval_s - TO_REPEAT_S:
            return Slot.REPEATABLE
        self._stack.say("signals: the bot was back too late to repeat itself; it is killed again")
        return Slot.TOO_LATE

    async def _restart(self, slot: float) -> None:
        """Kill it once all of this slot has come, as far as the slot before tells what all is."""
        interval = self._settings.interval_s
        wanted = self._in(slot - interval)
        latest = slot + _LATEST_KILL * interval
        while time.time() < latest and not 0 < wanted <= self._in(slot):  # noqa: ASYNC110 - see _EVERY_S
            await asyncio.sleep(_EVERY_S)
        await asyncio.sleep(_AFTER_ALL_S)  # until the bot has been told that the last one is sent
        self._life += 1
        self.restarted.append(slot)
        if isinstance(self._stack, ReplicatedStack):
            await self._stack.kill(0)

    def _in(self, slot: float) -> int:
        return sum(each.slot == slot for each in self._seen)

    def _take_in(self, event: Event) -> None:
        interval = self._settings.interval_s
        if isinstance(event, ProcessReady) and event.role == "bot":
            self._ready.append(event)
        if not isinstance(event, BotApiCall):
            return
        chat, text = chat_of(event) or 0, text_of(event.params)
        if event.error_code == _TOO_MANY:
            self.told_to_wait.add(chat)
        if event.error_code is not None or not is_sending(event.method) or not text:
            return
        if chat in self._asked:
            self._answered_at.setdefault(chat, event.t)
            return
        self._answers[chat] += 1
        self._told.setdefault(chat, text)
        self._last_told[chat] = text
        if not self._message.search(text):
            return
        at = time.time() - (history.now() - event.t)
        slot = _slot(at, interval)
        self._seen.append(
            SignalSeen(
                t=event.t,
                chat_id=chat,
                text=text,
                slot=slot,
                after_s=round(at - slot, 3),
                life=self._life,
                tags=shows_tags(event.params),
                method=event.method,
                params={k: v for k, v in event.params.items() if k != "chat_id"},
                stack=self._stack.mode,
                mode=self._stack.mode,
            )
        )


def _of_interest(event: Event) -> bool:
    return isinstance(event, BotApiCall | ProcessReady)


def _slot(now: float, interval: float) -> float:
    return now - now % interval


async def _until(at: float) -> None:
    """Wait until then by the wall clock: the slots are those of it, which is what the
    bot goes by."""
    while (left := at - time.time()) > 0:  # noqa: ASYNC110 - nobody tells the time
        await asyncio.sleep(min(left, 1.0))
