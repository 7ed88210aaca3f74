"""The end of all ways out of a run's own network: what is sent there is refused, and told of."""

import json
import os
import socket
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from botproof.config import Config, config_of
from botproof.targets import network
from botproof.targets.beyond import packet_in, unreachable

SYN, SYN_ACK = 0x02, 0x12
INSIDE = """
import errno, json, socket, subprocess, sys
from botproof.targets.beyond import Beyond
subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
told, failed = [], []
beyond = Beyond(frozenset([int(sys.argv[1])]))
beyond.watch("place", lambda name, address: told.append([name, address]))
def note(call):
    try:
        call()
    except OSError as error:
        failed.append(errno.errorcode[error.errno])
for where in (("192.0.2.91", 443), ("127.0.0.1", int(sys.argv[1])), ("127.0.0.1", 1)):
    with socket.socket() as made:
        made.settimeout(60)
        note(lambda: made.connect(where))
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
    made.settimeout(60)
    made.connect(("192.0.2.92", 53))
    made.sendmsg([b"?"])
    note(lambda: made.recv(1))
beyond.close()
print(json.dumps([told, failed]))
"""


def packet(protocol: int, flags: int = 0, *, version: int = 4) -> bytes:
    """Bytes of IP from 198.18.0.1:40000 to 192.0.2.1:443."""
    addresses = socket.inet_aton("198.18.0.1") + socket.inet_aton("192.0.2.1")
    head = struct.pack("!BBHHHBBH", version << 4 | 5, 0, 40, 0, 0, 64, protocol, 0) + addresses
    return head + struct.pack("!HHIIBBHHH", 40000, 443, 0, 0, 0x50, flags, 0, 0, 0)


def test_what_begins_is_told_from_what_answers() -> None:
    opening, answer = packet_in(packet(6, SYN)), packet_in(packet(6, SYN_ACK))
    assert opening is not None
    assert answer is not None
    assert (str(opening), opening.source_port) == ("192.0.2.1:443", 40000)
    datagram = packet_in(packet(17))
    assert opening.opens
    assert not answer.opens
    assert datagram is not None
    assert datagram.opens


@pytest.mark.parametrize(
    "raw", [b"", packet(1), packet(6, SYN, version=6), packet(6, SYN)[:22]], ids=str
)
def test_what_is_no_packet_of_tcp_or_udp_is_none(raw: bytes) -> None:
    assert packet_in(raw) is None


def test_the_answer_quotes_what_it_refuses() -> None:
    raw = packet(6, SYN)
    answer = unreachable(raw)
    assert (answer[12:16], answer[16:20]) == (raw[16:20], raw[12:16])
    assert answer[20:22] == bytes((3, 6))  # destination unreachable: no such network
    assert answer[28:] == raw
    for summed in (answer[:20], answer[20:]):  # RFC 1071: with its own sum it comes to ones
        total = sum(struct.unpack(f"!{len(summed) // 2}H", summed))
        assert (total & 0xFFFF) + (total >> 16) == 0xFFFF


@pytest.mark.skipif(
    os.geteuid() != 0 or not Path("/dev/net/tun").exists(), reason="takes root and a TUN device"
)
def test_a_call_beyond_fails_at_once_and_is_told_with_one_that_misses_this_machine() -> None:
    with socket.create_server(("127.0.0.1", 0)) as beside:
        port = str(beside.getsockname()[1])
        command = ("unshare", "--net", sys.executable, "-c", INSIDE, port)
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    told, failed = json.loads(done.stdout)
    assert failed == ["ENETUNREACH", "ECONNREFUSED", "ECONNREFUSED", "ENETUNREACH"], told
    assert sorted(address for _, address in told) == [
        f"127.0.0.1:{port}",
        "192.0.2.91:443",
        "192.0.2.92:53",
    ]


def described(*arguments: str, image: str = "an-image", **doubles: object) -> Config:
    raw = {
        "name": "contained",
        "bot": {
            "image": image,
            "command": ["x"],
            "ready": "telegram",
            "container_args": list(arguments),
        },
        "modes": {"polling": {}},
        "doubles": doubles,
    }
    return config_of(raw, "the test")


@pytest.mark.parametrize(
    ("config", "why"),
    [
        (described(image=""), "no container"),
        (described(offline=False), "no container"),
        (described(allow_hosts=["127.0.0.1"]), "allow_hosts"),
        (described("--publish=80:80"), "--publish"),
        (described("-p", "80:80"), "-p"),
    ],
    ids=("process", "online", "allowed", "publishes", "short"),
)
def test_why_a_container_stays_in_this_machines_network(
    config: Config, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    assert why in network.why_not_apart(config)
    assert network.why_not_apart(described()) == ""
    monkeypatch.setenv("DOCKER_HOST", "tcp://192.0.2.1:2375")
    assert "DOCKER_HOST" in network.why_not_apart(described())
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert "root" in network.why_not_apart(described())
