"""One roll-out of a fleet: the steps of its plan, on the containers of this machine."""

from __future__ import annotations

import contextlib
import datetime
import os
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import psutil

from botproof.fleet.webhook import settings_of
from botproof.problems import UsageError
from botproof.rollout import backup, checks, verify
from botproof.rollout.engine import EngineGoneError, RefusedError, StepFailedError
from botproof.rollout.host import DockerHost
from botproof.rollout.journal import Journal
from botproof.rollout.ledger import Ledger, MemoryMeter, working_set_mb
from botproof.rollout.plan import Kind, Plan, Step, changes
from botproof.rollout.steps import Steps
from botproof.rollout.store import Store
from botproof.rollout.telegram import Telegram
from botproof.rollout.triggers import MEMORY, Limit, Sample, Triggers, read_counters

_KEPT = 5
"""So many roll-outs can be taken back, one after the other: a small disk holds no more images."""
_QUESTIONS = 3
"""So many wrong answers in a row are a reason to go back, as while it is watched."""
_SAMPLE_S = 1.0
_STAYS_S = 10.0
"""A `docker compose up` by hand that found two containers takes the new one away within this."""
_QUESTION_S = 10.0
_RESTORED = "data restored"
_PRESSURE = Path("/proc/pressure/memory")


@dataclass(frozen=True, slots=True)
class Options:
    """How a roll-out is done.

    ``verdict``: reasons of the sealed verdict against it. ``restore``: the directory with copies of
    the bot's databases that are put back while no bot runs. ``memory``: what the fleet may take,
    and for how long more, while it is watched.
    """

    watch_s: float = 0.0
    canary: str = ""
    verdict: Sequence[str] = ()
    restore: Path | None = None
    only: Sequence[str] = ()
    memory: Limit = MEMORY


def make_plan(host: DockerHost, options: Options, *, level: int = 0, deployment: str = "") -> Plan:
    """Return what has to change so that the fleet is as its files and images say.

    ``level`` and ``deployment`` as in `Plan`; on level 3 every service changes.
    Raises UsageError for a service that there is not.
    """
    project = host.project()
    wanted: dict[str, str] = {}
    running: dict[str, list[tuple[str, str, bool]]] = {}
    for name, service in project["services"].items():
        wanted[name] = _image(host, str(service.get("image", "")))
        there = host.containers(name)
        has_role = (service.get("labels") or {}).get("botproof.role")
        # An image that is not here is refused later, with all else that is wrong.
        asked = bool(there) and has_role is not None and bool(wanted[name])
        other = asked and host.would_recreate(name)
        running[name] = [(c["Id"], c["Image"], other) for c in there]
    unknown = set(options.only) - {
        name
        for name, s in project["services"].items()
        if (s.get("labels") or {}).get("botproof.role")
    }
    if unknown:
        raise UsageError(
            f"--only {', '.join(sorted(unknown))}: no service has that name and a role"
        )
    return Plan(
        level=level,
        deployment=deployment,
        changes=changes(project["services"], wanted, running, options.only, every=level == 3),
        images=host.images,
        watch_s=options.watch_s,
        project=host.project_name(),
        files=backup.digest_of(host.files()),
    )


def _image(host: DockerHost, name: str) -> str:
    try:
        return host.docker("image", "inspect", "--format", "{{.Id}}", name).strip()
    except EngineGoneError:
        raise
    except StepFailedError:
        return ""


@dataclass
class Rollout:
    """The worker of one plan: does its steps, and those that are not about containers."""

    plan: Plan
    host: DockerHost
    journal: Journal
    directory: Path
    options: Options = field(default_factory=Options)
    spans: dict[str, float] = field(default_factory=dict)
    _to_restore: list[tuple[Path, Path]] = field(default_factory=list)
    """The bot's databases, found before the old bot is asked to end: then its users wait."""

    def __post_init__(self) -> None:
        others = {
            Kind.CHECK: self._check,
            Kind.BACK_UP: self._back_up,
            Kind.VERIFY: self._verify,
            Kind.WATCH: self._watch,
            Kind.SETTLE: self._settle,
        }
        self._steps = Steps(self.plan, self.host, others, self._restore)

    def do(self, step: Step) -> None:
        """Do as `Steps.do`, with the moments of a hand-over noted."""
        if step.kind is Kind.HAND_OVER and self._restores():
            self._to_restore = self.databases()
        self._steps.do(step)
        if step.kind is Kind.HAND_OVER:
            self._note(step)
        if step.kind is Kind.SETTLE and self.plan.watch_s > 0:
            self._see_it_stays()

    def _see_it_stays(self) -> None:
        """Whoever has found the old containers beside the new ones may take the new ones away after
        the old ones are gone. Raises StepFailedError."""
        until = time.monotonic() + _STAYS_S
        while time.monotonic() < until:
            self._steps.see_new_work()
            time.sleep(_SAMPLE_S)

    def undo(self, step: Step) -> None:
        """Do as `Steps.undo`."""
        self._steps.undo(step)
        if step.kind is Kind.HAND_OVER:
            self._note(step)

    def see_old_work(self) -> None:
        """Do as `Steps.see_old_work`."""
        self._steps.see_old_work()

    @property
    def troubles(self) -> Sequence[str]:
        """What is wrong with the old containers after the way back."""
        return self._steps.troubles

    def _note(self, step: Step) -> None:
        change = next(c for c in self.plan.changes if c.service == step.service)
        if change.is_bot:
            began, ended = self.host.asked_to_end, time.monotonic()
            if began:  # else there was none before, or it had ended already
                self.spans["unattended"] = ended - began
            since = began or ended
            self.journal.write("note", str(step), "changed hands", began=since, ended=ended)

    # -- before --------------------------------------------------------------------------------

    def _bot(self) -> Mapping[str, Any] | None:
        for service in self.host.project()["services"].values():
            if (service.get("labels") or {}).get("botproof.role") == "bot":
                found: Mapping[str, Any] = service
                return found
        return None

    def telegram(self) -> Telegram:
        """Return the Bot API with the settings that the files give the bot."""
        bot = self._bot()
        if bot is None:
            raise StepFailedError("no service of the files has the label botproof.role: bot")
        environment = {
            k: str(v) for k, v in (bot.get("environment") or {}).items() if v is not None
        }
        addresses = {}
        for container in self.host.containers():
            for network in container["NetworkSettings"]["Networks"].values():
                if network["IPAddress"]:
                    service = container["Config"]["Labels"]["com.docker.compose.service"]
                    addresses[service] = network["IPAddress"]
        return Telegram(environment, addresses)

    def facts(self) -> checks.Facts:
        """Return what the checks judge, asked of this machine and of Telegram."""
        disk = shutil.disk_usage(self.directory)
        bot, trouble, skew, webhook, own, number = "", "", None, "", "", ""
        failed: tuple[float, str] = (float("-inf"), "")
        try:
            telegram = self.telegram()
            own, number = telegram.url, telegram.bot_id
            me, there = telegram.ask("getMe")
            skew = checks.skew(datetime.datetime.now(datetime.UTC), there)
            bot = str(me.get("username", ""))
            info, _ = telegram.ask("getWebhookInfo")
            webhook = str(info.get("url", ""))
            failed = info.get("last_error_date", float("-inf")), info.get("last_error_message", "")
        except StepFailedError as error:
            trouble = str(error)
        containers = self.host.containers()
        images = self.host.image_variables()
        project = self.host.project()["services"]
        return checks.Facts(
            disk_free=disk.free,
            disk_total=disk.total,
            memory_free=psutil.virtual_memory().available,
            memory_wanted=self._wanted(containers),
            compose=self.host.docker("compose", "version", "--short").strip(),
            images={
                images.get(change.service, change.service): change.image
                for change in self.plan.changes
            },
            bot=bot,
            bot_trouble=trouble,
            clock=skew,
            webhook=webhook,
            own_webhook=own,
            others=_not_running(project, containers),
            env_modes={str(p): p.stat().st_mode & 0o777 for p in self.host.compose.env_files},
            verdict=self.options.verdict,
            bot_id=number,
            running_id=self._running_id(containers),
            delivery_error=failed[1],
            delivery_error_age=time.time() - failed[0],
            alone={
                change.service: what
                for change in self.plan.changes
                if change.old
                and (what := checks.for_one_alone(project[change.service], change.manner))
            },
        )

    def _running_id(self, containers: Sequence[Mapping[str, Any]]) -> str:
        """Return the number in the token of the bot that is to be replaced."""
        old = {container for change in self.plan.changes for container in change.old}
        for container in containers:
            labels = container["Config"]["Labels"]
            if container["Id"] in old and labels.get("botproof.role") == "bot":
                words = (word.split("=", 1) for word in container["Config"]["Env"] if "=" in word)
                settings = settings_of(dict(words))
                return settings["token"].partition(":")[0] if settings else ""
        return ""

    def _wanted(self, containers: Sequence[Mapping[str, Any]]) -> int:
        old = {container for change in self.plan.changes for container in change.old}
        pids = [c["State"]["Pid"] for c in containers if c["Id"] in old and c["State"]["Pid"]]
        return round((working_set_mb(pids) or 0.0) * 1_000_000)

    def _check(self) -> None:
        facts = self.facts()
        for warning in checks.warnings(facts):
            print(f"check: {warning}")
        if found := checks.refusals(facts):
            raise RefusedError("refused, and nothing was changed:\n  " + "\n  ".join(found))

    def _back_up(self) -> None:
        # What runs was made of the files as they were deployed; they may have been edited since.
        deployed = self._deployed_before()
        backup.keep_files(self.host.files(), self.directory / "before")
        if deployed is not None:
            for path in deployed.iterdir():
                backup.write_whole(self.directory / "before" / path.name, path.read_bytes(), 0o600)
        images = {}
        for change in self.plan.changes:
            for container in change.old:
                image = self.host.inspect(container)["Image"]
                images[change.service] = image
                self.host.keep_image(image, f"{self.directory.name}-{change.service}")
        data = [
            str(target)
            for source, target in self.databases()
            if backup.copy_database(source, target)
        ]
        webhook = self.telegram().ask("getWebhookInfo")[0]
        document = {"images": images, "data": data, "webhook": webhook}
        backup.write_whole(
            self.directory / "before.json",
            msgspec.json.format(msgspec.json.encode(document)),
            0o600,
        )

    def _deployed_before(self) -> Path | None:
        for path in reversed(Store(self.directory.parent).all()):
            if path != self.directory and (path / "deployed").is_dir():
                return path / "deployed"
        return None

    def _restore(self) -> None:
        """Put the bot's databases back, with what the newer version has taken in since.

        Once: what the older version has done with them since then must not be undone.
        """
        if self.options.restore is None or not self._restores():
            return
        for source, target in self._to_restore:
            copy = self.options.restore / target.name
            if copy.exists():
                backup.restore_database(copy, source, carry_over=True)
        self.journal.write("note", reason=_RESTORED)

    def _restores(self) -> bool:
        noted = {entry.reason for entry in self.journal.entries if entry.event == "note"}
        return self.options.restore is not None and _RESTORED not in noted

    def databases(self) -> list[tuple[Path, Path]]:
        """Return each database on this machine that the bot's label `botproof.data` names, and its
        copy."""
        found = []
        for change in self.plan.changes:
            for container in change.old[:1]:
                inspected = self.host.inspect(container)
                label = str(inspected["Config"]["Labels"].get("botproof.data", ""))
                for inside in label.split():
                    there = _on_this_machine(inspected["Mounts"], inside)
                    found.append((there, self.directory / "data" / Path(inside).name))
        return found

    # -- after ---------------------------------------------------------------------------------

    def _verify(self) -> None:
        for left in reversed(range(_QUESTIONS)):
            try:
                self._ask_all()
                break
            except StepFailedError as error:
                # What has just been started has asked no exchange yet, and may be late with some.
                if not left:
                    raise
                self.journal.write("note", str(Step(Kind.VERIFY)), str(error))
        self._steps.see_new_work()
        for change in self.plan.changes:
            for seen in self.host.seen(change.service):
                if seen.running:
                    self.host.wait(seen.id, standby=False, seconds=10)

    def _ask_all(self) -> None:
        if self.options.canary:
            verify.ask_canary(self.options.canary)
        for container in self.host.containers():
            labels = container["Config"]["Labels"]
            asked = labels.get("botproof.question", "")
            if not asked or not container["State"]["Running"]:
                continue
            path, body = verify.question(asked)
            port = labels.get("botproof.ready", "").partition("/")[0]
            address = next(
                n["IPAddress"]
                for n in container["NetworkSettings"]["Networks"].values()
                if n["IPAddress"]
            )
            wanted = [labels["botproof.answer"]] if labels.get("botproof.answer") else []
            verify.ask_service(f"http://{address}:{port}/{path}", body, wanted)

    def _settle(self) -> None:
        """Have the files name the new images, so that whatever starts the fleet next
        starts these."""
        for path in self.host.compose.env_files:
            backup.set_variables(path, self.plan.images)
        backup.keep_files(self.host.files(), self.directory / "deployed")
        self._forget()

    def _forget(self) -> None:
        """Remove images and data of all but the last roll-outs; what was done stays on record."""
        old = {path.name: path for path in Store(self.directory.parent).all()[:-_KEPT]}
        for tag in self.host.kept_images():
            # A tag is the name of a roll-out, which has one hyphen, and of a service.
            if "-".join(tag.split("-")[:2]) in old:
                self.host.let_image_go(tag)
        for path in old.values():
            shutil.rmtree(path / "data", ignore_errors=True)

    def _watch(self) -> None:
        """Look for the reasons to go back, for as long as the plan says."""
        triggers = Triggers(self.options.memory)
        until = time.monotonic() + self.plan.watch_s
        asked = 0.0
        while (now := time.monotonic()) < until:
            question = None
            if now - asked >= _QUESTION_S:
                asked, question = now, self._question()
            if reason := triggers.add(self._sample(now, question)):
                raise StepFailedError(reason)
            time.sleep(_SAMPLE_S)

    def _question(self) -> float:
        try:
            began = time.monotonic()
            self._ask_all()
            return time.monotonic() - began
        except StepFailedError:
            return float("inf")

    def _sample(self, at: float, question: float | None) -> Sample:
        counters = None
        for container in self.host.containers():
            if container["Config"]["Labels"].get("botproof.role") == "bot":
                if not container["State"]["Running"]:
                    continue
                with contextlib.suppress(StepFailedError):
                    counters = read_counters(self.host.ask(container, "metrics").text)
        memory = working_set_mb(self.pids())
        return Sample(at, memory, question, counters, pressure(), self._not_ready())

    def _not_ready(self) -> str:
        """Return the first of the new containers that is not ready, and why."""
        for change in self.plan.changes:
            for container in self.host.containers(change.service):
                new = container["Id"] not in change.old
                if new and (reason := self.host.reason(container)):
                    return f"{change.service}: {reason}"
        return ""

    def pids(self) -> list[int]:
        """Return the first process of each container that runs."""
        try:
            return [c["State"]["Pid"] for c in self.host.containers() if c["State"]["Pid"]]
        except StepFailedError:
            return []

    def ledger(self, meter: MemoryMeter) -> Ledger:
        """Return what is known of the hand-over without a double's transcript."""
        gap = self.spans.get("unattended")
        return Ledger(
            unattended_s=None if gap is None else round(gap, 3),
            peak_mb=meter.peak_mb,
            memory_samples=meter.samples,
        )


def pressure() -> float | None:
    """Return the share of the last ten seconds in which everything waited for memory;
    None: no PSI."""
    try:
        words = _PRESSURE.read_text(encoding="ascii").split("full", 1)[1].split()
    except (OSError, IndexError):
        return None
    return float(words[0].removeprefix("avg10=")) / 100


def _not_running(
    services: Mapping[str, Any], containers: Sequence[Mapping[str, Any]]
) -> dict[str, str]:
    """Return services without a role (a proxy, Redis) that a roll-out needs and does not touch."""
    states: dict[str, str] = {}
    for container in containers:
        service = container["Config"]["Labels"]["com.docker.compose.service"]
        states[service] = str(container["State"]["Status"])
    return {
        name: states.get(name, "not there")
        for name, service in services.items()
        if not (service.get("labels") or {}).get("botproof.role") and states.get(name) != "running"
    }


def _on_this_machine(mounts: Sequence[Mapping[str, Any]], inside: str) -> Path:
    """Return where a file of a container lies on this machine."""
    for mount in mounts:
        root = Path(mount["Destination"])
        if Path(inside).is_relative_to(root):
            source = Path(mount["Source"])
            if not os.access(source, os.R_OK | os.X_OK):
                raise StepFailedError(f"{source}: cannot be read; run this as root (sudo)")
            return source / Path(inside).relative_to(root)
    raise StepFailedError(f"{inside}: lies in no volume of the bot, so it would be lost")
