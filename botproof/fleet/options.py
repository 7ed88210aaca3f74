"""The options that say which fleet is meant, alike for every command that takes one."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from botproof.problems import UsageError

if TYPE_CHECKING:
    from botproof.fleet.host import Compose

_FILES = "a Compose file of the fleet, as in `docker compose --file`; may be repeated"
_PROJECT = "as for Compose"


def add_compose_arguments(
    parser: argparse.ArgumentParser, *, files: str = _FILES, project: str | None = _PROJECT
) -> None:
    """Add `--compose`, `--env-file` and, with a text of its own or None for none,
    `--project-name`."""
    add_files(parser, "--compose", files)
    add_files(parser, "--env-file", "as for Compose")
    if project is not None:
        parser.add_argument("--project-name", metavar="NAME", help=project)


def add_files(parser: argparse.ArgumentParser, option: str, text: str) -> None:
    """Add an option that names a file each time it is given."""
    parser.add_argument(option, metavar="FILE", type=Path, action="append", default=[], help=text)


def compose_of(arguments: argparse.Namespace) -> Compose:
    """Return the files that these options name. Raises UsageError: none is named, or
    one is no file."""
    # Only who looks at a fleet needs what asks Compose and Docker.
    from botproof.fleet.host import Compose  # noqa: PLC0415 - see above

    if not arguments.compose:
        raise UsageError("--compose FILE is missing: which files is the fleet started with?")
    given = arguments.env_file  # a twin takes one
    env_files = given if isinstance(given, list) else [given]
    for path in (*arguments.compose, *env_files):
        if not path.is_file():
            raise UsageError(f"{path}: is no file")
    return Compose(arguments.compose, env_files, getattr(arguments, "project_name", None))


def process_name(service: str) -> str:
    """Return what botproof.toml calls a service of Compose's files: `market-data` is
    `market_data`."""
    return service.replace("-", "_")
