"""Looks for a conversation that the modes answer differently, and for the shortest such one.

Hypothesis generates, `shrink` makes the difference short. Every outcome goes through `Judge`, which
decides what counts:

- A playing that differs is played again, patiently. Differs again: a difference.
- Differs again, but each time the machine kept the modes from going on: starved, and never a FAIL.
- Agrees the second time, and the first time too once late messages have come, or the machine had
  kept the modes from going on then: late, no difference.
- Agrees the second time only: flaky. It is reported with its evidence, and never called a PASS.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from hypothesis import HealthCheck, Phase, Verbosity, given, settings
from hypothesis import seed as seeded
from hypothesis.errors import Flaky

from botproof.checks.conversations import LEAST
from botproof.checks.playing import Playing
from botproof.conversations import Conversation, encode
from botproof.parity.shrink import shrink
from botproof.workloads.strategies import conversations
from botproof.workloads.vocabulary import Vocabulary

PATIENT_S = 1.0
_PATIENT_TIMES = 3
_SOME_ARE_EQUAL = 3
_MOST_GRANTED = 2
"""So many times its time at the most: where that is too little, twice as much seldom is enough."""


class Stage(Protocol):
    """What the search plays on. Both block until the playing is over."""

    def play(self, conversation: Conversation, quiet_s: float = 0.0) -> Playing:
        """Play a conversation in every mode."""

    def reread(self, number: int) -> Playing:
        """Return a playing with everything that has come since it ended."""


@dataclass(frozen=True, slots=True)
class Limits:
    """When to stop: after `examples` conversations or `seconds`; shrinking gets its own time.

    On a slow machine the search may take three times as long to reach `LEAST` conversations, not
    counting what the machine withholds: fewer are no evidence (see `checks.conversations`).
    """

    examples: int = 200
    seconds: float = 60.0
    shrink_seconds: float = 60.0
    seed: int = 0


@dataclass(slots=True)
class Findings:
    """What a search found. `first` is the difference as it was found, `shortest` what it became;
    `learnt` one that showed before the search, while the modes' answers were learnt."""

    conversations: int = 0
    steps: int = 0
    answers: set[str] = field(default_factory=set)
    playings: int = 0
    first: Playing | None = None
    shortest: Playing | None = None
    learnt: Playing | None = None
    flaky: list[tuple[Playing, Playing]] = field(default_factory=list)
    late: int = 0
    silent: list[Playing] = field(default_factory=list)
    starved: list[Playing] = field(default_factory=list)
    aborted: Abort | None = None
    stopped_by: str = "examples"
    search_s: float = 0.0
    shrink_s: float = 0.0

    def note_learnt(self, playing: Playing) -> None:
        """Keep what the first messages of all showed: they are played once, so that what differs
        while the machine kept the modes from going on is no difference of theirs."""
        if playing.differs and playing.starved:
            self.starved.append(playing)
        elif playing.differs:
            self.learnt = playing


class Abort(BaseException):
    """The target or the harness failed while `conversation` was played: there is no going on.

    Not an Exception: Hypothesis would take that for one more failing example.
    """

    def __init__(self, conversation: Conversation, reason: Exception) -> None:
        super().__init__(str(reason))
        self.conversation = conversation
        self.reason = reason


class _DifferenceFoundError(AssertionError):
    """Tells Hypothesis that an example is interesting. One type, raised in one place: one bug."""


class _StopError(BaseException):
    """Leaves Hypothesis at once; an Exception would count as one more failing example."""


class Judge:
    """Plays conversations and says which of them are differences; remembers what it has seen."""

    def __init__(
        self,
        stage: Stage,
        limits: Limits,
        clock: Callable[[], float],
        withheld_s: Callable[[], float],
    ) -> None:
        self.findings = Findings()
        self._stage = stage
        self._limits = limits
        self._clock = clock
        self._withheld_s = withheld_s
        self._began = clock()
        self._withheld_before = withheld_s()
        self._found_at: float | None = None
        self._known: dict[bytes, bool] = {}
        self._agreed: list[int] = []

    def differs(self, conversation: Conversation) -> bool:
        """Tell whether the modes answer it differently. Ends the search when its time is up."""
        key = encode(conversation)
        if key not in self._known:
            self._check_limits()
            self._known[key] = self._play(conversation)
        return self._known[key]

    def _check_limits(self) -> None:
        at = self._clock()
        if self._found_at is None:
            if self.findings.conversations >= self._limits.examples:
                raise _StopError
            over = at - self._began > self._limits.seconds
            if self.findings.conversations < LEAST:
                over = at - self._began > self._most_s()
        else:
            over = at - self._found_at > self._limits.shrink_seconds
        if over:
            self.findings.stopped_by = "seconds"
            raise _StopError

    def _most_s(self) -> float:
        """Return after how many seconds the search ends even without enough conversations."""
        most = _PATIENT_TIMES * self._limits.seconds
        withheld = self._withheld_s() - self._withheld_before
        return most + min(withheld, _MOST_GRANTED * most)

    def _play(self, conversation: Conversation) -> bool:
        playing = self._stage.play(conversation)
        self.findings.playings += 1
        if _is_silent(playing) and playing.starved:
            playing = self._patiently(conversation)
        if self._found_at is None:
            self.findings.conversations += 1
            self.findings.steps += len(conversation.steps)
            self.findings.answers |= playing.sides[0].messages
        if _is_silent(playing):
            kind = self.findings.starved if playing.starved else self.findings.silent
            kind.append(playing)
        if not playing.differs:
            self._agreed.append(playing.number)
            return False
        if self._found_at is not None and playing.starved:
            return False  # nothing is known about it, and there are others
        if self._found_at is not None:  # shrinking: the result is confirmed once, at its end
            self._note(playing)
            return True
        return self._confirm(playing)

    def _confirm(self, playing: Playing) -> bool:
        """Play it again, with time enough for everything to come."""
        again = self._patiently(playing.conversation)
        if again.differs and again.starved:
            self.findings.starved.append(again)
            return False
        if again.differs:
            self._found_at = self._clock()
            self.findings.first = again
            self._note(again)
            return True
        first = self._stage.reread(playing.number)
        if first.differs and not playing.starved:
            self.findings.flaky.append((first, again))
        else:
            self.findings.late += 1
        return False

    def _patiently(self, conversation: Conversation) -> Playing:
        """Play it until it is the same or was not starved, a few times at most."""
        for _ in range(_PATIENT_TIMES):
            again = self._stage.play(conversation, PATIENT_S)
            self.findings.playings += 1
            if not ((again.differs or _is_silent(again)) and again.starved):
                break
        return again

    def shrink(self, texts: Sequence[str]) -> None:
        """Make the difference that was found shorter, in the time that there is for it."""
        first = self.findings.first
        if first is not None:
            shrink(first.conversation, self.differs, texts)

    def _note(self, playing: Playing) -> None:
        best = self.findings.shortest
        if best is None or playing.conversation.size <= best.conversation.size:
            self.findings.shortest = playing

    def close(self) -> None:
        """Confirm what was shrunk, look for what came late, and sum up."""
        ended = self._clock()
        found_at = self._found_at
        self.findings.search_s = (ended if found_at is None else found_at) - self._began
        self.findings.shrink_s = 0.0 if found_at is None else ended - found_at
        if found_at is None:
            self._look_back()
        else:
            self._confirm_shortest()

    def _look_back(self) -> None:
        """Look for conversations that agreed when they ended, and no longer do:
        something came late."""
        for number in self._agreed:
            playing = self._stage.reread(number)
            if playing.differs and self._confirm(playing):
                return

    def _confirm_shortest(self) -> None:
        shortest = self.findings.shortest
        if shortest is None or shortest is self.findings.first:
            return
        again = self._stage.play(shortest.conversation, PATIENT_S)
        self.findings.playings += 1
        if again.differs:
            self.findings.shortest = again
        else:  # only the conversation that was confirmed when it was found can be relied on
            self.findings.flaky.append((shortest, again))
            self.findings.shortest = self.findings.first


def _is_silent(playing: Playing) -> bool:
    return len(playing.silent) == len(playing.sides)


def search(
    stage: Stage,
    vocabulary: Vocabulary,
    limits: Limits,
    clock: Callable[[], float] = time.monotonic,
    withheld_s: Callable[[], float] = lambda: 0.0,
) -> Findings:
    """Search within the limits. The same seed generates the same conversations. `withheld_s` tells
    how many seconds the machine has withheld so far.

    A stage that cannot go on raises `Abort`; what was found until then is in the findings.
    """
    judge = Judge(stage, limits, clock, withheld_s)
    try:
        # What ends the generation, or the shrinking, has been noted by the judge already.
        with suppress(_DifferenceFoundError, _StopError, Flaky):
            _generate(judge, vocabulary, limits)
        with suppress(_StopError):
            judge.shrink(vocabulary.right)
        judge.close()
    except Abort as abort:
        judge.findings.aborted = abort
    return judge.findings


def _generate(judge: Judge, vocabulary: Vocabulary, limits: Limits) -> None:
    def example(conversation: Conversation) -> None:
        if judge.differs(conversation):
            raise _DifferenceFoundError

    test = given(conversations(vocabulary))(example)
    test = settings(
        max_examples=limits.examples * _SOME_ARE_EQUAL,
        database=None,
        deadline=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
        verbosity=Verbosity.quiet,
        print_blob=False,
    )(test)
    seeded(limits.seed)(test)()


def replay(stage: Stage, conversation: Conversation, times: int = 2) -> Findings:
    """Play a saved conversation patiently, `times` times: it differs always, never or at times."""
    findings = Findings(conversations=1, steps=len(conversation.steps))
    playings: list[Playing] = []
    try:
        for _ in range(times):
            playings.append(stage.play(conversation, PATIENT_S))
            findings.playings += 1
    except Abort as abort:
        findings.aborted = abort
        return findings
    findings.silent = [each for each in playings if _is_silent(each)]
    different = [each for each in playings if each.differs]
    if len(different) == times:
        findings.first = findings.shortest = different[-1]
    elif different:
        agreeing = next(each for each in playings if not each.differs)
        findings.flaky.append((different[0], agreeing))
    return findings
