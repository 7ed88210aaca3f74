"""A twin of a fleet: the same Compose files between doubles, in a fence, with users who ask.

Roll-outs of a twin are calls of `botproof deploy` in processes of their own, which can be killed as
an operator's can.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import msgspec
import psutil

from botproof.doubles.telegram.client import Double
from botproof.fleet.host import Compose
from botproof.fleet.webhook import settings_of
from botproof.rollout.engine import StepFailedError
from botproof.rollout.host import DockerHost
from botproof.rollout.journal import Entry
from botproof.rollout.ledger import Ledger, of_transcript
from botproof.rollout.store import Store
from botproof.targets.cgroup import CgroupError, Fence

FENCE = 904_000_000
"""What a t3.micro has for everything."""
DOUBLE = "telegram-double"
COINS = ("BTC", "ETH", "SOL", "XRP")
"""What users ask for. Every exchange of the double lists them. Few, as people do: then most answers
are made of figures that were just fetched, and a busy machine still makes them in time."""
_PEOPLE = 20
_ANSWER_S = 60.0


class Users:
    """People who ask at a steady rate, by the double's control interface, in a thread.

    Each asks for one coin after the other, so that an answer tells which question it is to.
    """

    def __init__(self, double: Double, rate: float, people: int = _PEOPLE) -> None:
        self._double = double
        self._rate = rate
        self._people = people
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._ask, daemon=True)
        self.sent = 0
        self.trouble = ""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _ask(self) -> None:
        began = time.monotonic()
        while not self._stop.wait(max(0.0, began + self.sent / self._rate - time.monotonic())):
            turn, person = divmod(self.sent, self._people)
            user, text = 2001 + person, f"/price {COINS[(turn + person) % len(COINS)]}"
            try:
                self._double.act({"text": text, "chat_id": user, "user_id": user})
            except Exception as error:  # the double's trouble, told where it is judged
                self.trouble = repr(error)
                return
            self.sent += 1


class Twin:
    """A running twin. `directory` holds its settings and the record of its roll-outs.

    ``images`` by variable of the Compose files. The files have to bring the double of Telegram as
    the service `telegram-double`, with its port 9000 published on this machine.
    """

    def __init__(
        self,
        name: str,
        files: Sequence[Path],
        env_file: Path,
        images: Mapping[str, str],
        *,
        rate: float = 5.0,
    ) -> None:
        self.name = name
        self.rate = rate
        self._files = [path.resolve() for path in files]
        self._env_source = env_file
        self._images = images
        self._stack = contextlib.ExitStack()
        self._known = 0
        self._settings = 0
        self.fence: Fence | None = None

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            self.directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            self.env_file = self.directory / "env"
            text = self._env_source.read_text(encoding="utf-8") + "\n"
            text += "TELEGRAM_DOUBLE_PORT=0\n"
            text += "".join(f"{name}={value}\n" for name, value in self._images.items())
            self.env_file.write_text(text, encoding="utf-8")
            self.env_file.chmod(0o600)
            self.fence = self._fenced(stack)
            overlay = self._overlay()
            self.files = [*self._files, overlay]
            self.compose = Compose(self.files, [self.env_file], self.name)
            self.host = DockerHost(self.compose, {})
            stack.callback(self._down)
            self._up()
            self.double = stack.enter_context(self._double())
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _fenced(self, stack: contextlib.ExitStack) -> Fence | None:
        try:
            return stack.enter_context(Fence(self.name, FENCE, 2.0))
        except CgroupError:
            return None

    def _overlay(self) -> Path:
        """Put the fleet into the fence; the doubles stay outside, as they are not of the fleet."""
        path = self.directory / "fence.yaml"
        parent = {} if self.fence is None else {"cgroup_parent": self.fence.parent}
        setting = {"environment": {"BOTPROOF_REHEARSAL": str(self._settings)}}
        services = {"bot": {**parent, **setting}, "market-data": parent}
        path.write_text(json.dumps({"services": services}))
        return path

    def change_settings(self) -> None:
        """Have the files give the bot another setting, which means nothing to it."""
        self._settings += 1
        self._overlay()

    @property
    def setting(self) -> str:
        """What the bot that runs was given of that."""
        [bot] = [c for c in self.host.containers("bot") if c["State"]["Running"]]
        words = dict(word.split("=", 1) for word in bot["Config"]["Env"])
        return str(words["BOTPROOF_REHEARSAL"])

    def _up(self) -> None:
        words = ("--detach", "--no-build", "--pull", "never", "--wait", "--wait-timeout", "120")
        self.docker_compose("up", *words)

    def _down(self) -> None:
        self.docker_compose("down", "--volumes", "--remove-orphans", "--timeout", "2")
        for tag in self.host.kept_images():
            self.host.let_image_go(tag)

    def docker_compose(self, *words: str) -> None:
        """Do the step. Raises StepFailedError."""
        done = subprocess.run(
            self.compose.command(*words), capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise StepFailedError(f"compose {words[0]}: {done.stderr.strip()[-600:]}")

    def _double(self) -> Double:
        address = self.host.docker("port", self._container(DOUBLE), "9000").split()[0]
        bot = self.host.project()["services"]["bot"]["environment"]
        settings = settings_of({name: str(value) for name, value in bot.items()})
        if settings is None:
            raise StepFailedError("the twin's bot has no token")
        self.token = settings["token"]
        return Double(f"http://{address}", self.token)

    def _container(self, service: str) -> str:
        found = self.host.seen(service)
        if not found:
            raise StepFailedError(f"the files have no service {service}, which stands for Telegram")
        return found[0].id

    # -- roll-outs -----------------------------------------------------------------------------

    @property
    def state(self) -> Path:
        """Where its roll-outs are recorded."""
        return self.directory / "state"

    def command(self, word: str, *more: str, files: Sequence[Path] = ()) -> list[str]:
        """`botproof deploy …` or `rollback …` of this twin."""
        options = ["--project-name", self.name, "--state", str(self.state)]
        options += ["--env-file", str(self.env_file)]
        for path in (*self.files, *files):
            options += ["--compose", str(path)]
        return [sys.executable, "-m", "botproof", word, *options, *more]

    def deploy(self, images: Mapping[str, str], *more: str) -> list[str]:
        """Add the options of a deployment of these images, by service."""
        named = [f"{service}={image}" for service, image in images.items()]
        options = [word for each in named for word in ("--images", each)]
        return [*options, "--unjudged", "a twin", "--unrehearsed", "a twin", *more]

    def canary(self) -> str:
        """Return the command of a canary chat: asks /price, prints the answer."""
        words = (sys.executable, "-m", "botproof.rollout.canary", self.double.url, self.token)
        return " ".join(words)

    def run(self, command: Sequence[str]) -> tuple[int, str, float]:
        """Run it; its exit code, what it said, and the seconds that it took."""
        began = time.monotonic()
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
        return done.returncode, done.stdout + done.stderr, time.monotonic() - began

    @contextlib.contextmanager
    def started(self, command: Sequence[str]) -> Iterator[subprocess.Popen[str]]:
        """Run it beside this; what it says, on both streams, comes from its `communicate`. It is
        killed where it has not ended by then."""
        self._known = len(self.entries())
        with subprocess.Popen(
            command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    def comes_to(self, process: subprocess.Popen[str], event: str, step: str) -> bool:
        """Wait until the journal of a call that was just started has that entry; whether it came
        to that."""
        known = self._known
        while process.poll() is None:
            new = self.entries()[known:]
            if any((entry.event, entry.step) == (event, step) for entry in new):
                return True
            time.sleep(0.01)  # nobody tells when a file grows
        return False

    def kill_at(self, command: Sequence[str], event: str, step: str) -> bool:
        """Run it, and SIGKILL it as soon as its journal has that entry; whether it came to that."""
        with self.started(command) as process:
            return self.comes_to(process, event, step)

    def power_cut(self) -> None:
        """SIGKILL to every process of the fleet; the doubles are not of it."""
        for service in ("bot", "market-data"):
            for container in self.host.containers(service):
                if pid := container["State"]["Pid"]:
                    with contextlib.suppress(psutil.NoSuchProcess):
                        psutil.Process(pid).kill()

    def entries(self) -> list[Entry]:
        """Return the journals of all roll-outs, one after the other."""
        paths = [path / "journal.jsonl" for path in Store(self.state).all()]
        found: list[Entry] = []
        for path in paths:
            lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
            found += [msgspec.json.decode(line, type=Entry) for line in lines]
        return found

    # -- users ---------------------------------------------------------------------------------

    @contextlib.contextmanager
    def users(self, rate: float | None = None, people: int = _PEOPLE) -> Iterator[list[Ledger]]:
        """People ask while this is open; at its end the ledger of what they saw is in the list.

        Waits until all that was asked is answered, or nothing is any more for a minute.
        """
        found: list[Ledger] = []
        started = self._events(0)[1]
        first = len(self.entries())
        with Users(self.double, rate or self.rate, people) as users:
            yield found
        if users.trouble:
            raise StepFailedError(f"the double of Telegram failed: {users.trouble}")
        events: list[Mapping[str, Any]] = []
        answered, until = -1, 0.0
        while True:
            new, started = self._events(started)
            events += new
            ledger = self._ledger(events, first)
            if ledger.answered > answered:  # Telegram takes some thirty a second, not more
                answered, until = ledger.answered, time.monotonic() + _ANSWER_S
            if ledger.answered == ledger.asked or time.monotonic() > until:
                break
            time.sleep(0.2)  # the transcript tells of each event, not of the last answer
        found.append(ledger)

    def _events(self, after: int) -> tuple[list[Mapping[str, Any]], int]:
        """Return what the transcript has after this event, and its last event."""
        events: list[Mapping[str, Any]] = []
        while True:
            page, following = self.double.transcript(after)
            if not page:
                return events, after
            events += page
            after = following

    def _ledger(self, events: Sequence[Mapping[str, Any]], first: int) -> Ledger:
        spans = [("first", 0.0)]
        for entry in self.entries()[first:]:
            if entry.reason == "changed hands":
                spans.append((f"instance {len(spans) + 1}", float(entry.data["began"])))
        return of_transcript(events, spans)
