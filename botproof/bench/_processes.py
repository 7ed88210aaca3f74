"""Starting the processes that a benchmark measures, and asking for their memory."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

import psutil

from botproof.bench import CannotMeasureError


@dataclass(frozen=True, slots=True)
class Measured:
    """A process that announced where it listens."""

    url: str
    host: str
    port: int
    process: psutil.Process

    def rss_mb(self) -> float:
        """Resident memory now, in MB (10^6 bytes)."""
        return float(self.process.memory_info().rss) / 1e6


@contextlib.contextmanager
def started(module: str, *arguments: str) -> Iterator[Measured]:
    """`python -m module arguments`, which prints its announcement as one line of JSON."""
    with announced((sys.executable, "-m", module, *arguments)) as process:
        yield process


@contextlib.contextmanager
def announced(command: Sequence[str]) -> Iterator[Measured]:
    """Give a command that prints its announcement as one line of JSON."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None  # noqa: S101 - it was asked for
            line = process.stdout.readline()
            if not line:
                what = " ".join(command[1:3])
                raise CannotMeasureError(f"{what} ended with {process.wait()} before it listened")
            url = json.loads(line)["url"]
            parts = urlsplit(url)
            host, port = parts.hostname or "", parts.port or 0
            yield Measured(url, host, port, psutil.Process(process.pid))
        finally:
            process.terminate()
            process.wait(timeout=10)
