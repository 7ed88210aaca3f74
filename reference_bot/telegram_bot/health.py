"""Whether the bot can do its work, and if not, why not: what ``GET /ready`` says."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

_log = logging.getLogger(__name__)


class Condition(NamedTuple):
    """One row of what ``/ready`` depends on.

    ``at_start``: why it is not met before its part has said anything; empty: it is met.
    ``restart``: whether a new start of the process may mend it (what systemd's watchdog is for).
    """

    at_start: str = ""
    restart: bool = False


CONDITIONS: Final[Mapping[str, Condition]] = {
    "process": Condition(),  # not while the bot stops
    "inbox": Condition("the inbox is not open yet"),  # updates can be kept
    "telegram": Condition("getMe has not succeeded yet"),  # the token is taken
    "polling": Condition("getUpdates has not succeeded yet"),  # with BOT_MODE=polling
    "webhook": Condition("the webhook is not set yet"),  # with BOT_MODE=webhook
    "deliveries": Condition(),  # Telegram's updates come through the webhook
    "dispatcher": Condition(restart=True),  # what waits in the inbox is taken, in time
    "sending": Condition(),  # Telegram takes messages
    "signals": Condition("the signals are not open yet"),  # with ENABLE_AUTO_SIGNALS
    "task": Condition(restart=True),  # "task NAME": a background task runs
}
"""All that `/ready` depends on: 200 when each condition is met, else 503 with the reasons."""


def condition(part: str) -> Condition:
    """Return the row of a part. Raises ValueError: there is none."""
    try:
        return CONDITIONS[part.partition(" ")[0]]
    except KeyError:
        raise ValueError(f"{part!r} is no part that /ready depends on: see CONDITIONS") from None


class Readiness:
    """Named conditions, each either fine (None) or a reason why the bot is not ready.

    Parts of the bot that know something report it with `set`; conditions that have to be looked at
    (is the oldest update too old?) are probes, asked each time. Probes only look at what is in
    memory: asking never waits.
    """

    __slots__ = ("_awaited", "_on_duty", "_probes", "_reasons")

    def __init__(self) -> None:
        self._awaited: frozenset[str] = frozenset()
        self._on_duty = asyncio.Event()
        self._reasons: dict[str, str] = {}
        self._probes: dict[str, Callable[[], str | None]] = {}

    def set(self, part: str, reason: str | None) -> None:
        """Say why ``part`` is not ready, or that it is (None). Raises ValueError: no such part."""
        condition(part)
        if reason is None:
            self._reasons.pop(part, None)
        else:
            self._reasons[part] = reason

    def expect(self, part: str) -> None:
        """Take ``part`` for not ready until it says so."""
        self.set(part, condition(part).at_start)

    def known(self, part: str) -> str | None:
        """Return the reason that ``part`` was last set to, or None."""
        return self._reasons.get(part)

    def stand_by(self, parts: frozenset[str]) -> None:
        """Note that only another instance's end keeps ``parts`` from being ready;
        empty: nothing does."""
        self._awaited = parts
        if parts:
            self._on_duty.clear()
        else:
            self._on_duty.set()

    async def turn(self, seconds: float) -> None:
        """Wait while this instance stands by or does not know yet, ``seconds`` at most."""
        if not self._on_duty.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._on_duty.wait(), seconds)

    def is_standing_by(self) -> bool:
        """Tell whether all that is missing comes by itself when the other instance has ended."""
        return bool(self._awaited) and self.reasons().keys() <= self._awaited

    def probe(self, part: str, ask: Callable[[], str | None]) -> None:
        """Have a condition looked at whenever somebody asks. Raises ValueError: no such part."""
        condition(part)
        self._probes[part] = ask

    def reasons(self) -> dict[str, str]:
        """Return every part that is not ready, with its reason; empty when all is well."""
        found = dict(self._reasons)
        for part, ask in self._probes.items():
            try:
                reason = ask()
            except Exception as error:  # what cannot be looked at is not known to be well
                _log.exception("a probe failed", extra={"part": part})
                reason = f"it cannot be looked at: {error!r}"
            if reason is not None:
                found[part] = reason
        return found
