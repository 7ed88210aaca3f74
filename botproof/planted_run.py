"""One run of a planted defect, in a process of its own: `python -m botproof.planted_run JOB`.

Writes verdict.json into the report directory. Exit code: the verdict's, or 64 where the changed
botproof.toml cannot be used.
"""

from __future__ import annotations

import shutil
import sys
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from botproof.checks import golden_files
from botproof.checks.golden import OF_ITSELF
from botproof.checks.judging import Judging, JudgingSettings
from botproof.config import Config, config_of
from botproof.delivery.options import DeliveryOptions
from botproof.delivery.run import run_delivery
from botproof.gate import GateOptions, run_gate
from botproof.outcome import Outcome
from botproof.problems import UsageError
from botproof.prove.planting import Job, merged, without
from botproof.report.files import write_reports
from botproof.verdict import combine

_UNUSABLE = 64


def changed(job: Job) -> Config:
    """Return the configuration of the run. UsageError where what is left is none."""
    path = Path(job.config)
    raw: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    raw = merged(raw, job.plan.change)
    raw = merged(raw, job.change)
    for key in job.remove:
        try:
            raw = without(raw, key)
        except KeyError as error:
            raise UsageError(f"{job.config}: has no {key} to take away") from error
    if not job.plan.load:
        raw.pop("load", None)
    if job.plan.cases:
        raw = _only_cases(raw, job.plan.cases)
    if job.python_path:
        raw = _on_the_path(raw, job.python_path)
    if job.wire:
        args = raw.get("doubles", {}).get("telegram", {}).get("args", [])
        wired = {"doubles": {"telegram": {"args": [*args, "--wire", job.wire]}}}
        raw = merged(raw, wired)
    config = config_of(raw, job.config)
    golden = job.golden_dir or _golden_of(job, config)
    gate = msgspec.structs.replace(config.gate, golden_dir=golden)
    return msgspec.structs.replace(config, gate=gate)


def _only_cases(raw: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    cases = [case for case in raw["workload"]["cases"] if case["name"] in names]
    missing = set(names) - {case["name"] for case in cases}
    if missing:
        raise UsageError(f"workload.cases: there is no {', '.join(sorted(missing))}")
    return {**raw, "workload": {**raw["workload"], "cases": cases}}


def _on_the_path(raw: Mapping[str, Any], folder: str) -> dict[str, Any]:
    """Have every process of the target find its code there first."""
    first = {"env": {"PYTHONPATH": folder}}
    services = {name: merged(each, first) for name, each in raw.get("services", {}).items()}
    return {**raw, "bot": merged(raw["bot"], first), "services": services}


def approve(outcome: Outcome, into: Path) -> None:
    """Take what the unbroken build said for right, where nobody has approved anything yet."""
    if any(into.iterdir()):
        return
    settings = JudgingSettings.recorded_in(outcome.history.run)
    replies = golden_files.received(outcome.history, Judging.of(settings, {}))
    for name, reply in replies.items():
        if reply.texts and not reply.refused:
            text = next(iter(reply.texts.values()))
            (into / f"{name}{golden_files.SUFFIX}").write_text(text, encoding="utf-8")


def _golden_of(job: Job, config: Config) -> str:
    """Return the approved replies of the cases that are played; those of others would
    be "unused"."""
    folder = Path(job.config).resolve().parent / config.gate.golden_dir
    chosen = Path(job.report_dir) / "golden"
    shutil.rmtree(chosen, ignore_errors=True)
    chosen.mkdir(parents=True)
    for name in (*OF_ITSELF, *(case.name for case in config.workload.cases)):
        file = folder / f"{name}{golden_files.SUFFIX}"
        if file.is_file():
            shutil.copy(file, chosen)
    return str(chosen)


def run(job: Job) -> Outcome:
    """Play it."""
    config, path = changed(job), Path(job.config)
    report_dir = Path(job.report_dir)
    if job.plan.run == "delivery":
        mode = next(iter(job.modes or config.modes))
        options = DeliveryOptions(
            config=config,
            config_path=path,
            report_dir=report_dir,
            mode=mode,
            updates=job.plan.updates,
            kills=job.plan.kills,
        )
        return run_delivery(options)
    return run_gate(
        GateOptions(
            config=config,
            config_path=path,
            report_dir=report_dir,
            checks=job.plan.only,
            modes=job.modes,
            rounds=1,  # with stretched deadlines; what a defect changes differs each time
        )
    )


def main(arguments: Sequence[str]) -> int:
    """Play the job of a file."""
    job = msgspec.json.decode(Path(arguments[0]).read_bytes(), type=Job)
    try:
        outcome = run(job)
    except UsageError as error:
        print(error, file=sys.stderr)
        return _UNUSABLE
    if job.plan.run == "gate" and not job.golden_dir:
        approve(outcome, outcome.report_dir / "golden")
    write_reports(outcome.report_dir, outcome.results, outcome.history.run, outcome.duration_s)
    return combine(result.verdict for result in outcome.results).exit_code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
