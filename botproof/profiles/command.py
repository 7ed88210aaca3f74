"""A Python command, rewritten so that it runs under memray."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_PYTHON = re.compile(r"^python[0-9.]*$")
_FLAGS_WITH_VALUE = frozenset({"-X", "-W"})


class NotPythonError(Exception):
    """The command cannot run under memray; says which part of it stands in the way."""


@dataclass(frozen=True, slots=True)
class Profiled:
    """The new command, and what is the project's own in its stack traces.

    `project` is the top-level package or the script's name; everything else is a library's.
    """

    command: tuple[str, ...]
    project: str


def under_memray(command: Sequence[str], capture: Path) -> Profiled:
    """Rewrite `python [flags] -m module args` or `python [flags] script.py args`.

    The capture holds every allocation, also those of Python's own allocator; aggregated captures
    are not used, because they are empty when the process ends by SIGTERM. Raises NotPythonError.
    """
    python, *rest = command
    if not (python == "{python}" or _PYTHON.match(Path(python).name)):
        raise NotPythonError(f"{python!r} is not a Python interpreter")
    flags, rest = _split_flags(rest)
    if not rest or rest[0] == "-c":
        raise NotPythonError("only `python -m module` and `python script.py` can be profiled")
    memray = ("-m", "memray", "run", "--quiet", "--force", "--trace-python-allocators")
    project = rest[1] if rest[0] == "-m" and len(rest) > 1 else rest[0]
    name = project.partition(".")[0] if rest[0] == "-m" else Path(project).stem
    return Profiled((python, *flags, *memray, "--output", str(capture), *rest), name)


def _split_flags(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the interpreter's own flags, and what comes after them."""
    at = 0
    while at < len(words) and words[at].startswith("-") and words[at] not in ("-m", "-c"):
        at += 2 if words[at] in _FLAGS_WITH_VALUE else 1
    return list(words[:at]), list(words[at:])
