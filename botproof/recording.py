"""`botproof record`: the bot asks the real hosts once, and their answers are kept.

`--blank` is for those who cannot reach them: what the bot asks is kept, with answers to fill in.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import os
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from botproof.chats import ReplyRules
from botproof.config import BOT, Config, load_config
from botproof.doubles.http.har import BLANK, RecordingError, read_har
from botproof.fleet.shape import is_secret
from botproof.history import NOT_RECORDED, DoubleEvent, HarnessError
from botproof.problems import UsageError
from botproof.report.terminal import Progress
from botproof.targets.launch import RunError
from botproof.targets.recorded_hosts import Recording
from botproof.targets.recorder import Recorder
from botproof.targets.session import interruptible, surroundings
from botproof.targets.stack import Stack
from botproof.targets.world import problem
from botproof.workloads import scripted

_DEFAULT = Path("recordings/http.har")
_NOTHING, _FAILED = 2, 3
_LEAST_SECRET = 6


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `botproof record`."""
    add = parser.add_argument
    add("--mode", metavar="MODE", help="of botproof.toml; else the first one")
    add(
        "--out",
        metavar="FILE.har",
        type=Path,
        help=f"else the first of [doubles.http] recordings, else {_DEFAULT}",
    )
    add(
        "--pass",
        dest="passed",
        metavar="VARIABLE",
        action="append",
        default=[],
        help="give the bot this variable of your shell, such as a real key of the host; its value "
        "does not get into the recording; may be repeated",
    )
    add(
        "--blank",
        action="store_true",
        help="ask nobody: write down what the bot asks, each with an empty answer that you fill in "
        "from the host's documentation; what the file has already stays and is played",
    )
    add(
        "--upstream",
        metavar="HOST=URL",
        action="append",
        default=[],
        help="ask this address for a host: a staging's, say; may be repeated",
    )
    add("--upstream-ca", metavar="PEM", type=Path, help="trust this authority besides")


@dataclass(slots=True)
class _Result:
    """What became of the run."""

    started: bool = False
    failure: str = ""


def run(arguments: argparse.Namespace) -> int:
    """Return 0: written; 2: nothing was asked, or a host not reached; 3: the run failed."""
    if problem():
        raise UsageError(f"hosts are found by name while recording, which needs more: {problem()}")
    config = load_config(arguments.config)
    base = arguments.config.resolve().parent
    mode = arguments.mode or next(iter(config.modes))
    if mode not in config.modes:
        raise UsageError(f"--mode {mode}: is none of {', '.join(config.modes)}")
    missing = [name for name in arguments.passed if name not in os.environ]
    if missing:
        raise UsageError(f"--pass {missing[0]}: your shell has no such variable; export it first")
    recorded = config.doubles.http.recordings[:1] if config.doubles.http is not None else ()
    out = arguments.out or base / (recorded[0] if recorded else _DEFAULT)
    recording = Recording(
        out=out.resolve(),
        upstream=tuple(arguments.upstream),
        authority=arguments.upstream_ca,
        secrets=tuple(_secrets(config, arguments.passed)),
        blank=arguments.blank,
    )
    recorder = Recorder()
    result = _record(_prepared(config, mode, arguments.passed), base, recording, recorder, mode)
    return _tell(result, recorder, recording, config)


def _prepared(config: Config, mode: str, passed: Sequence[str]) -> Config:
    """Return the bot with real values of these variables, and without what breaks its
    surroundings."""
    replace = msgspec.structs.replace
    env = {name: value for name, value in config.bot.env.items() if name not in passed}
    modes = {
        mode: replace(
            config.modes[mode],
            env={n: v for n, v in config.modes[mode].env.items() if n not in passed},
        )
    }
    inherit = tuple(dict.fromkeys((*config.bot.inherit_env, *passed)))
    cases = tuple(replace(case, fault=()) for case in config.workload.cases)
    return replace(
        config,
        bot=replace(config.bot, env=env, inherit_env=inherit),
        modes=modes,
        doubles=replace(config.doubles, http=None, allow_hosts=()),
        workload=replace(config.workload, cases=cases),
    )


def _secrets(config: Config, passed: Sequence[str]) -> Iterator[str]:
    """Yield values that no recording may have: those of the bot's environment, and of
    the services'."""
    yield config.doubles.telegram.token
    for process in (config.bot, *config.services.values()):
        for name, value in process.env.items():
            text = str(value)
            if is_secret(name, text) and "{" not in text and len(text) >= _LEAST_SECRET:
                yield text
        for name in (*process.inherit_env, *(passed if process is config.bot else ())):
            text = os.environ.get(name, "")
            if len(text) >= _LEAST_SECRET and (name in passed or is_secret(name, text)):
                yield text


def _record(
    config: Config, base: Path, recording: Recording, recorder: Recorder, mode: str
) -> _Result:
    result, say = _Result(), Progress()

    async def work(folder: Path) -> None:
        users = scripted.known_users(config.workload.cases)
        async with surroundings(
            config, base, folder, recorder, say, users=users, real=not recording.blank
        ) as around:
            stack = Stack(dataclasses.replace(around, recording=recording), mode)
            try:
                await stack.start()
                result.started = True
                asked = "nobody but the file" if recording.blank else "the real hosts"
                say(f"{len(config.workload.cases)} cases, asking {asked}")
                rules = ReplyRules.of(config.replies)
                await stack.run(
                    scripted.play(stack, config.workload.cases, rules, time.time(), at_once=1)
                )
            except RunError as error:
                result.failure = str(error)
            finally:
                await stack.stop()

    with tempfile.TemporaryDirectory(prefix="botproof-record-") as folder:
        asyncio.run(interruptible(work(Path(folder)), recorder))
    return result


def _tell(result: _Result, recorder: Recorder, recording: Recording, config: Config) -> int:
    errors = recorder.history().of(HarnessError)
    if errors or (result.failure and not recording.blank):
        print(f"not recorded: {result.failure or errors[0].message}")
        return _FAILED
    try:
        exchanges = read_har(recording.out)
    except RecordingError as error:
        print(f"not recorded: {error}")
        return _FAILED
    for host, times in Counter(each.host for each in exchanges).most_common():
        print(f"{host}: {times} answers")
    unreached = {
        str(event.detail.get("host"))
        for event in recorder.history().of(DoubleEvent)
        if event.kind == NOT_RECORDED
    }
    for host in sorted(unreached):
        print(f"{host}: could not be reached from here; the bot got an error, which is not kept")
    if not exchanges:
        recording.out.unlink(missing_ok=True)
        print(f"{BOT} asked no host but Telegram and those of doubles: nothing was written")
        return _NOTHING
    if recording.blank:
        _tell_blank(result, recording, sum(each.body == BLANK for each in exchanges))
    else:
        print(f"wrote {recording.out}: look through it before you commit it")
    if config.doubles.http is None:
        print("to play it in every gate, add to botproof.toml:\n\n[doubles.http]")
        print(f'recordings = ["{_shown(recording.out)}"]')
    return _NOTHING if unreached else 0


def _tell_blank(result: _Result, recording: Recording, empty: int) -> None:
    if result.failure:
        print(f"an empty answer was too little for it: {result.failure}")
    then = (
        "it is whole"
        if not empty and not result.failure
        else ('put what the host would answer into "text" of each, and call this once more')
    )
    print(f"wrote {recording.out} with {empty} empty answers: {then}")


def _shown(path: Path) -> str:
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
