"""An allow-list of nobody, or none at all: whether that lets everybody in."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import msgspec

from botproof import history
from botproof.chats import ReplyRules
from botproof.config import Config, Scalar
from botproof.history import DoorAsked, SecurityAsked
from botproof.targets.launch import BrokenHarnessError, TargetError
from botproof.targets.recorder import Recorder
from botproof.targets.stack import Stack, Surroundings
from botproof.workloads.door import NOBODY, STRANGER, UNLISTED, DoorWorkload
from botproof.workloads.security import ask_privately


async def ask_as_nobody(around: Surroundings, mode: str, question: str) -> None:
    """Start a mode with `[door] nobody`, an allow-list of nobody, and ask as a stranger; what is
    private, too.
    """
    nobody = around.config.door.nobody
    variables = ", ".join(f"{key}={value!r}" for key, value in nobody.items())
    config = _with_env(around.config, mode, {**around.config.modes[mode].env, **nobody})
    await _ask(dataclasses.replace(around, config=config), mode, question, NOBODY, variables)


async def ask_without_a_list(around: Surroundings, mode: str, question: str) -> None:
    """Start a mode without the variables that hold its allow-list, as where a file of settings was
    not read, and ask as a stranger."""
    names = lists_of_users(around.config)
    own = dataclasses.replace(around, config=without_variables(around.config, mode, names))
    await _ask(own, mode, question, UNLISTED, f"{', '.join(names)} not set")


def lists_of_users(config: Config) -> tuple[str, ...]:
    """Return the variables of `[door] nobody` that an empty text makes a list of nobody: of any
    other (`PUBLIC = false`) it is not known what its absence means."""
    return tuple(key for key, value in config.door.nobody.items() if value == "")


async def _ask(around: Surroundings, mode: str, question: str, what: str, variables: str) -> None:
    """Ask and record. What becomes of this stack is no matter of the other checks: it may well
    refuse to start."""
    aside = dataclasses.replace(
        around, recorder=Recorder(), report_dir=Path(around.report_dir) / what
    )
    stack = Stack(aside, mode, f"{mode}-{what}")
    answers: tuple[str, ...] = ()
    private: Sequence[SecurityAsked] = ()
    error = ""
    stack.say(f"door: a stranger, with {variables}")
    with DoorWorkload(stack, question, ReplyRules.of(around.config.replies)) as door:
        try:
            await stack.start()
            answers = await door.stranger()
            private = await ask_privately(stack, STRANGER + 1, f"a stranger, with {variables},")
        except TargetError as refused:
            error = str(refused)
        except BrokenHarnessError as broken:
            error = f"the harness failed: {broken}"
        finally:
            await stack.stop()
    for event in private:
        around.recorder.record(event)
    around.recorder.record(
        DoorAsked(
            t=history.now(),
            what=what,
            sent=f"{question} by a stranger, with {variables}",
            answers=answers,
            error=error,
            stack=mode,
            mode=mode,
        )
    )


def _with_env(config: Config, mode: str, env: Mapping[str, Scalar]) -> Config:
    change = msgspec.structs.replace(config.modes[mode], env=dict(env))
    return msgspec.structs.replace(config, modes={mode: change})


def without_variables(config: Config, mode: str, names: Collection[str]) -> Config:
    """Return it without these variables of the bot, whether they are set or handed on."""
    bot = config.bot
    kept = tuple(name for name in bot.inherit_env if name not in names)
    bot = msgspec.structs.replace(bot, env=_left(bot.env, names), inherit_env=kept)
    own = _left(config.modes[mode].env, names)
    return _with_env(msgspec.structs.replace(config, bot=bot), mode, own)


def _left(env: Mapping[str, Scalar], names: Collection[str]) -> dict[str, Scalar]:
    return {key: value for key, value in env.items() if key not in names}
