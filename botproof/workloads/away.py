"""Telegram fails for a moment, and then the bot is started again: whether it goes on.

Every call is answered by 502 for a second and a half, as happens now and then. A stack of its own
is asked before, meanwhile and after. Then one message is never answered by Telegram, one is
put off (429), a button is tapped over a restart (`old_buttons`), and the bot is started while its
services answer nothing (`unserved`).
`checks/door.py` judges the answers, `checks/boot.py` what was called too often.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from typing import Any

import httpx

from botproof import history
from botproof.chats import ReplyRules
from botproof.checks.storms import storms
from botproof.config import Config
from botproof.history import BotApiCall, CalledTooOften, DoorAsked, SecretSeen, UpdateInjected
from botproof.targets.granted import Granted
from botproof.targets.replicas import ReplicatedStack
from botproof.targets.stack import Stack, Surroundings
from botproof.workloads.door import (
    AFTER,
    AGAIN,
    ASIDE,
    AWAY,
    CROWD,
    FIRST,
    HELD,
    MIDST,
    READY,
    SILENT,
    TAPPED,
    TWICE,
    UNSERVED,
    USERS,
    DoorWorkload,
)
from botproof.workloads.exposure import secrets_on_pages, secrets_shown
from botproof.workloads.old_buttons import Tapped, tap_over_a_restart
from botproof.workloads.trials import in_stack
from botproof.workloads.unserved import start_unserved
from botproof.workloads.vocabulary import keeps_promises, telling_question

_AWAY_S = 1.5
_WHEN = f"while Telegram answered 502 for {_AWAY_S:g} s"
_FAULT = {"kind": "error", "error_code": 502, "description": "Bad Gateway"}
_SILENCE = {"method": "sendMessage", "chat_id": USERS[MIDST], "kind": "silent", "count": 1}
_WAIT_S = 6
_FLOOD = {
    "method": "sendMessage",
    "chat_id": USERS[TWICE],
    "kind": "error",
    "error_code": 429,
    "retry_after": _WAIT_S,
    "count": 1,
}
_BESIDE_S = 0.5
"""After that the bot waits for the answer of Telegram that never comes."""
_BACK_S = 30.0
"""Longer than any bot waits that was away for a second."""
_TAPPING = (CROWD[0], CROWD[1])
_ASKING = CROWD[2:]
_READY_S = 10.0
"""Longer than a look at Telegram's state of a bot that looks every few seconds."""
_EVERY_S = 0.25
"""How often is looked: nobody tells when a page changes."""
_SHOWN = 120


async def away_trial(around: Surroundings, mode: str, question: str) -> None:
    """Play it in a stack of its own; recorded is what came of the question afterwards."""
    own = dataclasses.replace(around, config=around.config.without_flood())
    rules = ReplyRules.of(around.config.replies)
    before: list[str] = []
    after: list[str] = []
    often: list[CalledTooOften] = []
    later: list[DoorAsked] = []
    secrets: list[SecretSeen] = []

    async def work(stack: Stack) -> None:
        stack.say("door: Telegram fails for a moment")
        with DoorWorkload(stack, question, rules) as door:
            before[:] = await door.asks(FIRST)
            if not before:
                return
            async with stack.telegram.with_faults([_FAULT]):
                await door.tell(AFTER)
                await asyncio.sleep(_AWAY_S)
                secrets[:] = await secrets_on_pages(stack, _WHEN)
            after[:] = await door.asks(AGAIN, _BACK_S)
            often[:] = called_too_often(stack, _WHEN)
            secrets.extend(secrets_shown(stack, _WHEN))
            if after and isinstance(stack, ReplicatedStack):
                async for each in _afterwards(stack, door, question):
                    later.append(each)  # noqa: PERF401 - stays, should the next thing go wrong

    def make(around: Surroundings, name: str, *, again: bool) -> Stack:
        return ReplicatedStack(around, mode, name, replicas=1, kill_url="", again=again)

    failed = await in_stack(own, mode, f"{mode}-away", work, check="door", make=make)
    for event in (*later, *often, *secrets):
        around.recorder.record(event)
    if before:
        error = failed or ("" if after else f"no answer in {_BACK_S:g} s")
        around.recorder.record(
            DoorAsked(
                t=history.now(),
                what=AWAY,
                sent=f"{question} after all calls of Telegram had failed (502) for {_AWAY_S:g} s",
                error=error,
                answers=tuple(after),
                stack=mode,
                mode=mode,
            )
        )


async def _afterwards(
    stack: ReplicatedStack, door: DoorWorkload, question: str
) -> AsyncIterator[DoorAsked]:
    """Yield what becomes of who asks beside a message that Telegram never answers, of the bot's
    page, of a button, and of a question for figures."""
    labels: dict[str, Any] = {"stack": stack.mode, "mode": stack.mode}
    async with stack.telegram.with_faults([_SILENCE]):
        await door.tell(MIDST)
        await asyncio.sleep(_BESIDE_S)
        beside = await door.asks(ASIDE, _BACK_S)
    yield DoorAsked(
        t=history.now(),
        what=SILENT,
        sent=f"{question} while one sendMessage to another chat is never answered by Telegram",
        error="" if beside else f"no answer in {_BACK_S:g} s",
        answers=beside,
        **labels,
    )
    if keeps_promises(stack.around.config):  # many a bot writes off what Telegram puts off
        async with stack.telegram.with_faults([_FLOOD]):
            put_off = await door.asks(TWICE, _BACK_S)
        yield DoorAsked(
            t=history.now(),
            what=HELD,
            sent=f"{question} in a chat that Telegram had wait for {_WAIT_S} s (429)",
            error="" if put_off else f"no answer in {_BACK_S:g} s",
            answers=put_off,
            **labels,
        )
    for said in await _not_ready(stack):
        sent = f"GET of `ready` after all calls of Telegram had failed (502) for {_AWAY_S:g} s"
        yield DoorAsked(t=history.now(), what=READY, sent=sent, error=said, **labels)
    telling = telling_question(stack.around.config)
    tapped = await tap_over_a_restart(stack, filter(None, (telling, question)), _TAPPING)
    if tapped is not None:
        yield _tap_of(tapped, stack.around.config, stack.mode)
    asked = await start_unserved(stack, telling, _ASKING) if telling else None
    if asked is not None:
        yield DoorAsked(
            t=history.now(),
            what=UNSERVED,
            sent=asked.sent,
            error=asked.error,
            answers=asked.answers,
            **labels,
        )


async def _not_ready(stack: Stack) -> list[str]:
    """Return what the page says by which the bot was known to be ready, where it does not say so
    again; nothing where all is well, or there is no such page."""
    url = stack.bot.launch.ready_url if stack.bot is not None else ""
    if not url.startswith("http"):
        return []
    limit, said = Granted(stack.watch, _READY_S), ""
    while limit.left_s:
        try:
            answer = await stack.around.client.get(url)
        except httpx.HTTPError as error:
            said = str(error) or type(error).__name__
        else:
            if answer.is_success:
                return []
            said = f"HTTP {answer.status_code}: {answer.text[:_SHOWN]}"
        await asyncio.sleep(_EVERY_S)
    return [said]


def _tap_of(one: Tapped, config: Config, mode: str) -> DoorAsked:
    """Return what is recorded of a tap. It is a fault where the bot promises by `[delivery]` that a
    restart loses nothing; many a bot keeps in memory what a conversation is about."""
    lost = "" if one.answers or not keeps_promises(config) else "no message is sent or changed"
    return DoorAsked(
        t=history.now(),
        what=TAPPED,
        sent=f"a tap on the button {one.sent}, shown before the bot was stopped and started again",
        error=lost,
        answers=one.answers,
        stack=mode,
        mode=mode,
    )


def called_too_often(stack: Stack, when: str) -> list[CalledTooOften]:
    """Return what the bot of a trial has called too often so far, as seen in its mode."""
    record = stack.around.recorder.history()
    calls = record.of(BotApiCall, stack=stack.name)
    updates = record.of(UpdateInjected, stack=stack.name)
    labels = {"stack": stack.mode, "mode": stack.mode}
    return [
        CalledTooOften(t=history.now(), what=what, calls=count, when=when, **labels)
        for what, count, _ in storms(calls, updates)
    ]
