"""Faults of the one who sends the load, told from those of the target.

Import this from a Locust script only, as `open_loop`.
"""

from __future__ import annotations

import errno
import os
import socket
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any, NoReturn

import gevent
from locust.contrib.fasthttp import FAILURE_EXCEPTIONS

from botproof.verdict import Verdict

_BEAT_S = 0.01
_LATE_S = 0.02

_NOTHING_SAID = "load: ERROR: ended without anything to say about the host"

_OWN_ERRORS = frozenset(
    {
        errno.EMFILE,
        errno.ENFILE,
        errno.EADDRNOTAVAIL,
        errno.ENOBUFS,
        errno.ENOMEM,
        errno.ENETUNREACH,
        errno.ENETDOWN,
        errno.EACCES,
        errno.EPERM,
    }
)
"""What a system says when it is its own that is missing: files, ports, memory, a network."""


def own_error(error: BaseException | None) -> str:
    """Say why a request could not even be sent, if that was the sender's fault; else empty."""
    if isinstance(error, socket.gaierror):
        return f"the host's name could not be looked up: {error}"
    if isinstance(error, OSError) and error.errno in _OWN_ERRORS:
        return f"the load generator could not send: {os.strerror(error.errno)}"
    return ""


def script_fault(error: BaseException) -> str:
    """Return what a load script did wrong when it raised; empty for what a target can
    bring about."""
    own = own_error(error)
    if own:
        return own
    if isinstance(error, (*FAILURE_EXCEPTIONS, gevent.Timeout)):
        return ""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" at {frames[-1].filename}:{frames[-1].lineno}" if frames else ""
    return f"the load script raised {type(error).__name__}: {error}{where}"


class Pulse:
    """Notices when this process did not get to run, by how late its own timer fires.

    `on_hold` is told the monotonic times between which it could not. Call `check` before an
    outcome is judged: when a process runs again, that may be before its timer's turn.
    """

    def __init__(self, on_hold: Callable[[float, float], None]) -> None:
        self._on_hold = on_hold
        self._due = time.monotonic() + _BEAT_S
        self._stopped = False
        self._greenlet = gevent.spawn(self._beat)

    def check(self) -> None:
        """Tell of a hold-up that has just ended."""
        now = time.monotonic()
        if now - self._due > _LATE_S and not self._stopped:
            since, self._due = self._due, now
            self._on_hold(since, now)

    def stop(self) -> None:
        """Do not watch any more."""
        self._stopped = True
        self._greenlet.kill(block=False)

    def _beat(self) -> NoReturn:
        while True:
            self.check()
            self._due = time.monotonic() + _BEAT_S
            gevent.sleep(_BEAT_S)


def exit_as_error() -> Callable[[], None]:
    """Let Locust's own ways out be an ERROR from now on; return how a verdict takes this back.

    Locust leaves with 1 or 2 for reasons of its own: a script that cannot be imported, an option
    that does not exist, workers that never came. To the one who reads exit codes these would be a
    FAIL or an INCONCLUSIVE of the target.
    """
    plain_exit, plain_hook = sys.exit, sys.excepthook

    def leave(code: Any = None) -> NoReturn:
        if code not in (None, 0):
            print(_NOTHING_SAID, file=sys.stderr)
            code = Verdict.ERROR.exit_code
        plain_exit(code)

    def uncaught(kind: Any, error: Any, trace: Any) -> None:
        plain_hook(kind, error, trace)
        if not issubclass(kind, KeyboardInterrupt):
            print(_NOTHING_SAID, file=sys.stderr, flush=True)
            os._exit(Verdict.ERROR.exit_code)

    def restore() -> None:
        sys.exit, sys.excepthook = plain_exit, plain_hook

    sys.exit, sys.excepthook = leave, uncaught
    return restore
