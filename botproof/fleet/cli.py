"""`botproof drift`."""

from __future__ import annotations

import argparse
import json
import secrets
import shlex
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

from botproof.fleet import drift, units, webhook
from botproof.fleet.differences import Difference, as_lines
from botproof.fleet.host import Compose, Fleet, look, repository
from botproof.fleet.options import add_compose_arguments, add_files, compose_of
from botproof.fleet.shape import Secrets
from botproof.problems import UsageError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `botproof drift`."""
    add_compose_arguments(parser)
    add_files(parser, "--unit", "a committed unit of systemd; with or in the place of --compose")
    add = parser.add_argument
    add("--verdict", metavar="FILE", type=Path, help="the sealed verdict that the images must have")
    add_files(parser, "--key", "whom it is trusted of")
    add("--no-telegram", action="store_true", help="do not ask Telegram for the webhook")
    add("--no-git", action="store_true", help="do not look at the repository of the files")
    add("--json", action="store_true", help="print a JSON list instead of lines")


def run(arguments: argparse.Namespace) -> int:
    """Return 0: nothing differs; 1: differences, a line each; 3: something could not be asked."""
    compose = compose_of(arguments) if arguments.compose or not arguments.unit else None
    hidden = Secrets(secrets.token_bytes(16))
    try:
        found = [] if compose is None else _found(arguments, compose, hidden)
        for unit in arguments.unit:
            found += units.differences_of(unit, units.Machine(), hidden)
    except UsageError as error:
        print(f"could not look: {error}")
        return 3
    if arguments.json:
        print(json.dumps([asdict(each) for each in found], indent=1))
    elif found:
        print("\n".join(as_lines(found)))
        print(f"{len(found)} difference{'s' if len(found) > 1 else ''}")
    else:
        print("what runs is what is committed")
    return 1 if found else 0


def _found(arguments: argparse.Namespace, compose: Compose, hidden: Secrets) -> list[Difference]:
    directory = arguments.compose[0].resolve().parent
    with ThreadPoolExecutor(max_workers=1) as worker:
        repositories = None if arguments.no_git else worker.submit(repository, directory)
        fleet = look(compose)
        found = drift.against_files(fleet, compose, hidden)
    judged = arguments.verdict is not None
    if judged:
        found += _judged(arguments, fleet)
    if repositories is not None:
        found += drift.against_repository(fleet, repositories.result(), judged=judged)
    if not arguments.no_telegram:
        found += _webhooks(fleet, compose)
    return found


def _judged(arguments: argparse.Namespace, fleet: Fleet) -> list[Difference]:
    # cryptography takes a while to import; most looks are without a verdict.
    from botproof.seal.keys import read_public  # noqa: PLC0415 - see above
    from botproof.seal.verify import Expected, verify  # noqa: PLC0415 - see above

    trusted = [read_public(path) for path in arguments.key]
    try:
        data = arguments.verdict.read_bytes()
    except OSError as error:
        raise UsageError(f"{arguments.verdict}: cannot be read: {error.strerror}") from error
    document, refusals = verify(data, Expected(trusted=trusted, accept_unsigned=not trusted))
    found = [
        Difference("verdict", r.kind, "a verdict to rely on", r.message, "", "botproof gate")
        for r in refusals
    ]
    if document is not None:
        subjects = {subject.name: subject.digest for subject in document.subject}
        found += drift.against_judged(fleet, subjects)
    return found


def _webhooks(fleet: Fleet, compose: Compose) -> list[Difference]:
    found = []
    for container in fleet.containers:
        lines = container.inspected["Config"].get("Env") or ()
        settings = webhook.settings_of(dict(line.split("=", 1) for line in lines if "=" in line))
        if settings is None or container.inspected["State"]["Status"] != "running":
            continue
        repair = shlex.join(compose.command("restart", container.service))
        found += webhook.differences(container.service, settings, webhook.ask(settings), repair)
    return found
