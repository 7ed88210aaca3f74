"""What became of many updates that were under way at a time: the chats as delivery sees them.

What belongs to an update by its marker, or as a Telegram reply, is known; so is everything in a
chat that holds no other update. The rest is only counted, chat by chat: counting can prove that
something is missing or too much, but a lost and a repeated reply in one chat would cancel out, so
it proves no more than that.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from botproof.calls import words_of
from botproof.chats import Chat, Chats, ReplyRules, Turn
from botproof.counting import several
from botproof.history import CasePlayed, DoubleEvent, Event, UpdateConfirmed

_QUOTED = 40
_ENOUGH = 5
"""So many answers show whether a bot confirms before it answers."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One update that expects an answer, and when answers to it came (monotonic seconds)."""

    case: CasePlayed
    answers: tuple[float, ...]

    @property
    def answered(self) -> bool:
        """Whether the whole answer came, be it more than once."""
        return len(self.answers) >= self.case.replies

    @property
    def repeats(self) -> int:
        """How often it was answered beyond the first time; a part of an answer counts as one."""
        return _whole(len(self.answers) - self.case.replies, self.case.replies)


@dataclass(frozen=True, slots=True)
class Tally:
    """What became of the updates.

    `lost` are updates known to be unanswered; `lost_unnamed` how many more must be, by count.
    `dropped` are unanswered because the bot had Telegram throw them away. `counted` are taken as
    answered by count alone. `leftovers` are acknowledgements that nothing was made of although the
    update was answered. `swapped` are pairs of one chat that were answered in the wrong order: the
    first of each pair was asked before the second. `sizes` says how many messages answers had.
    """

    entries: tuple[Entry, ...]
    lost: tuple[CasePlayed, ...]
    lost_unnamed: int
    dropped: tuple[CasePlayed, ...]
    repeated: tuple[Entry, ...]
    repeats: int
    leftovers: int
    counted: int
    swapped: tuple[tuple[CasePlayed, CasePlayed], ...]
    sizes: Counter[int]


class Open:
    """How many updates wait for their answers, while a run goes on."""

    def __init__(self, rules: ReplyRules) -> None:
        self.chats = Chats(rules, markers=True)
        self._open: dict[int, int] = {}
        self._confirmed: set[int] = set()
        self._took = False

    def feed(self, event: Event) -> None:
        """Take in one event of the stack."""
        if isinstance(event, UpdateConfirmed):
            self._confirmed.update(event.update_ids)
            self._took = self._took or self.in_hand(event.update_ids) > 0
        changed = self.chats.feed(event)
        if changed is not None:
            self._note(changed)
        elif isinstance(event, DoubleEvent):  # updates that were thrown away
            for chat in self.chats.chats.values():
                self._note(chat)

    def _note(self, chat: Chat) -> None:
        if chat.turns:
            waiting = max(0, len(chat.unanswered) - len(chat.stray_answers))
            self._open[chat.turns[0].case.chat_id] = waiting

    @property
    def open(self) -> int:
        """How many updates have no answer, if each message that is left over is one."""
        return sum(self._open.values())

    def in_hand(self, updates: Iterable[int] = ()) -> int:
        """Return how many updates, of these or of all, the bot has confirmed to Telegram and not
        answered yet: nobody else knows of them any more."""
        among = set(updates) or self._confirmed
        turns = [self.chats.by_update.get(each) for each in among & self._confirmed]
        return sum(turn is not None and not turn.answered for turn in turns)

    @property
    def answers_first(self) -> bool:
        """Whether the bot seems to confirm an update only when it has answered it."""
        return not self._took and self.asked - self.open - self.dropped >= _ENOUGH

    @property
    def dropped(self) -> int:
        """How many updates nobody waits for, because the bot had them thrown away."""
        return sum(turn.dropped for turn in self.chats.by_update.values())

    @property
    def asked(self) -> int:
        """How many updates expect an answer."""
        return sum(turn.case.expect == "reply" for turn in self.chats.by_update.values())


def tally(chats: Chats) -> Tally:
    """Return what is known of a stack's updates. `chats` were read with markers."""
    counted = [_count(chat, chats.rules) for chat in chats.chats.values() if _asked(chat)]
    entries = sorted((e for one in counted for e in one.entries), key=lambda entry: entry.case.t)
    lost = [case for one in counted for case in one.lost]
    return Tally(
        entries=tuple(entries),
        lost=tuple(sorted(lost, key=lambda case: case.t)),
        lost_unnamed=sum(one.lost_unnamed for one in counted),
        dropped=tuple(case for one in counted for case in one.dropped),
        repeated=tuple(entry for entry in entries if entry.repeats),
        repeats=sum(one.repeats for one in counted),
        leftovers=sum(one.leftovers for one in counted),
        counted=sum(one.counted for one in counted),
        swapped=tuple(pair for one in counted for pair in _swapped(one.entries)),
        sizes=Counter(len(entry.answers) for entry in entries if entry.answers),
    )


def in_another_chat(chats: Chats, case: CasePlayed) -> Iterator[str]:
    """Yield where an update was answered instead, by the word of its own that it had."""
    for act in chats.acts:
        elsewhere = act.is_message and act.chat_id != case.chat_id
        if elsewhere and case.case.casefold() in words_of(act.text):
            yield f"its answer went to chat {act.chat_id}: {act.text[:_QUOTED]!r}"


def too_many(chats: Chats) -> Iterator[str]:
    """Yield the chats with more messages than their updates asked for, where it is not known to
    which update these belong."""
    for chat_id, chat in chats.chats.items():
        strays = chat.stray_answers
        if len(chat.turns) > 1 and len(strays) > len(chat.unanswered):
            yield (
                f"chat {chat_id}: {several(len(strays), 'message')} of no update that is known, "
                f"such as {strays[-1].text[:_QUOTED]!r}"
            )


@dataclass(frozen=True, slots=True)
class _Count:
    """The same for one chat; its entries in the order in which they were asked."""

    entries: Sequence[Entry]
    lost: Sequence[CasePlayed]
    lost_unnamed: int
    dropped: Sequence[CasePlayed]
    repeats: int
    leftovers: int
    counted: int


def _asked(chat: Chat) -> list[Turn]:
    turns = [turn for turn in chat.turns if turn.case.expect == "reply"]
    return sorted(turns, key=lambda turn: turn.case.update_id)


def _count(chat: Chat, rules: ReplyRules) -> _Count:
    turns = _asked(chat)
    strays = [message.answered_at or 0.0 for message in chat.stray_answers]
    entries = [
        Entry(turn.case, tuple(sorted(each.answered_at or each.sent_at for each in turn.answers)))
        for turn in turns
    ]
    if len(entries) == 1:  # every message of the bot is an answer to it
        entries = [Entry(entries[0].case, tuple(sorted((*entries[0].answers, *strays))))]
        strays = []
    size = max(entry.case.replies for entry in entries)
    thrown = {turn.case.update_id for turn in turns if turn.dropped}
    unanswered = [entry for entry in entries if not entry.answered]
    dropped = [entry.case for entry in unanswered if entry.case.update_id in thrown]
    waiting = [entry for entry in unanswered if entry.case.update_id not in thrown]
    needed = sum(entry.case.replies - len(entry.answers) for entry in waiting)
    missing = min(len(waiting), _whole(needed - len(strays), size))
    # As many acknowledgements may stand as updates wait, and one for each answer if they stay,
    # whether it is known which update it belongs to or only counted.
    answered = len(entries) - len(unanswered) + len(waiting) - missing
    may_stand = missing + (answered if rules.acknowledgement_stays else 0)
    leftovers = max(0, len(chat.acknowledgements) - may_stand)
    repeats = sum(entry.repeats for entry in entries) + leftovers
    return _Count(
        entries=entries,
        lost=[] if strays else [entry.case for entry in waiting],
        lost_unnamed=missing if strays else 0,
        dropped=dropped,
        repeats=repeats + _whole(len(strays) - needed, size),
        leftovers=leftovers,
        counted=len(waiting) - missing,
    )


def _whole(messages: int, size: int) -> int:
    """Return how many answers of `size` messages so many messages are, the last one
    maybe in part."""
    return max(0, -(-messages // size))


def _swapped(entries: Sequence[Entry]) -> Iterator[tuple[CasePlayed, CasePlayed]]:
    """Yield neighbours among the answered updates whose first answers came the other way round."""
    answered = [entry for entry in entries if entry.answers]
    for before, after in pairwise(answered):
        if min(after.answers) < min(before.answers):
            yield before.case, after.case
