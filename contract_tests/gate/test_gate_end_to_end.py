"""The gate on real processes: a good build, and the defects that it exists to find.

A defect is a script of fixtures/incidents/ in place of the real entry point, or another line in
botproof.toml. The code under test knows nothing of it.
"""

import asyncio
import json
import os
import re
import signal
import sys
import xml.etree.ElementTree as ET
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest

from botproof.history import (
    CasePlayed,
    Event,
    FreshStart,
    HistoryError,
    ProcessStarted,
    Run,
    read_history,
)
from botproof.report.files import as_json
from botproof.verdict import CheckResult, Verdict
from contract_tests.processes import alive

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

ROOT = Path(__file__).parents[2]
INCIDENTS = ROOT / "fixtures" / "incidents"
CASES = re.compile(r"(?=^\[\[workload\.cases\]\]$)", re.MULTILINE)
REAL_BOT = '["{python}", "-m", "reference_bot.telegram_bot"]'
IN_TIME = {"PASS", "INCONCLUSIVE"}
"""The latter where a busy machine held up the load generator, so that too little is known."""
LATENCY = {"latency": "PASS"}
REAL_MARKET_DATA = '["{python}", "-m", "reference_bot.market_data"]'


@dataclass
class Gate:
    """One `botproof gate`, going on or done."""

    process: asyncio.subprocess.Process
    report_dir: Path
    output: str = ""

    async def finish(self) -> int:
        """Its exit code."""
        out, _ = await self.process.communicate()
        self.output = out.decode()
        assert self.process.returncode is not None
        return self.process.returncode

    @property
    def verdict(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.report_dir / "verdict.json").read_text())
        return found

    @property
    def checks(self) -> dict[str, str]:
        return {check["check"]: check["verdict"] for check in self.verdict["checks"]}

    def evidence(self, name: str) -> str:
        lines = [c["evidence"] for c in self.verdict["checks"] if c["check"] == name]
        return "\n".join(lines[0])

    async def event(self, wanted: Callable[[Event], bool]) -> Event:
        """The first event of the history that is `wanted`; waits for it."""
        async with asyncio.timeout(60):
            while True:
                try:
                    found = next(
                        filter(wanted, read_history(self.report_dir / "history.jsonl")), None
                    )
                except HistoryError:  # not there yet
                    found = None
                if found is not None:
                    return found
                await asyncio.sleep(0.05)  # a file tells nobody that it has grown

    def processes(self) -> list[int]:
        history = read_history(self.report_dir / "history.jsonl")
        return [event.pid for event in history.of(ProcessStarted)]


@dataclass
class Bench:
    """Writes changed copies of botproof.toml and starts gates on them."""

    directory: Path

    def config(self, *changes: tuple[str, str], most: int | None = None) -> Path:
        text = (ROOT / "botproof.toml").read_text()
        if most is not None:
            head, *cases, last = CASES.split(text)  # what follows the last case goes with it
            plain = [case for case in cases if 'double = "exchanges"' not in case]
            text = head + "".join(plain[:most]) + last
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        text = text.replace('"load/price.py"', f'"{ROOT / "load" / "price.py"}"')
        text += f'\n[gate]\ngolden_dir = "{ROOT / "golden"}"\n'
        path = self.directory / "botproof.toml"
        path.write_text(text)
        return path

    @asynccontextmanager
    async def gate(
        self, *changes: tuple[str, str], only: str = "", most: int | None = None
    ) -> AsyncIterator[Gate]:
        """With `most`, the conversation is that many cases, none with an exchange that fails (they
        are played one at a time), and the last one.
        """
        report_dir = self.directory / "report"
        config = self.config(*changes, most=most)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "botproof", "gate"),
            *("--config", str(config), "--report-dir", str(report_dir)),
            *(["--only", only] if only else []),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        gate = Gate(process, report_dir)
        try:
            yield gate
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGTERM)
                await gate.finish()
        # Whatever happened, nothing that it started is left.
        assert [pid for pid in gate.processes() if alive(pid)] == []


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.mark.timeout(900)
async def test_the_reference_bot_passes_and_says_so_everywhere(bench: Bench) -> None:
    async with bench.gate() as gate:
        code = await gate.finish()
    assert code == 0, gate.output
    assert gate.verdict["verdict"] == "PASS"
    assert list(gate.checks) == [
        *("boot", "door", "security", "golden", "parity", "conversations"),
        *("degradation", "delivery", "signals"),
        *("latency", "errors", "rollback", "memory", "prove"),
    ]
    for check in gate.verdict["checks"]:
        assert check["verdict"] == "PASS"
        assert check["budget"]
        assert check["measurement"]
        assert "evidence" in check
    assert "verdict: PASS" in gate.output
    suite = ET.fromstring((gate.report_dir / "junit.xml").read_text())[0]  # noqa: S314 - our own file
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("14", "0", "0")
    assert "# botproof gate: ✅ PASS" in (gate.report_dir / "summary.md").read_text()

    history = str(gate.report_dir / "history.jsonl")
    assert "verdict: PASS" in await printed("judge", history)

    sealed = ("verify", str(gate.report_dir / "verdict.intoto.json"), "--allow-unsigned")
    here = ("--config", str(bench.directory / "botproof.toml"), "--history", history)
    assert "accepted: PASS for source" in await printed(*sealed, *here)
    append_a_line(Path(history))
    assert "history: sealed with sha256:" in await printed(*sealed, *here, code=1)


def append_a_line(path: Path) -> None:
    path.write_text(path.read_text() + "\n")


async def printed(*words: str, code: int = 0) -> str:
    """What `botproof …` prints, when it ends with the exit code that is expected."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "botproof", *words),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await process.communicate()
    assert process.returncode == code, out.decode()
    return out.decode()


async def test_a_section_missing_in_webhook_mode_only_fails_parity(bench: Bench) -> None:
    script = INCIDENTS / "webhook_without_intelligence.py"
    change = (REAL_BOT, f'["{{python}}", "{script}"]')
    async with bench.gate(change, only="boot,golden,parity") as gate:
        code = await gate.finish()
    assert code == 1, gate.output
    assert gate.verdict["verdict"] == "FAIL"
    assert gate.checks == {"boot": "PASS", "golden": "FAIL", "parity": "FAIL"}
    shown = [line for line in gate.output.splitlines() if "24h control" in line and "|" in line]
    assert shown, gate.output
    polling, _, webhook = shown[0].partition("|")
    assert "24h control" in polling
    assert "24h control" not in webhook
    assert "parity" in gate.output.splitlines()[-1]


async def test_a_market_data_that_is_three_seconds_late_fails_latency(bench: Bench) -> None:
    script = INCIDENTS / "market_data_three_seconds_late.py"
    change = (REAL_MARKET_DATA, f'["{{python}}", "{script}"]')
    async with bench.gate(change, only="latency,errors", most=30) as gate:
        code = await gate.finish()
    assert code == 1, gate.output
    assert gate.checks["latency"] == "FAIL"
    assert gate.checks["errors"] == "FAIL"
    # The bot gives up in time and says so; it is the service itself that is late.
    latency = gate.evidence("latency")
    assert "not answered in 2 s" in latency
    assert "p50 3" in latency


async def test_a_bot_that_reaches_no_market_data_still_answers(bench: Bench) -> None:
    url = 'MARKET_DATA_URL = "{}"'
    change = (url.format("{url:market_data}"), url.format("http://127.0.0.1:9"))
    async with bench.gate(change, only="boot,golden,parity,latency", most=30) as gate:
        code = await gate.finish()
    assert code == 1, gate.output
    # It answers in both modes, in time, and the same in both; but not what it should.
    assert gate.checks | LATENCY == {"boot": "PASS", "golden": "FAIL", "parity": "PASS", **LATENCY}
    assert gate.checks["latency"] in IN_TIME
    evidence = gate.evidence("golden")
    # A case that was starved is named by the stack in which it was played again.
    assert re.search(r"price-btc \(polling(-again-\d)?\)", evidence)
    assert any(
        line.startswith("+") and "Market data is not reachable" in line
        for line in evidence.splitlines()
    ), evidence
    assert "golden" in gate.output.splitlines()[-1]


async def kill_double(gate: Gate, after: float = 0.0) -> float:
    """End the Telegram double in the middle of a conversation that began after a time."""
    case = await gate.event(lambda event: isinstance(event, CasePlayed) and event.t > after)
    doubles = [
        event
        for event in read_history(gate.report_dir / "history.jsonl").of(ProcessStarted)
        if event.process == "telegram_double" and event.t < case.t
    ]
    os.kill(doubles[-1].pid, signal.SIGKILL)
    return case.t


async def test_a_double_that_stops_in_the_middle_is_mended_by_a_fresh_start(bench: Bench) -> None:
    async with bench.gate(only="boot,golden,parity,latency", most=30) as gate:
        await kill_double(gate)
        code = await gate.finish()
    # Only a part of the approved replies was asked for, which golden says; nothing else is wrong.
    wanted = {"boot": "PASS", "golden": "FAIL", "parity": "PASS", **LATENCY}
    assert gate.checks | LATENCY == wanted, gate.output
    assert gate.checks["latency"] in IN_TIME
    assert code == 1, gate.output
    assert "replies differ" not in gate.evidence("golden")
    start = read_history(gate.report_dir / "history.jsonl").of(FreshStart)[0]
    assert start.failure == "double_ended"
    assert "polling: started afresh, because a double ended on its own" in gate.output
    assert "started afresh" in (gate.report_dir / "report.html").read_text()


async def test_a_double_that_stops_again_is_an_error(bench: Bench) -> None:
    async with bench.gate(only="boot,golden,parity,latency") as gate:
        await kill_double(gate)
        start = await gate.event(lambda event: isinstance(event, FreshStart))
        await kill_double(gate, after=start.t)
        code = await gate.finish()
    assert code == 3, gate.output
    assert gate.verdict["verdict"] == "ERROR"
    assert gate.checks["harness"] == "ERROR"
    assert "telegram_double ended on its own with signal SIGKILL" in gate.evidence("harness")


async def test_ctrl_c_ends_everything_and_leaves_a_partial_report(bench: Bench) -> None:
    async with bench.gate(only="boot,golden,parity") as gate:
        await gate.event(lambda event: isinstance(event, CasePlayed))
        gate.process.send_signal(signal.SIGINT)
        code = await gate.finish()
    assert code == 3, gate.output
    assert "the run was ended by SIGINT" in gate.evidence("harness")
    history = read_history(gate.report_dir / "history.jsonl")
    assert isinstance(history.run, Run)
    assert "Traceback" not in gate.output


async def test_a_harness_that_is_killed_leaves_no_process_behind(bench: Bench) -> None:
    async with bench.gate(only="boot,golden,parity") as gate:
        await gate.event(lambda event: isinstance(event, CasePlayed))
        gate.process.send_signal(signal.SIGKILL)
        await gate.finish()
        async with asyncio.timeout(60):
            while any(alive(pid) for pid in gate.processes()):  # noqa: ASYNC110 - as in `event`
                await asyncio.sleep(0.05)


async def test_a_bot_that_does_not_start_fails_boot_with_its_words(bench: Bench) -> None:
    change = ('TELEGRAM_BOT_TOKEN = "{token}"', 'TELEGRAM_BOT_TOKEN = "nonsense"')
    async with bench.gate(change, only="boot,golden,parity") as gate:
        code = await gate.finish()
    assert code == 1, gate.output
    assert gate.checks["boot"] == "FAIL"
    assert gate.checks["parity"] == "INCONCLUSIVE"
    assert "TELEGRAM_BOT_TOKEN is wrong" in gate.evidence("boot")


async def test_a_file_that_cannot_be_used_starts_nothing(tmp_path: Path) -> None:
    bad = tmp_path / "botproof.toml"
    bad.write_text("[bott]\n")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "botproof", "gate", "--config", str(bad)),
        stderr=asyncio.subprocess.PIPE,
    )
    _, err = await process.communicate()
    assert process.returncode == 64
    first, *others = err.decode().splitlines()
    assert first == f"{bad}: bott: is no key that botproof knows; did you mean bot?"
    assert others == [f"{bad}: the key `{name}` is missing" for name in ("bot", "modes")]


def test_verdict_json_is_what_the_checks_said() -> None:
    """A shape that other programs lean on: names at the top level do not change by accident."""
    result = CheckResult(
        check="boot",
        verdict=Verdict.FAIL,
        budget="b",
        measurement="m",
        least_evidence="l",
        evidence=("e",),
    )
    document = msgspec.json.decode(msgspec.json.encode(as_json([result], None, 1.0)))
    assert document["verdict"] == "FAIL"
    assert document["exit_code"] == 1
    promised = {
        "check": "boot",
        "verdict": "FAIL",
        "budget": "b",
        "measurement": "m",
        "least_evidence": "l",
        "evidence": ["e"],
    }
    assert [promised.items() <= check.items() for check in document["checks"]] == [True]
