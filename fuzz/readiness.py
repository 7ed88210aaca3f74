"""Does /ready tell the truth? ``python fuzz/readiness.py`` prints a table, a row for each fault.

The real bot runs between a Telegram double and, for some rows, a Redis of its own. A fault begins;
somebody asks something every half second. Written down are the seconds from the fault to the first
503 of /ready, and from its end to the first 200 and to the next answer. A row holds when /ready is
red within ten seconds of users being unanswered and green within ten of the recovery. Exit codes:
0 every row holds, 1 one does not, 2 it could not be run.
"""

import argparse
import asyncio
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

sys.path.insert(0, str(Path(__file__).parent))

from programs import announced, started_redis

from botproof.targets.reserved import Ports

TOKEN: Final = "4242:AAExampleExampleExampleExampleExample"
LIMIT: Final = 10.0
PATIENCE: Final = 60.0
ASK_EVERY: Final = 0.5
OTHER: Final = "http://127.0.0.1:9/elsewhere"


@dataclass(frozen=True, slots=True)
class Row:
    """A fault: how it begins and ends. ``mode`` and ``redis`` say what runs under it."""

    name: str
    begin: Callable[["Setup"], Awaitable[None]]
    end: Callable[["Setup"], Awaitable[None]]
    mode: str = "polling"
    redis: bool = False


class Setup:
    """Double, Redis and bot of one row."""

    def __init__(self, folder: Path, client: httpx.AsyncClient) -> None:
        self.folder = folder
        self.client = client
        self.programs: dict[str, asyncio.subprocess.Process] = {}
        self.telegram = ""
        self.bot = ""
        self.webhook = ""
        self._ports = Ports()

    async def start(self, row: Row) -> None:
        """Everything, until /ready is 200."""
        self.telegram = await self._listening(
            "double", "-m", "botproof", "double", "telegram", "--port", "0", "--no-flood"
        )
        settings = {
            "TELEGRAM_BOT_TOKEN": TOKEN,
            "TELEGRAM_ALLOWED_USERS": "*",
            "TELEGRAM_API_BASE_URL": self.telegram,
            "MARKET_DATA_URL": "http://127.0.0.1:9",
            "BOT_MODE": row.mode,
            "WEBHOOK_SECRET": "a-secret-of-the-table",
            "WEBHOOK_PORT": "0",
        }
        if row.redis:
            await self._start_redis()
            settings["REDIS_URL"] = f"unix://{self.folder / 'redis.sock'}"
        if row.mode == "webhook":
            with_port = self._ports.free()
            settings["WEBHOOK_PORT"] = str(with_port)
            settings["WEBHOOK_URL"] = f"http://127.0.0.1:{with_port}/webhook"
            self.webhook = settings["WEBHOOK_URL"]
        self.bot = await self._listening("bot", "-m", "reference_bot.telegram_bot", **settings)
        await self.until(200)

    async def _start_redis(self) -> None:
        self.programs["redis"] = await started_redis(self.folder, PATIENCE)

    async def restart_redis(self) -> None:
        """On what it has written."""
        (self.folder / "redis.sock").unlink(missing_ok=True)
        await self._start_redis()

    async def _listening(self, name: str, *command: str, **settings: str) -> str:
        log = self.folder / f"{name}.log"
        with log.open("wb") as file:
            self.programs[name] = await asyncio.create_subprocess_exec(
                sys.executable,
                *command,
                cwd=self.folder,
                stdout=file,
                stderr=file,
                env={"PATH": os.environ["PATH"], "PYTHONUNBUFFERED": "1", **settings},
            )
        said = await announced(name, self.programs[name], log, PATIENCE)
        return said.get("url") or f"http://127.0.0.1:{said['port']}"

    async def control(self, method: str, path: str, body: Any = None) -> Any:
        """The double's control interface."""
        answer = await self.client.request(
            method, f"{self.telegram}/_double/{path}", json=body if method == "POST" else None
        )
        return answer.json()["result"]

    async def fault(self, **fault: Any) -> None:
        """A fault of the double, for good."""
        await self.control("POST", "faults", fault)

    async def calm(self) -> None:
        """No fault of the double any more."""
        await self.control("DELETE", "faults")

    async def call(self, method: str, **params: Any) -> None:
        """What somebody else who has the token calls."""
        await self.client.post(f"{self.telegram}/bot{TOKEN}/{method}", json=params)

    async def ready(self) -> tuple[int, dict[str, str]]:
        """Status and reasons."""
        answer = await self.client.get(f"{self.bot}/ready")
        return answer.status_code, answer.json().get("reasons", {})

    async def until(self, status: int) -> tuple[float, dict[str, str]]:
        """Seconds until /ready has that status, and its reasons then."""
        began = time.monotonic()
        while time.monotonic() - began < PATIENCE:
            found, reasons = await self.ready()
            if found == status:
                return time.monotonic() - began, reasons
            await asyncio.sleep(0.1)
        return PATIENCE, {}

    async def ask_for_ever(self) -> None:
        """Somebody new asks something again and again."""
        chat = 100
        while True:
            chat += 1
            await self.say(chat)
            await asyncio.sleep(ASK_EVERY)

    async def say(self, chat: int) -> None:
        """A chat asks for help; where the double itself is frozen, nobody can."""
        body = {"text": "/help", "chat_id": chat, "user_id": chat}
        try:
            await self.client.post(
                f"{self.telegram}/_double/bots/{TOKEN}/updates", json=body, timeout=2.0
            )
        except httpx.HTTPError:
            return

    async def answered(self, chat: int) -> bool:
        """Whether a chat has an answer."""
        found = await self.control("GET", f"bots/{TOKEN}/chats/{chat}/messages")
        return any(message["from"]["is_bot"] for message in found["messages"])

    async def close(self) -> None:
        """Ends everything, and waits for the ends."""
        for process in self.programs.values():
            if process.returncode is None:
                process.send_signal(signal.SIGCONT)
                process.kill()
            await process.wait()
        self._ports.close()


def _signal(name: str, number: signal.Signals) -> Callable[[Setup], Awaitable[None]]:
    async def send(setup: Setup) -> None:
        setup.programs[name].send_signal(number)
        if number == signal.SIGKILL:
            await setup.programs[name].wait()

    return send


def _faulty(**fault: Any) -> Callable[[Setup], Awaitable[None]]:
    async def begin(setup: Setup) -> None:
        await setup.fault(**fault)

    return begin


async def _calm(setup: Setup) -> None:
    await setup.calm()


async def _redis_again(setup: Setup) -> None:
    await setup.restart_redis()


async def _forget(setup: Setup) -> None:
    await _redis_cli(setup, "config", "set", "maxmemory-policy", "allkeys-lru")


async def _keep(setup: Setup) -> None:
    await _redis_cli(setup, "config", "set", "maxmemory-policy", "noeviction")


async def _redis_cli(setup: Setup, *words: str) -> None:
    process = await asyncio.create_subprocess_exec(
        "redis-cli",
        "-s",
        str(setup.folder / "redis.sock"),
        *words,
        stdout=asyncio.subprocess.DEVNULL,
    )
    await process.wait()


async def _no_bytes(setup: Setup) -> None:
    _limit_files(setup, 0)


async def _bytes_again(setup: Setup) -> None:
    _limit_files(setup, resource.RLIM_INFINITY)


def _limit_files(setup: Setup, limit: int) -> None:
    hard = resource.prlimit(setup.programs["bot"].pid, resource.RLIMIT_FSIZE)[1]
    resource.prlimit(setup.programs["bot"].pid, resource.RLIMIT_FSIZE, (limit, hard))


async def _set_elsewhere(setup: Setup) -> None:
    await setup.fault(method="setWebhook", kind="error", error_code=502)
    await setup.call("deleteWebhook")


_NO = {"kind": "error", "error_code": 502}
ROWS: Final = (
    Row("sendMessage gets 502", _faulty(method="sendMessage", **_NO), _calm),
    Row("sendMessage gets no answer", _faulty(method="sendMessage", kind="silent"), _calm),
    Row("sendMessage: the connection is reset", _faulty(method="sendMessage", kind="reset"), _calm),
    Row("getUpdates gets 502", _faulty(method="getUpdates", **_NO), _calm),
    Row("getUpdates gets no answer", _faulty(method="getUpdates", kind="silent"), _calm),
    Row("the token is refused (401)", _faulty(kind="error", error_code=401), _calm),
    Row("Telegram stands still", _signal("double", signal.SIGSTOP),
        _signal("double", signal.SIGCONT)),
    Row("Telegram stands still", _signal("double", signal.SIGSTOP),
        _signal("double", signal.SIGCONT), mode="webhook"),
    Row("the webhook was removed, and cannot be set", _set_elsewhere, _calm, mode="webhook"),
    Row("the inbox cannot be written", _no_bytes, _bytes_again),
    Row("the inbox cannot be written", _no_bytes, _bytes_again, mode="webhook"),
    Row("Redis is killed", _signal("redis", signal.SIGKILL), _redis_again, redis=True),
    Row("Redis stands still", _signal("redis", signal.SIGSTOP),
        _signal("redis", signal.SIGCONT), redis=True, mode="webhook"),
    Row("Redis would forget", _forget, _keep, redis=True, mode="webhook"),
)  # fmt: skip


async def measure(row: Row, client: httpx.AsyncClient) -> bool:
    """Plays one row and prints it; whether it holds."""
    with tempfile.TemporaryDirectory(prefix="botproof-ready-") as folder:
        setup = Setup(Path(folder), client)
        try:
            await setup.start(row)
            await setup.say(100)
            asking = asyncio.create_task(setup.ask_for_ever())
            await row.begin(setup)
            red, reasons = await setup.until(503)
            await row.end(setup)
            green, _ = await setup.until(200)
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
            await setup.say(99)
            began = time.monotonic()
            while not await setup.answered(99) and time.monotonic() - began < PATIENCE:
                await asyncio.sleep(0.05)
            answer = time.monotonic() - began
        finally:
            await setup.close()
    holds = red <= LIMIT and green <= LIMIT and answer <= LIMIT
    where = f"{row.mode}, {'Redis' if row.redis else 'SQLite'}"
    print(
        f"{'holds' if holds else 'FAILS':<6}{row.name:<44}{where:<17}"
        f"{red:5.1f} s {green:5.1f} s {answer:5.1f} s  {'; '.join(reasons.values())[:90]}",
        flush=True,
    )
    return holds


async def run(only: str) -> int:
    """The exit code."""
    rows = [row for row in ROWS if only in row.name]
    if shutil.which("redis-server") is None:
        print("redis-server is not installed: its rows are left out")
        rows = [row for row in rows if not row.redis]
    print(f"{'':6}{'fault':<44}{'bot':<17}{'red':>7} {'green':>7} {'answer':>7}  what /ready says")
    async with httpx.AsyncClient(trust_env=False, timeout=20.0) as client:
        held = [await measure(row, client) for row in rows]
    print(f"{sum(held)} of {len(held)} rows hold")
    return 0 if all(held) else 1


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", default="", help="rows whose name holds this text")
    options = parser.parse_args(arguments)
    try:
        return asyncio.run(run(options.only))
    except (OSError, RuntimeError, httpx.HTTPError) as error:
        print(f"it could not be run: {error!r}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 2


if __name__ == "__main__":
    sys.exit(main())
