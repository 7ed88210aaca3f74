"""The sealing of a gate's verdict, right after it is reported."""

from __future__ import annotations

import datetime
import os
from dataclasses import dataclass
from pathlib import Path

from botproof.config import Config
from botproof.outcome import Outcome
from botproof.seal import dsse, keys
from botproof.seal.gather import judged
from botproof.seal.statement import SEALED, statement, write_statement


@dataclass(frozen=True, slots=True)
class Sealing:
    """How a verdict is sealed: by which private key (None: unsigned), for where, and how long."""

    key: Path | None = None
    environment: str = ""
    valid_days: float = 7.0

    @classmethod
    def chosen(cls, key: Path | None, environment: str, valid_days: float) -> Sealing:
        """Return what the command line says, the key also by the environment. Reads the key once: a
        gate must not end with an unreadable one. Raises UsageError."""
        from_environment = os.environ.get(keys.KEY_VARIABLE)
        path = key or (Path(from_environment) if from_environment else None)
        if path is not None:
            keys.read_private(path)
        return cls(key=path, environment=environment, valid_days=valid_days)


def seal_outcome(
    sealing: Sealing, outcome: Outcome, config: Config, config_path: Path, now: datetime.datetime
) -> Path:
    """Write the sealed verdict beside the other reports; the path of it. Raises UsageError."""
    bound = judged(
        config,
        config_path,
        outcome.history,
        outcome.report_dir / "history.jsonl",
        sealing.environment,
    )
    valid_for = datetime.timedelta(days=sealing.valid_days)
    body = write_statement(statement(bound, outcome.results, at=now, valid_for=valid_for))
    key = keys.read_private(sealing.key) if sealing.key is not None else None
    path = outcome.report_dir / SEALED
    path.write_bytes(dsse.seal(body, key).write())
    return path
