"""Mutated updates at every door, odd bodies at every endpoint: ``python fuzz/run.py --help``.

The processes are real; Telegram and market-data are small stand-ins in this process that answer at
once. After each batch the inbox has to become empty, /ready has to be 200 and a canary has to be
answered. Exit codes: 0 all held, 1 something did not (the cases are in reports/fuzz, and kept in
fixtures/fuzz, from where every run begins), 2 it could not be run.
"""

import argparse
import asyncio
import base64
import hashlib
import json
import os
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).parent))

from mutate import Mutator, typed
from programs import PATIENCE, Client, Program, started_redis

from botproof.doubles.messages import Request, Response, json_response
from botproof.doubles.server import serve

ROOT: Final = Path(__file__).parents[1]
KEPT: Final = ROOT / "fixtures" / "fuzz"
TOKEN: Final = "4242:AAExampleExampleExampleExampleExample"
SECRET: Final = "a-secret-of-the-fuzzing"
NOW: Final = 1_767_258_432_000
BATCH: Final = 10_000
CANARY_SECONDS: Final = 2.0
SHARES: Final = {
    "webhook": 0.4,
    "redis": 0.15,
    "polling": 0.25,
    "lambda": 0.05,
    "market-data": 0.15,
}
FINE: Final = frozenset({200, 400, 413, 503})
"""What a door may answer; 503 says that Telegram is to bring it again."""
FINE_OF_MARKET_DATA: Final = frozenset({200, 404, 413, 422, 502, 503, 504})
"""Its own statuses: reference_bot/market_data/describe.py says what each means."""
LAMBDA: Final = """
import json, sys
from reference_bot.telegram_bot.doors import aws_lambda
class Context:
    def get_remaining_time_in_millis(self):
        return 15000
for line in sys.stdin:
    print(json.dumps(aws_lambda.handler(json.loads(line), Context())), flush=True)
"""


class Upstream:
    """The Bot API and market-data, as far as a bot under attack asks them."""

    def __init__(self) -> None:
        self.url = ""
        self.answered: dict[str, asyncio.Event] = {}
        self.waiting: list[Any] = []  # updates that getUpdates hands out next
        self.taken = asyncio.Event()
        self._sent = 0

    async def handle(self, request: Request) -> Response:
        """One call."""
        if not request.path.startswith("/bot"):
            fault = {"code": "unknown_symbol", "message": "no such symbol", "near": []}
            return json_response({"success": False, "error": fault}, 404)
        method = request.path.rsplit("/", 1)[-1]
        result: Any = True
        if method == "getMe":
            result = {"id": 4242, "is_bot": True, "first_name": "B", "username": "b_bot"}
        elif method == "getUpdates":
            batch, self.waiting = self.waiting[:100], self.waiting[100:]
            self.taken.set()
            if not batch:
                await asyncio.sleep(0.02)
            body = json.dumps({"ok": True, "result": batch}).encode()
            return Response(body=body)
        elif method == "getWebhookInfo":
            result = {
                "url": "http://127.0.0.1/webhook",
                "has_custom_certificate": False,
                "pending_update_count": 0,
            }
        elif method == "sendMessage":
            self._sent += 1
            result = {"message_id": self._sent}
            chat = str(json.loads(request.body)["chat_id"])
            if chat in self.answered:
                self.answered[chat].set()
        return json_response({"ok": True, "result": result})


class Fuzzing:
    """One run."""

    def __init__(self, cases: int, seed: int, folder: Path, report: Path) -> None:
        self.cases = cases
        # One for each door, so that its cases are the same whatever the others do meanwhile.
        self.mutators = {name: Mutator(f"{seed} {name}") for name in SHARES}
        self.folder = folder
        self.report = report
        self.upstream = Upstream()
        self.programs: dict[str, Program] = {}
        self.statuses: dict[str, Counter[int]] = {}
        self.failures: list[str] = []
        self.canaries: list[float] = []
        self._number = 1_000_000
        self._canary = 10_000

    # processes

    async def start(self, name: str, *command: str, **settings: str) -> Program:
        """Starts a program with a folder and a log of its own."""
        folder = self.folder / name
        folder.mkdir()
        log = folder / "log"
        with log.open("wb") as file:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *command,
                cwd=folder,
                env={"PATH": os.environ["PATH"], "PYTHONUNBUFFERED": "1", **settings},
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE if name == "lambda" else file,
                stderr=file,
                limit=1 << 24,
            )
        program = self.programs[name] = Program(name, process, log)
        return program

    def bot_settings(self, mode: str) -> dict[str, str]:
        """What a bot under attack is started with."""
        return {
            "TELEGRAM_BOT_TOKEN": TOKEN,
            "TELEGRAM_ALLOWED_USERS": "*",
            "TELEGRAM_API_BASE_URL": self.upstream.url,
            "TELEGRAM_SEND_SLOTS": "32",
            "MARKET_DATA_URL": self.upstream.url,
            "BOT_MODE": mode,
            "WEBHOOK_URL": "http://127.0.0.1/webhook",
            "WEBHOOK_SECRET": SECRET,
            "WEBHOOK_PORT": "0",
        }

    # doors

    async def post(self, name: str, count: int) -> None:
        """``count`` mutated bodies to a bot's webhook, over eight connections."""
        left = iter(range(count))
        mutator = self.mutators[name]

        async def worker() -> None:
            client = Client(self.programs[name].port)
            for _ in left:
                body = mutator.body(mutator.update(self.number()))
                await self.judge(name, body, client, ("/webhook", _SECRET))
            client.close()

        await asyncio.gather(*(worker() for _ in range(8)))

    async def judge(
        self,
        name: str,
        body: bytes,
        client: Client,
        where: tuple[str, dict[str, str]],
    ) -> None:
        """One case: it is answered, and by no 500."""
        path, headers = where
        try:
            async with asyncio.timeout(30):
                status, said = await client.ask("POST", path, body, **headers)
        except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
            self.fail(name, f"no answer: {error!r}", body)
            client.close()
            return
        self.statuses.setdefault(name, Counter())[status] += 1
        fine = FINE_OF_MARKET_DATA if name == "market-data" else FINE
        if status not in fine:
            self.fail(name, f"{path} answered {status}: {said[:200]!r}", body)

    async def poll(self, count: int) -> None:
        """``count`` mutated updates through getUpdates."""
        mutator = self.mutators["polling"]
        made = [mutator.update(self.number()) for _ in range(count)]
        made.append({"update_id": self.number()})  # its id moves the offset past them all
        self.upstream.waiting += made
        self.statuses.setdefault("polling", Counter())[200] += count
        while self.upstream.waiting:
            self.upstream.taken.clear()
            try:
                await asyncio.wait_for(self.upstream.taken.wait(), PATIENCE)
            except TimeoutError:
                left = len(self.upstream.waiting)
                _, said = await self.programs["polling"].ask("GET", "/ready")
                text = f"took nothing for {PATIENCE:g} s, {left} left, /ready says {said!r}"
                self.fail("polling", text, b"")
                self.upstream.waiting.clear()

    async def invoke(self, count: int) -> None:
        """``count`` mutated events for the Lambda handler."""
        process = self.programs["lambda"].process
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("the Lambda process has no pipes")
        mutator = self.mutators["lambda"]
        for _ in range(count):
            body = mutator.body(mutator.update(self.number()))
            event = {
                "headers": {"x-telegram-bot-api-secret-token": SECRET},
                "body": base64.b64encode(body).decode(),
                "isBase64Encoded": True,
            }
            process.stdin.write(json.dumps(event).encode() + b"\n")
            try:
                line = await asyncio.wait_for(process.stdout.readline(), PATIENCE)
            except TimeoutError:
                self.fail("lambda", f"did not answer in {PATIENCE:g} s", body)
                return
            status = json.loads(line)["statusCode"] if line else 0
            self.statuses.setdefault("lambda", Counter())[status] += 1
            if status not in FINE:
                self.fail("lambda", f"answered {status}", body)

    async def question(self, count: int) -> None:
        """``count`` odd bodies to market-data's endpoints."""
        client = Client(self.programs["market-data"].port)
        mutator = self.mutators["market-data"]
        for _ in range(count):
            path, value = mutator.question()
            body = mutator.body(value)
            await self.judge("market-data", body, client, (path, _JSON))
        client.close()

    # after a batch

    async def settled(self, name: str) -> None:
        """The inbox empties, /ready is 200, and a canary is answered in time."""
        program = self.programs[name]
        if name == "lambda":
            return
        try:
            async with asyncio.timeout(PATIENCE):
                while name != "market-data" and await program.metric("bot_inbox_updates"):
                    await asyncio.sleep(0.05)
                while (await program.ask("GET", "/ready"))[0] != 200:
                    await asyncio.sleep(0.05)
        except TimeoutError:
            _, said = await program.ask("GET", "/ready")
            stuck = await program.metric("bot_inbox_updates")
            self.fail(name, f"not settled: {stuck:.0f} updates wait, /ready says {said!r}", b"")
            return
        if name != "market-data":
            await self.canary(name)

    async def canary(self, name: str) -> None:
        """Somebody new asks for help."""
        self._canary += 1
        chat = {"id": self._canary, "type": "private", "first_name": "C"}
        person = {"id": self._canary, "is_bot": False, "first_name": "C"}
        message = {"message_id": 1, "date": 1, "chat": chat, "from": person, **typed("/help")}
        update = {"update_id": self.number(), "message": message}
        answered = self.upstream.answered[str(self._canary)] = asyncio.Event()
        began = time.monotonic()
        if name == "polling":
            self.upstream.waiting.append(update)
        else:
            await self.programs[name].ask(
                "POST", "/webhook", json.dumps(update).encode(), **_SECRET
            )
        try:
            await asyncio.wait_for(answered.wait(), PATIENCE)
        except TimeoutError:
            self.fail(name, "the canary was not answered", b"")
            return
        took = time.monotonic() - began
        self.canaries.append(took)
        if took > CANARY_SECONDS:
            self.fail(name, f"the canary was answered after {took:.1f} s", b"")

    def number(self) -> int:
        """The next update_id."""
        self._number += 1
        return self._number

    def fail(self, name: str, why: str, body: bytes) -> None:
        """Keeps a case that did not hold."""
        self.failures.append(f"{name}: {why}")
        if body and len(self.failures) < 50:
            mark = hashlib.sha256(body).hexdigest()[:16]
            for folder in (self.report, KEPT):
                folder.mkdir(parents=True, exist_ok=True)
                (folder / f"{mark}.bin").write_bytes(body)

    async def replay(self, name: str) -> None:
        """What once did not hold, first."""
        client = Client(self.programs[name].port)
        for case in sorted(KEPT.glob("*.bin")):
            await self.judge(name, case.read_bytes(), client, ("/webhook", _SECRET))
        client.close()


_SECRET: Final = {"X_Telegram_Bot_Api_Secret_Token": SECRET, "Content_Type": "application/json"}
_JSON: Final = {"Content_Type": "application/json"}


async def run(cases: int, seed: int) -> int:
    """The exit code."""
    report = ROOT / "reports" / "fuzz"
    with tempfile.TemporaryDirectory(prefix="botproof-fuzz-") as folder:
        fuzzing = Fuzzing(cases, seed, Path(folder), report)
        server = await serve(fuzzing.upstream.handle)
        fuzzing.upstream.url = server.url
        try:
            await _start_all(fuzzing)
            return await _attack(fuzzing, seed)
        finally:
            await _end_all(fuzzing)
            await server.close()


async def _start_all(fuzzing: Fuzzing) -> None:
    bot = ("-m", "reference_bot.telegram_bot")
    # Its own process: what it draws must not hold up the answers of the stand-ins in this one.
    exchanges = ("-m", "botproof", "double", "exchanges", "--seed", "7", "--now", str(NOW))
    url = (await (await fuzzing.start("exchanges", *exchanges)).announcement())["url"]
    await fuzzing.start("webhook", *bot, **fuzzing.bot_settings("webhook"))
    await fuzzing.start("polling", *bot, **fuzzing.bot_settings("polling"))
    await fuzzing.start(
        "lambda",
        "-c",
        LAMBDA,
        **fuzzing.bot_settings("webhook"),
        INBOX_PATH=str(fuzzing.folder / "lambda.sqlite3"),
    )
    await fuzzing.start(
        "market-data",
        "-m",
        "reference_bot.market_data",
        MARKET_DATA_PORT="0",
        EXCHANGES="binance",
        BINANCE_SPOT_URL=f"{url}/binance/spot",
        BINANCE_FUTURES_URL=f"{url}/binance/futures",
        BINANCE_COIN_FUTURES_URL=f"{url}/binance/coin",
    )
    if shutil.which("redis-server"):
        redis = await started_redis(fuzzing.folder, PATIENCE)
        fuzzing.programs["redis-server"] = Program("redis-server", redis, fuzzing.folder / "none")
        settings = fuzzing.bot_settings("webhook")
        settings["REDIS_URL"] = f"unix://{fuzzing.folder / 'redis.sock'}"
        await fuzzing.start("redis", *bot, **settings)
    for name, program in fuzzing.programs.items():
        if name not in {"lambda", "redis-server", "exchanges"}:
            await program.listening()
            await fuzzing.settled(name)


async def _attack(fuzzing: Fuzzing, seed: int) -> int:
    doors: dict[str, Callable[[int], Awaitable[None]]] = {
        "webhook": lambda count: fuzzing.post("webhook", count),
        "redis": lambda count: fuzzing.post("redis", count),
        "polling": fuzzing.poll,
        "lambda": fuzzing.invoke,
        "market-data": fuzzing.question,
    }
    doors = {name: door for name, door in doors.items() if name in fuzzing.programs}
    await fuzzing.replay("webhook")
    done, began, first = 0, time.monotonic(), {}
    while done < fuzzing.cases:
        batch = min(BATCH, fuzzing.cases - done)
        counts = {name: int(batch * SHARES[name]) for name in doors}
        await asyncio.gather(*(door(counts[name]) for name, door in doors.items()))
        for name, count in counts.items():
            await fuzzing.settled(name)
            done += count
            if fuzzing.programs[name].process.returncode is not None:
                fuzzing.fail(name, "the process has ended", b"")
                return _tell(fuzzing, seed, done, began, first)
        if not first:
            first = {name: fuzzing.programs[name].memory() for name in doors}
        took = time.monotonic() - began
        memory = ", ".join(f"{name} {fuzzing.programs[name].memory() / 1e6:.0f}" for name in counts)
        print(
            f"{done:>9,} cases in {took:5.0f} s ({done / took:.0f} a second), "
            f"{len(fuzzing.failures)} failures; MB: {memory}",
            flush=True,
        )
        if batch < 10:
            break
    return _tell(fuzzing, seed, done, began, first)


def _tell(fuzzing: Fuzzing, seed: int, done: int, began: float, first: dict[str, int]) -> int:
    for name, counts in fuzzing.statuses.items():
        tally = ", ".join(f"{status}: {count:,}" for status, count in sorted(counts.items()))
        grown = (fuzzing.programs[name].memory() - first.get(name, 0)) / 1e6 if first else 0.0
        ended = fuzzing.programs[name].log.read_text("utf-8", "replace").count("a task ended")
        if ended:
            fuzzing.fail(name, f"{ended} background tasks ended", b"")
        print(f"{name:>12}: {tally}; memory {grown:+.1f} MB since the first batch")
    slowest = max(fuzzing.canaries, default=0.0)
    print(f"{len(fuzzing.canaries)} canaries, the slowest answered in {slowest:.2f} s")
    print(f"{done:,} cases with seed {seed} in {time.monotonic() - began:.0f} s")
    for failure in fuzzing.failures[:20]:
        print(f"FAILED {failure}")
    return 1 if fuzzing.failures else 0


async def _end_all(fuzzing: Fuzzing) -> None:
    for program in fuzzing.programs.values():
        if program.process.returncode is None:
            program.process.terminate()
    for program in fuzzing.programs.values():
        try:
            await asyncio.wait_for(program.process.wait(), 15)
        except TimeoutError:
            program.process.kill()
            await program.process.wait()


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--cases", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    try:
        return asyncio.run(run(options.cases, options.seed))
    except (OSError, RuntimeError) as error:
        print(f"fuzzing could not be run: {error!r}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("ended before it was done", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
