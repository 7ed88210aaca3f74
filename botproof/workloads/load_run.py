"""What a load run has seen so far and what it makes of it; knows nothing of Locust.

A run judges itself while it goes on: every outcome is fed to the sequential test as it comes, and
the first decision counts. Latencies go into an HdrHistogram (Gil Tene), which keeps three digits
of every value from a microsecond to an hour in some 200 kB, however long a soak lasts.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from hdrh.histogram import HdrHistogram

from botproof.checks.rollback import Streak, describe_streak, longest_streak
from botproof.stats import ALPHA, SequentialErrorRate, judge_error_rate
from botproof.verdict import Verdict, combine

_MICROSECONDS = 1_000_000
_LONGEST_US = 3_600 * _MICROSECONDS
_DIGITS = 3
QUANTILES = (0.5, 0.9, 0.99, 0.999)


@dataclass(frozen=True, slots=True)
class Outcome:
    """One finished request. Times are monotonic seconds; `error` is empty for a success.

    `number` is its place in the schedule, counted from 0 over all who send.
    """

    number: int
    name: str
    intended: float
    finished: float
    status: int
    error: str

    @property
    def latency(self) -> float:
        """Seconds from the intended send time to the whole answer."""
        return self.finished - self.intended

    def moved(self, by: float) -> Outcome:
        """The same outcome on a clock that shows `by` seconds more."""
        return replace(self, intended=self.intended + by, finished=self.finished + by)


@dataclass(frozen=True, slots=True)
class Limits:
    """What a run is judged by, and when it may end.

    `latency_budget` and `rollback_latency` are seconds, `error_budget` is a share. Before
    `earliest_pass` requests PASS is not said: a burst or a soak is not over when its beginning
    went well. `cap` is the number of requests after which an undecided run is INCONCLUSIVE. A
    `whole` run sends all of them and is judged by one look at the end, as planned.
    """

    latency_budget: float
    error_budget: float
    rollback_latency: float
    cap: int
    earliest_pass: int = 0
    whole: bool = False


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
        """The latency in seconds that a share `q` (0 to 1) does not exceed.

        Raises ValueError when there are none: a quantile of nothing is not 0.
        """
        if not self.count:
            raise ValueError("no latencies: a quantile of nothing does not exist")
        return float(self._histogram.get_value_at_percentile(100 * q)) / _MICROSECONDS

    def describe(self) -> str:
        """One line: the quantiles that budgets speak of, in milliseconds."""
        return ", ".join(f"p{100 * q:g} {1000 * self.quantile(q):.1f} ms" for q in QUANTILES)

    def encoded(self) -> str:
        """The histogram in HdrHistogram's own compressed V2 format, base64."""
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

    `sink` is given every outcome with its final error, to write it down or to pass it on.
    """

    limits: Limits
    started: float
    schedule: Iterator[tuple[int, float]]
    sink: Callable[[Outcome], None] = lambda _: None
    drawn: int = 0
    latencies: Latencies = field(default_factory=Latencies)
    errors: Counter[str] = field(default_factory=Counter)
    slow: list[int] = field(default_factory=list)
    decided: Verdict | None = None
    broken: str = ""
    ended: str = ""
    out: dict[int, float] = field(default_factory=dict)

    @property
    def requests(self) -> int:
        """Requests with an outcome."""
        return self.latencies.count

    @property
    def failures(self) -> int:
        """Requests that failed, were answered too late, or never."""
        return self.errors.total()

    def next_arrival(self) -> tuple[int, float] | None:
        """Number and intended time of the next request; None when there are no more."""
        entry = next(self.schedule, None)
        if entry is None:
            return None
        self.drawn += 1
        return entry[0], self.started + entry[1]

    def sent(self, number: int, intended: float) -> None:
        """Request `number` is on its way, and will have an outcome or become overdue."""
        self.out[number] = intended

    def record(self, outcome: Outcome) -> None:
        """Take one outcome in; an answer later than the latency budget is a failure."""
        if not outcome.error and outcome.latency > self.limits.latency_budget:
            late = f"answered after more than {self.limits.latency_budget:g} s"
            outcome = replace(outcome, error=late)
        self.out.pop(outcome.number, None)
        self.latencies.add(outcome.latency)
        if outcome.error:
            self.errors[outcome.error] += 1
        slow = outcome.latency > self.limits.rollback_latency
        if slow:
            self.slow.append(outcome.number)
        self.sink(outcome)
        if self.decided is None:
            self.decided = self._decision(slow=slow)

    def record_overdue(self, now: float) -> None:
        """Count as failed what was due for longer than the budget: unanswered or never sent."""
        overdue = now - self.limits.latency_budget
        for number, due in sorted(self.out.items()):
            if due <= overdue:
                error = f"no answer within {now - due:.1f} s, when the run ended"
                self.record(Outcome(number, "overdue", due, now, 0, error))
        while (entry := self.next_arrival()) is not None and entry[1] <= overdue:
            error = "never sent: every user was still waiting"
            self.record(Outcome(entry[0], "overdue", entry[1], now, 0, error))

    def _decision(self, *, slow: bool) -> Verdict | None:
        if self.limits.whole:
            return self._planned_look()
        if slow and self._rollback() is Verdict.FAIL:
            return Verdict.FAIL
        test = SequentialErrorRate(self.limits.error_budget)
        verdict = test.judge(self.requests, self.failures)
        if verdict is Verdict.PASS and self.requests < self.limits.earliest_pass:
            return None
        return None if verdict is Verdict.INCONCLUSIVE else verdict

    def _planned_look(self) -> Verdict | None:
        if self.requests < self.limits.cap:
            return None
        look = judge_error_rate(self.requests, self.failures, self.limits.error_budget)
        return None if look.verdict is Verdict.INCONCLUSIVE else look.verdict

    @property
    def finished(self) -> str:
        """Why the run may end, in words; empty while it has to go on."""
        if self.broken:
            return self.broken
        if self.decided is not None and not self.limits.whole:
            return f"the evidence is enough for {self.decided.value}"
        if self.requests >= self.limits.cap:
            return f"the cap of {self.limits.cap:,} requests is reached"
        return ""

    def verdict(self) -> Verdict:
        """ERROR when the load itself broke; else the error rate and the roll-back rule."""
        if self.broken:
            return Verdict.ERROR
        rate = self.decided or Verdict.INCONCLUSIVE
        return combine([rate, self._rollback()])

    @property
    def streak(self) -> Streak:
        """The longest row of consecutive requests that took longer than the roll-back rule's."""
        return longest_streak(self.slow)

    def _rollback(self) -> Verdict:
        return Verdict.FAIL if self.streak.too_long else Verdict.PASS

    def describe(self, verdict: Verdict, now: float, notes: Sequence[str] = ()) -> str:
        """A verdict for a person: n, failures, bounds, power, duration, latencies, reasons."""
        limits = self.limits
        rate = judge_error_rate(self.requests, self.failures, limits.error_budget)
        test = SequentialErrorRate(limits.error_budget)
        ended = self.ended or "the run was ended from outside"
        wrong = f"each of PASS and FAIL is wrong at most {100 * ALPHA:g} times in 100"
        test_text = f"sequential test: {wrong}, however early it ends the run"
        if limits.whole:
            test_text = f"one look, as planned: {wrong}"
        lines = [
            f"verdict: {verdict.value} ({ended}), after {now - self.started:.1f} s",
            f"  errors and replies over {limits.latency_budget:g} s: {rate.describe()}",
            f"  {test_text}",
        ]
        if self.requests:
            lines.append(f"  latency from the intended time: {self.latencies.describe()}")
        lines.append(f"  {describe_streak(self.streak, limits.rollback_latency)}")
        lines += [f"  {count:,} x {error}" for error, count in self.errors.most_common(5)]
        lines += [f"  {note}" for note in notes]
        if verdict is Verdict.INCONCLUSIVE:
            needed = test.required()
            lines.append(f"  PASS needs {needed:,} requests without a failure: give it more time")
        return "\n".join(lines)
