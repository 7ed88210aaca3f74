"""Whose fault it is that a process of the target did not start, or ended."""

from __future__ import annotations

import re
from pathlib import Path

import psutil

from botproof.history import BotApiCall, History
from botproof.targets.cgroup import CgroupError, Fence
from botproof.targets.failures import Failure
from botproof.targets.launch import BrokenHarnessError, RunError, TargetError
from botproof.targets.process import ManagedProcess, tail
from botproof.targets.reserved import port_has_owner

_VMSTAT = Path("/proc/vmstat")
_ADDRESS_IN_USE = re.compile(
    r"address (is )?already in use|EADDRINUSE|only one usage of each", re.IGNORECASE
)
_STARVED_SHARE = 0.5
_LARGE_SHARE = 0.5
_UNAUTHORIZED = 401


async def blame_for_start(
    process: ManagedProcess,
    error: TargetError,
    *,
    port: str | None,
    withheld_s: float,
    again: bool,
) -> RunError:
    """Return the error of a process that did not become ready, with the kind that fits. Ends it.

    `again`: it is the second try. A port that was in use at the first and has no owner now may have
    been a passer-by's; at the second try it is the target that takes it from itself.
    """
    if error.kind is Failure.NOT_READY:
        if withheld_s < _STARVED_SHARE * process.launch.ready_timeout_s:
            return error
        text = f"{error}; the machine kept it from running for {withheld_s:.1f} s of that"
        return BrokenHarnessError(text, Failure.STARVED_START)
    await process.stop()  # what is left of it must not count as the port's other owner
    if port is not None and port_has_owner(int(port)):
        text = f"{error}; something else on this machine has its port {port}"
        return BrokenHarnessError(text, Failure.PORT_TAKEN)
    if not again and any(map(_ADDRESS_IN_USE.search, tail(process.launch.log))):
        text = f"{error}; a port was in use"
        return BrokenHarnessError(text, Failure.PORT_TAKEN)
    return error


def blame_for_end(
    text: str, code: int, process: ManagedProcess, oom_kills_before: int, fence: Fence | None
) -> RunError:
    """Return the error of a process that ended unasked while the stack ran."""
    killed = code == -9 and oom_kills() > oom_kills_before and not _full(fence)
    if killed and not process.was_out_of_memory and not _large(process):
        text += ": the kernel ended it because this machine's memory was full"
        return BrokenHarnessError(text, Failure.OUT_OF_MEMORY)
    return TargetError(text, Failure.ENDED)


def oom_kills(file: Path = _VMSTAT) -> int:
    """Return how many processes the kernel has ended for want of memory since the
    machine's start."""
    try:
        lines = file.read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), 0)


def _full(fence: Fence | None) -> bool:
    """Tell whether it was the stack's own limit that was reached: that is the target's doing."""
    if fence is None:
        return False
    try:
        return fence.group.read().oom_kills > 0
    except CgroupError:
        return False


def _large(process: ManagedProcess) -> bool:
    """Tell whether it was this process itself that filled the machine."""
    return process.largest > _LARGE_SHARE * psutil.virtual_memory().total


def refused_by_telegram(record: History, stack: str) -> str:
    """Return what Telegram refused a bot that never asked for updates; "" where it
    refused nothing."""
    refused = [call for call in record.of(BotApiCall, stack=stack) if call.error_code is not None]
    if not refused:
        return ""
    last = refused[-1]
    said = f"its {last.method} was refused: {last.error_code} {last.description or ''}".rstrip()
    if last.error_code != _UNAUTHORIZED:
        return said
    return (
        f'{said}. It uses another token than the run: give it "{{token}}" by the variable that it '
        "reads, or name the one in its source as doubles.telegram.token"
    )
