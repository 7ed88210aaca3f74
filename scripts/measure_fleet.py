"""Measure the fleet of deploy/: start, memory, replies a second, the gap when a replica is killed.

`nox -s fleet -- --measure` prints a row for the single fleet and one for compose.scale.yaml, both
in webhook mode between doubles, in turn on this machine. It needs Docker, and root for the memory.
"""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import psutil

from botproof.rollout.ledger import MemoryMeter, working_set_mb
from botproof.rollout.twin import Twin

ROOT: Final = Path(__file__).resolve().parent.parent
DEPLOY: Final = ROOT / "deploy"
CHANGED: Final = [ROOT / "fixtures" / "fleet" / f"{name}.yaml" for name in ("plain", "restarting")]
SHAPES: Final = {
    "single": ("", ".dev", ".webhook"),
    "scale": ("", ".dev", ".webhook", ".redis", ".scale"),
}
DOUBLES: Final = {"telegram-double", "exchange-double"}
REST_S: Final = 20
LOAD_S: Final = 10
NAME: Final = "botproof-measure"
REDIS: Final = """\
FROM {base}
USER root
RUN mkdir -p /data && chown 999:999 /data
VOLUME /data
"""
HEAD: Final = (
    "| shape | start to ready | memory at rest | under load | replies a second | longest wait, "
    "a bot killed | market-data killed |\n|---|---|---|---|---|---|---|"
)


def main() -> int:
    """0; what fails raises."""
    images = {
        "BOT_IMAGE": build("bot"),
        "MARKET_DATA_IMAGE": build("market-data"),
        "DOUBLES_IMAGE": build("doubles"),
        "CADDY_IMAGE": os.environ.get("BOTPROOF_CADDY_IMAGE", "caddy:2-alpine"),
        "REDIS_IMAGE": redis(),
        "WEBHOOK_DOMAIN": "proxy",
    }
    rows = [measure(name, parts, images) for name, parts in SHAPES.items()]
    load = ", ".join(f"{each:.1f}" for each in os.getloadavg())
    print(f"\n{HEAD}\n" + "\n".join(rows) + f"\n\nload of the machine at the end: {load}")
    return 0


def build(target: str) -> str:
    """The image of a target of deploy/Dockerfile."""
    base = os.environ.get("BOTPROOF_PYTHON_IMAGE", "python:3.11-slim")
    name = f"{NAME}/{target}"
    options = ("--network", "host", "--build-arg", f"BASE={base}", "--target", target)
    file = ("--file", str(DEPLOY / "Dockerfile"))
    docker("build", "--quiet", *options, *file, "--tag", name, str(ROOT))
    return name


def redis() -> str:
    """The official image has a directory for its user's data; not every one for tests has."""
    base = os.environ.get("BOTPROOF_REDIS_IMAGE", "redis:7-alpine")
    name = f"{NAME}/redis"
    docker("build", "--quiet", "--tag", name, "-", text=REDIS.format(base=base))
    return name


def docker(*words: str, text: str | None = None) -> None:
    command = ("docker", *words)
    subprocess.run(command, input=text, text=True, check=True, stdout=sys.stderr)


def measure(name: str, parts: Sequence[str], images: dict[str, str]) -> str:
    """A row of the table."""
    files = [DEPLOY / f"compose{part}.yaml" for part in parts] + CHANGED
    with Twin(f"{NAME}-{name}-{os.getpid()}", files, DEPLOY / "env.dev.example", images) as twin:
        services = sorted(set(twin.host.project()["services"]) - DOUBLES)

        def pids() -> list[int]:
            found = [c for service in services for c in twin.host.containers(service)]
            return [c["State"]["Pid"] for c in found if c["State"]["Pid"]]

        say(name, "starting it anew")
        ready = start(twin, services)
        say(name, f"at rest for {REST_S} s")
        time.sleep(REST_S)
        rest = working_set_mb(pids())
        say(name, f"load for {LOAD_S} s")
        with MemoryMeter(pids) as meter, twin.users(200.0, 500) as seen:
            time.sleep(LOAD_S)
        answered = [row.answers[0][0] for row in seen[0].rows if row.answers]
        rate = len(answered) / (max(answered) - min(row.sent for row in seen[0].rows))
        if seen[0].lost:
            say(name, f"{seen[0].lost} of {seen[0].asked} lost under load")
        waits = [longest(twin, service) for service in ("bot", "market-data")]
    figures = (f"{rest:.0f} MB", f"{meter.peak_mb:.0f} MB", f"{rate:.0f}", *waits)
    return f"| {name} | {ready:.1f} s | " + " | ".join(figures) + " |"


def start(twin: Twin, services: Sequence[str]) -> float:
    """Seconds from `up` of containers that do not exist yet until every /ready is green."""
    twin.docker_compose("rm", "--stop", "--force", *services)
    began = time.monotonic()
    twin.docker_compose("up", "--detach", "--no-deps", "--no-build", "--pull", "never", *services)
    asked = [c for c in twin.host.containers() if "botproof.ready" in c["Config"]["Labels"]]
    for container in asked:
        while twin.host.reason(twin.host.inspect(container["Id"])):
            time.sleep(0.05)
    return time.monotonic() - began


def longest(twin: Twin, service: str) -> str:
    """The longest that a user waited while one container of a service was killed, and came back."""
    waits = []
    for _ in range(3):
        with twin.users() as seen:
            time.sleep(2)
            psutil.Process(twin.host.containers(service)[0]["State"]["Pid"]).kill()
            time.sleep(6)
        waits.append(seen[0].longest_wait_s or 0.0)
        say(twin.name, f"{service} killed: {waits[-1]:.2f} s, {seen[0].lost} lost")
    return f"{max(waits):.1f} s (median {statistics.median(waits):.1f})"


def say(name: str, what: str) -> None:
    print(f"{name}: {what}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
