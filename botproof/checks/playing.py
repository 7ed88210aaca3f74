"""One conversation in every mode: what each side sent, and where the sides differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from botproof.checks.parity import two_columns
from botproof.conversations import Conversation, describe

Rooms = Mapping[str, str]
"""Name of a chat, or of a query, → what was sent there, as text."""

NO_MESSAGE = "--- nothing"
OTHER_ORDER = (
    "(the same in another order; for a bot that promises no order in a chat there is "
    "parity.ordered = false)"
)


@dataclass(frozen=True, slots=True)
class Side:
    """What one mode sent. `silent` names the chats whose sentinel was never answered; `refused` is
    what Telegram refused, which is not compared: it may say why something is missing."""

    mode: str
    rooms: Rooms
    silent: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()

    @property
    def messages(self) -> set[str]:
        """The different messages that were sent."""
        return {each for text in self.rooms.values() for each in f"\n{text}".split("\n--- ")[1:]}


@dataclass(frozen=True, slots=True)
class Playing:
    """A conversation played once in every mode. `number` gave its chats their ids.

    `starved`: the machine kept the modes from going on for so long that what differs may be its
    doing (see `botproof/starvation.py`).
    """

    number: int
    conversation: Conversation
    sides: tuple[Side, ...]
    starved: bool = False

    @property
    def differs(self) -> bool:
        """Whether any mode sent something else than the first."""
        return any(True for _ in differing_rooms(self.sides))

    @property
    def silent(self) -> tuple[str, ...]:
        """The modes in which some chat's sentinel was never answered."""
        return tuple(side.mode for side in self.sides if side.silent)


def differing_rooms(sides: Sequence[Side]) -> Iterator[tuple[str, Side, Side]]:
    """Yield each room in which a mode differs from the first: the room, the first mode, the
    other."""
    for other in sides[1:]:
        first = sides[0]
        for room in dict.fromkeys((*first.rooms, *other.rooms)):
            if first.rooms.get(room, "") != other.rooms.get(room, ""):
                yield room, first, other


def explain(playing: Playing) -> list[str]:
    """Return the conversation, and under it the rooms that differ in two columns, for a person."""
    lines = describe(playing.conversation)
    for room, left, right in differing_rooms(playing.sides):
        lines += ["", f"{room}:"]
        texts = (_shown(left.rooms, room), _shown(right.rooms, room))
        lines += two_columns(*texts, (left.mode, right.mode))
        if sorted(texts[0].splitlines()) == sorted(texts[1].splitlines()):
            lines.append(f"  {OTHER_ORDER}")
    for side in playing.sides:
        lines += [f"{side.mode}: Telegram refused {text}" for text in side.refused]
    return lines


def _shown(rooms: Rooms, room: str) -> str:
    return rooms.get(room, "") or NO_MESSAGE


def groups(sides: Sequence[Side]) -> list[tuple[tuple[str, ...], Mapping[str, str]]]:
    """Return the modes that agree, put together, with what they sent."""
    found: list[tuple[tuple[str, ...], Mapping[str, str]]] = []
    for side in sides:
        rooms = dict(side.rooms)
        for at, (modes, seen) in enumerate(found):
            if seen == rooms:
                found[at] = ((*modes, side.mode), seen)
                break
        else:
            found.append(((side.mode,), rooms))
    return found
