"""Faults on demand: what goes wrong with which call or delivery, how often, from a seed.

A fault is programmed once and used up by count or hit by chance. Kinds:

- `error`: refused with `error_code` (and `description`, `retry_after`); the call takes no effect
- `silent`, `reset`: no answer, or RST; the call takes no effect
- `delay`: the call takes effect at once, its answer comes `seconds` later
- `late`: the call takes effect `seconds` later, and not at all where its caller has gone by then
- `half_body`, `lost_answer`: the call takes effect; its answer breaks off, or never comes (RST)
- `duplicate`: an update that was delivered and confirmed is delivered once more; with `door` only
  where it came by that one ("polling" or "webhook")
- `reorder`: updates of different chats come in any order (of one chat always in order)
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, replace

from botproof.doubles.kit.errors import ControlError
from botproof.doubles.kit.faults import FaultBook


class FaultKind(enum.Enum):
    """What goes wrong."""

    ERROR = "error"
    DELAY = "delay"
    LATE = "late"
    SILENT = "silent"
    RESET = "reset"
    HALF_BODY = "half_body"
    LOST_ANSWER = "lost_answer"
    DUPLICATE = "duplicate"
    REORDER = "reorder"


CALL_KINDS = frozenset(FaultKind) - {FaultKind.DUPLICATE, FaultKind.REORDER}


@dataclass(frozen=True, slots=True)
class TelegramFault:
    """One programmed fault. `method` is lower case, or `*`; `count` None means without end."""

    kind: FaultKind
    method: str = "*"
    chat_id: int | None = None
    count: int | None = None
    probability: float = 1.0
    error_code: int = 500
    description: str | None = None
    retry_after: int | None = None
    seconds: float = 0.0
    door: str = "*"

    def fits(
        self, kinds: frozenset[FaultKind], method: str, chat_id: int | None, door: str
    ) -> bool:
        """Tell whether it is meant for this call or delivery."""
        return (
            self.kind in kinds
            and self.method in {"*", method}
            and (self.chat_id is None or self.chat_id == chat_id)
            and self.door in {"*", door}
        )


class Faults(FaultBook[TelegramFault]):
    """The programmed faults, in the order in which they were programmed."""

    __slots__ = ()

    def add(self, settings: Mapping[str, object]) -> tuple[int, TelegramFault]:
        """Program a fault from the control interface's JSON. ControlError says what is wrong."""
        fault = _read(settings)
        return self.program(fault), fault

    def hit(
        self,
        kinds: frozenset[FaultKind],
        method: str = "*",
        chat_id: int | None = None,
        door: str = "",
    ) -> tuple[int, TelegramFault] | None:
        """Return the fault that strikes now with its number, used up by one; None when all goes
        well.
        """
        return self.strike(lambda fault: fault.fits(kinds, method, chat_id, door))


_DOORS = ("*", "polling", "webhook")
_SLOW = frozenset({FaultKind.DELAY, FaultKind.LATE})
_FIELDS: Mapping[str, tuple[type, ...]] = {
    "method": (str,),
    "chat_id": (int,),
    "count": (int,),
    "probability": (int, float),
    "error_code": (int,),
    "description": (str,),
    "retry_after": (int,),
    "seconds": (int, float),
    "door": (str,),
}


def _read(settings: Mapping[str, object]) -> TelegramFault:
    given = {name: value for name, value in settings.items() if value is not None}
    kinds = ", ".join(kind.value for kind in FaultKind)
    if given.get("kind") not in {kind.value for kind in FaultKind}:
        raise ControlError(f'"kind" must be one of {kinds}; it is {given.get("kind")!r}')
    kind = FaultKind(given.pop("kind"))
    for name, value in given.items():
        if name not in _FIELDS:
            raise ControlError(f'unknown field "{name}"; a fault has kind, {", ".join(_FIELDS)}')
        if not isinstance(value, _FIELDS[name]) or isinstance(value, bool):
            expected = " or ".join(t.__name__ for t in _FIELDS[name])
            raise ControlError(f'"{name}" must be {expected}; it is {value!r}')
    fault = TelegramFault(kind, **given)  # type: ignore[arg-type] # each was checked just above
    _check(fault)
    return replace(fault, method=fault.method.lower())


def _check(fault: TelegramFault) -> None:
    if fault.count is not None and fault.count < 1:
        raise ControlError(f'"count" must be at least 1; it is {fault.count}')
    if fault.door not in _DOORS:
        raise ControlError(f'"door" must be one of {", ".join(_DOORS)}; it is {fault.door!r}')
    if not 300 <= fault.error_code <= 599:
        raise ControlError(f'"error_code" must lie in 300 to 599; it is {fault.error_code}')
    if fault.seconds < 0 or (fault.kind in _SLOW and fault.seconds == 0):
        raise ControlError(f'"seconds" must be above 0 for a delay; it is {fault.seconds}')
