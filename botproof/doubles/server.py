"""A thin HTTP/1.1 server that lets a double decide what happens to the connection itself.

All doubles stand on it. A handler takes a `Request` and gives a `Response` (or a `Stream` of
server-sent events). What ordinary frameworks hide is part of the answer here: `Response.transport`
can reset the connection, never answer, or break off half-way through the body.

A handler may be a coroutine function or a plain function; a plain one is answered without a task
of its own, which is what makes several thousand answers a second possible in one process.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable
from ssl import SSLContext
from typing import Self, TypeAlias

from botproof.doubles.connection import Connection
from botproof.doubles.messages import (
    Handler,
    OnFailure,
)
from botproof.doubles.tls import tell_of_distrust

MAX_BODY_BYTES = 64 * 1024 * 1024  # above the 50 MB that the Bot API takes as one upload

OnDistrust: TypeAlias = Callable[[str, str], None]
"""Told the name that a client asked for and why it refused the certificate (`tls.py`)."""

_TURNS = 3
"""Of the event loop: so many after a connection was accepted its protocol knows of it."""


class Server:
    """A listening server; made by `serve`. `port` and `url` say where, `close` ends it."""

    __slots__ = ("_connections", "_server", "host", "port", "url")

    def __init__(
        self, server: asyncio.Server, host: str, *, tls: bool, connections: set[Connection]
    ) -> None:
        self._server = server
        self._connections = connections
        self.host = host
        self.port: int = server.sockets[0].getsockname()[1]
        name = f"[{host}]" if ":" in host else host
        self.url = f"{'https' if tls else 'http'}://{name}:{self.port}"

    async def close(self) -> None:
        """Stop listening, drop every connection, and wait until running handlers have ended."""
        # Nothing more is accepted. What was is known to its protocol some turns of the loop later,
        # and would be lost, open, were the server closed before.
        for listening in self._server.sockets:
            asyncio.get_running_loop().remove_reader(listening.fileno())
        for _ in range(_TURNS):
            await asyncio.sleep(0)
        self._server.close()
        tasks = [task for connection in tuple(self._connections) if (task := connection.abort())]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)  # sockets of dropped connections are closed a turn later
        await self._server.wait_closed()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


async def serve(
    handler: Handler,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    ssl: SSLContext | None = None,
    max_body: int = MAX_BODY_BYTES,
    on_failure: OnFailure | None = None,
    on_distrust: OnDistrust | None = None,
) -> Server:
    """Listen on `host`:`port` (0: any free port) and answer with `handler`.

    Return once the socket listens. A body over `max_body` bytes is refused with 413, malformed
    HTTP with 400, both as JSON that says what was wrong; a handler that raises is a 500, and
    `on_failure` is told. With `ssl`, `on_distrust` is told of clients that refuse the certificate.
    Raises OSError when the address cannot be bound.
    """
    if ssl is not None and on_distrust is not None:
        tell_of_distrust(ssl, on_distrust)
    loop = asyncio.get_running_loop()
    connections: set[Connection] = set()
    listener = _listen(host, port)
    try:
        server = await loop.create_server(
            lambda: Connection(handler, connections, max_body, loop, on_failure),
            sock=listener,
            ssl=ssl,
        )
    except BaseException:  # a cancelled start as well: the port must not stay taken
        listener.close()
        raise
    return Server(server, host, tls=ssl is not None, connections=connections)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(1024)
        listener.setblocking(False)
    except (OSError, OverflowError) as error:  # Python's own word for a port above 65535
        listener.close()
        said = error.strerror if isinstance(error, OSError) else str(error)
        number = error.errno if isinstance(error, OSError) else errno.EINVAL
        raise OSError(number, f"{said} ({host} port {port})") from None
    return listener
