"""Who writes in which chat of the workload: users by their ids, in the order of botproof.toml."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import count

from botproof.config import Case

FIRST_USER = 1001
"""The id of the user who plays the first case that is no stranger's."""
_FIRST_STRANGER = 9001


def chat_label(case: Case) -> str:
    """Return the chat of a case; without a name of its own, one that only this case has."""
    return case.chat or f"{case.name} "  # a space cannot be in a name: no chat of a user's


def users_of(cases: Iterable[Case]) -> dict[str, int]:
    """Return the user of each chat. Strangers are told their id: counted by themselves, a new case
    does not change their golden."""
    known, strangers = count(FIRST_USER), count(_FIRST_STRANGER)
    users: dict[str, int] = {}
    for case in cases:
        if chat_label(case) not in users:
            users[chat_label(case)] = next(strangers if case.stranger else known)
    return users
