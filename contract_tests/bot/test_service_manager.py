"""What the bot's process tells systemd, as systemd hears it: datagrams on a socket."""

import os
import queue
import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from contract_tests.bot.conftest import PATIENCE

# A dispatcher that ends while a file is there. No input brings that about from outside.
ENDS = """
import asyncio, pathlib, runpy
from reference_bot.telegram_bot import slim
from reference_bot.telegram_bot.dispatch import Dispatcher

there = pathlib.Path("end").exists
run = Dispatcher.run

async def run_until_told(self):
    if there():
        raise RuntimeError("told to end")
    work = asyncio.create_task(run(self))
    try:
        while not there():
            await asyncio.sleep(0.02)
    finally:
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
    raise RuntimeError("told to end")

Dispatcher.run = run_until_told
runpy.run_module("reference_bot.telegram_bot", run_name="__main__")
"""


class Systemd:
    """The receiving end of NOTIFY_SOCKET, under a name without a file."""

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        name = f"botproof-test-{os.getpid()}-{id(self)}"
        self.socket.bind(f"\0{name}")
        self._told: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        # Read at once: the kernel keeps ten datagrams and has the sender drop the next.
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        self.environment = {"NOTIFY_SOCKET": f"@{name}", "WATCHDOG_USEC": "300000"}

    def hear(self) -> list[str]:
        return self._told.get(timeout=PATIENCE).decode().splitlines()

    def until(self, word: str) -> list[list[str]]:
        """All that is told, up to what starts with ``word``."""
        told = [self.hear()]
        while not any(line.startswith(word) for line in told[-1]):
            told.append(self.hear())
        return told

    def _read(self) -> None:
        while told := self.socket.recv(4096):
            self._told.put(told)

    def close(self) -> None:
        with self.socket:
            self.socket.shutdown(socket.SHUT_RD)  # ends the reader's wait
            self._reader.join()


@pytest.fixture
def systemd() -> Iterator[Systemd]:
    with closing(Systemd()) as systemd:
        yield systemd


def words(told: list[list[str]]) -> set[str]:
    return {line.partition("=")[0] for lines in told for line in lines}


def test_ready_is_told_once_then_the_watchdog_then_the_end(
    start_bot: Any, telegram: Any, systemd: Systemd
) -> None:
    telegram.fault(method="getMe", kind="error", error_code=500, count=3)
    bot = start_bot("polling", **systemd.environment)
    before = systemd.until("READY=1")
    assert "WATCHDOG" not in words(before[:-1])
    assert "EXTEND_TIMEOUT_USEC" in words(before)
    assert any(line.startswith("STATUS=") and "telegram: " in line for line in before[0])
    bot.until_ready()
    assert words(systemd.until("WATCHDOG=1")) <= {"READY", "WATCHDOG", "STATUS"}
    assert systemd.hear() == ["WATCHDOG=1"]
    assert bot.end() == 0
    assert words(systemd.until("STOPPING=1")) - {"WATCHDOG"} == {"STOPPING", "STATUS"}


def test_a_dispatcher_that_ends_is_not_covered_by_the_watchdog(
    start_bot: Any, systemd: Systemd, tmp_path: Path
) -> None:
    start_bot("polling", command=("-c", ENDS), **systemd.environment)
    systemd.until("READY=1")
    (tmp_path / "end").touch()
    systemd.until("STATUS=task dispatcher")
    (tmp_path / "end").unlink()
    assert words(systemd.until("STATUS=ready")[:-1]) <= {"STATUS"}
    assert systemd.hear() == ["WATCHDOG=1"]


def test_telegram_out_of_reach_is_told_and_does_not_end_the_bot(
    start_bot: Any, telegram: Any, systemd: Systemd
) -> None:
    start_bot("polling", **systemd.environment)
    systemd.until("READY=1")
    telegram.fault(method="getUpdates", kind="error", error_code=401, description="Unauthorized")
    telegram.say("/help")  # ends the poll that is waiting
    systemd.until("STATUS=polling: Telegram refuses the bot token (401)")
    assert systemd.hear() == ["WATCHDOG=1"]


def test_nobody_who_listens_and_another_process_s_watchdog_change_nothing(start_bot: Any) -> None:
    nobody = {"NOTIFY_SOCKET": "@nobody-listens-here", "WATCHDOG_USEC": "1", "WATCHDOG_PID": "1"}
    bot = start_bot("polling", **nobody).until_ready()
    assert bot.end() == 0
