"""`botproof checklist`: what has to be so before, during and after a roll-out.

Ticks what the watch can measure, by the same rules as its alerts, and asks a person for the rest.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from botproof.watch.cli import config_arguments
from botproof.watch.judge import Judge, Sample, amount
from botproof.watch.loop import Keeper
from botproof.watch.rules import Rule
from botproof.watch.sampling import Look
from botproof.watch.settings import Settings, read, read_env_file

PHASES = {
    "before": "before the roll-out",
    "during": "while the new version takes over, and right after it",
    "hour": "one hour after the roll-out",
    "day": "24 hours after the roll-out",
}
EXIT_CODES = """\
exit codes:
  0  everything is ticked
  1  something is not as it has to be: stop, or go back
  2  nothing is wrong, and something was not answered
  64 the command line or watch.toml cannot be used
"""
Ask = Callable[[str], str]


class Item(NamedTuple):
    """One line: measured by these rules, or asked where there is none.

    ``webhook``: a bot that polls has no need of it.
    """

    phases: Sequence[str]
    text: str
    rules: Sequence[str] = ()
    hint: str = ""
    webhook: bool = False


_ALWAYS = tuple(PHASES)
_AFTER = ("during", "hour", "day")

ITEMS: Sequence[Item] = (
    Item(_ALWAYS, "every service answers at /health", ["offline"]),
    Item(_ALWAYS, "every service says at /ready that it can do its work", ["not_ready"]),
    Item(_ALWAYS, "a real question gets the right answer, in time", ["mute", "slow"]),
    Item(_ALWAYS, "the machine has memory left", ["memory", "memory_critical", "memory_pressure"]),
    Item(_ALWAYS, "each service keeps within its memory", ["service_memory"]),
    Item(_ALWAYS, "all services together keep within 900 MB", ["fleet_memory"]),
    Item(_ALWAYS, "the disk has room", ["disk"]),
    Item(_ALWAYS, "Telegram has the right webhook, or none", ["webhook_gone"]),
    Item(_ALWAYS, "Telegram delivers without errors", ["webhook_errors"]),
    Item(_ALWAYS, "no updates wait at Telegram", ["pending"]),
    Item(_ALWAYS, "the exchanges can be reached", ["venue"]),
    Item(
        ("before", "day"),
        "the certificate is valid for two weeks at least",
        ["certificate"],
        webhook=True,
    ),
    Item(_AFTER, "nothing was killed for want of memory", ["out_of_memory"]),
    Item(_AFTER, "nothing has restarted by itself", ["restarted"]),
    Item(("hour", "day"), "at most ten errors in the logs within an hour", ["errors"]),
    Item(("hour", "day"), "the processors are not busy", ["cpu"]),
    Item(("day",), "a signal was judged within 24 hours", ["no_signal"]),
    Item(
        ("before",),
        "the images are those that the gate judged",
        hint="botproof verify verdict.intoto.json --key signing-key.pem.pub --images …",
    ),
    Item(
        ("before",),
        "what runs now is what is committed",
        hint="botproof drift --env-file deploy/.env.prod --compose deploy/compose.yaml …",
    ),
    Item(("before",), "the way back was tried with these images", hint="docs/rollout.md"),
    Item(("before",), "somebody who can log in to the machine is there for the next hour"),
    Item(("before",), "no event that moves the markets is due within the hour"),
    Item(("before",), "the users of the bot know when it happens"),
    Item(
        ("during",),
        "in your own chat /price btc shows L/S, activity and both blocks",
        hint="send it to the bot, and compare with golden/",
    ),
    Item(("during",), "the same in a group, and by a button of an older message"),
    Item(("hour", "day"), "no user has told of missing or wrong answers"),
    Item(
        ("hour",),
        "the longest gap that a user saw is known and was at most two seconds",
        hint="the ledger of the roll-out (docs/rollout.md)",
    ),
    Item(("day",), "today's backup is there, and came from this version", hint="docs/aws.md"),
    Item(("day",), "memory is where it was after an hour, and has not climbed since"),
)


def items(phase: str, settings: Settings) -> list[Item]:
    """Return the lines of a phase that this fleet has."""
    webhook = settings.telegram is None or bool(settings.telegram.webhook)
    return [item for item in ITEMS if phase in item.phases and (webhook or not item.webhook)]


class Ticked(NamedTuple):
    """What became of an item: `well` None where nobody knows."""

    item: Item
    well: bool | None
    why: str = ""


def tick(
    item: Item, settings: Settings, samples: Sequence[Sample], grown: dict[tuple[str, str], float]
) -> Ticked:
    """Measure one item; `grown` has what counters grew by, by rule and subject."""
    bad: list[str] = []
    seen: list[str] = []
    for rule in settings.rules:
        if rule.name not in item.rules:
            continue
        for subject, value, note in _values(rule, samples, grown):
            line = f"{subject}: {amount(rule, value)}" + (f" ({note})" if note else "")
            (bad if rule.holds(value) else seen).append(line)
    if bad:
        return Ticked(item, False, "; ".join(bad))
    return Ticked(item, True if seen else None, "; ".join(dict.fromkeys(seen)))


def _values(
    rule: Rule, samples: Sequence[Sample], grown: dict[tuple[str, str], float]
) -> list[tuple[str, float, str]]:
    if rule.kind == "increase":
        return [(who, value, "") for (name, who), value in grown.items() if name == rule.name]
    return [(s.subject, s.value, s.note) for s in samples if s.figure == rule.figure]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `botproof checklist`."""
    lines = "; ".join(f"{name}: {text}" for name, text in PHASES.items())
    parser.add_argument("phase", choices=tuple(PHASES), help=lines)
    config_arguments(parser)
    parser.add_argument(
        "--no-questions",
        action="store_true",
        help="ask nobody: list what is left to a person (so it is without a terminal)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Print the list of a phase, ticked. Raises UsageError for settings that cannot be used."""
    names = dict(os.environ)
    for path in arguments.env_file:
        names |= read_env_file(path)
    settings = read(arguments.config, names)
    keeper = Keeper(settings.state)
    judge = Judge(settings.rules)
    judge.restore(keeper.document["judge"])
    now = time.time()
    print("looking …", file=sys.stderr)  # what hangs takes its time
    samples = Look(settings, keeper.document["memory"]).once(now)
    ask = None if arguments.no_questions or not sys.stdin.isatty() else input
    print(f"{PHASES[arguments.phase]}:")
    found = []
    try:
        for item in items(arguments.phase, settings):
            ticked = tick(item, settings, samples, judge.grown(now))
            if ticked.well is None and ask is not None:
                ticked = _asked(item, ask)
            print(line(ticked))
            found.append(ticked)
    except KeyboardInterrupt:
        print("\nended by Ctrl-C; what is not listed was not looked at")
        return 130
    return _ended(found, judge.firing())


def _asked(item: Item, ask: Ask) -> Ticked:
    hint = f" ({item.hint})" if item.hint else ""
    try:
        answer = ask(f"     {item.text}?{hint} [y/n/Enter: not known] ").strip().lower()
    except EOFError:
        answer = ""
    return Ticked(item, {"y": True, "n": False}.get(answer[:1]), "as a person said")


def line(ticked: Ticked) -> str:
    """Return one line for a person."""
    sign = {True: "[x]", False: "[!]", None: "[ ]"}[ticked.well]
    why = ticked.why if ticked.well is not None else ticked.item.hint or "a person has to look"
    if ticked.well is None and ticked.item.rules:
        why = "not measured: watch.toml does not name it, or the watch has not run yet"
    return f"{sign} {ticked.item.text}" + (f" — {why}" if why else "")


def _ended(found: Sequence[Ticked], firing: Sequence[tuple[str, str]]) -> int:
    for rule, subject in firing:
        print(f"[!] alert goes on: {rule} of {subject} — docs/runbook.md#{rule.replace('_', '-')}")
    wrong = sum(ticked.well is False for ticked in found) + len(firing)
    open_ = sum(ticked.well is None for ticked in found)
    well = sum(ticked.well is True for ticked in found)
    print(f"{well} ticked, {wrong} wrong, {open_} not answered")
    return 1 if wrong else 2 if open_ else 0
