"""From a profile and its budgets to results, as pure functions."""

from __future__ import annotations

from collections.abc import Iterator

from botproof.budgets import MB
from botproof.profiles.budgets import ProcessBudget
from botproof.profiles.capture import Owner, Profile
from botproof.verdict import CheckResult, Verdict

_SHOWN = 6


def judge_peak(process: str, profile: Profile, budget: ProcessBudget) -> CheckResult:
    """Return the peak of the heap of one process."""
    limit, used = budget.peak_heap_mb, profile.peak / MB
    return CheckResult(
        check=f"{process} peak heap",
        verdict=Verdict.FAIL if used >= limit.limit else Verdict.PASS,
        budget=f"peak heap < {limit.limit:g} MB",
        measurement=f"{used:.1f} MB ({100 * used / limit.limit:.0f} %), "
        f"{profile.allocations:,} allocations in all",
        least_evidence="a capture that the process closed itself",
        evidence=tuple(_shares(profile)),
        source=limit.source,
        data={"peak_mb": round(used, 3), "allocations": profile.allocations},
        used=used / limit.limit,
    )


def _shares(profile: Profile) -> Iterator[str]:
    for owner in profile.owners[:_SHOWN]:
        yield (
            f"{owner.name}: {owner.size / MB:.2f} MB ({100 * owner.size / profile.peak:.0f} %) "
            f"in {owner.allocations:,} allocations"
        )
    rest = profile.owners[_SHOWN:]
    if rest:
        yield f"{len(rest)} others: {sum(owner.size for owner in rest) / MB:.2f} MB"


def judge_libraries(process: str, profile: Profile, budget: ProcessBudget) -> CheckResult:
    """Return what each library holds at the peak; the ones over their limit are named, with the
    line of the project that brought them in."""
    over = [owner for owner in profile.owners if _used(owner) >= budget.of(owner.name).limit]
    tightest = max(profile.owners, key=lambda each: _used(each) / budget.of(each.name).limit)
    shown = over or [tightest]
    return CheckResult(
        check=f"{process} libraries",
        verdict=Verdict.FAIL if over else Verdict.PASS,
        budget=f"{len(budget.library_mb)} libraries within their limits, any other "
        f"< {budget.other_library_mb.limit:g} MB",
        measurement="; ".join(_describe(owner, budget) for owner in shown[:3]),
        least_evidence="a capture that the process closed itself",
        evidence=tuple(_blame(owner, budget) for owner in (over or profile.owners[:_SHOWN])),
        source=budget.other_library_mb.source,
        data={owner.name: round(_used(owner), 3) for owner in profile.owners},
        used=_used(tightest) / budget.of(tightest.name).limit,
    )


def _used(owner: Owner) -> float:
    return owner.size / MB


def _describe(owner: Owner, budget: ProcessBudget) -> str:
    return f"{owner.name} {_used(owner):.1f} MB of {budget.of(owner.name).limit:g} MB"


def _blame(owner: Owner, budget: ProcessBudget) -> str:
    text = _describe(owner, budget)
    if owner.name not in budget.library_mb:
        text += ", not listed"
    return f"{text}, by {owner.led_by}" if owner.led_by else text
