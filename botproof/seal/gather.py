"""What a gate's verdict is bound to, gathered from its run and its files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

import botproof
from botproof.budgets import Budget
from botproof.checks.judging import JudgingSettings
from botproof.config import Config
from botproof.history import History, ProcessStarted
from botproof.seal.digests import digest_of_bytes, digest_of_file, dir_hash, source_tree
from botproof.seal.statement import Judged, Resource

COMPOSE = "compose"
"""The policy that stands for the fleet's resolved Compose files."""
SOURCE = "source"
"""The subject that stands for processes: the tree with botproof.toml, which they come from."""


def judged(
    config: Config, config_path: Path, record: History, history_path: Path, environment: str
) -> Judged:
    """Return what the run of ``record`` judged, by digests. Raises UsageError for an
    unreadable file."""
    base = config_path.resolve().parent
    images = {e.process: e.image_id for e in _started(record) if e.image and e.role != "double"}
    subject = [Resource(name=n, digest=image_digest(i)) for n, i in sorted(images.items())]
    tree = source_tree(base)
    if any(event.role in {"bot", "service"} and not event.image for event in _started(record)):
        subject.append(Resource(name=SOURCE, digest=tree.digest))
    return Judged(
        subject=tuple(subject),
        policy=(*policy(config, config_path), *_fleet(record)),
        history=Resource(name=history_path.name, digest={"sha256": digest_of_file(history_path)}),
        environment=environment,
        commit=tree.commit,
        dirty=tree.dirty,
        partial=_partial(config, record),
        botproof=botproof.__version__,
    )


def policy(config: Config, config_path: Path) -> tuple[Resource, ...]:
    """Return what a verdict is judged by: botproof.toml, budgets with their defaults,
    golden files."""
    golden = config_path.resolve().parent / config.gate.golden_dir
    resources = [
        Resource(name="botproof.toml", digest={"sha256": digest_of_file(config_path)}),
        Resource(name="budgets", digest={"sha256": _budgets(config.resolved_budgets())}),
    ]
    if golden.is_dir():
        resources.append(Resource(name="golden", digest={"dirHash": dir_hash(golden)}))
    return tuple(resources)


def _fleet(record: History) -> tuple[Resource, ...]:
    """Return the Compose files that the target was taken from."""
    digest = record.run.fleet.get("digest") if record.run is not None else None
    return (Resource(name=COMPOSE, digest={"sha256": digest}),) if digest else ()


def image_digest(image_id: str) -> Mapping[str, str]:
    """`sha256:…` as a digest by algorithm."""
    algorithm, _, value = image_id.rpartition(":")
    return {algorithm or "sha256": value}


def _partial(config: Config, record: History) -> bool:
    """Tell whether the command line left out checks or modes of botproof.toml."""
    if record.run is None:
        return True
    judged_by = JudgingSettings.recorded_in(record.run).checks
    return bool(record.run.chosen_modes) or not set(config.gate.checks) <= set(judged_by)


def _started(record: History) -> Sequence[ProcessStarted]:
    return list(record.of(ProcessStarted))


def _budgets(budgets: Mapping[str, Budget]) -> str:
    return digest_of_bytes(msgspec.json.encode(dict(budgets), order="deterministic"))
