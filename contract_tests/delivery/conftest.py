"""Delivery runs of real bots, and a real Redis for those that share one."""

import asyncio
import os
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest

from botproof.config import Config, load_config
from botproof.delivery.report import as_text
from botproof.delivery.run import DeliveryOptions, Outcome, run_delivery

ROOT = Path(__file__).parents[2]


class Deliver(Protocol):
    """Runs a delivery run of the bot whose botproof.toml lies in a directory of the project."""

    def __call__(
        self, where: str = ".", *, change: Callable[[Config], Config] = ..., **options: Any
    ) -> Outcome: ...


@pytest.fixture
def deliver(tmp_path: Path) -> Deliver:
    """A delivery run that reports into the test's own directory, and prints what a person sees."""

    def run(
        where: str = ".",
        *,
        change: Callable[[Config], Config] = lambda config: config,
        **options: Any,
    ) -> Outcome:
        path = ROOT / where / "botproof.toml"
        config = change(load_config(path))
        outcome = run_delivery(
            DeliveryOptions(
                config=config, config_path=path, report_dir=tmp_path / "report", **options
            )
        )
        print("\n".join(as_text([outcome])))
        for result in outcome.results:
            print(result.check, result.verdict.value, *result.evidence, sep="\n  ")
        return outcome

    return run


class Redis:
    """Redis in a container, durable to the last write, on a port that a restart keeps."""

    def __init__(self, container: Any, port: int) -> None:
        self._container = container
        self.port = port
        self.url = f"redis://127.0.0.1:{port}/0"

    def wait(self) -> None:
        """Until it answers."""
        deadline = time.monotonic() + 30
        while not self._answers():
            if time.monotonic() > deadline:
                raise TimeoutError(f"no Redis answers on port {self.port}")
            time.sleep(0.05)  # nothing tells when a container's server begins to listen

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1.0) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(64).startswith(b"+PONG")
        except OSError:
            return False

    async def kill_and_start(self) -> None:
        """SIGKILL, then the same container again on the same data."""
        await asyncio.to_thread(self._kill_and_start)

    def _kill_and_start(self) -> None:
        self._container.kill()
        self._container.start()
        self.wait()


@pytest.fixture(scope="session")
def redis_server() -> Iterator[Redis]:
    """One Redis for all tests of the session: each run has a bot of its own."""
    from testcontainers.core.container import DockerContainer  # noqa: PLC0415 - needs an engine

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    image = os.environ.get("BOTPROOF_REDIS_IMAGE", "redis:7-alpine")
    command = "redis-server --protected-mode no --appendonly yes --appendfsync always --save ''"
    container = DockerContainer(image).with_bind_ports(6379, port)
    with container.with_command(command) as started:
        redis = Redis(started.get_wrapped_container(), port)
        redis.wait()
        yield redis
