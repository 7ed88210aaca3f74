"""Docker and Compose on this machine, as the steps need them. Nothing is built here.

A container of a service that is created beside another one is not found by the service's name
until it is exposed: it has one network, without the name. Compose regards it as its own later on.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx

from botproof.fleet.host import Compose
from botproof.fleet.webhook import settings_of
from botproof.rollout.engine import EngineGoneError, StepFailedError
from botproof.rollout.steps import Seen

_ENGINE_S = 60.0
"""How long an engine that does not answer is waited for: it may be starting again."""
_COMMAND_S = 60.0
_STOP_S = 20
_LOOK_S = 0.05
_NO_ENGINE = re.compile(
    r"cannot connect to the docker daemon|is the docker daemon running", re.IGNORECASE
)
_VERBS = frozenset({"config", "up", "version"})
"""Those of Compose's commands that are used here."""
_VARIABLE = re.compile(r"\$\{(\w+)")
Document = Mapping[str, Any]


class DockerHost:
    """The fleet of some Compose files. ``images`` are variables that stand before their files'."""

    def __init__(self, compose: Compose, images: Mapping[str, str]) -> None:
        self.compose = compose
        self.images = images
        self.asked_to_end = 0.0
        """When a container was last asked to end, monotonic seconds."""
        self._resolved: Document | None = None

    def files(self) -> list[Path]:
        """Return every file that says how the fleet is to be."""
        return [*self.compose.files, *self.compose.env_files]

    # -- asking --------------------------------------------------------------------------------

    def project(self) -> Document:
        """Return the files as Compose resolves them; asked once, because users wait meanwhile."""
        if self._resolved is None:
            self._resolved = json.loads(self._compose("config", "--format", "json"))
        return self._resolved

    def would_recreate(self, service: str) -> bool:
        """Tell whether Compose itself finds the service's containers other than its files say.

        Its own word and not a comparison of digests: what `config --hash` prints leaves out the
        services' env files.
        """
        words = ("--no-start", "--no-deps", "--no-build", "--pull", "never", service)
        command = self.compose.command("--dry-run", "up", *words)
        return " Recreate" in self._run(command, both=True)

    def image_variables(self) -> dict[str, str]:
        """Return by service the variable of the files that names its image."""
        raw = json.loads(self._compose("config", "--no-interpolate", "--format", "json"))
        found = {}
        for name, service in raw["services"].items():
            if match := _VARIABLE.match(str(service.get("image", ""))):
                found[name] = match[1]
        return found

    def containers(self, service: str = "") -> list[Document]:
        """Return what `docker inspect` says of the project's containers, or of one service's."""
        words = ["ps", "--all", "--quiet", "--no-trunc"]
        for key, value in (("project", self.project_name()), ("service", service)):
            if value:
                words += ["--filter", f"label=com.docker.compose.{key}={value}"]
        ids = self.docker(*words, "--filter", "label=com.docker.compose.oneoff=False").split()
        return self._inspected(ids)

    def project_name(self) -> str:
        """Return Compose's name of the project."""
        if self.compose.project is None:
            return str(self.project()["name"])
        return self.compose.project

    def engine(self) -> str:
        """Return the id that the engine has given itself."""
        return self.docker("info", "--format", "{{.ID}}").strip()

    def inspect(self, container: str) -> Document:
        """Return what `docker inspect` says of one container."""
        found = self._inspected([container])
        if not found:
            raise StepFailedError(f"container {container[:12]} is gone")
        return found[0]

    def _inspected(self, ids: Sequence[str]) -> list[Document]:
        if not ids:
            return []
        try:
            found: list[Document] = json.loads(self.docker("inspect", *ids))
        except StepFailedError:  # one of them went meanwhile
            return [d for one in ids for d in self._one(one)]
        return found

    def _one(self, container: str) -> list[Document]:
        found = self.docker("ps", "--all", "--quiet", "--no-trunc", "--filter", f"id={container}")
        return json.loads(self.docker("inspect", container)) if found else []

    def ask(self, container: Document, path: str = "", *, seconds: float = 4.0) -> httpx.Response:
        """GET what the service's label `botproof.ready` names, or another path on that port.

        Raises StepFailedError when nothing answers.
        """
        label = str(container["Config"]["Labels"].get("botproof.ready", ""))
        port, _, ready = label.partition("/")
        if not port.isdigit():
            raise StepFailedError(
                "the service has no label `botproof.ready: PORT/PATH`, so nobody can ask it"
            )
        networks = container["NetworkSettings"]["Networks"].values()
        reasons = ["it has no address"]
        for address in (network["IPAddress"] for network in networks if network["IPAddress"]):
            url = f"http://{address}:{port}/{path or ready}"
            try:
                return httpx.get(url, timeout=seconds, trust_env=False)
            except httpx.HTTPError as error:
                reasons.append(f"{url}: {type(error).__name__}")
        raise StepFailedError(reasons[-1])

    # -- images that no prune may take ----------------------------------------------------------

    @property
    def _kept(self) -> str:
        return f"botproof-rollout/{self.project_name()}"

    def keep_image(self, image: str, tag: str) -> None:
        """Give an image a name of its own, so that nothing that tidies up takes it."""
        self.docker("tag", image, f"{self._kept}:{tag}")

    def kept_images(self) -> list[str]:
        """Return the tags of those of this project."""
        return self.docker("images", self._kept, "--format", "{{.Tag}}").split()

    def let_image_go(self, tag: str) -> None:
        """Take that name away."""
        self.docker("rmi", f"{self._kept}:{tag}")

    # -- what the steps do ---------------------------------------------------------------------

    def seen(self, service: str) -> list[Seen]:
        """Return the containers of a service."""
        return [
            Seen(c["Id"], c["Image"], bool(c["State"]["Running"]), bool(c["State"].get("Paused")))
            for c in self.containers(service)
        ]

    def create(self, service: str) -> None:
        """Create one more container, not started and not found by the service's name."""
        there = {seen.id for seen in self.seen(service)}
        scale = f"{service}={len(there) + 1}"
        words = ("--no-start", "--no-deps", "--no-recreate", "--no-build", "--pull", "never")
        self._compose("up", *words, "--scale", scale, service)
        for seen in self.seen(service):
            if seen.id not in there and there:
                self._conceal(seen.id)

    def remake(self, service: str, image: str) -> None:
        """Have Compose put containers of this image in the place of those that are there.

        Nothing where the files name the image themselves, and not by a variable.
        """
        variable = self.image_variables().get(service)
        if variable is None:
            return
        words = ("--detach", "--no-deps", "--no-build", "--pull", "never", service)
        self._run(self.compose.command("up", *words), more={variable: image})

    def start(self, container: str) -> None:
        """Start it."""
        self.docker("start", container)

    def stop(self, container: str) -> None:
        """Send SIGTERM, and after 20 s SIGKILL; it has ended on return."""
        self.asked_to_end = time.monotonic()
        self.docker("stop", "--time", str(_STOP_S), container)

    def pause(self, container: str) -> None:
        """Let its processes stand still; they are asked nothing more."""
        self.docker("pause", container)

    def unpause(self, container: str) -> None:
        """Let its processes go on."""
        self.docker("unpause", container)

    def remove(self, container: str) -> None:
        """Remove it, with what it had for itself alone."""
        self.docker("rm", "--force", container)

    def expose(self, container: str) -> None:
        """Give it the networks, and the names in them, that Compose gives its containers."""
        for words in self._exposing(container):
            self.docker(*words)

    def change_over(self, new: Sequence[str], old: Sequence[str]) -> None:
        """Expose the new ones, and then stop the old ones.

        By one shell, in a session of its own, which goes on when this program is killed: a new bot
        that is found holds updates until the old one has ended.
        """
        said = self._go_over(new, old)
        if old:
            since = time.clock_gettime(time.CLOCK_BOOTTIME) - float(said.split()[0])
            self.asked_to_end = time.monotonic() - since

    def _go_over(self, new: Sequence[str], old: Sequence[str]) -> str:
        script = self._script(new, old)
        try:
            return self._run(("sh", "-c", script))
        except StepFailedError:
            # The engine may have gone in the middle of it; what is done cannot be done again.
            again = self._script(new, old)
            if again == script:
                raise
            return self._run(("sh", "-c", again))

    def _script(self, new: Sequence[str], old: Sequence[str]) -> str:
        """Return the commands. They print when the old ones were asked to end, in seconds
        since the machine was started."""
        lines = [("docker", *words) for one in new for words in self._exposing(one)]
        commands = [shlex.join(line) for line in lines]
        if old:
            stop = shlex.join(("docker", "stop", "--time", str(_STOP_S), *old))
            # Whoever would read the time may be dead, and `cut` fails then; `stop` does not ask.
            commands.append(f"{{ cut -d ' ' -f 1 /proc/uptime; {stop}; }}")
        return " && ".join(commands) or "true"

    def _exposing(self, container: str) -> Iterator[tuple[str, ...]]:
        """Return the words of `docker` that are missing so that others find it."""
        found = self.inspect(container)
        labels = found["Config"]["Labels"]
        service, is_bot = labels["com.docker.compose.service"], labels.get("botproof.role") == "bot"
        project = self.project()
        there = found["NetworkSettings"]["Networks"]
        wanted = project["services"][service].get("networks") or {"default": None}
        for key, settings in wanted.items():
            name = project["networks"][key]["name"]
            aliases = [service, *((settings or {}).get("aliases") or ())]
            if name in there:
                if is_bot or service in (there[name]["Aliases"] or ()):
                    continue
                yield ("network", "disconnect", name, container)
            named = [word for alias in aliases for word in ("--alias", alias)]
            yield ("network", "connect", *named, name, container)

    def _conceal(self, container: str) -> None:
        """Have nobody find it by the service's name before it is exposed.

        A bot that Telegram brings updates to keeps one network that leads outside, so that no
        connection of its has to end when it is exposed. One that asks for them is found by nobody.
        """
        project = self.project()
        found = self.inspect(container)
        labels = found["Config"]["Labels"]
        there = list(found["NetworkSettings"]["Networks"])
        kept = there
        if labels.get("botproof.role") == "bot":
            service = project["services"][labels["com.docker.compose.service"]]
            if labels.get("botproof.hand-over") != "beside" or not _takes_webhooks(service):
                return
            internal = {n["name"] for n in project["networks"].values() if n.get("internal")}
            kept = sorted(there, key=internal.__contains__)[:1]
        for name in there:
            self.docker("network", "disconnect", name, container)
        for name in kept:
            self.docker("network", "connect", name, container)

    def wait(self, container: str, *, standby: bool, seconds: float) -> None:
        """Wait until /ready says 200; with ``standby`` its "standing by" does, too."""
        until = time.monotonic() + seconds
        while True:
            found = self.inspect(container)
            state = found["State"]
            if state["Status"] in {"exited", "dead"} or found["RestartCount"] > 1:
                out = ", out of memory" if state.get("OOMKilled") else ""
                said = self._last_words(container)
                raise StepFailedError(
                    f"{_name(found)} ended with code {state['ExitCode']}{out}; it said: {said}"
                )
            reason = self.reason(found, standby=standby)
            if not reason:
                return
            if time.monotonic() > until:
                raise StepFailedError(f"{_name(found)} is not ready after {seconds:g} s: {reason}")
            time.sleep(_LOOK_S)  # nobody tells when a container becomes ready

    def _last_words(self, container: str) -> str:
        try:
            return self.docker("logs", "--tail", "3", container).strip()[-600:]
        except StepFailedError as error:  # somebody removes it just now, or it keeps no log
            return f"nothing that can be read: {error}"

    def reason(self, container: Document, *, standby: bool = False) -> str:
        """Say why it is not ready; empty when it is, or with ``standby`` when it stands by."""
        try:
            answer = self.ask(container)
        except StepFailedError as error:
            return str(error)
        if answer.status_code == 200:
            return ""
        try:
            said = answer.json()
        except ValueError:
            said = {}
        if standby and isinstance(said, dict) and said.get("status") == "standing by":
            return ""
        reasons = said.get("reasons") if isinstance(said, dict) else None
        return f"HTTP {answer.status_code} {reasons or ''}".strip()

    # -- commands ------------------------------------------------------------------------------

    def docker(self, *words: str) -> str:
        """Return what `docker …` prints, of `logs` on both streams. Raises StepFailedError."""
        return self._run(("docker", *words), both=words[0] == "logs")

    def _compose(self, *words: str) -> str:
        return self._run(self.compose.command(*words))

    def _run(
        self, command: Sequence[str], *, both: bool = False, more: Mapping[str, str] | None = None
    ) -> str:
        until, waits = time.monotonic() + _ENGINE_S, False
        while True:
            try:
                done = subprocess.run(
                    command,
                    env={**os.environ, **self.images, **(more or {})},
                    stdin=subprocess.DEVNULL,
                    capture_output=True,
                    text=True,
                    check=False,
                    timeout=_COMMAND_S,
                    start_new_session=True,  # Ctrl-C is for us: we undo what was begun
                )
            except OSError as error:
                raise StepFailedError(f"`{command[0]}` cannot be run: {error.strerror}") from error
            except subprocess.TimeoutExpired as error:
                raise StepFailedError(
                    f"`{' '.join(command[:2])} …` did not end in {_COMMAND_S:g} s"
                ) from error
            if done.returncode == 0:
                # `docker logs` has there what a container wrote, Compose what it does.
                return done.stdout + (done.stderr if both else "")
            said = (done.stderr.strip() or done.stdout.strip() or "it said nothing").splitlines()
            if not _NO_ENGINE.search(" ".join(said)):
                raise StepFailedError(f"`{_shown(command)}` failed: {said[-1]}")
            if time.monotonic() > until:
                raise EngineGoneError(
                    f"Docker's engine does not answer ({said[-1]}); start it "
                    "(`systemctl start docker`), and look at DOCKER_HOST"
                )
            if not waits:
                waits = True
                print(f"the engine does not answer; it has {_ENGINE_S:g} s to start …", flush=True)
            time.sleep(0.5)  # an engine that starts again


def _takes_webhooks(service: Document) -> bool:
    settings = settings_of({k: str(v) for k, v in (service.get("environment") or {}).items()})
    return settings is not None and bool(settings["url"])


def _name(container: Document) -> str:
    return str(container["Name"]).lstrip("/")


def _shown(command: Sequence[str]) -> str:
    """Return a command without its options and the files that they name, which are long."""
    if command[0] == "sh":
        return command[2]
    if command[1] == "compose":
        return " ".join([*command[:2], *(word for word in command if word in _VERBS)])
    return " ".join(word for word in command if not word.startswith(("-", "/")))
