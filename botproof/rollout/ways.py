"""The ways in which a new version can fail, each brought about in a twin for real."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import psutil

from botproof.problems import UsageError
from botproof.rollout.ledger import working_set_mb
from botproof.rollout.store import Store
from botproof.rollout.twin import Twin

Images = Mapping[str, str]
Undo = Callable[[], object]
_ROOM_MB, _SWOLLEN_MB = 100, 180
"""What a twin's fleet may grow by, and what its new bot is made to take beside."""


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one way of failing. `as_wanted` empty: it did what it has to do."""

    name: str
    as_wanted: str
    seconds: float
    said: str


@dataclass(frozen=True, slots=True)
class Way:
    """A way of failing: its name, and what brings it about and judges it."""

    name: str
    play: Callable[[Twin, Images], Found]


def _changed(name: str, expected: str, **bot: object) -> Way:
    """Start the new bot with other settings: a fault that only a start shows."""

    def play(twin: Twin, new: Images) -> Found:
        overlay = twin.directory / f"{name.replace(' ', '-')}.yaml"
        overlay.write_text(json.dumps({"services": {"bot": bot}}), encoding="utf-8")
        # The files of this call alone have the fault: what is undone is compared with those before.
        more = ("--watch", "0", "--canary", twin.canary())
        command = twin.command("deploy", *twin.deploy(new, *more), files=[overlay])
        return _undone(name, twin, command, expected)

    return Way(name, play)


def _running(twin: Twin) -> set[str]:
    return {c.id for s in ("bot", "market-data") for c in twin.host.seen(s) if c.running}


def _undone(name: str, twin: Twin, command: list[str], expected: str) -> Found:
    old = _running(twin)
    code, said, seconds = twin.run(command)
    wrong = ""
    if code != 1:
        wrong = f"exit code {code}, wanted 1"
    elif expected not in said:
        wrong = f"said nothing of {expected!r}"
    elif _running(twin) != old:
        wrong = "other containers run than before"
    return Found(name=name, as_wanted=wrong, seconds=seconds, said=_reason(said))


def _reason(said: str) -> str:
    lines = [line for line in said.splitlines() if ": " in line and not line.startswith("undo")]
    return (lines or ["nothing"])[0][:160]


def _power_cut(twin: Twin, new: Images) -> Found:
    """Everything is killed in mid-switch; the next call has to finish it."""
    command = twin.command("deploy", *twin.deploy(new, "--watch", "0"))
    if not twin.kill_at(command, "begun", "hand over bot"):
        return Found(name="power cut", as_wanted="never came to the switch", seconds=0, said="")
    twin.power_cut()
    code, said, seconds = twin.run(command)
    wrong = "" if code == 0 and "going on with" in said else f"exit code {code}, wanted 0"
    return Found(
        name="power cut", as_wanted=wrong, seconds=seconds, said="finished by the next call"
    )


def _pruned(twin: Twin, _: Images) -> Found:
    """Remove a copy of the data: the way back is refused before anything is touched."""
    newest = Store(twin.state).all()[-1]
    copies = sorted((newest / "data").glob("*"))
    if not copies:
        said = "not played: this fleet's bot keeps no database of its own"
        return Found(name="backup pruned", as_wanted="", seconds=0, said=said)
    before = {c.id for s in ("bot", "market-data") for c in twin.host.seen(s)}
    aside = [(copy, copy.with_name(copy.name + ".away")) for copy in copies]
    for copy, away in aside:
        copy.rename(away)
    code, said, seconds = twin.run(twin.command("rollback", "--level", "3"))
    for copy, away in aside:
        away.rename(copy)
    wrong = ""
    if code != 1 or "nothing was changed" not in said:
        wrong = f"exit code {code}, wanted a refusal"
    elif {c.id for s in ("bot", "market-data") for c in twin.host.seen(s)} != before:
        wrong = "containers were touched"
    return Found(name="backup pruned", as_wanted=wrong, seconds=seconds, said=_reason(said))


def _full_disk(twin: Twin, new: Images) -> Found:
    """Return what the backup would go to is a disk of 64 MB: refused before anything is touched."""
    disk = twin.directory / "small-disk"
    disk.mkdir(exist_ok=True)
    command = twin.command("deploy", *twin.deploy(new, "--watch", "0"))
    command[command.index("--state") + 1] = str(disk)
    mount = ("mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(disk))
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        raise UsageError("a small disk cannot be mounted here; run as root")
    try:
        Path(disk, "filler").write_bytes(b"x" * 61_000_000)
        return _undone("disk at 95 %", twin, command, "disk: ")
    finally:
        with contextlib.suppress(OSError):
            subprocess.run(("umount", str(disk)), check=False)  # noqa: S607 - as `docker` is


def _watched(
    name: str,
    expected: str,
    fault: Callable[[Twin, Images], Undo],
    *,
    loses: bool = False,
    options: Callable[[Twin], Sequence[str]] = lambda _: (),
) -> Way:
    """Have the new version fail while it is watched: it is taken back by itself.

    ``expected`` is a pattern of its reason. Nothing is lost, unless the fault itself loses answers.
    ``options`` are those of `botproof deploy`, made while the old version works.
    """

    def play(twin: Twin, new: Images) -> Found:
        old = _running(twin)
        command = twin.command("deploy", *twin.deploy(new, "--watch", "240", *options(twin)))
        with twin.users() as seen, twin.started(command) as process:
            if not twin.comes_to(process, "begun", "watch"):
                return Found(name=name, as_wanted="was never watched", seconds=0, said="")
            began, mend = time.monotonic(), fault(twin, new)
            try:
                said = process.communicate(timeout=600)[0]
            finally:
                mend()
            seconds = time.monotonic() - began
        wrong = ""
        if process.returncode != 1:
            wrong = f"exit code {process.returncode}, wanted 1"
        elif not re.search(expected, said):
            wrong = f"said nothing of {expected!r}"
        elif _running(twin) != old:
            wrong = "other containers run than before"
        elif seen[0].lost and not loses:
            wrong = f"{seen[0].lost} of {seen[0].asked} messages lost"
        return Found(name=name, as_wanted=wrong, seconds=seconds, said=_reason(said))

    return Way(name, play)


def _frozen(twin: Twin, new: Images) -> Undo:
    """Stop the new bot's process: what hangs does not say so."""
    pids = [c["State"]["Pid"] for c in twin.host.containers("bot") if c["Image"] == new["bot"]]
    for pid in pids:
        psutil.Process(pid).suspend()
    return lambda: None


def _less_memory(twin: Twin) -> Sequence[str]:
    """Limits that a twin passes within a minute: a fleet like this one fits below them."""
    pids = [c["State"]["Pid"] for c in twin.host.containers() if c["State"]["Pid"]]
    limit = (working_set_mb(pids) or 0.0) + _ROOM_MB
    return ("--memory-limit", f"{limit:.0f}", "--memory-for", "20")


def _swollen(twin: Twin, new: Images) -> Undo:
    """Return a program in the new bot's container keeps what it reads: `tail` waits for
    a line's end."""
    for container in twin.host.containers("bot"):
        if container["Image"] == new["bot"]:
            keeps = f"(head -c {_SWOLLEN_MB}000000 /dev/zero; sleep 600) | tail"
            twin.host.docker("exec", "--detach", container["Id"], "sh", "-c", keeps)
    return lambda: None


def _slow(twin: Twin, _: Images) -> Undo:
    """Have each message take Telegram 2.5 seconds, so that with five questions a second
    all wait."""
    twin.double.fault("delay", "sendMessage", seconds=2.5)
    return twin.double.clear_faults


def _failing(twin: Twin, _: Images) -> Undo:
    """Telegram refuses every second answer, as it does an answer that is built wrongly."""
    twin.double.fault(
        "error",
        "sendMessage",
        error_code=400,
        description="Bad Request: can't parse entities",
        probability=0.5,
    )
    return twin.double.clear_faults


WAYS: tuple[Way, ...] = (
    _changed("crash at boot", "ended with code", command=["python", "-c", "raise SystemExit(7)"]),
    _changed("never ready", "is not ready after", command=["sleep", "600"]),
    _changed(
        "ready but mute",
        "the canary chat's answer lacks",
        environment={"TELEGRAM_ALLOWED_USERS": ""},
    ),
    _changed("out of memory", "ended with code", mem_limit="24m", memswap_limit="24m"),
    _changed(
        "wrong answers",
        "the canary chat's answer lacks",
        environment={"MARKET_DATA_URL": "http://nowhere:8001"},
    ),
    _watched("hangs while it is watched", "not ready for", _frozen),
    _watched(
        "takes too much memory while it is watched",
        r"memory is \d+ MB, over",
        _swollen,
        options=_less_memory,
    ),
    # Who waits too long for an answer's turn counts as a failure, and may come first.
    _watched("slow while it is watched", "answers in a row took over|updates failed", _slow),
    _watched("fails while it is watched", "updates failed, over", _failing, loses=True),
    Way("disk at 95 %", _full_disk),
    Way("power cut", _power_cut),
    Way("backup pruned", _pruned),
)
"""In this order: only the power cut changes what runs. An engine that is restarted in mid-switch
is not among them, because others may run on the one that is here; a test plays it on its own."""
