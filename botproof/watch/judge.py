"""What became of each rule: a pure function from time and samples to alerts, with its memory.

A figure that is missing is no figure: it neither starts nor ends anything. One that was missing for
longer than `GAP_S` begins anew, because nobody can say that its condition held all the while. An
alert about something that is no more (an exchange that was taken out, a service that ended for
good) ends when everything else could be measured for `GONE_S` and this was not among it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from botproof.watch.rules import RULES, Rule

GAP_S = 300.0
GONE_S = 900.0
_BUCKET_S = 60.0


class Sample(NamedTuple):
    """One figure of one subject now; `note` says why it is what it is, for a person."""

    figure: str
    subject: str
    value: float
    note: str = ""


class Alert(NamedTuple):
    """The start or the end of an alert. Times are seconds since the epoch."""

    rule: Rule
    subject: str
    state: str
    """ "started" or "ended"."""
    value: float
    since: float
    at: float
    note: str = ""
    gone: bool = False
    """It ended because nothing measures the subject any more; `value` is the last one then."""

    def document(self) -> dict[str, Any]:
        """Return the alert as it stands in a line of JSON."""
        return {
            "event": "alert",
            "state": self.state,
            "rule": self.rule.name,
            "subject": self.subject,
            "severity": self.rule.severity,
            "value": round(self.value, 4),
            "limit": self.rule.limit,
            "since": round(self.since, 3),
            "at": round(self.at, 3),
            "text": self.text(),
            "runbook": f"docs/runbook.md#{self.rule.name.replace('_', '-')}",
        }

    def text(self) -> str:
        """Return one line for a person."""
        if self.state == "ended":
            lasted = _duration(self.at - self.since)
            now = f"now {amount(self.rule, self.value)}"
            if self.gone:
                now = "it is not there to be measured any more"
            return f"OVER {self.rule.name} of {self.subject} after {lasted}: {now}"
        note = f" ({self.note})" if self.note else ""
        word = self.rule.severity.upper()
        said = f"{self.rule.says}: {amount(self.rule, self.value)}"
        return f"{word} {self.rule.name} of {self.subject}: {said}{note}"


def in_units(figure: str, value: float) -> str:
    """Return a figure in the unit that people use for it."""
    if figure.endswith("_ratio"):
        return f"{value:.0%}"
    if figure.endswith("_bytes"):
        return f"{value / 1e6:.0f} MB"
    if figure.endswith("_seconds"):
        return _duration(value)
    return f"{value:.4g}"


def _duration(seconds: float) -> str:
    """Return the largest unit of which there are two at least."""
    units = ((86400, "days"), (3600, "h"), (60, "min"))
    found = next(((size, unit) for size, unit in units if seconds >= 2 * size), None)
    return f"{seconds:.2g} s" if found is None else f"{seconds / found[0]:.0f} {found[1]}"


def amount(rule: Rule, value: float) -> str:
    """Return a figure beside its limit; where the limit is yes, the one word that it is."""
    if rule.kind == "below" and rule.limit == 1:
        return "yes" if value >= 1 else "no"
    return f"{in_units(rule.figure, value)}, limit {in_units(rule.figure, rule.limit)}"


class _Course:
    """How one rule stands for one subject."""

    __slots__ = ("absent_since", "buckets", "clear_since", "firing", "last", "seen", "since")

    def __init__(self) -> None:
        self.firing = False
        self.since: float | None = None
        self.clear_since: float | None = None
        self.absent_since: float | None = None
        """Since when it has not been among what was measured, while its alert goes on."""
        self.seen = 0.0
        self.last: float | None = None
        """The last figure."""
        self.buckets: list[list[float]] = []
        """[time, growth] a minute, for rules about an increase."""

    def document(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def of(cls, document: dict[str, Any]) -> _Course:
        course = cls()
        for name in cls.__slots__:
            if name in document:  # an older watch kept fewer
                setattr(course, name, document[name])
        return course


class Judge:
    """Follows every rule for every subject. `step` is called with growing times."""

    def __init__(self, rules: Sequence[Rule] = RULES) -> None:
        self._rules: dict[str, list[Rule]] = {}
        for rule in rules:
            self._rules.setdefault(rule.figure, []).append(rule)
        self._courses: dict[tuple[str, str], _Course] = {}

    def step(self, now: float, samples: Iterable[Sample]) -> list[Alert]:
        """Take in the figures of one moment; the alerts that start or end with them."""
        found = []
        measured = True
        for sample in samples:
            measured = measured and not (sample.figure == "measured" and sample.value < 1)
            for rule in self._rules.get(sample.figure, ()):
                course = self._courses.setdefault((rule.name, sample.subject), _Course())
                alert = _step(rule, course, now, sample)
                if alert is not None:
                    found.append(alert)
        return found + self._gone(now, measured=measured)

    def _gone(self, now: float, *, measured: bool) -> list[Alert]:
        """Return the ends of alerts whose subject is no more. ``measured``: all that there is
        could be measured, so that what has no figure is not only out of sight."""
        found = []
        rules = {rule.name: rule for known in self._rules.values() for rule in known}
        for (name, subject), course in self._courses.items():
            if not course.firing or course.seen == now or not measured:
                course.absent_since = None
                continue
            if course.absent_since is None or now < course.absent_since:
                course.absent_since = now
            if now - course.absent_since < GONE_S:
                continue
            since = now if course.since is None else course.since
            last = 0.0 if course.last is None else course.last
            course.firing, course.since, course.absent_since = False, None, None
            found.append(Alert(rules[name], subject, "ended", last, since, now, gone=True))
        return found

    def firing(self) -> list[tuple[str, str]]:
        """Rule and subject of each alert that has started and not ended."""
        return [key for key, course in self._courses.items() if course.firing]

    def grown(self, now: float) -> dict[tuple[str, str], float]:
        """Return what each counter has grown by in its window, by rule and subject."""
        rules = {rule.name: rule for known in self._rules.values() for rule in known}
        return {
            key: sum(growth for at, growth in course.buckets if now - rules[key[0]].window_s < at)
            for key, course in self._courses.items()
            if rules[key[0]].kind == "increase"
        }

    def document(self) -> dict[str, Any]:
        """Return what must outlive a restart."""
        return {f"{rule}\t{who}": c.document() for (rule, who), c in self._courses.items()}

    def restore(self, document: dict[str, Any]) -> None:
        """Go on from a `document`. Rules that are no more are forgotten."""
        known = {rule.name for rules in self._rules.values() for rule in rules}
        for key, course in document.items():
            name, _, subject = key.partition("\t")
            if name in known:
                self._courses[name, subject] = _Course.of(course)


def _step(rule: Rule, course: _Course, now: float, sample: Sample) -> Alert | None:
    gone = now - course.seen > GAP_S or now < course.seen  # or the clock was put back
    if gone:
        course.clear_since = None
        if not course.firing:
            course.since = None
    course.seen = now
    if rule.kind == "increase":
        value = _grown(rule, course, now, sample.value)
    else:
        value = course.last = sample.value
    if course.firing:
        return _may_end(rule, course, now, value, sample)
    if not rule.holds(value):
        course.since = None
        return None
    if course.since is None:
        course.since = now
    if now - course.since < rule.for_s:
        return None
    course.firing, course.clear_since = True, None
    return Alert(rule, sample.subject, "started", value, course.since, now, sample.note)


def _may_end(rule: Rule, course: _Course, now: float, value: float, sample: Sample) -> Alert | None:
    if not rule.over(value):
        course.clear_since = None
        return None
    if course.clear_since is None:
        course.clear_since = now
    if now - course.clear_since < rule.clear_for_s:
        return None
    since = now if course.since is None else course.since
    course.firing, course.since, course.clear_since = False, None, None
    return Alert(rule, sample.subject, "ended", value, since, now, sample.note)


def _grown(rule: Rule, course: _Course, now: float, counter: float) -> float:
    """Return how much a counter has grown within the window; one that fell has begun
    again at zero."""
    if course.last is not None:
        growth = counter - course.last if counter >= course.last else counter
        if growth:
            if course.buckets and 0 <= now - course.buckets[-1][0] < _BUCKET_S:
                course.buckets[-1][1] += growth
            else:
                course.buckets.append([now, growth])
    course.last = counter
    course.buckets = [b for b in course.buckets if now - rule.window_s < b[0] <= now]
    return sum(growth for _, growth in course.buckets)
