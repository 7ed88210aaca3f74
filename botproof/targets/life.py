"""The life of a stack, and the one fresh start that it gets when the harness broke."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from botproof import history
from botproof.targets.failures import Failure, of_start
from botproof.targets.launch import BrokenHarnessError, TargetError
from botproof.targets.stack import Stack, in_phase

S = TypeVar("S", bound=Stack)


@dataclass(frozen=True, slots=True)
class Ended:
    """How it ended: why the target could not go on ("" when it could), and what of the harness
    failed."""

    target: str
    broken: BrokenHarnessError | None


async def live(stack: Stack, work: Callable[[], Awaitable[Any]]) -> Ended:
    """Start the stack, do `work`, end the stack. Raises nothing but cancellation and what `work`
    raises by mistake."""
    target = ""
    try:
        await in_phase(stack, "boot", stack.start())
        await work()
    except TargetError as error:
        target = str(error)
    except BrokenHarnessError as error:
        stack.harness_failure = stack.harness_failure or error
    except (OSError, RuntimeError) as error:
        if of_start(error) is not Failure.MACHINE_FULL:
            raise
        text = f"this machine: {error}"
        if isinstance(error, OSError):
            text = f"{error.filename or 'this machine'}: {error.strerror}"
        stack.harness_failure = BrokenHarnessError(text, Failure.MACHINE_FULL)
    finally:
        await in_phase(stack, "stop", stack.stop())
    return Ended(target, stack.harness_failure)


async def with_fresh_start(
    make: Callable[[bool], S], life: Callable[[S], Awaitable[Ended]]
) -> tuple[S, Ended]:
    """Let a stack live; where the harness broke in a way that a fresh start mends, another one.

    `make` is told whether it is that other one. The last stack, and how it ended.
    """
    for again in (False, True):
        stack = make(again)
        ended = await life(stack)
        if ended.broken is None or again or not ended.broken.kind.mends:
            return stack, ended
        kind, reason = ended.broken.kind, str(ended.broken)
        failure = kind.name.lower()
        stack.around.recorder.record(
            history.FreshStart(t=history.now(), failure=failure, reason=reason, **stack.labels)
        )
        stack.say(f"started afresh, because {kind.what}: {reason}")
    raise AssertionError("a second start is the last")
