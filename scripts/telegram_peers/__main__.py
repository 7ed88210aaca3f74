"""Other libraries' network tests against the Telegram double, unchanged: `nox -s peers`.

python-telegram-bot and pyTelegramBotAPI carry in their source archives the tests that they run
against the real Bot API. The archives are downloaded at each run (archives.txt pins them by version
and hash) and nothing of them is kept. A small program of our own calls what uploads files in
node-telegram-bot-api. Every failure has to be in expected.toml, as something that the double lacks
(`missing`) or that only the real service has (`service`); a failure that is on no list, and a test
on a list that passes, fail the run.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self
from xml.etree import ElementTree  # of a report that our own pytest wrote

from stand_in_files import write_missing
from world import TOKENS, World

HERE = Path(__file__).parent
WORKERS = len(TOKENS)
TIMEOUT = 420.0


def main() -> int:
    """Run the suites; 0 when every failure is on the list and nothing on the list passes."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--only", choices=SUITES, help="run one suite")
    arguments.add_argument("--keep", type=Path, help="put archives and reports into this folder")
    options = arguments.parse_args()
    folder = options.keep or Path(tempfile.mkdtemp(prefix="telegram-peers-"))
    folder.mkdir(parents=True, exist_ok=True)
    expected = tomllib.loads((HERE / "expected.toml").read_text(encoding="utf-8"))
    fine = True
    try:
        for name in [options.only] if options.only else SUITES:
            say(f"{name}: starting")
            start = time.monotonic()
            outcomes = SUITES[name](folder)
            fine &= judged(name, outcomes, expected.get(name, {}), time.monotonic() - start)
    finally:
        if options.keep is None:
            shutil.rmtree(folder, ignore_errors=True)
    return 0 if fine else 1


def say(text: str) -> None:
    print(text, flush=True)


# -- the double ------------------------------------------------------------------------------------


class Double:
    """A double with TLS on a port of its own, in which the suites' chats are ready."""

    def __init__(self, folder: Path, name: str) -> None:
        self.ca = folder / f"{name}-ca.pem"
        command = (sys.executable, "-m", "botproof", "double", "telegram", "--no-flood")
        self.log = (folder / f"{name}-double.log").open("wb")
        self.process = subprocess.Popen(
            (*command, "--port", "0", "--tls", str(self.ca)),
            stdout=subprocess.PIPE,
            stderr=self.log,
        )
        line = self.process.stdout.readline() if self.process.stdout is not None else b""
        if not line:
            raise SystemExit(f"the double did not start; see {self.log.name}")
        self.url: str = json.loads(line)["url"]
        World(self.url, self.ca).furnish()

    def env(self, **more: str) -> dict[str, str]:
        """What makes a suite find and trust it."""
        trusted = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")
        found = {**os.environ, **dict.fromkeys(trusted, str(self.ca)), "DOUBLE_URL": self.url}
        found.pop("PYTHONSAFEPATH", None)  # the suites find their own modules beside them
        return {**found, "PYTHONPATH": str(HERE), **more}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(30)
        self.log.close()


# -- suites ----------------------------------------------------------------------------------------


def unpacked(folder: Path, name: str) -> Path:
    """The source archive of a package, downloaded and unpacked."""
    found = sorted(folder.glob(f"{name.replace('-', '_')}-*.tar.gz"))
    if not found:
        say(f"  downloading the source archives (pinned in {HERE.name}/archives.txt)")
        options = ("--quiet", "--disable-pip-version-check", "--no-deps", "--no-build-isolation")
        pinned = ("--no-binary", ":all:", "--require-hashes", "-r", str(HERE / "archives.txt"))
        pip = (sys.executable, "-m", "pip", "download", *options, *pinned, "-d", str(folder))
        subprocess.run(pip, check=True)
        found = sorted(folder.glob(f"{name.replace('-', '_')}-*.tar.gz"))
    unpack = ("tar", "-xzf", str(found[0]), "-C", str(folder))
    subprocess.run(unpack, check=True)
    return folder / found[0].name.removesuffix(".tar.gz")


def pytest_outcomes(
    place: Path, report: Path, arguments: Sequence[str], env: Mapping[str, str]
) -> dict[str, str]:
    """Run tests as they are; by name of a test why it failed, empty when it passed."""
    command = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-o", "addopts=")
    shape = ("--tb=short", f"--junitxml={report}", "-p", "no:flaky", "-p", "no:timeout")
    log = report.with_suffix(".log")
    with log.open("wb") as output:
        process = subprocess.Popen(
            (*command, *shape, *arguments), cwd=place, env=dict(env), stdout=output, stderr=output
        )
        waited_for(process)
    if not report.exists():
        raise SystemExit(f"pytest wrote no report:\n{log.read_text()[-3000:]}")
    return read_report(report)


def waited_for(process: subprocess.Popen[bytes]) -> None:
    """Wait until a suite ends, and say every half minute that it goes on."""
    start = time.monotonic()
    while True:
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            passed = time.monotonic() - start
            say(f"  … {passed:.0f} s")
            if passed > TIMEOUT:
                process.kill()
                process.wait()
                raise SystemExit(f"the suite took longer than {TIMEOUT:.0f} s") from None
        else:
            return


def read_report(report: Path) -> dict[str, str]:
    outcomes: dict[str, str] = {}
    for case in ElementTree.parse(report).getroot().iter("testcase"):  # noqa: S314 - ours
        name = f"{case.get('classname', '').removeprefix('tests.')}::{case.get('name', '')}"
        wrong = case.find("failure") if case.find("failure") is not None else case.find("error")
        if wrong is not None:
            outcomes[name] = (wrong.get("message") or "failed").splitlines()[0][:160]
        elif case.find("skipped") is None:
            outcomes[name] = ""
    return outcomes


def python_telegram_bot(folder: Path) -> dict[str, str]:
    """The `*WithRequest` classes, each worker with a bot of its own."""
    place = unpacked(folder, "python-telegram-bot")
    write_missing(place / "tests" / "data")
    bots = base64.b64encode(json.dumps(["for each worker, by ptb_plugin"]).encode()).decode()
    with Double(folder, "python-telegram-bot") as double:
        env = double.env(GITHUB_ACTIONS="true", JOB_INDEX="1", BOTS=bots, TEST_WITH_OPT_DEPS="true")
        env["PYTHONPATH"] += os.pathsep + str(place / "src")
        # Only the files that hold such classes: to collect all 8,000 tests takes a minute a worker.
        files = [str(f) for f in sorted((place / "tests").rglob("test_*.py")) if talks(f)]
        which = ("-k", "WithRequest", "-n", str(WORKERS), "--dist", "load", *files)
        report = folder / "python-telegram-bot.xml"
        return pytest_outcomes(place, report, ("-p", "ptb_plugin", *which), env)


def talks(path: Path) -> bool:
    """Whether a file has tests of the Bot API; those in `request` ask web sites."""
    return path.parent.name != "request" and "WithRequest" in path.read_text(encoding="utf-8")


def py_telegram_bot_api(folder: Path) -> dict[str, str]:
    """The tests of both clients that need a token."""
    place = unpacked(folder, "pytelegrambotapi") / "tests"
    with Double(folder, "pyTelegramBotAPI") as double:
        env = double.env(**World.variables(TOKENS[0]))
        files = ("-p", "pytba_plugin", "test_telebot.py", "test_async_telebot.py")
        return pytest_outcomes(place, folder / "pyTelegramBotAPI.xml", files, env)


def node_telegram_bot_api(folder: Path) -> dict[str, str]:
    """Every method of both versions that uploads a file, called by uploads.mjs."""
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        raise SystemExit("Node.js with npm is not installed: it runs node-telegram-bot-api")
    place = folder / "node"
    shutil.copytree(HERE / "node", place, dirs_exist_ok=True)
    quiet = ("--silent", "--no-audit", "--no-fund", "--ignore-scripts")
    subprocess.run((npm, "ci", *quiet), cwd=place, check=True)
    with Double(folder, "node-telegram-bot-api") as double:
        env = double.env(**World.variables(TOKENS[0]))
        ran = subprocess.run(
            (node, "uploads.mjs"),
            check=False,
            cwd=place,
            env=env,
            capture_output=True,
            text=True,
            timeout=120,
        )
    if ran.returncode:
        raise SystemExit(f"uploads.mjs failed:\n{ran.stderr[-3000:]}")
    outcomes: dict[str, str] = json.loads(ran.stdout)
    return outcomes


SUITES = {
    "python-telegram-bot": python_telegram_bot,
    "pyTelegramBotAPI": py_telegram_bot_api,
    "node-telegram-bot-api": node_telegram_bot_api,
}


# -- the verdict -----------------------------------------------------------------------------------


def judged(
    suite: str, outcomes: Mapping[str, str], expected: Mapping[str, Mapping[str, str]], took: float
) -> bool:
    """Print what passed and what failed, by reason; whether the list is complete and true."""
    listed = {name: kind for kind, names in expected.items() for name in names}
    failed = {name: why for name, why in outcomes.items() if why}
    ours = {name: why for name, why in failed.items() if name not in listed}
    stale = [name for name in listed if not outcomes.get(name, "not run")]
    gone = [name for name in listed if name not in outcomes]
    counts = {kind: sum(listed.get(name) == kind for name in failed) for kind in KINDS}
    passed = len(outcomes) - len(failed)
    say(f"{suite}: {passed} of {len(outcomes)} passed in {took:.0f} s")
    for kind, meaning in KINDS.items():
        say(f"  {counts[kind]:4} failed: {meaning}")
    say(f"  {len(ours):4} failed: the double is wrong, or the list is not complete")
    for name, why in ours.items():
        say(f"       {name}: {why}")
    for name in stale:
        say(f"       {name} is on the list and passes: take it off expected.toml")
    for name in gone:
        say(f"       {name} is on the list and did not run: take it off expected.toml")
    return not (ours or stale or gone) and bool(outcomes)


KINDS = {
    "missing": "what docs/telegram-double.md lists as missing or made up",
    "service": "what only the real service has",
}

if __name__ == "__main__":
    sys.exit(main())
