"""The target of `botproof gate --compose`, with or without `--from-host`."""

from __future__ import annotations

from dataclasses import replace

from botproof.config import Config
from botproof.fleet.host import Compose, Fleet, look, resolved
from botproof.fleet.target import Document, FleetTarget, as_service, digest_of, in_containers
from botproof.problems import UsageError


def target_of(config: Config, compose: Compose, *, from_host: bool) -> FleetTarget:
    """Take it from the files, or from the containers of these files that run here.

    Raises UsageError: Compose or Docker refuses, a process has no service, nothing runs.
    """
    files = ", ".join(map(str, compose.files))
    if from_host:
        services = _running(look(compose))
        return replace(in_containers(config, services), about={"host": files})
    project = resolved(compose)
    about = {"files": files, "digest": digest_of(project, compose.files[0].parent)}
    return replace(in_containers(config, project["services"]), about=about)


def _running(fleet: Fleet) -> dict[str, Document]:
    services = {each.service: as_service(each.inspected) for each in fleet.containers}
    if not services:
        raise UsageError(
            f"no container of the project {fleet.project['name']} is on this machine; "
            "`docker compose up -d` starts it, --project-name names another"
        )
    return services
