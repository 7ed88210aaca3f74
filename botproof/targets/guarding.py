"""The harness's side of the guard, the process that cleans up when the harness is killed."""

from __future__ import annotations

import asyncio
import sys
from typing import Self

from botproof.open_files import as_a_service_has
from botproof.targets import guard as guard_script


class Guard:
    """Told of everything that is started, and of its end. See `guard.py`."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        """Begin to guard, and let what is started from now on have as many open files as a
        service. Raises UsageError where the machine does not allow that many."""
        as_a_service_has()
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-I",
            str(guard_script.__file__),
            stdin=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        process, self._process = self._process, None
        if process is not None and process.stdin is not None:
            process.stdin.close()
            await process.wait()

    def watch(self, what: int | str) -> None:
        """End this process group, or `container:NAME`, should the harness die."""
        self._tell(f"+{what}\n")

    def forget(self, what: int | str) -> None:
        """Note that this process group, or `container:NAME`, is gone."""
        self._tell(f"-{what}\n")

    def _tell(self, line: str) -> None:
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.write(line.encode())
