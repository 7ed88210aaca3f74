"""The events of the run itself: its begin, its parts, what the harness did to it, how it fared."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

FORMAT = 2
WITHOUT_END = 1
"""The format of records that have no `RunEnded`: whether one is whole cannot be told."""


def _tag(name: str) -> str:
    return "".join("_" + c.lower() if c.isupper() else c for c in name).lstrip("_")


class Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag=_tag):
    """What every event carries: when, and in which stack and mode ("" for the whole run)."""

    t: float
    stack: str = ""
    mode: str = ""


class Run(Event, frozen=True, kw_only=True):
    """First line: what was run, where and with which settings."""

    format: int = FORMAT
    botproof: str = ""
    command: str = ""
    started_at: str = ""
    config: str = ""
    modes: tuple[str, ...] = ()
    chosen_modes: tuple[str, ...] = ()
    """What the command line chose of the modes; empty when it left them to `config`."""
    seed: int = 0
    machine: Mapping[str, Any] = {}
    images: Mapping[str, str] = {}
    """Images by process that the command line put in the place of what `config` says."""
    fleet: Mapping[str, str] = {}
    """Where the target was taken from a fleet: `files` or `host`, and their `digest`."""
    judging: Mapping[str, Any] = {}
    """Budgets, normalisers and checks of this run (`JudgingSettings`), to judge it again later."""


class RunEnded(Event, frozen=True, kw_only=True):
    """Last line: nothing comes after it, and `events` lines stand before it. A record without it
    was cut off: the harness was killed, or the disk was full."""

    events: int


class Phase(Event, frozen=True, kw_only=True):
    """A part of a run begins or ends; `edge` is "begin" or "end"."""

    name: str
    edge: str


class HarnessError(Event, frozen=True, kw_only=True):
    """The harness, or a double of it, failed: no verdict about the target can be trusted."""

    where: str
    message: str


class Trial(Event, frozen=True, kw_only=True):
    """This stack is a trial: it is there for one check, and no other check is to look at it."""

    check: str


class Withheld(Event, frozen=True, kw_only=True):
    """How much the machine withheld from what was played for one check in stacks whose own record
    is kept elsewhere or not at all: `withheld_s` of `over_s` seconds."""

    check: str
    over_s: float
    withheld_s: float


class PlayedOver(Event, frozen=True, kw_only=True):
    """All trials of a check are played once more from here on, with nothing of the gate beside
    them: the machine had kept them from showing anything sure, and nothing had failed.

    What the record holds of them before `t` is not judged.
    """

    check: str


class FreshStart(Event, frozen=True, kw_only=True):
    """The harness's own failure ended this stack, and it was started once more, all of it.

    What the record holds of the stack before `t` is not judged. `failure` is the name in
    `botproof/targets/failures.py`.
    """

    failure: str
    reason: str


class PlayedAgain(Event, frozen=True, kw_only=True):
    """A stack of its own was started to play cases of the stack `of` again, one at a time.

    Their replies differed and the machine had kept the run from going on. `stretch` is what every
    `{seconds:…}` of botproof.toml is multiplied by there: the target's own deadlines. `timed`: they
    were late for no fault of the target, and only how fast they are answered is asked.
    """

    of: str
    cases: tuple[str, ...]
    stretch: float = 1.0
    timed: bool = False


class Fault(Event, frozen=True, kw_only=True):
    """The harness made something go wrong on purpose."""

    target: str
    kind: str
    detail: Mapping[str, Any] = {}


class Holdings(Event, frozen=True, kw_only=True, tag="held"):
    """What a process and its children hold besides memory: open `files`, `sockets`, `threads`,
    `zombies` (children that nobody waits for), and how many bytes it has `logged` so far. `left`
    are the files in the directory that it was started in and in its temporary one, `kept` their
    bytes."""

    process: str
    role: str
    files: int
    sockets: int
    threads: int
    zombies: int
    logged: int
    left: int = 0
    kept: int = 0


class Starved(Event, frozen=True, kw_only=True):
    """How the machine kept a stack from running, in the `over_s` seconds before `t`.

    All are seconds of that time. `late_s`: how late the harness's own timer fired. `waited_s`, by
    process (its descendants included): the longest that one of its threads could have run and had
    no processor (`/proc/PID/schedstat`), or waited for a disk: `blocked` names those that did the
    latter. `ran_s`: processor time of each.
    `busy_s` and `stolen_s`: of all processors, and what a hypervisor kept (`/proc/stat`).
    `stalled_s`: pressure stall information, where the kernel has it, by resource: how long some
    process of the machine waited. `clock_s`: by how much the time of day was moved.
    """

    over_s: float
    late_s: float = 0.0
    waited_s: Mapping[str, float] = {}
    blocked: tuple[str, ...] = ()
    ran_s: Mapping[str, float] = {}
    busy_s: float = 0.0
    stolen_s: float = 0.0
    stalled_s: Mapping[str, float] = {}
    clock_s: float = 0.0
    cpus: int = 1
