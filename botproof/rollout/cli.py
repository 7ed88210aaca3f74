"""`botproof deploy`, `botproof rollback` and `botproof rehearse`."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import os
import re
import signal
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from botproof.fleet.host import Compose
from botproof.fleet.options import add_compose_arguments, add_files, compose_of, process_name
from botproof.problems import UsageError
from botproof.rollout import backup
from botproof.rollout.back import LIMITS_S, roll_back, run_back
from botproof.rollout.deploy import Options, Rollout, make_plan
from botproof.rollout.engine import (
    DEPLOYED,
    NOTHING_CHANGED,
    EngineGoneError,
    RefusedError,
    StepFailedError,
    WayBackUndoneError,
    go_back,
    go_on,
)
from botproof.rollout.host import DockerHost
from botproof.rollout.journal import FileJournal, state_of
from botproof.rollout.ledger import MemoryMeter, as_lines, keep
from botproof.rollout.lock import DirectoryLock, FleetLock
from botproof.rollout.plan import Kind, Plan, Step
from botproof.rollout.store import Store
from botproof.rollout.terminal import lasting
from botproof.rollout.triggers import MEMORY

if TYPE_CHECKING:
    from botproof.seal.statement import Resource

_REFERENCE = re.compile(r"(\S+@)?sha256:[0-9a-f]{64}")


def add_fleet_arguments(parser: argparse.ArgumentParser) -> None:
    """Add which fleet, and where its roll-outs are recorded."""
    add_compose_arguments(parser)
    parser.add_argument(
        "--state",
        metavar="DIR",
        type=Path,
        default=Path("/var/lib/botproof/rollout"),
        help="where roll-outs, their backups and ledgers are kept (/var/lib/botproof/rollout)",
    )


def add_deploy_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `botproof deploy`."""
    add = parser.add_argument
    add_fleet_arguments(parser)
    add(
        "--images",
        metavar="NAME=IMAGE",
        action="append",
        default=[],
        help="the image of a service by digest, as in `botproof verify`; may be repeated; without "
        "it those of the env file",
    )
    add("--only", metavar="SERVICE", action="append", default=[], help="change this service alone")
    add("--verdict", metavar="FILE", type=Path, help="the sealed verdict that the images must have")
    add_files(parser, "--key", "whom it is trusted of")
    add("--environment", metavar="NAME", help="what the verdict must be meant for")
    add(
        "--unjudged",
        metavar="REASON",
        help="deploy without a verdict; the reason is kept with the roll-out",
    )
    add("--rehearsal", metavar="FILE", type=Path, help="the sealed rehearsal of these images")
    add(
        "--unrehearsed",
        metavar="REASON",
        help="deploy what was not rehearsed; the reason is kept with the roll-out",
    )
    add(
        "--watch",
        metavar="SECONDS",
        type=float,
        default=360.0,
        help="how long the new fleet is watched before the old one is removed (360; memory has to "
        "be over its limit for 300); 0: not at all",
    )
    add(
        "--memory-limit",
        metavar="MB",
        type=float,
        default=MEMORY.value,
        help="the new fleet is taken back when its containers take more than this together (900, "
        "for a machine of 904)",
    )
    add(
        "--memory-for",
        metavar="SECONDS",
        type=float,
        default=MEMORY.seconds,
        help="and do so for longer than this (300)",
    )
    add(
        "--canary",
        metavar="COMMAND",
        default="",
        help="a shell command that asks /price in a chat and prints the answer",
    )


def add_rollback_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `botproof rollback`."""
    add_fleet_arguments(parser)
    parser.add_argument(
        "--level",
        type=int,
        choices=(1, 2, 3),
        required=True,
        help="1: the settings of before, with today's images; 2: the images of before, with "
        "today's settings; 3: settings, images and data",
    )


def run_rollback(arguments: argparse.Namespace) -> int:
    """Return 0: what was before works; 1: refused or undone; 3: stuck, the next call goes on."""
    with lasting():
        return _roll_back(arguments)


def _roll_back(arguments: argparse.Namespace) -> int:
    compose = compose_of(arguments)
    store = Store(arguments.state)
    try:
        with _alone(compose, store):
            end, seconds = roll_back(
                arguments.level, lambda images: DockerHost(compose, images), store
            )
    except WayBackUndoneError as error:
        print(f"stopped: {error}")
        return 1
    except (StepFailedError, OSError, KeyboardInterrupt) as error:
        return _stopped(error, store, "rollback")
    limit = LIMITS_S[arguments.level]
    within = "within" if seconds <= limit else "OVER"
    print(f"{end} after {seconds:.1f} s, {within} the {limit:g} s of level {arguments.level}")
    return 0


def run_deploy(arguments: argparse.Namespace) -> int:
    """Deploy. 0: deployed, or nothing to do; 1: refused or undone, the old fleet works;
    3: stuck."""
    with lasting():
        compose = compose_of(arguments)
        store = Store(arguments.state)
        try:
            with _alone(compose, store):
                return _deploy(arguments, compose, store)
        except (StepFailedError, OSError, KeyboardInterrupt) as error:
            return _stopped(error, store, "deploy")


@contextlib.contextmanager
def _alone(compose: Compose, store: Store) -> Iterator[None]:
    """Let nobody else change this fleet or write these records meanwhile.

    Raises UsageError, which names who does, or whose records these are.
    """
    host = DockerHost(compose, {})
    project = host.project_name()
    with FleetLock(project, host.engine()), DirectoryLock(store.root):
        store.expect(project)
        yield


def _stopped(error: BaseException, store: Store, command: str) -> int:
    """Say why it cannot go on, and what of the fleet was changed by then; the exit code."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C must not take these words away
    if store.open() is None:
        done = "" if isinstance(error, RefusedError) else f"; {NOTHING_CHANGED}"
        print(f"stopped: {str(error) or 'interrupted'}{done}")
        return 1
    print(f"stopped: {str(error) or 'interrupted'}")
    print(f"the next `botproof {command}` with the same files goes on from here")
    return 3


def add_rehearse_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `botproof rehearse`."""
    add = parser.add_argument
    add("old", metavar="OLD", help="images that run today, as SERVICE=IMAGE[,SERVICE=IMAGE]")
    add("new", metavar="NEW", help="images that are to come, the same way")
    files = "the fleet's Compose files, and the one that puts it between doubles; may be repeated"
    add_files(parser, "--compose", files)
    add("--env-file", metavar="FILE", type=Path, required=True, help="settings of the twin")
    add("--name", metavar="NAME", default=f"rehearsal-{os.getpid()}", help="of the Compose project")
    add("--switches", metavar="N", type=int, default=4, help="from one to the other and back (4)")
    add("--backs", metavar="N", type=int, default=1, help="ways back of each level (1)")
    add("--no-kills", action="store_true", help="do not kill a deployment at each of its steps")
    add("--no-ways", action="store_true", help="do not play the ways of failing")
    add(
        "--report",
        metavar="FILE",
        type=Path,
        help="write what was found as JSON, and beside it rehearsal.intoto.json for `deploy`",
    )
    add("--sign-with", metavar="FILE", type=Path, help="sign it with this private key")


def run_rehearse(arguments: argparse.Namespace) -> int:
    """Return 0: all is as it has to be; 1: something is not; 3: the rehearsal itself failed."""
    from botproof.rollout import rehearse  # noqa: PLC0415 - `deploy` needs no doubles
    from botproof.rollout.sealed import seal_rehearsal  # noqa: PLC0415 - as above
    from botproof.rollout.twin import Twin  # noqa: PLC0415 - as above

    compose = compose_of(arguments)
    variables = DockerHost(compose, {}).image_variables()
    old, new = (_by_service(text, variables) for text in (arguments.old, arguments.new))
    named = {variables[service]: image for service, image in old.items()}
    try:
        with Twin(arguments.name, compose.files, arguments.env_file, named) as twin:
            found = rehearse.rehearse(
                twin,
                old,
                new,
                switches=arguments.switches,
                backs=arguments.backs,
                kill=not arguments.no_kills,
                ways=not arguments.no_ways,
            )
    except StepFailedError as error:
        print(f"the rehearsal failed: {error}")
        return 3
    print("\n".join(rehearse.as_lines(found)))
    if arguments.report is not None:
        arguments.report.parent.mkdir(parents=True, exist_ok=True)
        arguments.report.write_bytes(msgspec.json.format(msgspec.json.encode(found)))
        whole = arguments.switches > 0 and arguments.backs > 0
        path = seal_rehearsal(
            found,
            images={**old, **new},
            files=compose.files,
            report=arguments.report,
            key=arguments.sign_with,
            whole=whole and not (arguments.no_kills or arguments.no_ways),
        )
        print(f"sealed in {path}")
    return 1 if found.wrong else 0


def _by_service(text: str, variables: dict[str, str]) -> dict[str, str]:
    """Return images by service, as ids of this machine."""
    from botproof.targets.docker import image_id  # noqa: PLC0415 - only a twin takes tags

    found = {}
    for part in text.split(","):
        service, _, image = part.strip().partition("=")
        if service not in variables or not image:
            known = ", ".join(sorted(variables))
            raise UsageError(f"{part}: write SERVICE=IMAGE; services with an image are {known}")
        found[service] = image_id(image)
    return found


def _deploy(arguments: argparse.Namespace, compose: Compose, store: Store) -> int:
    images = _images(arguments, compose)
    host = DockerHost(compose, images)
    options = Options(
        watch_s=arguments.watch,
        canary=arguments.canary,
        verdict=reasons_against_images(arguments, host),
        only=arguments.only,
        memory=dataclasses.replace(
            MEMORY, value=arguments.memory_limit, seconds=arguments.memory_for
        ),
    )
    directory = store.open()
    if directory is not None:
        code = _finish(directory, compose, options, images)
        if code is not None:
            return code
    plan = make_plan(host, options)
    if not plan.changes:
        print("nothing to do: what runs is what the files say")
        return 0
    directory = store.new()
    journal = FileJournal(directory / "journal.jsonl")
    reasons = {"unjudged": arguments.unjudged, "unrehearsed": arguments.unrehearsed}
    said = "; ".join(f"{name}: {reason}" for name, reason in reasons.items() if reason)
    journal.write("plan", reason=said, **msgspec.to_builtins(plan))
    return _run(plan, Rollout(plan, host, journal, directory, options), journal)


def _finish(
    directory: Path, compose: Compose, options: Options, images: dict[str, str]
) -> int | None:
    """Go on with what an earlier call began; None when it was undone and another one is wanted."""
    journal = FileJournal(directory / "journal.jsonl")
    plan = state_of(journal.entries).plan
    if plan is None:
        raise UsageError(f"{journal.path}: holds no plan")
    host = DockerHost(compose, plan.images)
    if plan.level:
        print(f"going on with {directory.name}, a way back")
        run_back(directory, plan, host, journal)
        return None
    rollout = Rollout(plan, host, journal, directory, options)
    if images and images != dict(plan.images):
        print(f"undoing {directory.name}, which was begun with other images")
    elif _edited_since(plan, host, journal):
        print(f"undoing {directory.name}: its files were edited since it was begun")
    else:
        print(f"going on with {directory.name}")
        return _run(plan, rollout, journal)
    go_back(plan, journal, rollout)
    return None


def _edited_since(plan: Plan, host: DockerHost, journal: FileJournal) -> bool:
    """Tell whether the containers that were made are not what the files say now.

    `settle` writes the images into the env file itself, and from there it goes forward alone.
    """
    settles = str(Step(Kind.SETTLE)) in state_of(journal.entries).begun
    return bool(plan.files) and not settles and plan.files != backup.digest_of(host.files())


def _run(plan: Plan, rollout: Rollout, journal: FileJournal) -> int:
    began = time.monotonic()
    with MemoryMeter(rollout.pids) as meter:
        try:
            end = go_on(plan, journal, rollout)
        except StepFailedError as error:
            why = error.__cause__
            if isinstance(why, EngineGoneError) or not isinstance(why, StepFailedError):
                raise  # the engine is gone, the disk is full, or somebody wants it to end
            print(f"settle: {why}; it is done once more")
            end = go_on(plan, journal, rollout)
    ledger = rollout.ledger(meter)
    for line in [*keep(ledger, rollout.directory / "ledger.json"), *as_lines(ledger)]:
        print(line)
    for trouble in rollout.troubles:
        print(f"the old fleet: {trouble}")
    print(f"{end} after {time.monotonic() - began:.1f} s; recorded in {rollout.directory}")
    return 0 if end == DEPLOYED else 1


def _images(arguments: argparse.Namespace, compose: Compose) -> dict[str, str]:
    variables = DockerHost(compose, {}).image_variables() if arguments.images else {}
    by_name = {process_name(name): variable for name, variable in variables.items()}
    found = {}
    for part in (part.strip() for text in arguments.images for part in text.split(",")):
        name, _, image = part.partition("=")
        variable = by_name.get(process_name(name))
        if variable is None:
            known = ", ".join(sorted(variables))
            raise UsageError(
                f"--images {part}: {name} is no service of the files; there are {known}"
            )
        if not _REFERENCE.fullmatch(image):
            raise UsageError(
                f"--images {part}: name the image by its digest, as sha256:… or NAME@sha256:…; "
                "a tag may move after it was judged"
            )
        found[variable] = image
    return found


def reasons_against_images(arguments: argparse.Namespace, host: DockerHost) -> list[str]:
    """Return the reasons of the sealed verdict and of the sealed rehearsal against the images."""
    found = []
    if arguments.verdict is None and not arguments.unjudged:
        found.append(
            "verdict: there is none; --verdict FILE --key FILE names it, --unjudged REASON goes "
            "without"
        )
    if arguments.rehearsal is None and not arguments.unrehearsed:
        found.append(
            "rehearsal: there is none; `botproof rehearse` makes one and --rehearsal FILE names "
            "it, --unrehearsed REASON goes without"
        )
    if arguments.verdict is None and arguments.rehearsal is None:
        return found
    from botproof.rollout.sealed import reasons_against  # noqa: PLC0415 - cryptography is slow
    from botproof.seal.keys import read_public  # noqa: PLC0415 - as above
    from botproof.seal.verify import Expected, verify  # noqa: PLC0415 - as above

    trusted = [read_public(path) for path in arguments.key]
    subject = {}
    for name, service in host.project()["services"].items():
        if (service.get("labels") or {}).get("botproof.role"):
            image = host.docker("image", "inspect", "--format", "{{.Id}}", service["image"]).strip()
            subject[process_name(name)] = {"sha256": image.removeprefix("sha256:")}
    if arguments.rehearsal is not None:
        found += reasons_against(arguments.rehearsal, trusted, subject)
    if arguments.verdict is None:
        return found
    try:
        data = arguments.verdict.read_bytes()
    except OSError as error:
        raise UsageError(f"{arguments.verdict}: cannot be read: {error.strerror}") from error
    expected = Expected(
        trusted=trusted,
        accept_unsigned=not arguments.key,
        subject=subject,
        environment=arguments.environment,
    )
    document, refusals = verify(data, expected)
    found += [f"verdict: {refusal.message}" for refusal in refusals]
    if document is not None:
        found += _other_files(document.predicate.configuration, host)
    return found


def _other_files(judged: Sequence[Resource], host: DockerHost) -> list[str]:
    """Tell whether a verdict that is about Compose files is about these; one of images
    alone is not."""
    from botproof.fleet.target import digest_of  # noqa: PLC0415 - only where there is a verdict
    from botproof.seal.gather import COMPOSE  # noqa: PLC0415 - as above

    here = digest_of(host.project(), host.compose.files[0].parent)
    return [
        f"verdict: the Compose files or their settings are not those that were judged (sealed with "
        f"{resource.digest.get('sha256', 'none')[:12]}, here is {here[:12]})"
        for resource in judged
        if resource.name == COMPOSE and resource.digest.get("sha256") != here
    ]
