"""The loop: look, judge, keep, tell; and the state on disk between one life and the next."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from botproof.problems import UsageError
from botproof.watch.judge import Alert, Judge, Sample
from botproof.watch.outputs import Outputs, send_statsd, write_textfile
from botproof.watch.settings import Settings

_VERSION = 1


class Looks(Protocol):
    """What the loop asks for its samples: `sampling.Look`, or a test's moved clock."""

    def once(self, now: float) -> list[Sample]:
        """Return every figure of this moment."""


class Keeper:
    """The state in one JSON file, replaced whole: a kill leaves the old one or the new one."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.document: dict[str, Any] = self._read()

    def lock(self) -> bool:
        """Take the state for this process until it ends; False when another one has it.

        Raises UsageError when it cannot be kept there.
        """
        try:
            self._lock = self._path.with_suffix(".lock").open("w", encoding="ascii")
        except OSError as error:
            raise UsageError(f"{self._path}: cannot be kept there: {error.strerror}") from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        self.document = self._read()  # as whoever had it before has left it
        return True

    def _read(self) -> dict[str, Any]:
        fresh: dict[str, Any] = {"version": _VERSION, "judge": {}, "memory": {}, "outbox": []}
        try:
            found = json.loads(self._path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return fresh
        except OSError as error:
            raise UsageError(f"{self._path}: cannot be read: {error.strerror}") from error
        except ValueError:
            found = None
        if not isinstance(found, dict) or found.get("version") != _VERSION:
            raise UsageError(
                f"{self._path}: is no state of this watch; move it away to begin anew, "
                "which tells again what is wrong now"
            )
        return found

    def keep(self) -> None:
        """Write it. Raises OSError."""
        part = self._path.with_suffix(".tmp")
        with part.open("w", encoding="utf-8") as file:
            json.dump(self.document, file, ensure_ascii=False)
            file.flush()
            os.fsync(file.fileno())
        part.replace(self._path)


class Loop:
    """One tick after the other. `run` ends when `wait` says so."""

    def __init__(
        self,
        settings: Settings,
        keeper: Keeper,
        look: Looks,
        outputs: Outputs,
        *,
        clock: Callable[[], float],
        hold: Callable[[], AbstractContextManager[object]] = contextlib.nullcontext,
    ) -> None:
        self._settings, self._keeper, self._look = settings, keeper, look
        self._outputs, self._clock = outputs, clock
        self._hold = hold
        """Around what must not be ended half-way: telling, and noting that it was told."""
        self._judge = Judge(settings.rules)
        self._judge.restore(keeper.document["judge"])
        self._full = False

    def tick(self) -> tuple[list[Sample], list[Alert]]:
        """Look once, and tell what has started or ended. The samples and the alerts."""
        samples = self._look.once(self._clock())
        now = self._clock()  # questions that hang take their time
        alerts = self._judge.step(now, samples)
        with self._hold():
            self._outputs.add(alerts)
            # Kept before it is told: a kill in between tells it after the restart.
            self._keep()
            self._outputs.deliver(now, self._keep)
            self._keep()
        if self._settings.textfile:
            self._write_textfile(samples)
        if self._settings.statsd:
            self._send_statsd(now, samples)
        self._outputs.heartbeat()
        return samples, alerts

    def run(self, wait: Callable[[float], bool]) -> None:
        """Tick every so many seconds until `wait(seconds)` returns False."""
        following = self._clock()
        while True:
            self.tick()
            now = self._clock()
            following += self._settings.every_s
            if not now < following <= now + self._settings.every_s:
                following = now + self._settings.every_s  # it fell behind, or the clock was moved
            if not wait(following - now):
                return

    def firing(self) -> list[tuple[str, str]]:
        """Rule and subject of each alert that goes on."""
        return self._judge.firing()

    def _keep(self) -> None:
        self._keeper.document["judge"] = self._judge.document()
        try:
            self._keeper.keep()
        except OSError as error:
            if not self._full:  # once: a full disk is told as an alert of its own
                self._outputs.note("state_not_kept", why=error.strerror)
            self._full = True
        else:
            self._full = False

    def _write_textfile(self, samples: list[Sample]) -> None:
        try:
            write_textfile(Path(self._settings.textfile), samples)
        except OSError as error:
            self._outputs.note("textfile_failed", why=error.strerror)

    def _send_statsd(self, now: float, samples: list[Sample]) -> None:
        severity = {rule.name: rule.severity for rule in self._settings.rules}
        going_on = [severity[name] for name, _ in self._judge.firing()]
        counts = {f"alerts_{each}": float(going_on.count(each)) for each in ("critical", "warning")}
        for (name, _), grown in self._judge.grown(now).items():
            counts[f"grown_{name}"] = counts.get(f"grown_{name}", 0.0) + grown
        if only := self._settings.statsd_figures:
            samples = [sample for sample in samples if sample.figure in only]
            counts = {name: value for name, value in counts.items() if name in only}
        try:
            send_statsd(self._settings.statsd, samples, counts)
        except OSError as error:
            self._outputs.note("statsd_failed", why=error.strerror)
