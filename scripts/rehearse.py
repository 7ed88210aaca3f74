"""Rehearse roll-outs of this tree's images in both modes, with users; `nox -s rollout`.

The new version is the same program as the old one, as another image. Arguments are those of
`botproof rehearse`: --switches 100 --backs 20 is the long run, and takes hours.
"""

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
DEPLOY: Final = ROOT / "deploy"
FILES: Final = {
    "polling": ("compose.yaml", "compose.polling.yaml", "compose.dev.yaml"),
    "webhook": (
        "compose.yaml",
        "compose.dev.yaml",
        "compose.webhook.yaml",
        "../fixtures/fleet/plain.yaml",
    ),
}
NAME: Final = "botproof-rehearsal"


def main(arguments: list[str]) -> int:
    """The worst exit code of the two modes."""
    for target in ("bot", "market-data", "doubles"):
        build(target)
    env = DEPLOY / "env.dev.example"
    text = env.read_text(encoding="utf-8") + (
        f"DOUBLES_IMAGE={NAME}/doubles:old\nWEBHOOK_DOMAIN=proxy\n"
        f"CADDY_IMAGE={os.environ.get('BOTPROOF_CADDY_IMAGE', 'caddy:2-alpine')}\n"
    )
    reports = ROOT / "reports" / "rollout"
    reports.mkdir(parents=True, exist_ok=True)
    settings = reports / "settings.env"
    settings.write_text(text, encoding="utf-8")
    settings.chmod(0o600)
    return max(rehearse(mode, settings, reports, arguments) for mode in FILES)


def build(target: str) -> None:
    """The image of a target as old, and the same with another label as new."""
    base = os.environ.get("BOTPROOF_PYTHON_IMAGE", "python:3.11-slim")
    name = f"{NAME}/{target}"
    docker = ("docker", "build", "--quiet")
    options = ("--network", "host", "--build-arg", f"BASE={base}", "--target", target)
    file = ("--file", str(DEPLOY / "Dockerfile"))
    subprocess.run((*docker, *options, *file, "--tag", f"{name}:old", str(ROOT)), check=True)
    text = f"FROM {name}:old\nLABEL version=new\n"
    subprocess.run((*docker, "--tag", f"{name}:new", "-"), input=text.encode(), check=True)


def rehearse(mode: str, settings: Path, reports: Path, arguments: list[str]) -> int:
    """The exit code of `botproof rehearse` in one mode."""
    print(f"=== {mode}", flush=True)
    old, new = (
        f"bot={NAME}/bot:{tag},market-data={NAME}/market-data:{tag}" for tag in ("old", "new")
    )
    command = [sys.executable, "-m", "botproof", "rehearse", old, new, "--env-file", str(settings)]
    for file in FILES[mode]:
        command += ["--compose", str(DEPLOY / file)]
    command += [
        "--name",
        f"{NAME}-{mode}-{os.getpid()}",
        "--report",
        str(reports / mode / "rehearsal.json"),
    ]
    return subprocess.run((*command, *arguments), check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
