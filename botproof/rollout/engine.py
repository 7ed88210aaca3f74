"""Takes the steps of a plan one after the other, or takes them back. Knows no Docker."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from botproof.rollout.journal import Journal, state_of
from botproof.rollout.plan import Kind, Plan, Step, steps

DEPLOYED = "deployed"
UNDONE = "undone"
NOTHING_CHANGED = "nothing was changed"
_ONCE = frozenset({Kind.CHECK, Kind.BACK_UP})
"""What must not be done again on a fleet that is half changed: it looks at the state before."""


class StepFailedError(Exception):
    """A step cannot be done. Says what was wanted, what was found, and what would help."""


class EngineGoneError(StepFailedError):
    """The engine of the containers does not answer, and has not for as long as it is waited for."""


class RefusedError(StepFailedError):
    """Nothing was changed, which its text says."""


class WayBackUndoneError(StepFailedError):
    """The way back could not be done, and was itself undone: what ran before it works on."""


class Worker(Protocol):
    """Does steps and undoes them. Each can be called again after a kill in the middle of it."""

    def do(self, step: Step) -> None:
        """Do the step. Raises StepFailedError."""

    def undo(self, step: Step) -> None:
        """Do the step. Raises StepFailedError."""

    def see_old_work(self) -> None:
        """See, after every step is undone, that what worked before works again, or tell it."""


def go_on(plan: Plan, journal: Journal, worker: Worker, tell: Callable[[str], None] = print) -> str:
    """Do the plan, from where the journal ends; how it ended, DEPLOYED or UNDONE.

    A step that fails (a full disk, too), or that Ctrl-C interrupts, has everything before it
    undone. Once `settle` has begun there is only forward: it removes what going back needs.
    """
    state = state_of(journal.entries)
    if state.end:
        return state.end
    if state.going_back and str(Step(Kind.SETTLE)) not in state.begun:
        return go_back(plan, journal, worker, tell)
    for step in steps(plan):
        if step.kind in _ONCE and str(step) in state.done:
            continue
        try:  # around the entries as well: Ctrl-C comes at any moment
            tell(f"{step} …")
            journal.write("begun", str(step))
            worker.do(step)
            journal.write("done", str(step))
        except (StepFailedError, OSError, KeyboardInterrupt) as error:
            reason = str(error) or "interrupted"
            if step.kind is Kind.SETTLE:
                journal.write("note", str(step), reason)
                raise StepFailedError(f"{step}: {reason}; `botproof deploy` goes on") from error
            journal.write("failed", str(step), reason)
            tell(f"{step}: {reason}")
            return go_back(plan, journal, worker, tell)
    journal.write("end", reason=DEPLOYED)
    return DEPLOYED


def go_back(
    plan: Plan, journal: Journal, worker: Worker, tell: Callable[[str], None] = print
) -> str:
    """Undo every step that was begun, the last one first; UNDONE."""
    state = state_of(journal.entries)
    for step in reversed(steps(plan)):
        if str(step) not in state.begun:
            continue
        tell(f"undo: {step} …")
        journal.write("undoing", str(step))
        worker.undo(step)
        journal.write("undone", str(step))
    worker.see_old_work()
    journal.write("end", reason=UNDONE)
    return UNDONE
