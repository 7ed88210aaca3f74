"""When a new version is taken back while it is watched. Pure: samples go in, a reason comes out.

The limits are those of the AWS Deployment Plan; pressure is our own, because a machine of 904 MB
spends its time on reclaiming memory before 900 MB are used.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

SLOW_S, SLOW_IN_A_ROW = 5.0, 3
ERROR_SHARE, FEWEST_ERRORS = 0.01, 3
NOT_READY_S = 30.0
MUTE_QUESTIONS, MUTE_S = 3, 30.0
_LINE = re.compile(r"^(\w+)(?:\{([^}]*)\})? (\S+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Limit:
    """What may not be above `value` for longer than `seconds`."""

    name: str
    value: float
    seconds: float
    form: str


MEMORY = Limit("memory", 900.0, 300.0, "{:.0f} MB")
_PRESSURE = Limit("memory pressure", 0.20, 120.0, "{:.0%}")


@dataclass(frozen=True, slots=True)
class Counters:
    """What a bot counts since its start: replies, those within 5 s, failures, the oldest update.

    `oldest_s`: for how long the oldest update waits that is not done, 0 when none does.
    """

    replies: float = 0.0
    quick: float = 0.0
    handled: float = 0.0
    failed: float = 0.0
    oldest_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Sample:
    """What was seen at a moment (monotonic seconds).

    `question_s`: how long the answer to a question of our own took, inf when none came or it was
    wrong, None when none was asked. `pressure`: the share of time in which all waited for memory.
    `not_ready`: which container is not ready, and why; "" while all are.
    """

    at: float
    memory_mb: float | None = None
    question_s: float | None = None
    counters: Counters | None = None
    pressure: float | None = None
    not_ready: str = ""


@dataclass
class Triggers:
    """Folds samples; the first reason to go back stays. ``memory`` is what the fleet may take."""

    memory: Limit = MEMORY
    _since: dict[str, float] = field(default_factory=dict)
    _slow: float = 0
    _unanswered: int = 0
    _first: Counters | None = None
    _last: Counters | None = None

    def add(self, sample: Sample) -> str:
        """Return a reason to go back now, or ""."""
        reasons = [
            self._held(self.memory, sample.at, sample.memory_mb),
            self._held(_PRESSURE, sample.at, sample.pressure),
        ]
        if sample.not_ready:
            since = self._since.setdefault("ready", sample.at)
            if sample.at - since > NOT_READY_S:
                reasons.append(f"not ready for {sample.at - since:.0f} s: {sample.not_ready}")
        else:
            self._since.pop("ready", None)
        if sample.question_s is not None:
            reasons.append(self._question(sample.question_s))
        if sample.counters is not None:
            reasons += self._counted(sample.counters)
        return next((reason for reason in reasons if reason), "")

    def _held(self, limit: Limit, at: float, value: float | None) -> str:
        if value is None or value <= limit.value:
            self._since.pop(limit.name, None)
            return ""
        since = self._since.setdefault(limit.name, at)
        if at - since <= limit.seconds:
            return ""
        shown, over = limit.form.format(value), limit.form.format(limit.value)
        return f"{limit.name} is {shown}, over {over} for {at - since:.0f} s"

    def _question(self, seconds: float) -> str:
        answered = seconds != float("inf")
        self._unanswered = 0 if answered else self._unanswered + 1
        if self._unanswered >= MUTE_QUESTIONS:
            return f"no answer to {self._unanswered} questions in a row"
        return self._row(1 if seconds > SLOW_S and answered else 0, 0 if seconds > SLOW_S else 1)

    def _row(self, slow: float, quick: float) -> str:
        self._slow = 0 if quick else self._slow + slow
        if self._slow > SLOW_IN_A_ROW:
            return f"{self._slow:.0f} answers in a row took over {SLOW_S:g} s"
        return ""

    def _counted(self, now: Counters) -> list[str]:
        first, last = self._first or now, self._last or now
        if now.replies < last.replies:  # it was started anew
            first = last = Counters()
        self._first, self._last = first, now
        quick = now.quick - last.quick
        slow = now.replies - last.replies - quick
        failed, all_of_them = now.failed - first.failed, now.handled - first.handled
        errors = mute = ""
        if failed >= FEWEST_ERRORS and failed > ERROR_SHARE * all_of_them:
            errors = f"{failed:.0f} of {all_of_them:.0f} updates failed, over {ERROR_SHARE:.0%}"
        if now.oldest_s > MUTE_S and now.replies == last.replies:
            mute = f"an update waits for {now.oldest_s:.0f} s, and nothing is answered"
        return [self._row(slow, quick) if slow or quick else "", errors, mute]


def read_counters(text: str) -> Counters:
    """Return the counters of the Prometheus text that the reference bot gives at /metrics.

    A bot with other names has none of them: then only our own questions, memory and pressure tell.
    """
    found: dict[tuple[str, str], float] = {}
    for name, labels, value in _LINE.findall(text):
        found[name, labels] = float(value)
    return Counters(
        replies=found.get(("bot_reply_seconds_count", ""), 0.0),
        quick=found.get(("bot_reply_seconds_bucket", 'le="5.0"'), 0.0),
        handled=_sum(found, "bot_updates_handled_total"),
        # An answer that Telegram refuses is built wrongly: nothing of it reached its user.
        failed=_sum(found, "bot_updates_failed_total")
        + found.get(("bot_updates_handled_total", 'outcome="refused"'), 0.0),
        oldest_s=found.get(("bot_inbox_oldest_seconds", ""), 0.0),
    )


def _sum(found: Mapping[tuple[str, str], float], wanted: str) -> float:
    return sum(value for (name, _), value in found.items() if name == wanted)
