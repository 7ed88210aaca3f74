"""Run gates of one build while the machine is made busy in turn, and print what they said.

    python -m botproof.noise --gates 16                    # a good build: no FAIL, no ERROR
    python -m botproof.noise --gates 12 --bad noise.toml   # bad builds: never PASS

The gates are real ones, of botproof.toml, each a process of its own. A bad build is a table of a
TOML file: its name, and what is replaced in botproof.toml (`old`, `new`).
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from botproof.history import describe_exit
from botproof.noise.table import Row, counts, row_of, summary, verdict
from botproof.noise.troubles import STATES, State, trouble
from botproof.problems import UsageError
from botproof.report.terminal import Progress

GOOD = "good"
_MOST_S = 3_600.0
"""Longer than any gate takes on any machine: only one that hangs is ended."""
_FENCE = re.compile(r"^fence_(mb|cpus)\b.*\n", re.MULTILINE)


class Replacement(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What makes a build bad: a text of botproof.toml, and what stands there instead."""

    old: str
    new: str


def _parser() -> argparse.ArgumentParser:
    names = ", ".join(state.name for state in STATES)
    parser = argparse.ArgumentParser(prog="python -m botproof.noise", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument(
        "--config", type=Path, default=Path("botproof.toml"), help="(botproof.toml)"
    )
    parser.add_argument("--gates", type=int, default=len(STATES), help="how many, states in turn")
    parser.add_argument("--states", default=names, help=f"by commas, of {names}")
    parser.add_argument("--bad", type=Path, help="bad builds instead of the one of --config")
    parser.add_argument("--only", default="", help="checks, as of `botproof gate --only`")
    parser.add_argument("--report-dir", type=Path, default=Path("reports/noise"))
    return parser


def _states(text: str) -> list[State]:
    known = {state.name: state for state in STATES}
    wanted = [name.strip() for name in text.split(",") if name.strip()]
    unknown = [name for name in wanted if name not in known]
    if unknown or not wanted:
        raise UsageError(f"--states {text}: there are {', '.join(known)}")
    return [known[name] for name in wanted]


def _builds(config: Path, bad: Path | None) -> dict[str, Sequence[Replacement]]:
    if bad is None:
        return {GOOD: ()}
    try:
        given = tomllib.loads(bad.read_text(encoding="utf-8"))
        builds: Mapping[str, list[Replacement]] = msgspec.convert(
            given, dict[str, list[Replacement]]
        )
    except (OSError, ValueError, msgspec.ValidationError) as error:
        raise UsageError(f"{bad}: {error}") from error
    text = config.read_text(encoding="utf-8")
    for name, replacements in builds.items():
        for each in replacements:
            if each.old not in text:
                raise UsageError(f"{bad}: {name}: {config} does not hold {each.old!r}")
    return dict(builds)


@contextlib.contextmanager
def _described(
    config: Path, name: str, replacements: Iterable[Replacement], *, grouped: bool
) -> Iterator[Path]:
    """Give the configuration of a build, beside the original: relative paths mean the same there.

    `grouped`: without a fence, which would take the target out of the gate's own cgroup.
    """
    if name == GOOD and not grouped:
        yield config
        return
    text, here = config.read_text(encoding="utf-8"), str(config.resolve().parent)
    for each in replacements:
        text = text.replace(each.old, each.new.replace("{here}", here))
    if grouped:
        text = _FENCE.sub("", text)
    with tempfile.NamedTemporaryFile(
        "w", dir=config.resolve().parent, prefix=f".noise-{name}-", suffix=".toml"
    ) as file:
        file.write(text)
        file.flush()
        yield Path(file.name)


def _gates(
    config: Path, state: State, folder: Path, only: str, wrapper: Sequence[str]
) -> Iterator[tuple[Path, float, str]]:
    """Run the gates of one state beside each other: report directory, seconds, last words."""
    began = time.monotonic()
    running: list[tuple[Path, subprocess.Popen[bytes]]] = []
    for number in range(1 + state.beside):
        report_dir = folder / f"{number + 1}"
        report_dir.mkdir(parents=True)
        command = [*wrapper, sys.executable, "-m", "botproof", "gate", "--config", str(config)]
        command += ["--report-dir", str(report_dir), *(["--only", only] if only else [])]
        with (report_dir / "output.txt").open("wb") as output:
            process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        running.append((report_dir, process))
    try:
        for report_dir, process in running:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(1.0, began + _MOST_S - time.monotonic()))
            lines = (report_dir / "output.txt").read_text(errors="replace").splitlines()
            yield report_dir, time.monotonic() - began, last_words(process.returncode, lines)
    finally:
        for _, process in running:
            if process.poll() is None:
                process.terminate()  # it ends what it has started
            process.wait()


def last_words(code: int | None, lines: Sequence[str]) -> str:
    """Return how a gate ended that left no verdict, and the last line that it said.

    The kernel ends one by SIGKILL whose group is out of memory.
    """
    ended = "it did not end" if code is None else f"it ended with {describe_exit(code)}"
    return f"{ended}; {lines[-1] if lines else 'it said nothing'}"


def _run(options: argparse.Namespace) -> list[Row]:
    states = _states(options.states)
    builds = _builds(options.config, options.bad)
    say = Progress()
    rows: list[Row] = []
    turns = itertools.cycle((state, name) for state in states for name in builds)
    while len(rows) < options.gates:
        state, name = next(turns)
        folder = options.report_dir.resolve() / f"{len(rows) + 1:03d}-{name}-{state.name}"
        shutil.rmtree(folder, ignore_errors=True)  # of the run before
        say(f"gate {len(rows) + 1} of {options.gates}: {name} build, {state.what}")
        with (
            tempfile.TemporaryDirectory(prefix="botproof-noise-") as scratch,
            trouble(state, Path(scratch)) as made,
            _described(options.config, name, builds[name], grouped=state.grouped) as config,
        ):
            if made.problem:
                say(f"{state.name}: cannot be had here, and is left out: {made.problem}")
                states = [each for each in states if each is not state]
                if not states:
                    break
                turns = itertools.cycle((each, build) for each in states for build in builds)
                continue
            for report_dir, seconds, said in _gates(
                config, state, folder, options.only, made.wrapper
            ):
                rows.append(row_of(name, state.name, report_dir, seconds, said))
                say(f"  {rows[-1].verdict} after {seconds:.0f} s {'; '.join(rows[-1].reasons)}")
        _write(options.report_dir, rows)
    return rows


def _write(report_dir: Path, rows: Sequence[Row]) -> None:
    """Write each time: a long row of gates may be cut off."""
    report_dir.mkdir(parents=True, exist_ok=True)
    (report_dir / "noise.json").write_bytes(msgspec.json.format(msgspec.json.encode(rows)))
    (report_dir / "noise.md").write_text(summary(rows), encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    """Return 0 when no verdict was wrong, 1 when one was, 2 when nothing was run."""
    options = _parser().parse_args(arguments)
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)  # it ends what it started
    try:
        rows = _run(options)
    except UsageError as error:
        print(error, file=sys.stderr)
        return 64
    except KeyboardInterrupt:
        print(f"ended; what was measured is in {options.report_dir}", file=sys.stderr)
        return 3
    finally:
        signal.signal(signal.SIGTERM, before)
    print(f"\n{summary(rows)}")
    found = verdict(rows)
    print(f"{len(rows)} gates: {counts(rows)}; {found.value}; papers in {options.report_dir}")
    return found.exit_code


if __name__ == "__main__":
    sys.exit(main())
