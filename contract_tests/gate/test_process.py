"""Processes under test: started, waited for, stopped, killed, and never left behind."""

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from botproof import history
from botproof.targets import guard as guard_script
from botproof.targets.guarding import Guard
from botproof.targets.launch import Launch, TargetError, environment
from botproof.targets.memory import parse_kilobytes, read_memory
from botproof.targets.process import ManagedProcess
from botproof.targets.recorder import Recorder
from botproof.targets.reserved import Ports
from contract_tests.processes import alive

pytestmark = pytest.mark.anyio

SERVER = """
import http.server, os, signal, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
class Handler(http.server.BaseHTTPRequestHandler):
    asked = 0
    def do_GET(self):
        Handler.asked += 1
        self.send_response(200 if Handler.asked > 2 else 503)
        self.end_headers()
        self.wfile.write(b"warming up")
    def log_message(self, *args): pass
print("hello from", os.environ.get("WHO"), flush=True)
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""
STUBBORN = """
import signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("ready", flush=True)
while True: time.sleep(60)
"""
HELD_UP = """
import pathlib, signal, sys, time
def end(*_):
    while not pathlib.Path(sys.argv[1]).exists(): time.sleep(0.01)
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
print("ready", flush=True)
while True: time.sleep(60)
"""
PARENT = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(child.pid, flush=True)
time.sleep(600)
"""


def launch(tmp_path: Path, code: str, *arguments: str, **fields: Any) -> Launch:
    return Launch(
        name="service",
        role="service",
        command=(sys.executable, "-c", code, *arguments),
        cwd=tmp_path,
        log=tmp_path / "logs" / "service.log",
        **fields,
    )


def kinds(recorder: Recorder) -> list[str]:
    """What was recorded, but for when its log grew: that is when it was looked at."""
    events = [event for event in recorder.history() if not isinstance(event, history.LogRead)]
    return [type(event).__name__ for event in events]


async def gone(pid: int) -> bool:
    """Wait until a process has ended that is not our child."""
    async with asyncio.timeout(60):
        while alive(pid):  # noqa: ASYNC110 - only the kernel knows, and it tells only parents
            await asyncio.sleep(0.02)
    return True


async def test_a_life_from_start_to_clean_end(tmp_path: Path) -> None:
    recorder = Recorder()
    port = Ports().free()
    about = launch(
        tmp_path,
        SERVER,
        str(port),
        env={"WHO": "me"},
        ready_url=f"http://127.0.0.1:{port}/ready",
    )
    process = await ManagedProcess.start(about, recorder, labels={"stack": "polling"})
    async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
        await process.wait_ready(client)
    assert await process.stop() == 0
    assert kinds(recorder) == ["ProcessStarted", "ProcessReady", "StopRequested", "ProcessExited"]
    exited = recorder.history().of(history.ProcessExited)[0]
    assert (exited.code, exited.expected, exited.killed, exited.stack) == (
        0,
        True,
        False,
        "polling",
    )
    assert about.log.read_text() == "hello from me\n"
    assert recorder.history().of(history.LogRead)[-1].size == len("hello from me\n")


async def test_one_that_ends_before_it_is_ready_fails_at_once(tmp_path: Path) -> None:
    recorder = Recorder()
    code = "import sys; print('no token', file=sys.stderr); sys.exit(7)"
    about = launch(tmp_path, code, ready_url="http://127.0.0.1:9/ready")
    process = await ManagedProcess.start(about, recorder)
    async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
        with pytest.raises(TargetError, match="ended with exit code 7 before it was ready"):
            await process.wait_ready(client)
    assert recorder.history().of(history.LogTail)[0].lines == ("no token",)
    assert recorder.history().of(history.ProcessExited)[0].expected is False
    await process.stop()


async def test_one_that_is_never_ready_fails_with_its_last_answer(tmp_path: Path) -> None:
    recorder = Recorder()
    about = launch(tmp_path, STUBBORN, ready_url="http://127.0.0.1:9/ready", ready_timeout_s=0.2)
    process = await ManagedProcess.start(about, recorder)
    async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
        with pytest.raises(TargetError, match=r"GET http://127.0.0.1:9/ready: .*attempts failed"):
            await process.wait_ready(client)
    await process.kill()


SLOW = """
import sys, time
print("polling begins", flush=True)
sys.stdin.read()
print("markets loaded: 3", flush=True)
time.sleep(600)
"""


async def test_one_is_ready_when_it_writes_the_line_and_an_earlier_life_does_not_count(
    tmp_path: Path,
) -> None:
    recorder = Recorder()
    about = launch(tmp_path, SLOW, ready_log=r"loaded: \d+$")
    about.log.parent.mkdir()
    about.log.write_text("markets loaded: 9\n")
    held = launch(tmp_path, "import time; time.sleep(600)", ready_log="loaded", ready_timeout_s=0.3)
    async with httpx.AsyncClient(trust_env=False) as client:
        mute = await ManagedProcess.start(held, recorder)
        with pytest.raises(TargetError, match="its output has no line like 'loaded'"):
            await mute.wait_ready(client)
        await mute.kill()
        process = await ManagedProcess.start(about, recorder)
        await process.wait_ready(client)
        await process.kill()
    assert about.log.read_text().splitlines()[-1] == "markets loaded: 3"


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("print('cleared')", ""),
        ("raise SystemExit('no such table')", "ended with exit code 1 .*has to end with 0"),
        (
            "import time; time.sleep(600)",
            r"not ready after \d+\.\d s; it did not end; it is `reset`",
        ),
    ],
)
async def test_a_command_has_to_end_and_to_end_well(tmp_path: Path, code: str, words: str) -> None:
    recorder = Recorder()
    limit = 0.3 if "sleep" in code else 30
    about = launch(tmp_path, code, ends=True, ready_timeout_s=limit)
    command = await ManagedProcess.start(about, recorder)
    if words:
        with pytest.raises(TargetError, match=words):
            await command.finish()
    else:
        await command.finish()
    (ended,) = recorder.history().of(history.ProcessExited)
    assert ended.expected
    assert bool(recorder.history().of(history.ProcessNotReady)) is bool(words)
    assert not command.running


async def test_one_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    recorder = Recorder()
    about = launch(tmp_path, STUBBORN, stop_timeout_s=0.2)
    process = await ManagedProcess.start(about, recorder, read_stdout=True)
    assert await process.first_line(60) == b"ready\n"
    assert await process.stop() == -signal.SIGKILL
    exited = recorder.history().of(history.ProcessExited)[0]
    assert (exited.killed, exited.expected) == (True, True)
    assert [event.signal for event in recorder.history().of(history.StopRequested)] == [
        "SIGTERM",
        "SIGKILL",
    ]


class BusyMachine:
    """Lets a process go on, by a file, once it was asked often enough what it had withheld."""

    def __init__(self, file: Path, looks: int) -> None:
        self._file = file
        self._looks = looks

    @property
    def withheld_s(self) -> float:
        self._looks -= 1
        if not self._looks:
            self._file.touch()
        return 0.0


async def test_one_that_the_machine_holds_up_is_not_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its time to end is over again and again, and each time more is granted."""
    file = tmp_path / "go on"
    about = launch(tmp_path, HELD_UP, str(file), stop_timeout_s=0.05)
    process = await ManagedProcess.start(about, Recorder(), read_stdout=True)
    assert await process.first_line(60) == b"ready\n"
    process.machine = BusyMachine(file, looks=8)
    monkeypatch.setattr("botproof.history.now", lambda: 0.0)
    assert await process.stop() == 0


async def test_what_a_process_started_ends_with_it(tmp_path: Path) -> None:
    process = await ManagedProcess.start(launch(tmp_path, PARENT), Recorder(), read_stdout=True)
    child = int(await process.first_line(60))
    assert alive(child)
    await process.stop()
    assert await gone(child)


async def test_a_command_that_does_not_exist_is_the_targets_fault(tmp_path: Path) -> None:
    recorder = Recorder()
    about = Launch("bot", "bot", ("no-such-program",), tmp_path, tmp_path / "bot.log")
    with pytest.raises(
        TargetError, match=r"'no-such-program' cannot be started in .*: No such file"
    ):
        await ManagedProcess.start(about, recorder)
    assert "cannot be started" in recorder.history().of(history.ProcessNotReady)[0].reason


@pytest.mark.parametrize(
    ("command", "advice"),
    [
        ("pyhton3", "did you mean python3?"),
        ("TOKEN=1", "a variable is set in the table of its environment"),
        ("cd x && ./bot", 'what needs a shell is ["sh", "-c"'),
        ("plain", "is started as ./plain"),
        ("./plain", "may not be executed: chmod +x ./plain"),
        ("./lost", "the program in its first line"),
    ],
)
async def test_a_command_that_cannot_be_started_is_told_what_to_do(
    tmp_path: Path, command: str, advice: str
) -> None:
    (tmp_path / "plain").write_text("#!/bin/sh\n")
    (tmp_path / "lost").write_text("#!/no/such/program\r\n")
    (tmp_path / "lost").chmod(0o755)
    about = Launch("bot", "bot", (command,), tmp_path, tmp_path / "bot.log")
    with pytest.raises(TargetError) as caught:
        await ManagedProcess.start(about, Recorder())
    assert advice in str(caught.value)


async def test_the_shells_environment_is_not_passed_on(tmp_path: Path) -> None:
    about = launch(tmp_path, "", env={"TOKEN": "t"}, inherit_env=("WANTED",))
    outer = {"PATH": "/bin", "HOME": "/h", "REDIS_URL": "redis://mine", "WANTED": "yes"}
    assert environment(about, outer) == {
        "PATH": "/bin",
        "HOME": "/h",
        "TOKEN": "t",
        "WANTED": "yes",
    }


HARNESS = """
import asyncio, pathlib, sys
from botproof.targets.process import Guard, Launch, ManagedProcess
from botproof.targets.recorder import Recorder

async def main():
    here = pathlib.Path(sys.argv[1])
    async with Guard() as guard:
        about = Launch("x", "bot", (sys.executable, "-c", sys.argv[2]), here, here / "x.log")
        process = await ManagedProcess.start(
            about, Recorder(), guard=guard, read_stdout=True)
        child = int(await process.first_line(60))
        print(process.pid, child, flush=True)
        await asyncio.sleep(600)

asyncio.run(main())
"""


async def test_nothing_outlives_a_harness_that_is_killed(tmp_path: Path) -> None:
    harness = await asyncio.create_subprocess_exec(
        sys.executable, "-c", HARNESS, str(tmp_path), PARENT, stdout=asyncio.subprocess.PIPE
    )
    assert harness.stdout is not None
    line = await harness.stdout.readline()
    parent, child = map(int, line.split())
    assert alive(parent)
    assert alive(child)
    harness.kill()
    await harness.wait()
    assert await gone(parent)
    assert await gone(child)


LIMIT = """
import os, resource, sys
sys.stdout.write(f"{resource.getrlimit(resource.RLIMIT_NOFILE)[0]}\\n")
sys.stdout.flush()
os.read(0, 1)
"""


async def test_what_a_run_starts_may_open_as_many_files_as_a_service(tmp_path: Path) -> None:
    """However many the shell allows: a limit of 128 made a good build lose connections."""
    harness = (sys.executable, "-c", HARNESS, str(tmp_path), LIMIT)
    for soft in (128, 4096):
        shell = await asyncio.create_subprocess_exec(
            *("/bin/sh", "-c", f'ulimit -Sn {soft} && exec "$@"', "-", *harness),
            stdout=asyncio.subprocess.PIPE,
        )
        assert shell.stdout is not None
        _, limit = (await shell.stdout.readline()).split()
        shell.kill()
        await shell.wait()
        assert int(limit) == 1024


async def test_a_docker_that_hangs_keeps_no_process_alive(tmp_path: Path) -> None:
    """Containers are what the guard may have to wait for: processes end before."""
    docker = tmp_path / "docker"
    docker.write_text("#!/bin/sh\nexec sleep 600\n")
    docker.chmod(0o755)
    process = await ManagedProcess.start(launch(tmp_path, PARENT), Recorder(), read_stdout=True)
    await process.first_line(60)
    guard = await asyncio.create_subprocess_exec(
        sys.executable,
        "-I",
        str(guard_script.__file__),
        stdin=asyncio.subprocess.PIPE,
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
        start_new_session=True,
    )
    try:
        assert guard.stdin is not None
        guard.stdin.write(f"+container:x\n+{process.pid}\n".encode())
        guard.stdin.close()
        assert await asyncio.wait_for(process.exited, 60) == -signal.SIGTERM
    finally:
        os.killpg(guard.pid, signal.SIGKILL)
        await guard.wait()
        await process.kill()


async def test_a_guard_that_was_told_of_an_end_kills_nobody(tmp_path: Path) -> None:
    async with Guard() as guard:
        process = await ManagedProcess.start(
            launch(tmp_path, STUBBORN), Recorder(), read_stdout=True
        )
        await process.first_line(60)
        guard.watch(process.pid)
        guard.forget(process.pid)
    assert process.running
    await process.kill()


async def test_memory_is_read_of_a_process_and_its_children(tmp_path: Path) -> None:
    process = await ManagedProcess.start(launch(tmp_path, PARENT), Recorder(), read_stdout=True)
    await process.first_line(60)
    reading = read_memory(process.pid)
    await process.stop()
    assert reading is not None
    assert reading.processes == 2
    assert 0 < reading.pss <= reading.rss <= reading.peak
    assert read_memory(process.pid) is None


def test_memory_of_a_process_that_is_gone_is_unknown() -> None:
    assert read_memory(2**22 + 1) is None


def test_the_kernels_lines_are_read() -> None:
    lines = ["Rss:      1234 kB", "Pss:        10 kB", "Pss_Dirty:   7 kB", "nonsense"]
    assert parse_kilobytes(lines, ("Rss", "Pss", "Swap")) == {
        "Rss": 1234 * 1024,
        "Pss": 10 * 1024,
        "Swap": 0,
    }


def test_our_own_process_can_be_measured() -> None:
    assert read_memory(os.getpid()) is not None
