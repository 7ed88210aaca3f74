"""The order in which `botproof init` looks: how it starts, what it answers, twice, and how else."""

from __future__ import annotations

import datetime
import re
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec
import psutil

from botproof.chats import ReplyRules, Turn, read_chats
from botproof.checks.shortcomings import asked_in_vain
from botproof.checks.why import unanswered_in_trouble
from botproof.config import Case, Replies
from botproof.doubles.exchanges.hosts import HOSTS
from botproof.history import BotApiCall, Event, History, LogTrouble
from botproof.init import explore
from botproof.init.kept import Home, grouped
from botproof.init.propose import Proposal, Proposals, propose
from botproof.init.settings import OWNER_CHAT, Role, of_role, role_of
from botproof.init.start import Description, find_start
from botproof.init.trial import Look, Trial, Trials, steps_of
from botproof.log_trouble import headline
from botproof.targets.launch import TargetError
from botproof.targets.world import TELEGRAM_HOSTS
from botproof.workloads import scripted

_ROUNDS = 3

ENDED = (
    "what it wrote last is below. A question that ends the bot ends it for everybody. The gate "
    "names the case: sudo botproof gate"
)
"""What is said of a bot that a question has ended."""
_STOPPED = "it answered nothing at all any more"
_SHOWN = (
    "its menu or an answer shows that it can be said: see why, or take it in with "
    'expect = "silence"'
)
_OPEN = '? it waited for its answer when the bot ended. Where silence is right: expect = "silence"'


@dataclass(slots=True)
class Found:
    """All that was found out of a bot. `started` is false where it never took an update."""

    described: Description
    started: bool = False
    proposals: Proposals = field(default_factory=Proposals)
    private: list[Case] = field(default_factory=list)
    hosts: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    venues: tuple[str, ...] = ()
    last: Look = field(default_factory=Look)
    memory_mb: float = 0.0
    machine_mb: int = 0
    warm_s: float = 0.0
    guessed: set[str] = field(default_factory=set)
    """Names of cases that were only guessed: they stand for something if they are answered."""
    in_vain: set[str] = field(default_factory=set)
    """Names of cases that were not answered while, alone, they asked for what no double has."""
    kept: tuple[str, ...] = ()
    """Files in its own directory that it made or changed, and that are not put back."""
    logs: tuple[str, ...] = ()
    """Files that it writes its log into."""
    stopped: str = ""
    """What it answered at first, and not any more once all had been asked; "" where it does."""
    once: tuple[str, ...] = ()
    """What its buttons say that holds for one start alone."""


@dataclass(slots=True)
class _Heard:
    """What the first play told."""

    cases: list[Case] = field(default_factory=list)
    turns: dict[str, Turn] = field(default_factory=dict)
    look: Look = field(default_factory=Look)


async def look(trials: Trials, described: Description) -> Found:
    """Start the bot in every way that is needed, and play with it. Ends all that it starts."""
    found = Found(described, machine_mb=psutil.virtual_memory().total // 1_000_000)
    try:
        return await _look(trials, described, found)
    except TargetError as error:
        found.started = False
        asked = _take_what_was_answered(trials, found)
        described.look.failure = f"{error}, while it was asked {asked}: {ENDED}"
        return found


def _take_what_was_answered(trials: Trials, found: Found) -> str:
    """Take in what a bot answered that a later question has ended, and what was asked at its end.
    The latter in words."""
    chats = read_chats(trials.recorder.history(), ReplyRules.of(Replies()))
    turns = [turn for each in chats.values() for turn in each.turns.values()]
    answered: dict[str, Turn] = {}
    for turn in turns:
        best = answered.get(turn.case.case)
        if len(turn.answers) > (len(best.answers) if best else 0):
            answered[turn.case.case] = turn
    latest = {(turn.case.stack, turn.case.chat_id): turn for turn in turns}
    waiting = [t for t in latest.values() if trials.waits_for(t.case)]
    open_ones = [turn for turn in waiting if not turn.acts and turn.case.said]
    proposals = [
        Proposal(_case(turn, replies=len(turn.answers)), "before another question ended it")
        for turn in answered.values()
    ]
    proposals += [
        Proposal(_case(turn), _OPEN)
        for name, turn in {turn.case.case: turn for turn in open_ones}.items()
        if name not in answered
    ]
    cases = _in_chats(found.described, [each.case for each in proposals])
    for each, case in zip(proposals, cases, strict=True):
        each.case = case
    found.proposals = Proposals(cases=proposals)
    named = ", ".join(repr(said) for said in dict.fromkeys(turn.case.said for turn in open_ones))
    return f"what a user may ask (not answered: {named})" if named else "what a user may ask"


def _case(turn: Turn, replies: int = 1) -> Case:
    tapped = "callback_query" in (turn.case.sent or {})
    kind = "callback_query" if tapped else "message"
    name = turn.case.case.removeprefix("tap-") if tapped else turn.case.case
    return explore.case_of(turn.case.said, kind, name=name, replies=replies)


async def _look(trials: Trials, described: Description, found: Found) -> Found:
    trials.home = Home(described.home(trials.base), trials.folder / "home")
    heard = _Heard()

    async def play(trial: Trial) -> None:
        await _first_play(trials, found, trial, heard)

    found.started = await find_start(trials, described, play)
    if not found.started:
        found.last = described.look
        _remember(found, described.look)
        return found
    mode = next(iter(described.modes))
    again = described.take_exchanges(heard.look)
    if again:
        trials.say("  it asks exchanges: once more, with the exchange double in their place")
    if again or not heard.turns:
        async with described.start(trials, mode) as trial:
            await play(trial)
    await _second_play(trials, found, mode, heard.cases, heard.turns)
    await _other_mode(trials, described)
    if data := grouped(trials.home.data()):
        described.raw["bot"]["keeps"] = list(data)
    found.kept = trials.home.others()
    found.logs = trials.home.logs()
    return found


async def _first_play(trials: Trials, found: Found, trial: Trial, heard: _Heard) -> None:
    """Say what is known, then what its replies speak of."""
    trials.say("first play: what does it answer?")
    _remember(found, trial.look)
    heard.cases, heard.turns = await _explore(trials, found, trial)
    _remember(found, trial.look)
    heard.look = trial.look


async def _explore(
    trials: Trials, found: Found, trial: Trial
) -> tuple[list[Case], dict[str, Turn]]:
    described = found.described
    source = described.source
    vocabulary = explore.opening(
        trial.look.menu, source.commands, _words(described), _examples(described)
    )
    turns: dict[str, Turn] = {}
    new: Sequence[Case] = vocabulary.cases
    for number in range(_ROUNDS):
        names = {case.name for case in new}
        cases = _in_chats(described, vocabulary.cases)
        steps = [step for step in steps_of(cases) if step.case.name in names]
        trials.say(f"  round {number + 1}: {len(steps)} messages and taps")
        turns |= await trial.play(steps, time.time())
        if number == _ROUNDS - 1:
            break  # what these replies speak of would never be said
        heard = {name: turn for name, turn in turns.items() if name in names}
        new = [*explore.next_cases(vocabulary, heard)]
        if number == 0:
            new += [case for case in _of_menu(vocabulary, trial.look) if case not in new]
        if number == 1:
            new += explore.wrong_ones(vocabulary)
        if not new:
            break
    found.guessed = vocabulary.guessed
    found.once = tuple(dict.fromkeys(vocabulary.once))
    return _in_chats(described, vocabulary.cases), turns


def _words(described: Description) -> list[str]:
    """Return what may be said to it that is no command: what its source compares with, words
    that it wants a symbol behind, and markets."""
    source = described.source
    asked = source.share or explore.MARKETS[0]
    opened = [f"{word} {asked}" for word in source.openings]
    words = [*source.words, *opened][: explore.MOST_WORDS]
    return [*words, *filter(None, [source.share]), *(explore.MARKETS if source.market else ())]


def _examples(described: Description) -> list[str]:
    return explore.examples_in(described.source.text, described.source.commands)


def _of_menu(vocabulary: explore.Vocabulary, seen: Look) -> list[Case]:
    before = len(vocabulary.cases)
    for command, _ in seen.menu:
        vocabulary.add(f"/{command}")
    return vocabulary.cases[before:]


def _in_chats(described: Description, cases: Sequence[Case]) -> list[Case]:
    """Return the cases in chats: where one user only may use the bot, all is said by that one."""
    one = any(role_of(name) is Role.USER for name in described.base_env)
    if not one:
        return list(cases)
    return [msgspec.structs.replace(case, chat=OWNER_CHAT) for case in cases]


async def _second_play(
    trials: Trials, found: Found, mode: str, cases: list[Case], first: dict[str, Turn]
) -> None:
    """Play the same, after a start of its own: what differs differs for no reason of the user's."""
    described = found.described
    trials.say(f"second play: the same {len(cases)}, after a new start")
    second: dict[str, Turn] = {}
    now = datetime.datetime.now(datetime.UTC)
    for tries_left in (1, 0):
        async with described.start(trials, mode) as trial:
            if not trial.look.failure:
                played = [step for step in steps_of(cases) if step.case.name in first]
                now = datetime.datetime.now(datetime.UTC)
                second = await _play_again(trials, found, trial, played, first)
                if of_role(described.base_env, Role.USERS, Role.USER):
                    await _strangers(trials, found, trial, cases, second)
                found.stopped = await _stopped(described, trial, first)
                break
            once_more = ": once more" if tries_left else ""
            trials.say(f"  it did not start again ({trial.look.failure}){once_more}")
    _remember(found, trial.look)
    found.last = trial.look
    if not second:
        found.proposals.left_out.append(
            f"all {len(cases)} cases: it started once, but not again: {trial.look.failure}"
        )
        return
    calls = [call for call in trials.recorder.history().of(BotApiCall) if call.error_code is None]
    stacks = {turn.case.stack for turn in (*first.values(), *second.values())}
    plays = [each for each in trials.recorder.history() if each.stack in stacks]
    shown = {f"/{command}" for command, _ in trial.look.menu} | explore.shown_by(
        message for turn in (*first.values(), *second.values()) for message in turn.answers
    )
    meanwhile = {case.name: _SHOWN for case in cases if case.say in shown}
    if found.stopped:
        meanwhile = dict.fromkeys((case.name for case in cases), _STOPPED)
    meanwhile |= _meanwhile(History(plays), found.in_vain)
    meanwhile |= {**_refused(first), **_refused(second)}
    likely = {f"/{command}" for command in described.source.commands} - set(explore.FIRST)
    likely |= set(_examples(described))
    likely -= shown
    spoken = [
        case
        for case in cases  # a word of its source that it does not answer to is no command
        if case.say not in likely
        or case.name in meanwhile
        or first[case.name].answers
        or second[case.name].answers
    ]
    spoken = [
        case
        for case in spoken
        if case.name not in found.guessed or not as_small_talk(first[case.name], first)
    ]
    # Its commands stay: the gate says what they lack, and `botproof record` asks for it.
    vain = {c.name for c in spoken if c.say[0] == "/" and c.say != explore.UNKNOWN} & found.in_vain
    if any(turn.answers for turn in (*first.values(), *second.values())):
        found.proposals = propose(
            spoken, first, second, calls, now, meanwhile=meanwhile, to_record=vain
        )
    else:
        found.proposals = _of_mute(found, cases, plays)
    found.proposals.left_out += [
        f"the tap on {data!r}, whose id or time the next start does not know"
        for data in found.once[:3]
    ]


async def _stopped(described: Description, trial: Trial, first: dict[str, Turn]) -> str:
    """Ask once more what was answered at first, by somebody new. What that was, where nothing came:
    one of the questions has ended what handles updates, though the process goes on."""
    answered = [turn.case.said for turn in first.values() if turn.answers and turn.case.said]
    plain = [say for say in explore.FIRST if say in answered]
    if not (say := next(iter(plain or answered), "")):
        return ""
    steps = steps_of(_in_chats(described, [Case(name="once-more", say=say)]))
    turns = await trial.play(steps, time.time())
    return "" if any(turn.acts for turn in turns.values()) else say


def _refused(turns: dict[str, Turn]) -> dict[str, str]:
    """Return what Telegram said to the only answers to a case, by case, in words that follow
    "while"."""
    return {
        name: f"Telegram refused what it sent: {turn.refused[-1].description}"
        for name, turn in turns.items()
        if turn.refused and not turn.answers
    }


def _of_mute(found: Found, cases: Sequence[Case], plays: Sequence[Event]) -> Proposals:
    """Return what is left where nothing was answered at all: not that silence is right."""
    why = "it only sends by itself, or its log says why not (reports/gate/logs after a gate)"
    if said := [headline(event.lines) for event in plays if isinstance(event, LogTrouble)]:
        why = f'its log said "{Counter(said).most_common(1)[0][0][:160]}"'
    if found.hosts:
        why = f"it asked {', '.join(found.hosts[:3])} in vain, which may be why: record that first"
    note = f"? it answered nothing at all: {why}"
    return Proposals(cases=[Proposal(case, note) for case in cases if case.say in explore.FIRST])


def as_small_talk(turn: Turn, turns: dict[str, Turn]) -> bool:
    """Tell whether a text is answered as any other text is, or not at all. That an answer calls
    its user by name, or repeats what was said, is no difference."""
    talk = turns.get(explore.SMALL_TALK)
    return not turn.answers or (talk is not None and _to_anybody(turn) == _to_anybody(talk))


def _to_anybody(turn: Turn) -> list[str]:
    message = (turn.case.sent or {}).get("message") or {}
    own = [str(message.get("from", {}).get("first_name") or ""), str(message.get("text") or "")]
    pattern = "|".join(re.escape(each) for each in own if each)
    return [
        re.sub(pattern, "…", each.text, flags=re.IGNORECASE) if pattern else each.text
        for each in turn.answers
    ]


async def _play_again(
    trials: Trials,
    found: Found,
    trial: Trial,
    steps: Sequence[scripted.Step],
    first: dict[str, Turn],
) -> dict[str, Turn]:
    """Play it all, and one after the other what may have been unanswered for want of a double, or
    for what the log complained of: then it is known which of them it was."""
    record = trials.recorder.history()
    why = {*asked_in_vain(record), *unanswered_in_trouble(record, ReplyRules.of(Replies()))}
    doubtful = {name for name in why if name in first and not first[name].answers}
    turns = await trial.play(
        [each for each in steps if each.case.name not in doubtful], time.time()
    )
    for step in steps:
        if step.case.name in doubtful:
            before = trial.in_vain()
            turns |= await trial.play([step], time.time())
            if trial.in_vain() > before:
                found.in_vain.add(step.case.name)
    return turns


def _meanwhile(record: History, in_vain: set[str]) -> dict[str, str]:
    """Return what else happened while a case was not answered, by case, in words that
    follow "while"."""
    said = {
        case: f'its log said "{line[:120]}": mend that, or take it in with expect = "silence"'
        for case, line in unanswered_in_trouble(record, ReplyRules.of(Replies())).items()
    }
    return {**said, **dict.fromkeys(in_vain, "it asked for what no double has")}


async def _strangers(
    trials: Trials, found: Found, trial: Trial, cases: list[Case], turns: dict[str, Turn]
) -> None:
    """Find which commands somebody who is on no list is answered otherwise."""
    known = [
        c for c in cases if c.say.startswith("/") and " " not in c.say and turns[c.name].answers
    ]
    strangers = explore.of_strangers([msgspec.structs.replace(c, chat="") for c in known])
    if not strangers:
        return
    trials.say(f"  the same {len(strangers)} commands by a stranger")
    steps = steps_of(strangers)
    heard = await trial.play(steps, time.time())
    for case, stranger in zip(known, strangers, strict=True):
        if _texts(turns[case.name]) != _texts(heard[stranger.name]):
            expect = "reply" if heard[stranger.name].answers else "silence"
            found.private.append(msgspec.structs.replace(stranger, expect=expect))


def _texts(turn: Turn) -> list[str]:
    return [re.sub(r"\d+", "0", message.text) for message in turn.answers]


def _remember(found: Found, seen: Look) -> None:
    known = {*TELEGRAM_HOSTS, *HOSTS}
    found.addresses = tuple(dict.fromkeys((*found.addresses, *seen.addresses)))
    found.hosts = tuple(dict.fromkeys((*found.hosts, *(h for h in seen.hosts if h not in known))))
    found.venues = tuple(dict.fromkeys((*found.venues, *seen.venues)))
    found.memory_mb = max(found.memory_mb, seen.memory_mb)
    found.warm_s = max(found.warm_s, seen.ready_s)


async def _other_mode(trials: Trials, described: Description) -> None:
    """Find whether it also takes updates by the other door, by settings that its source names."""
    if "webhook" in described.modes:
        await _try_mode(trials, described, "polling", _polling_env(described))
        return
    if not described.source.serves:
        return
    for path in ("/webhook", ""):
        env = _webhook_env(described, path)
        if not env or await _try_mode(trials, described, "webhook", env):
            return


async def _try_mode(trials: Trials, described: Description, mode: str, env: dict[str, str]) -> bool:
    if not env:
        return False
    said = ", ".join(f"{name}={value}" for name, value in env.items())
    trials.say(f"trial {trials.count + 1}: does it take updates by {mode}, too ({said})?")
    described.modes[mode] = {"env": env}
    async with described.start(trials, mode) as trial:
        if trial.look.door == mode and not trial.look.failure:
            [step] = steps_of([Case(name="other-mode", say="/start", chat=OWNER_CHAT)])
            turns = await trial.play([step], time.time())
            if any(turn.acts for turn in turns.values()):
                trials.say("  yes")
                return True
    del described.modes[mode]
    trials.say("  no")
    return False


def _webhook_env(described: Description, path: str) -> dict[str, str]:
    """Return settings that may make it serve a webhook; none where its source names none."""
    env: dict[str, str] = {}
    for name in described.names:
        role = role_of(name)
        if role is Role.WEBHOOK_URL:
            env[name] = "127.0.0.1" if name.endswith("HOST") and path else "{url:bot}" + path
        elif role is Role.PORT:
            env[name] = "{port:bot}"
        elif role is Role.HOST:
            env[name] = "127.0.0.1"
        elif role is Role.SECRET:
            env[name] = "a-secret-that-only-the-gate-uses"
        elif role is Role.MODE:
            env[name] = _switch(name, "webhook")
    switches = [n for n in env if role_of(n) in {Role.WEBHOOK_URL, Role.MODE, Role.PORT}]
    return env if switches else {}


def _polling_env(described: Description) -> dict[str, str]:
    names = of_role(described.names, Role.MODE)
    return {name: _switch(name, "polling") for name in names}


def _switch(name: str, mode: str) -> str:
    if re.search(r"USE|ENABLE|POLLING", name):
        return str(("POLLING" in name) == (mode == "polling")).lower()
    return mode
