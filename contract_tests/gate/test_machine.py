"""A busy machine gets more time, and where that was not enough it is named, with seconds."""

import asyncio
from types import SimpleNamespace
from typing import Any, ClassVar, cast

import pytest

from botproof.chats import ReplyRules
from botproof.checks import judging
from botproof.checks.machine import name_the_machine
from botproof.checks.registry import CHECKS
from botproof.config import Case, Config, Mode, Process
from botproof.config.tables import Workload
from botproof.history import (
    BotApiCall,
    DoorAsked,
    Event,
    History,
    Phase,
    ProcessExited,
    Request,
    Starved,
    UpdateConfirmed,
    Withheld,
)
from botproof.starvation import KEPT
from botproof.targets.granted import Granted
from botproof.targets.recorder import Recorder
from botproof.targets.stack import Stack
from botproof.verdict import CheckResult, Verdict
from botproof.workloads import scripted
from botproof.workloads.door import USERS, DoorWorkload
from botproof.workloads.security import Asker
from botproof.workloads.ways import OPERATOR

PLACE: dict[str, Any] = {"stack": "polling", "mode": "polling"}


def open_question(check: str, verdict: Verdict = Verdict.INCONCLUSIVE) -> CheckResult:
    return CheckResult(
        check=check, verdict=verdict, budget="", measurement="too few", least_evidence=""
    )


def phase(name: str, share: float, took_s: float = 10.0) -> History:
    """Return ten seconds of a phase, or `took_s`, of which a share was withheld."""
    end = 10.0 + took_s
    return History(
        [
            Phase(t=10.0, name=name, edge="begin", **PLACE),
            Starved(t=end, over_s=took_s, late_s=took_s * share, cpus=2, **PLACE),
            Phase(t=end, name=name, edge="end", **PLACE),
        ]
    )


def elsewhere(check: str, share: float) -> History:
    return History([Withheld(t=1.0, check=check, over_s=10.0, withheld_s=10.0 * share, **PLACE)])


GONE = ProcessExited(t=10.5, process="bot", role="bot", code=1, expected=False, **PLACE)


@pytest.mark.parametrize(
    ("check", "spoilt"),
    [
        ("boot", phase("boot", 0.4)),
        ("door", phase("door", 0.4)),
        ("parity", phase("conversation", 0.4)),
        ("latency", phase("load", 0.4)),
        ("errors", phase("load", 0.4)),
        ("rollback", phase("load", 0.4)),
        ("memory", phase("load", 0.4)),
        ("delivery", phase("drain", 0.4)),
        ("security", elsewhere("security", 0.4)),
        ("degradation", elsewhere("degradation", 0.4)),
        ("conversations", elsewhere("conversations", 0.4)),
        ("signals", elsewhere("signals", 0.4)),
    ],
)
def test_what_could_not_be_told_on_a_busy_machine_names_it(check: str, spoilt: History) -> None:
    told = name_the_machine(open_question(check), spoilt)
    assert told.verdict is Verdict.INCONCLUSIVE
    assert told.measurement.startswith(f"too few; {KEPT} for 4.0 of the 10.0 s")
    assert told.spoilt_by == "machine"


@pytest.mark.parametrize(
    ("result", "record"),
    [
        (open_question("errors"), phase("load", 0.1)),
        (open_question("golden"), phase("conversation", 0.9)),  # nothing is approved yet
        (open_question("boot"), phase("conversation", 0.9, took_s=0.2)),
        (open_question("door"), History([*phase("door", 0.9), GONE])),
        (open_question("errors"), phase("door", 0.9)),
        (open_question("errors"), elsewhere("security", 0.9)),
        (open_question("errors"), History([])),
        (open_question("errors", Verdict.FAIL), phase("load", 0.9)),
        (open_question("errors", Verdict.PASS), phase("load", 0.9)),
    ],
)
def test_the_machine_is_not_named_for_anything_else(result: CheckResult, record: History) -> None:
    assert name_the_machine(result, record) == result


def test_a_gate_names_the_machine_where_a_check_lacks_evidence(story, judged) -> None:
    story.healthy()
    story.events[:] = [each for each in story.events if not isinstance(each, Request)]
    story.add(*phase("load", 0.6))
    (result,) = judging.run_checks(CHECKS, ["errors"], story.history(), judged)
    assert result.verdict is Verdict.INCONCLUSIVE
    assert KEPT in result.measurement
    assert result.spoilt_by == "machine"


# more time


class Watch:
    """A clock that goes on whenever it is looked at, and a machine that withholds a share."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, share: float, step_s: float = 1.0) -> None:
        self._at = 0.0
        self._share = share
        self._step_s = step_s
        monkeypatch.setattr("botproof.history.now", self.now)

    def now(self) -> float:
        self._at += self._step_s
        return self._at

    @property
    def withheld_s(self) -> float:
        return self._share * self._at


async def asked(limit: Granted, times: int) -> bool:
    """Whether it comes, if it needs to be waited for so often."""
    left = times

    async def more() -> None:
        nonlocal left
        left -= 1

    return await limit.wait(lambda: left <= 0, more)


@pytest.mark.parametrize(
    ("share", "most", "comes"),
    [(0.0, 9.0, False), (0.9, 9.0, True), (0.9, 0.0, False), (0.5, 9.0, False)],
)
def test_what_the_machine_withholds_is_waited_for_on_top(
    monkeypatch: pytest.MonkeyPatch, share: float, most: float, comes: bool
) -> None:
    watch = Watch(monkeypatch, share)
    assert asyncio.run(asked(Granted(watch, 10.0, most), 20)) is comes


def test_a_limit_ends_also_where_everything_is_withheld(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert not asyncio.run(asked(Granted(Watch(monkeypatch, 1.0), 10.0), 10_000))


class LateBot:
    """A stack in which something happens, usually an answer of the bot's, once the harness has
    asked so often what the machine withheld."""

    name = mode = "polling"
    stretch = 1.0
    labels = PLACE
    values: ClassVar = {"token": "1:a"}

    def __init__(self, watch: Watch, user: int, looks: int, event: Event | None = None) -> None:
        self.around = SimpleNamespace(recorder=Recorder(), config=CONFIG)
        self.telegram = self.watch = self
        self._watch = watch
        answer = {"chat_id": user, "text": "You own 4.2 BTC and 17 ETH"}
        self._event = event or BotApiCall(
            t=0.0, method="sendMessage", params=answer, status=200, result={}, **PLACE
        )
        self._looks = looks

    @property
    def withheld_s(self) -> float:
        self._looks -= 1
        if not self._looks:
            self.around.recorder.record(self._event)
        return self._watch.withheld_s

    async def inject(self, *_: Any) -> int:
        return 1

    async def make_chat(self, *_: Any) -> None:
        return

    async def bot(self, _: str) -> dict[str, Any]:
        return {"id": 1, "username": "A_bot", "first_name": "A"}


CONFIG = Config(
    bot=Process(command=("bot",)), modes={"polling": Mode()}, workload=Workload(private=("/pnl",))
)


def test_an_answer_at_the_door_is_waited_for_as_long_as_the_machine_is_busy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The time of the wait is over again and again, and each time more is granted."""
    monkeypatch.setattr("botproof.workloads.door._ANSWER_S", 0.01)
    monkeypatch.setattr("botproof.workloads.door._QUIET_S", 0.0)
    bot = LateBot(Watch(monkeypatch, 1.0, step_s=0.0), USERS["first"], looks=6)
    with DoorWorkload(cast("Stack", bot), "/start", ReplyRules()) as door:
        asyncio.run(door.first())
    (event,) = bot.around.recorder.history().of(DoorAsked)
    assert event.answers == ("You own 4.2 BTC and 17 ETH",)


def test_an_update_s_confirmation_is_waited_for_as_long_as_the_machine_is_busy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("botproof.workloads.scripted.CONFIRM_S", 0.01)
    confirmed = UpdateConfirmed(t=0.0, update_ids=(1,), door="polling", **PLACE)
    bot = LateBot(Watch(monkeypatch, 1.0, step_s=0.0), 0, looks=6, event=confirmed)
    case = Case(name="aside", say="hello", expect="silence")
    asyncio.run(scripted.play(cast("Stack", bot), [case], ReplyRules(), 0.0))
    assert bot.around.recorder.history().of(UpdateConfirmed) == [confirmed]


def test_the_operator_is_waited_for_as_long_as_the_machine_is_busy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("botproof.workloads.security._EVERY_S", 0.0)
    bot = LateBot(Watch(monkeypatch, 0.9), OPERATOR, looks=30)
    told, *_ = asyncio.run(Asker(cast("Stack", bot), "", CONFIG).ask())
    assert told.operator
    assert told.answers == ("You own 4.2 BTC and 17 ETH",)
