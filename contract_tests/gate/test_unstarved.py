"""What a load says without the half seconds in which the machine let nothing go on."""

import random
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from botproof.budgets import CAP
from botproof.checks.generator import Grade
from botproof.checks.judging import Judging, run_checks
from botproof.checks.registry import CHECKS
from botproof.checks.unstarved import enough_for, is_too_little
from botproof.config import Load
from botproof.history import ProcessStarted, Request, Starved
from botproof.sequential import SequentialErrorRate
from botproof.starvation import Starvation
from botproof.targets.family import Spent
from botproof.targets.meter import waits_for_a_disk
from botproof.verdict import CheckResult, Verdict
from botproof.workloads.load import LoadPlan

LIMIT = 0.001
LATE: dict[str, Any] = {"latency_s": 2.5}
HALF: dict[str, Any] = {"failure": "incomplete", "status": 200, "error": "half an answer"}


def starve(story: Any, begin: float, end: float, figure: float, **fields: Any) -> None:
    for at in range(round(10 * begin), round(10 * end)):
        sample = Starved(
            t=(at + 1) / 10,
            over_s=0.1,
            busy_s=0.2,
            cpus=2,
            **{"late_s": 0.1 * figure, **fields},
            **story.labels("webhook"),
        )
        story.add(sample)


def load(story: Any, n: int, *, bad: range = range(0), **fault: Any) -> tuple[float, float]:
    """A hundred requests a second; some of them fail in one way. Tell when these were due."""
    story.lifetime("webhook")
    begin = len(story.events)
    story.load("webhook", n)
    for at in bad:
        event = story.events[begin + at]
        wrong = msgspec.structs.replace(event, ok="latency_s" in fault, **fault)
        story.events[begin + at] = wrong
    due = [story.events[begin + at].intended for at in bad]
    return min(due, default=0.0), max(due, default=0.0)


def judge(story: Any, judged: Judging, check: str = "errors") -> CheckResult:
    return run_checks(CHECKS, [check], story.history(), judged)[-1]


@pytest.mark.parametrize("fault", [LATE, HALF])
def test_a_good_build_passes_on_what_the_machine_let_go_on(story, judged, fault) -> None:
    first, last = load(story, 6_000, bad=range(400, 600), **fault)
    assert judge(story, judged).verdict is Verdict.FAIL
    starve(story, first - 2, last + 3, figure=0.95)
    result = judge(story, judged)
    assert result.verdict is Verdict.PASS
    assert result.data["failures"] == 0
    assert "requests, good and bad, are left out" in result.evidence[-1]


def test_good_requests_are_left_out_like_bad_ones(story, judged) -> None:
    load(story, 6_000)
    middle = story.clock - 30
    starve(story, middle - 6, middle + 6, figure=0.95)
    assert judge(story, judged).data["n"] == pytest.approx(4_800, abs=150)


def test_what_fails_where_the_machine_was_busy_but_not_starved_throughout_is_no_pass(
    story, judged
) -> None:
    first, last = load(story, 6_000, bad=range(400, 430), **HALF)
    starve(story, first - 6, last + 3, figure=0.6)
    assert judge(story, judged).verdict is Verdict.INCONCLUSIVE


def test_one_in_two_hundred_fails_however_much_is_left_out(story, judged) -> None:
    """A bad build: also in the half seconds that count."""
    load(story, 12_000)
    for at, event in enumerate(story.events):
        if isinstance(event, Request) and at % 200 == 0:
            wrong = msgspec.structs.replace(event, ok=False, status=502, error="HTTP 502")
            story.events[at] = wrong
    starve(story, story.clock - 40, story.clock - 5, figure=0.95)
    assert judge(story, judged).verdict is Verdict.FAIL


def test_what_came_at_once_and_was_wrong_fails_though_it_is_left_out(story, judged) -> None:
    first, last = load(story, 6_000, bad=range(400, 430), status=500, error="HTTP 500")
    starve(story, first - 1, last + 3, figure=0.95)
    assert judge(story, judged).verdict is Verdict.FAIL


@pytest.mark.parametrize(
    ("fields", "verdict"),
    [
        ({"ran_s": {"bot": 0.01}}, Verdict.PASS),
        # A third of what the processors did was the bot's own doing: it is not excused.
        ({"ran_s": {"bot": 0.07}}, Verdict.INCONCLUSIVE),
        # A neighbour of the bot waited for the disk; or the bot itself did.
        ({"late_s": 0.0, "waited_s": {"x": 0.1}, "blocked": ("x",)}, Verdict.PASS),
        ({"late_s": 0.0, "waited_s": {"bot": 0.1}, "blocked": ("bot",)}, Verdict.INCONCLUSIVE),
    ],
)
def test_a_target_that_keeps_itself_from_going_on_is_not_excused(
    story, judged, fields, verdict
) -> None:
    first, last = load(story, 6_000, bad=range(400, 430), **HALF)
    started = ProcessStarted(
        t=0.0, process="bot", role="bot", pid=1, command=("bot",), **story.labels("webhook")
    )
    story.events.insert(0, started)
    starve(story, first - 6, last + 3, figure=0.95, **fields)
    assert judge(story, judged).verdict is verdict


def test_too_few_that_are_left_are_not_judged_in_place_of_all(story, judged) -> None:
    first, _ = load(story, 4_400, bad=range(400, 401), **HALF)
    starve(story, first - 1, first + 3, figure=0.95)
    assert judge(story, judged).verdict is Verdict.INCONCLUSIVE


def test_a_process_that_waits_for_a_disk_is_named() -> None:
    waiting, running = (Spent(0.0, {}, blocked=each) for each in (True, False))
    assert waits_for_a_disk(waiting, waiting)
    assert not waits_for_a_disk(running, waiting)


# what is sent


def requests(n: int) -> list[Request]:
    return [
        Request(t=i / 100, intended=i / 100, latency_s=0.01, ok=True, stack="polling")
        for i in range(n)
    ]


def starved_from(begin: float, end: float) -> Starvation:
    over = (end - begin,)
    return Starvation((end,), over, over, surely=over, own=(0.0,))


def plan(**fields: Any) -> LoadPlan:
    return LoadPlan(**{"load": Load(script="s", host="h"), "limit": LIMIT, "late_s": 2.0, **fields})


def test_more_is_sent_in_the_place_of_what_is_left_out() -> None:
    two = plan(modes=2)
    two.take("polling", requests(two.share()), starved_from(0.0, 5.0))
    assert two.of_round(2, "polling", last=False) == pytest.approx(500, abs=150)
    assert two.before() == f"{len(two.unstarved['polling'])}:0:0"


def test_a_build_that_passed_is_sent_nothing_more() -> None:
    one = plan(modes=1)
    one.take("polling", requests(enough_for(LIMIT, CAP)))
    assert one.of_round(2, "polling", last=True) == 0


def test_a_machine_that_is_starved_throughout_is_tried_three_times() -> None:
    one = plan(modes=1)
    one.take("polling", requests(one.share() - 10), starved_from(-9.0, 1e9))
    assert one.of_round(3, "polling", last=True) > 0
    assert one.of_round(4, "polling", last=True) == 0


# how sure that is


def slot_of_load(rate: float, rng: random.Random) -> tuple[list[Grade], bool]:
    """Half a second of a load of 150 a second, with a third of the time starved. There a twentieth
    of the requests is only half an answer."""
    starved = rng.random() < 1 / 3
    spoilt, bad = (Grade.UNSURE, 0.05 + rate) if starved else (Grade.FAILED, rate)
    return [spoilt if rng.random() < bad else Grade.GOOD for _ in range(75)], starved


def rounds(load: LoadPlan, rate: float, rng: random.Random) -> Iterator[None]:
    """Load two modes as a gate does: a generator ends when it has decided, starved or not."""
    for stack, last in (("polling", False), ("webhook", True)):
        number = 1
        own, left = load.graded.setdefault(stack, []), load.unstarved.setdefault(stack, [])
        while count := load.of_round(number, stack, last=last):
            test = SequentialErrorRate(LIMIT, CAP)
            n, failed, unsure = map(int, load.before().split(":"))
            for _ in range(-(-count // 75)):
                grades, starved = slot_of_load(rate, rng)
                own += grades
                left += [] if starved else grades
                n, failed = n + len(grades), failed + grades.count(Grade.FAILED)
                unsure += grades.count(Grade.UNSURE)
                if test.judge(n, failed, unsure=unsure) is not Verdict.INCONCLUSIVE:
                    break
            number += 1
            yield


def share_of_passes(rate: float, runs: int) -> float:
    rng = random.Random(12)  # noqa: S311 - a simulation that has to repeat
    passed = 0
    for _ in range(runs):
        load = plan(modes=2)
        assert sum(1 for _ in rounds(load, rate, rng)) <= 10
        left = [grade for own in load.unstarved.values() for grade in own]
        assert not any(
            is_too_little(len(load.unstarved[each]), len(load.graded[each])) for each in load.graded
        )
        test, failed = SequentialErrorRate(LIMIT, CAP), left.count(Grade.FAILED)
        unsure = left.count(Grade.UNSURE)
        passed += (
            len(left) >= enough_for(LIMIT, CAP)
            and test.judge(len(left), failed, unsure=unsure, last=True) is Verdict.PASS
        )
    return passed / runs


@pytest.mark.parametrize(("rate", "least", "most"), [(0.0002, 0.95, 1.0), (0.001, 0.0, 0.05)])
def test_a_simulated_starved_gate_is_as_sure_as_any(rate, least, most) -> None:
    """Nothing but the starved half seconds differs from the operating curve in docs/load.md."""
    assert least <= share_of_passes(rate, 100) <= most
