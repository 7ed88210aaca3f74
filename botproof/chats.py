"""What was said in each chat: one reconstruction from a history, which every check looks at.

`Chats` is a fold over the events of one stack. It holds what was asked (a `Turn` for each case),
and what the bot did about it: messages as they were sent, edited and deleted, calls that Telegram
refused, what went to a chat in which nobody had asked, and updates that the bot itself threw away.
Nothing here judges. The rules are the same for all views:

- A message is what stands in the chat: a call, with all of its edits. A deleted one is gone.
- An acknowledgement says only that an answer is on its way. Edited into the answer it *is* that
  answer, because whether it was sent depends on timing, and the chat holds one message either way.
- A toast (the answer to a tap) is an answer only where the bot sends no message for the tap.
- An edit of the message under the tapped button is the answer of the tap, an act of its own: what
  the message said before stays the answer of whoever asked for it. Taking that message away is an
  answer only where nothing is sent or edited.

A message belongs to the update whose query it answers, or whose message it is a Telegram reply to;
else to the update that was asked last in its chat. With `markers` many updates of one chat are
under way at a time, so the last one is no hint. Then a message belongs to the update of which it
repeats the marker (the name of the case), and what is known by none of these stays a stray: how
many there are can be counted, which of them is whose is not known.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from botproof.calls import (
    NO_MESSAGES,
    Json,
    after_edit,
    button_rows,
    chat_of,
    integer,
    is_sending,
    is_true,
    message_ids,
    message_under_tap,
    plain,
    query_of,
    query_of_update,
    replied_to,
    text_of,
    topic_of,
    words_of,
)
from botproof.config import Replies
from botproof.history import BotApiCall, CasePlayed, DoubleEvent, Event, History, UpdateInjected

_CHANGING = ("editMessage", "deleteMessage")
TOAST = "answerCallbackQuery"
LOG_OUT = "logout"
"""In small letters, as Telegram does not mind them."""
_REPLACING = frozenset({"editMessageText", "editMessageCaption", "editMessageMedia"})


@dataclass(frozen=True, slots=True)
class ReplyRules:
    """How replies are read, with the patterns compiled (see `config.Replies`)."""

    acknowledgement: re.Pattern[str] | None = None
    ignore_methods: frozenset[str] = frozenset()
    normalisers: tuple[tuple[re.Pattern[str], str], ...] = ()
    acknowledgement_stays: bool = False
    messages: int = 1

    @classmethod
    def of(cls, replies: Replies) -> ReplyRules:
        """Return the rules that `[replies]` of a botproof.toml describes."""
        return cls(
            acknowledgement=re.compile(replies.acknowledgement)
            if replies.acknowledgement
            else None,
            ignore_methods=frozenset(replies.ignore_methods),
            normalisers=tuple(
                (re.compile(normaliser.pattern, re.MULTILINE), normaliser.replace)
                for normaliser in replies.normalise
            ),
            acknowledgement_stays=replies.acknowledgement_stays,
            messages=replies.messages,
        )

    def is_acknowledgement(self, text: str) -> bool:
        """Tell whether a message only says that an answer is on its way."""
        return self.acknowledgement is not None and self.acknowledgement.search(text) is not None

    def normalise(self, text: str) -> str:
        """Return the text with everything replaced that legitimately differs between runs."""
        for pattern, replacement in self.normalisers:
            text = pattern.sub(replacement, text)
        return text


@dataclass(slots=True, eq=False)
class Message:
    """One message as it stands in a chat, or anything else that the bot did there.

    `params` are those of the call with all edits applied. `answered_at` is when it first said more
    than an acknowledgement, None while it has not; `edits` counts changes. Times are monotonic
    seconds. `chat_id` is 0 for a call that names none. `in_place` is what a tap did to the message
    under the button.
    """

    method: str
    params: dict[str, Any]
    result: Any
    chat_id: int
    query_id: str
    sent_at: float
    answered_at: float | None = None
    acknowledgement: bool = False
    edits: int = 0
    deleted_at: float | None = None
    turn: Turn | None = None
    in_place: bool = False

    @property
    def text(self) -> str:
        """Its text or caption; "" for neither."""
        return text_of(self.params)

    @property
    def parse_mode(self) -> str:
        """How its text is read; "" for plain text."""
        return str(self.params.get("parse_mode") or "")

    @property
    def buttons(self) -> list[list[Any]]:
        """The rows of its keyboard, each button as it was sent."""
        return button_rows(self.params.get("reply_markup"))

    @property
    def topic(self) -> int | None:
        """The topic of a forum that it stands in, as Telegram answered; None for none."""
        return topic_of(self.result)

    @property
    def standing(self) -> bool:
        """Whether the chat still holds it."""
        return self.deleted_at is None

    @property
    def is_message(self) -> bool:
        """Whether it is a message, and not a toast, a pin or the like. One whose text was replaced
        and that nobody had sent before is that of a button that was tapped."""
        changed = self.method in _REPLACING or (self.in_place and not self.is_removal)
        return is_sending(self.method) or changed

    @property
    def is_removal(self) -> bool:
        """Whether it took a message away."""
        return self.method.startswith("delete")


@dataclass(slots=True, eq=False)
class Turn:
    """One update that the harness sent, and what came of it.

    `acts` is everything that the bot did about it, in order; `refused` are the calls that Telegram
    refused; `dropped` says that the bot had Telegram throw the update away.
    """

    case: CasePlayed
    acts: list[Message] = field(default_factory=list)
    refused: list[BotApiCall] = field(default_factory=list)
    dropped: bool = False

    @property
    def messages(self) -> list[Message]:
        """What the user sees of it, as far as it still stands: first toasts, then messages, each in
        order of sending.

        A toast shows over the chat and has no place in it. A bot that sends it beside its answer,
        so that nobody waits for it, may send either first.
        """
        standing = [
            act
            for act in self.acts
            if act.standing and (act.is_message or act.in_place or act.method == TOAST)
        ]
        return sorted(standing, key=lambda act: act.method != TOAST)

    @property
    def answers(self) -> list[Message]:
        """The messages that say more than an acknowledgement; a toast, or that the message under
        the button was taken away, where there is none."""
        standing = self.messages
        said = [each for each in standing if each.is_message and each.answered_at is not None]
        toasts = [each for each in standing if not each.is_message and (each.text or each.in_place)]
        return said or toasts[:1]

    @property
    def acknowledgements(self) -> list[Message]:
        """The acknowledgements that still stand."""
        return [each for each in self.messages if each.acknowledgement]

    @property
    def answered(self) -> bool:
        """Whether the whole answer came, be it more than once."""
        return len(self.answers) >= self.case.replies

    @property
    def too_many(self) -> int:
        """How many messages came beyond the answer."""
        return max(0, len(self.answers) - self.case.replies)

    @property
    def reply_time_s(self) -> float | None:
        """Seconds from the user's "send" to the whole answer; None while it is not there."""
        times = sorted(each.answered_at or each.sent_at for each in self.answers)
        if len(times) < self.case.replies:
            return None
        return times[self.case.replies - 1] - self.case.t


@dataclass(slots=True)
class Chat:
    """One chat: its turns in the order in which they were asked, and its messages.

    `strays` are messages that belong to no turn, as far as is known.
    """

    turns: list[Turn] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    strays: list[Message] = field(default_factory=list)
    by_marker: dict[str, Turn] = field(default_factory=dict)
    by_message: dict[int, Turn] = field(default_factory=dict)
    unanswered: set[Turn] = field(default_factory=set)

    @property
    def acknowledgements(self) -> list[Message]:
        """The acknowledgements that still stand."""
        return [each for each in self.messages if each.acknowledgement and each.standing]

    @property
    def stray_answers(self) -> list[Message]:
        """What stands and is an answer, of which it is not known whose."""
        return [each for each in self.strays if each.answered_at is not None and each.standing]


class Chats:
    """Takes the events of one stack as they become known.

    An answer may be known before its update is: they come from two sources.
    """

    def __init__(self, rules: ReplyRules, *, markers: bool = False) -> None:
        self.rules = rules
        self.chats: dict[int, Chat] = {}
        self.turns: dict[str, Turn] = {}
        self.by_update: dict[int, Turn] = {}
        self.acts: list[Message] = []
        self.refused: list[BotApiCall] = []
        self.dropping: list[BotApiCall] = []
        self._markers = markers
        self._by_id: dict[tuple[int, int], Message] = {}
        self._by_query: dict[str, Turn] = {}
        self._message_of_update: dict[int, tuple[int, int]] = {}
        self._query_of_update: dict[int, str] = {}
        self._under_tap: dict[int, int | None] = {}
        self._tapped: dict[tuple[int, int], Turn] = {}

    def feed(self, event: Event) -> Chat | None:
        """Take in one event. The chat that it changed, None when it changed none."""
        if isinstance(event, CasePlayed):
            return self._played(event)
        if isinstance(event, BotApiCall):
            return self._called(event)
        if isinstance(event, UpdateInjected):
            self._injected(event)
        elif isinstance(event, DoubleEvent) and event.kind == "drop":
            self._dropped(event)
        return None

    @property
    def texts(self) -> list[str]:
        """What every message that stands says and that is no acknowledgement, in order."""
        said = [act for act in self.acts if act.is_message and act.standing]
        return [act.text for act in said if act.text and not act.acknowledgement]

    def elsewhere(self) -> list[Message]:
        """Return messages that went to chats in which nobody had asked anything."""
        return [
            act
            for act in self.acts
            if act.turn is None
            and act.is_message
            and act.chat_id
            and not self.chats[act.chat_id].turns
        ]

    # what was asked

    def _played(self, case: CasePlayed) -> Chat:
        turn = Turn(case)
        chat = self._chat(case.chat_id)
        chat.turns.append(turn)
        self.turns[case.case] = self.by_update[case.update_id] = turn
        query_id = query_of_update(case.sent) or self._query_of_update.get(case.update_id, "")
        if query_id:
            self._by_query[query_id] = turn
        self._under_tap.setdefault(case.update_id, message_under_tap(case.sent))
        self._link(case.update_id)
        if self._markers:
            marker = case.case.casefold()
            chat.by_marker[marker] = turn
            for stray in [each for each in chat.strays if marker in words_of(each.text)]:
                self._give(stray, turn)
        self._settle(chat, turn)
        return chat

    def _injected(self, event: UpdateInjected) -> None:
        message = event.update.get("message")
        if isinstance(message, Mapping) and isinstance(message.get("chat"), Mapping):
            chat_id, message_id = message["chat"].get("id"), message.get("message_id")
            if isinstance(chat_id, int) and isinstance(message_id, int):
                self._message_of_update[event.update_id] = (chat_id, message_id)
        query_id = query_of_update(event.update)
        if query_id:
            self._query_of_update[event.update_id] = query_id
            self._under_tap[event.update_id] = message_under_tap(event.update)
        self._link(event.update_id)

    def _link(self, update_id: int) -> None:
        """Know the update by its message and its query, once both sides have been told."""
        turn = self.by_update.get(update_id)
        where = self._message_of_update.get(update_id)
        query_id = self._query_of_update.get(update_id)
        if turn is not None and where is not None:
            self._chat(where[0]).by_message[where[1]] = turn
        if turn is not None and query_id:
            self._by_query[query_id] = turn
        under = self._under_tap.get(update_id)
        if turn is not None and under is not None:
            self._tapped[turn.case.chat_id, under] = turn

    def _dropped(self, event: DoubleEvent) -> None:
        for update_id in event.detail.get("update_ids", ()):
            turn = self.by_update.get(update_id)
            if turn is not None:
                turn.dropped = True
                self._settle(self._chat(turn.case.chat_id), turn)

    # what the bot did

    def _called(self, call: BotApiCall) -> Chat | None:
        if call.error_code is None and (
            is_true(call.params.get("drop_pending_updates")) or call.method.lower() == LOG_OUT
        ):
            self.dropping.append(call)
        chat_id, query_id = chat_of(call) or 0, query_of(call)
        if call.method in self.rules.ignore_methods or not (chat_id or query_id):
            return None
        chat = self._chat(chat_id)
        if call.error_code is not None:
            self._refused(chat, query_id, call)
            return chat
        if call.method in NO_MESSAGES or (
            call.result is None and (is_sending(call.method) or call.method.startswith(_CHANGING))
        ):
            return None  # without a result it was not refused, but it never took effect either
        for message in self._touched(chat, chat_id, query_id, call):
            if message.turn is not None:
                self._settle(self._chat(message.turn.case.chat_id), message.turn)
        return chat

    def _touched(self, chat: Chat, chat_id: int, query_id: str, call: BotApiCall) -> list[Message]:
        """Return what a call sent, changed or took away, with that done."""
        known = self._known(chat_id, call)
        tap = self._tap_of(chat_id, call)
        if tap is not None and (not known or known[0].turn is not tap):
            return [self._changed_by_tap(tap, known, call)]
        if not known:
            return [self._acted(chat, chat_id, query_id, call)]
        if call.method.startswith("delete"):
            for message in known:
                message.deleted_at = call.t
        else:
            self._edited(known[0], call)
        return known

    def _refused(self, chat: Chat, query_id: str, call: BotApiCall) -> None:
        self.refused.append(call)
        turn = self._turn_of(chat, query_id, call.params)
        if turn is not None:
            turn.refused.append(call)

    def _known(self, chat_id: int, call: BotApiCall) -> list[Message]:
        """Return the messages that a call changes or deletes, as far as they are known."""
        if not call.method.startswith(_CHANGING):
            return []
        given = plain(call.params.get("message_ids"))
        ids = given if isinstance(given, list) else [call.params.get("message_id")]
        found = (self._by_id.get((chat_id, integer(each) or 0)) for each in ids)
        return [message for message in found if message is not None and message.standing]

    def _acted(self, chat: Chat, chat_id: int, query_id: str, call: BotApiCall) -> Message:
        act = Message(
            method=call.method,
            params=dict(call.params),
            result=call.result,
            chat_id=chat_id,
            query_id=query_id,
            sent_at=call.t,
        )
        self.acts.append(act)
        self._read(act, call.t)
        if act.is_message:
            chat.messages.append(act)
            chat.strays.append(act)
        for number in message_ids(call.result):
            self._by_id[chat_id, number] = act
        turn = self._turn_of(chat, query_id, call.params)
        if turn is not None:
            self._give(act, turn)
        return act

    def _tap_of(self, chat_id: int, call: BotApiCall) -> Turn | None:
        """Return the tap on a button of the message that a call changes or takes away."""
        if not call.method.startswith(_CHANGING):
            return None
        return self._tapped.get((chat_id, integer(call.params.get("message_id")) or 0))

    def _changed_by_tap(self, tap: Turn, known: list[Message], call: BotApiCall) -> Message:
        """Return what a tap made of the message under its button."""
        act = Message(
            method=call.method,
            params=after_edit(known[0].params if known else {}, call.params),
            result=call.result,
            chat_id=chat_of(call) or 0,
            query_id="",
            sent_at=call.t,
            in_place=True,
        )
        self.acts.append(act)
        self._read(act, call.t)
        if not act.is_removal:
            self._by_id[act.chat_id, integer(call.params.get("message_id")) or 0] = act
        self._give(act, tap)
        return act

    def _edited(self, message: Message, call: BotApiCall) -> None:
        message.edits += 1
        message.params = after_edit(message.params, call.params)
        if isinstance(call.result, Mapping):
            message.result = call.result
        self._read(message, call.t)
        if message.turn is None:  # an acknowledgement does not say whose it is, its answer does
            turn = self._turn_of(self._chat(message.chat_id), message.query_id, message.params)
            if turn is not None:
                self._give(message, turn)

    def _read(self, message: Message, at: float) -> None:
        """Note whether a message now says more than an acknowledgement."""
        text = message.text
        message.acknowledgement = (
            message.is_message and bool(text) and self.rules.is_acknowledgement(text)
        )
        if message.answered_at is None and not message.acknowledgement:
            message.answered_at = at

    def _turn_of(self, chat: Chat, query_id: str, params: Json) -> Turn | None:
        """Return the update that a call is about; see the module for the rules."""
        if self._markers:
            words = words_of(text_of(params))
            named = [chat.by_marker[word] for word in words if word in chat.by_marker]
            if len(named) == 1:
                return named[0]
        turn = self._by_query.get(query_id) or chat.by_message.get(replied_to(params) or 0)
        if turn is not None or self._markers:
            return turn
        return chat.turns[-1] if chat.turns else None

    def _give(self, act: Message, turn: Turn) -> None:
        act.turn = turn
        turn.acts.append(act)
        strays = self._chat(act.chat_id).strays
        if act in strays:
            strays.remove(act)

    def _settle(self, chat: Chat, turn: Turn) -> None:
        """Note whether a turn still waits for its answer."""
        if turn.case.expect == "reply" and not turn.answered and not turn.dropped:
            chat.unanswered.add(turn)
        else:
            chat.unanswered.discard(turn)

    def _chat(self, chat_id: int) -> Chat:
        return self.chats.setdefault(chat_id, Chat())


def read_chats(history: History, rules: ReplyRules, *, markers: bool = False) -> dict[str, Chats]:
    """Return the chats of a whole history, by stack."""
    chats = {stack: Chats(rules, markers=markers) for stack in history.stacks}
    for event in history:
        if event.stack in chats:
            chats[event.stack].feed(event)
    return chats
