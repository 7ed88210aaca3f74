"""Which reply belongs to which update: one entry for each update, one line for each answer.

A reply is known to answer an update when it repeats a word that only this update held, when it is
a Telegram reply to its message, or when its chat holds no other update. What is known by none of
these is only counted, chat by chat: counting can prove that something is missing or too much, but
a lost and a repeated reply in one chat would cancel out, so it proves no more than that.

An acknowledgement that is edited into the answer is that answer. One that was left standing beside
an answer is a message too many.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from botproof.checks.replies import ReplyRules, effect_time
from botproof.history import BotApiCall, CasePlayed, Event, UpdateInjected

_WORD = re.compile(r"[0-9a-z]+")


@dataclass(slots=True)
class Entry:
    """One update that expects an answer, and when answers to it came (monotonic seconds)."""

    case: CasePlayed
    answers: list[float] = field(default_factory=list)

    @property
    def answered(self) -> bool:
        """Whether the whole answer came, be it more than once."""
        return len(self.answers) >= self.case.replies

    @property
    def repeats(self) -> int:
        """How many messages came beyond the answer."""
        return max(0, len(self.answers) - self.case.replies)


@dataclass(frozen=True, slots=True)
class Tally:
    """What became of the updates.

    `lost` are updates known to be unanswered; `lost_unnamed` how many more must be, by count.
    `counted` are taken as answered by count alone. `leftovers` are acknowledgements that nothing
    was made of although the update was answered. `swapped` are pairs of one chat that were
    answered in the wrong order: the first of each pair was asked before the second.
    """

    entries: tuple[Entry, ...]
    lost: tuple[CasePlayed, ...]
    lost_unnamed: int
    repeated: tuple[Entry, ...]
    repeats: int
    leftovers: int
    counted: int
    swapped: tuple[tuple[CasePlayed, CasePlayed], ...]


@dataclass(slots=True)
class _Stray:
    """A message that could not be given to an update (yet)."""

    t: float
    words: frozenset[str]


@dataclass(slots=True)
class _Chat:
    entries: list[Entry] = field(default_factory=list)
    by_word: dict[str, Entry] = field(default_factory=dict)
    by_message: dict[int, Entry] = field(default_factory=dict)
    strays: list[_Stray] = field(default_factory=list)
    waiting: set[int] = field(default_factory=set)  # acknowledgements, by message_id

    def open(self) -> int:
        """How many updates have no answer, if each message that is left over is one."""
        unanswered = sum(not entry.answered for entry in self.entries)
        return max(0, unanswered - len(self.strays))


class Ledger:
    """Takes the events of one stack in any order in which they become known."""

    def __init__(self, rules: ReplyRules) -> None:
        self._rules = rules
        self._chats: dict[int, _Chat] = {}
        self._open: dict[int, int] = {}
        self._asked_by_update: dict[int, Entry] = {}
        self._message_of_update: dict[int, tuple[int, int]] = {}

    @property
    def open(self) -> int:
        """How many updates wait for an answer."""
        return sum(self._open.values())

    @property
    def asked(self) -> int:
        """How many updates expect an answer."""
        return len(self._asked_by_update)

    def feed(self, event: Event) -> None:
        """Take in one event; all that is neither an update nor a call of the bot is ignored."""
        if isinstance(event, CasePlayed):
            self._played(event)
        elif isinstance(event, UpdateInjected):
            self._injected(event)
        elif isinstance(event, BotApiCall) and event.result is not None:
            self._called(event)  # without a result it was refused, or it never took effect

    # updates

    def _played(self, case: CasePlayed) -> None:
        if case.expect != "reply":
            return
        chat = self._chat(case.chat_id)
        entry = Entry(case)
        chat.entries.append(entry)
        chat.by_word[case.case.casefold()] = entry
        self._asked_by_update[case.update_id] = entry
        self._link(case.update_id)
        self._claim_strays(chat, entry)
        self._open[case.chat_id] = chat.open()

    def _claim_strays(self, chat: _Chat, entry: Entry) -> None:
        """Events come from two sources: an answer may be known before its update is."""
        word = entry.case.case.casefold()
        mine = [stray for stray in chat.strays if word in stray.words]
        entry.answers += [stray.t for stray in mine]
        chat.strays = [stray for stray in chat.strays if stray not in mine]

    def _injected(self, event: UpdateInjected) -> None:
        message = event.update.get("message")
        if isinstance(message, Mapping) and isinstance(message.get("chat"), Mapping):
            chat_id, message_id = message["chat"].get("id"), message.get("message_id")
            if isinstance(chat_id, int) and isinstance(message_id, int):
                self._message_of_update[event.update_id] = (chat_id, message_id)
                self._link(event.update_id)

    def _link(self, update_id: int) -> None:
        """Know the update by its message, once both sides have been told."""
        entry = self._asked_by_update.get(update_id)
        where = self._message_of_update.get(update_id)
        if entry is not None and where is not None:
            self._chat(where[0]).by_message[where[1]] = entry

    # what the bot did

    def _called(self, call: BotApiCall) -> None:
        chat_id = _integer(call.params.get("chat_id"))
        if chat_id is None or call.method in self._rules.ignore_methods:
            return
        chat = self._chat(chat_id)
        if call.method.startswith("editMessage"):
            self._edited(chat, call)
        elif call.method == "deleteMessage":
            chat.waiting.discard(_integer(call.params.get("message_id")) or 0)
        elif call.method.startswith(("send", "copy", "forward")):
            self._sent(chat, call)
        if chat.entries:
            self._open[chat_id] = chat.open()

    def _sent(self, chat: _Chat, call: BotApiCall) -> None:
        if self._rules.is_acknowledgement(_text(call.params)):
            message_id = call.result.get("message_id") if isinstance(call.result, Mapping) else None
            chat.waiting.add(_integer(message_id) or 0)
        else:
            self._answered(chat, call)

    def _edited(self, chat: _Chat, call: BotApiCall) -> None:
        message_id = _integer(call.params.get("message_id"))
        if message_id not in chat.waiting or self._rules.is_acknowledgement(_text(call.params)):
            return  # an answer that is changed afterwards, or the same edit once more
        chat.waiting.discard(message_id)
        self._answered(chat, call)

    def _answered(self, chat: _Chat, call: BotApiCall) -> None:
        words = frozenset(_WORD.findall(_text(call.params).casefold()))
        entry = _by_word(chat, words) or chat.by_message.get(_replied_to(call.params) or 0)
        if entry is None:
            chat.strays.append(_Stray(effect_time(call), words))
        else:
            entry.answers.append(effect_time(call))

    def _chat(self, chat_id: int) -> _Chat:
        return self._chats.setdefault(chat_id, _Chat())

    # the result

    def tally(self) -> Tally:
        """What is known now. Does not change the ledger."""
        lost: list[CasePlayed] = []
        entries: list[Entry] = []
        unnamed = repeats = leftovers = counted = 0
        swapped: list[tuple[CasePlayed, CasePlayed]] = []
        for chat in self._chats.values():
            own = _entries_with_strays(chat)
            unanswered = [entry for entry in own if not entry.answered]
            strays = len(chat.strays) if len(own) != 1 else 0
            missing = max(0, len(unanswered) - strays)
            if strays == 0:
                lost += [entry.case for entry in unanswered]
            else:
                unnamed += missing
            counted += len(unanswered) - missing
            left = max(0, len(chat.waiting) - missing) if own else 0
            leftovers += left
            repeats += sum(entry.repeats for entry in own) + left
            repeats += max(0, strays - len(unanswered)) if own else 0
            swapped += _swapped(own)
            entries += own
        entries.sort(key=lambda entry: entry.case.t)
        return Tally(
            entries=tuple(entries),
            lost=tuple(sorted(lost, key=lambda case: case.t)),
            lost_unnamed=unnamed,
            repeated=tuple(entry for entry in entries if entry.repeats),
            repeats=repeats,
            leftovers=leftovers,
            counted=counted,
            swapped=tuple(swapped),
        )


def _entries_with_strays(chat: _Chat) -> list[Entry]:
    """The updates of a chat in the order in which they were asked.

    In a chat with one update, every message of the bot is an answer to it.
    """
    if len(chat.entries) != 1:
        return sorted(chat.entries, key=lambda entry: entry.case.update_id)
    (only,) = chat.entries
    return [Entry(only.case, sorted([*only.answers, *(stray.t for stray in chat.strays)]))]


def _swapped(entries: list[Entry]) -> Iterator[tuple[CasePlayed, CasePlayed]]:
    """Neighbours among the answered updates whose first answers came the other way round."""
    answered = [entry for entry in entries if entry.answers]
    for before, after in pairwise(answered):
        if min(after.answers) < min(before.answers):
            yield before.case, after.case


def _by_word(chat: _Chat, words: frozenset[str]) -> Entry | None:
    found = [chat.by_word[word] for word in words if word in chat.by_word]
    return found[0] if len(found) == 1 else None


def _replied_to(params: Mapping[str, Any]) -> int | None:
    parameters = params.get("reply_parameters")
    if isinstance(parameters, Mapping):
        return _integer(parameters.get("message_id"))
    return _integer(params.get("reply_to_message_id"))


def _text(params: Mapping[str, Any]) -> str:
    return str(params.get("text") or params.get("caption") or "")


def _integer(value: object) -> int | None:
    try:
        return int(value)  # type: ignore[call-overload,no-any-return]  # what is no number raises, and is answered with None
    except (TypeError, ValueError):
        return None
