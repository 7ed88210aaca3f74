"""A stack whose bot may be killed at any moment: it is started again, as systemd would."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from botproof import history
from botproof.config import BOT, substitute
from botproof.targets.contact import contact_since
from botproof.targets.failures import Failure
from botproof.targets.granted import Granted
from botproof.targets.launch import TargetError
from botproof.targets.process import ManagedProcess
from botproof.targets.stack import Stack, Surroundings

_PROBE_EVERY_S = 0.03
_REVIVE_AFTER_S = 0.2
_MOST_CRASHES = 25
_KILL_TRIES = 20
_KILL_AGAIN_S = 0.7
_CLOCK_STEP_S = 5.0


@dataclass(slots=True)
class _Member:
    """One replica of the bot, through all its lives."""

    name: str
    port: int
    process: ManagedProcess | None = None
    ready: asyncio.Task[None] | None = None
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


class ReplicatedStack(Stack):
    """Starts everything for one mode; the bot `replicas` times.

    `kill_url`, when the mode has one, is where a kill is asked for; else SIGKILL goes to the
    bot's process group.
    """

    def __init__(
        self,
        around: Surroundings,
        mode: str,
        name: str,
        *,
        replicas: int,
        kill_url: str,
        again: bool = False,
    ) -> None:
        super().__init__(around, mode, name, again=again)
        self._kill_url = kill_url
        self._crew = [
            _Member(BOT if number == 0 else f"{BOT}-{number + 1}", around.ports.free())
            for number in range(replicas)
        ]
        self._stopping = False
        self._was_ready = False
        self._crashes = 0

    @property
    def bots(self) -> list[ManagedProcess]:
        """The processes of the bot that run now."""
        processes = [member.process for member in self._crew]
        return [process for process in processes if process is not None and process.running]

    @property
    def ports(self) -> list[int]:
        """Where the replicas listen."""
        return [member.port for member in self._crew]

    @property
    def scratch(self) -> Path:
        """The directory that the bot keeps its files in."""
        return self._scratch

    @property
    def services(self) -> list[ManagedProcess]:
        """The processes of the services."""
        return self._services

    async def start_bot(self) -> None:
        """Start every replica and wait until all are ready. Raises TargetError when one is not."""
        self._stopping = False
        for member in self._crew:
            await self._raise_member(member)
        await self.run(self._all_members_ready())

    async def all_ready(self, limit_s: float) -> bool:
        """Wait until every replica is ready; False when that takes longer than `limit_s`, and than
        what the machine withholds meanwhile."""
        limit = Granted(self.watch, limit_s)
        while waiting := [m.ready for m in self._crew if m.ready and not m.ready.done()]:
            if not limit.left_s:
                return False
            await asyncio.wait(waiting, timeout=limit.left_s, return_when=asyncio.FIRST_COMPLETED)
        return True

    def is_ready(self, victim: int) -> bool:
        """Tell whether a replica has become ready since its last start."""
        ready = self._crew[victim].ready
        return ready is not None and ready.done()

    async def kill(self, victim: int) -> None:
        """SIGKILL one replica at once, and start it again at once."""
        member = self._crew[victim]
        if self._kill_url:
            await self._kill_inside(member)
            return
        async with member.turn:
            if member.process is not None and member.process.running:
                await member.process.kill()
            await self._raise_member(member)

    async def stop_bots(self) -> None:
        """SIGTERM to every replica, and wait for the ends."""
        self._stopping = True
        for member in self._crew:
            if member.ready is not None:
                member.ready.cancel()
        running = self.bots
        await asyncio.gather(*(process.stop() for process in running))

    async def stop(self) -> None:
        """End the bots, then the rest of the stack."""
        await self.stop_bots()
        self.bot = None
        await super().stop()

    async def move_clock(self, seconds: float) -> None:
        """Let the Telegram double's time pass, so that what it wants to try again is due."""
        await self.telegram.move_clock(seconds)

    # lives of a replica

    async def _raise_member(self, member: _Member) -> None:
        if member.ready is not None:
            member.ready.cancel()
        self.values[f"port:{BOT}"] = str(member.port)
        self.values[f"url:{BOT}"] = f"http://127.0.0.1:{member.port}"
        process = self.around.config.bot_in(self.mode)
        ready_url = "" if process.ready == "telegram" else substitute(process.ready, self.values)
        member.process = await self._launch(member.name, "bot", process)
        member.ready = asyncio.create_task(self._note_ready(member.process, ready_url))
        self.bot = self._crew[0].process

    async def _all_members_ready(self) -> None:
        process = self.around.config.bot_in(self.mode)
        if await self.all_ready(process.ready_timeout_s):
            self._was_ready = True
            return
        for member in self._crew:
            if member.process is not None and member.ready and not member.ready.done():
                raise member.process.record_not_ready(f"GET {process.ready} was never answered 200")

    async def _note_ready(self, process: ManagedProcess, ready_url: str) -> None:
        """Record when the process is ready; a kill before that cancels this."""
        if ready_url:
            # Nothing tells that another process has begun to listen.
            while not await self._answers(ready_url):  # noqa: ASYNC110 - as said above
                await asyncio.sleep(_PROBE_EVERY_S)
        else:
            with self.around.recorder.subscribe(contact_since(process.started_at)) as contacts:
                await contacts.get()
        process.record_ready(history.now() - process.started_at)
        if self._was_ready:
            # Telegram waits longer after each failed try, and no further updates come while those
            # that it looks ahead at wait: the next kills would meet a bot with nothing to do.
            await self.move_clock(_CLOCK_STEP_S)

    async def _answers(self, url: str) -> bool:
        try:
            response = await self.around.client.get(url, timeout=5.0)
        except httpx.HTTPError:
            return False
        return response.status_code == httpx.codes.OK

    async def _kill_inside(self, member: _Member) -> None:
        """Have the front kill its worker; when there is none, wait for the next one to work."""
        for _ in range(_KILL_TRIES):
            if await self._killed_inside(member):
                return
            # No process runs until Telegram tries again. One that has just been started gets some
            # time: a kill in each cold start would meet the same update for ever.
            await self.move_clock(_CLOCK_STEP_S)
            await asyncio.sleep(_KILL_AGAIN_S)
        self.say("a kill found no process; it does not count")

    async def _killed_inside(self, member: _Member) -> bool:
        at = history.now()
        response = await self.around.client.post(substitute(self._kill_url, self.values))
        if not response.json().get("killed"):
            return False
        self.around.recorder.record(
            history.StopRequested(
                t=at, process=member.name, role="bot", signal="SIGKILL", **self.labels
            )
        )
        return True

    async def _watch(self, process: ManagedProcess) -> None:
        if process.launch.role != "bot":
            await super()._watch(process)
            return
        code = await process.exited
        if process.stop_asked or self._stopping:
            return
        if not self._was_ready:
            self.fail(await self.blamed(process, process.record_not_ready("it has ended")))
            return
        process.record_log_tail()
        self._crashes += 1
        text = f"{process.launch.name} ended on its own with {history.describe_exit(code)}"
        self.say(text)
        if self._crashes > _MOST_CRASHES:
            text = f"{text}, {self._crashes} times by now"
            self.fail(TargetError(text, Failure.KEEPS_CRASHING))
            return
        await asyncio.sleep(_REVIVE_AFTER_S)
        await self._revive(process)

    async def _revive(self, process: ManagedProcess) -> None:
        for member in self._crew:
            async with member.turn:
                if member.process is process and not self._stopping:
                    await self._raise_member(member)
