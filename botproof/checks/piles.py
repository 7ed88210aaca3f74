"""Piles: what a process keeps of everything that it serves, besides memory.

Files that are opened and never closed, connections, threads, children that nobody waits for, files
that are left behind: each has a limit of the machine, and the process ends when it is reached,
weeks after the gate. And what is logged of each question fills the disk.

As `growth`, a service is looked at over the second half of each load and a bot over the
conversation but for its first quarter, in parts. What piles up is more in every part than in the
one before, by its least count in each: a pool that fills stands still, and a burst goes away.
A service that cannot keep up has ever more requests under way, each with a connection and perhaps a
thread. That may be the machine's doing, so of a service these two are not looked at.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from botproof.budgets import Budgets
from botproof.checks.growth import LEAST_SAMPLES, LEAST_SERVED, PARTS, Work, works
from botproof.history import History, Holdings

_LEAST: Mapping[str, Mapping[str, int]] = {
    "bot": {"files": 12, "sockets": 40, "threads": 20, "zombies": 12, "left": 24},
    "service": {"files": 6, "zombies": 6, "left": 24},
}
"""So many more there must be at the end of what is looked at than at its begin."""
_WORDS = {
    "files": "open files (file descriptors that are no sockets)",
    "sockets": "open sockets (file descriptors of connections)",
    "threads": "threads",
    "zombies": "zombies (children that ended, and that nobody waits for)",
    "left": "files in the directory that it was started in, or in its temporary one",
}
_KB = 1000


def piles(history: History, budgets: Budgets) -> Iterator[str]:
    """Yield a line for everything that piles up in some process of some stack."""
    for work in works(history):
        samples = history.of(Holdings, stack=work.stack)
        for process in dict.fromkeys(each.process for each in samples if each.role == work.role):
            own = [each for each in samples if each.process == process]
            yield from _piled(work, process, own)
            yield from _log(work, process, own, budgets)
            yield from _kept(work, process, own, budgets)


def _piled(work: Work, process: str, samples: Sequence[Holdings]) -> Iterator[str]:
    parts = _parts(work, samples)
    for what, least in _LEAST[work.role].items():
        fewest = [min(getattr(each, what) for each in part) for part in parts]
        if _piles_up(fewest, least):
            yield (
                f"{process} ({work.stack}) piles up {_WORDS[what]}: "
                f"{' → '.join(map(str, fewest))} over {len(work.settled):,} {work.whats}, and none "
                "is let go"
            )


def _parts(work: Work, samples: Sequence[Holdings]) -> list[Sequence[Holdings]]:
    """Return the samples of each part of the work; none where there are too few."""
    own = work.settled
    inside = [each for each in samples if own and own[0] <= each.t <= own[-1]]
    if len(own) < LEAST_SERVED or len(inside) < LEAST_SAMPLES:
        return []
    cuts = [round(at * len(inside) / PARTS) for at in range(PARTS + 1)]
    return [inside[begin:end] for begin, end in pairwise(cuts)]


def _piles_up(fewest: Sequence[int], least: float) -> bool:
    if not fewest:
        return False
    grows = all(before < after for before, after in pairwise(fewest))
    return grows and fewest[-1] - fewest[0] >= least


def _kept(work: Work, process: str, samples: Sequence[Holdings], budgets: Budgets) -> Iterator[str]:
    """Yield files that grow in every part; a database that fills its journal once does not."""
    kept = [min(each.kept for each in part) for part in _parts(work, samples)]
    budget = budgets[f"files_kb_per_{work.what.split()[1]}"]
    between = len(work.settled) * (PARTS - 1) / PARTS  # from the first part to the last
    if _piles_up(kept, between * budget.limit * _KB):
        each = (kept[-1] - kept[0]) / _KB / between
        yield (
            f"{process} ({work.stack}) writes {each:.1f} kB {work.what} to files that it keeps, "
            f"over {len(work.settled):,} {work.whats}, limit {budget.limit:g} kB: they fill the "
            "disk"
        )


def _log(work: Work, process: str, samples: Sequence[Holdings], budgets: Budgets) -> Iterator[str]:
    served = work.served
    inside = [each for each in samples if served and served[0] <= each.t <= served[-1]]
    if len(served) < LEAST_SERVED or len(inside) < LEAST_SAMPLES:
        return
    budget = budgets[f"log_kb_per_{work.what.split()[1]}"]
    each = (inside[-1].logged - inside[0].logged) / _KB / len(served)
    if each >= budget.limit:
        yield (
            f"{process} ({work.stack}) logs {each:.1f} kB {work.what} over {len(served):,} "
            f"{work.whats}, limit {budget.limit:g} kB: the log fills the disk"
        )
