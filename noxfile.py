"""Every job of the project, one session each: `nox -l` lists them.

All sessions share one environment, installed from the lock file with checked hashes. The project
goes in as a *built wheel*: a file left out of the package is noticed here, not in production.
"""

import hashlib
import os
import sys
from pathlib import Path

import nox

nox.options.sessions = ["lint", "contracts"]

ROOT = Path(__file__).parent
DEV_LOCK = ROOT / "lock" / "dev.txt"
# What goes into each lock file. dev comes first; the others are held to its versions.
LOCKS = {
    "dev": "--all-extras --group build --group lint --group test",
    "bot": "--extra bot --extra redis --constraint lock/dev.txt",
    "market-data": "--extra market-data --extra redis --constraint lock/dev.txt",
}

# Nox would make an environment for each session. The sessions here need the same one; installing
# it seven times costs minutes and gigabytes: they share one, which `install` keeps.
session = nox.session(venv_backend="none")


HOME = ROOT / ".nox" / f"botproof-{sys.version_info.major}.{sys.version_info.minor}"


def run(job: nox.Session, program: str, *arguments: str) -> None:
    """Run a program of the shared environment; what it starts finds that environment first, too."""
    path = os.pathsep.join([str(HOME / "bin"), os.environ["PATH"]])
    job.run(str(HOME / "bin" / program), *arguments, external=True, env={"PATH": path})


def install(job: nox.Session) -> None:
    """Bring the shared environment to the lock file's state, then put the fresh wheel in."""
    job.env["PIP_DISABLE_PIP_VERSION_CHECK"] = "1"
    pip = ("python", "-m", "pip", "install", "--quiet")
    stamp = HOME / "botproof-lock"
    wanted = hashlib.sha256(DEV_LOCK.read_bytes()).hexdigest()
    if not stamp.exists() or stamp.read_text() != wanted:
        job.log("installing the locked dependencies: a minute or two, once")
        job.run(sys.executable, "-m", "venv", "--clear", str(HOME), external=True)
        run(job, *pip, "--require-hashes", "-r", str(DEV_LOCK))
        stamp.write_text(wanted)
    run(job, *pip, "--no-deps", "--no-build-isolation", "--force-reinstall", str(ROOT))
    # Neither the tests nor the processes that they start may find the source tree by accident.
    job.env["PYTHONSAFEPATH"] = "1"


def check_style(job: nox.Session) -> None:
    run(job, "ruff", "check", ".")
    run(job, "ruff", "format", "--check", ".")
    run(job, "mypy")


@session
def gate(job: nox.Session) -> None:
    """Judge the reference bot in both modes: one verdict, its evidence in reports/gate/."""
    install(job)
    run(job, "botproof", "gate", *job.posargs)


@session
def tests(job: nox.Session) -> None:
    """What a contributor runs before a commit: lint, then every test that needs no container."""
    install(job)
    check_style(job)
    run(job, "pytest", "-m", "not docker", *job.posargs)


@session
def contracts(job: nox.Session) -> None:
    """The contract suite without the slow end-to-end tests: for every push."""
    install(job)
    run(job, "pytest", "-m", "not slow and not docker", *job.posargs)


@session
def docker(job: nox.Session) -> None:
    """The tests that need a Docker engine; .ci/run starts one and makes the images."""
    install(job)
    run(job, "pytest", "-m", "docker", *job.posargs)


@session
def load(job: nox.Session) -> None:
    """Load the fleet between its doubles and judge latency and errors."""
    install(job)
    only = ("--only", "latency,errors", "--report-dir", "reports/load")
    run(job, "botproof", "gate", *only, *job.posargs)


@session
def memory(job: nox.Session) -> None:
    """Judge the memory of every process under load, then name who allocates, with memray."""
    install(job)
    only = ("--only", "memory", "--report-dir", "reports/memory")
    run(job, "botproof", "gate", *only, *job.posargs)
    run(job, "python", "memory_profiles/run.py", "--report-dir", "reports/memory")


@session
def lint(job: nox.Session) -> None:
    """Ruff, format and mypy --strict."""
    install(job)
    check_style(job)


@session
def bench(job: nox.Session) -> None:
    """Run one benchmark, both sides in one run: `nox -s bench -- double`."""
    install(job)
    run(job, "python", "-m", "botproof.bench", *job.posargs)


@nox.session(reuse_venv=True)
def lock(job: nox.Session) -> None:
    """Resolve the lock files anew; `nox -s lock -- --upgrade` takes the newest releases."""
    job.install("uv")
    for name, what in LOCKS.items():
        job.run(
            *("uv", "pip", "compile", "--quiet", "--universal", "--python-version", "3.11"),
            *("--generate-hashes", "--no-emit-index-url", "--no-emit-find-links", "--no-annotate"),
            *("--custom-compile-command", "nox -s lock"),
            *("pyproject.toml", *what.split(), "-o", f"lock/{name}.txt", *job.posargs),
        )
