"""What is kept of auto-signals, and what a book promises that keeps it."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final, Literal, Protocol

import msgspec

from reference_bot.telegram_bot.inbox import InboxUnavailableError, Update

KEPT_SECONDS: Final = 90 * 24 * 3600
"""How long verdicts are kept."""
LANES: Final = 64
"""In how many lanes of the inbox signals wait: so many at once at most, beside people's updates."""
_FIRST_LANE: Final = -(1 << 60)  # no chat has such an id

_log = logging.getLogger(__name__)

Kind = Literal["signal", "weak", "no_trade", "refused"]


class SignalsUnavailableError(InboxUnavailableError):
    """The book of signals could not be written or read just now; nothing was changed."""


class Verdict(msgspec.Struct, frozen=True, omit_defaults=True):
    """What was judged of a pair in a slot; there is one at most of each pair and slot.

    ``kind``: a ``signal`` is sent; a ``weak`` one is below the threshold; ``no_trade`` has its
    ``reason``; ``refused`` is a pair that market-data cannot judge, ever, with its words. ``html``
    is the message of a signal.
    """

    pair: str
    slot: int
    kind: Kind
    judged_ms: int
    confidence: int | None = None
    reason: str = ""
    html: str = ""


_decode = msgspec.json.Decoder(Verdict).decode


def read_verdicts(found: Iterable[str | bytes]) -> list[Verdict]:
    """Return kept verdicts, but for those that cannot be read: they keep no other one back."""
    verdicts = []
    for text in found:
        try:
            verdicts.append(_decode(text))
        except (msgspec.MsgspecError, ValueError) as error:
            _log.error("a verdict that was kept cannot be read: %s", error)
    return verdicts


class SignalMessage(msgspec.Struct, frozen=True):
    """A signal on its way to one chat: what the inbox holds of it."""

    pair: str
    slot: int
    chat: int
    html: str
    markup: str

    def to_inbox(self) -> Update:
        """Return it for the inbox: the same message has the same id, whichever process makes it:
        the inbox takes it once.

        Telegram's update ids are positive, so a negative one is ours.
        """
        about = f"{self.slot} {self.pair} {self.chat}".encode()
        number = int.from_bytes(blake2b(about, digest_size=7).digest())
        return Update(-1 - number, _FIRST_LANE - self.chat % LANES, msgspec.json.encode(self))


@dataclass(frozen=True, slots=True)
class Subscriber:
    """A chat that gets signals, and the person who asked for it."""

    chat: int
    user: int


class SignalBook(Protocol):
    """Verdicts and subscribers of one bot. Everything may raise SignalsUnavailableError."""

    async def open(self) -> None:
        """Make usable what earlier processes left."""

    async def close(self) -> None:
        """Let go of everything."""

    async def keep(self, verdict: Verdict) -> None:
        """Keep a verdict, durably; what is kept of this pair and slot already stays as it is."""

    async def judged(self, slot: int) -> frozenset[str]:
        """Return the pairs that have their verdict in ``slot``."""

    async def unsent(self, slot: int) -> list[Verdict]:
        """Return the signals of ``slot`` that are not `handed_out` yet."""

    async def handed_out(self, verdict: Verdict) -> None:
        """Note that its messages are in the inbox; who subscribes from now on does not get it."""

    async def last_signal_ms(self) -> int:
        """Return when the last signal was judged; before the first one, when this book
        was begun."""

    async def subscribe(self, subscriber: Subscriber) -> None:
        """Take a subscriber in, durably."""

    async def unsubscribe(self, chat: int) -> None:
        """Take a subscriber out, durably; a chat that is no subscriber stays none."""

    async def subscribers(self) -> list[Subscriber]:
        """Return everybody who subscribed, whether they are still allowed to or not."""

    async def subscriber(self, chat: int) -> Subscriber | None:
        """Return the one with this chat."""
