"""The double for any host as part of a stack: which hosts it stands for, and how it is started."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from botproof.config import Doubles
from botproof.doubles.http.har import RecordingError, hosts_of, read_har
from botproof.targets.failures import Failure
from botproof.targets.launch import BrokenHarnessError

SECRETS = "BOTPROOF_SECRETS"  # as botproof/doubles/http/cli.py has it
PLAIN = ("--plain-port", "80")
"""Where it stands for hosts it takes what is sent without TLS, too."""


@dataclass(frozen=True, slots=True)
class Recording:
    """A run that asks the real hosts: `out` is written when its double ends.

    `upstream` are texts `HOST=URL` for hosts that are asked elsewhere, `authority` whom to trust
    there besides; `secrets` are values that the recording must not have. `blank`: nobody is asked,
    and each request is written with an empty answer, after what `out` has already.
    """

    out: Path
    upstream: tuple[str, ...] = ()
    authority: Path | None = None
    secrets: tuple[str, ...] = ()
    blank: bool = False

    @property
    def env(self) -> Mapping[str, str]:
        """What the double is told by its environment."""
        return {SECRETS: json.dumps(self.secrets)}


def hosts_played(doubles: Doubles, base: Path) -> tuple[str, ...]:
    """Return the hosts of the recordings of a run. Raises BrokenHarnessError for one
    that is none."""
    if doubles.http is None:
        return ()
    try:
        found = [
            host for each in doubles.http.recordings for host in hosts_of(read_har(base / each))
        ]
    except RecordingError as error:
        text = f"doubles.http.recordings: {error}"
        raise BrokenHarnessError(text, Failure.NOT_CONFIGURED) from error
    return tuple(dict.fromkeys(found))


def arguments(doubles: Doubles, base: Path, recording: Recording | None) -> Iterator[str]:
    """Yield what `botproof double http` is started with, besides where it listens."""
    if recording is None:
        for each in doubles.http.recordings if doubles.http is not None else ():
            yield from ("--recording", str(base / each))
        return
    yield from ("--record", str(recording.out))
    if recording.blank:
        yield "--blank"
    for each in recording.upstream:
        yield from ("--upstream", each)
    if recording.authority is not None:
        yield from ("--upstream-ca", str(recording.authority))
