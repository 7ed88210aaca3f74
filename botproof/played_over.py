"""Trials that are played once more because the machine kept them from showing anything sure.

All trials of a gate run beside each other, so they starve each other first. One that shows nothing
sure, for no other reason than the machine, is played over with nothing of the gate beside it. What
has failed is never played over: a second chance would make a build pass that fails at times.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from botproof import history
from botproof.checks.judging import Judging, JudgingSettings, run_checks
from botproof.checks.registry import CHECKS
from botproof.history import HarnessError, History, PlayedOver
from botproof.targets.stack import Surroundings
from botproof.verdict import Verdict
from botproof.workloads.trials import Trial

CAN_BE = frozenset({"conversations", "degradation", "delivery", "signals"})
"""Checks whose trials are played for nothing else."""
_TIMES = 2
_MOST_S = 240.0
"""No playing begins later than this after the first one."""


def spoilt(record: History, checks: Iterable[str]) -> list[str]:
    """Return those of the checks that cannot tell, for no other reason than the machine."""
    judging = Judging.of(JudgingSettings.recorded_in(record.run), {})
    results = run_checks(CHECKS, sorted(CAN_BE & set(checks)), record, judging)
    return [
        each.check
        for each in results
        if each.verdict is Verdict.INCONCLUSIVE and each.spoilt_by == "machine"
    ]


async def play_over(around: Surroundings, trials: Collection[tuple[str, Trial]]) -> None:
    """Play the trials over that the machine alone has spoilt, one after the other: two times at
    the most, and for a few minutes. `trials` come with the check that each is for."""
    until = history.now() + _MOST_S
    for _ in range(_TIMES):
        record = around.recorder.history()
        if record.of(HarnessError):
            return  # the verdict is ERROR already
        for check in spoilt(record, {check for check, _ in trials}):
            if history.now() > until:
                return
            await _play(around, check, [trial for of, trial in trials if of == check])


async def _play(around: Surroundings, check: str, trials: Sequence[Trial]) -> None:
    around.say(f"{check}: the machine kept it from showing anything sure; it is played over, alone")
    around.recorder.record(PlayedOver(t=history.now(), check=check))
    for trial in trials:
        await trial()
