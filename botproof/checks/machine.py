"""Whether the machine may be why a check could not tell: its measurement says so, with seconds.

Only of an INCONCLUSIVE, which it stays: that a busy machine brought it about is likely where much
of the time was withheld in which the evidence was to be gathered, and otherwise nobody says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from botproof.config import BOT
from botproof.history import History, ProcessExited, Withheld
from botproof.starvation import KEPT, Starvation
from botproof.verdict import CheckResult, Verdict

_MUCH = 0.2
"""So large a share of that time; an idle machine withholds less than a twentieth."""
_LEAST_S = 0.5
"""Less explains nothing: what is waited for is waited for by seconds."""
_LOAD = ("load",)
_TALK = ("conversation",)
_PHASES: Mapping[str, Sequence[str]] = {
    "boot": ("boot", "conversation", "stop"),
    "door": ("door",),
    "parity": _TALK,
    "latency": (*_TALK, *_LOAD),
    "errors": _LOAD,
    "rollback": _LOAD,
    "memory": _LOAD,
    "delivery": ("boot", "storm", "drain", "stops", "late", "stop"),
}
"""In which phases of a stack the evidence of a check is gathered."""


def name_the_machine(result: CheckResult, record: History) -> CheckResult:
    """Return the result, and, where it is one that the machine may be the reason of, with the
    seconds that were withheld. `record` is the whole one, with the trials."""
    if result.verdict is not Verdict.INCONCLUSIVE or result.spoilt_by == "machine":
        return result
    if any(event.role == BOT and not event.expected for event in record.of(ProcessExited)):
        return result  # it was gone: `boot` says so
    of = [
        (withheld, over)
        for withheld, over in _stretches(result.check, record)
        if withheld >= max(_LEAST_S, _MUCH * over)
    ]
    if not of:
        return result
    withheld, over = max(of)
    said = f"{KEPT} for {withheld:.1f} of the {over:.1f} s in which this was looked at"
    return msgspec.structs.replace(
        result, measurement=f"{result.measurement}; {said}", spoilt_by="machine"
    )


def _stretches(check: str, record: History) -> Iterator[tuple[float, float]]:
    """Yield seconds that were withheld, and of how many, for each time the evidence of a check was
    gathered."""
    for trial in record.of(Withheld):
        if trial.check == check:
            yield trial.withheld_s, trial.over_s
    own = record.for_check(check)
    for stack in own.stacks:
        starvation = Starvation.of(own, stack)
        for name in _PHASES.get(check, ()):
            yield from (
                (starvation.between(begin, end), end - begin)
                for begin, end in own.spans(name, stack)
            )
