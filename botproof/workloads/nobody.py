"""An allow-list of nobody: whether it is that, or lets everybody in."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import msgspec

from botproof import history
from botproof.chats import ReplyRules
from botproof.config import Config
from botproof.history import DoorAsked, SecurityAsked
from botproof.targets.launch import BrokenHarnessError, TargetError
from botproof.targets.recorder import Recorder
from botproof.targets.stack import Stack, Surroundings
from botproof.workloads.door import NOBODY, STRANGER, DoorWorkload
from botproof.workloads.security import ask_privately


async def ask_as_nobody(around: Surroundings, mode: str, question: str) -> None:
    """Start a mode with `[door] nobody`, an allow-list of nobody, and ask as a stranger; what is
    private, too.

    What becomes of this stack is no matter of the other checks: it may well refuse to start.
    """
    config = _for_nobody(around.config, mode)
    aside = dataclasses.replace(
        around,
        config=config,
        recorder=Recorder(),
        report_dir=Path(around.report_dir) / "nobody",
    )
    stack = Stack(aside, mode, f"{mode}-nobody")
    rules = ReplyRules.of(config.replies)
    answers: tuple[str, ...] = ()
    private: Sequence[SecurityAsked] = ()
    error = ""
    stack.say("door: a stranger, and an allow-list of nobody")
    with DoorWorkload(stack, question, rules) as door:
        try:
            await stack.start()
            answers = await door.stranger()
            private = await ask_privately(stack, STRANGER + 1, "a stranger, with an empty list,")
        except TargetError as refused:
            error = str(refused)
        except BrokenHarnessError as broken:
            error = f"the harness failed: {broken}"
        finally:
            await stack.stop()
    for event in private:
        around.recorder.record(event)
    variables = ", ".join(f"{key}={value!r}" for key, value in config.door.nobody.items())
    around.recorder.record(
        DoorAsked(
            t=history.now(),
            what=NOBODY,
            sent=f"{question} by a stranger, with {variables}",
            answers=answers,
            error=error,
            stack=mode,
            mode=mode,
        )
    )


def _for_nobody(config: Config, mode: str) -> Config:
    change = config.modes[mode]
    env = {**change.env, **config.door.nobody}
    return msgspec.structs.replace(config, modes={mode: msgspec.structs.replace(change, env=env)})
