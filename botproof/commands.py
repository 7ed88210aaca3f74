"""What the subcommands of `botproof` do, once their arguments are parsed."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from botproof import approving, budgets
from botproof import gate as gate_run
from botproof.budgets import Budget, Override
from botproof.checks import golden_files
from botproof.checks.judging import HARNESS, Judging, JudgingSettings
from botproof.config import ALL_CHECKS, Config, load_config, with_images
from botproof.fleet.options import compose_of
from botproof.history import History, read_history
from botproof.outcome import Outcome, discard_papers
from botproof.problems import UsageError
from botproof.report import github, repeated
from botproof.report.files import write_reports
from botproof.report.html import judging_of, write_html
from botproof.report.moments import moments_of
from botproof.report.terminal import Progress, print_repeated, print_results
from botproof.report.trend import note_run
from botproof.seal.gate import Sealing, seal_outcome
from botproof.targets.images import check_images, parse_images
from botproof.verdict import CheckResult, Verdict, combine

if TYPE_CHECKING:
    from pathlib import Path

    from botproof.fleet.target import FleetTarget


def gate(arguments: argparse.Namespace) -> int:
    """Run, judge and report (`botproof gate`); return the exit code of the verdict."""
    if arguments.repeat < 1:
        raise UsageError(f"--repeat {arguments.repeat}: must be at least 1")
    config = load_config(arguments.config)
    fleet = _fleet(arguments, config)
    images = parse_images("--image", arguments.image, config)
    with _network(fleet) as fleet:
        return _gate(arguments, config, images, fleet)


def _gate(
    arguments: argparse.Namespace,
    config: Config,
    images: Mapping[str, str],
    fleet: FleetTarget | None,
) -> int:
    config = with_images(fleet.config if fleet else config, images)
    check_images(config)
    base = arguments.config.resolve().parent
    options = gate_run.GateOptions(
        config=config,
        config_path=arguments.config,
        report_dir=arguments.report_dir or base / config.gate.report_dir,
        checks=_chosen("--only", _split(arguments.only), ALL_CHECKS),
        modes=_chosen("--mode", _split(arguments.mode), tuple(config.modes)),
        images=images,
        fleet=fleet.about if fleet else {},
        hosts=fleet.hosts if fleet else (),
        keep=arguments.keep,
        say=Progress(),
    )
    sealing = Sealing.chosen(arguments.sign_with, arguments.environment, arguments.valid_days)
    if arguments.repeat > 1:
        return _repeat(options, sealing, arguments.repeat)
    if arguments.github:
        return _for_github(options, sealing)
    return _one_gate(options, sealing).verdict.exit_code


def _fleet(arguments: argparse.Namespace, config: Config) -> FleetTarget | None:
    """Return the target that the command line takes from a fleet, told to the person."""
    if not arguments.compose:
        for option in ("env_file", "from_host", "project_name"):
            if getattr(arguments, option):
                raise UsageError(f"--{option.replace('_', '-')} needs --compose FILE")
        return None
    # Most gates are of no fleet.
    from botproof.fleet.chosen import target_of  # noqa: PLC0415 - see above

    target = target_of(config, compose_of(arguments), from_host=arguments.from_host)
    print("\n".join(target.lines()), flush=True)
    return target


@contextlib.contextmanager
def _network(fleet: FleetTarget | None) -> Iterator[FleetTarget | None]:
    """Give a network of their own for services that find each other by name, while the
    gate runs."""
    if fleet is None or not fleet.hosts:
        yield fleet
        return
    from botproof.fleet.proxy import through  # noqa: PLC0415 - most gates are of no fleet
    from botproof.fleet.target import joined  # noqa: PLC0415 - as above
    from botproof.targets.network import private_network  # noqa: PLC0415 - as above

    with (
        private_network(fleet.config.bot.image) as network,
        through(fleet.config, fleet.proxy) as config,
    ):
        yield joined(dataclasses.replace(fleet, config=config), network)


def _for_github(options: gate_run.GateOptions, sealing: Sealing) -> int:
    """Run one gate in GitHub Actions. What is printed meanwhile cannot give GitHub commands."""
    muted = github.Muted()
    print(muted.begin, flush=True)
    try:
        outcome = _one_gate(options, sealing)
    finally:
        print(muted.end, flush=True)
    record = outcome.history.counted()
    judging = judging_of(record.run, JudgingSettings.recorded_in(record.run).budgets)
    found = moments_of(record, outcome.results, judging)
    sources = github.Sources.of(options.config_path, options.golden_dir)
    for line in github.annotate(outcome.results, found, sources):
        print(line)
    try:
        wrong = github.write_summary(outcome.report_dir)
    except OSError as error:
        wrong = f"the summary could not be added: {error.filename}: {error.strerror}"
    if wrong:
        print(wrong)
    return outcome.verdict.exit_code


def _one_gate(options: gate_run.GateOptions, sealing: Sealing) -> Outcome:
    outcome = gate_run.run_gate(options)
    try:
        _write_papers(outcome)
        seal_outcome(sealing, outcome, options.config, options.config_path, options.wall_clock())
    except OSError as error:  # a full disk is no reason to say nothing
        outcome = _without_papers(outcome, error)
    print_results(outcome.results, duration_s=outcome.duration_s, report_dir=outcome.report_dir)
    return outcome


def _write_papers(outcome: Outcome) -> None:
    results, record = outcome.results, outcome.history
    write_reports(outcome.report_dir, results, record.run, outcome.duration_s)
    note_run(outcome.report_dir, results, record.run, outcome.duration_s)
    budgets_of_run = JudgingSettings.recorded_in(record.run).budgets
    write_html(outcome.report_dir, results, record, budgets_of_run, outcome.duration_s)


def _without_papers(outcome: Outcome, error: OSError) -> Outcome:
    """Return the outcome of a run whose reports could not be written: nobody could read
    its evidence. What was written of them says another verdict, and is removed."""
    discard_papers(outcome.report_dir)
    result = CheckResult(
        check=HARNESS,
        verdict=Verdict.ERROR,
        budget="the reports are written",
        measurement=f"{error.filename or outcome.report_dir}: {error.strerror}",
        least_evidence="-",
    )
    return dataclasses.replace(outcome, verdict=Verdict.ERROR, results=[result, *outcome.results])


def _repeat(options: gate_run.GateOptions, sealing: Sealing, times: int) -> int:
    """Run the same gate again and again, each with a report directory of its own below."""
    rows: list[repeated.Row] = []
    for number in range(1, times + 1):
        options.say(f"gate {number} of {times}")
        report_dir = options.report_dir / f"{number:02d}"
        outcome = _one_gate(dataclasses.replace(options, report_dir=report_dir), sealing)
        rows.append(repeated.row(number, outcome))
        repeated.write(options.report_dir, rows)  # each time: a long row of gates may be cut off
        if outcome.history.interrupted:
            break
    print_repeated(rows, options.report_dir)
    return combine(row.verdict for row in rows).exit_code


def judge(arguments: argparse.Namespace) -> int:
    """Judge a recorded history (`botproof judge`); return the exit code of the verdict."""
    record = read_history(arguments.history)
    settings = JudgingSettings.recorded_in(record.run)
    if arguments.config is not None:
        config = load_config(arguments.config)
        golden_dir = arguments.config.resolve().parent / config.gate.golden_dir
        settings = JudgingSettings.of(config, str(golden_dir))
    limits = {**settings.budgets, **_limits(arguments.budget)}
    settings = msgspec.structs.replace(settings, budgets=limits)
    results = gate_run.judge(record, settings=settings)
    duration = record.events[-1].t - record.events[0].t
    if arguments.report_dir is not None:
        write_reports(arguments.report_dir, results, record.run, duration)
        write_html(arguments.report_dir, results, record, settings.budgets, duration)
    print_results(results)
    return combine(result.verdict for result in results).exit_code


def golden(arguments: argparse.Namespace) -> int:
    """Show or approve (`botproof golden`); return 1 when something differs or is not approved."""
    config = load_config(arguments.config)
    base = arguments.config.resolve().parent
    path = arguments.history or base / config.gate.report_dir / "history.jsonl"
    directory = base / config.gate.golden_dir
    settings = JudgingSettings.of(config, str(directory))
    record = read_history(path)
    replies = golden_files.received(record, Judging.of(settings, {}))
    if not replies:
        raise UsageError(f"{path}: holds no reply; run `botproof gate` first")
    if arguments.action == "diff":
        return approving.diff(replies, directory)
    _check_whole(path, record)
    return approving.approve(
        replies,
        directory,
        accept_errors=arguments.accept_errors,
        ask=approving.terminal(),
    )


def _check_whole(path: Path, record: History) -> None:
    """Raise UsageError for a run that did not come to its end: an approved file goes when no case
    of the run has its name, and the cases that were not asked yet would lose theirs."""
    why = record.broken_off or record.interrupted
    if why:
        raise UsageError(
            f"{path}: nothing was approved: {why}, so it may not have asked every case; run "
            "`botproof gate` again and let it come to its end"
        )


def _limits(given: Iterable[str]) -> dict[str, Budget]:
    limits: dict[str, Budget] = {}
    for text in given:
        name, _, number = text.partition("=")
        try:
            override = Override(limit=float(number), source="the command line")
            limits[name] = budgets.resolve({name: override})[name]
        except ValueError as error:
            raise UsageError(
                f"--budget {text}: write NAME=LIMIT, such as reply_time_s=1"
            ) from error
    return limits


def _split(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(part.strip() for value in values for part in value.split(",") if part.strip())


def _chosen(option: str, chosen: Sequence[str], known: Sequence[str]) -> tuple[str, ...]:
    for name in chosen:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]}? " if near else ""
            raise UsageError(f"{option} {name}: is not known; {hint}Known are {', '.join(known)}")
    return tuple(name for name in known if name in chosen)
