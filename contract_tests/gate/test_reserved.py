"""Ports and addresses of a run: nothing else takes them, and the target can still have them."""

import contextlib
import gc
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from botproof.targets.reserved import (
    Addresses,
    Ports,
    client_range,
    port_has_owner,
    port_is_taken,
    reserve,
)

_IP_LOCAL_PORT_RANGE = 51  # linux/in.h, since Linux 6.3; Python has no name for it
EVERY_PORT = (1024, 65535)
ANYWHERE = "0.0.0.0"  # noqa: S104 - bots listen there, so a test of their port has to


@contextmanager
def listening(address: str, port: int, *, reuse: bool) -> Iterator[socket.socket]:
    """What a bot does: listens, with or without SO_REUSEADDR."""
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, int(reuse))
        server.bind((address, port))
        server.listen()
        yield server


@pytest.fixture
def listener() -> Iterator[int]:
    """Somebody to connect to; its port."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_no_port_is_given_twice_and_none_is_one_that_clients_get() -> None:
    low, high = client_range()
    ports = Ports()
    given = [ports.free() for _ in range(40)]
    assert len(set(given)) == 40
    assert all(1024 < port < low or high < port < 65536 for port in given)


@pytest.mark.parametrize("address", [ANYWHERE, "127.0.0.1", "127.80.1.2"])
@pytest.mark.parametrize("reuse", [True, False])
def test_a_target_can_listen_on_it_wherever_it_wants_to(address: str, *, reuse: bool) -> None:
    ports = Ports()
    with listening(address, ports.free(), reuse=reuse):
        pass


def test_another_process_cannot_reserve_it_until_it_is_given_back() -> None:
    ports = Ports()
    port = ports.free()
    code = f"from botproof.targets.reserved import reserve; print(reserve('port/{port}') is None)"

    def refused() -> bool:
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        return done.stdout.strip() == "True"

    assert refused()
    ports.close()
    assert not refused()


def test_ports_that_are_forgotten_are_given_back() -> None:
    port = Ports().free()
    gc.collect()
    lock = reserve(f"port/{port}")
    assert lock is not None
    lock.close()


def client_from(port: int, to: int) -> None:
    """A client connection for which the kernel may choose this port alone. Raises OSError."""
    with socket.socket() as client:
        try:
            client.setsockopt(
                socket.IPPROTO_IP, _IP_LOCAL_PORT_RANGE, struct.pack("I", port << 16 | port)
            )
        except OSError:
            pytest.skip("IP_LOCAL_PORT_RANGE needs Linux 6.3")
        client.connect(("127.0.0.1", to))


def test_where_clients_may_get_every_port_they_do_not_get_a_given_one(listener: int) -> None:
    ports = Ports(EVERY_PORT)
    low, high = client_range()  # the kernel heeds the socket's own range inside this one only
    port = next(port for port in iter(ports.free, None) if low <= port <= high)
    with pytest.raises(OSError, match="Cannot assign requested address"):
        client_from(port, listener)
    with listening(ANYWHERE, port, reuse=True):
        pass
    ports.close()
    client_from(port, listener)  # it was the reservation that kept it away


def test_who_has_a_port_is_told_from_a_connection_that_is_over() -> None:
    port = Ports().free()
    assert not port_has_owner(port)
    with listening("127.0.0.1", port, reuse=True) as server:
        assert port_has_owner(port)
        client = socket.create_connection(("127.0.0.1", port))
        accepted, _ = server.accept()
        accepted.close()  # first: TIME_WAIT stays on this side
        client.close()
    assert not port_has_owner(port)


def test_a_table_that_is_not_there_names_nobody(tmp_path: Path) -> None:
    assert not port_has_owner(80, [tmp_path / "tcp"])


def test_the_range_is_the_usual_one_where_the_kernel_tells_none(tmp_path: Path) -> None:
    assert client_range(tmp_path / "missing") == (32_768, 60_999)


def test_addresses_are_of_the_loopback_range_and_can_be_listened_on() -> None:
    addresses = Addresses()
    given = {addresses.free() for _ in range(20)}
    assert len(given) == 20
    for address in given:
        with contextlib.closing(socket.create_server((address, 0))):
            pass


def test_connections_of_a_server_that_has_ended_are_in_the_way_of_one_without_reuse_only() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert port_is_taken(port, reuse=True)  # it listens
        client = socket.create_connection(("127.0.0.1", port))
        accepted, _ = server.accept()
    accepted.close()  # who closes first waits: the server's side
    client.recv(1)
    client.close()
    assert port_is_taken(port)
    assert not port_is_taken(port, reuse=True)
