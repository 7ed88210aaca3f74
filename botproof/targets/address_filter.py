"""Starts a program whose calls to other machines are asked about first.

Runs as a process of its own, by path, with nothing but the standard library, and becomes the
program: `address_filter.py SOCKET NAME COMMAND…`. It installs a seccomp filter that the kernel
keeps for the program and all that it starts, hands the filter's listener to SOCKET, an abstract
Unix socket, and replaces itself. From then on the kernel holds each `connect`, each `sendto` with
an address, each `sendmsg` and `sendmmsg`, and each new UDP socket until whoever has the listener
(`address_block.py`) has answered. Where there is no such filter, SOCKET is told why, and the
program runs without.

The listener itself is handed over by a `sendmsg`, when nobody can answer yet: one with `_OWN_FLAGS`
is let go on. io_uring, which the filter does not see, is refused as Docker refuses it. A 32-bit
program on a 64-bit kernel has other numbers of calls, and passes.

Source: seccomp(2), seccomp_unotify(2), sendmsg(2), linux/filter.h, linux/audit.h.
"""

# The packages above these two take 10 ms to import, before every start.
import _signal  # type: ignore[import-not-found]  # typeshed does not describe it
import _socket
import ctypes
import errno
import os
import struct
import sys

_SECCOMP = {"x86_64": 317, "aarch64": 277}
_ARCHITECTURE = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
CALLS = {
    "x86_64": {"connect": 42, "sendto": 44, "sendmsg": 46, "sendmmsg": 307, "socket": 41},
    "aarch64": {"connect": 203, "sendto": 206, "sendmsg": 211, "sendmmsg": 269, "socket": 198},
}
"""The numbers of the calls that are asked about."""
_KERNEL = (5, 9)  # SECCOMP_IOCTL_NOTIF_ADDFD; 5.5 can let a call go on
_IO_URING_SETUP = 425
_SET_MODE_FILTER, _NEW_LISTENER, _WAIT_KILLABLE_RECV = 1, 1 << 3, 1 << 5
_PR_SET_NO_NEW_PRIVS = 38
_LOAD, _EQUAL, _AND, _RETURN = 0x20, 0x15, 0x54, 0x06
_ALLOW, _ASK, _REFUSE = 0x7FFF0000, 0x7FC00000, 0x00050000 | errno.EPERM
_NUMBER, _ARCH, _ARGS = 0, 4, 16  # offsets in struct seccomp_data
_DATAGRAM, _TYPE_MASK = 2, 0xF
_OWN_FLAGS = 0x880  # MSG_EOR and MSG_CONFIRM: a Unix socket heeds neither, and nobody gives both


def program(machine: str) -> bytes:
    """Return the filter, as BPF instructions, for `machine` as `os.uname` calls it."""
    calls = CALLS[machine]

    def at(argument: int, half: int = 0) -> int:
        return _ARGS + 8 * argument + 4 * half  # both machines are little-endian

    ask, allow, refuse = "ask", "allow", "refuse"
    # (code, operand, where to when equal, where to when not); None: the next one.
    steps: list[tuple[int, int, str | None, str | None]] = [
        (_LOAD, _ARCH, None, None),
        (_EQUAL, _ARCHITECTURE[machine], None, allow),
        (_LOAD, _NUMBER, None, None),
        (_EQUAL, calls["connect"], ask, None),
        (_EQUAL, _IO_URING_SETUP, refuse, None),
        (_EQUAL, calls["sendto"], "sendto", None),
        (_EQUAL, calls["sendmsg"], "sendmsg", None),
        (_EQUAL, calls["sendmmsg"], ask, None),
        (_EQUAL, calls["socket"], None, allow),
        (_LOAD, at(1), None, None),
        (_AND, _TYPE_MASK, None, None),
        (_EQUAL, _DATAGRAM, None, allow),
        (_LOAD, at(0), None, None),
        (_EQUAL, _socket.AF_INET, ask, None),
        (_EQUAL, _socket.AF_INET6, ask, allow),
        (_LOAD, at(2), None, None),  # sendmsg: its address stands in the program's memory
        (_EQUAL, _OWN_FLAGS, allow, ask),
        (_LOAD, at(4), None, None),  # sendto: without an address it is as send
        (_EQUAL, 0, None, ask),
        (_LOAD, at(4, 1), None, None),
        (_EQUAL, 0, allow, ask),
        (_RETURN, _ASK, None, None),
        (_RETURN, _ALLOW, None, None),
        (_RETURN, _REFUSE, None, None),
    ]
    last = len(steps)
    places = {"sendmsg": 15, "sendto": 17, ask: last - 3, allow: last - 2, refuse: last - 1}

    def jump(here: int, to: str | None) -> int:
        return 0 if to is None else places[to] - here - 1

    return b"".join(
        struct.pack("=HBBI", code, jump(here, yes), jump(here, no), operand)
        for here, (code, operand, yes, no) in enumerate(steps)
    )


def kernel(release: str) -> tuple[int, int]:
    """Return the version of a kernel from what `os.uname` calls its release; (0, 0)
    where it has none."""
    major, _, rest = release.partition(".")
    minor = rest.partition(".")[0].partition("-")[0]
    return (int(major), int(minor)) if major.isdigit() and minor.isdigit() else (0, 0)


def install(machine: str) -> int:
    """Put the filter around this process; its listener. Raises OSError where that cannot be."""
    if machine not in CALLS:
        raise OSError(errno.ENOSYS, f"there is no filter for the processor {machine}")
    if kernel(os.uname().release) < _KERNEL:  # it would hold calls that nobody can let go on
        raise OSError(errno.ENOSYS, "the kernel is older than Linux 5.9")
    code = program(machine)
    held = ctypes.create_string_buffer(code, len(code))
    asked = struct.pack("@HP", len(code) // 8, ctypes.addressof(held))
    libc = ctypes.CDLL(None, use_errno=True)

    def attempt(flags: int) -> int:
        listener: int = libc.syscall(_SECCOMP[machine], _SET_MODE_FILTER, flags, asked)
        return listener if listener >= 0 else -ctypes.get_errno()

    # A call that waits for its answer is not begun again at each signal (Linux 5.19).
    flags = _NEW_LISTENER | _WAIT_KILLABLE_RECV
    made = attempt(flags)
    if made == -errno.EACCES:  # not root: then nothing that it starts may become root
        libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        made = attempt(flags)
    if made == -errno.EINVAL:
        made = attempt(_NEW_LISTENER)
    if made < 0:
        raise OSError(-made, os.strerror(-made))
    return made


def environment() -> dict[bytes, bytes]:
    """Return the environment that this process was started with: where there is no locale in it,
    Python has put one in (PEP 538)."""
    with open("/proc/self/environ", "rb") as file:  # noqa: PTH123 - pathlib takes 10 ms to import
        pairs = [each.partition(b"=") for each in file.read().split(b"\0") if b"=" in each]
    return {name: value for name, _, value in pairs}


def main(place: str, name: str, command: list[str]) -> None:
    """Tell who has the listener, and become the command."""
    told = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    told.connect(f"\0{place}")
    try:
        listener = install(os.uname().machine)
    except OSError as error:
        told.sendall(f"{name}\n{error.strerror}".encode())
    else:
        rights = struct.pack("@i", listener)
        handed = [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, rights)]
        told.sendmsg([f"{name}\n".encode()], handed, _OWN_FLAGS)
    told.close()
    # The program is to find what it would have found without this: Python ignores two signals.
    for number in (_signal.SIGPIPE, _signal.SIGXFSZ):
        _signal.signal(number, _signal.SIG_DFL)
    try:
        os.execvpe(command[0], command, environment())  # noqa: S606 - that is what it is for
    except OSError as error:
        sys.stderr.write(f"{command[0]}: {error.strerror}\n")
        sys.exit(127 if isinstance(error, FileNotFoundError) else 126)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
