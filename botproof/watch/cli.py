"""`botproof watch`."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType

from botproof.problems import UsageError
from botproof.watch.judge import Judge, Sample, in_units
from botproof.watch.loop import Keeper, Loop
from botproof.watch.outputs import Outputs
from botproof.watch.sampling import Look
from botproof.watch.settings import Settings, read, read_env_file

_USAGE_ERROR = 64
_INTERRUPTED = 130
_EXAMPLE = Path(__file__).with_name("watch.example.toml")
EXIT_CODES = """\
exit codes:
  0  ended by Ctrl-C or SIGTERM; with --once: no alert goes on
  1  with --once: alerts go on
  64 the command line or watch.toml cannot be used
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `botproof watch`."""
    config_arguments(parser)
    add = parser.add_argument
    add("--once", action="store_true", help="look once, print every figure, tell alerts, and end")
    add("--check", action="store_true", help="only tell whether the settings can be used")
    add("--example", action="store_true", help="print a commented watch.toml")


def config_arguments(parser: argparse.ArgumentParser) -> None:
    """Add where the settings are, for all that use watch.toml."""
    add = parser.add_argument
    add(
        "--config",
        metavar="FILE",
        type=Path,
        default=Path("watch.toml"),
        help="what to watch and whom to tell (watch.toml)",
    )
    add(
        "--env-file",
        metavar="FILE",
        type=Path,
        action="append",
        default=[],
        help="NAME=VALUE lines that ${NAME} in the settings stands for, beside the environment",
    )


def run(arguments: argparse.Namespace) -> int:
    """Watch until SIGINT or SIGTERM. Raises UsageError for settings that cannot be used."""
    if arguments.example:
        sys.stdout.write(_EXAMPLE.read_text(encoding="utf-8"))
        return 0
    names = dict(os.environ)
    for path in arguments.env_file:
        names |= read_env_file(path)
    settings = read(arguments.config, names)
    if arguments.check:
        print(f"{arguments.config}: can be used; {len(settings.rules)} rules")
        return 0
    if not arguments.once:
        return _until_told(settings)
    print("looking …", file=sys.stderr)  # what hangs takes its time
    try:
        return _once(settings)
    except KeyboardInterrupt:
        print("ended by Ctrl-C", file=sys.stderr)
        return _INTERRUPTED


def _loop(settings: Settings, keeper: Keeper, outputs: Outputs, ending: _Ending) -> Loop:
    look = Look(settings, keeper.document["memory"])
    return Loop(settings, keeper, look, outputs, clock=time.time, hold=ending.hold)


def _once(settings: Settings) -> int:
    """Take a look; its alerts are told and kept, unless a watch that runs does so itself."""
    keeper = Keeper(settings.state)
    if keeper.lock():
        outputs = Outputs(settings, keeper.document["outbox"])
        loop = _loop(settings, keeper, outputs, _Ending())
        samples, _ = loop.tick()
        firing = loop.firing()
    else:
        print("a watch is running with this state; this look tells and keeps nothing")
        samples = Look(settings, keeper.document["memory"]).once(time.time())
        judge = Judge(settings.rules)
        judge.restore(keeper.document["judge"])
        firing = judge.firing()
    _print_samples(samples)
    for rule, subject in firing:
        print(f"alert goes on: {rule} of {subject} — docs/runbook.md#{rule.replace('_', '-')}")
    return 1 if firing else 0


def _until_told(settings: Settings) -> int:
    keeper = Keeper(settings.state)
    if not keeper.lock():
        raise UsageError(f"{settings.state}: another watch is running with this state")
    outputs, ending = Outputs(settings, keeper.document["outbox"]), _Ending()
    loop = _loop(settings, keeper, outputs, ending)
    signal.signal(signal.SIGTERM, ending.note)
    signal.signal(signal.SIGINT, ending.note)
    with contextlib.suppress(_Stopped):
        outputs.note("watching", pid=os.getpid())
        loop.run(_slept)
    outputs.note("stopped", going_on=[f"{rule} of {who}" for rule, who in loop.firing()])
    return 0


class _Stopped(BaseException):
    """SIGINT or SIGTERM came. Never caught by what handles errors."""


class _Ending:
    """Ends the loop at once, or after what must not be left half done."""

    def __init__(self) -> None:
        self._held = self._wanted = False

    def note(self, _number: int, _frame: FrameType | None) -> None:
        """Note that a signal came: it calls this."""
        self._wanted = True
        if not self._held:
            raise _Stopped

    @contextlib.contextmanager
    def hold(self) -> Iterator[None]:
        """Have a signal that comes within take effect at the end."""
        self._held = True
        try:
            yield
        finally:
            self._held = False
        if self._wanted:
            raise _Stopped


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> None:  # type: ignore[override]  # ends the process, as there
        self.print_usage(sys.stderr)
        self.exit(_USAGE_ERROR, f"{self.prog}: {message}\n")


def _slept(seconds: float) -> bool:
    time.sleep(seconds)
    return True


def _print_samples(samples: Sequence[Sample]) -> None:
    width = max((len(sample.figure) for sample in samples), default=0)
    for sample in samples:
        note = f"  {sample.note}" if sample.note else ""
        print(
            f"{sample.figure:<{width}}  {sample.subject}  "
            f"{in_units(sample.figure, sample.value)}{note}"
        )


def main(argv: Sequence[str] | None = None) -> int:
    """Run the same command without the rest of botproof; return its exit code."""
    parser = _Parser(
        prog="python -m botproof.watch",
        description="Watches a running bot, and tells once when something is wrong and when it "
        "is over.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_arguments(parser)
    try:
        return run(parser.parse_args(argv))
    except UsageError as error:
        print(error, file=sys.stderr)
        return _USAGE_ERROR
