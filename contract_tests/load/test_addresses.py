"""A host that is an address is connected to without a look-up in gevent's pool of threads."""

import socket
import subprocess
import sys
from typing import Any

import pytest

from botproof.workloads.addresses import AddressesFirst

IN_A_HUB = """
import gevent
from gevent import socket
from botproof.workloads.addresses import answer_addresses_at_once
answer_addresses_at_once()
answer_addresses_at_once()
print(socket.getaddrinfo("127.0.0.1", 80, 0, socket.SOCK_STREAM)[0][4])
print(gevent.get_hub().threadpool.size)
"""


class Names:
    """A resolver that was there before; keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[Any] = []

    def getaddrinfo(self, *about: Any) -> list[Any]:
        self.asked.append(about)
        return ["found"]

    def gethostbyname(self, host: str) -> str:
        return f"address of {host}"


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", b"10.1.2.3"])
def test_an_address_is_answered_as_the_standard_library_does(host: str | bytes) -> None:
    names = Names()
    found = AddressesFirst(names).getaddrinfo(host, 80, 0, socket.SOCK_STREAM)
    assert found == socket.getaddrinfo(host, 80, 0, socket.SOCK_STREAM)
    assert names.asked == []


def test_a_name_is_left_to_the_resolver_that_was_there_before() -> None:
    names = Names()
    resolver = AddressesFirst(names)
    assert resolver.getaddrinfo("staging.example.org", 443, 0, 1, 6) == ["found"]
    assert names.asked == [("staging.example.org", 443, 0, 1, 6)]
    assert resolver.gethostbyname("staging") == "address of staging"


def test_a_process_that_loads_an_address_asks_no_thread() -> None:
    done = subprocess.run(
        [sys.executable, "-c", IN_A_HUB], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.stdout.splitlines() == ["('127.0.0.1', 80)", "0"], done.stderr
