"""The processes that are put to the test here, how they are asked, and a Redis of their own."""

import asyncio
import json
import time
from pathlib import Path
from typing import Any, Final

PATIENCE: Final = 120.0
"""Seconds that a program is waited for."""


async def announced(
    name: str, process: asyncio.subprocess.Process, log: Path, patience: float
) -> dict[str, Any]:
    """The line of a program's log that says where it listens; RuntimeError if none comes."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        for line in _read(log).splitlines():
            if line.startswith("{") and json.loads(line).get("event") == "listening":
                return dict(json.loads(line))
        if process.returncode is not None:
            break
        await asyncio.sleep(0.05)
    raise RuntimeError(f"{name} does not listen:\n{_read(log)[-2000:]}")


def _read(log: Path) -> str:
    return log.read_text("utf-8", "replace")


async def started_redis(folder: Path, patience: float) -> asyncio.subprocess.Process:
    """A durable Redis that listens on ``folder``/redis.sock; RuntimeError if it does not."""
    path = folder / "redis.sock"
    command = ["redis-server", "--port", "0", "--unixsocket", str(path), "--dir", str(folder)]
    command += ["--appendonly", "yes", "--save", ""]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.DEVNULL)
    end = time.monotonic() + patience
    while not path.exists():
        if process.returncode is not None or time.monotonic() > end:
            raise RuntimeError("redis-server does not listen")
        await asyncio.sleep(0.02)
    return process


class Program:
    """A process under attack."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, log: Path) -> None:
        self.name = name
        self.process = process
        self.log = log
        self.port = 0

    async def listening(self) -> None:
        """Wait until its log says on which port."""
        said = await self.announcement()
        self.port = int(said["port"])

    async def announcement(self) -> dict[str, Any]:
        """Return the line of its log that says where it listens."""
        return await announced(self.name, self.process, self.log, PATIENCE)

    def memory(self) -> int:
        """Return its anonymous memory in bytes."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("RssAnon"):
                return int(line.split()[1]) * 1024
        return 0

    async def ask(
        self, method: str, path: str, body: bytes = b"", **headers: str
    ) -> tuple[int, bytes]:
        """Return status and body of one request on a connection of its own."""
        client = Client(self.port)
        try:
            return await client.ask(method, path, body, **headers)
        finally:
            client.close()

    async def metric(self, name: str) -> float:
        """Return what its ``/metrics`` tell, 0 where they do not."""
        _, body = await self.ask("GET", "/metrics")
        for line in body.decode().splitlines():
            if line.startswith(f"{name} "):
                return float(line.split()[1])
        return 0.0


class Client:
    """Requests on one kept connection."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(
        self, method: str, path: str, body: bytes = b"", **headers: str
    ) -> tuple[int, bytes]:
        """Return status and body. Raises OSError or asyncio.IncompleteReadError."""
        lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {len(body)}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        request = "\r\n".join(lines).encode() + b"\r\n\r\n" + body
        for fresh in (False, True):
            if self._streams is None or fresh:
                self._streams = await asyncio.open_connection("127.0.0.1", self._port)
            reader, writer = self._streams
            try:
                writer.write(request)
                head = await reader.readuntil(b"\r\n\r\n")
                break
            except (OSError, asyncio.IncompleteReadError):
                self.close()
                if fresh:
                    raise
        status = int(head.split(b" ", 2)[1])
        length = 0
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                length = int(line.partition(b":")[2])
            if line == b"connection: close":
                self._streams = None
        return status, await reader.readexactly(length)

    def close(self) -> None:
        """End the connection."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None
