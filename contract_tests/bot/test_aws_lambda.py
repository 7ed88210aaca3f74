"""The Lambda door: API Gateway v2 and function URL events, to the Telegram double."""

import base64
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

# One function instance: events come as lines, answers go as lines, as the Lambda runtime does it.
RUNTIME = """
import json, sys, time
from reference_bot.telegram_bot.doors import aws_lambda

class Context:
    def __init__(self, ms):
        self.ms = ms
    def get_remaining_time_in_millis(self):
        return self.ms

for line in sys.stdin:
    event, ms = json.loads(line)
    print(json.dumps(aws_lambda.handler(event, Context(ms))), flush=True)
if aws_lambda._instance is not None:
    aws_lambda._instance.close()
"""
SECRET = "a-secret-of-the-tests"


class Function:
    """An instance of the function."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process

    def __call__(self, event: dict[str, Any], milliseconds: int = 15_000) -> dict[str, Any]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps([event, milliseconds]) + "\n")
        self.process.stdin.flush()
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        return answer

    def close(self) -> int:
        with self.process:
            assert self.process.stdin is not None
            self.process.stdin.close()
            return self.process.wait(60)


StartFunction = Callable[..., Function]


@pytest.fixture
def start_function(telegram: Any, market: Any, tmp_path: Path) -> Iterator[StartFunction]:
    started: list[Function] = []

    def start(**settings: str) -> Function:
        environment = {
            "PATH": os.environ["PATH"],
            "TELEGRAM_BOT_TOKEN": telegram.token,
            "TELEGRAM_ALLOWED_USERS": "*",
            "TELEGRAM_API_BASE_URL": telegram.url,
            "MARKET_DATA_URL": market.url,
            "MARKET_DATA_TIMEOUT_SECONDS": "60",  # a busy machine is not what is tested
            "WEBHOOK_URL": "https://example.org/webhook",
            "WEBHOOK_SECRET": SECRET,
            "INBOX_PATH": str(tmp_path / "inbox.sqlite3"),
            **settings,
        }
        process = subprocess.Popen(
            [sys.executable, "-c", RUNTIME],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        function = Function(process)
        started.append(function)
        return function

    yield start
    for function in started:
        if function.process.poll() is None:
            function.close()


def event(body: Any, *, secret: str | None = SECRET, encode: bool = False) -> dict[str, Any]:
    """Payload format 2.0, which both senders use; header names as the client wrote them."""
    text = body if isinstance(body, str) else json.dumps(body)
    headers = {"content-type": "application/json"}
    if secret is not None:
        headers["X-Telegram-Bot-Api-Secret-Token"] = secret
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": "/webhook",
        "headers": headers,
        "requestContext": {"http": {"method": "POST", "path": "/webhook"}},
        "body": base64.b64encode(text.encode()).decode() if encode else text,
        "isBase64Encoded": encode,
    }


def update(update_id: int, text: str = "/help", chat: int = 1) -> dict[str, Any]:
    return {
        "update_id": update_id,
        "message": {
            "message_id": update_id,
            "date": 1,
            "chat": {"id": chat, "type": "private", "first_name": "A"},
            "from": {"id": chat, "is_bot": False, "first_name": "A"},
            "text": text,
            "entities": [
                {"type": "bot_command", "offset": 0, "length": len(text.split(maxsplit=1)[0])}
            ],
        },
    }


@pytest.mark.parametrize("encode", [False, True])
def test_an_event_is_answered_when_its_update_is_handled(
    start_function: StartFunction, telegram: Any, encode: bool
) -> None:
    telegram.say("hello", chat=1)
    function = start_function()
    for number in (1, 2):
        answer = function(event(update(number, "/price btc"), encode=encode))
        assert (answer["statusCode"], answer["body"]) == (200, '{"ok":true}')
        assert len(telegram.texts(1)) == number  # it was handled before the answer
    assert function.close() == 0


def test_a_known_update_is_confirmed_and_not_handled_again(
    start_function: StartFunction, telegram: Any
) -> None:
    telegram.say("hello", chat=1)
    function = start_function()
    for _ in range(3):
        assert function(event(update(1)))["statusCode"] == 200
    assert len(telegram.texts(1)) == 1


def test_what_is_no_update_of_telegrams_is_refused(start_function: StartFunction) -> None:
    function = start_function()
    assert function(event(update(1), secret="wrong"))["statusCode"] == 403
    assert function(event(update(1), secret="\ud800"))["statusCode"] == 403
    assert function(event(update(1), secret=None))["statusCode"] == 401
    refused = function(event({}))
    assert refused["statusCode"] == 400
    assert "update_id is missing" in json.loads(refused["body"])["error"]
    assert function(event("x" * (1024 * 1024 + 1)))["statusCode"] == 413
    broken = {**event(update(1)), "body": "%%%", "isBase64Encoded": True}
    assert function(broken)["statusCode"] == 400
    assert function({**event(update(1)), "body": None})["statusCode"] == 400


def test_an_update_that_takes_too_long_is_brought_again_and_answered_once(
    start_function: StartFunction, telegram: Any, market: Any
) -> None:
    telegram.say("hello", chat=1)
    market.delay = 1.2
    function = start_function()
    assert function(event(update(1)))["statusCode"] == 200  # warm
    assert function(event(update(2, "/price btc")), milliseconds=1_300)["statusCode"] == 503
    assert function(event(update(2, "/price btc")))["statusCode"] == 200
    assert len([text for text in telegram.texts(1) if "SPOT" in text]) == 1


def test_nothing_is_in_hand_when_an_event_is_answered(
    start_function: StartFunction, telegram: Any, market: Any
) -> None:
    """Lambda freezes the process then: an answer that is sent and not noted is sent again."""
    for chat in (1, 2):
        telegram.say("hello", chat=chat)
    market.delay = 1.2
    function = start_function()
    assert function(event(update(1)))["statusCode"] == 200  # warm
    assert function(event(update(2, "/price btc")), milliseconds=1_300)["statusCode"] == 503
    assert function(event(update(3, chat=2)))["statusCode"] == 200
    assert len([text for text in telegram.texts(1) if "SPOT" in text]) == 1


def test_with_redis_instances_share_the_inbox(
    start_function: StartFunction, telegram: Any, redis_url: str
) -> None:
    telegram.say("hello", chat=1)
    first, second = (start_function(REDIS_URL=redis_url) for _ in range(2))
    assert first(event(update(1)))["statusCode"] == 200
    assert second(event(update(1)))["statusCode"] == 200
    assert len(telegram.texts(1)) == 1


def test_auto_signals_are_refused_with_everything_else_that_is_wrong(tmp_path: Path) -> None:
    """Lambda runs nothing between two events: whoever switches them on has to hear of it."""
    done = subprocess.run(
        [sys.executable, "-c", RUNTIME],
        input=json.dumps([event(update(1)), 15_000]) + "\n",
        env={"PATH": os.environ["PATH"], "ENABLE_AUTO_SIGNALS": "true", "WEBHOOK_SECRET": SECRET},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "TELEGRAM_BOT_TOKEN is not set" in done.stderr
    assert (
        "ENABLE_AUTO_SIGNALS is wrong (there, nothing runs between two events, so no signal would "
        "come by itself): it should be false in AWS Lambda\n" in done.stderr
    )
