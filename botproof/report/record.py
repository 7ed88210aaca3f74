"""What a run's page holds: the record, compact, with what is needed to walk through it.

Plain data for the page's script: times are seconds since the first event, a stack is its number,
fields that say nothing are left out, and what comes by the thousand (requests of the load, samples)
is in rows. The page draws it and judges nothing.
"""

from __future__ import annotations

import datetime
import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from botproof.budgets import MB
from botproof.chats import Turn
from botproof.checks.golden import diff
from botproof.checks.judging import Judging
from botproof.checks.replies import render, renormalised, settled_turns
from botproof.checks.why import LOOK_S
from botproof.history import (
    AskedTogether,
    BotApiCall,
    CalledTooOften,
    Degraded,
    DoorAsked,
    Event,
    GroupSample,
    History,
    Holdings,
    KeySent,
    LogRead,
    MemorySample,
    PlayedAgain,
    PortsSeen,
    Request,
    Run,
    SecretSeen,
    SecurityAsked,
    SignalSeen,
    SignalsWatched,
    Starved,
    Trial,
    Vanished,
    Withheld,
)
from botproof.log_trouble import plain
from botproof.report.moments import Moment, moments_of, wrong_reply
from botproof.report.talks import Talk, talks_of
from botproof.verdict import CheckResult, combine

Json = dict[str, Any]
Logs = Path | Mapping[str, Path]
"""The directory with a directory of logs for each stack, or these by stack."""

_IN_ROWS = (Run, Request, MemorySample, Holdings, GroupSample, Starved, LogRead)
_MOST_LINES = 4000
_LINE_CHARACTERS = 2000
_SECRET = frozenset({"secret_token", "certificate"})
_AFTERWARDS = (
    AskedTogether, CalledTooOften, Degraded, DoorAsked, KeySent, PortsSeen, SecretSeen,
    SecurityAsked, SignalSeen, SignalsWatched, Trial, Vanished, Withheld,
)  # fmt: skip
_FIELDS_OF_ALL = frozenset({"t", "stack", "mode"})


def as_record(
    history: History,
    results: Sequence[CheckResult],
    judging: Judging,
    logs: Logs | None = None,
    *,
    over: bool = True,
    moments: Sequence[Moment] | None = None,
) -> Json:
    """Return the record of a run for its page. `logs` is the directory of its processes' logs; of a
    run that is not `over` an answer may still come. `moments` are those of `results` unless
    given."""
    zero = history.events[0].t if len(history) else 0.0
    stacks = {name: number for number, name in enumerate(history.stacks)}
    kept = [event for event in history if not isinstance(event, _IN_ROWS)]
    place = {id(event): number for number, event in enumerate(kept)}
    places = [place.get(id(event), -1) for event in history]

    def since(t: float) -> float:
        return round(t - zero, 4)

    run, judged = history.run, history.counted()
    if moments is None:
        moments = moments_of(history, results, judging)
    return {
        "verdict": combine(result.verdict for result in results).value,
        "began": _epoch(run),
        "length": since(history.events[-1].t) if len(history) else 0.0,
        "stacks": [_stack(history, name, since) for name in stacks],
        "events": [_event(event, since, stacks) for event in kept],
        "load": _load(history, since, stacks),
        "memory": _memory(history, judging, since, stacks),
        "starved": _starved(history, since, stacks),
        "talks": [_talk(each, since, stacks, places) for each in talks_of(history, judging.rules)],
        "cases": _cases(judged, judging, since, stacks, over=over),
        "moments": [
            {
                "check": each.check,
                "verdict": each.verdict.value,
                "t": since(each.t),
                "since": since(each.since),
                "text": plain(each.text),
                "s": stacks.get(each.stack, -1),
                "case": each.case,
                "said": [[said.by, plain(said.text)] for said in each.said],
                "apart": each.apart,
            }
            for each in moments
        ],
        "logs": list(_logs(history, logs, since, stacks)) if logs is not None else [],
        "left_out": [],
    }


_Since = Callable[[float], float]
_Numbers = Mapping[str, int]


def _epoch(run: Run | None) -> float | None:
    """Return when the run began, in seconds since 1970; None where it does not say."""
    try:
        return datetime.datetime.fromisoformat(run.started_at).timestamp() if run else None
    except ValueError:
        return None


def _stack(history: History, name: str, since: _Since) -> Json:
    every = [event for event in history if event.stack == name]
    # What is told afterwards, of ended processes and of its trials, does not make it longer.
    own = [event.t for event in every if not isinstance(event, _AFTERWARDS)]
    own = own or [event.t for event in every]
    again = history.of(PlayedAgain, stack=name)
    about: Json = {"name": name, "mode": history.mode_of(name)}
    about |= {"from": since(own[0]), "to": since(own[-1])}
    return {**about, "of": again[0].of} if again else about


def _event(event: Event, since: _Since, stacks: _Numbers) -> Json:
    """Return an event without what says nothing."""
    fields: Json = {
        name: value
        for name, value in msgspec.to_builtins(event).items()
        if name not in _FIELDS_OF_ALL and value not in (None, "", {}, [])
    }
    kind = fields.pop("type")
    if isinstance(event, BotApiCall):
        fields["params"] = {
            name: "(hidden)" if name in _SECRET else value for name, value in event.params.items()
        }
        if event.result is not None:
            fields["result"] = event.result
    for name, value in fields.items():
        if isinstance(value, float):
            fields[name] = round(value, 5)
    return {"t": since(event.t), "s": stacks.get(event.stack, -1), "k": kind, **fields}


# --- what comes by the thousand -------------------------------------------------------------------


def _load(history: History, since: _Since, stacks: _Numbers) -> Json:
    """Return requests by stack: rows of intended, latency, whether it was well, status,
    name, error."""
    words: dict[str, int] = {}

    def number(word: str | None) -> int:
        return words.setdefault(word or "", len(words))

    rows: dict[int, list[list[Any]]] = {}
    for each in history.of(Request):
        row = [since(each.intended), round(each.latency_s, 4), int(each.ok), each.status]
        own = rows.setdefault(stacks.get(each.stack, -1), [])
        own.append([*row, number(each.name), number(each.error)])
    return {"rows": [{"s": s, "of": own} for s, own in rows.items()], "words": list(words)}


def _memory(history: History, judging: Judging, since: _Since, stacks: _Numbers) -> list[Json]:
    """Return samples by stack and process, in MB, with the process's budget."""
    found: dict[tuple[int, str], Json] = {}
    for each in history.of(MemorySample):
        key = (stacks.get(each.stack, -1), each.process)
        budget = judging.budgets.get(f"{each.process}_memory_mb")
        empty = {"s": key[0], "process": each.process, "of": []}
        limit = {"limit": budget.limit} if budget else {}
        own = found.setdefault(key, {**empty, **limit})
        own["of"].append([since(each.t), round(each.judged / MB, 2)])
    for group in history.of(GroupSample):
        key = (stacks.get(group.stack, -1), "")
        limit = {"limit": round(group.limit / MB)} if group.limit else {}
        own = found.setdefault(key, {"s": key[0], "process": "memory cgroup", "of": [], **limit})
        own["of"].append([since(group.t), round(group.working_set / MB, 2)])
    return list(found.values())


def _starved(history: History, since: _Since, stacks: _Numbers) -> list[Json]:
    """Return rows of time, length, lateness of the harness, longest wait and whose,
    stolen, stalled."""
    found: dict[int, list[list[Any]]] = {}
    for each in history.of(Starved):
        who, waited = max(each.waited_s.items(), key=lambda one: one[1], default=("", 0.0))
        figures = (each.over_s, each.late_s, waited)
        row: list[Any] = [since(each.t), *(round(figure, 3) for figure in figures)]
        row += [who if waited else "", round(each.stolen_s, 3)]
        found.setdefault(stacks.get(each.stack, -1), []).append(row)
    return [{"s": s, "of": own} for s, own in found.items()]


# --- chats and cases ------------------------------------------------------------------------------


def _talk(talk: Talk, since: _Since, stacks: _Numbers, places: Sequence[int]) -> Json:
    return {
        "s": stacks[talk.stack],
        "chat": talk.chat,
        "name": talk.name,
        "items": [_item(item, since, places) for item in talk.items],
    }


def _item(item: Json, since: _Since, places: Sequence[int]) -> Json:
    shown = {name: value for name, value in item.items() if value not in ("", None)}
    shown["t"] = since(item["t"])
    if "gone" in item:
        shown["gone"] = since(item["gone"])
    if "v" in item:
        shown["v"] = [
            [since(t), places[rest[0]], rest[1]] if len(rest) == 2 else [since(t), rest[0]]
            for t, *rest in item["v"]
        ]
    return shown


def _cases(
    history: History, judging: Judging, since: _Since, stacks: _Numbers, *, over: bool
) -> list[Json]:
    """Return the cases in the order in which they were first played, each with what it
    was in a stack."""
    by_stack = settled_turns(history, judging.rules)
    names = dict.fromkeys(name for turns in by_stack.values() for name in turns)
    cases = [_case(name, by_stack, judging, since, stacks) for name in names]
    latest = since(history.events[-1].t) - LOOK_S if len(history) else 0.0
    for place in (place for case in cases for place in case["at"]):
        if not over and place["took"] is None and place["t"] > latest:
            place.pop("wrong", None)
            place.pop("diff", None)
    return cases


def _case(
    name: str,
    by_stack: Mapping[str, Mapping[str, Turn]],
    judging: Judging,
    since: _Since,
    stacks: _Numbers,
) -> Json:
    turns = {stack: own[name] for stack, own in by_stack.items() if name in own}
    first = next(iter(turns.values()))
    case_row: Json = {"name": name, "title": first.case.title, "at": []}
    texts = {stack: render(turn, judging.rules) for stack, turn in turns.items()}
    for stack, turn in turns.items():
        place: Json = {"s": stacks[stack], "t": since(turn.case.t), "end": since(_end(turn))}
        # A case that was played again stands in the stack in which that was.
        place["in"] = stacks.get(turn.case.stack, stacks[stack])
        place["chat"], place["took"] = turn.case.chat_id, turn.reply_time_s
        place["expect"] = turn.case.expect
        if wrong := wrong_reply(turn, judging):
            place["wrong"] = wrong
            approved = judging.approved.get(name)
            if approved is not None:
                wanted = renormalised(approved, judging.rules)
                place["diff"] = diff(name, stack, wanted, texts[stack])
        case_row["at"].append(place)
    left, *others = texts
    different = [other for other in others if texts[other] != texts[left]]
    if different:
        case_row["rows"] = {
            str(stacks[other]): list(_rows(texts[left], texts[other])) for other in different
        }
    return case_row


def _end(turn: Turn) -> float:
    times = [max(act.sent_at, act.answered_at or 0.0) for act in turn.acts]
    times += [call.t for call in turn.refused]
    waited = 2.0 if turn.case.expect == "reply" and not turn.answered else 0.25
    return max([*times, turn.case.t + waited])


def _rows(left: str, right: str) -> Iterator[list[Any]]:
    """Compare two answers by lines: 0 and the line that both have, or 1 and two that differ."""
    before, after = left.splitlines(), right.splitlines()
    matcher = difflib.SequenceMatcher(a=before, b=after, autojunk=False)
    for kind, a, b, c, d in matcher.get_opcodes():
        if kind == "equal":
            yield from ([0, line] for line in before[a:b])
            continue
        for number in range(max(b - a, d - c)):
            yield [
                1,
                before[a + number] if a + number < b else None,
                after[c + number] if c + number < d else None,
            ]


# --- logs -----------------------------------------------------------------------------------------


def _logs(history: History, logs: Logs, since: _Since, stacks: _Numbers) -> Iterator[Json]:
    """Yield the lines of each process's log with the time at which the harness found
    them written."""
    reads: dict[tuple[str, str], list[LogRead]] = {}
    for event in history.of(LogRead):
        reads.setdefault((event.stack, event.process), []).append(event)
    for (stack, process), marks in reads.items():
        path = (logs / stack if isinstance(logs, Path) else logs[stack]) / f"{process}.log"
        try:
            raw = path.read_bytes()
        except OSError:
            continue
        lines = list(_timed(raw, marks, since))
        shown = [*lines[: _MOST_LINES // 2], *lines[-_MOST_LINES // 2 :]]
        shown = lines if len(lines) <= _MOST_LINES else shown
        left_out = len(lines) - len(shown)
        tail = {"s": stacks.get(stack, -1), "process": process, "of": shown}
        yield {**tail, "left_out": left_out} if left_out else tail


def _timed(raw: bytes, marks: Iterable[LogRead], since: _Since) -> Iterator[list[Any]]:
    at, last = 0, 0.0
    for mark in marks:
        # A line that was cut by the reading belongs to the one that brought its end.
        end = raw.rfind(b"\n", at, mark.size) + 1
        for line in raw[at : max(at, end)].splitlines():
            text = plain(line.decode(errors="replace"))
            yield [since(mark.t), text[:_LINE_CHARACTERS]]
        at = max(at, end)
        last = mark.t
    for line in raw[at:].splitlines():  # its end was never written
        yield [since(last), plain(line.decode(errors="replace"))[:_LINE_CHARACTERS]]
