"""Who was met with silence asks next: an edit, a picture or a refused message ends no conversation.

A bot may hold a chat back after an update that it passes over, or cross off for good who could not
be written to once. It shows in the next question of the same user.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from botproof.config import Case
from botproof.users import chat_label

_AFTER_S = 1.0
"""A person takes longer: whoever limits how fast one may write is not to be met."""
_MOST = 8


def with_next_questions(cases: Iterable[Case], question: str) -> tuple[Case, ...]:
    """Return the cases, and behind them `question` by users whose only update is to stay
    unanswered: one of each kind."""
    known = tuple(cases)
    if not question:
        return known
    told: dict[str, Case] = {}
    for case in known:
        if _is_met_with_silence(case):
            told.setdefault(_kind(case), case)
    return (*known, *_next(list(told.values())[:_MOST], question))


def _is_met_with_silence(case: Case) -> bool:
    alone = case.chat_type == "private" and not (case.chat or case.stranger)
    return alone and case.expect == "silence"


def _kind(case: Case) -> str:
    kind = next(iter(case.update), case.kind) if case.update else case.kind
    return f"{kind} refused" if case.fault else kind


def _next(silent: Iterable[Case], question: str) -> Iterator[Case]:
    for case in silent:
        yield Case(
            name=f"{case.name}-and-then",
            say=question,
            chat=chat_label(case),
            golden=False,
            after_s=_AFTER_S,
        )
