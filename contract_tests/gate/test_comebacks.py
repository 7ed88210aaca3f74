"""A crash that a supervisor hides is told by name; helpers and workers that go in order are not."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from botproof import history
from botproof.checks.comebacks import comebacks
from botproof.checks.judging import Judging, run_checks
from botproof.checks.registry import CHECKS
from botproof.history import Event, History, Vanished
from botproof.targets.address_filter import kernel
from botproof.targets.crew import Crew
from botproof.targets.family import Member, member
from botproof.verdict import Verdict

ABOUT: dict[str, Any] = {"stack": "polling", "mode": "polling"}
WHO: dict[str, Any] = {"process": "bot", "role": "bot", **ABOUT}


def vanished(**fields: Any) -> Vanished:
    given = {"pid": 7, "command": "python bot.py", "lived_s": 3.2, "established": True, **fields}
    return Vanished(t=1.0, **WHO, **given)


def said(*events: Event) -> list[str]:
    return [each.text for each in comebacks(History(events), "polling")]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"code": 137, "came_back": True}, "ended with exit code 137 after 3.2 s and came back"),
        ({"code": -9, "came_back": True}, "ended with signal SIGKILL after 3.2 s and came back"),
        ({"code": 1}, "ended with exit code 1 after 3.2 s"),
        ({"code": None, "came_back": True}, "ended after 3.2 s and came back"),
        ({"code": -11, "established": False}, "ended with signal SIGSEGV after 3.2 s"),
        ({"replaced": True}, "put a program in its own place after 3.2 s"),
    ],
)
def test_what_crashed_is_told_by_name(fields: dict[str, Any], words: str) -> None:
    assert said(vanished(**fields)) == [
        line for line in said(vanished(**fields)) if f"(python bot.py) {words}" in line
    ]
    assert len(said(vanished(**fields))) == 1


@pytest.mark.parametrize(
    "fields",
    [
        {"code": 0, "came_back": True},  # a worker that is replaced in order
        {"code": 1, "established": False},  # a helper that found nothing, as grep does
        {"code": -9, "established": False},  # a helper that took too long for the bot
        {"code": None},  # an older kernel does not tell the code, and nobody missed it
    ],
)
def test_what_goes_in_order_is_not(fields: dict[str, Any]) -> None:
    assert said(vanished(**fields)) == []


def delivered(t: float, **fields: Any) -> history.UpdateDelivered:
    return history.UpdateDelivered(t=t, **ABOUT, **{"door": "webhook", "update_id": 5, **fields})


def test_what_was_delivered_again_for_one_reason_is_one_finding() -> None:
    again = [delivered(1.0 + n, status=500) for n in range(4)]
    assert said(*again) == [
        "update 5 was delivered again, 3 times in all: at first the webhook answered HTTP 500"
    ]
    other = [delivered(10.0, status=500, update_id=6), delivered(11.0, error="reset", update_id=6)]
    why = "at first the webhook answered HTTP 500"
    assert said(*again, *other, delivered(12.0, status=200, update_id=6)) == [
        f"2 updates, the first of them 5, were delivered again, 4 times in all: {why}",
        "update 6 was delivered again: at first the webhook said: reset",
    ]


def test_an_update_that_a_webhook_refused_and_got_again_is_told() -> None:
    lines = said(delivered(1.0, status=502), delivered(2.0, status=200))
    assert lines == ["update 5 was delivered again: at first the webhook answered HTTP 502"]
    lines = said(delivered(1.0, error="Connection reset by peer"), delivered(2.0, status=200))
    assert lines == [
        "update 5 was delivered again: at first the webhook said: Connection reset by peer"
    ]


def test_a_duplicate_that_the_harness_made_is_none() -> None:
    confirmed = history.UpdateConfirmed(t=1.1, update_ids=(5,), door="webhook", **ABOUT)
    assert said(delivered(1.0, status=200), confirmed, delivered(2.0, status=200)) == []


def test_a_poll_that_the_harness_spoilt_may_bring_an_update_twice() -> None:
    twice = (delivered(1.0, door="polling"), delivered(2.0, door="polling"))
    assert len(said(*twice)) == 1
    fault = history.DoubleEvent(t=1.5, double="telegram_double", kind="fault", **ABOUT)
    assert said(*twice, fault) == []


def test_what_a_webhook_refuses_is_its_own_whatever_goes_wrong_with_calls_meanwhile() -> None:
    fault = history.DoubleEvent(t=1.5, double="telegram_double", kind="fault", **ABOUT)
    assert len(said(delivered(1.0, status=502), fault, delivered(2.0, status=200))) == 1


def test_what_a_bot_refuses_while_it_is_asked_to_end_is_not_held_against_it() -> None:
    stop = history.StopRequested(t=0.5, signal="SIGTERM", **WHO)
    assert said(stop, delivered(1.0, status=503), delivered(2.0, status=503)) == []


def test_a_container_that_was_started_again_is_told() -> None:
    end = history.ProcessExited(t=1.0, code=0, expected=True, restarts=2, **WHO)
    assert said(end) == ["bot: its container was started again 2 times"]


# the kernel's side

CHILD = "import sys, os; sys.stdin.readline(); os._exit({code})"
SUPERVISOR = """
import subprocess, sys
for line in sys.stdin:
    child = subprocess.Popen([sys.executable, "-c", line.strip()], stdin=subprocess.PIPE)
    print(child.pid, flush=True)
    word = sys.stdin.readline().strip()
    if word == "end":
        child.communicate(b"now\\n")
        print("ended", flush=True)
    elif word == "go on":
        child.stdin.write(b"now\\n")
        child.stdin.flush()
"""


class Supervisor:
    """Starts a child for each line, and lets it end, or go on living, when told."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.events: list[Event] = []
        self.time = 0.0
        self.crew = Crew(
            "bot", "bot", process.pid, self.events.append, ABOUT, clock=lambda: self.time
        )

    async def ready(self, pid: int = 0) -> None:
        """The target has been ready for a while, with this child."""
        await until(lambda: pid in {0, *self.crew._seen}, self.crew.look)
        self.time += 1
        self.crew.look()
        self.time += 1
        self.crew.ready()

    async def line(self, text: str) -> str:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{text}\n".encode())
        return (await self.process.stdout.readline()).decode().strip()

    async def child(self, code: int) -> int:
        return int(await self.line(CHILD.format(code=code)))


@asynccontextmanager
async def supervisor() -> AsyncIterator[Supervisor]:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SUPERVISOR, stdin=pipe, stdout=pipe
    )
    made = Supervisor(process)
    try:
        yield made
    finally:
        made.crew.close()
        process.kill()
        await process.communicate()


def kernel_tells_codes() -> bool:
    return kernel(os.uname().release) >= (6, 15)


@pytest.mark.anyio
async def test_a_child_that_dies_and_comes_back_is_noticed() -> None:
    async with supervisor() as made:
        first = await made.child(137)
        await made.ready(first)
        await made.line("end")
        made.crew.look()
        await made.ready(await made.child(137))
    (event,) = [each for each in made.events if isinstance(each, Vanished)]
    assert (event.pid, event.established, event.came_back) == (first, True, True)
    assert event.code == (137 if kernel_tells_codes() else None)


@pytest.mark.anyio
async def test_a_helper_that_comes_and_goes_is_no_crash() -> None:
    async with supervisor() as made:
        await made.ready()
        helper = await made.child(1)
        await until(lambda: helper in made.crew._seen, made.crew.look)
        await made.line("end")
        made.crew.look()
    (event,) = [each for each in made.events if isinstance(each, Vanished)]
    assert not event.established
    assert said(event) == []


@pytest.mark.anyio
async def test_what_ends_when_it_was_asked_to_is_not_noticed() -> None:
    async with supervisor() as made:
        await made.ready(await made.child(137))
        made.crew.close()
        await made.line("end")
    assert made.events == []


@pytest.mark.anyio
async def test_a_process_that_starts_itself_anew_in_its_place_is_noticed() -> None:
    anew = "os.execv(sys.executable, [sys.executable, '-c', 'input()'])"
    again = f"import os, sys; sys.stdin.readline(); {anew}"
    async with supervisor() as made:
        pid = int(await made.line(again))
        await made.ready(pid)
        assert made.process.stdin is not None
        made.process.stdin.write(b"go on\n")
        await until(lambda: bool(made.events), made.crew.look)
    event = made.events[0]
    assert isinstance(event, Vanished)
    assert (event.pid, event.replaced) == (pid, True)


@pytest.mark.parametrize(
    ("stack", "environment_ends", "seen"),
    [(9, 12, True), (9, 0, False), (0, 0, True)],  # the last: where we may not look
)
def test_a_process_that_is_still_putting_its_program_in_place_is_not_known_yet(
    tmp_path: Path, stack: int, environment_ends: int, seen: bool
) -> None:
    fields = ["0"] * 50
    fields[0], fields[19], fields[25], fields[48] = "R", "77", str(stack), str(environment_ends)
    place = tmp_path / "7"
    place.mkdir()
    (place / "stat").write_text(f"7 (a b) {' '.join(fields)}\n")
    (place / "cmdline").write_bytes(b"python\0bot.py\0")
    who = Member(7, 77, environment_ends, "python bot.py") if seen else None
    assert member(7, tmp_path) == who


async def until(done: Callable[[], bool], look: Callable[[], None]) -> None:
    async with asyncio.timeout(60):
        while not done():
            look()
            await asyncio.sleep(0.01)  # nothing tells that another process has called execve


def test_a_worker_that_went_in_order_in_another_record_leaves_no_gap(
    story: Any, judged: Judging
) -> None:
    """The generated conversations have stacks of their own, of which boot hears crashes alone."""
    story.healthy()
    worker: dict[str, Any] = {**WHO, "stack": "lambda", "mode": "lambda"}
    story.add(Vanished(t=1.0, pid=7, command="python", lived_s=1.0, code=0, **worker))
    result = run_checks(CHECKS, ["boot"], story.history(), judged)[0]
    assert result.verdict is Verdict.PASS, result
    story.add(Vanished(t=2.0, pid=8, command="python", lived_s=1.0, code=-11, **worker))
    result = run_checks(CHECKS, ["boot"], story.history(), judged)[0]
    assert result.verdict is Verdict.FAIL
