"""What people ask who may not be told, by every path that Telegram has; and where secrets stand.

A stack with a list of its own is asked first by the operator: what he is told is what the others
are not to be told. Then everybody else asks at once, each from a user and a chat of their own, so
that what comes back is known to be theirs. `checks/security.py` judges.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from botproof import history
from botproof.calls import button_rows, chat_of, query_of, text_of
from botproof.chat_ids import chat_kind
from botproof.chats import Chats, ReplyRules
from botproof.checks.figures import telling
from botproof.config import Case, Config
from botproof.config.placeholders import names_users
from botproof.history import BotApiCall, Event, SecurityAsked
from botproof.targets.granted import Granted
from botproof.targets.stack import Stack, Surroundings
from botproof.targets.values import LISTED_GROUPS
from botproof.workloads.exposure import keys_sent, secrets_shown
from botproof.workloads.trials import in_stack, reading, with_env
from botproof.workloads.updates import message_update, private_chat
from botproof.workloads.vocabulary import split_command
from botproof.workloads.ways import OPERATOR, Approach, Ways

NOTHING_TO_ASK = (
    "no command of the conversation is answered with figures, by which data could be told from a "
    "refusal; [security] question names one"
)
_NOT_IN_PRIVATE = {
    "kind": "error",
    "method": "*",
    "chat_id": OPERATOR,
    "error_code": 403,
    "description": "Forbidden: bot can't initiate conversation with a user",
}
"""What Telegram says where the operator has never pressed Start, or has blocked the bot."""
_MOST_ASKED = 8
_ANSWER_S = 6.0
_QUIET_S = 2.0
_EVERY_S = 0.05
"""How often is looked whether anything more has come: silence tells nobody that it is over."""


def is_limited(config: Config) -> bool:
    """Tell whether the bot is given a list of those who may use it."""
    return names_users(config)


def messages_of(case: Case, config: Config) -> tuple[int, bool]:
    """Return how many messages answer a case, and whether that is another number than usual."""
    usual = config.replies.messages
    return case.replies or usual, (case.replies or usual) != usual


def questions_of(config: Config) -> tuple[str, ...]:
    """Return one question of each command of the conversation that a user asks in a private chat.

    One that is answered by as many messages as most are, if there is any.
    """
    found: dict[str, str] = {}
    for case in sorted(config.workload.cases, key=lambda case: messages_of(case, config)[1]):
        plain = case.kind == "message" and case.chat_type == "private" and not case.stranger
        plain = plain and not case.fault
        command, _ = split_command(case.say)
        if plain and command and case.expect == "reply":
            found.setdefault(command, case.say)
    return tuple(found.values())


async def security_trial(around: Surroundings, mode: str, guests: str = "") -> None:
    """Ask in a stack of its own: with the list as it is, or as `[security.guests]` changes it."""
    config = around.config
    env = config.security.guests.get(guests, {})
    config = with_env(config, mode, env).without_flood()
    own = dataclasses.replace(around, config=config, users=(OPERATOR,))
    what = f"guests by {guests}" if guests else "strangers"
    events: list[SecurityAsked] = []
    shown: list[Event] = []

    async def work(stack: Stack) -> None:
        stack.say(f"security: {what}")
        events[:] = await Asker(stack, guests, config).ask()
        shown[:] = [*secrets_shown(stack, f"while {what} asked"), *keys_sent(stack)]

    name = f"{mode}-security" + (f"-{guests}" if guests else "")
    failed = await in_stack(own, mode, name, work, check="security")
    if not (failed or events or guests):
        failed = NOTHING_TO_ASK
    for event in (*events, *shown):
        around.recorder.record(event)
    if failed:
        around.recorder.record(
            SecurityAsked(
                t=history.now(),
                who=what,
                path="",
                text="",
                operator=True,
                error=failed,
                stack=mode,
                mode=mode,
            )
        )


class Asker:
    """Asks in one stack: the operator first, then everybody else at once."""

    def __init__(self, stack: Stack, guests: str, config: Config) -> None:
        self._stack = stack
        self._guests = guests
        self._config = config
        self._rules = ReplyRules.of(config.replies)
        self._chats: dict[tuple[int, str], Chats] = {}
        """By chat, or by the query that is answered: what was said since it was asked there."""
        self._buttons: dict[int, list[str]] = {}
        self._taps: dict[str, str] = {}
        self._last = history.now()

    async def ask(self) -> list[SecurityAsked]:
        """Ask all of it; return what came of it."""
        private = self._config.workload.private
        async with reading(self._stack, _is_call, self._take_in):
            bot = await self._stack.telegram.bot(self._stack.values["token"])
            ordinary = await self._ordinary()
            operator = {}
            for text in dict.fromkeys((*([ordinary] if ordinary else []), *private)):
                operator[text] = await self._operators(text)
            for text in questions_of(self._config)[:_MOST_ASKED] if private else ():
                await self._inject(message_update(OPERATOR, text))  # a key may have stayed behind
            approaches = list(self.approaches(operator, self._taps, bot))
            await self._all(approaches)
            unreached = list(self._unreached(operator, len(approaches)))
            if unreached:
                async with self._stack.telegram.with_faults([_NOT_IN_PRIVATE]):
                    await self._all(unreached)
            approaches += unreached
        return [*self._operator_events(operator), *self._events(approaches)]

    async def as_user(self, user: int, who: str) -> list[SecurityAsked]:
        """Ask the private questions, one after the other, by a message of this user's."""
        events: list[SecurityAsked] = []
        async with reading(self._stack, _is_call, self._take_in):
            for text in self._config.workload.private:
                self._chats[user, ""] = Chats(self._rules)
                await self._inject(message_update(user, text))
                await self._quiet()
                one = Approach(who, "a message", text, {}, (user,), private=True)
                events += self._events([one])
        return events

    # the operator

    async def _ordinary(self) -> str:
        """Return the question that is answered with the most figures: what a stranger
        would be after."""
        if self._guests or not is_limited(self._config):
            return ""
        if self._config.security.question:
            return self._config.security.question
        private = {split_command(text)[0] for text in self._config.workload.private}
        asked = [
            text for text in questions_of(self._config) if split_command(text)[0] not in private
        ]
        best, most = "", 0
        for text in asked[:_MOST_ASKED]:
            found = len(telling("\n".join(await self._operators(text))))
            if found > most:
                best, most = text, found
        return best

    async def _operators(self, text: str) -> list[str]:
        """Return what the operator is told, in his private chat."""
        self._chats[OPERATOR, ""] = Chats(self._rules)
        self._buttons[OPERATOR] = []
        await self._inject(message_update(OPERATOR, text))
        await self._answered(OPERATOR)
        if self._buttons[OPERATOR]:
            command = split_command(text)[0].lstrip("/")
            named = [data for data in self._buttons[OPERATOR] if command and command in data]
            self._taps[text] = (named or self._buttons[OPERATOR])[0]
        return self._answers((OPERATOR,), "")

    async def _answered(self, chat: int) -> None:
        wanted = self._rules.messages
        limit = Granted(self._stack.watch, _ANSWER_S * self._stack.stretch)
        while limit.left_s and len(self._answers((chat,), "")) < wanted:  # noqa: ASYNC110 - see _EVERY_S
            await asyncio.sleep(_EVERY_S)

    # everybody else

    def approaches(
        self, operator: Mapping[str, Sequence[str]], taps: Mapping[str, str], bot: Mapping[str, Any]
    ) -> Iterator[Approach]:
        """Yield every way to ask, by what the operator was answered and what his buttons say."""
        number = 0
        private = set(self._config.workload.private)
        for text in operator:
            ways = Ways(self._guests)
            kinds = ways.of_guests if self._guests else ways.of_strangers
            once = () if self._guests or number else ways.asked_once
            for kind in (*once, *kinds):
                number += 1
                if self._guests and number >= len(LISTED_GROUPS):
                    return
                made = kind(ways, number, text, taps.get(text, text.lstrip("/")), bot)
                yield Approach(**made, text=text, private=text in private)

    def _unreached(self, operator: Iterable[str], number: int) -> Iterator[Approach]:
        """Yield the operator's own questions in groups, which are asked while he cannot be written
        to."""
        if not self._guests:
            return
        ways = Ways(self._guests)
        for text in operator:
            for kind in ways.of_unreached:
                number += 1
                yield Approach(**kind(ways, number, text, "", None), text=text, private=True)

    async def _all(self, approaches: Sequence[Approach]) -> None:
        token = self._stack.values["token"]
        earlier = [one for one in approaches if one.before]
        for one in earlier:
            await self._inject(one.before)
        if earlier:
            await self._quiet()
        for one in approaches:
            for chat in one.chats:
                self._chats[chat, ""] = Chats(self._rules)
                # Who has spoken in a group may have spoken to the bot before.
                if chat_kind(chat) == "private":
                    await self._stack.telegram.make_chat(token, private_chat(chat))
            await self._inject(one.update)
        await self._quiet()

    async def _inject(self, update: Mapping[str, Any]) -> None:
        await self._stack.inject(update)
        self._last = history.now()

    async def _quiet(self) -> None:
        """Wait until nothing has come for a while: only waiting shows silence."""
        limit, last = Granted(self._stack.watch, _ANSWER_S * self._stack.stretch), self._last
        quiet = Granted(self._stack.watch, _QUIET_S)
        while limit.left_s and quiet.left_s:
            await asyncio.sleep(_EVERY_S)
            if self._last != last:
                last, quiet = self._last, Granted(self._stack.watch, _QUIET_S)

    def _take_in(self, event: Event) -> None:
        if not isinstance(event, BotApiCall) or event.error_code is not None:
            return
        chat, query = chat_of(event) or 0, query_of(event)
        if not _said(event.params):
            return  # what was deleted again was told all the same
        self._last = history.now()
        key = (0, query) if query else (chat, "")
        self._chats.setdefault(key, Chats(self._rules)).feed(event)
        self._buttons.setdefault(chat, []).extend(_callback_data(event))

    def _answers(self, chats: Sequence[int], query: str) -> list[str]:
        keys = [*((chat, "") for chat in chats), *([(0, query)] if query else [])]
        acts = [act for key in keys if key in self._chats for act in self._chats[key].acts]
        return [_said(act.params) for act in acts if not self._rules.is_acknowledgement(act.text)]

    # what is recorded

    def _operator_events(self, operator: Mapping[str, Sequence[str]]) -> Iterator[SecurityAsked]:
        for text, answers in operator.items():
            yield SecurityAsked(
                t=history.now(),
                who="the operator",
                path="a message",
                text=text,
                answers=tuple(answers),
                figures=tuple(sorted(telling("\n".join(answers)))),
                operator=True,
                private=text in self._config.workload.private,
                **self._labels,
            )

    def _events(self, approaches: Sequence[Approach]) -> Iterator[SecurityAsked]:
        for one in approaches:
            answers = self._answers(one.chats, one.query)
            yield SecurityAsked(
                t=history.now(),
                who=one.who,
                path=one.path,
                text=one.text,
                answers=tuple(answers),
                figures=tuple(sorted(telling("\n".join(answers)))),
                private=one.private,
                **self._labels,
            )

    @property
    def _labels(self) -> Mapping[str, Any]:
        return {"stack": self._stack.mode, "mode": self._stack.mode}


def _said(params: Mapping[str, Any]) -> str:
    return text_of(params) or str(params.get("results") or "")


def _is_call(event: Event) -> bool:
    return isinstance(event, BotApiCall)


def _callback_data(call: BotApiCall) -> Iterator[str]:
    for row in button_rows(call.params.get("reply_markup")):
        for button in row:
            if isinstance(button, Mapping) and button.get("callback_data"):
                yield str(button["callback_data"])


async def ask_privately(stack: Stack, user: int, who: str) -> list[SecurityAsked]:
    """Ask every private question as `user`, by a message: what came back."""
    asker = Asker(stack, "", stack.around.config)
    return await asker.as_user(user, who)
