"""PASS, FAIL, INCONCLUSIVE or ERROR: how single verdicts become one.

The lattice is `ERROR > FAIL > INCONCLUSIVE > PASS`. ERROR stands above FAIL because it says that
the harness itself failed: what the other checks saw in that run cannot be trusted then.
"""

from __future__ import annotations

import enum
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Literal

import msgspec


class Verdict(enum.Enum):
    """What a check, a run or a gate says."""

    PASS = "PASS"  # noqa: S105 - a verdict, not a password
    FAIL = "FAIL"
    INCONCLUSIVE = "INCONCLUSIVE"
    ERROR = "ERROR"

    @property
    def exit_code(self) -> int:
        """0 PASS, 1 FAIL, 2 INCONCLUSIVE, 3 ERROR: what `botproof gate` ends with."""
        return _EXIT_CODES[self]

    @property
    def rank(self) -> int:
        """Place in the lattice; the larger one wins when verdicts are combined."""
        return _RANKS[self]


_EXIT_CODES: Mapping[Verdict, int] = {
    Verdict.PASS: 0,
    Verdict.FAIL: 1,
    Verdict.INCONCLUSIVE: 2,
    Verdict.ERROR: 3,
}
_RANKS: Mapping[Verdict, int] = {
    Verdict.PASS: 0,
    Verdict.INCONCLUSIVE: 1,
    Verdict.FAIL: 2,
    Verdict.ERROR: 3,
}


def combine(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the one verdict over several. Over none it is INCONCLUSIVE: no data is never PASS."""
    return max(verdicts, key=lambda verdict: verdict.rank, default=Verdict.INCONCLUSIVE)


def judged(findings: Collection[str], gaps: Collection[str]) -> Verdict:
    """Return FAIL for findings, INCONCLUSIVE where something needed is missing, else PASS."""
    if findings:
        return Verdict.FAIL
    return Verdict.INCONCLUSIVE if gaps else Verdict.PASS


class CheckResult(msgspec.Struct, frozen=True, kw_only=True):
    """What one check found.

    `budget` and `measurement` are one line each, for a person; `evidence` is what makes the verdict
    believable (lines that differ, slowest replies, counts); `data` holds the same figures for
    machines. `least_evidence` states what the check needs before it may say PASS. `used` is the
    share of the budget that the measurement takes (0.65 is 65 %), None where there is none. `files`
    holds evidence that is too long for a page: name of a file → its text. `spoilt_by` says what
    kept a check from telling, where it is INCONCLUSIVE: the machine, or a double; else it is "".
    """

    check: str
    verdict: Verdict
    budget: str
    measurement: str
    least_evidence: str
    evidence: tuple[str, ...] = ()
    source: str = ""
    data: dict[str, Any] = {}
    used: float | None = None
    files: dict[str, str] = {}
    spoilt_by: Literal["", "machine", "double"] = ""
