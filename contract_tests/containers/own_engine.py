"""A Docker engine of a test's own, which may be stopped without harm to anybody else's containers.

It lives in a network namespace of its own: two engines in one would write the same packet rules.
Whoever enters that namespace reaches the ports that its containers publish on 127.0.0.1.
"""

import contextlib
import ctypes
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from botproof.targets.network import CLONE_NEWNET, enter_network
from contract_tests.containers.conftest import docker

_STARTS_WITHIN_S = 60.0


@contextlib.contextmanager
def own_network() -> Iterator[None]:
    """Put this thread, and what it starts, into a network that has nothing but a loopback device.

    Needs root. Python 3.12 has `os.unshare` for this.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    with Path("/proc/thread-self/ns/net").open("rb") as before:
        if libc.unshare(CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "no network of its own can be made")
        try:
            up = ["ip", "link", "set", "lo", "up"]
            subprocess.run(up, check=True)
            yield
        finally:
            enter_network(before.fileno())


class OwnEngine:
    """`dockerd` with a directory and a socket of its own. `live_restore`: whether containers go on
    while it is away."""

    def __init__(self, data: Path, run: Path, *, live_restore: bool) -> None:
        self._data = data
        self._run = run
        self._live_restore = live_restore
        self._process: subprocess.Popen[bytes] | None = None
        self._outside = dict(os.environ)
        self.host = f"unix://{run}/docker.sock"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        command = [
            *("dockerd", "--host", self.host, "--pidfile", f"{self._run}/pid"),
            *("--data-root", str(self._data), "--exec-root", f"{self._run}/exec"),
            *(("--live-restore",) if self._live_restore else ()),
        ]
        with (self._run / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        until = time.monotonic() + _STARTS_WITHIN_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > until:
                said = (self._run / "log").read_text(errors="replace")[-2000:]
                raise RuntimeError(f"the engine did not start; its last words:\n{said}")
            time.sleep(0.1)  # nobody tells when its socket answers

    def stop(self) -> None:
        """End it as an upgrade of its package does."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait()
            self._process = None

    def docker(self, *words: str) -> str:
        """Ask this engine."""
        return docker("--host", self.host, *words)

    def take(self, *images: str) -> None:
        """Give it these images of the engine that everybody uses."""
        save_them = ["docker", "save", *images]
        pipe = subprocess.PIPE
        with subprocess.Popen(save_them, env=self._outside, stdout=pipe) as save:
            load = ("docker", "--host", self.host, "load", "--quiet")
            subprocess.run(load, stdin=save.stdout, check=True, capture_output=True)
        assert save.returncode == 0

    def _answers(self) -> bool:
        command = ("docker", "--host", self.host, "version")
        return subprocess.run(command, capture_output=True, check=False).returncode == 0


@contextlib.contextmanager
def _in_memory() -> Iterator[Path]:
    """A directory whose file system can hold layers, wherever this runs, and is gone at once."""
    directory = Path(tempfile.mkdtemp(prefix="botproof-engine-"))
    mount = ["mount", "-t", "tmpfs", "-o", "size=2g", "tmpfs", str(directory)]
    subprocess.run(mount, check=True)
    try:
        yield directory
    finally:
        unmount = ["umount", "--recursive", "--lazy", str(directory)]
        subprocess.run(unmount, check=True)
        directory.rmdir()


@contextlib.contextmanager
def own_engine(*, live_restore: bool = False) -> Iterator[OwnEngine]:
    """An engine in a network of its own; the calls of Docker in this process go to it."""
    with contextlib.ExitStack() as stack:
        data = stack.enter_context(_in_memory())
        run = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="botproof-engine-")))
        engine = OwnEngine(data, run, live_restore=live_restore)
        stack.enter_context(own_network())
        stack.callback(engine.stop)
        engine.start()
        here = stack.enter_context(pytest.MonkeyPatch.context())
        here.setenv("DOCKER_HOST", engine.host)
        yield engine
        _remove_all(engine)


def _remove_all(engine: OwnEngine) -> None:
    """With `live_restore` they would outlive the engine."""
    if containers := engine.docker("ps", "--all", "--quiet").split():
        engine.docker("rm", "--force", *containers)
