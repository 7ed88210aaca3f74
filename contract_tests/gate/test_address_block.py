"""Addresses in figures: a process reaches its own machine, and is refused every other at once."""

import errno
import ipaddress
import os
import shutil
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from botproof.targets import address_filter
from botproof.targets.address_block import AddressBlock, address_in, name_servers

Told = list[tuple[str, str]]

TRIES = """
import ctypes, errno, socket, struct, sys, threading
def name(ask):
    try:
        return ask() and "reached"
    except OSError as error:
        return errno.errorcode[error.errno]
def tcp(*where):
    family = socket.AF_INET6 if ":" in where[0] else socket.AF_INET
    with socket.socket(family) as made:
        made.connect(where)
    return True
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
inside = int(sys.argv[1])
print(name(lambda: tcp("127.0.0.1", inside)), name(lambda: tcp("::ffff:127.0.0.1", inside)))
print(name(lambda: tcp("192.0.2.71", 443)), name(lambda: tcp("2001:db8::1", 443)))
print(name(lambda: tcp("::ffff:192.0.2.72", 80)))
print(name(lambda: udp.sendto(b"?", ("192.0.2.73", 53))))
print(name(lambda: udp.sendmsg([b"?"], [], 0, ("192.0.2.75", 53))))
FAST_OPEN = 0x20000000
opening = socket.socket()
print(name(lambda: opening.sendmsg([b"?"], [], FAST_OPEN, ("192.0.2.76", 443))))
class Message(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("size", ctypes.c_uint), ("rest", ctypes.c_uint64 * 6)]
first, last = (struct.pack("=H", 2) + struct.pack("!H4s8x", 53, bytes(each))
               for each in ((127, 0, 0, 1), (192, 0, 2, 77)))
both = (Message * 2)(Message(first, 16), Message(last, 16))
libc = ctypes.CDLL(None, use_errno=True)
libc.sendmmsg(udp.fileno(), both, 2, 0)
print(errno.errorcode[ctypes.get_errno()])
unix, other = socket.socketpair()
print(unix.sendmsg([b"within the machine"]), other.recv(99).decode())
print(udp.getsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, 16).decode())
thread = threading.Thread(target=lambda: print(name(lambda: tcp("192.0.2.74", 443))))
thread.start()
thread.join()
"""


@pytest.fixture
def told() -> Told:
    return []


def around(told: Told, allowed: tuple[str, ...] = ()) -> tuple[AddressBlock, Told]:
    """A block, and the list of the processes that it could not be put around."""
    problems: Told = []
    made = AddressBlock(
        allowed,
        lambda process, address: told.append((process, address)),
        lambda process, reason: problems.append((process, reason)),
    )
    return made, problems


@pytest.fixture
def block(told: Told) -> Iterator[AddressBlock]:
    made, problems = around(told)
    yield made
    made.close()
    assert problems == []


@pytest.fixture
def inside() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_what_leaves_the_machine_is_refused_at_once_and_told(
    block: AddressBlock, told: Told, inside: int
) -> None:
    done = run(*block.wrapper("bot"), sys.executable, "-c", TRIES, str(inside))
    assert done.stdout.replace("\0", "").split() == [
        *("reached", "reached"),
        *("ENETUNREACH", "ENETUNREACH", "ENETUNREACH", "ENETUNREACH"),
        *("ENETUNREACH", "ENETUNREACH", "ENETUNREACH"),  # by sendmsg and sendmmsg
        *("18", "within", "the", "machine"),
        "lo",  # what a socket sends by other calls does not leave the loopback device
        "ENETUNREACH",
    ], done.stderr
    addresses = ("192.0.2.71:443", "[2001:db8::1]:443", "192.0.2.72:80", "192.0.2.73:53")
    by_message = ("192.0.2.75:53", "192.0.2.76:443", "192.0.2.77:53")
    assert told == [("bot", each) for each in (*addresses, *by_message, "192.0.2.74:443")]


@pytest.mark.parametrize(
    "command",
    [
        ("curl", "--silent", "http://192.0.2.75/price"),
        ("node", "-e", "fetch('http://192.0.2.75/price').catch(e => process.exit(7))"),
    ],
    ids=("curl", "node"),
)
def test_other_runtimes_and_what_a_shell_starts_are_refused(
    block: AddressBlock, told: Told, command: tuple[str, ...]
) -> None:
    if shutil.which(command[0]) is None:
        pytest.skip(f"there is no {command[0]} here")
    done = run(*block.wrapper("bot"), "sh", "-c", '"$@"; exit $?', "sh", *command)
    assert done.returncode == 7, done.stderr
    assert set(told) == {("bot", "192.0.2.75:80")}


def test_an_allowed_address_is_left_to_the_kernel(told: Told, inside: int) -> None:
    """127.0.0.1 would be allowed anyway: what is seen is that UDP sockets are free then."""
    block, _ = around(told, ("192.0.2.78",))
    try:
        done = run(*block.wrapper("bot"), sys.executable, "-c", TRIES, str(inside))
    finally:
        block.close()
    assert "lo" not in done.stdout.replace("\0", "").split()
    assert ("bot", "192.0.2.71:443") in told


def test_without_the_harness_nothing_is_reached_and_nothing_hangs() -> None:
    """As when it was killed: the kernel closes what the harness had."""
    block, _ = around([])
    code = "input(); import socket; socket.create_connection(('192.0.2.71', 443), 30)"
    process = subprocess.Popen(
        (*block.wrapper("bot"), sys.executable, "-c", f"print('up', flush=True); {code}"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        block.close()
        _, said = process.communicate("\n", timeout=60)
    assert os.strerror(errno.ENOSYS) in said


def test_the_program_finds_its_environment_and_its_signals_as_they_were(
    block: AddressBlock,
) -> None:
    """Python ignores SIGPIPE, and makes up a locale where there is none."""
    env = {"PATH": os.environ["PATH"], "TOKEN": "a=b"}
    # By its path: Python 3.13 starts such a program by posix_spawn, which ignores two signals more.
    command = ("/bin/sh", "-c", "env -u PWD -u SHLVL -u _; grep SigIgn /proc/self/status")
    plain = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    wrapped = (*block.wrapper("bot"), *command)
    done = subprocess.run(wrapped, env=env, capture_output=True, text=True, check=True)
    assert done.stdout == plain.stdout


def test_a_command_that_is_not_there_is_said_as_a_shell_says_it(block: AddressBlock) -> None:
    done = run(*block.wrapper("bot"), "no-such-program")
    assert (done.returncode, done.stderr) == (127, "no-such-program: No such file or directory\n")


def test_a_processor_without_a_filter_is_said_and_the_program_runs(
    tmp_path: Path, told: Told
) -> None:
    script = tmp_path / "filter.py"
    text = Path(address_filter.__file__).read_text(encoding="utf-8")
    script.write_text(text.replace("os.uname().machine", '"riscv64"'), encoding="utf-8")
    block, problems = around(told)
    try:
        done = run(
            sys.executable, "-I", "-S", str(script), *block.wrapper("bot")[4:], "echo", "here"
        )
    finally:
        block.close()
    assert done.stdout == "here\n"
    assert problems == [("bot", "there is no filter for the processor riscv64")]


def test_addresses_are_read_as_the_kernel_writes_them() -> None:
    four = struct.pack("=H", socket.AF_INET) + b"\x01\xbb" + bytes([192, 0, 2, 71]) + bytes(8)
    six = struct.pack("=H", socket.AF_INET6) + b"\x01\xbb" + bytes(4)
    six += ipaddress.ip_address("2001:db8::1").packed + bytes(4)
    assert address_in(four) == (ipaddress.ip_address("192.0.2.71"), 443)
    assert address_in(six) == (ipaddress.ip_address("2001:db8::1"), 443)
    for cut in (b"", four[:4], six[:20], struct.pack("=H", socket.AF_UNIX) + b"/run/redis.sock"):
        assert address_in(cut) is None


def test_the_filters_of_both_processors_jump_to_their_own_ends() -> None:
    for machine in address_filter.CALLS:
        steps = list(struct.iter_unpack("=HBBI", address_filter.program(machine)))
        for here, (code, yes, no, _) in enumerate(steps):
            if code == 0x15:
                assert here + 1 + max(yes, no) < len(steps)
        assert [code for code, *_ in steps[-3:]] == [0x06] * 3


@pytest.mark.parametrize(
    ("release", "is_old"),
    [("5.4.0-200-generic", True), ("4.14.355", True), ("5.9.1", False), ("6.18-rc1", False)],
)
def test_a_kernel_that_cannot_let_a_call_go_on_is_left_alone(release: str, is_old: bool) -> None:
    assert (address_filter.kernel(release) < (5, 9)) is is_old
    assert address_filter.kernel("unknown") == (0, 0)


def test_the_machines_resolvers_are_known(tmp_path: Path) -> None:
    file = tmp_path / "resolv.conf"
    file.write_text("# nameserver\nnameserver 192.0.2.53\nsearch x\nnameserver fe80::1%eth0\n")
    assert name_servers(file) == ["192.0.2.53", "fe80::1"]
    assert name_servers(tmp_path / "none") == []
