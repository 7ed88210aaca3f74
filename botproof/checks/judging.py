"""What every check is given besides the history, and how checks are run.

A check never sees the target: only what was recorded, the budgets, how replies are read, and the
approved replies. A check that raises has failed itself: its verdict is ERROR, with the reason.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec

from botproof.budgets import DEFAULTS, Budget, Budgets
from botproof.chats import ReplyRules
from botproof.checks.machine import name_the_machine
from botproof.checks.shortcomings import approved_of, settle, unapproved_of
from botproof.checks.starved import Approved, Limits, settle_starved
from botproof.config import ALL_CHECKS, Config, Degradation, Replies
from botproof.history import (
    HarnessError,
    History,
    HistoryError,
    PlayedOver,
    ProcessExited,
    Run,
    describe_exit,
    read_history,
)
from botproof.log_trouble import plain
from botproof.starvation import KEPT
from botproof.verdict import CheckResult, Verdict

HARNESS = "harness"
"""The name under which a failure of the harness stands among the checks."""


class JudgingSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What a history carries about how it is to be judged (`Run.judging`)."""

    checks: tuple[str, ...] = ALL_CHECKS
    budgets: dict[str, Budget] = msgspec.field(default_factory=lambda: dict(DEFAULTS))
    replies: Replies = Replies()
    golden_dir: str = "golden"
    degradation: Degradation = Degradation()
    against: str = ""
    by_itself: bool | None = None
    """Whether it is watched what the bot sends by itself; None: the record is older."""

    @classmethod
    def of(cls, config: Config, golden_dir: str) -> JudgingSettings:
        """Return the settings that a botproof.toml asks for."""
        return cls(
            checks=config.gate.checks,
            budgets=dict(config.resolved_budgets()),
            replies=config.replies,
            golden_dir=golden_dir,
            degradation=config.degradation,
            by_itself=config.signals is not None,
        )

    @classmethod
    def recorded_in(cls, run: Run | None) -> JudgingSettings:
        """Return the settings that a run was recorded with; the defaults where it says
        nothing, as of a budget that is younger than the record."""
        if run is None or not run.judging:
            return cls()
        recorded = msgspec.convert(run.judging, cls)
        return msgspec.structs.replace(recorded, budgets={**DEFAULTS, **recorded.budgets})


@dataclass(frozen=True, slots=True)
class Judging:
    """Everything that checks judge by. `approved` maps names of cases to approved replies."""

    budgets: Budgets = field(default_factory=lambda: dict(DEFAULTS))
    rules: ReplyRules = field(default_factory=ReplyRules)
    approved: Mapping[str, str] = field(default_factory=dict)
    unapproved: tuple[str, ...] = ()
    """Cases of the run, with their stack, that are not in the history which is judged, and have no
    approved file: no machine and no double is the reason for that."""
    degradation: Degradation = field(default_factory=Degradation)
    earlier: History | None = None
    """The record of an earlier run, with which a bot of one mode is compared."""
    by_itself: bool | None = None
    """Whether it is watched what the bot sends by itself; None where that is not known."""

    @classmethod
    def of(cls, settings: JudgingSettings, approved: Mapping[str, str]) -> Judging:
        """Return what judges by `settings` and the approved replies of the golden directory."""
        rules = ReplyRules.of(settings.replies)
        return cls(
            settings.budgets,
            rules,
            approved,
            degradation=settings.degradation,
            earlier=_earlier(settings),
            by_itself=settings.by_itself,
        )

    @property
    def limits(self) -> Limits:
        """How fast things have to be, and which share of the load may fail."""
        names = ("reply_time_s", "start_s", "stop_s")
        reply_s, start_s, stop_s = (self.budgets[name].limit for name in names)
        return Limits(reply_s, start_s, stop_s, self.budgets["error_rate_pct"].limit / 100)


def _earlier(settings: JudgingSettings) -> History | None:
    """Return the record that `parity.against` names; None where there is none any more, or it is
    not whole."""
    if not settings.against:
        return None
    try:
        earlier = read_history(Path(settings.against))
    except HistoryError:
        return None
    return None if earlier.broken_off else earlier


Check = Callable[[History, Judging], CheckResult]


def run_check(name: str, check: Check, history: History, judging: Judging) -> CheckResult:
    """Run one check, of what it is to look at; ERROR with the traceback's end when it raises."""
    try:
        return _without_colours(check(history.for_check(name), judging))
    except Exception as error:  # noqa: BLE001,RUF100 - whatever it raises, the answer is ERROR
        where = traceback.extract_tb(error.__traceback__)[-1]
        return CheckResult(
            check=name,
            verdict=Verdict.ERROR,
            budget="-",
            measurement=f"the check itself failed: {type(error).__name__}: {error}",
            least_evidence="a check that works",
            evidence=(
                f"{type(error).__name__}: {error}",
                f"at {where.filename.rpartition('/')[2]}:{where.lineno} in {where.name}",
            ),
        )


def _without_colours(result: CheckResult) -> CheckResult:
    """Return a result without what would steer a terminal: what bots and logs say goes into
    terminals and pages."""
    return msgspec.structs.replace(
        result,
        measurement=plain(result.measurement),
        evidence=tuple(plain(line) for line in result.evidence),
        files={name: plain(text) for name, text in result.files.items()},
    )


def run_checks(
    checks: Mapping[str, Check], names: Iterable[str], history: History, judging: Judging
) -> list[CheckResult]:
    """Run the named checks in order. Before them "harness" with ERROR when the harness failed, and
    "doubles" where something was asked for that no double has (see `shortcomings`)."""

    def again(name: str, part: History) -> CheckResult:
        approved = approved_of(part, history, judging.approved)
        unapproved = unapproved_of(part, history, judging.approved)
        asked = replace(judging, approved=approved, unapproved=unapproved)
        return run_check(name, checks[name], part, asked)

    whole, history = history.latest(), history.counted()
    results = [run_check(name, checks[name], whole, judging) for name in names]
    results = settle(results, history, judging.budgets["reply_time_s"].limit, again)
    known = Approved(judging.rules, judging.approved)
    results = settle_starved(results, history, known, judging.limits, again)
    results = [_told_of_over(name_the_machine(result, whole), whole) for result in results]
    if history.broken_off:
        results = [_of_a_part(result) for result in results]
    broken = harness_result(history)
    return [broken, *results] if broken is not None else results


def _told_of_over(result: CheckResult, record: History) -> CheckResult:
    """Return the result, with how often its trials were played once more."""
    times = sum(event.check == result.check for event in record.of(PlayedOver))
    if not times:
        return result
    how = "once" if times == 1 else f"{times} times"
    line = f"{KEPT}, so it was played over {how}, with nothing of the gate beside it"
    return msgspec.structs.replace(result, evidence=(*result.evidence, line))


def _of_a_part(result: CheckResult) -> CheckResult:
    """Return what a check may say of a record that was cut off: nothing. What is missing there may
    have come afterwards, and so may what would have been wrong."""
    return msgspec.structs.replace(
        result,
        verdict=Verdict.ERROR if result.verdict is Verdict.ERROR else Verdict.INCONCLUSIVE,
        measurement="the record holds a part of the run only, which says nothing about the rest",
        evidence=(f"up to where it breaks off: {result.measurement}",),
    )


def _dead_double(history: History) -> str:
    """Return which double ended first: what else failed then only followed from it."""
    for event in history.of(ProcessExited):
        if event.role == "double" and not event.expected:
            return f"{event.process} ended on its own with {describe_exit(event.code)}"
    return ""


def harness_result(history: History) -> CheckResult | None:
    """Return an ERROR when the harness or a double failed in this run, else None."""
    errors = history.of(HarnessError)
    if not errors:
        return None
    return CheckResult(
        check=HARNESS,
        verdict=Verdict.ERROR,
        budget="the harness and its doubles work throughout",
        measurement=_dead_double(history) or f"{errors[0].where}: {errors[0].message}",
        least_evidence="-",
        evidence=tuple(
            f"{f'{error.stack}: ' if error.stack else ''}{error.where}: {error.message}"
            for error in errors
        ),
    )
