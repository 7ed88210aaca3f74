"""All differences of a fleet: from its files, from git, and from the images that were judged."""

from __future__ import annotations

import datetime
import shlex
from collections.abc import Iterable, Mapping

from botproof.fleet import differences as lines
from botproof.fleet.differences import Difference
from botproof.fleet.host import Compose, Container, Fleet, Repository
from botproof.fleet.options import process_name
from botproof.fleet.shape import Document, Secrets, committed, running


def against_files(fleet: Fleet, compose: Compose, secrets: Secrets) -> list[Difference]:
    """Return what runs otherwise than Compose's files say."""
    found = []
    by_service: dict[str, list[Container]] = {}
    for container in fleet.containers:
        by_service.setdefault(container.service, []).append(container)
    services: Mapping[str, Document] = fleet.project["services"]
    for name, service in services.items():
        repair = shlex.join(compose.command("up", "--detach", name))
        containers = by_service.pop(name, [])
        if not containers:
            found.append(lines.not_running(name, "no container", repair))
        for container in containers:
            found += _of_service(
                name=name,
                service=service,
                container=container,
                fleet=fleet,
                secrets=secrets,
                repair=repair,
            )
        replicas = int((service.get("deploy") or {}).get("replicas") or service.get("scale") or 1)
        if containers and len(containers) != replicas:
            wanted, there = f"{replicas} containers", f"{len(containers)}"
            found.append(Difference(name, "replicas", wanted, there, "delivery", repair))
    orphans = shlex.join(compose.command("up", "--detach", "--remove-orphans"))
    for name, containers in by_service.items():
        for container in containers:
            called = str(container.inspected["Name"]).lstrip("/")
            found.append(
                Difference(
                    name or called,
                    "orphan",
                    "no such service",
                    f"container {called}, {container.state}",
                    "boot: a second poller, if it is the bot",
                    orphans,
                )
            )
    return found


def _of_service(
    *,
    name: str,
    service: Document,
    container: Container,
    fleet: Fleet,
    secrets: Secrets,
    repair: str,
) -> list[Difference]:
    reference = service.get("image") or ""
    image = fleet.images.get(reference)
    runs = fleet.images.get(container.inspected["Image"])
    wanted = committed(service, fleet.project, image or runs)
    there = running(container.inspected, runs, container.process, container.changed)
    found = []
    if container.state != "running and healthy":
        found.append(lines.not_running(name, container.state, repair))
    at = image["Id"] if image else None
    if at != container.inspected["Image"]:
        runs_id = container.inspected["Image"]
        found.append(lines.image_refers(name, reference or "the image", at, runs_id, repair))
    facts = {key: value for key, value in wanted.facts.items() if key[0] != "image"}
    others = {key: value for key, value in there.facts.items() if key[0] != "image"}
    if container.inspected["State"]["Status"] != "running":
        facts.pop(("networks", ""), None)  # an ended container is attached to none
        others.pop(("networks", ""), None)
    return found + lines.compare(
        name, type(wanted)(facts), type(there)(others, there.written), secrets, repair
    )


def against_repository(fleet: Fleet, there: Repository, *, judged: bool) -> list[Difference]:
    """Return changes not committed or not pushed; without a verdict, images older than
    the commit."""
    found = []
    if there.changed:
        some = ", ".join(there.changed[:5])
        more = f" and {len(there.changed) - 5} more" if len(there.changed) > 5 else ""
        found.append(
            Difference(
                "git",
                "files",
                "as committed",
                f"changed: {some}{more}",
                "",
                "git status; git commit",
            )
        )
    if there.has_remote and there.commit and (there.unpushed or not there.upstream):
        many = f"{there.unpushed} commits" if there.upstream else "this branch"
        found.append(Difference("git", "commit", "pushed", f"{many} never pushed", "", "git push"))
    if not judged and there.committed_at:
        found += _older_images(fleet, there)
    return found


def _older_images(fleet: Fleet, there: Repository) -> Iterable[Difference]:
    """Return images that are built from this tree, and were built before its last commit."""
    for name, service in fleet.project["services"].items():
        image = fleet.images.get(service.get("image") or "")
        if image is None or not service.get("build"):
            continue
        created = datetime.datetime.fromisoformat(image["Created"][:19] + "+00:00").timestamp()
        hours = (there.committed_at - created) / 3600
        if hours > 0:
            yield Difference(
                name,
                "age of the image",
                f"built after commit {there.commit[:12]}",
                f"{hours:.1f} hours older",
                "any: another build runs than was committed",
                f"docker compose build {name}",
            )


def against_judged(fleet: Fleet, judged: Mapping[str, Mapping[str, str]]) -> list[Difference]:
    """Return the containers whose image is not the one that a sealed verdict is about.

    ``judged`` is digests by process. A service is looked up by its name, `-` and `_` alike.
    """
    by_name = {process_name(name): digest for name, digest in judged.items()}
    found = []
    for container in fleet.containers:
        digest = by_name.get(process_name(container.service))
        image = container.inspected["Image"]
        if digest is None or image == f"sha256:{digest.get('sha256', '')}":
            continue
        found.append(
            Difference(
                container.service,
                "judged image",
                digest.get("sha256", "none")[:12],
                image.removeprefix("sha256:")[:12],
                "any: nobody has judged what runs",
                "botproof gate --image …, or run the image that was judged",
            )
        )
    return found
