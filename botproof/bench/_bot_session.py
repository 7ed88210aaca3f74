"""A bot between a Telegram double and one shared service, for the time of one measurement."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx
import msgspec
import psutil

from botproof.bench import CannotMeasureError
from botproof.bench._answers import Answers, Observed
from botproof.bench._client import Connection, connect, post
from botproof.bench._processes import started
from botproof.config import BOT, TELEGRAM, Config, Process, substitute
from botproof.targets.doubles import DoubleControl
from botproof.targets.guarding import Guard
from botproof.targets.launch import BrokenHarnessError, Launch, TargetError
from botproof.targets.memory import Reading, read_memory
from botproof.targets.process import ManagedProcess, tail
from botproof.targets.recorder import Recorder
from botproof.targets.reserved import Ports

_LOOK_EVERY_S = 0.1
_CONNECTIONS = 8


@dataclass(frozen=True, slots=True)
class Side:
    """One of those that are compared: a bot in one mode. `base` is where its file lies."""

    name: str
    config: Config
    base: Path
    mode: str


@dataclass(frozen=True, slots=True)
class Around:
    """What all measurements of a run share. `values` fill placeholders of every bot."""

    client: httpx.AsyncClient
    guard: Guard
    ports: Ports
    logs: Path
    values: Mapping[str, str]
    users: tuple[int, ...]


class BotSession:
    """Asks the bot questions and watches its answers and its memory."""

    def __init__(self, side: Side, control: DoubleControl, bot: ManagedProcess) -> None:
        self._side = side
        self._control = control
        self._bot = bot
        self._after = 0
        self._readings: list[Reading] = []
        self.texts: set[str] = set()

    async def burst(self, chats: tuple[int, ...], say: str, limit_s: float) -> Observed:
        """Ask once in each chat, as fast as the double takes it; wait for all answers.

        Raises CannotMeasureError when one is missing after `limit_s` seconds.
        """
        observed = await self._ask(self._send_all(chats, say), len(chats), limit_s)
        if observed.waiting:
            raise CannotMeasureError(
                f"{self._side.name}: {len(observed.waiting)} of {len(chats)} questions had no "
                f"answer after {limit_s:g} s; {self._log_tail()}"
            )
        return observed

    async def stream(
        self, chats: tuple[int, ...], say: str, *, rate: float, seconds: float, patience_s: float
    ) -> Observed:
        """Ask `rate` times a second for `seconds`, whatever comes back; wait a while for the rest.

        A bot that cannot keep up leaves questions without an answer: they stay in the figures.
        """
        count = round(rate * seconds)
        sending = self._send_evenly(chats, say, rate, count)
        return await self._ask(sending, count, seconds + patience_s)

    async def _ask(
        self, sending: contextlib.AbstractAsyncContextManager[None], count: int, limit_s: float
    ) -> Observed:
        answers = Answers(self._side.config.replies.acknowledgement)
        deadline = time.monotonic() + limit_s
        async with sending:
            while answers.asked < count or answers.open:
                if time.monotonic() > deadline:
                    break
                if not self._bot.running:
                    raise CannotMeasureError(f"{self._side.name} ended; {self._log_tail()}")
                # Not a long poll: being told of each event would cost what is to be measured.
                await asyncio.sleep(_LOOK_EVERY_S)
                await self._look(answers)
        if answers.superfluous:
            raise CannotMeasureError(f"{self._side.name}: {answers.superfluous} answers too many")
        self.texts |= answers.texts
        return answers.observed(time.monotonic())

    async def _look(self, answers: Answers) -> None:
        page = await self._control.transcript(self._after, 0)
        if page["dropped"]:
            raise CannotMeasureError("the double's transcript was too short for this run")
        answers.take(page["events"])
        self._after = page["next"]
        reading = read_memory(self._bot.pid)
        if reading is not None:
            self._readings.append(reading)

    @contextlib.asynccontextmanager
    async def _send_all(self, chats: tuple[int, ...], say: str) -> AsyncIterator[None]:
        questions = [self._question(chat, say) for chat in chats]
        opened = [await self._connect() for _ in range(_CONNECTIONS)]

        async def send(connection: Connection, share: list[bytes]) -> None:
            for question in share:
                await connection.ask(question)

        try:
            shares = [questions[number::_CONNECTIONS] for number in range(_CONNECTIONS)]
            await asyncio.gather(*map(send, opened, shares))
            yield
        finally:
            for connection in opened:
                connection.close()

    @contextlib.asynccontextmanager
    async def _send_evenly(
        self, chats: tuple[int, ...], say: str, rate: float, count: int
    ) -> AsyncIterator[None]:
        connection = await self._connect()

        async def send() -> None:
            begin = time.monotonic()
            for number in range(count):
                await asyncio.sleep(begin + number / rate - time.monotonic())
                await connection.ask(self._question(chats[number % len(chats)], say))

        task = asyncio.create_task(send())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            connection.close()

    async def _connect(self) -> Connection:
        url = httpx.URL(self._control.url)
        return await connect(url.host, url.port or 80)

    def _question(self, chat: int, say: str) -> bytes:
        body = {"text": say, "chat_id": chat, "user_id": chat}
        token = self._side.config.doubles.telegram.token
        return post(f"/_double/bots/{token}/updates", msgspec.json.encode(body))

    def cpu_s(self) -> float:
        """Processor seconds that the bot's process has used so far.

        Raises CannotMeasureError when it is gone.
        """
        try:
            times = psutil.Process(self._bot.pid).cpu_times()
        except psutil.Error as error:
            raise CannotMeasureError(f"{self._side.name}: {error}") from error
        return float(times.user + times.system)

    def memory(self) -> Reading:
        """Return the highest readings since the start: each figure on its own.

        Raises CannotMeasureError when it is gone.
        """
        if not self._readings:
            raise CannotMeasureError(f"{self._side.name}: its memory cannot be read")
        return Reading(
            pss=max(reading.pss for reading in self._readings),
            anonymous=max(reading.anonymous for reading in self._readings),
            rss=max(reading.rss for reading in self._readings),
            peak=max(reading.peak for reading in self._readings),
            processes=max(reading.processes for reading in self._readings),
        )

    def _log_tail(self) -> str:
        return "its log ends: " + " | ".join(tail(self._bot.launch.log, 3))


@contextlib.asynccontextmanager
async def bot_session(side: Side, around: Around) -> AsyncIterator[BotSession]:
    """Start a double of its own and the bot; end both afterwards. Raises CannotMeasureError."""
    token = side.config.doubles.telegram.token
    scratch = Path(tempfile.mkdtemp(prefix="botproof-bench-"))
    arguments = ("--token", token, "--no-flood")
    try:
        with started("botproof.doubles.telegram.cli", *arguments) as double:
            port = str(around.ports.free())
            values = {
                **around.values,
                f"url:{TELEGRAM}": double.url,
                f"port:{BOT}": port,
                f"url:{BOT}": f"http://127.0.0.1:{port}",
                "python": sys.executable,
                "mode": side.mode,
                "token": token,
                "users": ",".join(map(str, around.users)),
                "scratch": str(scratch),
            }
            process = side.config.bot_in(side.mode)
            bot = await _start(BOT, process, side.base, values, around)
            try:
                yield BotSession(side, DoubleControl(TELEGRAM, double.url, around.client), bot)
            except BrokenHarnessError as error:
                raise CannotMeasureError(str(error)) from error
            finally:
                await bot.stop()
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


@contextlib.asynccontextmanager
async def service(config: Config, base: Path, name: str, around: Around) -> AsyncIterator[str]:
    """Start one `[services]` entry of a file; its URL. Raises CannotMeasureError."""
    port = str(around.ports.free())
    url = f"http://127.0.0.1:{port}"
    values = {"python": sys.executable, f"port:{name}": port, f"url:{name}": url}
    running = await _start(name, config.services[name], base, values, around)
    try:
        await running.wait_ready(around.client)
        yield url
    except TargetError as error:
        raise CannotMeasureError(str(error)) from error
    finally:
        await running.stop()


async def _start(
    name: str, process: Process, base: Path, values: Mapping[str, str], around: Around
) -> ManagedProcess:
    launch = Launch(
        name=name,
        role="service" if name != BOT else "bot",
        command=tuple(substitute(part, values) for part in process.command),
        cwd=(base / substitute(process.cwd, values)).resolve(),
        log=around.logs / f"{name}-{values.get('mode', 'service')}.log",
        env={key: substitute(str(value), values) for key, value in process.env.items()},
        inherit_env=process.inherit_env,
        ready_url="" if process.ready == "telegram" else substitute(process.ready, values),
        stop_timeout_s=process.stop_timeout_s,
    )
    try:
        return await ManagedProcess.start(launch, Recorder(), guard=around.guard)
    except TargetError as error:
        raise CannotMeasureError(str(error)) from error
