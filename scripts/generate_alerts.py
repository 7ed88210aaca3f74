"""Writes the rules of `botproof watch` for Prometheus, Grafana and CloudWatch.

    python scripts/generate_alerts.py            # writes into deploy/prometheus and deploy/aws
    python scripts/generate_alerts.py --check    # only says whether the files are those

One table (`botproof/watch/rules.py`) holds the names, limits and times; a test runs `--check`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
from botproof.watch.rules import RULES, Rule

FOLDER = Path(__file__).parents[1] / "deploy" / "prometheus"
HEAD = "# Generated from botproof/watch/rules.py by scripts/generate_alerts.py; do not edit.\n"
OWN = "botproof_watch_"


def expression(rule: Rule) -> str:
    sign = "<" if rule.kind == "below" else ">"
    return f"{rule.prometheus} {sign} {rule.limit:g}"


def alert_name(rule: Rule) -> str:
    return "Botproof" + "".join(part.capitalize() for part in rule.name.split("_"))


def seconds(value: float) -> str:
    return f"{value:g}s"


def quoted(text: str) -> str:
    """A YAML text in double quotes, which JSON's are."""
    return json.dumps(text, ensure_ascii=False)


def rules_file() -> str:
    lines = [HEAD, "groups:", "  - name: botproof", "    interval: 30s", "    rules:"]
    for rule in RULES:
        lines += [
            f"      - alert: {alert_name(rule)}",
            f"        expr: {quoted(expression(rule))}",
            f"        for: {seconds(rule.for_s)}",
            f"        keep_firing_for: {seconds(rule.clear_for_s)}",
            f"        labels: {{severity: {rule.severity}, rule: {rule.name}}}",
            "        annotations:",
            f"          summary: {quoted(rule.says)}",
            f"          runbook: docs/runbook.md#{rule.name.replace('_', '-')}",
        ]
    lines += [
        "      # The watch itself: figures that nobody writes any more raise nothing.",
        "      - alert: BotproofWatchGone",
        "        expr: 'time() - max(node_textfile_mtime_seconds{file=~\".*botproof.*\"}) > 180'",
        "        for: 60s",
        "        labels: {severity: critical, rule: watch_gone}",
        "        annotations:",
        '          summary: "the watch has not written its figures for three minutes"',
        "          runbook: docs/runbook.md#watch-gone",
    ]
    return "\n".join(lines) + "\n"


DAY_S = 86400
MEMORY = "node_memory_MemTotal_bytes"
# What is no figure of its own: counters of processors and stalls, shares, and times (promtool's
# clock begins at 0).
SERIES = {
    "cpu": [('node_cpu_seconds_total{mode="idle",instance="a"}', "0+27x20 540+0x80")],
    "memory": [("node_memory_MemAvailable_bytes", "50x20 19x80"), (MEMORY, "100x100")],
    "memory_critical": [("node_memory_MemAvailable_bytes", "50x20 9x80"), (MEMORY, "100x100")],
    "memory_pressure": [("node_pressure_memory_stalled_seconds_total", "0+0x20 0+20x80")],
    "disk": [
        ('node_filesystem_avail_bytes{mountpoint="/"}', "50x20 14x80"),
        ('node_filesystem_size_bytes{mountpoint="/"}', "100x100"),
    ],
    "no_signal": [("bot_signal_last_timestamp_seconds", "0x20 -90000x80")],
    "certificate": [("probe_ssl_earliest_cert_expiry", f"{40 * DAY_S}x20 {3 * DAY_S}x80")],
}


def series(rule: Rule) -> list[tuple[str, str]]:
    """Series for promtool in which the rule's condition begins after ten minutes."""
    if rule.name in SERIES:
        return SERIES[rule.name]
    if rule.kind == "increase":
        counter = rule.prometheus.removeprefix("increase(").partition("[")[0]
        return [(counter, f"5x20 {5 + rule.limit * 2 + 2:g}x80")]
    bad = rule.limit - 1 if rule.kind == "below" else rule.limit * 1.1 + 0.05
    good = rule.clear + 1 if rule.kind == "below" else rule.clear * 0.5
    return [(rule.prometheus, f"{good:g}x20 {bad:g}x80")]


def test_file() -> str:
    """For `promtool test rules`: nothing before the condition's time, the alert after it."""
    lines = [HEAD, "rule_files: [botproof.rules.yml]", "evaluation_interval: 30s", "tests:"]
    for rule in RULES:
        lines += ["  - interval: 30s", "    input_series:"]
        for name, values in series(rule):
            lines.append(f"      - {{series: {quoted(name)}, values: {quoted(values)}}}")
        lines.append("    alert_rule_test:")
        # 10 min 30 s: the first bad value; two scrapes of room for what is a rate
        late = 630 + rule.for_s + 120
        for at, firing in ((600, False), (late, True)):
            lines.append(f"      - eval_time: {at:g}s")
            lines.append(f"        alertname: {alert_name(rule)}")
            if firing:
                labels = [f"severity: {rule.severity}", f"rule: {rule.name}"]
                labels += ["instance: a"] if rule.name == "cpu" else []
                labels += ["job: health"] if rule.name == "offline" else []
                labels += ["job: ready"] if rule.name == "not_ready" else []
                labels += ['mountpoint: "/"'] if rule.name == "disk" else []
                lines += [
                    "        exp_alerts:",
                    f"          - exp_labels: {{{', '.join(labels)}}}",
                    "            exp_annotations:",
                    f"              summary: {quoted(rule.says)}",
                    f"              runbook: docs/runbook.md#{rule.name.replace('_', '-')}",
                ]
    return "\n".join(lines) + "\n"


def panel(number: int, rules: list[Rule]) -> dict[str, Any]:
    first = rules[0]
    percent = first.figure.endswith("_ratio")
    unit = "percentunit" if percent else "bytes" if first.figure.endswith("_bytes") else "short"
    below = first.kind == "below"
    steps: list[dict[str, Any]] = [{"color": "red" if below else "green", "value": None}]
    for rule in rules:
        colour = "red" if rule.severity == "critical" else "orange"
        steps.append({"color": "green" if below else colour, "value": rule.limit})
    return {
        "id": number,
        "type": "timeseries",
        "title": first.says[0].upper() + first.says[1:],
        "description": "Alerts: " + ", ".join(rule.name for rule in rules),
        "datasource": {"type": "prometheus", "uid": "${datasource}"},
        "gridPos": {"h": 8, "w": 8, "x": 8 * ((number - 1) % 3), "y": 8 * ((number - 1) // 3)},
        "targets": [{"refId": "A", "expr": first.prometheus, "legendFormat": "__auto"}],
        "fieldConfig": {
            "defaults": {
                "unit": unit,
                "custom": {"thresholdsStyle": {"mode": "line"}},
                "thresholds": {"mode": "absolute", "steps": steps},
            },
            "overrides": [],
        },
    }


def dashboard() -> str:
    by_query: dict[str, list[Rule]] = {}
    for rule in RULES:
        by_query.setdefault(rule.prometheus, []).append(rule)
    document = {
        "title": "botproof: the market bot",
        "uid": "botproof-watch",
        "description": "Generated from botproof/watch/rules.py by scripts/generate_alerts.py.",
        "schemaVersion": 39,
        "version": 1,
        "refresh": "30s",
        "time": {"from": "now-24h", "to": "now"},
        "templating": {
            "list": [{"name": "datasource", "type": "datasource", "query": "prometheus"}]
        },
        "annotations": {
            "list": [
                {
                    "name": "Alerts",
                    "enable": True,
                    "datasource": {"type": "prometheus", "uid": "${datasource}"},
                    "expr": 'ALERTS{alertname=~"Botproof.*",alertstate="firing"}',
                    "titleFormat": "{{rule}}",
                }
            ]
        },
        "panels": [panel(n, rules) for n, rules in enumerate(by_query.values(), 1)],
    }
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


GAUGE = {"Name": "metric_type", "Value": "gauge"}  # CloudWatch's agent adds it


def dimension(name: str, value: Any) -> dict[str, Any]:
    return {"Name": name, "Value": value}


# Which figure stands for a rule of the documents in CloudWatch: namespace, metric, dimensions,
# factor of the limit, period, and what no figure means. Ten alarms and ten own metrics cost
# nothing; every other rule of the watch is in the two counts below.
CLOUDWATCH: dict[str, list[tuple[str, str, list[dict[str, Any]], float, int, str]]] = {
    "cpu": [
        (
            *("AWS/EC2", "CPUUtilization"),
            [dimension("InstanceId", {"Ref": "InstanceId"})],
            *(100, 300, "missing"),
        )
    ],
    "memory": [("MarketBot", "mem_used_percent", [], 100, 60, "missing")],
    "memory_critical": [("MarketBot", "mem_used_percent", [], 100, 60, "missing")],
    "disk": [
        (
            *("MarketBot", "disk_used_percent"),
            [dimension("path", "/"), dimension("fstype", "ext4")],
            *(100, 60, "missing"),
        )
    ],
    # Nobody who says whether it answers: the watch is dead, or the machine.
    "offline": [
        ("MarketBot", "botproof_up", [dimension("subject", name), GAUGE], 1, 60, "breaching")
        for name in ("bot", "market-data")
    ],
    "errors": [("MarketBot", "botproof_grown_errors", [GAUGE], 1, 60, "notBreaching")],
    "no_signal": [
        (
            *("MarketBot", "botproof_signal_age_seconds"),
            [dimension("subject", "signals"), GAUGE],
            *(1, 60, "notBreaching"),
        )
    ],
}


def alarm(rule: Rule, figure: tuple[str, str, list[dict[str, Any]], float, int, str]) -> Any:
    namespace, metric, dimensions, factor, period, missing = figure
    below = rule.kind == "below"
    return {
        "Type": "AWS::CloudWatch::Alarm",
        "Properties": {
            "AlarmDescription": f"{rule.says}: docs/runbook.md#{rule.name.replace('_', '-')}",
            "Namespace": namespace,
            "MetricName": metric,
            "Dimensions": dimensions,
            "Statistic": "Average" if rule.figure.endswith("_ratio") else "Maximum",
            "ComparisonOperator": "LessThanThreshold" if below else "GreaterThanThreshold",
            "Threshold": round(rule.limit * factor, 6),
            "Period": period,
            "EvaluationPeriods": max(1, round(rule.for_s / period)),
            "TreatMissingData": missing,
            "AlarmActions": [{"Ref": "Topic"}],
            "OKActions": [{"Ref": "Topic"}],
        },
    }


def alarms() -> str:
    resources: dict[str, Any] = {}
    for rule in RULES:
        for number, figure in enumerate(CLOUDWATCH.get(rule.name, ()), 1):
            more = str(number) if number > 1 else ""
            resources[alert_name(rule) + more] = alarm(rule, figure)
    for severity in ("critical", "warning"):
        rule = RULES[0]._replace(
            name="watch-gone",
            kind="above",
            limit=0,
            for_s=0,
            says=f"alerts of the watch that go on and are {severity}; which: the operator's chat",
        )
        figure = ("MarketBot", f"botproof_alerts_{severity}", [GAUGE], 1.0, 60, "breaching")
        resources[f"BotproofAlerts{severity.capitalize()}"] = alarm(rule, figure)
    document = {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": "The alarms of the market bot. Generated from botproof/watch/rules.py by "
        "scripts/generate_alerts.py; do not edit. NOT tried in an account: that the agent's "
        "dimensions are these. Tried: scripts/try_aws.py.",
        "Parameters": {
            "Topic": {"Type": "String", "Description": "output Topic of fleet.yaml"},
            "InstanceId": {"Type": "AWS::EC2::Instance::Id"},
        },
        "Resources": resources,
    }
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def files() -> dict[Path, str]:
    """What is to be in each file."""
    return {
        FOLDER / "botproof.rules.yml": rules_file(),
        FOLDER / "botproof.rules.test.yml": test_file(),
        FOLDER / "dashboard.json": dashboard(),
        FOLDER.parent / "aws" / "alarms.json": alarms(),
    }


def main() -> int:
    other = []
    for path, text in files().items():
        if "--check" in sys.argv:
            other += [] if path.exists() and path.read_text() == text else [path]
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    for path in other:
        print(f"{path}: differs from the rules; run python scripts/generate_alerts.py")
    return 1 if other else 0


if __name__ == "__main__":
    sys.exit(main())
