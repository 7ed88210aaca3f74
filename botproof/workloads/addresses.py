"""Addresses answered without gevent's threads: a host that is one needs no look-up.

gevent looks names up in a pool of threads, and asks it for each new connection, also to
127.0.0.1. In a process that was forked (`--processes 2`) that pool was seen to answer no more on a
busy machine: 37 requests waited in it for ever. What is an address already is answered on the spot,
by the same function of the standard library, which then has nothing to wait for.
"""

from __future__ import annotations

import _socket
import socket
from typing import Any

import gevent


class AddressesFirst:
    """A resolver of gevent's that leaves names to `names`, the one that was there before."""

    def __init__(self, names: Any) -> None:
        self._names = names

    def getaddrinfo(self, host: Any, port: Any, *about: int) -> Any:
        """Return what the standard library does; `about` are family, type, protocol and flags.
        Raises socket.gaierror for an unknown name."""
        family, socktype, proto, flags = (*about, 0, 0, 0, 0)[:4]
        numeric = flags | socket.AI_NUMERICHOST
        try:
            return _socket.getaddrinfo(host, port, family, socktype, proto, numeric)
        except OSError:
            return self._names.getaddrinfo(host, port, *about)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._names, name)


def answer_addresses_at_once() -> None:
    """Look nothing up any more in this process that is an address already."""
    hub = gevent.get_hub()
    if not isinstance(hub.resolver, AddressesFirst):
        hub.resolver = AddressesFirst(hub.resolver)
