"""Ports and addresses of this machine that nothing else takes while a run needs them.

A port that is free when it is looked at may be taken before the target binds it. Two things take
one: a client connection, whose own port the kernel chooses from `ip_local_port_range`, and another
run of the harness. So a port is given from outside that range, where the kernel never chooses, and
it is reserved by an abstract Unix socket with its number in the name. Such a name belongs to the
network namespace, as ports do; nobody can hold it twice; and the kernel gives it back when the
harness ends, however it ends.

The port is reserved on every address, not on a loopback address of its own: bots listen on
0.0.0.0, and containers share this machine's network, so only the number can keep them apart. No
socket is bound to it meanwhile: a target that does not set SO_REUSEADDR could not bind it then.
Where the range leaves no room a socket has to be bound all the same, since the kernel gives no
client a port that is bound; a target needs SO_REUSEADDR there, which nearly every server sets.
"""

from __future__ import annotations

import errno
import random
import socket
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path

from botproof.targets.failures import Failure
from botproof.targets.launch import BrokenHarnessError

_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
_TCP_TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
_ALIVE = frozenset({"01", "02", "08", "0A"})  # ESTABLISHED, SYN_SENT, CLOSE_WAIT, LISTEN
_LOWEST, _HIGHEST = 10_240, 65_535
"""Below are the ports that services are usually given by hand."""
_LEAST_ROOM = 256
_TRIES = 2_000


def client_range(file: Path = _RANGE) -> tuple[int, int]:
    """Return the first and the last port that the kernel may give to a client connection."""
    try:
        low, high = file.read_text(encoding="ascii").split()
        return int(low), int(high)
    except (OSError, ValueError):
        return 32_768, 60_999  # what Linux starts with


def reserve(name: str) -> socket.socket | None:
    """Hold a name until the socket is closed; None when another process holds it.

    Raises BrokenHarnessError when it cannot be held.
    """
    lock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        lock.bind(f"\0botproof/{name}")
    except OSError as error:
        lock.close()
        if error.errno == errno.EADDRINUSE:
            return None
        text = f"{name} cannot be reserved: {error.strerror}"
        raise BrokenHarnessError(text, Failure.NO_PORT) from error
    return lock


class Ports:
    """Hands out TCP ports that nothing else takes for as long as this object lives."""

    def __init__(self, clients: tuple[int, int] | None = None) -> None:
        low, high = clients or client_range()
        above = range(max(high + 1, _LOWEST), _HIGHEST + 1)
        below = range(_LOWEST, min(low, _HIGHEST + 1))
        outside = [each for each in (above, below) if len(each) >= _LEAST_ROOM]
        self._bind = not outside
        self._from: Sequence[range] = outside or [range(_LOWEST, _HIGHEST + 1)]
        self._held: list[socket.socket] = []
        self._give_back = weakref.finalize(self, _close_all, self._held)

    def free(self) -> int:
        """Return a port of its own, on every address. Raises BrokenHarnessError when
        there is none."""
        for port in self._candidates():
            lock = reserve(f"port/{port}")
            if lock is None:
                continue
            self._held.append(lock)
            if not port_is_taken(port):
                if self._bind:
                    self._held.append(_bound(port))
                return port
            self._held.remove(lock)
            lock.close()
        raise BrokenHarnessError(
            f"no free port was found outside the clients' range ({_RANGE}); {_TRIES:,} were tried",
            Failure.NO_PORT,
        )

    def close(self) -> None:
        """Give all of them back."""
        self._give_back()

    def _candidates(self) -> Iterator[int]:
        # Not from one end: runs beside each other would all try the same ones first.
        chance = random.SystemRandom()
        for _ in range(_TRIES):
            yield chance.choice(self._from[0] if chance.random() < 0.5 else self._from[-1])


def _close_all(sockets: Sequence[socket.socket]) -> None:
    for each in sockets:
        each.close()


def _bound(port: int) -> socket.socket:
    """Return a socket that keeps the kernel from giving the port away, and lets a
    server have it."""
    holder = socket.socket()
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    holder.bind(("0.0.0.0", port))  # noqa: S104 - it never listens
    return holder


def port_is_taken(port: int, *, reuse: bool = False) -> bool:
    """Tell whether a server could not listen on this port now, on some address of this machine.

    `reuse`: a server that sets SO_REUSEADDR, as nearly every one does; connections of one that has
    ended (TIME_WAIT) are not in its way.
    """
    # It never listens.
    return _cannot_bind(socket.AF_INET, "0.0.0.0", port, reuse=reuse) or (  # noqa: S104 - as above
        socket.has_ipv6 and _cannot_bind(socket.AF_INET6, "::", port, reuse=reuse)
    )


def _cannot_bind(family: socket.AddressFamily, address: str, port: int, *, reuse: bool) -> bool:
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            if family == socket.AF_INET6:
                probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            if reuse:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((address, port))
    except OSError as error:
        return error.errno == errno.EADDRINUSE  # anything else: this family does not work here
    return False


def port_has_owner(port: int, tables: Sequence[Path] = _TCP_TABLES) -> bool:
    """Tell whether a living process has a socket with this local port, as the kernel's tables say.

    Unlike a try to bind, this is not misled by connections that are over (TIME_WAIT), which a
    server that has just ended leaves behind.
    """
    for table in tables:
        try:
            lines = table.read_text(encoding="ascii").splitlines()[1:]
        except OSError:  # this family does not work here
            continue
        for line in lines:
            fields = line.split()
            local, state, inode = fields[1], fields[3], fields[9]
            if int(local.rpartition(":")[2], 16) == port and state in _ALIVE and inode != "0":
                return True
    return False


class Addresses:
    """Hands out loopback addresses that no other run has, for as long as this object lives.

    For doubles that have to listen on a port that is not free to choose, such as 443.
    """

    def __init__(self) -> None:
        self._held: list[socket.socket] = []
        self._give_back = weakref.finalize(self, _close_all, self._held)

    def free(self) -> str:
        """Return an address of 127.64.0.0/10. Raises BrokenHarnessError when there is none."""
        chance = random.SystemRandom()
        for _ in range(_TRIES):
            parts = (
                127,
                chance.randrange(64, 128),
                chance.randrange(256),
                chance.randrange(1, 255),
            )
            address = ".".join(map(str, parts))
            lock = reserve(f"address/{address}")
            if lock is not None:
                self._held.append(lock)
                return address
        raise BrokenHarnessError("no loopback address of 127.64.0.0/10 was free", Failure.NO_PORT)

    def close(self) -> None:
        """Give all of them back."""
        self._give_back()
