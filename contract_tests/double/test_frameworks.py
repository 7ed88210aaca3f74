"""Bots of ten lines, each on a framework of its own, work at the double as they do at Telegram.

They run as processes, in polling and in webhook mode, with nothing but the base URL set.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import pytest

from botproof.doubles.telegram.client import Double, launch
from botproof.targets.reserved import Ports

TOKEN = "123456:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw1"
BOTS = Path(__file__).parents[2] / "fixtures" / "bots" / "ten_lines"
PYTHON_BOTS = ("ptb.py", pytest.param("aiogram_bot.py", marks=pytest.mark.slow), "telebot_bot.py")
WAIT = 100.0
PORTS = Ports()


@pytest.fixture(scope="module")
def running() -> Iterator[Double]:
    with launch(TOKEN) as double:
        yield double


@pytest.fixture
def double(running: Double) -> Double:
    running.reset()
    return running


@pytest.fixture(scope="module")
def grammy(need: Callable[..., None], missing: Callable[[str], NoReturn]) -> Path:
    """The grammY bot beside its packages, which the npm registry gives once."""
    source = BOTS / "grammy"
    lock = (source / "package-lock.json").read_bytes()
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    home = cache / "botproof" / f"grammy-{hashlib.sha256(lock).hexdigest()[:16]}"
    need("node", "npm")
    home.mkdir(parents=True, exist_ok=True)
    with (home / "lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)  # the workers of one run share the folder
        install(source, home, missing)
    return home / "bot.js"


def install(source: Path, home: Path, missing: Callable[[str], NoReturn]) -> None:
    if not (home / "installed").exists():
        for name in ("package.json", "package-lock.json"):
            shutil.copy(source / name, home)
        command = ["npm", "ci", "--omit=dev", "--no-audit", "--no-fund", "--ignore-scripts"]
        done = subprocess.run(command, cwd=home, capture_output=True, text=True, check=False)
        if done.returncode:
            missing(f"npm ci failed: {done.stderr.strip()[-400:]}")
        (home / "installed").touch()
    shutil.copy(source / "bot.js", home)


@contextmanager
def bot_process(command: list[str], double: Double, mode: str) -> Iterator[None]:
    env = {"PATH": os.environ["PATH"], "TOKEN": TOKEN, "API": double.url}
    if mode == "webhook":
        env["PORT"] = str(PORTS.free())
    with subprocess.Popen(command, env=env, stderr=subprocess.DEVNULL) as process:
        try:
            yield
        finally:
            process.terminate()


def talk(double: Double, mode: str) -> None:
    """A question, a formatted answer with a button, a tap, its answer, and the edit."""
    ada = double.person(42, "Ada")
    reply = ada.ask("hello", timeout=WAIT)
    assert reply.text == "hello"
    assert reply.raw["entities"] == [{"type": "bold", "offset": 0, "length": 5}]
    assert reply.buttons == ("More",)

    tap = ada.tap("More", reply)
    assert ada.answer_to_tap(tap, timeout=WAIT)["text"] == "coming"
    edited = ada.wait_for(lambda message: message.edited, timeout=WAIT)
    assert (edited.id, edited.text, edited.buttons) == (reply.id, "more", ())

    events, _ = double.transcript()
    doors = {event["door"] for event in events if event["type"] == "deliver"}
    assert doors == {mode}
    refused = [e for e in events if e["type"] == "call" and e["status"] not in {200, None}]
    assert refused == []


@pytest.mark.parametrize("mode", ["polling", "webhook"])
@pytest.mark.parametrize("bot", PYTHON_BOTS)
def test_a_bot_in_python(double: Double, bot: str, mode: str) -> None:
    with bot_process([sys.executable, str(BOTS / bot)], double, mode):
        talk(double, mode)


@pytest.mark.parametrize("mode", ["polling", "webhook"])
def test_a_bot_from_the_npm_registry(double: Double, grammy: Path, mode: str) -> None:
    with bot_process(["node", str(grammy)], double, mode):
        talk(double, mode)
