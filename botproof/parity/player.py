"""Plays a conversation in every mode at once and knows when each is done with it.

Done means: a command that is certainly answered (the sentinel) was sent to every chat after the
conversation and is answered there, every update is confirmed, no acknowledgement waits for its
answer, and for a moment nothing more came. Chats in which this bot never answers (channels, most
often) are learnt once, before the first conversation, and left out. Nothing here sleeps: it waits
for events of the modes, with a limit.

When the sides differ, that may still be because one of them is late. So before a difference
counts, more is waited for, and `reread` shows a playing with all that came after its end.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from botproof.calls import chat_of, query_of
from botproof.chats import ReplyRules
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
from botproof.parity.transcript import KnownIds, TranscriptReader
from botproof.workloads.stage import BotIdentity, Cast, Memory, Pressed, update_of

ROOMS: tuple[Where, ...] = ("private", "group", "supergroup", "channel")
UNANSWERED = "(the command that ended the conversation was never answered here)"
UNCONFIRMED_ROOM = "updates"


class BotInMode(Protocol):
    """One running bot in one mode, as the player needs it."""

    name: str
    bot: BotIdentity

    async def send(self, update: Mapping[str, Any], *, twice: bool) -> Mapping[str, Any]:
        """Give Telegram an update for the bot. `update_id` of the answer is None when the bot does
        not want such updates; `message_id` and ids of queries are as Telegram made them."""

    def calls(self) -> Sequence[BotApiCall]:
        """Return every call of the bot so far, in order."""

    def confirmed(self, update_ids: Iterable[int]) -> bool:
        """Tell whether the bot has taken all of these updates from Telegram."""

    @property
    def ticks(self) -> int:
        """Grows with everything that happens in this mode."""

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
    """The sentinel is not answered in a private chat of a known user in any mode."""


@dataclass(slots=True)
class _ModePlaying:
    """One conversation in one mode while it is played."""

    cast: Cast
    conversation: Conversation
    ids: KnownIds
    reader: TranscriptReader
    memory: Memory = field(default_factory=Memory)
    sent: set[int] = field(default_factory=set)
    sentinels: Counter[str] = field(default_factory=Counter)
    silent: dict[str, None] = field(default_factory=dict)
    news: int = 0


class _ModeSession:
    """One mode with its playings: hands every call to the playing that it belongs to."""

    def __init__(self, mode: BotInMode) -> None:
        self.mode = mode
        self.answers: dict[Where, str] = {}
        self._read = 0
        self._by_chat: dict[int, _ModePlaying] = {}
        self._by_query: dict[str, _ModePlaying] = {}
        self._strays: dict[str, list[BotApiCall]] = {}

    def open(self, conversation: Conversation, number: int, rules: ReplyRules) -> _ModePlaying:
        """Return a new playing, with chats of its own."""
        cast = Cast(number, self.mode.bot)
        ids = KnownIds(rooms=cast.rooms())
        playing = _ModePlaying(cast, conversation, ids, TranscriptReader(ids, rules))
        self.catch_up()  # what a returning user was sent before belongs to the earlier playing
        self._by_chat.update(dict.fromkeys(ids.rooms, playing))
        return playing

    def open_query(self, playing: _ModePlaying, query_id: str, name: str) -> None:
        """Note a query that was asked in a playing; its answer may have been faster
        than this note."""
        playing.ids.queries[query_id] = name
        self._by_query[query_id] = playing
        for call in self._strays.pop(query_id, ()):
            self._hand(playing, call)

    def catch_up(self) -> None:
        """Hand on the calls that came since the last time."""
        calls = self.mode.calls()
        fresh, self._read = calls[self._read :], len(calls)
        for call in fresh:
            query_id, chat_id = query_of(call), chat_of(call)
            playing = self._by_query.get(query_id) or self._by_chat.get(chat_id or 0)
            if playing is not None:
                self._hand(playing, call)
            elif query_id:
                self._strays.setdefault(query_id, []).append(call)

    def _hand(self, playing: _ModePlaying, call: BotApiCall) -> None:
        playing.news += 1
        playing.reader.feed(call)

    def missing(self, playing: _ModePlaying) -> list[str]:
        """Return the chats in which an answer to the sentinel is outstanding."""
        self.catch_up()
        wheres = {room_of(step): step.where for step in playing.conversation.steps}
        return [
            room
            for room, times in playing.sentinels.items()
            if playing.reader.texts(room).count(self.answers[wheres[room]]) < times
        ]

    def busy(self, playing: _ModePlaying) -> bool:
        """Tell whether something is certain to come still."""
        return playing.reader.waiting or not self.mode.confirmed(playing.sent)

    def side(self, playing: _ModePlaying, *, ordered: bool) -> Side:
        """Return what has been sent so far in a playing."""
        self.catch_up()
        rooms = dict(playing.reader.rooms(ordered=ordered))
        for room in playing.silent:
            rooms[room] = f"{rooms.get(room, '')}\n{UNANSWERED}".strip()
        if not self.mode.confirmed(playing.sent):
            rooms[UNCONFIRMED_ROOM] = "(the bot never took some of them from Telegram)"
        return Side(self.mode.name, rooms, tuple(playing.silent), playing.reader.refused)

    async def until(self, met: Callable[[], bool], timeout_s: float) -> bool:
        """Wait until `met` says so; False when the time is up."""
        end = now() + timeout_s
        while True:
            seen = self.mode.ticks
            if met():
                return True
            if now() >= end:
                return False
            await self.mode.event(seen, end - now())

    async def quiet(self, playing: _ModePlaying, quiet_s: float, timeout_s: float) -> None:
        """Wait until a playing is not busy and nothing has come for `quiet_s`."""
        news, since, end = playing.news, now(), now() + timeout_s
        while (at := now()) < end:
            seen = self.mode.ticks
            self.catch_up()
            if playing.news != news:
                news, since = playing.news, at
            busy = self.busy(playing)
            if not busy and at >= since + quiet_s:
                return
            await self.mode.event(seen, (end if busy else since + quiet_s) - at)


class Player:
    """Plays conversations in several modes. `sentinel` is a command such as "/help".

    Not `ordered` is for bots that promise no order in a chat: what is sent counts, not when.
    """

    def __init__(
        self,
        modes: Sequence[BotInMode],
        rules: ReplyRules,
        sentinel: str,
        patience: Patience | None = None,
        *,
        ordered: bool = True,
    ) -> None:
        self.played = 0
        self._ordered = ordered
        self._sessions = [_ModeSession(mode) for mode in modes]
        self._rules = rules
        self._sentinel = sentinel
        self._patience = patience or Patience()
        self._playings: dict[int, list[_ModePlaying]] = {}

    @property
    def modes(self) -> tuple[str, ...]:
        """The names of the modes."""
        return tuple(session.mode.name for session in self._sessions)

    async def learn(self, quiet_s: float = 1.0) -> Playing:
        """Send the sentinel twice to each kind of chat in each mode, and remember what comes back.

        What is learnt is what all modes that answer have in common, and what comes both times: a
        bot may say more than its answer. The playing is given back because a difference that shows
        here is a difference: the first updates after a start are answered like any other.

        Raises UnansweredError when no mode answers in a private chat, or none says the same twice.
        One that does is enough: that the others do not is a difference, and is found as one.
        """
        number = self._next()
        rounds = tuple(Say(text=self._sentinel, where=where) for where in ROOMS)
        conversation = Conversation(steps=(*rounds, *rounds))
        playings = [session.open(conversation, number, self._rules) for session in self._sessions]
        self._playings[number] = playings
        pairs = list(zip(self._sessions, playings, strict=True))
        said = await asyncio.gather(*(self._learn(*pair, quiet_s) for pair in pairs))
        for where in ROOMS:
            self._agree(where, [texts.get(where, []) for texts in said])
        if not any("private" in session.answers for session in self._sessions):
            raise UnansweredError(self._unanswered(playings))
        return self.reread(number)

    async def _learn(
        self, session: _ModeSession, playing: _ModePlaying, quiet_s: float
    ) -> Mapping[Where, list[str]]:
        """Return the texts that one mode says to the sentinel both times, by kind of chat."""
        first = await self._ask_all(session, playing, {}, quiet_s)
        both = await self._ask_all(session, playing, first, quiet_s)
        said: dict[Where, list[str]] = {}
        for where, texts in both.items():
            earlier = first.get(where, [])
            again = texts[len(earlier) :]
            said[where] = [text for text in again if text in earlier]
        return said

    async def _ask_all(
        self,
        session: _ModeSession,
        playing: _ModePlaying,
        before: Mapping[Where, list[str]],
        quiet_s: float,
    ) -> Mapping[Where, list[str]]:
        """Send the sentinel to every kind of chat; all texts there, once nothing more comes.

        `before` is what was there already: as much is waited for once more.
        """
        says = {where: Say(text=self._sentinel, where=where) for where in ROOMS}
        rooms = {where: room_of(say) for where, say in says.items()}
        for place, say in enumerate(says.values(), start=1 + (len(ROOMS) if before else 0)):
            await self._send(session, playing, say, place)
        wanted = {where: 2 * len(texts) for where, texts in before.items()} or {"private": 1}

        def answered() -> bool:
            session.catch_up()
            return all(
                len(playing.reader.texts(rooms[where])) >= count for where, count in wanted.items()
            )

        await session.until(answered, self._patience.deadline_s)
        await session.quiet(playing, quiet_s, self._patience.deadline_s)
        return {where: playing.reader.texts(room) for where, room in rooms.items()}

    def _agree(self, where: Where, said: Sequence[list[str]]) -> None:
        """Remember what the sentinel is answered with in one kind of chat, in each mode."""
        answering = [texts for texts in said if texts]
        common = [
            text for text in next(iter(answering), []) if all(text in each for each in answering)
        ]
        for session, texts in zip(self._sessions, said, strict=True):
            if texts:
                session.answers[where] = (common or texts)[-1]

    def _unanswered(self, playings: Sequence[_ModePlaying]) -> str:
        modes = ", ".join(self.modes)
        said = [text for playing in playings for text in playing.reader.texts("alice")]
        if not said:
            return (
                f"{self._sentinel!r} is not answered in a private chat within "
                f"{self._patience.deadline_s:g} s by {modes}"
            )
        return (
            f"{self._sentinel!r} is answered otherwise each time by {modes}, such as {said[0]!r}; "
            "name another command as parity.sentinel, or what changes in [[replies.normalise]]"
        )

    async def play(self, conversation: Conversation, quiet_s: float = 0.0) -> Playing:
        """Play a conversation in every mode, with new chats. `quiet_s` is a longer moment than
        the usual one in which nothing may come before it counts as done."""
        number = self._next()
        playings = [session.open(conversation, number, self._rules) for session in self._sessions]
        self._playings[number] = playings
        pairs = list(zip(self._sessions, playings, strict=True))
        await asyncio.gather(*(self._perform(*pair, quiet_s) for pair in pairs))
        playing = self.reread(number)
        more_s = self._patience.differing_s
        if playing.differs and quiet_s < more_s:
            limit = self._patience.deadline_s
            await asyncio.gather(
                *(session.quiet(playing, more_s, limit) for session, playing in pairs)
            )
            playing = self.reread(number)
        return playing

    def reread(self, number: int) -> Playing:
        """Return a playing with everything that has come since it ended."""
        playings = self._playings[number]
        sides = tuple(
            session.side(playing, ordered=self._ordered)
            for session, playing in zip(self._sessions, playings, strict=True)
        )
        return Playing(number, playings[0].conversation, sides)

    def _next(self) -> int:
        self.played += 1
        return self.played

    async def _perform(self, session: _ModeSession, playing: _ModePlaying, quiet_s: float) -> None:
        steps = playing.conversation.steps
        for place, step in enumerate(steps):
            if step.twice or isinstance(step, Press):
                await self._settle(session, playing, steps[:place], quiet_s)
            await self._send(session, playing, step, place + 1)
            if step.twice:
                await self._settle(session, playing, steps[: place + 1], quiet_s)
        await self._settle(session, playing, steps, quiet_s)

    async def _send(
        self, session: _ModeSession, playing: _ModePlaying, step: AnyStep, place: int = 0
    ) -> None:
        pressed = self._pressed(session, playing, step) if isinstance(step, Press) else None
        update = update_of(step, playing.cast, playing.memory, pressed)
        made = await session.mode.send(update, twice=step.twice)
        if made.get("update_id") is not None:
            playing.sent.add(int(made["update_id"]))
        if made.get("message_id") is not None:
            key = (playing.cast.chat_id(step), int(made["message_id"]))
            name = f"the message of step {place}" if place else "the closing command"
            playing.ids.messages.setdefault(key, name)
            if place:
                playing.memory.said(step, made["message_id"])
        for key_name, value in made.items():
            if key_name.endswith("query_id"):
                about = key_name.removesuffix("_id").replace("_", " ")
                session.open_query(playing, str(value), f"answer to the {about} of step {place}")

    def _pressed(self, session: _ModeSession, playing: _ModePlaying, step: Press) -> Pressed | None:
        session.catch_up()
        buttons = playing.reader.buttons(room_of(step))
        return buttons[step.button % len(buttons)] if buttons else None

    async def _settle(
        self, session: _ModeSession, playing: _ModePlaying, done: Sequence[AnyStep], quiet_s: float
    ) -> None:
        """Wait until the bot is done with these steps."""
        unsure = False
        for step in {room_of(step): step for step in done}.values():
            if step.where in session.answers and (step.where != "private" or step.who in KNOWN):
                playing.sentinels[room_of(step)] += 1
                who = step.who if step.where == "private" else KNOWN[0]
                await self._send(
                    session, playing, Say(text=self._sentinel, who=who, where=step.where)
                )
            else:
                unsure = True
        # A chat that has gone silent once will not be waited for as long again.
        limit = self._patience.differing_s if playing.silent else self._patience.deadline_s
        if not await session.until(lambda: not session.missing(playing), limit):
            playing.silent.update(dict.fromkeys(session.missing(playing)))
        usual = self._patience.unsure_s if unsure else self._patience.quiet_s
        await session.quiet(playing, max(usual, quiet_s), max(limit, quiet_s))
