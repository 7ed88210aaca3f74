"""One container as a process under test: started, asked, measured, ended, removed."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from botproof import history
from botproof.problems import UsageError
from botproof.targets.docker import docker, image_id
from botproof.targets.guarding import Guard
from botproof.targets.launch import ImageRun, Launch, TargetError
from botproof.targets.process import ManagedProcess
from botproof.targets.recorder import Recorder
from botproof.targets.reserved import Ports
from contract_tests.gate_run import GateRun

pytestmark = [pytest.mark.anyio, pytest.mark.docker]

SERVER = """
import http.server, os, signal, sys
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
KEPT = bytearray(os.urandom(1 << 20)) * 40
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
    def log_message(self, *_):
        pass
print("hello from", os.environ["WHO"], os.environ["OUTER"], flush=True)
http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Answer).serve_forever()
"""
STUBBORN = "import signal, time; print('ready', flush=True); time.sleep(600)"


def containers(name: str = "") -> list[str]:
    """Names of the containers of this process, or with this in their names, dead ones too."""
    wanted = name or f"botproof-{os.getpid()}-"
    command = ["docker", "ps", "--all", "--format", "{{.Names}}", "--filter", f"name={wanted}"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    yield
    assert containers() == []


def launch(image: str, tmp_path: Path, code: str, **more: object) -> Launch:
    run = ImageRun(image, **more.pop("run", {}))  # type: ignore[arg-type]  # of the test's own
    return Launch(
        name="bot",
        role="bot",
        command=("python3", "-c", code),
        cwd=tmp_path,
        log=tmp_path / "bot.log",
        container=run,
        **more,  # type: ignore[arg-type]  # as above
    )


async def test_a_life_from_start_to_clean_end(
    python_image: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OUTER", "too")
    port = Ports().free()
    recorder = Recorder()
    about = launch(
        python_image,
        tmp_path,
        SERVER,
        env={"WHO": "me", "PORT": str(port)},
        inherit_env=("OUTER",),
        ready_url=f"http://127.0.0.1:{port}/",
    )
    async with Guard() as guard, httpx.AsyncClient(trust_env=False) as client:
        process = await ManagedProcess.start(about, recorder, guard=guard)
        await process.wait_ready(client)
        reading = process.read_memory()
        assert len(containers()) == 1
        assert await process.stop() == 0
    assert about.log.read_text() == "hello from me too\n"
    assert reading is not None
    assert reading.working_set is not None
    assert 40 << 20 < reading.anonymous <= reading.working_set < 80 << 20
    assert reading.working_set <= reading.peak
    assert reading.pss > 40 << 20
    record = recorder.history()
    [began] = record.of(history.ProcessStarted)
    assert began.image == python_image
    assert began.image_id == image_id(python_image)
    [exited] = record.of(history.ProcessExited)
    assert (exited.code, exited.expected, exited.killed) == (0, True, False)
    assert process.read_memory() is None


async def test_it_is_ready_when_its_health_check_is_content(
    python_image: str, tmp_path: Path
) -> None:
    check = ("--health-cmd", "test -e /tmp/well", "--health-interval", "200ms")
    well = "import pathlib, time; pathlib.Path('/tmp/well').touch(); time.sleep(600)"
    about = launch(python_image, tmp_path, well, run={"options": check})
    async with httpx.AsyncClient(trust_env=False) as client:
        process = await ManagedProcess.start(about, Recorder())
        await process.wait_ready(client)
        told = await docker("inspect", "--format", "{{.State.Health.Status}}", *containers())
        await process.stop()
    assert told == "healthy"


async def test_one_whose_health_check_is_never_content_does_not_become_ready(
    python_image: str, tmp_path: Path
) -> None:
    check = ("--health-cmd", "echo no door; false", "--health-interval", "200ms")
    run = {"options": (*check, "--health-retries", "1")}
    about = launch(python_image, tmp_path, STUBBORN, run=run, ready_timeout_s=5, stop_timeout_s=0.3)
    async with httpx.AsyncClient(trust_env=False) as client:
        process = await ManagedProcess.start(about, Recorder())
        with pytest.raises(TargetError, match=r"its health check is (unhealthy|starting)"):
            await process.wait_ready(client)
        await process.stop()


async def test_one_that_ignores_sigterm_is_killed(python_image: str, tmp_path: Path) -> None:
    """As the first process of a container a program without a handler never sees SIGTERM."""
    recorder = Recorder()
    about = launch(python_image, tmp_path, STUBBORN, stop_timeout_s=0.3)
    process = await ManagedProcess.start(about, recorder)
    assert await process.stop() == -signal.SIGKILL
    [exited] = recorder.history().of(history.ProcessExited)
    assert (exited.killed, exited.out_of_memory) == (True, False)


async def test_one_that_dies_at_start_leaves_its_last_words(
    python_image: str, tmp_path: Path
) -> None:
    recorder = Recorder()
    code = "import sys; print('no token', file=sys.stderr); sys.exit(7)"
    about = launch(python_image, tmp_path, code, ready_url="http://127.0.0.1:9/ready")
    process = await ManagedProcess.start(about, recorder)
    async with httpx.AsyncClient(trust_env=False) as client:
        with pytest.raises(TargetError, match="ended with exit code 7 before it was ready"):
            await process.wait_ready(client)
    assert recorder.history().of(history.LogTail)[0].lines == ("no token",)
    await process.stop()


async def test_a_program_that_the_image_does_not_have_is_the_targets_fault(
    python_image: str, tmp_path: Path
) -> None:
    recorder = Recorder()
    about = Launch(
        *("bot", "bot", ("no-such-program",), tmp_path, tmp_path / "bot.log"),
        container=ImageRun(python_image),
    )
    with pytest.raises(TargetError, match="no-such-program") as caught:
        await ManagedProcess.start(about, recorder)
    assert "`docker start` failed" in str(caught.value)
    assert "no-such-program" in recorder.history().of(history.ProcessNotReady)[0].reason


async def test_it_sees_the_directories_that_it_was_given(python_image: str, tmp_path: Path) -> None:
    (tmp_path / "note").write_text("seen")
    code = "print(open('note').read(), flush=True)"
    about = launch(
        python_image, tmp_path, code, run={"mounts": (tmp_path,), "workdir": str(tmp_path)}
    )
    process = await ManagedProcess.start(about, Recorder())
    assert await process.exited == 0
    await process.stop()
    assert about.log.read_text() == "seen\n"


HARNESS = """
import asyncio, pathlib, sys
from botproof.targets.launch import ImageRun, Launch
from botproof.targets.guarding import Guard
from botproof.targets.process import ManagedProcess
from botproof.targets.recorder import Recorder

async def main():
    here, image, code = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    async with Guard() as guard:
        command = ("python3", "-c", code)
        about = Launch("x", "bot", command, here, here / "x.log", container=ImageRun(image))
        await ManagedProcess.start(about, Recorder(), guard=guard)
        print("started", flush=True)
        await asyncio.sleep(600)

asyncio.run(main())
"""


async def test_no_container_outlives_a_harness_that_is_killed(
    python_image: str, tmp_path: Path
) -> None:
    harness = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", HARNESS, str(tmp_path), python_image, STUBBORN),
        stdout=asyncio.subprocess.PIPE,
    )
    assert harness.stdout is not None
    assert await harness.stdout.readline() == b"started\n"
    assert len(containers(f"botproof-{harness.pid}-")) == 1
    harness.kill()
    await harness.wait()
    async with asyncio.timeout(60):
        # Docker tells nobody here of the end.
        while containers(f"botproof-{harness.pid}-"):  # noqa: ASYNC110 - as said above
            await asyncio.sleep(0.1)


def test_an_image_that_is_not_here_is_told_with_the_command() -> None:
    with pytest.raises(UsageError) as caught:
        image_id("botproof-test/no-such-image:1")
    assert str(caught.value) == (
        "image botproof-test/no-such-image:1: is not on this machine; "
        "`docker pull botproof-test/no-such-image:1` fetches it, "
        "`docker build --tag botproof-test/no-such-image:1 .` makes it"
    )


HUNGRY = Path(__file__).parents[2] / "fixtures" / "bots" / "hungry" / "main.py"

CONFIG = """
[bot]
image = IMAGE
command = ["python3", "-c", HUNGRY]
ready = "telegram"
env = { API = "{url:telegram_double}", TOKEN = "{token}" }

[modes.polling]

[[workload.cases]]
name = "price"
say = "/price BTC"

[memory]
fence_mb = 120

[gate]
checks = ["boot", "memory"]
"""


def test_a_container_that_fills_the_machine_is_killed_and_the_gate_says_so(
    python_image: str, tmp_path: Path
) -> None:
    code = json.dumps(HUNGRY.read_text().replace("{", "{{").replace("}", "}}"))
    text = CONFIG.replace("IMAGE", json.dumps(python_image)).replace("HUNGRY", code)
    (tmp_path / "botproof.toml").write_text(text)
    config = str(tmp_path / "botproof.toml")
    run = GateRun(tmp_path / "report", "--config", config, cwd=tmp_path)
    assert run.exit_code == 1, run.output
    assert "ended on its own with signal SIGKILL" in run.checks["boot"]["measurement"]
    assert run.checks["memory"]["verdict"] == "FAIL"
    assert "the kernel killed" in run.checks["memory"]["measurement"]
