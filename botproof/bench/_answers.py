"""Which question was answered when, out of a Telegram double's transcript. Pure.

A chat's answers belong to its questions in the order in which they were asked. A message that only
says "still working" is no answer; the edit that turns it into one is.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Observed:
    """Questions up to the moment `until`; all times in monotonic seconds.

    `answered` are (asked, accepted) pairs; `waiting` are questions that had no answer by then.
    """

    answered: tuple[tuple[float, float], ...]
    waiting: tuple[float, ...]
    until: float

    def rate(self) -> float:
        """Return the answers a second, from the first question to the last answer."""
        first = min(asked for asked, _ in self.answered)
        return len(self.answered) / (max(at for _, at in self.answered) - first)

    def rate_within(self, seconds: float) -> float:
        """Return the answers a second in the first `seconds` after the first question."""
        first = min((*self.waiting, *(asked for asked, _ in self.answered)))
        return sum(at <= first + seconds for _, at in self.answered) / seconds

    def latencies_ms(self) -> list[float]:
        """From question to answer; who still waits has waited at least until now."""
        pairs = (*self.answered, *((asked, self.until) for asked in self.waiting))
        return [(at - asked) * 1000 for asked, at in pairs]


@dataclass(slots=True)
class Answers:
    """Takes in the events of a transcript. `acknowledgement` is a pattern, empty for none."""

    acknowledgement: str = ""
    texts: set[str] = field(default_factory=set)
    superfluous: int = 0
    _waiting: dict[int, deque[float]] = field(default_factory=dict)
    _answered: list[tuple[float, float]] = field(default_factory=list)

    @property
    def open(self) -> int:
        """How many questions have no answer yet."""
        return sum(map(len, self._waiting.values()))

    @property
    def asked(self) -> int:
        """How many questions there were."""
        return self.open + len(self._answered)

    def take(self, events: Iterable[Mapping[str, Any]]) -> None:
        """Take in the next events, as the double's transcript gives them."""
        for event in events:
            if event["type"] == "inject":
                chat = int(event["update"]["message"]["chat"]["id"])
                self._waiting.setdefault(chat, deque()).append(event["t"])
            elif self._is_answer(event):
                self._note(event)

    def _is_answer(self, event: Mapping[str, Any]) -> bool:
        if event["type"] != "call" or event["status"] != 200:
            return False
        if event["method"] not in ("sendMessage", "editMessageText"):
            return False
        text = str(event["params"]["text"])
        return not (self.acknowledgement and re.search(self.acknowledgement, text))

    def _note(self, event: Mapping[str, Any]) -> None:
        questions = self._waiting.get(int(event["params"]["chat_id"]))
        if not questions:
            self.superfluous += 1
            return
        self.texts.add(str(event["params"]["text"]))
        self._answered.append((questions.popleft(), event["t"]))

    def observed(self, until: float) -> Observed:
        """Return everything so far."""
        waiting = tuple(asked for questions in self._waiting.values() for asked in questions)
        return Observed(tuple(self._answered), waiting, until)
