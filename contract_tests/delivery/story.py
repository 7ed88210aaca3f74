"""Hand-written histories of delivery runs."""

from collections.abc import Iterable, Mapping
from typing import Any

from botproof.chats import ReplyRules
from botproof.checks import delivery
from botproof.checks.judging import Judging
from botproof.config import Replies
from botproof.history import (
    BotApiCall,
    CasePlayed,
    Event,
    History,
    ProcessExited,
    ProcessReady,
    ProcessStarted,
    Run,
    StopRequested,
)
from botproof.verdict import CheckResult

ACK = "Still working"
JUDGING = Judging(rules=ReplyRules.of(Replies(acknowledgement=ACK)))
PLACE: Mapping[str, Any] = {"stack": "polling", "mode": "polling"}


def plan(updates: int = 0, kills: int = 0) -> Run:
    return Run(t=0.0, judging={"delivery": {"updates": updates, "kills": kills}})


def asked(number: int, t: float, chat: int = 1, **changes: Any) -> CasePlayed:
    return CasePlayed(
        t=t,
        case=f"q{number}z",
        update_id=number,
        chat_id=chat,
        expect=changes.pop("expect", "reply"),
        title=f"/price q{number}z",
        **changes,
        **PLACE,
    )


def sent(t: float, text: str, chat: int = 1, message: int = 0, **params: Any) -> BotApiCall:
    return BotApiCall(
        t=t,
        method="sendMessage",
        params={"chat_id": chat, "text": text, **params},
        status=200,
        result={"message_id": message or int(t * 1000)},
        **PLACE,
    )


def edited(t: float, message: int, text: str, chat: int = 1) -> BotApiCall:
    return BotApiCall(
        t=t,
        method="editMessageText",
        params={"chat_id": chat, "message_id": message, "text": text},
        status=200,
        result={"message_id": message},
        **PLACE,
    )


def started(t: float, process: str = "bot", ready: float = 0.1) -> list[Event]:
    return [
        ProcessStarted(t=t, process=process, role="bot", pid=1, command=("bot",), **PLACE),
        ProcessReady(t=t + ready, process=process, role="bot", after_s=ready, **PLACE),
    ]


def ended(t: float, signal: str, process: str = "bot", **changes: Any) -> list[Event]:
    code = changes.pop("code", 0 if signal == "SIGTERM" else -9)
    return [
        StopRequested(t=t, process=process, role="bot", signal=signal, **PLACE),
        ProcessExited(
            t=t + 0.1, process=process, role="bot", code=code, expected=True, **changes, **PLACE
        ),
    ]


def killed(t: float, process: str = "bot") -> list[Event]:
    return ended(t, "SIGKILL", process)


def judge(*events: Event | Iterable[Event], run: Run | None = None) -> CheckResult:
    flat: list[Event] = [run or plan()]
    for event in events:
        flat += [event] if isinstance(event, Event) else list(event)
    return delivery.check(History(flat), JUDGING)


START = started(0.5)
STOP = ended(50.0, "SIGTERM")
