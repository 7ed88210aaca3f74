"""What happens at the limit of the machine: a clear verdict, and no hang."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from botproof.checks.judging import Judging
from botproof.checks.memory import check
from botproof.history import GroupSample, History, MemoryFence, MemorySample, Phase, Request, Run
from botproof.targets.cgroup import fence_problem
from botproof.verdict import Verdict
from contract_tests.gate_run import GateRun

WHO: dict[str, Any] = {"stack": "polling", "mode": "polling"}


def fleet(*, oom_kills: int = 0, problem: str = "") -> History:
    """Half a minute of load in a fence of 904 MB, in which nothing is over its budget."""
    samples = [
        MemorySample(
            t=10.0 + second,
            process="market_data",
            role="service",
            pss=45_000_000,
            anonymous=40_000_000,
            rss=50_000_000,
            peak=50_000_000,
            **WHO,
        )
        for second in range(6)
    ]
    ledger = GroupSample(
        t=15.0,
        usage=120_000_000,
        working_set=92_000_000,
        peak=130_000_000,
        limit=904_000_000,
        oom_kills=oom_kills,
        **WHO,
    )
    return History(
        [
            Run(t=0, modes=("polling",)),
            MemoryFence(t=1.0, limit=904_000_000, cpus=2.0, problem=problem, **WHO),
            Phase(t=9.0, name="load", edge="begin", **WHO),
            *(Request(t=9.1, intended=9.0, latency_s=0.1, ok=True, **WHO) for _ in range(120)),
            *samples,
            *([] if problem else [ledger]),
            Phase(t=20.0, name="load", edge="end", **WHO),
        ]
    )


def test_a_kill_at_the_limit_fails_whatever_the_samples_say() -> None:
    result = check(fleet(oom_kills=1), Judging())
    assert result.verdict is Verdict.FAIL
    assert result.measurement == "polling: the kernel killed 1 process(es) at the limit of 904 MB"


def test_the_ledger_of_the_machine_stands_in_the_evidence() -> None:
    result = check(fleet(), Judging())
    assert result.verdict is Verdict.PASS
    assert (
        "polling, in 904 MB and 2 CPUs: working set 92.0 MB, peak with caches 130.0 MB"
        in result.evidence
    )


def test_where_no_machine_could_be_made_that_is_said_and_decides_nothing() -> None:
    result = check(fleet(problem="Permission denied"), Judging())
    assert result.verdict is Verdict.PASS
    assert "polling: without a limit of 904 MB: Permission denied" in result.evidence


HUNGRY_BOT = Path(__file__).parents[2] / "fixtures" / "bots" / "hungry" / "main.py"

CONFIG = """
[bot]
command = ["{python}", "hungry.py"]
ready = "telegram"
env = { API = "{url:telegram_double}", TOKEN = "{token}", NO_PROXY = "*" }

[modes.polling]

[[workload.cases]]
name = "price"
say = "/price BTC"

[memory]
fence_mb = 120

[gate]
checks = ["boot", "memory"]
"""


@pytest.mark.slow
@pytest.mark.skipif(bool(fence_problem()), reason=fence_problem() or "-")
def test_a_bot_that_fills_its_machine_is_killed_and_the_gate_says_so(tmp_path: Path) -> None:
    shutil.copy(HUNGRY_BOT, tmp_path / "hungry.py")
    (tmp_path / "botproof.toml").write_text(CONFIG)
    config = str(tmp_path / "botproof.toml")
    run = GateRun(tmp_path / "report", "--config", config, cwd=tmp_path)
    assert run.exit_code == 1, run.output
    assert "ended on its own with signal SIGKILL" in run.checks["boot"]["measurement"]
    assert run.checks["memory"]["verdict"] == "FAIL"
    assert (
        "the kernel killed 1 process(es) at the limit of 120 MB"
        in (run.checks["memory"]["measurement"])
    )
