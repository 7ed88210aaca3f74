"""What comes to a bot's door besides ordinary updates: the first of all, strangers, and nonsense.

The first update is sent before the conversation, the rest after everything else: a bot that does
not survive it has shown all that it can by then. What is posted to a webhook is posted by us, as
anybody on the Internet could, so it bears update ids far above Telegram's. Each question comes from
a user of its own, so that an answer belongs to one of them. `checks/door.py` judges.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import Awaitable, Mapping
from contextlib import ExitStack
from types import TracebackType
from typing import Self

import httpx

from botproof import history
from botproof.calls import chat_of, is_sending, key_of
from botproof.chats import Chats, ReplyRules
from botproof.checks.together import crossed
from botproof.config import BOT, Config
from botproof.excerpts import one_line
from botproof.faults.troubles import Frozen
from botproof.history import REFUSED_ANSWER, AskedTogether, BotApiCall, DoorAsked, Event
from botproof.targets.granted import Granted
from botproof.targets.stack import Stack
from botproof.webhook_abuse import BODIES, WRONG_SECRETS, wrong_secrets
from botproof.workloads.quotes import ask_with_quotes
from botproof.workloads.updates import NAME, SECRET_HEADER, message_update, private_chat
from botproof.workloads.vocabulary import (
    AT_ONCE,
    questions_together,
    sentinel_of,
    split_command,
    telling_question,
)

FIRST, AGAIN, TWICE, AFTER, NOBODY = "first", "again", "twice", "after", "nobody"
REPEATED, LONG, HUNG, HEALTH = "repeated", "long", "hung", "health"
MIDST, ASIDE = "midst", "aside"
NAMED, NEWER, LONGEST, AWAY = "named", "newer", "longest", "away"
TAPPED, READY, SILENT = "tapped", "ready", "silent"
UNLISTED, UNSERVED, HELD = "unlisted", "unserved", "held"
_QUESTIONS = (FIRST, AGAIN, TWICE, AFTER, *WRONG_SECRETS, LONG, HUNG, ASIDE)
_FIRST_USER = 1_500_000_001
USERS = {what: _FIRST_USER + number for number, what in enumerate(_QUESTIONS)}
USERS[REPEATED] = USERS[MIDST] = USERS[FIRST]
_BURSTS = 2
USERS |= {NAMED: _FIRST_USER + 90, LONGEST: _FIRST_USER + 91, NEWER: 8_123_456_789}
"""Who asks what; all of them are among `{users}`. Telegram's newer users have ids over 2^32."""
CROWD = tuple(range(_FIRST_USER + 100, _FIRST_USER + 100 + 2 * _BURSTS * AT_ONCE))
"""Those who ask at the same moment, and alone. They are among `{users}`, too."""
_MARKUP_NAME = "Ann <b>& _*[`"
_LONGEST = "ж" * 4096
"""As long as Telegram lets a text be; in JSON each of these letters takes six bytes."""
_HUNG_S = 12.0
"""Longer than any limit of time that somebody has set on purpose."""
_PLAIN = ("/start", "/help")
_WORD = "BTC"
"""What is said in the midst of a conversation that shows no keyboard: it may ask for a text."""
STRANGER = 1_600_000_001
_ANSWER_S = 10.0
_SHOWN = 80
_MUTE_S = 2.5  # above every budget for a reply: for a bot that has answered nothing so far
_QUIET_S = 1.5  # how long after an answer one more message may follow it
_IDS_ABOVE = 1_000_000


@dataclasses.dataclass(frozen=True, slots=True)
class _Hook:
    client: httpx.AsyncClient
    url: str


@dataclasses.dataclass(frozen=True, slots=True)
class _Outcome:
    hook: _Hook
    status: int | None
    error: str = ""


class DoorWorkload:
    """Asks at the door of one stack. Enter it before the stack starts."""

    def __init__(self, stack: Stack, question: str, rules: ReplyRules) -> None:
        self._stack = stack
        self._question = question
        self._rules = rules
        self._open = ExitStack()
        self._webhook: tuple[str, str] | None = None
        self._said: asyncio.Queue[Event]
        self._chats = {user: Chats(rules) for user in (*USERS.values(), *CROWD)}
        self._refused: dict[int, str] = {}
        self._last_id = 0
        self._mute = False
        self._word = _WORD
        self._asked: dict[str, float] = {}
        self._pending: dict[str, str] = {}

    def __enter__(self) -> Self:
        recorder = self._stack.around.recorder
        self._said = self._open.enter_context(recorder.subscribe(self._mine))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._open.close()

    def _mine(self, event: Event) -> bool:
        return event.stack == self._stack.name and isinstance(event, BotApiCall)

    async def first(self) -> None:
        """Send the very first update after the start, by Telegram."""
        await self._to_its_end(self._by_telegram(FIRST, "the first update after the start"))

    async def rest(self, *, last: bool) -> None:
        """Everything else; in the `last` mode what needs its time, too."""
        await self._to_its_end(self._rest(last=last))

    async def _to_its_end(self, work: Awaitable[None]) -> None:
        """Do it; where the bot ends meanwhile, note what it had just been asked."""
        try:
            await work
        except asyncio.CancelledError:
            for what, sent in [*self._pending.items()][-1:]:
                self._record(what, sent)
            raise

    async def _rest(self, *, last: bool) -> None:
        self._stack.say("door: strangers, nonsense, and the same update twice")
        self._read()
        self._mute = not self._answers(USERS[FIRST])
        self._chats[USERS[FIRST]] = Chats(self._rules)
        await self._by_telegram(AGAIN, "the same as the first update, later")
        self._mute = self._mute and not self._answers(USERS[AGAIN])
        await self._send(REPEATED)  # after it: beside another update a bot may answer otherwise
        await self._one_answer(USERS[REPEATED], self._patience)
        self._record(REPEATED, f"the same by the user of the first update: {self._question}")
        if not self._mute and not self._answers(USERS[REPEATED]):
            await self._in_conversation()
        if self._webhook is not None:  # getUpdates gives nobody else a way in, and repeats nothing
            await self._at_the_webhook(*self._webhook)
        await self._health()
        if not self._mute:
            await self._others()
        if last and not self._mute:
            await self._together()
            if quoted := await ask_with_quotes(self._stack):
                self._stack.around.recorder.record(quoted)
            await self._while_a_service_hangs()

    async def tell(self, what: str) -> None:
        """Ask the question, and do not wait for what comes."""
        await self._send(what)

    async def asks(self, what: str, limit_s: float = _ANSWER_S) -> tuple[str, ...]:
        """Ask the question, and return what it was answered; nothing where no answer came."""
        await self._send(what)
        await self._patiently(what, limit_s)
        return tuple(self._answers(USERS[what]))

    async def stranger(self) -> tuple[str, ...]:
        """Return what a user gets who is on no list."""
        self._chats[STRANGER] = Chats(self._rules)
        await self._stack.inject(message_update(STRANGER, self._question))
        await self._answered_to(STRANGER, _ANSWER_S / 2)
        return tuple(self._answers(STRANGER))

    # by Telegram

    async def _by_telegram(self, what: str, sent: str) -> None:
        await self._send(what)
        took = await self._patiently(what, self._patience)
        if self._answers(USERS[what]):
            await self._answered(what)
        self._record(what, f"{sent}: {self._question}", after_s=round(took, 2))

    async def _send(self, what: str, text: str = "", name: str = NAME) -> None:
        update = message_update(USERS[what], text or self._question, name=name)
        self._asked[what] = history.now()
        by = "" if name == NAME else f" by {name!r}"
        self._pending[what] = one_line(text or self._question, _SHOWN) + by
        self._last_id = await self._stack.inject(update)

    async def _in_conversation(self) -> None:
        """Find out whether the first answer began a conversation, whose next step this bot waits
        for: then the same word is answered otherwise to a user who began none."""
        for what, sent in (
            (MIDST, "what the first answer asks for, by the same user"),
            (ASIDE, "the same by a user who was asked for nothing"),
        ):
            await self._send(what, self._word)
            await self._one_answer(USERS[what], self._patience)
            self._record(what, f"{sent}: {self._word}")

    async def _others(self) -> None:
        """Ask as users that others are unlike: by their name, by their id, by what they write."""
        for what, who in (
            (NAMED, f"a user named {_MARKUP_NAME!r}"),
            (NEWER, f"a user whose id is over 2^32 ({USERS[NEWER]})"),
        ):
            await self._send(what, name=_MARKUP_NAME if what == NAMED else NAME)
            took = await self._patiently(what, self._patience)
            error = "" if self._answers(USERS[what]) else self._in_vain(what, took)
            self._record(what, f"{who}: {self._question}", error=error)
        command = split_command(telling_question(self._stack.around.config))[0]
        if not command:
            return
        await self._send(LONGEST, f"{command} {_LONGEST}"[: len(_LONGEST)])
        await self._patiently(LONGEST, _MUTE_S)
        answered = self._answers(USERS[LONGEST]) or "too long" not in self._refusal(LONGEST)
        error = "" if answered else self._in_vain(LONGEST, _MUTE_S)
        self._record(LONGEST, f"{command} with 4,096 letters", error=error)

    async def _patiently(self, what: str, limit_s: float) -> float:
        """Wait for an answer, with what the machine withholds on top; return the seconds that it
        took without that."""
        limit = Granted(self._stack.watch, limit_s)
        await limit.wait(lambda: bool(self._answers(USERS[what])), self._take_next)
        return limit.took_s

    def _refusal(self, what: str) -> str:
        return self._refused.get(USERS[what], "")

    def _in_vain(self, what: str, took: float) -> str:
        refusal = self._refusal(what)
        return f"{REFUSED_ANSWER} {refusal}" if refusal else f"no answer in {took:.0f} s"

    async def _together(self) -> None:
        """Ask at the same moment, each by a user of its own, and then each alone; once more where
        somebody seems to be told what another one asked for."""
        config = self._stack.around.config
        texts = questions_together(config)
        if len(texts) < 2 or config.workload.at_once == 1:
            return
        users = iter(CROWD)
        bot = self._stack.bot
        own = [bot] if bot is not None and bot.launch.container is None else []
        frozen = Frozen(lambda: own)
        for burst in range(_BURSTS):
            asking = {text: next(users) for text in texts}
            # So that it finds all at once, but for what a call still waits for.
            await frozen.begin()
            try:
                await self._send(REPEATED)
                self._pending.clear()
                async with asyncio.TaskGroup() as group:
                    for text, user in asking.items():
                        group.create_task(self._ask_as(user, text))
            finally:
                await frozen.end()
            until = history.now() + _ANSWER_S
            for user in asking.values():
                await self._one_answer(user, max(0.0, until - history.now()))
            events = []
            for text, user in asking.items():
                other = next(users)
                await self._ask_as(other, text)
                await self._one_answer(other, _ANSWER_S / 2)
                events.append(
                    AskedTogether(
                        t=history.now(),
                        text=text,
                        burst=burst,
                        answers=tuple(self._answers(user)),
                        alone=tuple(self._answers(other)),
                        **self._stack.labels,
                    )
                )
            for event in events:
                self._stack.around.recorder.record(event)
            if not any(crossed(events, self._rules)):
                return

    async def _ask_as(self, user: int, text: str) -> None:
        await self._stack.inject(message_update(user, text))

    async def _while_a_service_hangs(self) -> None:
        """Ask what may need a service while all of them stand still, as one does that waits for a
        lock: they take connections, and answer nothing."""
        services = [
            each
            for each in self._stack.targets()
            if each.launch.role == "service" and each.launch.container is None
        ]
        text = telling_question(self._stack.around.config)
        if not services or not text:
            return
        names = " and ".join(each.launch.name for each in services)
        frozen = Frozen(lambda: services)
        await frozen.begin()
        try:
            await self._send(HUNG, text)
            took = await self._patiently(HUNG, _HUNG_S)
        finally:
            await frozen.end()
        error = "" if self._answers(USERS[HUNG]) else f"no answer in {took:.0f} s"
        sent = f"{text} while {names} hangs (SIGSTOP)"
        self._record(HUNG, sent, error=error, after_s=round(took, 2))

    # by anybody

    async def _at_the_webhook(self, url: str, secret: str) -> None:
        number = self._last_id + _IDS_ABOVE
        for what in (*WRONG_SECRETS, LONG, TWICE, AFTER):  # Telegram does not know that they write
            await self._stack.telegram.make_chat(
                self._stack.values["token"], private_chat(USERS[what])
            )
        right = {SECRET_HEADER: secret} if secret else {}
        # The certificate is the operator's matter, and usually another name's than 127.0.0.1.
        async with httpx.AsyncClient(trust_env=False, timeout=_ANSWER_S, verify=False) as client:  # noqa: S501
            hook = _Hook(client, url)
            for what, (sent, body) in BODIES.items():
                self._tell(what, sent, await self._post(hook, what, body, right))
            came = {}
            asked = list(wrong_secrets(secret))
            for what, _, given in asked:
                number += 1
                headers = {} if given is None else {SECRET_HEADER: given}
                came[what] = await self._post(hook, what, self._body(number, what), headers)
            await self._quiet()
            for what, sent, _ in asked:
                self._tell(what, sent, came[what])
            number += 1
            long = await self._post(hook, LONG, self._body(number, LONG, _LONGEST), right)
            self._read()
            if refusal := self._refusal(LONG):
                came_back = f"HTTP {long.status}" if long.status else long.error.rstrip(".")
                said = f"{came_back}; {REFUSED_ANSWER} {refusal}"
                long = _Outcome(hook, long.status, said)
            self._tell(LONG, "an ordinary update with a text of 4,096 letters", long)
            number += 1
            body = self._body(number, TWICE)
            await self._post(hook, TWICE, body, right)
            await self._one_answer(USERS[TWICE], self._patience)
            second = await self._post(hook, TWICE, body, right)
            await self._quiet()
            self._tell(TWICE, "the same update, twice", second)
            number += 1
            last = await self._post(hook, AFTER, self._body(number, AFTER), right)
            # As many as before are known to be all: nothing more has to be waited for.
            usual = max(self._rules.messages, len(self._answers(USERS[AGAIN])))
            await self._one_answer(USERS[AFTER], self._patience, usual)
            self._tell(AFTER, "an ordinary update after all that", last)

    async def _post(
        self, hook: _Hook, what: str, body: bytes, headers: Mapping[str, str]
    ) -> _Outcome:
        self._asked[what] = history.now()
        self._pending[what] = f"POST {httpx.URL(hook.url).path}: {what.replace('_', ' ')}"
        try:
            answer = await hook.client.post(
                hook.url, content=body, headers={"Content-Type": "application/json", **headers}
            )
        except httpx.HTTPError as failure:
            return _Outcome(hook, None, str(failure) or type(failure).__name__)
        self._take_inline(what, answer)
        return _Outcome(hook, answer.status_code)

    def _tell(self, what: str, sent: str, came: _Outcome) -> None:
        path = httpx.URL(came.hook.url).path
        self._record(what, f"POST {path}: {sent}", came.status, came.error)

    def _take_inline(self, what: str, answer: httpx.Response) -> None:
        """Answer with a method in the body, which Telegram would carry out."""
        try:
            call = answer.json()
        except ValueError:
            return
        if what in USERS and isinstance(call, dict) and is_sending(str(call.get("method", ""))):
            made = BotApiCall(
                t=history.now(), method=call.pop("method"), params=call, status=200, result={}
            )
            self._chats[USERS[what]].feed(made)

    def _body(self, number: int, what: str, text: str = "") -> bytes:
        update = message_update(USERS[what], text or self._question)
        update["message"]["message_id"] = number
        return json.dumps({"update_id": number, **update}).encode()

    async def _health(self) -> None:
        config = self._stack.around.config.bot_in(self._stack.mode)
        ready = self._stack.bot.launch.ready_url if self._stack.bot else ""
        port = f"{{port:{BOT}}}" in str(config)
        urls = [ready] if ready.startswith("http") else []
        urls += [f"{self._stack.values[f'url:{BOT}']}/health"] if port or config.port else []
        for url in urls[:1]:
            self._asked[HEALTH] = history.now()
            try:
                answer = await self._stack.around.client.get(url, timeout=_ANSWER_S)
            except httpx.HTTPError as error:
                if ready.startswith("http"):  # else it was a guess that there is one
                    self._record(HEALTH, f"GET {httpx.URL(url).path}", None, str(error))
            else:
                self._record(HEALTH, f"GET {httpx.URL(url).path}", answer.status_code)

    # answers

    async def _answered(self, what: str) -> None:
        """Wait for the answer, and a moment longer for what may follow it."""
        await self._answered_to(USERS[what], self._patience)

    @property
    def _patience(self) -> float:
        return _MUTE_S if self._mute else _ANSWER_S

    async def _answered_to(self, user: int, seconds: float) -> None:
        if await self._one_answer(user, seconds):
            await self._quiet()

    async def _one_answer(self, user: int, seconds: float, messages: int = 0) -> bool:
        """Wait until an answer is there, of so many messages if not of as many as usual; tell
        whether it came."""
        wanted = messages or self._rules.messages
        limit = Granted(self._stack.watch, seconds)
        return await limit.wait(lambda: len(self._answers(user)) >= wanted, self._take_next)

    async def _quiet(self) -> None:
        await Granted(self._stack.watch, _QUIET_S).wait(lambda: False, self._take_next)

    async def _take_next(self) -> None:
        self._take(await self._said.get())

    def _read(self) -> None:
        while not self._said.empty():
            self._take(self._said.get_nowait())

    def _take(self, event: Event) -> None:
        if not isinstance(event, BotApiCall):
            return
        if event.error_code is not None:
            if is_sending(event.method):
                self._refused[chat_of(event) or 0] = str(event.description)
            return
        if event.method == "setWebhook":
            url = str(event.params.get("url") or "")
            secret = str(event.params.get("secret_token") or "")
            self._webhook = (url, secret) if url else None
        elif event.method == "deleteWebhook":
            self._webhook = None
        chat = chat_of(event) or 0
        if chat == USERS[FIRST]:
            self._word = key_of(event.params.get("reply_markup")) or self._word
        if chat in self._chats:
            self._chats[chat].feed(event)

    def _answers(self, user: int) -> list[str]:
        """Return what this user got, with the id, in which users differ, left out."""
        return [text.replace(str(user), "(id)") for text in self._chats[user].texts]

    def _record(
        self,
        what: str,
        sent: str,
        status: int | None = None,
        error: str = "",
        *,
        after_s: float = 0.0,
    ) -> None:
        self._read()
        self._pending.pop(what, None)
        user = USERS.get(what)
        self._stack.around.recorder.record(
            DoorAsked(
                t=history.now(),
                what=what,
                sent=sent,
                asked=self._asked.get(what),
                url=self._webhook[0] if self._webhook else "",
                declared=bool(self._webhook and self._webhook[1]),
                status=status,
                error=error,
                answers=tuple(self._answers(user)) if user else (),
                after_s=after_s,
                **self._stack.labels,
            )
        )


def question_of(config: Config) -> str:
    """Return what is asked: `[door] question`; else /start or /help, if the conversation has one;
    else its simplest command. The first ones ask no exchange, whose answers a service may keep for
    what the conversation asks next. "" when there is no command."""
    plain = [
        case.say
        for case in config.workload.cases
        if case.say in _PLAIN and case.expect == "reply" and not case.stranger
    ]
    return config.door.question or min(plain, key=_PLAIN.index, default="") or sentinel_of(config)
