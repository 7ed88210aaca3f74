"""Prometheus' rules and Grafana's dashboard are the rules of the watch; promtool takes them."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from botproof.watch.rules import RULES

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy/prometheus"
needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None,
    # Where it is to run, Debian's package `prometheus` is installed: it holds promtool.
    reason="not applicable: promtool is not installed",
)


def test_the_generated_files_are_those_of_the_rules() -> None:
    command = [sys.executable, "scripts/generate_alerts.py", "--check"]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=800
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_each_rule_has_its_alert_with_the_same_limit_and_time() -> None:
    """Read with a regular expression, so that the generator is not asked about itself."""
    text = (FOLDER / "botproof.rules.yml").read_text()
    alerts = re.findall(
        r'expr: (".*")\n +for: (\S+)s\n +keep_firing_for: (\S+)s\n +labels: \{.*rule: (\w+)\}', text
    )
    told = {
        name: (json.loads(expr).split()[-2:], float(held), float(kept))
        for expr, held, kept, name in alerts
    }
    wanted = {
        rule.name: (
            ["<" if rule.kind == "below" else ">", f"{rule.limit:g}"],
            rule.for_s,
            rule.clear_for_s,
        )
        for rule in RULES
    }
    assert told == wanted


def test_the_dashboard_draws_each_limit() -> None:
    panels = json.loads((FOLDER / "dashboard.json").read_text())["panels"]
    drawn = {
        (panel["targets"][0]["expr"], step["value"])
        for panel in panels
        for step in panel["fieldConfig"]["defaults"]["thresholds"]["steps"]
    }
    assert {(rule.prometheus, rule.limit) for rule in RULES} - drawn == set()


def promtool(*words: str, folder: Path = FOLDER) -> "subprocess.CompletedProcess[str]":
    command = ["promtool", *words]
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, timeout=800
    )


@needs_promtool
@pytest.mark.parametrize(
    "words", [("check", "rules", "botproof.rules.yml"), ("check", "config", "prometheus.yml")]
)
def test_promtool_accepts_the_files(words: tuple[str, ...]) -> None:
    done = promtool(*words)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"SUCCESS: {len(RULES) + 1} rules found" in done.stdout


@needs_promtool
def test_in_prometheus_each_condition_fires_its_alert_and_not_before() -> None:
    done = promtool("test", "rules", "botproof.rules.test.yml")
    assert done.returncode == 0, done.stdout + done.stderr


@needs_promtool
def test_promtool_would_see_another_limit(tmp_path: Path) -> None:
    for name in ("botproof.rules.yml", "botproof.rules.test.yml"):
        text = (FOLDER / name).read_text()
        (tmp_path / name).write_text(
            text.replace("/ node_memory_MemTotal_bytes > 0.8", "/ 1 > 0.8")
        )
    done = promtool("test", "rules", "botproof.rules.test.yml", folder=tmp_path)
    assert done.returncode != 0
    assert "BotproofMemory" in done.stdout + done.stderr
