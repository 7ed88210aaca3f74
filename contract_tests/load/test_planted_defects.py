"""Defects under load, planted one at a time: the right check turns red, and what it says of it."""

import json
import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from contract_tests.gate_run import GateRun

ROOT = Path(__file__).parents[2]
INCIDENTS = ROOT / "fixtures" / "incidents"
REAL = '["{python}", "-m", "reference_bot.market_data"]'
CHECKS = "latency,errors,rollback,memory"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def gate(
    tmp_path: Path,
    incident: str,
    rate: int = 50,
    *,
    patient: bool = False,
    args: Sequence[str] = (),
    **env: str,
) -> GateRun:
    """A gate in one mode, with an incident in the place of market-data.

    A third of the usual load a second: it shows the same, and leaves a busy machine room. No half
    answers are looked for: on such a machine they end the load before the incident has come. With
    `patient`, an answer may take a minute: for an incident that is not about time.
    """
    text = (ROOT / "botproof.toml").read_text()
    text = text.replace(REAL, json.dumps(["{python}", str(INCIDENTS / incident)]))
    text = text.replace("load/price.py", str(ROOT / "load" / "price.py"))
    assert "rate = 150" in text
    text = text.replace("rate = 150", f"rate = {rate}\nargs = {json.dumps(args)}")
    if patient:
        for budget in ("reply_time_s = { limit = ", "rollback_latency_s = { limit = "):
            assert budget in text
            text = re.sub(f"{budget}\\d+", f"{budget}60", text)
    text, found = re.subn(r"(?ms)^expect = \[ .*?^\]\n", "", text)
    assert found == 1
    header = "[services.market_data.env]\n"
    assert header in text
    lines = "".join(f"{name} = {json.dumps(value)}\n" for name, value in env.items())
    config = tmp_path / "botproof.toml"
    config.write_text(text.replace(header, header + lines))
    words = ("--config", str(config), "--only", CHECKS, "--mode", "polling")
    run = GateRun(tmp_path / "report", *words)
    assert run.exit_code == 1, run.output
    return run


def test_half_a_percent_of_errors_fails_the_error_rate_and_nothing_else(tmp_path: Path) -> None:
    run = gate(tmp_path, "market_data_on_a_bad_day.py", patient=True, BAD_DAY="errors")
    assert run.red == {"errors"}
    assert any("HTTP 502" in line for line in run.checks["errors"]["evidence"])


def test_two_percent_of_late_answers_fail_as_late(tmp_path: Path) -> None:
    """A late answer of the load is a failed request too: both checks see it, no other does."""
    run = gate(tmp_path, "market_data_on_a_bad_day.py", BAD_DAY="late")
    assert "errors" in run.red
    assert run.red <= {"errors", "latency"}
    assert any("more than 2 s" in line for line in run.checks["errors"]["evidence"])


def test_a_freeze_of_three_seconds_hits_everyone_who_came_in_it(tmp_path: Path) -> None:
    run = gate(tmp_path, "market_data_on_a_bad_day.py", BAD_DAY="freeze")
    assert "errors" in run.red
    assert run.red <= {"errors", "latency"}


def test_an_answer_that_never_comes_has_failed(tmp_path: Path) -> None:
    """It is given up so late that no machine, however busy, may be the reason."""
    args = ("--give-up", "20")
    run = gate(tmp_path, "market_data_on_a_bad_day.py", rate=40, args=args, BAD_DAY="silence")
    assert "errors" in run.red
    assert run.red <= {"errors", "latency"}
    assert any("no answer within 20 s" in line for line in run.checks["errors"]["evidence"])


def test_thirty_megabytes_by_an_import_fail_the_memory_and_nothing_else(tmp_path: Path) -> None:
    run = gate(tmp_path, "heavy_import.py", rate=150, patient=True)
    assert run.red == {"memory"}
    assert "of 70 MB" in run.checks["memory"]["measurement"]


def test_no_traffic_at_all_is_inconclusive_and_ends(tmp_path: Path) -> None:
    """Nobody writes, and the load is so thin that its time is up before the first request."""
    tables = re.split(r"(?m)^(?=\[)", (ROOT / "botproof.toml").read_text())
    asking = ("[[workload", "[security", "[signals", "[delivery")  # what sends updates of its own
    text = "".join(table for table in tables if not table.startswith(asking))
    text = re.sub(r"(?m)^private = .*\n", "", text)
    script = str(ROOT / "load" / "price.py")
    thin = f'{script}"\ntimeout_s = 2\nargs = ["--arrivals", "poisson"]'
    text = text.replace('load/price.py"', thin).replace("rate = 150", "rate = 0.0001")
    config = tmp_path / "botproof.toml"
    config.write_text(text)
    run = GateRun(tmp_path / "report", "--config", str(config), "--mode", "polling")
    assert run.exit_code == 2, run.output
    assert run.verdict == "INCONCLUSIVE"
    assert {check["verdict"] for check in run.checks.values()} == {"INCONCLUSIVE"}
