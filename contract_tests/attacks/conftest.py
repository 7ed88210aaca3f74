"""Attacks on the real processes, with what the tests of the bot start and ask."""

import asyncio
import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from botproof.doubles.messages import Request, Response
from contract_tests.bot import conftest as bot_tests
from contract_tests.served import served

child, telegram_url, telegram = bot_tests.child, bot_tests.telegram_url, bot_tests.telegram
market, start_bot, mode = bot_tests.market, bot_tests.start_bot, bot_tests.mode
SECRET = bot_tests.SECRET

_ids = itertools.count(5_000_000)


def message(text: str = "/help", chat: int = 1, **more: Any) -> dict[str, Any]:
    """An update with a message, as Telegram would send it."""
    number = next(_ids)
    end = len(text.split(maxsplit=1)[0]) if text else 0
    body = {
        "message_id": number,
        "date": 1_767_258_432,
        "chat": {"id": chat, "type": "private", "first_name": "A"},
        "from": {"id": chat, "is_bot": False, "first_name": "A"},
        "text": text,
        "entities": [{"type": "bot_command", "offset": 0, "length": end}],
    }
    return {"update_id": number, "message": {**body, **more}}


def tap(chat: int = 1, **more: Any) -> dict[str, Any]:
    """An update with a tap on a button."""
    number = next(_ids)
    query = {
        "id": str(number),
        "from": {"id": chat, "is_bot": False, "first_name": "A"},
        "chat_instance": "1",
        "data": "price BTC",
        "message": message(chat=chat)["message"],
    }
    return {"update_id": number, "callback_query": {**query, **more}}


class Attack:
    """What an attack needs to make, and to see."""

    message = staticmethod(message)
    tap = staticmethod(tap)
    wait_for = staticmethod(bot_tests.wait_for)
    http = staticmethod(bot_tests.http)
    HTTP = bot_tests.HTTP
    SECRET = SECRET

    def __init__(self, telegram: Any, folder: Path) -> None:
        self.telegram = telegram
        self.folder = folder
        self._known: set[int] = set()

    def canary(self, chat: int = 1, seconds: float = bot_tests.PATIENCE) -> None:
        """Somebody asks something, and is answered."""
        before = len(self.telegram.texts(chat)) if chat in self._known else 0
        self._known.add(chat)
        self.telegram.say("/help", chat=chat)
        bot_tests.wait_for(
            f"the canary in chat {chat}",
            lambda: len(self.telegram.texts(chat)) > before,
            seconds,
        )

    def dead_letters(self, **settings: str) -> list[dict[str, Any]]:
        """What ``--dead-letters`` lists."""
        done = subprocess.run(
            [sys.executable, "-m", "reference_bot.telegram_bot", "--dead-letters"],
            cwd=self.folder,
            env={
                "PATH": os.environ["PATH"],
                "TELEGRAM_BOT_TOKEN": self.telegram.token,
                **settings,
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture
def attack(telegram: Any, tmp_path: Path) -> Attack:
    return Attack(telegram, tmp_path)


@pytest.fixture(params=["sqlite", "redis"])
def store(request: pytest.FixtureRequest) -> dict[str, str]:
    """The settings of either inbox."""
    if request.param == "sqlite":
        return {}
    return {"REDIS_URL": request.getfixturevalue("redis_url")}


class Upstream:
    """A Bot API of the test's own: it hands out what a test tells it to."""

    def __init__(self) -> None:
        self.batches: list[list[Any]] = []
        self.offsets: list[Any] = []
        self.sent: list[dict[str, Any]] = []
        self.url = ""


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    """For answers of getUpdates that the Telegram double would never give."""
    fake = Upstream()

    async def handle(request: Request) -> Response:
        params = json.loads(request.body or b"{}")
        method = request.path.rsplit("/", 1)[-1]
        result: Any = True
        if method == "getMe":
            result = {"id": 4242, "is_bot": True, "first_name": "B", "username": "b_bot"}
        elif method == "getUpdates":
            fake.offsets.append(params.get("offset"))
            result = fake.batches.pop(0) if fake.batches else []
            if not result:
                await asyncio.sleep(0.05)
        elif method == "sendMessage":
            fake.sent.append(params)
            result = {"message_id": len(fake.sent)}
        # Python's encoder writes what no careful one would: half surrogates, NaN, any number.
        body = json.dumps({"ok": True, "result": result}).encode()
        return Response(body=body)

    with served(handle) as fake.url:
        yield fake


@pytest.fixture
def soon() -> Callable[[Callable[[], Any], float], Any]:
    """The first true value of a question within some seconds, and how long it took."""

    def ask(question: Callable[[], Any], seconds: float) -> float:
        began = time.monotonic()
        bot_tests.wait_for("it", question, seconds)
        return time.monotonic() - began

    return ask
