"""Hosts to load, and Locust as a user starts it."""

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from botproof.doubles.messages import Handler
from contract_tests.served import served

SCRIPTS = Path(__file__).parents[2] / "load"
Host = Callable[[Handler], str]
Locust = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def host() -> Iterator[Host]:
    """Serve a handler from a thread of its own; give its URL."""
    with ExitStack() as stack:
        yield lambda handler: stack.enter_context(served(handler))


@pytest.fixture
def locust() -> Locust:
    """Runs a script of load/ to its end: `locust("price", "--rate", "300")`.

    With `ended_by`, SIGTERM ends it as soon as that event is set.
    """

    def run(
        script: str, *arguments: str, ended_by: threading.Event | None = None
    ) -> subprocess.CompletedProcess[str]:
        path = SCRIPTS / f"{script}.py"
        command = [sys.executable, "-m", "locust", "-f", str(path), "--headless", "--only-summary"]
        pipe = subprocess.PIPE
        with subprocess.Popen([*command, *arguments], stdout=pipe, stderr=pipe, text=True) as run:
            if ended_by is not None:
                assert ended_by.wait(600), "what should end the run never came"
                run.terminate()
            stdout, stderr = run.communicate(timeout=600)
        return subprocess.CompletedProcess(run.args, run.returncode, stdout, stderr)

    return run
