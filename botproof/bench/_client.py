"""A client that costs little, so that the server is what gets measured.

It sends requests that were written beforehand and reads just enough of the answers: the status and
the Content-Length. Each connection has one request under way at a time.
"""

from __future__ import annotations

import asyncio
import time


class Connection(asyncio.Protocol):
    """One kept-alive connection; `ask` sends a request and gives the body of the answer."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._waiting: asyncio.Future[bytes] | None = None
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where to write."""
        self._transport = transport  # type: ignore[assignment] # uvloop's own class

    def connection_lost(self, exc: Exception | None) -> None:
        """Whoever waits learns of it."""
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(exc or ConnectionResetError("closed by the server"))

    def data_received(self, data: bytes) -> None:
        """Complete the answer, once all of it is there."""
        self._buffer = self._buffer + data if self._buffer else data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self._buffer[:end].lower()
        at = head.index(b"content-length:") + 15
        length = int(head[at:].split(b"\r\n", 1)[0])
        if len(self._buffer) < end + 4 + length:
            return
        body, self._buffer = self._buffer[end + 4 :], b""
        waiting, self._waiting = self._waiting, None
        if waiting is None or waiting.done():
            return
        if head.startswith(b"http/1.1 200"):
            waiting.set_result(body)
        else:
            waiting.set_exception(RuntimeError(f"refused: {body!r}"))

    def ask(self, request: bytes) -> asyncio.Future[bytes]:
        """Send a request; the future has the body of the answer. RuntimeError for a refusal."""
        assert self._transport is not None  # noqa: S101 - set before anyone has the connection
        self._waiting = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return self._waiting

    def close(self) -> None:
        """Hang up."""
        if self._transport is not None:
            self._transport.close()


async def connect(host: str, port: int) -> Connection:
    """Return a new connection."""
    _, connection = await asyncio.get_running_loop().create_connection(Connection, host, port)
    return connection


def post(path: str, body: bytes) -> bytes:
    """Return a POST with a JSON body, ready to be sent."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def rate(host: str, port: int, request: bytes, calls: int, connections: int) -> float:
    """Return calls a second over `connections` connections."""
    opened = [await connect(host, port) for _ in range(connections)]

    async def repeat(connection: Connection, times: int) -> None:
        for _ in range(times):
            await connection.ask(request)

    begin = time.perf_counter()
    await asyncio.gather(*(repeat(connection, calls // connections) for connection in opened))
    seconds = time.perf_counter() - begin
    for connection in opened:
        connection.close()
    return calls / seconds
