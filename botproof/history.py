"""The ordered record of a run: typed events, one JSON object a line.

A history is all that a check sees, so everything that a verdict needs is in it. Its first line is
the `Run` event; after that, events lie in the order in which the harness learnt of them, and are
sorted by their own time when read. Times (`t`, `intended`) are seconds of the machine's monotonic
clock, comparable between all processes of one run; durations end in `_s` and are seconds.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar, Union, get_args

import msgspec

from botproof.problems import UsageError

FORMAT = 1
NOT_RECORDED = "not_recorded"
"""The kind of `DoubleEvent` that tells of a request (`detail["what"]`) that no recording has."""
DISTRUSTED = "distrusted"
"""The kind of `DoubleEvent` that tells of a client that refused the certificate of a host
(`detail["host"]`), and with which alert of TLS (`detail["why"]`)."""
NOT_OFFLINE = "not_offline"
"""The kind of `DoubleEvent` that tells why (`detail["reason"]`) hosts are looked up for real."""
NOT_HELD_BACK = "not_held_back"
"""The kind of `DoubleEvent` that tells why (`detail["reason"]`) a process (`detail["process"]`) can
reach addresses beyond its machine."""
REFUSED_ADDRESS = "refused_address"
"""The kind of `DoubleEvent` that tells of an address with its port (`detail["address"]`), beyond
the machine, that a process (`detail["process"]`) was refused."""
UNKNOWN_HOST = "unknown_host"
"""The kind of `DoubleEvent` that tells of a host (`detail["host"]`) that no double stands for."""


class HistoryError(UsageError):
    """A history file cannot be read. Names the file, the line and what is wrong with it."""


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


class Phase(Event, frozen=True, kw_only=True):
    """A part of a run begins or ends; `edge` is "begin" or "end"."""

    name: str
    edge: str


class HarnessError(Event, frozen=True, kw_only=True):
    """The harness, or a double of it, failed: no verdict about the target can be trusted."""

    where: str
    message: str


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


class CasePlayed(Event, frozen=True, kw_only=True):
    """The harness sent one case of the workload. `t` is when the user pressed "send".

    `update_id` is 0 when the bot does not take updates of this kind, so that it never gets it.
    `expect` is "reply" or "silence"; `replies` how many messages the answer consists of;
    `sent` what was sent, in the double's injection format.
    """

    case: str
    update_id: int
    chat_id: int
    expect: str
    replies: int = 1
    title: str = ""
    command: str = ""
    golden: bool = True
    sent: Mapping[str, Any] = {}

    @property
    def pinned(self) -> bool:
        """Whether an approved file says what the reply is."""
        return self.expect == "reply" and self.golden


class UpdateInjected(Event, frozen=True, kw_only=True):
    """The Telegram double queued an update for the bot."""

    update_id: int
    update: Mapping[str, Any] = {}


class UpdateDelivered(Event, frozen=True, kw_only=True):
    """The double handed an update to the bot. `door` is "webhook" or "polling".

    `status` is the bot's HTTP status at its webhook, None when none came.
    """

    update_id: int
    door: str
    attempt: int = 1
    status: int | None = None
    error: str | None = None
    duration_s: float = 0.0


class UpdateConfirmed(Event, frozen=True, kw_only=True):
    """The bot told Telegram that it has these updates; they will not come again."""

    update_ids: tuple[int, ...]
    door: str


class BotApiCall(Event, frozen=True, kw_only=True):
    """One call of the Bot API by the bot, with what the double answered."""

    method: str
    params: Mapping[str, Any] = {}
    status: int | None = None
    result: Any = None
    error_code: int | None = None
    description: str | None = None
    duration_s: float = 0.0


class VenueCall(Event, frozen=True, kw_only=True):
    """One call of an exchange by the target, with the HTTP status of the double.

    `t` is its end. `own_s` is the part of `duration_s` that the double took for itself: no fault
    that was asked for. `unserved` names what the double does not know, so that its refusal says
    nothing about the real venue.
    """

    venue: str
    path: str
    query: Any = None
    status: int | None = None
    duration_s: float = 0.0
    own_s: float = 0.0
    unserved: str = ""


class DoubleEvent(Event, frozen=True, kw_only=True):
    """Anything else that a double reports: webhook set or deleted, fault, clock moved."""

    double: str
    kind: str
    detail: Mapping[str, Any] = {}


def within_reach(event: DoubleEvent) -> str:
    """Return what of the real world an event says to be within the target's reach; ""
    for any other."""
    reason = event.detail.get("reason", "?")
    if event.kind == NOT_OFFLINE:
        return f"hosts are looked up for real, not by a resolver of this run: {reason}"
    if event.kind == NOT_HELD_BACK:
        process = event.detail.get("process", "?")
        return f"addresses beyond this machine are within reach of {process}: {reason}"
    return ""


HALF_AN_ANSWER = "half an answer: "
"""How the error of a request begins whose answer lacks what a good one has."""


class Request(Event, frozen=True, kw_only=True):
    """One request of the load. `latency_s` counts from `intended`, the scheduled send time."""

    intended: float
    latency_s: float
    ok: bool
    status: int | None = None
    error: str | None = None
    name: str = ""


class LoadPlanned(Event, frozen=True, kw_only=True):
    """A load begins that sends `cap` requests at most, over all modes, at `rate` a second."""

    cap: int
    rate: float


class GeneratorHeld(Event, frozen=True, kw_only=True):
    """The load generator could not run for `held_s` seconds, until `t`: its machine or process
    stood still, or it had too much to do. `share` of the load was sent by the process concerned."""

    held_s: float
    share: float = 1.0


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


class Held(Event, frozen=True, kw_only=True):
    """What a process and its children hold besides memory: open `files`, `sockets`, `threads`,
    `zombies` (children that nobody waits for), and how many bytes it has `logged` so far."""

    process: str
    role: str
    files: int
    sockets: int
    threads: int
    zombies: int
    logged: int


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


class Fault(Event, frozen=True, kw_only=True):
    """The harness made something go wrong on purpose."""

    target: str
    kind: str
    detail: Mapping[str, Any] = {}


class Starved(Event, frozen=True, kw_only=True):
    """How the machine kept a stack from running, in the `over_s` seconds before `t`.

    All are seconds of that time. `late_s`: how late the harness's own timer fired. `waited_s`, by
    process (its descendants included): the longest that one of its threads could have run and had
    no processor (`/proc/PID/schedstat`), or waited for a disk. `ran_s`: processor time of each.
    `busy_s` and `stolen_s`: of all processors, and what a hypervisor kept (`/proc/stat`).
    `stalled_s`: pressure stall information, where the kernel has it, by resource: how long some
    process of the machine waited. `clock_s`: by how much the time of day was moved.
    """

    over_s: float
    late_s: float = 0.0
    waited_s: Mapping[str, float] = {}
    ran_s: Mapping[str, float] = {}
    busy_s: float = 0.0
    stolen_s: float = 0.0
    stalled_s: Mapping[str, float] = {}
    clock_s: float = 0.0
    cpus: int = 1


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
    `{seconds:…}` of botproof.toml is multiplied by there: the target's own deadlines.
    """

    of: str
    cases: tuple[str, ...]
    stretch: float = 1.0


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


class ConversationsCompared(Event, frozen=True, kw_only=True):
    """Generated conversations were played at several doors beside each other, and compared.

    `conversations` counts those of the search, `answers` the different messages that the first door
    sent in them, `playings` all that were played, `late` those whose difference went away with
    time; `unanswered` are conversations after which no door answered any more. A finding holds
    "conversation", "sides" (each with "door", "rooms": what was sent, by chat, and "refused": what
    Telegram refused) and "saved" (a file); "learning" is true in that of the first messages of
    all; a starved one differed only while the machine kept the doors from going on; a flaky one
    has also "again" (the sides of the second playing). `ended` says why it could not go on, and
    `ended_in` is the conversation of that moment.
    """

    doors: tuple[str, ...]
    seed: int = 0
    sentinel: str = ""
    replayed: bool = False
    conversations: int = 0
    steps: int = 0
    answers: int = 0
    playings: int = 0
    late: int = 0
    unanswered: tuple[Mapping[str, Any], ...] = ()
    differences: tuple[Mapping[str, Any], ...] = ()
    flaky: tuple[Mapping[str, Any], ...] = ()
    starved: tuple[Mapping[str, Any], ...] = ()
    stopped_by: str = ""
    search_s: float = 0.0
    shrink_s: float = 0.0
    ended: str = ""
    ended_in: Mapping[str, Any] = {}


class DoorAsked(Event, frozen=True, kw_only=True):
    """Something came to the bot's door (see `workloads/door.py`), and this came of it.

    `what` is the kind of question and `sent` the same in words. `url` is the webhook ("" without
    one), `declared` whether a secret goes with it, `status` what HTTP answered, `error` what
    happened instead of an answer, `answers` the texts that the one who asked got, as they stand.
    """

    what: str
    sent: str
    url: str = ""
    declared: bool = False
    status: int | None = None
    error: str = ""
    answers: tuple[str, ...] = ()


class Trial(Event, frozen=True, kw_only=True):
    """This stack is a trial: it is there for one check, and no other check is to look at it."""

    check: str


class SecurityAsked(Event, frozen=True, kw_only=True):
    """Somebody asked the bot for something that is not theirs, and this came of it.

    `who` asked (such as "a stranger"), `path` is the way that the question took, `text` the
    question. `answers` is what came back, as it stands, `figures` the telling ones in it.
    `operator`: the operator himself asked, and the others are read against what he was told;
    `private`: nobody else may be told.
    """

    who: str
    path: str
    text: str
    answers: tuple[str, ...] = ()
    figures: tuple[str, ...] = ()
    operator: bool = False
    private: bool = False
    error: str = ""


class SecretSeen(Event, frozen=True, kw_only=True):
    """A secret of this run stood where it does not belong. `secret` is its name, never itself;
    `place` is where, `line` what stood there, without the secret."""

    secret: str
    place: str
    line: str = ""


class PortsSeen(Event, frozen=True, kw_only=True):
    """Where the target's processes listen for TCP connections: "0.0.0.0:8080 (bot)".

    `beyond` are those of them that botproof.toml does not declare. `searched` are the places that
    were looked through for secrets. `failing` are pages of the target that answered HTTP 500,
    twice: "GET /metrics of bot".
    """

    listening: tuple[str, ...] = ()
    beyond: tuple[str, ...] = ()
    searched: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    failing: tuple[str, ...] = ()


class Degraded(Event, frozen=True, kw_only=True):
    """A question was asked while exchanges misbehaved, and this came of it.

    `fault` says in words what went wrong; `stage` is "gone" (no exchange answers), "part" (half of
    all answers are wrong), "venue" (one exchange is gone), "back" (all is well again), "ended"
    where the target ended, or "held" (Telegram had this chat wait, and `calls` came before that
    was over). `reply_s` is how long the answer took (None: it never came), `withheld_s` what the
    machine kept of that time. `clean` is what the same question is answered when nothing is wrong.
    `neighbour`: a simple question of somebody else meanwhile. `since_s`: seconds since an exchange
    last gave a right answer; of "back", since all is well. `datum` is false where the answer is
    made of what exchanges say of one symbol, and none had said it yet. `others` are the exchanges
    that told of the symbol when this command was asked, at any time: of
    "venue" alone, and where no other one had failed before.
    `calls` is how often one exchange was called meanwhile, at the most, and `usual_calls` how often
    all of them together were when as much was asked with nothing wrong.
    """

    stage: str
    fault: str
    text: str
    answers: tuple[str, ...] = ()
    clean: tuple[str, ...] = ()
    reply_s: float | None = None
    withheld_s: float = 0.0
    neighbour: bool = False
    since_s: float = 0.0
    datum: bool = True
    others: tuple[str, ...] = ()
    calls: int = 0
    usual_calls: int = 0


class SignalSeen(Event, frozen=True, kw_only=True):
    """A message that the bot sent by itself, `slot` seconds being the begin of its slot (epoch)."""

    chat_id: int
    text: str
    slot: float
    after_s: float
    life: int


class SignalsWatched(Event, frozen=True, kw_only=True):
    """For how many slots it was watched what the bot sends by itself, and what came of it.

    `slots` are the begins (epoch seconds) of those that were seen whole, `restarted` of those in
    which the bot was killed and started again, `chats` those that had subscribed, `others` those
    that had not, or no longer. `within_s` after the begin of a slot all has to be there; `steady`:
    the market is the same in every slot. `back_s`: how long after the begin of each slot of
    `restarted` the bot was ready again; empty in older records.
    """

    interval_s: float
    back_s: tuple[float, ...] = ()
    within_s: float = 5.0
    steady: bool = False
    slots: tuple[float, ...] = ()
    restarted: tuple[float, ...] = ()
    chats: tuple[int, ...] = ()
    others: tuple[int, ...] = ()
    withheld_s: float = 0.0
    error: str = ""


AnyEvent = Union[  # noqa: UP007 - msgspec and get_args below read it at run time as typing.Union
    Run,
    Phase,
    HarnessError,
    ProcessStarted,
    ProcessReady,
    ProcessNotReady,
    StopRequested,
    ProcessExited,
    LogTail,
    LogTrouble,
    LogRead,
    HealthAnswered,
    CasePlayed,
    UpdateInjected,
    UpdateDelivered,
    UpdateConfirmed,
    BotApiCall,
    VenueCall,
    DoubleEvent,
    Request,
    LoadPlanned,
    GeneratorHeld,
    MemorySample,
    MemoryFence,
    GroupSample,
    Held,
    Fault,
    Starved,
    FreshStart,
    PlayedAgain,
    Vanished,
    ConversationsCompared,
    DoorAsked,
    Trial,
    SecurityAsked,
    SecretSeen,
    PortsSeen,
    Degraded,
    SignalSeen,
    SignalsWatched,
]
EVENT_TYPES: tuple[type[Event], ...] = get_args(AnyEvent)

E = TypeVar("E", bound=Event)

_ENCODER = msgspec.json.Encoder()
_DECODER: msgspec.json.Decoder[Any] = msgspec.json.Decoder(AnyEvent)


class History:
    """A run's events, sorted by time. Iterable; `of` selects by type, stack and mode."""

    __slots__ = ("_by_type", "events")

    def __init__(self, events: Iterable[Event]) -> None:
        self.events: tuple[Event, ...] = tuple(sorted(events, key=lambda event: event.t))
        self._by_type: dict[type[Event], list[Event]] = {}
        for event in self.events:
            self._by_type.setdefault(type(event), []).append(event)

    def __iter__(self) -> Iterator[Event]:
        return iter(self.events)

    def __len__(self) -> int:
        return len(self.events)

    def of(self, kind: type[E], *, stack: str | None = None, mode: str | None = None) -> list[E]:
        """Return events of one type in order of time, of one stack or mode when named."""
        chosen = self._by_type.get(kind, [])
        return [
            event
            for event in chosen
            if isinstance(event, kind)
            and (stack is None or event.stack == stack)
            and (mode is None or event.mode == mode)
        ]

    def counted(self) -> History:
        """Return what is judged: without what a stack did before its last fresh start, and without
        the trials, which are for one check each. That the harness failed in one concerns all."""
        trials = {event.stack for event in self.of(Trial)}
        return self._chosen(
            lambda event: event.stack not in trials or isinstance(event, HarnessError)
        )

    def for_check(self, check: str) -> History:
        """Return what one check looks at: its own trials where the run has any, else
        all but trials."""
        trials = {event.stack for event in self.of(Trial) if event.check == check}
        if not trials:
            return self.counted()
        return self._chosen(lambda event: event.stack in trials or isinstance(event, Run))

    def _chosen(self, wanted: Callable[[Event], bool]) -> History:
        starts = {event.stack: event.t for event in self.of(FreshStart)}
        if not starts and not self.of(Trial):
            return self
        return History(
            event
            for event in self.events
            if (
                event.t >= starts.get(event.stack, event.t) or isinstance(event, FreshStart | Trial)
            )
            and wanted(event)
        )

    @property
    def run(self) -> Run | None:
        """The metadata of the run; None for a hand-written history without it."""
        runs = self.of(Run)
        return runs[0] if runs else None

    @property
    def stacks(self) -> list[str]:
        """Names of the stacks of this record, in the order in which they first appear.

        A stack of another record, of which only crashes are told here, is none of them.
        """
        told = (e.stack for e in self.events if e.stack and not isinstance(e, Vanished))
        return list(dict.fromkeys(told))

    @property
    def stacks_elsewhere(self) -> list[str]:
        """Names of the stacks of another record (the conversations') of which crashes are told."""
        mentioned = dict.fromkeys(event.stack for event in self.of(Vanished))
        return [stack for stack in mentioned if stack not in self.stacks]

    def mode_of(self, stack: str) -> str:
        """Return the mode of a stack; the stack's own name when no event says it."""
        return next((e.mode for e in self.events if e.stack == stack and e.mode), stack)


class HistoryWriter:
    """Appends events to a JSON-lines file. Every line is on its way to disk when `write` returns,
    so that a run that is cut off leaves what it saw."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("wb", buffering=0)

    def write(self, event: Event) -> None:
        """Append one event. Raises OSError when the disk takes no more."""
        left = memoryview(_ENCODER.encode(event) + b"\n")
        while left:  # a disk that is nearly full takes a part
            left = left[self._file.write(left) :]

    def close(self) -> None:
        """Close the file; writing afterwards raises ValueError."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def encode(event: Event) -> bytes:
    """Return one event as a line of a history, without the line end."""
    return _ENCODER.encode(event)


def read_history(path: Path) -> History:
    """Read a history file.

    A last line that was cut off in the middle (the harness was killed) becomes a `HarnessError`
    event, so that the verdict over such a record is ERROR. Raises HistoryError for a file that is
    missing, empty, or holds a line that is no event.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise HistoryError(f"{path}: cannot be read: {error.strerror}") from error
    if not raw.strip():
        raise HistoryError(f"{path}: is empty; a history starts with a line of type 'run'")
    events = list(_decode_lines(path, raw.split(b"\n")))
    _check_format(path, events)
    return History(events)


def _decode_lines(path: Path, lines: Sequence[bytes]) -> Iterator[Event]:
    last_t = 0.0
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            event: Event = _DECODER.decode(line)
        except msgspec.ValidationError as error:
            raise HistoryError(f"{path}, line {number}: {_explain(error)}") from error
        except msgspec.DecodeError as error:
            if number == len(lines):  # the writer ends each line, so this one is incomplete
                yield HarnessError(
                    t=last_t,
                    where="history",
                    message=f"the record breaks off in line {number}: the harness was killed",
                )
                return
            raise HistoryError(f"{path}, line {number}: is not JSON: {error}") from error
        last_t = event.t
        yield event


def _explain(error: msgspec.ValidationError) -> str:
    text = str(error)
    if text.startswith("Invalid value") and "$.type" in text:
        known = ", ".join(sorted(str(kind.__struct_config__.tag) for kind in EVENT_TYPES))
        return f"{text}; known types: {known}"
    return text


def _check_format(path: Path, events: Sequence[Event]) -> None:
    first = events[0]
    if not isinstance(first, Run):
        tag = type(first).__struct_config__.tag
        raise HistoryError(f"{path}, line 1: is of type {tag!r}; a history starts with type 'run'")
    if first.format != FORMAT:
        raise HistoryError(
            f"{path}, line 1: is in format {first.format}; this botproof reads format {FORMAT}"
        )


def now() -> float:
    """Return the clock of histories: seconds of the machine's monotonic clock."""
    return time.monotonic()


def describe_exit(code: int | None) -> str:
    """Return an exit code in words: "exit code 1", "signal SIGKILL"."""
    if code is None:
        return "no exit code"
    if code < 0:
        return f"signal {signal.Signals(-code).name}"
    return f"exit code {code}"
