"""The watch over a real container: where it is, its memory, its restarts and what it logs."""

import os
import subprocess
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from botproof.watch.sampling import Look
from botproof.watch.settings import read

pytestmark = pytest.mark.docker

PROGRAM = """
import http.server, sys
print("ERROR of the start", file=sys.stderr, flush=True)
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        print("ERROR as asked for", flush=True)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()
http.server.HTTPServer(("", 8000), Handler).serve_forever()
"""


def docker(*words: str) -> str:
    command = ["docker", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture
def project() -> Iterator[str]:
    """A container as Compose would label it."""
    name = f"botproof-watch-{uuid.uuid4().hex[:12]}"
    image = os.environ.get("BOTPROOF_PYTHON_IMAGE", "python:3.11-slim")
    labels = ("com.docker.compose.project", name), ("com.docker.compose.service", "bot")
    words = [word for key, value in labels for word in ("--label", f"{key}={value}")]
    docker(
        *("run", "--detach", "--name", name, "--restart", "on-failure:5", "--memory", "64m"),
        *(*words, image, "python3", "-c", PROGRAM),
    )
    try:
        yield name
    finally:
        docker("rm", "--force", name)


def test_a_container_is_found_measured_read_and_its_crash_counted(
    project: str, tmp_path: Path
) -> None:
    path = tmp_path / "watch.toml"
    path.write_text(
        f'[services.bot]\ncontainer = "{project}/bot"\nhealth = "http://{{bot}}:8000/"\n'
    )
    look = Look(read(path, {}), {})

    def figures() -> dict[str, Any]:
        return {s.figure: s.value for s in look.once(time.time()) if s.subject == "bot"}

    def until(figure: str, value: float) -> dict[str, Any]:
        end = time.monotonic() + 60
        while time.monotonic() < end:
            found = figures()
            if found.get(figure, -1) >= value:
                return found
        raise AssertionError(f"no {figure} {value}: {found}")

    found = until("up", 1)
    assert 1e6 < found["service_memory_bytes"] < 64e6
    assert 0 < found["service_memory_ratio"] < 1
    # Each look asks at /, which logs an error.
    until("error_lines", found["error_lines"] + 2)
    pid = docker("inspect", "--format", "{{.State.Pid}}", project)
    os.kill(int(pid), 9)  # not `docker kill`: what a person does is not restarted
    assert until("restarts", 1)["restarts"] == 1
    until("up", 1)
    docker("stop", "--time", "1", project)
    samples = {s.figure: s for s in look.once(time.time()) if s.subject == "bot"}
    assert samples["up"].value == 0
    assert "its container has ended with code" in samples["up"].note
