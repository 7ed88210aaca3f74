"""Telegram fails for a moment: whether the bot goes on, and what it does meanwhile.

Every call is answered by 502 for a second and a half, as happens now and then. A stack of its own
is asked before, meanwhile and after. `checks/door.py` judges the answer, `checks/boot.py` what was
called too often.
"""

from __future__ import annotations

import asyncio
import dataclasses

from botproof import history
from botproof.chats import ReplyRules
from botproof.checks.storms import storms
from botproof.history import BotApiCall, CalledTooOften, DoorAsked, UpdateInjected
from botproof.targets.stack import Stack, Surroundings
from botproof.workloads.door import AFTER, AGAIN, AWAY, FIRST, DoorWorkload
from botproof.workloads.trials import in_stack

_AWAY_S = 1.5
_WHEN = f"while Telegram answered 502 for {_AWAY_S:g} s"
_FAULT = {"kind": "error", "error_code": 502, "description": "Bad Gateway"}
_BACK_S = 30.0
"""Longer than any bot waits that was away for a second."""


async def away_trial(around: Surroundings, mode: str, question: str) -> None:
    """Play it in a stack of its own; recorded is what came of the question afterwards."""
    own = dataclasses.replace(around, config=around.config.without_flood())
    rules = ReplyRules.of(around.config.replies)
    before: list[str] = []
    after: list[str] = []
    often: list[CalledTooOften] = []

    async def work(stack: Stack) -> None:
        stack.say("door: Telegram fails for a moment")
        with DoorWorkload(stack, question, rules) as door:
            before[:] = await door.asks(FIRST)
            if not before:
                return
            async with stack.telegram.with_faults([_FAULT]):
                await door.tell(AFTER)
                await asyncio.sleep(_AWAY_S)
            after[:] = await door.asks(AGAIN, _BACK_S)
        often[:] = called_too_often(stack, _WHEN)

    failed = await in_stack(own, mode, f"{mode}-away", work, check="door")
    for event in often:
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
