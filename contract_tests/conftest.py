"""What every suite shares."""

import asyncio
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any, Self

import pytest
from hypothesis import HealthCheck, settings

from botproof.targets.reserved import Ports
from contract_tests.fork_server import ForkServer

# How long an example takes says how busy the machine is, and nothing else.
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")

NOT_APPLICABLE = "not applicable: "
"""Begins the reason of a skip that is right everywhere: a combination that does not exist."""


@pytest.fixture
def anyio_backend() -> str:
    """Async tests run on asyncio: the bot, the service and the doubles do."""
    return "asyncio"


@pytest.fixture
def no_proxy_but_the_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget the proxies that the machine's environment names."""
    for name in os.environ:
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Let a test that lacks a program or a right fail in CI: there everything has to run."""
    report = yield
    if report.skipped and os.environ.get("CI") and isinstance(report.longrepr, tuple):
        reason = str(report.longrepr[2]).removeprefix("Skipped: ")
        if not reason.startswith(NOT_APPLICABLE) and not hasattr(report, "wasxfail"):
            report.outcome = "failed"
            report.longrepr = f"skipped, but CI has to run it: {reason}"
    return report


@pytest.fixture(scope="session")
def fork_server() -> Iterator[ForkServer]:
    """Forks bots, which then start in a fifth of the time."""
    with ForkServer() as made:
        yield made


def _wait_for_redis(port: int) -> None:
    deadline = time.monotonic() + 30
    while not _redis_answers(port):
        if time.monotonic() > deadline:
            raise TimeoutError(f"no Redis answers on port {port}")
        time.sleep(0.02)  # nothing tells when its server begins to listen


def _redis_answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), 1.0) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(64).startswith(b"+PONG")
    except OSError:
        return False


@pytest.fixture
def redis_url(tmp_path: Path) -> Iterator[str]:
    """A Redis of this test's own, with an append-only file; skipped where none is installed."""
    with RedisServer(tmp_path) as server:
        yield server.url


class RedisServer:
    """redis-server as a process that can be killed and started again on its data."""

    def __init__(self, folder: Path) -> None:
        if shutil.which("redis-server") is None:
            pytest.skip("redis-server is not installed")
        self._folder = folder
        self._ports = Ports()  # nothing else takes its port while it is down
        self.port = self._ports.free()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def start(self) -> None:
        command = ["redis-server", "--port", str(self.port), "--dir", str(self._folder)]
        # Without fsync: one that is under way would put writes off, and SIGKILL lose them.
        command += ["--appendonly", "yes", "--appendfsync", "no"]
        command += ["--save", "", "--bind", "127.0.0.1"]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        _wait_for_redis(self.port)

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def __exit__(self, *_: object) -> None:
        self.kill()
        self._ports.close()


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[RedisServer]:
    with RedisServer(tmp_path) as server:
        yield server


class RedisContainer:
    """Redis in a container, durable to the last write, on a port that a restart keeps."""

    def __init__(self, container: Any, port: int) -> None:
        self._container = container
        self.port = port
        self.url = f"redis://127.0.0.1:{port}/0"

    def wait(self) -> None:
        """Until it answers."""
        _wait_for_redis(self.port)

    async def kill_and_start(self) -> None:
        """SIGKILL, then the same container again on the same data."""
        await asyncio.to_thread(self._kill_and_start)

    def _kill_and_start(self) -> None:
        self.kill()
        self.start()

    def kill(self) -> None:
        """SIGKILL."""
        self._container.kill()

    def start(self) -> None:
        """The same container again on the same data, until it answers."""
        self._container.start()
        self.wait()


@pytest.fixture(scope="session")
def redis_container() -> Iterator[RedisContainer]:
    """One for all tests of the session; what they keep must not meet."""
    from testcontainers.core.container import DockerContainer  # noqa: PLC0415 - needs an engine

    ports = Ports()
    port = ports.free()
    image = os.environ.get("BOTPROOF_REDIS_IMAGE", "redis:7-alpine")
    command = "redis-server --protected-mode no --appendonly yes --appendfsync always --save ''"
    container = DockerContainer(image).with_bind_ports(6379, port)
    with container.with_command(command) as started:
        redis = RedisContainer(started.get_wrapped_container(), port)
        redis.wait()
        yield redis
    ports.close()
