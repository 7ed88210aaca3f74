"""The programs under watch: where they run, their memory, restarts and errors in their logs."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from botproof.log_trouble import TroubleReader
from botproof.targets.cgroup import Cgroup, CgroupError
from botproof.watch import web
from botproof.watch.judge import Sample
from botproof.watch.settings import Service

_LOG_MOST = 1_000_000
"""Bytes of a log that are read at one look; what is more is passed over, as one error."""
_COMMAND_S = 10.0
LOG_OFF = "off"
"""In the place of a log's path: errors of that service are not to be counted."""
Memory = dict[str, Any]


class Place(NamedTuple):
    """Where a service runs now. `pid` 0: it does not run. `restarts` None: nobody counts them."""

    pid: int = 0
    address: str = ""
    restarts: float | None = None
    identity: str = ""
    why: str = ""


class Programs:
    """Looks at each service. `memory` outlives a restart of the watch: places in logs, counters."""

    def __init__(self, docker_socket: str, memory: Memory, proc: Path = Path("/proc")) -> None:
        self._socket, self._memory, self._proc = docker_socket, memory, proc
        self._readers: dict[str, TroubleReader] = {}

    def place(self, service: Service) -> Place:
        """Return where it runs. Raises Unanswered when that cannot be asked."""
        if service.container:
            return self._container(service.container)
        if service.unit:
            return _unit(service.unit)
        return _of_pid_file(service.pid_file) if service.pid_file else Place()

    def look(self, service: Service, place: Place, now: float) -> Iterator[Sample]:
        """Yield the restarts and errors of a service, and its memory with its size in bytes."""
        yield from self._restarts(service, place)
        yield from self._memory_of(service, place)
        yield from self._errors(service, place, now)

    def _errors(self, service: Service, place: Place, now: float) -> Iterator[Sample]:
        """Yield what its log adds. One that cannot be read takes no other figure away."""
        about = f"log of {service.name}"
        try:
            lines = self._new_lines(service, place, now)
        except web.Unanswered as error:
            yield Sample("measured", about, 0, str(error))
            return
        if lines is not None:
            yield Sample("measured", about, 1)
            yield Sample("error_lines", service.name, self._count_errors(service.name, lines))

    def _restarts(self, service: Service, place: Place) -> Iterator[Sample]:
        if place.restarts is None and not place.identity:
            return
        seen = self._memory.setdefault("restarts", {})
        last = seen.get(service.name) or {"identity": place.identity, "own": 0, "count": 0}
        if place.restarts is None:  # nobody counts for us
            grown = float(last["identity"] not in ("", place.identity))
            own = 0.0
        else:
            same = last["identity"] == place.identity
            # What a new container has is its own: nobody restarted it before it was made.
            grown = max(0, place.restarts - (last["own"] if same else 0))
            own = place.restarts
        count = last["count"] + grown
        seen[service.name] = {"identity": place.identity, "own": own, "count": count}
        yield Sample("restarts", service.name, count)

    def _memory_of(self, service: Service, place: Place) -> Iterator[Sample]:
        if not place.pid:
            return
        limit = service.memory_limit
        used, own_limit = _occupied(place.pid, grouped=not service.pid_file, proc=self._proc)
        if used is None:
            yield Sample("measured", f"memory of {service.name}", 0, "may not be read")
            return
        yield Sample("measured", f"memory of {service.name}", 1)
        yield Sample("service_memory_bytes", service.name, used)
        limit = limit or own_limit
        if limit:
            note = f"{used / 1e6:.0f} of {limit / 1e6:.0f} MB"
            yield Sample("service_memory_ratio", service.name, used / limit, note)

    # ---- logs ----

    def _new_lines(self, service: Service, place: Place, now: float) -> list[str] | None:
        if service.log == LOG_OFF:
            return None
        if service.log:
            return self._of_file(service.name, Path(service.log))
        if service.container and place.identity:
            return self._of_container(service, place.identity, now)
        if service.unit:
            return self._of_journal(service, now)
        return None

    def _count_errors(self, name: str, lines: Iterable[str]) -> float:
        reader = self._readers.setdefault(name, TroubleReader())
        counts: dict[str, float] = self._memory.setdefault("errors", {})
        # Closed at each look: what a look cut in two counts twice rather than not at all.
        found = [*reader.feed(lines), *reader.close()]
        counts[name] = counts.get(name, 0) + len(found)
        return counts[name]

    def _since(self, name: str, now: float) -> float:
        """From when on lines are new; the first look takes none of what was before."""
        since: dict[str, float] = self._memory.setdefault("since", {})
        return since.setdefault(name, now)

    def _of_file(self, name: str, path: Path) -> list[str]:
        places: dict[str, list[int]] = self._memory.setdefault("files", {})
        try:
            with path.open("rb") as log:
                status = path.stat()
                inode, offset = places.get(name, [status.st_ino, status.st_size])
                if inode != status.st_ino or offset > status.st_size:
                    offset = 0  # it was rotated, or cut
                passed = max(0, status.st_size - offset - _LOG_MOST)
                log.seek(offset + passed)
                data = log.read(_LOG_MOST)
        except OSError as error:
            raise web.Unanswered(f"{path}: {error.strerror}") from None
        whole = data.rfind(b"\n") + 1  # half a line waits for its end
        if not whole and len(data) == _LOG_MOST:
            whole = len(data)
        places[name] = [status.st_ino, offset + passed + whole]
        lines = data[:whole].decode(errors="replace").splitlines()
        return ["ERROR more lines than the watch can read", *lines] if passed else lines

    def _of_container(self, service: Service, identity: str, now: float) -> list[str]:
        since = self._since(service.name, now)
        place = f"/containers/{identity}/logs?stdout=1&stderr=1&since={since:.6f}&until={now:.6f}"
        answer = web.unix(self._socket, place, _COMMAND_S)
        if answer.status != 200:
            raise web.Unanswered(
                f"Docker answers HTTP {answer.status} for the log: "
                f"{answer.body[:200].decode(errors='replace').strip()}"
            )
        self._memory["since"][service.name] = now
        return b"".join(_frames(answer.body)).decode(errors="replace").splitlines()

    def _of_journal(self, service: Service, now: float) -> list[str]:
        since = self._since(service.name, now)
        window = (f"--since=@{since:.6f}", f"--until=@{now:.6f}")
        words = ("journalctl", "--unit", service.unit, "--output=cat", "--no-pager", *window)
        text = _said(*words)
        self._memory["since"][service.name] = now
        return text[-_LOG_MOST:].splitlines()

    # ---- places ----

    def _container(self, wanted: str) -> Place:
        """Return a container by its name, or by `project/service` of Compose."""
        project, _, service = wanted.rpartition("/")
        if project:
            labels = [
                f"com.docker.compose.project={project}",
                f"com.docker.compose.service={service}",
            ]
            filters = quote(json.dumps({"label": labels}))
            listed = web.unix(self._socket, f"/containers/json?all=1&filters={filters}", _COMMAND_S)
            found = sorted(listed.json(), key=_state_and_age) if listed.status == 200 else []
            if not found:
                return Place(why=f"there is no container of the service {wanted}")
            wanted = found[0]["Id"]
        answer = web.unix(self._socket, f"/containers/{quote(wanted)}/json", _COMMAND_S)
        if answer.status == 404:
            return Place(why=f"there is no container {wanted}")
        if answer.status != 200:
            raise web.Unanswered(f"Docker answers HTTP {answer.status}")
        return _inspected(answer.json())


def _state_and_age(listed: Any) -> tuple[bool, float]:
    return listed["State"] != "running", -listed["Created"]


def _inspected(document: Any) -> Place:
    networks = document["NetworkSettings"]["Networks"] or {}
    addresses = [each["IPAddress"] for each in networks.values() if each.get("IPAddress")]
    state = document["State"]
    why = ""
    if not state["Running"]:
        killed = ", killed because its memory was full" if state.get("OOMKilled") else ""
        why = f"its container has ended with code {state['ExitCode']}{killed}"
    return Place(
        pid=state.get("Pid") or 0,
        address=addresses[0] if addresses else "127.0.0.1",  # the host's network
        restarts=document.get("RestartCount", 0),
        identity=document["Id"],
        why=why,
    )


def _frames(data: bytes) -> Iterator[bytes]:
    """Yield what is written in Docker's frames: a kind, three zeros, a length, and so
    many bytes."""
    at = 0
    while at + 8 <= len(data):
        if data[at] > 2 or data[at + 1 : at + 4] != b"\0\0\0":
            yield data[at:]  # a container with a terminal has no frames
            return
        size = int.from_bytes(data[at + 4 : at + 8], "big")
        yield data[at + 8 : at + 8 + size]
        at += 8 + size


def _unit(name: str) -> Place:
    text = _said("systemctl", "show", "--property=MainPID,NRestarts,ActiveState", name)
    found = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    state = found.get("ActiveState", "unknown")
    return Place(
        pid=int(found.get("MainPID") or 0),
        restarts=float(found.get("NRestarts") or 0),
        identity=name,
        why="" if state == "active" else f"systemd says that it is {state}",
    )


def _of_pid_file(path: str) -> Place:
    try:
        pid = int(Path(path).read_text(encoding="ascii").split()[0])
        started = _stat_fields(pid)[19]
    except (OSError, ValueError, IndexError):
        return Place(why=f"there is no process of {path}")
    return Place(pid=pid, identity=f"{pid} {started}")


def _stat_fields(pid: int, proc: Path = Path("/proc")) -> list[str]:
    text = (proc / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    return text.rpartition(")")[2].split()


def _said(*command: str) -> str:
    """Return what a command prints. Raises Unanswered when it fails."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=_COMMAND_S
        )
    except OSError as error:
        raise web.Unanswered(f"{command[0]}: {error.strerror}") from None
    except subprocess.TimeoutExpired:
        raise web.Unanswered(f"{command[0]} said nothing within {_COMMAND_S:g} s") from None
    if done.returncode:
        said = done.stderr.strip().splitlines()
        raise web.Unanswered(f"{command[0]} failed: {said[-1] if said else done.returncode}")
    return done.stdout


def _occupied(pid: int, *, grouped: bool, proc: Path) -> tuple[float | None, float]:
    """Return bytes of a container or unit by its cgroup, or of a process and its
    children; its limit."""
    if grouped:
        try:
            ledger = Cgroup.of(pid, proc=proc).read()
        except CgroupError:
            return None, 0
        return ledger.working_set, ledger.limit or 0
    sizes = [size for one in _family(pid, proc) if (size := _pss(one, proc)) is not None]
    return (sum(sizes), 0) if sizes else (None, 0)


def _family(pid: int, proc: Path) -> list[int]:
    found = [pid]
    for parent in found:  # grows while it is walked
        for children in (proc / str(parent) / "task").glob("*/children"):
            try:
                found += map(int, children.read_text(encoding="ascii").split())
            except OSError:  # it has just ended
                continue
    return found


def _pss(pid: int, proc: Path) -> float | None:
    try:
        for line in (proc / str(pid) / "smaps_rollup").read_text(encoding="ascii").splitlines():
            if line.startswith("Pss:"):
                return float(line.split()[1]) * 1024
    except OSError:  # gone, or not ours to look at
        pass
    return None
