"""Images to test: a bare Python, and the two of deploy/Dockerfile on top of it."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

Build = Callable[..., str]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep a file on one worker: what it starts has a name, and is made once."""
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.xdist_group(item.path.stem))


def docker(*words: str) -> str:
    command = ["docker", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


@pytest.fixture(scope="session")
def python_image() -> str:
    """Debian or alike with Python as `python3`."""
    return os.environ.get("BOTPROOF_PYTHON_IMAGE", "python:3.11-slim")


@pytest.fixture(scope="session")
def build_image(python_image: str) -> Build:
    """Builds a target of deploy/Dockerfile; its name."""

    def build(target: str) -> str:
        name = f"botproof-test/{target}:local"
        docker(
            *("build", "--quiet", "--network", "host", "--build-arg", f"BASE={python_image}"),
            *("--file", str(ROOT / "deploy" / "Dockerfile"), "--target", target),
            *("--tag", name, str(ROOT)),
        )
        return name

    return build


@pytest.fixture(scope="session")
def service_images(build_image: Build) -> dict[str, str]:
    """The images of deploy/Dockerfile, as production would run them, by process."""
    return {"market_data": build_image("market-data"), "bot": build_image("bot")}
