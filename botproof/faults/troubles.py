"""What can go wrong beside kills, and how it is done and undone again.

Each trouble is begun and ended by the nemesis; ending twice does no harm.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import signal
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from botproof.targets.doubles import DoubleControl
from botproof.targets.process import ManagedProcess

_FILL_BYTES = 64 * 1024
_IDLE_CONNECTIONS = 1_100
_PILL_CHAT = 6_000_000
_PILLS: Sequence[Mapping[str, Any]] = (
    {"photo": 5},
    {"text": "/help", "entities": "x"},
    {"text": "/help", "date": 10**15},
    {"new_chat_members": [None]},
)

Processes = Callable[[], Sequence[ManagedProcess]]


class Trouble(Protocol):
    """Something that goes wrong for a while."""

    async def begin(self) -> None:
        """Make it go wrong."""

    async def end(self) -> None:
        """Put it right again."""


class DoubleFaults:
    """Faults of a double: of each call, a share goes wrong in one of these ways."""

    def __init__(self, double: DoubleControl, faults: Sequence[Mapping[str, Any]]) -> None:
        self._double = double
        self._faults = faults

    async def begin(self) -> None:
        for fault in self._faults:
            await self._double.add_fault(fault)

    async def end(self) -> None:
        await self._double.clear_faults()


class Frozen:
    """The processes are stopped as they are: they hold their connections and answer nothing."""

    def __init__(self, processes: Processes) -> None:
        self._processes = processes

    async def begin(self) -> None:
        self._signal(signal.SIGSTOP)

    async def end(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        for process in self._processes():
            if process.running and process.pid:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, number)


class FullDisk:
    """The file system of `directory` is full. It must be a small one of its own."""

    def __init__(self, directory: Path) -> None:
        self._filler = directory / "filler"

    async def begin(self) -> None:
        await asyncio.to_thread(self._fill)

    async def end(self) -> None:
        await asyncio.to_thread(self._filler.unlink, missing_ok=True)

    def _fill(self) -> None:
        block = b"\0" * _FILL_BYTES
        with self._filler.open("ab", buffering=0) as file:
            while block:
                try:
                    file.write(block)
                except OSError:  # the last bytes go in smaller blocks
                    block = block[: len(block) // 2]


class NoMoreBytes:
    """The processes may not write to any file: what a full disk is to them, on any file system.

    Writing beyond the limit of 0 bytes fails with EFBIG; CPython ignores SIGXFSZ.
    """

    def __init__(self, processes: Processes) -> None:
        self._processes = processes

    async def begin(self) -> None:
        self._limit(0)

    async def end(self) -> None:
        self._limit(None)

    def _limit(self, limit: int | None) -> None:
        for process in self._processes():
            if process.running and process.pid:
                with contextlib.suppress(ProcessLookupError):
                    hard = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)[1]
                    limits = (hard if limit is None else limit, hard)
                    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, limits)


class RemovedFiles:
    """Every file that the processes have open under `directory` is removed, as a clean-up does it.

    Whoever has it open can go on writing to it, and nobody will find that again.
    """

    def __init__(self, processes: Processes, directory: Path) -> None:
        self._processes = processes
        self._directory = directory

    async def begin(self) -> None:
        for process in self._processes():
            if process.running and process.pid:
                for path in open_files(process.pid, self._directory):
                    path.unlink(missing_ok=True)

    async def end(self) -> None:
        return


def open_files(pid: int, directory: Path) -> list[Path]:
    """Return the files below `directory` that a process has open now."""
    found = []
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):  # closed meanwhile
            path = descriptor.readlink()
            if path.is_relative_to(directory) and path.is_file():
                found.append(path)
    return found


class IdleConnections:
    """Connections that ask nothing, more than a process usually has descriptors for."""

    def __init__(self, ports: Sequence[int], count: int = _IDLE_CONNECTIONS) -> None:
        self._ports = ports
        self._count = count
        self._held: list[socket.socket] = []

    async def begin(self) -> None:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = soft + 2 * self._count * len(self._ports)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, hard), hard))
        for port in self._ports:
            await asyncio.to_thread(self._connect, port)

    async def end(self) -> None:
        while self._held:
            self._held.pop().close()

    def _connect(self, port: int) -> None:
        for _ in range(self._count):
            try:
                self._held.append(socket.create_connection(("127.0.0.1", port), 1.0))
            except OSError:  # nobody listens there just now, or no more are taken
                return


class PoisonPills:
    """Updates that no program can make sense of, from people who ask nothing else."""

    def __init__(self, double: DoubleControl, token: str) -> None:
        self._double = double
        self._token = token

    async def begin(self) -> None:
        for number, pill in enumerate(_PILLS):
            chat = {"id": _PILL_CHAT + number, "type": "private", "first_name": "A"}
            person = {"id": chat["id"], "is_bot": False, "first_name": "A"}
            message = {"message_id": 1, "date": 1, "chat": chat, "from": person, **pill}
            await self._double.inject(self._token, {"update": {"message": message}})

    async def end(self) -> None:
        return


class Restarted:
    """Something outside is restarted once, at the beginning of the window."""

    def __init__(self, restart: Callable[[], Awaitable[None]]) -> None:
        self._restart = restart

    async def begin(self) -> None:
        await self._restart()

    async def end(self) -> None:
        return


def _sends(kind: str, probability: float, **more: Any) -> Mapping[str, Any]:
    return {"method": "sendMessage", "kind": kind, "probability": probability, **more}


TELEGRAM_FAULTS: Mapping[str, Sequence[Mapping[str, Any]]] = {
    "telegram-errors": (
        _sends("error", 0.15, error_code=500, description="Internal Server Error"),
        _sends("error", 0.15, error_code=502, description="Bad Gateway"),
    ),
    "telegram-429": (_sends("error", 0.05, error_code=429, retry_after=1),),
    "telegram-lost-answers": (_sends("lost_answer", 0.05),),
    "telegram-delays": (_sends("delay", 0.2, seconds=0.3),),
}
EXCHANGE_FAULTS: Mapping[str, Sequence[Mapping[str, Any]]] = {
    "exchange-errors": ({"venue": "*", "kind": "error", "status": 500, "probability": 0.5},),
    "exchange-silent": ({"venue": "*", "kind": "silent", "probability": 0.5},),
    "exchange-slow": ({"venue": "*", "kind": "delay", "seconds": 1.0, "probability": 0.5},),
}
TROUBLES: Mapping[str, str] = {
    "telegram-errors": "a third of all sendMessage calls get 500 or 502",
    "telegram-429": "one sendMessage in 20 gets 429 with retry_after 1",
    "telegram-lost-answers": "one sendMessage in 20 takes effect, but its answer never comes",
    "telegram-delays": "one sendMessage in 5 is answered 0.3 s late",
    "exchange-errors": "every second call of an exchange gets 500",
    "exchange-silent": "every second call of an exchange is never answered",
    "exchange-slow": "every second call of an exchange takes a second longer",
    "slow-backend": "the services stand still (SIGSTOP)",
    "full-disk": "the bot cannot write to its disk",
    "redis-restart": "Redis is restarted",
    "files-removed": "the files that the bot has open are removed, once",
    "idle-connections": "1,100 connections to the bot's port that ask nothing",
    "rows-damaged": "what the bot stored of an update that waits is damaged; then it is killed",
    "redis-evicting": "the bot's Redis may forget keys (maxmemory-policy allkeys-lru)",
    "poison-pills": "updates that no program can make sense of, from other chats",
}
"""Every trouble by name, with what it does."""
