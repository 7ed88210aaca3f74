"""The bot as a process between the Telegram double (a process) and a market-data of the test."""

import asyncio
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import httpx
import pytest

from botproof.doubles.messages import Request, Response, json_response
from botproof.targets.reserved import Ports
from contract_tests.fork_server import BOT, ForkedBot, ForkServer
from contract_tests.served import served

TOKEN = "4242:AAExampleExampleExampleExampleExample"
SECRET = "a-secret-of-the-tests"
PATIENCE = 60.0
AFRESH = ("-m", BOT)
"""The command of a bot that starts from nothing."""
# One client, because each new one reads all certificates of the machine: many milliseconds of CPU
# for every question of a loop that waits. No connection is kept: those who are asked get killed.
HTTP = httpx.Client(
    timeout=PATIENCE, trust_env=False, limits=httpx.Limits(max_keepalive_connections=0)
)
NOW = "1767258432000"  # 2026-01-01 09:07:12 UTC

FLOW = {
    "start": 1759233600000,
    "end": 1759320000000,
    "buy": 9_000.0,
    "sell": 5_380.0,
    "delta": 3_620.0,
    "delta_quote": 402_630_000.0,
    "volume": 14_380.0,
    "turnover": 1.6e9,
    "long_short": 1.556,
}
BLOCK: dict[str, Any] = {
    "venue": "binance",
    "symbol": "BTCUSDT",
    "time": 1759320005123,
    "price": 111_230.5,
    "change_24h": 4_912.1,
    "change_24h_pct": 4.62,
    "high_24h": 112_000.0,
    "low_24h": 105_900.25,
    "volume_24h": 12_345.6,
    "turnover_24h": 1.37e9,
    "flow_24h": FLOW,
    "flow_15m": {**FLOW, "delta": -12.5, "delta_quote": -1_390_381.25, "long_short": 0.84},
    "activity": {"ratio": 2.06, "level": "HIGH"},
    "closed_since": None,
}
COMBINED: dict[str, Any] = {
    "symbol": "BTC/USDT",
    "base": "BTC",
    "quote": "USDT",
    "venue": "binance",
    "time": 1759320005123,
    "intelligence": {
        "source": "perp",
        "control_24h": {"side": "BUYERS", "buy_share": 0.6402},
        "momentum": {"state": "ACCELERATING", "ratio": 1.8},
        "control_15m": {"side": "BALANCED", "buy_share": 0.5},
        "activity": {"ratio": 2.06, "level": "HIGH"},
    },
    "spot": BLOCK,
    "perp": {
        **BLOCK,
        "mark_price": 111_228.9,
        "open_interest": {
            "amount": 81_400.0,
            "value": 9.054e9,
            "time": 1759320000000,
            "change_24h": {"amount": 3_595.0, "value": 423_600_000.0, "pct": 4.62},
            "change_15m": None,
        },
        "funding": {
            "rate": 0.000085,
            "interval_hours": 8.0,
            "annual": 0.09308,
            "rate_8h": 0.000085,
            "next_reset": 1759334400000,
            "pressure": "balanced",
        },
    },
    "missing": [],
}


def wait_for(what: str, ask: Callable[[], Any], seconds: float = PATIENCE) -> Any:
    """The first true value that ``ask`` gives. For what can only be asked, not waited on."""
    tick = threading.Event()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := ask():
            return found
        tick.wait(0.02)
    raise AssertionError(f"waited {seconds} s for {what}")


def http(url: str, body: bytes | None = None, **headers: str) -> tuple[int, dict[str, Any]]:
    """Status and JSON of a request."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    method = "GET" if body is None else "POST"
    answer = HTTP.request(method, url, content=body, headers=names)
    return answer.status_code, answer.json() if answer.content else {}


_PORTS = Ports()


def free_port() -> int:
    """A port that nothing else takes until the tests have ended."""
    return _PORTS.free()


@dataclass
class Child:
    """A process of ours whose log lines can be waited for."""

    process: subprocess.Popen[str] | ForkedBot
    source: IO[str]
    lines: list[str] = field(default_factory=list)
    _new: "queue.SimpleQueue[str | None]" = field(default_factory=queue.SimpleQueue)

    def __post_init__(self) -> None:
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        for line in self.source:
            self._new.put(line)
        self._new.put(None)

    def event(self, name: str, seconds: float = PATIENCE) -> dict[str, Any]:
        """The next line whose ``event`` is ``name``."""
        end = time.monotonic() + seconds
        while True:
            try:
                line = self._new.get(timeout=max(0.01, end - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"no {name!r} in:\n{''.join(self.lines)}") from None
            if line is None:
                raise AssertionError(f"ended without {name!r}:\n{''.join(self.lines)}")
            self.lines.append(line)
            if line.startswith("{") and json.loads(line).get("event") == name:
                found: dict[str, Any] = json.loads(line)
                return found

    def end(self, number: int = signal.SIGTERM, seconds: float = PATIENCE) -> int:
        """Sends a signal and returns the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.wait(seconds)

    def wait(self, seconds: float = PATIENCE) -> int:
        code = self.process.wait(seconds)
        self._reader.join()
        while not self._new.empty():
            if (line := self._new.get()) is not None:
                self.lines.append(line)
        return code

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.wait()
        for pipe in (self.process.stdout, self.process.stderr):
            if pipe is not None:
                pipe.close()


@pytest.fixture(scope="session")
def child() -> type[Child]:
    """For tests that start processes of their own."""
    return Child


class Telegram:
    """The double, by its control interface, for one bot."""

    def __init__(self, url: str, token: str) -> None:
        self.url = url
        self.token = token
        self._control = f"{url}/_double"
        self.seen = 0
        self._announced: set[tuple[Any, int]] = set()

    def __call__(self, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        status, answer = http(f"{self._control}/{path}", data, content_type="application/json")
        assert status == 200, answer
        return answer["result"]

    def say(self, text: str, chat: int = 1, user: int | None = None, **more: Any) -> int:
        body = {"text": text, "chat_id": chat, "user_id": user or abs(chat), **more}
        update_id: int = self(f"bots/{self.token}/updates", body)["update_id"]
        return update_id

    def say_each(self, texts: Iterable[str]) -> None:
        """Say each in a chat of its own, the first one in chat 1, and wait for all answers."""
        chats = [chat for chat, text in enumerate(texts, start=1) if self.say(text, chat=chat)]
        for chat in chats:
            self.answers(chat)

    def act(self, **action: Any) -> dict[str, Any]:
        """What a person does; what the double says it made."""
        made: dict[str, Any] = self(f"bots/{self.token}/updates", action)
        return made

    def inject(self, update: dict[str, Any]) -> int:
        update_id: int = self(f"bots/{self.token}/updates", {"update": update})["update_id"]
        return update_id

    def fault(self, **fault: Any) -> None:
        self("faults", fault)

    def call(self, method: str, **params: Any) -> Any:
        """A Bot API call, as somebody else who has the token would make it."""
        body = json.dumps(params).encode()
        url = f"{self.url}/bot{self.token}/{method}"
        status, answer = http(url, body, content_type="application/json")
        assert status == 200, answer
        return answer["result"]

    def clear_faults(self) -> None:
        answer = HTTP.delete(f"{self._control}/faults")
        assert answer.status_code == 200

    def until(
        self,
        wanted: Callable[[dict[str, Any]], bool] | None,
        count: int = 1,
        seconds: float = PATIENCE,
    ) -> list[dict[str, Any]]:
        """The next ``count`` events of our bot that are ``wanted`` (None: answers), waited for."""
        found: list[dict[str, Any]] = []
        end = time.monotonic() + seconds
        while len(found) < count:
            left = end - time.monotonic()
            assert left > 0, f"only {len(found)} of {count} events came; the last: {self._tail()}"
            page = self(f"transcript?after={self.seen}&timeout={min(left, 5.0):.2f}")
            for event in page["events"]:
                self.seen = event["seq"]
                if event.get("token") != self.token:
                    continue
                answer = self._is_answer(event)
                if answer if wanted is None else wanted(event):
                    found.append(event)
                    if len(found) == count:
                        break
        return found

    def _tail(self) -> list[str]:
        """The last events of our bot, in brief, for the message of a failure."""
        page = self("transcript?after=0&timeout=0")["events"]
        mine = [event for event in page if event.get("token") == self.token]
        return [
            f"{event['t']:.3f} {event['type']} {event.get('method') or ''}"
            f" {event.get('status', '')} {event.get('update_id') or event.get('update_ids') or ''}"
            for event in mine[-40:]
        ]

    def replies(self, count: int = 1, seconds: float = PATIENCE) -> list[dict[str, Any]]:
        """The next accepted answers: messages, or the edits that replace a "still working on it".

        On a busy machine any answer may be announced first.
        """
        return self.until(None, count, seconds)

    def announcement(self) -> dict[str, Any]:
        """The next accepted "still working on it"."""
        [event] = self.until(lambda event: is_sent(event) and _is_announcement(event))
        return event

    def _is_answer(self, event: dict[str, Any]) -> bool:
        """Whether it is one; has to see every event, to know what has been announced."""
        if is_sent(event):
            if _is_announcement(event):
                self._announced.add(_message(event))
            return not _is_announcement(event)
        if event["type"] == "call" and event["method"] == "editMessageText":
            if event["status"] != 200 or _message(event) not in self._announced:
                return False
            self._announced.remove(_message(event))
            return True
        return False

    def texts(self, chat: int) -> list[str]:
        """What the bot's messages in a chat say now."""
        messages = self(f"bots/{self.token}/chats/{chat}/messages")["messages"]
        return [m["text"] for m in messages if m["from"]["is_bot"]]

    def answers(self, chat: int, count: int = 1) -> list[str]:
        """The same, once there are ``count`` that are more than "still working on it"."""

        def there() -> list[str]:
            texts = [text for text in self.texts(chat) if not text.startswith("⏳")]
            return texts if len(texts) >= count else []

        found: list[str] = wait_for(f"{count} answers in chat {chat}", there)
        return found


def is_sent(event: dict[str, Any]) -> bool:
    call: bool = event["type"] == "call" and event["method"] == "sendMessage"
    return call and bool(event["status"] == 200)


def _is_announcement(event: dict[str, Any]) -> bool:
    return str(event["params"]["text"]).startswith("⏳")


def _message(event: dict[str, Any]) -> tuple[Any, int]:
    """The chat and number of the message that an accepted call sent or edited."""
    message = event["result"]
    return (None, 0) if message is True else (message["chat"]["id"], message["message_id"])


class Market:
    """A market-data whose answer, status and delay a test decides."""

    def __init__(self) -> None:
        self.answer: Any = {"success": True, "data": COMBINED}
        self.by_path: dict[str, Any] = {}
        """Answers (the data of them) of paths that are not to give ``answer``."""
        self.status = 200
        self.delay = 0.0
        self.unknown: set[str] = set()
        """Symbols that no exchange lists."""
        self.asked: list[dict[str, Any]] = []
        self.url = ""

    async def handle(self, request: Request) -> Response:
        self.asked.append({"path": request.path, **json.loads(request.body)})
        if self.asked[-1].get("symbol") in self.unknown:
            error = {"code": "unknown_symbol", "message": "not listed", "near": ["LTC/USDT"]}
            return json_response({"success": False, "error": error}, 404)
        if self.delay:
            await asyncio.sleep(self.delay)
        answer = self.answer
        if self.status == 200 and request.path in self.by_path:
            answer = {"success": True, "data": self.by_path[request.path]}
        return json_response(answer, self.status)


@pytest.fixture(scope="session")
def combined() -> dict[str, Any]:
    """The answer of market-data that the stub gives; change a copy."""
    return COMBINED


@pytest.fixture(scope="session")
def telegram_url() -> Iterator[str]:
    """One Telegram double for all tests of a worker, without flood control."""
    command = [sys.executable, "-m", "botproof", "double", "telegram", "--port", "0", "--no-flood"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    child = Child(process, process.stdout)
    try:
        yield child.event("listening")["url"]
    finally:
        assert child.end() == 0
        child.close()


@pytest.fixture
def telegram(telegram_url: str, request: pytest.FixtureRequest) -> Iterator[Telegram]:
    """The double, empty, for a bot of this test's own."""
    double = Telegram(telegram_url, f"{abs(hash(request.node.nodeid)) % 10**9 + 1}:{TOKEN[5:]}")
    double("reset", {})
    yield double
    double.clear_faults()


@pytest.fixture
def market() -> Iterator[Market]:
    stub = Market()
    with served(stub.handle) as stub.url:
        yield stub


StartBot = Callable[..., "Bot"]


class Bot(Child):
    """The bot's process, and its HTTP listener."""

    url: str = ""

    def ready(self) -> tuple[int, dict[str, Any]]:
        return http(f"{self.url}/ready")

    def reasons(self) -> dict[str, str]:
        reasons: dict[str, str] = self.ready()[1].get("reasons", {})
        return reasons

    def until_ready(self) -> "Bot":
        wait_for("readiness", lambda: self.ready()[0] == 200)
        return self

    def until_standing_by(self) -> None:
        """Waits until only another instance's end is missing."""
        wait_for("standing by", lambda: self.ready()[1].get("status") == "standing by")

    def metrics_text(self) -> str:
        return HTTP.get(f"{self.url}/metrics").text

    def metric(self, name: str) -> float:
        for line in self.metrics_text().splitlines():
            if line.startswith(f"{name} "):
                return float(line.split()[1])
        return 0.0

    def until_not_ready(self, part: str) -> str:
        """Waits until ``part`` is a reason for not being ready, and returns the reason."""
        reason: str = wait_for(f"{part} red", lambda: self.reasons().get(part))
        return reason

    def until_not_ready_for(self, part: str, text: str) -> str:
        """The same, for a reason that holds ``text``."""

        def reason() -> str | None:
            found = self.reasons().get(part, "")
            return found if text in found else None

        found: str = wait_for(f"{part}: {text}", reason)
        return found

    def until_inbox_open(self) -> None:
        wait_for("the inbox", lambda: "inbox" not in self.reasons())

    def until_idle(self, there: Callable[[], bool]) -> None:
        """Waits for what a test wants to see, and then for an empty inbox."""
        wait_for("the answers", there, 60.0)
        self.until_metric("bot_inbox_updates", 0)

    def until_metric(self, name: str, value: float) -> None:
        wait_for(f"{name} {value}", lambda: self.metric(name) == value)

    def until_rounds_done(self) -> None:
        """Waits until auto-signals have judged every pair of a slot."""
        self.until_counted("bot_signal_last_round_timestamp_seconds")

    def until_counted(self, name: str) -> None:
        wait_for(f"{name} above 0", lambda: self.metric(name))

    def post(self, body: Any, secret: str | None = SECRET) -> tuple[int, dict[str, Any]]:
        headers = {} if secret is None else {"X_Telegram_Bot_Api_Secret_Token": secret}
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return http(f"{self.url}/webhook", data, content_type="application/json", **headers)


@pytest.fixture
def start_bot(
    telegram: Telegram, market: Market, tmp_path: Path, fork_server: ForkServer
) -> Iterator[StartBot]:
    """Starts a bot: ``start_bot("webhook", NAME=...)``; all share a folder, so an inbox.

    It is forked from a process that has imported what it needs. With a command, or with few
    descriptors, it is a program that starts from nothing.
    """
    with ExitStack() as stack:

        def start(
            mode: str = "polling",
            *,
            port: int = 0,
            command: tuple[str, ...] = (),
            descriptors: int | None = None,
            **settings: str,
        ) -> Bot:
            port = port or free_port()
            environment = {
                "PATH": os.environ["PATH"],
                "PYTHONUNBUFFERED": "1",
                "TELEGRAM_BOT_TOKEN": telegram.token,
                "TELEGRAM_ALLOWED_USERS": "*",
                "TELEGRAM_API_BASE_URL": telegram.url,
                "MARKET_DATA_URL": market.url,
                "MARKET_DATA_TIMEOUT_SECONDS": "60",  # a busy machine is not what is tested
                "BOT_MODE": mode,
                "WEBHOOK_URL": f"http://127.0.0.1:{port}/webhook",
                "WEBHOOK_SECRET": SECRET,
                "WEBHOOK_PORT": str(port),
                **settings,
            }
            process: subprocess.Popen[str] | ForkedBot
            if command or descriptors:
                limited = ["/bin/sh", "-c", f'ulimit -n {descriptors}; exec "$0" "$@"']
                process = subprocess.Popen(
                    [*(limited if descriptors else ()), sys.executable, *(command or AFRESH)],
                    stderr=subprocess.PIPE,
                    text=True,
                    cwd=tmp_path,
                    env=environment,
                )
            else:
                process = fork_server.start(tmp_path, environment)
            assert process.stderr is not None
            bot = Bot(process, process.stderr)
            stack.callback(bot.close)
            bot.url = f"http://127.0.0.1:{bot.event('listening')['port']}"
            return bot

        yield start


@pytest.fixture(scope="session")
def market_data_url(
    child: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """market-data between us and an exchange double whose clock stands still."""
    with market_data(child, tmp_path_factory.mktemp("market_data")) as url:
        yield url


@contextmanager
def market_data(child: Callable[..., Any], folder: Path, *options: str) -> Iterator[str]:
    """The same, of a double with more ``options``."""
    with ExitStack() as stack:

        def start(stream: str, *command: str, **settings: str) -> Any:
            process = subprocess.Popen(
                [sys.executable, "-m", *command],
                text=True,
                cwd=folder,
                env={"PATH": os.environ["PATH"], "PYTHONUNBUFFERED": "1", **settings},
                stdout=subprocess.PIPE if stream == "stdout" else None,
                stderr=subprocess.PIPE if stream == "stderr" else None,
            )
            started = child(process, getattr(process, stream))
            stack.callback(started.close)
            return started

        double = ("botproof", "double", "exchanges", "--port", "0", "--seed", "7", "--now", NOW)
        venue = start("stdout", *double, *options).event("listening")["url"]
        service = start(
            "stderr",
            "reference_bot.market_data",
            MARKET_DATA_PORT="0",
            EXCHANGES="binance",
            DEADLINE_SECONDS="30",  # a busy machine is not what is tested
            BINANCE_SPOT_URL=f"{venue}/binance/spot",
            BINANCE_FUTURES_URL=f"{venue}/binance/futures",
            BINANCE_COIN_FUTURES_URL=f"{venue}/binance/coin",
        )
        yield f"http://127.0.0.1:{service.event('listening')['port']}"


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB, to be filled; skipped where we may not mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["/bin/mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False).returncode:
        pytest.skip("needs the right to mount a tmpfs")
    yield folder
    subprocess.run(["/bin/umount", "-l", str(folder)], check=True)


@pytest.fixture(params=["polling", "webhook"])
def mode(request: pytest.FixtureRequest) -> str:
    value: str = request.param
    return value
