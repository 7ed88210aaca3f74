"""Differences between what is committed and what runs, one line each, by name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from botproof.fleet.shape import Facts, Secrets


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not as it should be.

    `check` is the check of the gate that it would turn red, "" where that is not known; `repair`
    is the command that puts it right.
    """

    where: str
    what: str
    expected: str
    found: str
    check: str = ""
    repair: str = ""


# Which check of the gate sees it when this is otherwise; by kind of fact.
_CHECKS: Mapping[str, str] = {
    "image": "any: another build runs than was judged",
    "entry point": "boot, golden, parity",
    "command": "boot, golden, parity",
    "process": "boot, golden, parity",
    "environment": "golden, parity",
    "working directory": "boot",
    "user": "boot",
    "mount": "delivery",
    "limit": "memory",
    "restart policy": "boot",
    "stop timeout": "boot, delivery",
    "health check": "boot",
    "networks": "security",
    "port": "security",
    "privileged": "security",
    "capabilities": "security",
    "security options": "security",
    "read-only root": "security",
    "extra hosts": "golden",
    "written": "any: what runs is in no image",
}
_NONE = "nothing"


def compare(
    service: str, committed: Facts, running: Facts, secrets: Secrets, repair: str
) -> list[Difference]:
    """Return every difference of a service between the files and its container."""
    found = []
    for kind, name in sorted(committed.facts.keys() | running.facts.keys()):
        was, now = committed.facts.get((kind, name)), running.facts.get((kind, name))
        if was == now or (was in {None, ""} and kind == "environment" and now == ""):
            continue
        found.append(
            Difference(
                where=service,
                what=f"{kind} {name}".strip(),
                expected=_shown(secrets, kind, name, was),
                found=_shown(secrets, kind, name, now),
                check=_CHECKS.get(kind, ""),
                repair=repair,
            )
        )
    if running.written:
        some = ", ".join(running.written[:5])
        more = f" and {len(running.written) - 5} more" if len(running.written) > 5 else ""
        found.append(
            Difference(
                where=service,
                what="files inside the container",
                expected="as in the image",
                found=f"changed: {some}{more}",
                check=_CHECKS["written"],
                repair=f"{repair} --force-recreate",
            )
        )
    return found


def image_refers(
    service: str, reference: str, at: str | None, runs: str, repair: str
) -> Difference:
    """Name that the image of a service is not what its name refers to on this machine
    (``at``, an id)."""
    return Difference(
        where=service,
        what="image",
        expected=f"{reference} is {_short(at)}" if at else f"{reference}, which is not here",
        found=f"{_short(runs)} runs",
        check=_CHECKS["image"],
        repair=repair if at else f"docker pull {reference}",
    )


def not_running(service: str, state: str, repair: str) -> Difference:
    """Return a service that the files have, and of which no healthy container runs."""
    return Difference(service, "state", "running and healthy", state, "boot", repair)


def _shown(secrets: Secrets, kind: str, name: str, value: str | None) -> str:
    if value is None:
        return _NONE
    if kind == "environment":
        return secrets.shown(name, value)
    if kind == "image":
        return _short(value)
    return value or _NONE


def _short(image_id: str | None) -> str:
    return (image_id or _NONE).removeprefix("sha256:")[:12]


def as_lines(differences: Iterable[Difference]) -> list[str]:
    """Return one line a difference for a person, and below it the check and the repair."""
    lines = []
    for each in differences:
        lines.append(f"{each.where}: {each.what}: expected {each.expected}, found {each.found}")
        if each.check:
            lines.append(f"    in the gate: {each.check}")
        if each.repair:
            lines.append(f"    put it right: {each.repair}")
    return lines
