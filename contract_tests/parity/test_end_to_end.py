"""`botproof parity` on real processes: the reference bot, and what it exists to find."""

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from botproof.conversations import Conversation, Say, load, save
from botproof.history import ConversationsCompared, HistoryError, ProcessReady, read_history

pytestmark = [pytest.mark.anyio, pytest.mark.slow, pytest.mark.timeout(900)]

ROOT = Path(__file__).parents[2]
REAL_BOT = '["{python}", "-m", "reference_bot.telegram_bot"]'
INCIDENT = ROOT / "fixtures" / "incidents" / "webhook_without_intelligence.py"
DIES = """
import os, runpy, sys
from reference_bot.telegram_bot import slim
from reference_bot.telegram_bot.render import price
if os.environ["BOT_MODE"] == "webhook":
    price.render_price = lambda data: os._exit(7)
runpy.run_module("reference_bot.telegram_bot", run_name="__main__")
"""


class Bench:
    """A botproof.toml that may run another script in place of the bot."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "botproof.toml"
        self.report_dir = folder / "reports"
        self.use(None)

    def use(self, script: Path | None) -> None:
        text = (ROOT / "botproof.toml").read_text()
        assert REAL_BOT in text
        if script is not None:
            text = text.replace(REAL_BOT, f'["{{python}}", "{script}"]')
        self.config.write_text(text)

    @asynccontextmanager
    async def started(self, *options: str) -> AsyncIterator[asyncio.subprocess.Process]:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "botproof", "parity", "--config", str(self.config)),
            *("--report-dir", str(self.report_dir), *options),
            cwd=self.folder,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            yield process
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGTERM)
            await process.communicate()

    async def run(self, *options: str) -> tuple[int, str]:
        async with self.started(*options) as process:
            out, _ = await process.communicate()
        assert process.returncode is not None
        return process.returncode, out.decode()

    @property
    def compared(self) -> ConversationsCompared:
        return read_history(self.report_dir / "history.jsonl").of(ConversationsCompared)[-1]

    @property
    def evidence(self) -> list[str]:
        verdict: dict[str, Any] = json.loads((self.report_dir / "verdict.json").read_text())
        lines: list[str] = verdict["checks"][0]["evidence"]
        return lines


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


async def test_the_reference_bot_says_the_same_in_every_mode(bench: Bench) -> None:
    code, output = await bench.run("--examples", "40", "--seconds", "90")
    assert code == 0, output
    compared = bench.compared
    assert compared.doors == ("polling", "webhook", "lambda")
    assert compared.conversations == 40
    assert not compared.differences
    assert not compared.flaky
    # The comparison is of something: prices were answered, in each mode.
    assert compared.answers > 10
    stacks = (bench.report_dir / "stacks.jsonl").read_text().splitlines()
    for mode in compared.doors:
        assert any(f'"stack":"{mode}"' in line and "MARKET INTELLIGENCE" in line for line in stacks)


async def test_the_incident_is_found_and_shrunk_to_one_message(bench: Bench) -> None:
    bench.use(INCIDENT)
    code, output = await bench.run("--mode", "polling", "--mode", "webhook", "--seconds", "90")
    assert code == 1, output
    (difference,) = bench.compared.differences
    saved = Path(difference["saved"])
    (step,) = load(saved).steps
    assert isinstance(step, Say)
    assert step.text.startswith("/price")
    (shown,) = [line for line in bench.evidence if "24h control" in line]
    polling, _, webhook = shown.partition("|")
    assert "24h control" in polling
    assert "24h control" not in webhook
    assert saved.with_suffix(".txt").read_text().startswith("1. alice says: /price")

    code, output = await bench.run("--replay", str(saved), "--mode", "polling", "--mode", "webhook")
    assert code == 1, output
    assert bench.compared.replayed

    bench.use(None)
    code, output = await bench.run("--replay", str(saved))
    assert code == 0, output


async def test_a_bot_that_dies_of_a_message_fails_with_that_message(
    bench: Bench, tmp_path: Path
) -> None:
    script = tmp_path / "dies.py"
    script.write_text(DIES)
    bench.use(script)
    deadly = tmp_path / "deadly.json"
    save(deadly, Conversation(steps=(Say(text="/price BTC"),)))
    code, output = await bench.run(
        "--replay", str(deadly), "--mode", "polling", "--mode", "webhook"
    )
    assert code == 1, output
    assert bench.evidence == [
        "bot ended on its own with exit code 7 (webhook)",
        "1. alice says: /price BTC",
    ]


async def test_ctrl_c_is_an_error_and_ends_everything(bench: Bench) -> None:
    async with bench.started("--examples", "10000", "--seconds", "600") as process:
        await ready(bench.report_dir / "stacks.jsonl", bots=3)
        process.send_signal(signal.SIGINT)
        out, _ = await process.communicate()
        assert process.returncode == 3, out.decode()
    assert "the run was ended by SIGINT" in out.decode()
    assert "Traceback" not in out.decode()


async def ready(path: Path, bots: int) -> None:
    """Wait until a history tells of so many bots that are ready."""
    async with asyncio.timeout(60):
        while True:
            try:
                events = read_history(path).of(ProcessReady)
            except HistoryError:  # not there yet; it has no first line of a run either
                events = []
            if sum(event.role == "bot" for event in events) >= bots:
                return
            await asyncio.sleep(0.1)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (("--mode", "polling"), "only polling is to be played: parity needs two modes"),
        (("--mode", "pooling"), "--mode pooling: is not known; botproof.toml has polling, webhook"),
        (("--examples", "0"), "--examples is 0; it must be above 0"),
        (("--replay", "none.json"), "none.json: cannot be read"),
    ],
)
async def test_what_cannot_be_run_is_said_at_once(
    bench: Bench, options: tuple[str, ...], complaint: str
) -> None:
    code, output = await bench.run(*options)
    assert code == 64
    assert complaint in output
    assert not bench.report_dir.exists()
