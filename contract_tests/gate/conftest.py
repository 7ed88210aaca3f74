"""Hand-written histories: what a check sees, made without running anything."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from botproof import history
from botproof.chats import ReplyRules
from botproof.checks.judging import Judging
from botproof.config import Replies
from botproof.history import History


@dataclass
class Story:
    """Builds a history step by step; a test leaves out, adds or spoils what it is about."""

    modes: tuple[str, ...] = ("polling", "webhook")
    events: list[history.Event] = field(default_factory=list)
    clock: float = 100.0
    next_update: int = 1
    next_message: int = 1

    def __post_init__(self) -> None:
        self.add(history.Run(t=0.0, modes=self.modes))

    def add(self, *events: history.Event) -> None:
        self.events.extend(events)

    def labels(self, mode: str) -> dict[str, Any]:
        return {"stack": mode, "mode": mode}

    def lifetime(self, mode: str, *, code: int = 0, ready_s: float = 1.0, **exit_: Any) -> None:
        """Every process of a stack starts, becomes ready, and ends as asked."""
        common = {**self.labels(mode)}
        for process, role in (("market_data", "service"), ("bot", "bot")):
            who = {"process": process, "role": role, **common}
            fields = {"expected": True, "after_s": 0.2, "code": code, **exit_}
            self.add(
                history.ProcessStarted(t=1.0, pid=1, command=("x",), **who),
                history.ProcessReady(t=2.0, after_s=ready_s, **who),
                history.ProcessExited(t=9_000.0, **fields, **who),
            )

    def case(
        self,
        mode: str,
        name: str,
        *replies: str,
        after_s: float = 0.1,
        expect: str = "reply",
        say: str = "/price BTC",
        wanted: int = 1,
        acknowledged: str = "",
    ) -> None:
        """A user says something; the bot sends `replies`, the first `after_s` later."""
        number = self.next_update
        self.next_update += 1
        self.clock += 10
        chat = 1000 + number
        labels = self.labels(mode)
        self.add(
            history.CasePlayed(
                t=self.clock,
                case=name,
                update_id=number,
                chat_id=chat,
                expect=expect,
                replies=wanted,
                title=say,
                command=say.split(maxsplit=1)[0],
                **labels,
            ),
            history.UpdateInjected(t=self.clock, update_id=number, **labels),
            history.UpdateConfirmed(t=self.clock, update_ids=(number,), door=mode, **labels),
        )
        sent = self.clock + after_s
        if acknowledged:
            self.edited(mode, chat, acknowledged, replies[0], sent)
            return
        for text in replies:
            self.sent(mode, chat, text, sent)

    def sent(self, mode: str, chat: int, text: str, at: float, **params: Any) -> int:
        number = self.next_message
        self.next_message += 1
        given = {"chat_id": chat, "text": text, "parse_mode": "HTML", **params}
        self.add(self.call(mode, "sendMessage", given, at, {"message_id": number}))
        return number

    def edited(self, mode: str, chat: int, first: str, then: str, at: float) -> None:
        number = self.sent(mode, chat, first, at - 0.05)
        given = {"chat_id": chat, "message_id": number, "text": then, "parse_mode": "HTML"}
        self.add(self.call(mode, "editMessageText", given, at, {"message_id": number}))

    def call(
        self, mode: str, method: str, params: dict[str, Any], at: float, result: Any = True
    ) -> history.BotApiCall:
        return history.BotApiCall(
            t=at, method=method, params=params, status=200, result=result, **self.labels(mode)
        )

    def load(self, mode: str, n: int, *, failures: int = 0, latency_s: float = 0.02) -> None:
        """`n` requests of which the last `failures` failed."""
        for number in range(n):
            self.clock += 0.01
            ok = number < n - failures
            self.add(
                history.Request(
                    t=self.clock,
                    intended=self.clock - latency_s,
                    latency_s=latency_s,
                    ok=ok,
                    status=200 if ok else 500,
                    error=None if ok else "HTTP 500",
                    **self.labels(mode),
                )
            )

    def memory(self, mode: str, samples: int = 6, **megabytes: float) -> None:
        """Samples of processes under load, each as large as it is said to be."""
        labels = self.labels(mode)
        self.add(history.Phase(t=self.clock, name="load", edge="begin", **labels))
        for _ in range(samples):
            self.clock += 0.5
            for process, size in megabytes.items():
                self.sample(mode, process, size)
        self.clock += 0.5
        self.add(history.Phase(t=self.clock, name="load", edge="end", **labels))

    def sample(self, mode: str, process: str, megabytes: float) -> None:
        size = int(megabytes * 1_000_000)
        self.add(
            history.MemorySample(
                t=self.clock,
                process=process,
                role="bot" if process == "bot" else "service",
                pss=size,
                anonymous=size // 2,
                rss=size,
                peak=size,
                **self.labels(mode),
            )
        )

    def conversations(self, n: int = 25, **fields: Any) -> None:
        """Generated conversations were played in all modes."""
        given = {"steps": 3 * n, "answers": n, "playings": n, "stopped_by": "examples", **fields}
        self.add(
            history.ConversationsCompared(
                t=self.clock, doors=self.modes, conversations=n, sentinel="/start", **given
            )
        )

    def door(self, mode: str) -> None:
        """What is asked at the door of a bot without a webhook, and answered as it should be."""
        for what in ("first", "again", "twice"):
            asked: dict[str, Any] = {"what": what, "sent": "/start", "answers": ("Welcome",)}
            self.add(history.DoorAsked(t=self.clock, **asked, **self.labels(mode)))

    def exposure(self, mode: str) -> None:
        """The operator is told what a stranger is not; nobody finds a secret, and nothing listens
        but what is declared."""
        told: dict[str, Any] = {"answers": ("BTC 0.1500",), "figures": ("0.1500",)}
        for who, fields in (("the operator", {"operator": True, **told}), ("a stranger", {})):
            asked: dict[str, Any] = {"who": who, "path": "a message", "text": "/balance", **fields}
            self.add(history.SecurityAsked(t=self.clock, **asked, **self.labels(mode)))
        self.add(
            history.PortsSeen(
                t=self.clock,
                listening=("127.0.0.1:5000 (bot)",),
                searched=("the log of bot", "replies"),
                secrets=("bot token",),
                **self.labels(mode),
            )
        )

    def bad_times(self, mode: str) -> None:
        """A question while no exchange answers, and after."""
        clean = ("Price: $91,210.46",)
        for stage, answers in (("gone", ("No exchange answers just now.",)), ("back", clean)):
            self.add(
                history.Degraded(
                    t=self.clock,
                    stage=stage,
                    fault="no exchange answers (silence)",
                    text="/price BTC",
                    answers=answers,
                    clean=clean,
                    reply_s=1.0,
                    since_s=1.0,
                    **self.labels(mode),
                )
            )

    def signals(self, mode: str) -> None:
        """Two slots: each of two chats gets one message, and the bot is restarted in the second."""
        labels = self.labels(mode)
        for slot in (100.0, 104.0):
            for chat in (1, 2):
                self.add(
                    history.SignalSeen(
                        t=self.clock,
                        chat_id=chat,
                        text="BTC LONG 91,210.46",
                        slot=slot,
                        after_s=0.2,
                        life=1,
                        **labels,
                    )
                )
        self.add(
            history.SignalsWatched(
                t=self.clock,
                interval_s=4,
                slots=(100.0, 104.0),
                restarted=(104.0,),
                chats=(1, 2),
                others=(3,),
                steady=True,
                **labels,
            )
        )

    def delivery(self, mode: str) -> None:
        """A short delivery run, in a stack of its own: one update, and a clean stop."""
        stack = f"{mode}-delivery"
        labels: dict[str, Any] = {"stack": stack, "mode": mode}
        who: dict[str, Any] = {"process": "bot", "role": "bot", **labels}
        number, self.next_update = self.next_update, self.next_update + 1
        at = self.clock
        asked: dict[str, Any] = {
            "case": f"q{number}z",
            "update_id": number,
            "chat_id": 2000 + number,
            "golden": False,
        }
        sent = {"chat_id": 2000 + number, "text": "answer"}
        self.add(
            history.Trial(t=at, check="delivery", **labels),
            history.ProcessStarted(t=at, pid=1, command=("x",), **who),
            history.ProcessReady(t=at + 1, after_s=1.0, **who),
            history.CasePlayed(t=at + 2, expect="reply", **asked, **labels),
            history.BotApiCall(
                t=at + 3, method="sendMessage", params=sent, result={"message_id": 1}, **labels
            ),
            history.StopRequested(t=at + 4, signal="SIGTERM", **who),
            history.ProcessExited(t=at + 5, code=0, expected=True, after_s=0.2, **who),
        )

    def healthy(self) -> "Story":
        """Two modes that do everything right."""
        for mode in self.modes:
            self.lifetime(mode)
            self.case(mode, "price", "<b>BTC</b> 1", say="/price BTC")
            self.case(mode, "start", "Welcome", say="/start")
            self.case(mode, "edited", expect="silence")
            self.door(mode)
            self.load(mode, 1_800)
            self.memory(mode, market_data=50, bot=60)
            self.exposure(mode)
            self.delivery(mode)
        self.bad_times(self.modes[0])
        self.signals(self.modes[0])
        self.conversations()
        return self

    def history(self) -> History:
        return History(self.events)


@pytest.fixture
def story() -> Story:
    return Story()


@pytest.fixture
def judging() -> Judging:
    """Default budgets; an acknowledgement begins with an hourglass."""
    return Judging(rules=ReplyRules.of(Replies(acknowledgement="^⏳")))


@pytest.fixture
def approved() -> dict[str, str]:
    """What a healthy story's golden files hold."""
    return {
        "price": "you: /price BTC\n--- message (HTML)\n<b>BTC</b> 1\n",
        "start": "you: /start\n--- message (HTML)\nWelcome\n",
    }


@pytest.fixture
def judged(judging: Judging, approved: dict[str, str]) -> Judging:
    """As `judging`, with the golden files of a healthy story."""
    return Judging(judging.budgets, judging.rules, approved)


MakeStory = Callable[..., Story]


@pytest.fixture(scope="session")
def make_story() -> MakeStory:
    return Story
