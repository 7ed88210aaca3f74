"""signals: what the bot sends by itself comes to every subscriber, once a slot, in the slot, and to
nobody else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from botproof.chat_ids import chat_kind
from botproof.checks.figures import plain_text
from botproof.checks.found import Found
from botproof.checks.judging import Judging
from botproof.checks.replies import lines_of
from botproof.counting import several
from botproof.excerpts import one_line
from botproof.history import History, SignalSeen, SignalsWatched
from botproof.starvation import KEPT
from botproof.verdict import CheckResult, judged

_SHOWN = 60
_MOSTLY = 0.5
"""Of the whole watch: when the machine kept so much, what is late may count for the next slot."""
_PARTLY = 0.25
"""The same for a slot in which nothing came: the bot may not have been back after its restart."""
TO_REPEAT_S = 0.5
"""So much of its slot must be left to a bot that was started again, or else it has no time to send
anything twice."""


def check(history: History, judging: Judging) -> CheckResult:
    """Judge the slots that were watched, one by one."""
    watched = history.of(SignalsWatched)
    findings = [each.text for each in findings_of(history, judging)]
    kept: list[str] = []
    gaps: list[str] = []
    summary: list[str] = []
    for one in watched:
        seen = history.of(SignalSeen, stack=one.stack)
        spoilt = _by_the_slots(one, seen, spoilt=True)
        kept += [f"{one.stack}: {_kept(one)}: {line}" for line in spoilt]
        gaps += [f"{one.stack}: {line}" for line in _gaps(one, seen)]
        if late := _late_restart(one):
            if min(one.back_s) - one.withheld_s <= one.interval_s - TO_REPEAT_S:
                kept.append(f"{one.stack}: {_kept(one)}: {late}")
            else:
                gaps.append(f"{one.stack}: {late}")
        summary += [f"{one.stack}: {line}" for line in _summary(one, seen)]
    gaps = [*kept, *gaps]
    if not watched:
        gaps.append("nobody watched what the bot sends by itself; [signals] says how to ask for it")
    slots = sum(len(one.slots) for one in watched)
    restarts = sum(len(one.restarted) for one in watched)
    seen_all = len(history.of(SignalSeen))
    return CheckResult(
        check="signals",
        verdict=judged(findings, gaps),
        budget="what comes by itself comes once to everybody, in its slot, over a restart too",
        measurement=findings[0]
        if findings
        else gaps[0]
        if gaps
        else f"{several(seen_all, 'message')} in {several(slots, 'slot')}, "
        f"{several(restarts, 'restart')}, each once",
        least_evidence="a slot with a message, and a restart within a slot",
        evidence=(
            *lines_of(findings, 20),
            *lines_of(gaps, 20),
            *lines_of(summary, 12),
        ),
        spoilt_by="machine" if kept and not findings else "",
        source="docs/checks.md",
    )


def findings_of(history: History, judging: Judging) -> list[Found]:
    """Return what was wrong with what came by itself, mode by mode; not what the machine may have
    brought about."""
    found: list[Found] = []
    for one in history.of(SignalsWatched):
        seen = history.of(SignalSeen, stack=one.stack)
        lines = [*_uncalled(one, seen), *_to_strangers(one, seen), *_with_tags(seen)]
        lines += _by_the_slots(one, seen, spoilt=False)
        lines += _held_up(one, judging.budgets["reply_time_s"].limit)
        found += [Found(one, f"{one.stack}: {line}") for line in dict.fromkeys(lines)]
    return found


def _by_the_slots(one: SignalsWatched, seen: Sequence[SignalSeen], *, spoilt: bool) -> list[str]:
    """Return what was wrong with the slots: what the machine may have caused, or the rest."""
    kinds = ((_findings(one, seen), _MOSTLY), (_nothing(one, seen), _PARTLY))
    kept = [lines for lines, share in kinds if kept_from_going_on(one, share) is spoilt]
    return [line for lines in kept for line in lines]


def kept_from_going_on(one: SignalsWatched, share: float = _MOSTLY) -> bool:
    """Tell whether the machine kept the watch from so much of its time that nothing
    sure is found."""
    return one.withheld_s >= share * one.interval_s * len(one.slots)


def _held_up(one: SignalsWatched, limit: float) -> Iterator[str]:
    if one.slowest_s >= limit:
        yield (
            f"{one.question}, asked when a slot had begun, was answered after {one.slowest_s:.1f} "
            f"s, over {limit:g} s: while the bot makes and sends what comes by itself, nobody else "
            "is to wait. Let nothing of it block the event loop (time.sleep, a calculation)"
        )


def _uncalled(one: SignalsWatched, seen: Sequence[SignalSeen]) -> Iterator[str]:
    for each in seen:
        if each.chat_id in one.others:
            yield f"chat {each.chat_id}, which had not asked for it, was sent {_cut(each.text)}"


def _to_strangers(one: SignalsWatched, seen: Sequence[SignalSeen]) -> Iterator[str]:
    """Yield what came to who is on no list and is what subscribers get: anything else is a
    refusal."""
    told = {plain_text(each.text) for each in seen if each.chat_id in one.chats}
    for each in seen:
        if each.chat_id in one.strangers and plain_text(each.text) in told:
            yield (
                f"chat {each.chat_id}, whose user is on no list and had asked for it, was sent "
                f"{_cut(each.text)}. Who is refused must not stand on the list of subscribers"
            )


def _with_tags(seen: Sequence[SignalSeen]) -> Iterator[str]:
    for each in seen:
        if each.tags:
            line = one_line(each.text, _SHOWN)
            yield f"people read the tags of {line!r}: it was sent without parse_mode"


def _findings(one: SignalsWatched, seen: Sequence[SignalSeen]) -> Iterator[str]:
    asked = [each for each in seen if each.chat_id not in one.strangers]
    for slot in one.slots:
        yield from _of_slot(one, slot, [each for each in asked if each.slot == slot])


def _nothing(one: SignalsWatched, seen: Sequence[SignalSeen]) -> Iterator[str]:
    """Yield the slots in which nothing came, where the market is the same in every slot."""
    heard = {each.slot for each in seen}
    if one.steady and one.slots and not heard:
        slots = f"{several(len(one.slots), 'slot')} of {one.interval_s:g} s"
        yield f"nothing came by itself in {slots}{_blocked(one)}"
    elif one.steady:
        for number, slot in enumerate(one.slots, start=1):
            if slot not in heard:
                yield (
                    f"slot {number}: nothing came by itself, though the market is the same in "
                    f"every slot{_blocked(one)}"
                )


def _blocked(one: SignalsWatched) -> str:
    """Say that a subscriber cannot be written to: a round may have ended with that."""
    if not one.gone:
        return ""
    return (
        f". Chat {one.gone[0]} subscribed before the others and has blocked the bot (403): take it "
        "from the list, and go on with the next"
    )


def _told_to_wait(one: SignalsWatched, chat: int) -> str:
    """Say that Telegram refused a message to it, and when it would have taken it."""
    if chat not in one.told_to_wait:
        return ""
    return (
        f". Telegram had answered a message to it with 429, retry_after {one.wait_s:g}: send it "
        "again after that"
    )


def _of_slot(one: SignalsWatched, slot: float, own: Sequence[SignalSeen]) -> Iterator[str]:
    how = ", in which the bot was started again" if slot in one.restarted else ""
    name = f"slot {one.slots.index(slot) + 1}{how}"
    times = Counter((each.chat_id, plain_text(each.text)) for each in own)
    for (chat, text), number in times.items():
        if number > 1:
            yield f"{name}: {number} times to chat {chat}, where once is right: {_cut(text)}"
    texts = {text for _, text in times}
    for chat in one.chats:
        for text in sorted(texts - {text for whose, text in times if whose == chat}):
            why = _told_to_wait(one, chat) or _blocked(one)
            yield f"{name}: {_who(chat)} was left out: {_cut(text)} came to others{why}"
    for each in own:
        waited = one.wait_s if each.chat_id in one.told_to_wait else 0.0
        if each.after_s - one.withheld_s - waited >= one.within_s:
            late = f"came {each.after_s:.1f} s after the slot began, over {one.within_s:g} s"
            yield f"{name}: {late}: {_cut(each.text)}"


def _who(chat: int) -> str:
    """Return ``chat 12`` or ``the group -100567``."""
    return f"chat {chat}" if chat_kind(chat) == "private" else f"the group {chat}"


def _kept(one: SignalsWatched) -> str:
    return f"{KEPT} for {one.withheld_s:.1f} s, so this may be no fault of the bot"


def _gaps(one: SignalsWatched, seen: Sequence[SignalSeen]) -> Iterator[str]:
    if one.error:
        yield f"it could not be watched: {one.error}"
    if not seen:
        yield f"nothing came by itself in {several(len(one.slots), 'slot')} of {one.interval_s:g} s"
    if not one.restarted:
        yield "the bot was not started again within a slot"


def _late_restart(one: SignalsWatched) -> str:
    """Say that each restarted bot was back too late to repeat itself; "" where one was in time."""
    if not one.back_s or (back := min(one.back_s)) <= one.interval_s - TO_REPEAT_S:
        return ""
    return (
        f"the bot was ready again {back:.1f} s after the slot in which it was killed began,"
        f" of {one.interval_s:g} s: whether it repeats itself cannot be told"
    )


def _summary(one: SignalsWatched, seen: Sequence[SignalSeen]) -> Iterator[str]:
    for number, slot in enumerate(one.slots, start=1):
        own = [each for each in seen if each.slot == slot]
        latest = max((each.after_s for each in own), default=0.0)
        chats = len({each.chat_id for each in own})
        came = f"{several(len(own), 'message')} to {several(chats, 'chat')}"
        what = f"{came}, the last {latest:.1f} s after its begin"
        yield f"slot {number}: {what}" + ("; restarted" if slot in one.restarted else "")


def _cut(text: str) -> str:
    return repr(one_line(plain_text(text), _SHOWN))
