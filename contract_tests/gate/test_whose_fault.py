"""Whose fault it is: every row of the table is made to happen, and told by the code that meets it.

`PROVOKED` holds one provocation for each `Failure`; a row without one, or one that is told as
another row, is red. What the gate then makes of a row (FAIL, a fresh start, ERROR) is tested below.
"""

import ast
import asyncio
import dataclasses
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from botproof import gate, history
from botproof.chats import ReplyRules
from botproof.checks import judging
from botproof.checks.registry import CHECKS
from botproof.config import Config, Doubles, Load, Mode, Process, TelegramDouble
from botproof.conversations import Conversation, Say
from botproof.history import FreshStart, History, HistoryWriter, ProcessStarted
from botproof.parity.live import LiveStage
from botproof.parity.player import Player
from botproof.parity.search import Abort
from botproof.problems import UsageError
from botproof.targets import blame, docker, process, replicas, reserved, watch
from botproof.targets import world as target_world
from botproof.targets.doubles import DoubleControl, Follower
from botproof.targets.failures import Failure, of_engine
from botproof.targets.guarding import Guard
from botproof.targets.kept_files import KeptFiles
from botproof.targets.launch import BrokenHarnessError, ImageRun, Launch, RunError, TargetError
from botproof.targets.life import Ended, live
from botproof.targets.own_process import OwnProcess
from botproof.targets.process import ManagedProcess
from botproof.targets.recorder import Recorder
from botproof.targets.reserved import Ports
from botproof.targets.stack import Stack, Surroundings
from botproof.verdict import Verdict, combine
from botproof.workloads.load import LoadPlan, run_load

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[2]
SERVICE = """
import http.server, sys
class Ready(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
    def log_message(self, *_):
        pass
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Ready).serve_forever()
"""
ENDS_AT_ONCE = "raise SystemExit(7)"
NEVER_READY = "import time; time.sleep(60)"


class World:
    """What a provocation needs; everything that it starts is ended."""

    def __init__(self, tmp_path: Path, patch: pytest.MonkeyPatch, resources: AsyncExitStack):
        self.path = tmp_path
        self.patch = patch
        self.resources = resources
        self.recorder = Recorder()

    async def around(self, code: str = SERVICE, **process: Any) -> Surroundings:
        service = Process(
            command=("{python}", "-c", code, "{port:bot}"),
            **{"ready": "{url:bot}/ready", "ready_timeout_s": 60.0, **process},
        )
        client = httpx.AsyncClient(trust_env=False, timeout=30.0)
        return Surroundings(
            config=Config(bot=service, modes={"polling": Mode()}),
            base=self.path,
            report_dir=self.path,
            recorder=self.recorder,
            guard=await self.resources.enter_async_context(Guard()),
            client=await self.resources.enter_async_context(client),
            say=lambda _: None,
        )

    async def stack(self, code: str = SERVICE, **process: Any) -> Stack:
        """A stack whose bot runs `code`; `start` was not called."""
        made = Stack(await self.around(code, **process), "polling")
        self.resources.push_async_callback(made.stop)
        return made

    async def started(self, code: str = SERVICE, **process: Any) -> Stack:
        made = await self.stack(code, **process)
        await made.start()
        return made

    def control(self, url: str) -> DoubleControl:
        client = httpx.AsyncClient(trust_env=False, timeout=60.0)
        self.resources.push_async_callback(client.aclose)
        return DoubleControl("telegram_double", url, client)

    def launch(self, *command: str, **fields: Any) -> Launch:
        log = self.path / "logs" / "bot.log"
        return Launch("bot", "bot", command or (sys.executable, "-c", ""), self.path, log, **fields)

    async def engine(self, says: str) -> None:
        """A `docker` command that refuses, and a start of a container."""
        tools = self.path / "bin"
        tools.mkdir()
        (tools / "docker").write_text(f"#!/bin/sh\necho '{says}' >&2\nexit 1\n")
        (tools / "docker").chmod(0o755)
        self.patch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
        about = self.launch("x", container=ImageRun("bot:1"))
        await ManagedProcess.start(about, self.recorder)


@pytest.fixture
async def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    async with AsyncExitStack() as resources:
        yield World(tmp_path, monkeypatch, resources)


Provocation = Callable[[World], Awaitable[object]]
PROVOKED: dict[Failure, Provocation] = {}


def provokes(kind: Failure) -> Callable[[Provocation], Provocation]:
    def note(provoke: Provocation) -> Provocation:
        PROVOKED[kind] = provoke
        return provoke

    return note


@provokes(Failure.CANNOT_START)
async def _(world: World) -> None:
    await ManagedProcess.start(world.launch("no-such-program"), world.recorder)


@provokes(Failure.IMAGE_CANNOT_START)
async def _(world: World) -> None:
    await world.engine('Error response from daemon: exec: "bot": executable file not found')


@provokes(Failure.ENDED_EARLY)
async def _(world: World) -> None:
    await world.started(ENDS_AT_ONCE)


@provokes(Failure.NOT_READY)
async def _(world: World) -> None:
    world.patch.setattr(watch, "withheld", lambda *_: 0.0)  # however busy this machine is
    await world.started(NEVER_READY, ready_timeout_s=0.5)


@provokes(Failure.ENDED)
async def _(world: World) -> None:
    running = await world.started()
    assert running.bot is not None
    os.kill(running.bot.pid, signal.SIGKILL)
    await running.run(asyncio.Event().wait())


@provokes(Failure.KEEPS_CRASHING)
async def _(world: World) -> None:
    world.patch.setattr(replicas, "_MOST_CRASHES", 0)
    around = await world.around()
    stage = replicas.ReplicatedStack(around, "polling", "polling", replicas=1, kill_url="")
    world.resources.push_async_callback(stage.stop)
    await stage.start()
    os.kill(stage.bots[0].pid, signal.SIGSEGV)
    await stage.run(asyncio.Event().wait())


@provokes(Failure.PORT_TAKEN)
async def _(world: World) -> None:
    around = await world.around()
    given = around.ports.free

    def taken() -> int:
        port = given()
        thief = socket.create_server(("127.0.0.1", port))
        world.resources.callback(thief.close)
        return port

    world.patch.setattr(around.ports, "free", taken)
    made = Stack(around, "polling")
    world.resources.push_async_callback(made.stop)
    await made.start()


@provokes(Failure.NO_PORT)
async def _(world: World) -> None:
    world.patch.setattr(reserved, "reserve", lambda _: None)
    Ports().free()


@provokes(Failure.MACHINE_FULL)
async def _(world: World) -> None:
    async def full(*_: object, **__: object) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    world.patch.setattr("botproof.targets.own_process.asyncio.create_subprocess_exec", full)
    await ManagedProcess.start(world.launch(), world.recorder)


@provokes(Failure.OUT_OF_MEMORY)
async def _(world: World) -> None:
    running = await world.started()
    assert running.bot is not None
    world.patch.setattr(blame, "oom_kills", lambda: 10**9)
    os.kill(running.bot.pid, signal.SIGKILL)
    await running.run(asyncio.Event().wait())


@provokes(Failure.STARVED_START)
async def _(world: World) -> None:
    made = await world.stack(NEVER_READY, ready_timeout_s=0.3)
    starting = asyncio.create_task(made.start())
    while made.bot is None:  # noqa: ASYNC110 - it is started by the task above
        await asyncio.sleep(0)
    made.watch.withheld_s += 0.2
    await starting


@provokes(Failure.ENGINE)
async def _(world: World) -> None:
    await world.engine("Cannot connect to the Docker daemon at unix:///var/run/docker.sock")


@provokes(Failure.STUCK)
async def _(world: World) -> None:
    world.patch.setattr(process, "_KILLED_S", 0.0)
    world.patch.setattr(OwnProcess, "send", nothing)
    running = await ManagedProcess.start(
        world.launch(sys.executable, "-c", NEVER_READY), world.recorder
    )

    async def ended() -> None:
        os.killpg(running.pid, signal.SIGKILL)
        await running.exited

    world.resources.push_async_callback(ended)
    await running.kill()


async def nothing(*_: object) -> None:
    """As of a signal that does not arrive."""


@provokes(Failure.DOUBLE_NOT_STARTED)
async def _(world: World) -> None:
    around = await world.around()
    doubles = Doubles(telegram=TelegramDouble(args=("--no-such-option",)))
    config = msgspec.structs.replace(around.config, doubles=doubles)
    made = Stack(dataclasses.replace(around, config=config), "polling")
    world.resources.push_async_callback(made.stop)
    await made.start()


@provokes(Failure.DOUBLE_ENDED)
async def _(world: World) -> None:
    running = await world.started()
    double = next(e for e in world.recorder.history().of(ProcessStarted) if e.role == "double")
    os.kill(double.pid, signal.SIGKILL)
    await running.run(asyncio.Event().wait())


@provokes(Failure.DOUBLE_SILENT)
async def _(world: World) -> None:
    await world.control(f"http://127.0.0.1:{Ports().free()}").clear_faults()


@provokes(Failure.DOUBLE_REFUSED)
async def _(world: World) -> None:
    running = await world.started()
    await running.telegram.add_fault({"kind": "nonsense"})


@asynccontextmanager
async def page(world: World, **fields: Any) -> AsyncIterator[Follower]:
    """A follower of a double whose record is this page."""
    control = world.control("http://127.0.0.1:9")

    async def transcript(after: int, wait_s: float) -> dict[str, Any]:
        del after, wait_s
        return {"events": [], "next": 1, **fields}

    world.patch.setattr(control, "transcript", transcript)
    yield Follower(control, world.recorder, {})


@provokes(Failure.DOUBLE_FAILED)
async def _(world: World) -> None:
    event = {"type": "internal_error", "t": 1.0, "where": "x", "error": "y", "at": "z"}
    async with page(world, events=[event]) as follower:
        await follower._read(0)


@provokes(Failure.RECORD_LOST)
async def _(world: World) -> None:
    async with page(world, dropped=3) as follower:
        await follower._read(0)


@provokes(Failure.LOAD_BROKEN)
async def _(world: World) -> None:
    script = world.path / "broken.py"
    script.write_text("raise ValueError('a mistake in the script')\n")
    running = await world.started()
    load = Load(script=str(script), host="{url:bot}")
    await run_load(running, LoadPlan(load, limit=0.001, late_s=2.0, modes=1), last=True)


@provokes(Failure.NOT_CONFIGURED)
async def _(world: World) -> None:
    (await world.stack()).exchanges()


@provokes(Failure.NO_NAMES)
async def _(world: World) -> None:
    world.patch.setattr(target_world, "problem", lambda: "unshare: Operation not permitted")
    target_world.World(world.path / "world")


@provokes(Failure.NOT_KEPT)
async def _(world: World) -> None:
    (world.path / "taken").write_text("a file where the copies are to be")
    KeptFiles([world.path / "state.db"], world.path / "taken" / "copies")


@provokes(Failure.INTERRUPTED)
async def _(_: World) -> None:
    live = LiveStage(Player([], ReplyRules(), "/start"), [])
    live.close()
    try:
        live.play(Conversation(steps=(Say(text="x"),)))
    except Abort as abort:
        raise abort.reason from abort


@provokes(Failure.HARNESS)
async def _(_: World) -> None:
    raise BrokenHarnessError("something that nobody has thought of")


@pytest.mark.parametrize("kind", [kind for kind in Failure if kind.name != "RECORD_UNWRITABLE"])
async def test_each_row_of_the_table_is_told_by_the_code_that_meets_it(
    kind: Failure, world: World
) -> None:
    with pytest.raises(RunError) as caught:
        async with asyncio.timeout(100):
            await PROVOKED[kind](world)
    assert caught.value.kind is kind, str(caught.value)
    assert isinstance(caught.value, TargetError if kind.whose == "target" else BrokenHarnessError)
    assert str(caught.value)


def test_a_record_that_cannot_be_written_ends_the_run_as_an_error(tmp_path: Path) -> None:
    ended: list[str] = []
    with HistoryWriter(tmp_path / "h.jsonl") as writer:
        recorder = Recorder(writer)
        recorder.on_unwritable = lambda: ended.append("now")
        recorder.record(history.Run(t=0.0))
        with open("/dev/full", "wb", buffering=0) as full:  # noqa: PTH123 - a device
            kept, writer._file = writer._file, full
            recorder.record(history.Phase(t=1.0, name="boot", edge="begin"))
            recorder.record(history.Phase(t=2.0, name="boot", edge="end"))
            writer._file = kept
    assert ended == ["now"]
    errors = recorder.history().of(history.HarnessError)
    assert [error.message for error in errors] == [
        f"{Failure.RECORD_UNWRITABLE.what}: No space left on device"
    ]
    results = judging.run_checks(CHECKS, ["boot"], recorder.history(), judging.Judging())
    assert combine(result.verdict for result in results) is Verdict.ERROR


def test_every_place_that_gives_up_names_its_row() -> None:
    """A new `raise` without a kind would be told as a failure that nobody has sorted."""
    unsorted = []
    named = set()
    for folder in ("targets", "delivery", "parity", "workloads"):
        for path in (ROOT / "botproof" / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "Failure":
                    named.add(node.attr)
                if not isinstance(node, ast.Call):
                    continue
                name = ast.unparse(node.func)
                errors = {"TargetError", "BrokenHarnessError", "FailedInsideError", "failed"}
                if name in errors and len(node.args) + len(node.keywords) < 2:
                    unsorted.append(f"{path.relative_to(ROOT)}:{node.lineno}: {ast.unparse(node)}")
    assert unsorted == []
    named |= {"HARNESS", "MACHINE_FULL"}
    assert {kind.name for kind in Failure} - named == set()


def test_the_document_shows_the_table() -> None:
    page = (ROOT / "docs" / "whose-fault.md").read_text()
    for kind in Failure:
        does = "FAIL" if kind.whose == "target" else "ERROR"
        if kind.mends:
            does = "one fresh start, then ERROR"
        assert f"| {kind.what} | the {kind.whose}'s | {does} |" in page


# what the gate makes of it


class Life:
    """Stands for the lives of a stack: each ends as it is told."""

    def __init__(self, *ends: BrokenHarnessError | None) -> None:
        self.ends = list(ends)

    async def __call__(self, _: object, made: Stack, *__: object, **___: object) -> object:
        made.around.recorder.record(
            history.ProcessNotReady(
                t=history.now(),
                process="bot",
                role="bot",
                after_s=1.0,
                reason="gone",
                **made.labels,
            )
            if self.ends[0]
            else history.ProcessReady(
                t=history.now(), process="bot", role="bot", after_s=1.0, **made.labels
            )
        )
        await made.stop()
        return Ended("", self.ends.pop(0))


async def lives(world: World, *ends: BrokenHarnessError | None) -> tuple[bool, History]:
    around = await world.around()
    options = gate.GateOptions(around.config, world.path / "botproof.toml", world.path)
    world.patch.setattr(gate, "_one_life", Life(*ends))
    whole = await gate._run_mode(options, around, "polling", None, last=True)
    return whole, world.recorder.history()


MENDED = BrokenHarnessError("telegram_double ended", Failure.DOUBLE_ENDED)
LASTING = BrokenHarnessError("a bug in a double", Failure.DOUBLE_FAILED)


async def test_the_harness_s_own_failure_is_mended_by_one_fresh_start(world: World) -> None:
    whole, record = await lives(world, MENDED, None)
    assert whole
    start = record.of(FreshStart)[0]
    assert (start.failure, start.reason) == ("double_ended", "telegram_double ended")
    # What was seen before it is kept, and not judged.
    assert record.of(history.ProcessNotReady)
    assert not record.counted().of(history.ProcessNotReady)
    assert record.counted().of(history.ProcessReady)
    results = judging.run_checks(CHECKS, ["boot"], record, judging.Judging())
    assert [result.verdict for result in results] == [Verdict.INCONCLUSIVE]


async def test_a_second_failure_is_an_error(world: World) -> None:
    whole, record = await lives(world, MENDED, MENDED)
    assert not whole
    results = judging.run_checks(CHECKS, ["boot"], record, judging.Judging())
    assert results[0].check == "harness"
    assert combine(result.verdict for result in results) is Verdict.ERROR


async def test_what_would_fail_again_is_not_tried_again(world: World) -> None:
    whole, record = await lives(world, LASTING)
    assert not whole
    assert not record.of(FreshStart)


async def test_a_bug_that_takes_the_port_from_itself_fails_at_the_second_try(world: World) -> None:
    twice = SERVICE.replace("http.server.HTTPServer", "a = http.server.HTTPServer", 1).replace(
        ".serve_forever()", "; http.server.HTTPServer(a.server_address, Ready)"
    )
    around = await world.around(twice)
    kinds = []
    for again in (False, True):
        made = Stack(around, "polling", again=again)
        with pytest.raises(RunError) as caught:
            await made.start()
        await made.stop()
        kinds.append(caught.value.kind)
    assert kinds == [Failure.PORT_TAKEN, Failure.ENDED_EARLY]


def test_a_file_of_the_harness_that_the_engine_does_not_see_is_not_the_images_fault() -> None:
    """As Docker 20.10 said it where botproof ran in a container, beside the engine's socket."""
    started = "`docker start` failed: Error response from daemon: error mounting "
    ours = f'{started}"/tmp/botproof-polling-kf/world/resolv.conf" to rootfs: not a directory'
    assert of_engine(ours) is Failure.NO_NAMES
    theirs = f'{started}"/srv/bot/settings" to rootfs: not a directory'
    assert of_engine(theirs) is Failure.IMAGE_CANNOT_START


@pytest.mark.parametrize(
    "said",
    [
        "error during connect: Post: EOF",
        "unexpected EOF",  # `docker wait`, when dockerd was killed
        "Error response from daemon: context deadline exceeded",
        "Error response from daemon: transport is closing",  # moby/moby#31074
        "Error response from daemon: grpc: the connection is unavailable",
        "Error response from daemon: connection error: transport: Error while dialing",
        "Error response from daemon: No such image: bot:1",  # it was there when the run began
    ],
)
def test_an_engine_that_goes_away_or_loses_an_image_is_not_the_images_fault(said: str) -> None:
    assert of_engine(f"`docker start` failed: {said}") is Failure.ENGINE


ENGINE = """
case $1 in
  create) echo 1234 ;;
  start) ;;
  inspect) echo '{"pid": 0, "stop": "", "image": "sha256:1"}' ;;
  wait)
    read -r said < "$0.away"
    case $said in [0-9]*) echo "$said"; exit 0 ;; esac
    echo "$said" >&2
    exit 1
    ;;
  events) [ ! -e "$0.stops" ] || cat "$0.stops" ;;
  *) exit 1 ;;
esac
"""


async def engine_that_goes_away(world: World) -> Path:
    """A `docker` whose `docker wait` ends when something is written to this pipe."""
    tools = world.path / "bin"
    tools.mkdir()
    (tools / "docker").write_text(f"#!/bin/sh\n{ENGINE}")
    (tools / "docker").chmod(0o755)
    os.mkfifo(tools / "docker.away")
    world.patch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    return tools / "docker.away"


@pytest.mark.parametrize("ready", ["telegram", "log:ready"])
async def test_an_engine_that_goes_away_while_a_target_starts_is_no_target_that_was_late(
    world: World, ready: str
) -> None:
    away = await engine_that_goes_away(world)
    made = await world.stack(image="bot:1", ready=ready)
    starting = asyncio.create_task(made.start())
    while made.bot is None:  # noqa: ASYNC110 - it is started by the task above
        await asyncio.sleep(0)
    await asyncio.to_thread(away.write_text, "unexpected EOF\n")
    with pytest.raises(BrokenHarnessError, match="unexpected EOF") as caught:
        await starting
    assert caught.value.kind is Failure.ENGINE


async def test_an_engine_that_goes_away_in_the_middle_is_told_at_once_and_the_rest_is_ended(
    world: World,
) -> None:
    away = await engine_that_goes_away(world)
    made = Stack(await world.around(image="bot:1", ready="telegram"), "polling")
    world.patch.setattr(made, "_contacted", nothing)
    await made.start()
    assert made.bot is not None
    made.bot.ready = True
    await asyncio.to_thread(away.write_text, "unexpected EOF\n")
    with pytest.raises(BrokenHarnessError, match="unexpected EOF") as caught:
        await made.run(asyncio.Event().wait())
    assert caught.value.kind is Failure.ENGINE
    await made.stop()
    ended = [event.process for event in world.recorder.history().of(history.ProcessExited)]
    assert ended == ["telegram_double"]


@pytest.mark.parametrize(("signals", "kind"), [("15\n9\n", Failure.ENGINE), ("", Failure.ENDED)])
async def test_a_container_that_the_engine_was_told_to_end_has_not_ended_on_its_own(
    world: World, signals: str, kind: Failure
) -> None:
    """An engine that stops ends its containers first, and a good bot ends with 0."""
    away = await engine_that_goes_away(world)
    away.with_suffix(".stops").write_text(signals)
    made = await world.stack(image="bot:1", ready="telegram")
    world.patch.setattr(made, "_contacted", nothing)
    await made.start()
    assert made.bot is not None
    made.bot.ready = True
    await asyncio.to_thread(away.write_text, "0\n")
    with pytest.raises(RunError) as caught:
        await made.run(asyncio.Event().wait())
    assert caught.value.kind is kind


@pytest.mark.parametrize("error", [RuntimeError("can't start new thread"), OSError(24, "files")])
async def test_a_machine_without_a_thread_or_a_file_left_is_full_and_not_a_mistake_of_ours(
    world: World, error: Exception
) -> None:
    """RLIMIT_NPROC counts threads. Python tells it without a number."""
    made = await world.stack()

    async def fails() -> None:
        raise error

    world.patch.setattr(made, "start", fails)
    ended = await live(made, nothing)
    assert ended.broken is not None
    assert ended.broken.kind is Failure.MACHINE_FULL


async def test_a_program_that_finds_no_room_gets_no_advice_about_itself(world: World) -> None:
    async def full(*_: object, **__: object) -> None:
        raise OSError(24, "Too many open files")

    (world.path / "bot").write_text("#!/no/such/interpreter")
    world.patch.setattr("botproof.targets.own_process.asyncio.create_subprocess_exec", full)
    with pytest.raises(BrokenHarnessError, match=r"Too many open files$"):
        await ManagedProcess.start(world.launch("./bot"), world.recorder)


def test_an_engine_that_hangs_is_told_before_anything_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "docker").write_text("#!/bin/sh\nexec sleep 60\n")
    (tmp_path / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(docker, "_TIMEOUT_S", 0.1)
    with pytest.raises(UsageError, match="the container engine hangs"):
        docker.image_id("bot:1")
