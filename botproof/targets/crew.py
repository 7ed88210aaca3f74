"""Notices when a process below the target ends and comes back, which its supervisor would hide.

The harness starts a supervisor (a shell loop, gunicorn, tini, a container's init); what crashes is
below it, and the kernel tells a process's end to its parent alone. So the family is looked at ten
times a second, and each member is held by a pidfd, from which newer kernels (6.15) tell the exit
code even when somebody else has waited for it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from botproof import history
from botproof.targets.family import PROC, Member, family, lives, member

_PIDFD_INFO_EXIT = 1 << 3
_PIDFD_INFO_SIZE = 64
_PIDFD_GET_INFO = (3 << 30) | (_PIDFD_INFO_SIZE << 16) | (0xFF << 8) | 11  # linux/pidfd.h
_EXIT_CODE_AT = 60
_MOST_RECORDED = 200
_STEADY_S = 0.1


@dataclass(slots=True)
class _Watched:
    """A member as it was first seen, and whether it does the target's lasting work."""

    who: Member
    since: float
    steady_since: float
    handle: int | None
    established: bool = False


@dataclass(slots=True)
class Crew:
    """The family below one process of the target. `about` are the labels of its events."""

    process: str
    role: str
    pid: int
    record: Callable[[history.Event], None]
    about: Mapping[str, str]
    proc: Path = PROC
    clock: Callable[[], float] = history.now
    _seen: dict[int, _Watched] = field(default_factory=dict)
    _ended: list[history.Vanished] = field(default_factory=list)
    _recorded: int = 0

    def ready(self) -> None:
        """Note that the target is ready: who is there now is established.

        Not who has just come: a fork puts its program in place a moment later.
        """
        self.look()
        steady = self.clock() - _STEADY_S
        for each in self._seen.values():
            each.established = each.steady_since <= steady

    def look(self) -> None:
        """Look who is there, who has gone, and who has come in the place of one that had gone."""
        now = self.clock()
        there = {pid: who for pid in family(self.pid, self.proc) if (who := member(pid, self.proc))}
        if self.pid not in there:
            return  # the whole target has ended: that is told by itself
        for pid, watched in list(self._seen.items()):
            found = there.get(pid)
            if found is None and lives(watched.who, self.proc):
                continue
            if found is None or found.started != watched.who.started:
                del self._seen[pid]
                self._gone(watched, now)
            elif _is_another(watched, found, now):
                watched.who = found
                self._note(self._event(watched, now, replaced=True))
            elif found != watched.who:
                watched.who, watched.steady_since = found, now  # a fork has put its program there
        for pid, who in there.items():
            if pid not in self._seen:
                self._seen[pid] = _Watched(who, now, now, _hold(pid))
        self._match()

    def close(self) -> None:
        """Before the target is asked to end: what ends from now on was asked to."""
        if self._seen:
            self.look()
        for each in self._ended:
            self._note(each)
        self._ended.clear()
        for watched in self._seen.values():
            _let_go(watched.handle)
        self._seen.clear()

    def _gone(self, watched: _Watched, now: float) -> None:
        code = _exit_code(watched.handle)
        _let_go(watched.handle)
        event = self._event(watched, now, code=code)
        if watched.established:
            self._ended.append(event)  # until it is known whether it comes back
        else:
            self._note(event)

    def _match(self) -> None:
        """Give the place of an established member that has gone to one with the same command."""
        for event in list(self._ended):
            for watched in self._seen.values():
                new = not watched.established and watched.since > event.t - event.lived_s
                if new and watched.who.command == event.command and watched.who.pid != self.pid:
                    watched.established = True
                    self._ended.remove(event)
                    self._note(msgspec.structs.replace(event, came_back=True))
                    break

    def _event(
        self, watched: _Watched, now: float, *, code: int | None = None, replaced: bool = False
    ) -> history.Vanished:
        return history.Vanished(
            t=now,
            process=self.process,
            role=self.role,
            pid=watched.who.pid,
            command=watched.who.command[:300],
            lived_s=round(now - watched.since, 2),
            code=code,
            established=watched.established,
            replaced=replaced,
            **dict(self.about),  # type: ignore[arg-type]  # stack and mode, which are text
        )

    def _note(self, event: history.Vanished) -> None:
        """Record it; of a target that starts a helper for each request only the first ones."""
        if event.established or self._recorded < _MOST_RECORDED:
            self._recorded += 1
            self.record(event)


def _is_another(watched: _Watched, found: Member, now: float) -> bool:
    """Tell whether an established member has another program, and not only the first one that it
    was started with: it is seen as soon as it is forked."""
    steady = watched.steady_since <= now - _STEADY_S
    return watched.established and steady and found.image != watched.who.image


def _hold(pid: int) -> int | None:
    with contextlib.suppress(OSError):  # it has just ended, or there is no handle left to give
        return os.pidfd_open(pid)
    return None


def _let_go(handle: int | None) -> None:
    if handle is not None:
        os.close(handle)


def _exit_code(handle: int | None) -> int | None:
    """Return the exit code, or minus the signal; None where the kernel does not tell it."""
    if handle is None:
        return None
    info = bytearray(_PIDFD_INFO_SIZE)
    struct.pack_into("Q", info, 0, _PIDFD_INFO_EXIT)
    try:
        fcntl.ioctl(handle, _PIDFD_GET_INFO, info)
    except OSError:  # an older kernel
        return None
    if not struct.unpack_from("Q", info)[0] & _PIDFD_INFO_EXIT:
        return None
    return os.waitstatus_to_exitcode(struct.unpack_from("i", info, _EXIT_CODE_AT)[0])
