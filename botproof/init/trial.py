"""Starts of a bot between the doubles, only to see what it does."""

from __future__ import annotations

import asyncio
import ipaddress
import re
import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil

from botproof import history
from botproof.calls import plain
from botproof.chats import ReplyRules, Turn, read_chats
from botproof.config import Case, Replies, config_of
from botproof.history import (
    NOT_RECORDED,
    REFUSED_ADDRESS,
    UNKNOWN_HOST,
    BotApiCall,
    CasePlayed,
    DoubleEvent,
    MemorySample,
    ProcessExited,
    ProcessReady,
    UpdateDelivered,
    VenueCall,
)
from botproof.init.kept import Home
from botproof.targets.blame import refused_by_telegram
from botproof.targets.guarding import Guard
from botproof.targets.launch import RunError
from botproof.targets.network import apart
from botproof.targets.process import tail
from botproof.targets.recorder import Recorder
from botproof.targets.stack import Say, Stack, Surroundings
from botproof.targets.world import TELEGRAM_HOSTS
from botproof.workloads import scripted

MODE = "trial"
_LOOK_EVERY_S = 0.3
_PROGRESS_S = 5.0
_LISTENS_S = 8.0
"""A bot that listens for so long and never spoke to Telegram waits for a webhook set by hand."""
_IDLE_S = 25.0
"""A bot that does nothing at all for so long will not begin to take updates soon."""
_FIRST_S = 4.0
"""How long the first sign of an answer is waited for; a chat action makes it longer."""
_LEAST_FIRST_S, _SIGNS = 2.0, 5
"""A bot that has answered so often is waited for five times as long as it took, at least so
long."""
_LONGEST_S = 15.0
_QUIET_S = 1.2
"""An answer is over when so long nothing came."""
_ANNOUNCED_S = 5.0
_AT_WORK = re.compile(r"[⏳⌛🔄🕐⌚]")
_AT_ONCE = 4
_UNAUTHORIZED = 401
_TELEGRAM = [
    ipaddress.ip_network(each)
    for each in (
        *("91.108.4.0/22", "91.108.8.0/22", "91.108.12.0/22", "91.108.16.0/22", "91.108.20.0/22"),
        *("91.108.56.0/22", "91.105.192.0/23", "149.154.160.0/20", "185.76.151.0/24"),
        *("2001:67c:4e8::/48", "2001:b28:f23c::/48", "2001:b28:f23d::/48", "2001:b28:f23f::/48"),
        "2a0a:f280::/32",
    )
]
"""Source: https://core.telegram.org/resources/cidr.txt."""
_IN_VAIN = frozenset((UNKNOWN_HOST, REFUSED_ADDRESS, NOT_RECORDED))


@dataclass(slots=True)
class Look:
    """What was seen of one start. `door` is "polling", "webhook", or "" while it has neither."""

    door: str = ""
    webhook: str = ""
    ready_s: float = 0.0
    failure: str = ""
    log: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    """Hosts that it looked for and that no double stands for."""
    addresses: tuple[str, ...] = ()
    """Addresses in figures that it was refused."""
    mtproto: bool = False
    """Whether it asked Telegram's own servers, which speak another language than the Bot API."""
    venues: tuple[str, ...] = ()
    """What it asked of venues that their double does not serve."""
    ports: tuple[int, ...] = ()
    refused: str = ""
    """What Telegram refused at the start."""
    menu: tuple[tuple[str, str], ...] = ()
    """Commands of `setMyCommands` with their descriptions."""
    exit_code: int | None = None
    own_end: int | None = None
    """The exit code of a bot that ended by itself."""
    memory_mb: float = 0.0


@dataclass(slots=True)
class Trials:
    """What all trials of one `botproof init` share. `folder` takes their logs."""

    base: Path
    folder: Path
    recorder: Recorder
    guard: Guard
    client: httpx.AsyncClient
    say: Say
    home: Home | None = None
    count: int = 0
    waited_for: set[tuple[str, int]] = field(default_factory=set)
    """The questions, by stack and update, of which an answer came or is waited for no longer."""

    def waits_for(self, case: CasePlayed) -> bool:
        """Tell whether its answer was waited for when all ended."""
        return (case.stack, case.update_id) not in self.waited_for

    @asynccontextmanager
    async def start(
        self, raw: Mapping[str, Any], env: Mapping[str, str], *, patience_s: float = 60.0
    ) -> AsyncIterator[Trial]:
        """Start the bot of this description, with `env` on top. Ends it when the block is left."""
        self.count += 1
        bot = {**raw["bot"], "ready_timeout_s": patience_s}
        modes = {MODE: {**raw.get("modes", {}).get(MODE, {}), "env": dict(env)}}
        config = config_of({**raw, "bot": bot, "modes": modes, "workload": {}}, "the trial")
        around = Surroundings(
            config=config,
            base=self.base,
            report_dir=self.folder,
            recorder=self.recorder,
            guard=self.guard,
            client=self.client,
            say=lambda _: None,
            users=tuple(range(1001, 1061)),
        )
        with apart(config, self.guard):
            stack = Stack(around, MODE, f"trial-{self.count}")
            trial = Trial(stack, self.say, patience_s, self.waited_for)
            try:
                await trial.begin()
                yield trial
            finally:
                await trial.end()
                if self.home is not None:
                    self.home.put_back()


@dataclass(slots=True)
class Trial:
    """One start, with what has been seen of it so far."""

    stack: Stack
    say: Say
    patience_s: float
    waited_for: set[tuple[str, int]]
    look: Look = field(default_factory=Look)
    _tried: int = 0
    _first_signs: list[float] = field(default_factory=list)
    """How long the first sign of each answer took, in seconds."""
    _listening: float = 0.0
    _did: tuple[float, ...] | None = None
    _idle_since: float = 0.0

    async def begin(self) -> None:
        """Start it, and wait until it takes updates, listens, has failed, or is given up."""
        starting = asyncio.create_task(self.stack.start())
        loop = asyncio.get_running_loop()
        began, said_at = loop.time(), loop.time()
        try:
            while not starting.done():
                await asyncio.wait({starting}, timeout=_LOOK_EVERY_S)
                now = loop.time()
                if now - said_at > _PROGRESS_S:
                    said_at = now
                    what = "it has not asked Telegram for updates yet"
                    if self.stack.bot is None:
                        what = "the doubles are starting"
                    self.say(f"  … {now - began:.0f} s: {what}")
                if self._settled(now):
                    break
            if starting.done():
                starting.result()
        except RunError as error:
            self.look.failure = str(error).removeprefix("bot: ")
        finally:
            starting.cancel()
            await asyncio.gather(starting, return_exceptions=True)
        self.read()

    def _settled(self, now: float) -> bool:
        """Tell whether it need not be waited for any longer: it may go on so for ever."""
        if set(TELEGRAM_HOSTS) & set(self._hosts()):
            return True
        if telegrams_own(self._addresses()):
            self.look.mtproto = True
            self.look.failure = "it speaks to Telegram by MTProto, not by the HTTP Bot API"
        elif self._unauthorized():
            self.look.failure = refused_by_telegram(self._record(), self.stack.name)
        elif self._idle(now):
            self.look.failure = (
                f"for {_IDLE_S:.0f} s it has asked nobody for anything, written nothing and "
                "listened nowhere: it waits for a time of day, or only sleeps. What sends at set "
                "times and takes no updates cannot be asked anything"
            )
        self._listening = (self._listening or now) if self.ports() else 0.0
        long = bool(self._listening) and now - self._listening > _LISTENS_S
        return bool(self.look.failure) or long

    def _idle(self, now: float) -> bool:
        done = self._done()
        if done is None or done != self._did:
            self._did, self._idle_since = done, now
        return now - self._idle_since > _IDLE_S

    def _done(self) -> tuple[float, ...] | None:
        """Return what the bot has done so far: the processor that it used, its connections, its
        log, and what it asked; None where that cannot be told."""
        bot = self.stack.bot
        if bot is None or not bot.running or bot.launch.container is not None:
            return None
        try:
            root = psutil.Process(bot.pid)
            tree = [root, *root.children(recursive=True)]
            used = sum(sum(each.cpu_times()[:2]) for each in tree)
            connections = sum(len(each.net_connections(kind="inet")) for each in tree)
        except psutil.Error:  # it has just ended
            return None
        log = self.stack.around.report_dir / "logs" / self.stack.name / "bot.log"
        written = log.stat().st_size if log.exists() else 0
        asked = len(self._record().of(DoubleEvent, stack=self.stack.name))
        return round(used, 1), connections, written, asked

    async def end(self) -> None:
        """Stop all of it, and read what is left to read."""
        await self.stack.stop()
        self.read()

    @property
    def started(self) -> bool:
        """Whether it takes updates."""
        return bool(self.look.door)

    async def answers_at(self, url: str) -> tuple[bool, int | None]:
        """Tell whether the bot answers an update at this URL, once a webhook is set
        there, and the HTTP status that it gave."""
        stack = self.stack
        await stack.telegram.set_webhook(stack.values["token"], url, "")
        [step] = steps_of([Case(name=f"at-{self._tried}", say="/start")])
        self._tried += 1
        turns = await self.play([step], time.time())
        posts = self._record().of(UpdateDelivered, stack=stack.name)
        status = next((post.status for post in reversed(posts) if post.door == "webhook"), None)
        return any(turn.acts for turn in turns.values()), status

    def ports(self) -> tuple[int, ...]:
        """Return the ports that the bot and what it has started listen on."""
        bot = self.stack.bot
        if bot is None or not bot.running:
            return ()
        found: set[int] = set()
        with suppress(psutil.Error):  # it has just ended
            root = psutil.Process(bot.pid)
            for process in (root, *root.children(recursive=True)):
                for each in process.net_connections(kind="tcp"):
                    if each.status == psutil.CONN_LISTEN:
                        found.add(each.laddr.port)
        return tuple(sorted(found))

    def in_vain(self) -> int:
        """Return how often it has asked so far for what no double has."""
        record, name = self._record(), self.stack.name
        events = record.of(DoubleEvent, stack=name)
        return sum(event.kind in _IN_VAIN for event in events) + sum(
            bool(call.unserved) for call in record.of(VenueCall, stack=name)
        )

    def _record(self) -> history.History:
        return self.stack.around.recorder.history()

    def _unauthorized(self) -> bool:
        calls = self._record().of(BotApiCall, stack=self.stack.name)
        return any(call.error_code == _UNAUTHORIZED for call in calls)

    def _hosts(self) -> list[str]:
        events = self._record().of(DoubleEvent, stack=self.stack.name)
        found = [str(e.detail.get("host")) for e in events if e.kind == UNKNOWN_HOST]
        return list(dict.fromkeys(found))

    def _addresses(self) -> list[str]:
        events = self._record().of(DoubleEvent, stack=self.stack.name)
        found = [str(e.detail.get("address")) for e in events if e.kind == REFUSED_ADDRESS]
        return list(dict.fromkeys(found))

    def read(self) -> None:
        """Bring `look` up to date with the record."""
        look, name, record = self.look, self.stack.name, self._record()
        look.ports = self.ports() or look.ports
        look.hosts, look.addresses = tuple(self._hosts()), tuple(self._addresses())
        served = [call for call in record.of(VenueCall, stack=name) if call.unserved]
        look.venues = tuple(dict.fromkeys(call.unserved for call in served))
        calls = record.of(BotApiCall, stack=name)
        polled = any(event.kind == "poll" for event in record.of(DoubleEvent, stack=name)) or any(
            call.method == "getUpdates" for call in calls
        )
        hooks = [c for c in calls if c.method == "setWebhook" and c.params.get("url")]
        look.webhook = str(hooks[-1].params["url"]) if hooks else look.webhook
        taken = any(call.error_code is None for call in hooks)
        look.door = "webhook" if taken and not polled else "polling" if polled else ""
        refused = [call for call in calls if call.error_code is not None]
        if refused:
            look.refused = f"{refused[0].method}: {refused[0].error_code} {refused[0].description}"
        look.menu = tuple(dict.fromkeys(_menu(calls)))
        for event in record.of(ProcessReady, stack=name):
            look.ready_s = event.after_s if event.role == "bot" else look.ready_s
        for ended in record.of(ProcessExited, stack=name):
            if ended.role == "bot" and ended.expected:
                look.exit_code = ended.code
            elif ended.role == "bot":
                look.own_end = ended.code
        used = [s.judged for s in record.of(MemorySample, stack=name) if s.role == "bot"]
        look.memory_mb = max([*used, 0]) / 1e6
        look.log = tail(self.stack.around.report_dir / "logs" / name / "bot.log", 60)

    async def play(self, steps: Sequence[scripted.Step], wall_s: float) -> dict[str, Turn]:
        """Send these cases, four chats at a time, and wait until each answer seems to be over.

        What came of each, by the name of the case.
        """
        free = asyncio.Semaphore(_AT_ONCE)
        chats: dict[int, asyncio.Lock] = {}
        loop = asyncio.get_running_loop()
        done, said_at = 0, loop.time()

        async def one(step: scripted.Step) -> None:
            nonlocal done, said_at
            async with chats.setdefault(step.chat_id, asyncio.Lock()), free:
                await self._ask(step, wall_s)
            done += 1
            if loop.time() - said_at > _PROGRESS_S and done < len(steps):
                said_at = loop.time()
                self.say(f"  … {done} of {len(steps)}")

        await self.stack.run(_gathered([one(step) for step in steps]))
        self.read()
        turns = read_chats(self._record(), ReplyRules.of(Replies()))[self.stack.name].turns
        return {step.case.name: turns[step.case.name] for step in steps}

    async def _ask(self, step: scripted.Step, wall_s: float) -> None:
        stack, recorder = self.stack, self.stack.around.recorder
        token = stack.values["token"]
        sent = await scripted.update_of(step, stack.telegram, token, wall_s)
        with recorder.subscribe(_calls_of(stack.name, step)) as calls:
            at = history.now()
            update_id = await stack.inject(sent)
            recorder.record(
                CasePlayed(
                    t=at,
                    case=step.case.name,
                    update_id=update_id,
                    chat_id=step.chat_id,
                    expect="reply",
                    sent=sent,
                    stack=stack.name,
                    mode=stack.mode,
                )
            )
            first = await _until_quiet(calls, self._patience())
        self.waited_for.add((stack.name, update_id))
        if first is not None:
            self._first_signs.append(first)

    def _patience(self) -> float:
        """Return how long the first sign of an answer is waited for, by those that came so far."""
        if len(self._first_signs) < _SIGNS:
            return _FIRST_S
        return min(_FIRST_S, max(_LEAST_FIRST_S, 5 * max(self._first_signs)))


def telegrams_own(addresses: Iterable[str]) -> bool:
    """Tell whether one of these addresses, with a port each, is Telegram's own."""
    return any(
        ipaddress.ip_address(each.rpartition(":")[0].strip("[]")) in network
        for each in addresses
        for network in _TELEGRAM
    )


async def _gathered(work: Sequence[Any]) -> None:
    async with asyncio.TaskGroup() as group:
        for each in work:
            group.create_task(each)


async def _until_quiet(calls: asyncio.Queue[history.Event], patience_s: float) -> float | None:
    """Wait for the first sign of an answer, and until no more comes. When that sign came, in
    seconds; None where none came."""
    loop = asyncio.get_running_loop()
    began, wait, first = loop.time(), patience_s, None
    while loop.time() - began < _LONGEST_S:
        try:
            event = await asyncio.wait_for(calls.get(), wait)
        except TimeoutError:
            break
        first = loop.time() - began if first is None else first
        wait = waits_on(event)
    return first


def waits_on(event: history.Event) -> float:
    """Return how many seconds a further call is waited for after this one: long where it says
    that the bot is at work."""
    if not isinstance(event, BotApiCall):
        return _QUIET_S
    text = str(event.params.get("text", "")).strip()
    if event.method == "sendChatAction" or _AT_WORK.search(text):
        return _LONGEST_S
    return _ANNOUNCED_S if text.endswith(("…", "...")) else _QUIET_S


def _calls_of(stack: str, step: scripted.Step) -> Any:
    def mine(event: history.Event) -> bool:
        if event.stack != stack or not isinstance(event, BotApiCall):
            return False
        chat = str(event.params.get("chat_id", ""))
        query = str(event.params.get("callback_query_id", ""))
        return chat == str(step.chat_id) or query == step.query_id

    return mine


def steps_of(cases: Sequence[Case]) -> list[scripted.Step]:
    """Return the cases as the gate would play them: with its chats and its users."""
    return [step for steps in scripted.conversations(cases) for step in steps]


def _menu(calls: Sequence[BotApiCall]) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for call in calls:
        if call.method == "setMyCommands":
            listed = plain(call.params.get("commands"))
            found += [
                (str(each.get("command")), str(each.get("description", "")))
                for each in (listed if isinstance(listed, list) else [])
            ]
    return found
