"""The watch as a process, over a real bot, with the Telegram double as the operator's chat."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psutil
import pytest

import botproof

OPERATOR = "77:BBOperatorOperatorOperatorOperatorOpe"
StartWatch = Callable[[str], Any]


@pytest.fixture
def start_watch(child: Any, tmp_path: Path) -> Iterator[StartWatch]:
    """Starts `python -m botproof.watch` with these settings; all share one folder, so a state."""
    with ExitStack() as stack:

        def start(settings: str) -> Any:
            (tmp_path / "watch.toml").write_text(settings)
            process = subprocess.Popen(
                [sys.executable, "-m", "botproof.watch", "--config", tmp_path / "watch.toml"],
                stdout=subprocess.PIPE,
                text=True,
                env={"PATH": os.environ["PATH"], "OPERATOR_BOT_TOKEN": OPERATOR},
            )
            started = child(process, process.stdout)
            stack.callback(started.close)
            return started

        yield start


def watch_settings(bot: Any, telegram: Any, tmp_path: Path) -> str:
    """Also lets the operator begin the chat: Telegram lets no bot write first."""
    telegram(f"bots/{OPERATOR}/updates", {"text": "/start", "chat_id": 7, "user_id": 7})
    (tmp_path / "bot.pid").write_text(str(bot.process.pid))
    return f"""
        every_s = 0.2
        timeout_s = 1.0
        telegram_api = "{telegram.url}"
        [services.bot]
        pid_file = "{tmp_path}/bot.pid"
        health = "{bot.url}/health"
        ready = "{bot.url}/ready"
        [telegram]
        token = "{telegram.token}"
        [outputs.telegram]
        token = "${{OPERATOR_BOT_TOKEN}}"
        chat_id = 7
        # What is tested is that it is told, and once. How long it takes: test_rules.py.
        [rules.offline]
        for_s = 0.3
        clear_for_s = 0
        [rules.blind]
        off = true
        [rules.memory]
        off = true
        [rules.memory_critical]
        off = true
        [rules.disk]
        off = true
        [rules.memory_pressure]
        off = true
        [rules.out_of_memory]
        off = true
    """


def told(telegram: Any) -> list[str]:
    """The messages in the operator's chat."""
    messages = telegram(f"bots/{OPERATOR}/chats/7/messages")["messages"]
    return [message["text"] for message in messages if message["from"]["is_bot"]]


def test_a_frozen_bot_is_told_to_the_operator_once_and_its_end_too(
    start_bot: Any, start_watch: StartWatch, telegram: Any, tmp_path: Path
) -> None:
    bot = start_bot("polling").until_ready()
    watch = start_watch(watch_settings(bot, telegram, tmp_path))
    watch.event("watching")
    bot.process.send_signal(signal.SIGSTOP)
    try:
        started = watch.event("alert")
    finally:
        bot.process.send_signal(signal.SIGCONT)
    ended = watch.event("alert")
    assert [(a["rule"], a["subject"], a["state"]) for a in (started, ended)] == [
        ("offline", "bot", "started"),
        ("offline", "bot", "ended"),
    ]
    assert watch.end(signal.SIGINT) == 0
    assert json.loads(watch.lines[-1]) == {"event": "stopped", "going_on": []}
    first, second = told(telegram)
    assert first.startswith("🔴 CRITICAL offline of bot: does not answer at /health")
    assert "docs/runbook.md#offline" in first
    assert second.startswith("✅ OVER offline of bot after ")


def test_a_restart_of_the_watch_repeats_no_alert_and_still_tells_the_end(
    start_bot: Any, start_watch: StartWatch, telegram: Any, tmp_path: Path
) -> None:
    bot = start_bot("polling").until_ready()
    settings = watch_settings(bot, telegram, tmp_path)
    watch = start_watch(settings)
    watch.event("watching")
    bot.process.send_signal(signal.SIGSTOP)
    try:
        watch.event("alert")
        watch.end(signal.SIGKILL)
        again = start_watch(settings)
        again.event("watching")
    finally:
        bot.process.send_signal(signal.SIGCONT)
    state = again.event("alert")["state"]
    if state == "started":  # the kill came between the line and the note that it was written
        state = again.event("alert")["state"]
    assert state == "ended"
    assert again.end() == 0
    signs = [text[0] for text in told(telegram)]
    # A kill between Telegram's acceptance and the note of it may repeat the one message.
    assert signs in (["🔴", "✅"], ["🔴", "🔴", "✅"])


def test_a_second_watch_on_the_same_state_says_so(
    start_bot: Any, start_watch: StartWatch, telegram: Any, tmp_path: Path
) -> None:
    bot = start_bot("polling").until_ready()
    settings = watch_settings(bot, telegram, tmp_path)
    start_watch(settings).event("watching")
    config = ("--config", str(tmp_path / "watch.toml"))
    environment = {"PATH": os.environ["PATH"], "OPERATOR_BOT_TOKEN": OPERATOR}

    def run(*words: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "botproof.watch", *config, *words]
        return subprocess.run(
            command, capture_output=True, text=True, check=False, env=environment, timeout=800
        )

    second = run()
    assert second.returncode == 64
    assert "another watch is running with this state" in second.stderr
    once = run("--once")
    assert once.returncode == 0
    assert "this look tells and keeps nothing" in once.stdout
    assert "pending_updates" in once.stdout


def test_the_watch_fits_beside_the_bot(
    start_bot: Any, start_watch: StartWatch, telegram: Any, tmp_path: Path
) -> None:
    """At most 20 MB of memory (PSS), and 1 % of a processor at a look in 30 seconds."""
    bot = start_bot("polling").until_ready()
    watch = start_watch(watch_settings(bot, telegram, tmp_path))
    watch.event("watching")
    looks = [_looked(telegram, watch.process.pid, count) for count in (3, LOOKS)]
    assert looks[1] - looks[0] <= LOOKS * 0.01 * EVERY_S
    rollup = Path(f"/proc/{watch.process.pid}/smaps_rollup").read_text()
    [pss] = [int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:")]
    assert pss <= 20 * 1024
    assert watch.end() == 0


EVERY_S = 30.0
"""As the example has it: what a look may cost is told by that."""


LOOKS = 10


def _looked(telegram: Any, pid: int, count: int) -> float:
    """Seconds of a processor that the watch has taken after so many more looks."""
    telegram.until(lambda event: event.get("method") == "getWebhookInfo", count)
    times = psutil.Process(pid).cpu_times()
    return float(sum(times[:4]))


def test_the_watch_runs_without_any_package_installed(tmp_path: Path) -> None:
    """`-S` leaves every installed package out: the machine of the bot needs Python alone."""
    (tmp_path / "botproof").symlink_to(Path(botproof.__file__).parent)  # and nothing beside it
    done = subprocess.run(
        [sys.executable, "-S", "-m", "botproof.watch", "--example"],
        capture_output=True,
        text=True,
        check=False,
        timeout=800,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(tmp_path)},
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "[services.bot]" in done.stdout
