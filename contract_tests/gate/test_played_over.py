"""Trials that are played once more because the machine kept them from showing anything sure."""

from types import SimpleNamespace
from typing import cast

import pytest

from botproof.checks.judging import Judging, run_checks
from botproof.checks.registry import CHECKS
from botproof.history import (
    CasePlayed,
    Degraded,
    FreshStart,
    HarnessError,
    History,
    PlayedOver,
    SignalsWatched,
    Trial,
    Withheld,
    now,
)
from botproof.played_over import play_over, spoilt
from botproof.targets.recorder import Recorder
from botproof.targets.stack import Surroundings
from botproof.verdict import CheckResult, Verdict

CLEAN = ("Price: $91,210.46",)


pytestmark = pytest.mark.anyio


def asked(reply_s: float, withheld_s: float = 0.0) -> Degraded:
    return Degraded(
        t=now(),
        stage="gone",
        fault="no exchange answers",
        text="/price BTC",
        answers=("no data",),
        clean=CLEAN,
        reply_s=reply_s,
        withheld_s=withheld_s,
        since_s=1.0,
        stack="polling",
        mode="polling",
    )


GOOD, LATE, STARVED = (0.5, 0.0), (2.4, 0.0), (2.4, 1.0)


class Played:
    """A gate with one trial of degradation, whose playings come out as they are given."""

    def __init__(self, *outcomes: tuple[float, float]) -> None:
        self.recorder = Recorder()
        self.said: list[str] = []
        self.left = list(outcomes)
        self.around = cast(
            "Surroundings", SimpleNamespace(recorder=self.recorder, say=self.said.append)
        )

    async def trial(self) -> None:
        reply_s, withheld_s = self.left.pop(0)
        self.recorder.record(asked(reply_s, withheld_s))

    async def judged(self) -> CheckResult:
        await self.trial()
        await play_over(self.around, [("degradation", self.trial)])
        return run_checks(CHECKS, ["degradation"], self.recorder.history(), Judging())[-1]


@pytest.mark.parametrize(
    ("outcomes", "verdict", "left"),
    [
        ([GOOD, LATE], Verdict.PASS, 1),
        ([STARVED, GOOD, LATE], Verdict.PASS, 1),
        ([STARVED, STARVED, GOOD, LATE], Verdict.PASS, 1),
        ([STARVED, STARVED, STARVED, GOOD], Verdict.INCONCLUSIVE, 1),
        # What fails without the machine has failed, whenever that was.
        ([LATE, GOOD], Verdict.FAIL, 1),
        ([STARVED, LATE, GOOD], Verdict.FAIL, 1),
    ],
)
async def test_what_only_the_machine_spoilt_is_played_over(
    outcomes: list[tuple[float, float]], verdict: Verdict, left: int
) -> None:
    played = Played(*outcomes)
    result = await played.judged()
    assert result.verdict is verdict
    assert len(played.left) == left
    assert len(played.said) == len(outcomes) - left - 1
    told = any("played over" in line for line in result.evidence)
    assert told is bool(played.said)


async def test_nothing_is_played_over_where_the_harness_broke() -> None:
    played = Played(STARVED, GOOD)
    played.recorder.record(HarnessError(t=now(), where="harness", message="no disk"))
    await played.judged()
    assert played.left == [GOOD]


def test_what_cannot_be_told_for_another_reason_is_not_played_over() -> None:
    record = History([asked(*STARVED)])
    assert spoilt(record, ["degradation", "signals", "golden"]) == ["degradation"]


def test_the_record_counts_the_last_playing_of_a_check_alone() -> None:
    first, second = (
        [
            Trial(t=at, check="delivery", stack="polling-delivery"),
            CasePlayed(
                t=at, case="a", update_id=1, chat_id=1, expect="reply", stack="polling-delivery"
            ),
            SignalsWatched(t=at, interval_s=6.0, stack="polling"),
            Withheld(t=at, check="signals", over_s=1.0, withheld_s=1.0),
            Withheld(t=at, check="degradation", over_s=1.0, withheld_s=1.0),
        ]
        for at in (1.0, 3.0)
    )
    both = History([*first, PlayedOver(t=2.0, check="delivery"), *second])
    assert [event.t for event in both.for_check("delivery").of(CasePlayed)] == [3.0]
    assert [event.t for event in both.counted().of(SignalsWatched)] == [1.0, 3.0]
    over = History(
        [*both, PlayedOver(t=2.5, check="signals"), FreshStart(t=0.0, failure="", reason="")]
    )
    assert [event.t for event in over.counted().of(SignalsWatched)] == [3.0]
    kept = [(event.t, event.check) for event in over.latest().of(Withheld)]
    assert kept == [(1.0, "degradation"), (3.0, "signals"), (3.0, "degradation")]
