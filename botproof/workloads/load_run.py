"""What a load run has seen so far and what it makes of it; knows nothing of Locust.

A run judges itself while it goes on: every outcome is fed to the sequential test as it comes, and
the first decision counts. Outcomes of times at which the load generator itself could not run are
left out (`botproof.checks.generator`). Latencies go into an HdrHistogram (Gil Tene), which keeps
three digits of every value from a microsecond to an hour in some 200 kB, however long a soak lasts.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from hdrh.histogram import HdrHistogram

from botproof.checks.errors import advice
from botproof.checks.generator import Grade, HeldTimes, slot_of
from botproof.checks.rollback import Streak, describe_streak, longest_streak
from botproof.history import RequestFailure
from botproof.sequential import SequentialErrorRate
from botproof.stats import ALPHA, judge_error_rate
from botproof.verdict import Verdict, combine

_MICROSECONDS = 1_000_000
_LONGEST_US = 3_600 * _MICROSECONDS
_DIGITS = 3
QUANTILES = (0.5, 0.9, 0.99, 0.999)
_HINDERED_FROM = 3_000
_HINDERED_SHARE = 0.75
"""A generator that spoils so much of what it sends will not get anywhere."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One finished request. Times are monotonic seconds; `error` is empty for a success.

    `number` is its place in the schedule, counted from 0 over all who send. `failure`: how it
    failed, of those with an error. `unsent`: the generator was held up when it was due.
    """

    number: int
    name: str
    intended: float
    finished: float
    status: int
    error: str
    failure: RequestFailure = ""
    unsent: bool = False

    @property
    def latency(self) -> float:
        """Seconds from the intended send time to the whole answer."""
        return self.finished - self.intended

    def moved(self, by: float) -> Outcome:
        """Return the same outcome on a clock that shows `by` seconds more."""
        return replace(self, intended=self.intended + by, finished=self.finished + by)


@dataclass(frozen=True, slots=True)
class Limits:
    """What a run is judged by, and when it may end.

    `latency_budget` and `rollback_latency` are seconds, `error_budget` is a share. Before
    `earliest_pass` requests PASS is not said: a burst or a soak is not over when its beginning
    went well. `send` is how many requests this run sends at the most, `cap` for how many the test
    is planned; they differ where a run continues others of the same build, of which `before` tells
    the requests, the failures and the unsure ones. A `whole` run sends all and is judged by one
    look at the end, as planned.
    """

    latency_budget: float
    error_budget: float
    rollback_latency: float
    cap: int
    send: int = 0
    before: tuple[int, int, int] = (0, 0, 0)
    earliest_pass: int = 0
    whole: bool = False

    @property
    def most(self) -> int:
        """How many requests this run sends at the most."""
        return self.send or self.cap - self.before[0]


@dataclass(slots=True)
class _Tally:
    """Counts of the requests that were due in one slot of time."""

    requests: int = 0
    unsure: int = 0
    errors: Counter[str] = field(default_factory=Counter)


class Latencies:
    """Latencies in seconds, in an HdrHistogram of microseconds."""

    __slots__ = ("_histogram",)

    def __init__(self) -> None:
        self._histogram = HdrHistogram(1, _LONGEST_US, _DIGITS)

    def add(self, seconds: float) -> None:
        """Take one latency in; below a microsecond counts as one, above an hour as an hour."""
        value = min(max(1, round(seconds * _MICROSECONDS)), _LONGEST_US)
        self._histogram.record_value(value)

    @property
    def count(self) -> int:
        """How many were taken in."""
        return int(self._histogram.total_count)

    def quantile(self, q: float) -> float:
        """Return the latency in seconds that a share `q` (0 to 1) does not exceed.

        Raises ValueError when there are none: a quantile of nothing is not 0.
        """
        if not self.count:
            raise ValueError("no latencies: a quantile of nothing does not exist")
        return float(self._histogram.get_value_at_percentile(100 * q)) / _MICROSECONDS

    def describe(self) -> str:
        """Return one line: the quantiles that budgets speak of, in milliseconds."""
        return ", ".join(f"p{100 * q:g} {1000 * self.quantile(q):.1f} ms" for q in QUANTILES)

    def encoded(self) -> str:
        """Return the histogram in HdrHistogram's own compressed V2 format, base64."""
        return str(self._histogram.encode().decode("ascii"))


@dataclass(frozen=True, slots=True)
class Schedule:
    """The arrivals that one sender is to send: each `of`th one, from number `share` on.

    `due` gives the arrivals of the whole run in seconds from its start.
    """

    due: Iterable[float]
    cap: int
    share: int = 0
    of: int = 1

    def __iter__(self) -> Iterator[tuple[int, float]]:
        numbered = enumerate(self.due)
        return itertools.islice(numbered, self.share, self.cap, self.of)


@dataclass(slots=True)
class LoadRun:
    """One load run. `record` takes outcomes in; `finished` says that it may end.

    `sink` is given every outcome with its final error, and `held_sink` every time at which the
    generator was held up, to write it down or to pass it on.
    """

    limits: Limits
    started: float
    schedule: Iterator[tuple[int, float]]
    sink: Callable[[Outcome], None] = lambda _: None
    held_sink: Callable[[float, float, float], None] = lambda _, __, ___: None
    drawn: int = 0
    taken: int = 0
    unsent: int = 0
    requests: int = 0
    unsure: int = 0
    latencies: Latencies = field(default_factory=Latencies)
    errors: Counter[str] = field(default_factory=Counter)
    slow: list[tuple[int, float]] = field(default_factory=list)
    perhaps_slow: list[tuple[int, float]] = field(default_factory=list)
    decided: Verdict | None = None
    broken: str = ""
    ended: str = ""
    out: dict[int, float] = field(default_factory=dict)
    held: HeldTimes = field(init=False)
    test: SequentialErrorRate = field(init=False)
    _tallies: dict[int, _Tally] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.held = HeldTimes(self.limits.latency_budget, self.started)
        self.test = SequentialErrorRate(self.limits.error_budget, self.limits.cap)

    @property
    def failures(self) -> int:
        """Requests that failed, were answered too late, or never."""
        return self.errors.total()

    @property
    def left_out(self) -> int:
        """Requests that say nothing about the target."""
        return self.taken - self.requests

    def begin(self, now: float) -> None:
        """Note that the first user is ready: the schedule counts from now on."""
        if not self.drawn:
            self.started = now

    def next_arrival(self) -> tuple[int, float] | None:
        """Return number and intended time of the next request; None when there are no more."""
        entry = next(self.schedule, None)
        if entry is None:
            return None
        self.drawn += 1
        return entry[0], self.started + entry[1]

    def sent(self, number: int, intended: float) -> None:
        """Note that request `number` is on its way: it will have an outcome or become overdue."""
        self.out[number] = intended

    def leaves_out(self, number: int, intended: float, now: float) -> bool:
        """Take back a request that was due while the generator was held up: it is not to be sent.

        It would say nothing. All that were due meanwhile, sent at once, would be a load that no
        schedule asks for, and a host would answer late for long after.
        """
        if not self.held.is_spoilt(intended):
            return False
        self.record(Outcome(number, "left out", intended, now, 0, "", unsent=True))
        return True

    def hold(self, start: float, end: float, share: float = 1.0) -> None:
        """Take back what two times spoil, between which the generator could not run.

        Of several processes that send, `share` of the load is that of the process concerned.
        """
        if self.ended:
            return  # it is busy with its own end
        for slot in self.held.add(start, end, share):
            tally = self._tallies.pop(slot, None)
            if tally is not None:
                self.requests -= tally.requests
                self.unsure -= tally.unsure
                self.errors -= tally.errors
        self.held_sink(start, end, share)

    def record(self, outcome: Outcome) -> None:
        """Take one outcome in; an answer later than the latency budget is a failure."""
        self.taken += 1
        if outcome.unsent:
            self.unsent += 1
            self.sink(outcome)
        else:
            self._judge(outcome)
        if self.decided is None:
            self.decided = self._decision()

    def _judge(self, outcome: Outcome) -> None:
        late = outcome.latency > self.limits.latency_budget
        grade = self.held.judge(
            outcome.intended,
            outcome.latency,
            failed=bool(outcome.error),
            failure=outcome.failure,
            late=late,
        )
        if not outcome.error and late:
            error = f"answered after more than {self.limits.latency_budget:g} s"
            outcome = replace(outcome, error=error)
        self.out.pop(outcome.number, None)
        if grade is not Grade.SPOILT:
            self._count(outcome, grade)
        self.sink(outcome)

    def _count(self, outcome: Outcome, grade: Grade) -> None:
        tally = self._tallies.setdefault(slot_of(outcome.intended), _Tally())
        self.requests += 1
        tally.requests += 1
        self.latencies.add(outcome.latency)
        if grade is Grade.FAILED:
            self.errors[outcome.error] += 1
            tally.errors[outcome.error] += 1
        elif grade is Grade.UNSURE:
            self.unsure += 1
            tally.unsure += 1
        limit = self.limits.rollback_latency
        if outcome.latency <= limit:
            return
        self.perhaps_slow.append((outcome.number, outcome.intended))
        if self.held.surely_over(outcome.intended, outcome.latency, limit):
            self.slow.append((outcome.number, outcome.intended))
            if self.decided is None and self.streak.too_long:
                self.decided = Verdict.FAIL

    def record_overdue(self, now: float) -> None:
        """Count as failed what was due for longer than the budget: unanswered or never sent."""
        overdue = now - self.limits.latency_budget
        for number, due in sorted(self.out.items()):
            if due <= overdue:
                error = f"no answer within {now - due:.1f} s, when the run ended"
                self.record(Outcome(number, "overdue", due, now, 0, error, "timed_out"))
        while (entry := self.next_arrival()) is not None and entry[1] <= overdue:
            error = "never sent: every user was still waiting"
            self.record(Outcome(entry[0], "overdue", entry[1], now, 0, error, "timed_out"))

    def time_is_up(self) -> None:
        """Note that the time that was planned is over: what came by now gets the last look."""
        if self.decided is None and not self.limits.whole:
            self.decided = self._look(last=True)

    def _decision(self) -> Verdict | None:
        if self.limits.whole:
            return self._planned_look()
        over = self.taken >= self.limits.cap - self.limits.before[0]
        return self._look(last=over)

    def _look(self, *, last: bool) -> Verdict | None:
        n, failures, unsure = self.limits.before
        n, failures, unsure = n + self.requests, failures + self.failures, unsure + self.unsure
        if not self.requests or n > self.limits.cap:
            return None
        verdict = self.test.judge(n, failures, unsure=unsure, last=last)
        too_early = self.requests < self.limits.earliest_pass and not last
        if verdict is Verdict.PASS and (too_early or self.left_out > self.requests):
            return None  # where most was left out, what is left may not be like the rest
        return None if verdict is Verdict.INCONCLUSIVE else verdict

    def _planned_look(self) -> Verdict | None:
        if self.taken < self.limits.cap:
            return None
        look = judge_error_rate(self.requests, self.failures, self.limits.error_budget)
        if look.verdict is Verdict.PASS and self.unsure:
            return None
        return None if look.verdict is Verdict.INCONCLUSIVE else look.verdict

    @property
    def finished(self) -> str:
        """Why the run may end, in words; empty while it has to go on."""
        if self.broken:
            return self.broken
        if self.decided is not None and not self.limits.whole:
            return f"the evidence is enough for {self.decided.value}"
        if self.taken >= self.limits.most:
            if self.limits.most < self.limits.cap:
                return f"all {self.limits.most:,} requests had their turn"
            return f"the cap of {self.limits.cap:,} requests is reached"
        if self.taken >= _HINDERED_FROM and self.left_out > _HINDERED_SHARE * self.taken:
            return "the load generator cannot keep up"
        return ""

    def verdict(self) -> Verdict:
        """Return ERROR when the load itself broke; else by the error rate and the roll-back
        rule."""
        if self.broken:
            return Verdict.ERROR
        rate = self.decided or Verdict.INCONCLUSIVE
        return combine([rate, self._rollback()])

    @property
    def streak(self) -> Streak:
        """The longest row of consecutive requests that took longer than the roll-back rule's."""
        return self._streak_of(self.slow)

    @property
    def longest_streak(self) -> Streak:
        """Its like, counting those that may be slow only because the generator was held up."""
        return self._streak_of(self.perhaps_slow)

    def _streak_of(self, slow: Iterable[tuple[int, float]]) -> Streak:
        return longest_streak(number for number, due in slow if not self.held.is_spoilt(due))

    def _rollback(self) -> Verdict:
        if self.streak.too_long:
            return Verdict.FAIL
        return Verdict.INCONCLUSIVE if self.longest_streak.too_long else Verdict.PASS

    def describe(self, verdict: Verdict, now: float, notes: Sequence[str] = ()) -> str:
        """Return a verdict for a person: n, failures, bounds, power, duration,
        latencies, reasons."""
        limits = self.limits
        rate = judge_error_rate(self.requests, self.failures, limits.error_budget)
        ended = self.ended or "the run was ended from outside"
        counted = rate.describe().partition(";")[0]
        lines = [
            f"verdict: {verdict.value} ({self.broken or ended}), after {now - self.started:.1f} s",
            f"  errors and replies over {limits.latency_budget:g} s: {counted}",
        ]
        if limits.whole:
            wrong = f"each of PASS and FAIL is wrong at most {100 * ALPHA:g} times in 100"
            lines.append(f"  one look, as planned: {wrong}")
        else:
            n, failures = limits.before[0] + self.requests, limits.before[1] + self.failures
            rate_verdict = self.decided or Verdict.INCONCLUSIVE
            lines += [f"  {line}" for line in advice(self.test, rate_verdict, n, failures)]
        if self.unsure:
            lines.append(
                f"  {self.unsure:,} more may be late or not: the load generator was held up"
            )
        if self.requests:
            lines.append(f"  latency from the intended time: {self.latencies.describe()}")
        unsure = self.longest_streak.length
        lines.append(f"  {describe_streak(self.streak, limits.rollback_latency, unsure)}")
        lines += [f"  {count:,} x {error}" for error, count in self.errors.most_common(5)]
        lines += [f"  {note}" for note in (*notes, self.held.describe(self.left_out)) if note]
        return "\n".join(lines)
