"""delivery: every update is answered, a kill repeats at most one reply, chats keep their order.

Judged on the history of a run in which the bot was killed again and again (`botproof delivery`).
What it can say of other histories it says too: without kills, nothing may be lost or repeated.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from botproof.chats import LOG_OUT, Chats, Message
from botproof.checks import mute
from botproof.checks.in_hand import Hands, given_up, unexcused
from botproof.checks.judging import Judging
from botproof.checks.replies import lines_of
from botproof.checks.tally import Entry, Tally, in_another_chat, too_many
from botproof.checks.tally import tally as tally_of
from botproof.checks.why import Reasons
from botproof.counting import several
from botproof.history import (
    BotApiCall,
    CasePlayed,
    HarnessError,
    History,
    LogTail,
    ProcessExited,
    ProcessNotReady,
    ProcessReady,
    ProcessStarted,
    StopRequested,
    UpdateDelivered,
    describe_exit,
)
from botproof.starvation import KEPT
from botproof.verdict import CheckResult, Verdict

_MOST_LINES = 12
_MOST_LOG_LINES = 8
_MOST_REASONS = 3
_QUOTED = 40
_TAKEN_IN = "an update that was confirmed to Telegram and not answered yet"


class DeliveryPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What a delivery run set out to do, kept under "delivery" in `Run.judging`: a run that came to
    less proves less."""

    updates: int = 0
    kills: int = 0
    stops: int = 0
    """How often SIGTERM is to meet the bot at work."""

    @classmethod
    def recorded_in(cls, history: History) -> DeliveryPlan:
        """Return the plan of a history; nothing is planned when it says nothing."""
        run = history.run
        raw = {} if run is None else run.judging.get("delivery", {})
        return msgspec.convert(raw, cls)


@dataclass(frozen=True, slots=True)
class _Stop:
    """A SIGTERM and the end that followed; `until` is when a bot process was started again."""

    exited: ProcessExited
    until: float


@dataclass(frozen=True, slots=True)
class _Seen:
    """What one stack's part of a history shows."""

    stack: str
    tally: Tally
    kills: tuple[float, ...]
    kills_at_work: int
    takes_first: bool
    kills_in_hand: int
    stops_in_hand: int
    given_up_s: float
    unexcused: tuple[Entry, ...]
    stops: tuple[_Stop, ...]
    after_stop: tuple[BotApiCall, ...]
    crashes: tuple[ProcessExited, ...]
    not_ready: tuple[ProcessNotReady, ...]
    reasons: Reasons
    chats: Chats


def check(history: History, judging: Judging) -> CheckResult:
    """Judge what became of the updates. Only what the history holds counts."""
    plan = DeliveryPlan.recorded_in(history)
    seen = [_see(history, judging, stack) for stack in history.stacks]
    broken = list(_broken(history))
    problems = [f"{one.stack}: {line}" for one in seen for line in _problems(one)]
    problems += [line for one in seen if plan.kills for line in _in_vain(one)]
    missing = [*_gaps(seen, plan), *_unseen(history)]
    verdict = _verdict(broken, problems, missing)
    why = f"; {missing[0]}" if verdict is Verdict.INCONCLUSIVE else ""
    return CheckResult(
        check="delivery",
        verdict=verdict,
        budget="0 updates lost, at most 1 repeated reply a kill, order kept, silence after SIGTERM",
        measurement=f"{_measure(seen)}{why}",
        least_evidence=(
            f"{plan.updates or 1:,} updates that can be told apart in the replies, "
            f"{plan.kills:,} kills, one clean stop"
        ),
        evidence=(
            *broken,
            *lines_of(problems, _MOST_LINES),
            *missing,
            *(line for one in seen for line in _details(history, one)),
        ),
        source="design, section 4",
        data=_data(seen),
        spoilt_by="machine" if why and any(one.given_up_s for one in seen) else "",
    )


def _verdict(broken: Sequence[str], problems: Sequence[str], missing: Sequence[str]) -> Verdict:
    if broken:
        return Verdict.ERROR
    if problems:
        return Verdict.FAIL
    return Verdict.INCONCLUSIVE if missing else Verdict.PASS


def _broken(history: History) -> Iterator[str]:
    """Yield reasons why this record says nothing about the bot."""
    for error in history.of(HarnessError):
        yield f"the harness failed: {error.where}: {error.message}"
    for exit_ in history.of(ProcessExited):
        if exit_.role == "double" and not exit_.expected:
            yield f"{exit_.process} ended during the run with {describe_exit(exit_.code)}"


# what a history shows


def _see(history: History, judging: Judging, stack: str) -> _Seen:
    chats = Chats(judging.rules, markers=True)
    for event in history:
        if event.stack == stack:
            chats.feed(event)
    tally = tally_of(chats)
    kills = tuple(
        event
        for event in history.of(StopRequested, stack=stack)
        if event.role == "bot" and event.signal == "SIGKILL"
    )
    stops = tuple(_stops(history, stack))
    terms = [
        event.t
        for event in history.of(StopRequested, stack=stack)
        if event.role == "bot" and event.signal == "SIGTERM"
    ]
    hands = Hands(history, stack, tally)
    exits = history.of(ProcessExited, stack=stack)
    return _Seen(
        stack=stack,
        tally=tally,
        kills=tuple(kill.t for kill in kills),
        kills_at_work=_kills_at_work(tally, kills, _Lives(history, stack)),
        takes_first=hands.takes_first,
        kills_in_hand=sum(hands.at(kill.t) > 0 for kill in kills),
        stops_in_hand=sum(hands.at(t) > 0 for t in terms),
        given_up_s=given_up(history, stack, tally),
        unexcused=tuple(unexcused(history, stack, tally, [kill.t for kill in kills])),
        stops=stops,
        after_stop=tuple(_after_stop(history, stack, stops)),
        crashes=tuple(e for e in exits if e.role == "bot" and not e.expected),
        not_ready=tuple(
            event for event in history.of(ProcessNotReady, stack=stack) if event.role != "double"
        ),
        reasons=Reasons(history, stack, chats),
        chats=chats,
    )


def _stops(history: History, stack: str) -> Iterator[_Stop]:
    """Yield times at which SIGTERM had ended the last bot process."""
    asked = {
        (event.process, event.t)
        for event in history.of(StopRequested, stack=stack)
        if event.role == "bot" and event.signal == "SIGTERM"
    }
    started = [e.t for e in history.of(ProcessStarted, stack=stack) if e.role == "bot"]
    exited = [e for e in history.of(ProcessExited, stack=stack) if e.role == "bot"]
    ends = [event.t for event in exited]
    for event in exited:
        alive = bisect_right(started, event.t) - bisect_right(ends, event.t)
        lives_from = max((t for t in started if t <= event.t), default=float("-inf"))
        if alive == 0 and any(p == event.process and lives_from <= t <= event.t for p, t in asked):
            later = bisect_right(started, event.t)
            yield _Stop(event, started[later] if later < len(started) else float("inf"))


def _after_stop(history: History, stack: str, stops: Iterable[_Stop]) -> Iterator[BotApiCall]:
    for stop in stops:
        for call in history.of(BotApiCall, stack=stack):
            if stop.exited.t < call.t - call.duration_s < stop.until:
                yield call


def _kills_at_work(tally: Tally, kills: Sequence[StopRequested], lives: _Lives) -> int:
    """Return how many kills met a ready bot while updates waited for their answers."""
    asked = sorted(entry.case.t for entry in tally.entries)
    done = sorted(min(entry.answers) for entry in tally.entries if entry.answered)
    return sum(
        lives.ready_at(kill.process, kill.t)
        and bisect_left(asked, kill.t) > bisect_left(done, kill.t)
        for kill in kills
    )


class _Lives:
    """When each bot process was started and became ready."""

    def __init__(self, history: History, stack: str) -> None:
        self._started = _times(history.of(ProcessStarted, stack=stack))
        self._ready = _times(history.of(ProcessReady, stack=stack))

    def ready_at(self, process: str, t: float) -> bool:
        """Tell whether the process had become ready since its last start before `t`."""
        started = [at for at in self._started.get(process, ()) if at < t]
        return (
            any(started[-1] <= at < t for at in self._ready.get(process, ())) if started else False
        )


def _times(events: Sequence[ProcessStarted] | Sequence[ProcessReady]) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {}
    for event in events:
        times.setdefault(event.process, []).append(event.t)
    return times


# what is wrong, and what is missing


def _problems(seen: _Seen) -> Iterator[str]:
    tally = seen.tally
    lost = len(tally.lost) + tally.lost_unnamed
    for event in seen.not_ready:
        yield f"{event.process} {event.reason}"
    if lost and not seen.given_up_s:
        every = len(tally.entries)
        nobody = "; where only its owner may use it, name that chat by [delivery] chat"
        told = f"never answered{nobody if lost == every > 1 else ''}"
        yield f"{lost:,} of {several(every, 'update')} {'was' if lost == 1 else 'were'} {told}"
    if tally.dropped:
        thrown = several(len(tally.dropped), "update was", "updates were")
        yield f"{thrown} thrown away by the bot itself: {_dropping(seen.chats)}"
    if tally.repeats > len(seen.kills):
        yield (
            f"{several(tally.repeats, 'repeated reply', 'repeated replies')}, more "
            f"than the {several(len(seen.kills), 'kill')} that could have caused them"
        )
    elif seen.unexcused:
        unexcused = f"{len(seen.unexcused):,} of the repeated replies"
        yield f"{unexcused} came without a kill in between that could have caused it"
    if tally.swapped:
        yield f"{several(len(tally.swapped), 'time')} a chat was answered in another order"
    if seen.after_stop:
        methods = ", ".join(sorted({call.method for call in seen.after_stop}))
        calls = several(len(seen.after_stop), "call")
        yield f"{calls} after SIGTERM had ended it: {methods}"
    for stop in seen.stops:
        if stop.exited.killed:
            yield f"{stop.exited.process} ignored SIGTERM and had to be killed"


def _in_vain(seen: _Seen) -> Iterator[str]:
    """Yield that what waits is to be thrown away, where nothing waited at that moment."""
    if seen.chats.dropping and not seen.tally.dropped:
        yield (
            f"{seen.stack}: the bot has Telegram throw away what waits for it, by "
            f"{_dropping(seen.chats)}; this time nothing waited"
        )


def _gaps(seen: Sequence[_Seen], plan: DeliveryPlan) -> list[str]:
    updates = sum(len(one.tally.entries) for one in seen)
    kills = sum(len(one.kills) for one in seen)
    counted = sum(one.tally.counted for one in seen)
    gaps = [
        f"{one.stack}: each answer that is missing was given up by the bot while Telegram took its "
        f"time with it, and {KEPT} for {one.given_up_s:.1f} s meanwhile"
        for one in seen
        if one.given_up_s
    ]
    if not updates:
        gaps.append("no update was sent that expects an answer")
    elif updates < plan.updates:
        gaps.append(f"only {updates:,} of {plan.updates:,} updates were sent")
    if kills < plan.kills:
        gaps.append(f"only {kills:,} of {plan.kills:,} kills took place")
    # A kill that belongs to a trouble comes when the trouble has done its work.
    elif plan.kills and not any(one.kills_at_work for one in seen):
        gaps.append("no kill met a ready bot with updates to answer")
    takes_first = any(one.takes_first for one in seen)
    if plan.kills and takes_first and not any(one.kills_in_hand for one in seen):
        gaps.append(f"no kill met {_TAKEN_IN}")
    if plan.stops and takes_first and not any(one.stops_in_hand for one in seen):
        gaps.append(f"no clean stop met {_TAKEN_IN}")
    if counted and kills:
        gaps.append(
            f"{counted:,} answers could only be counted: a lost and a repeated one in the same "
            "chat would not show; let the bot repeat {marker}, or use as many chats as updates"
        )
    gaps += [f"{one.stack}: no clean stop was seen" for one in seen if not one.stops]
    return gaps


def _unseen(history: History) -> Iterator[str]:
    """Yield the modes of the run in which nothing was sent."""
    for mode in history.modes_without({case.stack for case in history.of(CasePlayed)}):
        yield f"{mode}: no update was sent"


def _measure(seen: Sequence[_Seen]) -> str:
    if not any(one.tally.entries for one in seen):
        return "no update was sent"
    worst_first = sorted(seen, key=lambda one: not any(_problems(one)))
    return "; ".join(_measure_one(one, named=len(seen) > 1) for one in worst_first)


def _measure_one(seen: _Seen, *, named: bool) -> str:
    tally = seen.tally
    order = f"{len(tally.swapped)} out of order" if tally.swapped else "order kept"
    text = (
        f"{several(len(tally.entries), 'update')}, {several(len(seen.kills), 'kill')}: "
        f"{len(tally.lost) + tally.lost_unnamed:,} lost, {tally.repeats:,} repeated, {order}"
    )
    if tally.dropped:
        text += f", {len(tally.dropped):,} thrown away by the bot itself"
    problem = next(_problems(seen), "")
    counted = tally.lost or tally.lost_unnamed or tally.repeats or tally.swapped or tally.dropped
    text = f"{problem}; {text}" if problem and not counted else text
    return f"{seen.stack}: {text}" if named else text


def _data(seen: Sequence[_Seen]) -> dict[str, object]:
    return {
        "updates": sum(len(one.tally.entries) for one in seen),
        "lost": sum(len(one.tally.lost) + one.tally.lost_unnamed for one in seen),
        "thrown_away": sum(len(one.tally.dropped) for one in seen),
        "repeated": sum(one.tally.repeats for one in seen),
        "leftover_acknowledgements": sum(one.tally.leftovers for one in seen),
        "counted": sum(one.tally.counted for one in seen),
        "out_of_order": sum(len(one.tally.swapped) for one in seen),
        "kills": sum(len(one.kills) for one in seen),
        "kills_at_work": sum(one.kills_at_work for one in seen),
        "kills_in_hand": sum(one.kills_in_hand for one in seen),
        "stops_in_hand": sum(one.stops_in_hand for one in seen),
        "clean_stops": sum(len(one.stops) for one in seen),
        "crashes": sum(len(one.crashes) for one in seen),
    }


# what a person wants to see of it


def _details(history: History, seen: _Seen) -> Iterator[str]:
    yield from _lost(seen, history.confirmed(seen.stack))
    if seen.tally.lost and not any(entry.answered for entry in seen.tally.entries):
        yield "what the bot did instead:"
        yield from (f"  {line}" for line in mute.about(history, seen.stack, seen.chats))
    brought = Counter(
        event.update_id
        for event in history.of(UpdateDelivered, stack=seen.stack)
        if event.status is not None and 200 <= event.status < 300
    )
    repeated = (_story_of_repeat(one, brought[one.case.update_id]) for one in seen.tally.repeated)
    yield from lines_of(repeated, _MOST_LINES)
    yield from lines_of(too_many(seen.chats), _MOST_LINES)
    swapped = [f"{_name(second)} before {_name(first)}" for first, second in seen.tally.swapped]
    yield from lines_of(swapped, _MOST_LINES)
    if seen.tally.leftovers:
        yield _left_standing(seen)
    yield from _way_of_answering(seen)
    if seen.kills:
        yield (
            f"{seen.kills_at_work} of {len(seen.kills)} kills met a ready bot with work to do, "
            f"{seen.kills_in_hand} one with updates that only it knew of"
        )
    if seen.crashes:
        codes = ", ".join(sorted({describe_exit(event.code) for event in seen.crashes}))
        yield f"the bot ended on its own {len(seen.crashes)} times: {codes}"
    if seen.crashes or seen.not_ready:
        for tail in history.of(LogTail, stack=seen.stack)[:1]:
            yield f"last lines of {tail.process}:"
            yield from (f"  {line}" for line in tail.lines[-_MOST_LOG_LINES:])


def _story_of_repeat(entry: Entry, brought: int) -> str:
    """Return how often an update was answered, and how often it came."""
    again = f"; Telegram brought it {brought} times" if brought > 1 else ""
    apart = max(entry.answers) - min(entry.answers)
    return f"{_name(entry.case)}: answered {len(entry.answers)} times, {apart:.1f} s apart{again}"


def _left_standing(seen: _Seen) -> str:
    left = seen.tally.leftovers
    if seen.chats.rules.acknowledgement_stays:
        return f"{left} acknowledgements more than updates with an answer were sent"
    return (
        f"{left} acknowledgements were left standing beside an answer; where the bot means them to "
        "stay, set replies.acknowledgement_stays = true"
    )


def _lost(seen: _Seen, confirmed: Mapping[int, float]) -> Iterator[str]:
    """Yield what is known of each lost update; of the first ones all that may say why."""
    for number, case in enumerate(seen.tally.lost[:_MOST_LINES]):
        yield _story(case, confirmed.get(case.update_id), seen.kills)
        if number < _MOST_REASONS:
            known = seen.reasons.known(seen.chats.by_update[case.update_id])
            yield from (f"  {line}" for line in (*known, *in_another_chat(seen.chats, case)))
    if len(seen.tally.lost) > _MOST_LINES:
        yield f"… and {len(seen.tally.lost) - _MOST_LINES} more"


def _way_of_answering(seen: _Seen) -> Iterator[str]:
    """Yield a hint where what was repeated looks like this bot's way to answer:
    settings tell it."""
    entries, sizes = seen.tally.entries, seen.tally.sizes
    if seen.tally.repeats <= len(seen.kills):
        return
    same = Counter(
        message.text.partition("\n")[0]
        for chat in seen.chats.chats.values()
        if len(chat.turns) != 1  # all that stands in such a chat is the answer to its one update
        for message in chat.stray_answers
    )
    for text, times in same.most_common(1):
        beyond = times - seen.tally.counted  # the others are the answers that could be counted
        if beyond > len(seen.kills) and 2 * beyond >= len(entries) and len(entries) > 1:
            yield (
                f"{times:,} messages {text[:_QUOTED]!r} belong to no update. If they only say that "
                "an answer is on its way, describe them by `acknowledgement` in [replies] (with "
                "`acknowledgement_stays = true` where they are left beside the answer). Where they "
                "are part of it, `messages` says how many an answer has"
            )
    usual, times = sizes.most_common(1)[0] if sizes else (1, 0)
    if usual > max(entry.case.replies for entry in entries) and 10 * times >= 9 * len(entries):
        example = next(entry for entry in entries if len(entry.answers) == usual)
        said = [act.text.partition("\n")[0] for act in _messages(seen, example.case)]
        yield (
            f"{times:,} of {len(entries):,} answers had {usual} messages, such as "
            f"{' and '.join(repr(text[:_QUOTED]) for text in said[:usual])}. If that is how the "
            "bot answers, say so in [replies]: `acknowledgement` is a pattern of messages that "
            "only say that an answer is on its way (`acknowledgement_stays = true` where they are "
            "left beside it), `messages` how many an answer has"
        )


def _messages(seen: _Seen, case: CasePlayed) -> list[Message]:
    """Return what stands in a chat for an update; all of the chat's where nothing else
    was asked."""
    chat = seen.chats.chats[case.chat_id]
    turn = seen.chats.by_update[case.update_id]
    everything = turn.answers if turn.answers or len(chat.turns) != 1 else chat.stray_answers
    return list(everything)


def _dropping(chats: Chats) -> str:
    """Return which calls of the bot had Telegram throw updates away."""
    calls = {_how_it_drops(call) for call in chats.dropping}
    return " and ".join(sorted(calls)) or "getUpdates with a negative offset"


def _how_it_drops(call: BotApiCall) -> str:
    if call.method.lower() == LOG_OUT:
        return f"{call.method}, after which Telegram refuses each call for ten minutes"
    return f"{call.method} with drop_pending_updates"


def _story(case: CasePlayed, confirmed: float | None, kills: Sequence[float]) -> str:
    """Return how an update was lost: whether the bot had taken it, and what came next."""
    if confirmed is None:
        return f"{_name(case)}: never confirmed to Telegram, never answered"
    later = bisect_left(kills, confirmed)
    if later == len(kills):
        return f"{_name(case)}: confirmed to Telegram, never answered; no kill came after that"
    return (
        f"{_name(case)}: confirmed to Telegram, killed {kills[later] - confirmed:.3f} s later, "
        "never answered"
    )


def _name(case: CasePlayed) -> str:
    return f'update {case.update_id} "{case.title or case.case}" in chat {case.chat_id}'
