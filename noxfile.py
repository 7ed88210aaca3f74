"""Every job of the project, one session each: `nox -l` lists them.

Sessions share environments, each installed from a lock file with checked hashes: `gate` holds what
judges a bot, `dev` what a contributor needs besides. The project goes in as a *built wheel*: a file
left out of the package is noticed here, not in production.
"""

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nox
from nox.command import CommandFailed

nox.options.sessions = ["lint", "contracts"]

ROOT = Path(__file__).parent
# What goes into each lock file. dev comes first; what production installs is held to its versions.
LOCKS = {
    "dev": "--all-extras --group build --group lint --group test",
    "gate": "--all-extras --group build --constraint lock/dev.txt",
    "bot": "--extra bot --extra redis --constraint lock/dev.txt",
    "market-data": "--extra market-data --extra redis --constraint lock/dev.txt",
    "doubles": "--extra doubles --constraint lock/dev.txt",
    # ccxt and schemathesis hold their dependencies at versions that differ from the project's.
    "peers": "--extra market-data --extra harness --group build --group peers",
    # Other libraries' test suites, with the versions that they ask for.
    "telegram-peers": "--extra doubles --group telegram-peers",
    # moto and cfn-lint, for what is in deploy/aws.
    "aws": "--group build --group aws",
    # Where there is no `docker compose`, .ci/run takes it from this package.
    "compose": "--group compose",
    # nox itself, for .ci/run.
    "nox": "--group ci",
}
PROGRESS_S = 5.0

# Limits on what one request allocates: measured in a process of its own.
HOT_PATHS = (
    *("pytest", "--memray", "--trace-python-allocators"),
    "contract_tests/memory/test_hot_paths.py",
)
# More workers than cores, because tests of processes mostly wait for them. Each worker has half of
# the suite in its order, so that what a module shares is made once, and takes over what is left.
SIDE_BY_SIDE = ("--numprocesses", "3", "--dist", "worksteal")

# The folders of contract_tests that hold what users meet; the others are about the harness itself.
PROMISES = ("bot", "market_data", "double", "exchanges", "http_double", "parity", "delivery")

# Nox would make an environment for each session. Most sessions here need the same one; installing
# it seven times costs minutes and gigabytes: they share one, which `install` keeps.
session = nox.session(venv_backend="none")


class Environment:
    """The environment of one lock file, kept between sessions."""

    def __init__(self, job: nox.Session, lock_name: str) -> None:
        self.job = job
        self.lock = ROOT / "lock" / f"{lock_name}.txt"
        self.home = ROOT / ".nox" / f"{lock_name}-{sys.version_info.major}.{sys.version_info.minor}"

    def run(self, program: str, *arguments: str) -> None:
        """Run a program of it; what that starts finds this environment first, too."""
        variables = {
            "PATH": os.pathsep.join([str(self.home / "bin"), os.environ["PATH"]]),
            # Neither tests nor the processes that they start may find the source tree by accident.
            "PYTHONSAFEPATH": "1",
            # Some images forbid it; every worker would then compile all tests anew (8 s each).
            "PYTHONDONTWRITEBYTECODE": "",
        }
        command = (str(self.home / "bin" / program), *arguments)
        self.job.run(*command, external=True, env=variables)

    def install(self, built_by: "Environment | None" = None) -> None:
        """Bring it to the lock file's state, then put the fresh wheel in.

        An environment without hatchling, as production's, takes the wheel that another one builds.
        """
        stamp = self.home / "botproof-lock"
        wanted = hashlib.sha256(self.lock.read_bytes()).hexdigest()
        usable = (self.home / "bin" / "pip").exists() or find_uv()
        if not usable or not stamp.exists() or stamp.read_text() != wanted:
            self.install_lock()
            stamp.write_text(wanted)
        with tempfile.TemporaryDirectory() as folder:
            builder = str((built_by or self).home / "bin" / "python")
            make = (builder, "-m", "hatchling", "build", "-t", "wheel", "-d", folder)
            self.watched("making the project's wheel", make)
            wheel = next(Path(folder).glob("*.whl"))
            self.watched(
                "installing it", self.installer("--no-deps", "--force-reinstall", str(wheel))
            )

    def install_lock(self) -> None:
        """Make the environment anew from its lock file: with uv where there is one, or with pip."""
        locked = ("--require-hashes", "-r", str(self.lock))
        what = f"installing {self.lock.read_text().count('==')} locked packages"
        shutil.rmtree(self.home, ignore_errors=True)
        if uv := find_uv():
            make = (*uv, "venv", "--quiet", "--python", sys.executable, str(self.home))
            self.job.run(*make, external=True)
            try:
                return self.watched(f"{what} with uv", self.installer(*locked))
            except CommandFailed:
                # uv does not read pip's settings: where those name an index, only pip can reach it.
                self.job.warn("uv did not install them; now with pip")
                shutil.rmtree(self.home, ignore_errors=True)
        self.job.run(sys.executable, "-m", "venv", str(self.home), external=True)
        hint = "about half a minute; with `pip install uv` seconds"
        return self.watched(f"{what} with pip ({hint})", self.installer(*locked))

    def installer(self, *arguments: str) -> tuple[str, ...]:
        """A command that installs into this environment: with pip where it holds one, else uv."""
        python = str(self.home / "bin" / "python")
        if (self.home / "bin" / "pip").exists():
            return python, "-m", "pip", "install", *arguments
        return *find_uv(), "pip", "install", "--python", python, *arguments

    def watched(self, what: str, command: tuple[str, ...]) -> None:
        """Run a command that may take long, its output in a file; say every few seconds how far.

        Raises CommandFailed, with the end of that output printed, when it does not exit with 0.
        """
        log = self.home.with_suffix(".log")
        self.job.log(what)
        start = time.monotonic()
        with (
            log.open("wb") as output,
            subprocess.Popen(  # noqa: S603 - the installer's command is written above
                command, stdout=output, stderr=subprocess.STDOUT
            ) as process,
        ):
            while True:
                try:
                    code = process.wait(PROGRESS_S)
                    break
                except subprocess.TimeoutExpired:
                    said = log.read_text()
                    found = said.count("Collecting ")
                    unpacking = "Installing collected" in said
                    far = ", unpacking" if unpacking else f", {found} found" if found else ""
                    self.job.log(f"  … {time.monotonic() - start:.0f} s{far}")
        if code:
            sys.stderr.write(log.read_text()[-4000:])
            raise CommandFailed(f"this failed: {what}; all that was said is in {log}")


def find_uv() -> tuple[str, ...]:
    """The command of uv, from the PATH or beside this nox; empty where there is none."""
    if found := shutil.which("uv"):
        return (found,)
    return (sys.executable, "-m", "uv") if importlib.util.find_spec("uv") else ()


def installed(job: nox.Session, lock_name: str = "dev") -> Environment:
    environment = Environment(job, lock_name)
    environment.install()
    return environment


def passes(environment: Environment, *command: str) -> bool:
    """Run a program whose exit code is a verdict; the rest of the session goes on either way."""
    try:
        environment.run(*command)
    except CommandFailed:
        return False
    return True


def check_style(environment: Environment) -> None:
    environment.run("ruff", "check", ".")
    environment.run("ruff", "format", "--check", ".")
    environment.run("mypy")


@session
def gate(job: nox.Session) -> None:
    """Judge the reference bot in both modes: one verdict, its evidence in reports/gate/."""
    installed(job, "gate").run("botproof", "gate", *job.posargs)


@session
def tests(job: nox.Session) -> None:
    """What a contributor runs before a commit: lint, then every test but slow and docker ones."""
    environment = installed(job)
    check_style(environment)
    environment.run("pytest", *SIDE_BY_SIDE, "-m", "not slow and not docker", *job.posargs)
    environment.run(*HOT_PATHS)


@session
def contracts(job: nox.Session) -> None:
    """What holds of the bot, the service and the doubles, but what is slow: for every push."""
    marked = ("-m", "not slow and not docker")
    folders = [f"contract_tests/{name}" for name in PROMISES]
    installed(job).run("pytest", *SIDE_BY_SIDE, *marked, *(job.posargs or folders))


@session
def slow(job: nox.Session) -> None:
    """The tests of over five seconds: whole gates, delivery runs, load, benchmarks."""
    installed(job).run("pytest", *SIDE_BY_SIDE, "-m", "slow and not docker", *job.posargs)


@session
def docker(job: nox.Session) -> None:
    """The tests that need a Docker engine; .ci/run starts one and makes the images."""
    # A full delivery run keeps most of a core busy. What starts containers stays on one worker.
    beside = ("--numprocesses", "2", "--dist", "loadgroup")
    installed(job).run("pytest", *beside, "-m", "docker", *job.posargs)


@session
def fleet(job: nox.Session) -> None:
    """Build the images, start the fleet between doubles, talk to it; Ctrl-C ends it (Docker).

    `-- --measure` measures start, memory, replies a second and gaps, of the scaled fleet, too.
    """
    if "--measure" in job.posargs:
        installed(job).run("python", "scripts/measure_fleet.py")
        return
    script = (sys.executable, "scripts/run_fleet.py")
    # Containers have their time to end, too, before anything is killed.
    job.run(*script, external=True, interrupt_timeout=60.0, terminate_timeout=20.0)


@session
def rollout(job: nox.Session) -> None:
    """Switches, kills, ways back and ways of failing on a twin, in both modes (Docker)."""
    # What the container tests play, the kills and the ways of failing, is not played again.
    few = ("--switches", "2", "--backs", "1", "--no-kills", "--no-ways")
    arguments = job.posargs or few
    installed(job).run("python", "scripts/rehearse.py", *arguments)


@session
def load(job: nox.Session) -> None:
    """Load the fleet between its doubles; judge latency, errors and the roll-back rule."""
    only = ("--only", "latency,errors,rollback", "--report-dir", "reports/load")
    installed(job, "gate").run("botproof", "gate", *only, *job.posargs)


@session
def noise(job: nox.Session) -> None:
    """Gates while the machine is made busy: a good build is never refused, a bad one never let by.

    `nox -s noise -- --gates 100` for the figures of docs/whose-fault.md.
    """
    environment = installed(job)
    runs = (
        ("--report-dir", "reports/noise/good", *job.posargs),
        ("--report-dir", "reports/noise/bad", "--bad", "fixtures/noise.toml", *job.posargs),
    )
    short = () if job.posargs else ("--gates", "1", "--states", "second-gate")
    bad = (
        ()
        if job.posargs
        else ("--gates", "1", "--states", "two-loops", "--only", "boot,golden,parity")
    )
    wrong = [
        run
        for run, much in zip(runs, (short, bad), strict=True)
        if not passes(environment, "python", "-m", "botproof.noise", *run, *much)
    ]
    if wrong:
        job.error("a verdict was wrong; the tables are in reports/noise")


@session
def memory(job: nox.Session) -> None:
    """Name who allocates, look for leaks, judge every process's memory under load: one page."""
    environment = installed(job)
    papers = ("--report-dir", "reports/memory")
    steps = (
        ("python", "memory_profiles/run.py", *papers),
        ("python", "memory_profiles/leak.py", *papers),
        HOT_PATHS,
        # Last, because its page shows what the others left, also when they did not pass.
        ("botproof", "gate", "--only", "memory", *papers, *job.posargs),
    )
    not_passed = [step for step in steps if not passes(environment, *step)]
    if not_passed:
        job.error("did not pass: " + "; ".join(" ".join(step) for step in not_passed))


@session
def prove(job: nox.Session) -> None:
    """Plant real defects and see the gate turn red: the few of CI; -- --play for all of them."""
    installed(job).run("botproof", "prove", *(job.posargs or ["--ci"]))


@session
def lint(job: nox.Session) -> None:
    """Ruff, format and mypy --strict."""
    check_style(installed(job))


@session
def peers(job: nox.Session) -> None:
    """Programs nobody here wrote: ccxt and schemathesis, and other Telegram libraries' tests."""
    suites = [f"contract_tests/market_data/test_{name}.py" for name in ("ccxt", "schema")]
    suites += ["contract_tests/exchanges/test_ccxt_defaults.py"]
    suites += ["contract_tests/gate/test_two_entries.py"]
    if "telegram" not in job.posargs:
        installed(job, "peers").run("pytest", *suites, *job.posargs)
    # Other libraries' tests of the Telegram double; `nox -s peers -- telegram` runs only these.
    installed(job, "telegram-peers").run("python", "scripts/telegram_peers")


@session
def aws(job: nox.Session) -> None:
    """Try deploy/aws against moto and cfn-lint; nothing leaves this machine."""
    installed(job, "aws").run("python", "-W", "ignore", "scripts/try_aws.py")


@session
def fuzz(job: nox.Session) -> None:
    """100,000 odd updates and questions at every door and endpoint; -- --cases 1000000 for long."""
    installed(job).run("python", "fuzz/run.py", *job.posargs)


@session
def readiness(job: nox.Session) -> None:
    """For each fault: when /ready turns red and green again, as a table (fuzz/readiness.py)."""
    installed(job).run("python", "fuzz/readiness.py", *job.posargs)


@session
def soak(job: nox.Session) -> None:
    """Two hundred kills at every door, with Redis too where BOTPROOF_REDIS_URL names one."""
    much = ("--updates", "12000", "--kills", "200", "--report-dir", "reports/soak")
    installed(job, "gate").run("botproof", "delivery", "--all-doors", *much, *job.posargs)


@session
def bench(job: nox.Session) -> None:
    """Run one benchmark, both sides in one run: `nox -s bench -- double`."""
    environment = installed(job)
    interpreters: list[str] = []
    if "market-data" in job.posargs:  # the service as production installs it, and ccxt beside it
        production = Environment(job, "market-data")
        production.install(built_by=environment)
        rival = installed(job, "peers")
        for option, home in (("service", production.home), ("ccxt", rival.home)):
            interpreters += [f"--{option}-python", str(home / "bin" / "python")]
    environment.run("python", "-m", "botproof.bench", *job.posargs, *interpreters)


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
