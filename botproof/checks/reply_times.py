"""How long each reply took: the playing of a case by which its reply time is judged.

The first playing counts. One that was late for no fault of the target says nothing: the machine
withheld what would have kept it in time, or a double took that long. The gate plays such a case
again, alone, with the deadlines that ship, and the first playing that says something stands in its
place. What was late by the target's own doing is never played again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from botproof.chats import Chats, ReplyRules, Turn, read_chats
from botproof.checks.gone import gone
from botproof.checks.shortcomings import Shortcomings
from botproof.history import BotApiCall, DoubleEvent, History, PlayedAgain
from botproof.starvation import Starvation

_UNANSWERED_S = 2.0
"""Of a case without an answer: how long after it was asked the answer would have been made."""
_MUTE = 3
"""So many unanswered cases, and none that is answered: that is no matter of single ones."""
_MUTE_SURELY = 12
"""Of so many a bot answers one, however slow its machine is: it was ready before."""
MOSTLY = 0.5
"""Of the time that was given to what never came: as much has to be withheld to explain it."""
_BAD_REQUEST = 400
_OF_CONTENT = re.compile(
    r"can't parse|message is too long|message text is empty|button_data_invalid", re.IGNORECASE
)
"""What Telegram says of a message that it can never take: so the bot has made it."""


@dataclass(frozen=True, slots=True)
class Excuses:
    """What tells of a late reply that the target is not the reason."""

    starvation: Mapping[str, Starvation]
    short: Shortcomings
    surely: frozenset[int]
    limit_s: float

    @classmethod
    def of(cls, chats: Mapping[str, Chats], history: History, limit_s: float) -> Excuses:
        """Read them from a history and its chats, by stack."""
        surely = {id(turn) for one in chats.values() for turn in surely_wrong(history, one.turns)}
        starvation = Starvation.by_stack(history)
        short = Shortcomings.of(history, limit_s)
        return cls(starvation, short, frozenset(surely), limit_s)

    def hold(self, turn: Turn) -> bool:
        """Tell whether a reply was late, or never came, and the target is not the reason."""
        by_double = (turn.case.stack, turn.case.case) in self.short.late
        return self._is_in_doubt(turn) and (by_double or self._kept(turn))

    def by_machine(self, turn: Turn) -> bool:
        """Tell whether a reply was late, or never came, for what the machine withheld."""
        return self._is_in_doubt(turn) and self._kept(turn)

    def _is_in_doubt(self, turn: Turn) -> bool:
        wanted = turn.case.expect == "reply" and id(turn) not in self.surely
        return wanted and is_late(turn, self.limit_s)

    def _kept(self, turn: Turn) -> bool:
        own = self.starvation.get(turn.case.stack, Starvation())
        begin, end = turn.case.t, end_of(turn)
        if not was_kept(own, begin, end, self.limit_s):
            return False
        # An answer that never came was waited for, with what was withheld on top.
        return turn.answered or own.between(begin, end) >= MOSTLY * (end - begin)


class ReplyTimes:
    """The turns by which reply times are judged, by stack and name of the case, and as `replaced`
    the first playings that later ones stand for. `limit_s` is the time that a reply may take."""

    def __init__(self, history: History, rules: ReplyRules, limit_s: float) -> None:
        self._history = history
        self._limit_s = limit_s
        self._chats = read_chats(history, rules)
        again = {event.stack for event in history.of(PlayedAgain)}
        self.turns = {
            stack: dict(one.turns) for stack, one in self._chats.items() if stack not in again
        }
        self.replaced: list[tuple[Turn, Turn]] = []
        for (stack, name), playings in self._later().items():
            first = self.turns[stack][name]
            sure = next((each for each in playings if not self.excuses.hold(each)), None)
            if sure and self.excuses.hold(first):
                self.turns[stack][name] = sure
                self.replaced.append((first, sure))

    @cached_property
    def excuses(self) -> Excuses:
        """What tells of any of these turns that the target is not the reason."""
        return Excuses.of(self._chats, self._history, self._limit_s)

    def _later(self) -> Mapping[tuple[str, str], list[Turn]]:
        """Return the later playings, with the deadlines that ship, by stack and case."""
        later: dict[tuple[str, str], list[Turn]] = {}
        for event in self._history.of(PlayedAgain):
            if event.stretch == 1.0 and event.of in self.turns and event.stack in self._chats:
                own = self._chats[event.stack].turns
                for name in event.cases:
                    if name in own and name in self.turns[event.of]:
                        later.setdefault((event.of, name), []).append(own[name])
        return later

    def late_for_no_fault(self) -> dict[str, Sequence[str]]:
        """Return the cases, by stack, that were late for no fault of the target each time that they
        were played. None of a stack in which nothing was answered, and none that met what a double
        does not have: it would meet it again."""
        found = {
            stack: [
                name
                for name, turn in turns.items()
                if self.excuses.hold(turn) and (stack, name) not in self.excuses.short.lacking
            ]
            for stack, turns in self.turns.items()
            if not is_mute(turns.values())
        }
        return {stack: names for stack, names in found.items() if names}


def is_late(turn: Turn, limit_s: float) -> bool:
    """Tell whether the reply, or the first word that a tap was noticed, did not come in time."""
    took = turn.reply_time_s
    return took is None or took >= limit_s or acknowledged_s(turn) >= limit_s


def acknowledged_s(turn: Turn) -> float:
    """Return seconds from a tap to the first word that it was noticed; 0 for no tap and
    without any."""
    came = [act.sent_at for act in turn.acts if act.method == "answerCallbackQuery"]
    return min(came) - turn.case.t if came else 0.0


def was_kept(starvation: Starvation, begin: float, end: float, limit_s: float) -> bool:
    """Tell whether it took too long, and would not have without what was withheld."""
    return end - begin >= limit_s and starvation.explains(begin, end, limit_s)


def end_of(turn: Turn, stretch: float = 1.0) -> float:
    """Return when a reply was complete, or would have been."""
    if not turn.answered:
        return turn.case.t + _UNANSWERED_S * stretch
    return max([turn.case.t, *(each.answered_at or each.sent_at for each in turn.acts)])


def is_mute(turns: Iterable[Turn]) -> bool:
    """Tell whether some answers were wanted and none came."""
    wanted = [turn for turn in turns if turn.case.expect == "reply"]
    return len(wanted) >= _MUTE and not any(turn.answered for turn in wanted)


def surely_wrong(history: History, turns: Mapping[str, Turn]) -> Iterator[Turn]:
    """Yield what no slow machine brings about: no answer, where Telegram refused one for what it
    said, or where the bot had ended by itself; none at all to many questions."""
    wanted = [turn for turn in turns.values() if turn.case.expect == "reply"]
    if len(wanted) >= _MUTE_SURELY and not any(turn.answered for turn in wanted):
        yield from wanted
    faults = [(event.stack, event.t) for event in history.of(DoubleEvent) if event.kind == "fault"]
    ends = {stack: gone(history, stack) for stack in {turn.case.stack for turn in wanted}}
    for turn in (each for each in wanted if not each.answered):
        asked, waited = turn.case.t, turn.case.t + _UNANSWERED_S
        ended = (end.end.t < waited and asked < end.until for end in ends[turn.case.stack])
        if any(ended) or any(_is_refused_for_good(call, faults) for call in turn.refused):
            yield turn


def _is_refused_for_good(call: BotApiCall, faults: Iterable[tuple[str, float]]) -> bool:
    """Tell whether Telegram refused a call for its content, and no fault of the harness did."""
    if call.error_code != _BAD_REQUEST or not _OF_CONTENT.search(call.description or ""):
        return False
    begin = call.t - call.duration_s
    return not any(stack == call.stack and begin <= t <= call.t for stack, t in faults)
