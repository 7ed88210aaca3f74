"""What the bot and the services of one stack take for the world: names, and whom to trust.

Nothing in a target changes; what is around it does. In a mount namespace of its own (in a container
by mounts) it sees another `/etc/hosts` and another `/etc/resolv.conf`: there the hosts that doubles
stand for are loopback addresses, on whose port 443 the doubles listen with TLS, and no other host
exists (`resolver.py`). The doubles' authorities are trusted in every way that clients know: by
variables (Python's ssl and Go: `SSL_CERT_FILE`; requests, curl, Node.js: their own), by the
system's bundle, and by the bundles that Python packages such as certifi bring along and the key
stores of Java, over which ours are mounted. Clients that have their authorities compiled in (rustls
with webpki-roots) cannot be reached so.

It takes root, for the ports as for the namespace.
"""

from __future__ import annotations

import errno
import functools
import os
import shlex
import shutil
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import httpx

from botproof.config import EXCHANGES, HTTP, TELEGRAM, Doubles
from botproof.doubles.exchanges.hosts import HOSTS
from botproof.history import NOT_OFFLINE, UNKNOWN_HOST
from botproof.targets.failures import Failure
from botproof.targets.key_store import KEY_STORE, key_store
from botproof.targets.launch import BrokenHarnessError
from botproof.targets.reserved import Addresses
from botproof.targets.resolver import Resolver

TELEGRAM_HOSTS = ("api.telegram.org",)
_VARIABLES = (
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "NODE_EXTRA_CA_CERTS",
    "DENO_CERT",
    "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",
)
_SYSTEM_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Alpine
    "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora
    "/etc/ssl/ca-bundle.pem",  # SUSE
    "/etc/ssl/cert.pem",
)
_PACKAGES = ("lib*/python3*/site-packages", "lib/python3*/dist-packages")
_BUNDLES = ("*/cacert.pem", "*/_vendor/certifi/cacert.pem")
_KEY_STORES = (
    "lib/security/cacerts",
    "jre/lib/security/cacerts",
    "lib/jvm/*/lib/security/cacerts",
    "lib/jvm/*/jre/lib/security/cacerts",
)
_addresses = Addresses()
"""Of this process: held until it ends, as what listens there may outlive its stack a little."""


@functools.cache
def problem() -> str:
    """Say why no world of its own can be made on this machine; empty when one can."""
    if os.geteuid():
        return "it takes root"
    command = ("unshare", "--mount", "--propagation", "private", "true")
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"unshare cannot be run: {error}"
    return done.stderr.strip() if done.returncode else ""


class World:
    """The surroundings of one stack. `allowed` are hosts that may be reached for real."""

    def __init__(self, folder: Path, allowed: Sequence[str] = ()) -> None:
        if problem():
            text = f"hosts cannot be given by name here: {problem()}"
            raise BrokenHarnessError(text, Failure.NO_NAMES)
        folder.mkdir()
        self._folder = folder
        self._authorities: dict[str, Path] = {}
        self._options: dict[str, tuple[str, ...]] = {}
        self._real = bool(allowed)
        self.hosts: dict[str, str] = {}
        self._resolver: Resolver | None = None
        self._resolver_at = ""
        self._elsewhere = ""
        for host in allowed:
            self.hosts[host] = addresses_of(host)[0]

    async def go_offline(self, on_unknown: Callable[[str], None]) -> None:
        """Let the target find no other host; `on_unknown` is told which one it looked for.

        Raises BrokenHarnessError when no resolver can be started.
        """
        self._resolver_at = _addresses.free()
        try:
            self._resolver = await Resolver.listen(
                self._resolver_at, self.hosts, on_unknown, elsewhere=self._elsewhere
            )
        except OSError as error:
            text = f"no resolver can be started at {self._resolver_at}: {error.strerror}"
            if error.errno != errno.EADDRNOTAVAIL:
                raise BrokenHarnessError(text, Failure.DOUBLE_NOT_STARTED) from error
            text += "; the loopback device needs all of 127.0.0.0/8 (`ip address show lo`)"
            raise BrokenHarnessError(text, Failure.NO_PORT) from error

    def close(self) -> None:
        """End what runs for it."""
        if self._resolver is not None:
            self._resolver.close()

    def add_double(self, name: str, hosts: Sequence[str], *, others: bool = False) -> None:
        """Let a double stand for these hosts, and for all `others` that nothing else stands for."""
        address, authority = _addresses.free(), self._folder / f"{name}-ca.pem"
        self.hosts.update(dict.fromkeys(hosts, address))
        self._elsewhere = address if others else self._elsewhere
        self._authorities[name] = authority
        self._options[name] = ("--host", address, "--port", "443", "--tls", str(authority))

    def options_of(self, double: str) -> tuple[str, ...]:
        """Return what a double is started with, so that it stands for its hosts; none
        if it does not."""
        return self._options.get(double, ())

    def complete(self) -> None:
        """Write the files, once every double listens and so has written its authority."""
        known = Path("/etc/hosts").read_text(encoding="utf-8")
        lines = [f"{address} {host}" for host, address in self.hosts.items()]
        self._write("hosts", "\n".join([*lines, known]))
        if self._resolver_at:
            self._write("resolv.conf", f"nameserver {self._resolver_at}\n")
            self._write("nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n")
        if self._authorities:
            texts = [file.read_text(encoding="ascii") for file in self._authorities.values()]
            if self._real:  # whoever is reached for real has to be trusted, too
                system = (Path(bundle) for bundle in _SYSTEM_BUNDLES)
                texts += [file.read_text("utf-8") for file in system if file.is_file()][:1]
            self._write("ca.pem", "".join(texts))
            (self._folder / KEY_STORE).write_bytes(key_store("".join(texts)))
            (self._folder / KEY_STORE).chmod(0o644)

    def _write(self, name: str, text: str) -> None:
        file = self._folder / name
        file.write_text(text, encoding="utf-8")
        file.chmod(0o644)

    @property
    def ca(self) -> Path:
        """The file of the authorities to trust, once complete."""
        return self._folder / "ca.pem"

    @property
    def env(self) -> Mapping[str, str]:
        """What makes the target's runtime trust the doubles."""
        return dict.fromkeys(_VARIABLES, str(self.ca)) if self._authorities else {}

    def wrapper(self, name: str, prefixes: Sequence[Path]) -> tuple[str, ...]:
        """Return what stands in front of the command of a process. In `prefixes`, such as a virtual
        environment, lie the Python packages that may bring authorities of their own."""
        mounts = [*self._mounts()]
        if self._authorities:
            targets = {*map(Path, _SYSTEM_BUNDLES), *_bundles(prefixes)}
            mounts += [(_trusted(target), target) for target in sorted(targets) if target.is_file()]
        script = self._folder / f"enter-{name}.sh"
        lines = [
            f"mount --bind {shlex.quote(str(self._folder / file))} {shlex.quote(str(target))}"
            for file, target in mounts
        ]
        script.write_text("\n".join(["set -e", *lines, 'exec "$@"', ""]), encoding="utf-8")
        return ("unshare", "--mount", "--propagation", "private", "sh", str(script))

    def _mounts(self) -> Iterator[tuple[str, Path]]:
        yield "hosts", Path("/etc/hosts")
        if self._resolver_at:
            for file in ("resolv.conf", "nsswitch.conf"):
                if (target := Path("/etc") / file).exists():
                    yield file, target

    def container_options(self, bundles: Sequence[str]) -> Iterator[str]:
        """Yield options of `docker create` that do the same in a container. `bundles` are the files
        of its image that packages bring along."""
        for file, target in self._mounts():
            if file != "nsswitch.conf":  # an image without it would find no name at all
                yield from ("--volume", f"{self._folder / file}:{target}:ro")
        if self._authorities:
            for path in (_SYSTEM_BUNDLES[0], *bundles):
                yield from ("--volume", f"{self._folder / _trusted(Path(path))}:{path}:ro")
            yield from ("--volume", f"{self.ca}:{self.ca}:ro")  # where the variables say

    @property
    def speaks_tls(self) -> bool:
        """Whether any double stands for hosts, so that the target has to trust it."""
        return bool(self._authorities)

    def names(self, double: str) -> bool:
        """Tell whether this double stands for hosts, so that the harness has to trust it, too."""
        return double in self._authorities

    def client(self, name: str) -> httpx.AsyncClient:
        """Return the harness's own client for a double's control interface, once that
        double listens."""
        trusting = ssl.create_default_context(cafile=self._authorities[name])
        return httpx.AsyncClient(trust_env=False, timeout=30.0, verify=trusting)


async def make_world(
    doubles: Doubles,
    folder: Path,
    note: Callable[..., None],
    own: Sequence[str] = (),
    *,
    played: Sequence[str] = (),
    records: bool = False,
) -> World | None:
    """Return the world that `[doubles]` asks for; None when it asks for none, or when this machine
    lets us make none and no name depends on it.

    `own` are names of the target's own services, all on this machine. `played` are hosts that there
    are recordings of; a run that `records` finds every host at the double that asks the real one.
    `note` is told what is to stand in the record, as a kind and details. Raises BrokenHarnessError
    when a name depends on it.
    """
    by_name = doubles.telegram.by_name or (
        doubles.exchanges is not None and doubles.exchanges.by_name
    )
    http = doubles.http is not None and doubles.http.by_name
    by_name = by_name or http or records
    if not (by_name or doubles.offline or own):
        return None
    if problem() and not by_name and not own:
        note(NOT_OFFLINE, reason=problem())
        return None
    world = World(folder, doubles.allow_hosts)
    world.hosts.update(dict.fromkeys(own, "127.0.0.1"))
    if records:
        world.add_double(HTTP, (), others=True)
    elif http:
        world.add_double(HTTP, [host for host in played if host not in world.hosts])
    if doubles.telegram.by_name:
        world.add_double(TELEGRAM, TELEGRAM_HOSTS)
    if doubles.exchanges is not None and doubles.exchanges.by_name:
        world.add_double(EXCHANGES, tuple(HOSTS))
    if doubles.offline or records:
        await world.go_offline(lambda host: note(UNKNOWN_HOST, host=host))
    return world


def addresses_of(host: str) -> list[str]:
    """Return all addresses of a host that may be reached for real. Raises BrokenHarnessError."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        return [str(each[4][0]).partition("%")[0] for each in found]
    except OSError as error:
        text = f"doubles.allow_hosts: {host} cannot be found: {error}"
        raise BrokenHarnessError(text, Failure.NO_NAMES) from error


def prefixes_of(command: Sequence[str], cwd: Path, path: str) -> list[Path]:
    """Return where the Python packages of a command may lie: beside what it runs, on the PATH, in
    the usual places of a virtual environment, and in the system's."""
    found = shutil.which(command[0], path=path) if command else None
    programs = [Path(found), Path(found).resolve()] if found else []
    folders = [Path(part).parent for part in path.split(os.pathsep) if part]
    usual = [cwd / ".venv", cwd / "venv", cwd / "env", Path("/usr"), Path("/usr/local")]
    home = [Path.home() / ".local"]
    every = [*(program.parent.parent for program in programs), *folders, *usual, *home]
    return [each for each in dict.fromkeys(every) if each.is_dir()]


def _trusted(target: Path) -> str:
    """Return which file of ours takes the place of a file of authorities."""
    return KEY_STORE if target.name == KEY_STORE else "ca.pem"


def _bundles(prefixes: Sequence[Path]) -> Iterator[Path]:
    for prefix in prefixes:
        for stores in _KEY_STORES:
            yield from (store.resolve() for store in prefix.glob(stores))
        for packages in _PACKAGES:
            for folder in prefix.glob(packages):
                for pattern in _BUNDLES:
                    yield from folder.glob(pattern)
