"""What the users of a delivery run ask: every message with a word of its own in it. Pure."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from botproof.config import Case
from botproof.workloads.scripted import Step

_FIRST_USER = 2001
_MOST_AT_ONCE = 10


@dataclass(frozen=True, slots=True)
class Question:
    """One message to the bot. `marker` stands in its text and in no other one's."""

    marker: str
    chat_id: int
    text: str

    def payload(self, wall_s: float) -> Mapping[str, Any]:
        """Return the update to inject, without update_id; `wall_s` is the time of day,
        epoch seconds."""
        step = Step(Case(name=self.marker, say=self.text), self.chat_id, self.chat_id)
        return step.payload(wall_s)


def questions(say: Sequence[str], updates: int, chats: int, seed: int) -> list[Question]:
    """Return `updates` messages, the templates of `say` in turn, from `chats` private chats at
    random.

    With at least as many chats as updates, every message has a chat to itself.
    """
    rng = random.Random(f"questions {seed}")  # noqa: S311 - a workload, not a secret
    return [
        _question(
            say[number % len(say)],
            number,
            _FIRST_USER + (number if chats >= updates else rng.randrange(chats)),
        )
        for number in range(updates)
    ]


def in_chat(question: Question, number: int) -> Question:
    """Return the same question, asked in the chat of this number, from 0."""
    return replace(question, chat_id=_FIRST_USER + number)


def of_owner(asked: Sequence[Question], user: int) -> list[Question]:
    """Return the same questions, all of them asked by one user in the chat with the bot."""
    return [replace(question, chat_id=user) for question in asked]


def due_times(updates: int, rate: float, seed: int) -> list[float]:
    """Return when each update is due, in seconds from the start: `rate` a second, in bursts of 1 to
    10.

    People come in bursts, and a kill is most telling while several updates are on their way.
    """
    rng = random.Random(f"bursts {seed}")  # noqa: S311 - a workload, not a secret
    due: list[float] = []
    while len(due) < updates:
        due += [len(due) / rate] * rng.randint(1, _MOST_AT_ONCE)
    return due[:updates]


def chat_ids(chats: int) -> tuple[int, ...]:
    """Return the ids of the chats, and of the users in them."""
    return tuple(range(_FIRST_USER, _FIRST_USER + chats))


def _question(template: str, number: int, chat_id: int) -> Question:
    marker = f"q{number}z"
    return Question(marker, chat_id, template.replace("{marker}", marker))
