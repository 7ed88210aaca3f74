"""Addresses in figures: a target reaches those of its own machine, and no other.

By name the world is held back by the resolver (`resolver.py`). What needs no name, such as
`https://192.0.2.1/price` or a resolver over HTTPS, is held back here: the kernel asks about each
call that would leave the machine before it is carried out (`address_filter.py`), and a thread of
the harness answers. What goes to another machine fails at once with ENETUNREACH, which every client
understands, and is told of. The machine itself stays whole: databases beside the target, the
doubles and the load are reached as before. It takes no root and changes nothing of the machine's
network: the filter belongs to the processes and ends with them. Should the harness be killed, the
kernel fails what it would have asked about. Containers, which an engine starts, are held back
by a network of the run's own instead (`network.py`, `beyond.py`).

This holds back by accident what a program does, not what it does on purpose: the address is read
from its memory, which another of its threads could change before the call is carried out.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import ipaddress
import os
import secrets
import select
import socket
import struct
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import psutil

from botproof.config import Doubles
from botproof.history import NOT_HELD_BACK, REFUSED_ADDRESS
from botproof.targets import address_filter
from botproof.targets.beyond import LABEL
from botproof.targets.network import current
from botproof.targets.world import addresses_of

_RECEIVE, _SEND, _VALID, _ADD = 0xC0502100, 0xC0182101, 0x40082102, 0x40182103
"""The requests SECCOMP_IOCTL_NOTIF_… of ioctl."""
_NOTICE = struct.Struct("=QIIiIQ6Q")  # struct seccomp_notif
_ANSWER = struct.Struct("=QqiI")  # struct seccomp_notif_resp
_DESCRIPTOR = struct.Struct("=QIIII")  # struct seccomp_notif_addfd
_CARRY_OUT = 1  # SECCOMP_USER_NOTIF_FLAG_CONTINUE
_CALLS = {number: name for name, number in address_filter.CALLS.get(os.uname().machine, {}).items()}
_ADDRESS_BYTES = 28  # struct sockaddr_in6
_HEADER = struct.Struct("@PI")  # how struct msghdr begins: its address, and the length of that
_MESSAGE_STRIDE = 64  # sizeof(struct mmsghdr): a msghdr of 56 bytes, and what was sent of it
_MOST_MESSAGES = 1024  # the kernel takes no more of one sendmmsg: UIO_MAXIOV
_TELL = 100  # how often the same address is told of
_MESSAGE_BYTES = 1000

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def address_in(raw: bytes) -> tuple[Address, int] | None:
    """Return the address and the port of a `struct sockaddr`; None for one that is of
    no network."""
    family = int.from_bytes(raw[:2], sys.byteorder)
    port = int.from_bytes(raw[2:4], "big")
    if family == socket.AF_INET and len(raw) >= 8:
        return ipaddress.IPv4Address(raw[4:8]), port
    if family == socket.AF_INET6 and len(raw) >= 24:
        address = ipaddress.IPv6Address(raw[8:24])
        return address.ipv4_mapped or address, port
    return None


def _places(memory: int, call: str, arguments: list[int]) -> Iterator[tuple[int, int]]:
    """Yield where in a program's memory the addresses of a call stand, and how long they are."""
    if call == "connect":
        yield arguments[1], arguments[2]
    elif call == "sendto":
        yield arguments[4], arguments[5]
    else:
        messages = arguments[2] if call == "sendmmsg" else 1
        for number in range(min(messages, _MOST_MESSAGES)):
            header = os.pread(memory, _HEADER.size, arguments[1] + number * _MESSAGE_STRIDE)
            at, size = _HEADER.unpack(header)
            if at and size:
                yield at, size


def own_addresses() -> set[Address]:
    """Return the addresses of this machine's interfaces: what is sent there does not leave it."""
    return {
        ipaddress.ip_address(each.address.partition("%")[0])
        for addresses in psutil.net_if_addrs().values()
        for each in addresses
        if each.family in (socket.AF_INET, socket.AF_INET6)
    }


class AddressBlock:
    """Around the processes of one stack that are started with its `wrapper`.

    `allowed` are addresses that may be reached for real.
    From a thread of its own `on_refused` is told the name of a process and the address that it was
    refused, and `on_problem` the name of one that runs without, and why.
    """

    def __init__(
        self,
        allowed: Iterable[str],
        on_refused: Callable[[str, str], None],
        on_problem: Callable[[str, str], None],
    ) -> None:
        self._allowed = {*own_addresses(), *map(ipaddress.ip_address, allowed)}
        self._far_datagrams = bool(set(allowed))
        self._on_refused = on_refused
        self._on_problem = on_problem
        self._told: Counter[tuple[str, str]] = Counter()
        self._place = f"botproof/addresses/{os.getpid()}-{secrets.token_hex(8)}"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.bind(f"\0{self._place}")  # no file: its path might be too long
        self._socket.listen()
        self._end_read, self._end_write = os.pipe()
        self._poll = select.epoll()
        self._poll.register(self._socket.fileno(), select.EPOLLIN)
        self._poll.register(self._end_read, select.EPOLLIN)
        self._starting: dict[int, socket.socket] = {}
        self._listeners: dict[int, str] = {}
        network = current()
        self._sink = network.beyond if network else None
        if self._sink is not None:
            self._sink.watch(self._place, self._tell)
        self._thread = threading.Thread(target=self._serve, name="addresses", daemon=True)
        self._thread.start()

    def wrapper(self, name: str) -> tuple[str, ...]:
        """Return what stands in front of the command of the process `name`, and becomes it."""
        script = str(address_filter.__file__)
        return (sys.executable, "-I", "-S", script, self._place, name)

    def container_options(self, name: str) -> tuple[str, ...]:
        """Return options of `docker create` by which it is known whose a call of the container
        `name` is, in a network of the run's own (`beyond.py`)."""
        return ("--label", f"{LABEL}={self._place} {name}")

    def close(self) -> None:
        """Answer nothing more; whatever still runs then fails to connect."""
        if self._sink is not None:
            self._sink.forget(self._place)
        os.close(self._end_write)
        self._thread.join()
        for descriptor in (*self._listeners, self._end_read):
            os.close(descriptor)
        for each in (*self._starting.values(), self._socket):
            each.close()
        self._poll.close()

    def _serve(self) -> None:
        ended = False
        while True:
            events = self._poll.poll(0 if ended else None)
            waiting = [each for each in events if each[0] != self._end_read]
            if ended and not waiting:
                return
            ended = ended or len(waiting) < len(events)
            for descriptor, event in waiting:
                self._take(descriptor, event)

    def _take(self, descriptor: int, event: int) -> None:
        if descriptor == self._socket.fileno():
            connection, _ = self._socket.accept()
            self._starting[connection.fileno()] = connection
            self._poll.register(connection.fileno(), select.EPOLLIN)
        elif descriptor in self._starting:
            self._admit(descriptor)
        elif event & select.EPOLLIN:
            self._answer(descriptor)
        else:  # the last process with this filter has ended
            self._poll.unregister(descriptor)
            del self._listeners[descriptor]
            os.close(descriptor)

    def _admit(self, starting: int) -> None:
        """Let in a process that starts: it hands over its listener, or says why it has none."""
        self._poll.unregister(starting)
        descriptors: list[int] = []
        with self._starting.pop(starting) as connection, contextlib.suppress(OSError):
            message, descriptors, _, _ = socket.recv_fds(
                connection, _MESSAGE_BYTES, 1, socket.MSG_CMSG_CLOEXEC
            )
            name, _, why = message.decode(errors="replace").partition("\n")
        for descriptor in descriptors:
            self._listeners[descriptor] = name
            self._poll.register(descriptor, select.EPOLLIN)
        if not descriptors and message:  # no word at all: it was killed
            self._on_problem(name, why)

    def _answer(self, listener: int) -> None:
        """Answer one call. Whatever happens here, it must not wait for ever."""
        notice = bytearray(_NOTICE.size)
        try:
            fcntl.ioctl(listener, _RECEIVE, notice)
        except OSError:  # it was killed, or a signal took the call back
            return
        identity, process, _, number, _, _, *arguments = _NOTICE.unpack(notice)
        answer = _ANSWER.pack(identity, 0, 0, _CARRY_OUT)
        try:
            if _CALLS[number] == "socket":
                answer = self._socket_for(listener, identity, arguments)
            elif to := self._beyond(process, _CALLS[number], arguments):
                fcntl.ioctl(listener, _VALID, struct.pack("=Q", identity))
                self._tell(self._listeners[listener], to)
                answer = _ANSWER.pack(identity, 0, -errno.ENETUNREACH, 0)
        except OSError as error:
            if error.errno in (errno.EPERM, errno.EACCES):
                self._on_problem(self._listeners[listener], f"its calls: {error.strerror}")
        with contextlib.suppress(OSError):  # as above
            fcntl.ioctl(listener, _SEND, answer)

    def _beyond(self, process: int, call: str, arguments: list[int]) -> str:
        """Return the address that this call would reach beyond the machine; "" when it
        stays on it."""
        memory = os.open(f"/proc/{process}/mem", os.O_RDONLY | os.O_CLOEXEC)
        try:
            for at, size in _places(memory, call, arguments):
                found = address_in(os.pread(memory, min(size, _ADDRESS_BYTES), at))
                if found and (beyond := self._refused(*found)):
                    return beyond
        finally:
            os.close(memory)
        return ""

    def _refused(self, address: Address, port: int) -> str:
        if address.is_loopback or address.is_unspecified or address in self._allowed:
            return ""
        return f"{address}:{port}" if address.version == 4 else f"[{address}]:{port}"

    def _socket_for(self, listener: int, identity: int, arguments: list[int]) -> bytes:
        """Return a UDP socket that belongs to the loopback device: nothing that is sent by it, in
        whatever way, leaves the machine."""
        family, kind, protocol = arguments[:3]
        if self._far_datagrams:
            return _ANSWER.pack(identity, 0, 0, _CARRY_OUT)
        with socket.socket(family, kind, protocol) as made:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lo")
            flags = os.O_CLOEXEC if kind & socket.SOCK_CLOEXEC else 0
            asked = bytearray(_DESCRIPTOR.pack(identity, 0, made.fileno(), 0, flags))
            number = fcntl.ioctl(listener, _ADD, asked)
        return _ANSWER.pack(identity, number, 0, 0)

    def _tell(self, process: str, to: str) -> None:
        self._told[process, to] += 1
        if self._told[process, to] <= _TELL:
            self._on_refused(process, to)


def hold_back(doubles: Doubles, note: Callable[..., None], *, by_name: bool) -> AddressBlock:
    """Return the block that `[doubles]` asks for. `note` is told, in the event loop that this is
    called in, what is to stand in the record. Without a resolver of its own (not `by_name`) a
    target that may reach hosts has to be able to look them up.

    Raises BrokenHarnessError for an allowed host that cannot be found.
    """
    loop = asyncio.get_running_loop()
    allowed = [address for host in doubles.allow_hosts for address in addresses_of(host)]
    if allowed and not by_name:
        allowed += name_servers()

    def tell(kind: str, process: str, **detail: str) -> None:
        loop.call_soon_threadsafe(lambda: note(kind, process=process, **detail))

    return AddressBlock(
        allowed,
        lambda process, address: tell(REFUSED_ADDRESS, process, address=address),
        lambda process, reason: tell(NOT_HELD_BACK, process, reason=reason),
    )


def name_servers(file: Path = Path("/etc/resolv.conf")) -> list[str]:
    """Return the addresses of the resolvers that this machine asks."""
    with contextlib.suppress(OSError):
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
        words = [line.split() for line in lines if line.startswith("nameserver")]
        return [each[1].partition("%")[0] for each in words if len(each) > 1]
    return []
