"""What the bot says while exchanges misbehave, and how long until all is whole again.

First everything is asked once, with nothing wrong. Then Telegram has one chat wait, and others
ask meanwhile: they must not wait for it. Then the exchange that is asked most is gone;
then all are, until what the bot may still remember is old; then they are back. Then all of them
ask to be left alone for a second, and after that they ban the address for one: each time all has to
be whole again. Then half of all answers of the exchanges go wrong, in one way after the other, and
one exchange after the other is gone. A neighbour asks something simple beside each question. At
last every question of the bad times is asked again, with nothing wrong: what is missing or other in
the bad answer is read off that. `checks/degradation.py` judges.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import count
from typing import TypeVar

import msgspec

from botproof import history
from botproof.calls import chat_of, is_sending
from botproof.chats import Chats, ReplyRules
from botproof.checks.degradation import still_missing
from botproof.checks.figures import labelled
from botproof.config import Config
from botproof.history import BotApiCall, CasePlayed, Degraded, Event, SecretSeen, VenueCall
from botproof.starvation import CASE_S
from botproof.targets.granted import Granted
from botproof.targets.stack import Stack, Surroundings
from botproof.workloads.away import called_too_often
from botproof.workloads.door import question_of
from botproof.workloads.exchange_troubles import (
    FIRST_GONE,
    GONE,
    LIMITED,
    ONE_GONE,
    PAGE_OR_NOTHING,
    SHARE,
    WRONG,
)
from botproof.workloads.exposure import secrets_on_pages, secrets_shown
from botproof.workloads.naming import (
    answered_cases,
    command_of,
    naming_symbols,
    symbol_pattern,
    with_symbol,
)
from botproof.workloads.security import messages_of
from botproof.workloads.trials import in_stack, reading
from botproof.workloads.updates import message_update

T = TypeVar("T")

USERS = tuple(range(1_800_000_001, 1_800_000_901))
"""Each question comes from one of its own, so that what comes late is not taken for another's."""
_WHOLE_AT = ("clean", "back")
"""The stages at which an answer is expected with all of its messages."""
_MOST_QUESTIONS = 6
_LEAST_LINES = 1
_LEAST_AT_ONCE = 3
_WAITED_S = 3.0
_MOST_WAITED_S = 15.0
_ANSWER_S = 8.0
_OK = 200
_AGAIN_S = 0.7
_MOST_ADDED = 3
"""So many times `recover_s` are added for what the machine withholds, at the most."""
_MOST_VENUES = 6
_HELD_FOR_S = 4
_HELD = f"Telegram has one chat wait for {_HELD_FOR_S} s (429)"
_WHEN = "while exchanges failed"
_ALMOST_S = 0.3
"""A clock that is a little ahead is no harm."""
_OTHERS = 3
_HELD_S = 5.0


async def degradation_trial(
    around: Surroundings,
    mode: str,
    name: str = "degraded",
    kind: Callable[[Stack, Config, list[Degraded]], BadTimes] | None = None,
) -> None:
    """Play it all, or what `kind` plays, in a stack of its own; recorded are the questions with
    what came of each, and meanwhile the secrets that were shown and the calls that were too many.
    """
    own = dataclasses.replace(around, config=around.config.without_flood(), users=USERS)
    played: list[Degraded] = []
    shown: list[Event] = []

    async def work(stack: Stack) -> None:
        played.clear()
        bad = (kind or BadTimes)(stack, own.config, played)
        async with reading(stack, _of_interest, bad.take_in):
            await bad.times()
        often = called_too_often(stack, _WHEN)
        shown[:] = [*bad.on_pages, *secrets_shown(stack, _WHEN), *often]

    failed = await in_stack(own, mode, f"{mode}-{name}", work, check="degradation")
    for event in (*played, *shown):
        around.recorder.record(event)
    if failed:
        around.recorder.record(
            Degraded(t=history.now(), stage="ended", fault=failed, text="", stack=mode, mode=mode)
        )


class BadTimes:
    """Asks in one stack, stage by stage; what came of each question is added to `played`."""

    def __init__(self, stack: Stack, config: Config, played: list[Degraded]) -> None:
        self._stack = stack
        self._config = config
        self._played = played
        self._chats = Chats(ReplyRules.of(config.replies))
        self._users = iter(USERS)
        self._numbers = count(1)
        self._progress = asyncio.Event()
        self._held_chat = 0
        self._to_held: list[BotApiCall] = []
        self._sent_there = asyncio.Event()
        self._venues: Counter[str] = Counter()
        self._given: list[tuple[float, str, str]] = []
        self._calls: Counter[str] = Counter()
        self._usual = 0
        self._chosen = 0
        self._answering: dict[str, set[str]] = {}
        self._alone: set[str] = set()
        self._own: set[str] = set()
        self._of_messages = {
            command_of(case.say): messages_of(case, config)[0]
            for case in reversed(answered_cases(config))
        }
        names = config.degradation.symbols
        self._known = names[1:4] or names
        self._symbols = _turn(names[4:] or names)  # the first is what questions usually name
        self._symbols_after = _turn(self._known)
        self._clean: dict[str, tuple[str, ...]] = {}
        self._clean_withheld: dict[str, float] = {}
        self._good_at = history.now()
        self.on_pages: list[SecretSeen] = []
        """Secrets on the pages of the target, while no exchange answered."""

    @property
    def fresh_s(self) -> float:
        """After how many seconds what the bot remembers is old, as far as is waited for it."""
        ages = [age for age in self._config.degradation.fresh.values() if age <= _MOST_WAITED_S]
        return max(ages, default=_WAITED_S)

    async def times(self) -> None:
        """Play all stages in their order."""
        questions = await self._choose()
        for _ in self._known:
            await self._learn(self._other(questions, self._symbols_after))
        await self._held()
        venues = ", ".join(self._venues)
        self._stack.say(f"degradation: {len(questions)} questions, {venues}")
        if not questions:
            return
        venues_by_use = [venue for venue, _ in self._venues.most_common(_MOST_VENUES)]
        for venue in venues_by_use[:1]:
            await self._first_gone(questions, venue)
        await self._gone(questions)
        if await self._back(questions):
            await self._clean_again()  # before circuits are opened that stay so for long
            await self._limited(questions)
        await self._parts(questions)
        await self._one_gone(questions, venues_by_use[1:])
        await self._clean_again()
        self._played += self._too_soon()

    # the stages

    async def _choose(self) -> list[str]:
        """Return the questions whose answers hold figures that come from an exchange."""
        asked = self._config.degradation.ask or naming_symbols(self._config)
        found: dict[str, int] = {}
        for text in asked:
            before = self._venues.total()
            came = await self._ask([(text, "clean", "nothing is wrong")])
            lines = len(list(labelled(came[0].answers)))
            if self._venues.total() > before and lines >= _LEAST_LINES and came[0].answers:
                found[text] = lines
                self._clean[text] = came[0].answers
                self._clean_withheld[text] = came[0].withheld_s
        self._usual = self._calls.total()
        best = sorted(found, key=lambda text: -found[text])[:_MOST_QUESTIONS]
        questions = [text for text in asked if text in best]
        self._chosen = len(questions)
        return questions

    async def _learn(self, texts: Iterable[str]) -> None:
        """Keep what these are answered when nothing is wrong, where it is not known yet."""
        left = [text for text in dict.fromkeys(texts) if text not in self._clean]
        began = history.now()
        came = await self._ask([(text, "clean", "nothing is wrong") for text in left])
        self._clean.update({one.text: one.answers for one in came})
        self._clean_withheld.update({one.text: one.withheld_s for one in came})
        self._own.update(text for text in left if self._has_datum(text, since=began))

    async def _held(self) -> None:
        """Have Telegram let one chat wait; see whether others who ask meanwhile are answered."""
        simple = question_of(self._config)
        if not simple:
            return
        self._held_chat = next(self._users)
        refused = {"kind": "error", "error_code": 429, "retry_after": _HELD_FOR_S}
        here = {"method": "sendMessage", "chat_id": self._held_chat, **refused}
        async with self._stack.telegram.with_faults([here]):
            await self._send(simple, self._held_chat)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_HELD_S):
                    await self._sent_there.wait()
            asked = [(simple, "part", _HELD)] * _OTHERS
            self._played += await self._ask(asked, neighbours=_OTHERS)

    def _too_soon(self) -> list[Degraded]:
        """Return how often the bot wrote to the chat that Telegram had wait, before
        that was over."""
        if not self._to_held or self._to_held[0].error_code is None:
            return []
        over = self._to_held[0].t + _HELD_FOR_S - _ALMOST_S
        return [
            Degraded(
                t=self._to_held[0].t,
                stage="held",
                fault=_HELD,
                text=question_of(self._config),
                calls=sum(each.t < over for each in self._to_held[1:]),
                stack=self._stack.mode,
                mode=self._stack.mode,
            )
        ]

    async def _gone(self, questions: Sequence[str]) -> None:
        """Let nobody answer, for so long that nothing that is remembered is fresh any more."""
        self._good_at = began = history.now()
        exchanges = self._stack.exchanges()
        kinds = list(GONE.items())
        silent = self._other(questions)
        while len(silent) < _LEAST_AT_ONCE:  # a bot that answers one after the other shows by them
            silent += self._other(questions)
        async with exchanges.with_faults([{"venue": "*", **kinds[0][1]}]):
            await self._beside(silent, "gone", kinds[0][0])
        async with exchanges.with_faults([{"venue": "*", **kinds[1][1]}]):
            await self._beside(self._other(questions), "gone", kinds[1][0])
            self.on_pages += await secrets_on_pages(self._stack, _WHEN)
            await asyncio.sleep(max(0.0, began + self.fresh_s - history.now()))
            await self._beside(questions, "gone", kinds[1][0])
            await self._beside(self._other(questions), "gone", kinds[1][0])

    async def _back(self, questions: Sequence[str]) -> bool:
        """Take back the fault: all is well: how long until every answer is whole again; whether
        they all were.

        About a few symbols in turn, whose whole answers are known, and no others were asked for.
        """
        began, before = history.now(), self._stack.watch.withheld_s
        within_s = self._config.degradation.recover_s
        waiting = list(questions)
        whole = True
        while waiting:
            texts = self._other(waiting, self._symbols_after)
            withheld_s = round(self._stack.watch.withheld_s - before, 2)
            granted_s = within_s + min(withheld_s, _MOST_ADDED * within_s)
            came = await self._ask(
                [(text, "back", "the exchanges are well again") for text in texts], since=began
            )
            left = []
            for question, one in zip(waiting, came, strict=True):
                missing = still_missing(one)
                if missing and one.since_s < granted_s:
                    left.append(question)
                    continue
                told = msgspec.structs.replace(one, since_withheld_s=withheld_s)
                self._played.append(told)
                whole = whole and not missing
            waiting = left
            if waiting:
                await asyncio.sleep(_AGAIN_S)
        return whole

    async def _limited(self, questions: Sequence[str]) -> None:
        """Let all ask to be left alone for a second; then they are well again."""
        for words, fault in LIMITED.items():
            everywhere = {"venue": "*", "kind": "error", **fault}
            async with self._stack.exchanges().with_faults([everywhere]):
                await self._beside(self._other(questions), "part", words)
            if not await self._back(questions):
                return

    async def _parts(self, questions: Sequence[str]) -> None:
        """Have some answers go wrong, in each way there is.

        An account without a position is told by an empty list: that a bot tells a zero then, of the
        operator's account, is right.
        """
        private = set(map(command_of, self._config.workload.private))
        of_market = [text for text in questions if command_of(text) not in private]
        turn, public = _turn(questions), _turn(of_market)
        for words, faults in WRONG.items():
            empty = any(fault["kind"] == "empty" for fault in faults)
            if empty and not of_market:
                continue
            own = public if empty else turn
            asked = self._other([next(own), next(own)])
            faulty = [{"venue": "*", **SHARE, **fault} for fault in faults]
            async with self._stack.exchanges().with_faults(faulty):
                await self._beside(asked, "part", words)

    async def _first_gone(self, questions: Sequence[str], venue: str) -> None:
        """Ask without the one that is asked most, before anything else has gone wrong: no circuit
        is open to any other."""
        said = FIRST_GONE.format(venue=venue)
        self._alone.add(said)
        faults = [{"venue": venue, **fault} for fault in PAGE_OR_NOTHING]
        async with self._stack.exchanges().with_faults(faults):
            await self._beside(self._other(questions), "venue", said)

    async def _one_gone(self, questions: Sequence[str], venues: Sequence[str]) -> None:
        """Let one exchange after the other be gone, each in another way."""
        ways = _turn(list(ONE_GONE.items()))
        for venue in venues:
            words, fault = next(ways)
            async with self._stack.exchanges().with_faults([{"venue": venue, **fault}]):
                await self._beside(self._other(questions), "venue", words.format(venue=venue))

    async def _clean_again(self) -> None:
        """Note what the questions of the bad times are answered when nothing is wrong."""
        bad = [one for one in self._played if not one.neighbour and one.stage != "back"]
        texts = list(dict.fromkeys(one.text for one in bad))
        for at in range(0, len(texts), 4):
            await self._learn(texts[at : at + 4])
        self._played[:] = [
            msgspec.structs.replace(
                one,
                clean=self._clean.get(one.text, ()),
                clean_withheld_s=self._clean_withheld.get(one.text, 0.0),
                others=self._others(one),
            )
            for one in self._played
        ]

    def _others(self, one: Degraded) -> tuple[str, ...]:
        """Return who else could have been asked, where only one exchange was gone and
        all others well."""
        known = self._answering.get(command_of(one.text), ()) if one.fault in self._alone else ()
        return tuple(sorted(known))

    # asking

    async def _beside(self, texts: Sequence[str], stage: str, fault: str) -> None:
        """Ask all at once, with a neighbour beside them; a starved answer up to twice more."""
        simple = question_of(self._config)
        for last in (False, False, True):
            asked = [(text, stage, fault) for text in texts]
            asked += [(simple, stage, fault)] if simple else []
            came = await self._ask(asked, since=self._good_at, neighbours=1 if simple else 0)
            limit = self._config.resolved_budgets()["reply_time_s"].limit
            starved = [
                one
                for one in came
                if one.withheld_s >= CASE_S and (one.reply_s is None or one.reply_s >= limit)
            ]
            if last or not starved:
                self._played.extend(came)
                return

    async def _ask(
        self,
        asked: Sequence[tuple[str, str, str]],
        *,
        since: float | None = None,
        neighbours: int = 0,
    ) -> list[Degraded]:
        began, called = history.now(), self._calls.copy()
        limit = Granted(self._stack.watch, _ANSWER_S, most=1)
        # An apology may be shorter than an answer: in bad times the first message is one.
        names = [
            await self._send(text, messages=self._messages(text) if stage in _WHOLE_AT else 1)
            for text, stage, _ in asked
        ]
        await limit.wait(lambda: all(map(self._answered, names)), self._next_event)
        withheld = limit.withheld_s
        most = max((self._calls - called).values(), default=0)
        # More than all questions at once may take more calls than all questions did.
        at_once = (len(asked) - neighbours) / max(1, self._chosen)
        usual = round(self._usual * max(1.0, at_once))
        for text, *_ in asked:
            self._note_venues(text, began)
        return [
            Degraded(
                t=began,
                stage=stage,
                fault=fault,
                text=text,
                answers=tuple(answer.text for answer in self._chats.turns[name].answers),
                clean=self._clean.get(text, ()),
                clean_withheld_s=self._clean_withheld.get(text, 0.0),
                reply_s=self._chats.turns[name].reply_time_s,
                withheld_s=round(withheld, 3),
                neighbour=number >= len(asked) - neighbours,
                datum=self._has_datum(text),
                calls=most,
                usual_calls=usual,
                since_s=round(began - (self._good_at if since is None else since), 2),
                stack=self._stack.mode,
                mode=self._stack.mode,
            )
            for number, (name, (text, stage, fault)) in enumerate(zip(names, asked, strict=True))
        ]

    async def _next_event(self) -> None:
        self._progress.clear()
        await self._progress.wait()

    async def _send(self, text: str, user: int | None = None, messages: int = 1) -> str:
        stack = self._stack
        user, name = user or next(self._users), f"d{next(self._numbers)}"
        at = history.now()
        number = await stack.inject(message_update(user, text))
        case = CasePlayed(
            t=at,
            case=name,
            update_id=number,
            chat_id=user,
            expect="reply",
            replies=messages,
            stack=stack.name,
            mode=stack.mode,
        )
        self._chats.feed(case)
        return name

    def _messages(self, text: str) -> int:
        """Return how many messages answer a question, or one of the same command about
        another symbol."""
        return self._of_messages.get(command_of(text), self._config.replies.messages)

    def _answered(self, name: str) -> bool:
        return self._chats.turns[name].answered

    def take_in(self, event: Event) -> None:
        """Take in what is said and called, for as long as the times go on."""
        if isinstance(event, VenueCall):
            self._calls[event.venue] += 1
            if event.status == _OK:
                self._venues[event.venue] += 1
                said = f"{event.path} {event.query}".upper()
                self._given.append((event.t, event.venue, said))
            return
        if isinstance(event, BotApiCall) and chat_of(event) == self._held_chat:
            if is_sending(event.method):
                self._to_held.append(event)
            self._sent_there.set()
        self._chats.feed(event)
        self._progress.set()

    def _has_datum(self, text: str, since: float = 0.0) -> bool:
        """Tell whether an exchange has said anything of the symbol that a question
        names; true where it names none."""
        named = symbol_pattern(self._config.degradation.symbols).search(text)
        return named is None or any(
            named[0].upper() in said for at, _, said in self._given if at >= since
        )

    def _note_venues(self, text: str, since: float) -> None:
        """Keep which exchanges have told of the symbol of a question: those that its command can be
        answered by."""
        named = symbol_pattern(self._config.degradation.symbols).search(text)
        if named is None:
            return
        symbol = re.compile(rf"(?<![A-Z]){re.escape(named[0].upper())}(?=USD|[^A-Z]|$)")
        told = {venue for at, venue, said in self._given if at >= since and symbol.search(said)}
        self._answering.setdefault(command_of(text), set()).update(told)

    def _other(self, questions: Sequence[str], turn: Iterator[str] | None = None) -> list[str]:
        """Return the same questions about a symbol that nobody has asked for yet, where
        one is named."""
        symbol = next(turn or self._symbols)
        return [with_symbol(text, self._config.degradation.symbols, symbol) for text in questions]


def _turn(items: Sequence[T]) -> Iterator[T]:
    """Yield the items, over and over."""
    while True:
        yield from items


def _of_interest(event: Event) -> bool:
    return isinstance(event, BotApiCall | VenueCall)
