"""What a failed Bot API call means for the message that it carried. Pure.

Each kind has a ``code``: its label in the metrics.
"""

from dataclasses import dataclass
from typing import ClassVar, Final

from telegram.error import (
    BadRequest,
    ChatMigrated,
    Conflict,
    EndPointNotFound,
    Forbidden,
    InvalidToken,
    RetryAfter,
    TelegramError,
    TimedOut,
)

from reference_bot.telegram_bot.telegram_api import (
    CallUnansweredError,
    CallUnsentError,
    seconds_to_wait,
)

_TOKEN_REFUSED_SECONDS: Final = 8.0
_NO_CONNECTION: Final = frozenset({"ConnectError", "ConnectTimeout", "PoolTimeout", "ProxyError"})
"""By name: httpx is imported only where it is used."""


@dataclass(frozen=True, slots=True)
class Wait:
    """429: not accepted; the chat (or the bot) has to wait ``seconds``."""

    code: ClassVar[str] = "429"
    seconds: float


@dataclass(frozen=True, slots=True)
class Again:
    """Not accepted, and it may well be next time: nothing reached Telegram, or it answered 5xx."""

    code: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """Perhaps accepted: the call was written and no answer came."""

    code: ClassVar[str] = "unknown"


@dataclass(frozen=True, slots=True)
class Refused:
    """Not accepted, and never will be: the chat is gone, the bot is blocked, the text is wrong.

    ``moved_to``: the supergroup that the group has become.
    """

    code: str
    reason: str
    moved_to: int | None = None


@dataclass(frozen=True, slots=True)
class NoToken:
    """401: Telegram refuses the bot itself; trying again is for when someone has mended that."""

    code: ClassVar[str] = "401"
    seconds: float = _TOKEN_REFUSED_SECONDS


Failure = Wait | Again | Unknown | Refused | NoToken


def classify(error: TelegramError) -> Failure:
    """Return what ``error`` means for the message."""
    match error:
        case RetryAfter():
            return Wait(seconds_to_wait(error))
        case _ if isinstance(error, CallUnsentError) or _never_left(error):
            return Again("unsent")
        case CallUnansweredError() | TimedOut():
            return Unknown()
        case InvalidToken() | EndPointNotFound():
            return NoToken()
        case BadRequest() | Forbidden() | ChatMigrated() | Conflict():
            return _refused(error)
        case _:
            return _by_text(error.message)


def _refused(error: TelegramError) -> Refused:
    code = "403" if isinstance(error, Forbidden) else "400"
    moved_to = error.new_chat_id if isinstance(error, ChatMigrated) else None
    return Refused(code, error.message, moved_to)


def _never_left(error: TelegramError) -> bool:
    """Tell whether httpx, which carries the calls where a proxy is set, had no connection."""
    return type(error.__cause__).__name__ in _NO_CONNECTION


def _by_text(message: str) -> Failure:
    """NetworkError covers 5xx (Telegram's text) and, over httpx, transport errors by name."""
    if message.startswith("httpx."):
        return Unknown()
    return Again("5xx")
