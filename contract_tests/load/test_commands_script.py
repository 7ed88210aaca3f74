"""`locust -f load/commands.py`: updates go in at the real Telegram double, replies come out."""

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator

import httpx
import pytest

from botproof.workloads.reply_calls import read_reply

TOKEN = "4242424242:AAGateTokenOfTheTelegramDouble00000"
Locust = Callable[..., subprocess.CompletedProcess[str]]
Answer = Callable[[int], list[str]]
PATIENTLY = ("--latency-budget", "300", "--rollback-latency", "300")
"""However busy the machine is on which all of it runs."""


@pytest.fixture
def double() -> Iterator[str]:
    """The Telegram double without flood control; its URL."""
    command = [sys.executable, "-m", "botproof", "double", "telegram", "--no-flood"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())["url"]
        process.terminate()
        process.wait(60)


@pytest.fixture
def bot(double: str) -> Iterator[Callable[[Answer], None]]:
    """A bot that polls the double and answers update `number` with the messages of `answer`."""
    stopping = threading.Event()
    threads = []

    def run(answer: Answer) -> None:
        api = f"{double}/bot{TOKEN}"
        offset = number = 0
        with httpx.Client(timeout=60, trust_env=False) as client:
            while not stopping.is_set():
                params = {"offset": offset, "timeout": 1}
                for update in client.get(f"{api}/getUpdates", params=params).json()["result"]:
                    offset = update["update_id"] + 1
                    number += 1
                    chat_id = update["message"]["chat"]["id"]
                    for text in answer(number):
                        body = {"chat_id": chat_id, "text": text}
                        client.post(f"{api}/sendMessage", json=body).raise_for_status()

    def start(answer: Answer) -> None:
        threads.append(threading.Thread(target=run, args=(answer,)))
        threads[-1].start()

    yield start
    stopping.set()
    for thread in threads:
        thread.join(60)


def test_replies_come_out_and_are_timed_from_when_the_update_was_due(
    double: str, bot: Callable[[Answer], None], locust: Locust
) -> None:
    bot(lambda _: ["⏳ a moment", "BTC/USDT $42"])
    run = locust(
        "commands",
        *("--host", double, "--token", TOKEN, "--rate", "60", "--error-budget", "0.05"),
        *("--acknowledgement", "^⏳", "--expect", r"\$\d+"),
        *PATIENTLY,
    )
    assert run.returncode == 0, run.stderr
    assert "verdict: PASS" in run.stderr


@pytest.mark.slow
def test_a_reply_that_never_comes_has_failed(
    double: str, bot: Callable[[Answer], None], locust: Locust
) -> None:
    """One in four stays with its acknowledgement, which is no answer. It is given up so late that
    it is over the budget even where the load generator had no processor for most of that."""
    bot(lambda number: ["⏳ a moment"] if number % 4 == 0 else ["BTC/USDT $42"])
    run = locust(
        "commands",
        *("--host", double, "--token", TOKEN, "--rate", "10", "--acknowledgement", "^⏳"),
        *("--latency-budget", "4", "--rollback-latency", "300", "--give-up", "13"),
    )
    assert run.returncode == 1, run.stderr
    assert "no answer within 13 s" in run.stderr


def test_answers_that_only_apologise_have_failed(
    double: str, bot: Callable[[Answer], None], locust: Locust
) -> None:
    bot(lambda _: ["Something went wrong, sorry."])
    run = locust(
        *("commands", "--host", double, "--token", TOKEN, "--expect", r"\$\d+", "--rate", "20"),
        *PATIENTLY,
    )
    assert run.returncode == 1, run.stderr
    assert "the answer does not contain" in run.stderr


def test_a_double_that_is_not_there_is_an_error_not_a_bad_bot(locust: Locust) -> None:
    run = locust("commands", "--host", "http://127.0.0.1:9")
    assert run.returncode == 3, run.stderr
    assert "nobody listens there" in run.stderr


@pytest.mark.parametrize(
    ("method", "params", "reply"),
    [
        ("sendMessage", {"chat_id": 5, "text": "hello"}, (5, "hello")),
        ("sendPhoto", {"chat_id": "5", "caption": "a chart"}, (5, "a chart")),
        ("editMessageText", {"chat_id": 5, "message_id": 1, "text": "done"}, (5, "done")),
        ("sendChatAction", {"chat_id": 5, "action": "typing"}, None),
        ("getUpdates", {"offset": 3}, None),
        ("editMessageText", {"inline_message_id": "x", "text": "done"}, None),
    ],
)
def test_which_calls_say_something_to_a_chat(
    method: str, params: dict[str, object], reply: tuple[int, str] | None
) -> None:
    assert read_reply(method, params) == reply
