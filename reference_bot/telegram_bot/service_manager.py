"""What systemd is told by its datagrams (``sd_notify(3)``): ready, getting on, why not, stopping.

Without ``NOTIFY_SOCKET`` nothing is told. A unit needs ``Type=notify``, and for the watchdog
``WatchdogSec=``: systemd starts the bot again when it has not heard of it for that long.
"""

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import Mapping
from typing import Final

from reference_bot.telegram_bot.health import Readiness, condition

_STARTING_SECONDS: Final = 0.25
_BEAT_SECONDS: Final = 5.0
_PATIENCE_SECONDS: Final = 60

_log = logging.getLogger(__name__)


class ServiceManager:
    """Tells systemd how the bot is, by what ``/ready`` would say.

    Only what a new start may mend keeps the watchdog waiting: a dispatcher or a task that does not
    get on, or an event loop that does not turn. Telegram out of reach, or an inbox that another
    instance has, is told as the status, and the bot is left alone.
    """

    def __init__(self, readiness: Readiness, environment: Mapping[str, str] | None = None) -> None:
        settings = os.environ if environment is None else environment
        self._readiness = readiness
        self._address = settings.get("NOTIFY_SOCKET", "")
        self._socket: socket.socket | None = None
        if self._address.startswith(("/", "@")):
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
            self._socket.setblocking(False)
        self._beat = _beat_seconds(settings)

    async def run(self) -> None:
        """Tell until it is cancelled."""
        if self._socket is None:
            return
        ready, status_sent = False, ""
        while True:
            reasons = self._readiness.reasons()
            words = []
            if not reasons and not ready:
                ready = True
                words.append("READY=1")
            status = "; ".join(f"{part}: {reason}" for part, reason in reasons.items())
            if (status or "ready") != status_sent:
                status_sent = status or "ready"
                words.append(f"STATUS={status_sent.replace(chr(10), ' ')}")
            if not any(condition(part).restart for part in reasons):
                # Before READY=1 there is no watchdog, but a limit of the start.
                words.append(
                    "WATCHDOG=1" if ready else f"EXTEND_TIMEOUT_USEC={_PATIENCE_SECONDS}000000"
                )
            self._tell(*words)
            await asyncio.sleep(self._beat if ready else _STARTING_SECONDS)

    def stopping(self) -> None:
        """Tell that the bot ends, as it was asked to or because it cannot go on."""
        self._tell("STOPPING=1", "STATUS=finishing what runs")
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _tell(self, *words: str) -> None:
        if self._socket is None or not words:
            return
        # A leading @ stands for a name without a file.
        address = "\0" + self._address[1:] if self._address[0] == "@" else self._address
        try:
            self._socket.sendto("\n".join(words).encode(), address)
        except OSError as error:  # systemd is being restarted, or its queue is full: the next beat
            _log.warning("systemd could not be told: %s", error)


def _beat_seconds(settings: Mapping[str, str]) -> float:
    """Return a third of the watchdog's time, so that one beat may be lost; not that of
    another process."""
    if settings.get("WATCHDOG_PID", "") in {"", str(os.getpid())}:
        with contextlib.suppress(ValueError):
            return min(int(settings.get("WATCHDOG_USEC", "")) / 3e6, _BEAT_SECONDS)
    return _BEAT_SECONDS
