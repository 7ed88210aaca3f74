"""Play planted defects, several beside each other, and say what became of each.

Every play is a gate of its own in a process of its own. Before the first defect of a plan the plan
is run without any: where the unbroken build is not green, nothing follows from red.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import enum
import json
import shutil
import signal
import sys
import time
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from botproof.config import load_config
from botproof.history import History, read_history
from botproof.prove.grounds import why_not, why_unaltered
from botproof.prove.patience import allowed_s, base_s, withheld_s
from botproof.prove.planted import Catalogue, Plan, Planted
from botproof.prove.planting import DoesNotApplyError, Job, control, planted

_END_S = 30.0
_UNUSABLE = 64


class Became(enum.Enum):
    """What became of a defect."""

    RED = "red for the right reason"
    OTHER_WORDS = "red, but it does not say why"
    OTHER_CHECK = "only another check is red"
    GREEN = "stayed green"
    UNDECIDED = "neither red nor green"
    TIMED_OUT = "did not end in time"
    NOT_APPLIED = "could not be planted"
    CONTROL = "the build without it is not green"
    ESCAPES = "stays unseen, as the catalogue says"
    NOT_HERE = "does not apply"


_UNSEEN = (Became.GREEN, Became.UNDECIDED, Became.CONTROL)


@dataclass(frozen=True, slots=True)
class Play:
    """A defect, and what was found of it. `line` is the evidence, or why there is none."""

    defect: Planted
    became: Became
    line: str = ""
    seconds: float = 0.0

    @property
    def void(self) -> bool:
        """Whether it speaks against the gate, or against the catalogue."""
        return self.became not in (Became.RED, Became.ESCAPES, Became.NOT_HERE)


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run ended: its verdict.json, or `problem`."""

    document: Mapping[str, Any]
    seconds: float
    problem: str = ""
    timed_out: bool = False

    def check(self, name: str) -> Mapping[str, Any] | None:
        """Return what a check said."""
        checks = self.document.get("checks", [])
        return next((each for each in checks if each["check"] == name), None)

    def of(self, verdict: str) -> list[str]:
        """Return the checks with this verdict."""
        return [c["check"] for c in self.document.get("checks", []) if c["verdict"] == verdict]


def play_all(
    config: Path,
    catalogue: Catalogue,
    defects: Iterable[Planted],
    folder: Path,
    *,
    beside: int = 2,
    any_bot: bool = False,
    say: Callable[[str], None] = print,
) -> list[Play]:
    """Play `defects`, `beside` of them at once, in their order. Papers go into `folder`.

    `any_bot`: they were not written for this one, so that some need what it does not have.

    Ctrl-C or SIGTERM ends every run that was started, and passes as KeyboardInterrupt.
    """
    shutil.rmtree(folder, ignore_errors=True)
    plays = _Plays(
        config.resolve(), catalogue, folder.resolve(), beside=beside, any_bot=any_bot, say=say
    )
    return asyncio.run(plays.all(tuple(defects)))


class _Plays:
    def __init__(
        self,
        config: Path,
        catalogue: Catalogue,
        folder: Path,
        *,
        beside: int,
        any_bot: bool,
        say: Callable[[str], None],
    ) -> None:
        self._config = config
        self._catalogue = catalogue
        self._folder = folder
        self._free = asyncio.Semaphore(beside)
        self._any_bot = any_bot
        self._say = say
        self._controls: dict[str, asyncio.Task[Ended]] = {}

    async def all(self, defects: Sequence[Planted]) -> list[Play]:
        """Return every defect in order; the controls first, as they decide whether
        anything follows."""
        for name in dict.fromkeys(defect.plan for defect in defects):
            self._controls[name] = asyncio.create_task(self._control(name))
        tasks = [asyncio.create_task(self._play(defect)) for defect in defects]
        done = 0
        try:
            for task in asyncio.as_completed(tasks):
                play = await task
                done += 1
                self._say(f"{done} of {len(defects)}: {play.defect.name}: {play.became.value}")
            return [task.result() for task in tasks]
        finally:
            every = [*tasks, *self._controls.values()]
            for each in every:
                each.cancel()
            await asyncio.gather(*every, return_exceptions=True)

    async def _control(self, name: str) -> Ended:
        folder = self._folder / "without" / name
        job = control(self._config, self._plan(name), folder)
        async with self._free:
            self._say(f"{name}: the build without a defect")
            return await _run(job, folder, base_s())

    def _plan(self, name: str) -> Plan:
        return self._catalogue.plans[name]

    async def _play(self, defect: Planted) -> Play:
        folder = self._folder / defect.name
        unbroken = await self._controls[defect.plan]
        if said := shows_nothing(defect, unbroken):
            return Play(defect, Became.CONTROL, said)
        try:
            job = planted(self._config, self._plan(defect.plan), defect, folder)
        except DoesNotApplyError as error:
            return Play(defect, Became.NOT_APPLIED, str(error))
        golden = self._folder / "without" / defect.plan / "report" / "golden"
        if golden.is_dir():
            job = msgspec.structs.replace(job, golden_dir=str(golden))
        async with self._free:
            self._say(f"{defect.name}: {defect.story}")
            ended = await _run(job, folder, base_s(unbroken.seconds))
        shutil.rmtree(folder / "code", ignore_errors=True)  # a copy of what everybody has
        play = judged(defect, ended, unbroken)
        if play.became not in _UNSEEN:
            return play
        if defect.wire and (reason := why_unaltered(_record(folder))):
            became = Became.NOT_HERE if self._any_bot else Became.NOT_APPLIED
            return dataclasses.replace(play, became=became, line=reason)
        without = _record(self._folder / "without" / defect.plan)
        if reason := why_not(defect.needs, load_config(self._config), without):
            return dataclasses.replace(play, became=Became.NOT_HERE, line=reason)
        return play


def _record(folder: Path) -> History:
    return read_history(folder / "report" / "history.jsonl")


async def _run(job: Job, folder: Path, base: float) -> Ended:
    path = folder / "job.json"
    path.write_bytes(msgspec.json.format(msgspec.json.encode(job)))
    output = folder / "output.txt"
    began = time.monotonic()
    with output.open("wb") as file:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "botproof.planted_run", str(path)),
            stdout=file,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            code = await _wait(process, base, Path(job.report_dir) / "history.jsonl")
        finally:
            await _end(process)
    seconds = time.monotonic() - began
    if code is None:
        return Ended({}, seconds, f"no verdict after {seconds:.0f} s", timed_out=True)
    verdict = Path(job.report_dir) / "verdict.json"
    if code == _UNUSABLE or not verdict.exists():
        lines = output.read_text(errors="replace").strip().splitlines()
        return Ended({}, seconds, lines[-1] if lines else f"exit code {code}")
    return Ended(json.loads(verdict.read_text(encoding="utf-8")), seconds)


async def _wait(process: asyncio.subprocess.Process, base: float, record: Path) -> int | None:
    """Return the exit code; None where it took too long, with what was withheld on top."""
    began, allowed = time.monotonic(), base
    while (left := began + allowed - time.monotonic()) > 0:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(left):
                return await process.wait()
        allowed = allowed_s(base, withheld_s(record))
    return None


async def _end(process: asyncio.subprocess.Process) -> None:
    """SIGTERM first: it ends what it has started."""
    if process.returncode is not None:
        return
    process.send_signal(signal.SIGTERM)
    try:
        async with asyncio.timeout(_END_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


def shows_nothing(defect: Planted, unbroken: Ended) -> str:
    """Return why nothing follows of a defect from the run without it; "" where something does.

    Too little evidence for PASS is no harm: what counts is that its check is not red without the
    defect, or for other reasons, and is with it.
    """
    good = unbroken.check(defect.check)
    if good is None or unbroken.check("harness"):
        return unbroken.problem or defect.check
    if good["verdict"] == "ERROR" or (
        good["verdict"] == "FAIL" and not _missing(defect.words, good)
    ):
        return f"{defect.check}: {_said(good)}"
    return ""


def judged(defect: Planted, ended: Ended, unbroken: Ended | None = None) -> Play:
    """Return what became of a defect, by the verdict of its run, and of the one without it.

    A check that is red without the defect shows it only by the words that it did not say then.
    """
    red = set(unbroken.of("FAIL")) if unbroken else set[str]()
    became, line = _named_by_another(defect, ended, red) or _found(defect, ended, red)
    if defect.escapes and became is not Became.RED:
        return Play(defect, Became.ESCAPES, defect.escapes, ended.seconds)
    return Play(defect, became, line, ended.seconds)


def _named_by_another(
    defect: Planted, ended: Ended, red: Container[str]
) -> tuple[Became, str] | None:
    """Return what another check says that may name the defect as well; None where none does."""
    for other, words in defect.also.items():
        check = ended.check(other)
        if (
            other not in red
            and check is not None
            and check["verdict"] == "FAIL"
            and not _missing(words, check)
        ):
            return Became.RED, f"{other}: {_evidence(words, check)}"
    return None


def _found(defect: Planted, ended: Ended, red: Container[str]) -> tuple[Became, str]:
    if ended.timed_out:
        return Became.TIMED_OUT, ended.problem
    check = ended.check(defect.check)
    if check is None:
        harness = ended.check("harness")
        return Became.NOT_APPLIED, ended.problem or (_said(harness) if harness else "no verdict")
    if check["verdict"] != "FAIL":
        others = [other for other in ended.of("FAIL") if other not in red]
        said = f"{defect.check}: {check['verdict']}: {_said(check)}"
        if others:
            return Became.OTHER_CHECK, f"{', '.join(others)}; {said}"
        green = check["verdict"] == "PASS"
        return (Became.GREEN if green else Became.UNDECIDED), said
    missing = _missing(defect.words, check)
    if missing:
        became = Became.CONTROL if defect.check in red else Became.OTHER_WORDS
        return became, f"{_said(check)} (nothing of {missing[0]!r})"
    return Became.RED, _evidence(defect.words, check)


def _lines(check: Mapping[str, Any]) -> list[str]:
    return [check["measurement"], *check["evidence"]]


def _missing(words: Sequence[str], check: Mapping[str, Any]) -> list[str]:
    """Return the words of which a check says nothing."""
    return [word for word in words if not any(word in line for line in _lines(check))]


def _evidence(words: Sequence[str], check: Mapping[str, Any]) -> str:
    """Return the line that names the defect best: the one that holds the last of its words."""
    lines = _lines(check)
    return next((line for line in lines if words[-1] in line), lines[0]).strip()


def _said(check: Mapping[str, Any]) -> str:
    return str(check["measurement"])
