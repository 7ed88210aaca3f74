"""What an inbox promises, and the values that go in and out."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, Self

import msgspec

KNOWN_FOR_SECONDS: Final = 24 * 3600
"""How long a finished update is remembered: as long as Telegram may deliver it again."""
MOST_KNOWN: Final = 500_000
"""So many finished updates are remembered at most; above, the oldest are forgotten earlier."""
MOST_DEAD: Final = 10_000
"""So many dead letters are kept at most, the newest."""
MOST_WAITING: Final = 200
"""So many updates of one chat wait at most; what comes above that is not answered."""


class InboxUnavailableError(Exception):
    """The inbox could not be written or read just now; nothing was changed."""


class InboxInUseError(InboxUnavailableError):
    """Another process has the inbox: this one can stand by until that one has ended."""


class UpdateRefusedError(ValueError):
    """The inbox can never keep this; trying again does not help."""


class LeaseLostError(Exception):
    """Another replica has taken this update over: stop working on it, send nothing more for it."""


def is_of_telegram(update_id: int) -> bool:
    """Telegram's update ids are positive (Bot API, Update); signals are kept under negative ones.

    This and ``PUT`` in ``redis_scripts`` are the only places that know it.
    """
    return update_id >= 0


@dataclass(frozen=True, slots=True)
class Rules:
    """What the inbox has to know of the bot that it serves.

    ``first``: lanes whose updates are claimed apart, so that they are behind nobody.
    ``most_waiting``: updates that may wait in one lane. The first one above that is answered with
    ``notice`` (HTML), the others are dropped. Signal messages are not counted.
    ``most_known``: finished updates that are remembered.
    """

    first: frozenset[int] = frozenset()
    most_waiting: int = MOST_WAITING
    most_known: int = MOST_KNOWN
    notice: str = "…"


@dataclass(frozen=True, slots=True)
class Update:
    """An update on its way in: its JSON, and the chat whose order it belongs to.

    ``value`` is the same JSON parsed, where whoever made this has it: nothing may change it.
    """

    update_id: int
    lane: int
    payload: bytes
    value: dict[str, Any] | None = field(default=None, compare=False, repr=False)

    @property
    def of_telegram(self) -> bool:
        """Whether Telegram brought it; else it is a signal (see `is_of_telegram`)."""
        return is_of_telegram(self.update_id)


@dataclass(frozen=True, slots=True)
class Put:
    """What a put did: ``new`` updates were written, ``known`` ones were there already.

    ``dropped``: how many of the new ones are not answered, because too many of that chat wait.
    """

    new: int
    known: int
    dropped: int = 0

    def __add__(self, other: Self) -> "Put":
        return Put(self.new + other.new, self.known + other.known, self.dropped + other.dropped)


class Progress(msgspec.Struct, frozen=True, omit_defaults=True):
    """How far the answer to an update has come; kept with it, so that a restart goes on from here.

    ``ack``: message_id of the acknowledgement that the answer is edited into.
    ``parts``: the rendered answer (HTML), kept when it cannot go out in one call right away.
    ``markup``: the buttons under its last part, as the Bot API's JSON; empty without. ``markups``:
    those under the parts before it, from the first on; what is not told has none.
    ``sent``: how many of the parts Telegram has accepted. ``tries``: how often it was put off.
    ``chat``: where the answer goes when that is not the chat that was asked in. ``made``: when the
    answer was rendered, in seconds since 1970; 0 where it is not made again.
    """

    ack: int | None = None
    parts: tuple[str, ...] = ()
    sent: int = 0
    tries: int = 0
    markup: str = ""
    chat: int | None = None
    markups: tuple[str, ...] = ()
    made: float = 0.0


@dataclass(slots=True)
class Job:
    """One update taken out for handling. ``fence`` proves to the inbox that it is still ours.

    ``since``: when it came in, on this process's monotonic clock. ``flaw``: why it cannot be read.
    ``value``: the payload parsed, where this process took it in.
    """

    update_id: int
    lane: int
    payload: bytes
    received_ms: int
    progress: Progress = field(default_factory=Progress)
    fence: int = 0
    since: float = field(default_factory=time.monotonic)
    flaw: str = ""
    value: dict[str, Any] | None = field(default=None, repr=False)

    @property
    def of_telegram(self) -> bool:
        """Whether Telegram brought it; else it is a signal (see `is_of_telegram`)."""
        return is_of_telegram(self.update_id)


class DeadLetter(msgspec.Struct, frozen=True):
    """An update that could not be handled: times in milliseconds since 1970, payload as text."""

    update_id: int
    lane: int
    received_ms: int
    failed_ms: int
    reason: str
    payload: str


def dead_letter(job: Job, reason: str, now_ms: int) -> DeadLetter:
    """Return ``job`` as a dead letter; what is no text in it is written as ``\\x..``."""
    payload = job.payload.decode("utf-8", "backslashreplace")
    clean = reason.encode("utf-8", "backslashreplace").decode()[:1000]
    return DeadLetter(job.update_id, job.lane, job.received_ms, now_ms, clean, payload)


_decode_progress = msgspec.json.Decoder(Progress).decode


def read_progress(found: object) -> tuple[Progress, str]:
    """Return what was kept of an answer, and why it cannot be read (empty when it can)."""
    if not found:
        return Progress(), ""
    try:
        return _decode_progress(found), ""  # type: ignore[arg-type]  # no bytes: TypeError
    except (msgspec.MsgspecError, TypeError, ValueError) as error:
        return Progress(), f"its progress cannot be read: {error}"


class Inbox(Protocol):
    """Updates of one bot: an update_id goes in once, a lane's come out in the order they came."""

    async def open(self) -> None:
        """Make usable what an earlier process left. Raises InboxUnavailableError."""

    async def close(self) -> None:
        """Let go of everything; what is not finished stays for the next process."""

    async def put(self, updates: Sequence[Update]) -> Put:
        """Write the updates that are not known yet; durable on return.

        Raises InboxUnavailableError, and then none of them may be confirmed; UpdateRefusedError
        when one of them can never be kept, and then none was.
        """

    async def claim(self, *, first: bool = False) -> Job:
        """Wait for the next update whose lane is free, and hold that lane until `release`.

        ``first``: of the lanes in `Rules.first`; else of the others.
        """

    async def record(self, job: Job, progress: Progress) -> None:
        """Keep how far the answer has come. A SIGKILL after the return does not lose it.

        Raises InboxUnavailableError or LeaseLostError.
        """

    async def finish(self, job: Job, outcome: str) -> None:
        """Mark the update done; it will not be handled again. Raises as `record`."""

    async def bury(self, job: Job, reason: str) -> None:
        """Keep it as a dead letter; once more changes nothing. Raises as `record`."""

    async def release(self, job: Job, delay: float = 0.0) -> None:
        """Give the lane back, after ``delay`` seconds; an update not finished comes out again."""

    async def is_done(self, update_id: int) -> bool:
        """Tell whether this update was put in and finished. Raises InboxUnavailableError."""

    def holds(self, job: Job) -> bool:
        """Tell whether the lane is surely still ours; asked before anything is sent."""

    async def once(self, key: str, update_id: int, seconds: float) -> bool:
        """Return true for the first update that asks about ``key`` in this time, and
        for it only."""

    async def move(self, old: int, new: int) -> bool:
        """Keep for good that chat ``old`` became ``new``; return True the first time."""

    async def moves(self) -> dict[int, int]:
        """Return every chat that was told to `move`, with what it became."""

    async def probe(self) -> None:
        """Make a small real write. Raises InboxUnavailableError."""

    async def letters(self) -> list[DeadLetter]:
        """Return the dead letters, oldest first. Raises InboxUnavailableError."""

    def dead(self) -> int:
        """Return how many dead letters there are."""

    def backlog(self) -> tuple[int, float]:
        """Return how many updates are not done, and the age of the oldest in seconds (0: none)."""

    def oldest_ready(self) -> float:
        """Return seconds that the lane at the head of the queue has waited to be
        claimed (0: none)."""

    def stuck(self) -> float:
        """Return seconds that a lane has been neither handled, nor claimable, nor told to wait."""
