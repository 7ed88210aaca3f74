"""Why a reply is missing or wrong: what Telegram was asked and answered, and what the log says.

Only what the history holds. Where nothing at all is known, that is said, too.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import groupby

from botproof.calls import chat_of
from botproof.chats import Chats, ReplyRules, Turn, read_chats
from botproof.checks.gone import Gone, gone
from botproof.checks.replies import lines_of
from botproof.config import BOT
from botproof.excerpts import cut, middle_left_out
from botproof.history import BotApiCall, History, LogTrouble, Phase, UpdateDelivered
from botproof.log_trouble import headline

LOOK_S = 15.0
"""How long after an update what happens may still be about it."""
_LAG_S = 0.5  # a log is read after it was written
_SOON_S = 2.0
_MOST_TRACE = 14
_MOST = 4
_QUOTED = 60


class Reasons:
    """What a stack's history says about the turns of it that went wrong."""

    def __init__(self, history: History, stack: str, chats: Chats) -> None:
        self._chats = chats
        self._elsewhere = chats.elsewhere()
        self._refused_elsewhere = [
            call for call in chats.refused if not chats.chats[chat_of(call) or 0].turns
        ]
        self._trouble = history.of(LogTrouble, stack=stack)
        self._delivered: dict[int, list[UpdateDelivered]] = {}
        for event in history.of(UpdateDelivered, stack=stack):
            self._delivered.setdefault(event.update_id, []).append(event)
        self._confirmed = history.confirmed(stack)
        # What is said at the door is no answer to a case.
        self._doors = [
            phase.t
            for phase in history.of(Phase, stack=stack)
            if (phase.name, phase.edge) == ("door", "begin")
        ]
        self._explained: set[tuple[str, str]] = set()
        self._gone = gone(history, stack)

    def missing(self, turn: Turn) -> list[str]:
        """Say why a turn has no (whole) answer: at least one line."""
        return self.known(turn) or [self._silence(turn)]

    def known(self, turn: Turn) -> list[str]:
        """Return everything in the history that may say why; empty where nothing does."""
        end = self.end_of_bot(turn)
        if end is not None and end.covers(turn.case.t):
            ago = turn.case.t - end.end.t
            return [f"the bot had ended with {end.how}, {ago:.1f} s before this was asked"]
        after = f"{end.end.t - turn.case.t:.1f} s later" if end else ""
        ended = [f"the bot ended with {end.how}, {after}, and had not answered"] if end else []
        return [*ended, *self._calls(turn), *self._deliveries(turn), *self.in_log(turn)]

    def end_of_bot(self, turn: Turn) -> Gone | None:
        """Return the end of the bot that a turn without an answer was asked after, or waited at;
        None where there was none."""
        if turn.answered:
            return None
        until = self._end(turn)
        asked = turn.case.t
        return next((g for g in self._gone if g.end.t <= until and asked < g.until), None)

    def in_log(self, turn: Turn) -> Iterator[str]:
        """Yield what the logs of the bot and its services complained of at that time."""
        end = self._end(turn)
        near = [each for each in self._trouble if turn.case.t <= each.t <= end]
        times = Counter(map(_about, near))
        for trouble in near:
            about = _about(trouble)
            count = times.pop(about, 0)
            if not count:
                continue
            often = f", {count} times" if count > 1 else ""
            if about in self._explained:
                said = headline(trouble.lines)
                yield f"log of {trouble.process}: {said} (as above{often})"
                continue
            self._explained.add(about)
            # What was logged may be about others that had no answer then.
            beside = [name for name in during(self._chats, trouble.t) if name != turn.case.case]
            also = f", while other chats waited, too ({', '.join(beside)})" if beside else ""
            yield f"log of {trouble.process}, {trouble.t - turn.case.t:.1f} s later{often}{also}:"
            # The end of a long trace says what was raised.
            trace = middle_left_out(trouble.lines, _MOST_TRACE, head=3, end=_MOST_TRACE - 4)
            yield from (f"  {line}" for line in trace)

    def _end(self, turn: Turn) -> float:
        """Return until when something may be about this turn: its answer, the next one of its chat,
        or that others ask at the door."""
        turns = self._chats.chats[turn.case.chat_id].turns
        later = [each.case.t for each in turns if each.case.t > turn.case.t]
        later += [t for t in self._doors if t > turn.case.t]
        took = turn.reply_time_s
        return min([*later, turn.case.t + (LOOK_S if took is None else took + _LAG_S)])

    def _calls(self, turn: Turn) -> Iterator[str]:
        if turn.dropped:
            yield "the bot had Telegram throw this update away (drop_pending_updates)"
        yield from lines_of(refusals(turn.refused), _MOST)
        gone = [act for act in turn.acts if act.is_message and not act.standing]
        if gone:
            yield f"the bot deleted what it had sent: {_quoted(gone[-1].text)}"
        if not turn.answered and turn.acknowledgements:
            waiting = _quoted(turn.acknowledgements[-1].text)
            yield f"only the acknowledgement came, and nothing after it: {waiting}"
        end = self._end(turn)
        elsewhere = [call for call in self._refused_elsewhere if turn.case.t <= call.t <= end]
        chats = sorted({str(call.params.get("chat_id")) for call in elsewhere})
        for said in lines_of(refusals(elsewhere), _MOST):
            yield f"{said}, for chat {' and '.join(chats[:_MOST])}, in which nobody had asked"
        for act in self._elsewhere:
            if turn.case.t <= act.sent_at <= end:
                after = act.sent_at - turn.case.t
                yield (
                    f"{after:.1f} s later {act.method} went to chat {act.chat_id}, in which nobody "
                    f"had asked: {_quoted(act.text)}"
                )

    def _deliveries(self, turn: Turn) -> Iterator[str]:
        if turn.case.update_id == 0:
            yield "the bot takes no updates of this kind from Telegram (allowed_updates)"
            return
        said = attempts(self._delivered.get(turn.case.update_id, ()))
        if said:
            yield said

    def _silence(self, turn: Turn) -> str:
        update_id = turn.case.update_id
        if update_id in self._confirmed:
            return "the bot took the update from Telegram and called nothing for this chat"
        if update_id in self._delivered:
            return "the update was handed to the bot, which never confirmed it"
        return "nothing is recorded about this update: Telegram never handed it to the bot"


def _about(trouble: LogTrouble) -> tuple[str, str]:
    """Return what is the same of the same trouble at another time: its line without figures."""
    return trouble.process, re.sub(r"\d+", "0", headline(trouble.lines))


def during(chats: Chats, t: float) -> list[str]:
    """Return the cases that waited for their answers at a time; of many the first ones, and "…"."""
    found = []
    for turn in chats.turns.values():
        took = turn.reply_time_s
        done = turn.case.t + (LOOK_S if took is None else took + _LAG_S)
        if turn.case.expect == "reply" and turn.case.t <= t <= done:
            found.append(turn.case.case)
    return found if len(found) <= _MOST else [*found[:_MOST], "…"]


def waiting(chats: Chats, t: float) -> list[str]:
    """Return what had been said and had no answer yet at a time, as its users said it."""
    return [
        turn.case.said
        for turn in chats.turns.values()
        if turn.case.expect == "reply"
        and turn.case.t <= t <= turn.case.t + LOOK_S
        and not any(each.sent_at <= t for each in turn.answers)
    ]


def unanswered_in_trouble(history: History, rules: ReplyRules) -> dict[str, str]:
    """Return what the bot's log complained of soon after a case that was never answered, by case;
    only of cases with which that was so each time that they were played. A line may be about any
    that waited then: who asks them one after the other the second time learns which."""
    found: dict[str, list[str]] = {}
    for stack, chats in read_chats(history, rules).items():
        said: dict[str, str] = {}
        for event in history.of(LogTrouble, stack=stack):
            asked = [
                turn.case
                for turn in chats.turns.values()
                if not turn.answers and turn.case.t <= event.t <= turn.case.t + _SOON_S
            ]
            if event.role == BOT:
                for case in asked:
                    said.setdefault(case.case, headline(event.lines))
        for name in chats.turns:
            found.setdefault(name, []).append(said.get(name, ""))
    return {name: said[-1] for name, said in found.items() if all(said)}


def refusals(calls: Iterable[BotApiCall]) -> list[str]:
    """Return what Telegram refused, in its own words, the same only once with how often."""
    texts = Counter(
        f"{call.method}: {call.error_code} {call.description or ''}".rstrip() for call in calls
    )
    return [f"{text} ({times} times)" if times > 1 else text for text, times in texts.items()]


def attempts(deliveries: Iterable[UpdateDelivered]) -> str:
    """Return what the webhook said to an update, in order; "" where all went well or
    nothing is known."""
    webhook = [event for event in deliveries if event.door == "webhook"]
    if all(event.status is not None and 200 <= event.status < 300 for event in webhook):
        return ""
    parts = []
    for text, same in groupby(webhook, key=outcome):
        times = len(list(same))
        parts.append(f"{text} ({times} times)" if times > 1 else text)
    return f"its webhook answered {', then '.join(parts)}"


def outcome(delivery: UpdateDelivered) -> str:
    """Return how one attempt at the webhook ended: its HTTP status, or what went wrong."""
    if delivery.status is not None:
        return f"HTTP {delivery.status}"
    return f"nothing: {delivery.error}" if delivery.error else "nothing"


def _quoted(text: str) -> str:
    first = next((line for line in text.splitlines() if line.strip()), "")
    return repr(cut(first, _QUOTED))
