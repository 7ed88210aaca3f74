"""Whether the bot can do its work, and if not, why not: what ``GET /ready`` says."""

import logging
from collections.abc import Callable

_log = logging.getLogger(__name__)


class Readiness:
    """Named conditions, each either fine (None) or a reason why the bot is not ready.

    Parts of the bot that know something report it with `set`; conditions that have to be looked at
    (is the oldest update too old?) are probes, asked each time. Probes only look at what is in
    memory: asking never waits.
    """

    __slots__ = ("_awaited", "_probes", "_reasons")

    def __init__(self) -> None:
        self._awaited: frozenset[str] = frozenset()
        self._reasons: dict[str, str] = {}
        self._probes: dict[str, Callable[[], str | None]] = {}

    def set(self, part: str, reason: str | None) -> None:
        """Says why ``part`` is not ready, or that it is (None)."""
        if reason is None:
            self._reasons.pop(part, None)
        else:
            self._reasons[part] = reason

    def known(self, part: str) -> str | None:
        """The reason that ``part`` was last set to, or None."""
        return self._reasons.get(part)

    def stand_by(self, parts: frozenset[str]) -> None:
        """Only another instance's end keeps ``parts`` from being ready; empty: nothing does."""
        self._awaited = parts

    def is_standing_by(self) -> bool:
        """Whether all that is missing comes by itself when the other instance has ended."""
        return bool(self._awaited) and self.reasons().keys() <= self._awaited

    def probe(self, part: str, ask: Callable[[], str | None]) -> None:
        """Adds a condition that is looked at when somebody asks."""
        self._probes[part] = ask

    def reasons(self) -> dict[str, str]:
        """Every part that is not ready, with its reason; empty when all is well."""
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
