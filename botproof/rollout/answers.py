"""Which answer of a bot belongs to which question of its users, of a double's transcript. Pure.

An answer is what a user would call one: it names the coin that was asked for, and has figures.
Other words ("market data is not reachable") are kept beside the question that they came to.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from botproof.rollout.verify import WANTED, lacking

_QUESTION = re.compile(r"/price (\w+)")
_COIN = re.compile(r"\b(\w+)/USDT\b")


class Asked(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A message of a user. `answers` are the moments of its answers, and by which instance;
    `words` what was said in the place of an answer, where none came."""

    text: str
    chat: int
    sent: float
    answers: tuple[tuple[float, str], ...] = ()
    words: str = ""


@dataclass(slots=True)
class _Row:
    text: str
    chat: int
    coin: str
    sent: float
    answers: list[tuple[float, str]] = field(default_factory=list)
    words: str = ""

    def asked(self) -> Asked:
        """Return it as the ledger keeps it."""
        return Asked(
            text=self.text,
            chat=self.chat,
            sent=self.sent,
            answers=tuple(self.answers),
            words=self.words,
        )


@dataclass
class _Chat:
    """The questions of a chat, what answered them by message id, and other words by message id."""

    rows: list[_Row] = field(default_factory=list)
    answered: dict[int, _Row] = field(default_factory=dict)
    words: dict[int, tuple[float, str]] = field(default_factory=dict)

    def say(self, at: float, message: int, text: str, who: str) -> None:
        """Note what the bot said: sent, or edited into a message of its own."""
        if lacking(text, WANTED):
            self.words[message] = (at, text)
            return
        self.words.pop(message, None)  # it was "one moment", and became the answer
        row = self.answered.get(message) or self._asked_for(text, at)
        if row is not None:
            row.answers.append((at, who))
            self.answered[message] = row

    def _asked_for(self, text: str, at: float) -> _Row | None:
        """Return the question that these figures answer, or answer once more.

        A bot answers in order: so it is the first about this coin after all that have an answer,
        and an earlier one, which was passed over, only where there is no such.
        """
        found = _COIN.search(text)
        about = [row for row in self.rows if found and row.coin == found[1] and row.sent <= at]
        waiting = [row for row in about if not row.answers]
        last = max((row.sent for row in self.rows if row.answers), default=0.0)
        in_turn = (row for row in waiting if row.sent >= last)
        return next(in_turn, waiting[0] if waiting else about[-1] if about else None)

    def settle(self) -> None:
        """Give the words that never became an answer to the oldest questions without one."""
        for at, text in sorted(self.words.values()):
            for row in self.rows:
                if row.sent <= at and not row.answers and not row.words:
                    row.words = text
                    break


def matched(events: Iterable[Mapping[str, Any]], spans: Sequence[tuple[str, float]]) -> list[Asked]:
    """Return each `/price COIN` of a transcript with its answers, in the order of sending.

    ``spans``: which instance worked from which moment on, in order. In one chat a coin should be
    asked for again only when its answer is due: answers are told apart by chat and coin.
    """
    chats: dict[int, _Chat] = {}
    rows: list[_Row] = []
    for event in events:
        if event["type"] == "inject":
            message = event["update"].get("message") or {}
            if found := _QUESTION.fullmatch(str(message.get("text", ""))):
                chat = int(message["chat"]["id"])
                rows.append(_Row(found[0], chat, found[1].upper(), float(event["t"])))
                chats.setdefault(chat, _Chat()).rows.append(rows[-1])
        elif _is_saying(event):
            _say(chats, event, spans)
    for each in chats.values():
        each.settle()
    return [row.asked() for row in rows]


def _is_saying(event: Mapping[str, Any]) -> bool:
    """Tell whether the bot's call put a text before a user."""
    if event["type"] != "call" or event["status"] != 200:
        return False
    return event["method"].lower() in {"sendmessage", "editmessagetext"}


def _say(
    chats: Mapping[int, _Chat], event: Mapping[str, Any], spans: Sequence[tuple[str, float]]
) -> None:
    result = event["result"]
    chat = chats.get(int(result["chat"]["id"]))
    if chat is not None:
        at = float(event["t"])
        text = str(event["params"].get("text", ""))
        chat.say(at, int(result["message_id"]), text, _who(spans, at))


def _who(spans: Sequence[tuple[str, float]], at: float) -> str:
    return next((name for name, since in reversed(spans) if since <= at), spans[0][0])
