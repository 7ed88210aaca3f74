"""A Compose project whose drift the tests plant."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

FILES = Path(__file__).parents[2] / "fixtures" / "fleet" / "drift"


class Site:
    """A Compose project in a directory of its own, as a team would have it on its machine."""

    def __init__(self, directory: Path, image: str) -> None:
        self.directory = directory
        self.project = f"botproof-drift-{os.getpid()}"
        self.image = f"{self.project}:running"
        self.run("docker", "tag", image, self.image)
        self.environment = {**os.environ, "BOT_IMAGE": self.image}
        for file in FILES.iterdir():
            shutil.copy(file, directory)
        (directory / ".env").write_text(
            "TELEGRAM_BOT_TOKEN=42:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n"
        )
        self.compose = ("docker", "compose", "--project-name", self.project)

    def run(self, *command: str, code: int = 0) -> str:
        environment = getattr(self, "environment", None)
        done = subprocess.run(
            command,
            cwd=self.directory,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout.strip()

    def up(self, *overlays: str) -> None:
        files = [word for name in ("compose", *overlays) for word in ("--file", f"{name}.yaml")]
        self.run(*self.compose, *files, "up", "--detach", "--remove-orphans")

    def container(self, service: str) -> str:
        return f"{self.project}-{service}-1"

    def down(self) -> None:
        # Every file: a network that an overlay alone declares is no orphan to Compose.
        files = [word for path in FILES.glob("*.yaml") for word in ("--file", path.name)]
        self.run(*self.compose, *files, "down", "--volumes", "--remove-orphans")
        self.run("docker", "rmi", "--no-prune", self.image)

    def drift(self, *options: str) -> list[dict[str, str]]:
        """What drift finds, as it says it to a program."""
        command = (
            sys.executable,
            "-m",
            "botproof",
            "drift",
            "--json",
            "--project-name",
            self.project,
        )
        where = ("--compose", "compose.yaml", "--no-telegram", *options)
        done = subprocess.run(
            (*command, *where),
            cwd=self.directory,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode in {0, 1}, done.stdout + done.stderr
        found: list[dict[str, str]] = json.loads(done.stdout)
        assert (done.returncode == 1) == bool(found)
        return found

    def names(self, *options: str) -> set[str]:
        return {f"{each['where']}: {each['what']}" for each in self.drift(*options)}
