"""`botproof restore --drill`: does the bot start from a backup, and answer?

A backup that nobody has started a bot from is a hope. The bot of botproof.toml is started between
doubles on a copy of the backup's databases, and the gate's smoke judges it: it starts, becomes
ready, answers the conversation, and ends when it is told to. The backup itself is only read.
"""

from __future__ import annotations

import argparse
import contextlib
import shutil
import sqlite3
import tarfile
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from botproof.config import Config, load_config
from botproof.gate import GateOptions, run_gate
from botproof.problems import UsageError
from botproof.report.terminal import print_results

_SUFFIX = ".sqlite3"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `botproof restore`."""
    add = parser.add_argument
    add(
        "--drill",
        metavar="BACKUP",
        type=Path,
        required=True,
        help="a folder or a .tar.gz with the databases, such as deploy/aws/restore.sh brings",
    )
    add(
        "--set",
        metavar="NAME=FILE",
        action="append",
        default=[],
        help="the variable that names a database to the bot (INBOX_PATH=inbox.sqlite3); may be "
        "repeated",
    )
    add("--mode", metavar="MODE", help="of botproof.toml; the first one when it is not given")
    add(
        "--config",
        metavar="FILE",
        type=Path,
        default=Path("botproof.toml"),
        help="the bot and how to start it (botproof.toml)",
    )
    add("--report-dir", metavar="DIR", type=Path, help="where the reports go (reports/drill)")


def run(arguments: argparse.Namespace) -> int:
    """Return the gate's exit code: 0 when the bot works from the backup."""
    config = load_config(arguments.config)
    mode = arguments.mode or next(iter(config.modes))
    if mode not in config.modes:
        raise UsageError(f"--mode {mode}: is none of {', '.join(config.modes)}")
    with tempfile.TemporaryDirectory(prefix="botproof-drill-") as scratch:
        folder = Path(scratch)
        unpacked(arguments.drill, folder)
        print("\n".join(described(folder)), flush=True)
        names = _named(arguments.set or ["INBOX_PATH=inbox.sqlite3"], folder)
        base = arguments.config.resolve().parent
        outcome = run_gate(
            GateOptions(
                config=_from(config, mode, names),
                config_path=arguments.config,
                report_dir=arguments.report_dir or base / "reports" / "drill",
                checks=("boot",),
                modes=(mode,),
            )
        )
    print_results(outcome.results, duration_s=outcome.duration_s, report_dir=outcome.report_dir)
    return outcome.verdict.exit_code


def unpacked(backup: Path, folder: Path) -> None:
    """Copy a backup's databases into `folder`. Raises UsageError when there are none."""
    try:
        if backup.is_dir():
            for path in backup.glob(f"*{_SUFFIX}"):
                shutil.copy(path, folder)
        else:
            with tarfile.open(backup) as archive:
                for member in archive.getmembers():
                    wanted = member.isfile() and _is_database(member.name)
                    if wanted and (content := archive.extractfile(member)) is not None:
                        with (folder / Path(member.name).name).open("wb") as database:
                            shutil.copyfileobj(content, database)
    except (OSError, tarfile.TarError) as error:
        raise UsageError(f"{backup}: cannot be read: {error}") from error
    if not list(folder.glob(f"*{_SUFFIX}")):
        raise UsageError(f"{backup}: holds no *{_SUFFIX}")


def _is_database(name: str) -> bool:
    return Path(name).name == name.removeprefix("./") and name.endswith(_SUFFIX)


def described(folder: Path) -> Iterator[str]:
    """Yield a line for each database: whether it is sound, and how much is in it.

    Raises UsageError for one that is not.
    """
    for path in sorted(folder.glob(f"*{_SUFFIX}")):
        try:
            with contextlib.closing(sqlite3.connect(path)) as database:
                [sound] = database.execute("PRAGMA integrity_check").fetchone()
                found = "SELECT name FROM sqlite_schema WHERE type = 'table'"
                tables = [name for (name,) in database.execute(found) if name[:7] != "sqlite_"]
                rows = [f"{_count(database, name)} {name}" for name in tables]
        except sqlite3.DatabaseError as error:
            sound = str(error)
            rows = []
        if sound != "ok":
            raise UsageError(f"{path.name}: is not sound: {sound}")
        yield f"{path.name}: sound; {', '.join(rows)}"


def _count(database: sqlite3.Connection, table: str) -> int:
    [count] = database.execute(f'SELECT count(*) FROM "{table}"').fetchone()  # noqa: S608 - its own
    return int(count)


def _named(pairs: Sequence[str], folder: Path) -> dict[str, str]:
    names = {}
    for pair in pairs:
        name, equals, file = pair.partition("=")
        if not equals or not (folder / file).is_file():
            there = ", ".join(sorted(path.name for path in folder.iterdir()))
            raise UsageError(f"--set {pair}: must be NAME=FILE, and the backup has {there}")
        names[name] = str(folder / file)
    return names


def _from(config: Config, mode: str, names: Mapping[str, str]) -> Config:
    replace = msgspec.structs.replace
    changed = replace(config.modes[mode], env={**config.modes[mode].env, **names})
    return replace(config, modes={**config.modes, mode: changed})
