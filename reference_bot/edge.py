"""The edge of an HTTP listener: how long a connection may take, how many there are, what for.

Connections that ask nothing are the cheapest way to silence a server: each takes a descriptor, and
a process that has none left can neither accept nor connect. So there are fewer places than
descriptors, and a new connection takes the place of the oldest one that asks nothing. The client
address with the most connections gives way first: one address cannot take the places of all.
"""

import asyncio
import contextlib
import ipaddress
import logging
import time
from collections.abc import MutableMapping
from typing import Any, Final

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from reference_bot.descriptors import descriptors

ACCEPT_AT_ONCE: Final = 64
"""Connections that are accepted before any of them is looked at."""
BACKLOG: Final = 1024
_MOST: Final = 512
_SWEEP_SECONDS: Final = 1.0
_LIMITS: Final = {"head": 10.0, "body": 30.0, "answer": 60.0}
"""Seconds for a request's head (from the connection, or the answer before it), its body, and for
the answer to be made and read."""

_log = logging.getLogger(__name__)


def places(share: float = 1.0) -> int:
    """Return how many connections a listener may have: half of the process's
    descriptors at the most."""
    return max(16, int(share * min(_MOST, descriptors() // 2)))


class Gate:
    """The connections of one listener: ``most`` of them, half of that for one client address."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._most_each = max(8, most // 2)
        self._by_address: dict[str, dict[Watched, None]] = {}  # each oldest first
        self._count = 0

    def protocol(self, kind: "type[Watched]") -> "type[Watched]":
        """Return what uvicorn is to make of a connection."""
        return type("_GatedConnection", (kind,), {"gate": self})

    async def run(self) -> None:
        """Close what takes too long, until cancelled."""
        while True:
            await asyncio.sleep(_SWEEP_SECONDS)
            now = time.monotonic()
            for mine in tuple(self._by_address.values()):
                for connection in tuple(mine):
                    if connection.is_late(now):
                        self._close(connection)

    def admit(self, connection: "Watched") -> None:
        """Give ``connection`` a place, or close it when nobody can make room."""
        mine = self._by_address.setdefault(connection.address, {})
        mine[connection] = None
        self._count += 1
        if len(mine) > self._most_each:
            self._make_room(mine, connection)
        elif self._count > self._most:
            self._make_room(max(self._by_address.values(), key=len), connection)

    def leave(self, connection: "Watched") -> None:
        """Free its place."""
        mine = self._by_address.get(connection.address, {})
        if connection in mine:
            del mine[connection]
            self._count -= 1
            if not mine:
                del self._by_address[connection.address]

    def _make_room(self, among: "dict[Watched, None]", new: "Watched") -> None:
        asking_nothing = [one for one in among if one is not new and one.stage() == "head"]
        # Who has been answered before is likelier to ask again than who never asked.
        never = (one for one in asking_nothing if not one.was_asked())
        self._close(next(never, next(iter(asking_nothing), new)))
        _log.warning("too many connections: one was closed to make room")

    def _close(self, connection: "Watched") -> None:
        self.leave(connection)
        if connection.transport is not None:
            connection.transport.abort()


class Watched(asyncio.Protocol):
    """What each kind of connection has beside uvicorn's own: it knows what it waits for and since
    when.
    """

    gate: Gate
    address = ""
    client: tuple[str, int] | None
    transport: asyncio.Transport
    cycle: Any

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        self._since = time.monotonic()
        self._seen: tuple[int, str] = (id(None), "head")
        super().connection_made(transport)
        self.address = self.client[0] if self.client else ""
        self.gate.admit(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.gate.leave(self)
        super().connection_lost(exc)

    def was_asked(self) -> bool:
        """Tell whether a whole head has come by it."""
        return bool(self.cycle)  # uvicorn has None there until then

    def stage(self) -> str:
        """Tell whether it waits for a request's head, its body, or the answer."""
        if not self.was_asked() or self.cycle.response_complete:
            return "head"
        return "body" if self.cycle.more_body else "answer"

    def is_late(self, now: float) -> bool:
        """Tell whether that has taken longer than it may."""
        seen = (id(self.cycle), self.stage())
        if seen != self._seen:
            self._seen, self._since = seen, now
        return now - self._since > _LIMITS[seen[1]]


class H11Connection(Watched, H11Protocol):
    """A connection whose requests are read in Python, by h11."""


class GatedServer(uvicorn.Server):
    """A uvicorn server whose connections go through a `Gate`."""

    def __init__(self, config: uvicorn.Config, gate: Gate) -> None:
        super().__init__(config)
        self._gate = gate

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        for one in sockets or ():
            one.listen(BACKLOG)  # asyncio has made it as short as it accepts at once

    async def main_loop(self) -> None:
        sweep = asyncio.create_task(self._gate.run())
        try:
            await super().main_loop()
        finally:
            sweep.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await sweep


def gated_config(
    app: Any, gate: Gate, *, connection: type[Watched] = H11Connection, **options: Any
) -> uvicorn.Config:
    """Return uvicorn's settings for an app behind ``gate``."""
    return uvicorn.Config(
        app,
        # named, so that it runs the same wherever uvloop and httptools happen to be installed
        loop="asyncio",
        http=gate.protocol(connection),
        ws="none",
        backlog=ACCEPT_AT_ONCE,
        log_config=None,
        access_log=False,
        server_header=False,
        **options,
    )


def refused_host(scope: MutableMapping[str, Any], names: frozenset[str]) -> str | None:
    """Return the Host of a request that is not meant for this service; None when it may be.

    A page in somebody's browser can send requests here under a name that its owner made lead to
    this machine (DNS rebinding). Such a name has a dot and is no address: addresses, names without
    a dot (localhost, a container) and ``names`` are let through, as are requests without a Host.
    """
    hosts: list[bytes] = [value for name, value in scope["headers"] if name == b"host"]
    if not hosts or (len(hosts) == 1 and is_known_host(hosts[0].decode("latin-1"), names)):
        return None
    return hosts[0].decode("latin-1")[:100]


def is_known_host(host: str, names: frozenset[str]) -> bool:
    """Tell whether a Host header's value (a name, perhaps a port) is one of ours."""
    name, bracket, _ = host.strip().lower().removeprefix("[").partition("]")
    if not bracket:
        name = name.partition(":")[0]
    name = name.removesuffix(".")
    if name in names or "*" in names or (name and "." not in name and ":" not in name):
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return name.endswith(".localhost")
    return True


def host_names(text: str) -> frozenset[str]:
    """``"bot.example.com, other.example.com"`` or ``*``, in small letters."""
    return frozenset(name.strip().lower() for name in text.split(",") if name.strip())
