"""What would leave a network of a run's own: it is refused at once, and told of.

Such a network (`network.py`) has no way out. Here it gets one that ends in the harness: a TUN
device takes what is sent to any address beyond it. Each connection that is opened and each
datagram is answered with "network unreachable", which every client understands, as on a machine
without a network, and is told of with the container that it came from.

What nobody takes on the network's own 127.0.0.1 the kernel refuses by itself. A container that
looks there for something of this machine, such as a database, does not find it; that is told of,
too. There is no IPv6 but what the engine gives a container without a network, which is none.

It takes root. Nothing of the machine's own network is changed.

Source: Linux, Documentation/networking/tuntap.rst; RFC 791, 792 and 9293; packet(7), netdevice(7).
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import ipaddress
import os
import re
import select
import socket
import struct
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from botproof.targets.docker import PROGRAM
from botproof.targets.family import PROC

LABEL = "botproof.addresses"
"""The label of a container by which it is told whose it is."""

OnRefused = Callable[[str, str], None]

_DEVICE = b"beyond"
_OWN = "198.18.0.1"  # RFC 2544: no host of the Internet has it
_TUNSETIFF, _IFF_TUN, _IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
_TCP, _UDP, _ICMP = 6, 17, 1
_NO_SUCH_NETWORK = (3, 6)  # with code 0 the kernel would not tell a UDP socket
_SYN, _ACK, _RST = 0x02, 0x10, 0x04
_LARGEST = 65536
_QUOTED = 512  # of a packet that was refused, in the answer
_LISTENS = "0A"
_SO_ATTACH_FILTER = 26
_SIOCADDRT, _SIOCSIFFLAGS, _SIOCSIFADDR, _SIOCSIFNETMASK = 0x890B, 0x8914, 0x8916, 0x891C
_IFF_UP, _RTF_UP = 0x1, 0x1
_LOOPBACK = "127.0.0.1"
_CONTAINER = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Packet:
    """What of a packet matters here."""

    source_port: int
    to: ipaddress.IPv4Address
    port: int
    protocol: int
    flags: int

    @property
    def opens(self) -> bool:
        """Whether something begins with it, which is not so of an answer."""
        return self.protocol == _UDP or self.flags & (_SYN | _ACK) == _SYN

    def __str__(self) -> str:
        """Return where it was to go, as `address:port`."""
        return f"{self.to}:{self.port}"


def packet_in(raw: bytes) -> Packet | None:
    """Return the packet of TCP or UDP in these bytes of IP; None for any other."""
    try:
        protocol, at = raw[9], (raw[0] & 0xF) * 4
        if raw[0] >> 4 != 4 or protocol not in (_TCP, _UDP):
            return None
        to = ipaddress.IPv4Address(raw[16:20])
        source_port, port = struct.unpack_from("!HH", raw, at)
        flags = raw[at + 13] if protocol == _TCP else 0
    except (IndexError, struct.error):
        return None
    return Packet(source_port, to, port, protocol, flags)


def unreachable(raw: bytes) -> bytes:
    """Return the answer to a packet of IP that there is no way to where it was to go."""
    source, to = raw[12:16], raw[16:20]
    body = _summed(struct.pack("!BBHI", *_NO_SUCH_NETWORK, 0, 0) + raw[:_QUOTED], at=2)
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(body), 0, 0, 64, _ICMP, 0, to, source)
    return _summed(head, at=10) + body


def _summed(data: bytes, at: int) -> bytes:
    return data[:at] + _checksum(data) + data[at + 2 :]


def _checksum(data: bytes) -> bytes:
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return struct.pack("!H", ~total & 0xFFFF)


def listening_ports() -> frozenset[int]:
    """Return the ports of TCP that something listens on in the network of this thread."""
    rows = [*_table("tcp"), *_table("tcp6")]
    return frozenset(port for state, port, _ in rows if state == _LISTENS)


def _table(name: str) -> Iterator[tuple[str, int, str]]:
    """Yield the state, the local port and the inode of each socket of a kind."""
    with contextlib.suppress(OSError):
        for line in (PROC / "thread-self/net" / name).read_text("ascii").splitlines()[1:]:
            words = line.split()
            yield words[3], int(words[1].rpartition(":")[2], 16), words[9]


class Beyond:
    """The end of all ways out of the network of this thread, from when it is made to `close`.

    `elsewhere` are ports on which this machine, but not this network, is listened on. Raises
    OSError where there can be no such device.
    """

    def __init__(self, elsewhere: frozenset[int]) -> None:
        self._elsewhere = elsewhere
        self._watchers: dict[str, OnRefused] = {}
        self._owners: dict[str, str] = {}
        self._network = (PROC / "thread-self/ns/net").stat().st_ino
        with contextlib.ExitStack() as opened:
            self._device = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
            opened.callback(os.close, self._device)
            asked = struct.pack("16sH22x", _DEVICE, _IFF_TUN | _IFF_NO_PI)
            fcntl.ioctl(self._device, _TUNSETIFF, asked)
            _bring_up()
            self._refusals = opened.enter_context(_refusals())
            self._end_read, self._end_write = os.pipe()
            self._opened = opened.pop_all()
        self._thread = threading.Thread(target=self._serve, name="beyond", daemon=True)
        self._thread.start()

    def watch(self, place: str, on_refused: OnRefused) -> None:
        """Tell `on_refused` the name of a container whose label begins with `place`, and the
        address that it was refused; from another thread."""
        self._watchers[place] = on_refused

    def forget(self, place: str) -> None:
        """Tell nothing more of `place`."""
        self._watchers.pop(place, None)

    def close(self) -> None:
        """End it; nothing is refused any more, as there is no way out."""
        os.close(self._end_write)
        self._thread.join()
        os.close(self._end_read)
        self._opened.close()

    def _serve(self) -> None:
        poll = select.poll()
        for each in (self._device, self._refusals.fileno(), self._end_read):
            poll.register(each, select.POLLIN)
        while True:
            ready = {descriptor for descriptor, _ in poll.poll()}
            with contextlib.suppress(OSError):
                if self._device in ready:
                    self._refuse(os.read(self._device, _LARGEST))
                if self._refusals.fileno() in ready:
                    self._note_refusal(self._refusals.recv(_LARGEST))
            if ready == {self._end_read}:
                return

    def _refuse(self, raw: bytes) -> None:
        packet = packet_in(raw)
        if packet is None or packet.to.is_multicast:
            return
        if packet.opens:
            self._tell(self._owner_of(packet), str(packet))
        os.write(self._device, unreachable(raw))

    def _note_refusal(self, raw: bytes) -> None:
        """Note that nobody took a connection on this network's own 127.0.0.1."""
        packet = packet_in(raw)
        if packet is not None and packet.source_port in self._elsewhere:
            self._tell("", f"{_LOOPBACK}:{packet.source_port}")

    def _tell(self, owner: str, to: str) -> None:
        place, _, name = owner.partition(" ")
        told = [self._watchers[place]] if place in self._watchers else [*self._watchers.values()]
        for on_refused in told:
            on_refused(name or "container", to)

    def _owner_of(self, packet: Packet) -> str:
        """Return the label of the container that a packet comes from; "" where that is not known.
        Its socket waits for our answer, so it is still there."""
        kind = "udp" if packet.protocol == _UDP else "tcp"
        sockets = {
            f"socket:[{inode}]"
            for each in (kind, f"{kind}6")  # the latter's may speak IPv4, too
            for _, port, inode in _table(each)
            if port == packet.source_port
        }
        for process in PROC.glob("[0-9]*"):
            if self._is_inside(process) and _has(process, sockets):
                return self._label(process)
        return ""

    def _is_inside(self, process: Path) -> bool:
        try:
            return (process / "ns/net").stat().st_ino == self._network
        except OSError:  # it has just ended
            return False

    def _label(self, process: Path) -> str:
        try:
            found = _CONTAINER.search((process / "cgroup").read_text("ascii"))
        except OSError:
            return ""
        if found is None:
            return ""
        if found[0] not in self._owners:
            ask = ("inspect", "--format", f'{{{{index .Config.Labels "{LABEL}"}}}}', found[0])
            done = subprocess.run((PROGRAM, *ask), capture_output=True, text=True, check=False)
            self._owners[found[0]] = done.stdout.strip()
        return self._owners[found[0]]


def _has(process: Path, sockets: set[str]) -> bool:
    with contextlib.suppress(OSError):
        for each in (process / "fd").iterdir():
            with contextlib.suppress(OSError):
                if str(each.readlink()) in sockets:
                    return True
    return False


@contextlib.contextmanager
def _refusals() -> Iterator[socket.socket]:
    """Open a socket that reads of the loopback device only what refuses a connection by IPv4."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM) as reading:
        # In the terms of BPF: is it TCP without options of IP, and has it the flag RST?
        steps = (
            (0x30, 0, 0, 0),
            (0x15, 0, 5, 0x45),
            (0x30, 0, 0, 9),
            (0x15, 0, 3, _TCP),
            (0x30, 0, 0, 33),
            (0x45, 0, 1, _RST),
            (0x06, 0, 0, _LARGEST),
            (0x06, 0, 0, 0),
        )
        program = b"".join(struct.pack("HBBI", *step) for step in steps)
        _attach(reading, program, len(steps))
        reading.bind(("lo", 0x0800))
        yield reading


def _attach(reading: socket.socket, program: bytes, steps: int) -> None:
    kept = ctypes.create_string_buffer(program)
    described = struct.pack("HxxxxxxP", steps, ctypes.addressof(kept))
    reading.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, described)


def _bring_up() -> None:
    """Give the device its addresses, and everything that goes beyond."""
    device = _DEVICE
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        for request, body in (
            (_SIOCSIFADDR, _sockaddr(_OWN)),
            (_SIOCSIFNETMASK, _sockaddr("255.255.255.255")),
            (_SIOCSIFFLAGS, struct.pack("=H14x", _IFF_UP)),
        ):
            fcntl.ioctl(asking, request, struct.pack("16s16s8x", device, body))
        name, every = ctypes.create_string_buffer(device), _sockaddr("0.0.0.0")  # noqa: S104
        # struct rtentry: where to, by which gateway, the mask, flags, and the device.
        fcntl.ioctl(
            asking,
            _SIOCADDRT,
            struct.pack(
                "@L16s16s16sHhLPhPLLH",
                *(0, every, every, every, _RTF_UP, 0, 0, 0, 0),
                *(ctypes.addressof(name), 0, 0, 0),
            ),
        )


def _sockaddr(address: str) -> bytes:
    return struct.pack("=HH4s8x", socket.AF_INET, 0, socket.inet_aton(address))
