"""Budgets: written limits, each with the document that it comes from.

The defaults are botproof's own, the same for everybody's bot, and docs/botproof-toml.md says why
each is what it is. `[budgets]` in botproof.toml replaces single limits, and names a document of
one's own:

    [budgets]
    reply_time_s = 3.0
    market_data_memory_mb = { limit = 90, source = "our own sizing note" }

MB are 1,000,000 bytes throughout.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping

import msgspec

from botproof.problems import UsageError

MB = 1_000_000
CAP = 24_000
"""Requests after which an error rate is decided or stays undecided, unless a run says otherwise."""


class BudgetError(UsageError):
    """A budget is unknown or its limit makes no sense."""


class Budget(msgspec.Struct, frozen=True):
    """One limit: what it limits, how much, in which unit, and who says so."""

    name: str
    limit: float
    unit: str
    what: str
    source: str

    def describe(self) -> str:
        """Return one line for a person, such as "reply time, every command < 2 s"."""
        return f"{self.what} < {self.limit:g} {self.unit}"


class Override(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A limit from botproof.toml with the document that it comes from."""

    limit: float
    source: str = "botproof.toml"


_OWN = "botproof's default (docs/botproof-toml.md)"

DEFAULTS: Mapping[str, Budget] = {
    budget.name: budget
    for budget in (
        Budget("reply_time_s", 2.0, "s", "reply time, every command", _OWN),
        Budget("error_rate_pct", 0.1, "%", "error rate of the load", _OWN),
        Budget("fleet_memory_mb", 800, "MB", "fleet memory", _OWN),
        Budget("fleet_memory_wanted_mb", 400, "MB", "fleet memory, wanted", _OWN),
        Budget("start_s", 30, "s", "time from start to ready", _OWN),
        Budget("stop_s", 10, "s", "time from SIGTERM to a clean end", _OWN),
        # 100 bytes a request: at one request every two seconds 4 MB a day, three months until the
        # 400 MB between what is wanted and what blocks are gone.
        Budget("leak_kb_per_1000", 100, "kB", "growth per 1,000 requests", _OWN),
        # What a gate can tell from a cache that fills; the leak run above finds far less.
        Budget("growth_kb_per_request", 1, "kB", "growth of a service per request", _OWN),
        Budget("growth_kb_per_update", 30, "kB", "growth of the bot per update", _OWN),
        # A log at level DEBUG with whole updates and answers in it stays below that.
        Budget("log_kb_per_request", 10, "kB", "log of a service per request", _OWN),
        Budget("log_kb_per_update", 100, "kB", "log of the bot per update", _OWN),
        Budget("files_kb_per_request", 10, "kB", "files of a service per request", _OWN),
        Budget("files_kb_per_update", 100, "kB", "files of the bot per update", _OWN),
        Budget("rollback_latency_s", 5, "s", "more than 3 requests in a row", _OWN),
    )
}

Budgets = Mapping[str, Budget]


def resolve(overrides: Mapping[str, float | Override]) -> Budgets:
    """Return the defaults with `overrides` in place of single limits.

    A memory budget of any process may be added as `<process>_memory_mb`. Raises BudgetError for a
    name that is no budget or a limit that is not above zero.
    """
    budgets = dict(DEFAULTS)
    for name, value in overrides.items():
        override = value if isinstance(value, Override) else Override(limit=value)
        if not override.limit > 0:
            raise BudgetError(f"budgets.{name}: the limit is {override.limit:g}; it must be over 0")
        budgets[name] = _overridden(name, override)
    return budgets


def _overridden(name: str, override: Override) -> Budget:
    known = DEFAULTS.get(name)
    if known is not None:
        return msgspec.structs.replace(known, limit=override.limit, source=override.source)
    process = name.removesuffix("_memory_mb")
    if process == name or not process:
        raise BudgetError(f"budgets.{name}: {_suggest(name)}")
    return Budget(name, override.limit, "MB", f"{process} memory", override.source)


def _suggest(name: str) -> str:
    near = difflib.get_close_matches(name, DEFAULTS, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}? " if near else ""
    known = ", ".join(DEFAULTS)
    return f"is no budget; {hint}Known are {known}, and <process>_memory_mb"
