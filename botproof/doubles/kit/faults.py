"""Which programmed fault strikes: in the order of programming, by count and by chance from a seed.

What a fault does, and whom it may strike, each double says itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random
from typing import Any, Generic, Protocol, TypeVar

import msgspec

from botproof.doubles.kit.errors import ControlError, UnknownError


class Programmable(Protocol):
    """A fault as it is programmed. `count` None means without end."""

    @property
    def count(self) -> int | None:
        """How often it strikes."""

    @property
    def probability(self) -> float:
        """How likely it strikes what it fits."""


Fault = TypeVar("Fault", bound=Programmable)


class FaultBook(Generic[Fault]):
    """The programmed faults by their number."""

    __slots__ = ("_faults", "_last", "_left", "_random")

    def __init__(self, random: Random) -> None:
        self._random = random
        self._faults: dict[int, Fault] = {}
        self._left: dict[int, int] = {}
        self._last = 0

    def __bool__(self) -> bool:
        return bool(self._faults)

    def __iter__(self) -> Iterator[Fault]:
        return iter(tuple(self._faults.values()))

    def program(self, fault: Fault) -> int:
        """Program a fault; return its number. Raises ControlError for an odd probability."""
        if not 0.0 <= fault.probability <= 1.0:
            raise ControlError(f'"probability" must lie in 0 to 1; it is {fault.probability}')
        self._last += 1
        self._faults[self._last] = fault
        if fault.count is not None:
            self._left[self._last] = fault.count
        return self._last

    def remove(self, number: int | None = None) -> None:
        """Take back one fault, or all. Raises UnknownError for a number that none has, or had."""
        if number is not None and not 1 <= number <= self._last:
            raise UnknownError(f"there is no fault {number}")
        for one in list(self._faults) if number is None else [number]:
            self._faults.pop(one, None)
            self._left.pop(one, None)

    def listed(self) -> list[dict[str, Any]]:
        """Return what is programmed: each fault with its `id`, and with what is left of `count`."""
        return [
            {**msgspec.to_builtins(fault), "id": number, "count": self._left.get(number)}
            for number, fault in self._faults.items()
        ]

    def strike(self, fits: Callable[[Fault], bool]) -> tuple[int, Fault] | None:
        """Return the fault that strikes now with its number, used up by one; None when all goes
        well.
        """
        for number, fault in self._faults.items():
            left = self._left.get(number)
            if left == 0 or not fits(fault):
                continue
            if fault.probability < 1.0 and self._random.random() >= fault.probability:
                continue
            if left is not None:
                self._left[number] = left - 1
                if left == 1:
                    self.remove(number)
            return number, fault
        return None
