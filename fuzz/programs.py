"""The processes that are put to the test here: where they listen, and a Redis of their own."""

import asyncio
import json
import time
from pathlib import Path
from typing import Any


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
