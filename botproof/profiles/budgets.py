"""Budgets of a profile: the peak of each process, and what each library may hold of it.

    [market_data]
    peak_heap_mb = { limit = 45, source = "measured 33 MB; a third more" }
    other_library_mb = { limit = 1, source = "whoever brings a library in has to say so here" }

    [market_data.library_mb]
    pydantic = { limit = 8, source = "measured 6 MB" }

MB are 1,000,000 bytes.
"""

from __future__ import annotations

import tomllib
from pathlib import Path

import msgspec

from botproof.budgets import Override


class ProfileBudgetError(Exception):
    """A budget file cannot be used. Names the file and what is wrong."""


class ProcessBudget(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What one process may hold at its peak."""

    peak_heap_mb: Override
    other_library_mb: Override
    library_mb: dict[str, Override] = {}

    def of(self, library: str) -> Override:
        """Return the limit of one library; a library that is not listed has that of the others."""
        return self.library_mb.get(library, self.other_library_mb)


def read_budgets(path: Path) -> dict[str, ProcessBudget]:
    """Return the budgets by process. Raises ProfileBudgetError."""
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
        return msgspec.convert(raw, dict[str, ProcessBudget])
    except OSError as error:
        raise ProfileBudgetError(f"{path}: cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise ProfileBudgetError(f"{path}: {error}") from error
