"""The scripted conversation: what botproof.toml lists, as updates, and each answer waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext, suppress
from dataclasses import dataclass
from typing import Any
from zlib import crc32

from botproof import history
from botproof.calls import chat_of, is_sending
from botproof.chats import Chats, ReplyRules
from botproof.checks.replies import title_of
from botproof.config import Case, longest_deadline
from botproof.doubles.telegram.flood import Bucket, FloodLimits
from botproof.history import BotApiCall, CasePlayed, Event, UpdateConfirmed, UpdateDelivered
from botproof.targets.doubles import DoubleControl
from botproof.targets.granted import Granted
from botproof.targets.launch import BrokenHarnessError
from botproof.targets.recorder import Predicate
from botproof.targets.stack import Stack
from botproof.users import chat_label, users_of
from botproof.workloads.updates import person, private_chat, typed

CONFIRM_S = 10.0
# A bot that is mute has been found out by then: the whole deadline for each of two hundred
# replies would tell it half an hour later.
_MUTE_AFTER = 3
_MUTE_S = 2.5  # above every budget for a reply
_NEVER_SPOKE_S = 0.5
_AFTER_TOAST_S = 1.0
_ACKNOWLEDGED_S = 5.0
"""How long a tap's acknowledgement is waited for after the answer: how late it was is judged."""
_PROGRESS_S = 5.0
_NEVER_DELIVERED = 0
_SUPERGROUPS_FROM = -1_000_000_000_000


@dataclass(frozen=True, slots=True)
class Step:
    """One case with the chat and the user that it is played by."""

    case: Case
    chat_id: int
    user_id: int

    @property
    def query_id(self) -> str:
        """The id of this tap: the same in every run, and another one for each tap, so that a late
        answer to one is not taken for an answer to the next."""
        return str(7_000_000_000_000_000_000 + crc32(f"{self.user_id}/{self.case.name}".encode()))

    def payload(self, wall_s: float) -> dict[str, Any]:
        """Return the update to inject, without update_id. `wall_s` is the time of day,
        epoch seconds."""
        if self.case.update is not None:
            return self._completed(self.case.update, int(wall_s))
        return _BUILDERS.get(self.case.kind, _media)(self, int(wall_s))

    def base(self, wall_s: int) -> dict[str, Any]:
        """Return what every message of this step carries."""
        message: dict[str, Any] = {"date": wall_s, "chat": self._chat()}
        if self.case.topic is not None:
            message |= {"message_thread_id": self.case.topic, "is_topic_message": True}
        if self.case.chat_type != "channel":
            message["from"] = self.user()
        return message

    def user(self) -> dict[str, Any]:
        """Return the user as Telegram describes one."""
        return person(self.user_id, f"User{self.user_id}")

    def _chat(self) -> dict[str, Any]:
        if self.case.chat_type == "private":
            return private_chat(self.chat_id, f"User{self.user_id}")
        chat = {"id": self.chat_id, "type": self.case.chat_type, "title": f"Chat {self.chat_id}"}
        return chat if self.case.topic is None else {**chat, "is_forum": True}

    def _completed(self, update: Mapping[str, Any], wall_s: int) -> dict[str, Any]:
        """Return a raw update with chat, user and date filled in where it is a message
        without them."""
        completed = dict(update)
        for kind, body in update.items():
            if kind.endswith(("message", "post")) and isinstance(body, Mapping):
                completed[kind] = {**self.base(wall_s), **body}
        return completed


def conversations(cases: Sequence[Case]) -> list[list[Step]]:
    """Return the cases by chat, in the order of the file; each chat is one conversation."""
    chats: dict[str, list[Step]] = {}
    users = users_of(cases)
    for case in cases:
        label = chat_label(case)
        steps = chats.setdefault(label, [])
        user_id = users[label]
        chat_id = steps[0].chat_id if steps else _chat_id(case, user_id)
        steps.append(Step(case, chat_id, user_id))
    return list(chats.values())


def acts(cases: Sequence[Case]) -> list[list[list[Step]]]:
    """Return the conversations in the order in which they are played: those of one act beside each
    other.

    A conversation in which the exchanges go wrong is an act of its own, at its place in the file:
    nobody else may meet its faults.
    """
    played: list[list[list[Step]]] = []
    open_act = False
    for steps in conversations(cases):
        alone = any(step.case.faults("exchanges") for step in steps)
        if open_act and not alone:
            played[-1].append(steps)
        else:
            played.append([steps])
        open_act = not alone
    return played


def _chat_id(case: Case, user_id: int) -> int:
    if case.chat_type == "private":
        return user_id
    return -user_id if case.chat_type == "group" else _SUPERGROUPS_FROM - user_id


def known_users(cases: Sequence[Case]) -> tuple[int, ...]:
    """Return the ids of all users who are no strangers: what `{users}` stands for."""
    ids = {
        step.user_id for steps in conversations(cases) for step in steps if not step.case.stranger
    }
    return tuple(sorted(ids))


def _message(step: Step, wall_s: int) -> dict[str, Any]:
    message = {**step.base(wall_s), **typed(step.case.say)}
    if step.case.kind.startswith("edited"):
        message["edit_date"] = wall_s
    return {step.case.kind: message}


def _callback(step: Step, wall_s: int) -> dict[str, Any]:
    """Return a tap on a button of a message that the bot sent, and can edit: the double
    has it stand in the chat."""
    button = {"text": step.case.say, "callback_data": step.case.say}
    pressed = {
        **{key: value for key, value in step.base(wall_s).items() if key != "from"},
        "text": "buttons",
        "reply_markup": {"inline_keyboard": [[button]]},
    }
    return {
        "callback_query": {
            "id": step.query_id,
            "from": step.user(),
            "message": pressed,
            "chat_instance": str(step.chat_id),
            "data": step.case.say,
        }
    }


def _media(step: Step, wall_s: int) -> dict[str, Any]:
    """Return a message without text."""
    unique = f"{step.case.kind}-{step.user_id}"
    file = {"file_id": f"file-{unique}", "file_unique_id": unique}
    bodies: Mapping[str, dict[str, Any]] = {
        "photo": {"photo": [{**file, "width": 90, "height": 67, "file_size": 1105}]},
        "sticker": {
            "sticker": {
                **file,
                "type": "regular",
                "width": 512,
                "height": 512,
                "is_animated": False,
                "is_video": False,
            }
        },
        "location": {"location": {"latitude": 1.2903, "longitude": 103.8519}},
        "member_joined": {"new_chat_members": [step.user()]},
    }
    return {"message": {**step.base(wall_s), **bodies[step.case.kind]}}


_BUILDERS = {
    "message": _message,
    "edited_message": _message,
    "channel_post": _message,
    "edited_channel_post": _message,
    "callback_query": _callback,
}


async def play(
    stack: Stack,
    cases: Sequence[Case],
    rules: ReplyRules,
    wall_s: float,
    *,
    only: Container[str] | None = None,
    at_once: int | None = None,
) -> bool:
    """Play every conversation and wait until each update is answered and confirmed.

    Whether the bot answered anything, or had nothing to answer. What does not come in time is left
    to the checks to judge; this only stops waiting for it. With `only`, the conversations that hold
    a case with one of these names.

    Raises BrokenHarnessError when the Telegram double does not take an update.
    """
    free = asyncio.Semaphore(at_once or stack.around.config.workload.at_once)
    patience = Patience()
    with stack.around.recorder.subscribe(
        lambda event: event.stack == stack.name and isinstance(event, UpdateConfirmed)
    ) as confirmed:

        async def converse(steps: Sequence[Step]) -> list[int]:
            async with free:
                ids: list[int] = []
                for step in steps:
                    if ids:
                        await asyncio.sleep(_until_room(stack, step, rules))
                    ids.append(await _step(stack, step, rules, wall_s, patience))
                return ids

        sent: set[int] = set()
        said_at = history.now()
        try:
            for act in _chosen(acts(cases), only):
                if history.now() - said_at > _PROGRESS_S:
                    said_at = history.now()
                    stack.say(f"conversation: {len(sent)} updates so far")
                async with asyncio.TaskGroup() as group:
                    tasks = [group.create_task(converse(steps)) for steps in act]
                sent.update(update_id for task in tasks for update_id in task.result())
        except* BrokenHarnessError as broken:
            raise broken.exceptions[0] from None
        await _wait_confirmed(stack, sent - {_NEVER_DELIVERED}, confirmed)
    return patience.spoke or not patience.in_vain


def _chosen(
    played: list[list[list[Step]]], only: Container[str] | None
) -> Iterator[list[list[Step]]]:
    for act in played:
        chosen = [
            steps for steps in act if only is None or any(step.case.name in only for step in steps)
        ]
        if chosen:
            yield chosen


async def _step(
    stack: Stack, step: Step, rules: ReplyRules, wall_s: float, patience: Patience
) -> int:
    if step.case.after_s:
        await asyncio.sleep(step.case.after_s)  # the workload says when
    for fault in step.case.faults("telegram"):
        await stack.telegram.add_fault({"chat_id": step.chat_id, "count": 1, **fault})
    async with _exchanges_failing(stack, step.case):
        return await _ask(stack, step, rules, wall_s, patience=patience)


def _until_room(stack: Stack, step: Step, rules: ReplyRules) -> float:
    """Return seconds until Telegram takes a whole answer in this chat: a person does not type so
    fast that the bot's answers alone would be too many."""
    sent = [
        call.t
        for call in stack.around.recorder.history().of(BotApiCall, stack=stack.name)
        if call.error_code is None and is_sending(call.method) and chat_of(call) == step.chat_id
    ]
    answer = (step.case.replies or rules.messages) + 1  # and an acknowledgement
    return seconds_until_room(sent, answer, history.now())


def seconds_until_room(sent: Sequence[float], more: int, now: float) -> float:
    """Return seconds until `more` messages may be sent at once to a chat that got some
    at these times."""
    bucket = Bucket(FloodLimits())
    for t in sent:
        bucket.count(1, t)
    return max(0.0, bucket.wait(now, more))


def _exchanges_failing(stack: Stack, case: Case) -> AbstractAsyncContextManager[None]:
    faults = case.faults("exchanges")
    return stack.exchanges().with_faults(faults) if faults else nullcontext()


async def _ask(
    stack: Stack,
    step: Step,
    rules: ReplyRules,
    wall_s: float,
    *,
    patience: Patience,
) -> int:
    payload = await update_of(step, stack.telegram, stack.values["token"], wall_s)
    with stack.around.recorder.subscribe(_answers_or_deliveries(stack.name)) as events:
        at = history.now()
        update_id = await stack.inject(payload)
        played = CasePlayed(
            t=at,
            case=step.case.name,
            update_id=update_id,
            chat_id=step.chat_id,
            expect=step.case.expect,
            replies=step.case.replies or rules.messages,
            title=title_of(payload),
            command=_command(step.case),
            golden=step.case.golden,
            sent=payload,
            **stack.labels,
        )
        stack.around.recorder.record(played)
        wanted = Wanted(Chats(rules), played, _deliveries(step.case))
        await _wait(stack, wanted, events, patience.seconds(step.case) + _stretched_by(stack))
        patience.waited(step.case, came=wanted.came)
        if step.case.kind == "callback_query" and wanted.came and not patience.spinning:
            patience.spinning = not await acknowledged(wanted, events)
    return update_id


async def update_of(
    step: Step, telegram: DoubleControl, token: str, wall_s: float
) -> dict[str, Any]:
    """Return the update to inject. A tap is on the newest message of the bot's in this chat that
    has the button, where there is one."""
    payload = step.payload(wall_s)
    if step.case.kind != "callback_query":
        return payload
    sent = await telegram.messages(token, step.chat_id)
    having = [each for each in sent if step.case.say in _buttons_of(each)]
    if not having:
        return payload
    return {"callback_query": {**payload["callback_query"], "message": having[-1]}}


def _buttons_of(message: Mapping[str, Any]) -> list[object]:
    rows = message.get("reply_markup", {}).get("inline_keyboard", [])
    return [button.get("callback_data") for row in rows for button in row]


def _stretched_by(stack: Stack) -> float:
    """Return for how many seconds longer the target may work at an answer where its deadlines are
    stretched."""
    return (stack.stretch - 1.0) * longest_deadline(stack.around.config)


def _deliveries(case: Case) -> int:
    """Return how often the update reaches the bot before the case is over."""
    return 2 if any(one["kind"] == "duplicate" for one in case.faults("telegram")) else 0


@dataclass(slots=True)
class Patience:
    """How long the cases of one stack wait, by how many waited in vain. `spinning` says that a tap
    was never acknowledged, so that no further one is waited for."""

    in_vain: int = 0
    spoke: bool = False
    spinning: bool = False

    def seconds(self, case: Case) -> float:
        """Return how long the answer to this case is waited for: as long as the bot seems to
        answer."""
        if self.in_vain < _MUTE_AFTER:
            return case.deadline_s
        return min(case.deadline_s, _MUTE_S if self.spoke else _NEVER_SPOKE_S)

    def waited(self, case: Case, *, came: bool) -> None:
        """Count a case; one that is to be met with silence shows nothing."""
        if case.expect == "reply":
            self.in_vain = 0 if came else self.in_vain + 1
            self.spoke = self.spoke or came


@dataclass(slots=True)
class Wanted:
    """What a case waits for: its answer when it expects one, and deliveries of its update.

    A toast may be all that a tap is answered with, or come before the message: `perhaps` says that
    it is not sure whether more comes.
    """

    chats: Chats
    played: CasePlayed
    deliveries: int

    def __post_init__(self) -> None:
        self.chats.feed(self.played)

    def feed(self, event: Event) -> None:
        self.chats.feed(event)
        if isinstance(event, UpdateDelivered) and event.update_id == self.played.update_id:
            self.deliveries -= 1

    @property
    def came(self) -> bool:
        answered = self.chats.turns[self.played.case].answered
        return self.deliveries <= 0 and (answered or self.played.expect == "silence")

    @property
    def acknowledged(self) -> bool:
        """Whether a tap was acknowledged, so that its button turns no longer."""
        acts = self.chats.turns[self.played.case].acts
        return any(act.method == "answerCallbackQuery" for act in acts)

    @property
    def perhaps(self) -> bool:
        answers = self.chats.turns[self.played.case].answers
        return self.came and any(not answer.is_message for answer in answers)


def _command(case: Case) -> str:
    word = case.say.split(maxsplit=1)[0] if case.say.strip() else ""
    return word.partition("@")[0] if word.startswith("/") else ""


async def _wait(
    stack: Stack, wanted: Wanted, events: asyncio.Queue[Event], deadline_s: float
) -> None:
    """Wait until it came, or for the deadline; what the machine withheld meanwhile is added to it,
    up to ten times as much."""
    granted = Granted(stack.watch, deadline_s)
    while granted.left_s and not await _came(wanted, events, granted.left_s):
        pass


async def _came(wanted: Wanted, events: asyncio.Queue[Event], deadline_s: float) -> bool:
    """Tell whether all came within the deadline; what may be all is waited for a moment longer."""
    shorter = False
    try:
        async with asyncio.timeout(deadline_s) as limit:
            while not wanted.came or wanted.perhaps:
                if wanted.perhaps and not shorter:
                    shorter = True
                    soon = asyncio.get_running_loop().time() + _AFTER_TOAST_S
                    limit.reschedule(min(soon, limit.when() or soon))
                wanted.feed(await events.get())
    except TimeoutError:
        return wanted.came
    return True


async def acknowledged(
    wanted: Wanted, events: asyncio.Queue[Event], limit_s: float = _ACKNOWLEDGED_S
) -> bool:
    """Wait until a tap is acknowledged, which may be after its answer; tell whether it was."""
    with suppress(TimeoutError):
        async with asyncio.timeout(limit_s):
            while not wanted.acknowledged:
                wanted.feed(await events.get())
    return wanted.acknowledged


async def _wait_confirmed(stack: Stack, sent: set[int], confirmed: asyncio.Queue[Event]) -> None:
    async def next_one() -> None:
        sent.difference_update(_confirmed_ids(await confirmed.get()))

    await Granted(stack.watch, CONFIRM_S).wait(lambda: not sent, next_one)


def _confirmed_ids(event: Event) -> Iterator[int]:
    if isinstance(event, UpdateConfirmed):
        yield from event.update_ids


def _answers_or_deliveries(stack: str) -> Predicate:
    kinds = (BotApiCall, UpdateDelivered)
    return lambda event: event.stack == stack and isinstance(event, kinds)
