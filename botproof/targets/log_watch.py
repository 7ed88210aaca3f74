"""Reads a process's log while it runs, so that its complaints have a time in the history."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from botproof import history
from botproof.history import Event, LogRead, LogTrouble
from botproof.log_trouble import TroubleReader

EVERY_S = 0.2
_MOST_BYTES = 1 << 20  # of one reading: a log that grows faster is not read in full
_MOST_PIECES = 200


class LogWatch:
    """Records when one log grew, and each piece of trouble as it appears; at most 200 of them.

    `labels` are what its events carry besides: process, role, stack and mode.
    """

    def __init__(
        self, log: Path, record: Callable[[Event], None], labels: Mapping[str, str]
    ) -> None:
        self._log = log
        self._record = record
        self._labels = dict(labels)
        self._reader = TroubleReader()
        self._at = log.stat().st_size if log.exists() else 0  # an earlier life wrote what is there
        self._rest = b""
        self._found = 0

    async def follow(self) -> None:
        """Read until cancelled. Nothing tells that a file has grown, so it is asked for."""
        quiet = False
        while True:
            await asyncio.sleep(EVERY_S)
            grew = self.read()
            if not grew and not quiet:
                self._note(self._reader.close())  # a trace is written in one go
            quiet = not grew

    def read(self) -> bool:
        """Take in what was written since the last time; whether that was anything."""
        try:
            with self._log.open("rb") as file:
                file.seek(self._at)
                fresh = file.read(_MOST_BYTES)
        except OSError:
            return False
        self._at += len(fresh)
        if fresh:
            self._record(LogRead(t=history.now(), size=self._at, **self._labels))
        *lines, self._rest = (self._rest + fresh).split(b"\n")
        self._note(self._reader.feed(line.decode(errors="replace") for line in lines))
        return bool(fresh)

    def finish(self) -> None:
        """Read to the end."""
        while self.read():
            pass
        self._note(self._reader.feed([self._rest.decode(errors="replace")]))
        self._note(self._reader.close())

    def _note(self, pieces: Iterable[tuple[str, ...]]) -> None:
        for lines in pieces:
            self._found += 1
            if self._found <= _MOST_PIECES:
                self._record(LogTrouble(t=history.now(), lines=lines, **self._labels))
