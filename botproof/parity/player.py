"""Plays a conversation at every door at once and knows when each is done with it.

Done means: a command that is certainly answered (the sentinel) was sent to every chat after the
conversation and is answered there, every update is confirmed, no acknowledgement waits for its
answer, and for a moment nothing more came. Chats in which this bot never answers (channels, most
often) are learnt once, before the first conversation, and left out. Nothing here sleeps: it waits
for events of the doors, with a limit.

When the sides differ, that may still be because one of them is late. So before a difference
counts, more is waited for, and `reread` shows a playing with all that came after its end.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from botproof.chats import ReplyRules, chat_of, query_of
from botproof.checks.playing import Playing, Side
from botproof.conversations import (
    KNOWN,
    AnyStep,
    Conversation,
    Press,
    Say,
    Where,
    room_of,
)
from botproof.history import BotApiCall, now
from botproof.parity.transcript import Scene, TranscriptReader
from botproof.workloads.stage import BotIdentity, Cast, Memory, Pressed, update_of

ROOMS: tuple[Where, ...] = ("private", "group", "supergroup", "channel")
UNANSWERED = "(the command that ended the conversation was never answered here)"
UNCONFIRMED_ROOM = "updates"


class Door(Protocol):
    """One running bot behind one door, as the player needs it."""

    name: str
    bot: BotIdentity

    async def send(self, update: Mapping[str, Any], *, twice: bool) -> Mapping[str, Any]:
        """Give Telegram an update for the bot. `update_id` of the answer is None when the bot does
        not want such updates; `message_id` and ids of queries are as Telegram made them."""

    def calls(self) -> Sequence[BotApiCall]:
        """Every call of the bot so far, in order."""

    def confirmed(self, update_ids: Iterable[int]) -> bool:
        """Whether the bot has taken all of these updates from Telegram."""

    @property
    def ticks(self) -> int:
        """Grows with everything that happens at this door."""

    async def event(self, seen: int, timeout_s: float) -> bool:
        """Wait until `ticks` is above `seen`; False when the time was up first."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long is waited, in seconds. `quiet_s`: after the last answer. `unsure_s`: the same when
    some chat of the conversation is one in which this bot never answers. `differing_s`: the same
    before a difference counts. `deadline_s`: for the sentinel's answers."""

    quiet_s: float = 0.02
    unsure_s: float = 0.04
    differing_s: float = 0.15
    deadline_s: float = 5.0


class UnansweredError(Exception):
    """The sentinel is not answered in a private chat of a known user at any door."""


@dataclass(slots=True)
class _Stand:
    """One conversation at one door while it is played."""

    cast: Cast
    conversation: Conversation
    scene: Scene
    reader: TranscriptReader
    memory: Memory = field(default_factory=Memory)
    sent: set[int] = field(default_factory=set)
    sentinels: Counter[str] = field(default_factory=Counter)
    silent: dict[str, None] = field(default_factory=dict)
    news: int = 0


class _Booth:
    """One door with its playings: hands every call to the playing that it belongs to."""

    def __init__(self, door: Door) -> None:
        self.door = door
        self.answers: dict[Where, str] = {}
        self._read = 0
        self._by_chat: dict[int, _Stand] = {}
        self._by_query: dict[str, _Stand] = {}
        self._strays: dict[str, list[BotApiCall]] = {}

    def open(self, conversation: Conversation, number: int, rules: ReplyRules) -> _Stand:
        """A new playing, with chats of its own."""
        cast = Cast(number, self.door.bot)
        scene = Scene(rooms=cast.rooms())
        stand = _Stand(cast, conversation, scene, TranscriptReader(scene, rules))
        self.catch_up()  # what a returning user was sent before belongs to the earlier playing
        self._by_chat.update(dict.fromkeys(scene.rooms, stand))
        return stand

    def open_query(self, stand: _Stand, query_id: str, name: str) -> None:
        """A query was asked in a playing; its answer may have been faster than this note."""
        stand.scene.queries[query_id] = name
        self._by_query[query_id] = stand
        for call in self._strays.pop(query_id, ()):
            self._hand(stand, call)

    def catch_up(self) -> None:
        """Hand on the calls that came since the last time."""
        calls = self.door.calls()
        fresh, self._read = calls[self._read :], len(calls)
        for call in fresh:
            query_id, chat_id = query_of(call), chat_of(call)
            stand = self._by_query.get(query_id) or self._by_chat.get(chat_id or 0)
            if stand is not None:
                self._hand(stand, call)
            elif query_id:
                self._strays.setdefault(query_id, []).append(call)

    def _hand(self, stand: _Stand, call: BotApiCall) -> None:
        stand.news += 1
        stand.reader.feed(call)

    def missing(self, stand: _Stand) -> list[str]:
        """The chats in which an answer to the sentinel is outstanding."""
        self.catch_up()
        wheres = {room_of(step): step.where for step in stand.conversation.steps}
        return [
            room
            for room, times in stand.sentinels.items()
            if stand.reader.texts(room).count(self.answers[wheres[room]]) < times
        ]

    def busy(self, stand: _Stand) -> bool:
        """Whether something is certain to come still."""
        return stand.reader.waiting or not self.door.confirmed(stand.sent)

    def side(self, stand: _Stand, *, ordered: bool) -> Side:
        """What has been sent so far in a playing."""
        self.catch_up()
        rooms = dict(stand.reader.rooms(ordered=ordered))
        for room in stand.silent:
            rooms[room] = f"{rooms.get(room, '')}\n{UNANSWERED}".strip()
        if not self.door.confirmed(stand.sent):
            rooms[UNCONFIRMED_ROOM] = "(the bot never took some of them from Telegram)"
        return Side(self.door.name, rooms, tuple(stand.silent), stand.reader.refused)

    async def until(self, met: Callable[[], bool], timeout_s: float) -> bool:
        """Wait until `met` says so; False when the time is up."""
        end = now() + timeout_s
        while True:
            seen = self.door.ticks
            if met():
                return True
            if now() >= end:
                return False
            await self.door.event(seen, end - now())

    async def quiet(self, stand: _Stand, quiet_s: float, timeout_s: float) -> None:
        """Wait until a playing is not busy and nothing has come for `quiet_s`."""
        news, since, end = stand.news, now(), now() + timeout_s
        while (at := now()) < end:
            seen = self.door.ticks
            self.catch_up()
            if stand.news != news:
                news, since = stand.news, at
            busy = self.busy(stand)
            if not busy and at >= since + quiet_s:
                return
            await self.door.event(seen, (end if busy else since + quiet_s) - at)


class Player:
    """Plays conversations at several doors. `sentinel` is a command such as "/help".

    Not `ordered` is for bots that promise no order in a chat: what is sent counts, not when.
    """

    def __init__(
        self,
        doors: Sequence[Door],
        rules: ReplyRules,
        sentinel: str,
        patience: Patience | None = None,
        *,
        ordered: bool = True,
    ) -> None:
        self.played = 0
        self._ordered = ordered
        self._booths = [_Booth(door) for door in doors]
        self._rules = rules
        self._sentinel = sentinel
        self._patience = patience or Patience()
        self._stands: dict[int, list[_Stand]] = {}

    @property
    def doors(self) -> tuple[str, ...]:
        """The names of the doors."""
        return tuple(booth.door.name for booth in self._booths)

    async def learn(self, quiet_s: float = 1.0) -> Playing:
        """Send the sentinel twice to each kind of chat at each door, and remember what comes back.

        What is learnt is what all doors that answer have in common, and what comes both times: a
        bot may say more than its answer. The playing is given back because a difference that shows
        here is a difference: the first updates after a start are answered like any other.

        Raises UnansweredError when no door answers in a private chat, or none says the same twice.
        One that does is enough: that the others do not is a difference, and is found as one.
        """
        number = self._next()
        rounds = tuple(Say(text=self._sentinel, where=where) for where in ROOMS)
        conversation = Conversation(steps=(*rounds, *rounds))
        stands = [booth.open(conversation, number, self._rules) for booth in self._booths]
        self._stands[number] = stands
        pairs = list(zip(self._booths, stands, strict=True))
        said = await asyncio.gather(*(self._learn(*pair, quiet_s) for pair in pairs))
        for where in ROOMS:
            self._agree(where, [texts.get(where, []) for texts in said])
        if not any("private" in booth.answers for booth in self._booths):
            raise UnansweredError(self._unanswered(stands))
        return self.reread(number)

    async def _learn(
        self, booth: _Booth, stand: _Stand, quiet_s: float
    ) -> Mapping[Where, list[str]]:
        """The texts that one door says to the sentinel both times, by kind of chat."""
        first = await self._ask_all(booth, stand, {}, quiet_s)
        both = await self._ask_all(booth, stand, first, quiet_s)
        said: dict[Where, list[str]] = {}
        for where, texts in both.items():
            earlier = first.get(where, [])
            again = texts[len(earlier) :]
            said[where] = [text for text in again if text in earlier]
        return said

    async def _ask_all(
        self,
        booth: _Booth,
        stand: _Stand,
        before: Mapping[Where, list[str]],
        quiet_s: float,
    ) -> Mapping[Where, list[str]]:
        """Send the sentinel to every kind of chat; all texts there, once nothing more comes.

        `before` is what was there already: as much is waited for once more.
        """
        says = {where: Say(text=self._sentinel, where=where) for where in ROOMS}
        rooms = {where: room_of(say) for where, say in says.items()}
        for place, say in enumerate(says.values(), start=1 + (len(ROOMS) if before else 0)):
            await self._send(booth, stand, say, place)
        wanted = {where: 2 * len(texts) for where, texts in before.items()} or {"private": 1}

        def answered() -> bool:
            booth.catch_up()
            return all(
                len(stand.reader.texts(rooms[where])) >= count for where, count in wanted.items()
            )

        await booth.until(answered, self._patience.deadline_s)
        await booth.quiet(stand, quiet_s, self._patience.deadline_s)
        return {where: stand.reader.texts(room) for where, room in rooms.items()}

    def _agree(self, where: Where, said: Sequence[list[str]]) -> None:
        """Remember what the sentinel is answered with in one kind of chat, at each door."""
        answering = [texts for texts in said if texts]
        common = [
            text for text in next(iter(answering), []) if all(text in each for each in answering)
        ]
        for booth, texts in zip(self._booths, said, strict=True):
            if texts:
                booth.answers[where] = (common or texts)[-1]

    def _unanswered(self, stands: Sequence[_Stand]) -> str:
        doors = ", ".join(self.doors)
        said = [text for stand in stands for text in stand.reader.texts("alice")]
        if not said:
            return (
                f"{self._sentinel!r} is not answered in a private chat within "
                f"{self._patience.deadline_s:g} s by {doors}"
            )
        return (
            f"{self._sentinel!r} is answered otherwise each time by {doors}, such as {said[0]!r}; "
            "name another command as parity.sentinel, or what changes in [[replies.normalise]]"
        )

    async def play(self, conversation: Conversation, quiet_s: float = 0.0) -> Playing:
        """Play a conversation at every door, with new chats. `quiet_s` is a longer moment than
        the usual one in which nothing may come before it counts as done."""
        number = self._next()
        stands = [booth.open(conversation, number, self._rules) for booth in self._booths]
        self._stands[number] = stands
        pairs = list(zip(self._booths, stands, strict=True))
        await asyncio.gather(*(self._perform(*pair, quiet_s) for pair in pairs))
        playing = self.reread(number)
        more_s = self._patience.differing_s
        if playing.differs and quiet_s < more_s:
            limit = self._patience.deadline_s
            await asyncio.gather(*(booth.quiet(stand, more_s, limit) for booth, stand in pairs))
            playing = self.reread(number)
        return playing

    def reread(self, number: int) -> Playing:
        """A playing with everything that has come since it ended."""
        stands = self._stands[number]
        sides = tuple(
            booth.side(stand, ordered=self._ordered)
            for booth, stand in zip(self._booths, stands, strict=True)
        )
        return Playing(number, stands[0].conversation, sides)

    def _next(self) -> int:
        self.played += 1
        return self.played

    async def _perform(self, booth: _Booth, stand: _Stand, quiet_s: float) -> None:
        steps = stand.conversation.steps
        for place, step in enumerate(steps):
            if step.twice or isinstance(step, Press):
                await self._settle(booth, stand, steps[:place], quiet_s)
            await self._send(booth, stand, step, place + 1)
            if step.twice:
                await self._settle(booth, stand, steps[: place + 1], quiet_s)
        await self._settle(booth, stand, steps, quiet_s)

    async def _send(self, booth: _Booth, stand: _Stand, step: AnyStep, place: int = 0) -> None:
        pressed = self._pressed(booth, stand, step) if isinstance(step, Press) else None
        update = update_of(step, stand.cast, stand.memory, pressed)
        made = await booth.door.send(update, twice=step.twice)
        if made.get("update_id") is not None:
            stand.sent.add(int(made["update_id"]))
        if made.get("message_id") is not None:
            key = (stand.cast.chat_id(step), int(made["message_id"]))
            name = f"the message of step {place}" if place else "the closing command"
            stand.scene.messages.setdefault(key, name)
            if place:
                stand.memory.said(step, made["message_id"])
        for key_name, value in made.items():
            if key_name.endswith("query_id"):
                about = key_name.removesuffix("_id").replace("_", " ")
                booth.open_query(stand, str(value), f"answer to the {about} of step {place}")

    def _pressed(self, booth: _Booth, stand: _Stand, step: Press) -> Pressed | None:
        booth.catch_up()
        buttons = stand.reader.buttons(room_of(step))
        return buttons[step.button % len(buttons)] if buttons else None

    async def _settle(
        self, booth: _Booth, stand: _Stand, done: Sequence[AnyStep], quiet_s: float
    ) -> None:
        """Wait until the bot is done with these steps."""
        unsure = False
        for step in {room_of(step): step for step in done}.values():
            if step.where in booth.answers and (step.where != "private" or step.who in KNOWN):
                stand.sentinels[room_of(step)] += 1
                who = step.who if step.where == "private" else KNOWN[0]
                await self._send(booth, stand, Say(text=self._sentinel, who=who, where=step.where))
            else:
                unsure = True
        # A chat that has gone silent once will not be waited for as long again.
        limit = self._patience.differing_s if stand.silent else self._patience.deadline_s
        if not await booth.until(lambda: not booth.missing(stand), limit):
            stand.silent.update(dict.fromkeys(booth.missing(stand)))
        usual = self._patience.unsure_s if unsure else self._patience.quiet_s
        await booth.quiet(stand, max(usual, quiet_s), max(limit, quiet_s))
