"""What runs of their own found out about memory, to stand beside a gate's verdict.

`memory_profiles/run.py` and `leak.py` leave a verdict and flame graphs in a report directory; the
page of a gate shows them when they lie in its own directory or in the `memory` directory beside it,
where `nox -s memory` puts them. They are linked by relative paths, so that a copied directory of
reports works without a network.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import msgspec

from botproof.verdict import CheckResult

_KINDS = {"profiles": "who allocates (memray)", "leak": "does it grow"}
_MEMORY = "memory"


class _Run(msgspec.Struct, frozen=True):
    started_at: str = ""


class _Document(msgspec.Struct, frozen=True):
    """As much of a verdict.json as is shown."""

    checks: tuple[CheckResult, ...]
    run: _Run = _Run()


@dataclass(frozen=True, slots=True)
class Paper:
    """One run's results. `flames` are links to flame graphs by process; `when` may be ""."""

    title: str
    when: str
    results: tuple[CheckResult, ...]
    flames: dict[str, str]


def papers_for(directory: Path) -> list[Paper]:
    """Return the papers that belong beside a page in `directory`: its own, else those of the
    `memory` directory beside it. What cannot be read is left out."""
    directory = directory.resolve()
    for home in (directory, directory.parent / _MEMORY):
        found = [_paper(directory, home / kind) for kind in _KINDS]
        if any(found):
            return [paper for paper in found if paper is not None]
    return []


def flames_in(directory: Path, seen_from: Path) -> dict[str, str]:
    """Return links to the flame graphs of a directory, by process, as `seen_from` reaches them."""
    return {
        page.stem.removeprefix("flame-"): os.path.relpath(page, seen_from)
        for page in sorted(directory.glob("flame-*.html"))
    }


def _paper(directory: Path, home: Path) -> Paper | None:
    try:
        document = msgspec.json.decode((home / "verdict.json").read_bytes(), type=_Document)
    except (OSError, msgspec.DecodeError):
        return None
    return Paper(
        title=_KINDS[home.name],
        when=document.run.started_at,
        results=document.checks,
        flames=flames_in(home, directory),
    )
