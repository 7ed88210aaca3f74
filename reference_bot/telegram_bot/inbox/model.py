"""What an inbox promises, and the values that go in and out."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

import msgspec

KNOWN_FOR_SECONDS: Final = 24 * 3600
"""How long a finished update is remembered: as long as Telegram may deliver it again."""


class InboxUnavailableError(Exception):
    """The inbox could not be written or read just now; nothing was changed."""


class LeaseLostError(Exception):
    """Another replica has taken this update over: stop working on it, send nothing more for it."""


@dataclass(frozen=True, slots=True)
class Update:
    """An update on its way in: its JSON, and the chat whose order it belongs to."""

    update_id: int
    lane: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Put:
    """What a put did: ``new`` updates were written, ``known`` ones were there already."""

    new: int
    known: int


class Progress(msgspec.Struct, frozen=True, omit_defaults=True):
    """How far the answer to an update has come; kept with it, so that a restart goes on from here.

    ``ack``: message_id of the acknowledgement that the answer is edited into.
    ``parts``: the rendered answer (HTML), kept when it cannot go out in one call right away.
    ``markup``: the buttons under its last part, as the Bot API's JSON; empty without.
    ``sent``: how many of the parts Telegram has accepted. ``tries``: how often it was put off.
    """

    ack: int | None = None
    parts: tuple[str, ...] = ()
    sent: int = 0
    tries: int = 0
    markup: str = ""


@dataclass(slots=True)
class Job:
    """One update taken out for handling. ``fence`` proves to the inbox that it is still ours."""

    update_id: int
    lane: int
    payload: bytes
    received_ms: int
    progress: Progress = field(default_factory=Progress)
    fence: int = 0


class Inbox(Protocol):
    """Updates of one bot: an update_id goes in once, a lane's come out in the order they came."""

    async def open(self) -> None:
        """Makes usable what an earlier process left. Raises InboxUnavailableError."""

    async def close(self) -> None:
        """Lets go of everything; what is not finished stays for the next process."""

    async def put(self, updates: Sequence[Update]) -> Put:
        """Writes the updates that are not known yet; durable on return.

        Raises InboxUnavailableError, and then none of them may be confirmed.
        """

    async def claim(self) -> Job:
        """Waits for the next update whose lane is free, and holds that lane until `release`."""

    async def record(self, job: Job, progress: Progress) -> None:
        """Keeps how far the answer has come. A SIGKILL after the return does not lose it.

        Raises InboxUnavailableError or LeaseLostError.
        """

    async def finish(self, job: Job, outcome: str) -> None:
        """Marks the update done; it will not be handled again. Raises as `record`."""

    async def release(self, job: Job, delay: float = 0.0) -> None:
        """Gives the lane back, after ``delay`` seconds; an update not finished comes out again."""

    async def is_done(self, update_id: int) -> bool:
        """Whether this update was put in and finished. Raises InboxUnavailableError."""

    def holds(self, job: Job) -> bool:
        """Whether the lane is surely still ours; asked before anything is sent."""

    async def once(self, key: str, update_id: int, seconds: float) -> bool:
        """True for the first update that asks about ``key`` in this time, and for it only."""

    async def probe(self) -> None:
        """A small real write. Raises InboxUnavailableError."""

    def backlog(self) -> tuple[int, float]:
        """How many updates are not done, and the age of the oldest in seconds (0: none)."""

    def oldest_ready(self) -> float:
        """Seconds that the lane at the head of the queue has waited to be claimed (0: none)."""
