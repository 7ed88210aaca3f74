"""The events of processes: their start and end, what they logged, and their memory."""

from __future__ import annotations

from botproof.history.run import Event

TARGETS = ("bot", "service")
"""The roles of what is under test; a reset and the doubles have other ones."""


class ProcessStarted(Event, frozen=True, kw_only=True):
    """A process was started. `role` is "bot", "service", "double" or "load".

    `image` is that of its container, "" for a process of this machine; without a command that
    container runs what its image says. `image_id` is which one bore that name then: a tag moves.
    """

    process: str
    role: str
    pid: int
    command: tuple[str, ...]
    image: str = ""
    image_id: str = ""


class ProcessReady(Event, frozen=True, kw_only=True):
    """A process became ready `after_s` seconds after its start."""

    process: str
    role: str
    after_s: float


class ProcessNotReady(Event, frozen=True, kw_only=True):
    """A process did not become ready; `reason` says what was tried and what came back."""

    process: str
    role: str
    after_s: float
    reason: str


class StopRequested(Event, frozen=True, kw_only=True):
    """The harness sent `signal` ("SIGTERM", "SIGKILL") to a process."""

    process: str
    role: str
    signal: str


class ProcessExited(Event, frozen=True, kw_only=True):
    """A process ended. `code` is the exit code, or minus the signal that ended it.

    `expected` is true when the harness had asked for it; `after_s` counts from that request.
    `killed` says that SIGTERM was not obeyed in time and SIGKILL had to follow, `out_of_memory`
    that a container was ended by the kernel because its memory cgroup was full; `restarts` is how
    often a container's own restart policy had started it again.
    """

    process: str
    role: str
    code: int
    expected: bool
    after_s: float = 0.0
    killed: bool = False
    out_of_memory: bool = False
    restarts: int = 0


class Vanished(Event, frozen=True, kw_only=True):
    """A process that the target had started ended while the target went on, unasked.

    `process` is the one of botproof.toml below which it was, `pid` and `command` its own. `code` is
    its exit code or minus a signal, None where the kernel does not tell. `established`: it was
    there when the target became ready. `came_back`: another with the same command took its place.
    `replaced`: it did not end, but put a program in its own place (execve).
    """

    process: str
    role: str
    pid: int
    command: str
    lived_s: float
    code: int | None = None
    established: bool = False
    came_back: bool = False
    replaced: bool = False


class LogTail(Event, frozen=True, kw_only=True):
    """The last lines that a process wrote, kept when something went wrong with it."""

    process: str
    lines: tuple[str, ...]


class LogTrouble(Event, frozen=True, kw_only=True):
    """A process complained in its log: an exception with its traceback, an error, a warning of its
    event loop. `t` is when the harness read it, a fraction of a second later."""

    process: str
    role: str
    lines: tuple[str, ...]


class LogRead(Event, frozen=True, kw_only=True):
    """The log of a process had grown to `size` bytes when the harness read it at `t`. What lies
    between two of these was written in between: so a line has a time, whatever it says itself."""

    process: str
    role: str
    size: int


class HealthAnswered(Event, frozen=True, kw_only=True):
    """What a process answered at its `ready` URL: `status` and the begin of the `body`, or the
    `error` by which no answer came."""

    process: str
    role: str
    url: str
    status: int | None = None
    body: str = ""
    error: str = ""


class MemorySample(Event, frozen=True, kw_only=True):
    """Memory of a process and its children, in bytes; `peak` is the kernel's high-water mark.

    Of a container, `working_set` (usage less inactive file pages), `anonymous` and `peak` (with
    caches) are its cgroup's; `pss` and `rss` are 0 where the harness may not read its processes.
    `working_set` is None for a process of this machine.

    `requests` is how many identical requests it had served, in a sample between two rounds of a
    leak run; None for samples taken at a time.
    """

    process: str
    role: str
    pss: int
    anonymous: int
    rss: int
    peak: int
    processes: int = 1
    working_set: int | None = None
    requests: int | None = None

    @property
    def judged(self) -> int:
        """What budgets are about: a container's working set, the PSS of any other process."""
        return self.pss if self.working_set is None else self.working_set


class MemoryFence(Event, frozen=True, kw_only=True):
    """The bot and the services of a stack run in a memory cgroup of `limit` bytes.

    `problem` says why none could be made, empty when one was.
    """

    limit: int
    cpus: float
    problem: str = ""


class GroupSample(Event, frozen=True, kw_only=True):
    """The ledger of a stack's memory cgroup, in bytes; the working set is usage − inactive file.

    `oom_kills` counts its processes that the kernel killed because the group was full.
    """

    usage: int
    working_set: int
    peak: int | None = None
    limit: int | None = None
    oom_kills: int
